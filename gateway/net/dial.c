/* dial: one connect under way. Owned by whoever started it until on_done or dial_cancel(); all in
 * the loop's thread. */
#include "gateway/net/dial.h"

#include "gateway/base/mem.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct dial {
    struct loop *loop;
    int fd; /* -1: none */
    int error_number;
    dial_done_fn on_done;
    void *owner;
    struct event event;
    bool is_watching;
    struct timer deadline;
    struct deferred finish; /* an answer that is known at once still comes later */
};

/* Everything but the descriptor. */
static void dial_release(struct dial *dial)
{
    if (dial->is_watching) {
        (void)event_del(&dial->event); /* it is there */
        dial->is_watching = false;
    }
    timer_cancel(&dial->deadline);
    loop_defer_cancel(&dial->finish);
    loop_reap(dial->loop, dial, mem_free);
}

static void dial_finish(void *arg)
{
    struct dial *dial = arg;
    int fd = dial->fd;

    dial_release(dial);
    if (dial->error_number != 0 && fd != -1) {
        (void)close(fd); /* the first error is the one worth telling */
        fd = -1;
    }
    dial->on_done(dial->owner, fd, dial->error_number);
}

static void dial_finish_later(struct dial *dial, int error_number)
{
    dial->error_number = error_number;
    loop_defer(dial->loop, &dial->finish, dial_finish, dial);
}

static void dial_on_deadline(void *arg)
{
    struct dial *dial = arg;

    dial->error_number = ETIMEDOUT;
    dial_finish(dial);
}

static void dial_on_connected(evutil_socket_t fd, short what, void *arg)
{
    struct dial *dial = arg;
    socklen_t len = sizeof(dial->error_number);

    (void)what;
    loop_enter(dial->loop);
    if (getsockopt((int)fd, SOL_SOCKET, SO_ERROR, &dial->error_number, &len) == -1) {
        dial->error_number = errno;
    }
    dial_finish(dial);
}

static int dial_open(const struct address *peer)
{
    int one = 1;
    int fd = socket(address_family(peer), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

    if (fd != -1 && address_family(peer) != AF_UNIX) {
        /* What belongs together is gathered; waiting for more would only cost time. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

/* Of connect(): 0 or errno. A peer on this host has answered by the time the call returns, while it
 * returns "under way" all the same; asked once more it says how that went, and nobody need wait. */
static int dial_ask(int fd, const struct address *peer)
{
    if (connect(fd, &peer->sockaddr, peer->len) == 0) {
        return 0;
    }
    if (errno != EINPROGRESS) {
        return errno;
    }
    return connect(fd, &peer->sockaddr, peer->len) == 0 ? 0 : errno;
}

/* 0: connected or under way (is_watching then). */
static int dial_connect(struct dial *dial, const struct address *peer, uint32_t timeout_ms)
{
    dial->fd = dial_open(peer);
    if (dial->fd == -1) {
        return errno;
    }
    int error_number = dial_ask(dial->fd, peer);
    /* A unix socket whose backlog is full says EAGAIN and never becomes ready: a failure. An
     * interrupted connect goes on by itself. */
    if (error_number != EALREADY && error_number != EINTR) {
        return error_number;
    }
    if (event_assign(&dial->event, loop_event_base(dial->loop), dial->fd, EV_WRITE,
                     dial_on_connected, dial) != 0 ||
        event_add(&dial->event, NULL) != 0) {
        return errno != 0 ? errno : ENOMEM;
    }
    dial->is_watching = true;
    timer_arm(dial->loop, &dial->deadline, timeout_ms);
    return 0;
}

struct dial *dial_start(struct loop *loop, const struct address *peer, uint32_t timeout_ms,
                        dial_done_fn on_done, void *owner)
{
    struct dial *dial = mem_new(struct dial);

    dial->loop = loop;
    dial->on_done = on_done;
    dial->owner = owner;
    timer_init(&dial->deadline, dial_on_deadline, dial);
    int error_number = dial_connect(dial, peer, timeout_ms);
    if (!dial->is_watching) {
        dial_finish_later(dial, error_number);
    }
    return dial;
}

void dial_cancel(struct dial *dial)
{
    if (dial == NULL) {
        return;
    }
    if (dial->is_watching) {
        (void)event_del(&dial->event); /* before its descriptor goes */
        dial->is_watching = false;
    }
    if (dial->fd != -1) {
        (void)close(dial->fd); /* nobody waits for it */
        dial->fd = -1;
    }
    dial_release(dial);
}
