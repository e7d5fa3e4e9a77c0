/* secret_pem: the public part of a secret as PEM text, for the configuration dump. There is no such
 * thing for the key. */
#ifndef TLS_SECRET_PEM_H
#define TLS_SECRET_PEM_H

#include "gateway/base/text.h"
#include "tls/secret.h"

/* Appends the chain, leaf first; nothing for a secret without one. */
void secret_pem_write_chain(const struct secret *secret, struct text *out);

#endif
