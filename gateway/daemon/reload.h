/* reload: configuration and secrets to a snapshot that serves; keeps the last good one.
 *
 *   trigger ─▶ files changed? ─▶ load, validate ─▶ secrets ─▶ compile ─▶ bind ─▶ publish ─▶ live
 *                  no │ secrets changed? no: "unchanged"       │ fails: the old snapshot stays
 *                     └──────────────▶ last good resources ────┘
 *
 * One at a time: a trigger during a publication is remembered and runs after it. Control thread. */
#ifndef GATEWAY_DAEMON_RELOAD_H
#define GATEWAY_DAEMON_RELOAD_H

#include "gateway/admin/admin_view.h"
#include "gateway/daemon/options.h"
#include "gateway/net/loop.h"

struct reload;

enum reload_result {
    RELOAD_SUCCESS,   /* published; live when every worker has answered */
    RELOAD_UNCHANGED, /* nothing to do */
    RELOAD_FAILURE,   /* the old snapshot stays */
    RELOAD_QUEUED,    /* one is under way; this follows it */
};

struct reload_owner {
    /* An attempt begins that is not a rescan; it ends with on_live or on_kept. */
    void (*on_begin)(void *owner);
    /* A snapshot is live in every worker; `is_first` once. `is_bound_changed`: sockets came or went. */
    void (*on_live)(void *owner, bool is_first, bool is_bound_changed);
    /* Nothing new serves: unchanged, or failed (status->problem). */
    void (*on_kept)(void *owner, enum reload_result result);
};

/* Workers are set later, by reload_start(): they need reload_release_snapshot() first. */
struct reload *reload_new(struct loop *loop, const struct options *options,
                          struct metrics_shard *shard, const struct reload_owner *owner_ops,
                          void *owner);
void reload_free(struct reload *reload);
/* The first load, in the caller's stack. False with the reason (and with it the exit status): nothing
 * servable, an address that cannot be bound, an error finding under --strict. */
bool reload_start(struct reload *reload, struct worker *const *workers, size_t worker_count,
                  struct err *err);
/* Starts watching the directories, and looks once for what changed since the first load. A directory
 * that cannot be watched is told and left to the rescan. */
void reload_watch(struct reload *reload);
/* Now, or after the one under way. */
enum reload_result reload_trigger(struct reload *reload, const char *reason);
/* No more attempts: the process is leaving. */
void reload_stop(struct reload *reload);
/* For worker_options: any thread; owner is the reload. */
void reload_release_snapshot(void *owner, struct snapshot *snapshot);
/* Fills the parts of the view that are ours; the pointers stay true as long as the reload lives, but
 * for snapshot and resources: they are good until on_live returns, so ask again in it. */
void reload_show(const struct reload *reload, struct admin_view *view);
/* Hourly. */
void reload_rotate_ticket_keys(struct reload *reload);

#endif
