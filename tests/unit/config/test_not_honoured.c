/* test_not_honoured: each field without effect is named by its path. */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static bool is_named(const struct snapshot_case *test, const char *field)
{
    for (size_t i = 0; i < test->report.findings.count; i++) {
        const struct finding *finding = &test->report.findings.items[i];

        if (finding->code == FINDING_FIELD_NOT_HONOURED &&
            str_equals(finding->field, str_from_cstr(field)) && finding->place.line != 0) {
            return true;
        }
    }
    return false;
}

static void test_virtual_service(void **state)
{
    static const struct {
        const char *spec;
        const char *field;
    } rows[] = {
        { "retries: {attempts: 2}", "spec.http[1].retries" },
        { "fault: {abort: {httpStatus: 500, percentage: {value: 1}}}", "spec.http[1].fault.abort" },
        { "fault: {delay: {fixedDelay: 5s, percentage: {value: 1}}}", "spec.http[1].fault.delay" },
        { "mirror: {host: m.x}", "spec.http[1].mirror" },
        { "mirrors: [{destination: {host: m.x}}]", "spec.http[1].mirrors" },
        { "corsPolicy: {allowOrigins: [{exact: 'https://a.b'}]}", "spec.http[1].corsPolicy" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[1024];

        (void)snprintf(
            yaml, sizeof(yaml),
            VIRTUAL_SERVICE("a", "v",
                            "{hosts: [a.b], http: [{match: [{uri: {prefix: /x}}], route: "
                            "[{destination: {host: x.y}}]}, {%s, route: [{destination: "
                            "{host: x.y}}]}]}"),
            rows[i].spec);
        snapshot_from_yaml(&test, yaml);
        if (!is_named(&test, rows[i].field)) {
            print_error("%s\n", rows[i].field);
            fail();
        }
        snapshot_case_close(&test);
    }
}

static void test_destination_rule(void **state)
{
    static const struct {
        const char *policy;
        const char *field;
    } rows[] = {
        { "loadBalancer: {consistentHash: {useSourceIp: true}}", "loadBalancer.consistentHash" },
        { "loadBalancer: {simple: RANDOM, localityLbSetting: {enabled: true}}",
          "loadBalancer.localityLbSetting" },
        { "loadBalancer: {simple: RANDOM, warmup: {duration: 5s}}", "loadBalancer.warmup" },
        { "connectionPool: {tcp: {maxConnections: 5}}", "connectionPool.tcp.maxConnections" },
        { "connectionPool: {tcp: {tcpKeepalive: {probes: 5}}}", "connectionPool.tcp.tcpKeepalive" },
        { "connectionPool: {http: {http1MaxPendingRequests: 5}}",
          "connectionPool.http.http1MaxPendingRequests" },
        { "connectionPool: {http: {http2MaxRequests: 5}}", "connectionPool.http.http2MaxRequests" },
        { "connectionPool: {http: {maxRetries: 5}}", "connectionPool.http.maxRetries" },
        { "tunnel: {protocol: CONNECT, targetHost: t.x, targetPort: 80}", "tunnel" },
        { "outlierDetection: {consecutive5xxErrors: 5}", "outlierDetection" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[1024];
        char field[200];

        (void)snprintf(yaml, sizeof(yaml),
                       OBJECT("DestinationRule", "app", "r",
                              "{host: x, trafficPolicy: {%s}, subsets: [{name: a, trafficPolicy: "
                              "{%s}}]}"),
                       rows[i].policy, rows[i].policy);
        snapshot_from_yaml(&test, yaml);
        (void)snprintf(field, sizeof(field), "spec.trafficPolicy.%s", rows[i].field);
        if (!is_named(&test, field)) {
            print_error("%s\n", field);
            fail();
        }
        (void)snprintf(field, sizeof(field), "spec.subsets[0].trafficPolicy.%s", rows[i].field);
        assert_true(is_named(&test, field));
        snapshot_case_close(&test);
    }
}

static void test_port_level(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test,
                       OBJECT("DestinationRule", "app", "r",
                              "{host: x, trafficPolicy: {portLevelSettings: [{port: {number: "
                              "80}, outlierDetection: {consecutive5xxErrors: 5}}]}}"));
    assert_true(is_named(&test, "spec.trafficPolicy.portLevelSettings[0].outlierDetection"));
    snapshot_case_close(&test);
}

/* What is honoured is not named. */
static void test_honoured(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test, OBJECT("DestinationRule", "app", "r",
                      "{host: x, trafficPolicy: {loadBalancer: {simple: RANDOM}, "
                      "proxyProtocol: {version: V1}, connectionPool: {tcp: "
                      "{connectTimeout: 1s, idleTimeout: 5s, maxConnectionDuration: "
                      "5s}, http: {idleTimeout: 5s, maxRequestsPerConnection: 5, "
                      "maxConcurrentStreams: 5, h2UpgradePolicy: UPGRADE, "
                      "http2KeepAlive: {interval: 5s, timeout: 1s}}}}}")
                   VIRTUAL_SERVICE("a", "v",
                                   "{hosts: [a.b], tls: [{match: [{sniHosts: [a.b]}], route: "
                                   "[{destination: {host: x.y}}]}], tcp: [{route: "
                                   "[{destination: {host: x.y}}]}]}"));
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_FIELD_NOT_HONOURED), 0);
    snapshot_case_close(&test);
}

/* SV-14 */
static void test_service(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(&test, "{apiVersion: v1, kind: Service, metadata: {name: r}, spec: {ports: "
                              "[{port: 80}], internalTrafficPolicy: Local}}");
    assert_true(is_named(&test, "spec.internalTrafficPolicy"));
    snapshot_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_virtual_service), cmocka_unit_test(test_destination_rule),
        cmocka_unit_test(test_port_level),      cmocka_unit_test(test_honoured),
        cmocka_unit_test(test_service),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
