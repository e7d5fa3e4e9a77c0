/* fake_exchange: the owner of a conn and of its leg, as a test wants it: writes down what it is told, in
 * one line of text, and does what the test planned for that moment. With fake_transport.h. */
#ifndef TESTS_UNIT_SUPPORT_FAKE_EXCHANGE_H
#define TESTS_UNIT_SUPPORT_FAKE_EXCHANGE_H

#include "gateway/http/h1_conn.h"
#include "tests/unit/support/fake_transport.h"

/* What to do inside a callback. */
enum fake_plan {
    PLAN_NOTHING,
    PLAN_PAUSE,
    PLAN_RELEASE,
    PLAN_ABORT,
    PLAN_CLOSE,
    PLAN_ANSWER, /* 200 with "ok", then release */
};

struct fake_exchange {
    struct transport *transport;
    struct conn *conn;
    struct leg *leg;
    struct head *head;
    struct text log;
    struct arena *arena;
    enum fake_plan on_request;
    enum fake_plan on_head;
    enum fake_plan on_body;
    enum fake_plan on_complete;
    enum fake_plan on_refused;
    bool keeps_leg_at_end;
    bool is_closed;
};

static inline void fake_exchange_release(struct fake_exchange *self)
{
    struct leg *leg = self->leg;

    if (leg != NULL) {
        self->leg = NULL;
        leg->ops->release(leg);
    }
}

static inline void fake_exchange_answer(struct fake_exchange *self)
{
    struct leg *leg = self->leg;
    struct head head;

    head_init(&head, self->arena);
    head.status = 200;
    head.framing = BODY_LENGTH;
    head.has_content_length = true;
    head.content_length = 2;
    leg->ops->send_head(leg, &head, false);
    leg->ops->send_body(leg, (const unsigned char *)"ok", 2);
    leg->ops->send_end(leg, NULL);
    fake_exchange_release(self);
}

static inline void fake_exchange_follow(struct fake_exchange *self, enum fake_plan plan)
{
    switch (plan) {
    case PLAN_PAUSE:
        self->leg->ops->pause(self->leg);
        break;
    case PLAN_RELEASE:
        fake_exchange_release(self);
        break;
    case PLAN_ABORT:
        self->leg->ops->abort(self->leg, LEG_ABORT_CANCEL);
        fake_exchange_release(self);
        break;
    case PLAN_CLOSE:
        self->is_closed = true;
        self->conn->ops->close(self->conn);
        break;
    case PLAN_ANSWER:
        fake_exchange_answer(self);
        break;
    case PLAN_NOTHING:
    default:
        break;
    }
}

static inline void fake_exchange_on_head(void *owner, struct leg *leg, struct head *head,
                                         bool is_end)
{
    struct fake_exchange *self = owner;

    CHECK(leg == self->leg);
    text_printf(&self->log, "head %u%s;", head->status, is_end ? " end" : "");
    fake_exchange_follow(self, self->on_head);
}

static inline void fake_exchange_on_body(void *owner, struct leg *leg, const unsigned char *bytes,
                                         size_t len)
{
    struct fake_exchange *self = owner;

    CHECK(leg == self->leg);
    text_printf(&self->log, "body %.*s;", (int)len, (const char *)bytes);
    fake_exchange_follow(self, self->on_body);
}

static inline void fake_exchange_on_complete(void *owner, struct leg *leg,
                                             const struct headers *trailers)
{
    struct fake_exchange *self = owner;

    CHECK(leg == self->leg);
    text_add_cstr(&self->log, "complete");
    for (size_t i = 0; trailers != NULL && i < trailers->count; i++) {
        text_printf(&self->log, " %.*s=%.*s", STR_ARG(trailers->items[i].name),
                    STR_ARG(trailers->items[i].value));
    }
    text_add_cstr(&self->log, ";");
    fake_exchange_follow(self, self->on_complete);
}

static inline void fake_exchange_on_drained(void *owner, struct leg *leg)
{
    struct fake_exchange *self = owner;

    CHECK(leg == self->leg);
    text_add_cstr(&self->log, "drained;");
}

static inline void fake_exchange_on_end(void *owner, struct leg *leg, enum leg_end end)
{
    static const char *const names[] = {
        [LEG_END_PEER_CLOSED] = "closed",
        [LEG_END_PEER_CUT_BODY] = "cut",
        [LEG_END_PROTOCOL] = "protocol",
        [LEG_END_HEADERS_TOO_LARGE] = "large",
        [LEG_END_TOO_MANY_HEADERS] = "many",
        [LEG_END_BODY_TIMEOUT] = "stalled",
        [LEG_END_WRITE_TIMEOUT] = "write timeout",
        [LEG_END_TRANSPORT] = "transport",
        [LEG_END_DRAIN] = "drain",
        [LEG_END_RESET] = "reset",
        [LEG_END_REFUSED] = "refused",
    };
    struct fake_exchange *self = owner;

    CHECK(leg == self->leg);
    text_printf(&self->log, "end %s", names[end]);
    if (leg->answered_status != 0) {
        text_printf(&self->log, " %u", leg->answered_status);
    }
    text_add_cstr(&self->log, ";");
    /* All of this must be harmless on a dead leg. */
    leg->ops->pause(leg);
    leg->ops->resume(leg);
    leg->ops->send_body(leg, (const unsigned char *)"x", 1);
    leg->ops->send_end(leg, NULL);
    leg->ops->abort(leg, LEG_ABORT_CANCEL);
    if (!self->keeps_leg_at_end) {
        fake_exchange_release(self);
    }
}

static const struct leg_handler fake_exchange_leg_handler = {
    .on_head = fake_exchange_on_head,
    .on_body = fake_exchange_on_body,
    .on_complete = fake_exchange_on_complete,
    .on_drained = fake_exchange_on_drained,
    .on_end = fake_exchange_on_end,
};

static inline void fake_exchange_on_request(void *owner, struct conn *conn, struct leg *leg,
                                            struct head *head, bool is_end)
{
    struct fake_exchange *self = owner;

    CHECK(conn == self->conn);
    CHECK(self->leg == NULL);
    text_printf(&self->log, "%.*s %.*s%s;", STR_ARG(head->method_text), STR_ARG(head->path),
                is_end ? " end" : "");
    leg->handler = &fake_exchange_leg_handler;
    leg->owner = self;
    self->leg = leg;
    self->head = head;
    fake_exchange_follow(self, self->on_request);
}

static inline void fake_exchange_on_refused(void *owner, struct conn *conn, unsigned status,
                                            const char *detail, const struct head *partial_head)
{
    struct fake_exchange *self = owner;

    CHECK(conn == self->conn);
    text_printf(&self->log, "refused %u %s", status, detail);
    if (partial_head != NULL) {
        text_printf(&self->log, " %.*s", STR_ARG(partial_head->path));
    }
    text_add_cstr(&self->log, ";");
    fake_exchange_follow(self, self->on_refused);
}

static inline void fake_exchange_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    struct fake_exchange *self = owner;

    CHECK(conn == self->conn);
    CHECK(is_reusable);
    text_add_cstr(&self->log, "idle;");
}

static inline void fake_exchange_on_closed(void *owner, struct conn *conn)
{
    struct fake_exchange *self = owner;

    CHECK(conn == self->conn);
    CHECK(!self->is_closed);
    self->is_closed = true;
    text_add_cstr(&self->log, "closed;");
}

static const struct conn_owner fake_exchange_conn_owner = {
    .on_request = fake_exchange_on_request,
    .on_refused = fake_exchange_on_refused,
    .on_idle = fake_exchange_on_idle,
    .on_closed = fake_exchange_on_closed,
};

static const struct conn_limits fake_exchange_limits = {
    .max_header_bytes = 1024,
    .max_headers = 8,
    .header_timeout_ms = 1000,
    .body_timeout_ms = 500,
    .write_timeout_ms = 700,
    .idle_timeout_ms = 60000,
};

static inline void fake_exchange_start(struct fake_exchange *self, bool is_client)
{
    fake_init();
    memset(self, 0, sizeof(*self));
    self->arena = arena_new(1024);
    self->transport = fake_transport_new();
    self->conn = (is_client ? h1_conn_new_client : h1_conn_new_server)(
        self->transport, &fake_exchange_limits, &fake_exchange_conn_owner, self);
    fake_turn(self->transport);
}

static inline void fake_exchange_stop(struct fake_exchange *self)
{
    if (!self->is_closed) {
        self->conn->ops->close(self->conn);
    }
    fake_exchange_release(self);
    fake_turn(self->transport);
    /* Nothing is left behind, and nothing was freed twice. */
    CHECK(fake.freed_count == 1);
    CHECK(list_is_empty(&fake.timers));
    fake_transport_free(self->transport);
    text_cleanup(&self->log);
    arena_free(self->arena);
}

/* What was told since the last time. */
#define assert_log(self, expected)                                                                 \
    do {                                                                                           \
        assert_string_equal((self)->log.ptr != NULL ? (self)->log.ptr : "", (expected));           \
        text_clear(&(self)->log);                                                                  \
    } while (0)
/* What was written since the last time. */
#define assert_sent(self, expected)                                                                \
    do {                                                                                           \
        text_add_cstr(&(self)->transport->sent, "");                                               \
        assert_string_equal(                                                                       \
            (self)->transport->sent.ptr != NULL ? (self)->transport->sent.ptr : "", (expected));   \
        text_clear(&(self)->transport->sent);                                                      \
    } while (0)

#endif
