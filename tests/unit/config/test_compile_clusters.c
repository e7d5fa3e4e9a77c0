/* test_compile_clusters: destinations (spec 5.3, sections 7 and 8, 14.6). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define TO(destination)                                                                            \
    GATEWAY("gw", HTTP_SERVER("'*'"))                                                              \
    VIRTUAL_SERVICE("app", "vs",                                                                   \
                    "{hosts: [a.com], gateways: [istio-system/gw], http: [{route: "                \
                    "[{destination: " destination "}]}]}")
#define SERVICE(namespace, name, spec)                                                             \
    "---\n{apiVersion: v1, kind: Service, metadata: {name: " name                                  \
    ", namespace: " namespace "}, spec: " spec "}\n"
#define SLICE(namespace, service, ports, endpoints)                                                \
    "---\n{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: " service        \
    "-1, namespace: " namespace ", labels: {kubernetes.io/service-name: " service                  \
                                "}}, addressType: IPv4, ports: [" ports                            \
                                "], endpoints: [" endpoints "]}\n"
#define SERVICE_ENTRY(namespace, name, spec) OBJECT("ServiceEntry", namespace, name, spec)
#define RULE(namespace, name, spec) OBJECT("DestinationRule", namespace, name, spec)
#define REVIEWS                                                                                    \
    SERVICE("app", "reviews", "{ports: [{name: http, port: 80}]}")                                 \
    SLICE("app", "reviews", "{name: http, port: 9080}",                                            \
          "{addresses: [10.0.0.1]}, {addresses: "                                                  \
          "[10.0.0.2]}")

static const struct route_destination *destination_of(const struct snapshot_case *test)
{
    const struct route *route =
        snapshot_case_match(snapshot_case_table(test, "0.0.0.0:80", NULL), "a.com", "/");

    assert_non_null(route);
    return &route->destinations[0];
}

/* HT-41 to HT-43, SV-1, SV-4, DR-13, 14.6: 503 NC, with the name that logs show. */
static void test_no_cluster(void **state)
{
    static const struct {
        const char *rule;
        const char *yaml;
        const char *name;
        enum finding_code code;
    } rows[] = {
        { "SV-4: unknown", TO("{host: nobody}"), "outbound|80||nobody.app.svc.cluster.local",
          FINDING_DESTINATION_UNKNOWN },
        { "SV-1: a dot", REVIEWS TO("{host: reviews.app}"), "outbound|80||reviews.app",
          FINDING_DESTINATION_UNKNOWN },
        { "HT-41: two ports",
          SERVICE("app", "two", "{ports: [{name: a, port: 81}, {name: b, port: 9090}]}")
              TO("{host: two}"),
          "outbound|80||two.app.svc.cluster.local", FINDING_DESTINATION_PORT_UNKNOWN },
        { "HT-41: told",
          SERVICE("app", "two",
                  "{ports: [{name: a, port: 81}, {name: b, port: "
                  "9090}]}") TO("{host: two}"),
          "outbound|80||two.app.svc.cluster.local", FINDING_DESTINATION_PORT_GUESSED },
        { "HT-43: no such port", REVIEWS TO("{host: reviews, port: {number: 81}}"),
          "outbound|81||reviews.app.svc.cluster.local", FINDING_DESTINATION_PORT_UNKNOWN },
        { "DR-13: no such subset", REVIEWS TO("{host: reviews, subset: v1}"),
          "outbound|80|v1|reviews.app.svc.cluster.local", FINDING_SUBSET_UNKNOWN },
        { "SV-4: not exported",
          SERVICE_ENTRY("app", "e",
                        "{hosts: [e.x], exportTo: ['.'], ports: [{number: 80, name: h, "
                        "protocol: HTTP}], resolution: DNS}") TO("{host: e.x}"),
          "outbound|80||e.x", FINDING_DESTINATION_UNKNOWN },
        { "DR-70: ISTIO_MUTUAL",
          REVIEWS RULE("app", "r", "{host: reviews, trafficPolicy: {tls: {mode: ISTIO_MUTUAL}}}")
              TO("{host: reviews}"),
          "outbound|80||reviews.app.svc.cluster.local", FINDING_DESTINATION_TLS_NOT_HONOURED },
        { "DR-30: PASSTHROUGH",
          REVIEWS RULE("app", "r",
                       "{host: reviews, trafficPolicy: {loadBalancer: {simple: "
                       "PASSTHROUGH}}}") TO("{host: reviews}"),
          "outbound|80||reviews.app.svc.cluster.local", FINDING_POLICY_LOAD_BALANCER },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, rows[i].yaml);
        if (destination_of(&test)->cluster != NULL ||
            !str_equals(destination_of(&test)->cluster_name, str_from_cstr(rows[i].name)) ||
            snapshot_case_finding_count(&test, rows[i].code) == 0) {
            print_error("%s: %.*s\n", rows[i].rule, STR_ARG(destination_of(&test)->cluster_name));
            fail();
        }
        assert_int_equal(test.snapshot->cluster_count, 0);
        snapshot_case_close(&test);
    }
}

/* DR-10, DR-11: a block is told of where it was written: file, object and field. */
static void test_place_of_balancer(void **state)
{
    static const struct {
        const char *policies;
        const char *field;
    } rows[] = {
        { "trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}",
          "spec.trafficPolicy.loadBalancer.simple" },
        { "subsets: [{name: v0}, {name: v1, trafficPolicy: {loadBalancer: {simple: PASSTHROUGH}}}]",
          "spec.subsets[1].trafficPolicy.loadBalancer.simple" },
        { "trafficPolicy: {tls: {mode: DISABLE}}, subsets: [{name: v1, trafficPolicy: "
          "{portLevelSettings: [{port: {number: 1}, tls: {mode: DISABLE}}, {port: {number: 8080}, "
          "loadBalancer: {simple: PASSTHROUGH}}]}}]",
          "spec.subsets[0].trafficPolicy.portLevelSettings[1].loadBalancer.simple" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        struct text yaml = { 0 };
        const struct finding *finding;

        text_printf(&yaml,
                    SERVICE("app", "reviews", "{ports: [{name: http, port: 8080}]}")
                        RULE("app", "r", "{host: reviews, %s}") TO("{host: reviews%s}"),
                    rows[i].policies, i == 0 ? "" : ", subset: v1");
        snapshot_from_yaml(&test, yaml.ptr);
        finding = snapshot_case_finding(&test, FINDING_POLICY_LOAD_BALANCER);
        assert_non_null(finding);
        assert_string_equal(finding->field.ptr, rows[i].field);
        assert_string_equal(finding->object.ptr, "DestinationRule app/r");
        assert_int_not_equal(finding->file.len, 0);
        snapshot_case_close(&test);
        text_cleanup(&yaml);
    }
}

/* SV-10, SV-20 to SV-23, HT-41 (single port), DR-31. */
static void test_kubernetes_service(void **state)
{
    struct snapshot_case test;
    const struct cluster_config *cluster;
    char text[ADDRESS_TEXT_BYTES];
    (void)state;

    snapshot_from_yaml(
        &test, SERVICE("app", "reviews",
                       "{ports: [{name: http, port: 8080}, {name: dns, port: 8080, "
                       "protocol: UDP}]}")
                   SLICE("app", "reviews", "{name: http, port: 9080}, {name: other, port: 1}",
                         "{addresses: [10.0.0.3], conditions: {ready: false, terminating: false}}, "
                         "{addresses: [10.0.0.4], conditions: {ready: false}}, "
                         "{addresses: [10.0.0.5], conditions: {ready: false, terminating: true}}, "
                         "{addresses: [10.0.0.2, 10.0.0.1]}, {addresses: [10.0.0.1]}")
                       TO("{host: reviews, port: {number: 8080}}"));
    cluster = destination_of(&test)->cluster;
    assert_non_null(cluster);
    assert_string_equal(cluster->name.ptr, "outbound|8080||reviews.app.svc.cluster.local");
    assert_string_equal(cluster->service_host.ptr, "reviews.app.svc.cluster.local");
    assert_string_equal(cluster->service_name.ptr, "reviews");
    assert_string_equal(cluster->service_namespace.ptr, "app");
    assert_int_equal(cluster->port, 8080);
    assert_int_equal(cluster->kind, CLUSTER_STATIC);
    assert_int_equal(cluster->balance, BALANCE_LEAST_REQUEST);
    assert_int_equal(cluster->connect_timeout_ms, 10000);
    assert_int_equal(cluster->endpoint_count, 3);
    assert_true(
        str_equals(address_print(&cluster->endpoints[0].address, text), STR("10.0.0.1:9080")));
    assert_true(cluster->endpoints[1].is_healthy);
    assert_false(cluster->endpoints[2].is_healthy); /* SV-22: known, never chosen */
    assert_int_equal(cluster->endpoints[0].weight, 1);
    snapshot_case_close(&test);
}

/* SV-16, 14.6: known, but nobody is there: 503 UH. */
static void test_no_endpoints(void **state)
{
    static const char *const yaml[] = {
        SERVICE("app", "reviews", "{selector: {a: b}, ports: [{name: http, port: 80}]}")
            TO("{host: reviews}"),
        SERVICE("app", "reviews", "{ports: [{name: http, port: 80}]}")
            SLICE("app", "reviews", "{name: http, port: 1}",
                  "{addresses: [10.0.0.1], conditions: {ready: false, terminating: false}}")
                TO("{host: reviews}"),
        REVIEWS RULE("app", "r", "{host: reviews, subsets: [{name: v1, labels: {version: v1}}]}")
            TO("{host: reviews, subset: v1}"), /* DR-13, SV-24: no Pod objects */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(yaml) / sizeof(yaml[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, yaml[i]);
        assert_non_null(destination_of(&test)->cluster);
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_EMPTY), 1);
        snapshot_case_close(&test);
    }
}

/* SV-30 to SV-37. */
static void test_service_entries(void **state)
{
    struct snapshot_case test;
    const struct cluster_config *cluster;
    (void)state;

    snapshot_from_yaml(&test,
                       SERVICE_ENTRY("db", "s",
                                     "{hosts: [a.x, b.x], resolution: STATIC, ports: [{number: "
                                     "80, name: http, protocol: HTTP, targetPort: 8080}], "
                                     "endpoints: [{address: 10.1.1.2, weight: 5}, {address: "
                                     "10.1.1.1, ports: {http: 7}}, {address: "
                                     "'unix:///run/x.sock'}]}") TO("{host: b.x}"));
    cluster = destination_of(&test)->cluster;
    assert_non_null(cluster);
    assert_string_equal(cluster->name.ptr, "outbound|80||b.x"); /* SV-32 */
    assert_int_equal(cluster->endpoint_count, 3);
    assert_int_equal(cluster->endpoints[0].port, 7); /* SV-37 */
    assert_int_equal(cluster->endpoints[1].port, 8080);
    assert_int_equal(cluster->endpoints[1].weight, 5); /* SV-34 */
    assert_int_equal(address_family(&cluster->endpoints[2].address), AF_UNIX);
    snapshot_case_close(&test);

    snapshot_from_yaml(&test, SERVICE_ENTRY("db", "s",
                                            "{hosts: [a.x], resolution: DNS, ports: "
                                            "[{number: 80, name: http, protocol: "
                                            "HTTP}]}") TO("{host: a.x}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->kind, CLUSTER_DNS); /* SV-35: the host itself */
    assert_string_equal(cluster->endpoints[0].host.ptr, "a.x");
    assert_int_equal(cluster->endpoints[0].port, 80);
    snapshot_case_close(&test);

    snapshot_from_yaml(&test,
                       SERVICE_ENTRY("db", "s",
                                     "{hosts: [a.x], resolution: DNS_ROUND_ROBIN, ports: "
                                     "[{number: 80, name: http, protocol: HTTP}], "
                                     "endpoints: [{address: real.name}]}") TO("{host: a.x}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->kind, CLUSTER_LOGICAL_DNS); /* SV-36 */
    assert_string_equal(cluster->endpoints[0].host.ptr, "real.name");
    snapshot_case_close(&test);

    snapshot_from_yaml(&test, SERVICE_ENTRY("db", "s",
                                            "{hosts: [a.x], resolution: NONE, ports: "
                                            "[{number: 80, name: http, protocol: "
                                            "HTTP}]}") TO("{host: a.x}"));
    assert_int_equal(destination_of(&test)->cluster->endpoint_count, 0); /* SV-33: 503 UH */
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_SERVICE_ENTRY_NONE), 1);
    snapshot_case_close(&test);
}

/* SV-38: workloads of the same namespace, by labels. */
static void test_workload_selector(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        SERVICE_ENTRY("db", "s",
                      "{hosts: [a.x], resolution: STATIC, ports: [{number: 80, name: "
                      "http, protocol: HTTP}], workloadSelector: {labels: {app: q, "
                      "tier: b}}}") OBJECT("WorkloadEntry", "db", "w1",
                                           "{address: 10.2.0.1, labels: {app: q, tier: b}, ports: "
                                           "{http: 81}}")
            OBJECT("WorkloadEntry", "db", "w2", "{address: 10.2.0.2, labels: {app: q}}") OBJECT(
                "WorkloadEntry", "app", "w3",
                "{address: 10.2.0.3, labels: {app: q, tier: b}}") "---\n{apiVersion: v1, kind: "
                                                                  "Pod, metadata: {name: p, "
                                                                  "namespace: db, labels: {app: q, "
                                                                  "tier: b}}, status: {podIP: "
                                                                  "10.2.0.4}}\n" TO("{host: a.x}"));
    assert_int_equal(destination_of(&test)->cluster->endpoint_count, 2);
    assert_int_equal(destination_of(&test)->cluster->endpoints[0].port, 81);
    assert_int_equal(destination_of(&test)->cluster->endpoints[1].port, 80);
    snapshot_case_close(&test);
}

/* SV-13, HT-44 */
static void test_external_name(void **state)
{
    struct snapshot_case test;
    const struct cluster_config *cluster;
    (void)state;

    snapshot_from_yaml(&test, SERVICE("app", "ext", "{type: ExternalName, externalName: real.x}")
                                  SERVICE_ENTRY("db", "s",
                                                "{hosts: [real.x], resolution: STATIC, "
                                                "ports: [{number: 81, name: http, "
                                                "protocol: HTTP}], endpoints: "
                                                "[{address: 10.1.1.1}]}") TO("{host: ext}"));
    assert_string_equal(destination_of(&test)->cluster->name.ptr, "outbound|81||real.x");
    snapshot_case_close(&test);

    snapshot_from_yaml(&test, SERVICE("app", "ext",
                                      "{type: ExternalName, externalName: real.x, "
                                      "ports: [{name: http, port: 8080}]}") TO("{host: ext}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->kind, CLUSTER_DNS);
    assert_string_equal(cluster->endpoints[0].host.ptr, "real.x");
    assert_int_equal(cluster->endpoints[0].port, 8080);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_EXTERNAL_NAME_RESOLVED), 1);
    snapshot_case_close(&test);
}

/* SV-3: one of the VirtualService's namespace first. SV-11. */
static void test_same_host_twice(void **state)
{
#define ENTRY(namespace, address)                                                                  \
    SERVICE_ENTRY(namespace, "s",                                                                  \
                  "{hosts: [a.x], resolution: STATIC, ports: [{number: 80, name: http, protocol: " \
                  "HTTP}], endpoints: [{address: " address "}]}")
    struct snapshot_case test;
    char text[ADDRESS_TEXT_BYTES];
    (void)state;

    snapshot_from_yaml(&test, ENTRY("a", "10.0.0.1") ENTRY("app", "10.0.0.2") TO("{host: a.x}"));
    assert_true(
        str_equals(address_print(&destination_of(&test)->cluster->endpoints[0].address, text),
                   STR("10.0.0.2:80")));
    snapshot_case_close(&test);
    snapshot_from_yaml(
        &test,
        "---\n{apiVersion: v1, kind: Service, metadata: {name: r, namespace: app, annotations: "
        "{networking.istio.io/exportTo: app}}, spec: {ports: [{port: 80}]}}\n" TO("{host: r}"));
    assert_null(destination_of(&test)->cluster); /* SV-11 */
    snapshot_case_close(&test);
}

/* DR-2 to DR-5: which rule speaks. Told apart by the balancer. */
static void test_which_rule(void **state)
{
#define BY(namespace, name, host, balancer, more)                                                  \
    RULE(namespace, name,                                                                          \
         "{host: " host ", trafficPolicy: {loadBalancer: {simple: " balancer "}}" more "}")
    static const struct {
        const char *rule;
        const char *rules;
        enum cluster_balance balance;
    } rows[] = {
        { "DR-31", "", BALANCE_LEAST_REQUEST },
        { "DR-1: short name of its own namespace", BY("app", "r", "reviews", "ROUND_ROBIN", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-1: another namespace", BY("istio-system", "r", "reviews", "ROUND_ROBIN", ""),
          BALANCE_LEAST_REQUEST },
        { "DR-4", BY("web", "r", "reviews.app.svc.cluster.local", "ROUND_ROBIN", ""),
          BALANCE_LEAST_REQUEST },
        { "DR-2: root", BY("istio-system", "r", "'*.local'", "ROUND_ROBIN", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-2: service before root",
          BY("istio-system", "r", "reviews.app.svc.cluster.local", "ROUND_ROBIN", "")
              BY("app", "r", "'*.local'", "RANDOM", ""),
          BALANCE_RANDOM },
        { "DR-2: private to the gateway first",
          BY("istio-system", "r", "'*.local'", "ROUND_ROBIN", ", exportTo: ['.']")
              BY("app", "r", "reviews", "RANDOM", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-3: exact before wildcard",
          BY("app", "a", "'*.local'", "RANDOM", "") BY("app", "b", "reviews", "ROUND_ROBIN", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-3: the longest wildcard",
          BY("app", "a", "'*.local'", "RANDOM", "")
              BY("app", "b", "'*.app.svc.cluster.local'", "ROUND_ROBIN", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-5: not exported", BY("app", "r", "reviews", "ROUND_ROBIN", ", exportTo: ['.']"),
          BALANCE_LEAST_REQUEST },
        { "DR-5: selector elsewhere",
          BY("app", "r", "reviews", "ROUND_ROBIN",
             ", workloadSelector: {matchLabels: {istio: ingressgateway}}"),
          BALANCE_LEAST_REQUEST },
        { "DR-6: the first policy",
          RULE("app", "a", "{host: reviews, subsets: [{name: v1}]}")
              BY("app", "b", "reviews", "ROUND_ROBIN", "") BY("app", "c", "reviews", "RANDOM", ""),
          BALANCE_ROUND_ROBIN },
        { "DR-10: a port's entry",
          RULE("app", "a",
               "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
               "portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: "
               "ROUND_ROBIN}}]}}"),
          BALANCE_ROUND_ROBIN },
        { "DR-10: wholesale",
          RULE("app", "a",
               "{host: reviews, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
               "portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: "
               "{connectTimeout: 1s}}}]}}"),
          BALANCE_LEAST_REQUEST },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[4096];

        (void)snprintf(yaml, sizeof(yaml), "%s" REVIEWS TO("{host: reviews}"), rows[i].rules);
        snapshot_from_yaml(&test, yaml);
        assert_non_null(destination_of(&test)->cluster);
        if (destination_of(&test)->cluster->balance != rows[i].balance) {
            print_error("%s\n", rows[i].rule);
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* DR-11, DR-12, DR-14; connectTimeout of 7.5. */
static void test_subset(void **state)
{
    struct snapshot_case test;
    const struct cluster_config *cluster;
    (void)state;

    snapshot_from_yaml(
        &test, SERVICE_ENTRY("db", "s",
                             "{hosts: [a.x], resolution: STATIC, ports: [{number: 80, name: "
                             "http, protocol: HTTP}], endpoints: [{address: 10.0.0.1, labels: "
                             "{v: '1', z: q}}, {address: 10.0.0.2, labels: {v: '2'}}]}")
                   RULE("db", "r",
                        "{host: a.x, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
                        "connectionPool: {tcp: {connectTimeout: 2s}}}, subsets: [{name: one, "
                        "labels: {v: '1'}, trafficPolicy: {loadBalancer: {simple: "
                        "ROUND_ROBIN}}}]}") TO("{host: a.x, subset: one}"));
    cluster = destination_of(&test)->cluster;
    assert_string_equal(cluster->name.ptr, "outbound|80|one|a.x");
    assert_int_equal(cluster->endpoint_count, 1);
    assert_int_equal(cluster->balance, BALANCE_ROUND_ROBIN);
    assert_int_equal(cluster->connect_timeout_ms, 2000);
    snapshot_case_close(&test);
}

/* SV-24: labels of the Pod, where there is one. */
static void test_subset_by_pod(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, SERVICE("app", "reviews", "{ports: [{name: http, port: 80}]}")
                                  SLICE("app", "reviews", "{name: http, port: 9080}",
                                        "{addresses: [10.0.0.1], targetRef: {kind: Pod, name: "
                                        "p1}}, {addresses: "
                                        "[10.0.0.2], targetRef: {kind: Pod, name: p2, namespace: "
                                        "app}}") "---\n{apiVersion: v1, kind: Pod, metadata: "
                                                 "{name: p2, namespace: app, labels: {version: "
                                                 "v1}}}\n" RULE("app", "r",
                                                                "{host: reviews, subsets: [{name: "
                                                                "v1, labels: {version: v1}}]}")
                                                     TO("{host: reviews, subset: v1}"));
    assert_int_equal(destination_of(&test)->cluster->endpoint_count, 1);
    snapshot_case_close(&test);
}

/* Equal input, equal fingerprint; a new address, another one. */
static void test_fingerprint(void **state)
{
    static const char *const endpoints[] = {
        "{address: 10.0.0.1}, {address: 10.0.0.2}",
        "{address: 10.0.0.2}, {address: 10.0.0.1}",
        "{address: 10.0.0.1}, {address: 10.0.0.3}",
        "{address: 10.0.0.1}, {address: 10.0.0.2, weight: 2}",
    };
    uint64_t fingerprints[4];
    (void)state;

    for (size_t i = 0; i < 4; i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml),
                       SERVICE_ENTRY("db", "s",
                                     "{hosts: [a.x], resolution: STATIC, ports: "
                                     "[{number: 80, name: http, protocol: HTTP}], "
                                     "endpoints: [%s]}") TO("{host: a.x}"),
                       endpoints[i]);
        snapshot_from_yaml(&test, yaml);
        fingerprints[i] = destination_of(&test)->cluster->fingerprint;
        snapshot_case_close(&test);
    }
    assert_true(fingerprints[0] == fingerprints[1]);
    assert_true(fingerprints[0] != fingerprints[2]);
    assert_true(fingerprints[0] != fingerprints[3]);
}

/* DR-50, SV-15 */
static void test_protocols(void **state)
{
    static const struct {
        const char *port;
        const char *policy; /* connectionPool.http */
        enum cluster_protocol protocol;
    } rows[] = {
        { "{port: 80}", "", CLUSTER_HTTP1 },
        { "{name: http, port: 80}", "", CLUSTER_HTTP1 },
        { "{name: http-grpc, port: 80}", "", CLUSTER_HTTP1 },
        { "{name: tcp, port: 80}", "", CLUSTER_HTTP1 },
        { "{name: grpc, port: 80, appProtocol: http}", "", CLUSTER_HTTP1 },
        { "{name: grpc, port: 80, appProtocol: kubernetes.io/ws}", "", CLUSTER_HTTP1 },
        { "{name: http2, port: 80}", "", CLUSTER_HTTP2 },
        { "{name: GRPC-api, port: 80}", "", CLUSTER_HTTP2 },
        { "{name: grpc-web, port: 80}", "", CLUSTER_HTTP2 },
        { "{name: http, port: 80, appProtocol: kubernetes.io/h2c}", "", CLUSTER_HTTP2 },
        { "{port: 80, appProtocol: grpc}", "", CLUSTER_HTTP2 },
        { "{name: http, port: 80}", "h2UpgradePolicy: UPGRADE", CLUSTER_HTTP2 },
        { "{name: http, port: 80}", "h2UpgradePolicy: DO_NOT_UPGRADE", CLUSTER_HTTP1 },
        { "{name: grpc, port: 80}", "h2UpgradePolicy: DO_NOT_UPGRADE", CLUSTER_HTTP2 },
        { "{name: http, port: 80}", "useClientProtocol: true", CLUSTER_CLIENT_PROTOCOL },
        { "{name: grpc, port: 80}", "useClientProtocol: true", CLUSTER_CLIENT_PROTOCOL },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml),
                       SERVICE("app", "g", "{ports: [%s]}")
                           RULE("app", "r",
                                "{host: g, trafficPolicy: {connectionPool: {http: "
                                "{maxRetries: 3, %s}}}}") TO("{host: g}"),
                       rows[i].port, rows[i].policy);
        snapshot_from_yaml(&test, yaml);
        if (destination_of(&test)->cluster->protocol != rows[i].protocol) {
            print_error("%s %s: %d\n", rows[i].port, rows[i].policy,
                        (int)destination_of(&test)->cluster->protocol);
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* DR-60, P: said once, but served. */
static void test_tls_port(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, SERVICE("app", "g", "{ports: [{name: https, port: 443}]}") TO("{host: g}")
                   VIRTUAL_SERVICE("app", "other",
                                   "{hosts: [b.com], gateways: [istio-system/gw], http: [{route: "
                                   "[{destination: {host: g}}]}]}"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_TLS_PORT), 1);
    assert_non_null(destination_of(&test)->cluster);
    snapshot_case_close(&test);
}

/* DR-51, P */
static void test_grpc_port(void **state)
{
#define GRPC_GATEWAY                                                                               \
    GATEWAY("gw", "{port: {number: 80, name: g, protocol: GRPC}, hosts: ['*']}")                   \
    VIRTUAL_SERVICE("app", "vs",                                                                   \
                    "{hosts: [a.com], gateways: [istio-system/gw], http: [{route: "                \
                    "[{destination: {host: g}}]}]}")
    static const struct {
        const char *yaml;
        size_t count;
    } rows[] = {
        { SERVICE("app", "g", "{ports: [{name: api-gRPC, port: 80}]}") TO("{host: g}"), 1 },
        { SERVICE("app", "g", "{ports: [{name: http, port: 80}]}") GRPC_GATEWAY, 1 },
        { SERVICE("app", "g", "{ports: [{name: grpc, port: 80}]}") GRPC_GATEWAY, 0 },
        { SERVICE("app", "g", "{ports: [{name: http, port: 80}]}") TO("{host: g}"), 0 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, rows[i].yaml);
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_GRPC_PORT),
                         rows[i].count);
        snapshot_case_close(&test);
    }
}

/* 7.5, TT-26, DR-80, DR-10, DR-11 */
static void test_policy_fields(void **state)
{
    struct snapshot_case test;
    const struct cluster_config *cluster;
    (void)state;

    snapshot_from_yaml(&test, REVIEWS TO("{host: reviews}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->tcp_idle_timeout_ms, CLUSTER_IDLE_UNSET);
    assert_int_equal(cluster->idle_timeout_ms, 0);
    assert_int_equal(cluster->proxy_protocol, PROXY_PROTOCOL_NONE);
    snapshot_case_close(&test);

    snapshot_from_yaml(
        &test,
        REVIEWS RULE("app", "r",
                     "{host: reviews, trafficPolicy: {proxyProtocol: {version: V2}, "
                     "connectionPool: {tcp: {idleTimeout: 7s, maxConnectionDuration: 9s}, http: "
                     "{idleTimeout: 5s, maxRequestsPerConnection: 6, maxConcurrentStreams: 8, "
                     "http2KeepAlive: {interval: 3s, timeout: 2s}}}}}") TO("{host: reviews}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->tcp_idle_timeout_ms, 7000);
    assert_int_equal(cluster->idle_timeout_ms, 5000);
    assert_int_equal(cluster->max_connection_duration_ms, 9000);
    assert_int_equal(cluster->max_requests_per_connection, 6);
    assert_int_equal(cluster->max_concurrent_streams, 8);
    assert_int_equal(cluster->ping_interval_ms, 3000);
    assert_int_equal(cluster->ping_timeout_ms, 2000);
    assert_int_equal(cluster->proxy_protocol, PROXY_PROTOCOL_V2);
    snapshot_case_close(&test);

    /* DR-40: 0 is the default. */
    snapshot_from_yaml(&test,
                       REVIEWS RULE("app", "r",
                                    "{host: reviews, trafficPolicy: {connectionPool: {http: "
                                    "{maxRequestsPerConnection: 0, maxConcurrentStreams: 0}}}}")
                           TO("{host: reviews}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->max_requests_per_connection, 0);
    assert_int_equal(cluster->max_concurrent_streams, 0);
    snapshot_case_close(&test);

    /* The port's block has no say about the PROXY header; a subset's has. 0s: no timeout at all. */
    snapshot_from_yaml(
        &test,
        REVIEWS RULE("app", "r",
                     "{host: reviews, trafficPolicy: {proxyProtocol: {version: V2}, "
                     "portLevelSettings: [{port: {number: 80}, connectionPool: {tcp: "
                     "{idleTimeout: 0s}}}]}, subsets: [{name: a, trafficPolicy: {proxyProtocol: "
                     "{version: V1}}}]}") TO("{host: reviews, subset: a}"));
    cluster = destination_of(&test)->cluster;
    assert_int_equal(cluster->tcp_idle_timeout_ms, 0);
    assert_int_equal(cluster->idle_timeout_ms, 0);
    assert_int_equal(cluster->proxy_protocol, PROXY_PROTOCOL_V1);
    snapshot_case_close(&test);
}

/* A cluster whose settings change is another one; each setting counts. */
static void test_fingerprint_of_policy(void **state)
{
    static const char *const policies[] = {
        "{host: reviews, trafficPolicy: {connectionPool: {http: {maxRetries: 3}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {h2UpgradePolicy: UPGRADE}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {useClientProtocol: true}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {idleTimeout: 5s}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {maxRequestsPerConnection: 5}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {maxConcurrentStreams: 5}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 5s, "
        "timeout: 1s}}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {http: {http2KeepAlive: {interval: 5s, "
        "timeout: 2s}}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {tcp: {idleTimeout: 0s}}}}",
        "{host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnectionDuration: 5s}}}}",
        "{host: reviews, trafficPolicy: {proxyProtocol: {version: V1}}}",
        "{host: reviews, trafficPolicy: {proxyProtocol: {version: V2}}}",
    };
    enum { COUNT = sizeof(policies) / sizeof(policies[0]) };
    uint64_t fingerprints[COUNT];
    (void)state;

    for (size_t i = 0; i < COUNT; i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml), REVIEWS RULE("app", "r", "%s") TO("{host: reviews}"),
                       policies[i]);
        snapshot_from_yaml(&test, yaml);
        fingerprints[i] = destination_of(&test)->cluster->fingerprint;
        snapshot_case_close(&test);
        for (size_t k = 0; k < i; k++) {
            assert_true(fingerprints[k] != fingerprints[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_cluster),
        cmocka_unit_test(test_place_of_balancer),
        cmocka_unit_test(test_kubernetes_service),
        cmocka_unit_test(test_no_endpoints),
        cmocka_unit_test(test_service_entries),
        cmocka_unit_test(test_workload_selector),
        cmocka_unit_test(test_external_name),
        cmocka_unit_test(test_same_host_twice),
        cmocka_unit_test(test_which_rule),
        cmocka_unit_test(test_subset),
        cmocka_unit_test(test_subset_by_pod),
        cmocka_unit_test(test_fingerprint),
        cmocka_unit_test(test_protocols),
        cmocka_unit_test(test_tls_port),
        cmocka_unit_test(test_grpc_port),
        cmocka_unit_test(test_policy_fields),
        cmocka_unit_test(test_fingerprint_of_policy),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
