/* client_tls: a client's way through TLS: collect the ClientHello, pick the server by its name in
 * the current snapshot (spec SN-1 to SN-8), then the handshake, counted and told when it fails. */
#ifndef GATEWAY_PROXY_CLIENT_TLS_H
#define GATEWAY_PROXY_CLIENT_TLS_H

#include "gateway/proxy/client.h"

/* Sets the transport's handler; client_start_http() follows, or the client is closed. */
void client_tls_start(struct client *client);
/* The handshake did not finish within its deadline. */
void client_tls_on_deadline(struct client *client);
/* The configured name that leads to the server of this SNI: "a.com", "*.a.com", "*"; "other" when
 * there is none. For metric labels: never a peer's bytes. */
struct str client_tls_configured_name(const struct snapshot_listener *listener,
                                      struct str server_name, char out[256]);

#endif
