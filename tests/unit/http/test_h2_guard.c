/* h2_guard: what is counted against a peer, and what makes good for it. Spec CN-40. */
#include "gateway/http/h2_guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static uint32_t count_until_refused(struct h2_guard *guard, enum h2_deed deed, uint64_t now_ms)
{
    uint32_t count = 0;

    while (h2_guard_count(guard, deed, now_ms)) {
        count++;
        assert_true(count < 100000);
    }
    return count;
}

static void cn_40_every_deed_has_an_end_and_a_name(void **state)
{
    static const char *const reasons[H2_DEED_COUNT] = {
        "http2.reset_flood",         "http2.provoked_reset_flood", "http2.ping_flood",
        "http2.settings_flood",      "http2.priority_flood",       "http2.empty_frame_flood",
        "http2.window_update_flood", "http2.unknown_frame_flood",
    };

    (void)state;
    for (unsigned deed = 0; deed < H2_DEED_COUNT; deed++) {
        struct h2_guard guard = { 0 };

        assert_true(count_until_refused(&guard, (enum h2_deed)deed, 5) >= 100);
        assert_string_equal(h2_guard_reason((enum h2_deed)deed), reasons[deed]);
    }
}

static void time_refills(void **state)
{
    struct h2_guard guard = { 0 };

    (void)state;
    (void)count_until_refused(&guard, H2_DEED_RESET, 1000);
    assert_false(h2_guard_count(&guard, H2_DEED_RESET, 1019));
    assert_true(h2_guard_count(&guard, H2_DEED_RESET, 1020)); /* 50 a second */
    assert_false(h2_guard_count(&guard, H2_DEED_RESET, 1039));
    assert_int_equal(count_until_refused(&guard, H2_DEED_RESET, 2040), 51);
    assert_int_equal(count_until_refused(&guard, H2_DEED_RESET, UINT64_MAX / 2), 500);
}

static void a_clock_that_stands_or_goes_back_does_no_harm(void **state)
{
    struct h2_guard guard = { 0 };

    (void)state;
    assert_true(h2_guard_count(&guard, H2_DEED_PING, 1000));
    assert_true(h2_guard_count(&guard, H2_DEED_PING, 10));
    assert_true(h2_guard_count(&guard, H2_DEED_PING, 11));
    assert_int_equal(guard.spent[H2_DEED_PING], 3);
}

static void honest_clients_are_never_refused(void **state)
{
    struct h2_guard guard = { 0 };

    (void)state;
    /* Two window updates for each DATA frame, a PING for each: gRPC on a short line. */
    for (unsigned i = 0; i < 100000; i++) {
        h2_guard_credit_data_frame(&guard);
        assert_true(h2_guard_count(&guard, H2_DEED_WINDOW_UPDATE, 1));
        assert_true(h2_guard_count(&guard, H2_DEED_WINDOW_UPDATE, 1));
        assert_true(h2_guard_count(&guard, H2_DEED_PING, 1));
    }
    /* Every second request given up, at any rate. */
    for (unsigned i = 0; i < 100000; i++) {
        assert_true(h2_guard_count(&guard, H2_DEED_RESET, 1));
        assert_true(h2_guard_count(&guard, H2_DEED_PRIORITY, 1));
        h2_guard_credit(&guard);
    }
}

static void what_is_provoked_is_not_made_good_by_answers(void **state)
{
    struct h2_guard guard = { 0 };

    (void)state;
    (void)count_until_refused(&guard, H2_DEED_PROVOKED_RESET, 1);
    h2_guard_credit(&guard);
    assert_false(h2_guard_count(&guard, H2_DEED_PROVOKED_RESET, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cn_40_every_deed_has_an_end_and_a_name),
        cmocka_unit_test(time_refills),
        cmocka_unit_test(a_clock_that_stands_or_goes_back_does_no_harm),
        cmocka_unit_test(honest_clients_are_never_refused),
        cmocka_unit_test(what_is_provoked_is_not_made_good_by_answers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
