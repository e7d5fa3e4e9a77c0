/* drain: the phases of leaving (ecosystem: Istio's terminationDrainDuration; spec HR-5, HR-6). Control
 * thread. */
#include "gateway/daemon/drain.h"

#include "gateway/base/now.h"
#include "gateway/observe/log.h"

enum { DRAIN_POLL_MS = 20 };

static size_t drain_connection_count(const struct drain *drain)
{
    size_t count = 0;

    for (size_t i = 0; i < drain->worker_count; i++) {
        count += worker_active_count(drain->workers[i]);
    }
    return count;
}

static void drain_finish(struct drain *drain)
{
    size_t left = drain_connection_count(drain);

    drain->phase = DRAIN_DONE;
    if (left != 0) {
        LOG_WARN("drain", "the drain time is over: %zu connections are cut off", left);
    } else {
        LOG_INFO("drain", "drained: no connection is left");
    }
    drain->on_done(drain->owner);
}

static void drain_on_poll(void *arg)
{
    struct drain *drain = arg;

    if (drain->phase != DRAIN_CLOSED || drain->kind < DRAIN_PATIENTLY) {
        return;
    }
    bool is_late = drain->kind == DRAIN_AND_LEAVE && now_mono_ms() >= drain->deadline_ms;
    if (is_late || drain_connection_count(drain) == 0) {
        drain_finish(drain);
        return;
    }
    timer_arm(drain->loop, &drain->poll, DRAIN_POLL_MS);
}

static void drain_stop_accepting(struct drain *drain)
{
    timer_cancel(&drain->notice);
    drain->phase = DRAIN_CLOSED;
    LOG_INFO("drain", "listeners close; %zu connections are open", drain_connection_count(drain));
    for (size_t i = 0; i < drain->worker_count; i++) {
        worker_stop_accepting(drain->workers[i]);
    }
    timer_arm(drain->loop, &drain->poll, DRAIN_POLL_MS);
}

static void drain_on_notice_over(void *arg)
{
    drain_stop_accepting(arg);
}

void drain_init(struct drain *drain, struct loop *loop, uint32_t drain_time_ms,
                void (*on_done)(void *owner), void *owner)
{
    *drain = (struct drain){
        .loop = loop,
        .drain_time_ms = drain_time_ms,
        .on_done = on_done,
        .owner = owner,
    };
    timer_init(&drain->notice, drain_on_notice_over, drain);
    timer_init(&drain->poll, drain_on_poll, drain);
}

void drain_begin(struct drain *drain, enum drain_kind kind, struct worker *const *workers,
                 size_t worker_count)
{
    bool is_first = drain->phase == DRAIN_IDLE;

    if (drain->phase == DRAIN_DONE || (!is_first && kind <= drain->kind)) {
        return;
    }
    drain->workers = workers;
    drain->worker_count = worker_count;
    drain->kind = kind;
    drain->deadline_ms = now_mono_ms() + drain->drain_time_ms;
    if (is_first) {
        LOG_INFO("drain", "draining: %zu connections are open", drain_connection_count(drain));
        drain->phase = DRAIN_NOTICE;
        for (size_t i = 0; i < worker_count; i++) {
            worker_drain_begin(workers[i]);
        }
        if (kind == DRAIN_LISTENERS_NOW) {
            drain_stop_accepting(drain);
        } else {
            timer_arm(drain->loop, &drain->notice, drain->drain_time_ms / 2);
        }
    } else if (drain->phase == DRAIN_CLOSED) {
        timer_arm(drain->loop, &drain->poll, DRAIN_POLL_MS);
    }
}

void drain_cleanup(struct drain *drain)
{
    timer_cancel(&drain->notice);
    timer_cancel(&drain->poll);
}
