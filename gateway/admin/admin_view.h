/* admin_view: what the pages show and what they may set off. The daemon fills it and keeps it true;
 * the pages only read it. Control thread only, so there is nothing to lock. */
#ifndef GATEWAY_ADMIN_ADMIN_VIEW_H
#define GATEWAY_ADMIN_ADMIN_VIEW_H

#include "config/report.h"
#include "config/resource_set.h"
#include "config/snapshot.h"
#include "gateway/observe/metrics.h"
#include "gateway/proxy/worker.h"
#include "tls/secret_store.h"

/* Numbers are Envoy's, for `server.state`. */
enum server_state {
    SERVER_LIVE = 0,
    SERVER_DRAINING = 1,
    SERVER_PRE_INITIALIZING = 2,
    SERVER_INITIALIZING = 3,
};

/* A listener with its sockets. */
struct bound_listener {
    struct str key;  /* snapshot_listener.key */
    struct str name; /* "0.0.0.0_443" */
    struct str protocol;
    uint32_t gateway_port;
    struct address bound;
};
VEC_STRUCT(bound_listeners, struct bound_listener);

/* How the last attempt to load went. */
struct reload_status {
    uint64_t revision;     /* of the snapshot that serves; 0: none yet */
    uint64_t live_wall_us; /* since when */
    uint64_t attempt_wall_us;
    const char *result; /* "success", "unchanged", "failure", "none" */
    char problem[512];  /* why not, or empty */
    uint64_t success_count;
    uint64_t failure_count;
    bool is_publishing;
};

struct admin_view {
    enum server_state state;
    bool is_health_failed; /* /healthcheck/fail */
    const char *version;
    const char *commit;
    uint64_t start_mono_us;
    const struct str_pair_vec *options; /* as given on the command line */
    struct str own_namespace;
    const struct str_pair_vec *labels;
    struct metrics_shard *shard; /* the control thread's */

    const struct snapshot *snapshot;      /* NULL before the first */
    const struct resource_set *resources; /* NULL before the first */
    const struct report *load_report;     /* of reading and validating */
    const struct report *compile_report;  /* of secrets and compiling */
    const struct secret_store *secrets;
    const struct reload_status *reload;
    const struct bound_listeners *listeners;

    struct worker *const *workers;
    /* By worker; NULL where none has come yet. A few seconds old at most while pages ask for them. */
    struct worker_report *const *worker_reports;
    size_t worker_count;
};

/* What a POST may do. Each returns at once. */
struct admin_actions {
    /* Appends what came of it, as a sentence. False: it failed. */
    bool (*reload)(void *owner, struct text *outcome);
    void (*drain_listeners)(void *owner, bool is_graceful);
    void (*quit)(void *owner);
    void (*set_health)(void *owner, bool is_failed);
    /* A page showed worker reports: fetch new ones. */
    void (*refresh_worker_reports)(void *owner);
    void *owner;
};

/* "LIVE", "DRAINING", ... */
const char *admin_state_name(enum server_state state);
/* Whether to be sent traffic. */
static inline bool admin_view_is_ready(const struct admin_view *view)
{
    return view->state == SERVER_LIVE && !view->is_health_failed;
}

#endif
