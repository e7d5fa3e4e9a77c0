/* test_split: weighted choice (spec HT-40, HT-8, TT-25). */
#include "gateway/route/split.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_single_ignores_weight(void **state)
{
    struct route_destination destination = { .weight = 0 };
    struct route route = { .destinations = &destination, .destination_count = 1 };
    (void)state;

    assert_ptr_equal(split_pick(&route, 0), &destination);
    assert_ptr_equal(split_pick(&route, UINT64_MAX), &destination);
}

static void test_shares(void **state)
{
    struct route_destination destinations[] = { { .weight = 1 },
                                                { .weight = 80 },
                                                { .weight = 19 } };
    struct route route = { .destinations = destinations,
                           .destination_count = 3,
                           .total_weight = 100 };
    size_t counts[3] = { 0 };
    (void)state;

    for (uint64_t i = 0; i < 1000; i++) {
        counts[split_pick(&route, i) - destinations]++;
    }
    assert_int_equal(counts[0], 10);
    assert_int_equal(counts[1], 800);
    assert_int_equal(counts[2], 190);
}

static void test_large_weights(void **state)
{
    struct route_destination destinations[] = { { .weight = UINT32_MAX },
                                                { .weight = UINT32_MAX } };
    struct route route = { .destinations = destinations,
                           .destination_count = 2,
                           .total_weight = 2 * (uint64_t)UINT32_MAX };
    (void)state;

    assert_ptr_equal(split_pick(&route, UINT32_MAX - UINT64_C(1)), &destinations[0]);
    assert_ptr_equal(split_pick(&route, UINT32_MAX), &destinations[1]);
}

/* TT-25: the same over the destinations of a tcp[] or tls[] rule. */
static void test_among(void **state)
{
    struct route_destination destinations[] = { { .weight = 3 }, { .weight = 1 } };
    size_t counts[2] = { 0 };
    (void)state;

    assert_ptr_equal(split_pick_among(destinations, 1, 3, 2), &destinations[0]);
    assert_ptr_equal(split_pick_among(destinations, 2, 0, 7), &destinations[0]);
    for (uint64_t i = 0; i < 400; i++) {
        counts[split_pick_among(destinations, 2, 4, i) - destinations]++;
    }
    assert_int_equal(counts[0], 300);
    assert_int_equal(counts[1], 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_single_ignores_weight),
        cmocka_unit_test(test_shares),
        cmocka_unit_test(test_large_weights),
        cmocka_unit_test(test_among),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
