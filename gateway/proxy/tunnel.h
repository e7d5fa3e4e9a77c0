/* tunnel: two transports joined byte for byte: TCP listeners, TLS that ends here before raw bytes, TLS
 * that passes through (spec section 6). Made from an accepted client, whose transport it takes over;
 * owned by its worker until both sides are closed. It copies what it tells later, so it pins no
 * snapshot and survives any number of reloads.
 *
 *   RESOLVING ─▶ CONNECTING ─▶ OPEN ─▶ (both directions ended, or one broke) over
 *   └──── the client's bytes wait ────┘
 */
#ifndef GATEWAY_PROXY_TUNNEL_H
#define GATEWAY_PROXY_TUNNEL_H

#include "gateway/proxy/client.h"
#include "gateway/route/tcp_route.h"

enum tunnel_kind {
    TUNNEL_TCP,
    TUNNEL_TLS,         /* terminated here */
    TUNNEL_PASSTHROUGH, /* TLS of which we only read the ClientHello */
};

/* The client's bytes, kept ones included, go where the route says. The client may be closed when this
 * returns. */
void tunnel_start(struct client *client, const struct tcp_route *route, enum tunnel_kind kind);
/* By us: the drain deadline, the end of the worker. Ends in client_close(). */
void tunnel_close(struct tunnel *tunnel);

#endif
