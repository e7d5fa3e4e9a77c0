/* test_pattern: matches and rewrites (spec HT-22 to HT-25, HT-74, RL-48). */
#include "gateway/route/pattern.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static bool matches(enum pattern_kind kind, const char *value, bool ignore_case,
                    const char *subject)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(arena, kind, str_from_cstr(value), ignore_case, &err);
    bool answer;

    if (pattern == NULL) {
        print_error("%s: %s\n", value, err.text);
    }
    assert_non_null(pattern);
    answer = pattern_matches(pattern, str_from_cstr(subject));
    pattern_free(pattern);
    arena_free(arena);
    return answer;
}

static void test_bad_regexes(void **state)
{
    static const char *const bad[] = { "(a)\\1",           "(",     "[z-a]",
                                       "a{2,1}",           "(?=a)", "\\p{Nope}",
                                       "(?P<a>.)(?P<a>.)", "\xff" };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct err err = { 0 };

        assert_null(pattern_new(arena, PATTERN_REGEX, str_from_cstr(bad[i]), false, &err));
        assert_int_not_equal(err.code, ERR_NONE);
        arena_free(arena);
    }
}

/* pcre2 unrolls repetitions: what a pattern may become is capped. */
static void test_too_large(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    (void)state;

    assert_null(pattern_new(arena, PATTERN_REGEX,
                            STR("(?:[a-c][d-f][g-i]){999}(?:[j-l][m-o][p-r]){999}"), false, &err));
    assert_int_not_equal(err.code, ERR_NONE);
    arena_free(arena);
}

static void test_texts(void **state)
{
    (void)state;
    assert_true(matches(PATTERN_EXACT, "/foo", false, "/foo"));
    assert_false(matches(PATTERN_EXACT, "/foo", false, "/foo/")); /* HT-23 */
    assert_false(matches(PATTERN_EXACT, "/foo", false, "/FOO"));
    assert_true(matches(PATTERN_EXACT, "/foo", true, "/FOO"));      /* HT-25 */
    assert_true(matches(PATTERN_EXACT, "", false, ""));             /* HT-27 */
    assert_true(matches(PATTERN_PREFIX, "/foo", false, "/foobar")); /* HT-22 */
    assert_false(matches(PATTERN_PREFIX, "/foo", false, "/fo"));
    assert_true(matches(PATTERN_PREFIX, "/FOO", true, "/foobar"));
    assert_true(matches(PATTERN_PREFIX, "", false, ""));
    assert_true(matches(PATTERN_PRESENT, "", false, "")); /* HT-24 */
    assert_true(matches(PATTERN_PRESENT, "", false, "x"));
}

/* HT-23: RE2, the whole string. */
static void test_regexes(void **state)
{
    static const struct {
        const char *regex;
        const char *subject;
        bool fits;
    } rows[] = {
        { "/a.c", "/xabc", false },
        { "/a.c", "/abcd", false },
        { "/a.c", "/abc", true },
        { "/a.c", "/ABC", false },
        { "(?i)/a.c", "/ABC", true },
        { "a|ab", "ab", true },
        { "a|b", "ab", false },
        { "a$", "a\n", false },
        { ".", "\n", false },
        { "(?s).", "\n", true },
        { ".", "\xc3\xa9", true }, /* one character of two bytes */
        { ".", "\xff", false },    /* not UTF-8: matches nothing */
        { "(?i)k", "\xe2\x84\xaa", true },
        { "\\d+", "\xd9\xa1", false }, /* ASCII digits only */
        { "\\w", "\xc3\xa9", false },
        { "\\x41", "A", true },
        { "\\101", "A", true },
        { "\\Q.*\\E", ".*", true },
        { "\\Q.*\\E", "aa", false },
        { "a{,2}", "a{,2}", true },
        { "[[:digit:]]{2}", "42", true },
        { "(?P<x>a)b", "ab", true },
        { "(?U)a+b", "aab", true },
        { ".*", "", true },
        { "\\A/x\\z", "/x", true },
        { "/v[0-9]+/.*", "/v1/abc", true },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (matches(PATTERN_REGEX, rows[i].regex, false, rows[i].subject) != rows[i].fits) {
            print_error("%s on %s\n", rows[i].regex, rows[i].subject);
            fail();
        }
    }
}

/* ignoreUriCase does not reach regexes (HT-25). */
static void test_regex_keeps_case(void **state)
{
    (void)state;
    assert_false(matches(PATTERN_REGEX, "/a.c", true, "/ABC"));
}

static void test_limit_is_no_match(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(arena, PATTERN_REGEX, STR("(a|aa|aaa)+b"), false, &err);
    char subject[4096];
    uint64_t before = pattern_limit_count();
    (void)state;

    memset(subject, 'a', sizeof(subject));
    memcpy(subject + sizeof(subject) - 2, "cb", 2); /* there is a "b", so it has to be tried */
    assert_false(pattern_matches(pattern, str_from(subject, sizeof(subject))));
    assert_int_equal(pattern_limit_count(), before + 1);
    pattern_free(pattern);
    arena_free(arena);
}

/* After a thread's first match nothing is allocated. */
static void test_no_allocation(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(arena, PATTERN_REGEX, STR("/(a|b)+/.*"), false, &err);
    uint64_t before;
    (void)state;

    assert_true(pattern_matches(pattern, STR("/ab/x")));
    before = mem_allocation_count();
    for (int i = 0; i < 100; i++) {
        assert_true(pattern_matches(pattern, STR("/abab/x")));
        assert_false(pattern_matches(pattern, STR("/abab")));
    }
    assert_int_equal(mem_allocation_count(), before);
    pattern_free(pattern);
    arena_free(arena);
}

static void *match_in_thread(void *arg)
{
    const struct pattern *pattern = arg;
    uintptr_t count = 0;

    for (int i = 0; i < 1000; i++) {
        count += pattern_matches(pattern, STR("/v1/x"));
    }
    return (void *)count;
}

static void test_threads_share(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(arena, PATTERN_REGEX, STR("/v[0-9]/.*"), false, &err);
    pthread_t threads[4];
    (void)state;

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, match_in_thread, pattern), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *count;

        assert_int_equal(pthread_join(threads[i], &count), 0);
        assert_int_equal((uintptr_t)count, 1000);
    }
    pattern_free(pattern);
    arena_free(arena);
}

/* HT-74 */
static void test_replace(void **state)
{
    static const struct {
        const char *regex;
        const char *rewrite;
        const char *subject;
        const char *result;
        bool is_changed;
    } rows[] = {
        { "^/api/(.*)$", "/\\1", "/api/x/y", "/x/y", true },
        { "/nothing", "/x", "/api", "/api", false },
        { "a", "b", "/banana", "/bbnbnb", true },
        { "x*", "-", "abc", "-a-b-c-", true },
        { "b*", "-", "abc", "-a-c-", true },
        { "(a)|(b)", "[\\2]", "ab", "[][b]", true },
        { "a", "\\\\\\0", "ba", "b\\a", true },
        { "", "-", "\xc3\xa9", "-\xc3\xa9-", true },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct err err = { 0 };
        struct text out = { 0 };
        struct pattern *pattern = pattern_new_search(arena, str_from_cstr(rows[i].regex), &err);

        assert_non_null(pattern);
        assert_true(pattern_check_rewrite(pattern, str_from_cstr(rows[i].rewrite), &err));
        text_add_cstr(&out, "before:");
        if (pattern_replace_all(pattern, str_from_cstr(rows[i].subject),
                                str_from_cstr(rows[i].rewrite), &out) != rows[i].is_changed ||
            strcmp(out.ptr + 7, rows[i].result) != 0) {
            print_error("%s on %s: %s\n", rows[i].regex, rows[i].subject, out.ptr);
            fail();
        }
        text_cleanup(&out);
        pattern_free(pattern);
        arena_free(arena);
    }
}

static void test_replace_is_bounded(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct text out = { 0 };
    struct pattern *pattern = pattern_new_search(arena, STR("a"), &err);
    char subject[LIMIT_REGEX_REPLACEMENTS + 100];
    (void)state;

    memset(subject, 'a', sizeof(subject));
    assert_false(pattern_replace_all(pattern, str_from(subject, sizeof(subject)), STR("bb"), &out));
    assert_int_equal(out.len, sizeof(subject));
    assert_int_equal(out.ptr[0], 'a');
    text_cleanup(&out);
    pattern_free(pattern);
    arena_free(arena);
}

static void test_bad_rewrites(void **state)
{
    struct arena *arena = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new_search(arena, STR("(a)"), &err);
    (void)state;

    assert_false(pattern_check_rewrite(pattern, STR("\\2"), &err));
    assert_false(pattern_check_rewrite(pattern, STR("\\x"), &err));
    assert_false(pattern_check_rewrite(pattern, STR("x\\"), &err));
    assert_true(pattern_check_rewrite(pattern, STR("\\0\\1\\\\$1"), &err));
    pattern_free(pattern);
    arena_free(arena);
}

static void test_version(void **state)
{
    (void)state;
    assert_true(pattern_library_version()[0] >= '1');
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_regexes),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_regexes),
        cmocka_unit_test(test_regex_keeps_case),
        cmocka_unit_test(test_limit_is_no_match),
        cmocka_unit_test(test_no_allocation),
        cmocka_unit_test(test_threads_share),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_replace_is_bounded),
        cmocka_unit_test(test_bad_rewrites),
        cmocka_unit_test(test_version),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
