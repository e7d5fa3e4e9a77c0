/* Tests of gateway/proxy/tcp_metrics.c and metric_labels.c: the names and labels are a contract (spec OB-20
 * to OB-28, OB-40). */
#include "gateway/proxy/tcp_metrics.h"

#include "gateway/base/mem.h"
#include "gateway/observe/format.h"
#include "gateway/proxy/metric_labels.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct tcp_metrics metrics;
static struct worker_identity identity;

static int setup(void **state)
{
    (void)state;
    memset(&metrics, 0, sizeof(metrics));
    memset(&identity, 0, sizeof(identity));
    metrics.shard = metrics_shard_new();
    metrics.identity = &identity;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    metrics_cleanup();
    return 0;
}

static void assert_page_has(const char *line)
{
    struct text page = { 0 };

    metrics_write_prometheus(&page);
    if (str_find(text_view(&page), str_from_cstr(line)) == SIZE_MAX) {
        fail_msg("no %s in\n%.*s", line, STR_ARG(text_view(&page)));
    }
    text_cleanup(&page);
}

static struct cluster cluster_named(uint64_t id, const char *host)
{
    return (struct cluster){ .id = id, .service_host = str_from_cstr(host) };
}

static void test_nobody_is_unknown_OB_26_OB_28(void **state)
{
    (void)state;
    tcp_metrics_opened(&metrics, NULL);
    tcp_metrics_closed(&metrics, NULL, FLAG_BIT(NC));
    assert_page_has("istio_tcp_connections_opened_total{reporter=\"source\","
                    "source_workload=\"unknown\",source_canonical_service=\"unknown\","
                    "source_canonical_revision=\"latest\"");
    assert_page_has("destination_service=\"unknown\"");
    assert_page_has("destination_service_name=\"unknown\"");
    assert_page_has("request_protocol=\"tcp\",response_flags=\"-\","
                    "connection_security_policy=\"unknown\"} 1\n");
    assert_page_has("response_flags=\"NC\",connection_security_policy=\"unknown\"} 1\n");
}

static void test_names_OB_24_OB_25(void **state)
{
    struct cluster cluster = cluster_named(3, "db.ns.svc.cluster.local");
    struct str labels[METRIC_LABELS_TCP];

    (void)state;
    identity.workload = STR("gw");
    identity.cluster_id = STR("east");
    metric_labels_fill_tcp(&identity, &cluster, STR("tcp"), STR("UF,URX"), labels);
    assert_true(str_equals(labels[1], STR("gw")));
    assert_true(str_equals(labels[8], STR("east")));
    assert_true(str_equals(labels[14], STR("db.ns.svc.cluster.local")));
    assert_true(str_equals(labels[17], STR("db"))); /* the first DNS label */
    assert_true(str_equals(labels[18], STR("unknown")));
    assert_true(str_equals(labels[METRIC_LABELS_TCP - 2], STR("UF,URX")));
    cluster.service_name = STR("database");
    cluster.service_namespace = STR("ns");
    metric_labels_fill_tcp(&identity, &cluster, STR("tcp"), STR("-"), labels);
    assert_true(str_equals(labels[17], STR("database")));
    assert_true(str_equals(labels[18], STR("ns")));
}

static void test_bytes_of_both_ways(void **state)
{
    struct cluster cluster = cluster_named(3, "db.x");

    (void)state;
    tcp_metrics_bytes(&metrics, &cluster, 0, 0, 0); /* no series for nothing */
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == 0);
    tcp_metrics_bytes(&metrics, &cluster, 0, 5, 7);
    tcp_metrics_bytes(&metrics, &cluster, 0, 1, 0);
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == 6);
    assert_true(metrics_total(METRIC_TCP_SENT) == 7);
}

/* More clusters than places: each newcomer takes one, and nothing is counted for another. */
static void test_places_are_shared(void **state)
{
    char host[32];

    (void)state;
    for (int round = 0; round < 2; round++) {
        for (unsigned i = 1; i <= 4 * TCP_METRICS_PLACES; i++) {
            (void)snprintf(host, sizeof(host), "s%u.x", i);
            struct cluster cluster = cluster_named(i, host);
            tcp_metrics_opened(&metrics, &cluster);
        }
    }
    assert_true(metrics_total(METRIC_TCP_OPENED) == 8 * TCP_METRICS_PLACES);
    assert_page_has("destination_service=\"s1.x\",destination_canonical_service=\"unknown\","
                    "destination_canonical_revision=\"latest\",destination_service_name=\"s1\","
                    "destination_service_namespace=\"unknown\",destination_cluster=\"Kubernetes\","
                    "request_protocol=\"tcp\",response_flags=\"-\","
                    "connection_security_policy=\"unknown\"} 2\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nobody_is_unknown_OB_26_OB_28, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_OB_24_OB_25, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bytes_of_both_ways, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places_are_shared, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
