/* str: views, comparison, splitting, numbers. */
#include "gateway/base/str.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void numbers_refuse_what_is_not_a_number(void **state)
{
    static const char *const bad[] = { "",
                                       " 1",
                                       "1 ",
                                       "+1",
                                       "-1",
                                       "0x1",
                                       "1.0",
                                       "1e3",
                                       "18446744073709551616",
                                       "99999999999999999999" };
    uint64_t value = 7;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(str_parse_u64(str_from_cstr(bad[i]), &value));
        assert_int_equal(value, 7);
    }
    assert_false(str_parse_u64(str_from("1\0", 2), &value));
    assert_true(str_parse_u64(STR("18446744073709551615"), &value));
    assert_true(value == UINT64_MAX);
    assert_true(str_parse_u64(STR("0007"), &value));
    assert_int_equal(value, 7);
}

static void small_numbers_refuse_large_ones(void **state)
{
    uint32_t value = 7;

    (void)state;
    assert_false(str_parse_u32(STR("4294967296"), &value));
    assert_int_equal(value, 7);
    assert_true(str_parse_u32(STR("4294967295"), &value));
    assert_true(value == UINT32_MAX);
}

static void comparison_takes_any_bytes(void **state)
{
    (void)state;
    assert_true(str_equals(str_from(NULL, 0), STR("")));
    assert_false(str_equals(str_from("a\0b", 3), str_from("a\0c", 3)));
    assert_true(str_equals_nocase(STR("Host"), STR("hOST")));
    /* Only ASCII letters fold: neither "[" and "{" nor bytes above 127. */
    assert_false(str_equals_nocase(STR("["), STR("{")));
    assert_false(str_equals_nocase(STR("\xc4"), STR("\xe4")));
    assert_true(str_compare(STR("a"), STR("ab")) < 0);
    assert_true(str_compare(STR("b"), STR("ab")) > 0);
    assert_true(str_compare(STR("\xff"), STR("a")) > 0);
    assert_int_equal(str_compare(STR(""), str_from(NULL, 0)), 0);
    assert_true(str_compare_nocase(STR("B"), STR("a")) > 0);
    assert_int_equal(str_compare_nocase(STR("AbC"), STR("aBc")), 0);
    assert_true(str_compare_nocase(STR("a"), STR("AB")) < 0);
}

static void prefixes_and_suffixes(void **state)
{
    (void)state;
    assert_false(str_starts_with(STR("a"), STR("ab")));
    assert_true(str_starts_with(STR("ab"), STR("")));
    assert_true(str_starts_with_nocase(STR("/API/x"), STR("/api")));
    assert_false(str_starts_with_nocase(STR("/ap"), STR("/api")));
    assert_true(str_ends_with(STR("x.example.com"), STR(".example.com")));
    assert_false(str_ends_with(STR("com"), STR(".com")));
}

static void finding(void **state)
{
    (void)state;
    assert_true(str_find_char(str_from(NULL, 0), 'a') == SIZE_MAX);
    assert_int_equal(str_find_char(STR("abca"), 'a'), 0);
    assert_int_equal(str_find_last_char(STR("abca"), 'a'), 3);
    assert_true(str_find_last_char(STR("abc"), 'x') == SIZE_MAX);
    assert_int_equal(str_find(STR("abc"), STR("")), 0);
    assert_int_equal(str_find(STR("aabaac"), STR("aac")), 3);
    assert_true(str_find(STR("a"), STR("ab")) == SIZE_MAX);
}

static void slices_are_clamped(void **state)
{
    struct str view = STR("abc");

    (void)state;
    assert_int_equal(str_slice(view, 5, 1).len, 0);
    assert_int_equal(str_slice(view, 1, SIZE_MAX).len, 2);
    assert_true(str_equals(str_skip(view, 2), STR("c")));
    assert_true(str_equals(str_trim(STR(" \t a b\t ")), STR("a b")));
    /* OWS is blank and tab, not the line's end. */
    assert_true(str_equals(str_trim(STR("\r\na")), STR("\r\na")));
    assert_int_equal(str_trim(STR(" \t ")).len, 0);
}

static void split_counts_empty_parts(void **state)
{
    static const struct {
        const char *input;
        size_t parts;
    } cases[] = { { "", 1 }, { ",", 2 }, { "a", 1 }, { "a,,b", 3 }, { "a,b,", 3 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct str rest = str_from_cstr(cases[i].input);
        struct str part;
        size_t parts = 0;

        while (str_split_next(&rest, ',', &part)) {
            parts++;
        }
        assert_int_equal(parts, cases[i].parts);
    }
}

static void lower_case_in_place(void **state)
{
    char bytes[] = "AbC-9\xc4";

    (void)state;
    str_lower_bytes(bytes, sizeof(bytes) - 1);
    assert_string_equal(bytes, "abc-9\xc4");
}

static void lower_case_of_any_byte_at_any_place(void **state)
{
    char bytes[32];

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 1; len < sizeof(bytes); len++) {
            for (size_t at = 0; at < len; at++) {
                memset(bytes, 'Q', sizeof(bytes));
                bytes[at] = (char)c;
                str_lower_bytes(bytes, len);
                for (size_t i = 0; i < sizeof(bytes); i++) {
                    char expected = i == at ? str_lower_char((char)c) : i < len ? 'q' : 'Q';
                    assert_int_equal(bytes[i], expected);
                }
            }
        }
    }
}

static void distance_is_capped(void **state)
{
    static const char long_name[] =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

    (void)state;
    assert_int_equal(str_distance(STR("credentialName"), STR("credentialname"), 9), 1);
    assert_int_equal(str_distance(STR("kitten"), STR("sitting"), 9), 3);
    assert_int_equal(str_distance(STR(""), STR("abc"), 9), 3);
    assert_int_equal(str_distance(STR("abc"), STR("xyz"), 2), 2);
    assert_int_equal(str_distance(str_from_cstr(long_name), STR("a"), 5), 5);
    assert_int_equal(str_distance(str_from_cstr(long_name), str_from_cstr(long_name), 5), 0);
}

static void utf8_refuses_what_rfc_3629_refuses(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        { "\x80", 0 },
        { "\xc0\x80", 0 },
        { "\xc1\xbf", 0 },
        { "\xc3", 0 },
        { "\xe0\x9f\xbf", 0 },
        { "\xed\xa0\x80", 0 },
        { "\xe2\x82", 0 },
        { "\xf0\x8f\xbf\xbf", 0 },
        { "\xf4\x90\x80\x80", 0 },
        { "\xf5\x80\x80\x80", 0 },
        { "\xe2\x28\xa1", 0 },
        { "a", 1 },
        { "\xc3\xa4", 2 },
        { "\xe2\x82\xac", 3 },
        { "\xf0\x9f\x98\x80", 4 },
    };

    (void)state;
    assert_int_equal(str_utf8_length(STR("")), 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(str_utf8_length(str_from_cstr(cases[i].bytes)), cases[i].len);
    }
}

static void hash_depends_on_every_byte(void **state)
{
    (void)state;
    assert_true(str_hash(STR("")) == UINT64_C(0xcbf29ce484222325));
    assert_true(str_hash(STR("a")) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(str_hash(STR("ab")) != str_hash(STR("ba")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_refuse_what_is_not_a_number),
        cmocka_unit_test(small_numbers_refuse_large_ones),
        cmocka_unit_test(comparison_takes_any_bytes),
        cmocka_unit_test(prefixes_and_suffixes),
        cmocka_unit_test(finding),
        cmocka_unit_test(slices_are_clamped),
        cmocka_unit_test(split_counts_empty_parts),
        cmocka_unit_test(lower_case_in_place),
        cmocka_unit_test(lower_case_of_any_byte_at_any_place),
        cmocka_unit_test(distance_is_capped),
        cmocka_unit_test(utf8_refuses_what_rfc_3629_refuses),
        cmocka_unit_test(hash_depends_on_every_byte),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
