/* test_service_registry: names, visibility and labels (spec SV-1, SV-3, SV-4, SV-11, SV-39); endpoints
 * are looked at in test_compile_clusters.c. */
#include "config/service_registry.h"
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_expand(void **state)
{
    static const struct {
        const char *host;
        const char *expanded;
    } rows[] = {
        { "*.x", "*.x" },
        { "*", "*" },
        { "reviews.app", "reviews.app" }, /* SV-1: a dot, so not expanded */
        { "10.0.0.1", "10.0.0.1" },
        { "::1", "::1" },
        { "reviews", "reviews.web.svc.cluster.local" },
    };
    struct arena *arena = arena_new(256);
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(str_equals(service_registry_expand(arena, str_from_cstr(rows[i].host),
                                                       STR("web"), STR("cluster.local")),
                               str_from_cstr(rows[i].expanded)));
    }
    arena_free(arena);
}

static void test_exported(void **state)
{
    static struct str rows[][2] = {
        { STR_INIT("~"), STR_INIT("no") },     { STR_INIT("other"), STR_INIT("no") },
        { STR_INIT("."), STR_INIT("no") },     { STR_INIT("*"), STR_INIT("yes") },
        { STR_INIT("gate"), STR_INIT("yes") },
    };
    struct str_vec none = { 0 };
    (void)state;

    assert_true(service_registry_is_exported(&none, STR("app"), STR("gate")));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str_vec export_to = { &rows[i][0], 1, 1 };

        assert_int_equal(service_registry_is_exported(&export_to, STR("app"), STR("gate")),
                         str_equals(rows[i][1], STR("yes")));
    }
    struct str_vec dot = { &rows[2][0], 1, 1 };
    assert_true(service_registry_is_exported(&dot, STR("gate"), STR("gate")));
}

static void test_labels(void **state)
{
    struct str_pair both[] = { { STR_INIT("a"), STR_INIT("1") }, { STR_INIT("b"), STR_INIT("2") } };
    struct str_pair other[] = { { STR_INIT("a"), STR_INIT("2") } };
    struct str_pair_vec none = { 0 };
    struct str_pair_vec one = { both, 1, 1 };
    struct str_pair_vec two = { both, 2, 2 };
    struct str_pair_vec wrong = { other, 1, 1 };
    (void)state;

    assert_false(service_registry_labels_fit(&two, &one));
    assert_false(service_registry_labels_fit(&wrong, &two));
    assert_false(service_registry_labels_fit(&one, &none));
    assert_true(service_registry_labels_fit(&one, &two));
    assert_true(service_registry_labels_fit(&none, &none));
}

/* SV-3: the asker's namespace, then Kubernetes, then age. SV-4: what is not visible is not there. */
static void test_find(void **state)
{
    static const char yaml[] =
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: a, namespace: "
        "a, "
        "creationTimestamp: '2024-01-01T00:00:00Z'}, spec: {hosts: [r.k.svc.cluster.local, x.y], "
        "resolution: STATIC, ports: [{number: 80, name: h, protocol: HTTP}]}}\n---\n"
        "{apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: {name: b, namespace: "
        "b}, "
        "spec: {hosts: [x.y, h.d], exportTo: ['~'], resolution: STATIC, ports: [{number: 80, name: "
        "h, "
        "protocol: HTTP}]}}\n---\n"
        "{apiVersion: v1, kind: Service, metadata: {name: r, namespace: k, creationTimestamp: "
        "'2025-01-01T00:00:00Z'}, spec: {ports: [{port: 80}, {name: u, port: 81, protocol: "
        "UDP}]}}\n";
    struct config_load load;
    struct service_registry *registry;
    const struct registry_service *found;
    bool is_hidden;
    (void)state;

    config_case_open(&load, yaml, NULL);
    config_case_assert_no_error(&load);
    registry = service_registry_new(load.set, STR("cluster.local"), STR("gate"));
    assert_null(service_registry_find(registry, STR("no.where"), STR("a"), &is_hidden));
    assert_false(is_hidden);
    assert_null(service_registry_find(registry, STR("h.d"), STR("b"), &is_hidden));
    assert_true(is_hidden); /* SV-39 */
    found = service_registry_find(registry, STR("x.y"), STR("b"), &is_hidden);
    assert_str(found->meta->name, "a");
    found = service_registry_find(registry, STR("r.k.svc.cluster.local"), STR("q"), NULL);
    assert_non_null(found->service);
    assert_non_null(service_registry_port(found, 80));
    assert_null(service_registry_port(found, 81)); /* SV-15: UDP is not for us */
    found = service_registry_find(registry, STR("r.k.svc.cluster.local"), STR("a"), NULL);
    assert_non_null(found->entry);
    service_registry_free(registry);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand),
        cmocka_unit_test(test_exported),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_find),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
