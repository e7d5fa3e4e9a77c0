/* check_http_match: conditions and routes that nothing reaches (spec RL-48, RL-49, HT-9, HT-24, HT-32, SN-61, SN-74). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MATCH(match)                                                                               \
    "{hosts: [a.com], http: [{match: [{" match "}], route: [{destination: {host: a}}]}]}"
#define AT "spec.http[0].match[0]"
#define DEST "route: [{destination: {host: a}}]"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "HT-9", MATCH("uri: {}"), FINDING_ROUTE_MATCH, AT ".uri",
          "exactly one of exact, prefix, regex" },
        { "HT-9", MATCH("uri: {regex: ''}"), FINDING_ROUTE_MATCH, AT ".uri",
          "regex may not be empty" },
        { "HT-9", MATCH("method: {prefix: ''}"), FINDING_ROUTE_MATCH, AT ".method",
          "prefix may not be empty" },
        { "HT-9", MATCH("authority: {regex: ''}"), FINDING_ROUTE_MATCH, AT ".authority", NULL },
        { "HT-9", MATCH("scheme: {prefix: ''}"), FINDING_ROUTE_MATCH, AT ".scheme", NULL },
        { "HT-9", MATCH("headers: {x: {prefix: ''}}"), FINDING_ROUTE_MATCH, AT ".headers[\"x\"]",
          NULL },
        { "HT-9", MATCH("queryParams: {x: {regex: ''}}"), FINDING_ROUTE_MATCH,
          AT ".queryParams[\"x\"]", NULL },
        { "HT-9", MATCH("uri: {exact: ''}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-9", MATCH("uri: {prefix: ''}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-9 HT-27", MATCH("headers: {x: {exact: ''}}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-24", MATCH("headers: {x: {regex: '*'}}, queryParams: {y: {regex: '*'}}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-28", MATCH("withoutHeaders: {x: {}}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-48", MATCH("uri: {regex: '*'}"), FINDING_ROUTE_REGEX, AT ".uri", NULL },
        { "RL-48", MATCH("uri: {regex: '(?=a)'}"), FINDING_ROUTE_REGEX, NULL, NULL },
        { "RL-48", MATCH("uri: {regex: '(a)\\1'}"), FINDING_ROUTE_REGEX, NULL, NULL },
        { "RL-48", MATCH("headers: {x: {regex: '[a'}}"), FINDING_ROUTE_REGEX, AT ".headers[\"x\"]",
          NULL },
        { "RL-48", MATCH("uri: {regex: '(?i)/a/.*'}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-49", MATCH("headers: {'a b': {exact: c}}"), FINDING_ROUTE_MATCH,
          AT ".headers[\"a b\"]", "this is no header name" },
        { "RL-49", MATCH("headers: {'': {exact: c}}"), FINDING_ROUTE_MATCH, NULL, NULL },
        { "RL-49", MATCH("queryParams: {'': {exact: c}}"), FINDING_ROUTE_MATCH, NULL,
          "the name may not be empty" },
        { "RL-49", MATCH("headers: {':path': {exact: /c}}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-32", MATCH("headers: {'@request.auth.claims.sub': {exact: a}}"),
          FINDING_ROUTE_JWT_CLAIM, NULL, NULL },
        { "HT-32", MATCH("withoutHeaders: {'@request.auth.claims[a][b]': {exact: a}}"),
          FINDING_ROUTE_JWT_CLAIM, NULL, NULL },
        { "HT-33", MATCH("port: 65536"), FINDING_ROUTE_MATCH, AT ".port", NULL },
        { "HT-33", MATCH("gateways: ['a b']"), FINDING_VIRTUAL_SERVICE_GATEWAY, AT ".gateways[0]",
          NULL },
        { "HT-33", MATCH("sourceNamespace: a.b"), FINDING_ROUTE_MATCH, AT ".sourceNamespace",
          NULL },
        { "HT-33", MATCH("sourceLabels: {a: 'b c'}"), FINDING_FIELD_VALUE,
          AT ".sourceLabels[\"a\"]", NULL },
        { "HT-33",
          MATCH("port: 80, gateways: [mesh], sourceNamespace: a, sourceLabels: {a: b}, "
                "statPrefix: s, name: n, ignoreUriCase: true"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        /* unreachable */
        { "SN-61 SN-74", "{hosts: [a.com], http: [{" DEST "}, {" DEST "}]}",
          FINDING_ROUTE_UNREACHABLE, "spec.http[1]", "http[0] takes every request" },
        { "SN-61",
          "{hosts: [a.com], http: [{match: [{uri: {exact: /}}, {uri: {prefix: /}}], " DEST
          "}, {" DEST "}]}",
          FINDING_ROUTE_UNREACHABLE, NULL, NULL },
        { "SN-61",
          "{hosts: [a.com], http: [{match: [{uri: {regex: '.*'}}], " DEST "}, {" DEST "}]}",
          FINDING_ROUTE_UNREACHABLE, NULL, NULL },
        { "SN-61",
          "{hosts: [a.com], http: [{match: [{uri: {prefix: /}, headers: {x: {}}}], " DEST
          "}, {" DEST "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "SN-61 SN-62", "{hosts: [a.com], http: [{match: [{port: 80}], " DEST "}, {" DEST "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "SN-61 HT-142", "{hosts: [a.com], http: [{delegate: {name: d}}, {" DEST "}]}",
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("VirtualService", rows, sizeof(rows) / sizeof(rows[0]));
}

static void long_patterns_are_refused(void **state)
{
    struct text yaml = { 0 };
    struct config_load load;

    (void)state; /* RL-48 */
    text_add_cstr(&yaml, "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                         "metadata: {name: v}\nspec: {hosts: [a.com], http: [{" DEST
                         ", match: [{uri: {regex: ");
    for (unsigned i = 0; i < 1025; i++) {
        text_add_char(&yaml, 'a');
    }
    text_add_cstr(&yaml, "}}]}]}\n");
    config_case_open(&load, yaml.ptr, NULL);
    assert_non_null(config_case_find(&load, FINDING_ROUTE_REGEX));
    config_case_close(&load);
    text_cleanup(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(long_patterns_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
