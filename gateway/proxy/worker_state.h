/* worker_state: what a worker is made of, for the files of proxy/ only. All of it is touched by the
 * worker's thread alone, but for the two counts and the inbox. */
#ifndef GATEWAY_PROXY_WORKER_STATE_H
#define GATEWAY_PROXY_WORKER_STATE_H

#include "gateway/net/listener.h"
#include "gateway/proxy/lease.h"
#include "gateway/proxy/request_metrics.h"
#include "gateway/proxy/tcp_metrics.h"
#include "gateway/proxy/worker.h"
#include "gateway/upstream/cluster_set.h"

#include <pthread.h>
#include <stdatomic.h>

/* A listening socket and what belongs to it. Counted: the worker holds a reference while the socket
 * is open, each client another. */
struct worker_listener {
    struct list link; /* worker->draining_listeners; else in none */
    struct worker *worker;
    struct str key;  /* owned */
    struct str name; /* owned; label of its metrics */
    struct address bound;
    struct listener *socket;                /* NULL: closed */
    const struct snapshot_listener *config; /* in the current snapshot; NULL: it has none */
    bool is_tls;                            /* as the last configuration said */
    bool is_tcp;                            /* plain bytes; likewise */
    struct timer deadline;                  /* HR-5: of what is still open when it is gone */
    uint32_t ref_count;
    uint64_t connection_count;
    struct metric_series *connection_series;
    struct metric_series *request_series;
};

/* What other workers have handed over (worker_balance.c). */
struct worker_inbox {
    pthread_mutex_t lock;
    struct list handed; /* of struct worker_handed; under the lock, as are the next two */
    uint64_t revision;  /* of the listeners it takes connections for */
    bool is_closed;
    atomic_size_t count; /* handed over and not accepted yet */
};

struct worker {
    struct worker_options options;
    unsigned index;
    struct worker *const *peers; /* this one among them; NULL: it is alone */
    size_t peer_count;
    size_t next_peer; /* where the next look begins */
    struct worker_inbox inbox;
    pthread_t thread;
    struct loop *loop;
    struct resolver *resolver;
    struct metrics_shard *metrics;
    struct request_metrics request_metrics;
    struct tcp_metrics tcp_metrics;
    struct cluster_set clusters;
    struct lease *lease;            /* NULL before the first snapshot */
    struct map listeners;           /* key to worker_listener */
    struct list draining_listeners; /* closed by the drain, with clients that still ask their
                                       configuration */
    bool is_draining;               /* answers say "close" */
    bool is_overloaded;             /* requests are refused */
    bool is_stopping;
    bool is_paused;            /* max_connections reached */
    struct timer pause_review; /* when an idle connection may make way */
    struct list idle_clients;  /* the longest idle first */
    struct list busy_clients;  /* in a handshake or a request */
    struct list exchanges;     /* under way */
    struct list tunnels;       /* of struct tunnel: connections of bytes */
    struct list spare_exchanges;
    size_t spare_exchange_count;
    uint64_t next_connection_id;
    atomic_size_t connection_count; /* written by the worker only */
    atomic_size_t request_count;
};

struct worker_listener *worker_listener_ref(struct worker_listener *listener);
void worker_listener_unref(struct worker_listener *listener);
/* A client came or went. */
void worker_count_connection(struct worker *worker, int change);
/* At max_connections, with none idle for long enough to make way, accepting pauses; else it goes
 * on. */
void worker_review_accepting(struct worker *worker);
void worker_count_request(struct worker *worker, int change);

#endif
