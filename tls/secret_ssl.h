/* secret_ssl: the library's objects inside a secret. For tls/ only. */
#ifndef TLS_SECRET_SSL_H
#define TLS_SECRET_SSL_H

#include "tls/library.h"
#include "tls/secret.h"

#include <openssl/pool.h>

/* Gives chain and key to a context. The key is read anew: a secret keeps it as it is written, for nobody
 * needs ten thousand of them at a time. False: the library's error says why; one reason is the check that
 * secret_parse_deferred() left out. Any thread. */
bool secret_apply_pair(const struct secret *secret, SSL_CTX *ssl_ctx);
/* All below belong to the secret; none for one without a key pair. DER, leaf first. */
CRYPTO_BUFFER *const *secret_chain_der(const struct secret *secret, size_t *count);
/* DER of the CA certificates. */
CRYPTO_BUFFER *const *secret_ca_der(const struct secret *secret, size_t *count);
/* Revocation lists of these CAs as they were given, checked by nobody; empty: none. */
struct str secret_crl_pem(const struct secret *secret);
/* DER; empty: none. */
struct str secret_ocsp_staple(const struct secret *secret);

#endif
