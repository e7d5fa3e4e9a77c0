/* read_destination_rule: every field of a DestinationRule arrives typed (spec section 7). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char everything[] =
    "apiVersion: networking.istio.io/v1\n"
    "kind: DestinationRule\n"
    "metadata: {name: d}\n"
    "spec:\n"
    "  host: Reviews.prod.svc.cluster.local\n"
    "  exportTo: ['.']\n"
    "  workloadSelector: {matchLabels: {istio: ingressgateway}}\n"
    "  trafficPolicy:\n"
    "    loadBalancer:\n"
    "      simple: LEAST_REQUEST\n"
    "      localityLbSetting:\n"
    "        distribute: [{from: a/*, to: {a/b: 80, a/c: 20}}]\n"
    "        enabled: true\n"
    "      warmup: {duration: 30s, minimumPercent: 5, aggression: 2}\n"
    "    connectionPool:\n"
    "      tcp: {maxConnections: 100, connectTimeout: 250ms, idleTimeout: 0s, "
    "maxConnectionDuration: 1h, tcpKeepalive: {probes: 9, time: 2h, interval: 75s}}\n"
    "      http: {http1MaxPendingRequests: 1, http2MaxRequests: 2, maxRequestsPerConnection: 3, "
    "maxRetries: 4, idleTimeout: 5s, h2UpgradePolicy: DO_NOT_UPGRADE, useClientProtocol: true, "
    "maxConcurrentStreams: 6, http2KeepAlive: {interval: 7s, timeout: 8s}}\n"
    "    outlierDetection: {consecutive5xxErrors: 0, consecutiveGatewayErrors: 5, interval: 1m, "
    "baseEjectionTime: 3m, maxEjectionPercent: 50, minHealthPercent: 10, "
    "splitExternalLocalOriginErrors: true, consecutiveLocalOriginFailures: 4}\n"
    "    tls: {mode: MUTUAL, clientCertificate: /c, privateKey: /k, caCertificates: /a, "
    "subjectAltNames: [s], sni: n, insecureSkipVerify: false, caCrl: /r}\n"
    "    portLevelSettings:\n"
    "    - port: {number: 443}\n"
    "      tls: {mode: SIMPLE, credentialName: c}\n"
    "    proxyProtocol: {version: V2}\n"
    "    retryBudget: {percent: 25, minRetryConcurrency: 7, budgetInterval: 10s}\n"
    "  subsets:\n"
    "  - name: v1\n"
    "    labels: {version: v1}\n"
    "    trafficPolicy:\n"
    "      loadBalancer:\n"
    "        consistentHash:\n"
    "          httpCookie: {name: user, path: /p, ttl: 0s, attributes: [{name: SameSite, value: "
    "Lax}]}\n"
    "          ringHash: {minimumRingSize: '2048'}\n"
    "      tunnel: {protocol: CONNECT, targetHost: t.com, targetPort: 443}\n"
    "  - name: v2\n";

static void check_pool(const struct connection_pool *pool)
{
    assert_int_equal(pool->tcp->max_connections, 100);
    assert_int_equal(pool->tcp->connect_timeout.ms, 250);
    assert_true(pool->tcp->idle_timeout.is_set);
    assert_int_equal(pool->tcp->idle_timeout.ms, 0);
    assert_int_equal(pool->tcp->max_connection_duration.ms, 3600000);
    assert_int_equal(pool->tcp->tcp_keepalive->probes, 9);
    assert_int_equal(pool->tcp->tcp_keepalive->interval.ms, 75000);
    assert_int_equal(pool->http->http1_max_pending_requests, 1);
    assert_int_equal(pool->http->http2_max_requests, 2);
    assert_int_equal(pool->http->max_requests_per_connection, 3);
    assert_int_equal(pool->http->max_retries, 4);
    assert_int_equal(pool->http->idle_timeout.ms, 5000);
    assert_int_equal(pool->http->h2_upgrade_policy, H2_UPGRADE_DO_NOT_UPGRADE);
    assert_true(pool->http->use_client_protocol);
    assert_int_equal(pool->http->max_concurrent_streams, 6);
    assert_int_equal(pool->http->http2_keepalive->timeout.ms, 8000);
}

static void check_policy(const struct traffic_policy *policy)
{
    assert_true(policy->load_balancer->has_simple);
    assert_int_equal(policy->load_balancer->simple, LB_LEAST_REQUEST);
    assert_int_equal(
        policy->load_balancer->locality_lb_setting->distribute.items[0].to.items[1].value, 20);
    assert_true(policy->load_balancer->locality_lb_setting->enabled.value);
    assert_true(policy->load_balancer->warmup->aggression.value == 2);
    check_pool(policy->connection_pool);
    assert_true(policy->outlier_detection->consecutive_5xx_errors.is_set); /* RL-23 */
    assert_int_equal(policy->outlier_detection->consecutive_5xx_errors.value, 0);
    assert_int_equal(policy->outlier_detection->base_ejection_time.ms, 180000);
    assert_int_equal(policy->outlier_detection->consecutive_local_origin_failures.value, 4);
    assert_int_equal(policy->tls->mode, CLIENT_TLS_MUTUAL);
    assert_str(policy->tls->sni, "n");
    assert_str(policy->tls->ca_crl, "/r");
    assert_true(policy->tls->insecure_skip_verify.is_set);
    assert_int_equal(policy->port_level_settings.count, 1);
    assert_int_equal(policy->port_level_settings.items[0].port.value, 443);
    assert_str(policy->port_level_settings.items[0].tls->credential_name, "c");
    assert_true(policy->has_proxy_protocol);
    assert_int_equal(policy->proxy_protocol_version, 1);
    assert_int_equal(policy->retry_budget->min_retry_concurrency, 7);
    assert_int_equal(policy->retry_budget->budget_interval.ms, 10000);
}

static void every_field(void **state)
{
    struct config_load load;
    const struct destination_rule *rule;
    const struct consistent_hash *hash;

    (void)state; /* DR-10, DR-11, DR-12 */
    config_case_open(&load, everything, NULL);
    config_case_assert_no_error(&load);
    assert_int_equal(load.report.counts[SEVERITY_WARNING], 0);
    rule = resource_set_destination_rule(load.set, 0);
    assert_str(rule->host, "reviews.prod.svc.cluster.local");
    assert_int_equal(rule->host_place.line, 5);
    assert_true(rule->has_workload_selector);
    assert_str(rule->workload_selector.items[0].value, "ingressgateway");
    check_policy(rule->traffic_policy);
    assert_int_equal(rule->subsets.count, 2);
    assert_str(rule->subsets.items[0].labels.items[0].value, "v1");
    hash = rule->subsets.items[0].traffic_policy->load_balancer->consistent_hash;
    assert_str(hash->http_cookie->name, "user");
    assert_true(hash->http_cookie->ttl.is_set);
    assert_str(hash->http_cookie->attributes.items[0].value, "Lax");
    assert_int_equal(hash->ring_hash->minimum_ring_size, 2048); /* RL-26 */
    assert_int_equal(rule->subsets.items[0].traffic_policy->tunnel->target_port, 443);
    assert_null(rule->subsets.items[1].traffic_policy);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_field) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
