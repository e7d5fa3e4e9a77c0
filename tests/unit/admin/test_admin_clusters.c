/* /clusters: what the workers report is added up; what none has used is shown as configured. */
#include "gateway/admin/admin_page.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static unsigned refreshes;

static void on_refresh(void *owner)
{
    (void)owner;
    refreshes++;
}

static void ask(struct admin *admin, const char *query, struct page_reply *reply)
{
    const struct page_request request = { .method = STR("GET"), .query = str_from_cstr(query) };

    memset(reply, 0, sizeof(*reply));
    reply->status = 200;
    admin_clusters_page(admin, &request, reply);
}

static void test_clusters(void **state)
{
    const struct admin_actions actions = { .refresh_worker_reports = on_refresh };
    const struct worker_report_endpoint of_first[] = {
        { .address = STR("10.0.0.1:80"),
          .weight = 2,
          .is_healthy = true,
          .active_requests = 1,
          .active_connections = 3,
          .request_count = 10 },
        { .address = STR("10.0.0.2:80"), .weight = 1, .is_healthy = true },
    };
    const struct worker_report_endpoint of_second[] = {
        /* In another order, and one endpoint it has not seen. */
        { .address = STR("10.0.0.1:80"),
          .weight = 2,
          .is_healthy = false,
          .active_connections = 4,
          .request_count = 5,
          .connect_failure_count = 1 },
    };
    const struct worker_report_cluster first_clusters[] = {
        { .name = STR("used"), .endpoints = of_first, .endpoint_count = 2 },
    };
    const struct worker_report_cluster second_clusters[] = {
        { .name = STR("gone") },
        { .name = STR("used"), .endpoints = of_second, .endpoint_count = 1 },
    };
    struct worker_report reports[] = {
        { .clusters = first_clusters, .cluster_count = 1 },
        { .clusters = second_clusters, .cluster_count = 2 },
    };
    struct worker_report *const pointers[] = { &reports[0], &reports[1], NULL };
    struct endpoint_config endpoint = { .weight = 5, .is_healthy = true };
    struct cluster_config used = { .name = STR("used") };
    struct cluster_config unused = { .name = STR("unused"),
                                     .endpoints = &endpoint,
                                     .endpoint_count = 1 };
    struct cluster_config *clusters[] = { &unused, &used };
    const struct snapshot snapshot = { .clusters = clusters, .cluster_count = 2 };
    const struct admin_view view = {
        .snapshot = &snapshot,
        .worker_reports = pointers,
        .worker_count = 3,
    };
    struct admin admin = { &view, &actions };
    struct page_reply reply;

    (void)state;
    assert_true(address_parse(STR("10.9.9.9"), 81, &endpoint.address));
    ask(&admin, "", &reply);
    assert_int_equal(refreshes, 1);
    assert_non_null(strstr(reply.body.ptr, "unused::10.9.9.9:81::weight::5\n"));
    assert_non_null(strstr(reply.body.ptr, "used::10.0.0.1:80::cx_active::7\n"));
    assert_non_null(strstr(reply.body.ptr, "used::10.0.0.1:80::rq_total::15\n"));
    assert_non_null(strstr(reply.body.ptr, "used::10.0.0.1:80::cx_connect_fail::1\n"));
    assert_non_null(
        strstr(reply.body.ptr, "used::10.0.0.1:80::health_flags::/failed_eds_health\n"));
    assert_non_null(strstr(reply.body.ptr, "used::10.0.0.2:80::rq_total::0\n"));
    assert_null(strstr(reply.body.ptr, "gone"));
    text_cleanup(&reply.body);

    ask(&admin, "format=json", &reply);
    assert_non_null(strstr(reply.body.ptr, "\"cluster_statuses\""));
    assert_non_null(strstr(reply.body.ptr, "\"eds_health_status\": \"UNHEALTHY\""));
    assert_non_null(strstr(reply.body.ptr, "\"port_value\": 81"));
    text_cleanup(&reply.body);
}

static void test_before_the_first_snapshot(void **state)
{
    const struct admin_actions actions = { .refresh_worker_reports = on_refresh };
    const struct admin_view view = { 0 };
    struct admin admin = { &view, &actions };
    struct page_reply reply;

    (void)state;
    ask(&admin, "format=json", &reply);
    assert_non_null(strstr(reply.body.ptr, "\"cluster_statuses\": []"));
    text_cleanup(&reply.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_clusters),
        cmocka_unit_test(test_before_the_first_snapshot),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
