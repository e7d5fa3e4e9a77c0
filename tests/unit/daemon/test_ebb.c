/* ebb: when memory is given back. */
#include "gateway/daemon/ebb.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void memory_goes_back_once_when_a_crowd_has_left(void **state)
{
    static const struct {
        size_t now;
        bool is_due;
    } rows[] = {
        { 0, false },    { 100, false },  { 0, false },    { 0, false }, /* too few to matter */
        { 9000, false }, { 8000, false }, { 8000, false },               /* the usual up and down */
        { 5000, false }, { 300, false },                                 /* still leaving */
        { 300, true },   { 300, false },  { 290, false },  { 290, false }, /* once */
        { 20, false },   { 20, true },                  /* and again for the rest */
        { 1000, false }, { 10, false },   { 11, true }, /* a second crowd */
    };
    struct ebb ebb = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ebb_decide(&ebb, rows[i].now), rows[i].is_due);
    }
}

static void memory_goes_back_when_it_is_quiet_again(void **state)
{
    static const struct {
        size_t requests;
        uint64_t kib;
        bool is_due;
    } rows[] = {
        { 0, 3000, false }, { 0, 3000, false },                     /* nothing has grown */
        { 1, 9000, false }, { 0, 9000, false }, { 1, 9000, false }, /* not quiet yet */
        { 0, 9000, false }, { 0, 9000, true },                      /* quiet */
        { 0, 3100, false }, { 0, 3100, false }, /* gone: that is the measure now */
        { 0, 3500, false },                     /* too little */
        { 0, 3700, true },  { 0, 3700, false }, { 0, 3700, false }, /* it helped nothing: once */
        { 0, 2000, false }, { 0, 2600, true },                      /* less is the measure again */
    };
    struct ebb ebb = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ebb_decide_quiet(&ebb, rows[i].requests, rows[i].kib * 1024),
                         rows[i].is_due);
    }
}

static void unknown_memory_is_left_alone(void **state)
{
    struct ebb ebb = { 0 };

    (void)state;
    for (int i = 0; i < 5; i++) {
        assert_false(ebb_decide_quiet(&ebb, 0, 0));
    }
}

/* A crowd that comes and goes all the time is not followed each time; one that stays away is. */
static void between_two_times_it_rests(void **state)
{
    struct ebb ebb = { .rest_looks = 2 };

    (void)state;
    assert_false(ebb_decide(&ebb, 9000));
    assert_false(ebb_decide(&ebb, 10));
    assert_false(ebb_decide(&ebb, 10));
    ebb.rest_looks = 0;
    assert_true(ebb_decide(&ebb, 10));
    assert_false(ebb_decide(&ebb, 10));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_goes_back_once_when_a_crowd_has_left),
        cmocka_unit_test(memory_goes_back_when_it_is_quiet_again),
        cmocka_unit_test(unknown_memory_is_left_alone),
        cmocka_unit_test(between_two_times_it_rests),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
