/* transport_splice: bulk from one plain socket to another without a copy through our memory (splice(2)
 * over a pipe). For tunnels, once both ends have no filter and what comes is bulk; chatter is cheaper
 * through the loop's buffer. One loop's. */
#ifndef GATEWAY_NET_TRANSPORT_SPLICE_H
#define GATEWAY_NET_TRANSPORT_SPLICE_H

#include "gateway/net/transport.h"

/* From now on what `from` receives goes to `to` by splice: on_data() of `from` is not called, the other
 * callbacks are: on_end() after the last byte was handed to `to`. A `to` that takes nothing holds
 * `from` back by itself. False: it cannot be (a filter, no pipe left); nothing has changed then. Unread
 * bytes of `from` and queued ones of `to` go first. */
bool transport_splice_start(struct transport *from, struct transport *to);
/* Bytes that went by splice from `from`, in all. */
uint64_t transport_spliced_bytes(const struct transport *from);

#endif
