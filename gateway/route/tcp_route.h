/* tcp_route: where the bytes of a connection go (spec section 6): compiled from one tls[] or tcp[] rule.
 * Part of a snapshot, immutable. */
#ifndef GATEWAY_ROUTE_TCP_ROUTE_H
#define GATEWAY_ROUTE_TCP_ROUTE_H

#include "gateway/route/route.h"

struct tcp_route {
    /* Destinations of an HTTP route without the HTTP: header operations are empty. */
    const struct route_destination *destinations;
    size_t destination_count;
    uint64_t total_weight;
    struct str virtual_service; /* "ns/name" */
    struct str file;
    uint32_t line;
};

#endif
