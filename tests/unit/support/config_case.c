/* config_case: see the header. */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

void config_case_open(struct config_load *load, const char *yaml,
                      const struct resource_set *previous)
{
    report_init(&load->report);
    load->set = resource_set_load_text(STR("test.yaml"), str_from_cstr(yaml), NULL, previous,
                                       &load->report);
}

void config_case_close(struct config_load *load)
{
    resource_set_free(load->set);
    report_cleanup(&load->report);
}

const struct finding *config_case_find(const struct config_load *load, enum finding_code code)
{
    for (size_t i = 0; i < load->report.findings.count; i++) {
        if (load->report.findings.items[i].code == code) {
            return &load->report.findings.items[i];
        }
    }
    return NULL;
}

static void print_findings(const struct config_load *load)
{
    struct text text = { 0 };

    report_print(&load->report, &text);
    if (text.len > 0) {
        print_error("%s", text.ptr);
    }
    text_cleanup(&text);
}

void config_case_assert_no_error(const struct config_load *load)
{
    if (load->report.counts[SEVERITY_ERROR] > 0) {
        print_findings(load);
        fail();
    }
}

static bool is_wanted(const struct finding *finding, const struct config_case *row)
{
    return finding->code == row->code &&
           (row->field == NULL || str_equals(finding->field, str_from_cstr(row->field))) &&
           (row->message == NULL ||
            str_find(finding->message, str_from_cstr(row->message)) != SIZE_MAX);
}

static bool fits(const struct config_load *load, const struct config_case *row)
{
    bool is_refused = load->set->by_key.count == 0;

    if (row->code == CONFIG_CASE_CLEAN) {
        return load->report.findings.count == 0 && !is_refused;
    }
    for (size_t i = 0; i < load->report.findings.count; i++) {
        const struct finding *finding = &load->report.findings.items[i];

        if (is_wanted(finding, row) && finding->place.line > 0) {
            return is_refused == (load->report.counts[SEVERITY_ERROR] > 0);
        }
    }
    return false;
}

void config_case_run(const char *kind, const struct config_case *cases, size_t count)
{
    size_t failed_count = 0;

    for (size_t i = 0; i < count; i++) {
        struct text yaml = { 0 };
        struct config_load load;

        text_printf(&yaml,
                    "apiVersion: networking.istio.io/v1\nkind: %s\n"
                    "metadata: {name: name, namespace: ns}\nspec: %s\n",
                    kind, cases[i].spec);
        config_case_open(&load, yaml.ptr, NULL);
        if (!fits(&load, &cases[i])) {
            failed_count++;
            print_error("%s: row %zu: %s\n", cases[i].rule, i, cases[i].spec);
            print_findings(&load);
        }
        config_case_close(&load);
        text_cleanup(&yaml);
    }
    assert_int_equal(failed_count, 0);
}
