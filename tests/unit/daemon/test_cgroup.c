/* The line of /proc/self/cgroup that leads to our group, and the walk from there to the root. */
#include "gateway/daemon/cgroup.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_paths(void **state)
{
    const struct str v2 = STR("0::/kubepods/pod1/abc\n");
    const struct str v1 =
        STR("12:memory:/a\n4:cpu,cpuacct:/docker/x:y\n1:name=systemd:/b\n0::/c\n");

    (void)state;
    assert_null(cgroup_path(STR(""), STR("")).ptr);
    assert_null(cgroup_path(STR("rubbish\n"), STR("cpu")).ptr);
    assert_null(cgroup_path(v2, STR("cpu")).ptr);
    assert_true(str_equals(cgroup_path(v2, STR("")), STR("/kubepods/pod1/abc")));
    assert_true(str_equals(cgroup_path(v1, STR("cpu")), STR("/docker/x:y")));
    assert_true(str_equals(cgroup_path(v1, STR("")), STR("/c")));
}

static uint64_t none(const char *directory)
{
    assert_true(str_starts_with(str_from_cstr(directory), STR("/no/such/root")));
    return 0;
}

static uint64_t seven(const char *directory)
{
    (void)directory;
    return 7;
}

static void test_limits(void **state)
{
    char buffer[CGROUP_FILE_BYTES];

    (void)state;
    assert_int_equal(cgroup_limit("/no/such/root", STR(""), none), 0);
    assert_int_equal(cgroup_limit("/no/such/root", STR(""), seven), 7);
    assert_int_equal(cgroup_read("/no/such/root", "cpu.max", buffer).len, 0);
    assert_true(str_starts_with(cgroup_read("/proc/self", "status", buffer), STR("Name:")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
