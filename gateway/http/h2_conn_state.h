/* h2_conn_state: what the files of an HTTP/2 connection share. For these files only:
 *   h2_conn.c     its life and deadlines, and what its owner asks
 *   h2_session.c  the library's session: its options, our SETTINGS
 *   h2_frame.c    what arrives, frame by frame: each is judged by its header
 *   h2_receive.c  what the library finds in a frame, and what comes of it
 *   h2_send.c     what leaves: heads, bodies, answers of our own, one packing of frames a turn
 *   h2_leg.c      a stream as an exchange uses it
 *   h2_queue.c    its body on the way out
 *   h2_memory.c   the library's memory, kept for the next stream
 *
 * The library never calls an exchange. It is given one frame at a time; its callbacks note what they found
 * (struct h2_found, the list of events), and it is acted on when the library has returned. So an exchange
 * may do anything in any of its callbacks, and nothing of ours runs inside the library but note-taking. */
#ifndef GATEWAY_HTTP_H2_CONN_STATE_H
#define GATEWAY_HTTP_H2_CONN_STATE_H

#include "gateway/http/conn.h"
#include "gateway/http/h2_guard.h"
#include "gateway/http/h2_head.h"
#include "gateway/http/h2_memory.h"
#include "gateway/http/h2_queue.h"

struct nghttp2_session;
struct nghttp2_session_callbacks;

enum {
    H2_FRAME_HEADER_BYTES = 9,
    H2_PREFACE_BYTES = 24,
    /* Of the streams of a client that are gone: how they went is known for so many ids back. */
    H2_CLOSED_WINDOW = 256,
};

/* How a stream of the client went (RFC 9113 5.1, "closed"): decides what a late frame means. */
enum h2_closed {
    H2_CLOSED_SKIPPED,  /* never opened, and closed by a higher id */
    H2_CLOSED_BY_US,    /* reset by us, or not taken: the client may not know yet */
    H2_CLOSED_BY_RESET, /* reset by the client */
    H2_CLOSED_COMPLETE, /* both sides said END_STREAM */
};

/* What the conn's timer waits for. */
enum h2_deadline {
    H2_DEADLINE_NONE,
    H2_DEADLINE_PREFACE, /* the peer's first SETTINGS */
    H2_DEADLINE_BLOCK,   /* the end of a header block: nothing else can be sent meanwhile */
    H2_DEADLINE_IDLE_MEMORY,
    H2_DEADLINE_IDLE,
};

/* How to part from the transport. */
enum h2_parting {
    H2_PART_NOW,
    H2_PART_LINGER, /* what was written, a GOAWAY above all, must be read */
};

/* Where our side of a stream stands, as the exchange has handed it in. */
enum h2_send {
    H2_SEND_HEAD,
    H2_SEND_BODY,
    H2_SEND_DONE,
};

enum h2_event {
    H2_EVENT_RECEIVE = 1, /* held bytes may be delivered */
    H2_EVENT_DRAINED = 2,
    H2_EVENT_END = 4,     /* leg->end, leg.end_detail */
    H2_EVENT_WAITING = 8, /* for us: bytes were handed in, and may have been packed since */
};

struct h2_leg {
    struct leg leg; /* first: the interface */
    struct h2_conn *h2;
    struct list link;  /* in one of the conn's lists: live, shadows, over, spares */
    struct list noted; /* in the conn's events, while `events` is not 0 */
    struct arena *arena;
    struct head *head;     /* in the arena: the request received, or the newest response head */
    struct head *trailers; /* in the arena; NULL: none */
    struct headers *out_trailers;
    struct h2_head_reader reader;
    struct evbuffer *in; /* arrived and not delivered: the leg is paused, or a tunnel not open */
    struct h2_queue out; /* handed in and not packed into frames */
    struct timer body_timer;
    struct timer write_timer;
    uint64_t send_left;             /* with BODY_LENGTH */
    uint64_t body_frames_before;    /* of the conn, when write_timer was armed */
    uint64_t opened_received_bytes; /* client role: of the connection, when this leg was opened */
    int32_t id;                     /* 0: the request was not handed in yet */
    unsigned events;                /* bits of h2_event */
    unsigned interim_count;
    enum leg_end end;
    enum h2_send send;
    enum http_method method; /* of the request */
    enum body_framing send_framing;
    enum h2_head_kind block_kind; /* of the header block that is coming in */
    bool is_held;                 /* the exchange has it */
    bool is_dead;                 /* on_end was told or abort was asked for: no more events */
    bool is_on_wire;              /* the library knows it */
    bool is_head_received;        /* the request, or the final head of the response */
    bool is_peer_done;            /* END_STREAM came */
    bool is_complete_told;
    bool ends_by_length; /* with the last of `send_left` bytes */
    bool is_sent;        /* END_STREAM was packed */
    bool is_reset;       /* RST_STREAM was asked for, by us */
    bool is_reset_by_peer;
    bool is_refused;  /* server role: answered by us, the exchange never saw it */
    bool is_fresh;    /* server role: the exchange has not seen it yet */
    bool is_head_all; /* server role: the request ended with its head */
    bool is_paused;
    bool is_deferred; /* the library waits for body bytes */
    bool is_tunnel;
    bool is_tunnel_open;
    bool is_awaiting_continue; /* the client may hold its body back until a 100 */
    bool is_grpc;
};

/* What one frame brought; noted inside the library, acted on outside of it. */
struct h2_found {
    struct h2_leg *leg;
    const unsigned char *bytes; /* of a body */
    size_t len;
    bool has_head;     /* a header block is whole: leg->block_kind */
    bool has_end;      /* END_STREAM, of a DATA frame */
    bool is_malformed; /* the library refused the message */
};

/* The frame that is being read. */
struct h2_frame_reader {
    unsigned char header[H2_FRAME_HEADER_BYTES];
    size_t header_bytes; /* so many are there */
    size_t preface_left;
    size_t payload_left;
    uint32_t length;
    uint8_t type;
    uint8_t flags;
    int32_t stream_id;
    bool has_content; /* DATA: there is a byte that is no padding */
};

struct h2_conn {
    struct conn conn; /* first: the interface */
    struct loop *loop;
    struct nghttp2_session *session;
    struct h2_memory memory; /* of the session */
    struct conn_limits limits;
    struct timer timer;       /* `deadline` */
    struct timer drain_timer; /* until the second GOAWAY */
    struct timer ping_timer;
    struct deferred later;
    struct list live;    /* legs an exchange holds and hears from */
    struct list shadows; /* legs in use otherwise: dead, or released and still leaving */
    struct list over;    /* done with; their memory stays until the turn ends */
    struct list spares;
    struct list events; /* legs that have something to be told */
    struct list fresh;  /* requests that begin when the read they came in is done with */
    size_t leg_count;   /* live and shadows */
    size_t wire_count;  /* legs the library knows */
    size_t spare_count;
    size_t held_bytes;    /* in all `in` queues */
    size_t owed_bytes;    /* of the connection's window, given back when held ones are delivered */
    size_t out_bytes;     /* in all `out` queues */
    uint64_t body_frames; /* DATA frames packed, of all streams */
    struct text outbox;   /* frames that are packed and not with the transport yet */
    struct h2_frame_reader frame;
    struct h2_found found;
    struct h2_guard guard;
    enum h2_deadline deadline;
    struct h2_leg *block_leg; /* whose header block is under way; NULL: nobody's */
    size_t block_bytes;       /* of it, unpacked */
    unsigned continuation_count;
    int32_t last_stream_id;               /* server role: the highest of the client */
    const char *violation;                /* the connection is to end for it */
    uint32_t violation_code;              /* of the GOAWAY */
    uint8_t closed_how[H2_CLOSED_WINDOW]; /* enum h2_closed, by stream id */
    bool is_client;
    bool is_closed; /* the transport is gone */
    bool is_told;   /* the owner knows, or let go by itself */
    bool is_reaped;
    bool is_draining;
    bool is_peer_leaving; /* GOAWAY came */
    bool is_goaway_sent;  /* the last one of ours, or one with an error */
    bool is_busy;         /* legs are or were open: on_idle is due when none is left */
    bool is_room_due;     /* on_room at the end of the turn */
    bool is_in_block;     /* between a HEADERS frame and its END_HEADERS */
    bool has_peer_settings;
    uint64_t ping_received_bytes; /* when the last PING left */
    uint64_t doubted_ms;          /* of the last PING for want of an answer; 0: none yet */
    bool is_awaiting_pong;
    bool is_send_blocked; /* the transport is full */
    bool is_packing;
};

/* --- h2_conn.c */
void h2_conn_set_deadline(struct h2_conn *h2, enum h2_deadline deadline);
/* To be run at the end of the turn: events, frames, idleness. */
void h2_conn_later(struct h2_conn *h2);
/* The connection ends in an event of its own: exchanges hear why, then the owner. */
void h2_conn_break(struct h2_conn *h2, enum h2_parting parting, enum leg_end end,
                   const char *detail);
/* The peer is to blame: GOAWAY with `code` unless one was sent, the owner hears the reason. Only notes it;
 * h2_conn_punish() acts, outside of the library. */
void h2_conn_blame(struct h2_conn *h2, const char *reason, uint32_t code);
/* True: there was something to blame, the connection is gone. */
bool h2_conn_punish(struct h2_conn *h2);
/* One more deed of the peer; false: it was one too many. */
bool h2_conn_count(struct h2_conn *h2, enum h2_deed deed);
/* A header block is whole: the next one has its own time. */
void h2_conn_end_block(struct h2_conn *h2);
/* SETTINGS of the peer came. */
void h2_conn_on_peer_settings(struct h2_conn *h2);
void h2_conn_on_pong(struct h2_conn *h2);
/* Client role: a request is given up without an answer. When nothing at all came since the connection
 * had received so many bytes, the peer is asked for a sign of life: it may be gone without a word, and
 * until the kernel noticed every further request would be lost on it. */
void h2_conn_doubt(struct h2_conn *h2, uint64_t received_bytes);
void h2_conn_reap(struct h2_conn *h2);
/* Server role: how many streams the client may have open. */
uint32_t h2_conn_stream_limit(const struct h2_conn *h2);

/* --- h2_session.c */
/* Makes h2->session, with our SETTINGS and the connection's window in store. */
void h2_session_start(struct h2_conn *h2);

/* --- h2_frame.c */
/* How many of these bytes the library may have at once: at most to the end of the frame. 0: the frame that
 * begins here ends the connection. */
size_t h2_frame_next_step(struct h2_conn *h2, const unsigned char *bytes, size_t len);
bool h2_frame_is_whole(const struct h2_conn *h2);
/* The library has seen all of it. */
void h2_frame_end(struct h2_conn *h2);
/* Server role: how a stream went. */
void h2_frame_note_closed(struct h2_conn *h2, int32_t stream_id, enum h2_closed how);

/* --- h2_receive.c */
void h2_receive_set_callbacks(struct nghttp2_session_callbacks *callbacks);
/* What arrived. */
void h2_receive(struct h2_conn *h2, const unsigned char *bytes, size_t len);
/* A request whose end is awaited before it begins is late. */
void h2_receive_late_end(struct h2_leg *leg, const struct refusal *refusal);

/* --- h2_send.c */
void h2_send_set_callbacks(struct nghttp2_session_callbacks *callbacks);
/* Packs frames until nothing is left or the transport is full. Not inside the library. What is packed
 * leaves at the end of the turn; with _now the caller flushes, and no other turn is asked for. */
void h2_send_pack(struct h2_conn *h2);
void h2_send_pack_now(struct h2_conn *h2);
/* Gives what is packed to the transport. */
void h2_send_flush(struct h2_conn *h2);
/* A GOAWAY of ours without the library: the last frame of a connection. */
void h2_send_goaway(struct h2_conn *h2, uint32_t code, const char *reason);
void h2_send_request(struct h2_leg *leg, const struct head *head, bool is_end);
/* Server role: 1xx or a final head. */
void h2_send_interim(struct h2_leg *leg, const struct head *head);
void h2_send_response(struct h2_leg *leg, const struct head *head, bool is_end);
/* Server role: the answer to a request that no exchange answers. */
void h2_send_refusal(struct h2_leg *leg, const struct refusal *refusal);
/* The body grew, or its end is known. */
void h2_send_resume(struct h2_leg *leg);
void h2_send_reset(struct h2_leg *leg, uint32_t code);

/* --- h2_leg.c */
extern const struct leg_ops h2_leg_ops;
/* A leg, fresh or recycled; in use from now on. */
struct h2_leg *h2_leg_new(struct h2_conn *h2);
void h2_leg_free(struct h2_leg *leg);
/* Held by an exchange from now on. */
void h2_leg_hold(struct h2_leg *leg);
/* Something to tell it, as soon as the library has returned or at the end of the turn. */
void h2_leg_note(struct h2_leg *leg, enum h2_event event);
void h2_leg_note_end(struct h2_leg *leg, enum leg_end end, const char *detail);
/* Tells all legs what was noted. */
void h2_leg_tell_events(struct h2_conn *h2);
/* on_end, unless it is dead already. */
void h2_leg_end(struct h2_leg *leg, enum leg_end end, const char *detail);
/* A body's bytes came; the peer's side is complete. */
void h2_leg_receive_body(struct h2_leg *leg, const unsigned char *bytes, size_t len);
void h2_leg_receive_end(struct h2_leg *leg);
/* The library knows the stream, and has let go of it. */
void h2_leg_enter_wire(struct h2_leg *leg, int32_t id);
void h2_leg_leave_wire(struct h2_leg *leg);
/* What waits to leave has nowhere to go any more. */
void h2_leg_drop_out(struct h2_leg *leg);
/* Neither held nor on the wire: to be recycled when the turn ends. */
void h2_leg_retire_if_over(struct h2_leg *leg);
/* Arms or disarms its deadlines. */
void h2_leg_watch_body(struct h2_leg *leg);
void h2_leg_watch_write(struct h2_leg *leg, bool has_moved);
/* `len` bytes were taken out of `out`. */
void h2_leg_sent_body(struct h2_leg *leg, size_t len);
/* Frees those that are over, or keeps them for the next streams. */
void h2_leg_recycle(struct h2_conn *h2);

#endif
