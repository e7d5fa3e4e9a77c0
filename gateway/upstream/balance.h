/* balance: which endpoint of a cluster takes the next request: round robin, least request of two,
 * random, each by weight. Endpoints known as unhealthy are not in the list, so they are never
 * chosen (SV-22). Pure but for the numbers it keeps; a worker's. */
#ifndef GATEWAY_UPSTREAM_BALANCE_H
#define GATEWAY_UPSTREAM_BALANCE_H

#include "gateway/route/cluster_config.h"
#include "gateway/upstream/endpoint.h"
#include "gateway/upstream/random.h"

/* Zeroed memory is an empty one. */
struct balance {
    enum cluster_balance kind;
    struct endpoint **endpoints; /* healthy ones; owned array, borrowed endpoints */
    size_t count;
    uint64_t total_weight;
    bool is_weighted; /* weights differ */
    bool is_started;
    size_t next; /* round robin without weights */
};

void balance_cleanup(struct balance *balance);
/* Takes the healthy ones out of `all`. Keeps the place in the round where it can. */
void balance_set(struct balance *balance, enum cluster_balance kind, struct endpoint *const *all,
                 size_t count);
/* An endpoint, other than those in `avoid` where a few tries find one (HT-95). NULL: none is
 * healthy. */
struct endpoint *balance_pick(struct balance *balance, struct random *random,
                              struct endpoint *const *avoid, size_t avoid_count);

#endif
