/* client_context_ssl: the library's side of a client context. For tls/ only. */
#ifndef TLS_CLIENT_CONTEXT_SSL_H
#define TLS_CLIENT_CONTEXT_SSL_H

#include "tls/client_context.h"
#include "tls/library.h"

/* One connection to an upstream, as the context's callbacks see it. Belongs to the connection. */
struct tls_client_peer {
    struct tls_client_context *context; /* counted */
    char *server_name;                  /* asked for and checked; without brackets or last dot */
    char *failure_words;                /* why the certificate was refused (DR-69), or NULL */
};

/* A connection of the context: SNI is set (DR-63), a session of earlier is offered, certificates will be
 * checked. The SSL_CTX is built by the first who asks; any thread. NULL with err when the trust store
 * cannot be read, the name is no name or the library refuses. `peer` is filled, must outlive the SSL
 * and is the caller's to clean up. */
SSL *tls_client_context_new_ssl(struct tls_client_context *context, struct str server_name,
                                struct tls_client_peer *peer, struct err *err);
void tls_client_peer_cleanup(struct tls_client_peer *peer);

#endif
