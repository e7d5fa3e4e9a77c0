/* connect: a connection to an endpoint made ready: dialled, the PROXY header sent (DR-80), TLS finished
 * where the cluster asks for it (DR-61), all within the cluster's connect timeout. For pools and for
 * tunnels. A worker's; holds a reference on the endpoint. */
#ifndef GATEWAY_UPSTREAM_CONNECT_H
#define GATEWAY_UPSTREAM_CONNECT_H

#include "gateway/net/transport.h"
#include "gateway/upstream/endpoint.h"

struct connect;

struct connect_options {
    struct str server_name;       /* for SNI and the check of the name; empty: none */
    const struct address *client; /* for the PROXY header; NULL: the cluster sends none */
    const struct address *client_local;
};

/* `transport` is the callee's, without a handler; NULL: it failed, with errno (ETIMEDOUT: the deadline)
 * and, for a failed handshake, its reason as in pool_request. Never called from inside
 * connect_start(). */
typedef void (*connect_done_fn)(void *owner, struct transport *transport, int error_number,
                                struct str tls_failure);

/* Options are copied. */
struct connect *connect_start(struct endpoint *endpoint, const struct connect_options *options,
                              connect_done_fn on_done, void *owner);
/* No callback follows. */
void connect_cancel(struct connect *connect);

#endif
