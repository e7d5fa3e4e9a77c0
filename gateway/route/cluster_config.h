/* cluster_config: one destination (host, port, subset) as the configuration says it. Part of the
 * snapshot; upstream/cluster.c keeps a worker's living view of it under the same name. */
#ifndef GATEWAY_ROUTE_CLUSTER_CONFIG_H
#define GATEWAY_ROUTE_CLUSTER_CONFIG_H

#include "gateway/base/str.h"
#include "gateway/net/address.h"
#include "gateway/net/proxy_protocol.h"
#include "tls/client_context.h"

enum cluster_kind {
    CLUSTER_STATIC,      /* addresses from ServiceEntry STATIC or EndpointSlices */
    CLUSTER_DNS,         /* every address of every name (SV-35) */
    CLUSTER_LOGICAL_DNS, /* the first address of the latest answer (SV-36) */
};
enum cluster_balance { BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN, BALANCE_RANDOM };

/* What a connection to the cluster speaks (DR-50). */
enum cluster_protocol {
    CLUSTER_HTTP1,
    CLUSTER_HTTP2,
    CLUSTER_CLIENT_PROTOCOL, /* useClientProtocol: what the client speaks */
};

/* tcp_idle_timeout_ms of a cluster of which no DestinationRule says anything: the option has its say. */
#define CLUSTER_IDLE_UNSET UINT32_MAX

struct endpoint_config {
    struct str host;        /* DNS kinds: the name to resolve; empty for an address */
    struct address address; /* static: address and port; DNS: only the port counts */
    uint16_t port;
    uint32_t weight; /* at least 1 */
    bool is_healthy; /* SV-22: known, never chosen when false */
};

struct cluster_config {
    struct str name;         /* "outbound|80||a.ns.svc.cluster.local" (HT-43) */
    struct str service_host; /* destination_service label */
    struct str service_name;
    struct str service_namespace;
    uint16_t port;
    enum cluster_kind kind;
    enum cluster_balance balance;
    uint32_t connect_timeout_ms;
    enum cluster_protocol protocol;
    enum proxy_protocol_version proxy_protocol; /* DR-80: sent first on each connection */
    struct tls_client_context *tls; /* NULL: plaintext. The snapshot holds the reference */
    /* Of CLUSTER_CLIENT_PROTOCOL with TLS: for its HTTP/2 connections, as `tls` offers no ALPN there
     * (DR-62). Else NULL: `tls` is for all. The snapshot holds the reference. */
    struct tls_client_context *tls_h2;
    struct str sni;           /* DR-63: empty: the request's host */
    uint32_t idle_timeout_ms; /* of a pooled connection; 0: the default (LIMIT_POOL_IDLE_MS) */
    uint32_t
        tcp_idle_timeout_ms; /* TT-26: of a tunnel; 0: none; CLUSTER_IDLE_UNSET: not configured */
    uint32_t max_connection_duration_ms;  /* TT-26; 0: none */
    uint32_t max_requests_per_connection; /* 0: no limit */
    uint32_t max_concurrent_streams;      /* of one HTTP/2 connection; 0: what the peer allows */
    uint32_t ping_interval_ms;            /* http2KeepAlive; 0: none */
    uint32_t ping_timeout_ms;
    const struct endpoint_config *endpoints;
    size_t endpoint_count;
    uint64_t fingerprint; /* hash of all of the above: equal means unchanged */
};

#endif
