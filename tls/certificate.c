/* certificate: reads the parts of an X.509 certificate (RFC 5280) that people, metrics and our own
 * checks want. Pure; nothing of the library's is kept. */
#include "tls/certificate.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/digest.h>
#include <openssl/mem.h>
#include <openssl/nid.h>
#include <openssl/obj.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

static int64_t certificate_unix_time(const ASN1_TIME *time)
{
    ASN1_TIME *epoch = ASN1_TIME_set(NULL, 0);
    int days = 0;
    int seconds = 0;

    /* 0 for a time nobody can read: long expired, which is how it is then reported. */
    (void)ASN1_TIME_diff(&days, &seconds, epoch, time);
    ASN1_TIME_free(epoch);
    ERR_clear_error();
    return (int64_t)days * 86400 + seconds;
}

static struct str certificate_name_text(X509_NAME *name, struct arena *arena)
{
    BIO *bio = BIO_new(BIO_s_mem());
    const uint8_t *bytes = NULL;
    size_t len = 0;
    struct str text = STR("");

    if (X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253) >= 0 &&
        BIO_mem_contents(bio, &bytes, &len)) {
        text = arena_copy_str(arena, str_from((const char *)bytes, len));
    }
    ERR_clear_error();
    BIO_free(bio);
    return text;
}

static struct str certificate_serial(X509 *certificate, struct arena *arena)
{
    BIGNUM *number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    char *hex = number != NULL ? BN_bn2hex(number) : NULL;
    struct str text = arena_copy_lower(arena, str_from_cstr(hex != NULL ? hex : ""));

    OPENSSL_free(hex);
    BN_free(number);
    ERR_clear_error();
    return text;
}

static struct str certificate_fingerprint(X509 *certificate, struct arena *arena)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len = 0;

    (void)X509_digest(certificate, EVP_sha256(), digest, &len); /* fails only for want of memory */
    library_hex(digest, len, hex);
    return arena_copy_str(arena, str_from(hex, 2 * (size_t)len));
}

/* A name with a NUL or another unprintable byte in it means to be read as a shorter one. */
static bool certificate_is_clean(struct str name)
{
    for (size_t i = 0; i < name.len; i++) {
        if (name.ptr[i] <= ' ' || name.ptr[i] >= 0x7f) {
            return false;
        }
    }
    return name.len > 0;
}

static struct str certificate_string(const ASN1_STRING *string)
{
    return str_from((const char *)ASN1_STRING_get0_data(string),
                    (size_t)ASN1_STRING_length(string));
}

static void certificate_add_address(struct str bytes, struct arena *arena, struct str_vec *names)
{
    char text[INET6_ADDRSTRLEN];
    int family = bytes.len == 4 ? AF_INET : AF_INET6;

    if ((bytes.len == 4 || bytes.len == 16) &&
        inet_ntop(family, bytes.ptr, text, sizeof(text)) != NULL) {
        vec_push_in_arena(arena, names, arena_copy_str(arena, str_from_cstr(text)));
    }
}

static void certificate_read_alt_names(X509 *certificate, struct arena *arena,
                                       struct secret_certificate *out)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

    for (size_t i = 0; names != NULL && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
        if (name->type == GEN_DNS && certificate_is_clean(certificate_string(name->d.dNSName))) {
            vec_push_in_arena(arena, &out->dns_names,
                              arena_copy_lower(arena, certificate_string(name->d.dNSName)));
        } else if (name->type == GEN_URI &&
                   certificate_is_clean(certificate_string(name->d.uniformResourceIdentifier))) {
            vec_push_in_arena(
                arena, &out->uri_names,
                arena_copy_str(arena, certificate_string(name->d.uniformResourceIdentifier)));
        } else if (name->type == GEN_IPADD) {
            certificate_add_address(certificate_string(name->d.iPAddress), arena, &out->ip_names);
        }
    }
    GENERAL_NAMES_free(names);
    ERR_clear_error();
}

void certificate_describe(X509 *certificate, struct arena *arena, struct secret_certificate *out)
{
    memset(out, 0, sizeof(*out));
    out->subject = certificate_name_text(X509_get_subject_name(certificate), arena);
    out->issuer = certificate_name_text(X509_get_issuer_name(certificate), arena);
    out->serial_hex = certificate_serial(certificate, arena);
    out->fingerprint = certificate_fingerprint(certificate, arena);
    out->not_before = certificate_unix_time(X509_get0_notBefore(certificate));
    out->not_after = certificate_unix_time(X509_get0_notAfter(certificate));
    certificate_read_alt_names(certificate, arena, out);
}

struct str certificate_common_name(X509 *certificate, struct arena *arena)
{
    X509_NAME *subject = X509_get_subject_name(certificate);
    int index = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
    uint8_t *utf8 = NULL;
    struct str name = STR("");

    if (index < 0) {
        return name;
    }
    ASN1_STRING *value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index));
    int len = ASN1_STRING_to_UTF8(&utf8, value);
    if (len > 0 && certificate_is_clean(str_from((const char *)utf8, (size_t)len))) {
        name = arena_copy_lower(arena, str_from((const char *)utf8, (size_t)len));
    }
    OPENSSL_free(utf8);
    ERR_clear_error();
    return name;
}

bool certificate_has_alt_names(X509 *certificate)
{
    return X509_get_ext_by_NID(certificate, NID_subject_alt_name, -1) >= 0;
}

bool certificate_allows_server(X509 *certificate)
{
    /* Alone: X509_get_extended_key_usage() reads all extensions and hashes the certificate. */
    EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
    bool is_allowed = usage == NULL;

    for (size_t i = 0; usage != NULL && i < sk_ASN1_OBJECT_num(usage); i++) {
        int purpose = OBJ_obj2nid(sk_ASN1_OBJECT_value(usage, i));
        is_allowed = is_allowed || purpose == NID_server_auth || purpose == NID_anyExtendedKeyUsage;
    }
    EXTENDED_KEY_USAGE_free(usage);
    ERR_clear_error();
    return is_allowed;
}

bool certificate_needs_staple(X509 *certificate)
{
    ASN1_OBJECT *feature = OBJ_txt2obj("1.3.6.1.5.5.7.1.24", 1);
    bool needs_staple = feature != NULL && X509_get_ext_by_OBJ(certificate, feature, -1) >= 0;

    ASN1_OBJECT_free(feature);
    return needs_staple;
}

bool certificate_is_self_signed(X509 *certificate)
{
    return (X509_get_extension_flags(certificate) & EXFLAG_SS) != 0;
}

const char *certificate_weak_digest(X509 *certificate)
{
    switch (X509_get_signature_nid(certificate)) {
    case NID_sha1WithRSAEncryption:
    case NID_sha1WithRSA:
    case NID_ecdsa_with_SHA1:
    case NID_dsaWithSHA1:
        return "SHA-1";
    case NID_md5WithRSAEncryption:
    case NID_md5WithRSA:
        return "MD5";
    default:
        return NULL;
    }
}

bool certificate_name_covers(struct str pattern, struct str host)
{
    if (str_equals_nocase(pattern, host)) {
        return true;
    }
    size_t dot = str_find_char(host, '.');
    return str_starts_with(pattern, STR("*.")) && dot != SIZE_MAX && dot > 0 &&
           str_equals_nocase(str_skip(pattern, 1), str_skip(host, dot));
}

bool certificate_is_issued_by(X509 *certificate, X509 *issuer)
{
    return X509_check_issued(issuer, certificate) == X509_V_OK;
}
