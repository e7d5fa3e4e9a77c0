/* snapshot: the immutable result of a compile: listeners, host tables, routes, TLS contexts, clusters.
 * Counted. Made and freed on the control thread; workers read it through a lease and never free it:
 * the last reference goes back to the control thread (daemon/reload.c). */
#ifndef CONFIG_SNAPSHOT_H
#define CONFIG_SNAPSHOT_H

#include "config/resource_set.h"
#include "gateway/net/address.h"
#include "gateway/route/tcp_route.h"
#include "tls/context.h"

/* What is done with a connection whose SNI leads to a server (GW-14). */
enum tls_server_kind {
    TLS_SERVER_HTTP,        /* terminated, HTTP: `context`, `routes` */
    TLS_SERVER_TCP,         /* terminated, then raw bytes: `context`, `tcp` (TT-24) */
    TLS_SERVER_PASSTHROUGH, /* not terminated: `tcp`; `hosts` are the sniHosts of one tls[] rule (TT-2) */
};

/* One TLS server of a Gateway; of a passthrough server one for each tls[] rule. A terminating server that
 * must not be served as it is written (its mode, its secret) stays without a context, so that no other
 * one answers for its names. */
struct tls_server {
    enum tls_server_kind kind;
    struct str name;             /* route table name (GW-33); empty: not HTTP */
    struct str gateway;          /* "ns/name" */
    struct str_vec hosts;        /* stripped, lower-cased, without the dropped duplicates */
    struct str credential;       /* name of the secret, or "file:..." */
    struct tls_context *context; /* NULL: its secret is not there or bad; handshakes get an alert */
    struct route_table *routes;  /* HTTP: never NULL; else NULL */
    const struct tcp_route *tcp; /* PASSTHROUGH, and TCP with a context: never NULL; else NULL */
    struct str file;
    uint32_t line;
};

struct snapshot_listener {
    struct str key;  /* "0.0.0.0:443": equal keys are one socket across reloads */
    struct str name; /* "0.0.0.0_443" as Envoy names it */
    uint32_t gateway_port;
    struct address address; /* as asked for: port by the port map, 0 = the kernel picks */
    bool is_tls;
    struct str protocol;         /* of the first server: "HTTP", "HTTPS" for the ready file */
    struct route_table *routes;  /* plain HTTP */
    const struct tcp_route *tcp; /* plain TCP; then there are no routes (TT-21) */
    struct host_table sni;       /* TLS: to struct tls_server */
    struct tls_server **servers;
    size_t server_count;
};

/* What a worker that has the snapshot before this one has to change: of ten thousand clusters a reload
 * touches few, and a worker that looked at each would keep its connections waiting meanwhile. */
struct snapshot_cluster_changes {
    uint64_t since;                  /* revision of that snapshot; 0: compared with none */
    struct cluster_config **updated; /* new or changed */
    size_t updated_count;
    struct str *gone; /* names */
    size_t gone_count;
};

struct snapshot {
    uint64_t revision;
    struct arena *arena;
    struct snapshot_listener *listeners;
    size_t listener_count;
    struct cluster_config **clusters;
    size_t cluster_count;
    struct snapshot_cluster_changes cluster_changes;
    /* Owned outside the arena. */
    struct {
        VEC_FIELDS(struct pattern *);
    } patterns;
    struct {
        VEC_FIELDS(struct route_table *);
    } tables;
    uint32_t ref_count; /* atomic */
};

/* With one reference. */
struct snapshot *snapshot_new(void);
/* Any thread may take and give references; snapshot_unref() returns true when it was the last one:
 * the caller then sees to it that snapshot_free() runs on the control thread. */
struct snapshot *snapshot_ref(struct snapshot *snapshot);
bool snapshot_unref(struct snapshot *snapshot);
void snapshot_free(struct snapshot *snapshot);
/* Fills `cluster_changes`. Before the first worker has the snapshot. */
void snapshot_compare_clusters(struct snapshot *snapshot, const struct snapshot *former);
/* How many there are, for the gauge. */
unsigned snapshot_live_count(void);
/* The server a TLS host name leads to; NULL: none (SN-8). */
const struct tls_server *snapshot_find_tls_server(const struct snapshot_listener *listener,
                                                  struct str server_name);

#endif
