/* Tests of gateway/base/background.c. */
#include "gateway/base/background.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <sched.h>
#include <sys/resource.h>

/* On Linux a priority is a thread's. */
static void *step_back(void *result)
{
    int *nice_values = result;

    nice_values[0] = getpriority(PRIO_PROCESS, 0);
    background_enter();
    nice_values[1] = getpriority(PRIO_PROCESS, 0);
    for (int i = 0; i < 4; i++) {
        background_enter();
    }
    nice_values[2] = getpriority(PRIO_PROCESS, 0);
    return NULL;
}

static void test_only_the_calling_thread_steps_back(void **state)
{
    int before = getpriority(PRIO_PROCESS, 0);
    int nice_values[3];
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, step_back, nice_values), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(nice_values[0], before);
    /* A sandbox may refuse it; then nothing has changed. */
    if (nice_values[1] != before) {
        assert_int_equal(nice_values[1], before + 5 > 19 ? 19 : before + 5);
        assert_int_equal(nice_values[2], 19);
    }
    assert_int_equal(getpriority(PRIO_PROCESS, 0), before);
}

static void *step_back_in_batch(void *result)
{
    struct sched_param parameter = { 0 };

    if (sched_setscheduler(0, SCHED_BATCH, &parameter) == 0) {
        background_enter();
        *(int *)result = sched_getscheduler(0);
    }
    return NULL;
}

static void test_a_policy_from_outside_stands(void **state)
{
    int policy = SCHED_BATCH;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, step_back_in_batch, &policy), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(policy, SCHED_BATCH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_calling_thread_steps_back),
        cmocka_unit_test(test_a_policy_from_outside_stands),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
