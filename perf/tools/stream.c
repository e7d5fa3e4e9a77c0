#include "perf/tools/stream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

/* Plain bytes that go into records by one send. */
#define GATHER_SIZE (256 * 1024)
/* Their records: 16 KiB each with 22 bytes around, a handshake's flight, a little that was held. */
#define OUT_SIZE (GATHER_SIZE + 64 * 1024)
/* More than this is sent on its own before anything is added to it. */
#define HELD_SMALL (16 * 1024)

/* One read of one stream at a time; what it did not use is moved to it when another reads. */
static struct {
    struct stream *owner;
    size_t from;
    size_t len;
    char bytes[STREAM_READ_SIZE];
} in;

/* Records on their way; empty between calls. */
static struct {
    size_t len;
    char bytes[OUT_SIZE];
} out;

/* --- Sockets ------------------------------------------------------------------------------------ */

static ssize_t stream_socket_read(struct stream *stream, char *to, size_t size)
{
    if (stream->drained) {
        stream->drained = false;
        return STREAM_AGAIN;
    }
    ssize_t got = recv(stream->fd, to, size, 0);
    if (got < 0) {
        return errno == EAGAIN || errno == EINTR ? STREAM_AGAIN : STREAM_FAILED;
    }
    stream->drained = got > 0 && (size_t)got < size && !stream->hung_up;
    return got;
}

static ssize_t stream_socket_send(struct stream *stream, const struct iovec *parts, int count)
{
    union {
        const struct iovec *given;
        struct iovec *wanted; /* sendmsg() writes nothing through it */
    } pointer = { .given = parts };
    struct msghdr message = { .msg_iov = pointer.wanted, .msg_iovlen = (size_t)count };
    ssize_t sent = sendmsg(stream->fd, &message, MSG_NOSIGNAL);

    if (sent < 0) {
        return errno == EAGAIN || errno == EINTR ? 0 : STREAM_FAILED;
    }
    return sent;
}

static void stream_hold(struct stream_held *held, const char *bytes, size_t len)
{
    size_t before = held->len - held->from;
    char *all = mem_alloc(before + len);

    if (before > 0) {
        memcpy(all, held->bytes + held->from, before);
    }
    memcpy(all + before, bytes, len);
    mem_free(held->bytes);
    *held = (struct stream_held){ .bytes = all, .len = before + len };
}

static void stream_let_go(struct stream_held *held)
{
    mem_free(held->bytes);
    *held = (struct stream_held){ 0 };
}

/* --- TLS over them ------------------------------------------------------------------------------ */

static size_t stream_take_held(struct stream_held *held, char *to, size_t size)
{
    size_t left = held->len - held->from;
    size_t taken = left < size ? left : size;

    memcpy(to, held->bytes + held->from, taken);
    held->from += taken;
    if (held->from == held->len) {
        stream_let_go(held);
    }
    return taken;
}

static ssize_t stream_pull(struct tls_peer_io *io, char *to, size_t size)
{
    struct stream *stream = (struct stream *)(void *)io;

    if (stream->in.bytes != NULL) {
        return (ssize_t)stream_take_held(&stream->in, to, size);
    }
    if (in.owner != stream || in.from == in.len) {
        if (in.owner != NULL && in.from < in.len) {
            stream_hold(&in.owner->in, in.bytes + in.from, in.len - in.from);
        }
        in.owner = NULL;
        ssize_t got = stream_socket_read(stream, in.bytes, sizeof(in.bytes));
        if (got <= 0) {
            return got;
        }
        in.owner = stream;
        in.from = 0;
        in.len = (size_t)got;
    }
    size_t left = in.len - in.from;
    size_t taken = left < size ? left : size;
    memcpy(to, in.bytes + in.from, taken);
    in.from += taken;
    return (ssize_t)taken;
}

static ssize_t stream_push(struct tls_peer_io *io, const char *bytes, size_t len)
{
    (void)io;
    CHECK(len <= sizeof(out.bytes) - out.len);
    memcpy(out.bytes + out.len, bytes, len);
    out.len += len;
    return (ssize_t)len;
}

/* Little that was held goes first into the buffer, so that it leaves by the same call. */
static void stream_begin_records(struct stream *stream)
{
    CHECK(out.len == 0);
    if (stream->out.bytes != NULL) {
        out.len = stream_take_held(&stream->out, out.bytes, HELD_SMALL);
    }
}

static bool stream_send_records(struct stream *stream)
{
    struct iovec part = { .iov_base = out.bytes, .iov_len = out.len };
    ssize_t sent = 0;

    /* Nothing overtakes what waits already. */
    if (out.len > 0 && stream->out.bytes == NULL) {
        sent = stream_socket_send(stream, &part, 1);
    }
    if (sent >= 0 && (size_t)sent < out.len) {
        stream_hold(&stream->out, out.bytes + sent, out.len - (size_t)sent);
    }
    out.len = 0;
    return sent >= 0;
}

int stream_handshake(struct stream *stream)
{
    if (!stream_flush(stream)) {
        return STREAM_FAILED;
    }
    int result = tls_peer_handshake(stream->tls);
    if (result == 1 && out.len > 0) {
        stream_hold(&stream->out, out.bytes, out.len);
        out.len = 0;
        return 1;
    }
    return stream_send_records(stream) ? result : STREAM_FAILED;
}

static ssize_t stream_send_tls(struct stream *stream, const struct iovec *parts, int count)
{
    size_t taken = 0;

    if (stream->out.len - stream->out.from > HELD_SMALL) {
        if (!stream_flush(stream)) {
            return STREAM_FAILED;
        }
        if (stream_has_unsent(stream)) {
            return 0;
        }
    }
    stream_begin_records(stream);
    for (int i = 0; i < count && taken < GATHER_SIZE; i++) {
        size_t room = GATHER_SIZE - taken;
        size_t len = parts[i].iov_len < room ? parts[i].iov_len : room;
        for (size_t done = 0; done < len;) {
            ssize_t written =
                tls_peer_write(stream->tls, (const char *)parts[i].iov_base + done, len - done);
            if (written <= 0) {
                out.len = 0;
                return STREAM_FAILED;
            }
            done += (size_t)written;
        }
        taken += len;
    }
    return stream_send_records(stream) ? (ssize_t)taken : STREAM_FAILED;
}

static ssize_t stream_receive_tls(struct stream *stream, char *to, size_t size)
{
    size_t got = 0;

    if (stream->dry) {
        stream->dry = false;
        return STREAM_AGAIN;
    }
    while (got < size) {
        ssize_t result = tls_peer_read(stream->tls, to + got, size - got);
        if (result > 0) {
            got += (size_t)result;
        } else if (got == 0) {
            return result;
        } else {
            /* The end and failures stay what they are; the next call meets them again. */
            stream->dry = result == STREAM_AGAIN;
            break;
        }
    }
    return (ssize_t)got;
}

/* --- Both --------------------------------------------------------------------------------------- */

void stream_open(struct stream *stream, int fd)
{
    *stream = (struct stream){
        .io = { .pull = stream_pull, .push = stream_push },
        .fd = fd,
    };
}

void stream_close(struct stream *stream)
{
    if (stream->fd < 0) {
        return;
    }
    if (stream->tls != NULL) {
        if (!stream_has_unsent(stream)) {
            tls_peer_shutdown(stream->tls);
            (void)stream_send_records(stream);
        }
        tls_peer_free(stream->tls);
        stream->tls = NULL;
        out.len = 0;
    }
    if (in.owner == stream) {
        in.owner = NULL;
    }
    stream_let_go(&stream->in);
    stream_let_go(&stream->out);
    (void)close(stream->fd);
    stream->fd = -1;
}

void stream_take_events(struct stream *stream, uint32_t events)
{
    stream->drained = false;
    stream->dry = false;
    if ((events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) {
        stream->hung_up = true;
    }
}

ssize_t stream_receive(struct stream *stream, char *to, size_t size)
{
    return stream->tls != NULL ? stream_receive_tls(stream, to, size)
                               : stream_socket_read(stream, to, size);
}

ssize_t stream_send(struct stream *stream, const struct iovec *parts, int count)
{
    if (stream->tls != NULL) {
        return stream_send_tls(stream, parts, count);
    }
    if (stream->out.bytes != NULL && (!stream_flush(stream) || stream_has_unsent(stream))) {
        return stream_has_unsent(stream) ? 0 : STREAM_FAILED;
    }
    return stream_socket_send(stream, parts, count);
}

bool stream_send_all(struct stream *stream, const char *bytes, size_t len)
{
    while (len > 0) {
        struct iovec part = { .iov_base = (void *)(uintptr_t)bytes, .iov_len = len };
        ssize_t taken = stream_send(stream, &part, 1);
        if (taken < 0) {
            return false;
        }
        bytes += taken;
        len -= (size_t)taken;
        if (taken == 0) {
            break;
        }
    }
    if (len > 0 && stream->tls != NULL) {
        /* TLS takes whole gathers: what is left was refused because records wait already. */
        return false;
    }
    if (len > 0) {
        stream_hold(&stream->out, bytes, len);
    }
    return true;
}

bool stream_flush(struct stream *stream)
{
    struct stream_held *held = &stream->out;

    if (held->bytes == NULL) {
        return true;
    }
    struct iovec part = { .iov_base = held->bytes + held->from, .iov_len = held->len - held->from };
    ssize_t sent = stream_socket_send(stream, &part, 1);
    if (sent < 0) {
        return false;
    }
    held->from += (size_t)sent;
    if (held->from == held->len) {
        stream_let_go(held);
    }
    return true;
}

bool stream_has_unsent(const struct stream *stream)
{
    return stream->out.bytes != NULL;
}
