/* test_compile_routes: the routes of a VirtualService (spec 4.6, 5.1 to 5.8, 14.5). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define HTTP_KEY "0.0.0.0:80"
/* One VirtualService `app/vs` on one HTTP server; `http` is the list's content. */
#define SERVICE(http)                                                                              \
    GATEWAY("gw", HTTP_SERVER("'*'"))                                                              \
    VIRTUAL_SERVICE("app", "vs", "{hosts: [a.com], gateways: [istio-system/gw], http: [" http "]}")
#define TO "route: [{destination: {host: x.y, port: {number: 80}}}]"

static void open_http(struct snapshot_case *test, const char *http)
{
    char yaml[4096];

    (void)snprintf(yaml, sizeof(yaml), SERVICE("%s"), http);
    snapshot_from_yaml(test, yaml);
}

static const struct route *route_of(const struct snapshot_case *test, const char *path)
{
    const struct route *route =
        snapshot_case_match(snapshot_case_table(test, HTTP_KEY, NULL), "a.com", path);

    assert_non_null(route);
    return route;
}

static size_t route_count(const struct snapshot_case *test)
{
    const struct virtual_host *host =
        match_virtual_host(snapshot_case_table(test, HTTP_KEY, NULL), STR("a.com"));

    return host != NULL ? host->route_count : 0;
}

/* What the compile refuses takes the whole object with it, and nothing else (HT-89, HT-51). */
static void test_refused_objects(void **state)
{
    static const char *const bad[] = {
        "{headers: {request: {set: {x: '%NOPE%'}}}, " TO "}",
        "{headers: {response: {add: {x: '%REQ(%'}}}, " TO "}",
        "{route: [{destination: {host: x.y}, headers: {request: {add: {x: '%NOPE(1)%'}}}}]}",
        "{rewrite: {uriRegexRewrite: {match: '/(a)', rewrite: '/\\2'}}, " TO "}",
    };
    (void)state;

    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct snapshot_case test;
        char yaml[4096];
        char http[1024];

        (void)snprintf(http, sizeof(http), "{match: [{uri: {prefix: /good}}], " TO "}, %s", bad[i]);
        (void)snprintf(
            yaml, sizeof(yaml),
            SERVICE("%s") VIRTUAL_SERVICE(
                "app", "other",
                "{hosts: [b.com], gateways: [istio-system/gw], http: [" ROUTE("ok", "") "]}"),
            http);
        snapshot_case_init(&test);
        report_init(&test.report);
        test.set =
            resource_set_load_text(STR("test.yaml"), str_from_cstr(yaml), NULL, NULL, &test.report);
        /* The reader may have refused it already. */
        test.snapshot = compile_snapshot(&test.options, test.set, NULL, NULL, NULL, &test.report);
        assert_true(test.report.counts[SEVERITY_ERROR] > 0);
        assert_int_equal(route_count(&test), 0);
        assert_route(snapshot_case_table(&test, HTTP_KEY, NULL), "b.com", "/", "ok");
        snapshot_case_close(&test);
    }
}

/* SN-60, SN-61, HT-20, 14.5. */
static void test_matches_to_routes(void **state)
{
    struct snapshot_case test;
    (void)state;

    open_http(&test, "{name: n, match: [{name: one, uri: {prefix: /a}}, {uri: {exact: /b}}], " TO
                     "}, {name: all, " TO "}, {name: never, match: [{uri: {prefix: /c}}], " TO "}");
    assert_int_equal(route_count(&test), 3);
    assert_string_equal(route_of(&test, "/ax")->name.ptr, "n.one"); /* HT-22 */
    assert_string_equal(route_of(&test, "/b?x=1")->name.ptr, "n");  /* HT-21 */
    assert_string_equal(route_of(&test, "/b/")->name.ptr, "all");   /* HT-23 */
    assert_string_equal(route_of(&test, "/c")->name.ptr, "all");
    assert_string_equal(route_of(&test, "/c")->virtual_service.ptr, "app/vs");
    assert_string_equal(route_of(&test, "/c")->file.ptr, "test.yaml");
    assert_int_equal(route_of(&test, "/c")->line, 4);
    snapshot_case_close(&test);
}

/* SN-61: what is a catch-all and what only looks like one. */
static void test_catch_all(void **state)
{
    static const struct {
        const char *match;
        size_t routes;
    } rows[] = {
        { "{uri: {prefix: /}}", 1 },
        { "{uri: {regex: '.*'}}", 1 },
        { "{name: x}", 1 },
        { "{uri: {regex: '/.*'}}", 2 },
        { "{uri: {prefix: /}, headers: {x: {}}}", 2 },
        { "{uri: {prefix: /}, withoutHeaders: {x: {}}}", 2 },
        { "{uri: {prefix: /}, queryParams: {x: {}}}", 2 },
        { "{uri: {prefix: /}, method: {exact: GET}}", 2 },
        { "{uri: {exact: /}}", 2 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char http[1024];

        (void)snprintf(http, sizeof(http), "{match: [%s], " TO "}, {" TO "}", rows[i].match);
        open_http(&test, http);
        if (route_count(&test) != rows[i].routes) {
            print_error("%s: %zu\n", rows[i].match, route_count(&test));
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* SN-62 to SN-64, HT-33. */
static void test_scope(void **state)
{
    static const struct {
        const char *match;
        size_t routes;
    } rows[] = {
        { "{port: 81}", 0 },
        { "{gateways: [other]}", 0 },
        { "{gateways: [app/gw]}", 0 },
        { "{sourceLabels: {a: b}}", 0 },
        { "{sourceNamespace: app}", 0 },
        { "{port: 80}", 1 },
        { "{gateways: [other, istio-system/gw]}", 1 },
        { "{gateways: [istio-system/gw], sourceLabels: {a: b}}", 1 },
        { "{sourceLabels: {istio: ingressgateway}}", 1 }, /* SN-63 */
        { "{sourceNamespace: istio-system}", 1 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char http[1024];

        (void)snprintf(http, sizeof(http), "{match: [%s], " TO "}", rows[i].match);
        open_http(&test, http);
        if (route_count(&test) != rows[i].routes) {
            print_error("%s: %zu\n", rows[i].match, route_count(&test));
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* HT-24, HT-25, HT-26, HT-28, HT-29, HT-31: kinds arrive as they were written. */
static void test_conditions(void **state)
{
    struct snapshot_case test;
    const struct route_conditions *conditions;
    (void)state;

    open_http(&test, "{match: [{uri: {prefix: /Foo}, ignoreUriCase: true, headers: {X-A: {regex: "
                     "'*'}}, withoutHeaders: {x-b: {exact: q}}, queryParams: {P: {}}, scheme: "
                     "{exact: http}, method: {prefix: G}, authority: {regex: 'a.*'}}], " TO "}");
    conditions = &match_virtual_host(snapshot_case_table(&test, HTTP_KEY, NULL), STR("a.com"))
                      ->routes[0]
                      ->conditions;
    assert_true(pattern_ignores_case(conditions->uri));
    assert_int_equal(conditions->header_count, 2);
    assert_int_equal(pattern_kind(conditions->headers[0].pattern), PATTERN_PRESENT);
    assert_true(str_equals(conditions->headers[0].name, STR("x-a")));
    assert_false(conditions->headers[0].is_inverted);
    assert_true(conditions->headers[1].is_inverted);
    assert_string_equal(conditions->headers[1].label, "withoutHeaders[x-b]");
    assert_int_equal(conditions->query_count, 1);
    assert_true(str_equals(conditions->query[0].name, STR("P")));
    assert_int_equal(pattern_kind(conditions->method), PATTERN_PREFIX);
    assert_int_equal(pattern_kind(conditions->authority), PATTERN_REGEX);
    assert_int_equal(pattern_kind(conditions->scheme), PATTERN_EXACT);
    snapshot_case_close(&test);
}

/* HT-51, HT-53, HT-55 to HT-57. */
static void test_redirect(void **state)
{
    struct snapshot_case test;
    const struct route *route;
    (void)state;

    open_http(&test,
              "{match: [{uri: {prefix: /a}}], redirect: {uri: n, redirectCode: 308}}, "
              "{match: [{uri: {prefix: /b}}], redirect: {prefixRewrite: /x, authority: b.com, "
              "scheme: https, port: 8443}}, "
              "{redirect: {scheme: https, derivePort: FROM_REQUEST_PORT}}");
    route = route_of(&test, "/a");
    assert_int_equal(route->action, ROUTE_REDIRECT);
    assert_int_equal(route->redirect.status, 308);
    assert_string_equal(route->redirect.uri.ptr, "/n");
    assert_false(route->redirect.is_server_tls);
    route = route_of(&test, "/b");
    assert_int_equal(route->redirect.status, 301);
    assert_true(str_is_empty(route->redirect.uri));
    assert_string_equal(route->redirect.prefix_rewrite.ptr, "/x");
    assert_string_equal(route->redirect.authority.ptr, "b.com");
    assert_string_equal(route->redirect.scheme.ptr, "https");
    assert_int_equal(route->redirect.port, 8443);
    assert_int_equal(route_of(&test, "/")->redirect.port, 80);
    snapshot_case_close(&test);
}

/* HT-60, HT-90 */
static void test_direct_and_timeout(void **state)
{
    struct snapshot_case test;
    (void)state;

    open_http(&test, "{match: [{uri: {prefix: /d}}], directResponse: {status: 503, body: {string: "
                     "'off'}}}, {timeout: 1m30s, " TO "}");
    assert_int_equal(route_of(&test, "/d")->action, ROUTE_DIRECT);
    assert_int_equal(route_of(&test, "/d")->direct.status, 503);
    assert_string_equal(route_of(&test, "/d")->direct.body.ptr, "off");
    assert_int_equal(route_of(&test, "/d")->timeout_ms, 0);
    assert_int_equal(route_of(&test, "/")->timeout_ms, 90000);
    snapshot_case_close(&test);
}

/* HT-73, HT-74 */
static void test_rewrite(void **state)
{
    struct snapshot_case test;
    const struct route *route;
    struct text out = { 0 };
    (void)state;

    open_http(&test,
              "{match: [{uri: {prefix: /a}}], rewrite: {uri: /b}, " TO "}, "
              "{match: [{uri: {prefix: /c}}], rewrite: {uri: '', authority: h.com}, " TO
              "}, {rewrite: {uriRegexRewrite: {match: '^/x/(.*)$', rewrite: '/\\1'}}, " TO "}");
    assert_true(route_of(&test, "/a")->rewrite.has_uri);
    assert_string_equal(route_of(&test, "/a")->rewrite.uri.ptr, "/b");
    assert_false(route_of(&test, "/c")->rewrite.has_uri);
    route = route_of(&test, "/x/y");
    assert_true(
        pattern_replace_all(route->rewrite.regex, STR("/x/y"), route->rewrite.regex_rewrite, &out));
    assert_string_equal(out.ptr, "/y");
    text_cleanup(&out);
    snapshot_case_close(&test);
}

static const char *literal(const struct format *format)
{
    struct str text;

    assert_non_null(format);
    assert_true(format_is_literal(format, &text));
    return text.ptr;
}

/* HT-84: who decides on the host. */
static void test_authority(void **state)
{
    static const struct {
        const char *http;
        const char *route;       /* NULL: none */
        const char *destination; /* of the first one */
    } rows[] = {
        { "{" TO "}", NULL, NULL },
        { "{rewrite: {authority: r}, " TO "}", "r", NULL },
        { "{rewrite: {authority: 'a%b'}, " TO "}", "a%b", NULL },
        { "{headers: {request: {set: {':authority': s}}}, " TO "}", "s", NULL },
        { "{headers: {request: {add: {Host: s}}}, " TO "}", "s", NULL },
        { "{headers: {request: {set: {host: s}}}, route: [{destination: {host: x.y}, headers: "
          "{request: {set: {host: d}}}}]}",
          "s", NULL },
        { "{route: [{destination: {host: x.y}, headers: {request: {set: {host: d}}}}]}", "d",
          NULL },
        { "{route: [{destination: {host: x.y}, weight: 1, headers: {request: {set: {host: d}}}}, "
          "{destination: {host: z.y}, weight: 1}]}",
          NULL, "d" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        const struct route *route;

        open_http(&test, rows[i].http);
        route = route_of(&test, "/");
        if (rows[i].route == NULL) {
            assert_null(route->authority);
        } else {
            assert_string_equal(literal(route->authority), rows[i].route);
        }
        if (rows[i].destination == NULL) {
            assert_null(route->destinations[0].authority);
        } else {
            assert_string_equal(literal(route->destinations[0].authority), rows[i].destination);
        }
        assert_int_equal(route->request_ops.set_count, 0); /* HT-83 */
        snapshot_case_close(&test);
    }
}

/* HT-80 to HT-83, HT-85, HT-86, HT-88. */
static void test_headers(void **state)
{
    struct snapshot_case test;
    const struct route *route;
    (void)state;

    open_http(&test, "{headers: {request: {set: {x-b: '1', X-A: 'a%%b', x-e: ''}, add: {x-c: "
                     "'%REQ(y)%'}, remove: [X-D]}, response: {set: {server: me}, remove: [via]}}, "
                     "route: [{destination: {host: x.y}, headers: {request: {set: {x-b: '2'}}}}]}");
    route = route_of(&test, "/");
    assert_int_equal(route->request_ops.set_count, 2);
    assert_true(str_equals(route->request_ops.sets[0].name, STR("x-a")));
    assert_string_equal(literal(route->request_ops.sets[0].value), "a%b");
    assert_true(str_equals(route->request_ops.sets[1].name, STR("x-b")));
    assert_int_equal(route->request_ops.add_count, 1);
    assert_int_equal(route->request_ops.remove_count, 1);
    assert_true(str_equals(route->request_ops.removes[0].name, STR("x-d")));
    assert_int_equal(route->response_ops.sets[0].id, HEADER_SERVER);
    assert_int_equal(route->response_ops.removes[0].id, HEADER_VIA);
    assert_int_equal(route->destinations[0].request_ops.set_count, 1);
    assert_false(route->is_destination_first);
    snapshot_case_close(&test);
}

/* HT-8, HT-40, HT-86. */
static void test_weights(void **state)
{
    struct snapshot_case test;
    const struct route *route;
    (void)state;

    open_http(&test, "{match: [{uri: {prefix: /one}}], route: [{destination: {host: x.y}, weight: "
                     "0}]}, {route: [{destination: {host: x.y}, weight: 20}, {destination: {host: "
                     "z.y}, weight: 0}, {destination: {host: z.y}, weight: 70}]}");
    assert_int_equal(route_of(&test, "/one")->destination_count, 1);
    route = route_of(&test, "/");
    assert_int_equal(route->destination_count, 2);
    assert_int_equal(route->total_weight, 90);
    assert_int_equal(route->destinations[1].weight, 70);
    assert_true(route->is_destination_first);
    snapshot_case_close(&test);
}

/* SN-74, within one service. */
static void test_shadow_within(void **state)
{
    struct snapshot_case test;
    const struct finding *finding;
    (void)state;

    open_http(&test, ROUTE("a", "{uri: {prefix: /api}}") ", " ROUTE(
                         "b", "{uri: {prefix: /api/v1}}, {uri: {prefix: /ap}}, {uri: {prefix: "
                              "/API/x}, ignoreUriCase: true}") ",\n" ROUTE("c", "{uri: {exact: "
                                                                                "/api}}"));
    finding = snapshot_case_finding(&test, FINDING_ROUTE_SHADOWED);
    assert_non_null(finding);
    assert_int_equal(finding->place.line, 4);
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_ROUTE_SHADOWED), 2);
    snapshot_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_objects),
        cmocka_unit_test(test_matches_to_routes),
        cmocka_unit_test(test_catch_all),
        cmocka_unit_test(test_scope),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_redirect),
        cmocka_unit_test(test_direct_and_timeout),
        cmocka_unit_test(test_rewrite),
        cmocka_unit_test(test_authority),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_shadow_within),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
