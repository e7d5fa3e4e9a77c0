/* client: an accepted connection: TLS first where the listener wants it, then HTTP. Owned by its
 * worker until closed; it pins no snapshot, so it survives any number of reloads: each request asks
 * the current one anew. */
#ifndef GATEWAY_PROXY_CLIENT_H
#define GATEWAY_PROXY_CLIENT_H

#include "gateway/http/conn.h"
#include "gateway/proxy/worker_state.h"
#include "tls/client_hello.h"
#include "tls/transport_tls.h"

struct client {
    struct list link; /* worker->idle_clients or ->busy_clients */
    struct worker *worker;
    struct worker_listener *listener;
    struct transport *transport; /* the conn's once there is one */
    struct conn *conn;           /* NULL before the handshake is done */
    struct timer handshake_deadline;
    uint64_t id;
    uint64_t idle_since_ms;
    bool is_tls;
    bool is_closed;
    struct client_hello *hello; /* until the handshake is done */
    struct str server_name;     /* SNI as asked for, lower case; owned; empty: none */
    /* Texts of the two ends, made when first asked for; one block of memory. */
    char *address_text;
    struct str peer_text; /* "10.0.0.1:1234" */
    struct str peer_host;
    struct str local_text;
    struct str local_host;
    /* The server found for server_name, good for one revision. */
    const struct tls_server *server;
    uint64_t server_revision;
};

/* Takes over `fd`. */
void client_accept(struct worker_listener *listener, int fd, const struct address *peer);
/* How long until the connection that has been idle longest may be closed for another one's sake; 0:
 * now; UINT64_MAX: none is idle. */
uint64_t client_reclaim_wait_ms(const struct worker *worker);
/* Closes those that have been idle for so long that this may be done. */
void client_close_idle(struct worker *worker);
/* At once, without a word. */
void client_close(struct client *client);
/* The server of the current snapshot for the name of the handshake; NULL: plain, or there is none.
 */
const struct tls_server *client_find_server(struct client *client);
/* Fills the texts. */
void client_describe(struct client *client);
/* client_tls.c: the transport is encrypted from now on, HTTP may begin. */
void client_start_http(struct client *client);

#endif
