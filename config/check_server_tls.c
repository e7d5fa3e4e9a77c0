/* check_server_tls: the `tls` block of a Gateway server (spec TL-1 to TL-17, TL-40 to TL-42). Names
 * of cipher suites and curves are judged where the library is asked, by tls/policy.c. Control
 * thread. */
#include "config/check_kinds.h"
#include "config/scalar.h"

#define SHA256_BYTES 32u
#define MAX_CERTIFICATES 2u /* one RSA, one ECDSA */

static bool has_files(const struct server_tls *tls)
{
    return tls->server_certificate.len > 0 || tls->private_key.len > 0;
}

static bool has_any_certificate(const struct server_tls *tls)
{
    return has_files(tls) || tls->ca_certificates.len > 0 || tls->credential_name.len > 0 ||
           tls->credential_names.count > 0 || tls->tls_certificates.count > 0;
}

/* spec TL-5, TL-7 */
static void check_passthrough(struct reader *reader, const struct server_tls *tls)
{
    if (!has_any_certificate(tls)) {
        return;
    }
    if (!tls->has_mode) {
        reader_fail(reader, "mode", FINDING_TLS_MODE_OMITTED,
                    "mode is not given, so it is PASSTHROUGH: TLS is not terminated here and the "
                    "certificates of this server are ignored");
        return;
    }
    reader_fail(reader, "mode", FINDING_TLS_PASSTHROUGH_CERTIFICATE,
                "%s mode does not use certificates, they will be ignored",
                tls->mode == TLS_MODE_PASSTHROUGH ? "PASSTHROUGH" : "AUTO_PASSTHROUGH");
}

/* spec TL-4 */
static void check_istio_mutual(struct reader *reader, const struct server_tls *tls)
{
    static const char message[] = "cannot be set in ISTIO_MUTUAL mode";

    if (tls->server_certificate.len > 0) {
        reader_fail(reader, "serverCertificate", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
    if (tls->private_key.len > 0) {
        reader_fail(reader, "privateKey", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
    if (tls->ca_certificates.len > 0) {
        reader_fail(reader, "caCertificates", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
    if (tls->tls_certificates.count > 0) {
        reader_fail(reader, "tlsCertificates", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
    if (tls->credential_name.len > 0) {
        reader_fail(reader, "credentialName", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
    if (tls->credential_names.count > 0) {
        reader_fail(reader, "credentialNames", FINDING_TLS_ISTIO_MUTUAL, "%s", message);
    }
}

/* spec TL-3 */
static void check_files(struct reader *reader, const struct server_tls *tls, const char *mode)
{
    if (tls->server_certificate.len == 0) {
        reader_fail(reader, "serverCertificate", FINDING_TLS_FILES,
                    "%s TLS requires a server certificate", mode);
    }
    if (tls->private_key.len == 0) {
        reader_fail(reader, "privateKey", FINDING_TLS_FILES, "%s TLS requires a private key", mode);
    }
}

static void check_certificate_list(struct reader *reader, const struct server_tls *tls,
                                   const char *mode)
{
    for (size_t i = 0; i < tls->tls_certificates.count; i++) {
        const struct tls_certificate_files *files = &tls->tls_certificates.items[i];
        size_t former = reader_enter_item(reader, "tlsCertificates", i);

        if (files->server_certificate.len == 0) {
            reader_fail(reader, "serverCertificate", FINDING_TLS_FILES,
                        "%s TLS requires a server certificate", mode);
        }
        if (files->private_key.len == 0) {
            reader_fail(reader, "privateKey", FINDING_TLS_FILES, "%s TLS requires a private key",
                        mode);
        }
        reader_leave(reader, former);
    }
    if (tls->tls_certificates.count > MAX_CERTIFICATES) {
        reader_fail(reader, "tlsCertificates", FINDING_TLS_CERTIFICATE_COUNT,
                    "only the first %u certificates have an effect", MAX_CERTIFICATES);
    }
}

static void check_credential_names(struct reader *reader, const struct server_tls *tls)
{
    for (size_t i = 0; i < tls->credential_names.count; i++) {
        if (tls->credential_names.items[i].len == 0) {
            reader_fail_item(reader, "credentialNames", i, FINDING_TLS_SOURCE, "may not be empty");
        }
    }
    if (tls->credential_names.count > MAX_CERTIFICATES) {
        reader_fail(reader, "credentialNames", FINDING_TLS_CERTIFICATE_COUNT,
                    "only the first %u names have an effect", MAX_CERTIFICATES);
    }
}

/* spec TL-1 to TL-3 */
static void check_sources(struct reader *reader, const struct server_tls *tls)
{
    bool is_mutual = tls->mode != TLS_MODE_SIMPLE;
    const char *mode = is_mutual ? "MUTUAL" : "SIMPLE";
    bool has_credential = tls->credential_name.len > 0 || tls->credential_names.count > 0;
    unsigned source_count =
        (tls->credential_name.len > 0 ? 1u : 0u) + (tls->credential_names.count > 0 ? 1u : 0u) +
        (has_files(tls) ? 1u : 0u) + (tls->tls_certificates.count > 0 ? 1u : 0u);

    if (source_count > 1) {
        reader_fail(reader, NULL, FINDING_TLS_SOURCE,
                    "only one of credential_name, credential_names, "
                    "server_certificate/private_key, tls_certificates should be specified");
        return;
    }
    check_credential_names(reader, tls);
    if (has_credential) {
        return;
    }
    if (tls->tls_certificates.count > 0) {
        check_certificate_list(reader, tls, mode);
    } else {
        check_files(reader, tls, mode);
    }
    if (is_mutual && tls->ca_certificates.len == 0 && tls->ca_cert_credential_name.len == 0) {
        reader_fail(reader, "caCertificates", FINDING_TLS_CLIENT_CA,
                    "MUTUAL TLS requires a client CA bundle");
    }
}

/* spec TL-6 */
static void check_crl(struct reader *reader, const struct server_tls *tls)
{
    if (tls->ca_crl.len == 0) {
        return;
    }
    if (tls->credential_name.len > 0 || tls->credential_names.count > 0) {
        reader_fail(reader, "caCrl", FINDING_TLS_CRL,
                    "CRL is not supported with credentialName. CRL has to be specified in the "
                    "credential");
    } else if (tls->mode == TLS_MODE_SIMPLE) {
        reader_fail(reader, "caCrl", FINDING_TLS_CRL, "CRL is not supported with SIMPLE TLS");
    }
}

/* spec TL-40 to TL-42 */
static void check_versions(struct reader *reader, const struct server_tls *tls)
{
    bool is_old = tls->min_protocol_version == TLS_VERSION_1_0 ||
                  tls->min_protocol_version == TLS_VERSION_1_1;
    /* AUTO is 1.2 at the low end and 1.3 at the high end. */
    int min = tls->min_protocol_version == TLS_VERSION_AUTO ? (int)TLS_VERSION_1_2
                                                            : (int)tls->min_protocol_version;
    int max = tls->max_protocol_version == TLS_VERSION_AUTO ? (int)TLS_VERSION_1_3
                                                            : (int)tls->max_protocol_version;

    if (max < min) {
        reader_fail(reader, "maxProtocolVersion", FINDING_TLS_VERSION_RANGE,
                    "the highest version allowed is below the lowest%s",
                    tls->min_protocol_version == TLS_VERSION_AUTO ? ", which is TLSV1_2 unless "
                                                                    "minProtocolVersion says else"
                                                                  : "");
    }
    if (is_old && tls->cipher_suites.count == 0) {
        reader_fail(reader, "minProtocolVersion", FINDING_TLS_OLD_VERSION,
                    "TLS 1.0 and 1.1 fail with the default cipher suites");
    }
}

static bool is_sha256_hex(struct str text)
{
    size_t digit_count = 0;

    for (size_t i = 0; i < text.len; i++) {
        char c = str_lower_char(text.ptr[i]);

        if (c == ':') {
            continue;
        }
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
            return false;
        }
        digit_count++;
    }
    return digit_count == 2 * SHA256_BYTES;
}

/* spec TL-14: a pin that can never fit would lock everybody out. */
static void check_pins(struct reader *reader, const struct server_tls *tls)
{
    for (size_t i = 0; i < tls->verify_certificate_spki.count; i++) {
        struct str digest = STR("");

        if (!scalar_parse_base64(reader->arena, tls->verify_certificate_spki.items[i], &digest) ||
            digest.len != SHA256_BYTES) {
            reader_fail_item(reader, "verifyCertificateSpki", i, FINDING_TLS_PIN,
                             "expected the base64 of a SHA-256 digest");
        }
    }
    for (size_t i = 0; i < tls->verify_certificate_hash.count; i++) {
        if (!is_sha256_hex(tls->verify_certificate_hash.items[i])) {
            reader_fail_item(reader, "verifyCertificateHash", i, FINDING_TLS_PIN,
                             "expected a SHA-256 digest of 64 hex digits, colons allowed");
        }
    }
}

/* spec TL-13 to TL-16: these need a client certificate. */
static void check_unused_fields(struct reader *reader, const struct server_tls *tls)
{
    static const char message[] =
        "has no effect in SIMPLE mode: no client certificate is asked for";

    if (tls->subject_alt_names.count > 0) {
        reader_fail(reader, "subjectAltNames", FINDING_TLS_UNUSED_FIELD, "%s", message);
    }
    if (tls->verify_certificate_spki.count > 0) {
        reader_fail(reader, "verifyCertificateSpki", FINDING_TLS_UNUSED_FIELD, "%s", message);
    }
    if (tls->verify_certificate_hash.count > 0) {
        reader_fail(reader, "verifyCertificateHash", FINDING_TLS_UNUSED_FIELD, "%s", message);
    }
    if (tls->insecure_skip_verify.is_set && tls->insecure_skip_verify.value) {
        reader_fail(reader, "insecureSkipVerify", FINDING_TLS_UNUSED_FIELD, "%s", message);
    }
}

void check_server_tls(struct reader *reader, const struct server *server)
{
    const struct server_tls *tls = server->tls;

    switch (tls->mode) {
    case TLS_MODE_PASSTHROUGH:
    case TLS_MODE_AUTO_PASSTHROUGH:
        check_passthrough(reader, tls);
        return;
    case TLS_MODE_ISTIO_MUTUAL:
        check_istio_mutual(reader, tls);
        return;
    case TLS_MODE_SIMPLE:
        check_unused_fields(reader, tls);
        break;
    case TLS_MODE_MUTUAL:
    case TLS_MODE_OPTIONAL_MUTUAL:
        break;
    }
    check_sources(reader, tls);
    check_crl(reader, tls);
    check_versions(reader, tls);
    check_pins(reader, tls);
}
