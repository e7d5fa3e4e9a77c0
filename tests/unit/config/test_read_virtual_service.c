/* read_virtual_service, read_http_route: every field of a VirtualService arrives typed (spec sections 5, 6, RL-20 to RL-29). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char everything[] =
    "apiVersion: networking.istio.io/v1\n"
    "kind: VirtualService\n"
    "metadata: {name: v}\n"
    "spec:\n"
    "  hosts: [Shop.Example.com]\n"
    "  gateways: [g, ns/g]\n"
    "  exportTo: ['.']\n"
    "  http:\n"
    "  - name: first\n"
    "    match:\n"
    "    - name: m\n"
    "      uri: {prefix: /A}\n"
    "      scheme: {exact: https}\n"
    "      method: {regex: 'GET|HEAD'}\n"
    "      authority: {exact: Shop.Example.com}\n"
    "      headers: {x-a: {exact: b}, x-b: {}, x-c: null}\n"
    "      port: 443\n"
    "      sourceLabels: {app: x}\n"
    "      gateways: [g]\n"
    "      queryParams: {q: {exact: 'a b'}}\n"
    "      ignoreUriCase: true\n"
    "      withoutHeaders: {x-d: {prefix: e}}\n"
    "      sourceNamespace: ns\n"
    "      statPrefix: s\n"
    "    route:\n"
    "    - destination: {host: Reviews, subset: v1, port: {number: 9080}}\n"
    "      weight: 90\n"
    "      headers: {request: {set: {a: b}}}\n"
    "    - destination: {host: reviews, subset: v2}\n"
    "      weight: 10\n"
    "    rewrite: {uri: /b, authority: c.com}\n"
    "    timeout: 1m30s\n"
    "    retries: {attempts: 3, perTryTimeout: 2s, retryOn: 'reset,503', retryRemoteLocalities: "
    "false, retryIgnorePreviousHosts: true, backoff: 50ms}\n"
    "    fault:\n"
    "      delay: {percentage: {value: 12.5}, fixedDelay: 5s}\n"
    "      abort: {httpStatus: 503, percentage: {}}\n"
    "    mirror: {host: m}\n"
    "    mirrorPercent: 0\n"
    "    mirrorPercentage: {value: 50}\n"
    "    corsPolicy:\n"
    "      allowOrigin: [a]\n"
    "      allowOrigins: [{exact: b}, {regex: c.*}]\n"
    "      allowMethods: [GET]\n"
    "      allowHeaders: [x]\n"
    "      exposeHeaders: [y]\n"
    "      maxAge: 24h\n"
    "      allowCredentials: true\n"
    "      unmatchedPreflights: FORWARD\n"
    "    headers:\n"
    "      request: {set: {a: b}, add: {c: d}, remove: [e]}\n"
    "      response: {remove: [f, g]}\n"
    "  - match: [{uri: {exact: /r}}]\n"
    "    redirect: {uri: /n, authority: b.com, port: 8443, scheme: https, redirectCode: 308}\n"
    "  - match: [{uri: {exact: /s}}]\n"
    "    redirect: {prefix_rewrite: '', derivePort: FROM_REQUEST_PORT}\n"
    "  - match: [{uri: {exact: /d}}]\n"
    "    directResponse: {status: 503, body: {bytes: aGVsbG8=}}\n"
    "  - match: [{uri: {exact: /e}}]\n"
    "    delegate: {name: d, namespace: n}\n"
    "  - route: [{destination: {host: a}}]\n"
    "    mirrors: [{destination: {host: b}, percentage: {value: 1}}]\n"
    "    rewrite: {uriRegexRewrite: {match: a, rewrite: b}}\n"
    "  tls:\n"
    "  - match: [{sniHosts: [Shop.Example.com], destinationSubnets: [10.0.0.0/8], port: 443, "
    "sourceLabels: {a: b}, gateways: [g], sourceNamespace: n}]\n"
    "    route: [{destination: {host: t}, weight: 5}]\n"
    "  tcp:\n"
    "  - match: [{port: 27017, sourceSubnet: 10.0.0.0/8}]\n"
    "    route: [{destination: {host: mongo, port: {number: 27017}}}]\n";

static void check_first_match(const struct http_match *match)
{
    assert_str(match->name, "m");
    assert_int_equal(match->uri->kind, MATCH_PREFIX);
    assert_str(match->uri->value, "/A"); /* paths keep their case */
    assert_int_equal(match->method->kind, MATCH_REGEX);
    assert_int_equal(match->scheme->kind, MATCH_EXACT);
    assert_str(match->authority->value, "Shop.Example.com"); /* HT-29: so does the authority */
    assert_int_equal(match->headers.count, 3);
    assert_str(match->headers.items[0].name, "x-a");
    assert_int_equal(match->headers.items[1].match.kind, MATCH_PRESENT); /* RL-29 */
    assert_int_equal(match->headers.items[2].match.kind, MATCH_PRESENT);
    assert_int_equal(match->port, 443);
    assert_int_equal(match->source_labels.count, 1);
    assert_str(match->gateways.items[0], "g");
    assert_str(match->query_params.items[0].match.value, "a b");
    assert_true(match->ignore_uri_case);
    assert_int_equal(match->without_headers.items[0].match.kind, MATCH_PREFIX);
    assert_str(match->source_namespace, "ns");
    assert_str(match->stat_prefix, "s");
    assert_int_equal(match->place.line, 11);
}

static void check_first_route(const struct http_route *route)
{
    assert_str(route->name, "first");
    assert_int_equal(route->place.line, 9);
    check_first_match(&route->matches.items[0]);
    assert_int_equal(route->routes.count, 2);
    assert_str(route->routes.items[0].destination.host, "reviews"); /* GW-26 */
    assert_int_equal(route->routes.items[0].destination.port.value, 9080);
    assert_int_equal(route->routes.items[0].weight, 90);
    assert_str(route->routes.items[0].headers->request->set.items[0].name, "a");
    assert_false(route->routes.items[1].destination.port.is_set);
    assert_str(route->rewrite->authority, "c.com");
    assert_int_equal(route->timeout.ms, 90000); /* RL-22 */
    assert_int_equal(route->retries->attempts, 3);
    assert_int_equal(route->retries->backoff.ms, 50);
    assert_true(route->retries->retry_remote_localities.is_set); /* RL-23 */
    assert_false(route->retries->retry_remote_localities.value);
    assert_true(route->retries->retry_ignore_previous_hosts.value);
    assert_true(route->fault->delay->percentage.value > 12.4); /* RL-24 */
    assert_true(route->fault->abort->percentage.is_set);
    assert_true(route->fault->abort->percentage.value == 0);
    assert_int_equal(route->fault->abort->http_status.value, 503);
    assert_str(route->mirror->host, "m");
    assert_true(route->mirror_percent.is_set);
    assert_int_equal(route->mirror_percent.value, 0);
    assert_int_equal(route->cors_policy->allow_origins.count, 2);
    assert_int_equal(route->cors_policy->max_age.ms, 86400000);
    assert_true(route->cors_policy->allow_credentials.value);
    assert_int_equal(route->cors_policy->unmatched_preflights, UNMATCHED_PREFLIGHTS_FORWARD);
    assert_str(route->headers->request->remove.items[0], "e");
    assert_int_equal(route->headers->response->remove.count, 2);
}

static void every_field(void **state)
{
    struct config_load load;
    const struct virtual_service *service;

    (void)state;
    config_case_open(&load, everything, NULL);
    config_case_assert_no_error(&load);
    assert_int_equal(load.report.counts[SEVERITY_WARNING], 0);
    service = resource_set_virtual_service(load.set, 0);
    assert_str(service->hosts.items[0], "shop.example.com");
    assert_int_equal(service->gateways.count, 2);
    assert_str(service->export_to.items[0], ".");
    assert_int_equal(service->http.count, 6);
    check_first_route(&service->http.items[0]);
    assert_int_equal(service->http.items[1].redirect->port.value, 8443);
    assert_int_equal(service->http.items[1].redirect->redirect_code, 308);
    assert_true(service->http.items[2].redirect->has_derive_port);
    assert_int_equal(service->http.items[2].redirect->derive_port, DERIVE_PORT_FROM_REQUEST_PORT);
    assert_str(service->http.items[2].redirect->prefix_rewrite, "");
    assert_str(service->http.items[3].direct_response->body, "hello"); /* RL-27 */
    assert_str(service->http.items[4].delegate->namespace, "n");       /* HT-140 */
    assert_str(service->http.items[5].mirrors.items[0].destination.host, "b");
    assert_str(service->http.items[5].rewrite->uri_regex_rewrite->rewrite, "b");
    assert_str(service->tls.items[0].matches.items[0].sni_hosts.items[0], "shop.example.com");
    assert_int_equal(service->tls.items[0].routes.items[0].weight, 5);
    assert_str(service->tcp.items[0].matches.items[0].source_subnet, "10.0.0.0/8");
    assert_int_equal(service->tcp.items[0].routes.items[0].destination.port.value, 27017);
    config_case_close(&load);
}

static void absent_is_not_empty(void **state)
{
    struct config_load load;
    const struct http_route *route;

    (void)state; /* RL-23, RL-28 */
    config_case_open(&load,
                     "apiVersion: networking.istio.io/v1\nkind: VirtualService\n"
                     "metadata: {name: v}\n"
                     "spec: {hosts: [a.com], http: [{timeout: null, match: null, rewrite: {uri: "
                     "'', authority: b}, route: [{destination: {host: a}}]}]}\n",
                     NULL);
    config_case_assert_no_error(&load);
    route = &resource_set_virtual_service(load.set, 0)->http.items[0];
    assert_false(route->timeout.is_set);
    assert_int_equal(route->matches.count, 0);
    assert_null(route->name.ptr);
    assert_non_null(route->rewrite->uri.ptr);
    assert_int_equal(route->rewrite->uri.len, 0);
    assert_null(route->redirect);
    assert_null(route->retries);
    assert_false(route->mirror_percent.is_set);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_field),
        cmocka_unit_test(absent_is_not_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
