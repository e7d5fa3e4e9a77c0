/* metrics: the page, merged over shards (spec OB-20 to OB-28). */
#include "gateway/observe/metrics.h"

#include "gateway/base/limits.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { ISTIO_LABEL_COUNT = 25 };

static int end_metrics(void **state)
{
    (void)state;
    metrics_cleanup();
    return 0;
}

static void check_line(const char *line)
{
    struct text page = { 0 };

    metrics_write_prometheus(&page);
    if (strstr(page.ptr, line) == NULL) {
        fail_msg("no line: %s", line);
    }
    text_cleanup(&page);
}

static void check_no_line(const char *line)
{
    struct text page = { 0 };

    metrics_write_prometheus(&page);
    assert_null(strstr(page.ptr, line));
    text_cleanup(&page);
}

static void hostile_label_values_stay_inside_their_quotes(void **state)
{
    struct metrics_shard *shard = metrics_shard_new();
    const struct str values[] = { STR("a\"} 1\n\\b\xff\xc3\xa4"), STR("") };

    (void)state;
    metric_series_add(metrics_series(shard, METRIC_PROTOCOL_ERRORS, values, 2), 1);
    check_line("\ngatehouse_protocol_errors_total{side=\"a\\\"} 1\\n\\\\b\xef\xbf\xbd\xc3\xa4\","
               "reason=\"\"} 1\n");
}

static void values_that_join_alike_are_kept_apart(void **state)
{
    struct metrics_shard *shard = metrics_shard_new();
    const struct str a[] = { STR("ab"), STR("c") };
    const struct str b[] = { STR("a"), STR("bc") };

    (void)state;
    assert_ptr_not_equal(metrics_series(shard, METRIC_PROTOCOL_ERRORS, a, 2),
                         metrics_series(shard, METRIC_PROTOCOL_ERRORS, b, 2));
    assert_ptr_not_equal(metrics_series(shard, METRIC_PROTOCOL_ERRORS, a, 2),
                         metrics_series(shard, METRIC_TLS_HANDSHAKE_FAILURES, a, 2));
}

static void a_family_has_a_cap(void **state)
{
    struct metrics_shard *shard = metrics_shard_new();
    char name[32];

    (void)state;
    for (size_t i = 0; i < LIMIT_METRIC_SERIES + 100; i++) {
        struct str value = str_from(name, (size_t)snprintf(name, sizeof(name), "n%zu", i));

        metric_series_add(metrics_series(shard, METRIC_CLUSTER_UPSTREAM_RQ, &value, 1), 1);
    }
    check_line("\nenvoy_cluster_upstream_rq_total{cluster_name=\"other\"} 100\n");
    assert_true(metrics_total(METRIC_CLUSTER_UPSTREAM_RQ) == LIMIT_METRIC_SERIES + 100);
}

static void plain_metrics_are_summed(void **state)
{
    struct metrics_shard *one = metrics_shard_new();
    struct metrics_shard *two = metrics_shard_new();

    (void)state;
    metrics_add(one, METRIC_CONNECTIONS_TOTAL, 3);
    metrics_add(two, METRIC_CONNECTIONS_TOTAL, 4);
    metrics_add(one, METRIC_CONNECTIONS, 5);
    metrics_sub(two, METRIC_CONNECTIONS, 2);
    metrics_set(one, METRIC_CONFIG_REVISION, 1767323045);
    check_line("\n# HELP gatehouse_connections_total Client connections accepted\n"
               "# TYPE gatehouse_connections_total counter\n"
               "gatehouse_connections_total 7\n");
    check_line("# TYPE gatehouse_connections gauge\ngatehouse_connections 3\n");
    check_line("gatehouse_config_revision 1767323045\n");
    assert_true(metrics_total(METRIC_CONNECTIONS) == 3);
    /* One without labels is there from the start, at 0. */
    check_line("gatehouse_upstream_stale_retries_total 0\n");
}

/* OB-20, OB-23 */
static void istio_labels_stand_in_istios_order(void **state)
{
    struct str values[ISTIO_LABEL_COUNT];
    struct metrics_shard *one = metrics_shard_new();
    struct metrics_shard *two = metrics_shard_new();

    (void)state;
    for (size_t i = 0; i < ISTIO_LABEL_COUNT; i++) {
        values[i] = STR("unknown");
    }
    values[0] = STR("source");
    values[21] = STR("200");
    values[22] = STR("");
    metric_series_add(metrics_series(one, METRIC_REQUESTS, values, ISTIO_LABEL_COUNT), 1);
    metric_series_add(metrics_series(two, METRIC_REQUESTS, values, ISTIO_LABEL_COUNT), 2);
    check_line(
        "\n# TYPE istio_requests_total counter\n"
        "istio_requests_total{reporter=\"source\",source_workload=\"unknown\","
        "source_canonical_service=\"unknown\",source_canonical_revision=\"unknown\","
        "source_workload_namespace=\"unknown\",source_principal=\"unknown\","
        "source_app=\"unknown\",source_version=\"unknown\",source_cluster=\"unknown\","
        "destination_workload=\"unknown\",destination_workload_namespace=\"unknown\","
        "destination_principal=\"unknown\",destination_app=\"unknown\","
        "destination_version=\"unknown\",destination_service=\"unknown\","
        "destination_canonical_service=\"unknown\",destination_canonical_revision=\"unknown\","
        "destination_service_name=\"unknown\",destination_service_namespace=\"unknown\","
        "destination_cluster=\"unknown\",request_protocol=\"unknown\",response_code=\"200\","
        "grpc_response_status=\"\",response_flags=\"unknown\","
        "connection_security_policy=\"unknown\"} 3\n");
}

/* OB-21 */
static void histograms_cumulate_up_to_their_bounds(void **state)
{
    static const double observed[] = { 0, 0.5, 0.6, 1, 3600000, 3600001 };
    struct metrics_shard *shard = metrics_shard_new();
    struct str values[ISTIO_LABEL_COUNT];
    struct metric_series *series;
    struct text page = { 0 };
    const char *at;

    (void)state;
    for (size_t i = 0; i < ISTIO_LABEL_COUNT; i++) {
        values[i] = STR("x");
    }
    series = metrics_series(shard, METRIC_REQUEST_DURATION, values, ISTIO_LABEL_COUNT);
    for (size_t i = 0; i < sizeof(observed) / sizeof(observed[0]); i++) {
        metric_series_observe(series, observed[i]);
    }
    metrics_write_prometheus(&page);
    at = page.ptr;
    static const char *const lines[] = {
        "# TYPE istio_request_duration_milliseconds histogram\n",
        "le=\"0.5\"} 2\n",
        "le=\"1\"} 4\n",
        "le=\"5\"} 4\n",
        "le=\"10\"} 4\n",
        "le=\"25\"} 4\n",
        "le=\"50\"} 4\n",
        "le=\"100\"} 4\n",
        "le=\"250\"} 4\n",
        "le=\"500\"} 4\n",
        "le=\"1000\"} 4\n",
        "le=\"2500\"} 4\n",
        "le=\"5000\"} 4\n",
        "le=\"10000\"} 4\n",
        "le=\"30000\"} 4\n",
        "le=\"60000\"} 4\n",
        "le=\"300000\"} 4\n",
        "le=\"600000\"} 4\n",
        "le=\"1800000\"} 4\n",
        "le=\"3600000\"} 5\n",
        "le=\"+Inf\"} 6\n",
        "istio_request_duration_milliseconds_sum{reporter=\"x\"",
        "connection_security_policy=\"x\"} 7200003.1\n",
        "istio_request_duration_milliseconds_count{reporter=\"x\"",
        "connection_security_policy=\"x\"} 6\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        at = strstr(at, lines[i]);
        if (at == NULL) {
            fail_msg("no %s", lines[i]);
            return;
        }
    }
    assert_true(metrics_total(METRIC_REQUEST_DURATION) == 6);
    text_cleanup(&page);
}

static void a_cleared_gauge_leaves_the_page(void **state)
{
    struct metrics_shard *shard = metrics_shard_new();
    const struct str a = STR("a");
    const struct str b = STR("b");

    (void)state;
    metric_series_set(metrics_series(shard, METRIC_CERTIFICATE_VALID, &a, 1), 1);
    metric_series_set(metrics_series(shard, METRIC_CERTIFICATE_VALID, &b, 1), 1);
    metrics_clear_series(shard, METRIC_CERTIFICATE_VALID);
    check_no_line("gatehouse_certificate_valid");
    metric_series_set(metrics_series(shard, METRIC_CERTIFICATE_VALID, &b, 1), 0);
    check_line("\ngatehouse_certificate_valid{secret=\"b\"} 0\n");
    check_no_line("secret=\"a\"");
    metric_series_sub(metrics_series(shard, METRIC_CERTIFICATE_VALID, &b, 1), 2);
    metric_series_add(metrics_series(shard, METRIC_CERTIFICATE_VALID, &b, 1), 1);
    check_line("\ngatehouse_certificate_valid{secret=\"b\"} -1\n");
}

static void *run_owner(void *unused)
{
    struct metrics_shard *shard = metrics_shard_new();
    char name[32];

    (void)unused;
    for (size_t i = 0; i < 5000; i++) {
        struct str value = str_from(name, (size_t)snprintf(name, sizeof(name), "n%zu", i % 50));

        metric_series_add(metrics_series(shard, METRIC_CLUSTER_UPSTREAM_RQ, &value, 1), 1);
        metrics_add(shard, METRIC_CONNECTIONS_TOTAL, 1);
    }
    return NULL;
}

/* Run under ThreadSanitizer too. */
static void the_scraper_reads_while_owners_write(void **state)
{
    pthread_t owners[2];
    struct text page = { 0 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&owners[i], NULL, run_owner, NULL), 0);
    }
    for (size_t i = 0; i < 20; i++) {
        text_clear(&page);
        metrics_write_prometheus(&page);
    }
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(owners[i], NULL), 0);
    }
    text_cleanup(&page);
    assert_true(metrics_total(METRIC_CLUSTER_UPSTREAM_RQ) == 10000);
    assert_true(metrics_total(METRIC_CONNECTIONS_TOTAL) == 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(hostile_label_values_stay_inside_their_quotes, end_metrics),
        cmocka_unit_test_teardown(values_that_join_alike_are_kept_apart, end_metrics),
        cmocka_unit_test_teardown(a_family_has_a_cap, end_metrics),
        cmocka_unit_test_teardown(plain_metrics_are_summed, end_metrics),
        cmocka_unit_test_teardown(istio_labels_stand_in_istios_order, end_metrics),
        cmocka_unit_test_teardown(histograms_cumulate_up_to_their_bounds, end_metrics),
        cmocka_unit_test_teardown(a_cleared_gauge_leaves_the_page, end_metrics),
        cmocka_unit_test_teardown(the_scraper_reads_while_owners_write, end_metrics),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
