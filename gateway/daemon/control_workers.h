/* control_workers: the workers as the control thread holds them: started, stopped, and asked now and
 * then what they have in hand. */
#ifndef GATEWAY_DAEMON_CONTROL_WORKERS_H
#define GATEWAY_DAEMON_CONTROL_WORKERS_H

#include "gateway/daemon/options.h"
#include "gateway/net/loop.h"
#include "gateway/proxy/worker.h"

/* Zeroed is empty. */
struct control_workers {
    struct loop *loop;
    struct worker_options options; /* the workers read it as long as they live */
    struct worker **workers;
    struct worker_report **reports; /* the last of each, or NULL */
    size_t count;
    size_t due;         /* reports asked for and not here yet */
    uint64_t wanted_ms; /* when a page last showed them */
    uint64_t collected_ms;
    struct timer timer;
};

/* `release_owner` is the reload: see reload_release_snapshot(). False: those started are stopped. */
bool control_workers_start(struct control_workers *workers, struct loop *loop,
                           const struct options *options, struct access_log *access_log,
                           void *release_owner, struct err *err);
/* Ends the threads; reports and snapshots they posted are in the loop then. */
void control_workers_stop(struct control_workers *workers);
void control_workers_cleanup(struct control_workers *workers);
/* A page shows reports: keep them fresh for a while. */
void control_workers_refresh(struct control_workers *workers);
/* Asks now, unless answers are due. */
void control_workers_collect(struct control_workers *workers);

#endif
