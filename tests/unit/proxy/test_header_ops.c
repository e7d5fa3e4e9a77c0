/* Tests of gateway/proxy/header_ops.c: HT-80 to HT-88. */
#include "gateway/proxy/header_ops.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { OPS_MAX = 4 };

struct ops {
    struct route_header_op removes[OPS_MAX];
    struct route_header_op sets[OPS_MAX];
    struct route_header_op adds[OPS_MAX];
    struct route_header_ops list;
};

static struct arena *arena;
static struct headers headers;
static struct format_record record;

static struct str find_header(const void *source, enum format_headers which, struct str name,
                              struct text *scratch)
{
    struct str value = { 0 };

    (void)source;
    (void)scratch;
    if (which == FORMAT_REQUEST_HEADERS) {
        (void)headers_join(&headers, arena_copy_lower(arena, name), &value);
    }
    return value;
}

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    headers_init(&headers, arena);
    record = (struct format_record){ .original_path = STR("/p"), .find_header = find_header };
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void ops_remove(struct ops *ops, const char *name)
{
    ops->removes[ops->list.remove_count++].name = str_from_cstr(name);
    ops->list.removes = ops->removes;
}

static struct format *format_of(const char *value)
{
    struct err err = { 0 };
    struct format *format = format_compile(arena, str_from_cstr(value), &err);

    assert_non_null(format);
    return format;
}

static void ops_set(struct ops *ops, const char *name, const char *value)
{
    ops->sets[ops->list.set_count++] =
        (struct route_header_op){ .name = str_from_cstr(name), .value = format_of(value) };
    ops->list.sets = ops->sets;
}

static void ops_add(struct ops *ops, const char *name, const char *value)
{
    ops->adds[ops->list.add_count++] =
        (struct route_header_op){ .name = str_from_cstr(name), .value = format_of(value) };
    ops->list.adds = ops->adds;
}

static void apply(const struct ops *ops)
{
    const struct route_header_ops *list = &ops->list;

    header_ops_apply(&list, 1, &headers, &record, arena);
}

static void assert_header(const char *name, const char *expected)
{
    struct str value = { 0 };
    bool has = headers_join(&headers, str_from_cstr(name), &value);

    if (has != (expected != NULL) || (has && !str_equals(value, str_from_cstr(expected)))) {
        fail_msg("%s is %.*s", name, STR_ARG(value));
    }
}

static void test_nothing_to_do(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    assert_true(header_ops_is_empty(&ops.list));
    apply(&ops);
    assert_int_equal(headers.count, 0);
}

static void test_remove_then_set_then_add_HT_80(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    headers_add(&headers, STR("x"), STR("old"));
    ops_remove(&ops, "x");
    ops_set(&ops, "x", "new");
    ops_add(&ops, "x", "more");
    apply(&ops);
    assert_header("x", "new,more");
}

static void test_values_see_the_state_before_HT_80(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    headers_add(&headers, STR("a"), STR("1"));
    ops_remove(&ops, "a");
    ops_set(&ops, "b", "%REQ(A)%");
    apply(&ops);
    assert_header("a", NULL);
    assert_header("b", "1");
}

static void test_set_overwrites_all_add_appends_HT_81(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    headers_add(&headers, STR("x"), STR("1"));
    headers_add(&headers, STR("x"), STR("2"));
    headers_add(&headers, STR("y"), STR("1"));
    ops_set(&ops, "x", "3");
    ops_add(&ops, "y", "2");
    apply(&ops);
    assert_header("x", "3");
    assert_header("y", "1,2");
}

static void test_an_empty_value_does_nothing_HT_82(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    headers_add(&headers, STR("x"), STR("1"));
    ops_set(&ops, "x", "");
    ops_set(&ops, "y", "%REQ(ABSENT)%");
    ops_add(&ops, "z", "");
    apply(&ops);
    assert_header("x", "1");
    assert_header("y", NULL);
    assert_header("z", NULL);
}

static void test_percent_is_doubled_HT_88(void **state)
{
    struct ops ops = { 0 };

    (void)state;
    ops_set(&ops, "x", "a%%b");
    ops_set(&ops, "y", "%REQ(:PATH)%!");
    apply(&ops);
    assert_header("x", "a%b");
    assert_header("y", "/p!");
}

static void test_one_destination_wins_over_the_route_HT_85(void **state)
{
    struct ops of_route = { 0 };
    struct ops of_destination = { 0 };

    (void)state;
    ops_set(&of_route, "x", "1");
    ops_set(&of_destination, "x", "2");
    const struct route_header_ops *lists[] = { &of_route.list, &of_destination.list };
    header_ops_apply(lists, 2, &headers, &record, arena);
    assert_header("x", "2");
}

static void test_of_several_destinations_the_route_wins_HT_86(void **state)
{
    struct ops of_route = { 0 };
    struct ops of_destination = { 0 };

    (void)state;
    ops_set(&of_route, "x", "1");
    ops_set(&of_destination, "x", "2");
    apply(&of_destination);
    apply(&of_route);
    assert_header("x", "1");
}

/* The snapshot may go with the lease, and the access log asks for headers after that: what is put
 * into a head is the request's own. */
static void test_nothing_points_into_the_configuration(void **state)
{
    struct arena *configuration = arena_new(1024);
    struct err err = { 0 };
    struct ops ops = { 0 };

    (void)state;
    struct str name = arena_copy_str(configuration, STR("x-of-the-route"));
    struct str other = arena_copy_str(configuration, STR("x-added"));
    ops_set(&ops, "", "-");
    ops_add(&ops, "", "-");
    ops.sets[0].name = name;
    ops.sets[0].value = format_compile(configuration, STR("first"), &err);
    ops.adds[0].name = other;
    ops.adds[0].value = format_compile(configuration, STR("second"), &err);
    apply(&ops);
    assert_int_equal(headers.count, 2);
    assert_ptr_not_equal(headers.items[0].name.ptr, name.ptr);
    assert_ptr_not_equal(headers.items[1].name.ptr, other.ptr);
    for (size_t i = 0; i < 2; i++) {
        struct str literal;
        const struct format *format = i == 0 ? ops.sets[0].value : ops.adds[0].value;
        assert_true(format_is_literal(format, &literal));
        assert_ptr_not_equal(headers.items[i].value.ptr, literal.ptr);
    }
    arena_free(configuration);
    assert_header("x-of-the-route", "first");
    assert_header("x-added", "second");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_nothing_to_do),
        CASE(test_remove_then_set_then_add_HT_80),
        CASE(test_values_see_the_state_before_HT_80),
        CASE(test_set_overwrites_all_add_appends_HT_81),
        CASE(test_an_empty_value_does_nothing_HT_82),
        CASE(test_percent_is_doubled_HT_88),
        CASE(test_one_destination_wins_over_the_route_HT_85),
        CASE(test_of_several_destinations_the_route_wins_HT_86),
        CASE(test_nothing_points_into_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
