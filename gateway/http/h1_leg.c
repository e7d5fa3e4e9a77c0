/* h1_leg: the leg of an HTTP/1.1 connection as an exchange uses it: sending, pausing, giving up,
 * letting go. The leg is part of its h1_conn; what arrives is in h1_conn.c.
 *
 * None of these operations calls the exchange back; what follows from them is told at the end of
 * the turn. On a dead leg they do nothing, release apart. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/http/h1_conn_state.h"
#include "gateway/http/h1_write.h"
#include "gateway/net/transport_splice.h"

static struct h1_conn *h1_leg_conn(const struct leg *leg)
{
    return (struct h1_conn *)leg->conn;
}

static bool h1_leg_is_live(const struct h1_conn *h1)
{
    return h1->is_leg_open && !h1->is_leg_dead && !h1->is_closed;
}

void h1_leg_open(struct h1_conn *h1)
{
    h1->leg = (struct leg){ .ops = &h1_leg_ops, .conn = &h1->conn };
    h1->is_leg_open = true;
    h1->is_leg_dead = false;
    h1->is_paused = false;
    h1->is_awaiting_continue = false;
    h1->send = H1_SEND_HEAD;
    h1->send_left = 0;
    h1->interim_count = 0;
    h1->tunnel = H1_TUNNEL_NONE;
    h1->asked_upgrade = (struct str){ 0 };
}

static void h1_leg_write(struct h1_conn *h1, const void *bytes, size_t len)
{
    h1->leg.wire_sent_bytes += len;
    transport_write(h1->conn.transport, bytes, len);
}

static void h1_leg_write_str(struct h1_conn *h1, struct str text)
{
    h1_leg_write(h1, text.ptr, text.len);
}

/* What the peer got must not look whole to it: a reset, whatever the framing. */
static void h1_leg_cut(struct h1_conn *h1)
{
    h1->is_leg_dead = true;
    h1_conn_close_later(h1, H1_PART_RESET);
}

static void h1_leg_finish(struct h1_conn *h1, const struct headers *trailers)
{
    if (h1->send_framing == BODY_LENGTH && h1->send_left > 0) {
        h1_leg_cut(h1); /* fewer bytes than were announced */
        return;
    }
    if (h1->send_framing == BODY_CHUNKED) {
        h1_leg_write_str(h1, h1_write_last_chunk(trailers, h1->arena));
    } else if (h1->send_framing == BODY_TUNNEL) {
        transport_end_write(h1->conn.transport);
    }
    h1->send = H1_SEND_DONE;
}

/* --- Heads ------------------------------------------------------------------------------------ */

static void h1_leg_start_body(struct h1_conn *h1, const struct head *head, bool is_end)
{
    h1->send_left =
        h1->send_framing == BODY_LENGTH && head->framing == BODY_LENGTH ? head->content_length : 0;
    h1->send = H1_SEND_BODY;
    if (is_end || h1->send_framing == BODY_NONE) {
        h1_leg_finish(h1, NULL);
    }
}

static void h1_leg_send_request(struct h1_conn *h1, const struct head *head, bool is_end)
{
    h1->method = head->method;
    h1->send_framing = h1_write_framing_of_request(head, is_end);
    h1->wants_close = h1->is_draining;
    h1_leg_write_str(h1, h1_write_request(head, h1->send_framing, h1->wants_close, h1->arena));
    if (h1->send_framing == BODY_TUNNEL) {
        h1->asked_upgrade = arena_copy_str(h1->arena, head->upgrade);
        h1->tunnel = H1_TUNNEL_ASKED;
        h1->send = H1_SEND_BODY; /* not before the answer */
        return;
    }
    h1_leg_start_body(h1, head, is_end);
}

/* The rest of a request body can be thrown away in bounded time and bytes, so that the connection
 * serves again; else the answer says that it ends here. */
static bool h1_leg_can_drain(const struct h1_conn *h1)
{
    return h1->receive == H1_RECEIVE_DONE ||
           (h1->incoming->body.framing == BODY_LENGTH &&
            h1->incoming->body.left <= LIMIT_LINGER_BYTES && !h1->is_awaiting_continue);
}

static void h1_leg_send_interim(struct h1_conn *h1, const struct head *head)
{
    h1_leg_write_str(h1, h1_write_response(head, h1->method, BODY_NONE, false, h1->arena));
    if (head->status == 100 && h1->is_awaiting_continue) {
        h1->is_awaiting_continue = false; /* now the body is due */
        h1_conn_watch_body(h1);
    }
}

/* 101, to who asked for it; to anybody else the bytes behind it would be an answer. */
static void h1_leg_send_switching(struct h1_conn *h1, const struct head *head)
{
    if (h1->tunnel != H1_TUNNEL_ASKED || head->framing != BODY_TUNNEL) {
        h1_leg_cut(h1);
        return;
    }
    h1->leg.is_response_started = true;
    h1->send_framing = BODY_TUNNEL;
    h1_leg_write_str(h1, h1_write_response(head, h1->method, BODY_TUNNEL, false, h1->arena));
    h1->send = H1_SEND_BODY;
    h1_conn_begin_tunnel(h1);
}

static void h1_leg_send_response(struct h1_conn *h1, const struct head *head, bool is_end)
{
    h1->leg.is_response_started = true;
    if (h1->tunnel == H1_TUNNEL_ASKED) {
        h1->tunnel = H1_TUNNEL_NONE; /* refused: what waits behind the request is the next one */
        h1->receive = H1_RECEIVE_DONE;
    }
    h1->wants_close =
        h1->wants_close || h1->is_draining || h1->is_peer_ended || !h1_leg_can_drain(h1);
    h1->send_framing = h1_write_framing_of_response(head, h1->method, is_end);
    h1_leg_write_str(
        h1, h1_write_response(head, h1->method, h1->send_framing, h1->wants_close, h1->arena));
    h1_leg_start_body(h1, head, is_end);
}

static void h1_leg_send_head(struct leg *leg, const struct head *head, bool is_end)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    if (!h1_leg_is_live(h1) || h1->send != H1_SEND_HEAD) {
        return;
    }
    if (h1->is_client) {
        h1_leg_send_request(h1, head, is_end);
    } else if (head->status == 101) {
        h1_leg_send_switching(h1, head);
    } else if (head->status < 200) {
        h1_leg_send_interim(h1, head);
    } else {
        h1_leg_send_response(h1, head, is_end);
    }
}

/* --- Bodies ----------------------------------------------------------------------------------- */

static void h1_leg_send_body(struct leg *leg, const unsigned char *bytes, size_t len)
{
    struct h1_conn *h1 = h1_leg_conn(leg);
    char line[H1_CHUNK_LINE_BYTES];

    /* To HEAD, 204 and 304 the body ended with the head, whatever the origin of it says. */
    if (!h1_leg_is_live(h1) || h1->send != H1_SEND_BODY || len == 0) {
        return;
    }
    if (h1->send_framing == BODY_CHUNKED) {
        h1_leg_write(h1, line, h1_write_chunk_line(line, len));
        h1_leg_write(h1, bytes, len);
        h1_leg_write(h1, "\r\n", 2);
        return;
    }
    if (h1->send_framing == BODY_TUNNEL && h1->tunnel == H1_TUNNEL_OPEN) {
        h1_leg_write(h1, bytes, len);
        return;
    }
    /* Also what nobody may send yet, before the answer to an upgrade. */
    if (len > h1->send_left) {
        h1_leg_cut(h1); /* more would be read as the next message */
        return;
    }
    h1->send_left -= len;
    h1_leg_write(h1, bytes, len);
}

/* What is left of a body of known length, between two plain connections: nobody needs to look at it. */
static bool h1_leg_splice_body(struct leg *leg, struct leg *to_leg)
{
    struct h1_conn *from = h1_leg_conn(leg);
    struct h1_conn *to = h1_leg_conn(to_leg);

    if (to_leg->ops != leg->ops || !h1_leg_is_live(from) || !h1_leg_is_live(to) ||
        from->receive != H1_RECEIVE_BODY || from->incoming->body.framing != BODY_LENGTH ||
        from->incoming->body.left < LIMIT_SPLICE_BODY_BYTES || from->offered_bytes > 0 ||
        from->is_paused || to->send != H1_SEND_BODY || to->send_framing != BODY_LENGTH ||
        to->send_left != from->incoming->body.left) {
        return false;
    }
    return transport_splice_start_bytes(from->conn.transport, to->conn.transport,
                                        from->incoming->body.left);
}

static void h1_leg_note_spliced(struct leg *leg, size_t len)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    if (h1_leg_is_live(h1)) {
        CHECK(len <= h1->send_left);
        h1->send_left -= len;
        leg->wire_sent_bytes += len;
    }
}

static void h1_leg_send_end(struct leg *leg, const struct headers *trailers)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    /* Without an answer there is no tunnel whose end this could be. */
    if (h1_leg_is_live(h1) && h1->send == H1_SEND_BODY && h1->tunnel != H1_TUNNEL_ASKED) {
        h1_leg_finish(h1, trailers);
    }
}

/* --- Flow, end -------------------------------------------------------------------------------- */

/* The peer was told the end of a tunnel, and goes on itself. What it was told is whole and still arrives;
 * what it says is for nobody. */
static bool h1_leg_is_half_a_tunnel(const struct h1_conn *h1)
{
    return h1->tunnel == H1_TUNNEL_OPEN && h1->send == H1_SEND_DONE &&
           h1->receive != H1_RECEIVE_DONE;
}

static void h1_leg_abort(struct leg *leg, enum leg_abort why)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    (void)why; /* a cut says nothing */
    if (!h1_leg_is_live(h1)) {
        return;
    }
    if (h1_leg_is_half_a_tunnel(h1)) {
        h1->is_leg_dead = true;
        h1_conn_close_later(h1, H1_PART_LINGER);
    } else if (h1->send != H1_SEND_DONE || (h1->is_client && h1->receive != H1_RECEIVE_DONE)) {
        h1_leg_cut(h1);
    }
}

static void h1_leg_pause(struct leg *leg)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    if (h1_leg_is_live(h1) && !h1->is_paused) {
        h1->is_paused = true;
        transport_pause_read(h1->conn.transport, TRANSPORT_PAUSE_LEG);
        h1_conn_watch_body(h1);
    }
}

static void h1_leg_resume(struct leg *leg)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    if (h1_leg_is_live(h1) && h1->is_paused) {
        h1->is_paused = false;
        transport_resume_read(h1->conn.transport, TRANSPORT_PAUSE_LEG);
        h1_conn_watch_body(h1);
    }
}

static bool h1_leg_is_above_high(const struct leg *leg)
{
    const struct h1_conn *h1 = h1_leg_conn(leg);

    return h1_leg_is_live(h1) && transport_is_above_high(h1->conn.transport);
}

static size_t h1_leg_queued_bytes(const struct leg *leg)
{
    const struct transport *transport = leg->conn->transport;

    return h1_leg_is_live(h1_leg_conn(leg))
               ? transport_queued_bytes(transport) + transport_unread_bytes(transport)
               : 0;
}

static void h1_leg_release(struct leg *leg)
{
    struct h1_conn *h1 = h1_leg_conn(leg);

    if (!h1->is_leg_open) {
        return;
    }
    h1->is_leg_open = false;
    leg->handler = NULL;
    leg->owner = NULL;
    if (h1->is_closed) {
        h1_conn_reap(h1);
    } else if (h1->send != H1_SEND_DONE) {
        h1_conn_close_later(h1, H1_PART_RESET);
    } else if (h1_leg_is_half_a_tunnel(h1)) {
        h1_conn_close_later(h1, H1_PART_LINGER);
    } else if (h1->receive == H1_RECEIVE_DONE) {
        h1_conn_leg_is_over(h1);
    } else if (h1->is_client) {
        h1_conn_close_later(h1, H1_PART_NOW); /* the rest of the answer is not wanted */
    } else if (h1->wants_close) {
        h1_conn_close_later(h1, H1_PART_LINGER);
    } else {
        h1_conn_drain_body(h1);
    }
}

const struct leg_ops h1_leg_ops = {
    .send_head = h1_leg_send_head,
    .send_body = h1_leg_send_body,
    .splice_body = h1_leg_splice_body,
    .note_spliced = h1_leg_note_spliced,
    .send_end = h1_leg_send_end,
    .abort = h1_leg_abort,
    .pause = h1_leg_pause,
    .resume = h1_leg_resume,
    .is_above_high = h1_leg_is_above_high,
    .queued_bytes = h1_leg_queued_bytes,
    .release = h1_leg_release,
};
