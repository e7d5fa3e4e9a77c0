/* read_service_entry: every field of ServiceEntry and WorkloadEntry arrives typed (spec SV-30, SV-38). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void every_field(void **state)
{
    struct config_load load;
    const struct service_entry *entry;
    const struct workload_entry *workload;

    (void)state; /* SV-30, SV-37, SV-38, SV-41 */
    config_case_open(&load,
                     "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
                     "metadata: {name: s}\n"
                     "spec:\n"
                     "  hosts: [API.Example.com]\n"
                     "  addresses: [10.0.0.1]\n"
                     "  ports:\n"
                     "  - {number: 443, name: https, protocol: https, targetPort: 8443}\n"
                     "  - {number: 80, name: plain}\n"
                     "  location: MESH_INTERNAL\n"
                     "  resolution: STATIC\n"
                     "  endpoints:\n"
                     "  - address: 10.1.1.1\n"
                     "    ports: {https: 9443}\n"
                     "    labels: {v: a}\n"
                     "    network: n\n"
                     "    locality: r/z/s\n"
                     "    weight: 3\n"
                     "    serviceAccount: sa\n"
                     "  - address: unix:///Run/X\n"
                     "  exportTo: ['*']\n"
                     "  subjectAltNames: ['spiffe://x']\n"
                     "---\n"
                     "apiVersion: networking.istio.io/v1alpha3\nkind: WorkloadEntry\n"
                     "metadata: {name: w, namespace: ns}\n"
                     "spec: {address: VM.Example.com, ports: {http: 8080}, weight: 2}\n"
                     "---\n"
                     "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\n"
                     "metadata: {name: t}\n"
                     "spec: {hosts: [t.com], ports: [{number: 80, name: http, protocol: HTTP}], "
                     "resolution: STATIC, workloadSelector: {labels: {app: vm}}}\n",
                     NULL);
    config_case_assert_no_error(&load);
    entry = resource_set_service_entry(load.set, 0);
    assert_str(entry->hosts.items[0], "api.example.com");
    assert_int_equal(entry->ports.items[0].protocol, PROTOCOL_HTTPS);
    assert_int_equal(entry->ports.items[0].target_port, 8443);
    assert_int_equal(entry->ports.items[1].protocol, PROTOCOL_UNSUPPORTED);
    assert_int_equal(entry->location, LOCATION_MESH_INTERNAL);
    assert_int_equal(entry->resolution, RESOLUTION_STATIC);
    assert_int_equal(entry->endpoints.items[0].ports.items[0].value, 9443);
    assert_str(entry->endpoints.items[0].locality, "r/z/s");
    assert_int_equal(entry->endpoints.items[0].weight, 3);
    assert_str(entry->endpoints.items[1].address, "unix:///Run/X");
    assert_str(entry->subject_alt_names.items[0], "spiffe://x");
    assert_false(entry->has_workload_selector);
    workload = resource_set_workload_entry(load.set, 0);
    assert_str(workload->workload.address, "vm.example.com");
    assert_int_equal(workload->workload.ports.items[0].value, 8080);
    entry = resource_set_service_entry(load.set, 1);
    assert_true(entry->has_workload_selector);
    assert_str(entry->workload_selector.items[0].value, "vm");
    config_case_close(&load);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(every_field) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
