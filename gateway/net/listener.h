/* listener: bound sockets. Bound by the control thread before a snapshot is published, one socket
 * for each worker (SO_REUSEPORT), then owned by that worker, which accepts on it. */
#ifndef GATEWAY_NET_LISTENER_H
#define GATEWAY_NET_LISTENER_H

#include "gateway/net/address.h"
#include "gateway/net/loop.h"

struct listener;

/* `fd` is connected, non-blocking, close-on-exec, TCP_NODELAY set, and now the callee's. */
typedef void (*listener_accept_fn)(void *owner, int fd, const struct address *peer);

/* Control thread: `count` listening sockets of one address in `fds`. Port 0: the kernel picks for
 * the first, the rest follow; *address is then the bound one. On failure nothing stays open. */
bool listener_bind(struct address *address, int *fds, size_t count, struct err *err);
/* The same for one socket that no other may share (admin pages): a second process is refused. */
bool listener_bind_alone(struct address *address, int *fd, struct err *err);
/* Worker: takes over `fd`. */
struct listener *listener_start(struct loop *loop, int fd, listener_accept_fn on_accept,
                                void *owner);
/* Stops asking the kernel for connections; they queue up in the backlog. */
void listener_pause(struct listener *listener);
void listener_resume(struct listener *listener);
/* Accepts what is already queued, then closes: closing a shared-port socket resets its queue. */
void listener_close(struct listener *listener);

#endif
