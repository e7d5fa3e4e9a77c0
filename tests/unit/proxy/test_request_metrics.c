/* Tests of gateway/proxy/request_metrics.c: OB-20 to OB-28. */
#include "gateway/proxy/request_metrics.h"

#include "gateway/base/mem.h"
#include "gateway/observe/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct request_metrics *metrics;
static struct worker_identity identity;

static int setup(void **state)
{
    (void)state;
    identity = (struct worker_identity){ .workload = STR("istio-ingressgateway"),
                                         .workload_namespace = STR("istio-system") };
    metrics = mem_new(struct request_metrics);
    metrics->shard = metrics_shard_new();
    metrics->identity = &identity;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mem_free(metrics);
    metrics_cleanup();
    return 0;
}

static void assert_page_has(const char *line)
{
    struct text page = { 0 };

    metrics_write_prometheus(&page);
    if (strstr(page.ptr, line) == NULL) {
        fail_msg("no \"%s\" in:\n%s", line, page.ptr);
    }
    text_cleanup(&page);
}

static void test_no_route_is_unknown_OB_26_OB_28(void **state)
{
    struct request_metrics_sample sample = { .status = 404,
                                             .flags = FLAG_BIT(NR),
                                             .grpc_status = REQUEST_METRICS_NO_GRPC };

    (void)state;
    request_metrics_add(metrics, &sample);
    assert_page_has("istio_requests_total{reporter=\"source\","
                    "source_workload=\"istio-ingressgateway\","
                    "source_canonical_service=\"unknown\",source_canonical_revision=\"latest\","
                    "source_workload_namespace=\"istio-system\",source_principal=\"unknown\","
                    "source_app=\"unknown\",source_version=\"unknown\","
                    "source_cluster=\"Kubernetes\",destination_workload=\"unknown\","
                    "destination_workload_namespace=\"unknown\",destination_principal=\"unknown\","
                    "destination_app=\"unknown\",destination_version=\"unknown\","
                    "destination_service=\"unknown\",destination_canonical_service=\"unknown\","
                    "destination_canonical_revision=\"latest\","
                    "destination_service_name=\"unknown\","
                    "destination_service_namespace=\"unknown\","
                    "destination_cluster=\"Kubernetes\",request_protocol=\"http\","
                    "response_code=\"404\",grpc_response_status=\"\",response_flags=\"NR\","
                    "connection_security_policy=\"unknown\"} 1\n");
}

static void test_destination_comes_from_the_cluster_OB_25(void **state)
{
    struct cluster cluster = { .id = 7,
                               .service_host = STR("a.ns.svc.cluster.local"),
                               .service_namespace = STR("ns") };
    struct request_metrics_sample sample = { .cluster = &cluster,
                                             .status = 200,
                                             .grpc_status = REQUEST_METRICS_NO_GRPC };

    (void)state;
    request_metrics_add(metrics, &sample);
    request_metrics_add(metrics, &sample);
    assert_page_has("destination_service=\"a.ns.svc.cluster.local\"");
    assert_page_has("destination_service_name=\"a\",destination_service_namespace=\"ns\"");
    assert_page_has("response_flags=\"-\",connection_security_policy=\"unknown\"} 2\n");
}

static void test_grpc_OB_27(void **state)
{
    struct request_metrics_sample sample = { .status = 200, .is_grpc = true, .grpc_status = 14 };

    (void)state;
    request_metrics_add(metrics, &sample);
    assert_page_has("request_protocol=\"grpc\",response_code=\"200\",grpc_response_status=\"14\"");
}

static void test_nothing_sent_is_code_0_OB_27(void **state)
{
    struct request_metrics_sample sample = { .flags = FLAG_BIT(DC),
                                             .grpc_status = REQUEST_METRICS_NO_GRPC };

    (void)state;
    request_metrics_add(metrics, &sample);
    assert_page_has("response_code=\"0\",grpc_response_status=\"\",response_flags=\"DC\"");
}

/* Combinations that fall on one place push each other out and are all counted. */
static void test_many_combinations_are_all_counted(void **state)
{
    struct request_metrics_sample sample = { .grpc_status = REQUEST_METRICS_NO_GRPC };

    (void)state;
    for (int round = 0; round < 3; round++) {
        for (unsigned status = 0; status < 2 * REQUEST_METRICS_PLACES; status++) {
            sample.status = status;
            request_metrics_add(metrics, &sample);
        }
    }
    assert_int_equal((int)metrics_total(METRIC_REQUESTS), 6 * REQUEST_METRICS_PLACES);
}

/* Without response_code and grpc_response_status, and only where there were some. */
static void test_messages_OB_20_OB_23(void **state)
{
    struct request_metrics_sample sample = { .status = 200, .is_grpc = true };

    (void)state;
    request_metrics_add(metrics, &sample);
    assert_int_equal((int)metrics_total(METRIC_REQUEST_MESSAGES), 0);
    sample.request_messages = 1;
    sample.response_messages = 3;
    request_metrics_add(metrics, &sample);
    request_metrics_add(metrics, &sample);
    assert_page_has("istio_request_messages_total{reporter=\"source\",");
    assert_page_has("destination_cluster=\"Kubernetes\",request_protocol=\"grpc\","
                    "response_flags=\"-\",connection_security_policy=\"unknown\"} 6\n");
    assert_int_equal((int)metrics_total(METRIC_REQUEST_MESSAGES), 2);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_no_route_is_unknown_OB_26_OB_28),
        CASE(test_destination_comes_from_the_cluster_OB_25),
        CASE(test_grpc_OB_27),
        CASE(test_nothing_sent_is_code_0_OB_27),
        CASE(test_messages_OB_20_OB_23),
        CASE(test_many_combinations_are_all_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
