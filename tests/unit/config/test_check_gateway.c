/* check_gateway: rules of a Gateway (spec GW-1 to GW-22, RL-42 to RL-44, 14.1). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PORT "port: {number: 80, name: http, protocol: HTTP}"
#define SERVER(rest) "{servers: [{" PORT ", " rest "}]}"
#define HTTPS "port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*']"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "GW-2", "{}", FINDING_GATEWAY_SERVERS, "spec.servers",
          "gateway must have at least one server" },
        { "GW-2", "{servers: []}", FINDING_GATEWAY_SERVERS, NULL, NULL },
        { "GW-2", "null", FINDING_GATEWAY_SERVERS, NULL, NULL },
        { "GW-3 RL-47", "{selector: {-a: b}, servers: [{" PORT ", hosts: ['*']}]}",
          FINDING_FIELD_VALUE, "spec.selector[\"-a\"]", "invalid label key" },
        { "GW-3 RL-47", "{selector: {a: b c}, servers: [{" PORT ", hosts: ['*']}]}",
          FINDING_FIELD_VALUE, "spec.selector[\"a\"]", "invalid label value b c" },
        { "GW-3", "{selector: {}, servers: [{" PORT ", hosts: ['*']}]}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "GW-3", "{selector: {istio: ingressgateway}, servers: [{" PORT ", hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-5", "{servers: [{" PORT ", hosts: [a.com]}, {" PORT ", hosts: [b.com]}]}",
          FINDING_SERVER_PORT_NAME, "spec.servers[1].port.name",
          "port names in servers must be unique: duplicate name http" },
        { "GW-6",
          "{servers: [{name: s, " PORT ", hosts: [a.com]}, {name: s, port: {number: 81, name: b, "
          "protocol: HTTP}, hosts: [b.com]}]}",
          FINDING_SERVER_NAME_TWICE, "spec.servers[1].name", NULL },
        { "GW-7",
          "{servers: [{" HTTPS ", tls: {mode: SIMPLE, credentialName: c, httpsRedirect: "
          "true}}]}",
          FINDING_SERVER_REDIRECT, "spec.servers[0].tls.httpsRedirect",
          "tls.httpsRedirect should only be used with http servers" },
        /* ports */
        { "RL-44", "{servers: [{port: {number: 0, name: h, protocol: HTTP}, hosts: ['*']}]}",
          FINDING_SERVER_PORT, "spec.servers[0].port.number",
          "port number 0 must be in the range 1..65535" },
        { "RL-44", "{servers: [{port: {number: 65536, name: h, protocol: HTTP}, hosts: ['*']}]}",
          FINDING_SERVER_PORT, NULL, "port number 65536 must be in the range 1..65535" },
        { "GW-2.2", "{servers: [{hosts: ['*']}]}", FINDING_SERVER_PORT, "spec.servers[0].port",
          "port is required" },
        { "GW-2.2", "{servers: [{port: {number: 80, protocol: HTTP}, hosts: ['*']}]}",
          FINDING_SERVER_PORT_NAME, "spec.servers[0].port.name", "port name must be set" },
        { "GW-2.2",
          "{servers: [{port: {number: 80, name: h, protocol: HTTP, targetPort: 1}, "
          "hosts: ['*']}]}",
          FINDING_SERVER_PORT, "spec.servers[0].port.targetPort",
          "targetPort has no impact on Gateways" },
        { "GW-10", "{servers: [{port: {number: 80, name: h, protocol: QUIC}, hosts: ['*']}]}",
          FINDING_SERVER_PROTOCOL, "spec.servers[0].port.protocol", "invalid protocol \"QUIC\"" },
        { "GW-10", "{servers: [{port: {number: 80, name: h}, hosts: ['*']}]}",
          FINDING_SERVER_PROTOCOL, NULL, NULL },
        { "GW-10", "{servers: [{port: {number: 80, name: h, protocol: Http2}, hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-10", "{servers: [{port: {number: 80, name: h, protocol: udp}, hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        /* bind */
        { "GW-2.2 bind", SERVER("bind: example.com, hosts: ['*']"), FINDING_SERVER_BIND,
          "spec.servers[0].bind", NULL },
        { "GW-2.2 bind", SERVER("bind: 'unix:///run/x', hosts: ['*']"), FINDING_SERVER_PORT,
          "spec.servers[0].port.number", "must be 0" },
        { "GW-2.2 bind",
          "{servers: [{port: {number: 0, name: h, protocol: HTTP}, bind: 'unix://@x', hosts: "
          "['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-2.2 bind", SERVER("bind: 10.0.0.1, hosts: ['*']"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-2.2 bind", SERVER("bind: '::1', hosts: ['*']"), CONFIG_CASE_CLEAN, NULL, NULL },
        /* hosts */
        { "GW-20", SERVER("hosts: []"), FINDING_SERVER_HOST, "spec.servers[0].hosts",
          "at least one host" },
        { "GW-20", SERVER("name: x"), FINDING_SERVER_HOST, NULL, NULL },
        { "GW-20", SERVER("hosts: a.com"), FINDING_FIELD_TYPE, "spec.servers[0].hosts", NULL },
        { "GW-21", SERVER("hosts: ['*/']"), FINDING_SERVER_HOST, "spec.servers[0].hosts[0]",
          "config namespace and dnsName in host entry cannot be empty" },
        { "GW-21", SERVER("hosts: [a.com, /foo.com]"), FINDING_SERVER_HOST,
          "spec.servers[0].hosts[1]", "cannot be empty" },
        { "GW-21", SERVER("hosts: ['']"), FINDING_SERVER_HOST, NULL, NULL },
        { "GW-21", SERVER("hosts: [a.b/foo.com]"), FINDING_SERVER_HOST, NULL,
          "a.b is no namespace" },
        { "GW-22", SERVER("hosts: [foo]"), FINDING_SERVER_HOST, NULL,
          "short names (non FQDN) are not allowed" },
        { "GW-22 RL-43", SERVER("hosts: ['f*.com']"), FINDING_SERVER_HOST, NULL,
          "partial wildcard" },
        { "GW-22 RL-43", SERVER("hosts: ['*foo.com']"), FINDING_SERVER_HOST, NULL,
          "partial wildcard" },
        { "GW-22 RL-42", SERVER("hosts: ['*.*.com']"), FINDING_SERVER_HOST, NULL, NULL },
        { "GW-22", SERVER("hosts: [a.com/b]"), FINDING_SERVER_HOST, NULL, NULL },
        { "GW-20",
          SERVER("hosts: ['*.com', 10.0.0.1, '*', 'ns/*', './a.com', '*/b.com', 'ns/*.a.b']"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-23", SERVER("hosts: ['*/*', a.com]"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "GW-26", SERVER("hosts: [A.Example.COM]"), CONFIG_CASE_CLEAN, NULL, NULL },
        /* tls or not */
        { "GW-11", "{servers: [{" HTTPS "}]}", FINDING_SERVER_TLS_MISSING, "spec.servers[0].tls",
          "server must have TLS settings for HTTPS/TLS protocols" },
        { "GW-11", "{servers: [{port: {number: 1, name: t, protocol: tls}, hosts: ['*']}]}",
          FINDING_SERVER_TLS_MISSING, NULL, NULL },
        { "GW-12", SERVER("hosts: ['*'], tls: {mode: SIMPLE, credentialName: c}"),
          FINDING_SERVER_TLS_UNEXPECTED, "spec.servers[0].tls",
          "server cannot have TLS settings for plain text HTTP ports" },
        { "GW-12", SERVER("hosts: ['*'], tls: {mode: SIMPLE, httpsRedirect: true}"),
          FINDING_SERVER_TLS_UNEXPECTED, NULL, NULL },
        { "GW-12", SERVER("hosts: ['*'], tls: {serverCertificate: /c, httpsRedirect: true}"),
          FINDING_SERVER_TLS_UNEXPECTED, NULL, NULL },
        { "GW-12", SERVER("hosts: ['*'], tls: {httpsRedirect: true}"), CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "GW-13",
          "{servers: [{port: {number: 1, name: t, protocol: TCP}, hosts: ['*'], tls: {}}]}",
          FINDING_SERVER_TLS_UNEXPECTED, NULL,
          "server cannot have TLS settings for non HTTPS/TLS ports" },
        { "GW-14", "{servers: [{port: {number: 1, name: t, protocol: MONGO}, hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("Gateway", rows, sizeof(rows) / sizeof(rows[0]));
}

static void names_have_no_dots(void **state)
{
    struct config_load load;

    (void)state; /* GW-1 */
    config_case_open(&load,
                     "apiVersion: networking.istio.io/v1\nkind: Gateway\n"
                     "metadata: {name: a.b}\n"
                     "spec: {servers: [{" PORT ", hosts: ['*']}]}\n",
                     NULL);
    assert_non_null(config_case_find(&load, FINDING_GATEWAY_NAME));
    assert_int_equal(resource_set_count(load.set, KIND_GATEWAY), 0);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(names_have_no_dots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
