/* worker: the thread, its counts, publishing and draining. Functions named worker_do_* run in the
 * worker's thread, posted by the control thread; the public ones are the control thread's. */
#include "gateway/proxy/worker.h"

#include "gateway/base/arena_cache.h"
#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/observe/log.h"
#include "gateway/observe/log_writer.h"
#include "gateway/proxy/client.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/worker_balance.h"
#include "gateway/proxy/worker_report.h"
#include "gateway/proxy/worker_state.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Turns of the loop at the end, so that what was closed is freed. */
enum { WORKER_LAST_TURNS = 4 };

/* --- Counts ----------------------------------------------------------------------------------- */

/* Only the worker's thread writes, so a plain read and write will do; others read it whole. */
static void worker_change_count(atomic_size_t *count, int change)
{
    size_t value = atomic_load_explicit(count, memory_order_relaxed);

    atomic_store_explicit(count, value + (size_t)change, memory_order_relaxed);
}

size_t worker_active_count(const struct worker *worker)
{
    return atomic_load_explicit(&worker->connection_count, memory_order_relaxed);
}

size_t worker_request_count(const struct worker *worker)
{
    return atomic_load_explicit(&worker->request_count, memory_order_relaxed);
}

unsigned worker_index(const struct worker *worker)
{
    return worker->index;
}

void worker_count_request(struct worker *worker, int change)
{
    worker_change_count(&worker->request_count, change);
}

void worker_count_connection(struct worker *worker, int change)
{
    worker_change_count(&worker->connection_count, change);
    worker_review_accepting(worker);
}

static void worker_set_paused(struct worker *worker, bool is_paused)
{
    size_t position = 0;
    struct str key;
    void *value;

    worker->is_paused = is_paused;
    if (is_paused) {
        LOG_WARN("worker", "worker %u has all its %zu connections: not accepting for now",
                 worker->index, worker->options.max_connections);
    }
    while (map_next(&worker->listeners, &position, &key, &value)) {
        struct worker_listener *listener = value;
        if (is_paused) {
            listener_pause(listener->socket);
        } else {
            listener_resume(listener->socket);
        }
    }
}

void worker_review_accepting(struct worker *worker)
{
    size_t max = worker->options.max_connections;

    if (max == 0) {
        return;
    }
    uint64_t wait_ms = client_reclaim_wait_ms(worker);
    bool is_full = worker_active_count(worker) >= max && wait_ms > 0;
    if (is_full && wait_ms != UINT64_MAX) {
        timer_arm(worker->loop, &worker->pause_review, wait_ms);
    } else {
        timer_cancel(&worker->pause_review);
    }
    if (is_full != worker->is_paused) {
        worker_set_paused(worker, is_full);
    }
}

static void worker_on_pause_review(void *arg)
{
    worker_review_accepting(arg);
}

/* --- Listeners -------------------------------------------------------------------------------- */

static struct str worker_copy(struct str view)
{
    return str_from(mem_copy_string(view.ptr, view.len), view.len);
}

static void worker_drop(struct str view)
{
    union {
        const char *read_only;
        char *memory;
    } string = { .read_only = view.ptr };

    mem_free(string.memory);
}

struct worker_listener *worker_listener_ref(struct worker_listener *listener)
{
    listener->ref_count++;
    return listener;
}

void worker_listener_unref(struct worker_listener *listener)
{
    if (--listener->ref_count > 0) {
        return;
    }
    timer_cancel(&listener->deadline);
    list_remove(&listener->link);
    worker_drop(listener->key);
    worker_drop(listener->name);
    mem_free(listener);
}

/* HR-5: a listener that is gone still has connections. Closing the last one frees it. */
static void worker_on_listener_deadline(void *arg)
{
    struct worker_listener *listener = worker_listener_ref(arg);
    struct worker *worker = listener->worker;
    struct list *lists[] = { &worker->idle_clients, &worker->busy_clients };

    for (size_t i = 0; i < 2; i++) {
        LIST_EACH (lists[i], link) {
            struct client *client = list_object(link, struct client, link);
            if (client->listener == listener) {
                client_close(client);
            }
        }
    }
    worker_listener_unref(listener);
}

static void worker_on_accept(void *owner, int fd, const struct address *peer)
{
    if (!worker_balance_hand_over(owner, fd, peer)) {
        client_accept(owner, fd, peer);
    }
}

static void worker_take_listener_config(struct worker_listener *listener,
                                        const struct snapshot_listener *config)
{
    listener->config = config;
    if (config != NULL) {
        listener->is_tls = config->is_tls;
        listener->is_tcp = config->tcp != NULL;
    }
}

static void worker_open_listener(struct worker *worker, const struct worker_socket *opened,
                                 const struct snapshot_listener *config)
{
    struct worker_listener *listener = mem_new(struct worker_listener);
    struct str name = config != NULL ? config->name : opened->key;

    listener->worker = worker;
    listener->key = worker_copy(opened->key);
    listener->name = worker_copy(name);
    listener->bound = opened->bound;
    worker_take_listener_config(listener, config);
    timer_init(&listener->deadline, worker_on_listener_deadline, listener);
    listener->ref_count = 1;
    listener->connection_series =
        metrics_series(worker->metrics, METRIC_LISTENER_CX_ACTIVE, &listener->name, 1);
    listener->request_series =
        metrics_series(worker->metrics, METRIC_LISTENER_RQ, &listener->name, 1);
    CHECK(map_set(&worker->listeners, listener->key, listener) == NULL);
    listener->socket = listener_start(worker->loop, opened->fd, worker_on_accept, listener);
    if (worker->is_paused) {
        listener_pause(listener->socket);
    }
}

/* Finishes what is under way, closes what is idle (HR-4). */
static void worker_drain_clients(struct worker *worker, const struct worker_listener *listener)
{
    struct list *lists[] = { &worker->idle_clients, &worker->busy_clients };

    for (size_t i = 0; i < 2; i++) {
        /* Closing one may free it, and only it. */
        LIST_EACH (lists[i], link) {
            struct client *client = list_object(link, struct client, link);
            if (listener == NULL || client->listener == listener) {
                client_drain(client);
            }
        }
    }
}

/* The socket's queue is emptied first: closing a shared-port socket resets what waits in it. */
static void worker_close_listener(struct worker_listener *listener)
{
    struct worker *worker = listener->worker;
    struct listener *socket = listener->socket;

    (void)map_remove(&worker->listeners, listener->key); /* it is there */
    listener->socket = NULL;
    listener_close(socket);
    worker_drain_clients(worker, listener);
    listener->config = NULL;
    timer_arm(worker->loop, &listener->deadline, LIMIT_LISTENER_DRAIN_MS);
    worker_listener_unref(listener);
}

/* --- Publishing ------------------------------------------------------------------------------- */

/* A publication on its way, with copies of all it names. */
struct worker_message {
    struct worker *worker;
    struct snapshot *snapshot; /* with a reference */
    struct worker_socket *opened;
    size_t opened_count;
    struct str *closed;
    size_t closed_count;
    struct arena *arena;
    worker_done_fn on_done;
    void *owner;
};

static void worker_message_free(struct worker_message *message)
{
    arena_free(message->arena);
    mem_free(message);
}

/* On the control loop. */
static void worker_tell_done(void *arg)
{
    struct worker_message *message = arg;

    message->on_done(message->owner, message->worker);
    worker_message_free(message);
}

static const struct snapshot_listener *worker_find_config(const struct map *by_key, struct str key)
{
    return map_get(by_key, key);
}

static void worker_update_listeners(struct worker *worker, const struct worker_message *message)
{
    const struct snapshot *snapshot = message->snapshot;
    struct map by_key = { 0 };
    size_t position = 0;
    struct str key;
    void *value;

    for (size_t i = 0; i < snapshot->listener_count; i++) {
        struct snapshot_listener *config = &snapshot->listeners[i];
        (void)map_set(&by_key, config->key, config); /* keys differ */
    }
    while (map_next(&worker->listeners, &position, &key, &value)) {
        struct worker_listener *listener = value;
        worker_take_listener_config(listener, worker_find_config(&by_key, listener->key));
    }
    LIST_EACH (&worker->draining_listeners, link) {
        struct worker_listener *listener = list_object(link, struct worker_listener, link);
        worker_take_listener_config(listener, worker_find_config(&by_key, listener->key));
    }
    for (size_t i = 0; i < message->opened_count; i++) {
        worker_open_listener(worker, &message->opened[i],
                             worker_find_config(&by_key, message->opened[i].key));
    }
    for (size_t i = 0; i < message->closed_count; i++) {
        struct worker_listener *listener = map_get(&worker->listeners, message->closed[i]);
        if (listener != NULL) {
            worker_close_listener(listener);
        }
    }
    map_cleanup(&by_key);
}

static void worker_update_clusters(struct worker *worker, const struct snapshot *snapshot)
{
    const struct snapshot_cluster_changes *changes = &snapshot->cluster_changes;

    if (worker->lease != NULL && worker->lease->snapshot->revision == changes->since) {
        cluster_set_change(&worker->clusters, changes->updated, changes->updated_count,
                           changes->gone, changes->gone_count);
    } else {
        cluster_set_update(&worker->clusters, snapshot->clusters, snapshot->cluster_count);
    }
}

/* The thread is ending: nothing is taken up, everything given back. */
static void worker_decline(struct worker *worker, struct worker_message *message)
{
    for (size_t i = 0; i < message->opened_count; i++) {
        (void)close(message->opened[i].fd); /* nobody waits on it yet */
    }
    if (snapshot_unref(message->snapshot)) {
        worker->options.release_snapshot(worker->options.owner, message->snapshot);
    }
    worker_message_free(message);
}

/* HR-7: clusters first, then what leads to them. One call: no request sees a half of it. */
static void worker_do_publish(void *arg)
{
    struct worker_message *message = arg;
    struct worker *worker = message->worker;
    struct lease *former = worker->lease;
    struct snapshot *snapshot = message->snapshot;

    if (worker->is_stopping) {
        worker_decline(worker, message);
        return;
    }
    worker_balance_set_revision(worker, snapshot->revision);
    worker_update_clusters(worker, snapshot);
    worker->lease = lease_open(snapshot, worker->options.release_snapshot, worker->options.owner);
    worker_update_listeners(worker, message);
    lease_unref(former);
    loop_post(worker->options.control_loop, worker_tell_done, message);
}

void worker_publish(struct worker *worker, const struct worker_publication *publication)
{
    struct worker_message *message = mem_new(struct worker_message);
    struct arena *arena = arena_new(1024);

    message->worker = worker;
    message->snapshot = snapshot_ref(publication->snapshot);
    message->arena = arena;
    message->opened = arena_new_array(arena, struct worker_socket, publication->opened_count);
    message->opened_count = publication->opened_count;
    for (size_t i = 0; i < publication->opened_count; i++) {
        message->opened[i] = publication->opened[i];
        message->opened[i].key = arena_copy_str(arena, publication->opened[i].key);
    }
    message->closed = arena_new_array(arena, struct str, publication->closed_count);
    message->closed_count = publication->closed_count;
    for (size_t i = 0; i < publication->closed_count; i++) {
        message->closed[i] = arena_copy_str(arena, publication->closed[i]);
    }
    message->on_done = publication->on_done;
    message->owner = publication->owner;
    loop_post(worker->loop, worker_do_publish, message);
}

/* --- Drain ------------------------------------------------------------------------------------ */

/* HTTP/2 is told at once, and again after its grace (HR-5); HTTP/1.1 with its next answer. */
static void worker_do_drain_begin(void *arg)
{
    struct worker *worker = arg;
    struct list *lists[] = { &worker->idle_clients, &worker->busy_clients };

    worker->is_draining = true;
    for (size_t i = 0; i < 2; i++) {
        /* Closing one may free it, and only it. */
        LIST_EACH (lists[i], link) {
            struct client *client = list_object(link, struct client, link);
            if (client->is_http2) {
                client_drain(client);
            }
        }
    }
}

static void worker_close_listeners(struct worker *worker)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(&worker->listeners, &position, &key, &value)) {
        struct worker_listener *listener = value;
        struct listener *socket = listener->socket;
        (void)map_remove_at(&worker->listeners, &position); /* this one */
        listener->socket = NULL;
        /* Its configuration stays, and follows reloads: requests that come now are still served. */
        list_push_back(&worker->draining_listeners, &listener->link);
        listener_close(socket);
        worker_listener_unref(listener);
    }
}

static void worker_do_stop_accepting(void *arg)
{
    struct worker *worker = arg;

    worker->is_draining = true;
    worker_balance_close(worker);
    worker_close_listeners(worker);
    worker_drain_clients(worker, NULL);
}

void worker_drain_begin(struct worker *worker)
{
    loop_post(worker->loop, worker_do_drain_begin, worker);
}

void worker_stop_accepting(struct worker *worker)
{
    loop_post(worker->loop, worker_do_stop_accepting, worker);
}

/* --- Overload --------------------------------------------------------------------------------- */

static void worker_do_free_spares(void *arg)
{
    struct worker *worker = arg;

    exchange_free_spare(worker);
    arena_cache_cleanup(loop_arenas(worker->loop));
    cluster_set_close_unused(&worker->clusters, LIMIT_POOL_UNUSED_MS);
    log_writer_give_back();
}

static void worker_do_overload_begin(void *arg)
{
    struct worker *worker = arg;

    /* The first look only refuses what is new; that may be enough. */
    if (worker->is_overloaded) {
        exchange_shed_greediest(worker);
    }
    worker->is_overloaded = true;
    client_close_idle(worker);
    worker_do_free_spares(worker);
}

static void worker_do_overload_end(void *arg)
{
    struct worker *worker = arg;

    worker->is_overloaded = false;
}

void worker_free_spares(struct worker *worker)
{
    loop_post(worker->loop, worker_do_free_spares, worker);
}

void worker_overload_begin(struct worker *worker)
{
    loop_post(worker->loop, worker_do_overload_begin, worker);
}

void worker_overload_end(struct worker *worker)
{
    loop_post(worker->loop, worker_do_overload_end, worker);
}

/* --- Admin ------------------------------------------------------------------------------------ */

struct worker_question {
    struct worker *worker;
    struct worker_report *report;
    worker_report_fn on_report;
    void *owner;
};

/* On the control loop. */
static void worker_tell_report(void *arg)
{
    struct worker_question *question = arg;

    question->on_report(question->owner, question->worker, question->report);
    mem_free(question);
}

static void worker_do_collect(void *arg)
{
    struct worker_question *question = arg;

    question->report = worker_report_make(question->worker);
    loop_post(question->worker->options.control_loop, worker_tell_report, question);
}

void worker_collect(struct worker *worker, worker_report_fn on_report, void *owner)
{
    struct worker_question *question = mem_new(struct worker_question);

    question->worker = worker;
    question->on_report = on_report;
    question->owner = owner;
    loop_post(worker->loop, worker_do_collect, question);
}

/* --- Thread ----------------------------------------------------------------------------------- */

static void worker_close_everything(struct worker *worker)
{
    struct list *first;

    worker->is_stopping = true;
    timer_cancel(&worker->pause_review);
    worker_balance_close(worker);
    worker_close_listeners(worker);
    while ((first = list_first(&worker->busy_clients)) != NULL) {
        client_close(list_object(first, struct client, link));
    }
    while ((first = list_first(&worker->idle_clients)) != NULL) {
        client_close(list_object(first, struct client, link));
    }
    /* Legs are released, exchanges and connections freed at the end of a turn. */
    for (int i = 0; i < WORKER_LAST_TURNS; i++) {
        loop_run_once(worker->loop, 0);
    }
    CHECK(list_is_empty(&worker->exchanges) && list_is_empty(&worker->tunnels));
    cluster_set_cleanup(&worker->clusters);
    lease_unref(worker->lease);
    worker->lease = NULL;
    exchange_free_spare(worker);
    resolver_free(worker->resolver);
    worker->resolver = NULL;
    loop_run_once(worker->loop, 0);
}

static void *worker_main(void *arg)
{
    struct worker *worker = arg;

    loop_run(worker->loop);
    worker_close_everything(worker);
    return NULL;
}

/* Signals are the control thread's. */
static int worker_create_thread(struct worker *worker)
{
    sigset_t all;
    sigset_t former;
    char name[16];

    (void)sigfillset(&all); /* cannot fail */
    (void)pthread_sigmask(SIG_SETMASK, &all, &former);
    int error_number = pthread_create(&worker->thread, NULL, worker_main, worker);
    (void)pthread_sigmask(SIG_SETMASK, &former, NULL);
    if (error_number == 0) {
        (void)snprintf(name, sizeof(name), "worker-%u", worker->index); /* cut is fine */
        (void)pthread_setname_np(worker->thread, name);                 /* only for ps and gdb */
    }
    return error_number;
}

static void worker_free(struct worker *worker)
{
    resolver_free(worker->resolver);
    loop_free(worker->loop);
    worker_balance_cleanup(worker);
    map_cleanup(&worker->listeners);
    mem_free(worker);
}

static void worker_init_clusters(struct worker *worker)
{
    const struct conn_limits *client = &worker->options.client_limits;

    worker->clusters.loop = worker->loop;
    worker->clusters.resolver = worker->resolver;
    worker->clusters.metrics = worker->metrics;
    worker->clusters.connect_timeout_ms = worker->options.connect_timeout_ms != 0
                                              ? worker->options.connect_timeout_ms
                                              : DEFAULT_CONNECT_TIMEOUT_MS;
    worker->clusters.conn_limits = (struct conn_limits){
        .max_header_bytes = DEFAULT_MAX_HEADER_BYTES,
        .max_headers = DEFAULT_MAX_HEADERS,
        .header_timeout_ms = client->header_timeout_ms,
        /* An event stream may be silent for long; Istio sets no limit here (spec 9.6). */
        .body_timeout_ms = client->idle_timeout_ms,
        .write_timeout_ms = client->write_timeout_ms,
        .idle_timeout_ms = LIMIT_POOL_IDLE_MS,
    };
    cluster_set_init(&worker->clusters);
}

struct worker *worker_start(const struct worker_options *options, unsigned index, struct err *err)
{
    struct worker *worker = mem_new(struct worker);

    worker->options = *options;
    if (str_is_empty(worker->options.server_name)) {
        worker->options.server_name = STR("istio-envoy");
    }
    worker->index = index;
    list_init(&worker->idle_clients);
    list_init(&worker->busy_clients);
    list_init(&worker->exchanges);
    list_init(&worker->tunnels);
    list_init(&worker->draining_listeners);
    list_init(&worker->spare_exchanges);
    worker_balance_init(worker);
    worker->loop = loop_new(err);
    if (worker->loop == NULL) {
        worker_free(worker);
        return NULL;
    }
    worker->resolver = resolver_new(worker->loop, options->resolver_servers, err);
    if (worker->resolver == NULL) {
        worker_free(worker);
        return NULL;
    }
    worker->metrics = metrics_shard_new();
    worker->request_metrics.shard = worker->metrics;
    worker->request_metrics.identity = &worker->options.identity;
    worker->tcp_metrics.shard = worker->metrics;
    worker->tcp_metrics.identity = &worker->options.identity;
    worker_init_clusters(worker);
    timer_init(&worker->pause_review, worker_on_pause_review, worker);
    int error_number = worker_create_thread(worker);
    if (error_number != 0) {
        err_set(err, ERR_SYSTEM, "cannot start a worker thread: %s", strerror(error_number));
        worker_free(worker);
        return NULL;
    }
    return worker;
}

static void worker_end_thread(struct worker *worker)
{
    loop_stop(worker->loop);
    (void)pthread_join(worker->thread, NULL); /* it is ours, and joined once */
}

void worker_stop(struct worker *worker)
{
    if (worker != NULL) {
        worker_end_thread(worker);
        worker_free(worker);
    }
}

void worker_stop_all(struct worker *const *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        worker_end_thread(workers[i]);
    }
    for (size_t i = 0; i < count; i++) {
        worker_free(workers[i]);
    }
}

void worker_set_peers(struct worker *const *workers, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        workers[i]->peers = workers;
        workers[i]->peer_count = count;
        workers[i]->next_peer = i;
    }
}
