/* transport_splice: bulk from one plain socket to another without a copy through our memory (splice(2)
 * over a pipe). For tunnels, once both ends have no filter and what comes is bulk; chatter is cheaper
 * through the loop's buffer. One loop's. */
#ifndef GATEWAY_NET_TRANSPORT_SPLICE_H
#define GATEWAY_NET_TRANSPORT_SPLICE_H

#include "gateway/net/transport.h"

/* From now on what `from` receives goes to `to` by splice: on_data() of `from` is not called, the other
 * callbacks are: on_end() after the last byte was handed to `to`. A `to` that takes nothing holds
 * `from` back by itself. Unread bytes of `from` and queued ones of `to` go first.
 * It stops by itself when what comes is chatter, or no pipe is left: on_data() is called again then.
 * False: it cannot be (a filter, no pipe left); nothing has changed then. Within on_data(): the owner
 * takes all it was offered. */
bool transport_splice_start(struct transport *from, struct transport *to);
/* The same for `len` bytes, and only within on_data(): with the last of them it stops, and on_data() goes on
 * with what follows. Progress is told by on_spliced(). */
bool transport_splice_start_bytes(struct transport *from, struct transport *to, uint64_t len);
/* `to` does not take what came; `from` is not to blame for the silence. */
bool transport_splice_is_held_back(const struct transport *from);
bool transport_is_spliced(const struct transport *from);
/* Bytes that went by splice from `from`, in all. */
uint64_t transport_spliced_bytes(const struct transport *from);
/* When the last of them came, by now_mono_ms(); 0: never. */
uint64_t transport_spliced_at_ms(const struct transport *from);

#endif
