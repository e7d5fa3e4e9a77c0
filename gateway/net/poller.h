/* poller: which sockets of a loop are ready, on epoll(7); one for each loop, all in its thread.
 *
 * A level socket is told as long as it is ready. Asking and no longer asking are a system call each.
 *
 * An edge socket is told by the kernel once, when something changed, and the poller keeps it in mind:
 * to its owner it looks like a level socket, for it is told again in each turn until the owner says,
 * by poller_used_up(), that a call of its own found no more. So a socket that was read empty is not
 * looked at again by the kernel, and asking or not asking costs no system call. */
#ifndef GATEWAY_NET_POLLER_H
#define GATEWAY_NET_POLLER_H

#include "gateway/base/err.h"
#include "gateway/base/list.h"

#include <stdbool.h>
#include <stdint.h>

enum poller_what { POLLER_READABLE = 1, POLLER_WRITABLE = 2 };

struct poller;

/* Embedded in its owner, whose memory stays until the turn is over (loop_reap()). */
struct poller_socket {
    struct poller *poller;
    void (*on_ready)(void *owner, unsigned what);
    void *owner;
    struct list again; /* edge: to be told without the kernel saying so */
    int fd;
    uint32_t registered; /* events of epoll; 0: not there */
    uint8_t wanted;      /* bits of enum poller_what */
    uint8_t ready;       /* edge: and not used up */
    bool is_edge;
    bool is_doubtful; /* edge: an end, an error or urgent data may stand behind what a read gave */
};

struct poller *poller_new(struct err *err);
void poller_free(struct poller *poller);
/* Becomes readable when a wait would not sleep because of the kernel. */
int poller_fd(const struct poller *poller);
/* A wait must not sleep: a socket is to be told again. */
bool poller_is_pending(const struct poller *poller);
/* Waits for at most `timeout_ms` (-1: for ever) and tells who is ready. `on_woken` comes first. */
void poller_wait(struct poller *poller, int timeout_ms, void (*on_woken)(void *arg), void *arg);

/* Nothing is asked for yet. */
void poller_socket_init(struct poller_socket *socket, struct poller *poller, int fd, bool is_edge,
                        void (*on_ready)(void *owner, unsigned what), void *owner);
/* False with errno: the kernel has no room for one more. */
bool poller_watch(struct poller_socket *socket, unsigned what);
void poller_unwatch(struct poller_socket *socket, unsigned what);
/* A call said EAGAIN, or took or gave less than it could have. After a short read, which says nothing
 * about an end that came with the bytes, `is_sure` is false. */
void poller_used_up(struct poller_socket *socket, unsigned what, bool is_sure);
/* From now on a level socket. False as poller_watch(). */
bool poller_make_level(struct poller_socket *socket);
/* Before its descriptor is closed; of no use afterwards. */
void poller_forget(struct poller_socket *socket);

#endif
