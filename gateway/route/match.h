/* match: request to route: the best virtual host, then its routes top-down, the first full match wins
 * (HT-35). Pure; called once a request by a worker, and by `explain`. */
#ifndef GATEWAY_ROUTE_MATCH_H
#define GATEWAY_ROUTE_MATCH_H

#include "gateway/route/route.h"

struct match_request {
    struct str method;
    struct str path;      /* normalised, without query */
    struct str query;     /* raw */
    struct str scheme;    /* HD-6 */
    struct str authority; /* as received, with port */
    const struct headers *headers;
};

/* By Host without its port (SN-30); NULL: none. */
const struct virtual_host *match_virtual_host(const struct route_table *table,
                                              struct str authority);
/* NULL: no route. */
const struct route *match_route(const struct virtual_host *host,
                                const struct match_request *request);
/* The condition of `route` that fails ("uri", "headers[x]", ...), or NULL when all hold. Never NULL
 * for a condition that fails: labels are set when compiled. */
const char *match_failed_condition(const struct route *route, const struct match_request *request);
/* Host part of an authority: "a.com:80" -> "a.com", "[::1]:80" -> "[::1]". */
struct str match_host_of(struct str authority);

#endif
