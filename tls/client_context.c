/* client_context: one SSL_CTX for each policy towards upstreams. Contexts are handed out by the control
 * thread, used by workers and freed by whoever drops the last reference. The SSL_CTX and its trust
 * store are made at the first connection, because most destinations of a configuration are called
 * rarely. What the library asks back during a handshake is answered here too. */
#include "tls/client_context.h"

#include "gateway/base/map.h"
#include "gateway/base/ref_count.h"
#include "gateway/base/text.h"
#include "tls/client_context_ssl.h"
#include "tls/client_sessions.h"
#include "tls/policy.h"
#include "tls/secret_ssl.h"
#include "tls/verify.h"

#include <pthread.h>
#include <stdatomic.h>

struct tls_client_context {
    atomic_uint ref_count;
    struct tls_client_context_cache *cache; /* counted */
    char *key;                              /* all of the policy as text; in the cache's map */
    size_t key_len;
    struct tls_client_policy policy; /* its names are ours, its secrets counted */
    struct client_sessions *sessions;
    X509_STORE *trust;          /* NULL: nothing is verified, or not built */
    _Atomic(SSL_CTX *) ssl_ctx; /* NULL until the first connection */
    pthread_mutex_t build_lock;
};

/* As the cache of context.c: counted, because contexts outlive it on their way out. */
struct tls_client_context_cache {
    atomic_uint ref_count;
    pthread_mutex_t lock; /* of `contexts`; a context's last reference goes only under it */
    struct map contexts;
};

/* --- What the library asks -------------------------------------------------------------------- */

static enum ssl_verify_result_t client_context_on_verify(SSL *ssl, uint8_t *out_alert)
{
    struct tls_client_peer *peer = SSL_get_app_data(ssl);
    const struct tls_client_context *context = peer->context;
    const STACK_OF(CRYPTO_BUFFER) *chain = SSL_get0_peer_certificates(ssl);
    struct verify_failure failure = { .alert = SSL_AD_BAD_CERTIFICATE };

    if (context->policy.skips_verification) {
        return ssl_verify_ok; /* DR-67 */
    }
    struct verify_demand demand = { .trust = context->trust,
                                    .subject_alt_names = &context->policy.subject_alt_names };
    if (context->policy.verifies_server_name) {
        demand.server_name = str_from_cstr(peer->server_name);
    }
    if (chain != NULL && verify_chain(chain, &demand, &failure)) {
        return ssl_verify_ok;
    }
    *out_alert = failure.alert;
    mem_free(peer->failure_words);
    peer->failure_words = mem_copy_string(failure.words, strlen(failure.words));
    return ssl_verify_invalid;
}

/* One means that the session is ours now. */
static int client_context_on_session(SSL *ssl, SSL_SESSION *session)
{
    const struct tls_client_peer *peer = SSL_get_app_data(ssl);

    client_sessions_put(peer->context->sessions, str_from_cstr(peer->server_name), session);
    return 1;
}

/* --- The SSL_CTX ------------------------------------------------------------------------------ */

static bool client_context_apply(const struct tls_client_context *context, SSL_CTX *ssl_ctx)
{
    static const uint8_t alpn_h2[] = { 2, 'h', '2' };
    const struct tls_client_policy *policy = &context->policy;

    /* DR-62: fixed. */
    if (SSL_CTX_set_min_proto_version(ssl_ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ssl_ctx, TLS1_3_VERSION) != 1 ||
        SSL_CTX_set_strict_cipher_list(ssl_ctx, tls_policy_default_ciphers()) != 1 ||
        SSL_CTX_set1_curves_list(ssl_ctx, tls_policy_default_curves()) != 1) {
        return false;
    }
    /* Zero means success here. */
    if (policy->offers_h2 && SSL_CTX_set_alpn_protos(ssl_ctx, alpn_h2, sizeof(alpn_h2)) != 0) {
        return false;
    }
    return policy->pair == NULL || secret_apply_pair(policy->pair, ssl_ctx);
}

static SSL_CTX *client_context_build(struct tls_client_context *context, struct err *err)
{
    if (context->policy.pair != NULL && !secret_has_pair(context->policy.pair)) {
        err_set(err, ERR_CONFIG, "secret %.*s holds a CA only",
                STR_ARG(secret_name(context->policy.pair)));
        return NULL;
    }
    if (!context->policy.skips_verification && context->trust == NULL) {
        context->trust = verify_open_trust(context->policy.ca, err);
        if (context->trust == NULL) {
            return NULL;
        }
    }
    SSL_CTX *ssl_ctx = library_new_ssl_ctx();
    ERR_clear_error();
    /* Renegotiation and early data are off unless asked for. */
    SSL_CTX_set_custom_verify(ssl_ctx, SSL_VERIFY_PEER, client_context_on_verify);
    /* A session outlives by days what was checked at its beginning: what has expired since then is refused. */
    SSL_CTX_set_reverify_on_resume(ssl_ctx, 1);
    (void)SSL_CTX_set_session_cache_mode(ssl_ctx,
                                         SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
    SSL_CTX_sess_set_new_cb(ssl_ctx, client_context_on_session);
    if (!client_context_apply(context, ssl_ctx)) {
        library_err(err, "BoringSSL refuses the TLS settings");
        SSL_CTX_free(ssl_ctx);
        return NULL;
    }
    return ssl_ctx;
}

static SSL_CTX *client_context_ssl_ctx(struct tls_client_context *context, struct err *err)
{
    SSL_CTX *ssl_ctx = atomic_load_explicit(&context->ssl_ctx, memory_order_acquire);

    if (ssl_ctx != NULL) {
        return ssl_ctx;
    }
    (void)pthread_mutex_lock(&context->build_lock); /* cannot fail: neither recursive nor robust */
    ssl_ctx = atomic_load_explicit(&context->ssl_ctx, memory_order_acquire);
    if (ssl_ctx == NULL) {
        ssl_ctx = client_context_build(context, err);
        atomic_store_explicit(&context->ssl_ctx, ssl_ctx, memory_order_release);
    }
    (void)pthread_mutex_unlock(&context->build_lock);
    return ssl_ctx;
}

/* --- A connection ----------------------------------------------------------------------------- */

/* "[::1]" and "shop.example." are how a Host may spell what a certificate calls "::1" and
 * "shop.example". */
static struct str client_context_plain_name(struct str name)
{
    if (name.len > 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']') {
        return str_slice(name, 1, name.len - 2);
    }
    if (name.len > 1 && name.ptr[name.len - 1] == '.') {
        return str_slice(name, 0, name.len - 1);
    }
    return name;
}

/* RFC 6066 3: an address is no host name. */
static bool client_context_set_sni(SSL *ssl, const char *name)
{
    uint8_t address[16];

    if (name[0] == '\0' || verify_parse_address(str_from_cstr(name), address) > 0) {
        return true;
    }
    return SSL_set_tlsext_host_name(ssl, name) == 1;
}

SSL *tls_client_context_new_ssl(struct tls_client_context *context, struct str server_name,
                                struct tls_client_peer *peer, struct err *err)
{
    struct str name = client_context_plain_name(server_name);
    SSL_CTX *ssl_ctx = client_context_ssl_ctx(context, err);

    if (ssl_ctx == NULL) {
        return NULL;
    }
    peer->context = tls_client_context_ref(context);
    peer->server_name = mem_copy_string(name.len > 0 ? name.ptr : "", name.len);
    ERR_clear_error();
    SSL *ssl = SSL_new(ssl_ctx);
    if (ssl == NULL || SSL_set_app_data(ssl, peer) != 1 ||
        !client_context_set_sni(ssl, peer->server_name)) {
        library_err(err, "cannot start TLS");
        SSL_free(ssl);
        tls_client_peer_cleanup(peer);
        return NULL;
    }
    SSL_SESSION *session = client_sessions_take(context->sessions, name);
    if (session != NULL) {
        (void)SSL_set_session(ssl, session); /* without it the handshake is a full one */
        SSL_SESSION_free(session);
    }
    SSL_set_connect_state(ssl);
    return ssl;
}

void tls_client_peer_cleanup(struct tls_client_peer *peer)
{
    tls_client_context_unref(peer->context);
    mem_free(peer->server_name);
    mem_free(peer->failure_words);
    memset(peer, 0, sizeof(*peer));
}

/* --- The cache -------------------------------------------------------------------------------- */

struct tls_client_context_cache *tls_client_context_cache_new(void)
{
    struct tls_client_context_cache *cache = mem_new(struct tls_client_context_cache);

    atomic_init(&cache->ref_count, 1);
    (void)pthread_mutex_init(&cache->lock, NULL); /* cannot fail with default attributes */
    return cache;
}

static void client_context_cache_unref(struct tls_client_context_cache *cache)
{
    if (atomic_fetch_sub_explicit(&cache->ref_count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    (void)pthread_mutex_destroy(&cache->lock); /* nobody is left to hold it */
    map_cleanup(&cache->contexts);
    mem_free(cache);
}

void tls_client_context_cache_free(struct tls_client_context_cache *cache)
{
    if (cache != NULL) {
        client_context_cache_unref(cache);
    }
}

static void client_context_add_secret(struct text *key, const struct secret *secret)
{
    struct str identity = secret != NULL ? secret_identity(secret) : STR("");

    text_printf(key, "%.*s|", STR_ARG(identity));
}

/* By content, so that a secret that was read again is the same one. Lengths keep names apart. */
static void client_context_write_key(const struct tls_client_policy *policy, struct text *key)
{
    client_context_add_secret(key, policy->ca);
    client_context_add_secret(key, policy->pair);
    text_printf(key, "%d%d%d", policy->skips_verification, policy->verifies_server_name,
                policy->offers_h2);
    for (size_t i = 0; i < policy->subject_alt_names.count; i++) {
        struct str name = policy->subject_alt_names.items[i];
        text_printf(key, "|%zu:%.*s", name.len, STR_ARG(name));
    }
}

/* Takes over the text of `key`. */
static struct tls_client_context *client_context_new(struct tls_client_context_cache *cache,
                                                     const struct text *key,
                                                     const struct tls_client_policy *policy)
{
    struct tls_client_context *context = mem_new(struct tls_client_context);
    struct tls_client_policy *own = &context->policy;

    atomic_init(&context->ref_count, 1);
    atomic_init(&context->ssl_ctx, NULL);
    (void)pthread_mutex_init(&context->build_lock, NULL);
    context->cache = cache;
    (void)atomic_fetch_add_explicit(&cache->ref_count, 1, memory_order_relaxed);
    context->key = key->ptr;
    context->key_len = key->len;
    context->sessions = client_sessions_new();
    *own = *policy;
    own->ca = policy->ca != NULL ? secret_ref(policy->ca) : NULL;
    own->pair = policy->pair != NULL ? secret_ref(policy->pair) : NULL;
    memset(&own->subject_alt_names, 0, sizeof(own->subject_alt_names));
    for (size_t i = 0; i < policy->subject_alt_names.count; i++) {
        struct str name = policy->subject_alt_names.items[i];
        vec_push(&own->subject_alt_names,
                 str_from(mem_copy_string(name.len > 0 ? name.ptr : "", name.len), name.len));
    }
    return context;
}

static void client_context_free(struct tls_client_context *context)
{
    struct tls_client_policy *policy = &context->policy;

    SSL_CTX_free(atomic_load_explicit(&context->ssl_ctx, memory_order_acquire));
    X509_STORE_free(context->trust);
    client_sessions_free(context->sessions);
    secret_unref(policy->ca);
    secret_unref(policy->pair);
    for (size_t i = 0; i < policy->subject_alt_names.count; i++) {
        /* A copy made by client_context_new(); the view hides that it is ours. */
        mem_free((void *)(uintptr_t)policy->subject_alt_names.items[i].ptr);
    }
    vec_cleanup(&policy->subject_alt_names);
    (void)pthread_mutex_destroy(&context->build_lock);
    mem_free(context->key);
    mem_free(context);
}

struct tls_client_context *tls_client_context_cache_get(struct tls_client_context_cache *cache,
                                                        const struct tls_client_policy *policy)
{
    struct text key = { 0 };

    client_context_write_key(policy, &key);
    (void)pthread_mutex_lock(&cache->lock);
    struct tls_client_context *context = map_get(&cache->contexts, text_view(&key));
    if (context != NULL) {
        /* Its last holder may be waiting for the lock to let go; it then finds that it is not the last
         * any more. */
        (void)atomic_fetch_add_explicit(&context->ref_count, 1, memory_order_relaxed);
        text_cleanup(&key);
    } else {
        context = client_context_new(cache, &key, policy);
        (void)map_set(&cache->contexts, str_from(context->key, context->key_len),
                      context); /* was absent */
    }
    (void)pthread_mutex_unlock(&cache->lock);
    return context;
}

struct tls_client_context *tls_client_context_ref(struct tls_client_context *context)
{
    (void)atomic_fetch_add_explicit(&context->ref_count, 1, memory_order_relaxed);
    return context;
}

/* As tls_context_unref(): the last reference goes under the lock. */
void tls_client_context_unref(struct tls_client_context *context)
{
    if (context == NULL || ref_count_drop_unless_last(&context->ref_count)) {
        return;
    }
    struct tls_client_context_cache *cache = context->cache;
    (void)pthread_mutex_lock(&cache->lock);
    bool is_last = atomic_fetch_sub_explicit(&context->ref_count, 1, memory_order_acq_rel) == 1;
    if (is_last) {
        (void)map_remove(&cache->contexts, str_from(context->key, context->key_len));
    }
    (void)pthread_mutex_unlock(&cache->lock);
    if (is_last) {
        client_context_free(context);
        client_context_cache_unref(cache);
    }
}

uint64_t tls_client_context_fingerprint(const struct tls_client_context *context)
{
    return str_hash(str_from(context->key, context->key_len));
}

bool tls_client_context_offers_h2(const struct tls_client_context *context)
{
    return context->policy.offers_h2;
}
