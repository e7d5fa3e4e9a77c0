/* h1_conn: an HTTP/1.1 connection, either role (RFC 9112). One request at a time is open; what a
 * client pipelines behind it waits in the transport (paused) and is answered in order. */
#ifndef GATEWAY_HTTP_H1_CONN_H
#define GATEWAY_HTTP_H1_CONN_H

#include "gateway/http/conn.h"

/* Server role. Takes over the transport and sets its handler; bytes it kept are offered. */
struct conn *h1_conn_new_server(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner);
/* Client role. */
struct conn *h1_conn_new_client(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner);

#endif
