/* connect: a connection to an endpoint made ready: dialled, the PROXY header sent (DR-80), TLS finished
 * where the cluster asks for it (DR-61), all within the cluster's connect timeout. For pools and for
 * tunnels. A worker's; holds a reference on the endpoint. */
#ifndef GATEWAY_UPSTREAM_CONNECT_H
#define GATEWAY_UPSTREAM_CONNECT_H

#include "gateway/http/head.h"
#include "gateway/net/transport.h"
#include "gateway/upstream/endpoint.h"

struct connect;

struct connect_options {
    enum http_version version;    /* HTTP_VERSION_2: with the cluster's TLS for HTTP/2 (DR-62) */
    struct str server_name;       /* for SNI and the check of the name; empty: none */
    const struct address *client; /* for the PROXY header; NULL: the cluster sends none */
    const struct address *client_local;
};

/* `transport` is the callee's, without a handler; NULL: it failed, with errno (ETIMEDOUT: the deadline;
 * ECONNABORTED: a handshake that failed, with its reason in the form of spec DR-69, good during the
 * call; a peer that closes during the handshake is ECONNRESET). A failure has been counted. Never
 * called from inside connect_start(). */
typedef void (*connect_done_fn)(void *owner, struct transport *transport, int error_number,
                                struct str tls_failure);

/* Options are copied; the cluster's TLS and PROXY protocol are those of this moment. */
struct connect *connect_start(struct endpoint *endpoint, const struct connect_options *options,
                              connect_done_fn on_done, void *owner);
/* No callback follows. NULL is accepted. */
void connect_cancel(struct connect *connect);

#endif
