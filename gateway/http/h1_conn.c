/* h1_conn: an HTTP/1.1 connection in either role: its life, its deadlines and what arrives on it.
 * What leaves, and what an exchange asks of a leg, is in h1_leg.c.
 *
 * Owned by itself: it goes when its transport is gone, its owner knows and its leg was released.
 * One loop's. Any callback may release the leg, close the connection or begin the next request, so
 * after each one the state is looked at anew; memory stays until the turn ends. */
#include "gateway/http/h1_conn.h"

#include "gateway/base/arena_cache.h"
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/http/h1_conn_state.h"
#include "gateway/http/refusal_text.h"
#include "gateway/http/status.h"
#include "gateway/net/transport_splice.h"

static struct h1_conn *h1_conn_of(struct conn *conn)
{
    return (struct h1_conn *)conn;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void h1_conn_give_arena(struct h1_conn *h1)
{
    arena_cache_give(loop_arenas(h1->loop), h1->arena);
    h1->arena = NULL;
    h1->incoming = NULL;
    h1->head = NULL;
}

static void h1_conn_free(void *memory)
{
    struct h1_conn *h1 = memory;

    h1_conn_give_arena(h1);
    mem_free(h1);
}

void h1_conn_reap(struct h1_conn *h1)
{
    if (h1->is_closed && h1->is_told && !h1->is_leg_open && !h1->is_reaped) {
        h1->is_reaped = true;
        loop_reap(h1->loop, h1, h1_conn_free);
    }
}

void h1_conn_part(struct h1_conn *h1, enum h1_parting parting)
{
    if (h1->is_closed) {
        return;
    }
    h1->is_closed = true;
    timer_cancel(&h1->timer);
    loop_defer_cancel(&h1->later);
    switch (parting) {
    case H1_PART_LINGER:
        transport_linger_close(h1->conn.transport);
        break;
    case H1_PART_RESET:
        transport_reset(h1->conn.transport);
        break;
    case H1_PART_NOW:
    default:
        transport_close(h1->conn.transport);
        break;
    }
}

static void h1_conn_tell_closed(struct h1_conn *h1)
{
    if (!h1->is_told) {
        h1->is_told = true;
        h1->conn.owner_ops->on_closed(h1->conn.owner, &h1->conn);
        h1_conn_reap(h1);
    }
}

void h1_conn_close_later(struct h1_conn *h1, enum h1_parting parting)
{
    if (!h1->is_closed) {
        h1_conn_part(h1, parting);
        loop_defer(h1->loop, &h1->later, h1->later.fn, h1);
    }
}

static void h1_conn_end_leg(struct h1_conn *h1, enum leg_end end, const char *detail)
{
    if (h1->is_leg_open && !h1->is_leg_dead) {
        h1->is_leg_dead = true;
        h1->leg.end_detail = detail;
        h1->leg.handler->on_end(h1->leg.owner, &h1->leg, end);
    }
}

/* The connection ends in an event of its own: the exchange hears why, then the owner. */
static void h1_conn_break(struct h1_conn *h1, enum h1_parting parting, enum leg_end end,
                          const char *detail)
{
    if (h1->is_closed) {
        return;
    }
    h1_conn_part(h1, parting);
    h1_conn_end_leg(h1, end, detail);
    h1_conn_tell_closed(h1);
}

static bool h1_conn_is_reusable(const struct h1_conn *h1)
{
    return !h1->wants_close && !h1->is_draining && !h1->is_peer_ended;
}

/* The peer's side of a tunnel is over; ours may go on. */
static void h1_conn_end_tunnel_input(struct h1_conn *h1)
{
    if (h1->is_leg_open && !h1->is_leg_dead && h1->receive == H1_RECEIVE_BODY) {
        h1->receive = H1_RECEIVE_DONE;
        h1->leg.handler->on_complete(h1->leg.owner, &h1->leg, NULL);
    }
}

/* At the end of a turn. */
static void h1_conn_on_later(void *arg)
{
    struct h1_conn *h1 = arg;

    if (h1->is_closed) {
        h1_conn_tell_closed(h1);
    } else if (h1->tunnel == H1_TUNNEL_OPEN) {
        h1_conn_end_tunnel_input(h1); /* had ended before the tunnel began */
    } else if (!h1->is_leg_open && h1->conn.owner_ops->on_idle != NULL) {
        h1->conn.owner_ops->on_idle(h1->conn.owner, &h1->conn, true);
    }
}

/* --- Deadlines -------------------------------------------------------------------------------- */

/* 0 ms: no deadline. */
static void h1_conn_set_deadline(struct h1_conn *h1, enum h1_deadline deadline, uint32_t delay_ms)
{
    h1->deadline = deadline;
    if (deadline == H1_DEADLINE_NONE || delay_ms == 0) {
        timer_cancel(&h1->timer);
    } else {
        timer_arm(h1->loop, &h1->timer, delay_ms);
    }
}

static void h1_conn_watch_idle(struct h1_conn *h1)
{
    h1_conn_set_deadline(h1, H1_DEADLINE_IDLE, h1->limits.idle_timeout_ms);
}

/* From the first byte of a head to its end, not from the last one that came. */
static void h1_conn_watch_head(struct h1_conn *h1)
{
    uint32_t timeout_ms = h1->limits.header_timeout_ms;
    uint32_t spent_ms = h1->limits.header_spent_ms;

    if (h1->deadline == H1_DEADLINE_HEAD) {
        return;
    }
    if (timeout_ms != 0) {
        timeout_ms = spent_ms < timeout_ms ? timeout_ms - spent_ms : 1;
    }
    h1_conn_set_deadline(h1, H1_DEADLINE_HEAD, timeout_ms);
}

void h1_conn_watch_body(struct h1_conn *h1)
{
    bool waits_for_peer =
        h1->receive == H1_RECEIVE_DRAIN ||
        (h1->receive == H1_RECEIVE_BODY && h1->tunnel != H1_TUNNEL_OPEN && !h1->is_paused &&
         !h1->is_awaiting_continue && !transport_splice_is_held_back(h1->conn.transport));

    if (waits_for_peer) {
        h1_conn_set_deadline(h1, H1_DEADLINE_BODY, h1->limits.body_timeout_ms);
    } else if (h1->deadline == H1_DEADLINE_BODY) {
        h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
    }
}

/* --- Refusals: answers the connection gives by itself ----------------------------------------- */

/* LR-24. Returns the bytes written. */
static size_t h1_conn_write_refusal(struct h1_conn *h1, const struct refusal *refusal, bool is_head)
{
    struct str text = refusal_text(refusal);
    /* RFC 9110 15.5.22: 426 names the protocol that would do. */
    const char *connection =
        refusal->status == 426 ? "connection: close\r\nconnection: upgrade\r\nupgrade: HTTP/1.1\r\n"
                               : "connection: close\r\n";
    struct str head = arena_printf(
        h1->arena,
        "HTTP/1.1 %u %.*s\r\ndate: %s\r\nserver: istio-envoy\r\n%scontent-length: %zu\r\n%s\r\n",
        refusal->status, STR_ARG(status_reason(refusal->status)), now_http_date(),
        text.len > 0 ? "content-type: text/plain\r\n" : "", text.len, connection);

    transport_write(h1->conn.transport, head.ptr, head.len);
    if (is_head) {
        return head.len;
    }
    transport_write(h1->conn.transport, text.ptr, text.len);
    return head.len + text.len;
}

/* A head that cannot be served; `head` is what is known of it, or NULL. */
static void h1_conn_refuse(struct h1_conn *h1, const struct refusal *refusal,
                           const struct head *head)
{
    (void)h1_conn_write_refusal(h1, refusal, head != NULL && head->method == METHOD_HEAD);
    if (h1->conn.owner_ops->on_refused != NULL) {
        h1->conn.owner_ops->on_refused(h1->conn.owner, &h1->conn, refusal->status, refusal->detail,
                                       head);
    }
    if (!h1->is_closed) {
        h1_conn_part(h1, H1_PART_LINGER);
        h1_conn_tell_closed(h1);
    }
}

static void h1_conn_refuse_partial(struct h1_conn *h1, const struct refusal *refusal,
                                   const unsigned char *bytes)
{
    struct head *head = arena_new_object(h1->arena, struct head);

    h1_conn_refuse(h1, refusal, h1_head_partial(&h1->incoming->parser, bytes, head) ? head : NULL);
}

/* A request body that breaks the rules or stalls. Before an answer was begun the client is told 400
 * or 408 (spec CN-34, LR-18); after that only a cut is left to say it. */
static void h1_conn_refuse_body(struct h1_conn *h1, struct refusal refusal, enum leg_end end)
{
    if (h1->is_client) {
        h1_conn_break(h1, H1_PART_NOW, end, refusal.detail);
        return;
    }
    if (!h1->is_leg_open) {
        h1_conn_break(h1, H1_PART_LINGER, end, refusal.detail); /* answered already */
        return;
    }
    if (h1->send != H1_SEND_HEAD || h1->is_leg_dead) {
        h1_conn_break(h1, h1->send == H1_SEND_DONE ? H1_PART_LINGER : H1_PART_RESET, end,
                      refusal.detail);
        return;
    }
    h1->leg.answered_status = refusal.status;
    h1->leg.is_response_started = true;
    h1->leg.wire_sent_bytes += h1_conn_write_refusal(h1, &refusal, h1->method == METHOD_HEAD);
    h1_conn_break(h1, H1_PART_LINGER, end, refusal.detail);
}

/* --- Receiving: heads ------------------------------------------------------------------------- */

/* Ready for the next head. */
static void h1_conn_start_head(struct h1_conn *h1)
{
    h1->receive = H1_RECEIVE_HEAD;
    h1->incoming = NULL; /* set up with the first byte: an idle connection needs no arena */
}

static void h1_conn_prepare_parser(struct h1_conn *h1)
{
    if (h1->arena == NULL) {
        h1->arena = arena_cache_take(loop_arenas(h1->loop));
    }
    if (h1->incoming == NULL) {
        h1->incoming = arena_new_object(h1->arena, struct h1_incoming);
        h1_head_init(&h1->incoming->parser, h1->is_client ? H1_RESPONSE : H1_REQUEST,
                     h1->limits.max_header_bytes, h1->limits.max_headers, h1->arena);
    }
    if (h1->head == NULL) {
        h1->head = arena_new_object(h1->arena, struct head);
    }
}

static void h1_conn_start_body(struct h1_conn *h1)
{
    if (h1->head->framing == BODY_TUNNEL) {
        h1->tunnel = H1_TUNNEL_ASKED;
        h1->receive = H1_RECEIVE_ANSWER;
        return;
    }
    h1_body_init(&h1->incoming->body, h1->head->framing, h1->head->content_length, h1->arena);
    h1->receive = h1->head->framing == BODY_NONE ||
                          (h1->head->framing == BODY_LENGTH && h1->head->content_length == 0)
                      ? H1_RECEIVE_DONE
                      : H1_RECEIVE_BODY;
}

void h1_conn_begin_tunnel(struct h1_conn *h1)
{
    h1->tunnel = H1_TUNNEL_OPEN;
    h1->wants_close = true; /* no request comes after it */
    h1_body_init(&h1->incoming->body, BODY_TUNNEL, 0, h1->arena);
    h1->receive = H1_RECEIVE_BODY;
    h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0); /* spec CN-32: the exchange watches it */
    /* Bytes that waited for the answer are the first of the tunnel, an end that came is its end. */
    transport_resume_read(h1->conn.transport, TRANSPORT_PAUSE_PIPELINE);
    if (h1->is_peer_ended) {
        loop_defer(h1->loop, &h1->later, h1->later.fn, h1);
    }
}

/* All receive functions: *taken bytes are used up; false: nothing more can be done with the rest.
 */
static bool h1_conn_receive_request(struct h1_conn *h1, const unsigned char *bytes, size_t len,
                                    size_t *taken)
{
    struct refusal refusal;

    h1_conn_prepare_parser(h1);
    switch (h1_head_parse(&h1->incoming->parser, bytes, len, h1->head, taken)) {
    case H1_MORE:
        if (h1->is_peer_ended) {
            h1_conn_break(h1, H1_PART_NOW, LEG_END_PEER_CLOSED, NULL);
        } else if (h1_head_is_untouched(&h1->incoming->parser, len)) {
            h1_conn_give_arena(h1); /* empty lines: they are still with the transport */
        } else {
            h1_conn_watch_head(h1);
        }
        return false;
    case H1_FAILED:
        h1_conn_refuse_partial(h1, &h1->incoming->parser.refusal, bytes);
        return false;
    case H1_DONE:
    default:
        break;
    }
    if (!validate_request(h1->head, &refusal)) {
        h1_conn_refuse(h1, &refusal, h1->head);
        return false;
    }
    h1->limits.header_spent_ms = 0; /* the next head has its whole time */
    h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
    h1_leg_open(h1);
    h1->leg.wire_received_bytes = *taken;
    h1->method = h1->head->method;
    h1->wants_close = h1->head->wants_close;
    h1_conn_start_body(h1);
    h1->is_awaiting_continue =
        h1->head->expects_continue && h1->receive == H1_RECEIVE_BODY && *taken == len;
    h1->offered_bytes = (uint32_t)(len - *taken);
    h1->conn.owner_ops->on_request(h1->conn.owner, &h1->conn, &h1->leg, h1->head,
                                   h1->receive == H1_RECEIVE_DONE);
    CHECK(!h1->is_leg_open || h1->leg.handler != NULL);
    return true;
}

static void h1_conn_break_response(struct h1_conn *h1, const struct refusal *refusal)
{
    enum leg_end end = LEG_END_PROTOCOL;

    if (refusal->status == 431) {
        end = strcmp(refusal->detail, "http1.too_many_headers") == 0 ? LEG_END_TOO_MANY_HEADERS
                                                                     : LEG_END_HEADERS_TOO_LARGE;
    }
    h1_conn_break(h1, H1_PART_NOW, end, refusal->detail);
}

/* 1xx: passed on, then the next head is awaited. */
static bool h1_conn_receive_interim(struct h1_conn *h1)
{
    struct head *interim = h1->head;

    if (++h1->interim_count > LIMIT_INTERIM_RESPONSES) {
        h1_conn_break(h1, H1_PART_NOW, LEG_END_PROTOCOL, "http1.too_many_interim_responses");
        return false;
    }
    h1->head = NULL; /* the next one gets its own: this one lives until the leg is released */
    h1_conn_start_head(h1);
    h1->leg.handler->on_head(h1->leg.owner, &h1->leg, interim, false);
    return !h1->is_paused;
}

static bool h1_conn_receive_switching(struct h1_conn *h1)
{
    h1_conn_begin_tunnel(h1);
    h1->leg.handler->on_head(h1->leg.owner, &h1->leg, h1->head, false);
    return !h1->is_paused;
}

/* The upgrade was refused: nothing but the request's head was sent, and all of it. */
static void h1_conn_forget_tunnel(struct h1_conn *h1)
{
    if (h1->tunnel == H1_TUNNEL_ASKED) {
        h1->tunnel = H1_TUNNEL_NONE;
        h1->send = H1_SEND_DONE;
    }
}

/* In the turn that opened the leg: the socket was readable before the request could be sent, so these bytes
 * were lying on an idle connection. But for TLS, where a ticket makes it readable as well, and it is read when
 * the request may have left, pushed out by another connection's: then it may be the answer. */
static bool h1_conn_was_answered_before(const struct h1_conn *h1)
{
    const struct transport *transport = h1->conn.transport;

    return h1->leg_opened_turn == loop_turn_count(h1->loop) &&
           (transport_filter(transport) == NULL || transport_queued_bytes(transport) > 0);
}

static bool h1_conn_receive_response(struct h1_conn *h1, const unsigned char *bytes, size_t len,
                                     size_t *taken)
{
    struct refusal refusal;

    /* An answer to nothing: whoever believed it would give it to the next request. */
    if (!h1->is_leg_open || h1->send == H1_SEND_HEAD) {
        h1_conn_break(h1, H1_PART_NOW, LEG_END_PROTOCOL, "http1.unsolicited_response");
        return false;
    }
    /* To the exchange that is a connection closed under it. */
    if (h1_conn_was_answered_before(h1)) {
        h1_conn_break(h1, H1_PART_RESET, LEG_END_PEER_CLOSED, "http1.unsolicited_response");
        return false;
    }
    h1_conn_prepare_parser(h1);
    switch (h1_head_parse(&h1->incoming->parser, bytes, len, h1->head, taken)) {
    case H1_MORE:
        h1_conn_watch_head(h1);
        return false;
    case H1_FAILED:
        h1_conn_break_response(h1, &h1->incoming->parser.refusal);
        return false;
    case H1_DONE:
    default:
        break;
    }
    h1->leg.wire_received_bytes += *taken;
    h1->offered_bytes = (uint32_t)(len - *taken);
    h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
    if (!validate_response(h1->head, h1->method, h1->asked_upgrade, &refusal)) {
        h1_conn_break_response(h1, &refusal);
        return false;
    }
    if (h1->head->status == 101) {
        return h1_conn_receive_switching(h1);
    }
    if (h1->head->status < 200) {
        return h1_conn_receive_interim(h1);
    }
    h1_conn_forget_tunnel(h1);
    h1->wants_close = h1->wants_close || h1->head->wants_close;
    h1_conn_start_body(h1);
    h1->leg.handler->on_head(h1->leg.owner, &h1->leg, h1->head, h1->receive == H1_RECEIVE_DONE);
    return !h1->is_paused;
}

/* --- Receiving: bodies ------------------------------------------------------------------------ */

/* A body of known length ends with its last byte: no further one comes that could tell. */
static bool h1_conn_body_is_whole(const struct h1_conn *h1)
{
    return (h1->receive == H1_RECEIVE_BODY || h1->receive == H1_RECEIVE_DRAIN) &&
           h1->incoming->body.framing == BODY_LENGTH && h1->incoming->body.left == 0;
}

static bool h1_conn_receive_body(struct h1_conn *h1, const unsigned char *bytes, size_t len,
                                 size_t *taken)
{
    struct str content;
    enum h1_body_event event = h1_body_next(&h1->incoming->body, bytes, len, taken, &content);

    h1->is_awaiting_continue = false;
    h1->leg.wire_received_bytes += *taken;
    h1->offered_bytes = (uint32_t)(len - *taken);
    switch (event) {
    case H1_BODY_BYTES:
        h1->leg.handler->on_body(h1->leg.owner, &h1->leg, (const unsigned char *)content.ptr,
                                 content.len);
        return !h1->is_paused || h1_conn_body_is_whole(h1);
    case H1_BODY_END:
        h1->receive = H1_RECEIVE_DONE;
        h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
        h1->leg.handler->on_complete(
            h1->leg.owner, &h1->leg,
            h1->incoming->body.trailers.count > 0 ? &h1->incoming->body.trailers : NULL);
        return true;
    case H1_BODY_FAILED:
        h1_conn_refuse_body(h1, h1->incoming->body.refusal, LEG_END_PROTOCOL);
        return false;
    case H1_BODY_MORE:
    default:
        return false;
    }
}

/* The answer is out, the request still comes: so much of it is thrown away that the connection can
 * be kept; who sends more than that is cut off. */
static bool h1_conn_receive_drain(struct h1_conn *h1, const unsigned char *bytes, size_t len,
                                  size_t *taken)
{
    struct str content;

    switch (h1_body_next(&h1->incoming->body, bytes, len, taken, &content)) {
    case H1_BODY_BYTES:
        h1->drained_bytes += (uint32_t)*taken;
        if (h1->drained_bytes > LIMIT_LINGER_BYTES) {
            h1_conn_break(h1, H1_PART_LINGER, LEG_END_DRAIN, NULL);
            return false;
        }
        return true;
    case H1_BODY_END:
        h1->offered_bytes = (uint32_t)(len - *taken);
        h1_conn_leg_is_over(h1);
        return true;
    case H1_BODY_FAILED:
        h1_conn_refuse_body(h1, h1->incoming->body.refusal, LEG_END_PROTOCOL);
        return false;
    case H1_BODY_MORE:
    default:
        return false;
    }
}

/* Behind a complete message. A client's next request waits its turn, and so does what may become a
 * tunnel's first bytes; from an origin it is what nobody asked for, and the connection is not used
 * again. */
static void h1_conn_receive_early(struct h1_conn *h1)
{
    h1->wants_close = h1->wants_close || h1->is_client;
    transport_pause_read(h1->conn.transport, TRANSPORT_PAUSE_PIPELINE);
}

static bool h1_conn_receive_some(struct h1_conn *h1, const unsigned char *bytes, size_t len,
                                 size_t *taken)
{
    h1->offered_bytes = (uint32_t)len;
    switch (h1->receive) {
    case H1_RECEIVE_HEAD:
        return h1->is_client ? h1_conn_receive_response(h1, bytes, len, taken)
                             : h1_conn_receive_request(h1, bytes, len, taken);
    case H1_RECEIVE_BODY:
        return h1_conn_receive_body(h1, bytes, len, taken);
    case H1_RECEIVE_DRAIN:
        return h1_conn_receive_drain(h1, bytes, len, taken);
    case H1_RECEIVE_ANSWER:
    case H1_RECEIVE_DONE:
    default:
        h1_conn_receive_early(h1);
        return false;
    }
}

static size_t h1_conn_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct h1_conn *h1 = owner;
    size_t taken = 0;
    bool goes_on = true;

    h1->is_in_data = true;
    while (goes_on && !h1->is_closed &&
           ((taken < len && !h1->is_paused && !h1->is_held) || h1_conn_body_is_whole(h1))) {
        size_t step = 0;

        goes_on = h1_conn_receive_some(h1, bytes + taken, len - taken, &step);
        taken += step;
    }
    h1->is_in_data = false;
    h1->offered_bytes = 0;
    if (h1->is_closed) {
        return len;
    }
    /* What is thrown away has one deadline for all of it (h1_conn_drain_body): nobody waits for its
     * progress. */
    if (h1->receive == H1_RECEIVE_BODY) {
        h1_conn_watch_body(h1);
    }
    return taken;
}

/* --- Between messages ------------------------------------------------------------------------- */

void h1_conn_leg_is_over(struct h1_conn *h1)
{
    struct transport *transport = h1->conn.transport;

    /* Bytes behind an origin's complete answer were not asked for (RFC 9112 9.2). */
    if (h1->is_client &&
        (h1->offered_bytes > 0 || (!h1->is_in_data && transport_unread_bytes(transport) > 0))) {
        h1->wants_close = true;
    }
    if (!h1_conn_is_reusable(h1)) {
        /* The last bytes of a tunnel may still be on their way out, to an origin as well. */
        h1_conn_close_later(h1, h1->is_client && h1->tunnel != H1_TUNNEL_OPEN ? H1_PART_NOW
                                                                              : H1_PART_LINGER);
        return;
    }
    h1_conn_give_arena(h1);
    h1->send = H1_SEND_HEAD;
    h1->is_paused = false;
    h1_conn_start_head(h1);
    h1_conn_watch_idle(h1);
    /* Who pipelines and does not read would pile up answers of our own without end. */
    h1->is_held = !h1->is_client && transport_is_above_high(transport);
    if (h1->is_held) {
        transport_pause_read(transport, TRANSPORT_PAUSE_PIPELINE);
        transport_resume_read(transport, TRANSPORT_PAUSE_LEG);
    } else {
        transport_resume_read(transport, TRANSPORT_PAUSE_LEG | TRANSPORT_PAUSE_PIPELINE);
    }
    if (h1->is_client) {
        /* Not before the turn ends: what the origin sent behind its answer shows up by then, and
         * the connection is gone before a request can be put on it. */
        loop_defer(h1->loop, &h1->later, h1->later.fn, h1);
    } else if (h1->conn.owner_ops->on_idle != NULL) {
        h1->conn.owner_ops->on_idle(h1->conn.owner, &h1->conn, true);
    }
}

void h1_conn_drain_body(struct h1_conn *h1)
{
    h1->receive = H1_RECEIVE_DRAIN;
    h1->drained_bytes = 0;
    h1->is_paused = false;
    h1_conn_watch_body(h1);
    transport_resume_read(h1->conn.transport, TRANSPORT_PAUSE_LEG);
}

/* --- The transport's other events ------------------------------------------------------------- */

/* FIN behind a complete request. Most who send it are gone; some only have no more to say and wait
 * for their answer. So the exchange goes on while the answer makes progress. */
static void h1_conn_on_half_closed(struct h1_conn *h1)
{
    h1->wants_close = true;
    h1->half_closed_sent_bytes = transport_sent_bytes(h1->conn.transport);
    h1_conn_set_deadline(h1, H1_DEADLINE_HALF_CLOSED, LIMIT_HALF_CLOSED_MS);
}

static void h1_conn_on_request_end(struct h1_conn *h1, bool is_clean)
{
    bool is_complete = h1->receive == H1_RECEIVE_DONE || h1->receive == H1_RECEIVE_ANSWER;

    if (is_complete && is_clean) {
        h1_conn_on_half_closed(h1);
    } else {
        h1_conn_break(h1, H1_PART_NOW, is_complete ? LEG_END_PEER_CLOSED : LEG_END_PEER_CUT_BODY,
                      NULL);
    }
}

static void h1_conn_on_response_end(struct h1_conn *h1, bool is_clean)
{
    switch (h1->receive) {
    case H1_RECEIVE_HEAD:
        /* Bytes of half a head count: such a request is not simply sent again. */
        h1->leg.wire_received_bytes += transport_unread_bytes(h1->conn.transport);
        h1_conn_break(h1, H1_PART_NOW, LEG_END_PEER_CLOSED, NULL);
        break;
    case H1_RECEIVE_BODY:
        if (!is_clean || !h1_body_may_end_here(&h1->incoming->body)) {
            h1_conn_break(h1, H1_PART_NOW, LEG_END_PEER_CUT_BODY, NULL);
            break;
        }
        h1->receive = H1_RECEIVE_DONE;
        h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
        h1->leg.handler->on_complete(h1->leg.owner, &h1->leg, NULL);
        break;
    case H1_RECEIVE_DONE:
    case H1_RECEIVE_DRAIN:
    case H1_RECEIVE_ANSWER:
    default:
        break; /* complete; the connection is not used again */
    }
}

static void h1_conn_on_end(void *owner, bool is_clean)
{
    struct h1_conn *h1 = owner;

    h1->is_peer_ended = true;
    if (!h1->is_leg_open) {
        /* Idle, in the middle of a head, or of a body that is thrown away. A peer that only ended
         * its own side may still be reading the last answer. */
        bool is_answer_leaving =
            h1->receive == H1_RECEIVE_DRAIN || transport_is_sending(h1->conn.transport);

        h1_conn_break(h1, is_answer_leaving ? H1_PART_LINGER : H1_PART_NOW, LEG_END_PEER_CLOSED,
                      NULL);
    } else if (h1->tunnel == H1_TUNNEL_OPEN) {
        /* Without close_notify too: many end TLS so behind their last words. What a tunnel carries knows
         * its own end, a Close frame, and a reset would take those words away. */
        h1_conn_end_tunnel_input(h1);
    } else if (h1->is_client) {
        h1_conn_on_response_end(h1, is_clean);
    } else {
        h1_conn_on_request_end(h1, is_clean);
    }
}

/* Of a response body (h1_leg_splice_body). */
static void h1_conn_on_spliced(void *owner, size_t len)
{
    struct h1_conn *h1 = owner;
    size_t taken = 0;

    if (!h1->is_leg_open || h1->is_leg_dead || h1->receive != H1_RECEIVE_BODY) {
        return;
    }
    h1_body_skip(&h1->incoming->body, len);
    h1->leg.wire_received_bytes += len;
    h1_conn_watch_body(h1);
    h1->leg.handler->on_body_spliced(h1->leg.owner, &h1->leg, len);
    if (!h1->is_closed && h1->is_leg_open && !h1->is_leg_dead && h1_conn_body_is_whole(h1)) {
        (void)h1_conn_receive_body(h1, (const unsigned char *)"", 0, &taken); /* its end */
    }
}

static void h1_conn_on_drained(void *owner)
{
    struct h1_conn *h1 = owner;

    if (h1->is_held) {
        h1->is_held = false;
        transport_resume_read(h1->conn.transport, TRANSPORT_PAUSE_PIPELINE);
    }
    if (h1->is_leg_open && !h1->is_leg_dead) {
        h1->leg.handler->on_drained(h1->leg.owner, &h1->leg);
    }
}

static void h1_conn_on_dead(void *owner, enum transport_end end)
{
    struct h1_conn *h1 = owner;

    h1->leg.wire_received_bytes +=
        h1->is_client && h1->is_leg_open && h1->receive == H1_RECEIVE_HEAD
            ? transport_unread_bytes(h1->conn.transport)
            : 0;
    h1_conn_break(h1, H1_PART_NOW,
                  end == TRANSPORT_END_WRITE_TIMEOUT ? LEG_END_WRITE_TIMEOUT : LEG_END_TRANSPORT,
                  NULL);
}

static const struct transport_handler h1_conn_transport_handler = {
    .on_data = h1_conn_on_data,
    .on_end = h1_conn_on_end,
    .on_drained = h1_conn_on_drained,
    .on_dead = h1_conn_on_dead,
    .on_spliced = h1_conn_on_spliced,
};

static void h1_conn_on_head_deadline(struct h1_conn *h1)
{
    static const struct refusal late = { 408, "request_header_timeout" }; /* LR-18 */
    size_t len;
    const unsigned char *bytes = transport_peek_unread(h1->conn.transport, &len);

    if (h1->is_client) {
        h1->leg.wire_received_bytes += len;
        h1_conn_break(h1, H1_PART_NOW, LEG_END_BODY_TIMEOUT, "response_header_timeout");
    } else if (bytes == NULL || h1->incoming == NULL ||
               h1_head_is_untouched(&h1->incoming->parser, len)) {
        h1_conn_break(h1, H1_PART_NOW, LEG_END_PEER_CLOSED, NULL);
    } else {
        h1_conn_refuse_partial(h1, &late, bytes);
    }
}

static void h1_conn_on_deadline(void *arg)
{
    struct h1_conn *h1 = arg;
    struct transport *transport = h1->conn.transport;

    switch (h1->deadline) {
    case H1_DEADLINE_HEAD:
        h1_conn_on_head_deadline(h1);
        break;
    case H1_DEADLINE_BODY:
        h1_conn_refuse_body(h1, (struct refusal){ 408, "request_overall_timeout" },
                            LEG_END_BODY_TIMEOUT);
        break;
    case H1_DEADLINE_HALF_CLOSED:
        if (transport_sent_bytes(transport) != h1->half_closed_sent_bytes ||
            transport_is_sending(transport)) {
            h1_conn_on_half_closed(h1);
            break;
        }
        h1_conn_break(h1, H1_PART_NOW, LEG_END_PEER_CLOSED, NULL);
        break;
    case H1_DEADLINE_IDLE:
    case H1_DEADLINE_NONE:
    default:
        /* Nothing is under way: closed without a word. A request may be on its way to a server, which
         * lets its client see an orderly end (close_notify through TLS, no reset). */
        h1_conn_break(h1, h1->is_client ? H1_PART_NOW : H1_PART_LINGER, LEG_END_PEER_CLOSED, NULL);
        break;
    }
}

/* --- What the owner asks ---------------------------------------------------------------------- */

static struct leg *h1_conn_open_leg(struct conn *conn, const struct leg_handler *handler,
                                    void *owner)
{
    struct h1_conn *h1 = h1_conn_of(conn);

    if (!h1->is_client || h1->is_closed || h1->is_leg_open || !h1_conn_is_reusable(h1)) {
        return NULL;
    }
    h1_conn_set_deadline(h1, H1_DEADLINE_NONE, 0);
    h1_conn_prepare_parser(h1);
    h1_leg_open(h1);
    h1->leg_opened_turn = loop_turn_count(h1->loop);
    h1->leg.handler = handler;
    h1->leg.owner = owner;
    return &h1->leg;
}

static void h1_conn_drain(struct conn *conn)
{
    struct h1_conn *h1 = h1_conn_of(conn);

    h1->is_draining = true;
    if (h1->is_closed || h1->is_leg_open) {
        return;
    }
    if (h1->receive == H1_RECEIVE_HEAD && h1->deadline != H1_DEADLINE_HEAD) {
        /* A request may be on its way: the lingering close lets the client see an orderly end. */
        h1_conn_close_later(h1, h1->is_client ? H1_PART_NOW : H1_PART_LINGER);
    }
}

static void h1_conn_close(struct conn *conn)
{
    struct h1_conn *h1 = h1_conn_of(conn);

    if (h1->is_told) {
        return;
    }
    h1->is_told = true;
    if (h1->is_closed) {
        loop_defer_cancel(&h1->later);
        h1_conn_reap(h1);
        return;
    }
    h1_conn_part(h1, h1->is_leg_open && h1->send == H1_SEND_BODY ? H1_PART_RESET : H1_PART_NOW);
    if (!h1->is_leg_open) {
        h1_conn_reap(h1);
        return;
    }
    h1_conn_end_leg(h1, LEG_END_DRAIN, NULL);
}

static const struct conn_ops h1_conn_ops = {
    .open_leg = h1_conn_open_leg,
    .drain = h1_conn_drain,
    .close = h1_conn_close,
};

static struct conn *h1_conn_new(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner, bool is_client)
{
    struct h1_conn *h1 = mem_new(struct h1_conn);

    h1->conn = (struct conn){
        .ops = &h1_conn_ops,
        .owner_ops = owner_ops,
        .owner = owner,
        .transport = transport,
        .version = HTTP_VERSION_1_1,
    };
    h1->loop = transport_loop(transport);
    h1->limits = (struct h1_limits){
        .max_header_bytes = (uint32_t)limits->max_header_bytes,
        .max_headers = (uint32_t)limits->max_headers,
        .header_timeout_ms = limits->header_timeout_ms,
        .header_spent_ms = limits->header_spent_ms,
        .body_timeout_ms = limits->body_timeout_ms,
        .idle_timeout_ms = limits->idle_timeout_ms,
    };
    h1->is_client = is_client;
    h1->later.fn = h1_conn_on_later;
    timer_init(&h1->timer, h1_conn_on_deadline, h1);
    h1_conn_start_head(h1);
    h1_conn_watch_idle(h1);
    transport_set_write_timeout(transport, limits->write_timeout_ms);
    transport_set_handler(transport, &h1_conn_transport_handler, h1);
    return &h1->conn;
}

struct conn *h1_conn_new_server(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner)
{
    return h1_conn_new(transport, limits, owner_ops, owner, false);
}

struct conn *h1_conn_new_client(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner)
{
    return h1_conn_new(transport, limits, owner_ops, owner, true);
}
