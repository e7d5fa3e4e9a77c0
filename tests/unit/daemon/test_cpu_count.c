/* Quotas of cgroups, version 2 and 1, and the line of /proc/self/cgroup that leads to them. */
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
        { "max 100000\n", 0 },
        { "nonsense\n", 0 },
        { "100000\n", 0 },
        { "100000 0\n", 0 },
        { "50000 100000\n", 1 },
        { "100000 100000\n", 1 },
        { "150000 100000\n", 2 },
        { "200000 100000\n", 2 },
        { "99999999900000 100000\n", LIMIT_WORKERS },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(cpu_count_of_quota_v2(str_from_cstr(CASES[i].text)), CASES[i].count);
    }
    assert_int_equal(cpu_count_of_quota_v1(STR("-1\n"), STR("100000\n")), 0);
    assert_int_equal(cpu_count_of_quota_v1(STR(""), STR("100000\n")), 0);
    assert_int_equal(cpu_count_of_quota_v1(STR("250000\n"), STR("100000\n")), 3);
}

static void test_paths(void **state)
{
    const struct str v2 = STR("0::/kubepods/pod1/abc\n");
    const struct str v1 =
        STR("12:memory:/a\n4:cpu,cpuacct:/docker/x:y\n1:name=systemd:/b\n0::/c\n");

    (void)state;
    assert_null(cpu_count_cgroup_path(STR(""), STR("")).ptr);
    assert_null(cpu_count_cgroup_path(STR("rubbish\n"), STR("cpu")).ptr);
    assert_null(cpu_count_cgroup_path(v2, STR("cpu")).ptr);
    assert_true(str_equals(cpu_count_cgroup_path(v2, STR("")), STR("/kubepods/pod1/abc")));
    assert_true(str_equals(cpu_count_cgroup_path(v1, STR("cpu")), STR("/docker/x:y")));
    assert_true(str_equals(cpu_count_cgroup_path(v1, STR("")), STR("/c")));
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
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_this_machine),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
