/* dial: a TCP (or unix) connect within a deadline. One worker's. */
#ifndef GATEWAY_NET_DIAL_H
#define GATEWAY_NET_DIAL_H

#include "gateway/net/address.h"
#include "gateway/net/loop.h"

struct dial;

/* error_number 0: `fd` is connected and the callee's. ETIMEDOUT: the deadline passed. Other: errno
 * of connect. Never called from inside dial_start(). */
typedef void (*dial_done_fn)(void *owner, int fd, int error_number);

struct dial *dial_start(struct loop *loop, const struct address *peer, uint32_t timeout_ms,
                        dial_done_fn on_done, void *owner);
/* No callback follows. */
void dial_cancel(struct dial *dial);

#endif
