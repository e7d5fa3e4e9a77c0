/* Tests of gateway/proxy/rewrite.c: HT-71 to HT-74 and the vectors of HT-72. */
#include "gateway/proxy/rewrite.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct row {
    enum pattern_kind kind;
    const char *match; /* NULL: no uri match */
    bool ignore_case;
    const char *uri;
    const char *path;
    const char *rewritten; /* NULL: unchanged */
};

static const struct row rows[] = {
    { PATTERN_PREFIX, "/foo", false, "", "/foo/bar", NULL }, /* HT-73 */
    { PATTERN_PREFIX, "/foo", false, "/foo", "/foo/bar", NULL },
    { PATTERN_PREFIX, "/foo", false, "/", "/foo/bar", "//bar" },
    { PATTERN_PREFIX, "/foo/", false, "/", "/foo/bar", "/bar" },
    { PATTERN_PREFIX, "/foo", false, "/x", "/foobar", "/xbar" },
    { PATTERN_PREFIX, "/foo", false, "/x", "/foo", "/x" },
    { PATTERN_EXACT, "/a", false, "/b", "/a", "/b" },
    { PATTERN_REGEX, "/v[0-9]+/.*", false, "/z", "/v1/abc", "/z" },
    { PATTERN_PREFIX, NULL, false, "/api/", "/users", "/api/users" },
    { PATTERN_PREFIX, "/FOO", true, "/x", "/foo/1", "/x/1" },
    /* A rule without a slash must not make a target without one. */
    { PATTERN_PREFIX, "/foo", false, "x", "/foo/1", "/x/1" },
};

static void test_vectors_HT_72(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct arena *arena = arena_new(1024);
        struct err err = { 0 };
        struct route route = { .rewrite = { .has_uri = true, .uri = str_from_cstr(row->uri) } };
        struct str path = { 0 };
        if (row->match != NULL) {
            route.conditions.uri =
                pattern_new(arena, row->kind, str_from_cstr(row->match), row->ignore_case, &err);
            assert_non_null(route.conditions.uri);
        }
        bool is_changed = rewrite_path(&route, str_from_cstr(row->path), &path, arena);
        if (is_changed != (row->rewritten != NULL) ||
            (is_changed && !str_equals(path, str_from_cstr(row->rewritten)))) {
            fail_msg("row %zu: %.*s", i, STR_ARG(path));
        }
        pattern_free(route.conditions.uri);
        arena_free(arena);
    }
}

static void test_no_rewrite(void **state)
{
    struct route route = { 0 };
    struct str path = { 0 };

    (void)state;
    assert_false(rewrite_path(&route, STR("/x"), &path, NULL));
}

static void test_regex_replaces_every_match_HT_74(void **state)
{
    static const struct {
        const char *regex;
        const char *rewrite;
        const char *path;
        const char *rewritten;
    } cases[] = {
        { "/nothing", "/x", "/a/b", NULL },
        { "^/service/([^/]+)(/.*)$", "\\2/instance/\\1", "/service/foo/v1/api",
          "/v1/api/instance/foo" },
        { "one", "two", "/xxx/one/yyy/one/zzz", "/xxx/two/yyy/two/zzz" },
        { "^/", "x", "/a", "/xa" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct err err = { 0 };
        struct route route = { .rewrite = { .regex_rewrite = str_from_cstr(cases[i].rewrite) } };
        struct str path = { 0 };
        route.rewrite.regex = pattern_new_search(arena, str_from_cstr(cases[i].regex), &err);
        assert_non_null(route.rewrite.regex);
        bool is_changed = rewrite_path(&route, str_from_cstr(cases[i].path), &path, arena);
        assert_int_equal(is_changed, cases[i].rewritten != NULL);
        if (is_changed && !str_equals(path, str_from_cstr(cases[i].rewritten))) {
            fail_msg("%zu: %.*s", i, STR_ARG(path));
        }
        pattern_free(route.rewrite.regex);
        arena_free(arena);
    }
}

/* The path is logged when the snapshot may be gone already. */
static void test_nothing_points_into_the_configuration(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct route route = { .rewrite = { .has_uri = true, .uri = STR("/new") } };
    struct str path = { 0 };

    (void)state;
    route.conditions.uri = pattern_new(arena, PATTERN_EXACT, STR("/old"), false, &err);
    assert_non_null(route.conditions.uri);
    assert_true(rewrite_path(&route, STR("/old"), &path, arena));
    assert_true(str_equals(path, STR("/new")));
    assert_ptr_not_equal(path.ptr, route.rewrite.uri.ptr);
    pattern_free(route.conditions.uri);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors_HT_72),
        cmocka_unit_test(test_no_rewrite),
        cmocka_unit_test(test_regex_replaces_every_match_HT_74),
        cmocka_unit_test(test_nothing_points_into_the_configuration),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
