/* text: growth, numbers, escapes. */
#include "gateway/base/text.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void grows_and_stays_terminated(void **state)
{
    struct text text = { 0 };

    (void)state;
    text_clear(&text);
    for (size_t i = 0; i < 1000; i++) {
        text_add_char(&text, 'x');
        assert_int_equal(text.ptr[text.len], '\0');
    }
    text_add(&text, str_from(NULL, 0));
    text_add_cstr(&text, NULL);
    assert_int_equal(text.len, 1000);
    text_clear(&text);
    text_printf(&text, "%s", "");
    assert_string_equal(text.ptr, "");
    text_printf(&text, "%0300d", 5);
    assert_int_equal(text_view(&text).len, 300);
    text_cleanup(&text);
    assert_null(text.ptr);
}

static void numbers(void **state)
{
    struct text text = { 0 };

    (void)state;
    text_add_u64(&text, 0);
    text_add_char(&text, ' ');
    text_add_u64(&text, UINT64_MAX);
    assert_string_equal(text.ptr, "0 18446744073709551615");
    text_cleanup(&text);
}

static void what_could_forge_a_line_is_escaped(void **state)
{
    static const struct {
        struct str input;
        const char *plain;
        const char *quoted;
    } cases[] = {
        { STR_INIT("a\nb\rc\td"), "a\\nb\\rc\\td", "a\\nb\\rc\\td" },
        { STR_INIT("\0\x1b[31m\x7f"), "\\x00\\x1b[31m\\x7f", "\\x00\\x1b[31m\\x7f" },
        { STR_INIT("say \"hi\" \\"), "say \"hi\" \\", "say \\\"hi\\\" \\\\" },
        { STR_INIT("\xc3\xa4 \xe2\x82\xac"), "\xc3\xa4 \xe2\x82\xac", "\xc3\xa4 \xe2\x82\xac" },
        { STR_INIT("\xc2\x9b\xff"), "\\xc2\\x9b\\xff", "\\xc2\\x9b\\xff" },
        { STR_INIT(""), "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text text = { 0 };

        text_add_escaped(&text, cases[i].input, false);
        assert_string_equal(text.ptr, cases[i].plain);
        text_clear(&text);
        text_add_escaped(&text, cases[i].input, true);
        assert_string_equal(text.ptr, cases[i].quoted);
        text_cleanup(&text);
    }
}

static bool is_ascii_shown_as_it_is(unsigned c, bool is_quoted)
{
    return c >= 0x20 && c < 0x7f && !(is_quoted && (c == '"' || c == '\\'));
}

static void a_byte_is_escaped_at_any_place(void **state)
{
    char bytes[40];
    struct text text = { 0 };

    (void)state;
    for (unsigned c = 0; c < 256; c++) {
        for (size_t len = 1; len <= sizeof(bytes); len++) {
            for (size_t at = 0; at < len; at++) {
                for (unsigned quoted = 0; quoted < 2; quoted++) {
                    memset(bytes, 'v', sizeof(bytes));
                    bytes[at] = (char)c;
                    text_clear(&text);
                    text_add_escaped(&text, str_from(bytes, len), quoted == 1);
                    bool is_plain = is_ascii_shown_as_it_is(c, quoted == 1);
                    assert_int_equal(text.len > len, !is_plain);
                    assert_int_equal(text.ptr[at] == '\\', !is_plain || c == '\\');
                }
            }
        }
    }
    text_cleanup(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_stays_terminated),
        cmocka_unit_test(numbers),
        cmocka_unit_test(what_could_forge_a_line_is_escaped),
        cmocka_unit_test(a_byte_is_escaped_at_any_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
