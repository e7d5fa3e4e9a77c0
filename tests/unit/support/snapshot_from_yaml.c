/* snapshot_from_yaml: see the header. */
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct str_pair own_label = { STR_INIT("istio"), STR_INIT("ingressgateway") };

void snapshot_case_init(struct snapshot_case *test)
{
    *test = (struct snapshot_case){
        .options = {
            .own_namespace = STR("istio-system"),
            .domain = STR("cluster.local"),
            .has_labels = true,
            .labels = { &own_label, 1, 1 },
            .bind = STR("0.0.0.0"),
            .connect_timeout_ms = 10000,
        },
    };
}

static void fail_with_findings(const struct snapshot_case *test)
{
    struct text text = { 0 };

    report_print(&test->report, &text);
    print_error("%s", text.len > 0 ? text.ptr : "");
    text_cleanup(&text);
    fail();
}

void snapshot_case_open(struct snapshot_case *test, const char *yaml)
{
    report_init(&test->report);
    test->set =
        resource_set_load_text(STR("test.yaml"), str_from_cstr(yaml), NULL, NULL, &test->report);
    if (test->report.counts[SEVERITY_ERROR] != 0) {
        fail_with_findings(test);
    }
    validate_resources(&test->options, test->set, &test->report);
    test->snapshot = compile_snapshot(&test->options, test->set, test->store, test->contexts,
                                      test->client_contexts, &test->report);
}

void snapshot_from_yaml(struct snapshot_case *test, const char *yaml)
{
    snapshot_case_init(test);
    snapshot_case_open(test, yaml);
}

void snapshot_case_close(struct snapshot_case *test)
{
    /* The resources go first: a snapshot must not lean on them. */
    resource_set_free(test->set);
    assert_true(snapshot_unref(test->snapshot));
    snapshot_free(test->snapshot);
    report_cleanup(&test->report);
}

const struct snapshot_listener *snapshot_case_listener(const struct snapshot_case *test,
                                                       const char *key)
{
    for (size_t i = 0; i < test->snapshot->listener_count; i++) {
        if (str_equals(test->snapshot->listeners[i].key, str_from_cstr(key))) {
            return &test->snapshot->listeners[i];
        }
    }
    return NULL;
}

size_t snapshot_case_finding_count(const struct snapshot_case *test, enum finding_code code)
{
    size_t count = 0;

    for (size_t i = 0; i < test->report.findings.count; i++) {
        count += test->report.findings.items[i].code == code;
    }
    return count;
}

const struct finding *snapshot_case_finding(const struct snapshot_case *test,
                                            enum finding_code code)
{
    for (size_t i = 0; i < test->report.findings.count; i++) {
        if (test->report.findings.items[i].code == code) {
            return &test->report.findings.items[i];
        }
    }
    return NULL;
}

const struct cluster_config *snapshot_case_cluster(const struct snapshot_case *test,
                                                   const char *name)
{
    for (size_t i = 0; i < test->snapshot->cluster_count; i++) {
        if (str_equals(test->snapshot->clusters[i]->name, str_from_cstr(name))) {
            return test->snapshot->clusters[i];
        }
    }
    return NULL;
}

const struct route_table *snapshot_case_table(const struct snapshot_case *test, const char *key,
                                              const char *sni)
{
    const struct snapshot_listener *listener = snapshot_case_listener(test, key);
    const struct tls_server *server;

    if (listener == NULL) {
        fail_with_findings(test);
        return NULL;
    }
    if (sni == NULL) {
        return listener->routes;
    }
    server = snapshot_find_tls_server(listener, str_from_cstr(sni));
    return server != NULL ? server->routes : NULL;
}

const struct route *snapshot_case_match(const struct route_table *table, const char *host,
                                        const char *path)
{
    struct arena *arena = arena_new(4096);
    struct str whole = str_from_cstr(path);
    size_t query = str_find_char(whole, '?');
    const struct virtual_host *virtual_host = match_virtual_host(table, str_from_cstr(host));
    struct headers headers;
    struct match_request request = {
        .method = STR("GET"),
        .path = str_slice(whole, 0, query),
        .query = query != SIZE_MAX ? str_skip(whole, query + 1) : STR(""),
        .scheme = STR("https"),
        .authority = str_from_cstr(host),
        .headers = &headers,
    };
    const struct route *route;

    headers_init(&headers, arena);
    route = virtual_host != NULL ? match_route(virtual_host, &request) : NULL;
    arena_free(arena);
    return route;
}

struct str snapshot_case_route(const struct route_table *table, const char *host, const char *path)
{
    const struct virtual_host *virtual_host = match_virtual_host(table, str_from_cstr(host));
    const struct route *route = snapshot_case_match(table, host, path);

    if (virtual_host != NULL && virtual_host->requires_tls) {
        return STR("redirect-tls");
    }
    return route != NULL ? route->name : STR("404");
}
