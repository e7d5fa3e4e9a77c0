/* pool_conn: the connections of an endpoint's pool: where they stand, what they take, when they go. A
 * worker's; each holds a reference on its endpoint, so that one outlives its removal from the
 * configuration.
 *
 *              leg                  leg                on_room
 *   new ─▶ IDLE ──▶ BUSY (HTTP/1.1)    ┌──▶ BUSY (full) ──┐
 *           │  └──────────────▶ SHARING ◀─────────────────┘
 *           ◀── on_idle ── from either, unless it is leaving
 */
#include "gateway/upstream/pool_state.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/http/h1_conn.h"
#include "gateway/http/h2_conn.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"

#include <errno.h>

static bool pool_conn_is_http2(const struct pool_conn *pooled)
{
    return pooled->key.version == HTTP_VERSION_2;
}

/* --- Places ----------------------------------------------------------------------------------- */

static void pool_conn_unplace(struct pool_conn *pooled)
{
    list_remove(&pooled->link);
    if (pooled->place == POOL_IDLE) {
        pooled->endpoint->idle_count--;
    } else {
        pooled->endpoint->busy_count--;
    }
}

static void pool_conn_place(struct pool_conn *pooled, enum pool_place place)
{
    struct endpoint *endpoint = pooled->endpoint;
    bool was_full = pooled->place == POOL_BUSY;

    pooled->place = place;
    switch (place) {
    case POOL_IDLE:
        pooled->idle_since_ms = now_mono_ms();
        list_push_front(&endpoint->idle, &pooled->link);
        endpoint->idle_count++;
        return;
    case POOL_SHARING:
        /* The first is filled up first: it was full a moment ago; one that was idle comes last, so
         * that it may be idle again. */
        if (was_full) {
            list_push_front(&endpoint->sharing, &pooled->link);
        } else {
            list_push_back(&endpoint->sharing, &pooled->link);
        }
        break;
    case POOL_BUSY:
        list_push_back(&endpoint->busy, &pooled->link);
        break;
    }
    endpoint->busy_count++;
}

static void pool_conn_move(struct pool_conn *pooled, enum pool_place place)
{
    if (pooled->place != place) {
        pool_conn_unplace(pooled);
        pool_conn_place(pooled, place);
    }
}

struct pool_conn *pool_conn_find(const struct endpoint *endpoint, const struct pool_key *key)
{
    if (key->version == HTTP_VERSION_2) {
        LIST_EACH (&endpoint->sharing, link) {
            struct pool_conn *pooled = list_object(link, struct pool_conn, link);
            if (pool_key_equals(&pooled->key, key)) {
                return pooled;
            }
        }
    }
    LIST_EACH (&endpoint->idle, link) {
        struct pool_conn *pooled = list_object(link, struct pool_conn, link);
        if (pool_key_equals(&pooled->key, key)) {
            return pooled;
        }
    }
    return NULL;
}

/* --- The end ---------------------------------------------------------------------------------- */

static void pool_conn_fail_held(struct pool_conn *pooled, int error_number)
{
    struct list *first;

    timer_cancel(&pooled->settings_deadline);
    while ((first = list_first(&pooled->waiting)) != NULL) {
        pool_fail_later(list_object(first, struct pool_request, link), error_number);
    }
}

static void pool_conn_free(void *memory)
{
    struct pool_conn *pooled = memory;

    pool_key_cleanup(&pooled->key);
    mem_free(pooled);
}

/* The connection is closed or closes by itself; its memory goes after the turn, because it may be
 * on the stack. */
static void pool_conn_forget(struct pool_conn *pooled)
{
    struct endpoint *endpoint = pooled->endpoint;
    struct cluster *cluster = endpoint->cluster;

    pool_conn_unplace(pooled);
    pool_conn_fail_held(pooled, ECONNRESET);
    timer_cancel(&pooled->age);
    pooled->conn = NULL;
    cluster_count_connection(cluster, -1);
    loop_reap(cluster->set->loop, pooled, pool_conn_free);
    endpoint_unref(endpoint);
}

void pool_conn_close(struct pool_conn *pooled)
{
    struct conn *conn = pooled->conn;

    pool_conn_forget(pooled);
    conn->ops->close(conn);
}

/* Takes no further request. One of HTTP/1.1 says so in the request it is about to send, if any. One of
 * HTTP/2 is closed when its legs are done: GOAWAY tells a server nothing it could use. */
static void pool_conn_leave(struct pool_conn *pooled)
{
    if (pooled->is_leaving) {
        return;
    }
    pooled->is_leaving = true;
    if (pooled->place == POOL_IDLE) {
        pool_conn_close(pooled);
        return;
    }
    pool_conn_move(pooled, POOL_BUSY);
    if (!pool_conn_is_http2(pooled)) {
        pooled->conn->ops->drain(pooled->conn);
    }
}

static void pool_conn_on_age(void *arg)
{
    pool_conn_leave(arg);
}

/* An upstream that says nothing is no HTTP/2 server. */
static void pool_conn_on_settings_deadline(void *arg)
{
    struct pool_conn *pooled = arg;

    pool_conn_fail_held(pooled, ETIMEDOUT);
    pool_conn_leave(pooled);
}

static void pool_conn_trim_idle(struct endpoint *endpoint)
{
    while (endpoint->idle_count > LIMIT_POOL_IDLE_PER_ENDPOINT) {
        pool_conn_close(list_object(list_last(&endpoint->idle), struct pool_conn, link));
    }
}

void pool_conn_rest(struct pool_conn *pooled)
{
    struct endpoint *endpoint = pooled->endpoint;

    if (pooled->conn == NULL || pooled->place != POOL_IDLE || !list_is_empty(&pooled->waiting)) {
        return;
    }
    /* Made by settings that a reload has changed: no request will ever fit it. */
    bool is_outdated = pooled->key.settings != endpoint->cluster->settings;
    if (endpoint->is_retired || is_outdated) {
        pool_conn_close(pooled);
    } else {
        pool_conn_trim_idle(endpoint);
    }
}

/* --- Legs ------------------------------------------------------------------------------------- */

static bool pool_conn_has_room(const struct pool_conn *pooled)
{
    const struct conn *conn = pooled->conn;

    return pool_conn_is_http2(pooled) && h2_conn_has_room(conn) &&
           (h2_conn_has_peer_settings(conn) ||
            h2_conn_leg_count(conn) < pool_assumed_streams(pooled->endpoint));
}

struct leg *pool_conn_open_leg(struct pool_conn *pooled, const struct pool_request *request)
{
    uint32_t request_limit = pooled->endpoint->cluster->max_requests_per_connection;
    struct leg *leg = pooled->conn->ops->open_leg(pooled->conn, request->handler, request->owner);

    if (leg == NULL) {
        if (pooled->place == POOL_IDLE) {
            pool_conn_close(pooled); /* idle, yet unwilling: it is on its way out */
        } else {
            pool_conn_move(pooled, POOL_BUSY);
        }
        return NULL;
    }
    pooled->request_count++;
    pool_conn_move(pooled, pool_conn_has_room(pooled) ? POOL_SHARING : POOL_BUSY);
    if (request_limit != 0 && pooled->request_count >= request_limit) {
        pool_conn_leave(pooled);
    }
    return leg;
}

bool pool_conn_may_carry(const struct pool_conn *pooled, const struct pool_request *request)
{
    return !request->needs_tunnel || !pool_conn_is_http2(pooled) ||
           h2_conn_peer_takes_tunnels(pooled->conn);
}

void pool_conn_hold(struct pool_conn *pooled, struct pool_request *request)
{
    struct cluster *cluster = pooled->endpoint->cluster;

    if (h2_conn_has_peer_settings(pooled->conn)) {
        pool_fail_later(request, EPROTONOSUPPORT);
        return;
    }
    if (list_is_empty(&pooled->waiting)) {
        timer_arm(cluster->set->loop, &pooled->settings_deadline, cluster->connect_timeout_ms);
    }
    list_push_back(&pooled->waiting, &request->link);
}

bool pool_conn_serve(struct pool_conn *pooled, struct pool_request *request)
{
    struct endpoint *endpoint = pooled->endpoint;
    bool is_reused = pooled->request_count > 0;

    if (!pool_conn_may_carry(pooled, request)) {
        pool_leave_place(request);
        pool_conn_hold(pooled, request);
        return true;
    }
    struct leg *leg = pool_conn_open_leg(pooled, request);
    if (leg == NULL) {
        return false;
    }
    pool_stop_waiting(request);
    request->on_leg(request->owner, leg, is_reused);
    endpoint_unref(endpoint);
    return true;
}

void pool_conn_serve_waiting(struct pool_conn *pooled)
{
    struct pool_request *request;

    while (pooled->conn != NULL && pooled->place != POOL_BUSY &&
           (request = pool_first_waiting(pooled->endpoint, &pooled->key)) != NULL) {
        if (!pool_conn_serve(pooled, request)) {
            return;
        }
    }
}

/* SETTINGS have come: tunnels are taken, or they are not. */
static void pool_conn_serve_held(struct pool_conn *pooled)
{
    struct list *first;

    if (!h2_conn_has_peer_settings(pooled->conn)) {
        return;
    }
    timer_cancel(&pooled->settings_deadline); /* whoever it was armed for may have given up */
    while (pooled->conn != NULL && (first = list_first(&pooled->waiting)) != NULL) {
        struct pool_request *request = list_object(first, struct pool_request, link);
        if (pooled->place != POOL_BUSY && pool_conn_serve(pooled, request)) {
            continue;
        }
        if (pooled->conn == NULL) {
            return; /* closed, and they were told */
        }
        pool_leave_place(request);
        pool_wait_for_dial(request);
    }
}

/* --- What connections tell -------------------------------------------------------------------- */

static void pool_conn_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    struct pool_conn *pooled = owner;
    struct endpoint *endpoint = pooled->endpoint;

    if (!is_reusable) {
        pool_conn_move(pooled, POOL_BUSY); /* on_closed follows */
        return;
    }
    if (pool_conn_is_http2(pooled) && h2_conn_leg_count(conn) > 0) {
        return; /* one was opened meanwhile */
    }
    if (pooled->is_leaving) {
        pool_conn_close(pooled);
        return;
    }
    (void)endpoint_ref(endpoint); /* whoever is served may drop the last other one */
    pool_conn_move(pooled, POOL_IDLE);
    pool_conn_serve_waiting(pooled);
    pool_conn_rest(pooled);
    endpoint_unref(endpoint);
}

static void pool_conn_on_room(void *owner, struct conn *conn)
{
    struct pool_conn *pooled = owner;
    struct endpoint *endpoint = endpoint_ref(pooled->endpoint);

    if (h2_conn_has_peer_settings(conn)) {
        uint32_t told = h2_conn_peer_max_streams(conn);
        endpoint->peer_streams = told > 0 ? told : 1; /* none at all does not last */
    }
    if (pooled->place == POOL_BUSY && !pooled->is_leaving && pool_conn_has_room(pooled)) {
        pool_conn_move(pooled, POOL_SHARING);
    }
    pool_conn_serve_held(pooled);
    pool_conn_serve_waiting(pooled);
    pool_conn_rest(pooled);
    endpoint_unref(endpoint);
}

static void pool_conn_on_violation(void *owner, struct conn *conn, const char *reason)
{
    const struct pool_conn *pooled = owner;
    const struct endpoint *endpoint = pooled->endpoint;
    const struct str labels[] = { STR("upstream"), str_from_cstr(reason) };

    (void)conn;
    metric_series_add(
        metrics_series(endpoint->cluster->set->metrics, METRIC_PROTOCOL_ERRORS, labels, 2), 1);
    LOG_DEBUG("pool", "closed a connection to %.*s of %.*s: %s", STR_ARG(endpoint->text),
              STR_ARG(endpoint->cluster->name), reason);
}

static void pool_conn_on_closed(void *owner, struct conn *conn)
{
    (void)conn;
    pool_conn_forget(owner);
}

static const struct conn_owner pool_conn_owner = {
    .on_idle = pool_conn_on_idle,
    .on_room = pool_conn_on_room,
    .on_violation = pool_conn_on_violation,
    .on_closed = pool_conn_on_closed,
};

/* --- The beginning ---------------------------------------------------------------------------- */

static struct conn_limits pool_conn_limits(const struct cluster *cluster,
                                           const struct pool_key *key)
{
    struct conn_limits limits = cluster->set->conn_limits;

    if (cluster->idle_timeout_ms != 0) {
        limits.idle_timeout_ms = cluster->idle_timeout_ms;
    }
    if (key->client_id != 0 &&
        (limits.idle_timeout_ms == 0 || limits.idle_timeout_ms > LIMIT_POOL_CLIENT_IDLE_MS)) {
        limits.idle_timeout_ms = LIMIT_POOL_CLIENT_IDLE_MS;
    }
    if (limits.stream_window_bytes == 0) {
        limits.stream_window_bytes = DEFAULT_STREAM_WINDOW_BYTES;
    }
    limits.max_streams = cluster->max_concurrent_streams;
    limits.ping_interval_ms = cluster->ping_interval_ms;
    limits.ping_timeout_ms = cluster->ping_timeout_ms;
    return limits;
}

struct pool_conn *pool_conn_new(struct endpoint *endpoint, struct transport *transport,
                                const struct pool_key *key)
{
    struct cluster *cluster = endpoint->cluster;
    struct conn_limits limits = pool_conn_limits(cluster, key);
    struct pool_conn *pooled = mem_new(struct pool_conn);

    pooled->endpoint = endpoint_ref(endpoint);
    pool_key_copy(&pooled->key, key);
    list_init(&pooled->waiting);
    timer_init(&pooled->settings_deadline, pool_conn_on_settings_deadline, pooled);
    timer_init(&pooled->age, pool_conn_on_age, pooled);
    pool_conn_place(pooled, POOL_IDLE);
    cluster_count_connection(cluster, 1);
    pooled->conn = pool_conn_is_http2(pooled)
                       ? h2_conn_new_client(transport, &limits, &pool_conn_owner, pooled)
                       : h1_conn_new_client(transport, &limits, &pool_conn_owner, pooled);
    if (cluster->max_connection_duration_ms != 0) {
        timer_arm(cluster->set->loop, &pooled->age, cluster->max_connection_duration_ms);
    }
    return pooled;
}
