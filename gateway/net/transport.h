/* transport: a connected byte pipe on one socket, plain or through a filter (TLS).
 *
 * Reading: one recv a readable event into the loop's buffer; the owner gets the bytes where they
 * lie and says how many it took. What it did not take is kept (an idle connection keeps nothing)
 * and offered again with what follows, or on resume.
 * Writing: small writes gather in a stage buffer of the loop and leave in one send when the
 * callback ends; what the kernel does not take waits in the transport's queue.
 *
 *        recv ─▶ [filter.open] ─▶ on_data          write ─▶ stage ─▶ [filter.seal] ─▶ send ─▶ queue
 *
 * Owned by its conn, client or tunnel. All in the loop's thread. A transport is freed by
 * transport_close() (deferred to the end of the turn); no callback comes after that call. */
#ifndef GATEWAY_NET_TRANSPORT_H
#define GATEWAY_NET_TRANSPORT_H

#include "gateway/net/address.h"
#include "gateway/net/loop.h"

struct transport;
struct evbuffer;

enum transport_end {
    TRANSPORT_END_RESET,         /* the peer reset, or a system error: see transport_error() */
    TRANSPORT_END_WRITE_TIMEOUT, /* the peer takes nothing (LIMIT/option write timeout) */
    TRANSPORT_END_FILTER,        /* the filter failed: TLS alert, bad record; text in
                                    transport_error() */
    TRANSPORT_END_QUEUE_LIMIT,   /* more queued than LIMIT_TRANSPORT_QUEUE_BYTES outside bodies */
};

struct transport_handler {
    /* Returns how many bytes were taken (0 to len). May pause, write, close. */
    size_t (*on_data)(void *owner, const unsigned char *bytes, size_t len);
    /* The peer will send no more (FIN, or close_notify through TLS); once per owner. Writing is
     * still possible. `is_clean` is false for a TLS stream cut off without close_notify. Bytes not
     * taken yet were offered before; the owner may look at transport_unread_bytes(). */
    void (*on_end)(void *owner, bool is_clean);
    /* The queue fell below the low watermark after it was above the high one. */
    void (*on_drained)(void *owner);
    /* The transport is dead; the owner must call transport_close(). No other callback follows. */
    void (*on_dead)(void *owner, enum transport_end end);
    /* `len` more bytes of what it receives were taken by the transport it is spliced to
     * (transport_splice.h); also with 0, when that one began or ceased to hold it back. May close. NULL:
     * the owner need not know. */
    void (*on_spliced)(void *owner, size_t len);
};

/* Takes over `fd`: connected and non-blocking. Reading starts when a handler is set. */
struct transport *transport_new(struct loop *loop, int fd, const struct address *peer);
/* Replaces; kept bytes are offered to the new owner at the end of the turn (or at once through
 * transport_offer_unread()). Within on_data(): what it does not take goes to the new owner as soon as it
 * returns. */
void transport_set_handler(struct transport *transport, const struct transport_handler *handler,
                           void *owner);
struct loop *transport_loop(const struct transport *transport);
int transport_fd(const struct transport *transport);
struct address transport_peer(const struct transport *transport);
/* Asked from the kernel at the first call, then kept. */
struct address transport_local(struct transport *transport);

/* Other addresses than the socket's are meant: a load balancer told them (PROXY protocol). */
void transport_set_addresses(struct transport *transport, const struct address *peer,
                             const struct address *local);

/* Copies into the stage (small) or passes on at once (large). Never fails to the caller: trouble
 * arrives as on_dead. Ignored after transport_end_write(). */
void transport_write(struct transport *transport, const void *bytes, size_t len);
/* Moves all of `buffer`. */
void transport_write_buffer(struct transport *transport, struct evbuffer *buffer);
/* What is staged leaves now instead of at the end of the callback. */
void transport_flush(struct transport *transport);
/* Plaintext bytes accepted and not yet taken by the kernel. */
size_t transport_queued_bytes(const struct transport *transport);
/* Something of ours, or of what is spliced to it, waits for the peer to take it. */
bool transport_is_sending(const struct transport *transport);
/* queued > LIMIT_STREAM_HIGH_BYTES: pause the source; on_drained tells when to resume. */
bool transport_is_above_high(const struct transport *transport);

/* Reading stops while any reason bit is set. A flag first: the descriptor leaves epoll only when
 * data keeps arriving. */
enum { TRANSPORT_PAUSE_LEG = 1, TRANSPORT_PAUSE_PIPELINE = 2, TRANSPORT_PAUSE_TUNNEL = 4 };
void transport_pause_read(struct transport *transport, unsigned reason);
/* When the last reason goes, kept bytes are offered at the end of the turn. */
void transport_resume_read(struct transport *transport, unsigned reason);
size_t transport_unread_bytes(const struct transport *transport);
void transport_offer_unread(struct transport *transport);
/* Peeks at kept bytes without taking them: NULL when there are none. */
const unsigned char *transport_peek_unread(struct transport *transport, size_t *len);

/* Half-close: after the queue is sent (close_notify first, through TLS). */
void transport_end_write(struct transport *transport);
/* Sends the queue, ends writing, reads and throws away for up to LIMIT_DELAYED_CLOSE_MS, then
 * closes: a refusal is read by a peer that is still sending (RFC 9112 9.6). No callback follows. */
void transport_linger_close(struct transport *transport);
/* At once; what the kernel does not take now is lost, and no close_notify is sent. NULL is
 * accepted. */
void transport_close(struct transport *transport);
/* At once, with a reset: the peer must not take what it got for complete. */
void transport_reset(struct transport *transport);
/* 0: none. */
void transport_set_write_timeout(struct transport *transport, uint32_t timeout_ms);
/* Why it died: errno text, or the filter's. Never NULL. */
const char *transport_error(const struct transport *transport);
/* Bytes on the wire. */
uint64_t transport_received_bytes(const struct transport *transport);
uint64_t transport_sent_bytes(const struct transport *transport);
/* When the kernel last took bytes of ours, by now_mono_ms(); 0: never. */
uint64_t transport_sent_at_ms(const struct transport *transport);

/* --- Filters: TLS sits here (tls/transport_tls.c implements the table) ------------------------ */

struct transport_filter_ops {
    /* Wire bytes arrived; all are taken (kept inside where unfinished). Plaintext goes out through
     * transport_deliver(), records through transport_send_wire(). False: dead, text set with
     * transport_set_error(). */
    bool (*open)(void *filter, const unsigned char *bytes, size_t len);
    /* The wire ended. Returns whether the stream ended cleanly. Asked again after a pause. */
    bool (*open_end)(void *filter);
    /* Turns plaintext of any length into wire bytes. Returns bytes taken; fewer only before the
     * handshake is done, then transport_retry_seal() is called later. SIZE_MAX: dead. */
    size_t (*seal)(void *filter, const unsigned char *bytes, size_t len);
    /* close_notify. */
    void (*seal_end)(void *filter);
    void (*free)(void *filter);
};

/* Takes over `filter`. Bytes kept so far, and what a running on_data() does not take, go to open()
 * at the end of the turn (a ClientHello that was collected first, say). Once per transport. */
void transport_set_filter(struct transport *transport, const struct transport_filter_ops *ops,
                          void *filter);
void *transport_filter(const struct transport *transport);
/* Filter only: plaintext for the owner. False once the owner closed the transport or paused it: the
 * filter then stops producing and keeps its own input; open() is called with len 0 on resume. */
bool transport_deliver(struct transport *transport, const unsigned char *bytes, size_t len);
void transport_send_wire(struct transport *transport, const unsigned char *bytes, size_t len);
/* The peer's clean end, seen inside the filter (close_notify). */
void transport_deliver_end(struct transport *transport);
void transport_retry_seal(struct transport *transport);
void transport_set_error(struct transport *transport, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
