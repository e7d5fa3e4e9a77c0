/* test_compile_tcp_routes: which tls[] and tcp[] rules a server gets (spec section 6). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TCP_SERVER(port, hosts)                                                                    \
    "{port: {number: " port ", name: tcp-" port ", protocol: TCP}, hosts: [" hosts "]}"
#define PASSTHROUGH_SERVER(hosts)                                                                  \
    "{port: {number: 443, name: tls, protocol: TLS}, hosts: [" hosts "], tls: {mode: "             \
    "PASSTHROUGH}}"
#define TO(host) "route: [{destination: {host: " host ".x, port: {number: 1}}}]"
#define TLS_RULE(match, host) "{match: [" match "], " TO(host) "}"
#define BACKEND                                                                                    \
    OBJECT("ServiceEntry", "app", "b",                                                             \
           "{hosts: [b.x], resolution: STATIC, ports: [{number: 1, name: tcp, protocol: TCP}], "   \
           "endpoints: [{address: 10.0.0.1}]}")

/* The host of the first destination of a server, or why there is none. */
static struct str first_host(const struct tcp_route *route)
{
    return route != NULL ? str_skip(route->destinations[0].cluster_name, sizeof("outbound|1||") - 1)
                         : STR("no rule");
}

static struct str tcp_host(const struct snapshot_case *test, const char *key)
{
    const struct snapshot_listener *listener = snapshot_case_listener(test, key);

    return listener != NULL ? first_host(listener->tcp) : STR("closed");
}

static struct str sni_host(const struct snapshot_case *test, const char *sni)
{
    const struct snapshot_listener *listener = snapshot_case_listener(test, "0.0.0.0:443");
    const struct tls_server *server;

    assert_non_null(listener);
    server = snapshot_find_tls_server(listener, str_from_cstr(sni));
    return server != NULL ? first_host(server->tcp) : STR("none");
}

#define assert_tcp(test, key, host) assert_string_equal(tcp_host((test), (key)).ptr, (host))
#define assert_sni(test, sni, host) assert_string_equal(sni_host((test), (sni)).ptr, (host))

/* --- tcp[] ------------------------------------------------------------------------------------ */

struct tcp_row {
    const char *rule;
    const char *spec; /* of VirtualService app/v, behind hosts */
    const char *host; /* at port 9000 */
};

/* TT-20 to TT-23 */
static void test_tcp_rules(void **state)
{
    static const struct tcp_row rows[] = {
        { "TT-23: none", "hosts: [a.com], http: [{" TO("a") "}]", "closed" },
        { "TT-20: another port", "hosts: [a.com], tcp: [{match: [{port: 9001}], " TO("a") "}]",
          "closed" },
        { "TT-20: another Gateway",
          "hosts: [a.com], tcp: [{match: [{gateways: [istio-system/h]}], " TO("a") "}]", "closed" },
        { "TT-20: gateways are seen from the service's namespace",
          "hosts: [a.com], tcp: [{match: [{gateways: [gw]}], " TO("a") "}]", "closed" },
        { "TT-22: no host in common", "hosts: [b.com], tcp: [{" TO("a") "}]", "closed" },
        { "TT-20: no match", "hosts: [a.com], tcp: [{" TO("a") "}]", "a.x" },
        { "TT-20: an empty match", "hosts: [a.com], tcp: [{match: [{}], " TO("a") "}]", "a.x" },
        { "TT-20: the port", "hosts: [a.com], tcp: [{match: [{port: 9000}], " TO("a") "}]", "a.x" },
        { "TT-20: the Gateway",
          "hosts: [a.com], tcp: [{match: [{gateways: [istio-system/gw]}], " TO("a") "}]", "a.x" },
        { "TT-20: any match will do",
          "hosts: [a.com], tcp: [{match: [{port: 1}, {port: 9000}], " TO("a") "}]", "a.x" },
        { "TT-22: the service is wider", "hosts: ['*.com'], tcp: [{" TO("a") "}]", "a.x" },
        { "TT-21: the first that fits",
          "hosts: [a.com], tcp: [{match: [{port: 1}], " TO("a") "}, {" TO("b") "}, {" TO("c") "}]",
          "b.x" },
        { "TT-20: who the client is does not count",
          "hosts: [a.com], tcp: [{match: [{sourceSubnet: 10.0.0.0/8, destinationSubnets: "
          "[10.1.0.0/16], sourceLabels: {a: b}, sourceNamespace: x}], " TO("a") "}]",
          "a.x" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml),
                       GATEWAY("gw", TCP_SERVER("9000", "a.com"))
                           VIRTUAL_SERVICE("app", "v", "{gateways: [istio-system/gw], %s}"),
                       rows[i].spec);
        snapshot_from_yaml(&test, yaml);
        if (!str_equals(tcp_host(&test, "0.0.0.0:9000"), str_from_cstr(rows[i].host))) {
            print_error("%s: %.*s\n", rows[i].rule, STR_ARG(tcp_host(&test, "0.0.0.0:9000")));
            fail();
        }
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED),
                         strcmp(rows[i].host, "closed") == 0);
        snapshot_case_close(&test);
    }
}

/* TT-3, TT-20: each condition without effect is named. */
static void test_ignored_conditions(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", TCP_SERVER("9000", "a.com") ", " PASSTHROUGH_SERVER("a.com"))
            VIRTUAL_SERVICE("app", "v",
                            "{gateways: [istio-system/gw], hosts: [a.com], tcp: [{match: "
                            "[{sourceSubnet: 10.0.0.0/8, destinationSubnets: [10.1.0.0/16], "
                            "sourceLabels: {a: b}, sourceNamespace: x}], " TO(
                                "a") "}], tls: [" TLS_RULE("{sniHosts: [a.com], "
                                                           "destinationSubnets: [10.1.0.0/16]}",
                                                           "a") "]}"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_L4_CONDITION_IGNORED), 5);
    finding = snapshot_case_finding(&test, FINDING_L4_CONDITION_IGNORED);
    assert_string_equal(finding->field.ptr, "spec.tcp[0].match[0].destinationSubnets");
    assert_int_not_equal(finding->place.line, 0);
    snapshot_case_close(&test);
}

/* TT-21: the VirtualService of SN-70's order; the others are told where the rule comes from. */
static void test_first_service(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", TCP_SERVER("9000", "'*'") ", " TCP_SERVER("9001", "'*'")) VIRTUAL_SERVICE(
            "app", "b", "{gateways: [istio-system/gw], hosts: [b.com], tcp: [{" TO("b") "}]}")
            VIRTUAL_SERVICE("app", "a",
                            "{gateways: [istio-system/gw], hosts: [a.com], tcp: "
                            "[{match: [{port: 9000}], " TO("a") "}]}"));
    assert_tcp(&test, "0.0.0.0:9000", "a.x");
    assert_tcp(&test, "0.0.0.0:9001", "b.x");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_TCP_RULE_IGNORED), 1);
    finding = snapshot_case_finding(&test, FINDING_TCP_RULE_IGNORED);
    assert_true(str_find(finding->message, STR("port 9000")) != SIZE_MAX);
    assert_true(str_find(finding->message, STR("VirtualService app/a (test.yaml:")) != SIZE_MAX);
    assert_string_equal(finding->object.ptr, "VirtualService app/b");
    snapshot_case_close(&test);
}

/* GW-24: a host of a server may be for one namespace only. */
static void test_namespace_of_host(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", TCP_SERVER("9000", "other/a.com")) VIRTUAL_SERVICE(
            "app", "v", "{gateways: [istio-system/gw], hosts: [a.com], tcp: [{" TO("a") "}]}"));
    assert_tcp(&test, "0.0.0.0:9000", "closed");
    snapshot_case_close(&test);
}

/* TT-25, HT-40, HT-41 */
static void test_destinations(void **state)
{
    struct snapshot_case test;
    const struct tcp_route *route;
    (void)state;

    snapshot_from_yaml(
        &test, BACKEND GATEWAY("gw", TCP_SERVER("9000", "'*'")) VIRTUAL_SERVICE(
                   "app", "v",
                   "{gateways: [istio-system/gw], hosts: [a.com], tcp: [{route: [{destination: "
                   "{host: b.x}, weight: 20}, {destination: {host: none}, weight: 0}, "
                   "{destination: {host: c.x}, weight: 80}]}]}"));
    route = snapshot_case_listener(&test, "0.0.0.0:9000")->tcp;
    assert_int_equal(route->destination_count, 2);
    assert_int_equal(route->total_weight, 100);
    assert_string_equal(route->destinations[0].cluster->name.ptr, "outbound|1||b.x");
    assert_int_equal(route->destinations[0].weight, 20);
    /* HT-41: the server's port, of a service of which nothing is known. */
    assert_null(route->destinations[1].cluster);
    assert_string_equal(route->destinations[1].cluster_name.ptr, "outbound|9000||c.x");
    assert_int_equal(route->destinations[1].weight, 80);
    assert_string_equal(route->virtual_service.ptr, "app/v");
    assert_string_equal(route->file.ptr, "test.yaml");
    assert_int_not_equal(route->line, 0);
    assert_int_equal(test.snapshot->cluster_count, 1);
    snapshot_case_close(&test);
}

/* --- tls[] ------------------------------------------------------------------------------------ */

/* TT-5, SN-1 to SN-5 */
static void test_sni_wildcards(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
                                  "app", "v",
                                  "{gateways: [istio-system/gw], hosts: ['*'], tls: [" TLS_RULE(
                                      "{sniHosts: [a.example.com]}",
                                      "s1") ", " TLS_RULE("{sniHosts: ['*.example.com']}",
                                                          "s2") ", " TLS_RULE("{sniHosts"
                                                                              ": "
                                                                              "['*."
                                                                              "com']}",
                                                                              "s3") "]"
                                                                                    "}"));
    /* 14.3 */
    assert_sni(&test, "a.example.com", "s1.x");
    assert_sni(&test, "A.EXAMPLE.COM", "s1.x");
    assert_sni(&test, "b.example.com", "s2.x");
    assert_sni(&test, "x.y.example.com", "s2.x");
    assert_sni(&test, "example.com", "s3.x");
    assert_sni(&test, "example.org", "none");
    assert_sni(&test, "", "none"); /* SN-5 */
    snapshot_case_close(&test);
}

/* SN-3, SN-5: with "*" among the names of a rule it is the catch-all. */
static void test_catch_all(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
                                  "app", "v",
                                  "{gateways: [istio-system/gw], hosts: ['*'], tls: [" TLS_RULE(
                                      "{sniHosts: [a.com, '*', b.com]}",
                                      "any") ", " TLS_RULE("{sniHosts: ['*.c.com']}", "c") "]}"));
    assert_sni(&test, "", "any.x");
    assert_sni(&test, "d.com", "any.x");
    assert_sni(&test, "a.c.com", "c.x");
    assert_int_equal(snapshot_case_listener(&test, "0.0.0.0:443")->servers[0]->hosts.count, 1);
    snapshot_case_close(&test);
}

/* SN-3 is about one match: another one of the same rule keeps its names. */
static void test_catch_all_beside_names(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test,
                       GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
                           "app", "v",
                           "{gateways: [istio-system/gw], hosts: ['*'], tls: [" TLS_RULE(
                               "{sniHosts: [a.com]}, {sniHosts: ['*', e.com]}, {sniHosts: [b.com]}",
                               "any") ", " TLS_RULE("{sniHosts: ['*.com']}", "wild") "]}"));
    assert_sni(&test, "a.com", "any.x");
    assert_sni(&test, "b.com", "any.x");
    assert_sni(&test, "c.com", "wild.x");
    assert_sni(&test, "e.com", "wild.x");
    assert_sni(&test, "a.org", "any.x");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SNI_TAKEN), 0);
    snapshot_case_close(&test);
}

/* TT-2: the names are those of the rule; the server's hosts only say whose rules it takes. */
static void test_names_of_rule(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", PASSTHROUGH_SERVER("a.example.com"))
            VIRTUAL_SERVICE("app", "v",
                            "{gateways: [istio-system/gw], hosts: ['*.example.com'], tls: "
                            "[" TLS_RULE("{sniHosts: [b.example.com, a.example.com]}", "v") "]}")
                VIRTUAL_SERVICE("app", "w",
                                "{gateways: [istio-system/gw], hosts: [c.example.com], tls: "
                                "[" TLS_RULE("{sniHosts: [c.example.com]}", "w") "]}"));
    assert_sni(&test, "b.example.com", "v.x");
    assert_sni(&test, "a.example.com", "v.x");
    assert_sni(&test, "c.example.com", "none");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_VIRTUAL_SERVICE_HOST_UNSERVED), 1);
    snapshot_case_close(&test);
}

/* TT-3 */
static void test_tls_match(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
            "app", "v",
            "{gateways: [istio-system/gw], hosts: ['*.com'], tls: [{match: [{sniHosts: [a.com], "
            "port: 444}, {sniHosts: [b.com], port: 443}, {sniHosts: [c.com], gateways: "
            "[istio-system/gw]}, {sniHosts: [d.com], gateways: [istio-system/h]}, {sniHosts: "
            "[b.com]}], " TO("v") "}]}"));
    assert_sni(&test, "a.com", "none");
    assert_sni(&test, "b.com", "v.x");
    assert_sni(&test, "c.com", "v.x");
    assert_sni(&test, "d.com", "none");
    assert_int_equal(snapshot_case_listener(&test, "0.0.0.0:443")->server_count, 1);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SNI_TAKEN), 0); /* its own */
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED), 0);
    snapshot_case_close(&test);
}

/* TT-4: the first VirtualService has the name; a match with a taken name is skipped as a whole. */
static void test_sni_taken(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", PASSTHROUGH_SERVER("'*'"))
            VIRTUAL_SERVICE("app", "b",
                            "{gateways: [istio-system/gw], hosts: ['*.com'], tls: [" TLS_RULE(
                                "{sniHosts: [b.com, a.com]}, {sniHosts: [c.com]}", "b") "]}")
                VIRTUAL_SERVICE("app", "a",
                                "{gateways: [istio-system/gw], hosts: [a.com], tls: [" TLS_RULE(
                                    "{sniHosts: [a.com]}", "a") "]}"));
    assert_sni(&test, "a.com", "a.x");
    assert_sni(&test, "b.com", "none");
    assert_sni(&test, "c.com", "b.x");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SNI_TAKEN), 1);
    finding = snapshot_case_finding(&test, FINDING_SNI_TAKEN);
    assert_string_equal(finding->object.ptr, "VirtualService app/b");
    assert_string_equal(finding->field.ptr, "spec.tls[0].match[0].sniHosts");
    assert_true(str_find(finding->message, STR("a.com is served by VirtualService app/a")) !=
                SIZE_MAX);
    snapshot_case_close(&test);
}

/* TT-8: who lost a name to a rule is not told of as its holder. */
static void test_holder_of_name(void **state)
{
    struct snapshot_case test;
    size_t count = 0;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
                                  "app", "v",
                                  "{gateways: [istio-system/a], hosts: [b.com], tls: [" TLS_RULE(
                                      "{sniHosts: [b.com]}", "v") "]}")
                                  GATEWAY("b", HTTPS_SERVER("p", "b.com, c.com"))
                                      GATEWAY("c", HTTPS_SERVER("p", "b.com, d.com")));
    for (size_t i = 0; i < test.report.findings.count; i++) {
        const struct finding *finding = &test.report.findings.items[i];

        if (finding->code == FINDING_SERVER_HOST_TAKEN) {
            count++;
            assert_true(str_find(finding->message, STR("served by VirtualService app/v")) !=
                        SIZE_MAX);
        }
    }
    assert_int_equal(count, 2);
    assert_sni(&test, "b.com", "v.x");
    snapshot_case_close(&test);
}

/* Two servers of one port lead to the same rule: it is one, and nobody is told off. */
static void test_rule_met_twice(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", PASSTHROUGH_SERVER(
                          "a.com") ", {port: {number: 443, name: tls2, protocol: TLS}, hosts: "
                                   "[b.com], tls: {mode: PASSTHROUGH}}")
            VIRTUAL_SERVICE("app", "v",
                            "{gateways: [istio-system/gw], hosts: [a.com, b.com], tls: [" TLS_RULE(
                                "{sniHosts: [a.com, b.com]}", "v") "]}"));
    assert_sni(&test, "a.com", "v.x");
    assert_sni(&test, "b.com", "v.x");
    assert_int_equal(snapshot_case_listener(&test, "0.0.0.0:443")->server_count, 1);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SNI_TAKEN), 0);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED), 0);
    snapshot_case_close(&test);
}

/* TT-6, and the usual reason. */
static void test_http_rules_only(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
            "app", "v", "{gateways: [istio-system/gw], hosts: [a.com], http: [{" TO("v") "}]}"));
    finding = snapshot_case_finding(&test, FINDING_SERVER_UNROUTED);
    assert_non_null(finding);
    assert_true(str_find(finding->message, STR("VirtualService app/v has http rules only")) !=
                SIZE_MAX);
    snapshot_case_close(&test);
}

/* GW-14: what a server does decides which rules it looks at; what no server looks at is told. */
static void test_rules_of_another_kind(void **state)
{
    static const struct {
        const char *servers;
        const char *rules;
        const char *field; /* NULL: nothing to say */
    } rows[] = {
        { HTTP_SERVER("a.com"), "tls: [" TLS_RULE("{sniHosts: [a.com]}", "s") "]", "spec.tls[0]" },
        { HTTPS_SERVER("h", "a.com"), "tls: [" TLS_RULE("{sniHosts: [a.com]}", "s") "]",
          "spec.tls[0]" },
        { TCP_SERVER("9000", "a.com"), "tls: [" TLS_RULE("{sniHosts: [a.com]}", "s") "]",
          "spec.tls[0]" },
        { HTTPS_SERVER("h", "a.com"),
          "tcp: [{match: [{gateways: [mesh]}], " TO("m") "}, {" TO("s") "}]", "spec.tcp[1]" },
        { PASSTHROUGH_SERVER("a.com"), "tcp: [{" TO("s") "}]", "spec.tcp[0]" },
        { HTTP_SERVER("a.com"), "tcp: [{match: [{gateways: [mesh]}], " TO("m") "}]", NULL },
        { PASSTHROUGH_SERVER("a.com") ", " HTTP_SERVER("a.com"),
          "tls: [" TLS_RULE("{sniHosts: [a.com]}", "s") "], http: [" ROUTE("r", "") "]", NULL },
        { TCP_SERVER("9000", "a.com"), "tcp: [{" TO("s") "}]", NULL },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        struct text yaml = { 0 };
        const struct finding *finding;

        text_printf(&yaml,
                    GATEWAY("gw", "%s") VIRTUAL_SERVICE(
                        "app", "v", "{gateways: [istio-system/gw], hosts: [a.com], %s}"),
                    rows[i].servers, rows[i].rules);
        snapshot_from_yaml(&test, yaml.ptr);
        finding = snapshot_case_finding(&test, FINDING_L4_RULES_UNUSED);
        if ((finding == NULL) != (rows[i].field == NULL) ||
            (finding != NULL && !str_equals(finding->field, str_from_cstr(rows[i].field)))) {
            print_error("%zu: %s\n", i, finding != NULL ? finding->field.ptr : "nothing");
            fail();
        }
        snapshot_case_close(&test);
        text_cleanup(&yaml);
    }
}

/* DR-60: bytes that pass through are TLS already, those of tcp[] are not. */
static void test_tls_port(void **state)
{
#define TLS_BACKEND                                                                                \
    OBJECT("ServiceEntry", "app", "b",                                                             \
           "{hosts: [b.x], resolution: STATIC, ports: [{number: 1, name: https, protocol: "        \
           "HTTPS}], endpoints: [{address: 10.0.0.1}]}")
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, TLS_BACKEND GATEWAY("gw", PASSTHROUGH_SERVER("'*'")) VIRTUAL_SERVICE(
                                  "app", "v",
                                  "{gateways: [istio-system/gw], hosts: [a.com], tls: [" TLS_RULE(
                                      "{sniHosts: [a.com]}", "b") "]}"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_TLS_PORT), 0);
    snapshot_case_close(&test);
    snapshot_from_yaml(
        &test, TLS_BACKEND GATEWAY("gw", PASSTHROUGH_SERVER("'*'") ", " TCP_SERVER("9000", "'*'"))
                   VIRTUAL_SERVICE(
                       "app", "v",
                       "{gateways: [istio-system/gw], hosts: [a.com], tls: [" TLS_RULE(
                           "{sniHosts: [a.com]}", "b") "], tcp: [{" TO("b") "}, {" TO("b") "}]}"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_TLS_PORT), 1);
    snapshot_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tcp_rules),
        cmocka_unit_test(test_ignored_conditions),
        cmocka_unit_test(test_first_service),
        cmocka_unit_test(test_namespace_of_host),
        cmocka_unit_test(test_destinations),
        cmocka_unit_test(test_sni_wildcards),
        cmocka_unit_test(test_catch_all),
        cmocka_unit_test(test_names_of_rule),
        cmocka_unit_test(test_tls_match),
        cmocka_unit_test(test_sni_taken),
        cmocka_unit_test(test_rule_met_twice),
        cmocka_unit_test(test_http_rules_only),
        cmocka_unit_test(test_tls_port),
        cmocka_unit_test(test_catch_all_beside_names),
        cmocka_unit_test(test_rules_of_another_kind),
        cmocka_unit_test(test_holder_of_name),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
