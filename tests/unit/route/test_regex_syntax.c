/* test_regex_syntax: what RE2 has and has not (spec RL-48). */
#include "gateway/route/regex_syntax.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* RL-48: each is an error in RE2; most of them mean something to pcre2. */
static void test_refused(void **state)
{
    static const struct {
        const char *regex;
        const char *why;
    } rows[] = {
        { "(a)\\1", "back-reference" },
        { "\\9", "back-reference" },
        { "(?P<n>a)\\k<n>", "back-reference" },
        { "(a)\\g1", "back-reference" },
        { "(?P<n>a)(?P=n)", "unknown kind of group" },
        { "a(?=b)", "look-ahead" },
        { "a(?!b)", "look-ahead" },
        { "(?<=a)b", "look-behind" },
        { "(?<!a)b", "look-behind" },
        { "(?>a)", "atomic" },
        { "a++", "possessive" },
        { "a*+", "possessive" },
        { "a?+", "possessive" },
        { "a{2}+", "possessive" },
        { "a**", "repetition of a repetition" },
        { "(?(1)a|b)", "conditional" },
        { "(?R)", "unknown kind of group" },
        { "(?1)", "unknown kind of group" },
        { "(?&n)", "unknown kind of group" },
        { "(?P>n)", "unknown kind of group" },
        { "(?#x)", "comment" },
        { "(?C1)", "unknown kind of group" },
        { "(?|a|b)", "unknown kind of group" },
        { "(?x)a b", "unknown kind of group" },
        { "(*ACCEPT)", "verb" },
        { "(*UTF)a", "verb" },
        { "a\\Kb", "unknown escape" },
        { "\\Ga", "unknown escape" },
        { "\\R", "unknown escape" },
        { "\\X", "unknown escape" },
        { "\\C", "unknown escape" },
        { "\\h", "unknown escape" },
        { "\\Z", "unknown escape" },
        { "\\e", "unknown escape" },
        { "\\cA", "unknown escape" },
        { "\\N", "unknown escape" },
        { "\\", "backslash at the end" },
        { "\\p{Xan}", "\\p class" },
        { "\\p{L&}", "\\p class" },
        { "\\x{}", "broken \\x" },
        { "\\xg", "broken \\x" },
        { "[a", "not closed" },
        { "[[:nope:]]", "[:class:]" },
        { "[\\b]", "assertion" },
        { "(a", "not closed" },
        { "a)", "without '('" },
        { "*a", "repetition of nothing" },
        { "(+)", "repetition of nothing" },
        { "a|*", "repetition of nothing" },
        { "a{1001}", "1000 repetitions" },
        { "(a{100}){11}", "1000 repetitions" },
        { "((a{10}){10}){11}", "1000 repetitions" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct regex_syntax syntax;
        struct err err = { 0 };

        if (regex_syntax_translate(arena, str_from_cstr(rows[i].regex), &syntax, &err) ||
            strstr(err.text, rows[i].why) == NULL) {
            print_error("%s: %s\n", rows[i].regex, err.text);
            fail();
        }
        arena_free(arena);
    }
}

static void test_too_long(void **state)
{
    struct arena *arena = arena_new(1024);
    struct regex_syntax syntax;
    struct err err = { 0 };
    char regex[1025];
    (void)state;

    memset(regex, '(', sizeof(regex));
    assert_false(regex_syntax_translate(arena, str_from(regex, 1025), &syntax, &err));
    assert_int_equal(err.code, ERR_LIMIT);
    assert_false(regex_syntax_translate(arena, str_from(regex, 1024), &syntax, &err));
    memset(regex, 'a', sizeof(regex));
    assert_true(regex_syntax_translate(arena, str_from(regex, 1024), &syntax, &err));
    arena_free(arena);
}

static void test_accepted(void **state)
{
    static const struct {
        const char *regex;
        const char *translated;
        const char *start;
    } rows[] = {
        { "", "", "" },
        { "/foo", "/foo", "/foo" },
        { "/api/v[0-9]+/.*", "/api/v[0-9]+/.*", "/api/v" },
        { "/ab*", "/ab*", "/a" },
        { "/ab+", "/ab+", "/ab" },
        { "/ab?", "/ab?", "/a" },
        { "/ab{0,3}", "/ab{0,3}", "/a" },
        { "^/a$", "^/a$", "/a" },
        { "/a|/b", "/a|/b", "" },
        { "(?i)/FOO", "(?i)/FOO", "/FOO" },
        { "(?i)/task", "(?i)/task", "/ta" },
        { "/a\\.b", "/a\\.b", "/a.b" },
        { "(?P<n>a)", "(?P<n>a)", "" },
        { "(?<n>a)", "(?<n>a)", "" },
        { "(?i-s:a)", "(?i-s:a)", "" },
        { "(?U)a+?", "(?U)a+?", "" },
        { "a{,3}", "a\\{,3}", "" },
        { "a{x}", "a\\{x}", "" },
        { "\\Qa.b\\E+", "a\\.b+", "" },
        { "\\Qa", "a", "" },
        { "\\v", "\\x{b}", "" },
        { "\\123", "\\x{53}", "" },
        { "\\0", "\\x{0}", "" },
        { "[[:alpha:]]", "[[:alpha:]]", "" },
        { "[[:^digit:]_]", "[[:^digit:]_]", "" },
        { "[[.a]", "[\\[.a]", "" },
        { "[]a]", "[\\]a]", "" },
        { "[^]a]", "[^\\]a]", "" },
        { "\\pN\\p{Greek}\\P{^Lu}", "\\pN\\p{Greek}\\P{^Lu}", "" },
        { "\\x{10FFFF}\\x41", "\\x{10FFFF}\\x41", "" },
        { "(a{10}){100}", "(a{10}){100}", "" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct regex_syntax syntax;
        struct err err = { 0 };
        bool is_good = regex_syntax_translate(arena, str_from_cstr(rows[i].regex), &syntax, &err);

        if (!is_good || !str_equals(syntax.translated, str_from_cstr(rows[i].translated)) ||
            (!str_equals(syntax.literal_start, str_from_cstr(rows[i].start)))) {
            print_error("%s: %s '%.*s' start '%.*s'\n", rows[i].regex, err.text,
                        STR_ARG(is_good ? syntax.translated : STR("")),
                        STR_ARG(is_good ? syntax.literal_start : STR("")));
            fail();
        }
        arena_free(arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_too_long),
        cmocka_unit_test(test_accepted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
