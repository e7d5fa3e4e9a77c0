/* read_core: Service, EndpointSlice, Secret, ConfigMap, Pod; check_service (spec RL-2, RL-27, SV-10 to SV-15, SV-20 to SV-24). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void services(void **state)
{
    struct config_load load;
    const struct service *service;

    (void)state;
    config_case_open(&load,
                     "apiVersion: v1\n"
                     "kind: Service\n"
                     "metadata:\n"
                     "  name: reviews\n"
                     "  creationTimestamp: 2024-02-29T12:00:00Z\n"
                     "  annotations: {networking.istio.io/exportTo: '., other ,'}\n"
                     "spec:\n"
                     "  clusterIP: None\n"
                     "  clusterIPs: [None]\n"
                     "  selector: {app: reviews}\n"
                     "  publishNotReadyAddresses: true\n"
                     "  internalTrafficPolicy: Local\n"
                     "  trafficDistribution: PreferClose\n"
                     "  ports:\n"
                     "  - {name: http-web, port: 80, targetPort: web}\n"
                     "  - {name: x, port: 90, targetPort: 9090, appProtocol: grpc, protocol: TCP}\n"
                     "  - {name: dns, port: 53, protocol: UDP}\n"
                     "status: {loadBalancer: {}}\n",
                     NULL);
    config_case_assert_no_error(&load);
    assert_int_equal(load.report.findings.count, 0);
    service = resource_set_service(load.set, 0);
    assert_str(service->type, "ClusterIP");
    assert_int_equal(service->meta.creation_time_s, 1709208000); /* RL-5 */
    assert_true(service->is_headless);                           /* SV-12 */
    assert_true(service->publish_not_ready_addresses);
    assert_str(service->internal_traffic_policy, "Local"); /* SV-14 */
    assert_int_equal(service->export_to.count, 2);         /* SV-11 */
    assert_str(service->export_to.items[1], "other");
    assert_int_equal(service->ports.count, 3); /* SV-10, SV-15 */
    assert_int_equal(service->ports.items[0].istio_protocol, PROTOCOL_HTTP);
    assert_str(service->ports.items[0].target_port_name, "web");
    assert_str(service->ports.items[0].protocol, "TCP");
    assert_int_equal(service->ports.items[1].target_port, 9090);
    assert_int_equal(service->ports.items[1].istio_protocol, PROTOCOL_GRPC);
    assert_int_equal(service->ports.items[2].istio_protocol, PROTOCOL_UDP);
    config_case_close(&load);
}

static void services_with_errors(void **state)
{
    static const char *const specs[] = {
        "{ports: [{port: 0}]}",
        "{ports: [{port: 70000}]}",
        "{ports: [{port: 80, targetPort: 70000}]}",
        "{ports: [{port: 80, targetPort: [a]}]}",
        "{ports: 80}",
        "{type: ExternalName}",
        "{type: ExternalName, externalName: a..b}",
    };

    (void)state; /* SV-10, SV-13 */
    for (size_t i = 0; i < sizeof(specs) / sizeof(specs[0]); i++) {
        struct text yaml = { 0 };
        struct config_load load;

        text_printf(&yaml, "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: %s\n",
                    specs[i]);
        config_case_open(&load, yaml.ptr, NULL);
        assert_int_equal(resource_set_count(load.set, KIND_SERVICE), 0);
        assert_true(load.report.counts[SEVERITY_ERROR] > 0);
        config_case_close(&load);
        text_cleanup(&yaml);
    }
    struct config_load load;

    config_case_open(&load,
                     "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"
                     "spec: {type: ExternalName, externalName: API.Example.com}\n",
                     NULL);
    assert_str(resource_set_service(load.set, 0)->external_name, "api.example.com");
    config_case_close(&load);
}

static void endpoint_slices(void **state)
{
    struct config_load load;
    const struct endpoint_slice *slice;

    (void)state;
    config_case_open(&load,
                     "apiVersion: discovery.k8s.io/v1\n"
                     "kind: EndpointSlice\n"
                     "metadata: {name: s-1, labels: {kubernetes.io/service-name: s}}\n"
                     "addressType: IPv4\n"
                     "ports:\n"
                     "- {name: http, port: 8080, protocol: TCP}\n"
                     "- {name: '', port: null}\n"
                     "endpoints:\n"
                     "- addresses: [10.0.0.1]\n"
                     "  conditions: {ready: true, serving: true, terminating: false}\n"
                     "  nodeName: n1\n"
                     "  zone: z1\n"
                     "  targetRef: {kind: Pod, name: p, namespace: default, uid: x}\n"
                     "- addresses: [10.0.0.2]\n"
                     "  conditions: {}\n"
                     "- addresses: [10.0.0.3]\n",
                     NULL);
    config_case_assert_no_error(&load);
    assert_int_equal(load.report.findings.count, 0);
    slice = resource_set_endpoint_slice(load.set, 0);
    assert_str(slice->service_name, "s"); /* SV-20 */
    assert_str(slice->address_type, "IPv4");
    assert_int_equal(slice->ports.count, 2); /* SV-21 */
    assert_int_equal(slice->ports.items[0].port.value, 8080);
    assert_false(slice->ports.items[1].port.is_set);
    assert_int_equal(slice->endpoints.count, 3); /* SV-22 */
    assert_true(slice->endpoints.items[0].ready.value);
    assert_true(slice->endpoints.items[0].terminating.is_set);
    assert_false(slice->endpoints.items[1].ready.is_set);
    assert_str(slice->endpoints.items[0].target_name, "p"); /* SV-24 */
    assert_str(slice->endpoints.items[0].zone, "z1");       /* SV-25 */
    assert_null(slice->endpoints.items[1].target_name.ptr);
    config_case_close(&load);
}

static const struct bytes_pair *find_entry(const struct bytes_pair_vec *data, const char *name)
{
    for (size_t i = 0; i < data->count; i++) {
        if (str_equals(data->items[i].name, str_from_cstr(name))) {
            return &data->items[i];
        }
    }
    return NULL;
}

static void secrets(void **state)
{
    struct config_load load;
    const struct secret_object *secret;

    (void)state; /* RL-27 */
    config_case_open(&load,
                     "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
                     "type: kubernetes.io/tls\n"
                     "data: {tls.crt: aGVsbG8=, tls.key: 'd29ybGQ=', empty: '', none: null}\n"
                     "stringData:\n  tls.key: plain\n  more: |\n    text\n",
                     NULL);
    config_case_assert_no_error(&load);
    secret = resource_set_secret_object(load.set, 0);
    assert_str(secret->type, "kubernetes.io/tls");
    assert_int_equal(secret->data.count, 5);
    assert_str(find_entry(&secret->data, "tls.crt")->bytes, "hello");
    assert_str(find_entry(&secret->data, "tls.key")->bytes, "plain");
    assert_str(find_entry(&secret->data, "more")->bytes, "text\n");
    assert_int_equal(find_entry(&secret->data, "none")->bytes.len, 0);
    config_case_close(&load);
}

static void values_of_secrets_are_never_shown(void **state)
{
    static const char *const bodies[] = {
        "data: {tls.key: hunter2!}",   "data: {tls.key: 1234567}",
        "data: {tls.key: [hunter2]}",  "data: hunter2",
        "stringData: {key: 99887766}", "stringData: {key: {hunter2: x}}",
    };

    (void)state; /* RL-27 */
    for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        struct text yaml = { 0 };
        struct text output = { 0 };
        struct config_load load;

        text_printf(&yaml, "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n%s\n", bodies[i]);
        config_case_open(&load, yaml.ptr, NULL);
        assert_int_equal(resource_set_count(load.set, KIND_SECRET), 0);
        assert_non_null(config_case_find(&load, FINDING_SECRET_DATA));
        report_print(&load.report, &output);
        assert_null(strstr(output.ptr, "hunter2"));
        assert_null(strstr(output.ptr, "1234567"));
        assert_null(strstr(output.ptr, "99887766"));
        text_cleanup(&output);
        config_case_close(&load);
        text_cleanup(&yaml);
    }
}

static void config_maps_and_pods(void **state)
{
    struct config_load load;
    const struct config_map *map;
    const struct pod *pod;

    (void)state; /* RL-2 */
    config_case_open(&load,
                     "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: m}\n"
                     "data: {ca.crt: PEM}\nbinaryData: {bin: AAE=}\n"
                     "---\n"
                     "apiVersion: v1\nkind: Pod\nmetadata: {name: p, labels: {app: x, v: '1'}}\n"
                     "spec: {nodeName: n, containers: [{name: c}]}\n"
                     "status: {podIP: 10.0.0.9, phase: Running}\n"
                     "---\n"
                     "apiVersion: v1\nkind: Pod\nmetadata: {name: q}\n",
                     NULL);
    config_case_assert_no_error(&load);
    map = resource_set_config_map(load.set, 0);
    assert_str(find_entry(&map->data, "ca.crt")->bytes, "PEM");
    assert_int_equal(find_entry(&map->data, "bin")->bytes.len, 2);
    pod = resource_set_pod(load.set, 0);
    assert_str(pod->ip, "10.0.0.9");
    assert_str(pod->node_name, "n");
    assert_int_equal(pod->meta.labels.count, 2);
    assert_null(resource_set_pod(load.set, 1)->ip.ptr);
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(services),
        cmocka_unit_test(services_with_errors),
        cmocka_unit_test(endpoint_slices),
        cmocka_unit_test(secrets),
        cmocka_unit_test(values_of_secrets_are_never_shown),
        cmocka_unit_test(config_maps_and_pods),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
