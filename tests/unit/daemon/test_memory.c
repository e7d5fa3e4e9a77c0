/* Limits of cgroups, version 2 and 1, and our own size. */
#include "gateway/daemon/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_limits(void **state)
{
    static const struct {
        const char *text;
        uint64_t bytes;
    } CASES[] = {
        { "", 0 },
        { "max", 0 },
        { "-1", 0 },
        { "12k", 0 },
        { "99999999999999999999", 0 },
        { "9223372036854771712", 0 }, /* version 1: none */
        { "1", 1 },
        { "134217728", 134217728 },
        { "68719476736", UINT64_C(68719476736) },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_true(memory_limit_of(str_from_cstr(CASES[i].text)) == CASES[i].bytes);
    }
}

static void test_resident(void **state)
{
    (void)state;
    assert_int_equal(memory_resident_of(STR(""), 4096), 0);
    assert_int_equal(memory_resident_of(STR("12"), 4096), 0);
    assert_int_equal(memory_resident_of(STR("12 x"), 4096), 0);
    assert_int_equal(memory_resident_of(STR("1274 226 203 5 0 111 0"), 4096), 226 * 4096);
    assert_true(memory_resident() > 64 * 1024); /* ours: a C library is larger */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_resident),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
