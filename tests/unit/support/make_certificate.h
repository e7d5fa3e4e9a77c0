/* make_certificate: certificates made on the spot, by BoringSSL. For tests only. Failure ends the
 * program: it is the test's own fault. */
#ifndef TESTS_UNIT_SUPPORT_MAKE_CERTIFICATE_H
#define TESTS_UNIT_SUPPORT_MAKE_CERTIFICATE_H

#include "gateway/base/str.h"

#include <openssl/evp.h>
#include <openssl/x509.h>

enum make_key {
    MAKE_EC_P256,
    MAKE_EC_P224,
    MAKE_RSA_2048,
    MAKE_RSA_1024,
    MAKE_RSA_512,
    MAKE_ED25519
};

/* Zero means: EC P-256, self-signed, no names, valid from an hour ago for ninety days. */
struct make_certificate_request {
    const char *common_name; /* "test" when NULL */
    const char *alt_names;   /* "DNS:a.example,IP:127.0.0.1"; NULL: no such extension */
    enum make_key key;
    int64_t not_before; /* Unix time, or 0 */
    int64_t not_after;
    const struct made_certificate *issuer;
    bool is_ca;
    bool is_client_only; /* extended key usage clientAuth */
    bool is_sha1;
    bool must_staple;
    bool cannot_sign; /* key usage without digitalSignature */
    /* One DNS name of these bytes, a NUL in it say, as the only alternative name. */
    const char *raw_dns;
    size_t raw_dns_len;
};

struct made_certificate {
    X509 *certificate;
    EVP_PKEY *key;
    char *certificate_pem;
    char *key_pem; /* PKCS#8 */
};

void make_certificate(const struct make_certificate_request *request,
                      struct made_certificate *made);
void made_certificate_cleanup(struct made_certificate *made);
/* PEM of the key under a passphrase; freed by mem_free(). */
char *make_encrypted_key(const struct made_certificate *made);
/* PEM of an EC key whose private half is another than the one its public half belongs to; freed by
 * mem_free(). */
char *make_broken_key(const struct made_certificate *made);
/* PEM of a revocation list of `issuer` with `revoked` on it, or nothing; freed by mem_free(). */
char *make_crl(const struct made_certificate *issuer, const struct made_certificate *revoked);
/* PEM texts one after the other, ended by NULL; freed by mem_free(). */
char *make_joined(const char *first, ...) __attribute__((sentinel));

#endif
