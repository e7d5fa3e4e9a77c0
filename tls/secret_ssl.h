/* secret_ssl: the library's objects inside a secret. For tls/ only. */
#ifndef TLS_SECRET_SSL_H
#define TLS_SECRET_SSL_H

#include "tls/library.h"
#include "tls/secret.h"

#include <openssl/evp.h>
#include <openssl/pool.h>

/* All belong to the secret; NULL and none for one without a key pair. */
EVP_PKEY *secret_private_key(const struct secret *secret);
/* DER, leaf first. */
CRYPTO_BUFFER *const *secret_chain_der(const struct secret *secret, size_t *count);
/* DER of the CA certificates. */
CRYPTO_BUFFER *const *secret_ca_der(const struct secret *secret, size_t *count);
/* Revocation lists of these CAs as they were given, checked by nobody; empty: none. */
struct str secret_crl_pem(const struct secret *secret);
/* DER; empty: none. */
struct str secret_ocsp_staple(const struct secret *secret);

#endif
