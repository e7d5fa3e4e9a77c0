/* fake_transport: transport.h, and the deferred work and timers of loop.h, without a socket. Bytes are
 * handed in with fake_receive(), what was written lies in fake.sent, time is moved by hand. Defines the
 * very functions of the two headers, so it is included by the one source of a test program, which then
 * does not link those of net/. */
#ifndef TESTS_UNIT_SUPPORT_FAKE_TRANSPORT_H
#define TESTS_UNIT_SUPPORT_FAKE_TRANSPORT_H

#include "gateway/base/arena_cache.h"
#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/text.h"
#include "gateway/net/transport.h"
#include "gateway/net/transport_splice.h"

enum fake_state { FAKE_OPEN, FAKE_CLOSED, FAKE_LINGERING, FAKE_RESET };

struct transport {
    const struct transport_handler *handler;
    void *owner;
    struct text unread;
    struct text sent;
    unsigned pause_reasons;
    uint32_t write_timeout_ms;
    uint64_t received_bytes;
    size_t queued_bytes; /* written, and as a test has it not taken by the kernel */
    enum fake_state state;
    void *filter;          /* not NULL: TLS, as far as is asked */
    uint64_t spliced_left; /* asked for by transport_splice_start_bytes() */
    bool is_above_high;
    bool is_held_back;
    bool is_offer_due;
    bool is_ended;
    bool is_end_clean;
    bool is_end_told;
    bool is_delivering;
    bool is_write_ended;
};

/* What a test sees and moves. */
static struct {
    struct list deferred;
    struct list timers;
    uint64_t now_ms;
    uint64_t turn_count;
    unsigned freed_count;
    struct {
        void *memory;
        void (*free_fn)(void *memory);
    } reaped[8];
    size_t reaped_count;
    struct arena_cache arenas;
} fake;

static inline void fake_init(void)
{
    memset(&fake, 0, sizeof(fake));
    list_init(&fake.deferred);
    list_init(&fake.timers);
}

static inline struct transport *fake_transport_new(void)
{
    return mem_new(struct transport);
}

static inline void fake_transport_free(struct transport *transport)
{
    text_cleanup(&transport->unread);
    text_cleanup(&transport->sent);
    mem_free(transport);
    arena_cache_cleanup(&fake.arenas); /* with the last connection */
}

/* --- loop.h ----------------------------------------------------------------------------------- */

void loop_note_wait(struct loop *loop)
{
    (void)loop;
}

uint64_t loop_turn_count(const struct loop *loop)
{
    (void)loop;
    return fake.turn_count;
}

void loop_defer(struct loop *loop, struct deferred *deferred, void (*fn)(void *arg), void *arg)
{
    (void)loop;
    deferred->fn = fn;
    deferred->arg = arg;
    if (!list_is_linked(&deferred->link)) {
        list_push_back(&fake.deferred, &deferred->link);
    }
}

void loop_defer_cancel(struct deferred *deferred)
{
    list_remove(&deferred->link);
}

void loop_reap(struct loop *loop, void *memory, void (*free_fn)(void *memory))
{
    (void)loop;
    for (size_t i = 0; i < fake.reaped_count; i++) {
        CHECK(fake.reaped[i].memory != memory);
    }
    CHECK(fake.reaped_count < sizeof(fake.reaped) / sizeof(fake.reaped[0]));
    fake.reaped[fake.reaped_count].memory = memory;
    fake.reaped[fake.reaped_count].free_fn = free_fn;
    fake.reaped_count++;
}

struct arena_cache *loop_arenas(struct loop *loop)
{
    (void)loop;
    return &fake.arenas;
}

void timer_init(struct timer *timer, void (*fn)(void *arg), void *arg)
{
    *timer = (struct timer){ .fn = fn, .arg = arg };
}

void timer_arm(struct loop *loop, struct timer *timer, uint64_t delay_ms)
{
    (void)loop;
    list_remove(&timer->link);
    timer->due_ms = fake.now_ms + delay_ms;
    list_push_back(&fake.timers, &timer->link);
}

void timer_cancel(struct timer *timer)
{
    list_remove(&timer->link);
}

/* --- transport.h ------------------------------------------------------------------------------ */

void transport_set_handler(struct transport *transport, const struct transport_handler *handler,
                           void *owner)
{
    transport->handler = handler;
    transport->owner = owner;
    transport->is_offer_due = true;
}

struct loop *transport_loop(const struct transport *transport)
{
    (void)transport;
    return NULL;
}

void transport_write(struct transport *transport, const void *bytes, size_t len)
{
    CHECK(transport->state == FAKE_OPEN && !transport->is_write_ended);
    text_add(&transport->sent, str_from(bytes, len));
}

void transport_end_write(struct transport *transport)
{
    CHECK(transport->state == FAKE_OPEN && !transport->is_write_ended);
    transport->is_write_ended = true;
}

size_t transport_queued_bytes(const struct transport *transport)
{
    return transport->queued_bytes;
}

bool transport_is_above_high(const struct transport *transport)
{
    return transport->is_above_high;
}

bool transport_is_sending(const struct transport *transport)
{
    return transport->queued_bytes > 0;
}

bool transport_splice_start_bytes(struct transport *from, struct transport *to, uint64_t len)
{
    CHECK(from->is_delivering && to->state == FAKE_OPEN);
    from->spliced_left = len;
    return true;
}

bool transport_splice_is_held_back(const struct transport *from)
{
    return from->is_held_back;
}

void transport_pause_read(struct transport *transport, unsigned reason)
{
    transport->pause_reasons |= reason;
}

void transport_resume_read(struct transport *transport, unsigned reason)
{
    transport->pause_reasons &= ~reason;
    transport->is_offer_due = true;
}

size_t transport_unread_bytes(const struct transport *transport)
{
    return transport->unread.len;
}

const unsigned char *transport_peek_unread(struct transport *transport, size_t *len)
{
    *len = transport->unread.len;
    return *len == 0 ? NULL : (const unsigned char *)transport->unread.ptr;
}

void transport_linger_close(struct transport *transport)
{
    CHECK(transport->state == FAKE_OPEN);
    transport->state = FAKE_LINGERING;
}

void transport_close(struct transport *transport)
{
    CHECK(transport->state == FAKE_OPEN);
    transport->state = FAKE_CLOSED;
}

void transport_reset(struct transport *transport)
{
    CHECK(transport->state == FAKE_OPEN);
    transport->state = FAKE_RESET;
}

void transport_set_write_timeout(struct transport *transport, uint32_t timeout_ms)
{
    transport->write_timeout_ms = timeout_ms;
}

uint64_t transport_received_bytes(const struct transport *transport)
{
    return transport->received_bytes;
}

void *transport_filter(const struct transport *transport)
{
    return transport->filter;
}

uint64_t transport_sent_bytes(const struct transport *transport)
{
    return transport->sent.len;
}

/* --- Moving things ---------------------------------------------------------------------------- */

static inline bool fake_may_deliver(const struct transport *transport)
{
    return transport->state == FAKE_OPEN && transport->pause_reasons == 0;
}

/* Offers what is kept, in memory of exactly its length. */
static inline void fake_offer(struct transport *transport)
{
    transport->is_offer_due = false;
    if (!fake_may_deliver(transport) || transport->unread.len == 0) {
        return;
    }
    size_t len = transport->unread.len;
    unsigned char *bytes = mem_alloc(len);

    memcpy(bytes, transport->unread.ptr, len);
    transport->is_delivering = true;
    size_t taken = transport->handler->on_data(transport->owner, bytes, len);
    transport->is_delivering = false;
    mem_free(bytes);
    CHECK(taken <= len);
    transport->unread.len -= taken;
    memmove(transport->unread.ptr, transport->unread.ptr + taken, transport->unread.len);
}

/* The end of a turn: deferred work, kept bytes, the peer's end; then what was reaped is freed. */
static inline void fake_turn(struct transport *transport)
{
    struct list *link;

    do {
        while ((link = list_first(&fake.deferred)) != NULL) {
            struct deferred *deferred = list_object(link, struct deferred, link);

            list_remove(link);
            deferred->fn(deferred->arg);
        }
        if (transport->is_offer_due) {
            fake_offer(transport);
        }
    } while (transport->is_offer_due || !list_is_empty(&fake.deferred));
    if (transport->is_ended && !transport->is_end_told && fake_may_deliver(transport)) {
        transport->is_end_told = true;
        transport->handler->on_end(transport->owner, transport->is_end_clean);
        fake_turn(transport);
        return;
    }
    for (size_t i = 0; i < fake.reaped_count; i++) {
        fake.reaped[i].free_fn(fake.reaped[i].memory);
        fake.freed_count++;
    }
    fake.reaped_count = 0;
}

/* What follows happens in the next turn of the loop. */
static inline void fake_new_turn(void)
{
    fake.turn_count++;
}

/* Within a turn: nothing deferred happens yet. */
static inline void fake_deliver(struct transport *transport, struct str bytes)
{
    transport->received_bytes += bytes.len;
    text_add(&transport->unread, bytes);
    fake_offer(transport);
}

static inline void fake_receive(struct transport *transport, struct str bytes)
{
    fake_new_turn();
    fake_deliver(transport, bytes);
    fake_turn(transport);
}

/* So many bytes go from its socket to the other one. */
static inline void fake_splice(struct transport *transport, size_t len)
{
    CHECK(len <= transport->spliced_left);
    transport->spliced_left -= len;
    fake_new_turn();
    transport->handler->on_spliced(transport->owner, len);
    fake_turn(transport);
}

static inline void fake_end(struct transport *transport, bool is_clean)
{
    transport->is_ended = true;
    transport->is_end_clean = is_clean;
    fake_turn(transport);
}

static inline void fake_dead(struct transport *transport, enum transport_end end)
{
    transport->handler->on_dead(transport->owner, end);
    CHECK(transport->state != FAKE_OPEN);
    fake_turn(transport);
}

static inline void fake_advance(struct transport *transport, uint64_t delay_ms)
{
    fake.now_ms += delay_ms;
    for (struct list *link = list_first(&fake.timers); link != NULL;) {
        struct timer *timer = list_object(link, struct timer, link);

        if (timer->due_ms <= fake.now_ms) {
            list_remove(link);
            timer->fn(timer->arg);
            link = list_first(&fake.timers);
        } else {
            link = link->next == &fake.timers ? NULL : link->next;
        }
    }
    fake_turn(transport);
}

#endif
