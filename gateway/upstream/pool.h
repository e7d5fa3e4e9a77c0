/* pool: the connections of one endpoint, per worker: idle ones kept last-in-first-out so that the
 * warm stay warm, dials under way, requests that wait for either. A connection that dies while idle
 * is noticed by its own event and leaves the pool at once.
 *
 *   pool_request_leg() ──▶ idle connection: a leg, now
 *                      └─▶ waits: the first of a finished dial and a connection that becomes idle
 */
#ifndef GATEWAY_UPSTREAM_POOL_H
#define GATEWAY_UPSTREAM_POOL_H

#include "gateway/http/conn.h"
#include "gateway/upstream/endpoint.h"

/* One request that wants a leg; embedded in its owner. Zeroed is idle. */
struct pool_request {
    struct list link;
    struct endpoint *endpoint; /* NULL: not waiting */
    const struct leg_handler *handler;
    void *owner; /* of the leg, and of the two below */
    /* Never called from inside pool_request_leg(). `is_reused`: it has carried a request before, so
     * the upstream may have closed it meanwhile. */
    void (*on_leg)(void *owner, struct leg *leg, bool is_reused);
    /* No connection: errno of the connect, ETIMEDOUT after the connect timeout. */
    void (*on_connect_failure)(void *owner, int error_number);
};

enum pool_answer { POOL_LEG, POOL_WAIT, POOL_OVERFLOW };

/* POOL_LEG: *leg is open, *is_reused as above. POOL_OVERFLOW: LIMIT_PENDING_REQUESTS wait already.
 */
enum pool_answer pool_request_leg(struct endpoint *endpoint, struct pool_request *request,
                                  struct leg **leg, bool *is_reused);
/* No call back follows. A dial that nobody waits for is given up. */
void pool_request_cancel(struct pool_request *request);
/* Closes idle connections. */
void pool_close_idle(struct endpoint *endpoint);
/* Closes all connections and dials: the worker ends. Nobody waits any more. */
void pool_close_all(struct endpoint *endpoint);

#endif
