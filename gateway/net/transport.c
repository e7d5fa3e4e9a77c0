/* transport: a connected byte pipe; its life and its reading half. The writing half is in
 * transport_write.c. Owned by a conn, client or tunnel; all in the loop's thread.
 *
 * Everything the owner did not ask for at that moment (death, drained, the end, kept bytes) is told
 * from transport_on_wake() at the end of the turn, so no call into a transport calls its owner
 * back; only on_data() comes straight from the readable event. */
#include "gateway/net/transport.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/net/transport_splice.h"
#include "gateway/net/transport_state.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    /* Read of one transport in one turn while each read is filled: bulk needs few wake-ups, neighbours
     * must not starve. */
    TRANSPORT_TURN_BYTES = 256 * 1024,
    /* Reads after our write failed: what the peer said before it hung up, a 413 say. */
    TRANSPORT_LAST_BYTES = 1024 * 1024,
    TRANSPORT_UNREAD_MIN_BYTES = 512,
    /* An owner that takes nothing without pausing waits for the end of a head: none is longer. */
    TRANSPORT_UNREAD_MAX_BYTES = LIMIT_MAX_HEADER_BYTES + 2 * LOOP_READ_BUFFER_BYTES,
};

static void transport_on_readable(evutil_socket_t fd, short what, void *arg);
static void transport_on_timer(void *arg);
static void transport_on_wake(void *arg);

/* --- Life ------------------------------------------------------------------------------------- */

struct transport *transport_new(struct loop *loop, int fd, const struct address *peer)
{
    struct transport *transport = mem_new(struct transport);
    struct event_base *base = loop_event_base(loop);

    transport->loop = loop;
    transport->fd = fd;
    transport->read_bytes = LOOP_READ_BYTES;
    if (peer != NULL) {
        address_keep(&transport->peer, peer);
    }
    /* Fails only for a bad combination of flags. */
    CHECK(event_assign(&transport->read_event, base, fd, EV_READ | EV_CLOSED | EV_PERSIST,
                       transport_on_readable, transport) == 0);
    timer_init(&transport->timer, transport_on_timer, transport);
    return transport;
}

void transport_watch_read(struct transport *transport)
{
    if (transport->is_reading || transport->is_wire_ended || transport->is_dead ||
        transport->is_closed) {
        return;
    }
    if (event_add(&transport->read_event, NULL) != 0) {
        /* epoll has no room (max_user_watches). */
        transport_set_error(transport, "cannot watch the socket: %s", strerror(errno));
        transport_die(transport, TRANSPORT_END_RESET);
        return;
    }
    transport->is_reading = true;
}

void transport_unwatch_read(struct transport *transport)
{
    if (transport->is_reading) {
        (void)event_del(&transport->read_event); /* it is there */
        transport->is_reading = false;
    }
}

static void transport_unwatch_write(struct transport *transport)
{
    if (transport->is_writing) {
        (void)event_del(transport->write_event); /* it is there */
        transport->is_writing = false;
    }
}

void transport_set_handler(struct transport *transport, const struct transport_handler *handler,
                           void *owner)
{
    if (transport->is_closed) {
        return;
    }
    transport->handler = handler;
    transport->owner = owner;
    if (handler == NULL) {
        return;
    }
    transport->is_offer_due = true;
    transport->is_end_told = false; /* each owner hears it once */
    transport_watch_read(transport);
    transport_wake_later(transport);
}

struct loop *transport_loop(const struct transport *transport)
{
    return transport->loop;
}

int transport_fd(const struct transport *transport)
{
    return transport->fd;
}

struct address transport_peer(const struct transport *transport)
{
    return address_recall(&transport->peer);
}

struct address transport_local(struct transport *transport)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    struct address local = { 0 };

    if (!transport->is_local_known) {
        transport->is_local_known = true;
        /* A failure leaves the empty address, printed as "-". */
        if (getsockname(transport->fd, (struct sockaddr *)&storage, &len) == 0 &&
            address_from_sockaddr(&local, (struct sockaddr *)&storage, len)) {
            address_keep(&transport->local, &local);
        }
    }
    return address_recall(&transport->local);
}

void transport_set_addresses(struct transport *transport, const struct address *peer,
                             const struct address *local)
{
    address_keep(&transport->peer, peer);
    address_keep(&transport->local, local);
    transport->is_local_known = true;
}

uint64_t transport_received_bytes(const struct transport *transport)
{
    return transport->received_bytes;
}

uint64_t transport_sent_bytes(const struct transport *transport)
{
    return transport->sent_bytes;
}

uint64_t transport_sent_at_ms(const struct transport *transport)
{
    return transport->sent_at_ms;
}

const char *transport_error(const struct transport *transport)
{
    return transport->error != NULL ? transport->error : "";
}

void transport_set_error(struct transport *transport, const char *format, ...)
{
    char text[256];
    va_list args;

    if (transport->error != NULL) {
        return; /* the first error is the one worth telling */
    }
    va_start(args, format);
    int len = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (len > 0) {
        transport->error = mem_copy_string(text, strlen(text));
    }
}

void transport_wake_later(struct transport *transport)
{
    loop_defer(transport->loop, &transport->wake, transport_on_wake, transport);
}

void transport_die(struct transport *transport, enum transport_end end)
{
    if (transport->is_dead || transport->is_closed) {
        return;
    }
    if (end == TRANSPORT_END_FILTER) {
        /* The alert that says why: sent as far as the kernel takes it. */
        transport_send_staged(transport);
    }
    transport->is_dead = true;
    transport->end = end;
    transport_splice_drop(transport);
    transport_unwatch_read(transport);
    transport_unwatch_write(transport);
    timer_cancel(&transport->timer);
    transport_drop_stages(transport);
    loop_defer_cancel(&transport->flush);
    transport_wake_later(transport);
}

static void transport_free(void *memory)
{
    struct transport *transport = memory;

    if (transport->filter_ops != NULL) {
        transport->filter_ops->free(transport->filter);
    }
    if (transport->queue != NULL) {
        evbuffer_free(transport->queue);
    }
    if (transport->plain_queue != NULL) {
        evbuffer_free(transport->plain_queue);
    }
    mem_free(transport->unread.bytes);
    mem_free(transport->splice);
    mem_free(transport->error);
    address_kept_cleanup(&transport->peer);
    address_kept_cleanup(&transport->local);
    mem_free(transport->write_event);
    mem_free(transport);
}

static void transport_finish_close(struct transport *transport)
{
    transport->is_closed = true;
    transport_splice_drop(transport);
    transport_unwatch_read(transport);
    transport_unwatch_write(transport);
    timer_cancel(&transport->timer);
    transport_drop_stages(transport);
    loop_defer_cancel(&transport->wake);
    loop_defer_cancel(&transport->flush);
    list_remove(&transport->closer.link);
    (void)close(transport->fd); /* the descriptor is gone whatever it says */
    transport->fd = -1;
    /* Its filter or its owner may be on the stack. */
    loop_reap(transport->loop, transport, transport_free);
}

void transport_close(struct transport *transport)
{
    if (transport == NULL || transport->is_closed) {
        return;
    }
    if (!transport->is_dead) {
        transport_flush(transport);
    }
    if (!transport->is_closed) { /* flushing ends one that lingers */
        transport_finish_close(transport);
    }
}

void transport_reset(struct transport *transport)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    if (transport == NULL || transport->is_closed) {
        return;
    }
    /* Without it the peer sees a plain end, as before. */
    (void)setsockopt(transport->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    transport_finish_close(transport);
}

/* --- Lingering close (RFC 9112 9.6) ----------------------------------------------------------- */

static void transport_drop_unread(struct transport *transport, size_t count)
{
    struct transport_unread *unread = &transport->unread;

    CHECK(count <= unread->len);
    unread->start += count;
    unread->len -= count;
    if (unread->len == 0) {
        mem_free(unread->bytes);
        memset(unread, 0, sizeof(*unread));
    }
}

static void transport_close_lingering(void *arg)
{
    transport_finish_close(arg);
}

void transport_linger_close(struct transport *transport)
{
    if (transport == NULL || transport->is_closed || transport->is_lingering) {
        return;
    }
    if (transport->is_dead || transport->has_write_failed) {
        transport_close(transport);
        return;
    }
    transport->is_lingering = true;
    transport_splice_drop(transport);
    transport->handler = NULL;
    transport->pause_reasons = 0;
    if (!transport
             ->is_delivering) { /* else the owner is looking at them: transport_offer_unread() */
        transport_drop_unread(transport, transport->unread.len);
    }
    if (transport->plain_queue != NULL) {
        /* The handshake never got done and nobody drives it any more. */
        evbuffer_free(transport->plain_queue);
        transport->plain_queue = NULL;
    }
    if (transport->write_timeout_ms == 0) {
        transport_set_write_timeout(transport, DEFAULT_WRITE_TIMEOUT_MS);
    }
    loop_add_closer(transport->loop, &transport->closer, transport_close_lingering, transport);
    transport_watch_read(transport);
    if (transport->is_shut_down) {
        transport_on_shut_down(transport);
    } else {
        transport_end_write(transport);
    }
}

void transport_on_shut_down(struct transport *transport)
{
    if (!transport->is_lingering) {
        return;
    }
    if (transport->is_wire_ended || transport->lingered_bytes >= LIMIT_LINGER_BYTES) {
        transport_finish_close(transport);
        return;
    }
    timer_arm(transport->loop, &transport->timer, LIMIT_DELAYED_CLOSE_MS);
}

/* Read and thrown away: closing with unread bytes would reset, and a reset can take from the peer
 * the answer it did not read yet. */
static void transport_discard_input(struct transport *transport)
{
    ssize_t count = recv(transport->fd, loop_read_buffer(transport->loop), LOOP_READ_BYTES, 0);

    if (count == -1 && (errno == EAGAIN || errno == EINTR)) {
        return;
    }
    if (count == -1) {
        transport_finish_close(transport);
        return;
    }
    transport->is_wire_ended = transport->is_wire_ended || count == 0;
    transport->received_bytes += (uint64_t)count;
    transport->lingered_bytes += (uint32_t)count;
    if (count == 0 || transport->lingered_bytes >= LIMIT_LINGER_BYTES) {
        transport_unwatch_read(transport);
        if (transport->is_shut_down) {
            transport_finish_close(transport);
        }
    }
}

static void transport_on_timer(void *arg)
{
    struct transport *transport = arg;

    if (transport->is_lingering) {
        transport_finish_close(transport);
        return;
    }
    transport_set_error(transport, "the peer took nothing for %u ms", transport->write_timeout_ms);
    transport_die(transport, TRANSPORT_END_WRITE_TIMEOUT);
}

/* --- Kept input ------------------------------------------------------------------------------- */

static void transport_keep(struct transport *transport, const unsigned char *bytes, size_t len)
{
    struct transport_unread *unread = &transport->unread;

    if (len == 0) {
        return;
    }
    if (unread->len + len > TRANSPORT_UNREAD_MAX_BYTES) {
        transport_set_error(transport, "more than %d bytes wait to be taken",
                            (int)TRANSPORT_UNREAD_MAX_BYTES);
        transport_die(transport, TRANSPORT_END_QUEUE_LIMIT);
        return;
    }
    if (unread->start > 0 && unread->start + unread->len + len > unread->capacity) {
        memmove(unread->bytes, unread->bytes + unread->start, unread->len);
        unread->start = 0;
    }
    if (unread->len + len > unread->capacity) {
        size_t capacity = unread->capacity > 0 ? unread->capacity : TRANSPORT_UNREAD_MIN_BYTES;
        while (capacity < unread->len + len) {
            capacity *= 2;
        }
        unread->bytes = mem_resize(unread->bytes, capacity);
        unread->capacity = (uint32_t)capacity;
    }
    memcpy(unread->bytes + unread->start + unread->len, bytes, len);
    unread->len += len;
}

size_t transport_forward_unread(struct transport *from, struct transport *to)
{
    size_t len = from->unread.len;

    transport_write(to, from->unread.bytes + from->unread.start, len);
    transport_drop_unread(from, len);
    return len;
}

size_t transport_unread_bytes(const struct transport *transport)
{
    return transport->unread.len;
}

const unsigned char *transport_peek_unread(struct transport *transport, size_t *len)
{
    *len = transport->unread.len;
    return *len == 0 ? NULL : transport->unread.bytes + transport->unread.start;
}

/* --- Towards the owner ------------------------------------------------------------------------ */

static bool transport_is_over(const struct transport *transport)
{
    return transport->is_closed || transport->is_dead;
}

static bool transport_may_deliver(const struct transport *transport)
{
    return !transport_is_over(transport) && transport->handler != NULL &&
           transport->pause_reasons == 0 && !transport->is_delivering;
}

/* An owner that only looked, and handed over while it did, leaves the bytes to the next one: the
 * first request of a connection is parsed where it was read. */
static bool transport_was_handed_over(const struct transport *transport,
                                      const struct transport_handler *former,
                                      const struct transport_filter_ops *former_filter)
{
    return !transport_is_over(transport) && transport->handler != NULL &&
           transport->handler != former && transport->filter_ops == former_filter &&
           transport->pause_reasons == 0;
}

static size_t transport_call_on_data(struct transport *transport, const unsigned char *bytes,
                                     size_t len)
{
    const struct transport_filter_ops *filter_ops = transport->filter_ops;
    const struct transport_handler *handler;
    size_t taken = 0;

    transport->is_delivering = true;
    do {
        handler = transport->handler;
        transport->is_offer_due = false; /* the owner may make it due again */
        taken += handler->on_data(transport->owner, bytes + taken, len - taken);
        CHECK(taken <= len);
    } while (taken < len && transport_was_handed_over(transport, handler, filter_ops));
    transport->is_delivering = false;
    return taken;
}

void transport_offer_unread(struct transport *transport)
{
    struct transport_unread *unread = &transport->unread;

    transport->is_offer_due = true;
    if (transport->is_delivering || transport->is_unread_wire) {
        transport_wake_later(transport);
        return;
    }
    if (!transport_may_deliver(transport)) {
        return;
    }
    if (unread->len == 0) {
        transport->is_offer_due = false;
        return;
    }
    size_t taken = transport_call_on_data(transport, unread->bytes + unread->start, unread->len);
    if (!transport->is_closed) {
        transport_drop_unread(transport, transport->is_lingering ? unread->len : taken);
    }
}

/* Bytes for the owner, behind what it left lying. */
static void transport_offer(struct transport *transport, const unsigned char *bytes, size_t len)
{
    if (transport->unread.len > 0 || !transport_may_deliver(transport)) {
        transport_keep(transport, bytes, len);
        transport_offer_unread(transport);
        return;
    }
    size_t taken = transport_call_on_data(transport, bytes, len);
    if (!transport_is_over(transport)) {
        transport_keep(transport, bytes + taken, len - taken);
    }
}

static void transport_open(struct transport *transport, const unsigned char *bytes, size_t len)
{
    CHECK(transport->filter_ops != NULL);
    transport->is_filter_stopped = false;
    if (!transport->filter_ops->open(transport->filter, bytes, len) &&
        !transport_is_over(transport)) {
        transport_set_error(transport, "the filter failed");
        transport_die(transport, TRANSPORT_END_FILTER);
    }
}

/* What was collected before the filter was there. */
static void transport_open_unread(struct transport *transport)
{
    struct transport_unread unread = transport->unread;

    transport->is_unread_wire = false;
    memset(&transport->unread, 0, sizeof(transport->unread));
    transport_open(transport, unread.bytes + unread.start, unread.len);
    mem_free(unread.bytes);
}

static void transport_take_wire(struct transport *transport, const unsigned char *bytes, size_t len)
{
    if (transport->filter_ops == NULL) {
        transport_offer(transport, bytes, len);
        return;
    }
    if (transport->is_unread_wire && transport->unread.len > 0) {
        transport_keep(transport, bytes, len);
        if (!transport_is_over(transport)) {
            transport_open_unread(transport);
        }
        return;
    }
    transport->is_unread_wire = false;
    transport_open(transport, bytes, len);
}

static bool transport_may_go_on(const struct transport *transport)
{
    return !transport_is_over(transport) && transport->handler != NULL &&
           transport->pause_reasons == 0;
}

static void transport_end_input(struct transport *transport, bool is_clean)
{
    if (!transport->is_ended) {
        transport->is_ended = true;
        transport->is_end_clean = is_clean;
        transport_unwatch_read(transport);
    }
}

/* Once, and not before the owner was offered all that came before. */
static void transport_tell_end(struct transport *transport)
{
    if (transport->is_wire_ended && !transport->is_ended) {
        bool is_clean =
            transport->filter_ops == NULL || transport->filter_ops->open_end(transport->filter);
        if (!transport_may_go_on(transport)) {
            return;
        }
        transport_end_input(transport, is_clean);
    }
    if (transport->is_ended && !transport->is_end_told) {
        transport->is_end_told = true;
        transport->handler->on_end(transport->owner, transport->is_end_clean);
    }
}

/* Goes on where a pause or a change of owner left off. */
static void transport_pump(struct transport *transport)
{
    if (!transport_may_go_on(transport)) {
        return;
    }
    if (transport->is_unread_wire && transport->filter_ops != NULL) {
        if (transport->unread.len > 0) {
            transport_open_unread(transport);
        }
        transport->is_unread_wire = false;
    } else if (transport->is_offer_due) {
        transport_offer_unread(transport);
    }
    if (transport_may_go_on(transport) && transport->is_filter_stopped) {
        transport_open(transport, NULL, 0);
    }
    if (transport_may_go_on(transport)) {
        transport_tell_end(transport);
    }
}

void transport_end_wire(struct transport *transport)
{
    transport->is_wire_ended = true;
    /* Level-triggered: left in place it would fire for ever. */
    transport_unwatch_read(transport);
    transport_pump(transport);
}

/* Each filled read doubles the next, as long as what was read could be passed on. */
static void transport_adapt_read(struct transport *transport, size_t size, size_t count,
                                 bool had_to_wait)
{
    if (had_to_wait || count < size / 2) {
        transport->read_bytes = LOOP_READ_BYTES;
    } else if (count == size && size == transport->read_bytes && size < LOOP_READ_BUFFER_BYTES) {
        transport->read_bytes = (uint32_t)size * 2;
    }
}

/* `is_end_near`: the peer's end is behind what is there to read. */
static void transport_read(struct transport *transport, size_t limit, bool is_end_near)
{
    unsigned char *buffer = loop_read_buffer(transport->loop);

    while (limit > 0) {
        size_t size = transport->read_bytes < limit ? transport->read_bytes : limit;
        ssize_t count = recv(transport->fd, buffer, size, 0);
        if (count == -1) {
            if (errno != EAGAIN && errno != EINTR) {
                transport_set_error(transport, "%s", strerror(errno));
                transport_die(transport, TRANSPORT_END_RESET);
            }
            return;
        }
        if (count == 0) {
            transport_end_wire(transport);
            return;
        }
        uint64_t wait_count = loop_wait_count(transport->loop);
        limit -= (size_t)count;
        transport->received_bytes += (uint64_t)count;
        transport_take_wire(transport, buffer, (size_t)count);
        transport_adapt_read(transport, size, (size_t)count,
                             loop_wait_count(transport->loop) != wait_count);
        if (transport_may_go_on(transport) && transport->is_ended) {
            transport_tell_end(transport);
        }
        /* A short read emptied the socket: another one would only say EAGAIN; or, of a peer that hung
         * up, the end, which then goes out with its last words. */
        if (!transport_may_go_on(transport) || transport->is_ended ||
            ((size_t)count < size && !transport->has_write_failed && !is_end_near) ||
            transport_is_spliced(transport)) {
            return;
        }
    }
}

static void transport_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct transport *transport = arg;

    (void)fd;
    loop_enter(transport->loop);
    if (transport->is_lingering) {
        transport_discard_input(transport);
    } else if (transport->pause_reasons != 0 || transport->handler == NULL) {
        transport_unwatch_read(transport);
    } else if (transport_is_spliced(transport)) {
        transport_splice_on_readable(transport);
    } else {
        transport_read(transport, TRANSPORT_TURN_BYTES, (what & EV_CLOSED) != 0);
    }
}

static void transport_tell_death(struct transport *transport)
{
    if (transport->is_lingering) {
        transport_finish_close(transport);
    } else if (transport->handler != NULL && !transport->is_death_told) {
        transport->is_death_told = true;
        transport->handler->on_dead(transport->owner, transport->end);
    }
}

static void transport_on_wake(void *arg)
{
    struct transport *transport = arg;

    if (transport->has_write_failed && !transport->is_dead) {
        if (transport_may_go_on(transport) && !transport->is_wire_ended &&
            !transport_is_spliced(transport)) {
            transport_read(transport, TRANSPORT_LAST_BYTES, false);
        }
        transport_die(transport, TRANSPORT_END_RESET);
    }
    if (transport->is_closed) {
        return;
    }
    if (transport->is_dead) {
        transport_tell_death(transport);
        return;
    }
    if (transport->is_drained) {
        transport->is_drained = false;
        if (transport->handler != NULL) {
            transport->handler->on_drained(transport->owner);
        }
    }
    if (!transport->is_closed) {
        transport_pump(transport);
    }
}

/* --- Pausing ---------------------------------------------------------------------------------- */

void transport_pause_read(struct transport *transport, unsigned reason)
{
    transport->pause_reasons |= reason;
}

void transport_resume_read(struct transport *transport, unsigned reason)
{
    if ((transport->pause_reasons & reason) == 0) {
        return;
    }
    transport->pause_reasons &= ~reason;
    if (transport->pause_reasons == 0 && !transport_is_over(transport)) {
        if (!transport->is_ended && transport->handler != NULL) {
            transport_watch_read(transport);
        }
        transport->is_offer_due = true;
        transport_wake_later(transport);
    }
}

/* --- Filters ---------------------------------------------------------------------------------- */

void transport_set_filter(struct transport *transport, const struct transport_filter_ops *ops,
                          void *filter)
{
    CHECK(transport->filter_ops == NULL);
    transport->filter_ops = ops;
    transport->filter = filter;
    /* Plaintext that was written before goes out as it is. */
    transport->is_unread_wire = transport->is_delivering || transport->unread.len > 0;
    if (!transport_is_over(transport)) {
        transport_wake_later(transport);
    }
}

void *transport_filter(const struct transport *transport)
{
    return transport->filter;
}

bool transport_deliver(struct transport *transport, const unsigned char *bytes, size_t len)
{
    if (transport_is_over(transport)) {
        return false;
    }
    transport_offer(transport, bytes, len);
    if (transport_may_go_on(transport)) {
        return true;
    }
    transport->is_filter_stopped = true;
    return false;
}

void transport_deliver_end(struct transport *transport)
{
    if (!transport_is_over(transport)) {
        transport_end_input(transport, true);
        transport_wake_later(transport);
    }
}
