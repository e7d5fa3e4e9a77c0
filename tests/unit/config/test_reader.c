/* reader: the rules of every field (spec RL-12, RL-13, RL-20 to RL-30), seen through objects. */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HTTP_SERVER "servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']"
#define HTTPS_SERVER                                                                               \
    "servers: [{port: {number: 443, name: https, protocol: HTTPS}, hosts: ['*'], tls: "
#define ROUTE "route: [{destination: {host: a}}]"

static void fields_of_gateways(void **state)
{
    static const struct config_case rows[] = {
        { "RL-13", "{" HTTP_SERVER ", name: yes}]}", FINDING_FIELD_TYPE, "spec.servers[0].name",
          "expected a string, found a boolean" },
        { "RL-13", "{" HTTP_SERVER ", name: 1.10}]}", FINDING_FIELD_TYPE, "spec.servers[0].name",
          "found a number; write \"1.10\" in quotes" },
        { "RL-13", "{" HTTP_SERVER ", name: [a]}]}", FINDING_FIELD_TYPE, "spec.servers[0].name",
          "found a list" },
        { "RL-13", "{" HTTP_SERVER ", name: 'yes'}]}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-13", "{" HTTP_SERVER ", tls: {httpsRedirect: yes}}]}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "RL-13", "{" HTTP_SERVER ", tls: {httpsRedirect: 'true'}}]}", FINDING_FIELD_TYPE,
          "spec.servers[0].tls.httpsRedirect", "expected a boolean, found a string" },
        { "RL-13", "{" HTTP_SERVER ", tls: {httpsRedirect: 1}}]}", FINDING_FIELD_TYPE, NULL,
          "found an integer" },
        { "RL-13", "[]", FINDING_FIELD_TYPE, "spec", "expected a mapping, found a list" },
        { "RL-13", "{selector: [a]}", FINDING_FIELD_TYPE, "spec.selector", "expected a mapping" },
        { "RL-13", "{selector: {a: 1}}", FINDING_FIELD_TYPE, "spec.selector[\"a\"]",
          "expected a string" },
        { "RL-13", "{servers: {}}", FINDING_FIELD_TYPE, "spec.servers", "expected a list" },
        { "RL-20", "{" HTTPS_SERVER "{mode: SIMPLE, credential_name: x}}]}", CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "RL-20", "{" HTTPS_SERVER "{mode: SIMPLE, credential_name: x, credentialName: x}}]}",
          FINDING_FIELD_TWICE, "spec.servers[0].tls", "credentialName is given in both spellings" },
        { "RL-20", "{" HTTPS_SERVER "{mode: SIMPLE, credential_name_: x}}]}", FINDING_FIELD_UNKNOWN,
          NULL, NULL },
        { "RL-20", "{" HTTPS_SERVER "{mode: SIMPLE, credential_Name: x}}]}", FINDING_FIELD_UNKNOWN,
          NULL, NULL },
        { "RL-21", "{" HTTPS_SERVER "{mode: simple, credentialName: x}}]}", FINDING_FIELD_ENUM,
          "spec.servers[0].tls.mode", "simple is none of PASSTHROUGH, SIMPLE, MUTUAL" },
        { "RL-21", "{" HTTPS_SERVER "{mode: '1', credentialName: x}}]}", FINDING_FIELD_ENUM, NULL,
          NULL },
        { "RL-21", "{" HTTPS_SERVER "{mode: [SIMPLE]}}]}", FINDING_FIELD_TYPE, NULL, NULL },
        { "RL-21", "{" HTTPS_SERVER "{mode: 1, credentialName: x}}]}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "RL-21", "{" HTTPS_SERVER "{mode: 9}}]}", FINDING_FIELD_ENUM, NULL,
          "9 is no known value, PASSTHROUGH is used" },
        { "RL-26", "{servers: [{port: {number: '80', name: h, protocol: HTTP}, hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-26", "{servers: [{port: {number: 80.0, name: h, protocol: HTTP}, hosts: ['*']}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-26", "{servers: [{port: {number: 80.5, name: h, protocol: HTTP}, hosts: ['*']}]}",
          FINDING_FIELD_TYPE, "spec.servers[0].port.number", "expected an integer" },
        { "RL-26", "{servers: [{port: {number: -1, name: h, protocol: HTTP}, hosts: ['*']}]}",
          FINDING_FIELD_TYPE, NULL, "-1 is not between 0 and 4294967295" },
        { "RL-26", "{servers: [{port: {number: 4294967296, name: h, protocol: HTTP}}]}",
          FINDING_FIELD_TYPE, NULL, "is not between" },
        { "RL-26", "{servers: [{port: {number: '0x50', name: h, protocol: HTTP}}]}",
          FINDING_FIELD_TYPE, NULL, NULL },
        { "RL-28", "{servers: [null]}", FINDING_FIELD_NULL, "spec.servers[0]", "may not be null" },
        { "RL-28", "{" HTTP_SERVER ", bind: null, tls: ~, name: }]}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "RL-28", "{" HTTPS_SERVER "{mode: SIMPLE, credentialNames: [a, null]}}]}",
          FINDING_FIELD_NULL, "spec.servers[0].tls.credentialNames[1]", NULL },
        { "RL-30", "{" HTTPS_SERVER "{mode: SIMPLE, credentialName: a, credentialname: x}}]}",
          FINDING_FIELD_UNKNOWN, "spec.servers[0].tls.credentialname", "unknown field, ignored" },
        { "RL-30", "{" HTTP_SERVER ", status: 1}], x: 1}", FINDING_FIELD_UNKNOWN, "spec.x", NULL },
    };

    (void)state;
    config_case_run("Gateway", rows, sizeof(rows) / sizeof(rows[0]));
}

static void fields_of_virtual_services(void **state)
{
    static const struct config_case rows[] = {
        { "RL-22", "{hosts: [a.com], http: [{timeout: 1m30s, " ROUTE "}]}", CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "RL-22", "{hosts: [a.com], http: [{timeout: '0.250s', " ROUTE "}]}", CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "RL-22", "{hosts: [a.com], http: [{timeout: 5, " ROUTE "}]}", FINDING_FIELD_DURATION,
          "spec.http[0].timeout", "5 is not a duration" },
        { "RL-22", "{hosts: [a.com], http: [{timeout: {seconds: 5}, " ROUTE "}]}",
          FINDING_FIELD_TYPE, NULL, "expected a duration" },
        { "RL-24",
          "{hosts: [a.com], http: [{fault: {abort: {httpStatus: 500, percentage: 5}}, " ROUTE "}]}",
          FINDING_FIELD_TYPE, "spec.http[0].fault.abort.percentage",
          "expected a mapping, found an integer" },
        { "RL-24",
          "{hosts: [a.com], http: [{fault: {abort: {httpStatus: 500, percentage: {value: "
          "0.1}}}, " ROUTE "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-24", "{hosts: [a.com], http: [{mirrorPercentage: {value: much}, " ROUTE "}]}",
          FINDING_FIELD_TYPE, "spec.http[0].mirrorPercentage.value", "expected a number" },
        { "RL-25", "{hosts: [a.com], http: [{match: [{uri: {prefix: /, exact: /a}}], " ROUTE "}]}",
          FINDING_FIELD_ONEOF, "spec.http[0].match[0].uri", "exactly one of exact, prefix, regex" },
        { "RL-25",
          "{hosts: [a.com], http: [{redirect: {port: 80, derivePort: FROM_REQUEST_PORT}}]}",
          FINDING_FIELD_ONEOF, "spec.http[0].redirect", "only one of port and derivePort" },
        { "RL-25", "{hosts: [a.com], http: [{match: [{uri: {Prefix: /}}], " ROUTE "}]}",
          FINDING_FIELD_ONEOF, NULL, "Prefix is no way to match" },
        { "RL-25", "{hosts: [a.com], http: [{match: [{uri: /a}], " ROUTE "}]}", FINDING_FIELD_TYPE,
          "spec.http[0].match[0].uri", "expected a mapping" },
        { "RL-25",
          "{hosts: [a.com], http: [{directResponse: {status: 200, body: {string: a, "
          "bytes: YQ==}}}]}",
          FINDING_FIELD_ONEOF, "spec.http[0].directResponse.body", NULL },
        { "RL-27", "{hosts: [a.com], http: [{directResponse: {status: 200, body: {bytes: '%'}}}]}",
          FINDING_FIELD_TYPE, "spec.http[0].directResponse.body.bytes", "expected base64" },
        { "RL-28", "{hosts: [a.com], http: [null]}", FINDING_FIELD_NULL, "spec.http[0]", NULL },
        { "RL-28", "{hosts: [a.com], http: [{route: [null]}]}", FINDING_FIELD_NULL,
          "spec.http[0].route[0]", NULL },
        { "RL-28", "{hosts: [a.com], http: [{mirrors: [null], " ROUTE "}]}", FINDING_FIELD_NULL,
          "spec.http[0].mirrors[0]", NULL },
        { "RL-28", "{hosts: [a.com], http: [{corsPolicy: {allowOrigins: [null]}, " ROUTE "}]}",
          FINDING_FIELD_NULL, "spec.http[0].corsPolicy.allowOrigins[0]", NULL },
        { "RL-29",
          "{hosts: [a.com], http: [{match: [{headers: {x: {}}, queryParams: {y: {}}}], " ROUTE
          "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-29", "{hosts: [a.com], http: [{match: [{headers: {x: null}}], " ROUTE "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-30", "{hosts: [a.com], http: [{macth: [], " ROUTE "}]}", FINDING_FIELD_UNKNOWN,
          "spec.http[0].macth", NULL },
    };

    (void)state;
    config_case_run("VirtualService", rows, sizeof(rows) / sizeof(rows[0]));
}

static void fields_of_destination_rules(void **state)
{
    static const struct config_case rows[] = {
        { "RL-25",
          "{host: a, trafficPolicy: {loadBalancer: {simple: RANDOM, consistentHash: "
          "{useSourceIp: true}}}}",
          FINDING_FIELD_ONEOF, "spec.trafficPolicy.loadBalancer",
          "only one of simple and consistentHash" },
        { "RL-25",
          "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
          "ringHash: {}, maglev: {tableSize: 7}}}}}",
          FINDING_FIELD_ONEOF, NULL, "only one of ringHash and maglev" },
        { "RL-26",
          "{host: a, trafficPolicy: {loadBalancer: {consistentHash: {useSourceIp: true, "
          "maglev: {tableSize: '65537'}}}}}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-20", "{host: a, trafficPolicy: {outlierDetection: {consecutive_5xx_errors: 3}}}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-28", "{host: a, subsets: [null]}", FINDING_FIELD_NULL, "spec.subsets[0]", NULL },
    };

    (void)state;
    config_case_run("DestinationRule", rows, sizeof(rows) / sizeof(rows[0]));
}

static void a_typo_gets_the_nearest_name(void **state)
{
    struct config_load load;
    const struct finding *finding;

    (void)state; /* RL-30 */
    config_case_open(&load,
                     "apiVersion: networking.istio.io/v1\n"
                     "kind: Gateway\n"
                     "metadata:\n"
                     "  name: g\n"
                     "spec:\n"
                     "  servers:\n"
                     "  - port: {number: 80, name: http, protocol: HTTP}\n"
                     "    hosts: ['*']\n"
                     "    tls:\n"
                     "      httpRedirect: true\n"
                     "      completely: different\n"
                     "spek: 1\n",
                     NULL);
    finding = config_case_find(&load, FINDING_FIELD_UNKNOWN);
    assert_non_null(finding);
    assert_str(finding->field, "spek");
    assert_str(finding->advice, "did you mean spec?");
    assert_int_equal(finding->place.line, 12);
    assert_int_equal(load.report.counts[SEVERITY_WARNING], 3);
    assert_str(load.report.findings.items[1].advice, "did you mean httpsRedirect?");
    assert_int_equal(load.report.findings.items[1].place.line, 10);
    assert_int_equal(load.report.findings.items[1].place.column, 7);
    assert_int_equal(load.report.findings.items[2].advice.len, 0);
    assert_int_equal(resource_set_count(load.set, KIND_GATEWAY), 1);
    config_case_close(&load);
}

static void strict_loads_refuse_unknown_fields(void **state)
{
    const struct resource_load_options options = { .is_strict = true };
    struct report report;
    struct resource_set *set;

    (void)state; /* RL-30 */
    report_init(&report);
    set = resource_set_load_text(
        STR("t.yaml"),
        STR("apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: d}\n"
            "spec: {host: a.com, hots: b}\n"),
        &options, NULL, &report);
    assert_int_equal(resource_set_count(set, KIND_DESTINATION_RULE), 0);
    assert_int_equal(report.counts[SEVERITY_ERROR], 1);
    resource_set_free(set);
    report_cleanup(&report);
}

static void places_are_those_of_the_field(void **state)
{
    struct config_load load;
    const struct finding *finding;
    struct text line = { 0 };

    (void)state;
    config_case_open(&load,
                     "apiVersion: networking.istio.io/v1\n"
                     "kind: VirtualService\n"
                     "metadata: {name: shop}\n"
                     "spec:\n"
                     "  hosts:\n"
                     "  - shop.example.com\n"
                     "  http:\n"
                     "  - match:\n"
                     "    - uri:\n"
                     "        prefix: /a\n"
                     "    - uri:\n"
                     "        prefix: /b\n"
                     "        exact: /c\n"
                     "    route:\n"
                     "    - destination: {host: a, port: {number: 70000}}\n",
                     NULL);
    finding = config_case_find(&load, FINDING_FIELD_ONEOF);
    assert_non_null(finding);
    report_print_finding(finding, &line);
    assert_string_equal(line.ptr, "test.yaml:13:9: error: GH0114 [IST0106] VirtualService "
                                  "default/shop: spec.http[0].match[1].uri: exactly one of exact, "
                                  "prefix, regex (keep one of them)");
    finding = config_case_find(&load, FINDING_ROUTE_DESTINATION);
    assert_non_null(finding);
    assert_int_equal(finding->place.line, 15);
    assert_int_equal(finding->place.column, 45);
    text_cleanup(&line);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_of_gateways),
        cmocka_unit_test(fields_of_virtual_services),
        cmocka_unit_test(fields_of_destination_rules),
        cmocka_unit_test(a_typo_gets_the_nearest_name),
        cmocka_unit_test(strict_loads_refuse_unknown_fields),
        cmocka_unit_test(places_are_those_of_the_field),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
