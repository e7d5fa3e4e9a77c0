/* context: (policy, secret) to SSL_CTX, one for each distinct pair, shared by servers and kept across
 * reloads while neither changes. Counted; the SSL_CTX is built at the first handshake that asks, by
 * whichever worker that is. */
#ifndef TLS_CONTEXT_H
#define TLS_CONTEXT_H

#include "tls/policy.h"
#include "tls/secret.h"
#include "tls/ticket_keys.h"

struct tls_context;
struct tls_context_cache;

/* The cache holds no reference: a context nobody holds is gone. Control thread. `keys` must outlive
 * every context. */
struct tls_context_cache *tls_context_cache_new(struct ticket_keys *keys);
void tls_context_cache_free(struct tls_context_cache *cache);
/* Found or made; with a reference for the caller. The policy is copied, the secret counted. */
struct tls_context *tls_context_cache_get(struct tls_context_cache *cache,
                                          const struct tls_policy *policy, struct secret *secret);
struct tls_context *tls_context_ref(struct tls_context *context);
/* Any thread. */
void tls_context_unref(struct tls_context *context);
struct secret *tls_context_secret(const struct tls_context *context);
const struct tls_policy *tls_context_policy(const struct tls_context *context);
/* Two contexts are one security context for host sharing (SN-23): same policy, same secret, by name
 * (whatever its version) or by content. */
bool tls_context_same(const struct tls_context *a, const struct tls_context *b);
/* Name and version of the linked library, and the probed features, for `gatehouse version`. */
const char *tls_library_name(void);
const char *tls_library_version(void);
const char *tls_library_features(void);

#endif
