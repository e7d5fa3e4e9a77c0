/* client_protocol: which HTTP a client speaks: what ALPN agreed on, else what its first bytes are
 * (spec TL-71, CN-39). A client that has not said anything yet is only a transport and a timer. */
#ifndef GATEWAY_PROXY_CLIENT_PROTOCOL_H
#define GATEWAY_PROXY_CLIENT_PROTOCOL_H

#include "gateway/proxy/client.h"

/* The bytes to come are HTTP. Sets the transport's handler, or makes the conn. */
void client_protocol_start(struct client *client);
/* Nothing was said in time, or not enough of it. */
void client_protocol_on_deadline(struct client *client);
/* Its listener went away before it spoke: a request that is on its way is still served. */
void client_protocol_drain(struct client *client);

#endif
