/* client_context: what a TLS connection to an upstream demands and shows: a checked policy and the
 * SSL_CTX built for it at the first use (spec 7.7). Counted, immutable, any thread. Equal policies share
 * one, across reloads too. */
#ifndef TLS_CLIENT_CONTEXT_H
#define TLS_CLIENT_CONTEXT_H

#include "gateway/base/vec.h"
#include "tls/secret.h"

struct tls_client_context;
struct tls_client_context_cache;

struct tls_client_policy {
    struct secret *ca;                /* its CA certificates; NULL: the system's trust store */
    struct secret *pair;              /* client certificate, or NULL */
    struct str_vec subject_alt_names; /* exact, any of them: DNS, URI, IP, email (DR-65) */
    bool skips_verification;          /* insecureSkipVerify (DR-67) */
    bool verifies_server_name;        /* without subject_alt_names: the certificate must cover the
                                           name asked for by SNI (DR-65, DR-66 P) */
    bool offers_h2;                   /* ALPN "h2" and nothing else; else no ALPN (DR-62) */
};

/* The cache holds no reference: a context nobody holds is gone. Control thread. */
struct tls_client_context_cache *tls_client_context_cache_new(void);
void tls_client_context_cache_free(struct tls_client_context_cache *cache);
/* Found or made; with a reference for the caller. Texts are copied, secrets counted. */
struct tls_client_context *tls_client_context_cache_get(struct tls_client_context_cache *cache,
                                                        const struct tls_client_policy *policy);
struct tls_client_context *tls_client_context_ref(struct tls_client_context *context);
/* NULL is accepted. */
void tls_client_context_unref(struct tls_client_context *context);
/* Hash of all that decides: equal means interchangeable (part of a cluster's fingerprint). */
uint64_t tls_client_context_fingerprint(const struct tls_client_context *context);
bool tls_client_context_offers_h2(const struct tls_client_context *context);

#endif
