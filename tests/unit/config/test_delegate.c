/* test_delegate: entries of a delegate within those of its root (spec 5.12). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#define ROOT(match)                                                                                \
    GATEWAY("gw", HTTP_SERVER("'*'"))                                                              \
    VIRTUAL_SERVICE("app", "root",                                                                 \
                    "{hosts: [a.com], gateways: [istio-system/gw], http: [{name: r, timeout: 5s, " \
                    "match: [" match "], delegate: {name: d, namespace: team}}, {name: last, "     \
                    "route: [{destination: {host: x.y}}]}]}")
#define DELEGATE(http) VIRTUAL_SERVICE("team", "d", "{http: [" http "]}")
#define TO "route: [{destination: {host: local}}]"

static size_t count_routes(const struct snapshot_case *test)
{
    return match_virtual_host(snapshot_case_table(test, "0.0.0.0:80", NULL), STR("a.com"))
        ->route_count;
}

/* HT-140, HT-141, HT-3: the entry is left out, the rest is served. */
static void test_bad_references(void **state)
{
    static const struct {
        const char *yaml;
        enum finding_code code;
    } rows[] = {
        { ROOT(""), FINDING_DELEGATE_UNKNOWN },
        { ROOT("") VIRTUAL_SERVICE("app", "d", "{http: [{" TO "}]}"), FINDING_DELEGATE_UNKNOWN },
        { ROOT("") VIRTUAL_SERVICE("team", "d", "{hosts: [b.com], http: [{" TO "}]}"),
          FINDING_DELEGATE_UNUSABLE },
        { ROOT("") VIRTUAL_SERVICE("team", "d", "{exportTo: ['.'], http: [{" TO "}]}"),
          FINDING_DELEGATE_UNUSABLE },
        { ROOT("{uri: {prefix: /a}}") DELEGATE("{match: [{uri: {prefix: /b}}], " TO "}"),
          FINDING_DELEGATE_UNUSABLE },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;

        snapshot_from_yaml(&test, rows[i].yaml);
        if (snapshot_case_finding_count(&test, rows[i].code) != 1) {
            print_error("row %zu\n", i);
            fail();
        }
        assert_int_equal(count_routes(&test), 1);
        assert_route(snapshot_case_table(&test, "0.0.0.0:80", NULL), "a.com", "/a", "last");
        snapshot_case_close(&test);
    }
}

/* HT-142, HT-143: root match, delegate match, do they go together? */
static void test_conflicts(void **state)
{
    static const struct {
        const char *root;
        const char *delegate;
        bool fits;
    } rows[] = {
        { "{uri: {prefix: /a}}", "{uri: {prefix: /b}}", false },
        { "{uri: {prefix: /a}}", "{uri: {exact: /b}}", false },
        { "{uri: {prefix: /a}}", "{uri: {regex: '/a.*'}}", false },
        { "{uri: {regex: '/a.*'}}", "{uri: {prefix: /ab}}", false },
        { "{uri: {exact: /a}}", "{uri: {prefix: /a}}", false },
        { "{uri: {exact: /a}}", "{uri: {exact: /ab}}", false },
        { "{uri: {prefix: /a}}", "{uri: {prefix: /a}, ignoreUriCase: true}", false },
        { "{method: {exact: GET}}", "{method: {exact: POST}}", false },
        { "{port: 80}", "{port: 81}", false },
        { "{gateways: [istio-system/gw]}", "{gateways: [istio-system/other]}", false },
        { "{sourceNamespace: istio-system}", "{sourceNamespace: app}", false },
        { "{headers: {x: {exact: a}}}", "{headers: {X: {exact: b}}}", false },
        { "{withoutHeaders: {x: {prefix: a}}}", "{withoutHeaders: {x: {exact: b}}}", false },
        { "{queryParams: {q: {exact: a}}}", "{queryParams: {q: {regex: a}}}", false },
        { "{uri: {prefix: /a}}", "{uri: {prefix: /ab}}", true },
        { "{uri: {prefix: /a}}", "{uri: {exact: /abc}}", true },
        { "{uri: {exact: /a}}", "{uri: {exact: /a}}", true },
        { "{uri: {regex: '/a.*'}}", "{headers: {x: {exact: a}}}", true },
        { "{headers: {x: {}}}", "{headers: {x: {exact: a}}}", true },
        { "{headers: {x: {exact: a}}}", "{headers: {y: {exact: a}}}", true },
        { "{port: 80}", "{uri: {prefix: /q}}", true },
        { "{uri: {prefix: /a}}, {uri: {prefix: /b}}", "{uri: {prefix: /bc}}", true },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml), ROOT("%s") DELEGATE("{match: [%s], " TO "}"),
                       rows[i].root, rows[i].delegate);
        snapshot_from_yaml(&test, yaml);
        if (count_routes(&test) != (rows[i].fits ? 2U : 1U)) {
            print_error("%s and %s\n", rows[i].root, rows[i].delegate);
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* HT-142: who has no match takes the other's. HT-144, HT-145. */
static void test_merged(void **state)
{
    struct snapshot_case test;
    const struct route_table *table;
    const struct route *route;
    (void)state;

    snapshot_from_yaml(&test, ROOT("{name: m, uri: {prefix: /a}, headers: {x: {}}}")
                                  DELEGATE("{name: d, match: [{uri: {prefix: /a/b}}], " TO
                                           "}, {timeout: 1s, " TO "}"));
    table = snapshot_case_table(&test, "0.0.0.0:80", NULL);
    assert_int_equal(count_routes(&test), 3);
    route = match_virtual_host(table, STR("a.com"))->routes[0];
    assert_string_equal(route->name.ptr, "r-d.m");
    assert_int_equal(route->timeout_ms, 5000);
    assert_int_equal(route->conditions.header_count, 1);
    assert_true(str_equals(pattern_value(route->conditions.uri), STR("/a/b")));
    assert_true(str_equals(route->destinations[0].cluster_name,
                           STR("outbound|80||local.team.svc.cluster.local")));
    assert_string_equal(route->virtual_service.ptr, "app/root");
    route = match_virtual_host(table, STR("a.com"))->routes[1];
    assert_string_equal(route->name.ptr, "r.m");
    assert_int_equal(route->timeout_ms, 1000);
    assert_true(str_equals(pattern_value(route->conditions.uri), STR("/a")));
    snapshot_case_close(&test);

    snapshot_from_yaml(&test, ROOT("") DELEGATE("{name: d, match: [{uri: {prefix: /q}}], " TO "}"));
    assert_route(snapshot_case_table(&test, "0.0.0.0:80", NULL), "a.com", "/q", "r-d");
    snapshot_case_close(&test);
}

/* SN-40, HT-142, HT-143: a Gateway's name is read in the namespace of the object that has it. */
static void test_gateways_of_two_namespaces(void **state)
{
    static const struct {
        const char *root;
        const char *delegate;
        bool fits;
    } rows[] = {
        { "{gateways: [gw]}", "", true },
        { "{gateways: [./gw]}", "{uri: {prefix: /a}}", true },
        { "{gateways: [gw]}", "{gateways: [app/gw]}", true },
        { "{gateways: [gw, mesh]}", "{gateways: [mesh, app/gw]}", true },
        { "{uri: {prefix: /a}}", "{gateways: [gw]}", false }, /* team/gw */
        { "{gateways: [gw]}", "{gateways: [gw]}", false },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(
            yaml, sizeof(yaml),
            OBJECT("Gateway", "app", "gw",
                   "{selector: {istio: ingressgateway}, servers: [" HTTP_SERVER("'*'") "]}")
                VIRTUAL_SERVICE("app", "root",
                                "{hosts: [a.com], gateways: [gw], http: [{match: [%s], "
                                "delegate: {name: d, namespace: team}}, {name: last, "
                                "route: [{destination: {host: x.y}}]}]}")
                    DELEGATE("{name: d, match: [%s], " TO "}"),
            rows[i].root, rows[i].delegate);
        snapshot_from_yaml(&test, yaml);
        const struct virtual_host *host =
            match_virtual_host(snapshot_case_table(&test, "0.0.0.0:80", NULL), STR("a.com"));
        /* What names only Gateways is a catch-all, behind which nothing comes (SN-61). */
        if (str_equals(host->routes[0]->name, STR("d")) != rows[i].fits) {
            print_error("%s and %s\n", rows[i].root, rows[i].delegate);
            fail();
        }
        snapshot_case_close(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_references),
        cmocka_unit_test(test_conflicts),
        cmocka_unit_test(test_merged),
        cmocka_unit_test(test_gateways_of_two_namespaces),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
