/* h2_leg: one stream of an HTTP/2 connection as an exchange uses it: sending, pausing, giving up, letting
 * go; and the bytes of a body on their way between the connection and the exchange.
 *
 * Owned by its connection, one loop's. None of the operations calls the exchange back; what follows from
 * them is noted and told later. A leg lives while an exchange holds it or the library knows its stream;
 * its memory stays until the turn ends and is then used for another stream. */
#include "gateway/base/limits.h"
#include "gateway/http/h2_conn_state.h"

#include <event2/buffer.h>
#include <nghttp2/nghttp2.h>

/* A usual request with its fields, and the answer's, fit in; more takes further blocks. */
enum {
    H2_LEG_ARENA_BLOCK_BYTES = 4 * 1024,
    /* From here on a part of a body is worth frames of its own. */
    H2_LEG_LEND_BYTES = 16 * 1024,
};

static struct h2_leg *h2_leg_of(struct leg *leg)
{
    return (struct h2_leg *)leg;
}

static bool h2_leg_is_live(const struct h2_leg *leg)
{
    return leg->is_held && !leg->is_dead;
}

static bool h2_leg_can_send(const struct h2_leg *leg)
{
    return h2_leg_is_live(leg) && !leg->h2->is_closed && !leg->is_reset;
}

/* Of a tunnel nothing moves before the answer (leg.h). */
static bool h2_leg_is_shut(const struct h2_leg *leg)
{
    return leg->is_tunnel && !leg->is_tunnel_open;
}

static size_t h2_leg_queued_bytes(const struct evbuffer *queue)
{
    return queue == NULL ? 0 : evbuffer_get_length(queue);
}

/* --- Life ------------------------------------------------------------------------------------- */

static void h2_leg_on_body_deadline(void *arg);
static void h2_leg_on_write_deadline(void *arg);

static struct h2_leg *h2_leg_take_spare(struct h2_conn *h2)
{
    struct list *link = list_first(&h2->spares);

    if (link == NULL) {
        struct h2_leg *fresh = mem_new(struct h2_leg);
        fresh->arena = arena_new(H2_LEG_ARENA_BLOCK_BYTES);
        return fresh;
    }
    list_remove(link);
    h2->spare_count--;
    return list_object(link, struct h2_leg, link);
}

struct h2_leg *h2_leg_new(struct h2_conn *h2)
{
    struct h2_leg *leg = h2_leg_take_spare(h2);

    *leg = (struct h2_leg){
        .leg = { .ops = &h2_leg_ops, .conn = &h2->conn },
        .h2 = h2,
        .arena = leg->arena,
        .in = leg->in,
        .out = leg->out,
    };
    timer_init(&leg->body_timer, h2_leg_on_body_deadline, leg);
    timer_init(&leg->write_timer, h2_leg_on_write_deadline, leg);
    list_push_back(&h2->shadows, &leg->link);
    h2->leg_count++;
    h2->is_busy = true;
    if (h2->deadline == H2_DEADLINE_IDLE || h2->deadline == H2_DEADLINE_IDLE_MEMORY) {
        h2_conn_set_deadline(h2, H2_DEADLINE_NONE);
    }
    return leg;
}

void h2_leg_free(struct h2_leg *leg)
{
    timer_cancel(&leg->body_timer);
    timer_cancel(&leg->write_timer);
    list_remove(&leg->noted);
    list_remove(&leg->link);
    if (leg->in != NULL) {
        evbuffer_free(leg->in);
    }
    h2_queue_cleanup(&leg->out);
    arena_free(leg->arena);
    mem_free(leg);
}

void h2_leg_recycle(struct h2_conn *h2)
{
    struct list *link;

    while ((link = list_first(&h2->over)) != NULL) {
        struct h2_leg *leg = list_object(link, struct h2_leg, link);

        if (h2->is_closed || h2->spare_count >= LIMIT_H2_SPARE_LEGS) {
            h2_leg_free(leg);
            continue;
        }
        list_remove(link);
        /* All of it: it is not frozen. */
        (void)(leg->in != NULL && evbuffer_drain(leg->in, h2_leg_queued_bytes(leg->in)));
        h2_queue_recycle(&leg->out);
        arena_reset(leg->arena);
        list_push_front(&h2->spares, link);
        h2->spare_count++;
    }
}

void h2_leg_hold(struct h2_leg *leg)
{
    leg->is_held = true;
    list_remove(&leg->link);
    list_push_back(&leg->h2->live, &leg->link);
}

static void h2_leg_to_shadows(struct h2_leg *leg)
{
    list_remove(&leg->link);
    list_push_back(&leg->h2->shadows, &leg->link);
}

void h2_leg_drop_out(struct h2_leg *leg)
{
    leg->h2->out_bytes -= leg->out.len;
    h2_queue_clear(&leg->out);
}

void h2_leg_retire_if_over(struct h2_leg *leg)
{
    struct h2_conn *h2 = leg->h2;

    if (leg->is_held || leg->is_on_wire) {
        return;
    }
    timer_cancel(&leg->body_timer);
    timer_cancel(&leg->write_timer);
    list_remove(&leg->noted);
    leg->events = 0;
    h2_leg_drop_out(leg);
    list_remove(&leg->link);
    list_push_back(&h2->over, &leg->link);
    h2->leg_count--;
    h2->is_room_due = h2->is_client;
    h2_conn_later(h2);
}

void h2_leg_enter_wire(struct h2_leg *leg, int32_t id)
{
    leg->id = id;
    leg->is_on_wire = true;
    leg->h2->wire_count++;
}

void h2_leg_leave_wire(struct h2_leg *leg)
{
    leg->h2->wire_count -= leg->is_on_wire;
    leg->is_on_wire = false;
    timer_cancel(&leg->body_timer);
    timer_cancel(&leg->write_timer);
    h2_leg_drop_out(leg);
    h2_leg_retire_if_over(leg);
}

/* --- Telling the exchange --------------------------------------------------------------------- */

void h2_leg_note(struct h2_leg *leg, enum h2_event event)
{
    if (!h2_leg_is_live(leg)) {
        return;
    }
    leg->events |= (unsigned)event;
    if (!list_is_linked(&leg->noted)) {
        list_push_back(&leg->h2->events, &leg->noted);
        h2_conn_later(leg->h2);
    }
}

void h2_leg_note_end(struct h2_leg *leg, enum leg_end end, const char *detail)
{
    if ((leg->events & H2_EVENT_END) == 0) {
        leg->end = end;
        leg->leg.end_detail = detail;
        h2_leg_note(leg, H2_EVENT_END);
    }
}

void h2_leg_end(struct h2_leg *leg, enum leg_end end, const char *detail)
{
    if (h2_leg_is_live(leg)) {
        leg->is_dead = true;
        h2_leg_to_shadows(leg);
        timer_cancel(&leg->body_timer);
        leg->leg.end_detail = detail;
        leg->leg.handler->on_end(leg->leg.owner, &leg->leg, end);
    }
}

static void h2_leg_tell_complete(struct h2_leg *leg)
{
    if (!h2_leg_is_live(leg) || !leg->is_peer_done || leg->is_complete_told ||
        h2_leg_is_shut(leg) || h2_leg_queued_bytes(leg->in) > 0) {
        return;
    }
    leg->is_complete_told = true;
    timer_cancel(&leg->body_timer);
    leg->leg.handler->on_complete(
        leg->leg.owner, &leg->leg,
        leg->trailers != NULL && leg->trailers->headers.count > 0 ? &leg->trailers->headers : NULL);
}

/* --- Flow: what arrives ----------------------------------------------------------------------- */

/* The peer may send so much more on the stream. */
static void h2_leg_open_stream_window(struct h2_leg *leg, size_t len)
{
    if (leg->is_on_wire) {
        /* Of a stream that is gone nothing is owed; else it fails for want of memory, which ends us. */
        (void)nghttp2_session_consume_stream(leg->h2->session, leg->id, len);
        h2_conn_later(leg->h2);
    }
}

static void h2_leg_open_conn_window(struct h2_conn *h2, size_t len)
{
    if (len > 0 && !h2->is_closed) {
        (void)nghttp2_session_consume_connection(h2->session, len); /* as above */
        h2_conn_later(h2);
    }
}

/* Held bytes have gone: what the connection's window still owes for them is given back. */
static void h2_leg_pay_conn_window(struct h2_conn *h2, size_t len)
{
    size_t paid = len < h2->owed_bytes ? len : h2->owed_bytes;

    h2->held_bytes -= len;
    h2->owed_bytes -= paid;
    h2_leg_open_conn_window(h2, paid);
}

/* A paused leg keeps what came, and its stream's window closes. The connection's window is opened all the
 * same, so that its neighbours go on, until all such legs together hold too much. */
static void h2_leg_hold_bytes(struct h2_leg *leg, const unsigned char *bytes, size_t len)
{
    struct h2_conn *h2 = leg->h2;

    if (leg->in == NULL) {
        leg->in = evbuffer_new();
    }
    (void)evbuffer_add(leg->in, bytes, len); /* out of memory ends the process */
    h2->held_bytes += len;
    if (h2->held_bytes <= LIMIT_H2_HELD_BYTES) {
        h2_leg_open_conn_window(h2, len);
    } else {
        h2->owed_bytes += len;
    }
}

void h2_leg_receive_body(struct h2_leg *leg, const unsigned char *bytes, size_t len)
{
    if (!h2_leg_is_live(leg)) {
        h2_leg_open_conn_window(leg->h2, len); /* for nobody */
        return;
    }
    leg->is_awaiting_continue = false;
    if (leg->is_paused || h2_leg_is_shut(leg) || h2_leg_queued_bytes(leg->in) > 0) {
        h2_leg_hold_bytes(leg, bytes, len);
    } else {
        h2_leg_open_conn_window(leg->h2, len);
        h2_leg_open_stream_window(leg, len);
        leg->leg.handler->on_body(leg->leg.owner, &leg->leg, bytes, len);
    }
    h2_leg_watch_body(leg);
}

void h2_leg_receive_end(struct h2_leg *leg)
{
    timer_cancel(&leg->body_timer);
    if (leg->h2->is_client) {
        h2_guard_credit(&leg->h2->guard); /* many requests share an upstream's connection */
    }
    h2_leg_tell_complete(leg);
}

static void h2_leg_deliver_held(struct h2_leg *leg)
{
    while (h2_leg_is_live(leg) && !leg->is_paused && !h2_leg_is_shut(leg) &&
           h2_leg_queued_bytes(leg->in) > 0) {
        struct evbuffer_iovec piece = { NULL, 0 };

        (void)evbuffer_peek(leg->in, -1, NULL, &piece, 1); /* there is one */
        leg->leg.handler->on_body(leg->leg.owner, &leg->leg, piece.iov_base, piece.iov_len);
        if (!leg->is_held) {
            return; /* released: it has settled the account */
        }
        (void)evbuffer_drain(leg->in, piece.iov_len); /* its front piece */
        h2_leg_pay_conn_window(leg->h2, piece.iov_len);
        h2_leg_open_stream_window(leg, piece.iov_len);
    }
    h2_leg_tell_complete(leg);
    h2_leg_watch_body(leg);
}

void h2_leg_tell_events(struct h2_conn *h2)
{
    struct list *link;

    while ((link = list_first(&h2->events)) != NULL) {
        struct h2_leg *leg = list_object(link, struct h2_leg, noted);
        unsigned events = leg->events;

        list_remove(link);
        leg->events = 0;
        if ((events & H2_EVENT_END) != 0) {
            h2_leg_end(leg, leg->end, leg->leg.end_detail);
            continue;
        }
        if ((events & H2_EVENT_WAITING) != 0) {
            h2_leg_watch_write(leg, false);
        }
        if ((events & H2_EVENT_RECEIVE) != 0) {
            h2_leg_deliver_held(leg);
        }
        if ((events & H2_EVENT_DRAINED) != 0 && h2_leg_is_live(leg)) {
            leg->leg.handler->on_drained(leg->leg.owner, &leg->leg);
        }
    }
}

/* --- Deadlines -------------------------------------------------------------------------------- */

/* Between two frames of a body. A tunnel is watched by the exchange; a gRPC call may be silent for as long
 * as it likes, and has its own deadline. */
void h2_leg_watch_body(struct h2_leg *leg)
{
    struct h2_conn *h2 = leg->h2;
    bool waits_for_peer = (h2_leg_is_live(leg) || leg->is_fresh) && leg->is_on_wire &&
                          leg->is_head_received && !leg->is_peer_done && !leg->is_paused &&
                          !leg->is_awaiting_continue && !leg->is_tunnel &&
                          (h2->is_client || !leg->is_grpc || leg->is_fresh);

    if (waits_for_peer && h2->limits.body_timeout_ms > 0) {
        timer_arm(h2->loop, &leg->body_timer, h2->limits.body_timeout_ms);
    } else {
        timer_cancel(&leg->body_timer);
    }
}

static void h2_leg_on_body_deadline(void *arg)
{
    static const struct refusal late = { 408, "request_overall_timeout" }; /* spec LR-18 */
    struct h2_leg *leg = arg;

    if (leg->is_fresh) {
        h2_receive_late_end(leg, &late);
        return;
    }
    if (!leg->h2->is_client && leg->send == H2_SEND_HEAD) {
        leg->leg.answered_status = late.status;
        h2_send_refusal(leg, &late);
    } else {
        h2_send_reset(leg, NGHTTP2_CANCEL);
    }
    h2_leg_end(leg, LEG_END_BODY_TIMEOUT, late.detail);
}

/* The peer keeps the stream's window, or the connection's, shut while we have bytes for it, or the end of
 * the stream, which needs a window as well: it would hold our memory for ever. A connection that takes
 * nothing at all is the transport's to watch. */
void h2_leg_watch_write(struct h2_leg *leg, bool has_moved)
{
    struct h2_conn *h2 = leg->h2;
    bool has_end = leg->send == H2_SEND_DONE && !leg->is_sent;

    if ((leg->out.len == 0 && !has_end) || h2->limits.write_timeout_ms == 0 || !leg->is_on_wire) {
        timer_cancel(&leg->write_timer);
    } else if (has_moved || !timer_is_armed(&leg->write_timer)) {
        leg->body_frames_before = h2->body_frames;
        timer_arm(h2->loop, &leg->write_timer, h2->limits.write_timeout_ms);
    }
}

/* The peer has opened the stream's window, and took bytes of other streams meanwhile: this one's turn has
 * not come, by the peer's own priorities (RFC 7540 5.3) or because there are so many. */
static bool h2_leg_waits_for_others(const struct h2_leg *leg)
{
    const struct h2_conn *h2 = leg->h2;

    return h2->body_frames != leg->body_frames_before &&
           nghttp2_session_get_stream_remote_window_size(h2->session, leg->id) > 0;
}

static void h2_leg_on_write_deadline(void *arg)
{
    struct h2_leg *leg = arg;

    if (leg->h2->is_send_blocked || h2_leg_is_shut(leg) || h2_leg_waits_for_others(leg)) {
        h2_leg_watch_write(leg, true);
        return;
    }
    h2_send_reset(leg, NGHTTP2_CANCEL);
    h2_leg_end(leg, LEG_END_WRITE_TIMEOUT, "http2.window_stalled");
}

/* --- Flow: what leaves ------------------------------------------------------------------------ */

static bool h2_leg_is_above(const struct h2_conn *h2, size_t queued)
{
    return queued > LIMIT_STREAM_HIGH_BYTES ||
           (h2->out_bytes > LIMIT_H2_HELD_BYTES && queued > LIMIT_H2_CROWDED_BYTES);
}

static bool h2_leg_falls_below(size_t mark, size_t before, size_t after)
{
    return before > mark && after <= mark;
}

void h2_leg_sent_body(struct h2_leg *leg, size_t len)
{
    size_t after = leg->out.len;

    leg->h2->out_bytes -= len;
    leg->h2->body_frames++;
    if (after == 0) {
        timer_cancel(&leg->write_timer); /* the end, where it is known, went with the frame */
    } else {
        h2_leg_watch_write(leg, true);
    }
    if (h2_leg_falls_below(LIMIT_STREAM_LOW_BYTES, after + len, after) ||
        h2_leg_falls_below(LIMIT_H2_CROWDED_BYTES, after + len, after)) {
        h2_leg_note(leg, H2_EVENT_DRAINED);
    }
}

/* What was announced cannot be sent: the peer must not take what it got for a whole message. */
static void h2_leg_cut(struct h2_leg *leg)
{
    leg->is_dead = true;
    h2_leg_to_shadows(leg);
    h2_send_reset(leg, NGHTTP2_INTERNAL_ERROR);
}

static void h2_leg_finish(struct h2_leg *leg, const struct headers *trailers)
{
    if (leg->send_framing == BODY_LENGTH && leg->send_left > 0) {
        h2_leg_cut(leg); /* fewer bytes than were announced */
        return;
    }
    if (trailers != NULL && trailers->count > 0) {
        leg->out_trailers = arena_new_object(leg->arena, struct headers);
        headers_init(leg->out_trailers, leg->arena);
        headers_copy(leg->out_trailers, trailers);
    }
    leg->send = H2_SEND_DONE;
    h2_send_resume(leg);
    /* At once, so that what is logged now knows how long the head became on the wire. */
    h2_send_pack(leg->h2);
    h2_leg_watch_write(leg, false);
}

/* --- Operations ------------------------------------------------------------------------------- */

static void h2_leg_start_body(struct h2_leg *leg, const struct head *head, bool is_end)
{
    leg->send_framing = is_end ? BODY_NONE : head->framing;
    leg->send_left = head->framing == BODY_LENGTH && !is_end ? head->content_length : 0;
    leg->send = is_end ? H2_SEND_DONE : H2_SEND_BODY;
    /* Behind a body of known length only HTTP/2 may have trailers. */
    leg->ends_by_length = leg->send_left > 0 && head->version != HTTP_VERSION_2;
    h2_conn_later(leg->h2);
    if (is_end) {
        h2_send_pack(leg->h2);
    }
}

static void h2_leg_send_request(struct h2_leg *leg, const struct head *head, bool is_end)
{
    leg->method = head->method;
    leg->is_tunnel = head->framing == BODY_TUNNEL && !is_end;
    h2_send_request(leg, head, is_end);
    h2_leg_start_body(leg, head, is_end);
}

static void h2_leg_send_interim(struct h2_leg *leg, const struct head *head)
{
    h2_send_interim(leg, head);
    if (head->status == 100 && leg->is_awaiting_continue) {
        leg->is_awaiting_continue = false; /* now the body is due */
        h2_leg_watch_body(leg);
    }
}

static void h2_leg_send_response(struct h2_leg *leg, const struct head *head, bool is_end)
{
    bool opens_tunnel = head->status == 101;
    bool has_no_body =
        is_end || (!opens_tunnel && head_response_has_no_body(leg->method, head->status));

    leg->leg.is_response_started = true;
    if (is_end && head->framing == BODY_LENGTH && head->content_length > 0 &&
        !head_response_has_no_body(leg->method, head->status)) {
        h2_leg_cut(leg); /* announces bytes, and has none */
        return;
    }
    h2_send_response(leg, head, has_no_body);
    h2_leg_start_body(leg, head, has_no_body);
    if (opens_tunnel) {
        leg->is_tunnel_open = true;
        leg->send_framing = BODY_TUNNEL;
        h2_leg_note(leg, H2_EVENT_RECEIVE);
    }
}

static void h2_leg_send_head(struct leg *base, const struct head *head, bool is_end)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (!h2_leg_can_send(leg) || leg->send != H2_SEND_HEAD) {
        return;
    }
    if (leg->h2->is_client) {
        h2_leg_send_request(leg, head, is_end);
    } else if (head->status < 200 && (head->status != 101 || !leg->is_tunnel)) {
        h2_leg_send_interim(leg, head);
    } else {
        h2_leg_send_response(leg, head, is_end);
    }
}

/* What was just queued: now, where it is lent or the message's end, else with the turn's other frames. */
static void h2_leg_leave_body(struct h2_leg *leg, bool is_lent)
{
    bool is_end = leg->send == H2_SEND_DONE;

    h2_send_resume(leg);
    if (is_lent || is_end) {
        /* Frames are cut from where lent bytes lie; only what no window lets go is kept. */
        h2_send_pack(leg->h2);
        h2_queue_settle(&leg->out);
    }
    if (leg->out.len > 0) {
        loop_note_wait(leg->h2->loop); /* the peer's window may be shut */
    }
    if (is_end) {
        h2_leg_watch_write(leg, false);
    } else if (!timer_is_armed(&leg->write_timer)) {
        h2_leg_note(leg, H2_EVENT_WAITING); /* most are packed by then, and need no timer */
    }
}

static void h2_leg_send_body(struct leg *base, const unsigned char *bytes, size_t len)
{
    struct h2_leg *leg = h2_leg_of(base);

    /* To HEAD, 204 and 304 the body ended with the head, whatever the origin of it says. An origin may
     * have ended the stream behind its answer: what it did not want goes nowhere. */
    if (!h2_leg_can_send(leg) || leg->send != H2_SEND_BODY || len == 0 || !leg->is_on_wire) {
        return;
    }
    if (leg->send_framing == BODY_LENGTH) {
        if (len > leg->send_left) {
            h2_leg_cut(leg);
            return;
        }
        leg->send_left -= len;
        if (leg->send_left == 0 && leg->ends_by_length) {
            leg->send =
                H2_SEND_DONE; /* END_STREAM goes with these bytes: send_end() brings nothing */
        }
    }
    leg->h2->out_bytes += len;
    leg->leg.wire_sent_bytes += len; /* the headers of frames as they are packed */
    if (len < H2_LEG_LEND_BYTES) {
        h2_queue_add(&leg->out, leg->arena, bytes, len);
    } else {
        h2_queue_lend(&leg->out, bytes, len);
    }
    h2_leg_leave_body(leg, len >= H2_LEG_LEND_BYTES);
}

static void h2_leg_send_end(struct leg *base, const struct headers *trailers)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (h2_leg_can_send(leg) && leg->send == H2_SEND_BODY) {
        h2_leg_finish(leg, trailers);
    }
}

static uint32_t h2_leg_abort_code(enum leg_abort why)
{
    switch (why) {
    case LEG_ABORT_BROKEN:
        return NGHTTP2_INTERNAL_ERROR;
    case LEG_ABORT_PROTOCOL:
        return NGHTTP2_PROTOCOL_ERROR;
    case LEG_ABORT_CONNECT:
        return NGHTTP2_CONNECT_ERROR;
    case LEG_ABORT_CANCEL:
    default:
        return NGHTTP2_CANCEL;
    }
}

static void h2_leg_abort(struct leg *base, enum leg_abort why)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (!h2_leg_can_send(leg) ||
        (leg->send == H2_SEND_DONE && (!leg->h2->is_client || leg->is_peer_done))) {
        return;
    }
    leg->is_dead = true;
    h2_leg_to_shadows(leg);
    timer_cancel(&leg->body_timer);
    h2_send_reset(leg, h2_leg_abort_code(why));
}

static void h2_leg_pause(struct leg *base)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (h2_leg_is_live(leg) && !leg->is_paused) {
        leg->is_paused = true;
        h2_leg_watch_body(leg);
    }
}

static void h2_leg_resume(struct leg *base)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (h2_leg_is_live(leg) && leg->is_paused) {
        leg->is_paused = false;
        h2_leg_watch_body(leg);
        if (h2_leg_queued_bytes(leg->in) > 0) {
            h2_leg_note(leg, H2_EVENT_RECEIVE);
        }
    }
}

static bool h2_leg_is_above_high(const struct leg *base)
{
    const struct h2_leg *leg = (const struct h2_leg *)base;

    return h2_leg_can_send(leg) && h2_leg_is_above(leg->h2, leg->out.len);
}

static size_t h2_leg_all_queued_bytes(const struct leg *base)
{
    const struct h2_leg *leg = (const struct h2_leg *)base;

    return h2_leg_queued_bytes(leg->in) + leg->out.len;
}

/* What the peer is told of a stream nobody holds any more. A response that was handed in whole goes on to
 * leave; behind it NO_ERROR says that the rest of the request is not wanted (RFC 9113 8.1). */
static void h2_leg_part_from_stream(struct h2_leg *leg)
{
    if (!leg->is_on_wire || leg->is_reset) {
        return;
    }
    if (leg->send != H2_SEND_DONE) {
        h2_send_reset(leg, NGHTTP2_CANCEL);
    } else if (leg->h2->is_client) {
        if (leg->is_peer_done && leg->is_tunnel) {
            return; /* its last bytes are still leaving */
        }
        if (!leg->is_peer_done) {
            h2_conn_doubt(leg->h2, leg->opened_received_bytes);
        }
        h2_send_reset(leg, leg->is_peer_done ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    } else if (leg->is_sent && !leg->is_peer_done) {
        h2_send_reset(leg, NGHTTP2_NO_ERROR);
    }
}

static void h2_leg_release(struct leg *base)
{
    struct h2_leg *leg = h2_leg_of(base);

    if (!leg->is_held) {
        return;
    }
    leg->is_held = false;
    base->handler = NULL;
    base->owner = NULL;
    h2_leg_to_shadows(leg);
    list_remove(&leg->noted);
    leg->events = 0;
    timer_cancel(&leg->body_timer);
    /* The bytes themselves stay until the turn ends: they may be what the exchange is looking at. */
    h2_leg_pay_conn_window(leg->h2, h2_leg_queued_bytes(leg->in));
    h2_leg_part_from_stream(leg);
    h2_leg_retire_if_over(leg);
    h2_conn_reap(leg->h2);
}

const struct leg_ops h2_leg_ops = {
    .send_head = h2_leg_send_head,
    .send_body = h2_leg_send_body,
    .send_end = h2_leg_send_end,
    .abort = h2_leg_abort,
    .pause = h2_leg_pause,
    .resume = h2_leg_resume,
    .is_above_high = h2_leg_is_above_high,
    .queued_bytes = h2_leg_all_queued_bytes,
    .release = h2_leg_release,
};
