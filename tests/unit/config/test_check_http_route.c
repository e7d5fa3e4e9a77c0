/* check_http_route: actions, destinations, headers, redirect, rewrite (spec HT-1 to HT-7, HT-50, HT-51, HT-60, HT-70, HT-84, HT-92, RL-45, RL-50, RL-51). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HTTP(entry) "{hosts: [a.com], http: [{" entry "}]}"
#define DEST "route: [{destination: {host: a}}]"
#define AT "spec.http[0]"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "HT-1", HTTP("name: x"), FINDING_ROUTE_ACTION, AT,
          "HTTP route, redirect or direct_response is required" },
        { "HT-1 HT-2", HTTP(DEST ", redirect: {uri: /}"), FINDING_ROUTE_ACTION, AT ".route",
          "HTTP route cannot contain both route and redirect" },
        { "HT-2", HTTP(DEST ", directResponse: {status: 200}"), FINDING_ROUTE_ACTION, AT ".route",
          "both route and directResponse" },
        { "HT-2", HTTP("redirect: {uri: /}, directResponse: {status: 200}"), FINDING_ROUTE_ACTION,
          AT ".directResponse", NULL },
        { "HT-2", HTTP("redirect: {uri: /}, fault: {abort: {httpStatus: 500}}"),
          FINDING_ROUTE_ACTION, AT ".fault", NULL },
        { "HT-2", HTTP("directResponse: {status: 200}, rewrite: {uri: /}"), FINDING_ROUTE_ACTION,
          AT ".rewrite", NULL },
        { "HT-3", HTTP("delegate: {name: d}, " DEST), FINDING_ROUTE_DELEGATE, AT ".route", NULL },
        { "HT-3", HTTP("delegate: {name: d}, redirect: {uri: /}"), FINDING_ROUTE_DELEGATE,
          AT ".redirect", NULL },
        { "HT-140", HTTP("delegate: {}"), FINDING_ROUTE_DELEGATE, AT ".delegate.name", NULL },
        { "HT-140", HTTP("delegate: {name: d, namespace: a.b}"), FINDING_ROUTE_DELEGATE,
          AT ".delegate.namespace", NULL },
        { "HT-140", HTTP("delegate: {name: d, namespace: ns}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-5",
          HTTP("route: [{destination: {host: a}, weight: 0}, {destination: {host: b}, "
               "weight: 0}]"),
          FINDING_ROUTE_WEIGHT, AT ".route", "total destination weight = 0" },
        { "HT-5", HTTP("route: [{destination: {host: a}, weight: -1}]"), FINDING_ROUTE_WEIGHT,
          AT ".route[0].weight", "weight -1 is negative" },
        { "HT-5 HT-8 HT-40", HTTP("route: [{destination: {host: a}, weight: 0}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-5", HTTP("route: [{destination: {host: a}, weight: 3}, {destination: {host: b}}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-7", HTTP("route: [{weight: 1}]"), FINDING_ROUTE_DESTINATION,
          AT ".route[0].destination.host", "destination.host is required" },
        { "HT-7", HTTP("route: [{destination: {host: '*'}}]"), FINDING_ROUTE_DESTINATION, NULL,
          "* is not allowed" },
        { "HT-7", HTTP("route: [{destination: {host: a..b}}]"), FINDING_ROUTE_DESTINATION, NULL,
          "is no host name" },
        { "HT-7", HTTP("route: [{destination: {host: a, subset: a.b}}]"), FINDING_ROUTE_DESTINATION,
          AT ".route[0].destination.subset", NULL },
        { "HT-7", HTTP("route: [{destination: {host: a, port: {number: 0}}}]"),
          FINDING_ROUTE_DESTINATION, AT ".route[0].destination.port.number", NULL },
        { "HT-7", HTTP("route: [{destination: {host: a, subset: v1, port: {number: 65535}}}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        /* redirect */
        { "HT-50", HTTP("redirect: {redirectCode: 302}"), FINDING_ROUTE_REDIRECT, AT ".redirect",
          NULL },
        { "HT-50", HTTP("redirect: {uri: /a, prefixRewrite: /b}"), FINDING_ROUTE_REDIRECT,
          AT ".redirect.prefixRewrite", NULL },
        { "HT-50", HTTP("match: [{uri: {exact: /a}}], redirect: {prefixRewrite: /b}"),
          FINDING_ROUTE_REDIRECT, NULL, "needs every uri match to be a prefix" },
        { "HT-50", HTTP("redirect: {scheme: ftp}"), FINDING_ROUTE_REDIRECT, AT ".redirect.scheme",
          NULL },
        { "HT-50", HTTP("redirect: {port: 0}"), FINDING_ROUTE_REDIRECT, AT ".redirect.port", NULL },
        { "HT-50", HTTP("redirect: {uri: /, redirectCode: 200}"), FINDING_ROUTE_REDIRECT,
          AT ".redirect.redirectCode", "(300..399)" },
        { "HT-51", HTTP("redirect: {uri: /, redirectCode: 304}"), FINDING_ROUTE_REDIRECT, NULL,
          "one of 301, 302, 303, 307, 308" },
        { "HT-50",
          HTTP("match: [{uri: {prefix: /a}}, {}], redirect: {prefixRewrite: /b, "
               "redirectCode: 308}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-50", HTTP("redirect: {derivePort: FROM_REQUEST_PORT}"), CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "HT-50", HTTP("redirect: {authority: b.com, scheme: https, port: 8443}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        /* direct response */
        { "HT-60", HTTP("directResponse: {status: 199}"), FINDING_ROUTE_DIRECT_RESPONSE,
          AT ".directResponse.status", NULL },
        { "HT-60", HTTP("directResponse: {status: 601}"), FINDING_ROUTE_DIRECT_RESPONSE, NULL,
          NULL },
        { "HT-60", HTTP("directResponse: {}"), FINDING_ROUTE_DIRECT_RESPONSE, NULL, NULL },
        { "HT-60", HTTP("directResponse: {status: 600, body: {string: ''}}"), CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "HT-60", HTTP("directResponse: {status: 200, body: {bytes: aGk=}}"), CONFIG_CASE_CLEAN,
          NULL, NULL },
        /* rewrite */
        { "HT-70", HTTP("rewrite: {}, " DEST), FINDING_ROUTE_REWRITE, AT ".rewrite",
          "rewrite must specify URI, UriRegexRewrite, or authority" },
        { "HT-70", HTTP("rewrite: {uri: /, uriRegexRewrite: {match: a, rewrite: b}}, " DEST),
          FINDING_ROUTE_REWRITE, AT ".rewrite.uriRegexRewrite", NULL },
        { "HT-70", HTTP("rewrite: {uriRegexRewrite: {match: a}}, " DEST), FINDING_ROUTE_REWRITE,
          NULL, "requires both match and rewrite" },
        { "HT-70 RL-48", HTTP("rewrite: {uriRegexRewrite: {match: '(', rewrite: b}}, " DEST),
          FINDING_ROUTE_REGEX, AT ".rewrite.uriRegexRewrite.match", NULL },
        { "HT-70 HT-73", HTTP("rewrite: {uri: '', authority: b.com}, " DEST), CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "HT-70 HT-74",
          HTTP("rewrite: {uriRegexRewrite: {match: '^/a/(.*)$', rewrite: '/\\1'}}, " DEST),
          CONFIG_CASE_CLEAN, NULL, NULL },
        /* headers */
        { "RL-51", HTTP("headers: {request: {set: {'': a}}}, " DEST), FINDING_ROUTE_HEADERS,
          AT ".headers.request.set[\"\"]", "header name cannot be empty" },
        { "RL-51", HTTP("headers: {request: {set: {':path': a}}}, " DEST), FINDING_ROUTE_HEADERS,
          AT ".headers.request.set[\":path\"]", "prefix" },
        { "RL-51", HTTP("headers: {request: {remove: [Host]}}, " DEST), FINDING_ROUTE_HEADERS,
          AT ".headers.request.remove[0]", "cannot set Host header" },
        { "RL-51", HTTP("headers: {request: {remove: [':authority']}}, " DEST),
          FINDING_ROUTE_HEADERS, NULL, "prefix" },
        { "RL-51", HTTP("headers: {response: {add: {HOST: a}}}, " DEST), FINDING_ROUTE_HEADERS,
          NULL, "cannot set Host header" },
        { "RL-51", HTTP("headers: {response: {set: {':status': '200'}}}, " DEST),
          FINDING_ROUTE_HEADERS, NULL, NULL },
        { "RL-51", HTTP("headers: {request: {add: {'a b': x}}}, " DEST), FINDING_ROUTE_HEADERS,
          NULL, "this is no header name" },
        { "RL-51", HTTP("headers: {request: {set: {':authority': b.com, x: y}}}, " DEST),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "RL-51",
          HTTP("route: [{destination: {host: a}, headers: {response: {remove: "
               "[':x']}}}]"),
          FINDING_ROUTE_HEADERS, AT ".route[0].headers.response.remove[0]", NULL },
        { "RL-50", HTTP("headers: {request: {set: {x: \"a\\nb\"}}}, " DEST), FINDING_ROUTE_HEADERS,
          AT ".headers.request.set[\"x\"]", "control characters" },
        { "RL-50 HT-88", HTTP("headers: {request: {set: {x: '100%'}}}, " DEST),
          FINDING_ROUTE_HEADERS, NULL, "must be written %%" },
        { "RL-50 HT-88", HTTP("headers: {request: {set: {x: '%REQ(:path)% 100%%'}}}, " DEST),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-84",
          HTTP("rewrite: {authority: b.com}, headers: {request: {set: {host: c.com}}}, " DEST),
          FINDING_ROUTE_HEADERS, AT ".headers.request", "only once" },
        { "HT-84", HTTP("headers: {request: {set: {host: c.com}, add: {':authority': d}}}, " DEST),
          FINDING_ROUTE_HEADERS, NULL, "only once" },
        /* timeout */
        { "HT-92 RL-45", HTTP("timeout: 0s, " DEST), FINDING_ROUTE_TIMEOUT, AT ".timeout",
          "duration must be greater than 1ms" },
        { "RL-45", HTTP("timeout: 500us, " DEST), FINDING_ROUTE_TIMEOUT, NULL,
          "duration must be greater than 1ms" },
        { "RL-45", HTTP("timeout: 1500us, " DEST), FINDING_ROUTE_TIMEOUT, NULL,
          "only durations to ms precision are supported" },
        { "RL-45", HTTP("timeout: -1s, " DEST), FINDING_ROUTE_TIMEOUT, NULL, NULL },
        { "RL-45", HTTP("timeout: 1ms, " DEST), CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("VirtualService", rows, sizeof(rows) / sizeof(rows[0]));
}

static void load_body(size_t len, struct config_load *load)
{
    struct text yaml = { 0 };

    text_add_cstr(&yaml, "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                         "metadata: {name: v}\n"
                         "spec: {hosts: [a.com], http: [{directResponse: {status: 200, body: "
                         "{string: \"");
    for (size_t i = 0; i < len; i++) {
        text_add_char(&yaml, 'x');
    }
    text_add_cstr(&yaml, "\"}}}]}\n");
    config_case_open(load, yaml.ptr, NULL);
    text_cleanup(&yaml);
}

static void large_bodies(void **state)
{
    struct config_load load;

    (void)state; /* HT-60 */
    load_body(1024 * 1024 + 1, &load);
    assert_non_null(config_case_find(&load, FINDING_ROUTE_DIRECT_RESPONSE));
    config_case_close(&load);
    load_body(1024 * 1024, &load);
    assert_non_null(config_case_find(&load, FINDING_ROUTE_DIRECT_RESPONSE_LARGE));
    config_case_assert_no_error(&load);
    config_case_close(&load);
    load_body(100 * 1024, &load);
    assert_int_equal(load.report.findings.count, 0);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rules),
        cmocka_unit_test(large_bodies),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
