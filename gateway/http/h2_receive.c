/* h2_receive: what arrives on an HTTP/2 connection. The library is given one frame at a time (h2_frame.c), and
 * what it brought is acted on when the library has returned and before the next one: no exchange is ever
 * called from inside the library. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/http/h2_conn_state.h"

#include <nghttp2/nghttp2.h>

enum {
    /* Frames that wait for a peer that does not read: besides those of floods, each stream may have one
     * or two (a head, a reset). */
    H2_FRAMES_PER_LEG = 4,
    H2_FRAMES_PACKED_EARLY = 32,
};

static struct h2_leg *h2_receive_leg_of(struct h2_conn *h2, int32_t stream_id)
{
    return stream_id == 0 ? NULL : nghttp2_session_get_stream_user_data(h2->session, stream_id);
}

/* --- What came of a frame --------------------------------------------------------------------- */

static void h2_receive_tell_refused(struct h2_leg *leg, const struct refusal *refusal)
{
    const struct conn_owner *owner_ops = leg->h2->conn.owner_ops;

    if (owner_ops->on_refused != NULL) {
        owner_ops->on_refused(leg->h2->conn.owner, &leg->h2->conn, refusal->status, refusal->detail,
                              leg->head->method_text.len > 0 ? leg->head : NULL);
    }
}

static void h2_receive_refuse_request(struct h2_leg *leg)
{
    struct refusal refusal = leg->reader.refusal;

    leg->is_refused = true;
    leg->method = leg->head->method;
    if (h2_head_is_malformed(&leg->reader)) {
        h2_send_reset(leg, NGHTTP2_PROTOCOL_ERROR);           /* RFC 9113 8.1.1, spec LR-11 */
        (void)h2_conn_count(leg->h2, H2_DEED_PROVOKED_RESET); /* notes the blame itself */
    } else {
        h2_send_refusal(leg, &refusal);
    }
    h2_receive_tell_refused(leg, &refusal);
}

static bool h2_receive_is_grpc(const struct head *head)
{
    const struct header *type = headers_find_id(&head->headers, HEADER_CONTENT_TYPE);

    return type != NULL && str_starts_with_nocase(type->value, STR("application/grpc"));
}

/* The exchange gets to see it. */
static void h2_receive_start(struct h2_leg *leg)
{
    struct h2_conn *h2 = leg->h2;

    list_remove(&leg->noted);
    leg->is_fresh = false;
    h2_leg_hold(leg);
    h2_leg_watch_body(leg); /* gRPC may be silent from here on */
    h2->conn.owner_ops->on_request(h2->conn.owner, &h2->conn, &leg->leg, leg->head,
                                   leg->is_head_all);
    CHECK(!leg->is_held || leg->leg.handler != NULL);
}

/* A request without content whose END_STREAM is still to come: DATA instead of it would make it another
 * request than the one that had gone on, complete, by then. */
static bool h2_receive_awaits_end(const struct h2_leg *leg)
{
    return leg->head->framing == BODY_LENGTH && leg->head->content_length == 0 &&
           !leg->is_peer_done;
}

/* A request begins when the read that brought it is done with, or with the first of its body: one that is
 * reset in the same breath (CVE-2023-44487) never troubles an upstream. */
static void h2_receive_request(struct h2_leg *leg)
{
    struct h2_conn *h2 = leg->h2;

    if (!h2_head_finish(&leg->reader, METHOD_OTHER, false, leg->is_peer_done)) {
        h2_receive_refuse_request(leg);
        return;
    }
    leg->method = leg->head->method;
    leg->is_tunnel = leg->head->framing == BODY_TUNNEL;
    leg->is_grpc = h2_receive_is_grpc(leg->head);
    leg->is_head_received = true;
    leg->is_head_all = leg->is_peer_done;
    leg->is_complete_told = leg->is_peer_done;
    leg->is_awaiting_continue = leg->head->expects_continue && !leg->is_peer_done;
    leg->is_fresh = true;
    list_push_back(&h2->fresh, &leg->noted);
    h2_leg_watch_body(leg);
}

static void h2_receive_start_fresh(struct h2_conn *h2)
{
    struct list *link;
    struct list waiting;

    if (list_is_empty(&h2->fresh)) {
        return;
    }
    h2_send_pack(h2); /* resets that the library has in store take their legs off the list */
    list_init(&waiting);
    while ((link = list_first(&h2->fresh)) != NULL && !h2->is_closed) {
        struct h2_leg *leg = list_object(link, struct h2_leg, noted);

        if (leg->is_refused) {
            list_remove(link); /* its trailers were malformed; the reset could not be packed yet */
            leg->is_fresh = false;
        } else if (h2_receive_awaits_end(leg)) {
            list_remove(link);
            list_push_back(&waiting, link);
        } else {
            h2_receive_start(leg);
        }
    }
    while ((link = list_first(&waiting)) != NULL) {
        list_remove(link);
        list_push_back(&h2->fresh, link);
    }
}

void h2_receive_late_end(struct h2_leg *leg, const struct refusal *refusal)
{
    list_remove(&leg->noted);
    leg->is_fresh = false;
    leg->is_refused = true;
    h2_send_refusal(leg, refusal);
    h2_receive_tell_refused(leg, refusal);
}

/* The peer's message cannot be believed: its stream ends, and the exchange hears why. */
static void h2_receive_break_stream(struct h2_leg *leg, const struct refusal *refusal)
{
    enum leg_end end = LEG_END_PROTOCOL;

    if (refusal->status == 431) {
        end = strcmp(refusal->detail, "http2.too_many_headers") == 0 ? LEG_END_TOO_MANY_HEADERS
                                                                     : LEG_END_HEADERS_TOO_LARGE;
    }
    h2_send_reset(leg, NGHTTP2_PROTOCOL_ERROR);
    if (!leg->h2->is_client) {
        (void)h2_conn_count(leg->h2, H2_DEED_PROVOKED_RESET); /* notes the blame itself */
    }
    h2_leg_end(leg, end, refusal->detail);
}

static void h2_receive_response(struct h2_leg *leg)
{
    static const struct refusal too_many = { 400, "http2.too_many_interim_responses" };

    if (!h2_head_finish(&leg->reader, leg->method, leg->is_tunnel, leg->is_peer_done)) {
        h2_receive_break_stream(leg, &leg->reader.refusal);
        return;
    }
    if (!leg->is_held || leg->is_dead) {
        return;
    }
    bool is_interim = leg->head->status < 200 && leg->head->status != 101;

    if (is_interim && ++leg->interim_count > LIMIT_INTERIM_RESPONSES) {
        h2_receive_break_stream(leg, &too_many);
        return;
    }
    if (!is_interim) {
        leg->is_head_received = true;
        leg->is_complete_told = leg->is_peer_done;
        leg->is_tunnel_open = leg->is_tunnel && leg->head->status == 101;
        leg->is_tunnel = leg->is_tunnel_open;
        if (leg->is_tunnel_open) {
            h2_send_resume(leg);
        }
        h2_leg_watch_body(leg);
    }
    leg->leg.handler->on_head(leg->leg.owner, &leg->leg, leg->head,
                              !is_interim && leg->is_complete_told);
}

static void h2_receive_trailers(struct h2_leg *leg)
{
    if (!h2_head_finish(&leg->reader, leg->method, false, true)) {
        h2_receive_break_stream(leg, &leg->reader.refusal);
        return;
    }
    h2_leg_receive_end(leg);
}

/* The library has refused the message and reset its stream (RFC 9113 8.1.1). */
static void h2_receive_malformed(struct h2_leg *leg)
{
    struct refusal refusal = { 400, "http2.violation_of_messaging_rule" };

    if (leg->is_held || leg->h2->is_client || leg->is_refused) {
        h2_leg_end(leg, LEG_END_PROTOCOL, refusal.detail);
        return;
    }
    leg->is_refused = true;
    /* For the log line: the head as far as it is known. */
    if (!h2_head_finish(&leg->reader, METHOD_OTHER, false, leg->is_peer_done)) {
        refusal.detail = leg->reader.refusal.detail;
    }
    h2_receive_tell_refused(leg, &refusal);
}

static void h2_receive_head(struct h2_leg *leg)
{
    switch (leg->block_kind) {
    case H2_HEAD_REQUEST:
        h2_receive_request(leg);
        break;
    case H2_HEAD_RESPONSE:
        h2_receive_response(leg);
        break;
    case H2_HEAD_TRAILERS:
    default:
        h2_receive_trailers(leg);
        break;
    }
}

/* Outside of the library. Each step may end the leg or the connection. */
static void h2_receive_act(struct h2_conn *h2)
{
    struct h2_found found = h2->found;

    h2->found = (struct h2_found){ 0 };
    if (found.leg != NULL) {
        if (found.leg->is_fresh && (found.len > 0 || found.has_end || found.has_head)) {
            h2_receive_start(found.leg);
        }
        if (found.is_malformed) {
            h2_receive_malformed(found.leg);
        } else if (found.has_head) {
            h2_receive_head(found.leg);
        }
        if (found.len > 0) {
            h2_leg_receive_body(found.leg, found.bytes, found.len);
        }
        if (found.has_end) {
            h2_leg_receive_end(found.leg);
        }
    }
    if (!h2->is_closed) {
        h2_leg_tell_events(h2);
    }
}

static const char *h2_receive_fatal_reason(ssize_t error, uint32_t *code)
{
    switch (error) {
    case NGHTTP2_ERR_BAD_CLIENT_MAGIC:
        *code = NGHTTP2_PROTOCOL_ERROR;
        return "http2.bad_preface";
    case NGHTTP2_ERR_FLOODED:
        *code = NGHTTP2_ENHANCE_YOUR_CALM;
        return "http2.outbound_control_flood";
    case NGHTTP2_ERR_TOO_MANY_CONTINUATIONS:
        *code = NGHTTP2_ENHANCE_YOUR_CALM;
        return "http2.continuation_flood";
    default:
        *code = NGHTTP2_INTERNAL_ERROR;
        return "http2.internal_error";
    }
}

/* What one read makes us answer is packed as it grows: a stream that was reset makes room for the next one,
 * and each reset is counted. Behind a peer that does not read the answers pile up. */
static void h2_receive_watch_queue(struct h2_conn *h2)
{
    size_t waiting = nghttp2_session_get_outbound_queue_size(h2->session);

    if (waiting < H2_FRAMES_PACKED_EARLY) {
        return;
    }
    h2_send_pack(h2);
    if (h2->is_send_blocked &&
        waiting > LIMIT_H2_OUTBOUND_CONTROL_FRAMES + H2_FRAMES_PER_LEG * h2->leg_count) {
        h2_conn_blame(h2, "http2.outbound_control_flood", NGHTTP2_ENHANCE_YOUR_CALM);
    }
}

static void h2_receive_feed(struct h2_conn *h2, const unsigned char *bytes, size_t len)
{
    ssize_t taken = nghttp2_session_mem_recv(h2->session, bytes, len);

    if (taken < 0) {
        uint32_t code;
        const char *reason = h2_receive_fatal_reason(taken, &code);

        h2_conn_blame(h2, reason, code); /* unless a callback of ours has named another */
        return;
    }
    h2_receive_watch_queue(h2);
}

void h2_receive(struct h2_conn *h2, const unsigned char *bytes, size_t len)
{
    while (len > 0 && !h2->is_closed) {
        size_t step = h2_frame_next_step(h2, bytes, len);

        if (h2->violation == NULL) {
            h2_receive_feed(h2, bytes, step);
        }
        if (h2->violation == NULL) {
            h2_receive_act(h2);
        }
        if (!h2->is_closed && h2_frame_is_whole(h2)) {
            h2_frame_end(h2);
        }
        if (h2_conn_punish(h2)) {
            return;
        }
        bytes += step;
        len -= step;
    }
    if (!h2->is_closed) {
        h2_receive_start_fresh(h2);
    }
}

/* --- Notes taken inside the library ----------------------------------------------------------- */

static void h2_receive_begin_block(struct h2_leg *leg, enum h2_head_kind kind)
{
    const struct conn_limits *limits = &leg->h2->limits;
    struct head *head = arena_new_object(leg->arena, struct head);
    bool is_trailers = kind == H2_HEAD_TRAILERS;

    leg->block_kind = kind;
    if (is_trailers) {
        leg->trailers = head;
    } else {
        leg->head = head;
    }
    h2_head_begin(&leg->reader, kind, is_trailers ? LIMIT_TRAILER_BYTES : limits->max_header_bytes,
                  is_trailers ? LIMIT_TRAILERS : limits->max_headers, head, leg->arena);
}

static int h2_receive_on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame,
                                       void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = h2_receive_leg_of(h2, frame->hd.stream_id);

    h2->block_leg = leg;
    if (h2->is_client) {
        if (leg != NULL) {
            h2_receive_begin_block(leg,
                                   leg->is_head_received ? H2_HEAD_TRAILERS : H2_HEAD_RESPONSE);
        }
        return 0;
    }
    if (leg != NULL) {
        h2_receive_begin_block(leg, H2_HEAD_TRAILERS);
        return 0;
    }
    leg = h2_leg_new(h2);
    h2->block_leg = leg;
    h2_leg_enter_wire(leg, frame->hd.stream_id);
    leg->leg.wire_received_bytes = H2_FRAME_HEADER_BYTES + h2->frame.length;
    (void)nghttp2_session_set_stream_user_data(session, leg->id, leg); /* it is there */
    h2_receive_begin_block(leg, H2_HEAD_REQUEST);
    if (h2->wire_count > h2_conn_stream_limit(h2)) {
        leg->is_refused = true;
        h2_send_reset(leg, NGHTTP2_REFUSED_STREAM); /* RFC 9113 5.1.2: as if it had not been sent */
        (void)h2_conn_count(h2, H2_DEED_PROVOKED_RESET); /* notes the blame itself */
    }
    return 0;
}

static int h2_receive_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                                const uint8_t *name, size_t name_len, const uint8_t *value,
                                size_t value_len, uint8_t flags, void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = h2->block_leg;

    (void)session;
    (void)frame;
    (void)flags;
    h2->block_bytes += name_len + value_len;
    if (h2->block_bytes > LIMIT_H2_HEADER_BLOCK_BYTES) {
        h2_conn_blame(h2, "http2.header_block_flood", NGHTTP2_ENHANCE_YOUR_CALM);
        return NGHTTP2_ERR_CALLBACK_FAILURE;
    }
    if (leg != NULL && leg->reader.refusal.status == 0) {
        /* A refusal stays in the reader until the block is whole. */
        (void)h2_head_add(&leg->reader, str_from((const char *)name, name_len),
                          str_from((const char *)value, value_len));
    }
    return 0;
}

static int h2_receive_on_data(nghttp2_session *session, uint8_t flags, int32_t stream_id,
                              const uint8_t *bytes, size_t len, void *user_data)
{
    struct h2_conn *h2 = user_data;

    (void)flags;
    h2->found.leg = h2_receive_leg_of(h2, stream_id);
    h2->found.bytes = bytes;
    h2->found.len = len;
    if (h2->found.leg == NULL) {
        (void)nghttp2_session_consume_connection(session, len); /* for nobody */
    }
    return 0;
}

static int h2_receive_on_frame(nghttp2_session *session, const nghttp2_frame *frame,
                               void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = frame->hd.type == NGHTTP2_HEADERS
                             ? h2->block_leg
                             : h2_receive_leg_of(h2, frame->hd.stream_id);
    bool is_end = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;

    (void)session;
    switch (frame->hd.type) {
    case NGHTTP2_SETTINGS:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) == 0) {
            h2_conn_on_peer_settings(h2);
        }
        return 0;
    case NGHTTP2_PING:
        if ((frame->hd.flags & NGHTTP2_FLAG_ACK) != 0) {
            h2_conn_on_pong(h2);
        }
        return 0;
    case NGHTTP2_GOAWAY:
        h2->is_peer_leaving = true;
        h2_conn_later(h2);
        return 0;
    case NGHTTP2_HEADERS:
    case NGHTTP2_DATA:
        if (leg != NULL) {
            h2->found.leg = leg;
            h2->found.has_head = frame->hd.type == NGHTTP2_HEADERS;
            h2->found.has_end = frame->hd.type == NGHTTP2_DATA && is_end;
            leg->is_peer_done = leg->is_peer_done || is_end;
        }
        return 0;
    case NGHTTP2_RST_STREAM:
        if (leg != NULL) {
            leg->is_reset_by_peer = true;
            leg->leg.reset_code = frame->rst_stream.error_code;
        }
        return 0;
    default:
        return 0;
    }
}

static int h2_receive_on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame,
                                       int lib_error_code, void *user_data)
{
    struct h2_conn *h2 = user_data;

    (void)session;
    if (frame->hd.type == NGHTTP2_HEADERS && (lib_error_code == NGHTTP2_ERR_HTTP_HEADER ||
                                              lib_error_code == NGHTTP2_ERR_HTTP_MESSAGING)) {
        h2->found.leg = h2_receive_leg_of(h2, frame->hd.stream_id);
        h2->found.is_malformed = true;
    }
    h2_conn_later(h2);
    return 0;
}

/* Why a stream that an exchange still holds is gone. */
static void h2_receive_note_end(struct h2_leg *leg, uint32_t code)
{
    if (leg->is_peer_done && leg->is_sent) {
        return;
    }
    if (leg->h2->is_client && leg->is_peer_done) {
        h2_leg_note(leg, H2_EVENT_DRAINED); /* nothing is missed; who waits to send need not */
    } else if (leg->is_reset_by_peer && code != NGHTTP2_REFUSED_STREAM) {
        h2_leg_note_end(leg, LEG_END_RESET, NULL);
    } else if (code == NGHTTP2_REFUSED_STREAM) {
        h2_leg_note_end(leg, LEG_END_REFUSED, NULL);
    } else {
        h2_leg_note_end(leg, LEG_END_PROTOCOL, "http2.violation_of_messaging_rule");
    }
}

static int h2_receive_on_stream_close(nghttp2_session *session, int32_t stream_id, uint32_t code,
                                      void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = h2_receive_leg_of(h2, stream_id);

    if (leg == NULL) {
        return 0;
    }
    (void)nghttp2_session_set_stream_user_data(session, stream_id, NULL); /* it is still there */
    if (h2->block_leg == leg) {
        h2->block_leg = NULL;
    }
    if (!h2->is_client) {
        enum h2_closed how = leg->is_reset_by_peer               ? H2_CLOSED_BY_RESET
                             : leg->is_peer_done && leg->is_sent ? H2_CLOSED_COMPLETE
                                                                 : H2_CLOSED_BY_US;
        h2_frame_note_closed(h2, stream_id, how);
    }
    h2_receive_note_end(leg, code);
    h2_leg_leave_wire(leg);
    return 0;
}

void h2_receive_set_callbacks(struct nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, h2_receive_on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_receive_on_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, h2_receive_on_data);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_receive_on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks,
                                                                 h2_receive_on_invalid_frame);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, h2_receive_on_stream_close);
}
