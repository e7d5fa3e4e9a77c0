/* Findings are told once, whatever line they move to, and again when they come back. */
#include "gateway/daemon/finding_log.h"

#include "gateway/observe/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void add(struct report *report, enum severity severity, uint32_t line, const char *message)
{
    const struct finding_at at = { .file = STR("a.yaml"), .place = { line, 1 } };

    report_add_severity(report, FINDING_GATEWAY_SERVERS, severity, &at, "%s", message);
}

static size_t new_after(struct finding_log *log, const struct report *report)
{
    const struct report *reports[] = { report };
    size_t count = finding_log_new_count(log, report);

    finding_log_write(log, reports, 1);
    return count;
}

static void test_once(void **state)
{
    struct finding_log log = { 0 };
    struct report reports[4];

    (void)state;
    log_set_level(STR(""), LOG_LEVEL_OFF);
    for (size_t i = 0; i < 4; i++) {
        report_init(&reports[i]);
    }
    add(&reports[0], SEVERITY_ERROR, 3, "one");
    add(&reports[0], SEVERITY_WARNING, 4, "two");
    add(&reports[0], SEVERITY_INFO, 5, "a note is not told");
    assert_int_equal(new_after(&log, &reports[0]), 2);

    add(&reports[1], SEVERITY_ERROR, 30, "one"); /* the same, further down */
    add(&reports[1], SEVERITY_ERROR, 31, "three");
    assert_int_equal(new_after(&log, &reports[1]), 1);

    assert_int_equal(new_after(&log, &reports[2]), 0); /* all mended */

    add(&reports[3], SEVERITY_ERROR, 3, "one"); /* and broken again */
    assert_int_equal(new_after(&log, &reports[3]), 1);

    for (size_t i = 0; i < 4; i++) {
        report_cleanup(&reports[i]);
    }
    finding_log_cleanup(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_once) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
