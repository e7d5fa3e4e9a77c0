/* test_compile_listeners: merging of servers (spec 2.4, 14.2, 14.3, section 15). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TCP_SERVER(port) "{port: {number: " port ", name: tcp, protocol: TCP}, hosts: ['*']}"
#define TCP_ROUTES(name, host)                                                                     \
    VIRTUAL_SERVICE("app", name,                                                                   \
                    "{hosts: [" host "], gateways: [istio-system/" name                            \
                    "], tcp: [{route: [{destination: {host: x.y, port: {number: 1}}}]}]}")
#define TLS_ROUTES(name, host, sni_hosts)                                                          \
    VIRTUAL_SERVICE("app", name,                                                                   \
                    "{hosts: [" host "], gateways: [istio-system/" name                            \
                    "], tls: [{match: [{sniHosts: [" sni_hosts                                     \
                    "]}], route: [{destination: {host: x.y, port: {number: 1}}}]}]}")
#define TLS_SERVER(port_name, hosts, tls)                                                          \
    "{port: {number: 443, name: " port_name ", protocol: TLS}, hosts: [" hosts "], tls: {" tls "}" \
    "}"

static struct str server_of(const struct snapshot_case *test, const char *sni)
{
    const struct snapshot_listener *listener = snapshot_case_listener(test, "0.0.0.0:443");
    const struct tls_server *server;

    assert_non_null(listener);
    server = snapshot_find_tls_server(listener, str_from_cstr(sni));
    return server != NULL ? server->gateway : STR("none");
}

#define assert_server(test, sni, name) assert_string_equal(server_of((test), (sni)).ptr, (name))

static void test_nothing(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, "");
    assert_int_equal(test.snapshot->listener_count, 0);
    assert_int_equal(test.report.findings.count, 0);
    snapshot_case_close(&test);
}

/* 14.2 row 5, GW-34, GW-42: skipped, and told. */
static void test_http_then_https(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("a", "{port: {number: 443, name: p, protocol: HTTP}, hosts: [a.com]}")
                   GATEWAY("b", HTTPS_SERVER("p", "b.com")));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_false(test.snapshot->listeners[0].is_tls);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_CONFLICT), 1);
    snapshot_case_close(&test);
}

/* GW-40, P: rejected in both orders. */
static void test_https_then_http(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("a", HTTPS_SERVER("p", "a.com"))
                   GATEWAY("b", "{port: {number: 443, name: p, protocol: HTTP}, hosts: [b.com]}"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_true(test.snapshot->listeners[0].is_tls);
    finding = snapshot_case_finding(&test, FINDING_SERVER_CONFLICT);
    assert_non_null(finding);
    /* Both places are told. */
    assert_int_equal(finding->place.line, 4);
    assert_true(str_find(finding->message, STR("Gateway istio-system/a (test.yaml:2)")) !=
                SIZE_MAX);
    snapshot_case_close(&test);
}

/* 14.2 row 7, GW-34. */
static void test_tcp(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", TCP_SERVER("9000")) GATEWAY("b", TCP_SERVER("9000"))
                                  TCP_ROUTES("a", "a.com") TCP_ROUTES("b", "b.com"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_string_equal(test.snapshot->listeners[0].tcp->virtual_service.ptr, "app/a");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_CONFLICT), 1);
    snapshot_case_close(&test);
}

/* GW-34: HTTP and TCP in either order, TCP and TLS in either order. */
static void test_tcp_conflicts(void **state)
{
#define ANY_SERVER(protocol, tls)                                                                  \
    "{port: {number: 9000, name: p, protocol: " protocol "}, hosts: [a.com]" tls "}"
#define TLS_BLOCK ", tls: {mode: PASSTHROUGH}"
    static const struct {
        const char *yaml;
        const char *protocol;
    } rows[] = {
        { GATEWAY("a", ANY_SERVER("TCP", "")) GATEWAY("b", ANY_SERVER("HTTP", "")), "TCP" },
        { GATEWAY("a", ANY_SERVER("HTTP", "")) GATEWAY("b", ANY_SERVER("TCP", "")), "HTTP" },
        { GATEWAY("a", ANY_SERVER("mongo", "")) GATEWAY("b", ANY_SERVER("TLS", TLS_BLOCK)),
          "MONGO" },
        { GATEWAY("a", ANY_SERVER("TLS", TLS_BLOCK)) GATEWAY("b", ANY_SERVER("REDIS", "")), "TLS" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[4096];

        (void)snprintf(yaml, sizeof(yaml), "%s%s", rows[i].yaml,
                       TCP_ROUTES("a", "a.com") TCP_ROUTES("b", "a.com"));
        snapshot_from_yaml(&test, yaml);
        assert_int_equal(test.snapshot->listener_count, 1);
        assert_string_equal(test.snapshot->listeners[0].protocol.ptr, rows[i].protocol);
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_CONFLICT), 1);
        snapshot_case_close(&test);
    }
}

/* 14.2 row 1, GW-35. */
static void test_two_by_sni(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", HTTPS_SERVER("p", "a.com"))
                                  GATEWAY("b", HTTPS_SERVER("p", "b.com")));
    assert_server(&test, "a.com", "istio-system/a");
    assert_server(&test, "B.com", "istio-system/b");
    assert_server(&test, "c.com", "none"); /* SN-8 */
    assert_server(&test, "", "none");      /* SN-5 */
    assert_int_equal(test.snapshot->listeners[0].server_count, 2);
    snapshot_case_close(&test);
}

/* 14.2 row 2, GW-36 with the choice of section 15: only the duplicate host goes. */
static void test_duplicate_host(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", HTTPS_SERVER("p", "a.com"))
                                  GATEWAY("b", HTTPS_SERVER("p", "a.com, b.com")));
    assert_server(&test, "a.com", "istio-system/a");
    assert_server(&test, "b.com", "istio-system/b");
    finding = snapshot_case_finding(&test, FINDING_SERVER_HOST_TAKEN);
    assert_non_null(finding);
    assert_true(str_equals(finding->field, STR("spec.servers[0].hosts[0]")));
    assert_true(str_find(finding->message, STR("istio-system/a (test.yaml:2)")) != SIZE_MAX);
    snapshot_case_close(&test);
}

/* 14.2 row 11, GW-37 P, GW-26: the prefix and the case do not count. */
static void test_duplicate_behind_prefix(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", HTTPS_SERVER("p", "ns1/A.com"))
                                  GATEWAY("b", HTTPS_SERVER("p", "a.com")));
    assert_server(&test, "a.com", "istio-system/a");
    assert_int_equal(test.snapshot->listeners[0].server_count, 1);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_HOST_TAKEN), 1);
    snapshot_case_close(&test);
}

/* 14.2 rows 3 and 4, SN-1, SN-3. */
static void test_wildcards(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", HTTPS_SERVER("p", "'*.a.com'"))
                                  GATEWAY("b", HTTPS_SERVER("p", "x.a.com"))
                                      GATEWAY("c", HTTPS_SERVER("p", "'*', c.com")));
    assert_server(&test, "x.a.com", "istio-system/b");
    assert_server(&test, "y.a.com", "istio-system/a");
    assert_server(&test, "z.y.a.com", "istio-system/a");
    assert_server(&test, "a.com", "istio-system/c");
    assert_server(&test, "", "istio-system/c");
    assert_server(&test, "c.com", "istio-system/c");
    snapshot_case_close(&test);
}

/* 14.2 row 6, GW-33, SN-73. */
static void test_http_merged(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("a", HTTP_SERVER("a.com")) GATEWAY(
            "b", "{port: {number: 80, name: h2, protocol: HTTP2}, hosts: [a.com, b.com]}")
            VIRTUAL_SERVICE("app", "x",
                            "{hosts: [a.com], gateways: [istio-system/a], http: [" ROUTE(
                                "xa", "{uri: {prefix: /x}}") "]}")
                VIRTUAL_SERVICE("app", "y",
                                "{hosts: [a.com, b.com], gateways: [istio-system/b], http: [" ROUTE(
                                    "yb", "{uri: {prefix: /y}}") "]}"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_string_equal(test.snapshot->listeners[0].routes->name.ptr, "http.80");
    assert_string_equal(test.snapshot->listeners[0].protocol.ptr, "HTTP");
    assert_string_equal(test.snapshot->listeners[0].name.ptr, "0.0.0.0_80");
    assert_route(test.snapshot->listeners[0].routes, "a.com", "/x", "xa");
    assert_route(test.snapshot->listeners[0].routes, "a.com", "/y", "yb");
    assert_route(test.snapshot->listeners[0].routes, "b.com", "/x", "404");
    assert_route(test.snapshot->listeners[0].routes, "b.com", "/y", "yb");
    snapshot_case_close(&test);
}

static const struct tls_server *find_server(const struct snapshot_case *test, const char *sni)
{
    return snapshot_find_tls_server(&test->snapshot->listeners[0], str_from_cstr(sni));
}

/* 14.2 row 8, GW-35: ended, passed through and ended as bytes, side by side on one port. */
static void test_kinds_on_one_port(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("a", HTTPS_SERVER("p", "'*.com'"))
                   GATEWAY("b", TLS_SERVER("t", "b.com", "mode: PASSTHROUGH"))
                       GATEWAY("c", TLS_SERVER("u", "c.com", "mode: SIMPLE, credentialName: c"))
                           TLS_ROUTES("b", "b.com", "b.com") TCP_ROUTES("c", "c.com"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_int_equal(test.snapshot->listeners[0].server_count, 3);
    assert_true(test.snapshot->listeners[0].is_tls);
    assert_string_equal(test.snapshot->listeners[0].protocol.ptr, "HTTPS");
    assert_int_equal(find_server(&test, "a.com")->kind, TLS_SERVER_HTTP);
    assert_non_null(find_server(&test, "a.com")->routes);
    assert_null(find_server(&test, "a.com")->tcp);
    assert_int_equal(find_server(&test, "b.com")->kind, TLS_SERVER_PASSTHROUGH);
    assert_string_equal(find_server(&test, "b.com")->gateway.ptr, "istio-system/b");
    assert_string_equal(find_server(&test, "b.com")->tcp->virtual_service.ptr, "app/b");
    assert_null(find_server(&test, "b.com")->routes);
    assert_int_equal(find_server(&test, "c.com")->kind, TLS_SERVER_TCP); /* TT-24 */
    assert_string_equal(find_server(&test, "c.com")->tcp->virtual_service.ptr, "app/c");
    assert_null(find_server(&test, "c.com")->routes);
    snapshot_case_close(&test);
}

/* TT-8, GW-36: one namespace of names, the first has it, whichever kind comes first. */
static void test_passthrough_and_terminated_name(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", HTTPS_SERVER("p", "x.b.com"))
                                  GATEWAY("b", TLS_SERVER("t", "'*.b.com'", "mode: PASSTHROUGH"))
                                      TLS_ROUTES("b", "'*.b.com'", "x.b.com, y.b.com"));
    assert_int_equal(find_server(&test, "x.b.com")->kind, TLS_SERVER_HTTP);
    assert_null(find_server(&test, "y.b.com")); /* TT-4: the whole match goes */
    finding = snapshot_case_finding(&test, FINDING_SNI_TAKEN);
    assert_non_null(finding);
    assert_true(str_find(finding->message, STR("Gateway istio-system/a (test.yaml:2)")) !=
                SIZE_MAX);
    snapshot_case_close(&test);

    snapshot_from_yaml(&test, GATEWAY("a", TLS_SERVER("t", "'*.b.com'", "mode: PASSTHROUGH"))
                                  GATEWAY("b", HTTPS_SERVER("p", "x.b.com, z.b.com"))
                                      TLS_ROUTES("a", "'*.b.com'", "x.b.com"));
    assert_int_equal(find_server(&test, "x.b.com")->kind, TLS_SERVER_PASSTHROUGH);
    assert_int_equal(find_server(&test, "z.b.com")->kind, TLS_SERVER_HTTP);
    finding = snapshot_case_finding(&test, FINDING_SERVER_HOST_TAKEN);
    assert_non_null(finding);
    assert_true(str_find(finding->message, STR("served by VirtualService app/a")) != SIZE_MAX);
    snapshot_case_close(&test);
}

/* TT-6: the port is open and every connection closed; TT-23: the name is nobody's. */
static void test_tls_without_rules(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", TLS_SERVER("t", "b.com", "mode: PASSTHROUGH")));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_int_equal(test.snapshot->listeners[0].server_count, 0);
    assert_true(test.snapshot->listeners[0].is_tls);
    assert_string_equal(test.snapshot->listeners[0].protocol.ptr, "TLS");
    assert_null(find_server(&test, "b.com"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED), 1);
    snapshot_case_close(&test);

    snapshot_from_yaml(&test,
                       GATEWAY("a", TLS_SERVER("t", "b.com", "mode: SIMPLE, credentialName: c")));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_null(find_server(&test, "b.com"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED), 1);
    snapshot_case_close(&test);
}

/* TL-7: left out, the mode is PASSTHROUGH. */
static void test_mode_omitted(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", "{port: {number: 443, name: p, protocol: HTTPS}, hosts: "
                                           "[a.com], tls: {credentialName: c}}")
                                  TLS_ROUTES("a", "a.com", "a.com"));
    assert_int_equal(find_server(&test, "a.com")->kind, TLS_SERVER_PASSTHROUGH);
    assert_string_equal(test.snapshot->listeners[0].protocol.ptr, "HTTPS");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_TLS_MODE_OMITTED), 1);
    snapshot_case_close(&test);
}

/* TL-2, TL-4, GW-70: a server that demands more is never served with less. */
static void test_modes_not_honoured(void **state)
{
    static const char *const modes[] = {
        "{mode: MUTUAL, credentialName: c}",
        "{mode: OPTIONAL_MUTUAL, credentialName: c}",
        "{mode: ISTIO_MUTUAL}",
        "{mode: AUTO_PASSTHROUGH}",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        struct snapshot_case test;
        char yaml[1024];

        (void)snprintf(yaml, sizeof(yaml),
                       GATEWAY("a", "{port: {number: 443, name: p, protocol: HTTPS}, hosts: "
                                    "[a.com], tls: %s}") GATEWAY("b", HTTPS_SERVER("p", "'*'")),
                       modes[i]);
        snapshot_from_yaml(&test, yaml);
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_MODE_NOT_HONOURED), 1);
        assert_server(&test, "a.com", "istio-system/a");
        assert_null(snapshot_find_tls_server(&test.snapshot->listeners[0], STR("a.com"))->context);
        snapshot_case_close(&test);
    }
}

/* A port where nothing is honoured is not opened. */
static void test_nothing_honoured(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", "{port: {number: 443, name: p, protocol: HTTPS}, hosts: "
                                           "[a.com], tls: {mode: AUTO_PASSTHROUGH}}"));
    assert_int_equal(test.snapshot->listener_count, 0);
    snapshot_case_close(&test);
}

/* 14.2 row 9, GW-32. */
static void test_binds(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("a",
                "{port: {number: 80, name: p, protocol: HTTP}, bind: 10.0.0.1, hosts: [a.com]}")
            GATEWAY("b", HTTP_SERVER("a.com")));
    assert_int_equal(test.snapshot->listener_count, 2);
    assert_string_equal(snapshot_case_listener(&test, "10.0.0.1:80")->routes->name.ptr,
                        "http.80.10.0.0.1");
    assert_string_equal(snapshot_case_listener(&test, "0.0.0.0:80")->routes->name.ptr, "http.80");
    snapshot_case_close(&test);
}

/* GW-33 */
static void test_table_name(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("gw", HTTPS_SERVER("web", "a.com")));
    assert_string_equal(test.snapshot->listeners[0].servers[0]->name.ptr,
                        "https.443.web.gw.istio-system");
    assert_string_equal(test.snapshot->listeners[0].servers[0]->routes->name.ptr,
                        "https.443.web.gw.istio-system");
    assert_string_equal(test.snapshot->listeners[0].servers[0]->credential.ptr, "c");
    assert_int_equal(test.snapshot->listeners[0].servers[0]->line, 2);
    snapshot_case_close(&test);
}

/* GW-25: stripped, de-duplicated, sorted. */
static void test_server_hosts(void **state)
{
    struct snapshot_case test;
    const struct tls_server *server;
    (void)state;

    snapshot_from_yaml(&test,
                       GATEWAY("gw", HTTPS_SERVER("web", "z.com, app/b.com, B.com, ./c.com")));
    server = test.snapshot->listeners[0].servers[0];
    assert_int_equal(server->hosts.count, 3);
    assert_true(str_equals(server->hosts.items[0], STR("b.com")));
    assert_true(str_equals(server->hosts.items[1], STR("c.com")));
    assert_true(str_equals(server->hosts.items[2], STR("z.com")));
    snapshot_case_close(&test);
}

/* GW-3, GW-4 */
static void test_selector(void **state)
{
    static const char yaml[] =
        OBJECT("Gateway", "app", "other",
               "{selector: {istio: egress}, servers: [" HTTP_SERVER("a.com") "]}")
            OBJECT("Gateway", "app", "every", "{servers: [" HTTP_SERVER("b.com") "]}")
                OBJECT("Gateway", "app", "empty",
                       "{selector: {}, servers: [{port: {number: 81, name: p, protocol: HTTP}, "
                       "hosts: [b.com]}]}");
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, yaml);
    assert_int_equal(test.snapshot->listener_count, 2);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_GATEWAY_NOT_SELECTED), 1);
    snapshot_case_close(&test);

    snapshot_case_init(&test);
    test.options.has_labels = false; /* none given: every Gateway applies */
    snapshot_case_open(&test, yaml);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_GATEWAY_NOT_SELECTED), 0);
    snapshot_case_close(&test);
}

/* RL-5, 2.4: the older one is first, then the name decides. */
static void test_order(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: a, namespace: x, "
        "creationTimestamp: '2024-02-01T00:00:00Z'}, spec: {servers: [" HTTPS_SERVER(
            "p",
            "a.com") "]}}\n---\n"
                     "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: b, "
                     "namespace: x, "
                     "creationTimestamp: '2024-01-01T00:00:00Z'}, spec: {servers: [" HTTPS_SERVER(
                         "p", "a.com") "]}}\n");
    assert_server(&test, "a.com", "x/b");
    snapshot_case_close(&test);
}

/* GW-30, and the port map that has the last word. */
static void test_ports(void **state)
{
    static const char yaml[] =
        "{apiVersion: v1, kind: Service, metadata: {name: gw, namespace: istio-system}, spec: "
        "{selector: {istio: ingressgateway}, ports: [{name: h, port: 80, targetPort: 8080}, "
        "{name: s, port: 443, targetPort: https}]}}\n" GATEWAY(
            "a", HTTP_SERVER("a.com") ", " HTTPS_SERVER("s", "a.com"));
    struct port_map_entry entry = { 80, 0 };
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, yaml);
    assert_non_null(snapshot_case_listener(&test, "0.0.0.0:8080"));
    assert_string_equal(snapshot_case_listener(&test, "0.0.0.0:8080")->routes->name.ptr,
                        "http.8080");
    assert_int_equal(snapshot_case_listener(&test, "0.0.0.0:8080")->gateway_port, 80);
    assert_non_null(snapshot_case_listener(&test, "0.0.0.0:443"));
    snapshot_case_close(&test);

    snapshot_case_init(&test);
    test.options.port_map.items = &entry;
    test.options.port_map.count = 1;
    test.options.bind = STR("::1");
    snapshot_case_open(&test, yaml);
    assert_non_null(snapshot_case_listener(&test, "[::1]:0#80"));
    assert_int_equal(address_port(&snapshot_case_listener(&test, "[::1]:0#80")->address), 0);
    snapshot_case_close(&test);
}

static void test_reserved_ports(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("a", "{port: {number: 15021, name: a, protocol: HTTP}, hosts: ['*']}, "
                            "{port: {number: 15006, name: b, protocol: HTTP}, hosts: ['*']}"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_RESERVED_PORT), 1);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_ISTIO_PORT), 1);
    snapshot_case_close(&test);
}

/* GW-41: how the protocol is written makes no difference. SN-11: "*" is a name like another. */
static void test_protocol_case(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("a", HTTPS_SERVER("p", "'*'"))
                   GATEWAY("b", "{port: {number: 443, name: p, protocol: https}, hosts: ['*', "
                                "b.com], tls: {mode: SIMPLE, credentialName: c}}"));
    assert_int_equal(test.snapshot->listener_count, 1);
    assert_server(&test, "a.com", "istio-system/a");
    assert_server(&test, "b.com", "istio-system/b");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_HOST_TAKEN), 1);
    snapshot_case_close(&test);
}

/* GW-39: the bind is part of the name, so two servers never share one. GW-15: as TCP. */
static void test_distinct_tables(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY(
            "a",
            HTTPS_SERVER(
                "p",
                "a.com") ", {port: {number: 443, name: q, protocol: "
                         "HTTPS}, bind: 10.0.0.1, hosts: [a.com], tls: {mode: SIMPLE, "
                         "credentialName: c}}, {port: {number: 27017, name: m, protocol: MONGO}, "
                         "hosts: ['*']}"));
    assert_int_equal(test.snapshot->listener_count, 2);
    assert_string_equal(snapshot_case_listener(&test, "10.0.0.1:443")->servers[0]->name.ptr,
                        "https.443.q.a.istio-system.10.0.0.1");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_UNROUTED), 1);
    snapshot_case_close(&test);
}

/* GW-38: the duplicate test is for redirecting HTTP servers too. */
static void test_duplicate_redirect(void **state)
{
#define REDIRECT_SERVER                                                                            \
    "{port: {number: 80, name: http, protocol: HTTP}, hosts: [a.com], tls: {httpsRedirect: true}}"
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, GATEWAY("a", REDIRECT_SERVER) GATEWAY("b", REDIRECT_SERVER));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVER_HOST_TAKEN), 1);
    assert_route(test.snapshot->listeners[0].routes, "a.com", "/", "redirect-tls");
    snapshot_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing),
        cmocka_unit_test(test_http_then_https),
        cmocka_unit_test(test_https_then_http),
        cmocka_unit_test(test_tcp),
        cmocka_unit_test(test_tcp_conflicts),
        cmocka_unit_test(test_two_by_sni),
        cmocka_unit_test(test_duplicate_host),
        cmocka_unit_test(test_duplicate_behind_prefix),
        cmocka_unit_test(test_wildcards),
        cmocka_unit_test(test_http_merged),
        cmocka_unit_test(test_kinds_on_one_port),
        cmocka_unit_test(test_passthrough_and_terminated_name),
        cmocka_unit_test(test_tls_without_rules),
        cmocka_unit_test(test_mode_omitted),
        cmocka_unit_test(test_modes_not_honoured),
        cmocka_unit_test(test_nothing_honoured),
        cmocka_unit_test(test_binds),
        cmocka_unit_test(test_table_name),
        cmocka_unit_test(test_server_hosts),
        cmocka_unit_test(test_selector),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_ports),
        cmocka_unit_test(test_reserved_ports),
        cmocka_unit_test(test_duplicate_redirect),
        cmocka_unit_test(test_protocol_case),
        cmocka_unit_test(test_distinct_tables),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
