/* conn: what carries legs: an HTTP connection in either role. Implementers: http/h1_conn.c,
 * http/h2_conn.c. Owns its transport. Freed by itself after on_closed or conn close, at the end of the turn. */
#ifndef GATEWAY_HTTP_CONN_H
#define GATEWAY_HTTP_CONN_H

#include "gateway/http/leg.h"
#include "gateway/net/transport.h"

struct conn;

/* Limits and deadlines of a connection (options of cli.md); 0 ms: no deadline. */
struct conn_limits {
    size_t max_header_bytes;
    size_t max_headers;
    uint32_t header_timeout_ms; /* server role: from the first byte of a head to its end */
    uint32_t header_spent_ms;   /* of it, on the first head, before there was a conn */
    uint32_t body_timeout_ms;   /* between two reads of a body */
    uint32_t write_timeout_ms;
    uint32_t idle_timeout_ms; /* nothing under way */
    /* HTTP/2 only. */
    uint32_t max_streams; /* at once; server role: SETTINGS_MAX_CONCURRENT_STREAMS; client role:
                                     how many we open at most, whatever the peer allows; 0: no cap */
    uint32_t stream_window_bytes; /* what a peer may send on a stream before it is consumed */
    uint32_t drain_grace_ms;      /* between the two GOAWAYs of a drain (HR-5) */
    uint32_t ping_interval_ms;    /* client role, http2KeepAlive; 0: none */
    uint32_t ping_timeout_ms;
};

struct conn_owner {
    /* Server role: a well-formed request head; set leg->handler and leg->owner before returning.
     * `is_end`: no body follows. The head lives until the leg is released. */
    void (*on_request)(void *owner, struct conn *conn, struct leg *leg, struct head *head,
                       bool is_end);
    /* Server role: a malformed, oversized or late head, before there is a leg. `status` is 400, 403,
     * 408, 417, 426, 431, 501, 505; the conn has answered it and closes. For the log and the
     * counters. `partial_head` is NULL when not even the request line was understood. */
    void (*on_refused)(void *owner, struct conn *conn, unsigned status, const char *detail,
                       const struct head *partial_head);
    /* No leg is open any more. Client role: `is_reusable` tells whether another may be opened; when
     * not, the conn closes by itself and on_closed follows. */
    void (*on_idle)(void *owner, struct conn *conn, bool is_reusable);
    /* Client role, several legs at once: a leg has ended and another one may be opened, or the peer
     * allows more than before. May be NULL. Never called from inside open_leg(). */
    void (*on_room)(void *owner, struct conn *conn);
    /* The peer broke the protocol of the connection or went over a limit of it, and the connection
     * ends for it: `reason` is a stable word, e.g. "http2.reset_flood". on_closed follows. May be
     * NULL. */
    void (*on_violation)(void *owner, struct conn *conn, const char *reason);
    /* The connection is gone; the pointer is good until the turn ends. Legs had on_end before. */
    void (*on_closed)(void *owner, struct conn *conn);
};

/* Implementers: http/h1_conn.c, http/h2_conn.c. */
struct conn_ops {
    /* Client role: a leg for one request; NULL when none can be opened now. */
    struct leg *(*open_leg)(struct conn *conn, const struct leg_handler *handler, void *owner);
    /* Finish what is under way, take no more: "connection: close" on the next answer, GOAWAY. An
     * idle connection closes at once. */
    void (*drain)(struct conn *conn);
    /* Now. Legs get on_end(LEG_END_DRAIN). The owner lets go of the conn: no on_closed follows. */
    void (*close)(struct conn *conn);
};

struct conn {
    const struct conn_ops *ops;
    const struct conn_owner *owner_ops;
    void *owner;
    struct transport *transport;
    enum http_version version; /* HTTP_VERSION_1_1 or HTTP_VERSION_2: several legs at once */
};

#endif
