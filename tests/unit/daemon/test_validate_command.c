/* Exit status of `validate`: 65 for a file that is no YAML, 78 for an object that is not valid. */
#include "gateway/daemon/validate_command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_status(void **state)
{
    struct report report;

    (void)state;
    report_init(&report);
    assert_int_equal(validate_command_status(&report), 0);
    report_add(&report, FINDING_FIELD_UNKNOWN, NULL, "a warning");
    assert_int_equal(validate_command_status(&report), 0);
    report_add(&report, FINDING_GATEWAY_SERVERS, NULL, "an error");
    assert_int_equal(validate_command_status(&report), 78);
    report_add(&report, FINDING_YAML_SYNTAX, NULL, "no YAML");
    assert_int_equal(validate_command_status(&report), 65);
    report_cleanup(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_status) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
