/* test_validate: references between objects (spec SN-40 to SN-42, HT-140, DR-4, SV-33). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define PORTS "ports: [{number: 80, name: http, protocol: HTTP}]"
#define TO "http: [{route: [{destination: {host: x.y}}]}]"

struct row {
    const char *rule;
    const char *yaml;
    enum finding_code code;
    const char *field;
};

static const struct finding *find(const struct snapshot_case *test, const struct row *row)
{
    for (size_t i = 0; i < test->report.findings.count; i++) {
        const struct finding *finding = &test->report.findings.items[i];

        if (finding->code == row->code && str_equals(finding->field, str_from_cstr(row->field)) &&
            finding->place.line != 0) {
            return finding;
        }
    }
    return NULL;
}

static void test_findings(void **state)
{
    static const struct row rows[] = {
        { "GW-3",
          OBJECT("Gateway", "a", "g", "{selector: {istio: x}, servers: [" HTTP_SERVER("a.b") "]}"),
          FINDING_GATEWAY_NOT_SELECTED, "spec.selector" },
        { "SN-40", VIRTUAL_SERVICE("a", "v", "{hosts: [a.b], " TO "}"),
          FINDING_VIRTUAL_SERVICE_UNBOUND, "spec.gateways" },
        { "SN-41", VIRTUAL_SERVICE("a", "v", "{hosts: [a.b], gateways: [mesh, gw], " TO "}"),
          FINDING_GATEWAY_UNKNOWN, "spec.gateways[1]" },
        { "SN-42",
          GATEWAY("gw", HTTP_SERVER("'*'")) VIRTUAL_SERVICE(
              "a", "v", "{hosts: [a.b], exportTo: [a], gateways: [istio-system/gw], " TO "}"),
          FINDING_VIRTUAL_SERVICE_NOT_EXPORTED, "spec.exportTo" },
        { "HT-140",
          GATEWAY("gw", HTTP_SERVER("'*'")) VIRTUAL_SERVICE(
              "a", "v",
              "{hosts: [a.b], gateways: [istio-system/gw], http: [{delegate: {name: d}}]}"),
          FINDING_DELEGATE_UNKNOWN, "spec.http[0].delegate" },
        { "DR-4", OBJECT("DestinationRule", "web", "r", "{host: r.app.svc.cluster.local}"),
          FINDING_DESTINATION_RULE_UNUSED, "spec.host" },
        { "SV-33", OBJECT("ServiceEntry", "a", "s", "{hosts: [a.b], " PORTS ", resolution: NONE}"),
          FINDING_SERVICE_ENTRY_NONE, "spec.resolution" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, rows[i].yaml);
        if (find(&test, &rows[i]) == NULL) {
            print_error("%s\n", rows[i].rule);
            fail();
        }
        snapshot_case_close(&test);
    }
}

static void test_nothing_to_say(void **state)
{
    static const char *const good[] = {
        GATEWAY("gw", HTTP_SERVER("'*'")),
        OBJECT("DestinationRule", "app", "r", "{host: '*.cluster.local'}"),
        OBJECT("DestinationRule", "istio-system", "r", "{host: r.app.svc.cluster.local}"),
        /* A delegate alone. */
        VIRTUAL_SERVICE("a", "v", "{" TO "}"),
    };
    (void)state;

    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, good[i]);
        assert_int_equal(test.report.findings.count, 0);
        snapshot_case_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_findings),
        cmocka_unit_test(test_nothing_to_say),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
