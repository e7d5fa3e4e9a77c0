/* Quotas of cgroups, version 2 and 1. */
#include "gateway/daemon/cpu_count.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_quotas(void **state)
{
    static const struct {
        const char *text;
        unsigned count;
    } CASES[] = {
        { "", 0 },
        { "max 100000", 0 },
        { "nonsense", 0 },
        { "100000", 0 },
        { "100000 0", 0 },
        { "50000 100000", 1 },
        { "100000 100000", 1 },
        { "150000 100000", 2 },
        { "200000 100000", 2 },
        { "99999999900000 100000", LIMIT_WORKERS },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(cpu_count_of_quota_v2(str_from_cstr(CASES[i].text)), CASES[i].count);
    }
    assert_int_equal(cpu_count_of_quota_v1(STR("-1"), STR("100000")), 0);
    assert_int_equal(cpu_count_of_quota_v1(STR(""), STR("100000")), 0);
    assert_int_equal(cpu_count_of_quota_v1(STR("250000"), STR("100000")), 3);
}

static void test_this_machine(void **state)
{
    (void)state;
    assert_in_range(cpu_count(), 1, LIMIT_WORKERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quotas),
        cmocka_unit_test(test_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
