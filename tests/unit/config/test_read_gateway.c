/* read_gateway: every field of a Gateway arrives typed (spec section 2.2, 3.0, GW-20, GW-23, GW-26). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char everything[] =
    "apiVersion: networking.istio.io/v1alpha3\n"
    "kind: Gateway\n"
    "metadata: {name: g, namespace: Ns, labels: {a: b}, annotations: {c: d}}\n"
    "spec:\n"
    "  selector: {istio: ingressgateway, app: x}\n"
    "  servers:\n"
    "  - port: {number: 443, name: https, protocol: https}\n"
    "    bind: 10.0.0.1\n"
    "    name: main\n"
    "    defaultEndpoint: 127.0.0.1:80\n"
    "    hosts: [A.Example.com, ./b.com, ns/*.c.com, '*/d.com', 10.0.0.1]\n"
    "    tls:\n"
    "      mode: MUTUAL\n"
    "      httpsRedirect: false\n"
    "      serverCertificate: /cert\n"
    "      privateKey: /key\n"
    "      caCertificates: /ca\n"
    "      caCrl: /crl\n"
    "      subjectAltNames: [client]\n"
    "      minProtocolVersion: TLSV1_2\n"
    "      maxProtocolVersion: TLSV1_3\n"
    "      cipherSuites: [ECDHE-RSA-AES128-GCM-SHA256, '[A|B]']\n"
    "      ecdhCurves: [X25519]\n"
    "      insecureSkipVerify: false\n"
    "      caCertCredentialName: clients\n"
    "  - port: {number: 80, name: http, protocol: HTTP}\n"
    "    hosts: ['*/*', a.com]\n"
    "    tls: {httpsRedirect: true}\n";

static void every_field(void **state)
{
    struct config_load load;
    const struct gateway *gateway;
    const struct server *server;

    (void)state;
    config_case_open(&load, everything, NULL);
    config_case_assert_no_error(&load);
    assert_int_equal(load.report.counts[SEVERITY_WARNING], 0);
    gateway = resource_set_gateway(load.set, 0);
    assert_str(gateway->meta.key, "Gateway Ns/g");
    assert_str(gateway->meta.api_version, "networking.istio.io/v1alpha3");
    assert_str(gateway->meta.labels.items[0].value, "b");
    assert_str(gateway->meta.annotations.items[0].name, "c");
    assert_str(gateway->meta.file, "test.yaml");
    assert_int_equal(gateway->selector.count, 2);
    assert_int_equal(gateway->servers.count, 2);
    server = &gateway->servers.items[0];
    assert_int_equal(server->place.line, 7);
    assert_int_equal(server->port.number, 443);
    assert_int_equal(server->port.protocol, PROTOCOL_HTTPS);
    assert_str(server->port.protocol_name, "https");
    assert_str(server->bind, "10.0.0.1");
    assert_str(server->name, "main");
    assert_str(server->default_endpoint, "127.0.0.1:80");
    assert_int_equal(server->tls->mode, TLS_MODE_MUTUAL);
    assert_true(server->tls->has_mode);
    assert_str(server->tls->server_certificate, "/cert");
    assert_str(server->tls->private_key, "/key");
    assert_str(server->tls->ca_certificates, "/ca");
    assert_str(server->tls->ca_crl, "/crl");
    assert_str(server->tls->ca_cert_credential_name, "clients");
    assert_str(server->tls->subject_alt_names.items[0], "client");
    assert_int_equal(server->tls->min_protocol_version, TLS_VERSION_1_2);
    assert_int_equal(server->tls->max_protocol_version, TLS_VERSION_1_3);
    assert_int_equal(server->tls->cipher_suites.count, 2);
    assert_str(server->tls->ecdh_curves.items[0], "X25519");
    assert_true(server->tls->insecure_skip_verify.is_set);
    assert_false(server->tls->insecure_skip_verify.value);
    assert_true(gateway->servers.items[1].tls->https_redirect);
    assert_false(gateway->servers.items[1].tls->has_mode);
    config_case_close(&load);
}

static void hosts_are_split_and_lowered(void **state)
{
    struct config_load load;
    const struct gateway *gateway;
    const struct server *server;

    (void)state; /* GW-20, GW-23, GW-26 */
    config_case_open(&load, everything, NULL);
    gateway = resource_set_gateway(load.set, 0);
    server = &gateway->servers.items[0];
    assert_int_equal(server->hosts.count, 5);
    assert_null(server->hosts.items[0].namespace.ptr);
    assert_str(server->hosts.items[0].name, "a.example.com");
    assert_str(server->hosts.items[1].namespace, "Ns"); /* "." */
    assert_str(server->hosts.items[1].name, "b.com");
    assert_str(server->hosts.items[2].namespace, "ns");
    assert_str(server->hosts.items[2].name, "*.c.com");
    assert_null(server->hosts.items[3].namespace.ptr); /* "*" */
    assert_str(server->hosts.items[3].name, "d.com");
    assert_int_equal(server->hosts.items[3].place.line, 11);
    server = &gateway->servers.items[1]; /* any host of any namespace swallows the rest */
    assert_int_equal(server->hosts.count, 1);
    assert_str(server->hosts.items[0].name, "*");
    assert_null(server->hosts.items[0].namespace.ptr);
    config_case_close(&load);
}

static void certificate_sources(void **state)
{
    struct config_load load;
    const struct gateway *gateway;

    (void)state;
    config_case_open(
        &load,
        "apiVersion: networking.istio.io/v1beta1\nkind: Gateway\nmetadata: {name: g}\n"
        "spec:\n"
        "  servers:\n"
        "  - port: {number: 1, name: a, protocol: HTTPS}\n"
        "    hosts: ['*']\n"
        "    tls: {mode: SIMPLE, credentialNames: [rsa, ecdsa]}\n"
        "  - port: {number: 2, name: b, protocol: TLS}\n"
        "    hosts: ['*']\n"
        "    tls: {mode: SIMPLE, tlsCertificates: [{serverCertificate: /c, privateKey: /k, "
        "caCertificates: /a}]}\n"
        "  - port: {number: 3, name: c, protocol: HTTPS}\n"
        "    hosts: ['*']\n"
        "    tls: {mode: OPTIONAL_MUTUAL, credential_name: x, verify_certificate_hash: ["
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855], "
        "verifyCertificateSpki: ['47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=']}\n",
        NULL);
    config_case_assert_no_error(&load);
    gateway = resource_set_gateway(load.set, 0);
    assert_str(gateway->servers.items[0].tls->credential_names.items[1], "ecdsa");
    assert_str(gateway->servers.items[1].tls->tls_certificates.items[0].private_key, "/k");
    assert_str(gateway->servers.items[1].tls->tls_certificates.items[0].ca_certificates, "/a");
    assert_str(gateway->servers.items[2].tls->credential_name, "x");
    assert_int_equal(gateway->servers.items[2].tls->verify_certificate_hash.count, 1);
    assert_int_equal(gateway->servers.items[2].tls->verify_certificate_spki.count, 1);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(hosts_are_split_and_lowered),
        cmocka_unit_test(certificate_sources),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
