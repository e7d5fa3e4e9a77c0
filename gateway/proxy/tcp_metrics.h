/* tcp_metrics: the istio_tcp_* series of tunnels (spec OB-20, OB-40). A worker remembers the series of
 * the combinations it met, so that a usual tunnel builds no labels. */
#ifndef GATEWAY_PROXY_TCP_METRICS_H
#define GATEWAY_PROXY_TCP_METRICS_H

#include "gateway/observe/metrics.h"
#include "gateway/proxy/worker.h"
#include "gateway/upstream/cluster.h"

/* OB-40: how often the bytes of an open tunnel are told. */
enum { TCP_METRICS_REPORT_MS = 15000 };

struct tcp_metrics_entry {
    uint64_t cluster_id; /* 0: none */
    uint64_t flags;
    struct metric_series *opened; /* NULL: a free place */
    struct metric_series *closed;
    struct metric_series *received;
    struct metric_series *sent;
};

/* One that is taken is given to the newcomer. */
enum { TCP_METRICS_PLACES = 128 };

struct tcp_metrics {
    struct metrics_shard *shard;
    const struct worker_identity *identity;
    struct tcp_metrics_entry entries[TCP_METRICS_PLACES];
};

/* `cluster` NULL: the route's is not there. */
void tcp_metrics_opened(struct tcp_metrics *metrics, const struct cluster *cluster);
/* What came since the last time; `flags` as far as they are known. */
void tcp_metrics_bytes(struct tcp_metrics *metrics, const struct cluster *cluster, uint64_t flags,
                       uint64_t received, uint64_t sent);
void tcp_metrics_closed(struct tcp_metrics *metrics, const struct cluster *cluster, uint64_t flags);

#endif
