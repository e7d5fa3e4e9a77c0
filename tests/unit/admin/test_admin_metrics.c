/* /stats: the names that probes of the Istio agent read, the filter, both forms. */
#include "gateway/admin/admin_page.h"
#include "gateway/route/pattern.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct admin_view view;
static struct admin admin = { &view, NULL };

static int ask(const char *query, struct text *body)
{
    const struct page_request request = { .method = STR("GET"), .query = str_from_cstr(query) };
    struct page_reply reply = { .status = 200 };

    admin_metrics_stats(&admin, &request, &reply);
    text_clear(body);
    text_add(body, text_view(&reply.body));
    text_cleanup(&reply.body);
    return reply.status;
}

static void test_stats(void **state)
{
    static const char *const NAMES[] = {
        "server.state: 0\n",
        "listener_manager.workers_started: 1\n",
        "cluster_manager.cds.update_success: 4\n",
        "listener_manager.lds.update_success: 4\n",
        "downstream_cx_active: 0\n",
    };
    struct text body = { 0 };

    (void)state;
    assert_int_equal(ask("", &body), 200);
    for (size_t i = 0; i < sizeof(NAMES) / sizeof(NAMES[0]); i++) {
        if (strstr(body.ptr, NAMES[i]) == NULL) {
            fail_msg("no %s in\n%s", NAMES[i], body.ptr);
        }
    }
    /* As the agent asks. */
    assert_int_equal(
        ask("usedonly&filter=%5E(server.state%7Clistener_manager.workers_started)", &body), 200);
    assert_string_equal(body.ptr, "listener_manager.workers_started: 1\nserver.state: 0\n");
    assert_int_equal(ask("filter=(", &body), 400);
    assert_int_equal(ask("format=json&filter=server.live", &body), 200);
    assert_non_null(strstr(body.ptr, "\"name\": \"server.live\""));
    assert_int_equal(ask("format=prometheus", &body), 200);
    assert_non_null(strstr(body.ptr, "# TYPE envoy_server_uptime gauge"));
    text_cleanup(&body);
}

/* A match that was given up at a limit is told once, however often the page is read. */
static void test_regex_limits_are_counted(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(arena, PATTERN_REGEX, STR("(a|aa|aaa)+b"), false, &err);
    struct text body = { 0 };
    char subject[4096];

    (void)state;
    memset(subject, 'a', sizeof(subject));
    memcpy(subject + sizeof(subject) - 2, "cb", 2);
    assert_int_equal(ask("format=prometheus", &body), 200);
    assert_false(pattern_matches(pattern, str_from(subject, sizeof(subject))));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(ask("format=prometheus", &body), 200);
        assert_non_null(strstr(body.ptr, "gatehouse_regex_limits_total 1\n"));
    }
    text_cleanup(&body);
    pattern_free(pattern);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stats),
        cmocka_unit_test(test_regex_limits_are_counted),
    };
    struct reload_status status = { .revision = 2, .result = "success", .success_count = 4 };
    struct bound_listeners listeners = { 0 };
    struct secret_store *secrets = secret_store_new(STR("istio-system"));

    view = (struct admin_view){
        .reload = &status,
        .listeners = &listeners,
        .secrets = secrets,
        .shard = metrics_shard_new(),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    secret_store_free(secrets);
    metrics_cleanup();
    return failed;
}
