/* loop: one event loop per thread: descriptors, timers, posts from other threads, work at the end
 * of a turn. The door to libevent together with the other files of net/. Everything but loop_post()
 * and loop_stop() belongs to the loop's own thread. */
#ifndef GATEWAY_NET_LOOP_H
#define GATEWAY_NET_LOOP_H

#include "gateway/base/err.h"
#include "gateway/base/limits.h"
#include "gateway/base/list.h"

#include <stddef.h>
#include <stdint.h>

struct event_base;
struct evdns_base;
struct arena_cache;
struct pipe_cache;
struct loop;

struct loop *loop_new(struct err *err);
void loop_free(struct loop *loop);
/* Runs until loop_stop(). Binds the loop to the calling thread. */
void loop_run(struct loop *loop);
/* One turn: waits for at most `wait_ms`. For tests. */
void loop_run_once(struct loop *loop, unsigned wait_ms);
/* Any thread. */
void loop_stop(struct loop *loop);
/* Any thread: `fn(arg)` runs in the loop's thread. Posts keep their order. What is posted before
 * loop_free() and not run is dropped. */
void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg);
/* Changes with each turn. What became readable in a turn was there before anything was sent in it. */
uint64_t loop_turn_count(const struct loop *loop);
/* For net/ only. */
struct event_base *loop_event_base(struct loop *loop);
/* Bytes had to wait because a peer does not take them. Who reads in bulk and sees the count change while it
 * hands on what it read, reads less from then on: so one large read is never added to a queue. */
void loop_note_wait(struct loop *loop);
uint64_t loop_wait_count(const struct loop *loop);
/* The worker's scratch for one recv: LOOP_READ_BUFFER_BYTES. Good until the callback returns. */
unsigned char *loop_read_buffer(struct loop *loop);
/* Scratch for plaintext on its way in: LOOP_READ_BUFFER_BYTES and room for TLS overhead, together
 * LOOP_SEAL_BUFFER_BYTES. One user at a time (transport_tls). */
enum { LOOP_SEAL_BUFFER_BYTES = LOOP_READ_BUFFER_BYTES + 16 * 1024 };
unsigned char *loop_plain_buffer(struct loop *loop);

/* For net/ only. First thing in each callback of libevent: reads the clock, once a turn. */
void loop_enter(struct loop *loop);
/* For net/ only. Bytes of one transport that leave together; another one that wants the stage sends
 * them off first. */
struct loop_stage {
    void *owner; /* struct transport; NULL: free */
    unsigned char *bytes;
    size_t len;
    size_t capacity;
};
struct loop_stage *loop_plain_stage(struct loop *loop); /* before the filter */
struct loop_stage *loop_wire_stage(struct loop *loop);  /* after it */
/* For net/ only. */
struct pipe_cache *loop_pipes(struct loop *loop);
/* Arenas for one request each. */
struct arena_cache *loop_arenas(struct loop *loop);
/* For net/ only. What owns itself (a lingering transport) is told when the loop ends. `fn` must
 * list_remove(&closer->link). */
struct loop_closer {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};
void loop_add_closer(struct loop *loop, struct loop_closer *closer, void (*fn)(void *arg),
                     void *arg);

/* Work at the end of the turn, once per object however often it is asked for: flushing writes,
 * freeing what was closed inside its own callback. Embed one; zeroed is idle. */
struct deferred {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};
void loop_defer(struct loop *loop, struct deferred *deferred, void (*fn)(void *arg), void *arg);
void loop_defer_cancel(struct deferred *deferred);
/* Frees `memory` with `free_fn` after this turn, when no callback of it can be on the stack. */
void loop_reap(struct loop *loop, void *memory, void (*free_fn)(void *memory));

/* Coarse timers on a wheel, LOOP_TIMER_TICK_MS: arming is a few pointer writes. Zeroed is idle;
 * timer_init() once, then arm and cancel at will. Fires once. */
struct timer {
    struct list link;
    uint64_t due_ms;
    void (*fn)(void *arg);
    void *arg;
};
void timer_init(struct timer *timer, void (*fn)(void *arg), void *arg);
/* Re-arming replaces. Never fires early; late by a tick at most. */
void timer_arm(struct loop *loop, struct timer *timer, uint64_t delay_ms);
void timer_cancel(struct timer *timer);
static inline bool timer_is_armed(const struct timer *timer)
{
    return list_is_linked(&timer->link);
}

/* Signals and plain readable descriptors, for the control thread. NULL with err on failure. */
struct loop_watch;
struct loop_watch *loop_watch_signal(struct loop *loop, int signal_number,
                                     void (*fn)(int signal_number, void *arg), void *arg,
                                     struct err *err);
struct loop_watch *loop_watch_readable(struct loop *loop, int fd, void (*fn)(int fd, void *arg),
                                       void *arg, struct err *err);
void loop_unwatch(struct loop_watch *watch);

#endif
