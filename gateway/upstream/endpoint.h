/* endpoint: one address of a cluster in one worker: its health, its load, its connections. Counted:
 * the cluster holds one reference, each connection, dial and waiting request another. It holds one
 * on its cluster. All in the worker's thread. */
#ifndef GATEWAY_UPSTREAM_ENDPOINT_H
#define GATEWAY_UPSTREAM_ENDPOINT_H

#include "gateway/base/list.h"
#include "gateway/net/address.h"

struct cluster;

struct endpoint {
    struct list link; /* among all of the cluster_set */
    struct cluster *cluster;
    struct address address;
    struct str text; /* "10.0.0.1:80"; NUL-terminated, owned */
    struct str host; /* DNS kinds: the name it came from; owned */
    uint32_t weight; /* at least 1 */
    bool is_healthy;
    bool is_retired; /* no longer among the cluster's: connections close when idle */
    bool is_wanted;  /* scratch of an update */
    uint32_t ref_count;
    int64_t round_robin_credit; /* balance.c */
    uint32_t active_requests;
    uint64_t request_count;
    uint64_t connect_failure_count;
    /* pool.c */
    struct list idle; /* of struct pool_conn, the warmest first */
    struct list
        sharing;       /* of struct pool_conn: HTTP/2, busy with room for more, the fullest first */
    struct list busy;  /* of struct pool_conn: without room */
    struct list dials; /* of struct pool_dial, each with the requests that wait for it */
    uint32_t idle_count;
    uint32_t busy_count; /* sharing ones included */
    uint32_t dial_count;
    uint32_t waiting_count; /* requests, whatever they wait for */
    /* Streams its latest SETTINGS allowed on a connection; the next one is taken to allow as many until
     * it says so itself. 0: none have come. */
    uint32_t peer_streams;
};

/* With one reference; takes one on the cluster. */
struct endpoint *endpoint_new(struct cluster *cluster, const struct address *address,
                              struct str host);
struct endpoint *endpoint_ref(struct endpoint *endpoint);
void endpoint_unref(struct endpoint *endpoint);
/* Something is under way through it, a request or a tunnel, until endpoint_end_use(): counts for
 * least-request and for the admin pages, and holds a reference. A tunnel tells the figures of its
 * connection by itself (cluster_count_connection()). */
void endpoint_begin_use(struct endpoint *endpoint);
void endpoint_end_use(struct endpoint *endpoint);
/* The cluster lets go: idle connections close, others when they become idle. */
void endpoint_retire(struct endpoint *endpoint);

#endif
