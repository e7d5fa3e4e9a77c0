/* client_proxy: the PROXY protocol from a load balancer in front (spec CN-60): who the client is, told
 * before the connection's first byte. Believed only from the ranges of the option; everyone else's
 * bytes are not looked at, so a header sent by a stranger is his own broken request. */
#ifndef GATEWAY_PROXY_CLIENT_PROXY_H
#define GATEWAY_PROXY_CLIENT_PROXY_H

#include "gateway/proxy/client.h"

/* A header may, or must, come first. */
bool client_proxy_is_due(const struct client *client);
/* Sets the transport's handler; client_begin() follows, or the client is closed. */
void client_proxy_start(struct client *client);
/* The header did not come in time. */
void client_proxy_on_deadline(struct client *client);

#endif
