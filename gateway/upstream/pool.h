/* pool: the connections of one endpoint, per worker: idle ones kept last-in-first-out so that the
 * warm stay warm, dials under way, requests that wait for either. A connection that dies while idle
 * is noticed by its own event and leaves the pool at once. A connection serves requests of an equal key
 * only; one of HTTP/2 many at once.
 *
 *   pool_request_leg() ──▶ a connection with room: a leg, now
 *                      └─▶ waits: the first of a finished dial and a connection that gets room
 *
 * Connections are in pool_conn.c, dials and requests in pool.c. */
#ifndef GATEWAY_UPSTREAM_POOL_H
#define GATEWAY_UPSTREAM_POOL_H

#include "gateway/http/conn.h"
#include "gateway/upstream/endpoint.h"

/* What connections are told apart by, besides the endpoint. */
struct pool_key {
    enum http_version version; /* HTTP_VERSION_1_1 or HTTP_VERSION_2 */
    struct str server_name;    /* SNI, where the cluster has TLS; else empty */
    /* Where the cluster sends a PROXY header (DR-80): whose it is. Such a connection is its client
     * connection's alone. 0 and NULL: none. */
    uint64_t client_id;
    const struct address *client;
    const struct address *client_local;
    uint64_t settings; /* pool.c: the cluster's, of when it was asked for */
};

/* One request that wants a leg; embedded in its owner. Zeroed is idle. */
struct pool_request {
    struct endpoint *endpoint; /* NULL: not waiting */
    struct pool_key key;       /* its views live as long as the request waits */
    /* For a head of framing BODY_TUNNEL. An HTTP/2 upstream that takes none (RFC 8441 3) is a connect
     * failure with EPROTONOSUPPORT. */
    bool needs_tunnel;
    const struct leg_handler *handler;
    void *owner; /* of the leg, and of the two below */
    /* Never called from inside pool_request_leg(). `is_reused`: it has carried a request before, or waited
     * for one, so the upstream may have closed it meanwhile. */
    void (*on_leg)(void *owner, struct leg *leg, bool is_reused);
    /* No connection: as connect_done_fn. Never called from inside pool_request_leg(). */
    void (*on_connect_failure)(void *owner, int error_number, struct str tls_failure);
    /* pool.c */
    struct list link;       /* of a pool_dial, or of a pool_conn whose SETTINGS are to come */
    struct pool_dial *dial; /* NULL: it waits for something else */
    struct deferred later;  /* a failure that is known at once still comes later */
    int error_number;
};

enum pool_answer { POOL_LEG, POOL_WAIT, POOL_OVERFLOW };

/* POOL_LEG: *leg is open, *is_reused as above. POOL_OVERFLOW: LIMIT_PENDING_REQUESTS wait already.
 */
enum pool_answer pool_request_leg(struct endpoint *endpoint, struct pool_request *request,
                                  struct leg **leg, bool *is_reused);
/* No call back follows. A dial that nobody waits for is given up. */
void pool_request_cancel(struct pool_request *request);
/* Closes idle connections; busy ones go on. */
void pool_close_idle(struct endpoint *endpoint);
/* Closes connections that have been idle for `unused_ms`, but for the LIMIT_POOL_WARM warmest. */
void pool_close_unused(struct endpoint *endpoint, uint64_t unused_ms);
/* Closes all connections and dials: the worker ends. Nobody waits any more. */
void pool_close_all(struct endpoint *endpoint);

#endif
