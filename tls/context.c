/* context: one SSL_CTX for each (policy, secret). Contexts are handed out by the control thread, used
 * by workers and freed by whoever drops the last reference. The SSL_CTX is built at the first
 * handshake, so that ten thousand names start in a blink; from then on finding it is one atomic
 * read. */
#include "tls/context.h"

#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/ref_count.h"
#include "gateway/base/text.h"
#include "tls/context_ssl.h"
#include "tls/secret_ssl.h"
#include "tls/ticket_keys_ssl.h"

#include <openssl/nid.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>

struct tls_context {
    atomic_uint ref_count;
    struct tls_context_cache *cache; /* counted */
    struct str key;                  /* in the cache's map */
    struct tls_policy policy;        /* its views lie in `policy_text` */
    char *policy_text[3];
    struct secret *secret;
    struct ticket_keys *ticket_keys;
    _Atomic(SSL_CTX *) ssl_ctx; /* NULL until the first handshake */
    pthread_mutex_t build_lock;
};

/* Contexts outlive the cache on their way out, so it is counted as well: one for its owner, one for
 * each context. */
struct tls_context_cache {
    atomic_uint ref_count;
    pthread_mutex_t lock; /* of `contexts`; a context's last reference goes only under it */
    struct map contexts;
    struct ticket_keys *ticket_keys;
};

/* Protocols of TLS_ALPN_HTTP, the preferred one first (TL-70). */
static const char *const context_alpn[] = { "h2", "http/1.1" };

/* --- The SSL_CTX ------------------------------------------------------------------------------ */

static uint16_t context_wire_version(enum tls_version version)
{
    switch (version) {
    case TLS_VERSION_1_0:
        return TLS1_VERSION;
    case TLS_VERSION_1_1:
        return TLS1_1_VERSION;
    case TLS_VERSION_1_3:
        return TLS1_3_VERSION;
    case TLS_VERSION_AUTO:
    case TLS_VERSION_1_2:
        break;
    }
    return TLS1_2_VERSION;
}

/* RFC 9113 9.2.2: under a suite of its appendix A, clients may end an HTTP/2 connection. What is left
 * are AEAD suites with an ephemeral exchange; TLS 1.3 has no others, TLS 1.1 has none. */
static bool context_may_speak_h2(const SSL *ssl)
{
    const SSL_CIPHER *suite = SSL_get_pending_cipher(ssl);

    return suite != NULL && SSL_CIPHER_is_aead(suite) == 1 &&
           SSL_CIPHER_get_kx_nid(suite) != NID_kx_rsa;
}

/* Our order decides. Nothing in common: no ALPN at all, and the connection is taken for HTTP/1.1
 * (TL-71); RFC 7301's no_application_protocol would turn away clients that mean well. */
static int context_on_alpn(SSL *ssl, const uint8_t **out, uint8_t *out_len, const uint8_t *offered,
                           unsigned offered_len, void *arg)
{
    (void)arg;
    /* The library picks the suite first. */
    for (size_t i = context_may_speak_h2(ssl) ? 0 : 1;
         i < sizeof(context_alpn) / sizeof(context_alpn[0]); i++) {
        struct str wanted = str_from_cstr(context_alpn[i]);
        for (unsigned at = 0; at < offered_len && offered[at] < offered_len - at;
             at += 1u + offered[at]) {
            if (str_equals(str_from((const char *)offered + at + 1, offered[at]), wanted)) {
                *out = offered + at + 1;
                *out_len = offered[at];
                return SSL_TLSEXT_ERR_OK;
            }
        }
    }
    return SSL_TLSEXT_ERR_NOACK;
}

/* A ticket resumes only where it was issued: the same policy and the same secret by name, so that a
 * renewed certificate resumes, and no server is entered on what another one demanded. */
static bool context_set_session_id(const struct tls_context *context, SSL_CTX *ssl_ctx)
{
    struct text text = { 0 };
    uint8_t digest[SHA256_DIGEST_LENGTH];

    text_printf(&text, "%.*s\n%.*s\n%.*s", STR_ARG(context->policy.key),
                STR_ARG(secret_namespace(context->secret)), STR_ARG(secret_name(context->secret)));
    (void)SHA256((const uint8_t *)text.ptr, text.len, digest);
    text_cleanup(&text);
    return SSL_CTX_set_session_id_context(ssl_ctx, digest, sizeof(digest)) == 1;
}

static bool context_apply_policy(const struct tls_policy *policy, SSL_CTX *ssl_ctx)
{
    /* The views end in a NUL: they are copies made by tls_context_cache_get(). */
    return SSL_CTX_set_min_proto_version(ssl_ctx, context_wire_version(policy->min_version)) == 1 &&
           SSL_CTX_set_max_proto_version(ssl_ctx, context_wire_version(policy->max_version)) == 1 &&
           SSL_CTX_set_strict_cipher_list(ssl_ctx, policy->cipher_list.ptr) == 1 &&
           SSL_CTX_set1_curves_list(ssl_ctx, policy->curve_list.ptr) == 1;
}

static bool context_apply_secret(const struct secret *secret, SSL_CTX *ssl_ctx)
{
    struct str staple = secret_ocsp_staple(secret);

    return secret_apply_pair(secret, ssl_ctx) &&
           (staple.len == 0 ||
            SSL_CTX_set_ocsp_response(ssl_ctx, (const uint8_t *)staple.ptr, staple.len) == 1);
}

static SSL_CTX *context_build(const struct tls_context *context, struct err *err)
{
    if (!secret_has_pair(context->secret)) {
        err_set(err, ERR_CONFIG, "secret %.*s holds a CA only",
                STR_ARG(secret_name(context->secret)));
        return NULL;
    }
    SSL_CTX *ssl_ctx = library_new_ssl_ctx();
    ERR_clear_error();
    /* Our order of suites, the client's inside a group (TL-56). BoringSSL has no compression, and a
     * server of it never renegotiates; early data is off unless asked for. */
    (void)SSL_CTX_set_options(ssl_ctx, SSL_OP_CIPHER_SERVER_PREFERENCE);
    /* Sessions live in tickets, under keys all contexts share; one a handshake is enough. */
    (void)SSL_CTX_set_session_cache_mode(ssl_ctx, SSL_SESS_CACHE_OFF);
    (void)SSL_CTX_set_num_tickets(ssl_ctx, 1); /* always 1 */
    (void)SSL_CTX_set_timeout(ssl_ctx, LIMIT_TICKET_LIFETIME_S);
    SSL_CTX_set_session_psk_dhe_timeout(ssl_ctx, LIMIT_TICKET_LIFETIME_S);
    ticket_keys_install(context->ticket_keys, ssl_ctx);
    if (context->policy.alpn == TLS_ALPN_HTTP) {
        SSL_CTX_set_alpn_select_cb(ssl_ctx, context_on_alpn, NULL);
    }
    if (!context_apply_policy(&context->policy, ssl_ctx) ||
        !context_apply_secret(context->secret, ssl_ctx) ||
        !context_set_session_id(context, ssl_ctx)) {
        library_err(err, "BoringSSL refuses the TLS settings");
        SSL_CTX_free(ssl_ctx);
        return NULL;
    }
    return ssl_ctx;
}

SSL_CTX *tls_context_ssl_ctx(struct tls_context *context, struct err *err)
{
    SSL_CTX *ssl_ctx = atomic_load_explicit(&context->ssl_ctx, memory_order_acquire);

    if (ssl_ctx != NULL) {
        return ssl_ctx;
    }
    (void)pthread_mutex_lock(&context->build_lock); /* cannot fail: neither recursive nor robust */
    ssl_ctx = atomic_load_explicit(&context->ssl_ctx, memory_order_acquire);
    if (ssl_ctx == NULL) {
        ssl_ctx = context_build(context, err);
        atomic_store_explicit(&context->ssl_ctx, ssl_ctx, memory_order_release);
    }
    (void)pthread_mutex_unlock(&context->build_lock);
    return ssl_ctx;
}

/* --- The cache -------------------------------------------------------------------------------- */

struct tls_context_cache *tls_context_cache_new(struct ticket_keys *keys)
{
    struct tls_context_cache *cache = mem_new(struct tls_context_cache);

    atomic_init(&cache->ref_count, 1);
    (void)pthread_mutex_init(&cache->lock, NULL); /* cannot fail with default attributes */
    cache->ticket_keys = keys;
    return cache;
}

static void context_cache_unref(struct tls_context_cache *cache)
{
    if (atomic_fetch_sub_explicit(&cache->ref_count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    (void)pthread_mutex_destroy(&cache->lock); /* nobody is left to hold it */
    map_cleanup(&cache->contexts);
    mem_free(cache);
}

void tls_context_cache_free(struct tls_context_cache *cache)
{
    if (cache != NULL) {
        context_cache_unref(cache);
    }
}

static struct str context_copy(char **slot, struct str view)
{
    *slot = mem_copy_string(view.ptr != NULL ? view.ptr : "", view.len);
    return str_from(*slot, view.len);
}

/* Takes over the text of `key`. */
static struct tls_context *context_new(struct tls_context_cache *cache, struct str key,
                                       const struct tls_policy *policy, struct secret *secret)
{
    struct tls_context *context = mem_new(struct tls_context);

    atomic_init(&context->ref_count, 1);
    atomic_init(&context->ssl_ctx, NULL);
    (void)pthread_mutex_init(&context->build_lock, NULL);
    context->cache = cache;
    (void)atomic_fetch_add_explicit(&cache->ref_count, 1, memory_order_relaxed);
    context->key = key;
    context->policy = *policy;
    context->policy.cipher_list = context_copy(&context->policy_text[0], policy->cipher_list);
    context->policy.curve_list = context_copy(&context->policy_text[1], policy->curve_list);
    context->policy.key = context_copy(&context->policy_text[2], policy->key);
    context->secret = secret_ref(secret);
    context->ticket_keys = cache->ticket_keys;
    return context;
}

static void context_free(struct tls_context *context)
{
    SSL_CTX_free(atomic_load_explicit(&context->ssl_ctx, memory_order_acquire));
    secret_unref(context->secret);
    for (size_t i = 0; i < 3; i++) {
        mem_free(context->policy_text[i]);
    }
    (void)pthread_mutex_destroy(&context->build_lock);
    /* Made by text_printf(); the view hides that it is ours. */
    mem_free((void *)(uintptr_t)context->key.ptr);
    mem_free(context);
}

struct tls_context *tls_context_cache_get(struct tls_context_cache *cache,
                                          const struct tls_policy *policy, struct secret *secret)
{
    struct text key = { 0 };

    /* The store keeps a secret's object as long as its bytes stay, and a context keeps its secret:
     * the address is as good as the content, and no other secret can come to stand there. */
    text_printf(&key, "%p|%.*s", (void *)secret, STR_ARG(policy->key));
    (void)pthread_mutex_lock(&cache->lock);
    struct tls_context *context = map_get(&cache->contexts, text_view(&key));
    if (context != NULL) {
        /* Its last holder may be waiting for the lock to let go; it then finds that it is not the last
         * any more. */
        (void)atomic_fetch_add_explicit(&context->ref_count, 1, memory_order_relaxed);
        text_cleanup(&key);
    } else {
        context = context_new(cache, text_view(&key), policy, secret);
        (void)map_set(&cache->contexts, context->key, context); /* was absent */
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return context;
}

struct tls_context *tls_context_ref(struct tls_context *context)
{
    (void)atomic_fetch_add_explicit(&context->ref_count, 1, memory_order_relaxed);
    return context;
}

/* All but the last reference go without the lock. The last one goes under it, so that nobody finds a
 * context in the map that is being freed. */
void tls_context_unref(struct tls_context *context)
{
    if (context == NULL || ref_count_drop_unless_last(&context->ref_count)) {
        return;
    }
    struct tls_context_cache *cache = context->cache;
    (void)pthread_mutex_lock(&cache->lock);
    bool is_last = atomic_fetch_sub_explicit(&context->ref_count, 1, memory_order_acq_rel) == 1;
    if (is_last) {
        (void)map_remove(&cache->contexts, context->key);
    }
    (void)pthread_mutex_unlock(&cache->lock);
    if (is_last) {
        context_free(context);
        context_cache_unref(cache);
    }
}

struct secret *tls_context_secret(const struct tls_context *context)
{
    return context->secret;
}

const struct tls_policy *tls_context_policy(const struct tls_context *context)
{
    return &context->policy;
}

bool tls_context_same(const struct tls_context *a, const struct tls_context *b)
{
    if (a == b) {
        return true;
    }
    if (a == NULL || b == NULL || !str_equals(a->policy.key, b->policy.key)) {
        return false;
    }
    /* By name as well as by content: a connection from before a renewal is not to get a 421 for every
     * other host of its certificate. */
    bool is_same_name = str_equals(secret_name(a->secret), secret_name(b->secret)) &&
                        str_equals(secret_namespace(a->secret), secret_namespace(b->secret));
    return is_same_name || str_equals(secret_identity(a->secret), secret_identity(b->secret));
}
