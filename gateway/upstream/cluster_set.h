/* cluster_set: all clusters of one worker, by name, and what they share. Updated with each
 * snapshot: an unchanged cluster is not touched, a changed one keeps the endpoints it still has, a
 * removed one lives until the last exchange that uses it is gone. */
#ifndef GATEWAY_UPSTREAM_CLUSTER_SET_H
#define GATEWAY_UPSTREAM_CLUSTER_SET_H

#include "gateway/http/conn.h"
#include "gateway/net/resolver.h"
#include "gateway/upstream/cluster.h"

/* The members up to connect_timeout_ms are the caller's to fill; the rest starts zeroed. */
struct cluster_set {
    struct loop *loop;
    struct resolver *resolver;
    struct metrics_shard *metrics;
    struct conn_limits conn_limits; /* client role */
    uint32_t connect_timeout_ms;    /* for a cluster that names none */
    struct random random;
    struct map by_name;
    struct list current;
    struct list retired;
    struct list endpoints; /* all there are, retired ones with a busy connection included */
    uint64_t last_cluster_id;
};

void cluster_set_init(struct cluster_set *set);
/* Closes everything. No exchange uses a cluster any more. */
void cluster_set_cleanup(struct cluster_set *set);
void cluster_set_update(struct cluster_set *set, struct cluster_config *const *configs,
                        size_t count);
/* The same where only these differ from what the set has: costs nothing for the others. */
void cluster_set_change(struct cluster_set *set, struct cluster_config *const *updated,
                        size_t updated_count, const struct str *gone, size_t gone_count);
/* pool_close_unused() of all endpoints. */
void cluster_set_close_unused(struct cluster_set *set, uint64_t unused_ms);
/* NULL: none of that name. */
struct cluster *cluster_set_find(const struct cluster_set *set, struct str name);

#endif
