/* The high mark: where it comes from, and when it is passed. */
#include "gateway/daemon/overload.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_mark(void **state)
{
    struct options options = { 0 };

    (void)state;
    assert_int_equal(overload_mark(&options, 0), 0); /* no limit, no mark */
    assert_int_equal(overload_mark(&options, 1000), 900);
    options.has_max_memory = true;
    assert_int_equal(overload_mark(&options, 1000), 0); /* --max-memory 0 */
    options.max_memory = 5000;
    assert_int_equal(overload_mark(&options, 1000), 5000);
}

static void test_hysteresis(void **state)
{
    static const struct {
        bool was_on;
        uint64_t resident;
        bool is_on;
    } CASES[] = {
        { false, 0, false },  { false, 1000, false }, { false, 1001, true }, { true, 1001, true },
        { true, 1000, true }, { true, 950, true },    { true, 949, false },  { true, 0, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(overload_decide(CASES[i].was_on, CASES[i].resident, 1000), CASES[i].is_on);
    }
}

/* This process is larger than a byte and smaller than 2^60. */
static void test_look(void **state)
{
    struct overload overload;
    struct loop *loop = loop_new(NULL);
    struct metrics_shard *shard = metrics_shard_new();

    (void)state;
    overload_start(&overload, loop, shard, 1, NULL, 0);
    assert_true(overload.is_on);
    assert_true(metrics_total(METRIC_OVERLOADED) == 1);
    overload_stop(&overload);
    overload_start(&overload, loop, shard, UINT64_C(1) << 60, NULL, 0);
    assert_false(overload.is_on);
    assert_true(timer_is_armed(&overload.timer));
    assert_true(metrics_total(METRIC_OVERLOADED) == 0);
    overload_stop(&overload);
    overload_start(&overload, loop, shard, 0, NULL, 0);
    assert_false(timer_is_armed(&overload.timer));
    overload_stop(&overload);
    loop_free(loop);
    metrics_cleanup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mark),
        cmocka_unit_test(test_hysteresis),
        cmocka_unit_test(test_look),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
