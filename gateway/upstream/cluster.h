/* cluster: a worker's living view of one destination: its endpoints, how to choose among them, its
 * figures. Made from a cluster_config, kept across reloads under the same name; endpoints are kept
 * by address, so their connections survive. Counted: the set holds one reference, each endpoint and
 * each exchange that uses it another. It copies what it keeps, so it pins no snapshot. */
#ifndef GATEWAY_UPSTREAM_CLUSTER_H
#define GATEWAY_UPSTREAM_CLUSTER_H

#include "gateway/base/map.h"
#include "gateway/base/vec.h"
#include "gateway/http/head.h"
#include "gateway/observe/metrics.h"
#include "gateway/upstream/balance.h"
#include "gateway/upstream/cluster_target.h"

struct cluster_set;

/* A request that waits for the first DNS answer; embedded in its owner. Zeroed is idle. */
struct cluster_waiter {
    struct list link;
    void (*on_resolved)(void *owner);
    void *owner;
};

struct cluster {
    struct cluster_set *set;
    struct list link; /* in the set: current or retired */
    uint32_t ref_count;
    bool is_retired;
    uint64_t id; /* of this configuration; no other in this worker ever has it */
    uint64_t fingerprint;
    uint64_t
        settings;  /* number of what its connections are made by: TLS, protocol, SNI, PROXY header.
                          One made by another number serves no new request */
    bool is_named; /* scratch of an update */
    struct arena *arena; /* of the strings below; replaced by an update */
    struct str name;     /* outlives updates: the set's key */
    struct str service_host;
    struct str service_name;
    struct str service_namespace;
    enum cluster_kind kind;
    enum cluster_balance balance_kind;
    uint32_t connect_timeout_ms;
    /* As in cluster_config; the contexts are counted. */
    enum cluster_protocol protocol;
    enum proxy_protocol_version proxy_protocol;
    struct tls_client_context *tls;
    struct tls_client_context *tls_h2;
    struct str sni;
    uint32_t idle_timeout_ms;
    uint32_t tcp_idle_timeout_ms;
    uint32_t max_connection_duration_ms;
    uint32_t max_requests_per_connection;
    uint32_t max_concurrent_streams;
    uint32_t ping_interval_ms;
    uint32_t ping_timeout_ms;
    struct cluster_target *targets;
    size_t target_count;
    struct {
        VEC_FIELDS(struct endpoint *);
    } endpoints;
    struct balance balance;
    struct list waiting; /* of struct cluster_waiter */
    struct metric_series *connection_series;
    struct metric_series *request_series;
};

/* With one reference, in no list. */
struct cluster *cluster_new(struct cluster_set *set, const struct cluster_config *config);
/* Takes over a changed configuration of the same name. */
void cluster_update(struct cluster *cluster, const struct cluster_config *config);
struct cluster *cluster_ref(struct cluster *cluster);
void cluster_unref(struct cluster *cluster);
/* The configuration has it no more: DNS stops, idle connections close. Drops the set's reference.
 */
void cluster_retire(struct cluster *cluster);

/* False: DNS has not answered yet, and a first answer is on its way. */
bool cluster_is_resolved(const struct cluster *cluster);
/* Calls back once there is an answer or a failure. For a cluster that is not resolved. */
void cluster_wait(struct cluster *cluster, struct cluster_waiter *waiter);
void cluster_wait_cancel(struct cluster_waiter *waiter);
/* What a connection for a request of this client speaks (DR-50): HTTP_VERSION_1_1 or HTTP_VERSION_2. */
enum http_version cluster_http_version(const struct cluster *cluster,
                                       enum http_version client_version);
/* The name a TLS connection asks for (DR-63): the cluster's `sni`, else the request's host (after
 * rewrites; a port is dropped; empty for a tunnel). An IP address is for the check of the certificate
 * alone: transport_tls_connect() sends none. Empty without TLS. A view of one of the two. */
struct str cluster_server_name(const struct cluster *cluster, struct str request_host);
/* balance_pick() with this cluster's numbers. NULL: no healthy endpoint (LR-5). */
struct endpoint *cluster_pick_endpoint(struct cluster *cluster, struct endpoint *const *avoid,
                                       size_t avoid_count);
/* Makes the endpoints what the targets say; called when an answer changed a target. */
void cluster_refresh_endpoints(struct cluster *cluster);
/* One connection more (1) or less (-1). */
void cluster_count_connection(struct cluster *cluster, int change);

#endif
