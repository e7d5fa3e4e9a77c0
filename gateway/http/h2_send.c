/* h2_send: what leaves an HTTP/2 connection. Heads and resets are handed to the library; bodies wait in
 * their legs until it asks for a frame of them. Frames are packed into the connection's outbox and go to
 * the transport together, at the end of the turn or when there are many.
 *
 * The library's callbacks in this file run inside h2_send_pack(): they take notes and call no exchange. */
#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "gateway/http/h2_conn_state.h"
#include "gateway/http/refusal_text.h"

#include <nghttp2/nghttp2.h>

enum {
    H2_SEND_OUTBOX_FIRST_BYTES = 4 * 1024 - 1, /* and a NUL */
    H2_SEND_OUTBOX_KEPT_BYTES = 16 * 1024,     /* more is given back when the turn is over */
    /* A full DATA frame with its header is a TLS record of full size. */
    H2_SEND_DATA_BYTES = LIMIT_TLS_RECORD_BYTES - H2_FRAME_HEADER_BYTES,
    /* A frame from here on comes with more of its kind. */
    H2_SEND_BULK_BYTES = 8 * 1024,
    H2_SEND_GOAWAY_BYTES = 8,
    H2_SEND_SETTING_BYTES = 6,
};

/* --- Packing ---------------------------------------------------------------------------------- */

void h2_send_flush(struct h2_conn *h2)
{
    if (h2->outbox.len > 0) {
        transport_write(h2->conn.transport, h2->outbox.ptr, h2->outbox.len);
        text_clear(&h2->outbox);
    }
    if (h2->outbox.capacity > H2_SEND_OUTBOX_KEPT_BYTES && !h2->is_packing) {
        text_cleanup(&h2->outbox);
    }
}

/* It grows in one step: to what a turn of small answers needs, or to all that it may be. */
static void h2_send_reserve(struct h2_conn *h2, size_t len)
{
    if (len >= H2_SEND_BULK_BYTES) {
        text_grow(&h2->outbox, LIMIT_H2_OUTBOX_BYTES + len - h2->outbox.len);
    } else if (h2->outbox.capacity == 0) {
        text_grow(&h2->outbox, H2_SEND_OUTBOX_FIRST_BYTES);
    }
}

/* False: the transport is full, on_drained goes on. */
static bool h2_send_has_room(struct h2_conn *h2)
{
    if (h2->outbox.len >= LIMIT_H2_OUTBOX_BYTES) {
        h2_send_flush(h2);
    }
    h2->is_send_blocked = transport_is_above_high(h2->conn.transport);
    return !h2->is_send_blocked;
}

/* The library ends the connection for a stream too many, and the RFC only the stream (5.1.2). So the
 * library is told a limit that it hardly meets, and the client the true one, in our SETTINGS as they were
 * packed just now: a frame of `len` bytes at the end of the outbox. */
static void h2_send_tell_stream_limit(struct h2_conn *h2, size_t len)
{
    unsigned char *frame = (unsigned char *)h2->outbox.ptr + (h2->outbox.len - len);
    uint32_t limit = h2_conn_stream_limit(h2);

    if (h2->is_client || len <= H2_FRAME_HEADER_BYTES || frame[3] != NGHTTP2_SETTINGS) {
        return;
    }
    for (size_t at = H2_FRAME_HEADER_BYTES; at + H2_SEND_SETTING_BYTES <= len;
         at += H2_SEND_SETTING_BYTES) {
        unsigned char *entry = frame + at;

        if (entry[0] == 0 && entry[1] == NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS) {
            entry[2] = (unsigned char)(limit >> 24);
            entry[3] = (unsigned char)(limit >> 16);
            entry[4] = (unsigned char)(limit >> 8);
            entry[5] = (unsigned char)limit;
        }
    }
}

void h2_send_pack_now(struct h2_conn *h2)
{
    if (h2->is_closed || h2->is_packing) {
        return;
    }
    h2->is_packing = true;
    while (h2_send_has_room(h2)) {
        const uint8_t *bytes;
        ssize_t len = nghttp2_session_mem_send(h2->session, &bytes);

        if (len < 0) {
            h2_conn_blame(h2, "http2.internal_error", NGHTTP2_INTERNAL_ERROR);
        }
        if (len <= 0) {
            break;
        }
        h2_send_reserve(h2, (size_t)len);
        text_add(&h2->outbox, str_from((const char *)bytes, (size_t)len));
        h2_send_tell_stream_limit(h2, (size_t)len);
    }
    h2->is_packing = false;
}

void h2_send_pack(struct h2_conn *h2)
{
    h2_send_pack_now(h2);
    if (h2->outbox.len > 0) {
        h2_conn_later(h2);
    }
}

void h2_send_goaway(struct h2_conn *h2, uint32_t code, const char *reason)
{
    struct str text = str_from_cstr(reason);
    uint32_t last_id =
        h2->is_client ? 0 : (uint32_t)nghttp2_session_get_last_proc_stream_id(h2->session);
    size_t len = H2_SEND_GOAWAY_BYTES + text.len;
    const unsigned char frame[] = {
        (unsigned char)(len >> 16),
        (unsigned char)(len >> 8),
        (unsigned char)len,
        NGHTTP2_GOAWAY,
        0,
        0,
        0,
        0,
        0,
        (unsigned char)(last_id >> 24),
        (unsigned char)(last_id >> 16),
        (unsigned char)(last_id >> 8),
        (unsigned char)last_id,
        (unsigned char)(code >> 24),
        (unsigned char)(code >> 16),
        (unsigned char)(code >> 8),
        (unsigned char)code,
    };

    h2->is_goaway_sent = true;
    text_add(&h2->outbox, str_from((const char *)frame, sizeof(frame)));
    text_add(&h2->outbox, text);
}

/* --- Heads ------------------------------------------------------------------------------------ */

/* The library only reads; its type has no const. */
static nghttp2_nv h2_send_nv(const struct h2_field *field)
{
    unsigned flags = NGHTTP2_NV_FLAG_NONE;

    if (field->is_sensitive) {
        flags |= NGHTTP2_NV_FLAG_NO_INDEX;
    }
    if (field->is_known_name) {
        flags |= NGHTTP2_NV_FLAG_NO_COPY_NAME; /* nor folded to lower case, byte by byte */
    }
    return (nghttp2_nv){
        .name = (uint8_t *)(uintptr_t)field->name.ptr,
        .value = (uint8_t *)(uintptr_t)(field->value.ptr != NULL ? field->value.ptr : ""),
        .namelen = field->name.len,
        .valuelen = field->value.len,
        .flags = (uint8_t)flags,
    };
}

static nghttp2_nv *h2_send_list(const struct h2_fields *fields, struct arena *arena)
{
    nghttp2_nv *list = arena_alloc_raw(arena, fields->count * sizeof(*list));

    for (size_t i = 0; i < fields->count; i++) {
        list[i] = h2_send_nv(&fields->items[i]);
    }
    return list;
}

static ssize_t h2_send_read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                                 size_t length, uint32_t *data_flags, nghttp2_data_source *source,
                                 void *user_data);

void h2_send_request(struct h2_leg *leg, const struct head *head, bool is_end)
{
    struct h2_conn *h2 = leg->h2;
    struct h2_fields fields = { 0 };
    nghttp2_data_provider body = { .source.ptr = leg, .read_callback = h2_send_read_body };

    h2_head_write_request(head, &fields, leg->arena);
    int32_t id = nghttp2_submit_request(h2->session, NULL, h2_send_list(&fields, leg->arena),
                                        fields.count, is_end ? NULL : &body, leg);
    if (id < 0) {
        h2_leg_note_end(leg, LEG_END_REFUSED, "http2.no_stream_id");
        return;
    }
    h2_leg_enter_wire(leg, id);
}

void h2_send_interim(struct h2_leg *leg, const struct head *head)
{
    struct h2_fields fields = { 0 };

    h2_head_write_response(head, leg->method, &fields, leg->arena);
    /* Fails only for want of memory, which ends the process. */
    (void)nghttp2_submit_headers(leg->h2->session, NGHTTP2_FLAG_NONE, leg->id, NULL,
                                 h2_send_list(&fields, leg->arena), fields.count, NULL);
    h2_conn_later(leg->h2);
}

static void h2_send_answer(struct h2_leg *leg, const nghttp2_nv *list, size_t count, bool is_end)
{
    nghttp2_data_provider body = { .source.ptr = leg, .read_callback = h2_send_read_body };

    if (nghttp2_submit_response(leg->h2->session, leg->id, list, count, is_end ? NULL : &body) !=
        0) {
        h2_send_reset(leg, NGHTTP2_INTERNAL_ERROR);
    }
    h2_conn_later(leg->h2);
}

void h2_send_response(struct h2_leg *leg, const struct head *head, bool is_end)
{
    struct h2_fields fields = { 0 };

    h2_head_write_response(head, leg->method, &fields, leg->arena);
    h2_send_answer(leg, h2_send_list(&fields, leg->arena), fields.count, is_end);
}

/* Spec LR-24, as the answers of HTTP/1.1 are. */
void h2_send_refusal(struct h2_leg *leg, const struct refusal *refusal)
{
    struct str text = refusal_text(refusal);
    bool has_body = text.len > 0 && leg->method != METHOD_HEAD;
    struct str date = arena_copy_str(leg->arena, str_from_cstr(now_http_date()));
    struct h2_field items[] = {
        { STR(":status"), arena_print_u64(leg->arena, refusal->status), .is_known_name = true },
        { STR("date"), date, .is_known_name = true },
        { STR("server"), STR("istio-envoy"), .is_known_name = true },
        { STR("content-length"), arena_print_u64(leg->arena, text.len), .is_known_name = true },
        { STR("content-type"), STR("text/plain"), .is_known_name = true },
    };
    struct h2_fields fields = {
        .items = items,
        .count = sizeof(items) / sizeof(items[0]) - (text.len > 0 ? 0 : 1),
    };

    if (has_body) {
        h2_queue_add(&leg->out, leg->arena, (const unsigned char *)text.ptr, text.len);
        leg->h2->out_bytes += text.len;
        leg->leg.wire_sent_bytes += text.len;
    }
    leg->send = H2_SEND_DONE;
    leg->leg.is_response_started = true;
    h2_send_answer(leg, h2_send_list(&fields, leg->arena), fields.count, !has_body);
    h2_leg_watch_write(leg, false);
}

void h2_send_reset(struct h2_leg *leg, uint32_t code)
{
    struct h2_conn *h2 = leg->h2;

    if (!leg->is_on_wire || leg->is_reset) {
        return;
    }
    leg->is_reset = true;
    timer_cancel(&leg->body_timer);
    timer_cancel(&leg->write_timer);
    h2_leg_drop_out(leg);
    /* Fails only for want of memory. A request that was not packed yet is dropped without a word. */
    (void)nghttp2_submit_rst_stream(h2->session, NGHTTP2_FLAG_NONE, leg->id, code);
    h2_conn_later(h2);
}

void h2_send_resume(struct h2_leg *leg)
{
    if (leg->is_deferred && leg->is_on_wire) {
        leg->is_deferred = false;
        /* Fails when the library does not wait: then it will ask. */
        (void)nghttp2_session_resume_data(leg->h2->session, leg->id);
    }
    h2_conn_later(leg->h2);
}

/* --- Bodies ----------------------------------------------------------------------------------- */

static void h2_send_trailers(struct h2_leg *leg)
{
    struct h2_fields fields = { 0 };

    h2_head_write_trailers(leg->out_trailers, &fields, leg->arena);
    (void)nghttp2_submit_trailer(leg->h2->session, leg->id, h2_send_list(&fields, leg->arena),
                                 fields.count); /* fails only for want of memory */
}

/* How much of the body the next frame may take: the bytes stay where they are until it is packed. */
static ssize_t h2_send_read_body(nghttp2_session *session, int32_t stream_id, uint8_t *buffer,
                                 size_t length, uint32_t *data_flags, nghttp2_data_source *source,
                                 void *user_data)
{
    struct h2_leg *leg = source->ptr;
    size_t queued = leg->out.len;
    bool is_waiting = queued == 0 && leg->send != H2_SEND_DONE;

    (void)session;
    (void)stream_id;
    (void)buffer;
    (void)user_data;
    if (is_waiting || (leg->is_tunnel && !leg->is_tunnel_open)) {
        leg->is_deferred = true;
        return NGHTTP2_ERR_DEFERRED;
    }
    *data_flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (queued > length) {
        return (ssize_t)length;
    }
    if (leg->send == H2_SEND_DONE) {
        *data_flags |= NGHTTP2_DATA_FLAG_EOF;
        if (leg->out_trailers != NULL) {
            *data_flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            h2_send_trailers(leg);
        }
    }
    return (ssize_t)queued;
}

static ssize_t h2_send_data_length(nghttp2_session *session, uint8_t frame_type, int32_t stream_id,
                                   int32_t session_window, int32_t stream_window,
                                   uint32_t max_frame_bytes, void *user_data)
{
    (void)session;
    (void)frame_type;
    (void)stream_id;
    (void)session_window; /* the library looks at these itself */
    (void)stream_window;
    (void)max_frame_bytes;
    (void)user_data;
    return H2_SEND_DATA_BYTES;
}

static int h2_send_on_data(nghttp2_session *session, nghttp2_frame *frame,
                           const uint8_t *frame_header, size_t length, nghttp2_data_source *source,
                           void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = source->ptr;
    size_t left = length;

    (void)session;
    (void)frame;
    h2_send_reserve(h2, H2_FRAME_HEADER_BYTES + length);
    text_add(&h2->outbox, str_from((const char *)frame_header, H2_FRAME_HEADER_BYTES));
    while (left > 0) {
        struct str piece = str_slice(h2_queue_front(&leg->out), 0, left); /* read_body saw them */

        text_add(&h2->outbox, piece);
        h2_queue_drain(&leg->out, piece.len);
        left -= piece.len;
    }
    h2_leg_sent_body(leg, length);
    /* The frame counts as sent; the library stops behind it. */
    return h2_send_has_room(h2) ? 0 : NGHTTP2_ERR_PAUSE;
}

/* --- What the library says of frames that left ------------------------------------------------ */

static void h2_send_on_end_stream(struct h2_leg *leg)
{
    struct h2_conn *h2 = leg->h2;

    leg->is_sent = true;
    timer_cancel(&leg->write_timer);
    if (h2->is_client) {
        return;
    }
    h2_guard_credit(&h2->guard);
    if (!leg->is_held && !leg->is_peer_done) {
        h2_send_reset(leg, NGHTTP2_NO_ERROR); /* RFC 9113 8.1 */
    }
}

static const char *h2_send_reason(uint32_t code)
{
    switch (code) {
    case NGHTTP2_FLOW_CONTROL_ERROR:
        return "http2.flow_control_error";
    case NGHTTP2_SETTINGS_TIMEOUT:
        return "http2.settings_timeout";
    case NGHTTP2_STREAM_CLOSED:
        return "http2.stream_closed";
    case NGHTTP2_FRAME_SIZE_ERROR:
        return "http2.frame_size_error";
    case NGHTTP2_COMPRESSION_ERROR:
        return "http2.compression_error";
    case NGHTTP2_ENHANCE_YOUR_CALM:
        return "http2.enhance_your_calm";
    case NGHTTP2_INTERNAL_ERROR:
        return "http2.internal_error";
    default:
        return "http2.protocol_error";
    }
}

static int h2_send_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg = frame->hd.stream_id == 0
                             ? NULL
                             : nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);

    switch (frame->hd.type) {
    case NGHTTP2_DATA:
        h2_guard_credit_data_frame(&h2->guard);
        if (leg != NULL) {
            leg->leg.wire_sent_bytes += H2_FRAME_HEADER_BYTES; /* its bytes were counted before */
        }
        break;
    case NGHTTP2_HEADERS:
        if (leg != NULL) {
            leg->leg.wire_sent_bytes += H2_FRAME_HEADER_BYTES + frame->hd.length;
        }
        break;
    case NGHTTP2_RST_STREAM:
        /* Not asked for by us: the library had to answer something wrong. */
        if (leg == NULL || !leg->is_reset) {
            (void)h2_conn_count(h2, H2_DEED_PROVOKED_RESET); /* notes the blame itself */
        }
        return 0;
    case NGHTTP2_GOAWAY:
        if (frame->goaway.error_code != NGHTTP2_NO_ERROR) {
            h2->is_goaway_sent = true;
            h2_conn_blame(h2, h2_send_reason(frame->goaway.error_code), frame->goaway.error_code);
        }
        return 0;
    default:
        return 0;
    }
    if (leg != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
        h2_send_on_end_stream(leg);
    }
    return 0;
}

/* A head that could not be packed, because it is larger than any peer would take. A request's stream is
 * closed by the library, with REFUSED_STREAM: nothing was sent of it. */
static int h2_send_on_frame_not_sent(nghttp2_session *session, const nghttp2_frame *frame,
                                     int lib_error_code, void *user_data)
{
    struct h2_conn *h2 = user_data;
    struct h2_leg *leg;

    (void)lib_error_code;
    if (frame->hd.type != NGHTTP2_HEADERS || h2->is_client) {
        return 0;
    }
    leg = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
    if (leg != NULL && !leg->is_reset && !leg->is_reset_by_peer) {
        h2_send_reset(leg, NGHTTP2_INTERNAL_ERROR);
        h2_leg_note_end(leg, LEG_END_TRANSPORT, "http2.head_not_sent");
    }
    return 0;
}

void h2_send_set_callbacks(struct nghttp2_session_callbacks *callbacks)
{
    nghttp2_session_callbacks_set_data_source_read_length_callback(callbacks, h2_send_data_length);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, h2_send_on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, h2_send_on_frame);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, h2_send_on_frame_not_sent);
}
