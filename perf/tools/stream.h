/* stream: the bytes of one socket, plain or through TLS, for the load generator and the origin.
 * Reads are large and go through one buffer of the process; writes gather and leave by one call.
 * Nothing is allocated while bytes flow, unless the socket takes less than it was given. */
#ifndef PERF_TOOLS_STREAM_H
#define PERF_TOOLS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "perf/tools/tls_peer.h"

/* Results below zero, as tls_peer has them. */
#define STREAM_AGAIN TLS_PEER_AGAIN
#define STREAM_FAILED TLS_PEER_FAILED
#define STREAM_CUT TLS_PEER_CUT

#define STREAM_READ_SIZE (256 * 1024)

struct stream_held {
    char *bytes; /* NULL when there are none */
    size_t from;
    size_t len;
};

struct stream {
    struct tls_peer_io io;
    int fd; /* -1 when closed */
    struct ssl_st *tls;
    bool hung_up;           /* the peer has sent its end: read until it is seen */
    bool drained;           /* the last read was short: the socket is empty until the next event */
    bool dry;               /* the last receive already met the end of what there is */
    struct stream_held in;  /* read from the socket, not taken by TLS yet */
    struct stream_held out; /* records, or bytes, that the socket did not take */
};

/* Takes the socket. TLS is then set by the caller: tls_peer_accept(context, &stream->io). */
void stream_open(struct stream *stream, int fd);
/* Sends close_notify when the connection is up, closes, frees. */
void stream_close(struct stream *stream);
/* What epoll said; called before anything else of a turn. */
void stream_take_events(struct stream *stream, uint32_t events);

/* 1 when done; its last flight may then still be held: it leaves with the next send or flush. */
int stream_handshake(struct stream *stream);
/* Up to `size` bytes, 0 at the end, STREAM_*. Called until STREAM_AGAIN (events are edges). */
ssize_t stream_receive(struct stream *stream, char *out, size_t size);
/* How many bytes were taken; fewer than asked when the socket is full: go on at the next event. */
ssize_t stream_send(struct stream *stream, const struct iovec *parts, int count);
/* Takes all; what the socket does not take now is held, see stream_has_unsent(). */
bool stream_send_all(struct stream *stream, const char *bytes, size_t len);
/* Sends what is held. False when the connection is broken. */
bool stream_flush(struct stream *stream);
bool stream_has_unsent(const struct stream *stream);

#endif
