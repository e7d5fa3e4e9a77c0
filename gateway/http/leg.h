/* leg: one end of an exchange: what a request or a response looks like whatever protocol carries it.
 * A conn (h1_conn, h2_conn) makes legs; an exchange joins two.
 *
 *   client ──conn──▶ server leg ──▶ exchange ──▶ client leg ──conn──▶ upstream
 *
 * Events (leg_handler) come from the peer; operations (leg_ops) go to it. One worker's. A leg is owned
 * by its conn; after leg->handler was set to NULL (leg_release) the exchange may not touch it. */
#ifndef GATEWAY_HTTP_LEG_H
#define GATEWAY_HTTP_LEG_H

#include "gateway/http/head.h"

struct leg;
struct conn;

/* Why a leg ended before its time. Each protocol translates it on its side. */
enum leg_end {
    LEG_END_PEER_CLOSED,   /* connection closed or stream reset by the peer */
    LEG_END_PEER_CUT_BODY, /* closed before the body was whole */
    LEG_END_PROTOCOL,      /* the peer broke the protocol; leg_end_detail() names how */
    LEG_END_HEADERS_TOO_LARGE,
    LEG_END_TOO_MANY_HEADERS,
    LEG_END_BODY_TIMEOUT,  /* the peer stalled in the middle of a body */
    LEG_END_WRITE_TIMEOUT, /* the peer takes nothing */
    LEG_END_TRANSPORT,     /* reset or system error */
    LEG_END_DRAIN,         /* the connection is being closed by us */
    LEG_END_RESET,   /* HTTP/2: RST_STREAM by the peer, whatever its code (leg->reset_code) but: */
    LEG_END_REFUSED, /* REFUSED_STREAM, or a stream above the last one of a GOAWAY: the peer did
                        nothing with it (RFC 9113 8.7), so it can be sent again */
};

/* Why a leg is given up, for the peer's sake: HTTP/2 says it in RST_STREAM, HTTP/1.1 can only cut. */
enum leg_abort {
    LEG_ABORT_CANCEL, /* nobody wants it any more: CANCEL */
    LEG_ABORT_BROKEN, /* the other side broke off, the message cannot be finished: INTERNAL_ERROR */
    LEG_ABORT_PROTOCOL, /* the other side's message was malformed: PROTOCOL_ERROR */
    LEG_ABORT_CONNECT,  /* a tunnel's other side was reset: CONNECT_ERROR */
};

struct leg_handler {
    /* Server role: not called (conn_owner.on_request has the head). Client role: a response head.
     * 1xx heads come first, each with is_end false; the final one has is_end true when no body
     * follows. The head and its views live until the leg is released. */
    void (*on_head)(void *owner, struct leg *leg, struct head *head, bool is_end);
    /* Body bytes, de-chunked; good during the call. All are taken; to slow down, pause. */
    void (*on_body)(void *owner, struct leg *leg, const unsigned char *bytes, size_t len);
    /* Body bytes that went by leg_ops.splice_body() to the other leg. NULL where that is never asked for. */
    void (*on_body_spliced)(void *owner, struct leg *leg, size_t len);
    /* The message is complete; `trailers` is NULL or non-empty. Not called for a message that ended
     * with its head (is_end). */
    void (*on_complete)(void *owner, struct leg *leg, const struct headers *trailers);
    /* What was written has drained below the low watermark. */
    void (*on_drained)(void *owner, struct leg *leg);
    /* The leg is dead: no event follows, operations are ignored. The handler releases it. */
    void (*on_end)(void *owner, struct leg *leg, enum leg_end end);
};

/* Upgrades. A request with framing BODY_TUNNEL stays open (is_end false), but no byte of the tunnel is
 * sent or delivered before the answer: a final head of another status ends both sides as usual, after
 * a 101 send_body() and on_body() carry the tunnel's bytes, send_end() and on_complete() its
 * half-closes. The connection of HTTP/1.1 is not used again, that of HTTP/2 is.
 *
 * Implementers: http/h1_leg.c (h1_leg_ops), http/h2_leg.c (h2_leg_ops). */
struct leg_ops {
    /* Server role: a response head, 1xx included. Client role: the request head. The head is
     * re-serialised; framing is chosen from head->framing (BODY_LENGTH keeps the length,
     * BODY_CHUNKED becomes chunked where the peer can, else close-delimited). is_end: no body. */
    void (*send_head)(struct leg *leg, const struct head *head, bool is_end);
    void (*send_body)(struct leg *leg, const unsigned char *bytes, size_t len);
    /* Client role, within on_body(): the rest of the body goes from socket to socket to `to`, a leg that was sent
     * all that came so far; on_body_spliced() tells, or on_body() again where bytes came another way. False:
     * it cannot be, and nothing has changed. NULL: never. */
    bool (*splice_body)(struct leg *leg, struct leg *to);
    /* As after a send_body() of so many bytes: they went to this leg by splice_body() of the other. */
    void (*note_spliced)(struct leg *leg, size_t len);
    /* `trailers` may be NULL. Not needed after a head with is_end. */
    void (*send_end)(struct leg *leg, const struct headers *trailers);
    /* Gives up: an unfinished message must not look complete to the peer (connection cut with a
     * reset, RST_STREAM). After a complete message only stops caring about the rest. */
    void (*abort)(struct leg *leg, enum leg_abort why);
    /* Stops and resumes on_body. Reasons are bits of the caller's. */
    void (*pause)(struct leg *leg);
    void (*resume)(struct leg *leg);
    /* Written and not yet taken by the kernel is above the high watermark. */
    bool (*is_above_high)(const struct leg *leg);
    /* Body bytes of either direction that wait here, because somebody does not take them. */
    size_t (*queued_bytes)(const struct leg *leg);
    /* The exchange is done with the leg; it no longer calls back. An unfinished leg is aborted
     * (LEG_ABORT_CANCEL); a response that is complete while the request is not ends with NO_ERROR
     * (RFC 9113 8.1), or as HTTP/1.1 can. */
    void (*release)(struct leg *leg);
};

struct leg {
    const struct leg_ops *ops;
    const struct leg_handler *handler;
    void *owner;
    struct conn *conn;
    const char
        *end_detail; /* stable word for logs and metrics, e.g. "http1.codec_error"; or NULL */
    /* Server role, at on_end: 400 or 408 when the conn answered a broken or stalled request body itself,
     * because no response had been started; else 0. */
    unsigned answered_status;
    uint32_t reset_code;          /* with LEG_END_RESET: as received (RFC 9113 7) */
    uint64_t wire_received_bytes; /* head and body as counted on the wire (OB-22) */
    uint64_t wire_sent_bytes;
    bool is_response_started; /* server role: a final head was sent */
};

#endif
