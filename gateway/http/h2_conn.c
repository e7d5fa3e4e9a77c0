/* h2_conn: an HTTP/2 connection in either role: its life, its deadlines, and what its owner asks of it.
 * What arrives is in h2_frame.c and h2_receive.c, what leaves in h2_send.c, a stream as an exchange sees it
 * in h2_leg.c.
 *
 * Owned by itself: it goes when its transport is gone, its owner knows and its legs were released. One
 * loop's. Any callback may release legs, close the connection or open the next leg, so after each one the
 * state is looked at anew; memory stays until the turn ends. */
#include "gateway/http/h2_conn.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "gateway/http/h2_conn_state.h"

#include <nghttp2/nghttp2.h>

static struct h2_conn *h2_conn_of(struct conn *conn)
{
    return (struct h2_conn *)conn;
}

/* --- Life ------------------------------------------------------------------------------------- */

static void h2_conn_free_legs(struct list *legs)
{
    struct list *link;

    while ((link = list_first(legs)) != NULL) {
        h2_leg_free(list_object(link, struct h2_leg, link));
    }
}

static void h2_conn_free(void *memory)
{
    struct h2_conn *h2 = memory;

    nghttp2_session_del(h2->session);
    h2_memory_trim(&h2->memory);
    h2_conn_free_legs(&h2->live);
    h2_conn_free_legs(&h2->shadows);
    h2_conn_free_legs(&h2->over);
    h2_conn_free_legs(&h2->spares);
    text_cleanup(&h2->outbox);
    mem_free(h2);
}

void h2_conn_reap(struct h2_conn *h2)
{
    if (h2->is_closed && h2->is_told && h2->leg_count == 0 && !h2->is_reaped) {
        h2->is_reaped = true;
        loop_defer_cancel(&h2->later);
        loop_reap(h2->loop, h2, h2_conn_free);
    }
}

/* The library's streams are gone with the transport: legs nobody holds are over. */
static void h2_conn_strand_legs(struct h2_conn *h2, struct list *legs)
{
    (void)h2;
    LIST_EACH (legs, link) {
        h2_leg_leave_wire(list_object(link, struct h2_leg, link));
    }
}

static void h2_conn_part(struct h2_conn *h2, enum h2_parting parting)
{
    h2_send_flush(h2);
    h2->is_closed = true;
    timer_cancel(&h2->timer);
    timer_cancel(&h2->drain_timer);
    timer_cancel(&h2->ping_timer);
    if (parting == H2_PART_LINGER) {
        transport_linger_close(h2->conn.transport);
    } else {
        transport_close(h2->conn.transport);
    }
    h2_conn_strand_legs(h2, &h2->live);
    h2_conn_strand_legs(h2, &h2->shadows);
}

static void h2_conn_tell_closed(struct h2_conn *h2)
{
    if (!h2->is_told) {
        h2->is_told = true;
        h2->conn.owner_ops->on_closed(h2->conn.owner, &h2->conn);
    }
    h2_conn_reap(h2);
}

static void h2_conn_end_leg(struct h2_leg *leg, enum leg_end end, const char *detail)
{
    bool is_client = leg->h2->is_client;
    bool is_answered = is_client ? leg->is_head_received : true;

    if (end == LEG_END_PEER_CLOSED && is_answered && !leg->is_peer_done) {
        end = LEG_END_PEER_CUT_BODY;
    }
    h2_leg_end(leg, end, detail);
}

/* All of these hear it, but for those whose answer is here in full: they may still have to be given it. */
static void h2_conn_end_legs(struct h2_conn *h2, enum leg_end end, const char *detail)
{
    struct list complete;
    struct list *link;

    list_init(&complete);
    while ((link = list_first(&h2->live)) != NULL) {
        struct h2_leg *leg = list_object(link, struct h2_leg, link);

        if (h2->is_client && leg->is_peer_done && leg->is_head_received) {
            list_remove(link);
            list_push_back(&complete, link);
            h2_leg_note(leg, H2_EVENT_RECEIVE);
            h2_leg_note(leg, H2_EVENT_DRAINED);
        } else {
            h2_conn_end_leg(leg, end, detail);
        }
    }
    while ((link = list_first(&complete)) != NULL) {
        list_remove(link);
        list_push_back(&h2->live, link);
    }
}

void h2_conn_break(struct h2_conn *h2, enum h2_parting parting, enum leg_end end,
                   const char *detail)
{
    const struct conn_owner *owner_ops = h2->conn.owner_ops;

    if (h2->is_closed) {
        return;
    }
    h2_conn_part(h2, parting);
    h2_conn_end_legs(h2, end, detail);
    if (h2->violation != NULL && owner_ops->on_violation != NULL && !h2->is_told) {
        owner_ops->on_violation(h2->conn.owner, &h2->conn, h2->violation);
    }
    h2_conn_tell_closed(h2);
}

void h2_conn_later(struct h2_conn *h2)
{
    if (!h2->is_reaped) {
        loop_defer(h2->loop, &h2->later, h2->later.fn, h2);
    }
}

/* --- Violations ------------------------------------------------------------------------------- */

void h2_conn_blame(struct h2_conn *h2, const char *reason, uint32_t code)
{
    if (h2->violation == NULL) {
        h2->violation = reason;
        h2->violation_code = code;
        h2_conn_later(h2);
    }
}

bool h2_conn_count(struct h2_conn *h2, enum h2_deed deed)
{
    if (h2_guard_count(&h2->guard, deed, now_mono_ms())) {
        return true;
    }
    h2_conn_blame(h2, h2_guard_reason(deed), NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
}

bool h2_conn_punish(struct h2_conn *h2)
{
    if (h2->is_closed || h2->violation == NULL) {
        return h2->is_closed;
    }
    if (!h2->is_goaway_sent) {
        h2_send_goaway(h2, h2->violation_code, h2->violation);
    }
    h2_conn_break(h2, H2_PART_LINGER, LEG_END_PROTOCOL, h2->violation);
    return true;
}

/* --- Idle, draining --------------------------------------------------------------------------- */

/* Client role: may a stream be opened, now or when others have ended? */
static bool h2_conn_is_reusable(const struct h2_conn *h2)
{
    return !h2->is_closed && !h2->is_draining && !h2->is_peer_leaving && h2->violation == NULL &&
           nghttp2_session_check_request_allowed(h2->session) != 0;
}

static bool h2_conn_is_leaving(const struct h2_conn *h2)
{
    return h2->is_client ? !h2_conn_is_reusable(h2) : h2->is_draining || h2->is_peer_leaving;
}

/* The second GOAWAY (RFC 9113 6.8): what the peer sends after this it must send elsewhere. */
static void h2_conn_send_last_goaway(struct h2_conn *h2)
{
    if (!h2->is_goaway_sent) {
        h2->is_goaway_sent = true;
        /* Memory only. */
        (void)nghttp2_submit_goaway(h2->session, NGHTTP2_FLAG_NONE,
                                    nghttp2_session_get_last_proc_stream_id(h2->session),
                                    NGHTTP2_NO_ERROR, NULL, 0);
        h2_conn_later(h2);
    }
}

/* No leg is open and none will be. The owner is told at the end of the turn. */
static void h2_conn_say_goodbye(struct h2_conn *h2)
{
    h2_conn_send_last_goaway(h2);
    h2_send_pack(h2);
    h2_conn_part(h2, h2->is_client ? H2_PART_NOW : H2_PART_LINGER);
    h2_conn_later(h2);
}

static void h2_conn_check_idle(struct h2_conn *h2)
{
    if (h2->leg_count > 0 || h2->is_closed) {
        return;
    }
    if (h2_conn_is_leaving(h2)) {
        h2_conn_say_goodbye(h2);
        return;
    }
    if (h2->deadline == H2_DEADLINE_NONE) {
        h2_conn_set_deadline(h2, H2_DEADLINE_IDLE_MEMORY);
    }
    if (h2->is_busy) {
        h2->is_busy = false;
        if (h2->conn.owner_ops->on_idle != NULL) {
            h2->conn.owner_ops->on_idle(h2->conn.owner, &h2->conn, true);
        }
    }
}

static void h2_conn_check_room(struct h2_conn *h2)
{
    if (h2->is_room_due && !h2->is_closed) {
        h2->is_room_due = false;
        if (h2->conn.owner_ops->on_room != NULL) {
            h2->conn.owner_ops->on_room(h2->conn.owner, &h2->conn);
        }
    }
}

/* At the end of a turn: what was noted is told, then all frames leave together. */
static void h2_conn_on_later(void *arg)
{
    struct h2_conn *h2 = arg;

    (void)h2_conn_punish(h2);
    h2_leg_tell_events(h2);
    h2_send_pack_now(h2);
    if (!h2->is_closed) {
        h2_send_flush(h2);
        h2_leg_tell_events(h2); /* what packing has brought up */
    }
    (void)h2_conn_punish(h2);
    h2_leg_recycle(h2);
    h2_conn_check_room(h2);
    h2_conn_check_idle(h2);
    if (h2->is_closed) {
        h2_conn_tell_closed(h2);
    }
}

static void h2_conn_drain(struct conn *conn)
{
    struct h2_conn *h2 = h2_conn_of(conn);

    if (h2->is_draining || h2->is_closed) {
        return;
    }
    h2->is_draining = true;
    if (h2->is_client) {
        h2_conn_later(h2); /* closes once no leg is open */
        return;
    }
    (void)nghttp2_submit_shutdown_notice(h2->session); /* memory only; the first GOAWAY (HR-5) */
    if (h2->leg_count == 0) {
        h2_conn_say_goodbye(h2);
    } else if (h2->limits.drain_grace_ms == 0) {
        h2_conn_send_last_goaway(h2);
    } else {
        timer_arm(h2->loop, &h2->drain_timer, h2->limits.drain_grace_ms);
        h2_conn_later(h2);
    }
}

static void h2_conn_on_drain_grace(void *arg)
{
    h2_conn_send_last_goaway(arg);
}

static void h2_conn_close(struct conn *conn)
{
    struct h2_conn *h2 = h2_conn_of(conn);

    if (h2->is_told) {
        return;
    }
    h2->is_told = true;
    if (!h2->is_closed) {
        if (!h2->is_goaway_sent) {
            h2_send_goaway(h2, NGHTTP2_NO_ERROR, NULL); /* as far as the kernel takes it */
        }
        h2_conn_part(h2, H2_PART_NOW);
        struct list *link;
        while ((link = list_first(&h2->live)) != NULL) {
            h2_leg_end(list_object(link, struct h2_leg, link), LEG_END_DRAIN, NULL);
        }
    }
    h2_conn_reap(h2);
}

/* --- Deadlines -------------------------------------------------------------------------------- */

static uint32_t h2_conn_deadline_ms(const struct h2_conn *h2, enum h2_deadline deadline)
{
    uint32_t idle_ms = h2->limits.idle_timeout_ms;

    switch (deadline) {
    case H2_DEADLINE_PREFACE:
    case H2_DEADLINE_BLOCK:
        return h2->limits.header_timeout_ms;
    case H2_DEADLINE_IDLE_MEMORY:
        return idle_ms == 0 || idle_ms > LIMIT_IDLE_ARENA_MS ? LIMIT_IDLE_ARENA_MS : idle_ms;
    case H2_DEADLINE_IDLE:
        return idle_ms > LIMIT_IDLE_ARENA_MS ? idle_ms - LIMIT_IDLE_ARENA_MS : idle_ms;
    case H2_DEADLINE_NONE:
    default:
        return 0;
    }
}

/* 0 ms: no deadline. */
void h2_conn_set_deadline(struct h2_conn *h2, enum h2_deadline deadline)
{
    uint32_t delay_ms = h2_conn_deadline_ms(h2, deadline);

    h2->deadline = deadline;
    if (delay_ms == 0) {
        timer_cancel(&h2->timer);
    } else {
        timer_arm(h2->loop, &h2->timer, delay_ms);
    }
}

/* Half a header block: no other stream can move before it is whole, and it is late. */
static void h2_conn_on_late_block(struct h2_conn *h2)
{
    static const struct refusal late = { 408, "request_header_timeout" }; /* spec LR-18 */

    if (!h2->is_client && h2->conn.owner_ops->on_refused != NULL) {
        h2->conn.owner_ops->on_refused(h2->conn.owner, &h2->conn, late.status, late.detail, NULL);
    }
    if (h2->is_closed) {
        return;
    }
    h2_send_goaway(h2, NGHTTP2_NO_ERROR, late.detail);
    h2_conn_break(h2, H2_PART_LINGER, LEG_END_PROTOCOL, late.detail);
}

static void h2_conn_on_idle_deadline(struct h2_conn *h2)
{
    h2_conn_send_last_goaway(h2);
    h2_send_pack(h2);
    h2_conn_break(h2, h2->is_client ? H2_PART_NOW : H2_PART_LINGER, LEG_END_PEER_CLOSED, NULL);
}

static void h2_conn_on_deadline(void *arg)
{
    struct h2_conn *h2 = arg;

    switch (h2->deadline) {
    case H2_DEADLINE_PREFACE:
        h2_conn_break(h2, H2_PART_LINGER, LEG_END_PEER_CLOSED, NULL);
        break;
    case H2_DEADLINE_BLOCK:
        h2_conn_on_late_block(h2);
        break;
    case H2_DEADLINE_IDLE_MEMORY:
        if (h2->limits.idle_timeout_ms > 0 && h2->limits.idle_timeout_ms <= LIMIT_IDLE_ARENA_MS) {
            h2_conn_on_idle_deadline(h2);
            break;
        }
        h2_conn_free_legs(&h2->spares);
        h2->spare_count = 0;
        h2_memory_trim(&h2->memory);
        text_cleanup(&h2->outbox);
        h2_conn_set_deadline(h2, H2_DEADLINE_IDLE);
        break;
    case H2_DEADLINE_IDLE:
    case H2_DEADLINE_NONE:
    default:
        h2_conn_on_idle_deadline(h2);
        break;
    }
}

/* After a read: a block that is not whole has so long from here on, however its bytes come. */
static void h2_conn_watch_block(struct h2_conn *h2)
{
    if (h2->is_in_block && h2->deadline != H2_DEADLINE_BLOCK) {
        h2_conn_set_deadline(h2, H2_DEADLINE_BLOCK);
    }
}

void h2_conn_end_block(struct h2_conn *h2)
{
    if (h2->deadline == H2_DEADLINE_BLOCK) {
        h2_conn_set_deadline(
            h2, H2_DEADLINE_NONE); /* whoever is idle is looked for at the turn's end */
    }
}

void h2_conn_on_peer_settings(struct h2_conn *h2)
{
    if (h2->deadline == H2_DEADLINE_PREFACE) {
        h2_conn_set_deadline(h2, H2_DEADLINE_NONE);
    }
    h2->has_peer_settings = true;
    h2->is_room_due = h2->is_client;
    h2_conn_later(h2);
}

/* --- PING of ours (http2KeepAlive) ------------------------------------------------------------ */

static void h2_conn_ping(struct h2_conn *h2, uint32_t timeout_ms)
{
    h2->is_awaiting_pong = true;
    h2->ping_received_bytes = transport_received_bytes(h2->conn.transport);
    (void)nghttp2_submit_ping(h2->session, NGHTTP2_FLAG_NONE, NULL); /* memory only */
    timer_arm(h2->loop, &h2->ping_timer, timeout_ms);
    h2_conn_later(h2);
}

static void h2_conn_on_ping_timer(void *arg)
{
    struct h2_conn *h2 = arg;
    uint32_t timeout_ms = h2->limits.ping_timeout_ms;

    if (!h2->is_awaiting_pong) {
        h2_conn_ping(h2, timeout_ms > 0 ? timeout_ms : h2->limits.ping_interval_ms);
    } else if (transport_received_bytes(h2->conn.transport) > h2->ping_received_bytes) {
        /* Any byte is a sign of life: our PING may wait behind much that the peer takes slowly. */
        h2_conn_on_pong(h2);
    } else {
        h2_conn_break(h2, H2_PART_NOW, LEG_END_TRANSPORT, "http2.ping_timeout");
    }
}

void h2_conn_doubt(struct h2_conn *h2, uint64_t received_bytes)
{
    uint64_t now_ms = now_mono_ms();
    bool was_doubted = h2->doubted_ms != 0 && now_ms - h2->doubted_ms < LIMIT_H2_DOUBT_INTERVAL_MS;

    if (h2->is_closed || h2->is_awaiting_pong || was_doubted ||
        transport_received_bytes(h2->conn.transport) != received_bytes) {
        return;
    }
    h2->doubted_ms = now_ms;
    h2_conn_ping(h2, LIMIT_H2_DOUBT_MS);
}

void h2_conn_on_pong(struct h2_conn *h2)
{
    if (h2->is_awaiting_pong) {
        h2->is_awaiting_pong = false;
        timer_cancel(&h2->ping_timer);
        if (h2->limits.ping_interval_ms > 0) {
            timer_arm(h2->loop, &h2->ping_timer, h2->limits.ping_interval_ms);
        }
    }
}

/* --- The transport's events ------------------------------------------------------------------- */

static size_t h2_conn_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct h2_conn *h2 = owner;

    h2_receive(h2, bytes, len);
    if (!h2->is_closed) {
        h2_conn_watch_block(h2);
        h2_conn_later(h2);
    }
    return len;
}

static void h2_conn_on_end(void *owner, bool is_clean)
{
    struct h2_conn *h2 = owner;

    (void)is_clean; /* a message's end is END_STREAM: none can be cut unseen */
    h2_send_pack(h2);
    h2_conn_break(h2, h2->is_client ? H2_PART_NOW : H2_PART_LINGER, LEG_END_PEER_CLOSED, NULL);
}

static void h2_conn_on_drained(void *owner)
{
    struct h2_conn *h2 = owner;

    h2->is_send_blocked = false;
    h2_conn_later(h2);
}

static void h2_conn_on_dead(void *owner, enum transport_end end)
{
    h2_conn_break(owner, H2_PART_NOW,
                  end == TRANSPORT_END_WRITE_TIMEOUT ? LEG_END_WRITE_TIMEOUT : LEG_END_TRANSPORT,
                  NULL);
}

static const struct transport_handler h2_conn_transport_handler = {
    .on_data = h2_conn_on_data,
    .on_end = h2_conn_on_end,
    .on_drained = h2_conn_on_drained,
    .on_dead = h2_conn_on_dead,
};

/* --- What the owner asks ---------------------------------------------------------------------- */

/* Before its SETTINGS came: 100, as the library assumes. */
uint32_t h2_conn_peer_max_streams(const struct conn *conn)
{
    return nghttp2_session_get_remote_settings(((const struct h2_conn *)conn)->session,
                                               NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
}

static uint32_t h2_conn_max_streams(const struct h2_conn *h2)
{
    uint32_t ours = h2->limits.max_streams == 0 ? UINT32_MAX : h2->limits.max_streams;
    uint32_t theirs = h2_conn_peer_max_streams(&h2->conn);

    return ours < theirs ? ours : theirs;
}

uint32_t h2_conn_stream_limit(const struct h2_conn *h2)
{
    return h2->limits.max_streams > 0 ? h2->limits.max_streams : DEFAULT_MAX_STREAMS;
}

static struct leg *h2_conn_open_leg(struct conn *conn, const struct leg_handler *handler,
                                    void *owner)
{
    struct h2_conn *h2 = h2_conn_of(conn);

    if (!h2_conn_has_room(conn)) {
        return NULL;
    }
    struct h2_leg *leg = h2_leg_new(h2);

    leg->leg.handler = handler;
    leg->leg.owner = owner;
    leg->opened_received_bytes = transport_received_bytes(conn->transport);
    h2_leg_hold(leg);
    return &leg->leg;
}

size_t h2_conn_leg_count(const struct conn *conn)
{
    return ((const struct h2_conn *)conn)->leg_count;
}

bool h2_conn_has_room(const struct conn *conn)
{
    const struct h2_conn *h2 = (const struct h2_conn *)conn;

    return h2->is_client && h2_conn_is_reusable(h2) && h2->leg_count < h2_conn_max_streams(h2);
}

bool h2_conn_has_peer_settings(const struct conn *conn)
{
    return ((const struct h2_conn *)conn)->has_peer_settings;
}

bool h2_conn_peer_takes_tunnels(const struct conn *conn)
{
    const struct h2_conn *h2 = (const struct h2_conn *)conn;

    return h2->is_client && nghttp2_session_get_remote_settings(
                                h2->session, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL) == 1;
}

enum h2_preface h2_conn_find_preface(const unsigned char *bytes, size_t len)
{
    size_t common = len < NGHTTP2_CLIENT_MAGIC_LEN ? len : NGHTTP2_CLIENT_MAGIC_LEN;

    if (common > 0 && memcmp(bytes, NGHTTP2_CLIENT_MAGIC, common) != 0) {
        return H2_PREFACE_NO;
    }
    return common < NGHTTP2_CLIENT_MAGIC_LEN ? H2_PREFACE_MORE : H2_PREFACE_YES;
}

const char *h2_conn_library_version(void)
{
    return nghttp2_version(0)->version_str;
}

static const struct conn_ops h2_conn_ops = {
    .open_leg = h2_conn_open_leg,
    .drain = h2_conn_drain,
    .close = h2_conn_close,
};

static struct conn *h2_conn_new(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner, bool is_client)
{
    struct h2_conn *h2 = mem_new(struct h2_conn);

    h2->conn = (struct conn){
        .ops = &h2_conn_ops,
        .owner_ops = owner_ops,
        .owner = owner,
        .transport = transport,
        .version = HTTP_VERSION_2,
    };
    h2->loop = transport_loop(transport);
    h2->limits = *limits;
    h2->is_client = is_client;
    h2->frame.preface_left = is_client ? 0 : H2_PREFACE_BYTES;
    h2->later.fn = h2_conn_on_later;
    list_init(&h2->live);
    list_init(&h2->shadows);
    list_init(&h2->over);
    list_init(&h2->spares);
    list_init(&h2->events);
    list_init(&h2->fresh);
    timer_init(&h2->timer, h2_conn_on_deadline, h2);
    timer_init(&h2->drain_timer, h2_conn_on_drain_grace, h2);
    timer_init(&h2->ping_timer, h2_conn_on_ping_timer, h2);
    h2_session_start(h2);
    h2_conn_set_deadline(h2, H2_DEADLINE_PREFACE);
    if (is_client && limits->ping_interval_ms > 0) {
        timer_arm(h2->loop, &h2->ping_timer, limits->ping_interval_ms);
    }
    transport_set_write_timeout(transport, limits->write_timeout_ms);
    transport_set_handler(transport, &h2_conn_transport_handler, h2);
    h2_conn_later(h2); /* SETTINGS leave with what is asked for in this turn */
    return &h2->conn;
}

struct conn *h2_conn_new_server(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner)
{
    return h2_conn_new(transport, limits, owner_ops, owner, false);
}

struct conn *h2_conn_new_client(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner)
{
    return h2_conn_new(transport, limits, owner_ops, owner, true);
}
