/* split: one draw over the sum of the weights. Pure. */
#include "gateway/route/split.h"

const struct route_destination *split_pick(const struct route *route, uint64_t random)
{
    uint64_t point;
    size_t last = route->destination_count - 1;

    if (last == 0 || route->total_weight == 0) {
        return &route->destinations[0]; /* HT-40: the weight of a single one says nothing */
    }
    /* The sum has 33 bits or so: what the remainder prefers cannot be measured. */
    point = random % route->total_weight;
    for (size_t i = 0; i < last; i++) {
        if (point < route->destinations[i].weight) {
            return &route->destinations[i];
        }
        point -= route->destinations[i].weight;
    }
    return &route->destinations[last];
}
