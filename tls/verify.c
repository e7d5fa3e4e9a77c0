/* verify: a chain against a trust store by the library's X.509 code (RFC 5280), the names by our own
 * (RFC 6125). Stores are shared by threads: the library locks them. No state but the system's store,
 * read at its first use and kept for ever. */
#include "tls/verify.h"

#include "gateway/base/limits.h"
#include "tls/certificate.h"
#include "tls/pem.h"
#include "tls/secret_ssl.h"

#include <arpa/inet.h>
#include <openssl/nid.h>
#include <openssl/pool.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Trust ------------------------------------------------------------------------------------ */

/* Where systems keep all public roots in one file; OpenSSL's variable goes before them. */
static const char *const verify_system_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",                /* Debian, Alpine */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",                  /* older of these */
    "/etc/ssl/ca-bundle.pem",                            /* openSUSE */
    "/etc/ssl/cert.pem",
};

static pthread_mutex_t verify_system_lock = PTHREAD_MUTEX_INITIALIZER;
static X509_STORE *verify_system_store; /* NULL until it could be read */

static X509_STORE *verify_new_store(void)
{
    X509_STORE *store = X509_STORE_new();

    if (store != NULL) {
        /* An intermediate that is trusted by name needs no root above it. */
        (void)X509_STORE_set_flags(store, X509_V_FLAG_PARTIAL_CHAIN); /* always 1 */
    }
    return store;
}

static bool verify_add_crls(X509_STORE *store, struct str pem, struct err *err)
{
    struct crl_vec crls = { 0 };
    bool is_good = pem_read_crls(pem, &crls, err);

    for (size_t i = 0; i < crls.count && is_good; i++) {
        is_good = X509_STORE_add_crl(store, crls.items[i]) == 1;
        if (!is_good) {
            library_err(err, "BoringSSL refuses a revocation list");
        }
    }
    /* TL-90: of every certificate of the chain; a CA without a list is then not good enough. */
    if (is_good && crls.count > 0) {
        (void)X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    }
    pem_free_crls(&crls);
    return is_good;
}

static X509_STORE *verify_open_secret(const struct secret *ca, struct err *err)
{
    X509_STORE *store = verify_new_store();
    size_t count = 0;
    CRYPTO_BUFFER *const *der = secret_ca_der(ca, &count);
    bool is_good = store != NULL;

    if (count == 0) {
        err_set(err, ERR_CONFIG, "secret %.*s holds no CA certificate", STR_ARG(secret_name(ca)));
        is_good = false;
    }
    for (size_t i = 0; i < count && is_good; i++) {
        X509 *certificate = X509_parse_from_buffer(der[i]);
        is_good = certificate != NULL && X509_STORE_add_cert(store, certificate) == 1;
        if (!is_good) {
            library_err(err, "BoringSSL refuses a CA certificate");
        }
        X509_free(certificate);
    }
    if (!is_good || !verify_add_crls(store, secret_crl_pem(ca), err)) {
        X509_STORE_free(store);
        return NULL;
    }
    return store;
}

/* A certificate that cannot be read costs that certificate, not the others: the file is the system's. */
static X509_STORE *verify_read_file(const char *path, size_t *count)
{
    X509_STORE *store = NULL;
    BIO *bio = BIO_new_file(path, "r");
    STACK_OF(X509_INFO) *infos = bio != NULL ? PEM_X509_INFO_read_bio(bio, NULL, NULL, NULL) : NULL;

    *count = 0;
    if (infos != NULL) {
        store = verify_new_store();
    }
    for (size_t i = 0; store != NULL && i < sk_X509_INFO_num(infos); i++) {
        X509 *certificate = sk_X509_INFO_value(infos, i)->x509;
        if (certificate != NULL && X509_STORE_add_cert(store, certificate) == 1) {
            (*count)++;
        }
    }
    sk_X509_INFO_pop_free(infos, X509_INFO_free);
    BIO_free(bio);
    ERR_clear_error();
    return store;
}

static X509_STORE *verify_read_system(struct err *err)
{
    const char *named = getenv("SSL_CERT_FILE");
    size_t files = sizeof(verify_system_files) / sizeof(verify_system_files[0]);

    for (size_t i = 0; i <= files; i++) {
        const char *path = i == 0 ? named : verify_system_files[i - 1];
        size_t count = 0;
        X509_STORE *store = path != NULL ? verify_read_file(path, &count) : NULL;
        if (count > 0) {
            return store;
        }
        X509_STORE_free(store);
    }
    err_set(err, ERR_NOT_FOUND,
            "the system has no trust store; install ca-certificates, or name a "
            "file in SSL_CERT_FILE or in caCertificates");
    return NULL;
}

static X509_STORE *verify_open_system(struct err *err)
{
    (void)pthread_mutex_lock(&verify_system_lock); /* cannot fail: neither recursive nor robust */
    if (verify_system_store == NULL) {
        verify_system_store = verify_read_system(err);
    }
    X509_STORE *store = verify_system_store;
    if (store != NULL) {
        (void)X509_STORE_up_ref(store); /* always 1 */
    }
    (void)pthread_mutex_unlock(&verify_system_lock);
    return store;
}

X509_STORE *verify_open_trust(const struct secret *ca, struct err *err)
{
    ERR_clear_error();
    return ca != NULL ? verify_open_secret(ca, err) : verify_open_system(err);
}

/* --- Names ------------------------------------------------------------------------------------ */

size_t verify_parse_address(struct str text, uint8_t out[16])
{
    char copy[INET6_ADDRSTRLEN];

    if (text.len == 0 || text.len >= sizeof(copy)) {
        return 0;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (inet_pton(AF_INET, copy, out) == 1) {
        return 4;
    }
    return inet_pton(AF_INET6, copy, out) == 1 ? 16 : 0;
}

static struct str verify_view(const ASN1_STRING *string)
{
    return str_from((const char *)ASN1_STRING_get0_data(string),
                    (size_t)ASN1_STRING_length(string));
}

/* A name with a NUL in it is longer than what it pretends to be, so it equals nothing asked for. */
static bool verify_name_is(const GENERAL_NAME *name, struct str wanted, bool is_any_kind)
{
    uint8_t address[16];
    size_t address_len = verify_parse_address(wanted, address);

    switch (name->type) {
    case GEN_DNS:
        return address_len == 0 && certificate_name_covers(verify_view(name->d.dNSName), wanted);
    case GEN_IPADD:
        return address_len > 0 &&
               str_equals(verify_view(name->d.iPAddress), str_from((char *)address, address_len));
    case GEN_URI:
        return is_any_kind && str_equals(verify_view(name->d.uniformResourceIdentifier), wanted);
    case GEN_EMAIL:
        return is_any_kind && str_equals(verify_view(name->d.rfc822Name), wanted);
    default:
        return false;
    }
}

static bool verify_has_name(const GENERAL_NAMES *names, struct str wanted, bool is_any_kind)
{
    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        if (verify_name_is(sk_GENERAL_NAME_value(names, i), wanted, is_any_kind)) {
            return true;
        }
    }
    return false;
}

/* DR-65. The common name is not looked at: no client of today does. */
static bool verify_names(X509 *leaf, const struct verify_demand *demand,
                         struct verify_failure *failure)
{
    size_t listed = demand->subject_alt_names->count;
    bool is_good = listed == 0 && demand->server_name.len == 0;

    if (is_good) {
        return true;
    }
    GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
    for (size_t i = 0; i < listed && !is_good; i++) {
        is_good = verify_has_name(names, demand->subject_alt_names->items[i], true);
    }
    if (listed == 0) {
        is_good = verify_has_name(names, demand->server_name, false);
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
    if (is_good) {
        return true;
    }
    failure->alert = SSL_AD_BAD_CERTIFICATE;
    if (listed > 0) {
        (void)snprintf(failure->words, sizeof(failure->words),
                       "verify cert failed: verify SAN list"); /* fits */
    } else {
        (void)snprintf(failure->words, sizeof(failure->words),
                       "verify cert failed: verify SAN list: the certificate is not for %.*s",
                       STR_ARG(demand->server_name)); /* cut is fine */
    }
    return false;
}

/* --- The chain -------------------------------------------------------------------------------- */

static bool verify_read_chain(const STACK_OF(CRYPTO_BUFFER) * chain, STACK_OF(X509) * certificates)
{
    size_t count = sk_CRYPTO_BUFFER_num(chain);

    if (count == 0 || count > LIMIT_CHAIN_CERTIFICATES) {
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        X509 *certificate = X509_parse_from_buffer(sk_CRYPTO_BUFFER_value(chain, i));
        if (certificate == NULL || sk_X509_push(certificates, certificate) == 0) {
            X509_free(certificate);
            return false;
        }
    }
    return true;
}

/* What the library's X.509 code says of `certificates`: X509_V_OK, or why not and how deep. */
static int verify_run(STACK_OF(X509) * certificates, X509_STORE *trust, int *depth)
{
    X509_STORE_CTX *run = X509_STORE_CTX_new();
    int result = X509_V_ERR_OUT_OF_MEM;

    *depth = 0;
    /* "ssl_server": a chain for servers, by its key usages. */
    if (run != NULL &&
        X509_STORE_CTX_init(run, trust, sk_X509_value(certificates, 0), certificates) == 1 &&
        X509_STORE_CTX_set_default(run, "ssl_server") == 1) {
        bool is_good = X509_verify_cert(run) == 1;
        result = X509_STORE_CTX_get_error(run);
        *depth = X509_STORE_CTX_get_error_depth(run);
        if (!is_good && result == X509_V_OK) {
            result = X509_V_ERR_UNSPECIFIED;
        }
    }
    X509_STORE_CTX_free(run);
    return result;
}

bool verify_chain(const STACK_OF(CRYPTO_BUFFER) * chain, const struct verify_demand *demand,
                  struct verify_failure *failure)
{
    STACK_OF(X509) *certificates = sk_X509_new_null();
    int depth = 0;
    bool is_good = false;

    if (certificates == NULL || !verify_read_chain(chain, certificates)) {
        failure->alert = SSL_AD_BAD_CERTIFICATE;
        (void)snprintf(failure->words, sizeof(failure->words),
                       "verify cert failed: a certificate cannot be read"); /* fits */
    } else {
        int result = verify_run(certificates, demand->trust, &depth);
        if (result == X509_V_OK) {
            is_good = verify_names(sk_X509_value(certificates, 0), demand, failure);
        } else {
            failure->alert = (uint8_t)SSL_alert_from_verify_result(result);
            (void)snprintf(failure->words, sizeof(failure->words),
                           "verify cert failed: X509_verify_cert: certificate verification error "
                           "at depth %d: %s",
                           depth, X509_verify_cert_error_string(result)); /* fits */
        }
    }
    sk_X509_pop_free(certificates, X509_free);
    ERR_clear_error();
    return is_good;
}
