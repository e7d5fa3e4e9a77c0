/* pool: who waits for a connection of an endpoint, and the dials that are to bring it. A worker's; each
 * dial and each waiting request holds a reference on the endpoint. Connections are in pool_conn.c.
 *
 * A request that waits hangs on one dial, and fails with it; until then whatever connection of its key
 * gets room takes the one that has waited longest. A dial that nobody waits for any more goes on: its
 * connection will be wanted. Only when its last request was given up it is too. */
#include "gateway/upstream/pool.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"
#include "gateway/upstream/pool_state.h"

#include <errno.h>

/* --- Keys ------------------------------------------------------------------------------------- */

void pool_key_copy(struct pool_key *to, const struct pool_key *from)
{
    *to = *from;
    to->client = NULL;
    to->client_local = NULL;
    if (from->server_name.len > 0) {
        to->server_name.ptr = mem_copy_string(from->server_name.ptr, from->server_name.len);
    }
}

void pool_key_cleanup(struct pool_key *key)
{
    union {
        const char *read_only;
        char *memory;
    } name = { .read_only = key->server_name.ptr };

    if (key->server_name.len > 0) {
        mem_free(name.memory);
    }
}

/* --- Waiting ---------------------------------------------------------------------------------- */

struct pool_request *pool_first_waiting(const struct endpoint *endpoint, const struct pool_key *key)
{
    LIST_EACH (&endpoint->dials, link) {
        struct pool_dial *dialing = list_object(link, struct pool_dial, link);
        struct list *first = list_first(&dialing->waiting);
        if (first != NULL && pool_key_equals(&dialing->key, key)) {
            return list_object(first, struct pool_request, link);
        }
    }
    return NULL;
}

void pool_leave_place(struct pool_request *request)
{
    struct pool_dial *dialing = request->dial;

    list_remove(&request->link);
    loop_defer_cancel(&request->later);
    if (dialing == NULL) {
        return;
    }
    request->dial = NULL;
    dialing->waiting_count--;
    if (dialing->waiting_count == 0 && list_is_linked(&dialing->link)) {
        list_remove(&dialing->link);
        list_push_back(&dialing->endpoint->dials, &dialing->link);
    }
}

void pool_stop_waiting(struct pool_request *request)
{
    pool_leave_place(request);
    request->endpoint->waiting_count--;
    request->endpoint = NULL;
}

static void pool_fail(struct pool_request *request, int error_number, struct str tls_failure)
{
    struct endpoint *endpoint = request->endpoint;

    pool_stop_waiting(request);
    request->on_connect_failure(request->owner, error_number, tls_failure);
    endpoint_unref(endpoint);
}

static void pool_on_later(void *arg)
{
    struct pool_request *request = arg;

    pool_fail(request, request->error_number, STR(""));
}

void pool_fail_later(struct pool_request *request, int error_number)
{
    pool_leave_place(request);
    request->error_number = error_number;
    loop_defer(request->endpoint->cluster->set->loop, &request->later, pool_on_later, request);
}

/* --- Dials ------------------------------------------------------------------------------------ */

static void pool_dial_free(struct pool_dial *dialing)
{
    struct endpoint *endpoint = dialing->endpoint;

    pool_key_cleanup(&dialing->key);
    mem_free(dialing);
    endpoint_unref(endpoint);
}

static void pool_cancel_dial(struct pool_dial *dialing)
{
    list_remove(&dialing->link);
    dialing->endpoint->dial_count--;
    connect_cancel(dialing->connect);
    pool_dial_free(dialing);
}

/* Callbacks may end other requests that wait for the same: each time it is asked anew who is first. */
static void pool_dial_fail(struct pool_dial *dialing, int error_number, struct str tls_failure)
{
    struct list *first;

    while ((first = list_first(&dialing->waiting)) != NULL) {
        pool_fail(list_object(first, struct pool_request, link), error_number, tls_failure);
    }
}

static void pool_dial_succeed(struct pool_dial *dialing, struct transport *transport)
{
    struct pool_conn *pooled = pool_conn_new(dialing->endpoint, transport, &dialing->key);
    bool has_served = false;
    struct list *first;

    while (pooled->conn != NULL && pooled->place != POOL_BUSY &&
           (first = list_first(&dialing->waiting)) != NULL &&
           pool_conn_serve(pooled, list_object(first, struct pool_request, link))) {
        has_served = true;
    }
    /* It carries fewer than was thought. One that carries none is not simply made again. */
    while ((first = list_first(&dialing->waiting)) != NULL) {
        struct pool_request *request = list_object(first, struct pool_request, link);
        pool_leave_place(request);
        if (has_served) {
            pool_wait_for_dial(request);
        } else {
            pool_fail_later(request, EAGAIN);
        }
    }
    pool_conn_serve_waiting(pooled);
    pool_conn_rest(pooled);
}

static void pool_on_connected(void *owner, struct transport *transport, int error_number,
                              struct str tls_failure)
{
    struct pool_dial *dialing = owner;

    dialing->connect = NULL;
    list_remove(&dialing->link); /* whoever asks from now on does not wait for this one */
    dialing->endpoint->dial_count--;
    if (transport == NULL) {
        pool_dial_fail(dialing, error_number, tls_failure);
    } else {
        pool_dial_succeed(dialing, transport);
    }
    pool_dial_free(dialing);
}

static uint32_t pool_dial_capacity(const struct endpoint *endpoint, enum http_version version)
{
    const struct cluster *cluster = endpoint->cluster;
    uint32_t capacity = pool_assumed_streams(endpoint);

    if (version != HTTP_VERSION_2) {
        return 1;
    }
    if (cluster->max_concurrent_streams != 0 && cluster->max_concurrent_streams < capacity) {
        capacity = cluster->max_concurrent_streams;
    }
    if (cluster->max_requests_per_connection != 0 &&
        cluster->max_requests_per_connection < capacity) {
        capacity = cluster->max_requests_per_connection;
    }
    return capacity;
}

static struct pool_dial *pool_start_dial(struct endpoint *endpoint, const struct pool_key *key)
{
    struct pool_dial *dialing = mem_new(struct pool_dial);
    struct connect_options options = {
        .version = key->version,
        .server_name = key->server_name,
        .client = key->client,
        .client_local = key->client_local,
    };

    dialing->endpoint = endpoint_ref(endpoint);
    pool_key_copy(&dialing->key, key);
    list_init(&dialing->waiting);
    dialing->capacity = pool_dial_capacity(endpoint, key->version);
    list_push_back(&endpoint->dials, &dialing->link);
    endpoint->dial_count++;
    dialing->connect = connect_start(endpoint, &options, pool_on_connected, dialing);
    return dialing;
}

/* One whose connection will have room; they stand at the end of the list. */
static struct pool_dial *pool_find_dial(const struct endpoint *endpoint, const struct pool_key *key)
{
    const struct list *head = &endpoint->dials;

    for (struct list *link = head->prev; link != head; link = link->prev) {
        struct pool_dial *dialing = list_object(link, struct pool_dial, link);
        if (dialing->waiting_count < dialing->capacity && pool_key_equals(&dialing->key, key)) {
            return dialing;
        }
    }
    return NULL;
}

void pool_wait_for_dial(struct pool_request *request)
{
    struct pool_dial *dialing = pool_find_dial(request->endpoint, &request->key);

    if (dialing == NULL) {
        dialing = pool_start_dial(request->endpoint, &request->key);
    }
    request->dial = dialing;
    list_push_back(&dialing->waiting, &request->link);
    dialing->waiting_count++;
}

/* --- Requests --------------------------------------------------------------------------------- */

enum pool_answer pool_request_leg(struct endpoint *endpoint, struct pool_request *request,
                                  struct leg **leg, bool *is_reused)
{
    struct pool_conn *pooled;

    CHECK(request->endpoint == NULL);
    request->key.settings = endpoint->cluster->settings;
    if (request->key.version != HTTP_VERSION_2) {
        request->key.version = HTTP_VERSION_1_1;
    }
    while ((pooled = pool_conn_find(endpoint, &request->key)) != NULL &&
           pool_conn_may_carry(pooled, request)) {
        *is_reused = pooled->request_count > 0 || pooled->place == POOL_IDLE;
        *leg = pool_conn_open_leg(pooled, request);
        if (*leg != NULL) {
            return POOL_LEG;
        }
    }
    if (endpoint->waiting_count >= LIMIT_PENDING_REQUESTS) {
        return POOL_OVERFLOW;
    }
    request->endpoint = endpoint_ref(endpoint);
    endpoint->waiting_count++;
    if (pooled != NULL) {
        pool_conn_hold(pooled, request);
    } else {
        pool_wait_for_dial(request);
    }
    return POOL_WAIT;
}

void pool_request_cancel(struct pool_request *request)
{
    struct endpoint *endpoint = request->endpoint;
    struct pool_dial *dialing = request->dial;

    if (endpoint == NULL) {
        return;
    }
    pool_stop_waiting(request);
    if (dialing != NULL && dialing->connect != NULL && dialing->waiting_count == 0) {
        pool_cancel_dial(dialing);
    }
    endpoint_unref(endpoint);
}

static void pool_close_list(const struct list *conns)
{
    struct list *first;

    while ((first = list_first(conns)) != NULL) {
        pool_conn_close(list_object(first, struct pool_conn, link));
    }
}

void pool_close_idle(struct endpoint *endpoint)
{
    (void)endpoint_ref(endpoint); /* while its connections let go of it */
    pool_close_list(&endpoint->idle);
    endpoint_unref(endpoint);
}

void pool_close_unused(struct endpoint *endpoint, uint64_t unused_ms)
{
    uint64_t now_ms = now_mono_ms();

    (void)endpoint_ref(endpoint);
    /* The last one rests longest. */
    while (endpoint->idle_count > LIMIT_POOL_WARM) {
        struct pool_conn *pooled = list_object(list_last(&endpoint->idle), struct pool_conn, link);
        if (now_ms - pooled->idle_since_ms < unused_ms || !list_is_empty(&pooled->waiting)) {
            break;
        }
        pool_conn_close(pooled);
    }
    endpoint_unref(endpoint);
}

void pool_close_all(struct endpoint *endpoint)
{
    struct list *first;

    (void)endpoint_ref(endpoint);
    CHECK(endpoint->waiting_count == 0);
    while ((first = list_first(&endpoint->dials)) != NULL) {
        pool_cancel_dial(list_object(first, struct pool_dial, link));
    }
    pool_close_list(&endpoint->sharing);
    pool_close_list(&endpoint->busy);
    pool_close_list(&endpoint->idle);
    endpoint_unref(endpoint);
}
