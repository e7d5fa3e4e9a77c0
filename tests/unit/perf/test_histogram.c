/* histogram: buckets no wider than 1 %, quantiles, what is beyond the last. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "perf/tools/histogram.h"

static struct histogram histogram;

static void test_empty(void **state)
{
    (void)state;
    histogram_clear(&histogram);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 0);
    assert_int_equal(histogram_quantile(&histogram, 1), 0);
}

static void test_beyond_the_last_bucket(void **state)
{
    (void)state;
    histogram_clear(&histogram);
    histogram_add(&histogram, 1);
    histogram_add(&histogram, UINT64_MAX);
    assert_int_equal(histogram.max, UINT64_MAX);
    assert_int_equal(histogram_quantile(&histogram, 0.5), 1);
    assert_true(histogram_quantile(&histogram, 1) > UINT64_C(1) << 48);
}

/* Of each value alone: its bucket's end is no more than 1 % above it, never below. */
static void test_width(void **state)
{
    (void)state;
    for (uint64_t value = 1; value < UINT64_C(1) << 45; value += value / 300 + 1) {
        histogram_clear(&histogram);
        histogram_add(&histogram, value);
        histogram_add(&histogram, UINT64_C(1) << 46); /* so that the maximum does not cut it */
        uint64_t quantile = histogram_quantile(&histogram, 0.5);
        assert_true(quantile >= value);
        assert_true(quantile <= value + value / 100);
    }
}

static void test_quantiles(void **state)
{
    static const struct {
        double share;
        uint64_t low;
    } cases[] = {
        { 0, 1 },        { 0.001, 1000 },   { 0.5, 500000 },
        { 0.9, 900000 }, { 0.999, 999000 }, { 1, 1000000 },
    };

    (void)state;
    histogram_clear(&histogram);
    for (uint64_t value = 1; value <= 1000000; value++) {
        histogram_add(&histogram, value);
    }
    assert_int_equal(histogram.count, 1000000);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t quantile = histogram_quantile(&histogram, cases[i].share);
        assert_true(quantile >= cases[i].low);
        assert_true(quantile <= cases[i].low + cases[i].low / 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_beyond_the_last_bucket),
        cmocka_unit_test(test_width),
        cmocka_unit_test(test_quantiles),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
