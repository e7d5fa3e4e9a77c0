/* cluster_target: one endpoint as the configuration names it: an address, or a DNS name that stands
 * for addresses and is asked for again when its answer expires (SV-35, SV-36). Old addresses stay
 * in use while the resolver fails. Owned by a cluster, in the worker's thread. */
#ifndef GATEWAY_UPSTREAM_CLUSTER_TARGET_H
#define GATEWAY_UPSTREAM_CLUSTER_TARGET_H

#include "gateway/net/resolver.h"
#include "gateway/route/cluster_config.h"

struct cluster;

struct cluster_target {
    struct cluster *cluster;
    struct str host; /* in the cluster's arena; empty: a fixed address */
    uint16_t port;
    uint32_t weight;
    bool is_healthy;
    bool has_answer;           /* the resolver has said something, if only that it failed */
    struct address *addresses; /* owned, with port */
    size_t address_count;
    struct resolver_query *query;
    struct timer refresh;
    uint32_t failure_count; /* in a row */
};

/* `former` is the same name's target before an update, or NULL: its addresses are taken over.
 * `host` of the configuration must live as long as the target. */
void cluster_target_init(struct cluster_target *target, struct cluster *cluster,
                         const struct endpoint_config *config, struct cluster_target *former);
/* Asks the resolver; nothing for a fixed address. */
void cluster_target_start(struct cluster_target *target);
void cluster_target_stop(struct cluster_target *target);
void cluster_target_cleanup(struct cluster_target *target);

#endif
