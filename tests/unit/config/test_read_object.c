/* read_object: identity, kinds of ours and of others (spec RL-1 to RL-3, RL-11, RL-12, OR-1 to OR-7). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_is_no_object(void **state)
{
    static const struct {
        const char *yaml;
        enum finding_code code;
        enum severity severity;
        size_t skipped_count;
    } rows[] = {
        { "[1, 2]\n", FINDING_NOT_AN_OBJECT, SEVERITY_ERROR, 0 },
        { "just text\n", FINDING_NOT_AN_OBJECT, SEVERITY_ERROR, 0 },
        { "a: b\n", FINDING_NOT_AN_OBJECT, SEVERITY_WARNING, 1 },
        { "kind: Gateway\n", FINDING_NOT_AN_OBJECT, SEVERITY_ERROR, 0 },
        { "apiVersion: v1\nkind: 7\n", FINDING_NOT_AN_OBJECT, SEVERITY_ERROR, 0 },
        { "apiVersion: v1\nkind: Service\n", FINDING_NOT_AN_OBJECT, SEVERITY_ERROR, 0 },
        { "apiVersion: v1\nkind: Service\nmetadata: {name: 7}\n", FINDING_NOT_AN_OBJECT,
          SEVERITY_ERROR, 0 },
        { "apiVersion: networking.istio.io/v2\nkind: Gateway\nmetadata: {name: g}\n",
          FINDING_API_VERSION, SEVERITY_ERROR, 0 },
        { "apiVersion: v1beta1\nkind: Secret\nmetadata: {name: g}\n", FINDING_API_VERSION,
          SEVERITY_ERROR, 0 },
        { "apiVersion: v1\nkind: Service\nmetadata: {name: s, labels: {a: 1}}\n",
          FINDING_FIELD_TYPE, SEVERITY_ERROR, 0 },
        { "apiVersion: v1\nkind: Service\nmetadata: {name: s, creationTimestamp: today}\n",
          FINDING_FIELD_TYPE, SEVERITY_ERROR, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct config_load load;
        const struct finding *finding;

        config_case_open(&load, rows[i].yaml, NULL);
        finding = config_case_find(&load, rows[i].code);
        if (finding == NULL || finding->severity != rows[i].severity ||
            load.set->skipped_count != rows[i].skipped_count || load.set->by_key.count != 0) {
            fail_msg("row %zu", i);
        }
        config_case_close(&load);
    }
}

static void kinds_of_others(void **state)
{
    static const struct {
        const char *rule;
        const char *version;
        const char *kind;
        enum finding_code code; /* CONFIG_CASE_CLEAN: none */
        enum severity severity;
    } rows[] = {
        { "RL-3", "apps/v1", "Deployment", CONFIG_CASE_CLEAN, SEVERITY_INFO },
        { "RL-3", "cert-manager.io/v1", "Certificate", CONFIG_CASE_CLEAN, SEVERITY_INFO },
        { "RL-2", "example.com/v1", "Gateway", CONFIG_CASE_CLEAN, SEVERITY_INFO },
        { "RL-2", "apps/v1", "Service", CONFIG_CASE_CLEAN, SEVERITY_INFO },
        { "OR-7", "gateway.networking.k8s.io/v1", "Gateway", FINDING_KIND_SKIPPED, SEVERITY_INFO },
        { "OR-7", "gateway.networking.k8s.io/v1", "HTTPRoute", FINDING_KIND_SKIPPED,
          SEVERITY_INFO },
        { "OR-7", "networking.k8s.io/v1", "Ingress", FINDING_KIND_SKIPPED, SEVERITY_INFO },
        { "OR-1", "security.istio.io/v1", "AuthorizationPolicy", FINDING_KIND_SECURITY,
          SEVERITY_ERROR },
        { "OR-2", "security.istio.io/v1beta1", "RequestAuthentication", FINDING_KIND_SECURITY,
          SEVERITY_ERROR },
        { "OR-3", "security.istio.io/v1", "PeerAuthentication", FINDING_KIND_NOT_HONOURED,
          SEVERITY_WARNING },
        { "OR-4", "telemetry.istio.io/v1", "Telemetry", FINDING_KIND_NOT_HONOURED,
          SEVERITY_WARNING },
        { "OR-5", "networking.istio.io/v1alpha3", "EnvoyFilter", FINDING_KIND_SECURITY,
          SEVERITY_ERROR },
        { "OR-5", "extensions.istio.io/v1alpha1", "WasmPlugin", FINDING_KIND_SECURITY,
          SEVERITY_ERROR },
        { "OR-5", "extensions.istio.io/v1alpha1", "TrafficExtension", FINDING_KIND_SECURITY,
          SEVERITY_ERROR },
        { "OR-6", "networking.istio.io/v1", "Sidecar", FINDING_KIND_SKIPPED, SEVERITY_INFO },
        { "OR-6", "networking.istio.io/v1", "WorkloadGroup", FINDING_KIND_SKIPPED, SEVERITY_INFO },
        { "OR-6", "networking.istio.io/v1beta1", "ProxyConfig", FINDING_KIND_SKIPPED,
          SEVERITY_INFO },
        { "RL-3", "networking.istio.io/v1", "VirtualSerivce", FINDING_KIND_NOT_HONOURED,
          SEVERITY_WARNING },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct text yaml = { 0 };
        struct config_load load;
        const struct finding *finding;

        text_printf(&yaml, "apiVersion: %s\nkind: %s\nmetadata: {name: x, namespace: n}\n",
                    rows[i].version, rows[i].kind);
        config_case_open(&load, yaml.ptr, NULL);
        finding = load.report.findings.count > 0 ? &load.report.findings.items[0] : NULL;
        if ((finding == NULL) != (rows[i].code == CONFIG_CASE_CLEAN) ||
            (finding != NULL &&
             (finding->code != rows[i].code || finding->severity != rows[i].severity ||
              !str_ends_with(finding->object, STR(" n/x")) || finding->place.line != 1)) ||
            load.set->skipped_count != 1 || load.set->by_key.count != 0) {
            fail_msg("%s: %s %s", rows[i].rule, rows[i].version, rows[i].kind);
        }
        config_case_close(&load);
        text_cleanup(&yaml);
    }
}

static void a_misspelt_kind_gets_a_hint(void **state)
{
    struct config_load load;

    (void)state; /* RL-30 */
    config_case_open(&load, "apiVersion: networking.istio.io/v1\nkind: Gatway\n", NULL);
    assert_true(str_ends_with(load.report.findings.items[0].message, STR("did you mean Gateway")));
    config_case_close(&load);
}

static void all_versions_of_istio_load(void **state)
{
    static const char *const versions[] = { "v1", "v1beta1", "v1alpha3" };

    (void)state; /* RL-1 */
    for (size_t i = 0; i < 3; i++) {
        struct text yaml = { 0 };
        struct config_load load;

        text_printf(&yaml,
                    "apiVersion: networking.istio.io/%s\nkind: DestinationRule\n"
                    "metadata: {name: d}\nspec: {host: a}\n",
                    versions[i]);
        config_case_open(&load, yaml.ptr, NULL);
        config_case_assert_no_error(&load);
        assert_int_equal(resource_set_count(load.set, KIND_DESTINATION_RULE), 1);
        config_case_close(&load);
        text_cleanup(&yaml);
    }
}

static void lists_are_expanded(void **state)
{
    struct config_load load;

    (void)state; /* RL-11 */
    config_case_open(
        &load,
        "apiVersion: v1\n"
        "kind: List\n"
        "items:\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 1}]}}\n"
        "- {apiVersion: apps/v1, kind: Deployment, metadata: {name: d}}\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: bad}, spec: {ports: 1}}\n"
        "- {apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 1}]}}\n"
        "- null\n"
        "---\n"
        "{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"DestinationRuleList\", "
        "\"items\": [{\"apiVersion\": \"networking.istio.io/v1\", \"kind\": \"DestinationRule\", "
        "\"metadata\": {\"name\": \"d\"}, \"spec\": {\"host\": \"a\"}}]}\n",
        NULL);
    assert_int_equal(resource_set_count(load.set, KIND_SERVICE), 2);
    assert_str(resource_set_service(load.set, 1)->meta.name, "b");
    assert_int_equal(resource_set_service(load.set, 1)->meta.place.line, 7);
    assert_int_equal(resource_set_count(load.set, KIND_DESTINATION_RULE), 1);
    assert_int_equal(load.set->skipped_count, 1);
    assert_int_equal(load.set->refused_count, 2);
    assert_non_null(config_case_find(&load, FINDING_NOT_AN_OBJECT)); /* the null */
    config_case_close(&load);
}

static void namespaces_have_a_default(void **state)
{
    const struct resource_load_options options = { .default_namespace = STR_INIT("team") };
    struct report report;
    struct resource_set *set;

    (void)state; /* RL-12 */
    report_init(&report);
    set = resource_set_load_text(STR("t.yaml"),
                                 STR("apiVersion: v1\nkind: Secret\nmetadata: {name: a}\n---\n"
                                     "apiVersion: v1\nkind: Secret\nmetadata: {name: a, "
                                     "namespace: x}\n"),
                                 &options, NULL, &report);
    assert_non_null(resource_set_find(set, KIND_SECRET, STR("team"), STR("a")));
    assert_non_null(resource_set_find(set, KIND_SECRET, STR("x"), STR("a")));
    assert_null(resource_set_find(set, KIND_SECRET, STR("default"), STR("a")));
    assert_null(resource_set_find(set, KIND_SERVICE, STR("x"), STR("a")));
    resource_set_free(set);
    report_cleanup(&report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_object),           cmocka_unit_test(kinds_of_others),
        cmocka_unit_test(a_misspelt_kind_gets_a_hint), cmocka_unit_test(all_versions_of_istio_load),
        cmocka_unit_test(lists_are_expanded),          cmocka_unit_test(namespaces_have_a_default),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
