/* make_certificate: see the header. */
#include "tests/unit/support/make_certificate.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/text.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/ec.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <time.h>

enum { MAKE_HOUR_S = 3600, MAKE_NINETY_DAYS_S = 90 * 86400 };

static EVP_PKEY *make_rsa_key(int bits)
{
    EVP_PKEY *key = EVP_PKEY_new();
    RSA *rsa = RSA_new();
    BIGNUM *exponent = BN_new();

    CHECK(BN_set_word(exponent, RSA_F4) && RSA_generate_key_ex(rsa, bits, exponent, NULL));
    CHECK(EVP_PKEY_assign_RSA(key, rsa));
    BN_free(exponent);
    return key;
}

static EVP_PKEY *make_ec_key(int curve)
{
    EVP_PKEY *key = EVP_PKEY_new();
    EC_KEY *ec = EC_KEY_new_by_curve_name(curve);

    CHECK(ec != NULL && EC_KEY_generate_key(ec) && EVP_PKEY_assign_EC_KEY(key, ec));
    return key;
}

static EVP_PKEY *make_ed25519_key(void)
{
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_id(EVP_PKEY_ED25519, NULL);

    CHECK(ctx != NULL && EVP_PKEY_keygen_init(ctx) && EVP_PKEY_keygen(ctx, &key));
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static EVP_PKEY *make_key(enum make_key kind)
{
    switch (kind) {
    case MAKE_RSA_2048:
        return make_rsa_key(2048);
    case MAKE_RSA_1024:
        return make_rsa_key(1024);
    case MAKE_RSA_512:
        return make_rsa_key(512);
    case MAKE_EC_P224:
        return make_ec_key(NID_secp224r1);
    case MAKE_ED25519:
        return make_ed25519_key();
    case MAKE_EC_P256:
        break;
    }
    return make_ec_key(NID_X9_62_prime256v1);
}

static void make_add_extension(X509 *certificate, X509V3_CTX *ctx, int nid, const char *value)
{
    char *text = mem_copy_string(value, strlen(value)); /* older libraries take no const */
    X509_EXTENSION *extension = X509V3_EXT_nconf_nid(NULL, ctx, nid, text);

    CHECK(extension != NULL && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    mem_free(text);
}

/* RFC 7633: SEQUENCE { INTEGER 5 } */
static void make_add_must_staple(X509 *certificate)
{
    static const uint8_t feature[] = { 0x30, 3, 2, 1, 5 };
    ASN1_OBJECT *name = OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();

    CHECK(ASN1_OCTET_STRING_set(value, feature, sizeof(feature)));
    X509_EXTENSION *extension = X509_EXTENSION_create_by_OBJ(NULL, name, 0, value);
    CHECK(extension != NULL && X509_add_ext(certificate, extension, -1));
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(name);
}

static void make_add_raw_dns(X509 *certificate, const char *bytes, size_t len)
{
    GENERAL_NAMES *names = GENERAL_NAMES_new();
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_IA5STRING *value = ASN1_IA5STRING_new();

    CHECK(ASN1_STRING_set(value, bytes, (int)len));
    GENERAL_NAME_set0_value(name, GEN_DNS, value);
    CHECK(sk_GENERAL_NAME_push(names, name));
    CHECK(X509_add1_ext_i2d(certificate, NID_subject_alt_name, names, 0, X509V3_ADD_APPEND));
    GENERAL_NAMES_free(names);
}

static char *make_pem_of(BIO *bio)
{
    const uint8_t *bytes = NULL;
    size_t len = 0;

    CHECK(BIO_mem_contents(bio, &bytes, &len));
    char *text = mem_copy_string((const char *)bytes, len);
    BIO_free(bio);
    return text;
}

static void make_set_name(X509_NAME *name, const char *common_name)
{
    CHECK(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const uint8_t *)common_name, -1,
                                     -1, 0));
}

static void make_fill(const struct make_certificate_request *request, X509 *certificate,
                      const struct made_certificate *issuer, EVP_PKEY *key)
{
    static long serial = 0x1000;
    time_t now = time(NULL);
    X509V3_CTX ctx;

    CHECK(X509_set_version(certificate, X509_VERSION_3));
    CHECK(ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial));
    make_set_name(X509_get_subject_name(certificate),
                  request->common_name != NULL ? request->common_name : "test");
    CHECK(X509_set_issuer_name(certificate, X509_get_subject_name(issuer->certificate)));
    CHECK(ASN1_TIME_set(X509_getm_notBefore(certificate),
                        request->not_before != 0 ? request->not_before : now - MAKE_HOUR_S));
    CHECK(ASN1_TIME_set(X509_getm_notAfter(certificate),
                        request->not_after != 0 ? request->not_after : now + MAKE_NINETY_DAYS_S));
    CHECK(X509_set_pubkey(certificate, key));
    X509V3_set_ctx(&ctx, issuer->certificate, certificate, NULL, NULL, 0);
    if (request->is_ca) {
        make_add_extension(certificate, &ctx, NID_basic_constraints, "critical,CA:TRUE");
    }
    if (request->alt_names != NULL) {
        make_add_extension(certificate, &ctx, NID_subject_alt_name, request->alt_names);
    }
    if (request->raw_dns != NULL) {
        make_add_raw_dns(certificate, request->raw_dns, request->raw_dns_len);
    }
    if (request->is_client_only) {
        make_add_extension(certificate, &ctx, NID_ext_key_usage, "clientAuth");
    }
    if (request->cannot_sign) {
        make_add_extension(certificate, &ctx, NID_key_usage, "critical,keyAgreement");
    }
    if (request->must_staple) {
        make_add_must_staple(certificate);
    }
}

void make_certificate(const struct make_certificate_request *request, struct made_certificate *made)
{
    memset(made, 0, sizeof(*made));
    made->key = make_key(request->key);
    made->certificate = X509_new();
    const struct made_certificate *issuer = request->issuer != NULL ? request->issuer : made;
    make_fill(request, made->certificate, issuer, made->key);
    const EVP_MD *digest = request->is_sha1 ? EVP_sha1() : EVP_sha256();
    if (EVP_PKEY_id(issuer->key) == EVP_PKEY_ED25519) {
        digest = NULL;
    }
    CHECK(X509_sign(made->certificate, issuer->key, digest));
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509(bio, made->certificate));
    made->certificate_pem = make_pem_of(bio);
    bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, made->key, NULL, NULL, 0, NULL, NULL));
    made->key_pem = make_pem_of(bio);
}

void made_certificate_cleanup(struct made_certificate *made)
{
    X509_free(made->certificate);
    EVP_PKEY_free(made->key);
    mem_free(made->certificate_pem);
    mem_free(made->key_pem);
    memset(made, 0, sizeof(*made));
}

char *make_encrypted_key(const struct made_certificate *made)
{
    char passphrase[] = "secret";
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK(PEM_write_bio_PKCS8PrivateKey(bio, made->key, EVP_aes_128_cbc(), passphrase, 6, NULL,
                                        NULL));
    return make_pem_of(bio);
}

char *make_broken_key(const struct made_certificate *made)
{
    static const char scalar_start[] = { 0x04, 0x20 }; /* an octet string of 32 bytes */
    BIO *in = BIO_new_mem_buf(made->key_pem, -1);
    BIO *out = BIO_new(BIO_s_mem());
    char *label = NULL;
    char *header = NULL;
    uint8_t *der = NULL;
    long len = 0;

    CHECK(PEM_read_bio(in, &label, &header, &der, &len));
    size_t at = str_find(str_from((const char *)der, (size_t)len),
                         str_from(scalar_start, sizeof(scalar_start)));
    CHECK(at != SIZE_MAX);
    der[at + sizeof(scalar_start) + 31] ^= 1;
    CHECK(PEM_write_bio(out, label, header, der, len));
    OPENSSL_free(label);
    OPENSSL_free(header);
    OPENSSL_free(der);
    BIO_free(in);
    return make_pem_of(out);
}

char *make_crl(const struct made_certificate *issuer, const struct made_certificate *revoked)
{
    time_t now = time(NULL);
    ASN1_TIME *from = ASN1_TIME_set(NULL, now - MAKE_HOUR_S);
    ASN1_TIME *until = ASN1_TIME_set(NULL, now + MAKE_NINETY_DAYS_S);
    X509_CRL *crl = X509_CRL_new();
    BIO *bio = BIO_new(BIO_s_mem());

    CHECK(X509_CRL_set_version(crl, X509_CRL_VERSION_2));
    CHECK(X509_CRL_set_issuer_name(crl, X509_get_subject_name(issuer->certificate)));
    CHECK(X509_CRL_set1_lastUpdate(crl, from) && X509_CRL_set1_nextUpdate(crl, until));
    if (revoked != NULL) {
        X509_REVOKED *entry = X509_REVOKED_new();
        CHECK(X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(revoked->certificate)));
        CHECK(X509_REVOKED_set_revocationDate(entry, from));
        CHECK(X509_CRL_add0_revoked(crl, entry));
    }
    CHECK(X509_CRL_sign(crl, issuer->key, EVP_sha256()));
    CHECK(PEM_write_bio_X509_CRL(bio, crl));
    X509_CRL_free(crl);
    ASN1_TIME_free(from);
    ASN1_TIME_free(until);
    return make_pem_of(bio);
}

char *make_joined(const char *first, ...)
{
    struct text joined = { 0 };
    va_list args;

    va_start(args, first);
    for (const char *part = first; part != NULL; part = va_arg(args, const char *)) {
        text_add_cstr(&joined, part);
    }
    va_end(args);
    return joined.ptr;
}
