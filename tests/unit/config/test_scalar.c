/* scalar: YAML 1.1 types, durations, times, base64 (spec RL-13, RL-22, RL-27, RL-5). */
#include "config/scalar.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void types_are_those_of_yaml_1_1(void **state)
{
    static const struct {
        const char *text;
        enum scalar_type type;
    } rows[] = {
        { "", SCALAR_NULL },
        { "~", SCALAR_NULL },
        { "null", SCALAR_NULL },
        { "Null", SCALAR_NULL },
        { "nULL", SCALAR_STRING },
        { "yes", SCALAR_BOOL },
        { "No", SCALAR_BOOL },
        { "ON", SCALAR_BOOL },
        { "off", SCALAR_BOOL },
        { "true", SCALAR_BOOL },
        { "False", SCALAR_BOOL },
        { "tRue", SCALAR_STRING },
        { "y", SCALAR_STRING },
        { "0", SCALAR_INT },
        { "-17", SCALAR_INT },
        { "+1", SCALAR_INT },
        { "0x1F", SCALAR_INT },
        { "0o17", SCALAR_INT },
        { "017", SCALAR_INT },
        { "0b11", SCALAR_INT },
        { "1_000", SCALAR_INT },
        { "089", SCALAR_FLOAT },
        { "1.5", SCALAR_FLOAT },
        { ".5", SCALAR_FLOAT },
        { "1e3", SCALAR_FLOAT },
        { "1.", SCALAR_FLOAT },
        { "-.inf", SCALAR_FLOAT },
        { ".nan", SCALAR_FLOAT },
        { "1.2.3", SCALAR_STRING },
        { "1e", SCALAR_STRING },
        { "0x", SCALAR_STRING },
        { "-", SCALAR_STRING },
        { ".", SCALAR_STRING },
        { "5s", SCALAR_STRING },
        { "2024-01-01", SCALAR_STRING },
        { "10.0.0.1", SCALAR_STRING },
        { "9223372036854775808", SCALAR_FLOAT }, /* beyond 64 bits it is a float, as in Go */
    };

    (void)state; /* RL-13 */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (scalar_type_of(str_from_cstr(rows[i].text)) != rows[i].type) {
            fail_msg("%s is %s", rows[i].text,
                     scalar_type_name(scalar_type_of(str_from_cstr(rows[i].text))));
        }
    }
}

static void integers_stay_in_their_range(void **state)
{
    int64_t value = 7;

    (void)state;
    assert_false(scalar_parse_int(STR("9223372036854775808"), &value));
    assert_false(scalar_parse_int(STR("-9223372036854775809"), &value));
    assert_false(scalar_parse_int(STR("_1"), &value));
    assert_false(scalar_parse_int(STR("08"), &value));
    assert_int_equal(value, 7);
    assert_true(scalar_parse_int(STR("-9223372036854775808"), &value));
    assert_true(value == INT64_MIN);
    assert_true(scalar_parse_int(STR("9223372036854775807"), &value));
    assert_true(value == INT64_MAX);
    assert_true(scalar_parse_int(STR("-0x10"), &value));
    assert_int_equal(value, -16);
    assert_true(scalar_parse_int(STR("-0"), &value));
    assert_int_equal(value, 0);
}

static void durations_take_both_styles(void **state)
{
    static const char *const bad[] = { "",
                                       "5",
                                       "5x",
                                       "s",
                                       ".s",
                                       "1h30",
                                       "-",
                                       "5 s",
                                       "1.2.3s",
                                       "-5",
                                       "1e3s",
                                       "2562048h",
                                       "99999999999999999999s" };
    static const struct {
        const char *text;
        int64_t ms;
        uint32_t rest_ns;
    } good[] = {
        { "5s", 5000, 0 },
        { "0.250s", 250, 0 },
        { "1h", 3600000, 0 },
        { "1m30s", 90000, 0 },
        { "90s", 90000, 0 },
        { "100ms", 100, 0 },
        { "1.5h", 5400000, 0 },
        { "500us", 0, 500000 },
        { "1ns", 0, 1 },
        { "0.0005s", 0, 500000 },
        { "0s", 0, 0 },
        { "0.000000001s", 0, 1 },
        { "-5s", -5000, 0 },
        { ".5s", 500, 0 },
        { "1\xc2\xb5s", 0, 1000 },
        { "1\xce\xbcs", 0, 1000 },
        { "1h1m1s1ms", 3661001, 0 },
    };
    struct optional_duration value;

    (void)state; /* RL-22 */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        value = (struct optional_duration){ false, 7, 7 };
        if (scalar_parse_duration(str_from_cstr(bad[i]), &value) || value.is_set) {
            fail_msg("%s is taken for a duration", bad[i]);
        }
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        value = (struct optional_duration){ false, 7, 7 };
        if (!scalar_parse_duration(str_from_cstr(good[i].text), &value) || !value.is_set ||
            value.ms != good[i].ms || value.rest_ns != good[i].rest_ns) {
            fail_msg("%s: %lld ms and %u ns", good[i].text, (long long)value.ms, value.rest_ns);
        }
    }
}

static void times_are_rfc_3339(void **state)
{
    static const char *const bad[] = { "",
                                       "2024-01-01",
                                       "2024-13-01T00:00:00Z",
                                       "2024-01-01T24:00:00Z",
                                       "2024-01-01T00:00:00",
                                       "2024-01-01T00:00:00+1",
                                       "2024-01-01T00:00:00.Zx",
                                       "2024/01/01T00:00:00Z" };
    int64_t seconds = 7;

    (void)state; /* RL-5 */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(scalar_parse_time(str_from_cstr(bad[i]), &seconds));
    }
    assert_int_equal(seconds, 7);
    assert_true(scalar_parse_time(STR("1970-01-01T00:00:00Z"), &seconds));
    assert_int_equal(seconds, 0);
    assert_true(scalar_parse_time(STR("2024-02-29T12:00:00.123Z"), &seconds));
    assert_int_equal(seconds, 1709208000);
    assert_true(scalar_parse_time(STR("2024-02-29T14:00:00+02:00"), &seconds));
    assert_int_equal(seconds, 1709208000);
}

static void base64_is_strict(void **state)
{
    static const char *const bad[] = { "Q",        "QQ",   "QQ=",  "Q===", "====",
                                       "QQ==QQ==", "Q Q=", "Q-==", "=QQ=" };
    struct arena *arena = arena_new(1024);
    struct str bytes = STR("kept");

    (void)state; /* RL-27 */
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (scalar_parse_base64(arena, str_from_cstr(bad[i]), &bytes)) {
            fail_msg("%s is taken for base64", bad[i]);
        }
    }
    assert_true(str_equals(bytes, STR("kept")));
    assert_true(scalar_parse_base64(arena, STR(""), &bytes));
    assert_int_equal(bytes.len, 0);
    assert_true(scalar_parse_base64(arena, STR("aGVs\nbG8h\n"), &bytes));
    assert_true(str_equals(bytes, STR("hello!")));
    assert_true(scalar_parse_base64(arena, STR("QQ=="), &bytes));
    assert_true(str_equals(bytes, STR("A")));
    assert_true(scalar_parse_base64(arena, STR("+/8="), &bytes));
    assert_int_equal(bytes.len, 2);
    arena_free(arena);
}

static void doubles_are_finite(void **state)
{
    double value = 7;

    (void)state;
    assert_false(scalar_parse_double(STR(".inf"), &value));
    assert_false(scalar_parse_double(STR(".nan"), &value));
    assert_false(scalar_parse_double(STR("1e999"), &value));
    assert_false(scalar_parse_double(STR("abc"), &value));
    assert_true(value == 7);
    assert_true(scalar_parse_double(STR("0.1"), &value));
    assert_true(value > 0.09 && value < 0.11);
    assert_true(scalar_parse_double(STR("0x10"), &value));
    assert_true(value == 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(types_are_those_of_yaml_1_1),
        cmocka_unit_test(integers_stay_in_their_range),
        cmocka_unit_test(durations_take_both_styles),
        cmocka_unit_test(times_are_rfc_3339),
        cmocka_unit_test(base64_is_strict),
        cmocka_unit_test(doubles_are_finite),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
