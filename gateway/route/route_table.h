/* route_table: building of host and route tables, and the index that keeps "first match wins" while
 * asking only routes that can match: exact paths in a hash, prefixes and literal starts of regexes in
 * an ordered structure. Built once by compile, then immutable. */
#ifndef GATEWAY_ROUTE_ROUTE_TABLE_H
#define GATEWAY_ROUTE_ROUTE_TABLE_H

#include "gateway/route/route.h"

/* Fills host->index from host->routes; memory outside `arena` is freed by route_index_free(). */
void route_index_build(struct arena *arena, struct virtual_host *host);
void route_index_free(struct route_index *index);
/* Candidates for a path in rising order of position: start with *position = 0; SIZE_MAX: no more. */
size_t route_index_next(const struct virtual_host *host, struct str path, size_t position);

#endif
