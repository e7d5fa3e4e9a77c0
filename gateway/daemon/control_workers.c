/* control_workers: starting, stopping and asking workers. Control thread. */
#include "gateway/daemon/control_workers.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/daemon/cpu_count.h"
#include "gateway/daemon/process.h"
#include "gateway/daemon/reload.h"
#include "gateway/observe/log.h"

#include <stdlib.h>

enum {
    CONTROL_WORKERS_FAST_MS = 1000,  /* while pages show reports */
    CONTROL_WORKERS_SLOW_MS = 10000, /* so that the first page is not empty */
    CONTROL_WORKERS_WANTED_MS = 60000,
};

/* --- Reports ---------------------------------------------------------------------------------- */

static void control_workers_on_report(void *owner, struct worker *worker,
                                      struct worker_report *report)
{
    struct control_workers *workers = owner;
    unsigned index = report->worker_index;

    (void)worker; /* gone by now, when the process is ending */
    workers->due--;
    worker_report_free(workers->reports[index]);
    workers->reports[index] = report;
}

void control_workers_collect(struct control_workers *workers)
{
    if (workers->due != 0 || workers->workers == NULL) {
        return;
    }
    workers->due = workers->count;
    workers->collected_ms = now_mono_ms();
    for (size_t i = 0; i < workers->count; i++) {
        worker_collect(workers->workers[i], control_workers_on_report, workers);
    }
}

static void control_workers_on_timer(void *arg)
{
    struct control_workers *workers = arg;
    uint64_t now_ms = now_mono_ms();
    bool is_wanted =
        workers->wanted_ms != 0 && now_ms - workers->wanted_ms < CONTROL_WORKERS_WANTED_MS;

    if (is_wanted || now_ms - workers->collected_ms >= CONTROL_WORKERS_SLOW_MS) {
        control_workers_collect(workers);
    }
    timer_arm(workers->loop, &workers->timer, CONTROL_WORKERS_FAST_MS);
}

void control_workers_refresh(struct control_workers *workers)
{
    workers->wanted_ms = now_mono_ms();
    control_workers_collect(workers);
}

/* --- What all workers share ------------------------------------------------------------------- */

static struct str control_workers_label(const struct options *options, const char *name)
{
    for (size_t i = 0; i < options->labels.count; i++) {
        if (str_equals(options->labels.items[i].name, str_from_cstr(name))) {
            return options->labels.items[i].value;
        }
    }
    return (struct str){ 0 };
}

static struct str control_workers_first(struct str a, struct str b)
{
    return a.len != 0 ? a : b;
}

/* Our own half of the istio_* labels (spec OB-22): by our labels and what an injected gateway is told. */
static void control_workers_set_identity(struct worker_identity *identity,
                                         const struct options *options)
{
    struct str app = control_workers_label(options, "app");
    struct str canonical = control_workers_label(options, "service.istio.io/canonical-name");
    struct str revision = control_workers_label(options, "service.istio.io/canonical-revision");
    struct str version = control_workers_label(options, "version");

    canonical = control_workers_first(
        canonical,
        control_workers_first(control_workers_label(options, "app.kubernetes.io/name"), app));
    identity->app = app;
    identity->version = version;
    identity->canonical_service = canonical;
    identity->canonical_revision = control_workers_first(revision, version);
    identity->workload =
        control_workers_first(str_from_cstr(getenv("ISTIO_META_WORKLOAD_NAME")), canonical);
    identity->workload_namespace = options->own_namespace;
    identity->cluster_id = str_from_cstr(getenv("ISTIO_META_CLUSTER_ID"));
}

static void control_workers_set_options(struct control_workers *workers,
                                        const struct options *options,
                                        struct access_log *access_log, void *release_owner)
{
    struct worker_options *shared = &workers->options;
    size_t connections = options->max_connections;

    if (connections == 0) {
        connections = process_connection_limit(process_descriptor_limit(), workers->count);
    }
    shared->client_limits = (struct conn_limits){
        .max_header_bytes = options->max_header_bytes,
        .max_headers = options->max_headers,
        .header_timeout_ms = options->header_timeout_ms,
        .body_timeout_ms = options->body_timeout_ms,
        .write_timeout_ms = options->write_timeout_ms,
        .idle_timeout_ms = options->idle_timeout_ms,
        .max_streams = options->max_streams,
        .stream_window_bytes = options->stream_window_bytes,
        /* Connections of the notice period are told half-way (HR-5), and have as much time again. */
        .drain_grace_ms = options->drain_time_ms / 4,
    };
    shared->handshake_timeout_ms = options->handshake_timeout_ms;
    shared->request_timeout_ms = options->request_timeout_ms;
    shared->connect_timeout_ms = options->connect_timeout_ms;
    shared->path_normalization = options->path_normalization;
    shared->trusted_hops = options->trusted_hops;
    shared->misdirected = options->misdirected;
    shared->accept_proxy = options->accept_proxy;
    shared->proxy_ranges = options->proxy_ranges.items;
    shared->proxy_range_count = options->proxy_ranges.count;
    shared->tunnel_idle_timeout_ms = options->tunnel_idle_timeout_ms;
    shared->max_connections = (connections + workers->count - 1) / workers->count;
    shared->access_log = access_log;
    control_workers_set_identity(&shared->identity, options);
    shared->server_name = options->server_header;
    shared->resolver_servers = options->resolver.len != 0 ? options->resolver.ptr : NULL;
    shared->control_loop = workers->loop;
    shared->release_snapshot = reload_release_snapshot;
    shared->owner = release_owner;
}

/* --- Threads ---------------------------------------------------------------------------------- */

bool control_workers_start(struct control_workers *workers, struct loop *loop,
                           const struct options *options, struct access_log *access_log,
                           void *release_owner, struct err *err)
{
    size_t count = options->workers != 0 ? options->workers : cpu_count();

    workers->loop = loop;
    workers->count = count;
    control_workers_set_options(workers, options, access_log, release_owner);
    workers->workers = mem_alloc_array(count, sizeof(struct worker *));
    workers->reports = mem_alloc_array(count, sizeof(struct worker_report *));
    timer_init(&workers->timer, control_workers_on_timer, workers);
    for (size_t i = 0; i < count; i++) {
        workers->workers[i] = worker_start(&workers->options, (unsigned)i, err);
        if (workers->workers[i] == NULL) {
            workers->count = i;
            return false;
        }
    }
    worker_set_peers(workers->workers, count);
    timer_arm(loop, &workers->timer, CONTROL_WORKERS_FAST_MS);
    LOG_INFO("control", "%zu workers, %zu client connections each", count,
             workers->options.max_connections);
    return true;
}

void control_workers_stop(struct control_workers *workers)
{
    timer_cancel(&workers->timer);
    if (workers->workers != NULL) {
        worker_stop_all(workers->workers, workers->count);
    }
    mem_free(workers->workers);
    workers->workers = NULL;
}

void control_workers_cleanup(struct control_workers *workers)
{
    for (size_t i = 0; workers->reports != NULL && i < workers->count; i++) {
        worker_report_free(workers->reports[i]);
    }
    mem_free(workers->reports);
    memset(workers, 0, sizeof(*workers));
}
