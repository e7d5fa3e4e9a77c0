/* transport_write: the writing half of a transport. Plaintext gathers in the loop's plain stage, is
 * sealed, and gathers again in the wire stage; without a filter it goes to the wire stage at once.
 * A stage belongs to one transport at a time and is emptied at the end of the turn, or when another
 * transport wants it. What the kernel does not take waits in the queue. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/transport.h"
#include "gateway/net/transport_state.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum {
    /* From here on copying costs more than a system call of its own. */
    TRANSPORT_DIRECT_BYTES = 16 * 1024,
    /* A filled large read is sealed and sent in pieces: each is still in the nearest cache when the kernel
     * copies it, whatever else runs beside us. */
    TRANSPORT_BULK_BYTES = 128 * 1024,
    TRANSPORT_BULK_PIECE_BYTES = 32 * 1024,
    TRANSPORT_SEND_PIECES = 16,
    TRANSPORT_SENDS_PER_TURN = 4,
};

static void transport_on_flush(void *arg)
{
    transport_flush(arg);
}

static void transport_flush_later(struct transport *transport)
{
    loop_defer(transport->loop, &transport->flush, transport_on_flush, transport);
}

static bool transport_is_mute(const struct transport *transport)
{
    return transport->is_closed || transport->is_dead || transport->has_write_failed;
}

static size_t transport_stage_bytes(const struct transport *transport,
                                    const struct loop_stage *stage)
{
    return stage->owner == transport ? stage->len : 0;
}

static size_t transport_buffer_bytes(const struct evbuffer *buffer)
{
    return buffer == NULL ? 0 : evbuffer_get_length(buffer);
}

size_t transport_queued_bytes(const struct transport *transport)
{
    return transport_stage_bytes(transport, loop_plain_stage(transport->loop)) +
           transport_stage_bytes(transport, loop_wire_stage(transport->loop)) +
           transport_buffer_bytes(transport->queue) +
           transport_buffer_bytes(transport->plain_queue);
}

bool transport_is_above_high(const struct transport *transport)
{
    return transport_queued_bytes(transport) > LIMIT_STREAM_HIGH_BYTES;
}

static void transport_note_level(struct transport *transport)
{
    size_t queued = transport_queued_bytes(transport);

    if (queued > LIMIT_STREAM_HIGH_BYTES) {
        transport->was_above_high = true;
    } else if (queued < LIMIT_STREAM_LOW_BYTES && transport->was_above_high) {
        transport->was_above_high = false;
        transport->is_drained = true;
        transport_wake_later(transport);
    }
}

static void transport_release_stage(struct loop_stage *stage)
{
    stage->owner = NULL;
    stage->len = 0;
}

void transport_drop_stages(struct transport *transport)
{
    struct loop_stage *plain = loop_plain_stage(transport->loop);
    struct loop_stage *wire = loop_wire_stage(transport->loop);

    if (plain->owner == transport) {
        transport_release_stage(plain);
    }
    if (wire->owner == transport) {
        transport_release_stage(wire);
    }
}

/* --- To the kernel ---------------------------------------------------------------------------- */

void transport_fail_write(struct transport *transport, int error_number)
{
    transport_set_error(transport, "%s", strerror(error_number));
    transport->has_write_failed = true;
    transport_drop_stages(transport);
    if (transport->queue != NULL) {
        evbuffer_free(transport->queue);
        transport->queue = NULL;
    }
    if (transport->is_writing) {
        (void)event_del(transport->write_event); /* it is there */
        transport->is_writing = false;
    }
    timer_cancel(&transport->timer);
    transport_wake_later(transport);
}

static void transport_arm_write_timeout(struct transport *transport)
{
    if (transport->write_timeout_ms > 0) {
        timer_arm(transport->loop, &transport->timer, transport->write_timeout_ms);
    }
}

/* Bytes taken by the kernel; 0 when it takes none now or the write failed. */
static size_t transport_send_pieces(struct transport *transport, struct iovec *pieces, size_t count)
{
    struct msghdr message = { .msg_iov = pieces, .msg_iovlen = count };
    /* The last bytes wait in the kernel for the end, which is said next: one segment, not two. */
    int flags = MSG_NOSIGNAL | (transport->is_end_next ? MSG_MORE : 0);
    ssize_t sent;

    do {
        /* send() where there is one piece: the cheaper call, and the usual one. */
        sent = count == 1 ? send(transport->fd, pieces[0].iov_base, pieces[0].iov_len, flags)
                          : sendmsg(transport->fd, &message, flags);
    } while (sent == -1 && errno == EINTR);
    if (sent == -1) {
        if (errno != EAGAIN) {
            transport_fail_write(transport, errno);
        }
        return 0;
    }
    transport->sent_bytes += (uint64_t)sent;
    transport->sent_at_ms = now_mono_ms();
    return (size_t)sent;
}

/* False: the peer let too much pile up, and the transport is dead. */
static bool transport_check_limit(struct transport *transport)
{
    if (transport_queued_bytes(transport) < LIMIT_TRANSPORT_QUEUE_BYTES) {
        return true;
    }
    transport_set_error(transport, "more than %u bytes wait to be sent",
                        LIMIT_TRANSPORT_QUEUE_BYTES);
    transport_die(transport, TRANSPORT_END_QUEUE_LIMIT);
    return false;
}

void transport_watch_write(struct transport *transport)
{
    if (transport->is_writing) {
        return;
    }
    if (transport->write_event == NULL) {
        transport->write_event = mem_new(struct event);
        /* Fails only for a bad combination of flags. */
        CHECK(event_assign(transport->write_event, loop_event_base(transport->loop), transport->fd,
                           EV_WRITE | EV_PERSIST, transport_on_writable, transport) == 0);
    }
    if (event_add(transport->write_event, NULL) != 0) {
        transport_fail_write(transport, errno);
        return;
    }
    transport->is_writing = true;
    transport_arm_write_timeout(transport);
}

void transport_unwatch_write_idle(struct transport *transport)
{
    if (transport->queue == NULL && transport->is_writing) {
        (void)event_del(transport->write_event); /* it is there */
        transport->is_writing = false;
        timer_cancel(&transport->timer);
    }
}

void transport_note_progress(struct transport *transport)
{
    if (transport->is_writing) {
        transport_arm_write_timeout(transport);
    }
}

static void transport_queue_add(struct transport *transport, const void *bytes, size_t len)
{
    if (len == 0 || transport_is_mute(transport)) {
        return;
    }
    if (transport->queue == NULL) {
        transport->queue = evbuffer_new();
    }
    (void)evbuffer_add(transport->queue, bytes, len); /* out of memory ends the process */
    loop_note_wait(transport->loop);
    transport_watch_write(transport);
}

/* The wire stage, when it is ours, and `bytes` behind it, in one call. */
static void transport_send_with_stage(struct transport *transport, const unsigned char *bytes,
                                      size_t len)
{
    struct loop_stage *stage = loop_wire_stage(transport->loop);
    size_t staged = transport_stage_bytes(transport, stage);
    struct iovec pieces[2];
    size_t count = 0;

    if (staged > 0) {
        pieces[count++] = (struct iovec){ stage->bytes, staged };
        transport_release_stage(stage);
    }
    if (len > 0) {
        /* The kernel only reads; struct iovec has no const. */
        pieces[count++] = (struct iovec){ (void *)(uintptr_t)bytes, len };
    }
    if (count == 0) {
        return;
    }
    size_t sent = transport->queue == NULL ? transport_send_pieces(transport, pieces, count) : 0;
    if (sent < staged) {
        transport_queue_add(transport, stage->bytes + sent, staged - sent);
        sent = 0;
    } else {
        sent -= staged;
    }
    if (sent < len) {
        transport_queue_add(transport, bytes + sent, len - sent);
    }
}

void transport_send_staged(struct transport *transport)
{
    if (!transport_is_mute(transport)) {
        transport_send_with_stage(transport, NULL, 0);
    }
}

void transport_send_wire(struct transport *transport, const unsigned char *bytes, size_t len)
{
    struct loop_stage *stage = loop_wire_stage(transport->loop);

    if (len == 0 || transport_is_mute(transport) || transport->is_shut_down) {
        return;
    }
    if (transport->queue != NULL) {
        if (transport_check_limit(transport)) {
            transport_queue_add(transport, bytes, len);
            transport_note_level(transport);
        }
        return;
    }
    bool is_mine = stage->owner == transport;
    /* Records of TLS gather whatever their size: one call sends all that came of one read. */
    bool is_direct = transport->filter_ops == NULL && len >= TRANSPORT_DIRECT_BYTES;
    if (is_direct || len > stage->capacity || (is_mine && len > stage->capacity - stage->len)) {
        transport_send_with_stage(transport, bytes, len);
        transport_note_level(transport);
        return;
    }
    if (!is_mine) {
        if (stage->owner != NULL) {
            transport_send_staged(stage->owner);
        }
        stage->owner = transport;
        stage->len = 0;
        transport_flush_later(transport);
    }
    memcpy(stage->bytes + stage->len, bytes, len);
    stage->len += len;
}

/* --- Through the filter ----------------------------------------------------------------------- */

static void transport_plain_queue_add(struct transport *transport, const void *bytes, size_t len)
{
    if (len == 0 || !transport_check_limit(transport)) {
        return;
    }
    if (transport->plain_queue == NULL) {
        transport->plain_queue = evbuffer_new();
    }
    (void)evbuffer_add(transport->plain_queue, bytes, len); /* out of memory ends the process */
    loop_note_wait(transport->loop);
    transport_note_level(transport);
}

/* Bytes taken; what is not taken is the caller's to keep. */
static size_t transport_seal(struct transport *transport, const unsigned char *bytes, size_t len)
{
    size_t taken = transport->filter_ops->seal(transport->filter, bytes, len);

    if (taken == SIZE_MAX) {
        transport_set_error(transport, "the filter failed");
        transport_die(transport, TRANSPORT_END_FILTER);
        return len;
    }
    return taken;
}

static void transport_seal_or_keep(struct transport *transport, const unsigned char *bytes,
                                   size_t len)
{
    size_t taken = transport->plain_queue == NULL ? transport_seal(transport, bytes, len) : 0;

    if (taken < len && !transport_is_mute(transport)) {
        transport_plain_queue_add(transport, bytes + taken, len - taken);
    }
}

/* What is too large to gather. */
static void transport_seal_and_send(struct transport *transport, const unsigned char *bytes,
                                    size_t len)
{
    size_t piece = len >= TRANSPORT_BULK_BYTES ? TRANSPORT_BULK_PIECE_BYTES : len;

    while (len > 0 && !transport_is_mute(transport)) {
        size_t part = piece < len ? piece : len;
        transport_seal_or_keep(transport, bytes, part);
        transport_send_staged(transport);
        bytes += part;
        len -= part;
    }
}

static void transport_seal_stage(struct transport *transport)
{
    struct loop_stage *stage = loop_plain_stage(transport->loop);
    size_t staged = transport_stage_bytes(transport, stage);

    if (staged > 0) {
        /* The bytes stay good: nobody stages plaintext while a filter seals. */
        transport_release_stage(stage);
        transport_seal_or_keep(transport, stage->bytes, staged);
    }
}

static void transport_write_plain(struct transport *transport, const unsigned char *bytes,
                                  size_t len)
{
    struct loop_stage *stage = loop_plain_stage(transport->loop);

    if (transport->plain_queue != NULL) {
        transport_seal_stage(transport); /* what is staged comes first */
        transport_plain_queue_add(transport, bytes, len);
        return;
    }
    if (stage->owner == transport && len >= TRANSPORT_DIRECT_BYTES) {
        /* The record that is begun is filled up: head and first body bytes travel in one. */
        size_t room = LIMIT_TLS_RECORD_BYTES - stage->len % LIMIT_TLS_RECORD_BYTES;
        size_t part = room < len ? room : len;
        if (part <= stage->capacity - stage->len) {
            memcpy(stage->bytes + stage->len, bytes, part);
            stage->len += part;
            bytes += part;
            len -= part;
        }
        transport_seal_stage(transport);
    } else if (stage->owner == transport && len > stage->capacity - stage->len) {
        transport_seal_stage(transport);
    }
    if (transport_is_mute(transport) || len == 0) {
        return;
    }
    if (len >= TRANSPORT_DIRECT_BYTES) {
        transport_seal_and_send(transport, bytes, len);
        return;
    }
    if (stage->owner != transport) {
        if (stage->owner != NULL) {
            transport_seal_stage(stage->owner);
        }
        stage->owner = transport;
        stage->len = 0;
        transport_flush_later(transport);
    }
    memcpy(stage->bytes + stage->len, bytes, len);
    stage->len += len;
}

/* The front of `buffer` without its bytes moving. */
static struct iovec transport_front(struct evbuffer *buffer)
{
    struct evbuffer_iovec piece = { NULL, 0 };

    (void)evbuffer_peek(buffer, -1, NULL, &piece, 1); /* an empty piece says it all */
    return (struct iovec){ piece.iov_base, piece.iov_len };
}

void transport_retry_seal(struct transport *transport)
{
    while (transport->plain_queue != NULL && !transport_is_mute(transport)) {
        struct iovec front = transport_front(transport->plain_queue);
        size_t taken = transport_seal(transport, front.iov_base, front.iov_len);
        (void)evbuffer_drain(transport->plain_queue, taken); /* taken from its front just now */
        if (evbuffer_get_length(transport->plain_queue) == 0) {
            evbuffer_free(transport->plain_queue);
            transport->plain_queue = NULL;
        }
        if (taken < front.iov_len) {
            break;
        }
    }
    if (!transport_is_mute(transport)) {
        transport_note_level(transport);
        transport_flush_later(transport);
    }
}

/* --- For the owner ---------------------------------------------------------------------------- */

static bool transport_may_write(const struct transport *transport)
{
    return !transport_is_mute(transport) && !transport->is_write_ending;
}

void transport_write(struct transport *transport, const void *bytes, size_t len)
{
    if (len == 0 || !transport_may_write(transport)) {
        return;
    }
    if (transport->filter_ops == NULL) {
        transport_send_wire(transport, bytes, len);
    } else {
        transport_write_plain(transport, bytes, len);
    }
    transport_note_level(transport);
}

/* Plain and large: the stage and the pieces of `buffer` leave in one call, the rest is moved. */
static void transport_send_buffer(struct transport *transport, struct evbuffer *buffer)
{
    struct iovec pieces[TRANSPORT_SEND_PIECES];
    struct evbuffer_iovec peeked[TRANSPORT_SEND_PIECES];
    struct loop_stage *stage = loop_wire_stage(transport->loop);
    size_t staged = transport_stage_bytes(transport, stage);
    size_t count = 0;
    size_t sent = 0;

    if (transport->queue == NULL) {
        if (staged > 0) {
            pieces[count++] = (struct iovec){ stage->bytes, staged };
            transport_release_stage(stage);
        }
        int room = (int)(TRANSPORT_SEND_PIECES - count);
        int found = evbuffer_peek(buffer, -1, NULL, peeked, room);
        for (int i = 0; i < found && i < room; i++) {
            pieces[count++] = (struct iovec){ peeked[i].iov_base, peeked[i].iov_len };
        }
        sent = transport_send_pieces(transport, pieces, count);
        if (sent < staged) {
            transport_queue_add(transport, stage->bytes + sent, staged - sent);
            sent = staged;
        }
        (void)evbuffer_drain(buffer, sent - staged); /* no more than it gave */
    }
    if (evbuffer_get_length(buffer) > 0 && !transport_is_mute(transport) &&
        transport_check_limit(transport)) {
        if (transport->queue == NULL) {
            transport->queue = evbuffer_new();
        }
        (void)evbuffer_add_buffer(transport->queue, buffer); /* neither is frozen */
        loop_note_wait(transport->loop);
        transport_watch_write(transport);
    }
}

void transport_write_buffer(struct transport *transport, struct evbuffer *buffer)
{
    size_t len = evbuffer_get_length(buffer);

    if (transport_may_write(transport) && transport->filter_ops == NULL &&
        (len >= TRANSPORT_DIRECT_BYTES || transport->queue != NULL)) {
        transport_send_buffer(transport, buffer);
        if (!transport_is_mute(transport)) {
            transport_note_level(transport);
        }
    }
    while (evbuffer_get_length(buffer) > 0 && transport_may_write(transport)) {
        struct iovec front = transport_front(buffer);
        transport_write(transport, front.iov_base, front.iov_len);
        (void)evbuffer_drain(buffer, front.iov_len); /* its front piece */
    }
    /* The rest is for nobody. */
    (void)evbuffer_drain(buffer, evbuffer_get_length(buffer));
}

static void transport_shut_down_when_sent(struct transport *transport)
{
    if (!transport->is_seal_ended || transport->is_shut_down || transport->queue != NULL ||
        transport_is_mute(transport)) {
        return;
    }
    transport->is_shut_down = true;
    /* With both ends of input and output there, lingering is over and the close that follows says the
     * same: after the peer's FIN nothing can lie unread that would make it a reset. */
    if (!transport->is_lingering || !transport->is_wire_ended) {
        /* ENOTCONN: the peer is gone, which the reading side tells. */
        (void)shutdown(transport->fd, SHUT_WR);
    }
    transport_on_shut_down(transport);
}

void transport_flush(struct transport *transport)
{
    loop_defer_cancel(&transport->flush);
    if (transport_is_mute(transport)) {
        return;
    }
    if (transport->filter_ops != NULL) {
        transport_seal_stage(transport);
    }
    /* Who lingers does not wait for a handshake: nobody would end that waiting. */
    if (transport->is_write_ending && !transport->is_seal_ended &&
        (transport->plain_queue == NULL || transport->is_lingering) &&
        !transport_is_mute(transport)) {
        transport->is_seal_ended = true;
        if (transport->filter_ops != NULL) {
            transport->filter_ops->seal_end(transport->filter);
        }
    }
    transport->is_end_next = transport->is_seal_ended && !transport->is_shut_down;
    transport_send_staged(transport);
    transport->is_end_next = false;
    if (!transport_is_mute(transport)) {
        transport_note_level(transport);
        transport_shut_down_when_sent(transport);
    }
}

void transport_end_write(struct transport *transport)
{
    if (!transport->is_write_ending && !transport_is_mute(transport)) {
        transport->is_write_ending = true;
        transport_flush_later(transport);
    }
}

void transport_set_write_timeout(struct transport *transport, uint32_t timeout_ms)
{
    transport->write_timeout_ms = timeout_ms;
    if (transport->queue != NULL && !transport_is_mute(transport)) {
        timer_cancel(&transport->timer);
        transport_arm_write_timeout(transport);
    }
}

static void transport_finish_queue(struct transport *transport)
{
    evbuffer_free(transport->queue);
    transport->queue = NULL;
    (void)event_del(transport->write_event); /* it is there */
    transport->is_writing = false;
    timer_cancel(&transport->timer);
    transport_shut_down_when_sent(transport);
}

void transport_on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct transport *transport = arg;
    struct evbuffer_iovec peeked[TRANSPORT_SEND_PIECES];
    struct iovec pieces[TRANSPORT_SEND_PIECES];

    (void)fd;
    (void)what;
    loop_enter(transport->loop);
    for (int round = 0; round < TRANSPORT_SENDS_PER_TURN && transport->queue != NULL; round++) {
        size_t wanted = 0;
        int found = evbuffer_peek(transport->queue, -1, NULL, peeked, TRANSPORT_SEND_PIECES);
        int count = found < TRANSPORT_SEND_PIECES ? found : TRANSPORT_SEND_PIECES;
        for (int i = 0; i < count; i++) {
            pieces[i] = (struct iovec){ peeked[i].iov_base, peeked[i].iov_len };
            wanted += peeked[i].iov_len;
        }
        size_t sent = transport_send_pieces(transport, pieces, (size_t)count);
        if (transport_is_mute(transport)) {
            return;
        }
        (void)evbuffer_drain(transport->queue, sent); /* no more than it gave */
        if (evbuffer_get_length(transport->queue) == 0) {
            transport_finish_queue(transport);
        } else if (sent > 0) {
            transport_arm_write_timeout(transport);
        }
        if (sent < wanted) {
            break;
        }
    }
    if (!transport_is_mute(transport)) {
        transport_note_level(transport);
    }
    if (!transport_is_mute(transport) && transport->queue == NULL &&
        transport->spliced_from != NULL) {
        transport_splice_on_writable(transport);
    }
}
