/* test_match: conditions of a route (spec 5.2, 14.5, SN-30, SN-36). */
#include "gateway/route/match.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct request {
    struct arena *arena;
    struct headers headers;
    struct match_request match;
};

static void open_request(struct request *request, const char *path, const char *query)
{
    request->arena = arena_new(1024);
    headers_init(&request->headers, request->arena);
    request->match = (struct match_request){
        .method = STR("GET"),
        .path = str_from_cstr(path),
        .query = str_from_cstr(query),
        .scheme = STR("http"),
        .authority = STR("a.com:8080"),
        .headers = &request->headers,
    };
}

static struct pattern *pattern(struct arena *arena, enum pattern_kind kind, const char *value)
{
    struct err err = { 0 };
    struct pattern *made = pattern_new(arena, kind, str_from_cstr(value), false, &err);

    assert_non_null(made);
    return made;
}

/* HT-26 to HT-28, 14.5. Values of header x: NULL ends. */
static void test_headers(void **state)
{
    static const struct {
        const char *rule;
        bool is_inverted;
        enum pattern_kind kind;
        const char *value;
        const char *sent[3];
        bool fits;
    } rows[] = {
        { "14.5", false, PATTERN_EXACT, "a", { "a", "a", NULL }, false }, /* "a,a" */
        { "HT-26", false, PATTERN_EXACT, "a,b", { "a", "b", NULL }, true },
        { "HT-26", false, PATTERN_EXACT, "a", { NULL, NULL, NULL }, false },
        { "HT-26", false, PATTERN_EXACT, "a", { "A", NULL, NULL }, false },
        { "HT-26", false, PATTERN_PREFIX, "a", { "abc", NULL, NULL }, true },
        { "HT-26", false, PATTERN_REGEX, "b", { "abc", NULL, NULL }, false },
        { "HT-26", false, PATTERN_REGEX, ".b.", { "abc", NULL, NULL }, true },
        { "HT-27", false, PATTERN_EXACT, "", { "", NULL, NULL }, true },
        { "HT-27", false, PATTERN_EXACT, "", { NULL, NULL, NULL }, false },
        { "HT-24", false, PATTERN_PRESENT, "", { "", NULL, NULL }, true },
        { "HT-24", false, PATTERN_PRESENT, "", { NULL, NULL, NULL }, false },
        { "HT-28", true, PATTERN_EXACT, "a", { NULL, NULL, NULL }, true },
        { "HT-28", true, PATTERN_EXACT, "a", { "a", NULL, NULL }, false },
        { "HT-28", true, PATTERN_EXACT, "a", { "b", NULL, NULL }, true },
        { "HT-28", true, PATTERN_REGEX, ".*", { NULL, NULL, NULL }, false },
        { "HT-28", true, PATTERN_REGEX, ".*", { "x", NULL, NULL }, false },
        { "HT-28", true, PATTERN_PRESENT, "", { NULL, NULL, NULL }, true },
        { "HT-28", true, PATTERN_PRESENT, "", { "x", NULL, NULL }, false },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request request;
        struct route_header_condition condition = { .name = STR("x"),
                                                    .is_inverted = rows[i].is_inverted,
                                                    .label = "headers[x]" };
        struct route route = { .conditions = { .headers = &condition, .header_count = 1 } };
        const char *failed;

        open_request(&request, "/", "");
        condition.pattern = pattern(request.arena, rows[i].kind, rows[i].value);
        for (size_t k = 0; k < 3 && rows[i].sent[k] != NULL; k++) {
            headers_add(&request.headers, STR("x"), str_from_cstr(rows[i].sent[k]));
        }
        failed = match_failed_condition(&route, &request.match);
        if ((failed == NULL) != rows[i].fits) {
            print_error("row %zu, %s\n", i, rows[i].rule);
            fail();
        }
        assert_true(failed == NULL || strcmp(failed, "headers[x]") == 0);
        pattern_free(condition.pattern);
        arena_free(request.arena);
    }
}

/* HT-31 */
static void test_query(void **state)
{
    static const struct {
        const char *query;
        enum pattern_kind kind;
        const char *value;
        bool fits;
    } rows[] = {
        { "q=a%20b", PATTERN_EXACT, "a b", false }, /* raw, 14.5 */
        { "q=a+b", PATTERN_EXACT, "a b", false },   { "", PATTERN_EXACT, "", false },
        { "Q=1", PATTERN_EXACT, "1", false },     /* names keep their case */
        { "q=2&q=1", PATTERN_EXACT, "1", false }, /* the first */
        { "q=1&q=2", PATTERN_EXACT, "1", true },    { "x&q", PATTERN_EXACT, "", true },
        { "q", PATTERN_PRESENT, "", true },         { "p", PATTERN_PRESENT, "", false },
        { "q=true", PATTERN_EXACT, "true", true },  { "q=v12", PATTERN_REGEX, "v[0-9]+", true },
        { "q=abc", PATTERN_PREFIX, "ab", true },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct request request;
        struct route_query_condition condition = { .name = STR("q"), .label = "queryParams[q]" };
        struct route route = { .conditions = { .query = &condition, .query_count = 1 } };

        open_request(&request, "/", rows[i].query);
        condition.pattern = pattern(request.arena, rows[i].kind, rows[i].value);
        if ((match_failed_condition(&route, &request.match) == NULL) != rows[i].fits) {
            print_error("row %zu: %s\n", i, rows[i].query);
            fail();
        }
        pattern_free(condition.pattern);
        arena_free(request.arena);
    }
}

/* HT-29, SN-36; names are those of explain. */
static void test_pseudo_fields(void **state)
{
    struct request request;
    struct route route = { 0 };
    (void)state;

    open_request(&request, "/x", "y");
    route.conditions.authority = pattern(request.arena, PATTERN_EXACT, "a.com");
    assert_string_equal(match_failed_condition(&route, &request.match), "authority");
    route.conditions.authority = pattern(request.arena, PATTERN_EXACT, "a.com:8080");
    assert_null(match_failed_condition(&route, &request.match));
    route.conditions.scheme = pattern(request.arena, PATTERN_EXACT, "https");
    assert_string_equal(match_failed_condition(&route, &request.match), "scheme");
    route.conditions.method = pattern(request.arena, PATTERN_EXACT, "POST");
    assert_string_equal(match_failed_condition(&route, &request.match), "method");
    arena_free(request.arena);
}

static void test_pseudo_headers(void **state)
{
    struct request request;
    struct route_header_condition condition = { .name = STR(":path"), .label = "headers[:path]" };
    struct route route = { .conditions = { .headers = &condition, .header_count = 1 } };
    (void)state;

    open_request(&request, "/x", "y=1");
    condition.pattern = pattern(request.arena, PATTERN_EXACT, "/x?y=1");
    assert_null(match_failed_condition(&route, &request.match));
    condition.name = STR(":status");
    assert_non_null(match_failed_condition(&route, &request.match));
    condition.id = HEADER_HOST;
    condition.name = STR("host");
    condition.pattern = pattern(request.arena, PATTERN_EXACT, "a.com:8080");
    assert_null(match_failed_condition(&route, &request.match));
    arena_free(request.arena);
}

/* HT-34: CONNECT and `*` meet no route without a uri. HT-20: all conditions. */
static void test_no_path(void **state)
{
    struct request request;
    struct route route = { 0 };
    (void)state;

    open_request(&request, "", "");
    assert_string_equal(match_failed_condition(&route, &request.match), "uri");
    request.match.path = STR("*");
    assert_string_equal(match_failed_condition(&route, &request.match), "uri");
    request.match.path = STR("/");
    assert_null(match_failed_condition(&route, &request.match));
    arena_free(request.arena);
}

/* SN-30: the port does not count, the case neither. */
static void test_virtual_host(void **state)
{
    struct route_table table = { 0 };
    struct virtual_host a = { .name = STR("a.com") };
    struct virtual_host v6 = { .name = STR("[::1]") };
    (void)state;

    assert_null(match_virtual_host(&table, STR("a.com")));
    assert_true(host_table_add(&table.hosts, a.name, &a, NULL));
    assert_true(host_table_add(&table.hosts, v6.name, &v6, NULL));
    assert_ptr_equal(match_virtual_host(&table, STR("A.com:8443")), &a);
    assert_ptr_equal(match_virtual_host(&table, STR("a.com.")), &a); /* SN-33, P */
    assert_ptr_equal(match_virtual_host(&table, STR("[::1]:80")), &v6);
    assert_null(match_virtual_host(&table, STR("b.com"))); /* SN-34 */
    assert_null(match_virtual_host(&table, STR("")));
    host_table_cleanup(&table.hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers),       cmocka_unit_test(test_query),
        cmocka_unit_test(test_pseudo_fields), cmocka_unit_test(test_pseudo_headers),
        cmocka_unit_test(test_no_path),       cmocka_unit_test(test_virtual_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
