/* listener: bound sockets. Bound by the control thread before a snapshot is published, then owned
 * by one worker, which accepts on them. */
#include "gateway/net/listener.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/observe/log.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LISTENER_ACCEPTS_PER_TURN = 64,
    /* The queue of a closing socket is emptied, but not for a flood that keeps filling it. */
    LISTENER_ACCEPTS_AT_CLOSE = 8192,
    /* Out of descriptors or memory: asking again at once would only spin. */
    LISTENER_REST_MS = 100,
};

struct listener {
    struct loop *loop;
    int fd;
    listener_accept_fn on_accept;
    void *owner;
    struct event event;
    struct timer rest;
    unsigned burst;     /* accepts of one turn: doubles while a queue outlasts the turn */
    uint64_t full_turn; /* the last one that took as many */
    bool is_watching;
    bool is_paused;
    bool is_closed;
};

/* --- Binding ---------------------------------------------------------------------------------- */

/* A socket file that nobody listens on is left from an earlier life. */
static void listener_remove_stale_path(const struct address *address)
{
    struct stat status;
    const char *path = address->un.sun_path;

    if (address_family(address) != AF_UNIX || path[0] == '\0' || lstat(path, &status) != 0 ||
        !S_ISSOCK(status.st_mode)) {
        return;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd == -1) {
        return;
    }
    if (connect(fd, &address->sockaddr, address->len) == -1 && errno == ECONNREFUSED) {
        (void)unlink(path); /* if it stays, bind() says why */
    }
    (void)close(fd);
}

static bool listener_set_options(int fd, int family, bool is_shared)
{
    int one = 1;

    if (family == AF_UNIX) {
        return true;
    }
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) == -1) {
        return false;
    }
    /* One socket per worker: the kernel spreads connections, workers share no queue. */
    if (is_shared && setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) == -1) {
        return false;
    }
    /* "::" takes IPv6 only, so that 0.0.0.0 can be bound beside it. */
    if (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) == -1) {
        return false;
    }
    /* Accepted sockets inherit it on Linux: no call per connection. */
    return setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0;
}

/* The address the kernel chose, where it was left to it. */
static bool listener_read_address(int fd, struct address *address)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);

    return getsockname(fd, (struct sockaddr *)&storage, &len) == 0 &&
           address_from_sockaddr(address, (struct sockaddr *)&storage, len);
}

static int listener_bind_one(struct address *address, bool is_shared, struct err *err)
{
    char text[ADDRESS_TEXT_BYTES];
    int family = address_family(address);
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd == -1) {
        err_errno(err, "cannot create a socket for %s", address_print(address, text).ptr);
        return -1;
    }
    listener_remove_stale_path(address);
    if (!listener_set_options(fd, family, is_shared) ||
        bind(fd, &address->sockaddr, address->len) == -1 || listen(fd, SOMAXCONN) == -1 ||
        (family != AF_UNIX && !listener_read_address(fd, address))) {
        err_errno(err, "cannot listen on %s", address_print(address, text).ptr);
        (void)close(fd); /* the first error is the one worth telling */
        return -1;
    }
    return fd;
}

bool listener_bind(struct address *address, int *fds, size_t count, struct err *err)
{
    struct address bound = *address;

    for (size_t i = 0; i < count; i++) {
        if (i > 0 && address_family(&bound) == AF_UNIX) {
            /* A path binds once: the workers share its queue. */
            fds[i] = fcntl(fds[0], F_DUPFD_CLOEXEC, 0);
            if (fds[i] == -1) {
                err_errno(err, "cannot copy a descriptor");
            }
        } else {
            fds[i] = listener_bind_one(&bound, true, err);
        }
        if (fds[i] == -1) {
            while (i > 0) {
                (void)close(fds[--i]); /* the first error is the one worth telling */
                fds[i] = -1;
            }
            return false;
        }
    }
    *address = bound;
    return true;
}

bool listener_bind_alone(struct address *address, int *fd, struct err *err)
{
    *fd = listener_bind_one(address, false, err);
    return *fd != -1;
}

/* --- Accepting -------------------------------------------------------------------------------- */

static void listener_watch(struct listener *listener)
{
    bool is_wanted =
        !listener->is_paused && !listener->is_closed && !timer_is_armed(&listener->rest);

    if (is_wanted && !listener->is_watching) {
        if (event_add(&listener->event, NULL) != 0) {
            LOG_ERROR("listener", "cannot watch a listening socket: %s", strerror(errno));
            timer_arm(listener->loop, &listener->rest, LISTENER_REST_MS);
            return;
        }
        listener->is_watching = true;
    } else if (!is_wanted && listener->is_watching) {
        (void)event_del(&listener->event); /* it is there */
        listener->is_watching = false;
    }
}

static void listener_on_rested(void *arg)
{
    listener_watch(arg);
}

static void listener_rest(struct listener *listener, int error_number)
{
    if (!listener->is_closed) {
        LOG_WARN("listener", "cannot accept: %s; resting for %d ms", strerror(error_number),
                 (int)LISTENER_REST_MS);
        timer_arm(listener->loop, &listener->rest, LISTENER_REST_MS);
        listener_watch(listener);
    }
}

/* True: there may be more. */
static bool listener_accept_one(struct listener *listener)
{
    struct sockaddr_storage storage;
    socklen_t len = sizeof(storage);
    struct address peer = { 0 };
    int fd = accept4(listener->fd, (struct sockaddr *)&storage, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);

    if (fd == -1) {
        switch (errno) {
        case EAGAIN:
            return false;
        case EINTR:
        case ECONNABORTED:
        /* accept(2): errors of the new connection that Linux passes on; the next may be fine. */
        case EPROTO:
        case ENETDOWN:
        case ENOPROTOOPT:
        case EHOSTDOWN:
        case ENONET:
        case EHOSTUNREACH:
        case EOPNOTSUPP:
        case ENETUNREACH:
        case EPERM:
            return true;
        default:
            listener_rest(listener, errno);
            return false;
        }
    }
    /* A peer of a unix socket has no name; an empty address says so. */
    (void)address_from_sockaddr(&peer, (struct sockaddr *)&storage, len);
    listener->on_accept(listener->owner, fd, &peer);
    return true;
}

/* Connections mostly come one at a time: asking for another would find none. The descriptor stays
 * readable while there are more, so a queue that is still there in the next turn is taken in steps that
 * double. */
static void listener_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct listener *listener = arg;

    (void)fd;
    (void)what;
    loop_enter(listener->loop);
    uint64_t turn = loop_turn_count(listener->loop);
    if (turn == listener->full_turn + 1 && listener->burst < LISTENER_ACCEPTS_PER_TURN) {
        listener->burst *= 2;
    }
    for (unsigned i = 0; i < listener->burst; i++) {
        if (!listener_accept_one(listener)) {
            listener->burst = i > 1 ? i : 1;
            return;
        }
        if (listener->is_paused || listener->is_closed) {
            return;
        }
    }
    listener->full_turn = turn;
}

struct listener *listener_start(struct loop *loop, int fd, listener_accept_fn on_accept,
                                void *owner)
{
    struct listener *listener = mem_new(struct listener);

    listener->loop = loop;
    listener->fd = fd;
    listener->on_accept = on_accept;
    listener->owner = owner;
    listener->burst = 1;
    timer_init(&listener->rest, listener_on_rested, listener);
    /* Fails only for a bad combination of flags. */
    CHECK(event_assign(&listener->event, loop_event_base(loop), fd, EV_READ | EV_PERSIST,
                       listener_on_readable, listener) == 0);
    listener_watch(listener);
    return listener;
}

void listener_pause(struct listener *listener)
{
    listener->is_paused = true;
    listener_watch(listener);
}

void listener_resume(struct listener *listener)
{
    listener->is_paused = false;
    listener_watch(listener);
}

void listener_close(struct listener *listener)
{
    if (listener == NULL || listener->is_closed) {
        return;
    }
    listener->is_closed = true;
    for (int i = 0; i < LISTENER_ACCEPTS_AT_CLOSE && listener_accept_one(listener); i++) {
    }
    timer_cancel(&listener->rest);
    listener_watch(listener);
    (void)close(listener->fd); /* the descriptor is gone whatever it says */
    loop_reap(listener->loop, listener, mem_free);
}
