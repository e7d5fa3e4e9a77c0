/* pool: keep-alive connections to one endpoint. A worker's; each connection, dial and waiting
 * request holds a reference on the endpoint, so it outlives its removal from the configuration. */
#include "gateway/upstream/pool.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/http/h1_conn.h"
#include "gateway/net/dial.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"

#include <errno.h>
#include <string.h>

struct pool_conn {
    struct list link; /* endpoint->idle or ->busy */
    struct endpoint *endpoint;
    struct conn *conn;
    uint64_t request_count;
    bool is_idle;
};

struct pool_dial {
    struct list link;
    struct endpoint *endpoint;
    struct dial *dial;
};

/* --- Connections ------------------------------------------------------------------------------ */

static void pool_conn_set_idle(struct pool_conn *pooled, bool is_idle)
{
    struct endpoint *endpoint = pooled->endpoint;

    list_remove(&pooled->link);
    if (pooled->is_idle) {
        endpoint->idle_count--;
    } else {
        endpoint->busy_count--;
    }
    pooled->is_idle = is_idle;
    if (is_idle) {
        list_push_front(&endpoint->idle, &pooled->link);
        endpoint->idle_count++;
    } else {
        list_push_back(&endpoint->busy, &pooled->link);
        endpoint->busy_count++;
    }
}

/* The connection is closed or closes by itself; its memory goes after the turn, because it may be
 * on the stack. */
static void pool_conn_forget(struct pool_conn *pooled)
{
    struct endpoint *endpoint = pooled->endpoint;
    struct cluster *cluster = endpoint->cluster;

    list_remove(&pooled->link);
    if (pooled->is_idle) {
        endpoint->idle_count--;
    } else {
        endpoint->busy_count--;
    }
    pooled->conn = NULL;
    cluster_count_connection(cluster, -1);
    loop_reap(cluster->set->loop, pooled, mem_free);
    endpoint_unref(endpoint);
}

static void pool_conn_close(struct pool_conn *pooled)
{
    struct conn *conn = pooled->conn;

    pool_conn_forget(pooled);
    conn->ops->close(conn);
}

static struct leg *pool_conn_open_leg(struct pool_conn *pooled, const struct pool_request *request)
{
    if (pooled->is_idle) {
        pool_conn_set_idle(pooled, false);
    }
    struct leg *leg = pooled->conn->ops->open_leg(pooled->conn, request->handler, request->owner);
    if (leg != NULL) {
        pooled->request_count++;
    }
    return leg;
}

/* Hands a free connection to the request that has waited longest; false: nobody waits. */
static bool pool_serve_waiting(struct endpoint *endpoint, struct pool_conn *pooled)
{
    struct list *first = list_first(&endpoint->waiting);

    if (first == NULL) {
        return false;
    }
    struct pool_request *request = list_object(first, struct pool_request, link);
    bool is_reused = pooled->request_count > 0;
    struct leg *leg = pool_conn_open_leg(pooled, request);
    if (leg == NULL) {
        return false;
    }
    list_remove(&request->link);
    endpoint->waiting_count--;
    request->endpoint = NULL;
    request->on_leg(request->owner, leg, is_reused);
    endpoint_unref(endpoint);
    return true;
}

static void pool_trim_idle(struct endpoint *endpoint)
{
    while (endpoint->idle_count > LIMIT_POOL_IDLE_PER_ENDPOINT) {
        pool_conn_close(list_object(list_last(&endpoint->idle), struct pool_conn, link));
    }
}

static void pool_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    struct pool_conn *pooled = owner;
    struct endpoint *endpoint = pooled->endpoint;

    (void)conn;
    if (!is_reusable) {
        return; /* on_closed follows */
    }
    endpoint_ref(endpoint); /* whoever is served may drop the last other one */
    if (!pool_serve_waiting(endpoint, pooled)) {
        if (endpoint->is_retired) {
            pool_conn_close(pooled);
        } else {
            pool_conn_set_idle(pooled, true);
            pool_trim_idle(endpoint);
        }
    }
    endpoint_unref(endpoint);
}

static void pool_on_closed(void *owner, struct conn *conn)
{
    (void)conn;
    pool_conn_forget(owner);
}

static const struct conn_owner pool_conn_owner = {
    .on_idle = pool_on_idle,
    .on_closed = pool_on_closed,
};

static struct pool_conn *pool_conn_new(struct endpoint *endpoint, int fd)
{
    struct cluster_set *set = endpoint->cluster->set;
    struct pool_conn *pooled = mem_new(struct pool_conn);

    pooled->endpoint = endpoint_ref(endpoint);
    list_push_back(&endpoint->busy, &pooled->link);
    endpoint->busy_count++;
    cluster_count_connection(endpoint->cluster, 1);
    pooled->conn = h1_conn_new_client(transport_new(set->loop, fd, &endpoint->address),
                                      &set->conn_limits, &pool_conn_owner, pooled);
    return pooled;
}

/* --- Dials ------------------------------------------------------------------------------------ */

static void pool_dial_forget(struct pool_dial *dialing)
{
    struct endpoint *endpoint = dialing->endpoint;

    list_remove(&dialing->link);
    endpoint->dial_count--;
    mem_free(dialing);
    endpoint_unref(endpoint);
}

static const char *pool_failure_word(int error_number)
{
    switch (error_number) {
    case ETIMEDOUT:
        return "timeout";
    case ECONNREFUSED:
        return "refused";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return "unreachable";
    case ECONNRESET:
        return "reset";
    default:
        return "local";
    }
}

static void pool_fail_waiting(struct endpoint *endpoint, int error_number)
{
    struct list *first = list_first(&endpoint->waiting);
    struct str reason = str_from_cstr(pool_failure_word(error_number));

    endpoint->connect_failure_count++;
    metric_series_add(metrics_series(endpoint->cluster->set->metrics,
                                     METRIC_UPSTREAM_CONNECT_FAILURES, &reason, 1),
                      1);
    LOG_DEBUG("pool", "cannot connect to %.*s of %.*s: %s", STR_ARG(endpoint->text),
              STR_ARG(endpoint->cluster->name), strerror(error_number));
    /* Somebody else's connection may have served the one this dial was for. */
    if (first == NULL || endpoint->waiting_count <= endpoint->dial_count) {
        return;
    }
    struct pool_request *request = list_object(first, struct pool_request, link);
    list_remove(&request->link);
    endpoint->waiting_count--;
    request->endpoint = NULL;
    request->on_connect_failure(request->owner, error_number, STR(""));
    endpoint_unref(endpoint);
}

static void pool_on_dialed(void *owner, int fd, int error_number)
{
    struct pool_dial *dialing = owner;
    struct endpoint *endpoint = endpoint_ref(dialing->endpoint);

    pool_dial_forget(dialing);
    if (error_number != 0) {
        pool_fail_waiting(endpoint, error_number);
    } else {
        struct pool_conn *pooled = pool_conn_new(endpoint, fd);
        if (!pool_serve_waiting(endpoint, pooled)) {
            pool_on_idle(pooled, pooled->conn, true);
        }
    }
    endpoint_unref(endpoint);
}

static void pool_start_dial(struct endpoint *endpoint)
{
    struct cluster *cluster = endpoint->cluster;
    struct pool_dial *dialing = mem_new(struct pool_dial);

    dialing->endpoint = endpoint_ref(endpoint);
    list_push_back(&endpoint->dials, &dialing->link);
    endpoint->dial_count++;
    dialing->dial = dial_start(cluster->set->loop, &endpoint->address, cluster->connect_timeout_ms,
                               pool_on_dialed, dialing);
}

static void pool_cancel_dial(struct pool_dial *dialing)
{
    dial_cancel(dialing->dial);
    pool_dial_forget(dialing);
}

/* --- Requests --------------------------------------------------------------------------------- */

enum pool_answer pool_request_leg(struct endpoint *endpoint, struct pool_request *request,
                                  struct leg **leg, bool *is_reused)
{
    CHECK(request->endpoint == NULL);
    struct list *first;

    while ((first = list_first(&endpoint->idle)) != NULL) {
        struct pool_conn *pooled = list_object(first, struct pool_conn, link);
        *is_reused = pooled->request_count > 0;
        *leg = pool_conn_open_leg(pooled, request);
        if (*leg != NULL) {
            return POOL_LEG;
        }
        pool_conn_close(pooled); /* idle, yet unwilling: it is on its way out */
    }
    if (endpoint->waiting_count >= LIMIT_PENDING_REQUESTS) {
        return POOL_OVERFLOW;
    }
    request->endpoint = endpoint_ref(endpoint);
    list_push_back(&endpoint->waiting, &request->link);
    endpoint->waiting_count++;
    pool_start_dial(endpoint);
    return POOL_WAIT;
}

void pool_request_cancel(struct pool_request *request)
{
    struct endpoint *endpoint = request->endpoint;

    if (endpoint == NULL) {
        return;
    }
    request->endpoint = NULL;
    list_remove(&request->link);
    endpoint->waiting_count--;
    if (endpoint->dial_count > endpoint->waiting_count) {
        pool_cancel_dial(list_object(list_last(&endpoint->dials), struct pool_dial, link));
    }
    endpoint_unref(endpoint);
}

void pool_close_idle(struct endpoint *endpoint)
{
    struct list *first;

    endpoint_ref(endpoint);
    while ((first = list_first(&endpoint->idle)) != NULL) {
        pool_conn_close(list_object(first, struct pool_conn, link));
    }
    endpoint_unref(endpoint);
}

void pool_close_all(struct endpoint *endpoint)
{
    struct list *first;

    endpoint_ref(endpoint);
    CHECK(list_is_empty(&endpoint->waiting));
    while ((first = list_first(&endpoint->dials)) != NULL) {
        pool_cancel_dial(list_object(first, struct pool_dial, link));
    }
    while ((first = list_first(&endpoint->busy)) != NULL) {
        pool_conn_close(list_object(first, struct pool_conn, link));
    }
    pool_close_idle(endpoint);
    endpoint_unref(endpoint);
}
