/* Tests of gateway/upstream/balance.c: SV-22, HT-95, the three ways to choose. */
#include "gateway/upstream/balance.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

enum { MANY = 8 };

struct fixture {
    struct endpoint endpoints[MANY];
    struct endpoint *all[MANY];
    struct balance balance;
    struct random random;
};

static void fixture_init(struct fixture *fixture, const uint32_t *weights, size_t count,
                         enum cluster_balance kind)
{
    memset(fixture, 0, sizeof(*fixture));
    random_init_fixed(&fixture->random, 7);
    for (size_t i = 0; i < count; i++) {
        fixture->endpoints[i].weight = weights[i];
        fixture->endpoints[i].is_healthy = true;
        fixture->all[i] = &fixture->endpoints[i];
    }
    balance_set(&fixture->balance, kind, fixture->all, count);
}

static struct endpoint *pick(struct fixture *fixture)
{
    return balance_pick(&fixture->balance, &fixture->random, NULL, 0);
}

static const uint32_t even[] = { 1, 1, 1, 1 };

static const enum cluster_balance kinds[] = { BALANCE_LEAST_REQUEST, BALANCE_ROUND_ROBIN,
                                              BALANCE_RANDOM };

static void test_nothing_to_choose_from(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct fixture fixture;
        fixture_init(&fixture, even, 0, kinds[k]);
        assert_null(pick(&fixture));
        balance_cleanup(&fixture.balance);
    }
}

static void test_unhealthy_is_never_chosen_SV_22(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct fixture fixture;
        fixture_init(&fixture, even, 4, kinds[k]);
        fixture.endpoints[0].is_healthy = false;
        fixture.endpoints[2].is_healthy = false;
        balance_set(&fixture.balance, kinds[k], fixture.all, 4);
        for (int i = 0; i < 200; i++) {
            assert_true(pick(&fixture)->is_healthy);
        }
        fixture.endpoints[1].is_healthy = false;
        fixture.endpoints[3].is_healthy = false;
        balance_set(&fixture.balance, kinds[k], fixture.all, 4);
        assert_null(pick(&fixture));
        balance_cleanup(&fixture.balance);
    }
}

static void test_round_robin_takes_turns(void **state)
{
    struct fixture fixture;
    unsigned counts[4] = { 0 };

    (void)state;
    fixture_init(&fixture, even, 4, BALANCE_ROUND_ROBIN);
    struct endpoint *former = NULL;
    for (int i = 0; i < 400; i++) {
        struct endpoint *endpoint = pick(&fixture);
        assert_ptr_not_equal(endpoint, former);
        former = endpoint;
        counts[endpoint - fixture.endpoints]++;
    }
    for (int i = 0; i < 4; i++) {
        assert_int_equal(counts[i], 100);
    }
    balance_cleanup(&fixture.balance);
}

static void test_weighted_round_robin_is_smooth(void **state)
{
    static const uint32_t weights[] = { 5, 1, 1 };
    struct fixture fixture;
    unsigned counts[3] = { 0 };
    unsigned in_a_row = 0;

    (void)state;
    fixture_init(&fixture, weights, 3, BALANCE_ROUND_ROBIN);
    for (int i = 0; i < 700; i++) {
        size_t at = (size_t)(pick(&fixture) - fixture.endpoints);
        counts[at]++;
        in_a_row = at == 0 ? in_a_row + 1 : 0;
        assert_true(in_a_row <= 4); /* "a a b a c a a", then again: never five of a burst */
    }
    assert_int_equal(counts[0], 500);
    assert_int_equal(counts[1], 100);
    assert_int_equal(counts[2], 100);
    balance_cleanup(&fixture.balance);
}

static void test_random_goes_by_weight(void **state)
{
    static const uint32_t weights[] = { 3, 1 };
    struct fixture fixture;
    unsigned first = 0;

    (void)state;
    fixture_init(&fixture, weights, 2, BALANCE_RANDOM);
    for (int i = 0; i < 10000; i++) {
        first += pick(&fixture) == &fixture.endpoints[0];
    }
    assert_in_range(first, 7300, 7700);
    balance_cleanup(&fixture.balance);
}

static void test_least_request_avoids_the_busy_one(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, even, 4, BALANCE_LEAST_REQUEST);
    fixture.endpoints[1].active_requests = 100;
    for (int i = 0; i < 1000; i++) {
        /* Of any two different ones the busy one loses. */
        assert_ptr_not_equal(pick(&fixture), &fixture.endpoints[1]);
    }
    balance_cleanup(&fixture.balance);
}

static void test_least_request_keeps_load_even(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_init(&fixture, even, 4, BALANCE_LEAST_REQUEST);
    for (int i = 0; i < 400; i++) {
        pick(&fixture)->active_requests++;
    }
    for (int i = 0; i < 4; i++) {
        assert_in_range(fixture.endpoints[i].active_requests, 95, 105);
    }
    balance_cleanup(&fixture.balance);
}

static void test_least_request_goes_by_weight_when_idle(void **state)
{
    static const uint32_t weights[] = { 9, 1 };
    struct fixture fixture;
    unsigned first = 0;

    (void)state;
    fixture_init(&fixture, weights, 2, BALANCE_LEAST_REQUEST);
    for (int i = 0; i < 10000; i++) {
        first += pick(&fixture) == &fixture.endpoints[0];
    }
    assert_in_range(first, 8800, 9200);
    balance_cleanup(&fixture.balance);
}

static void test_another_host_after_a_failure_HT_95(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct fixture fixture;
        unsigned same = 0;
        fixture_init(&fixture, even, 4, kinds[k]);
        for (int i = 0; i < 500; i++) {
            struct endpoint *failed = &fixture.endpoints[i % 4];
            same += balance_pick(&fixture.balance, &fixture.random, &failed, 1) == failed;
        }
        assert_true(same <= 5); /* five picks in a row may meet the same one by chance */
        balance_cleanup(&fixture.balance);
    }
}

static void test_the_only_host_is_taken_again_HT_95(void **state)
{
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        struct fixture fixture;
        fixture_init(&fixture, even, 1, kinds[k]);
        struct endpoint *failed = &fixture.endpoints[0];
        assert_ptr_equal(balance_pick(&fixture.balance, &fixture.random, &failed, 1), failed);
        balance_cleanup(&fixture.balance);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_to_choose_from),
        cmocka_unit_test(test_unhealthy_is_never_chosen_SV_22),
        cmocka_unit_test(test_round_robin_takes_turns),
        cmocka_unit_test(test_weighted_round_robin_is_smooth),
        cmocka_unit_test(test_random_goes_by_weight),
        cmocka_unit_test(test_least_request_avoids_the_busy_one),
        cmocka_unit_test(test_least_request_keeps_load_even),
        cmocka_unit_test(test_least_request_goes_by_weight_when_idle),
        cmocka_unit_test(test_another_host_after_a_failure_HT_95),
        cmocka_unit_test(test_the_only_host_is_taken_again_HT_95),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
