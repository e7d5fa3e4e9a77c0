/* poller: readiness of sockets. Owned by a loop, in its thread.
 *
 * An edge is lost only if nobody notes it: `ready` does, whether it is asked for at that moment or not.
 * What a socket had when it was used up was there before the call that said so; what comes later is a
 * new edge. A read that was short leaves nothing behind but what comes without bytes (an end, an
 * error) or stops a read early (urgent data): of these epoll tells with the same event, and then only
 * EAGAIN counts. */
#include "gateway/net/poller.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    POLLER_EVENTS = 256, /* of one wait; the rest is told in the next turn */
    POLLER_EDGE_EVENTS = EPOLLIN | EPOLLPRI | EPOLLRDHUP,
    POLLER_DOUBTS = EPOLLPRI | EPOLLRDHUP | EPOLLHUP | EPOLLERR,
};

struct poller {
    int epoll_fd;
    struct list again;
    struct list
        marker; /* in `again` during a wait: who stands behind it is told in the next turn */
    struct epoll_event events[POLLER_EVENTS];
};

/* --- Life ------------------------------------------------------------------------------------- */

struct poller *poller_new(struct err *err)
{
    struct poller *poller = mem_new(struct poller);

    list_init(&poller->again);
    poller->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poller->epoll_fd == -1) {
        err_errno(err, "cannot create an epoll instance");
        mem_free(poller);
        return NULL;
    }
    return poller;
}

void poller_free(struct poller *poller)
{
    if (poller != NULL) {
        (void)close(poller->epoll_fd); /* the descriptor is gone whatever it says */
        mem_free(poller);
    }
}

int poller_fd(const struct poller *poller)
{
    return poller->epoll_fd;
}

/* --- Asking ----------------------------------------------------------------------------------- */

void poller_socket_init(struct poller_socket *socket, struct poller *poller, int fd, bool is_edge,
                        void (*on_ready)(void *owner, unsigned what), void *owner)
{
    *socket = (struct poller_socket){
        .poller = poller,
        .on_ready = on_ready,
        .owner = owner,
        .fd = fd,
        .is_edge = is_edge,
    };
}

static bool poller_register(struct poller_socket *socket, uint32_t events)
{
    struct epoll_event event = { .events = events, .data.ptr = socket };
    int operation = socket->registered == 0 ? EPOLL_CTL_ADD
                    : events == 0           ? EPOLL_CTL_DEL
                                            : EPOLL_CTL_MOD;

    if (events == socket->registered) {
        return true;
    }
    if (epoll_ctl(socket->poller->epoll_fd, operation, socket->fd, &event) == -1) {
        return false;
    }
    socket->registered = events;
    return true;
}

static uint32_t poller_level_events(const struct poller_socket *socket)
{
    return ((socket->wanted & POLLER_READABLE) != 0 ? (uint32_t)EPOLLIN : 0) |
           ((socket->wanted & POLLER_WRITABLE) != 0 ? (uint32_t)EPOLLOUT : 0);
}

/* Room for writing is asked for when it is first missed, and then for good: most sockets never do. */
static uint32_t poller_edge_events(const struct poller_socket *socket)
{
    uint32_t room = (socket->wanted & POLLER_WRITABLE) != 0 ? EPOLLOUT : 0;

    return socket->registered | (uint32_t)POLLER_EDGE_EVENTS | EPOLLET | room;
}

static void poller_tell_again(struct poller_socket *socket)
{
    if ((socket->ready & socket->wanted) != 0 && !list_is_linked(&socket->again)) {
        list_push_back(&socket->poller->again, &socket->again);
    }
}

bool poller_watch(struct poller_socket *socket, unsigned what)
{
    uint8_t former = socket->wanted;

    socket->wanted |= (uint8_t)what;
    if (!poller_register(socket, socket->is_edge ? poller_edge_events(socket)
                                                 : poller_level_events(socket))) {
        socket->wanted = former;
        return false;
    }
    poller_tell_again(socket);
    return true;
}

void poller_unwatch(struct poller_socket *socket, unsigned what)
{
    socket->wanted &= (uint8_t)~what;
    if (!socket->is_edge) {
        (void)poller_register(socket, poller_level_events(socket)); /* less needs no room */
    }
}

void poller_used_up(struct poller_socket *socket, unsigned what, bool is_sure)
{
    if (is_sure || !socket->is_doubtful) {
        socket->ready &= (uint8_t)~what;
    }
    if ((socket->ready & socket->wanted) == 0) {
        list_remove(&socket->again);
    }
}

bool poller_make_level(struct poller_socket *socket)
{
    if (!socket->is_edge) {
        return true;
    }
    if (!poller_register(socket, poller_level_events(socket))) {
        return false;
    }
    socket->is_edge = false;
    socket->ready = 0;
    list_remove(&socket->again);
    return true;
}

void poller_forget(struct poller_socket *socket)
{
    socket->wanted = 0;
    socket->ready = 0;
    list_remove(&socket->again);
    /* Closing takes an edge socket out of epoll by itself. A level one may have a twin: workers share
     * the descriptor of a unix socket that listens. */
    if (!socket->is_edge) {
        (void)poller_register(socket, 0);
    }
}

/* --- Telling ---------------------------------------------------------------------------------- */

bool poller_is_pending(const struct poller *poller)
{
    return !list_is_empty(&poller->again);
}

static void poller_tell(struct poller_socket *socket)
{
    unsigned what = socket->ready & socket->wanted;

    list_remove(&socket->again);
    if (what != 0) {
        socket->on_ready(socket->owner, what);
        poller_tell_again(socket); /* nothing is wanted of one that was closed meanwhile */
    }
}

static void poller_take_event(struct poller_socket *socket, uint32_t events)
{
    bool is_broken = (events & (EPOLLHUP | EPOLLERR)) != 0;
    unsigned what = 0;

    if ((events & POLLER_EDGE_EVENTS) != 0 || is_broken) {
        what |= POLLER_READABLE;
    }
    if ((events & EPOLLOUT) != 0 || is_broken) {
        what |= POLLER_WRITABLE; /* writing finds out */
    }
    if (socket->is_edge) {
        socket->is_doubtful = (events & POLLER_DOUBTS) != 0;
        socket->ready |= (uint8_t)what;
        poller_tell(socket);
    } else if ((what & socket->wanted) != 0) {
        socket->on_ready(socket->owner, what & socket->wanted);
    }
}

void poller_wait(struct poller *poller, int timeout_ms, void (*on_woken)(void *arg), void *arg)
{
    struct list *link;

    int count = epoll_wait(poller->epoll_fd, poller->events, POLLER_EVENTS,
                           poller_is_pending(poller) ? 0 : timeout_ms);
    CHECK(count >= 0 || errno == EINTR);
    on_woken(arg);
    list_push_back(&poller->again, &poller->marker);
    for (int i = 0; i < count; i++) {
        poller_take_event(poller->events[i].data.ptr, poller->events[i].events);
    }
    while ((link = list_first(&poller->again)) != &poller->marker) {
        poller_tell(list_object(link, struct poller_socket, again));
    }
    list_remove(&poller->marker);
}
