/* json: always valid (RFC 8259), whatever the bytes. */
#include "gateway/base/json.h"

#include <math.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void strings_are_escaped_and_mended(void **state)
{
    static const struct {
        struct str input;
        const char *output;
    } cases[] = {
        { STR_INIT("\xff"), "\"\xef\xbf\xbd\"" },
        { STR_INIT("a\xe2\x82"), "\"a\xef\xbf\xbd\xef\xbf\xbd\"" },
        { STR_INIT("\0\x1f\x7f"), "\"\\u0000\\u001f\\u007f\"" },
        { STR_INIT("\"\\\n\r\t/"), "\"\\\"\\\\\\n\\r\\t/\"" },
        { STR_INIT("\xc3\xa4"), "\"\xc3\xa4\"" },
        { STR_INIT(""), "\"\"" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct text out = { 0 };
        struct json json;

        json_init(&json, &out, false);
        json_str(&json, cases[i].input);
        assert_string_equal(out.ptr, cases[i].output);
        text_cleanup(&out);
    }
}

static void write_sample(struct json *json)
{
    json_open_object(json);
    json_put_cstr(json, "a", "x");
    json_put_cstr(json, "b", NULL);
    json_key(json, "c");
    json_open_array(json);
    json_u64(json, UINT64_MAX);
    json_i64(json, INT64_MIN);
    json_double(json, 0.5);
    json_double(json, (double)NAN);
    json_bool(json, true);
    json_open_object(json);
    json_close_object(json);
    json_open_array(json);
    json_close_array(json);
    json_close_array(json);
    json_put_bool(json, "d", false);
    json_put_i64(json, "e", -1);
    json_put_u64(json, "f", 1);
    json_put_str(json, "g", STR("y"));
    json_close_object(json);
}

static void commas_and_nesting(void **state)
{
    struct text out = { 0 };
    struct json json;

    (void)state;
    json_init(&json, &out, false);
    write_sample(&json);
    assert_string_equal(out.ptr,
                        "{\"a\":\"x\",\"b\":null,\"c\":[18446744073709551615,"
                        "-9223372036854775808,0.5,null,true,{},[]],\"d\":false,\"e\":-1,\"f\":1,"
                        "\"g\":\"y\"}");
    text_cleanup(&out);
}

static void pretty_form(void **state)
{
    struct text out = { 0 };
    struct json json;

    (void)state;
    json_init(&json, &out, true);
    json_open_object(&json);
    json_key_str(&json, STR("a"));
    json_open_array(&json);
    json_null(&json);
    json_u64(&json, 1);
    json_close_array(&json);
    json_close_object(&json);
    assert_string_equal(out.ptr, "{\n  \"a\": [\n    null,\n    1\n  ]\n}");
    text_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_are_escaped_and_mended),
        cmocka_unit_test(commas_and_nesting),
        cmocka_unit_test(pretty_form),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
