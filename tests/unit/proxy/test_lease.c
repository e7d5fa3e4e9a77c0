/* Tests of gateway/proxy/lease.c: a snapshot goes back with its last user. */
#include "gateway/proxy/lease.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void count_release(void *owner, struct snapshot *snapshot)
{
    ++*(int *)owner;
    snapshot_free(snapshot);
}

static void test_no_lease(void **state)
{
    (void)state;
    lease_unref(NULL);
}

static void test_the_last_user_gives_the_snapshot_back(void **state)
{
    int released = 0;

    (void)state;
    struct lease *lease = lease_open(snapshot_new(), count_release, &released);
    (void)lease_ref(lease);
    lease_unref(lease);
    assert_int_equal(released, 0);
    lease_unref(lease);
    assert_int_equal(released, 1);
}

static void test_another_workers_reference_keeps_it(void **state)
{
    int released = 0;
    struct snapshot *snapshot = snapshot_new();

    (void)state;
    struct lease *a = lease_open(snapshot, count_release, &released);
    struct lease *b = lease_open(snapshot_ref(snapshot), count_release, &released);
    lease_unref(a);
    assert_int_equal(released, 0);
    lease_unref(b);
    assert_int_equal(released, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_lease),
        cmocka_unit_test(test_the_last_user_gives_the_snapshot_back),
        cmocka_unit_test(test_another_workers_reference_keeps_it),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
