/* check_http_policy: retries, faults, mirrors, CORS (spec HT-4, HT-96, HT-97, HT-110, HT-114, HT-138). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define HTTP(entry) "{hosts: [a.com], http: [{route: [{destination: {host: a}}], " entry "}]}"
#define AT "spec.http[0]"

static void rules(void **state)
{
    static const struct config_case rows[] = {
        { "HT-96", HTTP("retries: {attempts: 0, perTryTimeout: 1s}"), FINDING_ROUTE_RETRIES,
          AT ".retries", "attempts are set to 0" },
        { "HT-96", HTTP("retries: {retryOn: 5xx}"), FINDING_ROUTE_RETRIES, NULL, NULL },
        { "HT-96", HTTP("retries: {attempts: 0, retryRemoteLocalities: true}"),
          FINDING_ROUTE_RETRIES, NULL, NULL },
        { "HT-96", HTTP("retries: {attempts: -1}"), FINDING_ROUTE_RETRIES, AT ".retries.attempts",
          NULL },
        { "HT-96", HTTP("retries: {attempts: 0}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-96 RL-45", HTTP("retries: {attempts: 1, perTryTimeout: 0s}"), FINDING_ROUTE_RETRIES,
          AT ".retries.perTryTimeout", NULL },
        { "HT-102 RL-45", HTTP("retries: {attempts: 1, backoff: 10us}"), FINDING_ROUTE_RETRIES,
          AT ".retries.backoff", NULL },
        { "HT-97", HTTP("retries: {attempts: 1, retryOn: '5xx, reset'}"), FINDING_ROUTE_RETRIES,
          AT ".retries.retryOn", "\" reset\" is not a valid retryOn policy: leave out the blank" },
        { "HT-97", HTTP("retries: {attempts: 1, retryOn: 'often'}"), FINDING_ROUTE_RETRIES, NULL,
          NULL },
        { "HT-97", HTTP("retries: {attempts: 1, retryOn: '5xx,'}"), FINDING_ROUTE_RETRIES, NULL,
          NULL },
        { "HT-97", HTTP("retries: {attempts: 1, retryOn: '599'}"), FINDING_ROUTE_RETRIES, NULL,
          NULL },
        { "HT-97", HTTP("retries: {attempts: 1, retryOn: '0503'}"), FINDING_ROUTE_RETRIES, NULL,
          NULL },
        { "HT-97",
          HTTP("retries: {attempts: 2, perTryTimeout: 2s, retryOn: "
               "'503,gateway-error,connect-failure,refused-stream,unavailable,429'}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-110", HTTP("fault: {}"), FINDING_ROUTE_FAULT, AT ".fault",
          "an abort and/or a delay" },
        { "HT-110", HTTP("fault: {delay: {exponentialDelay: 1s}}"), FINDING_ROUTE_FAULT,
          AT ".fault.delay.exponentialDelay", NULL },
        { "HT-110", HTTP("fault: {abort: {http2Error: X}}"), FINDING_ROUTE_FAULT,
          AT ".fault.abort.http2Error", NULL },
        { "HT-110", HTTP("fault: {abort: {grpcStatus: unavailable}}"), FINDING_ROUTE_FAULT,
          AT ".fault.abort.grpcStatus", NULL },
        { "HT-110", HTTP("fault: {abort: {httpStatus: 500, grpcStatus: UNAVAILABLE}}"),
          FINDING_FIELD_ONEOF, NULL, NULL },
        { "HT-114", HTTP("fault: {abort: {httpStatus: 199}}"), FINDING_ROUTE_FAULT,
          AT ".fault.abort.httpStatus", NULL },
        { "HT-114", HTTP("fault: {abort: {httpStatus: 601}}"), FINDING_ROUTE_FAULT, NULL, NULL },
        { "HT-111", HTTP("fault: {delay: {fixedDelay: 1s, percentage: {value: 101}}}"),
          FINDING_ROUTE_FAULT, AT ".fault.delay.percentage", NULL },
        { "HT-111", HTTP("fault: {delay: {fixedDelay: 1s, percent: 101}}"), FINDING_ROUTE_FAULT,
          AT ".fault.delay.percent", NULL },
        { "RL-45", HTTP("fault: {delay: {fixedDelay: 0s}}"), FINDING_ROUTE_FAULT,
          AT ".fault.delay.fixedDelay", NULL },
        { "HT-110",
          HTTP("fault: {delay: {fixedDelay: 7s, percentage: {value: 100}}, abort: "
               "{grpcStatus: UNAVAILABLE, percentage: {value: 0.5}}}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "HT-4", HTTP("mirror: {host: b}, mirrors: [{destination: {host: c}}]"),
          FINDING_ROUTE_MIRROR, AT ".mirrors", NULL },
        { "HT-4", HTTP("mirror: {host: b}, mirrorPercent: 101"), FINDING_ROUTE_MIRROR,
          AT ".mirrorPercent", "max value of 100" },
        { "HT-4", HTTP("mirror: {host: b}, mirrorPercentage: {value: -1}"), FINDING_ROUTE_MIRROR,
          AT ".mirrorPercentage", NULL },
        { "HT-4 HT-7", HTTP("mirror: {}"), FINDING_ROUTE_DESTINATION, AT ".mirror.host", NULL },
        { "HT-4 HT-7", HTTP("mirrors: [{}]"), FINDING_ROUTE_DESTINATION,
          AT ".mirrors[0].destination.host", NULL },
        { "HT-4", HTTP("mirrors: [{destination: {host: c}, percentage: {value: 200}}]"),
          FINDING_ROUTE_MIRROR, AT ".mirrors[0].percentage", NULL },
        { "HT-4 HT-120", HTTP("mirror: {host: b}, mirrorPercent: 0"), CONFIG_CASE_CLEAN, NULL,
          NULL },
        { "HT-138", HTTP("corsPolicy: {allowOrigins: [{}]}"), FINDING_ROUTE_CORS,
          AT ".corsPolicy.allowOrigins[0]", NULL },
        { "HT-138", HTTP("corsPolicy: {allowOrigins: [{prefix: ''}]}"), FINDING_ROUTE_CORS, NULL,
          NULL },
        { "HT-138 RL-48", HTTP("corsPolicy: {allowOrigins: [{regex: '('}]}"), FINDING_ROUTE_REGEX,
          AT ".corsPolicy.allowOrigins[0].regex", NULL },
        { "HT-138", HTTP("corsPolicy: {allowMethods: [get]}"), FINDING_ROUTE_CORS,
          AT ".corsPolicy.allowMethods[0]", NULL },
        { "HT-138", HTTP("corsPolicy: {allowHeaders: ['a b']}"), FINDING_ROUTE_CORS,
          AT ".corsPolicy.allowHeaders[0]", NULL },
        { "HT-138", HTTP("corsPolicy: {exposeHeaders: ['']}"), FINDING_ROUTE_CORS,
          AT ".corsPolicy.exposeHeaders[0]", NULL },
        { "HT-138", HTTP("corsPolicy: {maxAge: 1500ms}"), FINDING_ROUTE_CORS,
          AT ".corsPolicy.maxAge", NULL },
        { "HT-138", HTTP("corsPolicy: {maxAge: -1s}"), FINDING_ROUTE_CORS, NULL, NULL },
        { "HT-138", HTTP("corsPolicy: {unmatchedPreflights: MAYBE}"), FINDING_FIELD_ENUM, NULL,
          NULL },
        { "HT-138",
          HTTP("corsPolicy: {allowOrigin: ['*'], allowOrigins: [{exact: 'https://a'}], "
               "allowMethods: [GET, '*'], allowHeaders: ['*', x-a], maxAge: 0s, "
               "allowCredentials: false, unmatchedPreflights: IGNORE}"),
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("VirtualService", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(rules) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
