/* transport_state: what transport.c (life and reading), transport_write.c (writing) and
 * transport_splice.c (bulk between two) share. For these files only. */
#ifndef GATEWAY_NET_TRANSPORT_STATE_H
#define GATEWAY_NET_TRANSPORT_STATE_H

#include "gateway/net/transport.h"

#include <event2/event_struct.h>

/* Kept input: contiguous, because parsers want it so; grows by doubling, freed when empty. */
struct transport_unread {
    unsigned char *bytes;
    uint32_t start; /* all within TRANSPORT_UNREAD_MAX_BYTES */
    uint32_t len;
    uint32_t capacity;
};

struct transport {
    struct loop *loop;
    int fd;
    uint32_t read_bytes; /* how much the next read asks for */
    const struct transport_handler *handler;
    void *owner;
    const struct transport_filter_ops *filter_ops;
    void *filter;

    struct event read_event;
    struct event *write_event; /* made when the kernel first has no room; NULL: never */
    struct deferred wake;      /* tells the owner what happened: see transport_on_wake() */
    struct deferred flush;     /* sends what is staged */
    struct timer timer;        /* write timeout; then the end of lingering */
    struct loop_closer closer;

    struct transport_unread unread;
    struct evbuffer *queue;          /* wire bytes the kernel did not take; NULL: none */
    struct evbuffer *plain_queue;    /* plaintext before the handshake is done; NULL: none */
    struct transport_splice *splice; /* input goes, or went, to another transport; NULL: never */
    struct transport *spliced_from;  /* whose input comes here by splice; NULL: nobody's */
    uint64_t received_bytes;
    uint64_t sent_bytes;
    uint64_t sent_at_ms; /* when the kernel last took some; 0: never */
    uint32_t write_timeout_ms;
    uint32_t lingered_bytes;
    unsigned pause_reasons;
    enum transport_end end : 8; /* of the dead */

    /* One bit each: there are many idle connections. */
    bool is_closed : 1;
    bool is_dead : 1;
    bool is_death_told : 1;
    bool is_reading : 1; /* read_event is in epoll */
    bool is_writing : 1; /* write_event is */
    bool is_local_known : 1;
    bool is_delivering : 1; /* on_data() is on the stack */
    /* Input */
    bool is_unread_wire : 1;    /* kept bytes came before the filter and belong to it */
    bool is_offer_due : 1;      /* kept bytes were not shown to this owner, or it resumed since */
    bool is_filter_stopped : 1; /* it holds input until the owner resumes */
    bool is_wire_ended : 1;     /* the peer's FIN was read */
    bool is_ended : 1;          /* no more bytes for the owner */
    bool is_end_clean : 1;
    bool is_end_told : 1;
    /* Output */
    bool has_write_failed : 1;
    bool was_above_high : 1;
    bool is_drained : 1; /* on_drained() is due */
    bool is_write_ending : 1;
    bool is_seal_ended : 1;
    bool
        is_end_next : 1; /* what is sent now is the last: its FIN follows in the same call of ours */
    bool is_shut_down : 1;
    bool is_lingering : 1;

    char *error;
    struct address_kept peer;
    struct address_kept local;
};

/* Dead from now on; the owner hears it at the end of the turn. */
void transport_die(struct transport *transport, enum transport_end end);
void transport_wake_later(struct transport *transport);
/* Its staged bytes are forgotten. */
void transport_drop_stages(struct transport *transport);
/* One system call with what is staged on the wire side. */
void transport_send_staged(struct transport *transport);
void transport_on_writable(evutil_socket_t fd, short what, void *arg);
/* Called by the write side once everything is out and the socket is shut down for writing. */
void transport_on_shut_down(struct transport *transport);
void transport_watch_read(struct transport *transport);
void transport_unwatch_read(struct transport *transport);
/* The peer's FIN was read. */
void transport_end_wire(struct transport *transport);
/* Kept input is written to another transport. Returns its length. */
size_t transport_forward_unread(struct transport *from, struct transport *to);

/* transport_write.c */
void transport_fail_write(struct transport *transport, int error_number);
void transport_watch_write(struct transport *transport);
/* Nothing waits for room any more. */
void transport_unwatch_write_idle(struct transport *transport);
/* The kernel took something: the write timeout begins anew. */
void transport_note_progress(struct transport *transport);

/* transport_splice.c */
void transport_splice_on_readable(struct transport *from);
void transport_splice_on_writable(struct transport *to);
/* The transport is over, in whichever role it is. */
void transport_splice_drop(struct transport *transport);

#endif
