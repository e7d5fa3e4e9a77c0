/* check_traffic_policy: the blocks of a policy (spec DR-20 to DR-25). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define POLICY(policy) "{host: a, trafficPolicy: {" policy "}}"
#define AT "spec.trafficPolicy"
#define LB(settings) POLICY("loadBalancer: {" settings "}")
#define TLS(settings) POLICY("tls: {" settings "}")
#define TCP(settings) POLICY("connectionPool: {tcp: {" settings "}}")
#define HTTP(settings) POLICY("connectionPool: {http: {" settings "}}")
#define OUTLIER(settings) POLICY("outlierDetection: {" settings "}")

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "DR-20", POLICY(""), FINDING_POLICY_EMPTY, AT, "at least one field" },
        { "DR-20", POLICY("portLevelSettings: [{tls: {mode: SIMPLE}}]"), FINDING_POLICY_PORT,
          AT ".portLevelSettings[0].port", NULL },
        { "DR-20", POLICY("portLevelSettings: [{port: {number: 0}, tls: {}}]"), FINDING_POLICY_PORT,
          AT ".portLevelSettings[0].port.number", NULL },
        { "DR-20", POLICY("portLevelSettings: [{port: {number: 80}}]"), FINDING_POLICY_EMPTY,
          AT ".portLevelSettings[0]", NULL },
        { "DR-20", POLICY("portLevelSettings: [null]"), FINDING_FIELD_NULL, NULL, NULL },
        { "DR-20 DR-10",
          POLICY("portLevelSettings: [{port: {number: 80}, loadBalancer: {simple: "
                 "RANDOM}}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-21", POLICY("connectionPool: {}"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool", NULL },
        { "DR-21", TCP("maxConnections: -1"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool.tcp.maxConnections", NULL },
        { "DR-21", TCP("connectTimeout: 0s"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool.tcp.connectTimeout", NULL },
        { "DR-21", TCP("maxConnectionDuration: 0s"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", TCP("idleTimeout: 1us"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", TCP("tcpKeepalive: {time: 0s}"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", TCP("tcpKeepalive: {interval: 1us}"), FINDING_POLICY_CONNECTION_POOL, NULL,
          NULL },
        { "DR-21",
          TCP("idleTimeout: 0s, connectTimeout: 1s, maxConnections: 0, tcpKeepalive: "
              "{probes: 3, time: 7200s, interval: 75s}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-21", HTTP("idleTimeout: 0s"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool.http.idleTimeout", NULL },
        { "DR-21", HTTP("http1MaxPendingRequests: -1"), FINDING_POLICY_CONNECTION_POOL, NULL,
          NULL },
        { "DR-21", HTTP("http2MaxRequests: -1"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", HTTP("maxRequestsPerConnection: -1"), FINDING_POLICY_CONNECTION_POOL, NULL,
          NULL },
        { "DR-21", HTTP("maxRetries: -1"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", HTTP("maxConcurrentStreams: -1"), FINDING_POLICY_CONNECTION_POOL, NULL, NULL },
        { "DR-21", HTTP("h2UpgradePolicy: UPGRADE, useClientProtocol: true"),
          FINDING_POLICY_CONNECTION_POOL, AT ".connectionPool.http.useClientProtocol", NULL },
        { "DR-21", HTTP("http2KeepAlive: {interval: 1s}"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool.http.http2KeepAlive.timeout", "timeout is required" },
        { "DR-21", HTTP("http2KeepAlive: {timeout: 1s}"), FINDING_POLICY_CONNECTION_POOL,
          AT ".connectionPool.http.http2KeepAlive.interval", "interval is required" },
        { "DR-21", HTTP("http2KeepAlive: {interval: 1s, timeout: 1s}, h2UpgradePolicy: UPGRADE"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-22", OUTLIER("maxEjectionPercent: 101"), FINDING_POLICY_OUTLIER,
          AT ".outlierDetection.maxEjectionPercent", NULL },
        { "DR-22", OUTLIER("minHealthPercent: -1"), FINDING_POLICY_OUTLIER, NULL, NULL },
        { "DR-22", OUTLIER("interval: 0s"), FINDING_POLICY_OUTLIER, AT ".outlierDetection.interval",
          NULL },
        { "DR-22", OUTLIER("baseEjectionTime: 1us"), FINDING_POLICY_OUTLIER, NULL, NULL },
        { "DR-22", OUTLIER("consecutiveLocalOriginFailures: 1"), FINDING_POLICY_OUTLIER, NULL,
          "split external local origin errors" },
        { "DR-22", OUTLIER("consecutiveErrors: 5"), FINDING_FIELD_DEPRECATED,
          AT ".outlierDetection.consecutiveErrors", NULL },
        { "DR-22 DR-91",
          OUTLIER("splitExternalLocalOriginErrors: true, "
                  "consecutiveLocalOriginFailures: 2, consecutive5xxErrors: 0, "
                  "consecutiveGatewayErrors: 3, interval: 1s, maxEjectionPercent: "
                  "100, outlierDetectionHttpErrorCodes: [500]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-23", LB("consistentHash: {httpCookie: {}}"), FINDING_POLICY_LOAD_BALANCER,
          AT ".loadBalancer.consistentHash.httpCookie.name", NULL },
        { "DR-23", LB("consistentHash: {httpCookie: {name: c, attributes: [{value: x}]}}"),
          FINDING_POLICY_LOAD_BALANCER, NULL, "needs a name" },
        { "DR-23",
          LB("consistentHash: {httpCookie: {name: c, attributes: [{name: x}, {name: "
             "x}]}}"),
          FINDING_POLICY_LOAD_BALANCER, NULL, "duplicate attribute" },
        { "DR-23", LB("consistentHash: {httpHeaderName: 'a b'}"), FINDING_POLICY_LOAD_BALANCER,
          NULL, NULL },
        { "DR-23", LB("consistentHash: {useSourceIp: true, minimumRingSize: 4, ringHash: {}}"),
          FINDING_POLICY_LOAD_BALANCER, NULL, "only one of minimumRingSize" },
        { "DR-23", LB("consistentHash: {useSourceIp: true, minimumRingSize: 4}"),
          FINDING_FIELD_DEPRECATED, NULL, NULL },
        { "DR-23", LB("consistentHash: {useSourceIp: true, maglev: {}}"),
          FINDING_POLICY_LOAD_BALANCER, NULL, "tableSize must be set" },
        { "DR-23", LB("consistentHash: {useSourceIp: true, maglev: {tableSize: 1000}}"),
          FINDING_POLICY_LOAD_BALANCER, AT ".loadBalancer.consistentHash.maglev.tableSize",
          "must be a prime" },
        { "DR-23", LB("consistentHash: {useSourceIp: true, maglev: {tableSize: 5000011}}"),
          FINDING_POLICY_LOAD_BALANCER, NULL, "less than 5000011" },
        { "DR-23",
          LB("consistentHash: {httpCookie: {name: c, ttl: 0s, attributes: [{name: "
             "SameSite, value: Lax}]}, maglev: {tableSize: 65537}}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-23", LB("localityLbSetting: {}, zoneAwareLbSetting: {enabled: true}"),
          FINDING_POLICY_LOCALITY, AT ".loadBalancer.zoneAwareLbSetting", NULL },
        { "DR-23", LB("localityLbSetting: {distribute: [{from: a, to: {b: 60}}]}"),
          FINDING_POLICY_LOCALITY, NULL, "total locality weight 60 != 100" },
        { "DR-23", LB("localityLbSetting: {distribute: [{from: a, to: {b: 100, c: 0}}]}"),
          FINDING_POLICY_LOCALITY, NULL, "range [1, 100]" },
        { "DR-23", LB("localityLbSetting: {distribute: [{to: {b: 100}}]}"), FINDING_POLICY_LOCALITY,
          NULL, "from is required" },
        { "DR-23", LB("localityLbSetting: {failover: [{from: a, to: a}]}"), FINDING_POLICY_LOCALITY,
          NULL, "different regions" },
        { "DR-23",
          LB("localityLbSetting: {distribute: [{from: a, to: {b: 100}}], failover: "
             "[{from: a, to: b}]}"),
          FINDING_POLICY_LOCALITY, NULL, "can not simultaneously" },
        { "DR-23", LB("localityLbSetting: {failover: [{from: a, to: b}]}"), FINDING_POLICY_FAILOVER,
          NULL, NULL },
        { "DR-23",
          POLICY("outlierDetection: {}, loadBalancer: {localityLbSetting: {failover: "
                 "[{from: a, to: b}], enabled: true}}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-23", LB("warmup: {}"), FINDING_POLICY_LOAD_BALANCER,
          AT ".loadBalancer.warmup.duration", NULL },
        { "DR-23", LB("warmup: {duration: 1s, minimumPercent: 101}"), FINDING_POLICY_LOAD_BALANCER,
          NULL, NULL },
        { "DR-23", LB("warmup: {duration: 1s, aggression: 0}"), FINDING_POLICY_LOAD_BALANCER, NULL,
          NULL },
        { "DR-23", LB("warmupDurationSecs: 0s"), FINDING_POLICY_LOAD_BALANCER, NULL, NULL },
        { "DR-23 DR-35",
          LB("simple: LEAST_CONN, warmup: {duration: 60s, minimumPercent: 10, "
             "aggression: 1.5}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-24", TLS("mode: MUTUAL"), FINDING_POLICY_TLS, AT ".tls.clientCertificate", NULL },
        { "DR-24", TLS("mode: MUTUAL, clientCertificate: /c"), FINDING_POLICY_TLS,
          AT ".tls.privateKey", NULL },
        { "DR-24", TLS("mode: MUTUAL, credentialName: c, clientCertificate: /c"),
          FINDING_POLICY_TLS, AT ".tls.credentialName", NULL },
        { "DR-24", TLS("mode: SIMPLE, credentialName: c, caCertificates: /c"), FINDING_POLICY_TLS,
          NULL, NULL },
        { "DR-24", TLS("mode: SIMPLE, credentialName: c, caCrl: /c"), FINDING_POLICY_TLS, NULL,
          NULL },
        { "DR-24", TLS("mode: SIMPLE, insecureSkipVerify: true, caCertificates: /c"),
          FINDING_POLICY_TLS, AT ".tls.caCertificates", NULL },
        { "DR-24", TLS("mode: SIMPLE, insecureSkipVerify: true, subjectAltNames: [a]"),
          FINDING_POLICY_TLS, AT ".tls.subjectAltNames", NULL },
        { "DR-24", TLS("mode: SIMPLE, insecureSkipVerify: true, credentialName: a"),
          FINDING_POLICY_TLS, AT ".tls.credentialName", NULL },
        { "DR-24", TLS("mode: SIMPLE, credentialName: 'configmap://other/ca'"), FINDING_POLICY_TLS,
          NULL, "must be in the namespace" },
        { "DR-24", TLS("mode: SIMPLE, credentialName: 'configmap://ns/ca', sni: a.com"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-24", TLS("mode: MUTUAL, clientCertificate: /c, privateKey: /k"), CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "DR-25", POLICY("tunnel: {targetHost: a.com, targetPort: 1}, proxyProtocol: {}"),
          FINDING_POLICY_TUNNEL, AT ".proxyProtocol", NULL },
        { "DR-25", POLICY("tunnel: {protocol: GET, targetHost: a.com, targetPort: 1}"),
          FINDING_POLICY_TUNNEL, AT ".tunnel.protocol", NULL },
        { "DR-25", POLICY("tunnel: {targetHost: '*.com', targetPort: 1}"), FINDING_POLICY_TUNNEL,
          AT ".tunnel.targetHost", NULL },
        { "DR-25", POLICY("tunnel: {targetHost: a.com}"), FINDING_POLICY_TUNNEL,
          AT ".tunnel.targetPort", NULL },
        { "DR-25", POLICY("tunnel: {protocol: POST, targetHost: 10.0.0.1, targetPort: 443}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-25", POLICY("proxyProtocol: {version: V2}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-25", POLICY("proxyProtocol: {version: V3}"), FINDING_FIELD_ENUM, NULL, NULL },
        { "DR-20", POLICY("retryBudget: {percent: 120}"), FINDING_POLICY_CONNECTION_POOL,
          AT ".retryBudget.percent", NULL },
        { "DR-20", POLICY("retryBudget: {percent: 20.0, minRetryConcurrency: 3}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("DestinationRule", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
