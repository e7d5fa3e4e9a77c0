/* h2_pair: one of our HTTP/2 connections on a fake transport, and a session of the library as its peer. What
 * our owner is told is written down in `log`, what the peer gets in `peer_log`; both as lines of text. With
 * fake_transport.h: included by the one source of a test program. */
#ifndef TESTS_UNIT_SUPPORT_H2_PAIR_H
#define TESTS_UNIT_SUPPORT_H2_PAIR_H

#include "gateway/http/h2_conn.h"
#include "tests/unit/support/fake_transport.h"

#include <nghttp2/nghttp2.h>

enum { H2_PAIR_LEGS = 64 };

struct h2_pair {
    struct transport *transport;
    struct conn *conn;
    nghttp2_session *peer;
    struct arena *arena;
    struct text log;
    struct text peer_log;
    struct text raw; /* to be sent to us before what the peer has */
    struct leg *legs[H2_PAIR_LEGS];
    size_t leg_count;
    struct str peer_body; /* what it still has to send */
    bool answers;         /* 200 and "ok" to each request as it comes */
    bool pauses;          /* each leg as it comes */
    bool releases_at_end;
    bool closes_on_request;
    bool is_peer_body_open; /* more may come behind peer_body */
    bool is_closed;
    bool is_deaf;   /* what we send is not read by the peer */
    bool is_raw;    /* frames of ours are only written down: the peer's come from the test's hand */
    bool is_client; /* we are */
};

static struct h2_pair pair;

/* --- Our side --------------------------------------------------------------------------------- */

static inline size_t h2_pair_index(const struct leg *leg)
{
    for (size_t i = 0; i < pair.leg_count; i++) {
        if (pair.legs[i] == leg) {
            return i;
        }
    }
    CHECK(false);
    return 0;
}

static inline void h2_pair_release(size_t index)
{
    struct leg *leg = pair.legs[index];

    if (leg != NULL) {
        pair.legs[index] = NULL;
        leg->ops->release(leg);
    }
}

static inline void h2_pair_send_head(size_t index, unsigned status, enum body_framing framing,
                                     uint64_t length, bool is_end)
{
    struct head head;

    head_init(&head, pair.arena);
    head.status = status;
    head.framing = framing;
    head.content_length = length;
    head.has_content_length = framing == BODY_LENGTH;
    pair.legs[index]->ops->send_head(pair.legs[index], &head, is_end);
}

static inline void h2_pair_send_body(size_t index, const char *bytes)
{
    pair.legs[index]->ops->send_body(pair.legs[index], (const unsigned char *)bytes, strlen(bytes));
}

static inline void h2_pair_send_end(size_t index)
{
    pair.legs[index]->ops->send_end(pair.legs[index], NULL);
}

static inline void h2_pair_answer(size_t index)
{
    h2_pair_send_head(index, 200, BODY_LENGTH, 2, false);
    h2_pair_send_body(index, "ok");
    h2_pair_send_end(index);
    h2_pair_release(index);
}

static inline void h2_pair_on_head(void *owner, struct leg *leg, struct head *head, bool is_end)
{
    CHECK(owner == &pair);
    text_printf(&pair.log, "head %zu %u%s;", h2_pair_index(leg), head->status,
                is_end ? " end" : "");
}

static inline void h2_pair_on_body(void *owner, struct leg *leg, const unsigned char *bytes,
                                   size_t len)
{
    (void)owner;
    if (len > 64) {
        text_printf(&pair.log, "body %zu [%zu];", h2_pair_index(leg), len);
    } else {
        text_printf(&pair.log, "body %zu %.*s;", h2_pair_index(leg), (int)len, (const char *)bytes);
    }
}

static inline void h2_pair_on_complete(void *owner, struct leg *leg, const struct headers *trailers)
{
    (void)owner;
    text_printf(&pair.log, "complete %zu", h2_pair_index(leg));
    for (size_t i = 0; trailers != NULL && i < trailers->count; i++) {
        text_printf(&pair.log, " %.*s=%.*s", STR_ARG(trailers->items[i].name),
                    STR_ARG(trailers->items[i].value));
    }
    text_add_cstr(&pair.log, ";");
}

static inline void h2_pair_on_drained(void *owner, struct leg *leg)
{
    (void)owner;
    text_printf(&pair.log, "drained %zu;", h2_pair_index(leg));
}

static inline void h2_pair_on_end(void *owner, struct leg *leg, enum leg_end end)
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

    (void)owner;
    text_printf(&pair.log, "end %zu %s", h2_pair_index(leg), names[end]);
    if (end == LEG_END_RESET) {
        text_printf(&pair.log, " %u", leg->reset_code);
    }
    if (leg->answered_status != 0) {
        text_printf(&pair.log, " answered %u", leg->answered_status);
    }
    text_add_cstr(&pair.log, ";");
    /* All of this must be harmless on a dead leg. */
    leg->ops->pause(leg);
    leg->ops->resume(leg);
    leg->ops->send_body(leg, (const unsigned char *)"x", 1);
    leg->ops->send_end(leg, NULL);
    leg->ops->abort(leg, LEG_ABORT_CANCEL);
    if (pair.releases_at_end) {
        h2_pair_release(h2_pair_index(leg));
    }
}

static const struct leg_handler h2_pair_leg_handler = {
    .on_head = h2_pair_on_head,
    .on_body = h2_pair_on_body,
    .on_complete = h2_pair_on_complete,
    .on_drained = h2_pair_on_drained,
    .on_end = h2_pair_on_end,
};

static inline void h2_pair_on_request(void *owner, struct conn *conn, struct leg *leg,
                                      struct head *head, bool is_end)
{
    size_t index = pair.leg_count++;

    CHECK(owner == &pair && conn == pair.conn && index < H2_PAIR_LEGS);
    text_printf(&pair.log, "%zu %.*s %.*s%s;", index, STR_ARG(head->method_text),
                STR_ARG(head->path), is_end ? " end" : "");
    leg->handler = &h2_pair_leg_handler;
    leg->owner = &pair;
    pair.legs[index] = leg;
    if (pair.pauses) {
        leg->ops->pause(leg);
    }
    if (pair.closes_on_request) {
        pair.is_closed = true;
        conn->ops->close(conn);
    } else if (pair.answers) {
        h2_pair_answer(index);
    }
}

static inline void h2_pair_on_refused(void *owner, struct conn *conn, unsigned status,
                                      const char *detail, const struct head *head)
{
    (void)owner;
    (void)conn;
    text_printf(&pair.log, "refused %u %s", status, detail);
    if (head != NULL) {
        text_printf(&pair.log, " %.*s", STR_ARG(head->method_text));
    }
    text_add_cstr(&pair.log, ";");
}

static inline void h2_pair_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    (void)owner;
    CHECK(is_reusable && h2_conn_leg_count(conn) == 0);
    text_add_cstr(&pair.log, "idle;");
}

static inline void h2_pair_on_violation(void *owner, struct conn *conn, const char *reason)
{
    (void)owner;
    (void)conn;
    text_printf(&pair.log, "violation %s;", reason);
}

static inline void h2_pair_on_closed(void *owner, struct conn *conn)
{
    (void)owner;
    (void)conn;
    CHECK(!pair.is_closed);
    pair.is_closed = true;
    text_add_cstr(&pair.log, "closed;");
}

static const struct conn_owner h2_pair_conn_owner = {
    .on_request = h2_pair_on_request,
    .on_refused = h2_pair_on_refused,
    .on_idle = h2_pair_on_idle,
    .on_violation = h2_pair_on_violation,
    .on_closed = h2_pair_on_closed,
};

static const struct conn_limits h2_pair_limits = {
    .max_header_bytes = 2048,
    .max_headers = 16,
    .header_timeout_ms = 1000,
    .body_timeout_ms = 500,
    .write_timeout_ms = 700,
    .idle_timeout_ms = 60000,
    .max_streams = 10,
    .stream_window_bytes = 65536,
    .drain_grace_ms = 300,
};

/* --- The peer --------------------------------------------------------------------------------- */

static inline int h2_pair_peer_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                                         const uint8_t *name, size_t name_len, const uint8_t *value,
                                         size_t value_len, uint8_t flags, void *context)
{
    (void)session;
    (void)frame;
    (void)flags;
    (void)context;
    if (name_len != 4 || memcmp(name, "date", 4) != 0) {
        text_printf(&pair.peer_log, "%.*s=%.*s,", (int)name_len, (const char *)name, (int)value_len,
                    (const char *)value);
    }
    return 0;
}

static inline int h2_pair_peer_on_data(nghttp2_session *session, uint8_t flags, int32_t id,
                                       const uint8_t *bytes, size_t len, void *context)
{
    (void)session;
    (void)flags;
    (void)context;
    if (len > 64) {
        text_printf(&pair.peer_log, "data %d [%zu];", id, len);
    } else {
        text_printf(&pair.peer_log, "data %d %.*s;", id, (int)len, (const char *)bytes);
    }
    return 0;
}

static inline int h2_pair_peer_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                                        void *context)
{
    const char *end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 ? " end" : "";

    (void)session;
    (void)context;
    switch (frame->hd.type) {
    case NGHTTP2_HEADERS:
        text_printf(&pair.peer_log, "head %d%s;", frame->hd.stream_id, end);
        break;
    case NGHTTP2_DATA:
        if (*end != '\0') {
            text_printf(&pair.peer_log, "end %d;", frame->hd.stream_id);
        }
        break;
    case NGHTTP2_RST_STREAM:
        text_printf(&pair.peer_log, "reset %d %u;", frame->hd.stream_id,
                    frame->rst_stream.error_code);
        break;
    case NGHTTP2_GOAWAY:
        text_printf(&pair.peer_log, "goaway %d %u;", frame->goaway.last_stream_id,
                    frame->goaway.error_code);
        break;
    default:
        break;
    }
    return 0;
}

static inline ssize_t h2_pair_peer_read(nghttp2_session *session, int32_t id, uint8_t *buffer,
                                        size_t length, uint32_t *flags, nghttp2_data_source *source,
                                        void *context)
{
    size_t part = pair.peer_body.len < length ? pair.peer_body.len : length;

    (void)session;
    (void)id;
    (void)source;
    (void)context;
    if (part == 0 && pair.is_peer_body_open) {
        return NGHTTP2_ERR_DEFERRED;
    }
    memcpy(buffer, pair.peer_body.ptr, part);
    pair.peer_body = str_skip(pair.peer_body, part);
    if (pair.peer_body.len == 0 && !pair.is_peer_body_open) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    }
    return (ssize_t)part;
}

static inline void h2_pair_start_peer(void)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;

    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    CHECK(nghttp2_option_new(&option) == 0);
    nghttp2_option_set_no_http_messaging(option, 1); /* it may say what is wrong */
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_pair_peer_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_pair_peer_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_pair_peer_on_frame);
    CHECK((pair.is_client ? nghttp2_session_server_new2(&pair.peer, callbacks, NULL, option)
                          : nghttp2_session_client_new2(&pair.peer, callbacks, NULL, option)) == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

static inline nghttp2_nv h2_pair_nv(const char *name, const char *value)
{
    return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
                         strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static inline nghttp2_data_provider h2_pair_peer_provider(void)
{
    return (nghttp2_data_provider){ .read_callback = h2_pair_peer_read };
}

/* A request of the peer's; `body` NULL: ends with its head. `extra` is a list of names and values. */
static inline int32_t h2_pair_request(const char *method, const char *path, const char *body,
                                      const char *const *extra)
{
    nghttp2_nv list[32] = { h2_pair_nv(":method", method), h2_pair_nv(":scheme", "http"),
                            h2_pair_nv(":authority", "a.com"), h2_pair_nv(":path", path) };
    nghttp2_data_provider provider = h2_pair_peer_provider();
    size_t count = 4;

    for (; extra != NULL && *extra != NULL; extra += 2) {
        list[count++] = h2_pair_nv(extra[0], extra[1]);
    }
    if (body != NULL) {
        pair.peer_body = str_from_cstr(body);
    }
    return nghttp2_submit_request(pair.peer, NULL, list, count, body == NULL ? NULL : &provider,
                                  NULL);
}

/* --- Both ------------------------------------------------------------------------------------- */

static inline bool h2_pair_to_us(void)
{
    const uint8_t *bytes;
    bool has_moved = pair.raw.len > 0;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(pair.peer, &bytes)) > 0) {
        text_add(&pair.raw, str_from((const char *)bytes, (size_t)len));
        has_moved = true;
    }
    if (has_moved && pair.transport->state == FAKE_OPEN) {
        fake_receive(pair.transport, text_view(&pair.raw));
    }
    text_clear(&pair.raw);
    return has_moved;
}

static inline uint32_t h2_pair_u32(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static inline void h2_pair_write_down(const unsigned char *frame, size_t len)
{
    uint32_t id = h2_pair_u32(frame + 5);
    const unsigned char *payload = frame + 9;
    bool is_end = (frame[4] & NGHTTP2_FLAG_END_STREAM) != 0;

    switch (frame[3]) {
    case NGHTTP2_HEADERS:
        text_printf(&pair.peer_log, "head %u%s;", id, is_end ? " end" : "");
        break;
    case NGHTTP2_DATA:
        text_printf(&pair.peer_log, "data %u %.*s%s;", id, (int)len, (const char *)payload,
                    is_end ? " end" : "");
        break;
    case NGHTTP2_RST_STREAM:
        text_printf(&pair.peer_log, "reset %u %u;", id, h2_pair_u32(payload));
        break;
    case NGHTTP2_GOAWAY:
        text_printf(&pair.peer_log, "goaway %u %u;", h2_pair_u32(payload),
                    h2_pair_u32(payload + 4));
        break;
    default:
        break;
    }
}

static inline bool h2_pair_to_peer(void)
{
    if (pair.is_deaf || pair.transport->sent.len == 0) {
        return false;
    }
    if (pair.is_raw) {
        const unsigned char *bytes = (const unsigned char *)pair.transport->sent.ptr;

        for (size_t at = 0; at < pair.transport->sent.len;) {
            size_t len = h2_pair_u32(bytes + at) >> 8;
            h2_pair_write_down(bytes + at, len);
            at += 9 + len;
            CHECK(at <= pair.transport->sent.len);
        }
        text_clear(&pair.transport->sent);
        return true;
    }
    (void)nghttp2_session_mem_recv(pair.peer, (const uint8_t *)pair.transport->sent.ptr,
                                   pair.transport->sent.len);
    text_clear(&pair.transport->sent);
    return true;
}

/* Until neither has anything to say. */
static inline void h2_pair_run(void)
{
    fake_turn(pair.transport);
    while (h2_pair_to_peer() || h2_pair_to_us()) {
    }
}

static inline void h2_pair_start_with(bool is_client, const struct conn_limits *limits)
{
    fake_init();
    memset(&pair, 0, sizeof(pair));
    pair.is_client = is_client;
    pair.releases_at_end = true;
    pair.arena = arena_new(1024);
    pair.transport = fake_transport_new();
    pair.conn = (is_client ? h2_conn_new_client : h2_conn_new_server)(pair.transport, limits,
                                                                      &h2_pair_conn_owner, &pair);
    h2_pair_start_peer();
    CHECK(nghttp2_submit_settings(pair.peer, NGHTTP2_FLAG_NONE, NULL, 0) == 0);
}

static inline void h2_pair_start(bool is_client)
{
    h2_pair_start_with(is_client, &h2_pair_limits);
    h2_pair_run();
}

static inline void h2_pair_stop(void)
{
    if (!pair.is_closed) {
        pair.conn->ops->close(pair.conn);
    }
    for (size_t i = 0; i < pair.leg_count; i++) {
        h2_pair_release(i);
    }
    fake_turn(pair.transport);
    /* Nothing is left behind, and nothing was freed twice. */
    CHECK(fake.freed_count == 1);
    CHECK(list_is_empty(&fake.timers));
    CHECK(list_is_empty(&fake.deferred));
    nghttp2_session_del(pair.peer);
    fake_transport_free(pair.transport);
    text_cleanup(&pair.log);
    text_cleanup(&pair.peer_log);
    text_cleanup(&pair.raw);
    arena_free(pair.arena);
}

/* Client role: a leg and its request. */
static inline struct leg *h2_pair_open(void)
{
    struct leg *leg = pair.conn->ops->open_leg(pair.conn, &h2_pair_leg_handler, &pair);

    if (leg != NULL) {
        pair.legs[pair.leg_count++] = leg;
    }
    return leg;
}

static inline void h2_pair_send_request(size_t index, const char *method, enum body_framing framing,
                                        bool is_end)
{
    struct head head;

    head_init(&head, pair.arena);
    head.method_text = str_from_cstr(method);
    head.method = http_method_from(head.method_text);
    head.scheme = STR("http");
    head.authority = STR("a.com");
    head.target = STR("/p");
    head.path = STR("/p");
    head.framing = framing;
    if (framing == BODY_TUNNEL) {
        head.upgrade = STR("websocket");
    }
    pair.legs[index]->ops->send_head(pair.legs[index], &head, is_end);
}

static inline void h2_pair_respond(int32_t id, const char *status, bool is_end)
{
    nghttp2_nv list[] = { h2_pair_nv(":status", status) };
    nghttp2_data_provider provider = h2_pair_peer_provider();

    CHECK(nghttp2_submit_response(pair.peer, id, list, 1, is_end ? NULL : &provider) == 0);
}

/* A frame of the peer's, written by hand. */
static inline void h2_pair_frame(uint8_t type, uint8_t flags, int32_t id, const char *payload,
                                 size_t len)
{
    const unsigned char header[] = {
        (unsigned char)(len >> 16),
        (unsigned char)(len >> 8),
        (unsigned char)len,
        type,
        flags,
        (unsigned char)(id >> 24),
        (unsigned char)(id >> 16),
        (unsigned char)((uint32_t)id >> 8),
        (unsigned char)id,
    };

    text_add(&pair.raw, str_from((const char *)header, sizeof(header)));
    text_add(&pair.raw, str_from(payload, len));
}

#define assert_text(text, expected)                                                                \
    do {                                                                                           \
        assert_string_equal((text)->ptr != NULL && (text)->len > 0 ? (text)->ptr : "", expected);  \
        text_clear(text);                                                                          \
    } while (0)
#define assert_log(expected) assert_text(&pair.log, expected)
#define assert_peer(expected) assert_text(&pair.peer_log, expected)

#endif
