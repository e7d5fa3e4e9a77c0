/* Tests of gateway/proxy/response_rules.c: HD-30 to HD-34. */
#include "gateway/proxy/response_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena *arena;
static struct head response;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    head_init(&response, arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void add(const char *name, const char *value)
{
    headers_add(&response.headers, str_from_cstr(name), str_from_cstr(value));
}

static void assert_header(const char *name, const char *expected)
{
    struct str value = { 0 };
    bool has = headers_join(&response.headers, str_from_cstr(name), &value);

    assert_int_equal(has, expected != NULL);
    if (expected != NULL) {
        assert_true(str_equals(value, str_from_cstr(expected)));
    }
}

static void test_what_stays_with_us_HD_32_HD_33(void **state)
{
    static const char *const gone[] = {
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "x-hop",
        "x-envoy-decorator-operation",
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
    };

    (void)state;
    add("connection", "x-hop");
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        add(gone[i], "1");
    }
    add("x-envoy-overloaded", "true");
    add("set-cookie", "a=1");
    add("set-cookie", "b=2");
    response_rules_clean(&response);
    assert_header("connection", NULL);
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_header(gone[i], NULL);
    }
    assert_header("x-envoy-overloaded", "true");
    assert_int_equal(headers_count_id(&response.headers, HEADER_SET_COOKIE), 2);
}

static void test_server_is_ours_HD_30(void **state)
{
    (void)state;
    add("server", "nginx");
    add("server", "twice");
    response_rules_finish(&response, STR("istio-envoy"), arena);
    assert_header("server", "istio-envoy");
}

static void test_date_is_added_when_absent_HD_31(void **state)
{
    (void)state;
    response_rules_finish(&response, STR("s"), arena);
    const struct header *date = headers_find_id(&response.headers, HEADER_DATE);
    assert_non_null(date);
    assert_int_equal(date->value.len, 29);
}

static void test_date_of_the_origin_stays_HD_31(void **state)
{
    (void)state;
    add("date", "Tue, 15 Nov 1994 08:12:31 GMT");
    response_rules_finish(&response, STR("s"), arena);
    assert_header("date", "Tue, 15 Nov 1994 08:12:31 GMT");
}

static void test_service_time_in_milliseconds_HD_31(void **state)
{
    (void)state;
    add("x-envoy-upstream-service-time", "forged");
    response_rules_set_service_time(&response, 999, arena);
    assert_header("x-envoy-upstream-service-time", "0");
    response_rules_set_service_time(&response, 1234567, arena);
    assert_header("x-envoy-upstream-service-time", "1234");
}

static void test_nothing_else_is_added_HD_34(void **state)
{
    (void)state;
    response_rules_clean(&response);
    response_rules_finish(&response, STR("s"), arena);
    assert_int_equal(response.headers.count, 2); /* server, date */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_what_stays_with_us_HD_32_HD_33),     CASE(test_server_is_ours_HD_30),
        CASE(test_date_is_added_when_absent_HD_31),    CASE(test_date_of_the_origin_stays_HD_31),
        CASE(test_service_time_in_milliseconds_HD_31), CASE(test_nothing_else_is_added_HD_34),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
