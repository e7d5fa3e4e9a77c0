/* headers: order, sameness of names, joining (spec HT-26), hop-by-hop removal (spec HD-1, HD-33). */
#include "gateway/http/headers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *arena;
static struct headers headers;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(1024);
    headers_init(&headers, arena);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

/* "name: value|name: value" */
static void add_all(const char *lines)
{
    struct str rest = str_from_cstr(lines);
    struct str line;

    while (rest.len > 0 && str_split_next(&rest, '|', &line)) {
        size_t colon = str_find_char(line, ':');

        headers_add(&headers, str_slice(line, 0, colon), str_trim(str_skip(line, colon + 1)));
    }
}

static void assert_headers(const char *expected)
{
    struct text text = { 0 };

    for (size_t i = 0; i < headers.count; i++) {
        text_printf(&text, "%s%.*s: %.*s", i > 0 ? "|" : "", STR_ARG(headers.items[i].name),
                    STR_ARG(headers.items[i].value));
        assert_int_equal(headers.items[i].id, header_id_of(headers.items[i].name));
    }
    assert_string_equal(text.ptr != NULL ? text.ptr : "", expected);
    text_cleanup(&text);
}

static void every_known_name_has_its_number(void **state)
{
    (void)state;
    for (unsigned id = 1; id < HEADER_ID_COUNT; id++) {
        assert_int_equal(header_id_of(header_id_name((enum header_id)id)), id);
    }
    assert_int_equal(header_id_of(STR("")), HEADER_OTHER);
    assert_int_equal(header_id_of(STR("Host")),
                     HEADER_OTHER); /* names are lower case by contract */
    assert_int_equal(header_id_of(STR("hos")), HEADER_OTHER);
    assert_int_equal(header_id_of(STR("hostx")), HEADER_OTHER);
    assert_int_equal(header_id_of(STR("x-a")), HEADER_OTHER);
}

static void absent_fields_are_absent(void **state)
{
    struct str value;

    (void)state;
    assert_null(headers_find(&headers, STR("host")));
    assert_null(headers_find_id(&headers, HEADER_HOST));
    assert_null(headers_find(&headers, STR("x-none")));
    assert_false(headers_join(&headers, STR("x-none"), &value));
    assert_int_equal(headers_remove(&headers, STR("x-none")), 0);
    assert_int_equal(headers_count_id(&headers, HEADER_HOST), 0);
    assert_false(headers_list_has(&headers, HEADER_CONNECTION, STR("close")));
    headers_remove_hop_by_hop(&headers);
    assert_headers("");
}

static void set_replaces_the_first_and_drops_the_rest(void **state)
{
    (void)state;
    add_all("a: 1|x: 1|b: 2|x: 2|x: 3|c: 3");
    headers_set(&headers, STR("x"), STR("new"));
    assert_headers("a: 1|x: new|b: 2|c: 3");
    headers_set(&headers, STR("y"), STR("added"));
    assert_headers("a: 1|x: new|b: 2|c: 3|y: added");
    headers_set_id(&headers, HEADER_HOST, STR("h"));
    headers_set_id(&headers, HEADER_HOST, STR("i"));
    assert_headers("a: 1|x: new|b: 2|c: 3|y: added|host: i");
}

static void remove_keeps_the_order_of_the_rest(void **state)
{
    (void)state;
    add_all("x: 1|a: 1|x: 2|host: h|b: 2|host: i");
    assert_int_equal(headers_remove(&headers, STR("x")), 2);
    assert_headers("a: 1|host: h|b: 2|host: i");
    assert_int_equal(headers_remove_id(&headers, HEADER_HOST), 2);
    assert_headers("a: 1|b: 2");
}

static void ht_26_values_are_joined_with_a_comma(void **state)
{
    struct str value;

    (void)state;
    add_all("x: 1|y: only|x:|x: 2, 3");
    assert_true(headers_join(&headers, STR("x"), &value));
    assert_true(str_equals(value, STR("1,,2, 3")));
    assert_true(headers_join(&headers, STR("y"), &value));
    assert_ptr_equal(value.ptr, headers.items[1].value.ptr); /* one is not copied */
    headers_remove(&headers, STR("x"));
    add_all("x:|x: b");
    assert_true(headers_join(&headers, STR("x"), &value));
    assert_true(str_equals(value, STR(",b")));
}

static void lists_are_searched_over_all_lines(void **state)
{
    (void)state;
    add_all("connection: a ,\tClose|connection: ,x");
    assert_true(headers_list_has(&headers, HEADER_CONNECTION, STR("close")));
    assert_true(headers_list_has(&headers, HEADER_CONNECTION, STR("X")));
    assert_false(headers_list_has(&headers, HEADER_CONNECTION, STR("clos")));
    assert_false(headers_list_has(&headers, HEADER_TE, STR("a")));
}

static void hd_1_hd_33_hop_by_hop_fields_end_here(void **state)
{
    static const struct {
        const char *before;
        const char *after;
    } cases[] = {
        /* What a message cannot be without stays, whoever names it. */
        { "host: h|content-length: 3|content-type: t|connection: host, content-length, "
          "Content-Type",
          "host: h|content-length: 3|content-type: t" },
        { "connection: connection|a: 1", "a: 1" },
        { "connection: ,,|a: 1", "a: 1" },
        { "a: 1|connection: keep-alive, X-One|x-one: 1|b: 2|connection: x-TWO|x-two: 2|c: 3",
          "a: 1|b: 2|c: 3" },
        { "x-one: 0|connection: x-one|x-one: 1|connection: x-two|x-two: 1|z: 1", "z: 1" },
        { "keep-alive: 5|proxy-connection: x|transfer-encoding: chunked|upgrade: h2c|"
          "http2-settings: AAA|connection: upgrade, http2-settings|a: 1",
          "a: 1" },
        /* Named by a peer to make us forget what it claims; ours are added after this. */
        { "x-forwarded-for: 1.2.3.4|connection: x-forwarded-for|a: 1", "a: 1" },
        { "te: gzip|a: 1", "a: 1" },
        { "te: gzip, Trailers|connection: te|a: 1", "a: 1|te: trailers" },
        { "te: trailers", "te: trailers" },
        { "connection: a-name-that-is-longer-than-any-we-know-by-number-and-goes-on-for-a-while|"
          "a-name-that-is-longer-than-any-we-know-by-number-and-goes-on-for-a-while: 1|b: 2",
          "b: 2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        headers_init(&headers, arena);
        add_all(cases[i].before);
        headers_remove_hop_by_hop(&headers);
        assert_headers(cases[i].after);
    }
}

static void a_copy_lives_on_its_own(void **state)
{
    struct arena *other = arena_new(256);
    struct headers from;
    char value[] = "value";

    (void)state;
    headers_init(&from, other);
    headers_add(&from, STR("x-own"), str_from(value, 5));
    headers_add(&from, STR("host"), STR("h"));
    headers_copy(&headers, &from);
    memset(value, '#', sizeof(value) - 1);
    arena_free(other);
    assert_headers("x-own: value|host: h");
}

static void many_fields_fit(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 1000; i++) {
        headers_add(&headers, arena_printf(arena, "x-%u", i), STR("v"));
    }
    assert_int_equal(headers.count, 1000);
    assert_true(str_equals(headers.items[999].name, STR("x-999")));
    assert_non_null(headers_find(&headers, STR("x-500")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_known_name_has_its_number, setup, teardown),
        cmocka_unit_test_setup_teardown(absent_fields_are_absent, setup, teardown),
        cmocka_unit_test_setup_teardown(set_replaces_the_first_and_drops_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(remove_keeps_the_order_of_the_rest, setup, teardown),
        cmocka_unit_test_setup_teardown(ht_26_values_are_joined_with_a_comma, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_are_searched_over_all_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(hd_1_hd_33_hop_by_hop_fields_end_here, setup, teardown),
        cmocka_unit_test_setup_teardown(a_copy_lives_on_its_own, setup, teardown),
        cmocka_unit_test_setup_teardown(many_fields_fit, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
