/* drain: leaving politely. Readiness fails first (the caller's business, before drain_begin()), answers
 * say "connection: close", listeners stay open while load balancers look away, then no new connection
 * is taken, then we wait for zero or the deadline.
 *
 *     begin ──▶ NOTICE ── half of the drain time ──▶ CLOSED ── zero, or deadline ──▶ on_done
 *
 * Control thread. */
#ifndef GATEWAY_DAEMON_DRAIN_H
#define GATEWAY_DAEMON_DRAIN_H

#include "gateway/net/loop.h"
#include "gateway/proxy/worker.h"

enum drain_phase { DRAIN_IDLE, DRAIN_NOTICE, DRAIN_CLOSED, DRAIN_DONE };

enum drain_kind {
    DRAIN_LISTENERS_NOW, /* admin page: stop accepting, stay */
    DRAIN_LISTENERS,     /* the same after the notice period */
    DRAIN_PATIENTLY,     /* QUIT: leave when the last connection is gone */
    DRAIN_AND_LEAVE,     /* TERM, INT: leave at the deadline at the latest */
};

struct drain {
    struct loop *loop;
    struct worker *const *workers;
    size_t worker_count;
    uint32_t drain_time_ms;
    void (*on_done)(void *owner); /* the process may end */
    void *owner;
    enum drain_phase phase;
    enum drain_kind kind; /* the strongest asked for */
    uint64_t deadline_ms; /* for DRAIN_AND_LEAVE */
    struct timer notice;
    struct timer poll;
};

void drain_init(struct drain *drain, struct loop *loop, uint32_t drain_time_ms,
                void (*on_done)(void *owner), void *owner);
/* May be called again with a stronger kind: what has been done stays done. */
void drain_begin(struct drain *drain, enum drain_kind kind, struct worker *const *workers,
                 size_t worker_count);
void drain_cleanup(struct drain *drain);

#endif
