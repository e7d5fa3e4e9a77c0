/* worker: one thread's share of the traffic: a loop, its listening sockets, the lease on the
 * current snapshot, living clusters, clients and exchanges. Made, fed and ended by the control
 * thread; everything it owns is touched by its own thread only. Workers share nothing but the
 * snapshot.
 *
 *   control thread ── worker_publish() ──▶ worker     worker_drain_begin(): answers say "close"
 *                 ◀── on_done (posted) ──             worker_stop_accepting(): no new ones
 */
#ifndef GATEWAY_PROXY_WORKER_H
#define GATEWAY_PROXY_WORKER_H

#include "config/snapshot.h"
#include "gateway/http/conn.h"
#include "gateway/http/target.h"
#include "gateway/observe/access_log.h"

struct worker;

/* SN-22, SN-23: the Host of a request belongs to another TLS server of the port. */
enum misdirected {
    MISDIRECTED_AUTO, /* served where certificate and TLS policy are the same, else 421 */
    MISDIRECTED_421,
    MISDIRECTED_404, /* as Istio */
};

/* CN-60: the PROXY protocol on accepted connections. */
enum accept_proxy {
    ACCEPT_PROXY_OFF,
    ACCEPT_PROXY_OPTIONAL, /* believed from a trusted peer that sends it */
    ACCEPT_PROXY_REQUIRED, /* a connection of a trusted peer without it is closed */
};

/* Who we are, for the source_* labels of the metrics. An empty view is told as "unknown", an empty
 * revision as "latest", an empty cluster id as "Kubernetes". */
struct worker_identity {
    struct str workload; /* "istio-ingressgateway" */
    struct str workload_namespace;
    struct str canonical_service;
    struct str canonical_revision;
    struct str app;
    struct str version;
    struct str cluster_id;
};

/* The same for all workers; lives longer than they do, as do the strings in it. */
struct worker_options {
    struct conn_limits client_limits;
    uint32_t handshake_timeout_ms;
    uint32_t request_timeout_ms; /* from the end of a head to the end of its body; 0: none */
    uint32_t connect_timeout_ms; /* for a cluster that names none */
    enum path_normalization path_normalization;
    unsigned trusted_hops; /* HD-3 */
    enum misdirected misdirected;
    enum accept_proxy accept_proxy;
    /* Who is believed; a peer outside them is served without looking for a header. */
    const struct cidr *proxy_ranges;
    size_t proxy_range_count;
    uint32_t tunnel_idle_timeout_ms; /* of an upgraded exchange, and of a tunnel whose cluster says
                                        nothing (TT-26, CN-32); 0: none */
    size_t max_connections;          /* of one worker; 0: no cap */
    struct access_log *access_log;   /* NULL: off */
    struct worker_identity identity;
    struct str server_name;       /* `server` of every answer; "istio-envoy" when empty (HD-30) */
    const char *resolver_servers; /* as resolver_new() takes it; NULL: the system's */
    struct loop *control_loop;    /* done callbacks are posted here */
    /* Called in the worker's thread when it gave back the last reference: the snapshot must be
     * freed on the control thread. */
    void (*release_snapshot)(void *owner, struct snapshot *snapshot);
    void *owner;
};

/* Starts the thread. It serves nothing before the first worker_publish(). */
struct worker *worker_start(const struct worker_options *options, unsigned index, struct err *err);
/* Ends the thread now, whatever is under way, and frees the worker. Its references to snapshots are
 * released before it returns. Nobody else uses the worker any more; what it posted to the control
 * loop may still arrive, without a worker to go back to. */
void worker_stop(struct worker *worker);
/* Ends all threads before it frees the first worker: they look at each other. */
void worker_stop_all(struct worker *const *workers, size_t count);
/* Those between which connections are balanced. Before any of them has a snapshot; the array lives
 * longer than they do. Such workers end by worker_stop_all(). */
void worker_set_peers(struct worker *const *workers, size_t count);
unsigned worker_index(const struct worker *worker);

/* A bound socket for a listener that this worker did not have. */
struct worker_socket {
    struct str key;       /* snapshot_listener.key */
    int fd;               /* from listener_bind(); the worker's from now on */
    struct address bound; /* the address in fact, for pages and logs */
};
typedef void (*worker_done_fn)(void *owner, struct worker *worker);
/* A snapshot, the sockets that are new with it, and the keys of those to be given up. Unchanged
 * listeners are not named: they keep their sockets. All is copied; the worker takes its own
 * reference to the snapshot before this returns. `on_done` runs on the control loop once the worker
 * serves by it. A listener that goes away empties its queue first, and its connections finish what
 * is under way.
 */
struct worker_publication {
    struct snapshot *snapshot;
    const struct worker_socket *opened;
    size_t opened_count;
    const struct str *closed;
    size_t closed_count;
    worker_done_fn on_done;
    void *owner;
};
void worker_publish(struct worker *worker, const struct worker_publication *publication);

/* Drain, first phase: answers carry "connection: close" (HR-5); connections are still accepted. */
void worker_drain_begin(struct worker *worker);
/* Second phase: empties and closes the listening sockets, closes idle connections. */
void worker_stop_accepting(struct worker *worker);
/* Memory is short: requests are refused (spec 10.1, OM), idle connections closed, now and each time
 * it is said again; then the requests that hold most are given up as well. */
void worker_overload_begin(struct worker *worker);
void worker_overload_end(struct worker *worker);
/* A crowd has left: what was kept for the next request of each of them is let go of. */
void worker_free_spares(struct worker *worker);
/* Any thread: client connections open, handshakes included. */
size_t worker_active_count(const struct worker *worker);
/* Any thread: requests under way. */
size_t worker_request_count(const struct worker *worker);

/* What a worker has in hand, for admin pages. All of it lives in `arena`. */
struct worker_report_listener {
    struct str key;
    struct str name;
    struct address bound;
    uint64_t connection_count;
};
struct worker_report_endpoint {
    struct str address; /* "10.0.0.1:80" */
    struct str host;    /* the DNS name it came from, or empty */
    uint32_t weight;
    bool is_healthy;
    uint64_t active_requests;
    uint64_t active_connections;
    uint64_t idle_connections;
    uint64_t request_count; /* since the endpoint came */
    uint64_t connect_failure_count;
};
struct worker_report_cluster {
    struct str name;
    enum cluster_kind kind;
    enum cluster_balance balance;
    bool is_resolved; /* DNS kinds: some answer has come */
    const struct worker_report_endpoint *endpoints;
    size_t endpoint_count;
};
struct worker_report {
    struct arena *arena;
    unsigned worker_index;
    uint64_t revision;
    const struct worker_report_listener *listeners;
    size_t listener_count;
    const struct worker_report_cluster *clusters;
    size_t cluster_count;
};
/* `on_report` runs on the control loop and owns the report: worker_report_free(). */
typedef void (*worker_report_fn)(void *owner, struct worker *worker, struct worker_report *report);
void worker_collect(struct worker *worker, worker_report_fn on_report, void *owner);
void worker_report_free(struct worker_report *report);

#endif
