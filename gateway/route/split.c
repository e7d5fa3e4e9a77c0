/* split: one draw over the sum of the weights. Pure. */
#include "gateway/route/split.h"

const struct route_destination *split_pick_among(const struct route_destination *destinations,
                                                 size_t count, uint64_t total_weight,
                                                 uint64_t random)
{
    size_t last = count - 1;

    if (last == 0 || total_weight == 0) {
        return &destinations[0]; /* HT-40, TT-25: the weight of a single one says nothing */
    }
    /* The sum has 33 bits or so: what the remainder prefers cannot be measured. */
    uint64_t point = random % total_weight;
    for (size_t i = 0; i < last; i++) {
        if (point < destinations[i].weight) {
            return &destinations[i];
        }
        point -= destinations[i].weight;
    }
    return &destinations[last];
}

const struct route_destination *split_pick(const struct route *route, uint64_t random)
{
    return split_pick_among(route->destinations, route->destination_count, route->total_weight,
                            random);
}
