/* loop: one event loop per thread, on libevent. A turn is: wait, callbacks, due timers, deferred
 * work, reaping. All objects belong to the loop's thread but the list of posts, which any thread
 * appends to under a lock; nothing on a request's way posts. */
#include "gateway/net/loop.h"

#include "gateway/base/arena_cache.h"
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/base/vec.h"
#include "gateway/net/event_memory.h"
#include "gateway/net/pipe_cache.h"
#include "gateway/net/timer_wheel.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <event2/dns.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* Deferred work may defer more; what is left after so many rounds waits for the next turn, which
 * then does not sleep. */
enum { LOOP_DEFERRED_ROUNDS = 16 };

struct loop_post_entry {
    struct list link;
    void (*fn)(void *arg);
    void *arg;
};

struct loop_dead {
    void *memory;
    void (*free_fn)(void *memory);
};

struct loop {
    struct event_base *base;
    struct event wake_event;
    struct event tick_event;
    struct event wait_event; /* of loop_run_once() */
    int wake_fd;
    uint64_t turn_count;
    uint64_t wait_count;
    bool is_clock_fresh;
    atomic_bool is_stopping;
    pthread_mutex_t posts_lock;
    struct list posts;
    struct timer_wheel wheel;
    uint64_t armed_tick; /* what tick_event is set for; UINT64_MAX: not set */
    struct list deferred;
    struct list closers;
    struct {
        VEC_FIELDS(struct loop_dead);
    } dead;
    unsigned char *read_buffer;
    unsigned char *plain_buffer;
    struct loop_stage plain_stage;
    struct loop_stage wire_stage;
    struct pipe_cache pipes;
    struct arena_cache arenas;
};

struct loop_watch {
    struct loop *loop;
    struct event event;
    void (*fn)(int number, void *arg);
    void *arg;
};

/* --- The library ------------------------------------------------------------------------------ */

static void loop_on_library_log(int severity, const char *message)
{
    switch (severity) {
    case EVENT_LOG_ERR:
        LOG_ERROR("loop", "libevent: %s", message);
        break;
    case EVENT_LOG_WARN:
        LOG_WARN("loop", "libevent: %s", message);
        break;
    default:
        LOG_DEBUG("loop", "libevent: %s", message);
        break;
    }
}

static void loop_on_dns_log(int is_warning, const char *message)
{
    /* A name server that is down or up again; the failed look-up is told by its caller. */
    if (is_warning) {
        LOG_INFO("resolver", "%s", message);
    } else {
        LOG_DEBUG("resolver", "%s", message);
    }
}

static void loop_on_library_fatal(int error)
{
    LOG_ERROR("loop", "libevent gave up (%d)", error);
    abort();
}

/* Before any other call of the library, and once: it keeps the functions for the whole process. */
static void loop_library_init(void)
{
    event_set_mem_functions(event_memory_alloc, event_memory_resize, event_memory_free);
    event_set_log_callback(loop_on_library_log);
    event_set_fatal_callback(loop_on_library_fatal);
    evdns_set_log_fn(loop_on_dns_log);
}

static struct event_base *loop_new_base(void)
{
    struct event_base *base = NULL;
    struct event_config *config = event_config_new();

    if (config == NULL) {
        return NULL;
    }
    /* No locks: only the loop's thread touches the base. No precise timer: it costs a timerfd call
     * in each turn, and the wheel is coarse anyway. */
    if (event_config_set_flag(config, EVENT_BASE_FLAG_NOLOCK | EVENT_BASE_FLAG_IGNORE_ENV) == 0) {
        base = event_base_new_with_config(config);
    }
    event_config_free(config);
    return base;
}

/* --- Posts from other threads ----------------------------------------------------------------- */

static void loop_wake(struct loop *loop)
{
    uint64_t one = 1;

    /* EAGAIN: the counter is full, so the loop is awake already. */
    while (write(loop->wake_fd, &one, sizeof(one)) == -1 && errno == EINTR) {
    }
}

void loop_post(struct loop *loop, void (*fn)(void *arg), void *arg)
{
    struct loop_post_entry *entry = mem_new(struct loop_post_entry);

    entry->fn = fn;
    entry->arg = arg;
    (void)pthread_mutex_lock(&loop->posts_lock); /* cannot fail: neither recursive nor robust */
    bool was_empty = list_is_empty(&loop->posts);
    list_push_back(&loop->posts, &entry->link);
    (void)pthread_mutex_unlock(&loop->posts_lock);
    if (was_empty) {
        loop_wake(loop);
    }
}

static void loop_take_posts(struct loop *loop, struct list *taken)
{
    struct list *link;

    list_init(taken);
    (void)pthread_mutex_lock(&loop->posts_lock);
    while ((link = list_first(&loop->posts)) != NULL) {
        list_remove(link);
        list_push_back(taken, link);
    }
    (void)pthread_mutex_unlock(&loop->posts_lock);
}

static void loop_on_wake(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;
    struct list taken;
    struct list *link;
    uint64_t count;

    (void)what;
    loop_enter(loop);
    /* Emptied before the posts are taken: a later one wakes us again. Nothing to read is fine. */
    while (read((int)fd, &count, sizeof(count)) == -1 && errno == EINTR) {
    }
    loop_take_posts(loop, &taken);
    while ((link = list_first(&taken)) != NULL) {
        struct loop_post_entry *entry = list_object(link, struct loop_post_entry, link);
        list_remove(link);
        void (*fn)(void *) = entry->fn;
        void *fn_arg = entry->arg;
        mem_free(entry);
        fn(fn_arg);
    }
}

void loop_stop(struct loop *loop)
{
    atomic_store(&loop->is_stopping, true);
    loop_wake(loop);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void loop_on_tick(evutil_socket_t fd, short what, void *arg)
{
    struct loop *loop = arg;

    (void)fd;
    (void)what;
    loop_enter(loop);
    loop->armed_tick = UINT64_MAX; /* the turn goes on with the timers */
}

static void loop_on_waited(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    loop_enter(arg);
}

static void loop_stage_init(struct loop_stage *stage, size_t capacity)
{
    stage->capacity = capacity;
    stage->bytes = mem_alloc(stage->capacity);
}

struct loop *loop_new(struct err *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    (void)pthread_once(&once, loop_library_init); /* fails only for a broken once value */
    struct loop *loop = mem_new(struct loop);
    loop->base = loop_new_base();
    if (loop->base == NULL) {
        err_errno(err, "cannot create an event loop");
        goto fail_base;
    }
    loop->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (loop->wake_fd == -1) {
        err_errno(err, "cannot create an eventfd");
        goto fail_fd;
    }
    if (event_assign(&loop->wake_event, loop->base, loop->wake_fd, EV_READ | EV_PERSIST,
                     loop_on_wake, loop) != 0 ||
        evtimer_assign(&loop->tick_event, loop->base, loop_on_tick, loop) != 0 ||
        evtimer_assign(&loop->wait_event, loop->base, loop_on_waited, loop) != 0 ||
        event_add(&loop->wake_event, NULL) != 0) {
        err_set(err, ERR_SYSTEM, "cannot watch an eventfd");
        goto fail_event;
    }
    (void)pthread_mutex_init(&loop->posts_lock, NULL); /* default attributes cannot fail on Linux */
    list_init(&loop->posts);
    list_init(&loop->deferred);
    list_init(&loop->closers);
    now_update();
    timer_wheel_init(&loop->wheel, now_mono_ms() / LOOP_TIMER_TICK_MS);
    loop->armed_tick = UINT64_MAX;
    loop->read_buffer = mem_alloc(LOOP_READ_BUFFER_BYTES);
    loop->plain_buffer = mem_alloc(LOOP_SEAL_BUFFER_BYTES);
    loop_stage_init(&loop->plain_stage, LOOP_READ_BYTES);
    loop_stage_init(&loop->wire_stage, LOOP_SEAL_BUFFER_BYTES);
    return loop;

fail_event:
    (void)close(loop->wake_fd);
fail_fd:
    event_base_free(loop->base);
fail_base:
    mem_free(loop);
    return NULL;
}

static void loop_free_dead(struct loop *loop)
{
    /* By index: a free function may reap more. */
    for (size_t i = 0; i < loop->dead.count; i++) {
        struct loop_dead dead = loop->dead.items[i];
        dead.free_fn(dead.memory);
    }
    loop->dead.count = 0;
}

void loop_free(struct loop *loop)
{
    struct list *link;
    struct list posts;

    if (loop == NULL) {
        return;
    }
    while ((link = list_first(&loop->closers)) != NULL) {
        struct loop_closer *closer = list_object(link, struct loop_closer, link);
        closer->fn(closer->arg);
    }
    loop_free_dead(loop);
    (void)event_del(&loop->wake_event);
    (void)event_del(&loop->tick_event);
    (void)event_del(&loop->wait_event);
    loop_take_posts(loop, &posts);
    while ((link = list_first(&posts)) != NULL) {
        list_remove(link);
        mem_free(list_object(link, struct loop_post_entry, link));
    }
    /* The library finishes its own frees and cancelled look-ups in callbacks of a later turn. */
    for (int i = 0; i < 4; i++) {
        (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    }
    loop_free_dead(loop);
    event_base_free(loop->base);
    (void)close(loop->wake_fd);
    (void)pthread_mutex_destroy(&loop->posts_lock);
    vec_cleanup(&loop->dead);
    pipe_cache_cleanup(&loop->pipes);
    arena_cache_cleanup(&loop->arenas);
    mem_free(loop->read_buffer);
    mem_free(loop->plain_buffer);
    mem_free(loop->plain_stage.bytes);
    mem_free(loop->wire_stage.bytes);
    mem_free(loop);
}

struct event_base *loop_event_base(struct loop *loop)
{
    return loop->base;
}

void loop_note_wait(struct loop *loop)
{
    loop->wait_count++;
}

uint64_t loop_wait_count(const struct loop *loop)
{
    return loop->wait_count;
}

unsigned char *loop_read_buffer(struct loop *loop)
{
    return loop->read_buffer;
}

unsigned char *loop_plain_buffer(struct loop *loop)
{
    return loop->plain_buffer;
}

struct loop_stage *loop_plain_stage(struct loop *loop)
{
    return &loop->plain_stage;
}

struct loop_stage *loop_wire_stage(struct loop *loop)
{
    return &loop->wire_stage;
}

struct pipe_cache *loop_pipes(struct loop *loop)
{
    return &loop->pipes;
}

struct arena_cache *loop_arenas(struct loop *loop)
{
    return &loop->arenas;
}

void loop_add_closer(struct loop *loop, struct loop_closer *closer, void (*fn)(void *arg),
                     void *arg)
{
    closer->fn = fn;
    closer->arg = arg;
    list_push_back(&loop->closers, &closer->link);
}

/* --- Timers ----------------------------------------------------------------------------------- */

void timer_init(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
}

static uint64_t timer_tick(const struct list *link)
{
    const struct timer *timer =
        (const struct timer *)(const void *)((const char *)link - offsetof(struct timer, link));

    /* Up: never early. */
    return (timer->due_ms + LOOP_TIMER_TICK_MS - 1) / LOOP_TIMER_TICK_MS;
}

void timer_arm(struct loop *loop, struct timer *timer, uint64_t delay_ms)
{
    CHECK(timer->fn != NULL);
    uint64_t now_ms = now_mono_ms();

    timer->due_ms = delay_ms > UINT64_MAX / 2 - now_ms ? UINT64_MAX / 2 : now_ms + delay_ms;
    list_remove(&timer->link);
    timer_wheel_insert(&loop->wheel, &timer->link, timer_tick(&timer->link));
}

void timer_cancel(struct timer *timer)
{
    list_remove(&timer->link);
}

static void timer_fire(struct list *link)
{
    struct timer *timer = list_object(link, struct timer, link);

    timer->fn(timer->arg);
}

/* One timer of the library stands for the whole wheel. It is set only when something is to be done
 * earlier than it would wake us: arming and cancelling a far deadline costs it nothing. */
static void loop_arm_tick(struct loop *loop)
{
    if (loop->wheel.next_tick >= loop->armed_tick) {
        return;
    }
    uint64_t now_ms = now_mono_ms();
    uint64_t due_ms = loop->wheel.next_tick * LOOP_TIMER_TICK_MS;
    uint64_t wait_ms = due_ms > now_ms ? due_ms - now_ms : 1;
    struct timeval wait = {
        .tv_sec = (time_t)(wait_ms / 1000),
        .tv_usec = (suseconds_t)(wait_ms % 1000 * 1000),
    };
    (void)event_add(&loop->tick_event, &wait); /* a timer's heap only fails without memory */
    loop->armed_tick = loop->wheel.next_tick;
}

/* --- The turn --------------------------------------------------------------------------------- */

void loop_enter(struct loop *loop)
{
    if (!loop->is_clock_fresh) {
        loop->is_clock_fresh = true;
        now_update();
    }
}

uint64_t loop_turn_count(const struct loop *loop)
{
    return loop->turn_count;
}

void loop_defer(struct loop *loop, struct deferred *deferred, void (*fn)(void *arg), void *arg)
{
    deferred->fn = fn;
    deferred->arg = arg;
    if (!list_is_linked(&deferred->link)) {
        list_push_back(&loop->deferred, &deferred->link);
    }
}

void loop_defer_cancel(struct deferred *deferred)
{
    list_remove(&deferred->link);
}

void loop_reap(struct loop *loop, void *memory, void (*free_fn)(void *memory))
{
    struct loop_dead dead = { memory, free_fn };

    vec_push(&loop->dead, dead);
}

/* The marker ends a round: what is deferred meanwhile stands behind it. */
static void loop_run_deferred(struct loop *loop)
{
    struct list marker = { 0 };
    struct list *link;

    for (int round = 0; round < LOOP_DEFERRED_ROUNDS && !list_is_empty(&loop->deferred); round++) {
        list_push_back(&loop->deferred, &marker);
        while ((link = list_first(&loop->deferred)) != &marker) {
            struct deferred *deferred = list_object(link, struct deferred, link);
            list_remove(link);
            deferred->fn(deferred->arg);
        }
        list_remove(&marker);
    }
}

static void loop_turn(struct loop *loop, int flags)
{
    loop_arm_tick(loop);
    if (!list_is_empty(&loop->deferred)) {
        flags |= EVLOOP_NONBLOCK;
    }
    loop->is_clock_fresh = false;
    loop->turn_count++;
    (void)event_base_loop(loop->base, EVLOOP_ONCE | flags); /* always has the eventfd to wait for */
    loop_enter(loop);
    timer_wheel_advance(&loop->wheel, now_mono_ms() / LOOP_TIMER_TICK_MS, timer_tick, timer_fire);
    loop_run_deferred(loop);
    loop_free_dead(loop);
}

void loop_run(struct loop *loop)
{
    now_update();
    while (!atomic_exchange(&loop->is_stopping, false)) {
        loop_turn(loop, 0);
    }
}

void loop_run_once(struct loop *loop, unsigned wait_ms)
{
    struct timeval wait = {
        .tv_sec = (time_t)(wait_ms / 1000),
        .tv_usec = (suseconds_t)(wait_ms % 1000) * 1000,
    };

    now_update();
    if (wait_ms == 0) {
        loop_turn(loop, EVLOOP_NONBLOCK);
        return;
    }
    (void)event_add(&loop->wait_event, &wait); /* as in loop_arm_tick() */
    loop_turn(loop, 0);
    (void)event_del(&loop->wait_event);
}

/* --- Watches ---------------------------------------------------------------------------------- */

static void loop_on_watch(evutil_socket_t fd, short what, void *arg)
{
    struct loop_watch *watch = arg;

    (void)what;
    loop_enter(watch->loop);
    watch->fn((int)fd, watch->arg);
}

static struct loop_watch *loop_watch_start(struct loop *loop, int number, short what,
                                           void (*fn)(int number, void *arg), void *arg)
{
    struct loop_watch *watch = mem_new(struct loop_watch);

    watch->loop = loop;
    watch->fn = fn;
    watch->arg = arg;
    if (event_assign(&watch->event, loop->base, number, (short)(what | EV_PERSIST), loop_on_watch,
                     watch) != 0 ||
        event_add(&watch->event, NULL) != 0) {
        mem_free(watch);
        return NULL;
    }
    return watch;
}

struct loop_watch *loop_watch_signal(struct loop *loop, int signal_number,
                                     void (*fn)(int signal_number, void *arg), void *arg,
                                     struct err *err)
{
    struct loop_watch *watch = loop_watch_start(loop, signal_number, EV_SIGNAL, fn, arg);

    if (watch == NULL) {
        err_errno(err, "cannot watch signal %d", signal_number);
    }
    return watch;
}

struct loop_watch *loop_watch_readable(struct loop *loop, int fd, void (*fn)(int fd, void *arg),
                                       void *arg, struct err *err)
{
    struct loop_watch *watch = loop_watch_start(loop, fd, EV_READ, fn, arg);

    if (watch == NULL) {
        err_errno(err, "cannot watch descriptor %d", fd);
    }
    return watch;
}

void loop_unwatch(struct loop_watch *watch)
{
    if (watch != NULL) {
        (void)event_del(&watch->event);
        loop_reap(watch->loop, watch, mem_free);
    }
}
