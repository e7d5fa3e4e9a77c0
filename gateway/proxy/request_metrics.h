/* request_metrics: the istio_* series of finished requests (spec 11.2, OB-20 to OB-28). A worker
 * remembers the series of the combinations it met, so that a warm request builds no labels. */
#ifndef GATEWAY_PROXY_REQUEST_METRICS_H
#define GATEWAY_PROXY_REQUEST_METRICS_H

#include "gateway/observe/metrics.h"
#include "gateway/proxy/worker.h"
#include "gateway/upstream/cluster.h"

enum { REQUEST_METRICS_NO_GRPC = 255 };

/* What tells one series from another. */
struct request_metrics_key {
    uint64_t cluster_id; /* 0: none */
    uint64_t flags;
    uint16_t status;
    uint8_t grpc_status; /* REQUEST_METRICS_NO_GRPC: not told */
    bool is_grpc;
};

struct request_metrics_entry {
    struct request_metrics_key key;
    struct metric_series *requests; /* NULL: a free place */
    struct metric_series *duration;
    struct metric_series *request_bytes;
    struct metric_series *response_bytes;
    /* NULL: no request of this kind had messages yet. */
    struct metric_series *request_messages;
    struct metric_series *response_messages;
};

/* A place for each of the usual combinations; one that is taken is given to the newcomer. */
enum { REQUEST_METRICS_PLACES = 512 };

struct request_metrics {
    struct metrics_shard *shard;
    const struct worker_identity *identity;
    struct request_metrics_entry entries[REQUEST_METRICS_PLACES];
};

struct request_metrics_sample {
    const struct cluster *cluster; /* NULL: none */
    unsigned status;
    uint64_t flags;
    bool is_grpc;
    uint8_t grpc_status; /* REQUEST_METRICS_NO_GRPC: none seen */
    uint64_t duration_us;
    uint64_t request_bytes;
    uint64_t response_bytes;
    uint64_t request_messages; /* of gRPC */
    uint64_t response_messages;
};
void request_metrics_add(struct request_metrics *metrics,
                         const struct request_metrics_sample *sample);

#endif
