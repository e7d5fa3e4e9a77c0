/* check_destination_rule: host, subsets, scope (spec DR-1, DR-20, RL-46, RL-47). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "DR-20", "{}", FINDING_DESTINATION_RULE_HOST, "spec.host", "host is required" },
        { "DR-20", "{host: a..b}", FINDING_DESTINATION_RULE_HOST, "spec.host", NULL },
        { "DR-20", "{host: a.*.b}", FINDING_DESTINATION_RULE_HOST, NULL, NULL },
        { "DR-1 DR-20", "{host: '*.b.com'}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-1", "{host: Reviews}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-20", "{host: a, subsets: [{labels: {a: b}}]}", FINDING_SUBSET_NAME,
          "spec.subsets[0].name", NULL },
        { "DR-20", "{host: a, subsets: [{name: a.b}]}", FINDING_SUBSET_NAME, NULL, NULL },
        { "DR-20", "{host: a, subsets: [{name: v1}, {name: v1}]}", FINDING_SUBSET_NAME,
          "spec.subsets[1].name", "duplicate subset name v1" },
        { "DR-12 RL-47", "{host: a, subsets: [{name: v1, labels: {v: 'a b'}}]}",
          FINDING_FIELD_VALUE, "spec.subsets[0].labels[\"v\"]", NULL },
        { "DR-11 DR-20", "{host: a, subsets: [{name: v1, trafficPolicy: {}}]}",
          FINDING_POLICY_EMPTY, "spec.subsets[0].trafficPolicy", NULL },
        { "DR-12", "{host: a, subsets: [{name: v1}, {name: v2, labels: {version: v2}}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "DR-5 RL-46", "{host: a, exportTo: ['~']}", FINDING_FIELD_VALUE, "spec.exportTo[0]",
          NULL },
        { "DR-5 RL-46", "{host: a, exportTo: ['*', '.']}", FINDING_FIELD_VALUE, NULL, NULL },
        { "DR-5", "{host: a, workloadSelector: {matchLabels: {'-': b}}}", FINDING_FIELD_VALUE,
          "spec.workloadSelector.matchLabels[\"-\"]", NULL },
        { "DR-5", "{host: a, exportTo: ['.'], workloadSelector: {matchLabels: {a: b}}}",
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("DestinationRule", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
