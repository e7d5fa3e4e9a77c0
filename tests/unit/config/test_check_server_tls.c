/* check_server_tls: TLS settings of a server (spec TL-1 to TL-17, TL-40 to TL-42). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define TLS(settings)                                                                              \
    "{servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: {" settings \
    "}}]}"
#define FIELD_AT "spec.servers[0].tls"
#define DIGEST "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
#define HEX64 "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "TL-1", TLS("mode: SIMPLE, credentialName: c, serverCertificate: /c, privateKey: /k"),
          FINDING_TLS_SOURCE, FIELD_AT, "only one of credential_name, credential_names" },
        { "TL-1", TLS("mode: SIMPLE, credentialName: c, credentialNames: [d]"), FINDING_TLS_SOURCE,
          NULL, NULL },
        { "TL-1",
          TLS("mode: MUTUAL, credentialNames: [d], tlsCertificates: [{serverCertificate: "
              "/c, privateKey: /k}]"),
          FINDING_TLS_SOURCE, NULL, NULL },
        { "TL-1", TLS("mode: SIMPLE, credentialNames: ['']"), FINDING_TLS_SOURCE,
          FIELD_AT ".credentialNames[0]", NULL },
        { "TL-1", TLS("mode: SIMPLE, credentialName: c"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-1", TLS("mode: SIMPLE, credentialNames: [rsa, ecdsa]"), CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "TL-1", TLS("mode: SIMPLE, serverCertificate: /c, privateKey: /k"), CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "TL-1", TLS("mode: SIMPLE, tlsCertificates: [{serverCertificate: /c, privateKey: /k}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-2", TLS("mode: MUTUAL, serverCertificate: /c, privateKey: /k"), FINDING_TLS_CLIENT_CA,
          FIELD_AT ".caCertificates", "MUTUAL TLS requires a client CA bundle" },
        { "TL-2", TLS("mode: OPTIONAL_MUTUAL, serverCertificate: /c, privateKey: /k"),
          FINDING_TLS_CLIENT_CA, NULL, "MUTUAL TLS requires a client CA bundle" },
        { "TL-2", TLS("mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /a"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-2", TLS("mode: MUTUAL, credentialName: c"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-17",
          TLS("mode: MUTUAL, serverCertificate: /c, privateKey: /k, "
              "caCertCredentialName: ca"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-3", TLS("mode: SIMPLE, privateKey: /k"), FINDING_TLS_FILES,
          FIELD_AT ".serverCertificate", "SIMPLE TLS requires a server certificate" },
        { "TL-3", TLS("mode: SIMPLE, serverCertificate: /c"), FINDING_TLS_FILES,
          FIELD_AT ".privateKey", "SIMPLE TLS requires a private key" },
        { "TL-3", TLS("mode: OPTIONAL_MUTUAL, serverCertificate: /c, caCertificates: /a"),
          FINDING_TLS_FILES, NULL, "MUTUAL TLS requires a private key" },
        { "TL-3", TLS("mode: SIMPLE"), FINDING_TLS_FILES, NULL, NULL },
        { "TL-3", TLS("mode: SIMPLE, tlsCertificates: [{serverCertificate: /c}]"),
          FINDING_TLS_FILES, FIELD_AT ".tlsCertificates[0].privateKey", NULL },
        { "TL-3", TLS("mode: SIMPLE, tlsCertificates: [{privateKey: /k}]"), FINDING_TLS_FILES,
          FIELD_AT ".tlsCertificates[0].serverCertificate", NULL },
        { "TL-3",
          TLS("mode: SIMPLE, tlsCertificates: [{serverCertificate: /c, privateKey: /k}, "
              "{serverCertificate: /c, privateKey: /k}, {serverCertificate: /c, "
              "privateKey: /k}]"),
          FINDING_TLS_CERTIFICATE_COUNT, NULL, NULL },
        { "TL-25", TLS("mode: SIMPLE, credentialNames: [a, b, c]"), FINDING_TLS_CERTIFICATE_COUNT,
          NULL, NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, credentialName: c"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".credentialName", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, credentialNames: [c]"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".credentialNames", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, serverCertificate: /c"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".serverCertificate", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, privateKey: /c"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".privateKey", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, caCertificates: /c"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".caCertificates", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL, tlsCertificates: [{}]"), FINDING_TLS_ISTIO_MUTUAL,
          FIELD_AT ".tlsCertificates", NULL },
        { "TL-4", TLS("mode: ISTIO_MUTUAL"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-5", TLS("mode: PASSTHROUGH, credentialName: c"), FINDING_TLS_PASSTHROUGH_CERTIFICATE,
          FIELD_AT ".mode", "PASSTHROUGH mode does not use certificates, they will be ignored" },
        { "TL-5", TLS("mode: AUTO_PASSTHROUGH, caCertificates: /c"),
          FINDING_TLS_PASSTHROUGH_CERTIFICATE, NULL, "AUTO_PASSTHROUGH mode" },
        { "TL-5", TLS("mode: PASSTHROUGH"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-7", TLS("credentialName: c"), FINDING_TLS_MODE_OMITTED, FIELD_AT ".mode",
          "mode is not given, so it is PASSTHROUGH" },
        { "TL-7", TLS(""), CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-6", TLS("mode: MUTUAL, credentialName: c, caCrl: /r"), FINDING_TLS_CRL,
          FIELD_AT ".caCrl", "CRL is not supported with credentialName" },
        { "TL-6", TLS("mode: SIMPLE, serverCertificate: /c, privateKey: /k, caCrl: /r"),
          FINDING_TLS_CRL, NULL, "CRL is not supported with SIMPLE TLS" },
        { "TL-6",
          TLS("mode: MUTUAL, serverCertificate: /c, privateKey: /k, caCertificates: /a, "
              "caCrl: /r"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-13 TL-15", TLS("mode: SIMPLE, credentialName: c, subjectAltNames: [a]"),
          FINDING_TLS_UNUSED_FIELD, FIELD_AT ".subjectAltNames", NULL },
        { "TL-14", TLS("mode: SIMPLE, credentialName: c, verifyCertificateSpki: ['" DIGEST "']"),
          FINDING_TLS_UNUSED_FIELD, NULL, NULL },
        { "TL-14", TLS("mode: SIMPLE, credentialName: c, verifyCertificateHash: [" HEX64 "]"),
          FINDING_TLS_UNUSED_FIELD, NULL, NULL },
        { "TL-16", TLS("mode: SIMPLE, credentialName: c, insecureSkipVerify: true"),
          FINDING_TLS_UNUSED_FIELD, NULL, NULL },
        { "TL-14", TLS("mode: MUTUAL, credentialName: c, verifyCertificateSpki: [abc]"),
          FINDING_TLS_PIN, FIELD_AT ".verifyCertificateSpki[0]", NULL },
        { "TL-14", TLS("mode: MUTUAL, credentialName: c, verifyCertificateHash: [abc]"),
          FINDING_TLS_PIN, FIELD_AT ".verifyCertificateHash[0]", NULL },
        { "TL-14", TLS("mode: MUTUAL, credentialName: c, verifyCertificateHash: [xyz]"),
          FINDING_TLS_PIN, NULL, NULL },
        { "TL-14",
          TLS("mode: MUTUAL, credentialName: c, verifyCertificateSpki: ['" DIGEST
              "'], verifyCertificateHash: [" HEX64 "]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-40", TLS("mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_4"),
          FINDING_FIELD_ENUM, FIELD_AT ".minProtocolVersion", NULL },
        { "TL-40",
          TLS("mode: SIMPLE, credentialName: c, minProtocolVersion: TLS_AUTO, "
              "maxProtocolVersion: 4"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-41", TLS("mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_0"),
          FINDING_TLS_OLD_VERSION, FIELD_AT ".minProtocolVersion", NULL },
        { "TL-41",
          TLS("mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_1, "
              "cipherSuites: [ECDHE-RSA-AES128-SHA]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "TL-42",
          TLS("mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_3, "
              "maxProtocolVersion: TLSV1_2"),
          FINDING_TLS_VERSION_RANGE, FIELD_AT ".maxProtocolVersion", NULL },
        { "TL-42", TLS("mode: SIMPLE, credentialName: c, maxProtocolVersion: TLSV1_1"),
          FINDING_TLS_VERSION_RANGE, NULL, "which is TLSV1_2 unless" },
    };

    (void)state;
    config_case_run("Gateway", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
