/* target: forms of a request target, path normalisation (spec CN-20 to CN-24), query look-up (HT-21,
 * HT-31). Hardening: a path has one spelling when rules are matched. */
#include "gateway/http/target.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NONE PATH_NORMALIZATION_NONE
#define BASE PATH_NORMALIZATION_BASE
#define MERGE PATH_NORMALIZATION_MERGE_SLASHES
#define DECODE PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(1024);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static bool parse(const char *method, const char *target, struct head *head)
{
    head_init(head, arena);
    head->method = http_method_from(str_from_cstr(method));
    head->target = str_from_cstr(target);
    return target_parse(head);
}

static void bad_targets_are_refused(void **state)
{
    static const char *const bad[][2] = {
        { "GET", "" },
        { "GET", "#" },
        { "GET", "*" },
        { "GET", "index.html" },
        { "GET", "?a=b" },
        { "GET", "/a b" },
        { "GET", "/a\tb" },
        { "GET", "/a\x7f" },
        { "GET", "/a\x01" },
        { "GET", "/caf\xc3\xa9" },
        { "GET", "http://" },
        { "GET", "http:///path" },
        { "GET", "http:/host/" },
        { "GET", "http:host" },
        { "GET", "https//host/" },
        { "GET", "ftp://host/" },
        { "GET", "ws://host/" },
        { "GET", "httpx://host/" },
        { "GET", "http://user@host/" },
        { "GET", "http://user:pass@host/" },
        { "GET", "http://host:0/" },
        { "GET", "http://host:65536/" },
        { "GET", "http://host:/" },
        { "GET", "http://host:80:80/" },
        { "GET", "http://[::1/" },
        { "GET", "http://ho st/" },
        { "GET", "http://a,b/" },
        { "GET", "http://a\\b/" },
        { "GET", "host:80" },
        { "OPTIONS", "**" },
        { "OPTIONS", "*?a" },
        { "OPTIONS", "*/" },
        { "CONNECT", "/" },
        { "CONNECT", "host" },
        { "CONNECT", "host:" },
        { "CONNECT", "http://host:80" },
        { "CONNECT", "*" },
        { "POST", "*" },
    };
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (parse(bad[i][0], bad[i][1], &head)) {
            fail_msg("%s %s", bad[i][0], bad[i][1]);
        }
    }
}

static void cn_23_cn_24_targets_are_taken_apart(void **state)
{
    static const struct {
        const char *method;
        const char *target;
        const char *scheme;
        const char *authority;
        const char *path;
        const char *query; /* NULL: none */
    } cases[] = {
        { "GET", "/", "", "", "/", NULL },
        { "GET", "/?", "", "", "/", "" },
        { "GET", "/a/b?c=d&e=?", "", "", "/a/b", "c=d&e=?" },
        { "GET", "//host/x", "", "", "//host/x", NULL },
        { "GET", "/a#frag?x", "", "", "/a", NULL },
        { "GET", "/a?b#frag", "", "", "/a", "b" },
        { "GET", "/a?%zz\\\"<>", "", "", "/a", "%zz\\\"<>" },
        { "GET", "/{\"a\"}|^`", "", "", "/{\"a\"}|^`", NULL },
        { "GET", "/:80/@", "", "", "/:80/@", NULL },
        { "GET", "http://host", "http", "host", "/", NULL },
        { "GET", "HTTPS://Host:8443/p?q", "https", "Host:8443", "/p", "q" },
        { "GET", "http://host?q", "http", "host", "/", "q" },
        { "GET", "http://[2001:db8::1]:80/x#y", "http", "[2001:db8::1]:80", "/x", NULL },
        { "OPTIONS", "*", "", "", "*", NULL },
        { "OPTIONS", "http://host", "http", "host", "*", NULL },
        { "OPTIONS", "http://host/", "http", "host", "/", NULL },
        { "CONNECT", "host:443", "", "host:443", "", NULL },
        { "CONNECT", "[::1]:443", "", "[::1]:443", "", NULL },
    };
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!parse(cases[i].method, cases[i].target, &head) ||
            !str_equals(head.scheme, str_from_cstr(cases[i].scheme)) ||
            !str_equals(head.authority, str_from_cstr(cases[i].authority)) ||
            !str_equals(head.path, str_from_cstr(cases[i].path)) ||
            head.has_query != (cases[i].query != NULL) ||
            !str_equals(head.query, str_from_cstr(cases[i].query))) {
            fail_msg("%s: %.*s %.*s", cases[i].target, STR_ARG(head.path), STR_ARG(head.query));
        }
    }
}

static void cn_22_bad_paths_are_refused_in_every_mode(void **state)
{
    static const struct str bad[] = { STR_INIT(""),      STR_INIT("a"),       STR_INIT("**"),
                                      STR_INIT("/a\\b"), STR_INIT("/a\0b"),   STR_INIT("/a b"),
                                      STR_INIT("/a\tb"), STR_INIT("/a\r\nb"), STR_INIT("/\x7f"),
                                      STR_INIT("/\xff"), STR_INIT("/%"),      STR_INIT("/%4"),
                                      STR_INIT("/a%"),   STR_INIT("/%zz"),    STR_INIT("/%4g"),
                                      STR_INIT("/%-1"),  STR_INIT("/%00"),    STR_INIT("/a%00/b"),
                                      STR_INIT("/% 20"), STR_INIT("/%u0041"), STR_INIT("/\\..\\x"),
                                      STR_INIT("/%2"),   STR_INIT("/%%20"),   STR_INIT("/.\\.") };
    struct str normal;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        for (unsigned mode = NONE; mode <= DECODE; mode++) {
            if (target_normalize_path(bad[i], (enum path_normalization)mode, arena, &normal)) {
                fail_msg("%.*s in mode %u", STR_ARG(bad[i]), mode);
            }
        }
    }
}

static void hidden_dot_segments_are_refused(void **state)
{
    static const char *const bad[] = {
        "/a%2f..",      "/a%2F../b",   "/a/..%2fb",     "/a%5c..%5cb",
        "/a/..%5Cb",    "/%2e%2e%2fb", "/a%2f%2e%2e/b", "/a%2f./b",
        "/./..%2f",     "/a/.%2f",     "/a%2f%2E",      "/..%2f..%2fetc",
        "/x/%2e%2e%5c", "/a%2f..%2f",  "/%2f..",        "/public/..%2fadmin",
    };
    struct str normal;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct str path = str_from_cstr(bad[i]);

        if (target_normalize_path(path, BASE, arena, &normal) ||
            target_normalize_path(path, MERGE, arena, &normal)) {
            fail_msg("%s", bad[i]);
        }
        /* Where slashes are decoded they are no longer hidden; none leaves all as it is. */
        assert_true(target_normalize_path(path, DECODE, arena, &normal));
        assert_true(str_find(normal, STR("/..")) == SIZE_MAX);
        assert_true(target_normalize_path(path, NONE, arena, &normal));
        assert_ptr_equal(normal.ptr, path.ptr);
    }
}

static void cn_20_cn_21_paths_are_normalised_by_mode(void **state)
{
    static const struct {
        const char *path;
        const char *base;
        const char *merge;
        const char *decode;
    } cases[] = {
        { "/", "/", "/", "/" },
        { "*", "*", "*", "*" },
        { "/a/b", "/a/b", "/a/b", "/a/b" },
        { "/a/./b", "/a/b", "/a/b", "/a/b" },
        { "/a/../b", "/b", "/b", "/b" },
        { "/a/b/..", "/a/", "/a/", "/a/" },
        { "/a/b/.", "/a/b/", "/a/b/", "/a/b/" },
        { "/..", "/", "/", "/" },
        { "/../../x", "/x", "/x", "/x" },
        { "/.", "/", "/", "/" },
        { "/./././a", "/a", "/a", "/a" },
        { "/a/b/c/./../../g", "/a/g", "/a/g", "/a/g" },
        { "/mid/content=5/../6", "/mid/6", "/mid/6", "/mid/6" },
        { "/...", "/...", "/...", "/..." },
        { "/a/.b/..c/d.", "/a/.b/..c/d.", "/a/.b/..c/d.", "/a/.b/..c/d." },
        { "/a/..;/b", "/a/..;/b", "/a/..;/b", "/a/..;/b" },
        { "//admin", "//admin", "/admin", "/admin" },
        { "/a//b///c//", "/a//b///c//", "/a/b/c/", "/a/b/c/" },
        { "/a//../b", "/a/b", "/a/b", "/a/b" },
        { "//", "//", "/", "/" },
        { "//..", "/", "/", "/" },
        { "/%61dmin", "/admin", "/admin", "/admin" },
        { "/%41%7a%30%2D%2e%5f%7e", "/Az0-._~", "/Az0-._~", "/Az0-._~" },
        { "/%2e%2e/x", "/x", "/x", "/x" },
        { "/a/%2E%2e", "/", "/", "/" },
        { "/a/.%2e/b", "/b", "/b", "/b" },
        { "/a%2fb", "/a%2Fb", "/a%2Fb", "/a/b" },
        { "/a%5cb", "/a%5Cb", "/a%5Cb", "/a/b" },
        { "/a%2f%2Fb", "/a%2F%2Fb", "/a%2F%2Fb", "/a/b" },
        { "/%c3%a9%3a%0a", "/%C3%A9%3A%0A", "/%C3%A9%3A%0A", "/%C3%A9%3A%0A" },
        { "/%252e%252e/%2525", "/%252e%252e/%2525", "/%252e%252e/%2525", "/%252e%252e/%2525" },
        { "/a%2f...", "/a%2F...", "/a%2F...", "/a/..." },
    };
    struct str normal;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str path = str_from_cstr(cases[i].path);
        const char *expected[] = { cases[i].path, cases[i].base, cases[i].merge, cases[i].decode };

        for (unsigned mode = NONE; mode <= DECODE; mode++) {
            if (!target_normalize_path(path, (enum path_normalization)mode, arena, &normal) ||
                !str_equals(normal, str_from_cstr(expected[mode]))) {
                fail_msg("%s in mode %u: %.*s", cases[i].path, mode, STR_ARG(normal));
            }
            /* A normal path is its own normal form, or two hops would see two paths. */
            struct str again;

            assert_true(
                target_normalize_path(normal, (enum path_normalization)mode, arena, &again));
            assert_true(str_equals(again, normal));
        }
    }
}

static void an_unchanged_path_is_not_copied(void **state)
{
    struct str path = STR("/a/b.c/d-e_f~");
    struct str normal;
    size_t used = arena_used_bytes(arena);

    (void)state;
    assert_true(target_normalize_path(path, DECODE, arena, &normal));
    assert_ptr_equal(normal.ptr, path.ptr);
    assert_int_equal(arena_used_bytes(arena), used);
}

static void ht_31_the_first_raw_value_counts(void **state)
{
    static const struct {
        const char *query;
        const char *name;
        const char *value; /* NULL: absent */
    } cases[] = {
        { "", "a", NULL },
        { "", "", NULL },
        { "b=1", "a", NULL },
        { "A=1", "a", NULL },
        { "aa=1", "a", NULL },
        { "%61=1", "a", NULL },
        { "&&", "a", NULL },
        { "x=a=1", "a", NULL },
        { "a", "a", "" },
        { "a=", "a", "" },
        { "a=1", "a", "1" },
        { "a=1&a=2", "a", "1" },
        { "b=0&a=true", "a", "true" },
        { "a=%20+b", "a", "%20+b" },
        { "a=b=c", "a", "b=c" },
        { "&a=1&", "a", "1" },
        { "a;b=1", "a;b", "1" },
        { "=v", "", "v" },
    };
    struct str value;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool found =
            target_query_get(str_from_cstr(cases[i].query), str_from_cstr(cases[i].name), &value);

        if (found != (cases[i].value != NULL) ||
            (found && !str_equals(value, str_from_cstr(cases[i].value)))) {
            fail_msg("%s of %s", cases[i].name, cases[i].query);
        }
    }
}

static void authorities_are_split(void **state)
{
    static const char *const cases[][3] = {
        { "", "", "" },          { "host", "host", "" },   { "host:80", "host", "80" },
        { "host:", "host", "" }, { "[::1]", "[::1]", "" }, { "[::1]:8443", "[::1]", "8443" },
        { "[::1", "[::1", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str authority = str_from_cstr(cases[i][0]);

        assert_true(str_equals(target_authority_host(authority), str_from_cstr(cases[i][1])));
        assert_true(str_equals(target_authority_port(authority), str_from_cstr(cases[i][2])));
    }
}

static void cn_20_modes_have_names(void **state)
{
    enum path_normalization mode;

    (void)state;
    assert_false(path_normalization_from(STR(""), &mode));
    assert_false(path_normalization_from(STR("BASE"), &mode));
    assert_false(path_normalization_from(STR("merge_slashes"), &mode));
    for (unsigned i = NONE; i <= DECODE; i++) {
        assert_true(
            path_normalization_from(path_normalization_name((enum path_normalization)i), &mode));
        assert_int_equal(mode, i);
    }
}

static void what_no_target_can_carry_is_escaped(void **state)
{
    static const struct {
        const char *path;
        const char *query; /* NULL: none */
        const char *written;
    } cases[] = {
        { "/a b", NULL, "/a%20b" },
        { "/a#b", "c#d", "/a%23b?c%23d" },
        { "/\r\nx: y", NULL, "/%0D%0Ax:%20y" },
        { "/\x7f\xc3\xa9", "\t", "/%7F%C3%A9?%09" },
        { "", NULL, "/" },
        { "", "", "/?" },
        { "*", NULL, "*" },
        { "/a%20b", "c=d&e", "/a%20b?c=d&e" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct head head = {
            .path = str_from_cstr(cases[i].path),
            .query = str_from_cstr(cases[i].query),
            .has_query = cases[i].query != NULL,
        };
        char out[64];
        size_t len = target_write(&head, out);

        assert_true(len <= target_written_bytes_max(&head));
        assert_true(str_equals(str_from(out, len), str_from_cstr(cases[i].written)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_targets_are_refused),
        cmocka_unit_test(cn_23_cn_24_targets_are_taken_apart),
        cmocka_unit_test(cn_22_bad_paths_are_refused_in_every_mode),
        cmocka_unit_test(hidden_dot_segments_are_refused),
        cmocka_unit_test(cn_20_cn_21_paths_are_normalised_by_mode),
        cmocka_unit_test(an_unchanged_path_is_not_copied),
        cmocka_unit_test(ht_31_the_first_raw_value_counts),
        cmocka_unit_test(authorities_are_split),
        cmocka_unit_test(cn_20_modes_have_names),
        cmocka_unit_test(what_no_target_can_carry_is_escaped),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
