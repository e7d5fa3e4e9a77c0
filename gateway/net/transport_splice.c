/* transport_splice: socket to pipe to socket. What is in the pipe is on its way; while `to` does not take
 * it, `from` is not read, so the pipe is all that a direction ever holds.
 *
 *   from readable ──▶ fill ──▶ empty: the pipe goes back, wait for `from`
 *                      │
 *                      └──▶ `to` is full: wait for `to`, `from` leaves epoll ──▶ to writable ──▶ fill
 */
#include "gateway/net/transport_splice.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/pipe_cache.h"
#include "gateway/net/transport_state.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

enum {
    /* Of one direction in one turn: neighbours must not starve. */
    SPLICE_FILLS_PER_TURN = 4,
    SPLICE_FILL_BYTES = 1024 * 1024, /* the pipe takes less */
    /* Moves below this are as cheap through the buffer; so many in a row end the splicing. */
    SPLICE_SHORT_BYTES = 16 * 1024,
    SPLICE_SHORT_MOVES = 32,
};

struct transport_splice {
    struct transport *from;
    struct transport *to; /* NULL: stopped */
    struct pipe_pair pipe;
    size_t piped;  /* bytes in the pipe; 0: there is no pipe */
    uint64_t left; /* that may still be filled in */
    size_t untold; /* bytes `to` took since the owner of `from` heard */
    bool was_held_back;
    unsigned short_moves;
    uint64_t bytes;
    uint64_t at_ms;
};

/* --- Facts ------------------------------------------------------------------------------------ */

bool transport_is_spliced(const struct transport *from)
{
    return from->splice != NULL && from->splice->to != NULL;
}

uint64_t transport_spliced_bytes(const struct transport *from)
{
    return from->splice != NULL ? from->splice->bytes : 0;
}

uint64_t transport_spliced_at_ms(const struct transport *from)
{
    return from->splice != NULL ? from->splice->at_ms : 0;
}

/* --- Stopping --------------------------------------------------------------------------------- */

static void transport_splice_give_pipe(struct transport_splice *flow)
{
    pipe_cache_give(loop_pipes(flow->from->loop), &flow->pipe, flow->piped == 0);
    flow->piped = 0;
}

/* Bytes wait for room in `to`: in its queue, or in the pipe. */
static bool transport_splice_is_blocked(const struct transport_splice *flow)
{
    return flow->piped > 0 || flow->to->queue != NULL;
}

bool transport_splice_is_held_back(const struct transport *from)
{
    return transport_is_spliced(from) && transport_splice_is_blocked(from->splice);
}

bool transport_is_sending(const struct transport *transport)
{
    return transport_queued_bytes(transport) > 0 ||
           (transport->spliced_from != NULL && transport->spliced_from->splice->piped > 0);
}

/* The owner may close both. */
static void transport_splice_tell(struct transport_splice *flow)
{
    struct transport *from = flow->from;
    size_t count = flow->untold;
    bool is_held_back = transport_splice_is_held_back(from);

    if (from->is_closed || from->handler == NULL || from->handler->on_spliced == NULL ||
        (count == 0 && is_held_back == flow->was_held_back)) {
        return;
    }
    flow->untold = 0;
    flow->was_held_back = is_held_back;
    from->handler->on_spliced(from->owner, count);
}

/* `from` goes on by on_data(). */
static void transport_splice_stop(struct transport_splice *flow)
{
    if (flow->piped > 0) {
        transport_splice_give_pipe(flow);
    }
    flow->to->spliced_from = NULL;
    transport_unwatch_write_idle(flow->to); /* level-triggered: it would fire for ever */
    flow->to = NULL;
    flow->short_moves = 0;
}

void transport_splice_drop(struct transport *transport)
{
    struct transport *source = transport->spliced_from;

    if (transport_is_spliced(transport)) {
        transport_splice_stop(transport->splice);
    }
    if (source != NULL) {
        transport_splice_stop(source->splice);
        transport_watch_read(source); /* its owner hears how it ends */
    }
}

/* --- Moving ----------------------------------------------------------------------------------- */

/* False: nothing came. */
static bool transport_splice_fill(struct transport_splice *flow)
{
    struct transport *from = flow->from;
    struct pipe_cache *pipes = loop_pipes(from->loop);

    if (!pipe_cache_take(pipes, &flow->pipe)) {
        transport_splice_stop(flow);
        return false;
    }
    size_t room = flow->left < SPLICE_FILL_BYTES ? (size_t)flow->left : SPLICE_FILL_BYTES;
    ssize_t count =
        splice(from->fd, NULL, flow->pipe.write_fd, NULL, room, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
    int error_number = errno;
    if (count > 0) {
        from->received_bytes += (uint64_t)count;
        flow->piped = (size_t)count;
        flow->left -= (uint64_t)count;
        flow->bytes += (uint64_t)count;
        flow->at_ms = now_mono_ms();
        flow->short_moves = count < SPLICE_SHORT_BYTES ? flow->short_moves + 1 : 0;
        return true;
    }
    transport_splice_give_pipe(flow);
    if (count == 0) {
        transport_splice_stop(flow);
        transport_splice_tell(flow); /* before its end */
        if (!from->is_closed) {
            transport_end_wire(from);
        }
    } else if (error_number != EAGAIN && error_number != EINTR) {
        transport_set_error(from, "%s", strerror(error_number));
        transport_die(from, TRANSPORT_END_RESET);
    }
    return false;
}

/* False: `to` does not take all of it now, or it failed. */
static bool transport_splice_drain(struct transport_splice *flow)
{
    struct transport *to = flow->to;

    while (flow->piped > 0) {
        ssize_t count = splice(flow->pipe.read_fd, NULL, to->fd, NULL, flow->piped,
                               SPLICE_F_NONBLOCK | SPLICE_F_MOVE);
        if (count > 0) {
            to->sent_bytes += (uint64_t)count;
            to->sent_at_ms = now_mono_ms();
            flow->piped -= (size_t)count;
            flow->untold += (size_t)count;
            transport_note_progress(to);
        } else if (count == -1 && errno == EINTR) {
            continue;
        } else {
            if (count == -1 && errno != EAGAIN) {
                transport_fail_write(to, errno);
            }
            return false;
        }
    }
    transport_splice_give_pipe(flow);
    return true;
}

static void transport_splice_watch_source(struct transport_splice *flow)
{
    if (flow->from->pause_reasons == 0) {
        transport_watch_read(flow->from); /* nothing to do for one that is over */
    }
}

static void transport_splice_run(struct transport_splice *flow)
{
    struct transport *from = flow->from;

    for (int i = 0; i < SPLICE_FILLS_PER_TURN && flow->to != NULL; i++) {
        if (flow->to->queue != NULL || (flow->piped > 0 && !transport_splice_drain(flow))) {
            break;
        }
        if (flow->left == 0) {
            transport_splice_stop(flow); /* as much as was asked for */
            break;
        }
        if (from->pause_reasons != 0 || from->is_wire_ended || !transport_splice_fill(flow)) {
            break;
        }
        if (!transport_splice_drain(flow)) {
            break;
        }
    }
    if (flow->to == NULL) {
        transport_splice_watch_source(flow); /* stopped: on_data() goes on */
        return;
    }
    if (from->is_dead || flow->to->has_write_failed) {
        return; /* it is told at the end of the turn */
    }
    if (transport_splice_is_blocked(flow)) {
        transport_unwatch_read(from);
        transport_watch_write(flow->to);
        return;
    }
    if (flow->left == 0 || flow->short_moves >= SPLICE_SHORT_MOVES) {
        transport_splice_stop(flow);
    }
    transport_splice_watch_source(flow);
}

void transport_splice_on_readable(struct transport *from)
{
    uint64_t former_bytes = from->received_bytes;

    transport_splice_run(from->splice);
    if (transport_is_spliced(from) && from->is_reading && from->received_bytes == former_bytes) {
        /* Readable, and yet nothing came: urgent data (RFC 9293 3.8.5). splice(2) never goes past it,
         * recv(2) does. Waiting for more would spin. */
        transport_splice_stop(from->splice);
    }
    transport_splice_tell(from->splice);
}

void transport_splice_on_writable(struct transport *to)
{
    struct transport_splice *flow = to->spliced_from->splice;

    transport_splice_run(flow);
    if (flow->to != NULL && !transport_splice_is_blocked(flow)) {
        transport_unwatch_write_idle(to);
    }
    transport_splice_tell(flow);
}

/* --- Starting --------------------------------------------------------------------------------- */

static bool transport_splice_is_plain(const struct transport *transport)
{
    return transport->filter_ops == NULL && !transport->is_closed && !transport->is_dead &&
           !transport->is_lingering && !transport->has_write_failed;
}

bool transport_splice_start(struct transport *from, struct transport *to)
{
    return transport_splice_start_bytes(from, to, UINT64_MAX);
}

bool transport_splice_start_bytes(struct transport *from, struct transport *to, uint64_t len)
{
    struct pipe_pair pair;

    if (!transport_splice_is_plain(from) || !transport_splice_is_plain(to) || from->is_wire_ended ||
        to->is_write_ending || transport_is_spliced(from) || to->spliced_from != NULL ||
        (len != UINT64_MAX && !from->is_delivering) ||
        !pipe_cache_take(loop_pipes(from->loop), &pair)) {
        return false;
    }
    pipe_cache_give(loop_pipes(from->loop), &pair,
                    true); /* it is there when the first bytes come */
    if (from->splice == NULL) {
        from->splice = mem_new(struct transport_splice);
        from->splice->from = from;
    }
    from->splice->to = to;
    from->splice->left = len;
    from->splice->untold = 0;
    to->spliced_from = from;
    if (!from->is_delivering) {
        from->splice->bytes += transport_forward_unread(from, to);
    }
    transport_flush(to);
    if (transport_is_spliced(from) && to->queue != NULL) {
        transport_unwatch_read(from);
    }
    from->splice->was_held_back = transport_splice_is_held_back(from);
    return true;
}
