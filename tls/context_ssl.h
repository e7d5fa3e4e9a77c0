/* context_ssl: the SSL_CTX inside a context. For tls/ only. */
#ifndef TLS_CONTEXT_SSL_H
#define TLS_CONTEXT_SSL_H

#include "tls/context.h"
#include "tls/library.h"

/* Built by the first who asks; any thread. NULL with err when the library refuses. Belongs to the
 * context. */
SSL_CTX *tls_context_ssl_ctx(struct tls_context *context, struct err *err);

#endif
