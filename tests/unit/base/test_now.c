/* now: the texts of a time, and clocks that do not go back. */
#include "gateway/base/now.h"

#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void utc_texts(void **state)
{
    static const struct {
        uint64_t wall_us;
        int digits;
        const char *text;
    } cases[] = {
        { 0, 0, "1970-01-01T00:00:00Z" },
        { 0, 3, "1970-01-01T00:00:00.000Z" },
        { UINT64_C(1767323045678901), 3, "2026-01-02T03:04:05.678Z" },
        { UINT64_C(1767323045678901), 6, "2026-01-02T03:04:05.678901Z" },
        { UINT64_C(1767323045999999), 3, "2026-01-02T03:04:05.999Z" },
        { UINT64_C(951868799000000), 0, "2000-02-29T23:59:59Z" },
    };
    char text[32];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t len = now_format_utc(cases[i].wall_us, cases[i].digits, text, sizeof(text));

        assert_string_equal(text, cases[i].text);
        assert_int_equal(len, strlen(text));
    }
}

static void a_reading_stays_until_the_next(void **state)
{
    uint64_t mono_us;

    (void)state;
    mono_us = now_mono_us();
    assert_true(mono_us > 0);
    assert_true(now_mono_us() == mono_us);
    assert_true(now_mono_fresh_us() >= mono_us);
    now_update();
    assert_true(now_mono_us() >= mono_us);
    assert_true(now_mono_ms() == now_mono_us() / 1000);
    assert_true(now_wall_fresh_us() >= now_wall_us());
}

static void http_date_has_its_29_bytes(void **state)
{
    const char *date = now_http_date();

    (void)state;
    assert_int_equal(strlen(date), 29);
    assert_string_equal(date + 25, " GMT");
    assert_int_equal(date[3], ',');
    assert_ptr_equal(now_http_date(), date);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(utc_texts),
        cmocka_unit_test(a_reading_stays_until_the_next),
        cmocka_unit_test(http_date_has_its_29_bytes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
