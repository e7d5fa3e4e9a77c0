/* Tests of gateway/upstream/random.c. */
#include "gateway/upstream/random.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_numbers_stay_below_the_bound(void **state)
{
    struct random random;

    (void)state;
    random_init(&random);
    for (int i = 0; i < 1000; i++) {
        assert_true(random_below(&random, 7) < 7);
        assert_int_equal(random_below(&random, 1), 0);
    }
}

static void test_numbers_are_spread_evenly(void **state)
{
    struct random random;
    unsigned counts[10] = { 0 };

    (void)state;
    random_init_fixed(&random, 42);
    for (int i = 0; i < 100000; i++) {
        counts[random_below(&random, 10)]++;
    }
    for (int i = 0; i < 10; i++) {
        assert_in_range(counts[i], 9500, 10500);
    }
}

static void test_a_seed_gives_one_sequence(void **state)
{
    struct random a;
    struct random b;
    struct random c;

    (void)state;
    random_init_fixed(&a, 1);
    random_init_fixed(&b, 1);
    random_init_fixed(&c, 2);
    uint64_t first = random_next(&a);
    assert_true(first == random_next(&b));
    assert_true(first != random_next(&c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers_stay_below_the_bound),
        cmocka_unit_test(test_numbers_are_spread_evenly),
        cmocka_unit_test(test_a_seed_gives_one_sequence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
