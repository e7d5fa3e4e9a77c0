/* ticket_keys_ssl: how ticket_keys joins an SSL_CTX. For tls/ only. */
#ifndef TLS_TICKET_KEYS_SSL_H
#define TLS_TICKET_KEYS_SSL_H

#include "tls/library.h"
#include "tls/ticket_keys.h"

/* Tickets of `ssl_ctx` are sealed and opened with `keys`, which outlive it. */
void ticket_keys_install(struct ticket_keys *keys, SSL_CTX *ssl_ctx);

#endif
