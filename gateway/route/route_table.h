/* route_table: building of host and route tables, and the index that keeps "first match wins" while
 * asking only routes that can match: exact paths in a hash, prefixes and literal starts of regexes in
 * an ordered structure. Built once by compile, then immutable. */
#ifndef GATEWAY_ROUTE_ROUTE_TABLE_H
#define GATEWAY_ROUTE_ROUTE_TABLE_H

#include "gateway/route/route.h"

/* Fills host->index from host->routes when there are enough of them; all memory is the arena's. */
void route_index_build(struct arena *arena, struct virtual_host *host);

/* The routes of a host that a path can meet, in the order of evaluation. */
struct route_cursor {
    const struct virtual_host *host;
    const struct route_node *node; /* deepest one of the index that fits the path */
    size_t position;
};
void route_cursor_start(struct route_cursor *cursor, const struct virtual_host *host,
                        struct str path);
/* NULL: no more. */
const struct route *route_cursor_next(struct route_cursor *cursor);

#endif
