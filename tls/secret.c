/* secret: PEM text to a checked key pair. Made on the control thread, immutable afterwards, counted,
 * shared by all threads; freed by whoever drops the last reference. */
#include "tls/secret.h"

#include "gateway/base/arena.h"
#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "tls/certificate.h"
#include "tls/pem.h"
#include "tls/secret_ssl.h"
#include "tls/written_key.h"

#include <openssl/bytestring.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/sha.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    SECRET_ARENA_BYTES = 896, /* the facts of a leaf; an intermediate's take a second block */
    SECRET_RSA_MIN_BITS = 1024,
    SECRET_RSA_GOOD_BITS = 2048,
    /* A bundle of all public roots has about 150; the file's size is capped as well. */
    SECRET_CA_MAX = 4096,
};

struct secret {
    atomic_uint ref_count;
    struct arena *arena; /* all text below */
    struct str name;
    struct str namespace_;
    struct str origin;
    struct str identity;
    struct str common_name; /* of a leaf without SAN extension, else empty */
    struct secret_certificates chain;
    struct secret_certificates ca;
    enum secret_key_kind key_kind;
    uint8_t *key_der; /* the library's memory; NULL: CA only */
    size_t key_len;
    bool is_key_unchecked;
    CRYPTO_BUFFER **chain_der;
    CRYPTO_BUFFER **ca_der;
    struct str crl_pem;
    struct str ocsp_staple;
};

/* A parse under way. */
struct secret_parser {
    const struct secret_source *source;
    struct secret *secret;
    int64_t wall_s;
    struct str_vec *warnings;
    struct arena *warning_arena;
    struct x509_vec chain;
    struct x509_vec ca;
    EVP_PKEY *key; /* NULL: only its written form was looked at */
    struct written_key written;
    bool may_defer;
};

static void secret_warn(struct secret_parser *parser, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void secret_warn(struct secret_parser *parser, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    struct str text = arena_vprintf(parser->warning_arena, format, args);
    va_end(args);
    vec_push_in_arena(parser->warning_arena, parser->warnings, text);
}

/* --- Choosing among the keys of a Secret ------------------------------------------------------ */

const char *const secret_part_keys[] = {
    "cert",
    "key",
    "cacert",
    "crl",
    "tls.crt",
    "tls.key",
    "ca.crt",
    "ca.crl",
    "tls.ocsp-staple",
    "tls-combined.pem",
    NULL,
};

static struct str secret_find_part(const struct secret_part *parts, size_t count, const char *key)
{
    for (size_t i = 0; i < count; i++) {
        if (str_equals(parts[i].key, str_from_cstr(key))) {
            return parts[i].bytes;
        }
    }
    return (struct str){ 0 };
}

static struct str secret_first_of(struct str a, struct str b)
{
    return a.len > 0 ? a : b;
}

void secret_source_from_parts(struct secret_source *source, const struct secret_part *parts,
                              size_t count)
{
    struct str cert = secret_find_part(parts, count, "cert");
    struct str key = secret_find_part(parts, count, "key");
    struct str tls_cert = secret_find_part(parts, count, "tls.crt");
    struct str tls_key = secret_find_part(parts, count, "tls.key");

    if (cert.len > 0 && key.len > 0) {
        source->certificate_pem = cert;
        source->key_pem = key;
    } else if (tls_cert.len > 0 || tls_key.len > 0) {
        source->certificate_pem = tls_cert;
        source->key_pem = tls_key;
    } else if (cert.len > 0 || key.len > 0) {
        source->certificate_pem = cert;
        source->key_pem = key;
    } else {
        source->certificate_pem = secret_find_part(parts, count, "tls-combined.pem");
        source->key_pem = (struct str){ 0 };
    }
    source->ca_pem = secret_first_of(secret_find_part(parts, count, "cacert"),
                                     secret_find_part(parts, count, "ca.crt"));
    source->crl_pem = secret_first_of(secret_find_part(parts, count, "crl"),
                                      secret_find_part(parts, count, "ca.crl"));
    source->ocsp_staple_der = secret_find_part(parts, count, "tls.ocsp-staple");
}

/* --- The pair --------------------------------------------------------------------------------- */

static bool secret_parse_key(struct secret_parser *parser, struct err *err)
{
    struct secret *secret = parser->secret;

    parser->key = pem_parse_key(secret->key_der, secret->key_len, err);
    if (parser->key == NULL) {
        return false;
    }
    switch (EVP_PKEY_id(parser->key)) {
    case EVP_PKEY_RSA:
        secret->key_kind = SECRET_KEY_RSA;
        break;
    case EVP_PKEY_EC:
        secret->key_kind = SECRET_KEY_ECDSA;
        break;
    case EVP_PKEY_ED25519:
        secret->key_kind = SECRET_KEY_ED25519;
        break;
    default:
        err_set(err, ERR_INPUT, "the private key is neither RSA nor EC nor Ed25519");
        return false;
    }
    return true;
}

static bool secret_read_key(struct secret_parser *parser, struct err *err)
{
    struct secret *secret = parser->secret;
    struct str pem = secret_first_of(parser->source->key_pem, parser->source->certificate_pem);

    secret->key_der = pem_read_key(pem, &secret->key_len, err);
    if (secret->key_der == NULL) {
        if (err->code == ERR_NOT_FOUND && parser->source->key_pem.len == 0) {
            err_set(err, ERR_INPUT, "has a certificate but no private key (tls.key or key)");
        }
        return false;
    }
    if (parser->may_defer && written_key_read(secret->key_der, secret->key_len, &parser->written)) {
        secret->key_kind = parser->written.kind;
        secret->is_key_unchecked = true;
        return true;
    }
    return secret_parse_key(parser, err);
}

static bool secret_fits_key(const struct secret_parser *parser, X509 *certificate)
{
    if (parser->key == NULL) {
        return written_key_fits(&parser->written, certificate);
    }
    EVP_PKEY *public_key = X509_get_pubkey(certificate);
    bool fits = public_key != NULL && EVP_PKEY_cmp(public_key, parser->key) == 1;

    EVP_PKEY_free(public_key);
    ERR_clear_error();
    return fits;
}

static void secret_swap(struct x509_vec *chain, size_t a, size_t b)
{
    X509 *kept = chain->items[a];

    chain->items[a] = chain->items[b];
    chain->items[b] = kept;
}

/* RFC 8446 4.4.2: the leaf first. The one that fits the key is it. */
static bool secret_put_leaf_first(struct secret_parser *parser, struct err *err)
{
    struct x509_vec *chain = &parser->chain;

    for (size_t i = 0; i < chain->count; i++) {
        if (!secret_fits_key(parser, chain->items[i])) {
            continue;
        }
        if (i > 0) {
            secret_warn(parser,
                        "the certificate that fits the key is number %zu of the chain, not the "
                        "first; order mended",
                        i + 1);
            secret_swap(chain, 0, i);
        }
        return true;
    }
    err_set(err, ERR_INPUT, "the private key does not fit the certificate%s",
            chain->count > 1 ? " (nor another one of the chain)" : "");
    return false;
}

/* Each certificate behind the one it signed. What belongs nowhere goes last: a cross-signed issuer is
 * of use to some client. */
static void secret_order_chain(struct secret_parser *parser)
{
    struct x509_vec *chain = &parser->chain;
    size_t moved = 0;
    size_t at = 1;

    for (; at < chain->count; at++) {
        size_t found = at;
        while (found < chain->count &&
               !certificate_is_issued_by(chain->items[at - 1], chain->items[found])) {
            found++;
        }
        if (found == chain->count) {
            break;
        }
        moved += found != at ? 1 : 0;
        secret_swap(chain, at, found);
    }
    if (moved > 0) {
        secret_warn(parser,
                    "the chain was not in order (each certificate signed by the next); order "
                    "mended");
    }
    if (at < chain->count) {
        secret_warn(parser, "%zu of the %zu certificates belong to no issuer of the chain",
                    chain->count - at, chain->count);
    }
}

static bool secret_check_strength(struct secret_parser *parser, struct err *err)
{
    EVP_PKEY *key = parser->key;

    if (parser->secret->key_kind == SECRET_KEY_RSA) {
        unsigned bits = key != NULL ? (unsigned)EVP_PKEY_bits(key) : parser->written.bits;
        if (bits < SECRET_RSA_MIN_BITS) {
            err_set(err, ERR_INPUT, "an RSA key of %u bits is too weak; use 2048 or more", bits);
            return false;
        }
        if (bits < SECRET_RSA_GOOD_BITS) {
            secret_warn(parser, "an RSA key of %u bits is weak; most clients refuse it", bits);
        }
    } else if (parser->secret->key_kind == SECRET_KEY_ECDSA) {
        int curve = key != NULL
                        ? EC_GROUP_get_curve_name(EC_KEY_get0_group(EVP_PKEY_get0_EC_KEY(key)))
                        : parser->written.curve_nid;
        if (curve != NID_X9_62_prime256v1 && curve != NID_secp384r1 && curve != NID_secp521r1) {
            secret_warn(parser, "the key's curve has no TLS 1.3 signature; most clients refuse it");
        }
    } else {
        secret_warn(parser, "few clients accept an Ed25519 key");
    }
    return true;
}

/* The leaf's word goes to the front of the warnings: see secret.h. */
static void secret_check_validity(struct secret_parser *parser)
{
    const struct secret_certificates *chain = &parser->secret->chain;

    for (size_t i = 0; i < chain->count; i++) {
        const struct secret_certificate *certificate = &chain->items[i];
        bool is_expired = certificate->not_after < parser->wall_s;
        if (!is_expired && certificate->not_before <= parser->wall_s) {
            continue;
        }
        char when[32];
        int64_t limit = is_expired ? certificate->not_after : certificate->not_before;
        (void)now_format_utc(limit > 0 ? (uint64_t)limit * 1000000u : 0, 0, when, sizeof(when));
        secret_warn(parser, "%s %s %s", i == 0 ? "the certificate" : "an issuer's certificate",
                    is_expired ? "expired on" : "is not valid before", when);
        if (i == 0) {
            struct str *items = parser->warnings->items;
            struct str leaf = items[parser->warnings->count - 1];
            memmove(items + 1, items, (parser->warnings->count - 1) * sizeof(*items));
            items[0] = leaf;
        }
    }
}

static void secret_check_leaf(struct secret_parser *parser)
{
    X509 *leaf = parser->chain.items[0];

    if (!certificate_allows_server(leaf)) {
        secret_warn(parser,
                    "the certificate's extended key usage lacks serverAuth: it may be shown "
                    "to upstreams, but clients refuse it from a server");
    }
    if (certificate_needs_staple(leaf) && parser->secret->ocsp_staple.len == 0) {
        secret_warn(parser, "the certificate demands a stapled OCSP response (must-staple), and "
                            "there is none (tls.ocsp-staple)");
    }
    for (size_t i = 0; i < parser->chain.count; i++) {
        const char *digest = certificate_weak_digest(parser->chain.items[i]);
        /* A root is trusted for what it is, not for its signature. */
        if (digest != NULL && (i == 0 || !certificate_is_self_signed(parser->chain.items[i]))) {
            secret_warn(parser, "certificate %zu of the chain is signed with %s; clients refuse it",
                        i + 1, digest);
        }
    }
    if (!certificate_has_alt_names(leaf)) {
        parser->secret->common_name = certificate_common_name(leaf, parser->secret->arena);
        secret_warn(parser, "the certificate has no subject alternative names; browsers refuse it");
    }
}

/* RFC 6960 4.2.1: a response whose status is "successful". What it says of the certificate is for the
 * client, who checks the signature. */
static void secret_read_staple(struct secret_parser *parser)
{
    struct str der = parser->source->ocsp_staple_der;
    CBS bytes;
    CBS response;
    CBS status;

    if (der.len == 0) {
        return;
    }
    CBS_init(&bytes, (const uint8_t *)der.ptr, der.len);
    if (!CBS_get_asn1(&bytes, &response, CBS_ASN1_SEQUENCE) || CBS_len(&bytes) != 0 ||
        !CBS_get_asn1(&response, &status, CBS_ASN1_ENUMERATED) || CBS_len(&status) != 1 ||
        CBS_data(&status)[0] != 0) {
        secret_warn(parser, "tls.ocsp-staple is no successful OCSP response in DER; not stapled");
        return;
    }
    parser->secret->ocsp_staple = arena_copy_str(parser->secret->arena, der);
}

/* --- Into library objects --------------------------------------------------------------------- */

static CRYPTO_BUFFER_POOL *secret_pool;
static pthread_once_t secret_pool_once = PTHREAD_ONCE_INIT;

static void secret_make_pool(void)
{
    secret_pool = CRYPTO_BUFFER_POOL_new();
}

/* Through one pool, so an intermediate that thousands of secrets share is held once. */
static CRYPTO_BUFFER *secret_to_der(X509 *certificate)
{
    uint8_t *der = NULL;
    int len = i2d_X509(certificate, &der);
    CRYPTO_BUFFER *buffer = NULL;

    (void)pthread_once(&secret_pool_once, secret_make_pool); /* cannot fail */
    if (len > 0) {
        buffer = CRYPTO_BUFFER_new(der, (size_t)len, secret_pool);
    }
    OPENSSL_free(der);
    return buffer;
}

/* Exactly so much: room for eight would be most of what a secret takes. */
static void secret_make_room(struct arena *arena, struct secret_certificates *facts, size_t count)
{
    facts->items = arena_new_array(arena, struct secret_certificate, count);
    facts->capacity = count;
}

/* Stands for a key that is not read yet: the library then looks at the certificate alone. */
static const SSL_PRIVATE_KEY_METHOD secret_no_key;

/* The library has the last word: key usage, kinds of keys it cannot sign with. One context asks it about
 * all chains whose key is not read; a key is not left in it. */
static bool secret_ask_library(const struct secret_parser *parser, struct err *err)
{
    static _Thread_local SSL_CTX *keyless;
    const struct secret *secret = parser->secret;
    SSL_CTX *scratch = parser->key != NULL || keyless == NULL ? library_new_ssl_ctx() : keyless;

    ERR_clear_error();
    bool is_taken =
        SSL_CTX_set_chain_and_key(scratch, secret->chain_der, secret->chain.count, parser->key,
                                  parser->key == NULL ? &secret_no_key : NULL) == 1;
    if (!is_taken) {
        library_err(err, "BoringSSL refuses the pair");
    }
    if (parser->key != NULL) {
        SSL_CTX_free(scratch);
    } else {
        keyless = scratch;
    }
    return is_taken;
}

static bool secret_keep_chain(struct secret_parser *parser, struct err *err)
{
    struct secret *secret = parser->secret;
    size_t count = parser->chain.count;

    secret->chain_der = arena_new_array(secret->arena, CRYPTO_BUFFER *, count);
    secret_make_room(secret->arena, &secret->chain, count);
    for (size_t i = 0; i < count; i++) {
        struct secret_certificate facts;
        certificate_describe(parser->chain.items[i], secret->arena, &facts);
        vec_push_in_arena(secret->arena, &secret->chain, facts);
        secret->chain_der[i] = secret_to_der(parser->chain.items[i]);
        if (secret->chain_der[i] == NULL) {
            err_set(err, ERR_INPUT, "certificate %zu cannot be encoded", i + 1);
            return false;
        }
    }
    return secret_ask_library(parser, err);
}

static bool secret_read_pair(struct secret_parser *parser, struct err *err)
{
    const struct secret_source *source = parser->source;

    if (source->certificate_pem.len == 0) {
        err_set(
            err, ERR_INPUT,
            "has a private key but no certificate (tls.crt or cert); is it still being issued?");
        return false;
    }
    if (!pem_read_certificates(source->certificate_pem, LIMIT_CHAIN_CERTIFICATES, &parser->chain,
                               err)) {
        return false;
    }
    if (parser->chain.count == 0) {
        err_set(err, ERR_INPUT, "no PEM certificate in tls.crt (or cert)");
        return false;
    }
    if (!secret_read_key(parser, err) || !secret_put_leaf_first(parser, err)) {
        return false;
    }
    secret_order_chain(parser);
    if (!secret_keep_chain(parser, err)) {
        return false;
    }
    secret_check_validity(parser);
    if (!secret_check_strength(parser, err)) {
        return false;
    }
    secret_read_staple(parser);
    secret_check_leaf(parser);
    return true;
}

/* Kept as they are, readable or not: who checks against them must not find none where some are meant. */
static void secret_read_crls(struct secret_parser *parser)
{
    struct str pem = parser->source->crl_pem;
    struct crl_vec crls = { 0 };
    struct err why = { 0 };

    if (pem.len == 0) {
        return;
    }
    if (!pem_read_crls(pem, &crls, &why)) {
        secret_warn(parser, "ca.crl: %s", why.text);
    }
    pem_free_crls(&crls);
    parser->secret->crl_pem = arena_copy_str(parser->secret->arena, pem);
}

static bool secret_read_ca(struct secret_parser *parser, bool is_needed, struct err *err)
{
    struct secret *secret = parser->secret;
    struct err why = { 0 };

    if (!pem_read_certificates(parser->source->ca_pem, SECRET_CA_MAX, &parser->ca, &why) ||
        (parser->ca.count == 0 && parser->source->ca_pem.len > 0)) {
        const char *text = why.code != ERR_NONE ? why.text : "no PEM certificate in it";
        if (is_needed) {
            err_set(err, ERR_INPUT, "ca.crt: %s", text);
            return false;
        }
        /* The pair serves all the same; what needs the CA says so itself. */
        secret_warn(parser, "ca.crt: %s", text);
        pem_free_certificates(&parser->ca);
    }
    if (parser->ca.count > 0) {
        secret->ca_der = arena_new_array(secret->arena, CRYPTO_BUFFER *, parser->ca.count);
        secret_make_room(secret->arena, &secret->ca, parser->ca.count);
    }
    for (size_t i = 0; i < parser->ca.count; i++) {
        struct secret_certificate facts;
        certificate_describe(parser->ca.items[i], secret->arena, &facts);
        vec_push_in_arena(secret->arena, &secret->ca, facts);
        secret->ca_der[i] = secret_to_der(parser->ca.items[i]);
        if (secret->ca_der[i] == NULL) {
            err_set(err, ERR_INPUT, "ca.crt: certificate %zu cannot be encoded", i + 1);
            return false;
        }
    }
    secret_read_crls(parser);
    return true;
}

static void secret_hash_part(SHA256_CTX *hash, const void *bytes, size_t len)
{
    uint64_t size = len;

    (void)SHA256_Update(hash, &size, sizeof(size)); /* hashing never fails */
    (void)SHA256_Update(hash, bytes, len);
}

static void secret_set_identity(struct secret_parser *parser)
{
    struct secret *secret = parser->secret;
    uint8_t digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256_CTX hash;

    (void)SHA256_Init(&hash);
    for (size_t i = 0; i < secret->chain.count; i++) {
        secret_hash_part(&hash, CRYPTO_BUFFER_data(secret->chain_der[i]),
                         CRYPTO_BUFFER_len(secret->chain_der[i]));
    }
    for (size_t i = 0; i < secret->ca.count; i++) {
        struct str fingerprint = secret->ca.items[i].fingerprint;
        secret_hash_part(&hash, fingerprint.ptr, fingerprint.len);
    }
    secret_hash_part(&hash, parser->source->crl_pem.ptr, parser->source->crl_pem.len);
    secret_hash_part(&hash, secret->ocsp_staple.ptr, secret->ocsp_staple.len);
    (void)SHA256_Final(digest, &hash);
    library_hex(digest, sizeof(digest), hex);
    secret->identity = arena_copy_str(secret->arena, str_from(hex, sizeof(hex) - 1));
}

static struct secret *secret_make(const struct secret_source *source, bool may_defer,
                                  int64_t wall_s, struct str_vec *warnings,
                                  struct arena *warning_arena, struct err *err)
{
    struct err why = { 0 }; /* `err` may be NULL, and the code matters here */
    struct secret *secret = mem_new(struct secret);
    struct secret_parser parser = { .source = source,
                                    .secret = secret,
                                    .may_defer = may_defer,
                                    .wall_s = wall_s,
                                    .warnings = warnings,
                                    .warning_arena = warning_arena };
    bool has_pair = source->certificate_pem.len > 0 || source->key_pem.len > 0;
    bool is_good = true;

    atomic_init(&secret->ref_count, 1);
    secret->arena = arena_new(SECRET_ARENA_BYTES);
    secret->name = arena_copy_str(secret->arena, source->name);
    secret->namespace_ = arena_copy_str(secret->arena, source->namespace_);
    secret->origin = arena_copy_str(secret->arena, source->origin);
    if (has_pair) {
        is_good = secret_read_pair(&parser, &why);
    } else if (source->ca_pem.len == 0) {
        err_set(&why, ERR_INPUT, "holds no certificate, no key and no CA (tls.crt and tls.key)");
        is_good = false;
    }
    is_good = is_good && secret_read_ca(&parser, !has_pair, &why);
    if (is_good) {
        secret_set_identity(&parser);
    } else {
        err_set(err, why.code, "%s", why.text);
        secret_unref(secret);
        secret = NULL;
    }
    pem_free_certificates(&parser.chain);
    pem_free_certificates(&parser.ca);
    EVP_PKEY_free(parser.key);
    ERR_clear_error();
    return secret;
}

struct secret *secret_parse(const struct secret_source *source, int64_t wall_s,
                            struct str_vec *warnings, struct arena *warning_arena, struct err *err)
{
    return secret_make(source, false, wall_s, warnings, warning_arena, err);
}

struct secret *secret_parse_deferred(const struct secret_source *source, int64_t wall_s,
                                     struct str_vec *warnings, struct arena *warning_arena,
                                     struct err *err)
{
    return secret_make(source, true, wall_s, warnings, warning_arena, err);
}

bool secret_is_key_unchecked(const struct secret *secret)
{
    return secret->is_key_unchecked;
}

bool secret_check_key(struct secret *secret, struct err *err)
{
    EVP_PKEY *key = pem_parse_key(secret->key_der, secret->key_len, err);

    if (key == NULL) {
        return false;
    }
    EVP_PKEY_free(key);
    secret->is_key_unchecked = false;
    return true;
}

/* --- Accessors -------------------------------------------------------------------------------- */

struct secret *secret_ref(struct secret *secret)
{
    (void)atomic_fetch_add_explicit(&secret->ref_count, 1, memory_order_relaxed);
    return secret;
}

void secret_unref(struct secret *secret)
{
    if (secret == NULL ||
        atomic_fetch_sub_explicit(&secret->ref_count, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < secret->chain.count; i++) {
        CRYPTO_BUFFER_free(secret->chain_der[i]);
    }
    for (size_t i = 0; i < secret->ca.count; i++) {
        CRYPTO_BUFFER_free(secret->ca_der[i]);
    }
    OPENSSL_free(secret->key_der); /* wiped */
    arena_free(secret->arena);
    mem_free(secret);
}

struct str secret_name(const struct secret *secret)
{
    return secret->name;
}

struct str secret_namespace(const struct secret *secret)
{
    return secret->namespace_;
}

struct str secret_origin(const struct secret *secret)
{
    return secret->origin;
}

enum secret_key_kind secret_key_kind(const struct secret *secret)
{
    return secret->key_kind;
}

enum secret_validity secret_validity_at(const struct secret *secret, int64_t wall_s)
{
    if (secret->chain.count == 0) {
        return SECRET_VALID;
    }
    if (secret->chain.items[0].not_after < wall_s) {
        return SECRET_IS_EXPIRED;
    }
    return secret->chain.items[0].not_before > wall_s ? SECRET_IS_NOT_YET : SECRET_VALID;
}

bool secret_has_pair(const struct secret *secret)
{
    return secret->key_der != NULL;
}

const struct secret_certificates *secret_chain(const struct secret *secret)
{
    return &secret->chain;
}

const struct secret_certificates *secret_ca(const struct secret *secret)
{
    return &secret->ca;
}

struct str secret_identity(const struct secret *secret)
{
    return secret->identity;
}

bool secret_apply_pair(const struct secret *secret, SSL_CTX *ssl_ctx)
{
    const uint8_t *at = secret->key_der;
    EVP_PKEY *key = d2i_AutoPrivateKey(NULL, &at, (long)secret->key_len);
    bool is_taken = key != NULL && SSL_CTX_set_chain_and_key(ssl_ctx, secret->chain_der,
                                                             secret->chain.count, key, NULL) == 1;

    EVP_PKEY_free(key);
    return is_taken;
}

CRYPTO_BUFFER *const *secret_chain_der(const struct secret *secret, size_t *count)
{
    *count = secret->chain.count;
    return secret->chain_der;
}

CRYPTO_BUFFER *const *secret_ca_der(const struct secret *secret, size_t *count)
{
    *count = secret->ca.count;
    return secret->ca_der;
}

struct str secret_crl_pem(const struct secret *secret)
{
    return secret->crl_pem;
}

struct str secret_ocsp_staple(const struct secret *secret)
{
    return secret->ocsp_staple;
}

bool secret_covers_host(const struct secret *secret, struct str host)
{
    char lower[256];

    if (secret->chain.count == 0 || host.len == 0 || host.len > sizeof(lower)) {
        return false;
    }
    memcpy(lower, host.ptr, host.len);
    str_lower_bytes(lower, host.len);
    struct str name = str_from(lower, host.len);
    const struct secret_certificate *leaf = &secret->chain.items[0];
    for (size_t i = 0; i < leaf->dns_names.count; i++) {
        if (certificate_name_covers(leaf->dns_names.items[i], name)) {
            return true;
        }
    }
    for (size_t i = 0; i < leaf->ip_names.count; i++) {
        if (str_equals(leaf->ip_names.items[i], name)) {
            return true;
        }
    }
    /* TL-80: the common name counts only where there is no SAN extension at all. */
    return secret->common_name.len > 0 && certificate_name_covers(secret->common_name, name);
}
