/* split: weighted choice among the destinations of a route (HT-40). */
#ifndef GATEWAY_ROUTE_SPLIT_H
#define GATEWAY_ROUTE_SPLIT_H

#include "gateway/route/route.h"

/* `random` is any 64-bit number, evenly spread. Route with at least one destination. */
const struct route_destination *split_pick(const struct route *route, uint64_t random);

/* The same over any list (TT-25). */
const struct route_destination *split_pick_among(const struct route_destination *destinations,
                                                 size_t count, uint64_t total_weight,
                                                 uint64_t random);

#endif
