/* Connections that fit into a descriptor limit. */
#include "gateway/daemon/process.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void test_connection_limit(void **state)
{
    (void)state;
    /* Each client may need an upstream connection: half of what is left. */
    assert_int_equal(process_connection_limit(1024, 2), (1024 - RESERVED_DESCRIPTORS - 64) / 2);
    /* Too few for anything: still a few, never none. */
    assert_true(process_connection_limit(16, 4) > 0);
    assert_true(process_connection_limit(0, 4) > 0);
    for (size_t descriptors = 0; descriptors < 100000; descriptors += 77) {
        assert_true(2 * process_connection_limit(descriptors, 4) <= descriptors + 2);
    }
}

static void test_descriptor_limit(void **state)
{
    (void)state;
    assert_true(process_descriptor_limit() > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_connection_limit),
        cmocka_unit_test(test_descriptor_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
