/* fuzz_h2_conn: a connection of HTTP/2 in either role on a fake transport, fed with what a peer may send and
 * driven by an exchange that does anything at any time. Included by the one source of a fuzz target.
 *
 * The input is a list of steps: a byte that picks one, then what it needs. Checked are the invariants: legs
 * hear nothing after their end, each is released once, and at the end nothing of the connection is left. */
#ifndef TESTS_FUZZ_FUZZ_H2_CONN_H
#define TESTS_FUZZ_FUZZ_H2_CONN_H

#include "gateway/http/h2_conn.h"
#include "tests/unit/support/fake_transport.h"

enum { FUZZ_LEGS = 64, FUZZ_STEPS = 400 };

struct fuzz_leg {
    struct leg *leg; /* NULL: free */
    bool is_ended;
    bool is_complete;
};

static struct {
    struct transport *transport;
    struct conn *conn;
    struct arena *arena;
    struct fuzz_leg legs[FUZZ_LEGS];
    const uint8_t *bytes;
    size_t left;
    bool is_client;
    bool is_closed;
} fuzz;

static inline uint8_t fuzz_take(void)
{
    if (fuzz.left == 0) {
        return 0;
    }
    fuzz.left--;
    return *fuzz.bytes++;
}

static inline void fuzz_do(uint8_t what, struct fuzz_leg *slot);

/* In a callback: whatever the next byte says. */
static inline void fuzz_follow(struct leg *leg)
{
    fuzz_do(fuzz_take(), leg->owner);
}

static inline void fuzz_on_head(void *owner, struct leg *leg, struct head *head, bool is_end)
{
    struct fuzz_leg *slot = owner;

    CHECK(slot->leg == leg && !slot->is_ended && !slot->is_complete);
    CHECK(head->status >= 100 && head->status <= 999);
    slot->is_complete = is_end;
    fuzz_follow(leg);
}

static inline void fuzz_on_body(void *owner, struct leg *leg, const unsigned char *bytes,
                                size_t len)
{
    struct fuzz_leg *slot = owner;
    volatile unsigned char last = bytes[len - 1];

    (void)last;
    CHECK(slot->leg == leg && !slot->is_ended && !slot->is_complete && len > 0);
    fuzz_follow(leg);
}

static inline void fuzz_on_complete(void *owner, struct leg *leg, const struct headers *trailers)
{
    struct fuzz_leg *slot = owner;

    CHECK(slot->leg == leg && !slot->is_ended && !slot->is_complete);
    CHECK(trailers == NULL || trailers->count > 0);
    slot->is_complete = true;
    fuzz_follow(leg);
}

static inline void fuzz_on_drained(void *owner, struct leg *leg)
{
    struct fuzz_leg *slot = owner;

    CHECK(slot->leg == leg && !slot->is_ended);
    fuzz_follow(leg);
}

static inline void fuzz_on_end(void *owner, struct leg *leg, enum leg_end end)
{
    struct fuzz_leg *slot = owner;

    (void)end;
    CHECK(slot->leg == leg && !slot->is_ended);
    slot->is_ended = true;
    fuzz_follow(leg);
}

static const struct leg_handler fuzz_leg_handler = {
    .on_head = fuzz_on_head,
    .on_body = fuzz_on_body,
    .on_complete = fuzz_on_complete,
    .on_drained = fuzz_on_drained,
    .on_end = fuzz_on_end,
};

static inline struct fuzz_leg *fuzz_free_slot(void)
{
    for (size_t i = 0; i < FUZZ_LEGS; i++) {
        if (fuzz.legs[i].leg == NULL) {
            return &fuzz.legs[i];
        }
    }
    return NULL;
}

static inline void fuzz_release(struct fuzz_leg *slot)
{
    struct leg *leg = slot->leg;

    if (leg != NULL) {
        slot->leg = NULL;
        leg->ops->release(leg);
    }
}

static inline void fuzz_on_request(void *owner, struct conn *conn, struct leg *leg,
                                   struct head *head, bool is_end)
{
    struct fuzz_leg *slot = fuzz_free_slot();

    CHECK(owner == &fuzz && conn == fuzz.conn && !fuzz.is_closed && slot != NULL);
    CHECK(head->method_text.len > 0 && head->path.len > 0 && head->authority.len > 0);
    *slot = (struct fuzz_leg){ .leg = leg, .is_complete = is_end };
    leg->handler = &fuzz_leg_handler;
    leg->owner = slot;
    fuzz_follow(leg);
}

static inline void fuzz_on_refused(void *owner, struct conn *conn, unsigned status,
                                   const char *detail, const struct head *head)
{
    (void)head;
    CHECK(owner == &fuzz && conn == fuzz.conn && status >= 400 && detail != NULL);
}

static inline void fuzz_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    CHECK(owner == &fuzz && is_reusable && h2_conn_leg_count(conn) == 0 && !fuzz.is_closed);
}

static inline void fuzz_on_violation(void *owner, struct conn *conn, const char *reason)
{
    CHECK(owner == &fuzz && conn == fuzz.conn && reason != NULL && !fuzz.is_closed);
}

static inline void fuzz_on_closed(void *owner, struct conn *conn)
{
    CHECK(owner == &fuzz && conn == fuzz.conn && !fuzz.is_closed);
    fuzz.is_closed = true;
}

static const struct conn_owner fuzz_conn_owner = {
    .on_request = fuzz_on_request,
    .on_refused = fuzz_on_refused,
    .on_idle = fuzz_on_idle,
    .on_violation = fuzz_on_violation,
    .on_closed = fuzz_on_closed,
};

static inline void fuzz_send_head(struct leg *leg, uint8_t how)
{
    static const unsigned statuses[] = { 200, 204, 304, 100, 103, 101, 404, 500 };
    static const enum body_framing framings[] = { BODY_NONE, BODY_LENGTH, BODY_CHUNKED,
                                                  BODY_TUNNEL };
    struct head head;

    head_init(&head, fuzz.arena);
    head.status = statuses[how % 8];
    head.framing = framings[(how >> 3) % 4];
    head.content_length = 10;
    head.has_content_length = head.framing == BODY_LENGTH;
    head.method_text = (how & 0x40) != 0 ? STR("HEAD") : STR("GET");
    head.method = http_method_from(head.method_text);
    head.scheme = STR("http");
    head.authority = STR("a");
    head.target = STR("/");
    head.path = STR("/");
    head.upgrade = head.framing == BODY_TUNNEL ? STR("websocket") : STR("");
    leg->ops->send_head(leg, &head, (how & 0x80) != 0 || head.framing == BODY_NONE);
}

static inline void fuzz_send_body(struct leg *leg, uint8_t size)
{
    static const unsigned char zeros[60000];
    size_t len = size < 200 ? size : (size_t)(size - 199) * 1000;

    leg->ops->send_body(leg, zeros, len);
    (void)leg->ops->is_above_high(leg);
}

static inline void fuzz_send_end(struct leg *leg, uint8_t how)
{
    struct headers trailers;

    headers_init(&trailers, fuzz.arena);
    headers_add(&trailers, STR("grpc-status"), STR("0"));
    leg->ops->send_end(leg, (how & 1) != 0 ? &trailers : NULL);
}

/* One thing an exchange may do with a leg. */
static inline void fuzz_do(uint8_t what, struct fuzz_leg *slot)
{
    struct leg *leg = slot->leg;

    if (leg == NULL) {
        return;
    }
    switch (what % 12) {
    case 1:
        leg->ops->pause(leg);
        break;
    case 2:
        leg->ops->resume(leg);
        break;
    case 3:
        leg->ops->abort(leg, (enum leg_abort)(fuzz_take() % 4));
        break;
    case 4:
        fuzz_release(slot);
        break;
    case 5:
        fuzz_send_head(leg, fuzz_take());
        break;
    case 6:
        fuzz_send_body(leg, fuzz_take());
        break;
    case 7:
        fuzz_send_end(leg, fuzz_take());
        break;
    case 8:
        fuzz_send_head(leg, 0x10);
        fuzz_send_body(leg, fuzz_take());
        fuzz_send_end(leg, 0);
        fuzz_release(slot);
        break;
    case 9:
        if (fuzz_take() > 250 && !fuzz.is_closed) {
            fuzz.is_closed = true;
            fuzz.conn->ops->close(fuzz.conn);
        }
        break;
    default:
        break;
    }
}

static inline void fuzz_open_leg(void)
{
    struct fuzz_leg *slot = fuzz_free_slot();

    if (slot == NULL || !fuzz.is_client || fuzz.is_closed) {
        return;
    }
    bool has_room = h2_conn_has_room(fuzz.conn);

    *slot = (struct fuzz_leg){ 0 };
    slot->leg = fuzz.conn->ops->open_leg(fuzz.conn, &fuzz_leg_handler, slot);
    CHECK(has_room == (slot->leg != NULL));
}

static inline void fuzz_receive(size_t len)
{
    struct text part = { 0 };

    len = len < fuzz.left ? len : fuzz.left;
    text_add(&part, str_from((const char *)fuzz.bytes, len));
    fuzz.bytes += len;
    fuzz.left -= len;
    if (fuzz.transport->state == FAKE_OPEN) {
        fake_receive(fuzz.transport, text_view(&part));
    }
    text_cleanup(&part);
}

static inline void fuzz_transport_drained(void)
{
    fuzz.transport->is_above_high = false;
    if (fuzz.transport->state == FAKE_OPEN) {
        fuzz.transport->handler->on_drained(fuzz.transport->owner);
    }
}

static inline void fuzz_step(void)
{
    uint8_t step = fuzz_take();

    switch (step % 16) {
    case 0:
        fake_turn(fuzz.transport);
        break;
    case 1:
        fuzz_open_leg();
        break;
    case 2:
        fake_advance(fuzz.transport, (uint64_t)fuzz_take() * 10);
        break;
    case 3:
        fuzz.transport->is_above_high = true;
        break;
    case 4:
        fuzz_transport_drained();
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        fuzz_do(fuzz_take(), &fuzz.legs[step / 16 % 4]);
        break;
    case 9:
        if (fuzz_take() > 200 && !fuzz.is_closed) {
            fuzz.conn->ops->drain(fuzz.conn);
        }
        break;
    default:
        fuzz_receive((size_t)fuzz_take() + (step < 128 ? 0 : 256));
        break;
    }
}

static inline void fuzz_finish(void)
{
    if (!fuzz.is_closed) {
        fuzz.is_closed = true;
        fuzz.conn->ops->close(fuzz.conn);
    }
    for (size_t i = 0; i < FUZZ_LEGS; i++) {
        fuzz_release(&fuzz.legs[i]);
    }
    fake_turn(fuzz.transport);
    CHECK(fake.freed_count == 1);
    CHECK(list_is_empty(&fake.timers));
    CHECK(list_is_empty(&fake.deferred));
}

static inline void fuzz_run(bool is_client, const uint8_t *bytes, size_t size, struct str opening)
{
    static const struct conn_limits limits = {
        .max_header_bytes = 4096,
        .max_headers = 32,
        .header_timeout_ms = 1000,
        .body_timeout_ms = 1000,
        .write_timeout_ms = 1000,
        .idle_timeout_ms = 20000,
        .max_streams = FUZZ_LEGS,
        .stream_window_bytes = 65536,
        .drain_grace_ms = 100,
        .ping_interval_ms = 1500,
        .ping_timeout_ms = 500,
    };

    fake_init();
    memset(&fuzz, 0, sizeof(fuzz));
    fuzz.is_client = is_client;
    fuzz.bytes = bytes;
    fuzz.left = size;
    fuzz.arena = arena_new(4096);
    fuzz.transport = fake_transport_new();
    fuzz.conn = (is_client ? h2_conn_new_client : h2_conn_new_server)(fuzz.transport, &limits,
                                                                      &fuzz_conn_owner, &fuzz);
    fake_receive(fuzz.transport, opening);
    for (unsigned i = 0; i < FUZZ_STEPS && fuzz.left > 0; i++) {
        fuzz_step();
    }
    fuzz_finish();
    fake_transport_free(fuzz.transport);
    arena_free(fuzz.arena);
}

#endif
