/* test_compile_hosts: which hosts and whose routes (spec 4.2, 4.4 to 4.7, 2.5, 14.4). */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#define HTTP_KEY "0.0.0.0:80"

static int compare_names(const void *a, const void *b)
{
    const struct str *left = a;
    const struct str *right = b;

    return str_compare(*left, *right);
}

/* Names of the virtual hosts, sorted, joined by blanks. */
static struct str host_names(const struct route_table *table, struct arena *arena)
{
    struct str_vec names = { 0 };
    struct str joined = STR("");
    const struct map *maps[] = { &table->hosts.exact, &table->hosts.wildcard };

    for (size_t i = 0; i < 2; i++) {
        size_t position = 0;
        void *value;

        while (map_next(maps[i], &position, NULL, &value)) {
            vec_push(&names, ((const struct virtual_host *)value)->name);
        }
    }
    if (table->hosts.any != NULL) {
        vec_push(&names, ((const struct virtual_host *)table->hosts.any)->name);
    }
    qsort(names.items, names.count, sizeof(*names.items), compare_names);
    for (size_t i = 0; i < names.count; i++) {
        joined = arena_printf(arena, "%.*s%s%.*s", STR_ARG(joined), i != 0 ? " " : "",
                              STR_ARG(names.items[i]));
    }
    vec_cleanup(&names);
    return joined;
}

/* SN-50, SN-51, SN-52, SN-53, GW-20 to GW-24. "*" alone is the host without routes. */
static void test_intersection(void **state)
{
    static const struct {
        const char *server;
        const char *service;
        const char *hosts;
    } rows[] = {
        { "ns1/foo.com", "foo.com", "*" }, /* the service is in ns2 */
        { "./foo.com", "foo.com", "*" },   /* and the Gateway in istio-system */
        { "foo.com", "bar.com", "*" },
        { "'*.foo.com'", "foo.com", "*" }, /* SN-52 */
        { "foo.com", "'*.foo.com'", "*" },
        { "'*.foo.com'", "1.foo.com, 2.foo.com", "1.foo.com 2.foo.com" },
        { "1.foo.com, 2.foo.com", "'*.foo.com'", "1.foo.com 2.foo.com" },
        { "foo.com", "'*'", "foo.com" },
        { "'*'", "'*'", "*" },
        { "'*.foo.com'", "'*.bar.foo.com'", "*.bar.foo.com" },
        { "'*.bar.foo.com'", "'*.foo.com'", "*.bar.foo.com" },
        { "ns2/foo.com", "foo.com", "foo.com" },
        { "'*/foo.com'", "foo.com", "foo.com" },
        { "'ns2/*'", "a.b", "a.b" },
        { "'*.foo.com', a.foo.com, foo.com", "a.foo.com, b.foo.com", "a.foo.com b.foo.com" },
        { "'*.foo.com', a.foo.com", "'*.foo.com'", "*.foo.com a.foo.com" },
        { "FOO.com", "foo.COM", "foo.com" }, /* GW-26 */
        { "'*.com'", "'*-x.foo.com'", "*-x.foo.com" },
        { "a-x.foo.com", "'*-x.foo.com'", "a-x.foo.com" },
        { "10.0.0.1", "10.0.0.1", "10.0.0.1" },
        { "reviews.ns2.svc.cluster.local", "reviews", "reviews.ns2.svc.cluster.local" }, /* SN-43 */
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        struct arena *arena = arena_new(1024);
        struct str names;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml),
                       GATEWAY("gw", "{port: {number: 80, name: p, protocol: HTTP}, hosts: [%s]}")
                           VIRTUAL_SERVICE("ns2", "vs",
                                           "{hosts: [%s], gateways: "
                                           "[istio-system/gw], http: [" ROUTE("r", "") "]}"),
                       rows[i].server, rows[i].service);
        snapshot_from_yaml(&test, yaml);
        names = host_names(snapshot_case_table(&test, HTTP_KEY, NULL), arena);
        if (!str_equals(names, str_from_cstr(rows[i].hosts))) {
            print_error("%s and %s: %.*s\n", rows[i].server, rows[i].service, STR_ARG(names));
            fail();
        }
        /* The last row of SN-51: the service is told to be inactive. */
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_VIRTUAL_SERVICE_HOST_UNSERVED),
                         strcmp(rows[i].hosts, "*") == 0 && strcmp(rows[i].service, "'*'") != 0);
        arena_free(arena);
        snapshot_case_close(&test);
    }
}

/* 14.4, SN-20, SN-21, SN-30, SN-33, SN-34, SN-37. */
static void test_host_to_service(void **state)
{
    struct snapshot_case test;
    const struct route_table *table;
    (void)state;

    snapshot_from_yaml(
        &test, GATEWAY("gw", HTTPS_SERVER("s", "'*.example.com'"))
                   GATEWAY("o", HTTPS_SERVER("s", "other.com")) VIRTUAL_SERVICE(
                       "app", "vs1",
                       "{hosts: [a.example.com], gateways: [istio-system/gw], http: [" ROUTE(
                           "vs1", "{uri: {prefix: /one}}") "]}")
                       VIRTUAL_SERVICE(
                           "app", "vs2",
                           "{hosts: ['*.example.com'], gateways: [istio-system/gw], http: [" ROUTE(
                               "vs2", "") "]}")
                           VIRTUAL_SERVICE(
                               "app", "vs3",
                               "{hosts: [other.com], gateways: [istio-system/o], http: [" ROUTE(
                                   "vs3", "") "]}"));
    table = snapshot_case_table(&test, "0.0.0.0:443", "b.example.com");
    assert_ptr_equal(table, snapshot_case_table(&test, "0.0.0.0:443", "a.example.com"));
    assert_route(table, "a.example.com", "/one", "vs1");
    assert_route(table, "a.example.com:8443", "/one", "vs1");
    assert_route(table, "A.Example.com", "/one", "vs1");
    assert_route(table, "b.example.com", "/one", "vs2");
    assert_route(table, "example.com", "/", "404");
    assert_route(table, "a.example.com.", "/one", "vs1"); /* SN-33, P: stripped */
    assert_route(table, "other.com", "/", "404");         /* SN-20: of another server */
    assert_route(table, "a.example.com", "/two", "404");  /* SN-37 */
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_HOST_HIDES_ROUTES), 1);
    snapshot_case_close(&test);
}

/* SN-40 to SN-42 */
static void test_binding(void **state)
{
    static const struct {
        const char *gateways;
        const char *export_to;
        const char *route;
        enum finding_code code;
    } rows[] = {
        { "[]", "['*']", "404", FINDING_VIRTUAL_SERVICE_UNBOUND },
        { "[mesh]", "['*']", "404", FINDING_VIRTUAL_SERVICE_UNBOUND },
        { "[gw]", "['*']", "404", FINDING_GATEWAY_UNKNOWN }, /* app/gw */
        { "[istio-system/none]", "['*']", "404", FINDING_GATEWAY_UNKNOWN },
        { "[istio-system/gw]", "['.']", "404", FINDING_VIRTUAL_SERVICE_NOT_EXPORTED },
        { "[istio-system/gw]", "[other]", "404", FINDING_VIRTUAL_SERVICE_NOT_EXPORTED },
        { "[istio-system/gw]", "[]", "r", FINDING_CODE_COUNT },
        { "[istio-system/gw]", "['*']", "r", FINDING_CODE_COUNT },
        { "[istio-system/gw]", "[other, istio-system]", "r", FINDING_CODE_COUNT },
        { "[mesh, istio-system/gw]", "['*']", "r", FINDING_CODE_COUNT },
        { "[gw.istio-system]", "['*']", "r", FINDING_CODE_COUNT },
        { "[gw.istio-system.svc.cluster.local]", "['*']", "r", FINDING_CODE_COUNT },
        { "[./local]", "['*']", "r", FINDING_CODE_COUNT },
        { "[local]", "['*']", "r", FINDING_CODE_COUNT },
        { "[local, ./local, app/local]", "['*']", "r", FINDING_CODE_COUNT },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        char yaml[2048];

        (void)snprintf(yaml, sizeof(yaml),
                       GATEWAY("gw", HTTP_SERVER("a.com")) OBJECT(
                           "Gateway", "app", "local", "{servers: [" HTTP_SERVER("a.com") "]}")
                           VIRTUAL_SERVICE("app", "vs",
                                           "{hosts: [a.com], gateways: %s, exportTo: "
                                           "%s, http: [" ROUTE("r", "") "]}"),
                       rows[i].gateways, rows[i].export_to);
        snapshot_from_yaml(&test, yaml);
        if (strcmp(
                snapshot_case_route(snapshot_case_table(&test, HTTP_KEY, NULL), "a.com", "/").ptr,
                rows[i].route) != 0 ||
            (rows[i].code != FINDING_CODE_COUNT &&
             snapshot_case_finding_count(&test, rows[i].code) == 0)) {
            print_error("gateways %s exportTo %s\n", rows[i].gateways, rows[i].export_to);
            fail();
        }
        snapshot_case_close(&test);
    }
}

/* SN-70 to SN-72, SN-74, 14.5. */
static void test_order_of_services(void **state)
{
    struct snapshot_case test;
    const struct route_table *table;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", HTTP_SERVER("'*'")) VIRTUAL_SERVICE(
            "app", "a-old",
            "{hosts: [x.com], gateways: [istio-system/gw], http: [" ROUTE(
                "old-api", "{uri: {prefix: /api}}") "," ROUTE("old-all", "{uri: {prefix: /}}") "]}")
            VIRTUAL_SERVICE("app", "b-new",
                            "{hosts: [x.com], gateways: [istio-system/gw], http: "
                            "[" ROUTE("new-v1", "{uri: {prefix: /api/v1}}") "," ROUTE(
                                "new-web", "{uri: {prefix: /web}}") "," ROUTE("new-all",
                                                                              "{uri: {regex: "
                                                                              "'.*'}}") "]}"));
    table = snapshot_case_table(&test, HTTP_KEY, NULL);
    assert_route(table, "x.com", "/api/v1/x", "old-api"); /* SN-72 */
    assert_route(table, "x.com", "/web", "new-web");      /* SN-71: catch-alls last */
    assert_route(table, "x.com", "/other", "old-all");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_ROUTE_SHADOWED), 1);
    snapshot_case_close(&test);
}

/* SN-70: private before exported before public. */
static void test_private_first(void **state)
{
    struct snapshot_case test;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", HTTP_SERVER("'*'")) VIRTUAL_SERVICE(
            "app", "a",
            "{hosts: [x.com], gateways: [istio-system/gw], http: [" ROUTE(
                "public", "{uri: {prefix: /a}}") "]}")
            VIRTUAL_SERVICE(
                "app", "b",
                "{hosts: [x.com], exportTo: [istio-system], gateways: [istio-system/gw], http: "
                "[" ROUTE("exported", "{uri: {prefix: /a}}") "]}")
                VIRTUAL_SERVICE("istio-system", "c",
                                "{hosts: [x.com], exportTo: ['.'], gateways: [gw], http: [" ROUTE(
                                    "private", "{uri: {prefix: /a}}") "]}"));
    assert_route(snapshot_case_table(&test, HTTP_KEY, NULL), "x.com", "/a", "private");
    assert_int_equal(snapshot_case_finding_count(&test, FINDING_ROUTE_SHADOWED), 2);
    snapshot_case_close(&test);
}

/* GW-50, GW-54, GW-55. */
static void test_https_redirect(void **state)
{
    struct snapshot_case test;
    const struct route_table *table;
    (void)state;

    snapshot_from_yaml(
        &test,
        GATEWAY("gw", "{port: {number: 80, name: p, protocol: HTTP}, hosts: ['*.foo.com', "
                      "ns9/alone.com], tls: {httpsRedirect: true}}")
            GATEWAY("plain", HTTP_SERVER("plain.com, a.foo.com"))
                VIRTUAL_SERVICE("app", "vs",
                                "{hosts: [a.foo.com, plain.com], gateways: [istio-system/gw, "
                                "istio-system/plain], http: [" ROUTE("r", "") "]}"));
    table = snapshot_case_table(&test, HTTP_KEY, NULL);
    assert_route(table, "a.foo.com", "/", "redirect-tls"); /* SN-73: any server's */
    assert_route(table, "b.foo.com", "/", "redirect-tls"); /* no service claims it */
    assert_route(table, "alone.com", "/", "redirect-tls"); /* GW-55, P */
    assert_route(table, "plain.com", "/", "r");
    assert_route(table, "unknown.com", "/", "404"); /* GW-54 */
    snapshot_case_close(&test);
}

/* A Gateway with thousands of hosts and a service for each must not be a matter of pairs. */
static void test_many(void **state)
{
    enum { SERVICES = 1000, HOSTS_EACH = 10 };
    struct snapshot_case test;
    struct text yaml = { 0 };
    struct timespec before;
    struct timespec after;
    (void)state;

    text_add_cstr(&yaml, GATEWAY("gw", HTTP_SERVER("'*.example.com'") ", " HTTPS_SERVER(
                                           "s", "'*.example.com', 'example.com'")));
    for (int i = 0; i < SERVICES; i++) {
        text_printf(&yaml,
                    "---\n{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: "
                    "{name: vs%d, namespace: app}, spec: {gateways: [istio-system/gw], hosts: [",
                    i);
        for (int k = 0; k < HOSTS_EACH; k++) {
            text_printf(&yaml, "h%d-%d.example.com, ", i, k);
        }
        text_printf(&yaml,
                    "], http: [{name: r%d, route: [{destination: {host: x.y, port: {number: "
                    "1}}}]}]}}\n",
                    i);
    }
    snapshot_case_init(&test);
    report_init(&test.report);
    test.set = resource_set_load_text(STR("test.yaml"), text_view(&yaml), NULL, NULL, &test.report);
    assert_int_equal(test.report.counts[SEVERITY_ERROR], 0);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before), 0);
    test.snapshot = compile_snapshot(&test.options, test.set, NULL, NULL, NULL, &test.report);
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after), 0);
    assert_route(snapshot_case_table(&test, HTTP_KEY, NULL), "h999-9.example.com", "/", "r999");
    assert_route(snapshot_case_table(&test, "0.0.0.0:443", "z.example.com"), "h0-0.example.com",
                 "/", "r0");
    print_message("compiled in %.3f s\n", (double)(after.tv_sec - before.tv_sec) +
                                              (double)(after.tv_nsec - before.tv_nsec) / 1e9);
    text_cleanup(&yaml);
    snapshot_case_close(&test);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_intersection),  cmocka_unit_test(test_host_to_service),
        cmocka_unit_test(test_binding),       cmocka_unit_test(test_order_of_services),
        cmocka_unit_test(test_private_first), cmocka_unit_test(test_https_redirect),
        cmocka_unit_test(test_many),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
