/* control: the main thread. Owns the loop, the workers, the reload, the drain and the pages; makes them
 * in that order and takes them down in the other.
 *
 *     PRE_INITIALIZING ─ pages bound, workers run ─▶ INITIALIZING ─ loaded, bound, published ─▶ LIVE
 *         LIVE ─ TERM, INT, QUIT ─▶ DRAINING ─▶ end            a second TERM or INT: end at once */
#include "gateway/daemon/control.h"

#include "gateway/admin/admin.h"
#include "gateway/base/background.h"
#include "gateway/base/now.h"
#include "gateway/daemon/control_workers.h"
#include "gateway/daemon/drain.h"
#include "gateway/daemon/ebb.h"
#include "gateway/daemon/memory.h"
#include "gateway/daemon/overload.h"
#include "gateway/daemon/process.h"
#include "gateway/daemon/ready_file.h"
#include "gateway/daemon/reload.h"
#include "gateway/daemon/systemd.h"
#include "gateway/daemon/version_command.h"
#include "gateway/observe/log_writer.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    CONTROL_TICKET_ROTATION_MS = 3600 * 1000,
    CONTROL_QUIT_MS = 50,
    CONTROL_STATUS_BYTES = 640,
};

/* The admin, health and metrics ports. */
enum { PORT_ADMIN, PORT_HEALTH, PORT_METRICS, PORT_COUNT };

struct control_port {
    const char *name;
    struct page_server *server; /* NULL: off */
    struct address bound;
};

struct control {
    const struct options *options;
    struct loop *loop;
    struct access_log *access_log;
    struct metrics_shard *shard;
    struct control_workers workers;
    struct reload *reload;
    struct drain drain;
    struct overload overload;
    struct ebb ebb;
    struct systemd systemd;
    struct admin_view view;
    struct admin *admin;
    struct control_port ports[PORT_COUNT];
    struct loop_watch *signals[5];
    struct timer rotation;
    struct timer watchdog;
    struct timer quit;
    bool is_reload_told; /* systemd waits for READY=1 */
    bool has_ready_file;
    bool is_termination_seen;
};

/* --- What the outside is told ----------------------------------------------------------------- */

static void control_show(struct control *control)
{
    reload_show(control->reload, &control->view);
    control->view.workers = control->workers.workers;
    control->view.worker_reports = control->workers.reports;
    control->view.worker_count = control->workers.count;
}

static void control_write_ready_file(struct control *control)
{
    const struct bound_listeners *listeners = control->view.listeners;
    const char *path = control->options->ready_file.ptr;
    struct text lines = { 0 };
    struct err err = { 0 };
    char name[64];

    if (path == NULL) {
        return;
    }
    for (int i = 0; i < PORT_COUNT; i++) {
        if (control->ports[i].server != NULL) {
            ready_file_add_line(&lines, control->ports[i].name, &control->ports[i].bound);
        }
    }
    for (size_t i = 0; i < listeners->count; i++) {
        const struct bound_listener *listener = &listeners->items[i];
        (void)snprintf(name, sizeof(name), "%u/%.*s", listener->gateway_port,
                       STR_ARG(listener->protocol)); /* a protocol is a short word */
        ready_file_add_line(&lines, name, &listener->bound);
    }
    control->has_ready_file = ready_file_write(path, text_view(&lines), &err);
    if (!control->has_ready_file) {
        LOG_ERROR("control", "%s", err.text);
    }
    text_cleanup(&lines);
}

static void control_log_listeners(const struct control *control)
{
    const struct bound_listeners *listeners = control->view.listeners;
    char address[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < listeners->count; i++) {
        struct str bound = address_print(&listeners->items[i].bound, address);
        LOG_INFO("control", "Gateway port %u (%.*s) is served on %.*s",
                 listeners->items[i].gateway_port, STR_ARG(listeners->items[i].protocol),
                 STR_ARG(bound));
    }
}

static void control_tell_manager(struct control *control)
{
    const struct reload_status *status = control->view.reload;
    char text[CONTROL_STATUS_BYTES];

    if (status->problem[0] != '\0') {
        (void)snprintf(text, sizeof(text), "Serving revision %" PRIu64 "; last reload failed: %s",
                       status->revision, status->problem); /* cut is fine */
    } else {
        (void)snprintf(text, sizeof(text), "Serving revision %" PRIu64, status->revision);
    }
    systemd_ready(&control->systemd, text);
    control->is_reload_told = false;
}

/* --- Reload's news ---------------------------------------------------------------------------- */

static void control_on_reload_begin(void *owner)
{
    struct control *control = owner;

    systemd_reloading(&control->systemd);
    control->is_reload_told = true;
}

static void control_on_reload_live(void *owner, bool is_first, bool is_bound_changed)
{
    struct control *control = owner;

    control_show(control);
    /* A TERM may have come before the first workers' answers: who drains is not ready again. */
    if (is_first && control->view.state == SERVER_INITIALIZING) {
        control->view.state = SERVER_LIVE;
    }
    if (is_first || is_bound_changed) {
        control_log_listeners(control);
        control_write_ready_file(control);
    }
    control_tell_manager(control);
    control_workers_collect(&control->workers);
    /* Watching ten thousand secrets takes as long as reading them, and traffic need not wait for it. */
    if (is_first) {
        reload_watch(control->reload);
    }
}

static void control_on_reload_kept(void *owner, enum reload_result result)
{
    struct control *control = owner;

    control_show(control);
    if (control->is_reload_told || result == RELOAD_FAILURE) {
        control_tell_manager(control);
    }
}

static const struct reload_owner CONTROL_RELOAD_OWNER = {
    .on_begin = control_on_reload_begin,
    .on_live = control_on_reload_live,
    .on_kept = control_on_reload_kept,
};

/* --- Leaving ---------------------------------------------------------------------------------- */

static void control_drain(struct control *control, enum drain_kind kind)
{
    /* Readiness first: the pages read the state. */
    control->view.state = SERVER_DRAINING;
    reload_stop(control->reload);
    if (kind >= DRAIN_PATIENTLY) {
        systemd_stopping(&control->systemd, "Draining");
    }
    drain_begin(&control->drain, kind, control->workers.workers, control->workers.count);
}

static void control_on_drained(void *owner)
{
    struct control *control = owner;

    loop_stop(control->loop);
}

static void control_on_signal(int signal_number, void *arg)
{
    struct control *control = arg;

    switch (signal_number) {
    case SIGTERM:
    case SIGINT:
        if (control->is_termination_seen) {
            LOG_WARN("control", "second %s: ending at once",
                     signal_number == SIGTERM ? "SIGTERM" : "SIGINT");
            loop_stop(control->loop);
            return;
        }
        control->is_termination_seen = true;
        control_drain(control, DRAIN_AND_LEAVE);
        return;
    case SIGQUIT:
        control_drain(control, DRAIN_PATIENTLY);
        return;
    case SIGHUP:
        LOG_INFO("control", "SIGHUP: reload");
        (void)reload_trigger(control->reload, "SIGHUP"); /* told by it */
        return;
    case SIGUSR1:
        log_writer_reopen();
        LOG_INFO("control", "SIGUSR1: log files opened anew");
        return;
    default:
        return;
    }
}

static bool control_watch_signals(struct control *control, struct err *err)
{
    static const int SIGNALS[] = { SIGTERM, SIGINT, SIGQUIT, SIGHUP, SIGUSR1 };

    for (size_t i = 0; i < sizeof(SIGNALS) / sizeof(SIGNALS[0]); i++) {
        control->signals[i] =
            loop_watch_signal(control->loop, SIGNALS[i], control_on_signal, control, err);
        if (control->signals[i] == NULL) {
            return false;
        }
    }
    return true;
}

/* --- Pages ------------------------------------------------------------------------------------ */

static bool control_page_reload(void *owner, struct text *outcome)
{
    struct control *control = owner;

    switch (reload_trigger(control->reload, "page")) {
    case RELOAD_SUCCESS:
        text_add_cstr(outcome, "changes were found and are being taken up");
        return true;
    case RELOAD_UNCHANGED:
        text_add_cstr(outcome, "nothing has changed");
        return true;
    case RELOAD_QUEUED:
        text_add_cstr(outcome, "a reload is under way; another follows it");
        return true;
    case RELOAD_FAILURE:
        break;
    }
    text_add_cstr(outcome, "the new configuration could not be taken up; the old one serves");
    return false;
}

static void control_page_drain(void *owner, bool is_graceful)
{
    control_drain(owner, is_graceful ? DRAIN_LISTENERS : DRAIN_LISTENERS_NOW);
}

static void control_page_quit(void *owner)
{
    struct control *control = owner;

    LOG_INFO("control", "/quitquitquit: ending");
    /* The answer leaves first. */
    timer_arm(control->loop, &control->quit, CONTROL_QUIT_MS);
}

static void control_page_set_health(void *owner, bool is_failed)
{
    struct control *control = owner;

    control->view.is_health_failed = is_failed;
}

static void control_page_refresh(void *owner)
{
    struct control *control = owner;

    control_workers_refresh(&control->workers);
}

static bool control_start_port(struct control *control, int port, const char *name,
                               const struct options_endpoint *endpoint, page_fn on_page,
                               struct err *err)
{
    struct control_port *slot = &control->ports[port];
    char address[ADDRESS_TEXT_BYTES];

    slot->name = name;
    if (endpoint->is_off) {
        return true;
    }
    slot->bound = endpoint->address;
    slot->server = page_server_start(control->loop, &slot->bound, on_page, control->admin, err);
    if (slot->server == NULL) {
        err_prefix(err, "%s port", name);
        return false;
    }
    struct str bound = address_print(&slot->bound, address);
    LOG_INFO("control", "%s pages on %.*s", name, STR_ARG(bound));
    return true;
}

static bool control_start_pages(struct control *control, const struct admin_actions *actions,
                                struct err *err)
{
    const struct options *options = control->options;

    control->admin = admin_new(&control->view, actions);
    return control_start_port(control, PORT_ADMIN, "admin", &options->admin, admin_on_page, err) &&
           control_start_port(control, PORT_HEALTH, "health", &options->health,
                              admin_on_health_page, err) &&
           control_start_port(control, PORT_METRICS, "metrics", &options->metrics,
                              admin_on_metrics_page, err);
}

/* --- Timers ----------------------------------------------------------------------------------- */

static void control_on_rotation(void *arg)
{
    struct control *control = arg;

    reload_rotate_ticket_keys(control->reload);
    timer_arm(control->loop, &control->rotation, CONTROL_TICKET_ROTATION_MS);
}

static void control_on_watchdog(void *arg)
{
    struct control *control = arg;

    systemd_watchdog(&control->systemd);
    timer_arm(control->loop, &control->watchdog, control->systemd.watchdog_interval_ms);
}

static void control_start_timers(struct control *control)
{
    timer_init(&control->rotation, control_on_rotation, control);
    timer_arm(control->loop, &control->rotation, CONTROL_TICKET_ROTATION_MS);
    timer_init(&control->quit, control_on_drained, control);
    timer_init(&control->watchdog, control_on_watchdog, control);
    if (control->systemd.watchdog_interval_ms != 0) {
        timer_arm(control->loop, &control->watchdog, control->systemd.watchdog_interval_ms);
    }
}

/* --- Start and end ---------------------------------------------------------------------------- */

static bool control_start_logs(struct control *control, struct err *err)
{
    const struct options *options = control->options;

    log_set_level(STR(""), options->log_level);
    if (!log_writer_start(err)) {
        return false;
    }
    log_start(options->log_format);
    LOG_INFO("control", "gatehouse %s (commit %s), process %d", version_command_version(),
             version_command_commit(), (int)getpid());
    if (!access_log_open(&control->access_log, options->access_log.ptr,
                         options->access_log_format.ptr, err)) {
        /* A format that does not compile is a wrong word on the command line. */
        if (err->code == ERR_INPUT || err->code == ERR_CONFIG) {
            err->code = ERR_USAGE;
        }
        err_prefix(err, "access log");
        return false;
    }
    return true;
}

static void control_start_manager(struct control *control)
{
    struct err err = { 0 };

    if (!systemd_init(&control->systemd, getenv("NOTIFY_SOCKET"), getenv("WATCHDOG_USEC"),
                      getenv("WATCHDOG_PID"), &err)) {
        LOG_WARN("control", "%s", err.text);
    }
}

static void control_init_view(struct control *control)
{
    struct str build[] = { STR("proxy"), str_from_cstr(version_command_version()) };

    control->shard = metrics_shard_new();
    control->view.state = SERVER_PRE_INITIALIZING;
    control->view.version = version_command_version();
    control->view.commit = version_command_commit();
    control->view.start_mono_us = now_mono_fresh_us();
    control->view.options = &control->options->given;
    control->view.own_namespace = control->options->own_namespace;
    control->view.labels = &control->options->labels;
    control->view.shard = control->shard;
    metric_series_set(metrics_series(control->shard, METRIC_BUILD, build, 2), 1);
}

static bool control_start(struct control *control, const struct admin_actions *actions,
                          struct err *err)
{
    const struct options *options = control->options;

    if (options->ready_file.ptr != NULL) {
        ready_file_remove(options->ready_file.ptr);
    }
    if (!process_prepare(err) || !control_start_logs(control, err)) {
        return false;
    }
    control_init_view(control);
    control->loop = loop_new(err);
    if (control->loop == NULL) {
        return false;
    }
    control_start_manager(control);
    control->reload =
        reload_new(control->loop, options, control->shard, &CONTROL_RELOAD_OWNER, control);
    drain_init(&control->drain, control->loop, options->drain_time_ms, control_on_drained, control);
    control_show(control);
    if (!control_watch_signals(control, err) || !control_start_pages(control, actions, err) ||
        !control_workers_start(&control->workers, control->loop, options, control->access_log,
                               control->reload, err)) {
        return false;
    }
    background_enter(); /* the workers run by now, and inherit nothing of it */
    control_start_timers(control);
    ebb_start(&control->ebb, control->loop, control->workers.workers, control->workers.count);
    overload_start(&control->overload, control->loop, control->shard,
                   overload_mark(options, memory_limit()), control->workers.workers,
                   control->workers.count);
    control->view.state = SERVER_INITIALIZING;
    if (!options->has_labels) {
        LOG_INFO("control", "no --labels: every Gateway applies, whatever its selector");
    }
    if (!reload_start(control->reload, control->workers.workers, control->workers.count, err)) {
        return false;
    }
    control_show(control);
    return true;
}

static void control_end(struct control *control)
{
    if (control->reload != NULL) {
        reload_stop(control->reload);
    }
    for (int i = 0; i < PORT_COUNT; i++) {
        page_server_stop(control->ports[i].server);
    }
    admin_free(control->admin);
    overload_stop(&control->overload);
    ebb_stop(&control->ebb);
    control_workers_stop(&control->workers);
    if (control->loop != NULL) {
        drain_cleanup(&control->drain);
        timer_cancel(&control->rotation);
        timer_cancel(&control->watchdog);
        timer_cancel(&control->quit);
        loop_run_once(control->loop, 0); /* what the workers posted last */
    }
    control_workers_cleanup(&control->workers);
    reload_free(control->reload);
    if (control->has_ready_file) {
        ready_file_remove(control->options->ready_file.ptr);
    }
    for (size_t i = 0; i < sizeof(control->signals) / sizeof(control->signals[0]); i++) {
        loop_unwatch(control->signals[i]);
    }
    loop_free(control->loop);
    systemd_cleanup(&control->systemd);
    access_log_close(control->access_log);
    if (log_writer_is_running()) {
        log_writer_stop();
    }
    metrics_cleanup();
}

/* 78 for the configuration, 64 for the command line; an address or file that the system refuses, for
 * whatever reason, is 71. */
static int control_failure_status(const struct err *err)
{
    return err->code == ERR_CONFIG || err->code == ERR_USAGE ? err_exit_status(err) : 71;
}

int control_run(const struct options *options)
{
    struct control control = { .options = options, .systemd = { .fd = -1 } };
    const struct admin_actions actions = {
        .reload = control_page_reload,
        .drain_listeners = control_page_drain,
        .quit = control_page_quit,
        .set_health = control_page_set_health,
        .refresh_worker_reports = control_page_refresh,
        .owner = &control,
    };
    struct err err = { 0 };
    int status = 0;

    if (control_start(&control, &actions, &err)) {
        loop_run(control.loop);
        LOG_INFO("control", "ending");
    } else {
        LOG_ERROR("control", "cannot start: %s", err.text);
        status = control_failure_status(&err);
    }
    control_end(&control);
    return status;
}
