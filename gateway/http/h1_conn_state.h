/* h1_conn_state: what h1_conn.c (the connection: life, deadlines, receiving) and h1_leg.c (its leg:
 * sending, giving up, letting go) share. For these two files only.
 *
 *              server role                                   client role
 *
 *   HEAD ──────▶ BODY ──▶ DONE                    (open_leg) HEAD ──────▶ BODY ──▶ DONE
 *    ▲   request   │        │ leg released          ▲  response             │        │ leg released
 *    │             ▼        │                       │                                ▼
 *    └────────── DRAIN ◀────┴─▶ HEAD, or close      └──────────────── idle, or close when in doubt
 *      answered early: the rest
 *      of the body is thrown away
 *
 * An upgrade (RFC 9110 7.8): the server role waits in ANSWER, what comes behind the request stays
 * unread. A 101 takes both roles to BODY, now a tunnel's bytes; another answer is an answer as any.
 */
#ifndef GATEWAY_HTTP_H1_CONN_STATE_H
#define GATEWAY_HTTP_H1_CONN_STATE_H

#include "gateway/http/conn.h"
#include "gateway/http/h1_parse.h"

/* What arrives. */
enum h1_receive {
    H1_RECEIVE_HEAD,
    H1_RECEIVE_BODY,
    H1_RECEIVE_DONE,
    H1_RECEIVE_DRAIN,  /* server role: a body nobody waits for any more */
    H1_RECEIVE_ANSWER, /* server role: what comes next depends on the answer to an upgrade */
};

/* What leaves. */
enum h1_send {
    H1_SEND_HEAD,
    H1_SEND_BODY,
    H1_SEND_DONE,
};

/* Bytes of another protocol: asked for by the request, open since the 101. */
enum h1_tunnel {
    H1_TUNNEL_NONE,
    H1_TUNNEL_ASKED,
    H1_TUNNEL_OPEN,
};

/* What the one timer waits for. */
enum h1_deadline {
    H1_DEADLINE_NONE,
    H1_DEADLINE_IDLE,
    H1_DEADLINE_HEAD,
    H1_DEADLINE_BODY,
    H1_DEADLINE_HALF_CLOSED,
};

/* How to part from the transport. */
enum h1_parting {
    H1_PART_NOW,
    H1_PART_LINGER, /* what was written must be read */
    H1_PART_RESET,  /* what was written must not be taken for complete */
};

/* Of the message that is arriving. In the connection's arena: an idle connection has none. */
struct h1_incoming {
    struct h1_head_parser parser;
    struct h1_body body;
};

/* Of struct conn_limits what is needed after the start, half as large. */
struct h1_limits {
    uint32_t max_header_bytes;
    uint32_t max_headers;
    uint32_t header_timeout_ms;
    uint32_t header_spent_ms;
    uint32_t body_timeout_ms;
    uint32_t idle_timeout_ms;
};

struct h1_conn {
    struct conn conn; /* first: the interface */
    struct leg leg;
    struct loop *loop;
    struct arena *arena; /* the loop's, for one message each way; NULL while idle */
    struct timer timer;
    struct deferred later; /* tells on_closed or on_idle at the end of the turn */
    struct h1_limits limits;
    struct h1_incoming *incoming; /* NULL: nothing of it was seen */
    struct str asked_upgrade;     /* client role, with H1_TUNNEL_ASKED */
    struct head *head;            /* in the arena: request received, or response under way */
    uint64_t send_left;           /* with BODY_LENGTH */
    union {
        uint64_t leg_opened_turn;        /* client role: loop_turn_count() */
        uint64_t half_closed_sent_bytes; /* server role */
    };
    uint32_t drained_bytes; /* little more than LIMIT_LINGER_BYTES */
    uint32_t offered_bytes; /* inside on_data: those behind what is being dealt with */
    /* A byte or a bit each: there are many idle connections. */
    enum h1_receive receive : 8;
    enum h1_send send : 8;
    enum h1_tunnel tunnel : 8;
    enum h1_deadline deadline : 8;
    enum http_method method : 8;
    enum body_framing send_framing : 8;
    uint16_t interim_count;
    bool is_client : 1;
    bool is_in_data : 1;
    bool is_leg_open : 1;
    bool
        is_leg_dead : 1; /* on_end was called or abort asked for: nothing more to or from the exchange
                       */
    bool is_closed : 1; /* the transport is gone */
    bool is_told : 1;   /* the owner knows, or let go by itself */
    bool is_reaped : 1;
    bool is_draining : 1;
    bool is_paused : 1;
    bool
        is_held : 1; /* server role: the next request waits until the answers before it have left */
    bool is_peer_ended : 1;
    bool wants_close : 1;          /* one of both sides: no further message on this connection */
    bool is_awaiting_continue : 1; /* the client may hold its body back until a 100 */
};

/* Both files. */
extern const struct leg_ops h1_leg_ops;
/* Lets go of the transport; the leg and the owner are not told. */
void h1_conn_part(struct h1_conn *h1, enum h1_parting parting);
/* The owner hears on_closed at the end of the turn: for what began in a call from the exchange. */
void h1_conn_close_later(struct h1_conn *h1, enum h1_parting parting);
/* The leg was released and both messages are complete. */
void h1_conn_leg_is_over(struct h1_conn *h1);
/* The leg was released and the rest of the request body is to be thrown away. */
void h1_conn_drain_body(struct h1_conn *h1);
/* A 101 came or is on its way out: from here on both sides carry bytes until each of them ends. */
void h1_conn_begin_tunnel(struct h1_conn *h1);
/* Arms or disarms the deadline between two reads of a body. */
void h1_conn_watch_body(struct h1_conn *h1);
void h1_conn_reap(struct h1_conn *h1);
void h1_leg_open(struct h1_conn *h1);

#endif
