/* test_route_table: the index never changes what is found, and skips what cannot match. */
#include "gateway/route/match.h"
#include "gateway/route/route_table.h"

#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { MAX_ROUTES = 1100 };

struct fixture {
    struct arena *arena;
    struct route routes[MAX_ROUTES];
    const struct route *order[MAX_ROUTES];
    struct virtual_host plain;
    struct virtual_host indexed;
};

static void add(struct fixture *fixture, enum pattern_kind kind, const char *value,
                bool ignore_case)
{
    struct route *route = &fixture->routes[fixture->plain.route_count];
    struct err err = { 0 };

    if (value != NULL) {
        route->conditions.uri =
            pattern_new(fixture->arena, kind, str_from_cstr(value), ignore_case, &err);
        assert_non_null(route->conditions.uri);
    }
    fixture->order[fixture->plain.route_count++] = route;
}

static struct fixture *open_fixture(void)
{
    struct fixture *fixture = mem_new(struct fixture);

    fixture->arena = arena_new(4096);
    fixture->plain.routes = fixture->order;
    return fixture;
}

static void seal(struct fixture *fixture)
{
    fixture->indexed = fixture->plain;
    route_index_build(fixture->arena, &fixture->indexed);
}

static void close_fixture(struct fixture *fixture)
{
    for (size_t i = 0; i < fixture->plain.route_count; i++) {
        pattern_free(fixture->routes[i].conditions.uri);
    }
    arena_free(fixture->arena);
    mem_free(fixture);
}

static size_t count_candidates(const struct virtual_host *host, struct str path)
{
    struct route_cursor cursor;
    size_t count = 0;

    route_cursor_start(&cursor, host, path);
    while (route_cursor_next(&cursor) != NULL) {
        count++;
    }
    return count;
}

static const struct route *first_match(const struct virtual_host *host, struct str path)
{
    struct arena *arena = arena_new(256);
    struct headers headers;
    struct match_request request = { .method = STR("GET"), .path = path, .headers = &headers };
    const struct route *route;

    headers_init(&headers, arena);
    route = match_route(host, &request);
    arena_free(arena);
    return route;
}

static void test_few_have_no_index(void **state)
{
    struct fixture *fixture = open_fixture();
    (void)state;

    add(fixture, PATTERN_PREFIX, "/a", false);
    seal(fixture);
    assert_null(fixture->indexed.index);
    assert_int_equal(count_candidates(&fixture->indexed, STR("/b")), 1);
    close_fixture(fixture);
}

static void test_no_routes(void **state)
{
    struct virtual_host host = { 0 };
    (void)state;

    assert_null(first_match(&host, STR("/")));
}

/* All ways in which paths can nest, over all paths up to five characters of a small alphabet. */
static void test_same_as_without(void **state)
{
    static const struct {
        enum pattern_kind kind;
        const char *value;
        bool ignore_case;
    } rows[] = {
        { PATTERN_EXACT, "/a/b", false },     { PATTERN_PREFIX, "/a/", false },
        { PATTERN_REGEX, "/b+a.*", false },   { PATTERN_PREFIX, "/A", true },
        { PATTERN_EXACT, "/B", true },        { PATTERN_REGEX, "/ab*", false },
        { PATTERN_PREFIX, "/a/b", false },    { PATTERN_EXACT, "/a/b", true },
        { PATTERN_REGEX, "(?i)/BA.", false }, { PATTERN_REGEX, "/a|/b", false },
        { PATTERN_PREFIX, "", false },        { PATTERN_EXACT, "", false },
        { PATTERN_PREFIX, "/b/a", false },    { PATTERN_PREFIX, "/", false },
    };
    static const char letters[] = "/abAB";
    struct fixture *fixture = open_fixture();
    char path[6] = "";
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        add(fixture, rows[i].kind, rows[i].value, rows[i].ignore_case);
    }
    seal(fixture);
    assert_non_null(fixture->indexed.index);
    for (unsigned number = 0; number < 6 * 6 * 6 * 6 * 6; number++) {
        unsigned rest = number;
        size_t len = 0;

        for (; len < 5 && rest % 6 != 5; len++, rest /= 6) {
            path[len] = letters[rest % 6];
        }
        assert_ptr_equal(first_match(&fixture->plain, str_from(path, len)),
                         first_match(&fixture->indexed, str_from(path, len)));
    }
    close_fixture(fixture);
}

/* HT-35 with a thousand regexes: only the one whose literal start fits is asked. */
static void test_thousand_regexes(void **state)
{
    struct fixture *fixture = open_fixture();
    char value[64];
    (void)state;

    for (int i = 0; i < 1000; i++) {
        (void)snprintf(value, sizeof(value), "/service-%03d/v[0-9]+/.*", i);
        add(fixture, PATTERN_REGEX, value, false);
    }
    add(fixture, PATTERN_PREFIX, NULL, false);
    seal(fixture);
    assert_int_equal(count_candidates(&fixture->indexed, STR("/service-777/v1/x")), 2);
    assert_ptr_equal(first_match(&fixture->indexed, STR("/service-777/v1/x")),
                     &fixture->routes[777]);
    assert_ptr_equal(first_match(&fixture->indexed, STR("/other")), &fixture->routes[1000]);
    close_fixture(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_few_have_no_index),
        cmocka_unit_test(test_no_routes),
        cmocka_unit_test(test_same_as_without),
        cmocka_unit_test(test_thousand_regexes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
