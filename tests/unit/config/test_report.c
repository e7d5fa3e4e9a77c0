/* report: caps, order, and what a finding looks like in print. */
#include "config/report.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void findings_beyond_the_cap_are_counted(void **state)
{
    struct report report;
    struct text text = { 0 };

    (void)state;
    report_init(&report);
    for (unsigned i = 0; i < LIMIT_FINDINGS + 3; i++) {
        report_add(&report, FINDING_FIELD_UNKNOWN, NULL, "number %u", i);
    }
    assert_int_equal(report.findings.count, LIMIT_FINDINGS);
    assert_int_equal(report.dropped_count, 3);
    assert_int_equal(report.counts[SEVERITY_WARNING], LIMIT_FINDINGS + 3);
    report_print(&report, &text);
    assert_true(str_ends_with(text_view(&text), STR("3 more findings are not shown\n")));
    text_cleanup(&text);
    report_cleanup(&report);
}

static void bytes_of_files_cannot_reach_the_terminal(void **state)
{
    struct report report;
    struct text text = { 0 };
    struct finding_at at = { .file = STR("a\x1b[2J.yaml"), .field = "x\ny" };

    (void)state;
    report_init(&report);
    report_add(&report, FINDING_FILE_UNREADABLE, &at, "bell \a");
    report_print(&report, &text);
    assert_string_equal(text.ptr, "a\\x1b[2J.yaml: error: GH0101: x\\x0ay: bell \\x07 (check that "
                                  "the path exists and can be read)\n");
    text_cleanup(&text);
    report_cleanup(&report);
}

static void findings_sort_by_place_and_stay_in_order(void **state)
{
    static const struct {
        const char *file;
        struct place place;
        const char *text;
    } rows[] = {
        { "b", { 1, 1 }, "5" }, { "a", { 2, 1 }, "3" }, { "a", { 2, 1 }, "4" },
        { "a", { 1, 9 }, "2" }, { "a", { 1, 2 }, "1" },
    };
    struct report report;

    (void)state;
    report_init(&report);
    report_sort(&report); /* nothing to do */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct finding_at at = { .file = str_from_cstr(rows[i].file), .place = rows[i].place };

        report_add(&report, FINDING_YAML_SYNTAX, &at, "%s", rows[i].text);
    }
    report_sort(&report);
    for (size_t i = 0; i < report.findings.count; i++) {
        assert_int_equal(report.findings.items[i].message.ptr[0], (int)('1' + i));
    }
    report_cleanup(&report);
}

static void objects_give_name_and_place(void **state)
{
    struct report report;
    struct text text = { 0 };
    struct object_meta meta = { .key = STR("Gateway a/b"),
                                .file = STR("f.yaml"),
                                .place = { 3, 1 } };
    struct finding_at at = { .object = &meta, .field = "spec", .advice = "do this" };

    (void)state;
    report_init(&report);
    report_add_severity(&report, FINDING_GATEWAY_NAME, SEVERITY_INFO, &at, "hm");
    at.place = (struct place){ 7, 5 };
    report_add(&report, FINDING_GATEWAY_NAME, &at, "hm");
    report_print(&report, &text);
    assert_string_equal(text.ptr, "f.yaml:3:1: info: GH0201 [IST0106] Gateway a/b: spec: hm (do "
                                  "this)\n"
                                  "f.yaml:7:5: error: GH0201 [IST0106] Gateway a/b: spec: hm (do "
                                  "this)\n");
    assert_int_equal(report.counts[SEVERITY_INFO], 1);
    assert_int_equal(report.counts[SEVERITY_ERROR], 1);
    text_cleanup(&text);
    report_cleanup(&report);
}

static void codes_are_unique(void **state)
{
    (void)state;
    for (unsigned i = 0; i < FINDING_CODE_COUNT; i++) {
        const char *code = report_finding_type((enum finding_code)i)->code;

        assert_int_equal(strlen(code), 6);
        assert_memory_equal(code, "GH", 2);
        for (unsigned j = 0; j < i; j++) {
            assert_string_not_equal(code, report_finding_type((enum finding_code)j)->code);
        }
    }
    assert_string_equal(report_severity_name(SEVERITY_WARNING), "warning");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(findings_beyond_the_cap_are_counted),
        cmocka_unit_test(bytes_of_files_cannot_reach_the_terminal),
        cmocka_unit_test(findings_sort_by_place_and_stay_in_order),
        cmocka_unit_test(objects_give_name_and_place),
        cmocka_unit_test(codes_are_unique),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
