/* reload: load, compile, bind, publish; keeps the last good. Control thread, but for
 * reload_release_snapshot().
 *
 * What is in force: `resources` (the objects the live snapshot was compiled from, the last good version
 * of each), `snapshot`, `bindings`. `former` is the snapshot that workers may still read while they
 * take up the new one; it and `former_resources` are what pages show until then. */
#include "gateway/daemon/reload.h"

#include "config/compile.h"
#include "config/validate.h"
#include "gateway/base/now.h"
#include "gateway/daemon/bindings.h"
#include "gateway/daemon/certificate_watch.h"
#include "gateway/daemon/config_fingerprint.h"
#include "gateway/daemon/finding_log.h"
#include "gateway/daemon/key_check.h"
#include "gateway/net/dir_watch.h"
#include "gateway/observe/log.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>

struct reload {
    struct loop *loop;
    const struct options *options;
    struct metrics_shard *shard;
    const struct reload_owner *owner_ops;
    void *owner;
    struct worker *const *workers;
    size_t worker_count;
    pthread_t thread;

    struct compile_options compile_options;
    struct resource_load_options load_options;
    struct secret_store *secrets;
    struct ticket_keys *ticket_keys;
    struct tls_context_cache *contexts;
    struct tls_client_context_cache *client_contexts;

    uint64_t fingerprint; /* of the files of the last load; 0: load whatever they are */
    struct resource_set *resources;
    struct report load_report;
    struct report compile_report;
    struct snapshot *snapshot;
    struct snapshot *former;
    struct resource_set *former_resources; /* NULL: they have not changed */
    uint64_t revision;                     /* of the last snapshot made */
    struct bound_listeners bindings;
    struct reload_status status;
    struct finding_log finding_log;
    struct certificate_watch certificate_watch;
    struct key_check key_check;

    struct dir_watch *watch;
    bool is_watching;       /* once all is served: reload_watch() */
    struct str_vec watched; /* paths told to it, own copies */

    size_t answers_due; /* workers that have not taken the snapshot up */
    bool is_bound_changed;
    bool is_first;
    const struct str_vec *changed; /* only there; NULL: anywhere */
    const char *queued;            /* reason of a trigger that came meanwhile, or NULL */
    bool is_stopped;
};

/* One attempt: what it loaded, until it is taken up or thrown away. */
struct reload_attempt {
    struct resource_set *resources; /* NULL: the files have not changed */
    bool has_load_report;
    struct report load_report;
    struct report compile_report;
    struct snapshot *snapshot;
    struct bindings_change change;
};

static void reload_on_broken_key(void *owner);

/* --- Life ------------------------------------------------------------------------------------- */

struct reload *reload_new(struct loop *loop, const struct options *options,
                          struct metrics_shard *shard, const struct reload_owner *owner_ops,
                          void *owner)
{
    struct reload *reload = mem_new(struct reload);

    reload->loop = loop;
    reload->options = options;
    reload->shard = shard;
    reload->owner_ops = owner_ops;
    reload->owner = owner;
    reload->thread = pthread_self();
    reload->compile_options.own_namespace = options->own_namespace;
    reload->compile_options.domain = STR("cluster.local");
    reload->compile_options.has_labels = options->has_labels;
    reload->compile_options.labels = options->labels;
    reload->compile_options.port_map.items = options->port_map.items;
    reload->compile_options.port_map.count = options->port_map.count;
    reload->compile_options.bind = options->bind;
    reload->compile_options.connect_timeout_ms = options->connect_timeout_ms;
    reload->load_options.is_strict = options->is_strict;
    report_init(&reload->load_report);
    report_init(&reload->compile_report);
    reload->secrets = secret_store_new(options->own_namespace);
    for (size_t i = 0; i < options->secret_paths.count; i++) {
        secret_store_add_directory(reload->secrets, options->secret_paths.items[i].ptr);
    }
    if (!options->is_strict) { /* an error found later could not end the start any more */
        secret_store_defer_keys(reload->secrets);
    }
    key_check_init(&reload->key_check, loop, reload->secrets, shard, reload_on_broken_key, reload);
    reload->ticket_keys = ticket_keys_new();
    reload->contexts = tls_context_cache_new(reload->ticket_keys);
    reload->client_contexts = tls_client_context_cache_new();
    reload->status.result = "none";
    reload->is_first = true;
    return reload;
}

static void reload_drop_snapshot(struct snapshot **snapshot)
{
    if (*snapshot != NULL && snapshot_unref(*snapshot)) {
        snapshot_free(*snapshot);
    }
    *snapshot = NULL;
}

void reload_free(struct reload *reload)
{
    if (reload == NULL) {
        return;
    }
    key_check_stop(&reload->key_check);
    dir_watch_free(reload->watch);
    for (size_t i = 0; i < reload->watched.count; i++) {
        char *path;
        memcpy(&path, &reload->watched.items[i].ptr, sizeof(path)); /* ours: a copy */
        mem_free(path);
    }
    vec_cleanup(&reload->watched);
    reload_drop_snapshot(&reload->former);
    reload_drop_snapshot(&reload->snapshot);
    bindings_cleanup(&reload->bindings);
    finding_log_cleanup(&reload->finding_log);
    certificate_watch_cleanup(&reload->certificate_watch);
    report_cleanup(&reload->load_report);
    report_cleanup(&reload->compile_report);
    resource_set_free(reload->former_resources);
    resource_set_free(reload->resources);
    tls_context_cache_free(reload->contexts);
    tls_client_context_cache_free(reload->client_contexts);
    secret_store_free(reload->secrets);
    ticket_keys_free(reload->ticket_keys);
    mem_free(reload);
}

/* --- Snapshots that come back ----------------------------------------------------------------- */

static void reload_on_released(void *arg)
{
    snapshot_free(arg);
}

void reload_release_snapshot(void *owner, struct snapshot *snapshot)
{
    struct reload *reload = owner;

    /* worker_stop() releases in the thread that calls it: ours, with a loop that turns no more. */
    if (pthread_equal(pthread_self(), reload->thread)) {
        snapshot_free(snapshot);
    } else {
        loop_post(reload->loop, reload_on_released, snapshot);
    }
}

/* --- Telling ---------------------------------------------------------------------------------- */

static const char *reload_result_name(enum reload_result result)
{
    switch (result) {
    case RELOAD_SUCCESS:
        return "success";
    case RELOAD_UNCHANGED:
        return "unchanged";
    case RELOAD_FAILURE:
        return "failure";
    case RELOAD_QUEUED:
        break;
    }
    return "queued";
}

static void reload_count(struct reload *reload, enum reload_result result)
{
    struct str name = str_from_cstr(reload_result_name(result));

    metric_series_add(metrics_series(reload->shard, METRIC_CONFIG_RELOADS, &name, 1), 1);
    reload->status.result = reload_result_name(result);
    reload->status.attempt_wall_us = now_wall_fresh_us();
    if (result == RELOAD_FAILURE) {
        reload->status.failure_count++;
    } else if (result == RELOAD_SUCCESS) {
        reload->status.success_count++;
    }
    if (result != RELOAD_FAILURE) {
        reload->status.problem[0] = '\0';
    }
    metrics_set(reload->shard, METRIC_CONFIG_LAST_RELOAD_SUCCESS, result != RELOAD_FAILURE);
}

static void reload_tell_findings(struct reload *reload)
{
    const struct report *reports[] = { &reload->load_report, &reload->compile_report };

    finding_log_write(&reload->finding_log, reports, 2);
    for (int i = 0; i < SEVERITY_COUNT; i++) {
        struct str name = str_from_cstr(report_severity_name((enum severity)i));
        size_t count = reload->load_report.counts[i] + reload->compile_report.counts[i];
        metric_series_set(metrics_series(reload->shard, METRIC_FINDINGS, &name, 1), (double)count);
    }
    metrics_set(reload->shard, METRIC_OBJECTS_SKIPPED, (double)reload->resources->skipped_count);
}

static void reload_tell_live(const struct reload *reload)
{
    const struct report *load = &reload->load_report;
    const struct report *compile = &reload->compile_report;
    size_t servers = 0;

    for (size_t i = 0; i < reload->snapshot->listener_count; i++) {
        servers += reload->snapshot->listeners[i].server_count;
    }
    LOG_INFO("reload",
             "revision %" PRIu64 " is live: %zu listeners, %zu TLS servers, %zu destinations; "
             "%zu errors and %zu warnings found",
             reload->revision, reload->snapshot->listener_count, servers,
             reload->snapshot->cluster_count,
             load->counts[SEVERITY_ERROR] + compile->counts[SEVERITY_ERROR],
             load->counts[SEVERITY_WARNING] + compile->counts[SEVERITY_WARNING]);
}

void reload_show(const struct reload *reload, struct admin_view *view)
{
    view->snapshot = reload->snapshot;
    view->resources = reload->resources;
    view->load_report = &reload->load_report;
    view->compile_report = &reload->compile_report;
    view->secrets = reload->secrets;
    view->reload = &reload->status;
    view->listeners = &reload->bindings;
}

/* --- An attempt: files and secrets to a bound snapshot ---------------------------------------- */

static void reload_attempt_cleanup(struct reload_attempt *attempt)
{
    report_cleanup(&attempt->load_report);
    report_cleanup(&attempt->compile_report);
    resource_set_free(attempt->resources);
    if (attempt->snapshot != NULL && snapshot_unref(attempt->snapshot)) {
        snapshot_free(attempt->snapshot);
    }
    memset(attempt, 0, sizeof(*attempt));
}

static void reload_load(struct reload *reload, struct reload_attempt *attempt)
{
    report_init(&attempt->load_report);
    attempt->has_load_report = true;
    attempt->resources =
        resource_set_load(reload->options->config_paths.items, reload->options->config_paths.count,
                          &reload->load_options, reload->resources, &attempt->load_report);
    validate_resources(&reload->compile_options, attempt->resources, &attempt->load_report);
    report_sort(&attempt->load_report);
}

/* Reads the secrets these resources name. Returns whether any changed since the last time. */
static bool reload_secrets(struct reload *reload, const struct resource_set *resources,
                           struct report *report)
{
    int64_t wall_s = (int64_t)(now_wall_fresh_us() / 1000000);

    compile_want_secrets(&reload->compile_options, resources, reload->secrets, report);
    bool is_changed = reload->changed != NULL
                          ? secret_store_load_changed(reload->secrets, reload->changed, wall_s)
                          : secret_store_load(reload->secrets, wall_s);
    certificate_watch_update(&reload->certificate_watch, reload->secrets,
                             reload->options->own_namespace, reload->shard, wall_s);
    key_check_start(&reload->key_check);
    return is_changed;
}

static bool reload_compile(struct reload *reload, const struct resource_set *resources,
                           struct reload_attempt *attempt, struct err *err)
{
    attempt->snapshot =
        compile_snapshot(&reload->compile_options, resources, reload->secrets, reload->contexts,
                         reload->client_contexts, &attempt->compile_report);
    attempt->snapshot->revision = reload->revision + 1;
    report_sort(&attempt->compile_report);
    if (reload->is_first && attempt->snapshot->listener_count == 0) {
        err_set(err, ERR_CONFIG,
                "nothing to serve: no Gateway server among %zu objects in %zu "
                "files is usable%s",
                resources->document_count, resources->file_count,
                reload->options->has_labels ? " by a gateway of these labels" : "");
        return false;
    }
    return bindings_prepare(&reload->bindings, attempt->snapshot, reload->worker_count,
                            &attempt->change, err);
}

static void reload_take_reports(struct reload *reload, struct reload_attempt *attempt)
{
    if (attempt->has_load_report) {
        report_cleanup(&reload->load_report);
        reload->load_report = attempt->load_report;
        memset(&attempt->load_report, 0, sizeof(attempt->load_report));
        attempt->has_load_report = false;
    }
    report_cleanup(&reload->compile_report);
    reload->compile_report = attempt->compile_report;
    memset(&attempt->compile_report, 0, sizeof(attempt->compile_report));
}

static size_t reload_error_count(const struct reload_attempt *attempt)
{
    return attempt->load_report.counts[SEVERITY_ERROR] +
           attempt->compile_report.counts[SEVERITY_ERROR];
}

/* --- Publishing ------------------------------------------------------------------------------- */

static void reload_on_queued(void *arg)
{
    struct reload *reload = arg;
    const char *reason = reload->queued;

    reload->queued = NULL;
    if (reason != NULL) {
        (void)reload_trigger(reload, reason); /* what came of it was told */
    }
}

static void reload_on_all_answered(struct reload *reload)
{
    bool is_first = reload->is_first;

    reload->is_first = false;
    reload->status.is_publishing = false;
    reload->status.revision = reload->snapshot->revision;
    reload->status.live_wall_us = now_wall_fresh_us();
    metrics_set(reload->shard, METRIC_CONFIG_REVISION, (double)reload->snapshot->revision);
    reload_tell_live(reload);
    reload->owner_ops->on_live(reload->owner, is_first, reload->is_bound_changed);
    /* After on_live: until then the owner shows them. */
    reload_drop_snapshot(&reload->former);
    resource_set_free(reload->former_resources);
    reload->former_resources = NULL;
    if (reload->queued != NULL) {
        loop_post(reload->loop, reload_on_queued, reload);
    }
}

static void reload_on_answer(void *owner, struct worker *worker)
{
    struct reload *reload = owner;

    (void)worker;
    if (--reload->answers_due == 0) {
        reload_on_all_answered(reload);
    }
}

static void reload_publish(struct reload *reload, struct reload_attempt *attempt)
{
    size_t opened_count = attempt->change.opened.count;
    struct worker_socket *sockets = mem_alloc_array(opened_count + 1, sizeof(struct worker_socket));

    reload->revision = attempt->snapshot->revision;
    reload->former = reload->snapshot;
    reload->snapshot = attempt->snapshot;
    attempt->snapshot = NULL;
    if (reload->former != NULL) {
        snapshot_compare_clusters(reload->snapshot, reload->former);
    }
    if (attempt->resources != NULL) {
        reload->former_resources = reload->resources;
        reload->resources = attempt->resources;
        attempt->resources = NULL;
    }
    reload->answers_due = reload->worker_count;
    reload->status.is_publishing = true;
    for (size_t i = 0; i < reload->worker_count; i++) {
        bindings_sockets_of(&attempt->change, i, sockets);
        const struct worker_publication publication = {
            .snapshot = reload->snapshot,
            .opened = sockets,
            .opened_count = opened_count,
            .closed = attempt->change.closed.items,
            .closed_count = attempt->change.closed.count,
            .on_done = reload_on_answer,
            .owner = reload,
        };
        worker_publish(reload->workers[i], &publication);
    }
    reload->is_bound_changed = bindings_commit(&reload->bindings, &attempt->change);
    mem_free(sockets);
}

/* --- Triggers --------------------------------------------------------------------------------- */

static void reload_on_files(void *owner, const struct str_vec *changed, bool is_rescan)
{
    struct reload *reload = owner;

    reload->changed = changed;
    (void)reload_trigger(reload, is_rescan ? "rescan" : "change"); /* told by it */
    reload->changed = NULL; /* when it was queued, everything is looked at */
}

static void reload_on_key_checked(void *arg)
{
    (void)reload_trigger(arg, "broken key"); /* told by it */
}

/* Not from inside the load that may have brought the last key to check. */
static void reload_on_broken_key(void *owner)
{
    struct reload *reload = owner;

    loop_post(reload->loop, reload_on_key_checked, reload);
}

static bool reload_is_watched(const struct reload *reload, struct str path)
{
    for (size_t i = 0; i < reload->watched.count; i++) {
        if (str_equals(reload->watched.items[i], path)) {
            return true;
        }
    }
    return false;
}

static void reload_watch_path(struct reload *reload, struct str path)
{
    struct err err = { 0 };

    if (reload_is_watched(reload, path)) {
        return;
    }
    struct str copy = str_from(mem_copy_string(path.ptr, path.len), path.len);
    vec_push(&reload->watched, copy);
    if (!dir_watch_add(reload->watch, copy.ptr, &err)) {
        LOG_WARN("reload", "%s; changes are seen every %d s only", err.text,
                 DIR_WATCH_RESCAN_MS / 1000);
    }
}

/* Files that Gateways name come and go with them; what is watched in vain costs nothing. */
static void reload_watch_secret_files(struct reload *reload)
{
    struct str_vec paths = { 0 };

    if (!reload->is_watching) {
        return;
    }
    secret_store_watched_paths(reload->secrets, &paths);
    for (size_t i = 0; i < paths.count; i++) {
        reload_watch_path(reload, paths.items[i]);
    }
    vec_cleanup(&paths);
}

void reload_watch(struct reload *reload)
{
    const struct str_vec *lists[] = { &reload->options->config_paths,
                                      &reload->options->secret_paths };

    if (reload->is_stopped || reload->watch == NULL) {
        return;
    }
    reload->is_watching = true;
    for (size_t l = 0; l < sizeof(lists) / sizeof(lists[0]); l++) {
        for (size_t i = 0; i < lists[l]->count; i++) {
            reload_watch_path(reload, lists[l]->items[i]);
        }
    }
    reload_watch_secret_files(reload);
    dir_watch_look(reload->watch);
}

bool reload_start(struct reload *reload, struct worker *const *workers, size_t worker_count,
                  struct err *err)
{
    struct reload_attempt attempt = { 0 };
    struct err watch_err = { 0 };
    bool is_good = false;

    reload->workers = workers;
    reload->worker_count = worker_count;
    reload->watch = dir_watch_new(reload->loop, reload_on_files, reload, &watch_err);
    if (reload->watch == NULL) {
        LOG_ERROR("reload", "%s; changes are taken up on SIGHUP only", watch_err.text);
    }
    reload->fingerprint = config_fingerprint(&reload->options->config_paths);
    report_init(&attempt.compile_report);
    reload_load(reload, &attempt);
    (void)reload_secrets(reload, attempt.resources, &attempt.compile_report); /* all are new */
    bool is_bound = reload_compile(reload, attempt.resources, &attempt, err);
    size_t error_count = reload_error_count(&attempt);
    reload_take_reports(reload, &attempt);
    if (!is_bound) {
        reload->resources = attempt.resources; /* for the counts of the findings told below */
        attempt.resources = NULL;
    } else if (reload->options->is_strict && error_count != 0) {
        bindings_cancel(&attempt.change);
        reload->resources = attempt.resources;
        attempt.resources = NULL;
        err_set(err, ERR_CONFIG, "%zu error findings, and --strict makes each of them fatal",
                error_count);
    } else {
        reload_publish(reload, &attempt);
        reload_count(reload, RELOAD_SUCCESS);
        is_good = true;
    }
    reload_tell_findings(reload);
    reload_attempt_cleanup(&attempt);
    return is_good;
}

/* The new files cannot be served as they are (an address is taken). They are tried again at the next
 * trigger; until then a renewed certificate must not wait for them. */
static bool reload_fall_back(struct reload *reload, struct reload_attempt *attempt)
{
    struct reload_attempt again = { 0 };
    struct err err = { 0 };

    report_init(&again.compile_report);
    (void)reload_secrets(reload, reload->resources, &again.compile_report); /* changed: known */
    bool is_good = reload_compile(reload, reload->resources, &again, &err);
    if (is_good) {
        reload_publish(reload, &again);
    }
    reload_take_reports(reload, attempt);
    reload_attempt_cleanup(&again);
    return is_good;
}

static enum reload_result reload_fail(struct reload *reload, struct reload_attempt *attempt,
                                      bool is_secrets_changed, const struct err *err)
{
    reload->fingerprint = 0; /* try again */
    LOG_ERROR("reload", "kept revision %" PRIu64 ": %s", reload->revision, err->text);
    reload_count(reload, RELOAD_FAILURE);
    (void)snprintf(reload->status.problem, sizeof(reload->status.problem), "%s",
                   err->text); /* cut is fine */
    bool is_renewed = is_secrets_changed && reload_fall_back(reload, attempt);
    if (!is_secrets_changed) {
        reload_take_reports(reload, attempt);
    }
    reload_tell_findings(reload);
    if (!is_renewed) {
        reload->owner_ops->on_kept(reload->owner, RELOAD_FAILURE);
    }
    return RELOAD_FAILURE;
}

static enum reload_result reload_run(struct reload *reload, bool is_rescan)
{
    struct reload_attempt attempt = { 0 };
    struct err err = { 0 };
    enum reload_result result;

    uint64_t fingerprint = config_fingerprint(&reload->options->config_paths);
    bool is_config_changed = fingerprint != reload->fingerprint;
    if (is_config_changed) {
        reload_load(reload, &attempt);
        reload->fingerprint = fingerprint;
    }
    const struct resource_set *resources =
        attempt.resources != NULL ? attempt.resources : reload->resources;
    report_init(&attempt.compile_report);
    bool is_secrets_changed = reload_secrets(reload, resources, &attempt.compile_report);
    reload_watch_secret_files(reload);
    if (!is_config_changed && !is_secrets_changed) {
        /* Twice a minute nothing happens: that is no reload. */
        if (!is_rescan) {
            reload_count(reload, RELOAD_UNCHANGED);
        }
        reload->owner_ops->on_kept(reload->owner, RELOAD_UNCHANGED);
        result = RELOAD_UNCHANGED;
    } else if (!reload_compile(reload, resources, &attempt, &err)) {
        result = reload_fail(reload, &attempt, is_secrets_changed, &err);
    } else {
        reload_take_reports(reload, &attempt);
        reload_publish(reload, &attempt);
        reload_count(reload, RELOAD_SUCCESS);
        reload_tell_findings(reload);
        result = RELOAD_SUCCESS;
    }
    reload_attempt_cleanup(&attempt);
    return result;
}

enum reload_result reload_trigger(struct reload *reload, const char *reason)
{
    bool is_rescan = strcmp(reason, "rescan") == 0;

    if (reload->is_stopped) {
        return RELOAD_UNCHANGED;
    }
    if (reload->answers_due != 0) {
        /* Whoever asked waits for an answer; a rescan is nobody's, and finds the same. */
        if (reload->queued == NULL || !is_rescan) {
            reload->queued = reason;
        }
        return RELOAD_QUEUED;
    }
    LOG_DEBUG("reload", "looking for changes: %s", reason);
    if (!is_rescan) {
        reload->owner_ops->on_begin(reload->owner);
    }
    return reload_run(reload, is_rescan);
}

void reload_stop(struct reload *reload)
{
    reload->is_stopped = true;
    key_check_stop(&reload->key_check);
    dir_watch_free(reload->watch);
    reload->watch = NULL;
    reload->is_watching = false;
}

void reload_rotate_ticket_keys(struct reload *reload)
{
    ticket_keys_rotate(reload->ticket_keys);
}
