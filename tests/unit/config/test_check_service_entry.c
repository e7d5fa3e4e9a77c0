/* check_service_entry: ServiceEntry and WorkloadEntry (spec SV-30, SV-31, SV-39, SV-41, SV-43). */
#include "tests/unit/support/config_case.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define PORTS "ports: [{number: 80, name: http, protocol: HTTP}]"
#define TCP_PORTS "ports: [{number: 80, name: tcp, protocol: TCP}]"
#define DNS(rest) "{hosts: [a.com], resolution: DNS, " PORTS ", " rest "}"
#define STATIC(rest) "{hosts: [a.com], resolution: STATIC, " PORTS ", " rest "}"

static void service_entries(void **state)
{
    static const struct config_case rows[] = {
        { "SV-30", "{resolution: DNS, " PORTS "}", FINDING_SERVICE_ENTRY_HOST, "spec.hosts",
          "at least one host" },
        { "SV-30", "{hosts: ['*'], " PORTS "}", FINDING_SERVICE_ENTRY_HOST, "spec.hosts[0]", NULL },
        { "SV-30", "{hosts: [a..b], " PORTS "}", FINDING_SERVICE_ENTRY_HOST, NULL, NULL },
        { "SV-30", "{hosts: [a.com, A.com], " PORTS "}", FINDING_SERVICE_ENTRY_HOST,
          "spec.hosts[1]", "given twice" },
        { "RL-43", "{hosts: ['*a.com'], " PORTS "}", FINDING_SERVICE_ENTRY_HOST_PARTIAL,
          "spec.hosts[0]", NULL },
        { "SV-30", "{hosts: ['*.a.com'], " PORTS "}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-31", "{hosts: [a.com], resolution: DNS}", FINDING_SERVICE_ENTRY_PORT, "spec.ports",
          NULL },
        { "SV-31 RL-44", "{hosts: [a.com], ports: [{number: 0, name: a, protocol: HTTP}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[0].number", NULL },
        { "SV-31", "{hosts: [a.com], ports: [{number: 1, protocol: HTTP}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[0].name", NULL },
        { "SV-31",
          "{hosts: [a.com], ports: [{number: 1, name: a, protocol: HTTP, targetPort: "
          "65536}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[0].targetPort", NULL },
        { "SV-41", "{hosts: [a.com], ports: [{number: 1, name: a, protocol: QUIC}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[0].protocol", NULL },
        { "SV-31",
          "{hosts: [a.com], ports: [{number: 1, name: a, protocol: HTTP}, {number: 2, "
          "name: a, protocol: HTTP}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[1].name", "used twice" },
        { "SV-31",
          "{hosts: [a.com], ports: [{number: 1, name: a, protocol: HTTP}, {number: 1, "
          "name: b, protocol: HTTP}]}",
          FINDING_SERVICE_ENTRY_PORT, "spec.ports[1].number", "used twice" },
        { "RL-28", "{hosts: [a.com], ports: [null]}", FINDING_FIELD_NULL, "spec.ports[0]", NULL },
        { "SV-31", "{hosts: [a.com], addresses: [x], " PORTS "}", FINDING_SERVICE_ENTRY_ADDRESS,
          "spec.addresses[0]", NULL },
        { "SV-31", DNS("addresses: [10.0.0.0/8]"), FINDING_SERVICE_ENTRY_ADDRESS, NULL,
          "CIDR addresses are allowed only" },
        { "SV-31", "{hosts: [a.com], addresses: [10.0.0.0/8, 10.1.1.1], " PORTS "}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-31", STATIC("workloadSelector: {labels: {a: b}}, endpoints: [{address: 1.1.1.1}]"),
          FINDING_SERVICE_ENTRY_SELECTOR, NULL, NULL },
        { "SV-38", STATIC("workloadSelector: {labels: {a: b}}"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-38 RL-47", STATIC("workloadSelector: {labels: {a: 'b c'}}"), FINDING_FIELD_VALUE,
          NULL, NULL },
        { "SV-31 SV-33", "{hosts: [a.com], endpoints: [{address: 1.1.1.1}], " PORTS "}",
          FINDING_SERVICE_ENTRY_RESOLUTION, "spec.endpoints",
          "no endpoints should be provided for resolution type none" },
        { "SV-31 SV-34", STATIC("endpoints: [{address: a.com}]"), FINDING_SERVICE_ENTRY_ENDPOINT,
          "spec.endpoints[0].address", NULL },
        { "SV-31", STATIC("endpoints: [{address: 'unix:///x', ports: {http: 1}}]"),
          FINDING_SERVICE_ENTRY_ENDPOINT, "spec.endpoints[0].ports", NULL },
        { "SV-31", STATIC("endpoints: [{address: 1.1.1.1, ports: {other: 1}}]"),
          FINDING_SERVICE_ENTRY_ENDPOINT, "spec.endpoints[0].ports[\"other\"]", "not defined" },
        { "SV-31", STATIC("endpoints: [{address: 1.1.1.1, ports: {http: 0}}]"),
          FINDING_SERVICE_ENTRY_ENDPOINT, "spec.endpoints[0].ports[\"http\"]", NULL },
        { "SV-31", STATIC("endpoints: []"), FINDING_SERVICE_ENTRY_EMPTY, NULL, NULL },
        { "SV-31 SV-37",
          STATIC("endpoints: [{address: 1.1.1.1, ports: {http: 8080}, labels: {v: "
                 "a}, weight: 2, locality: r/z, network: n, serviceAccount: s}, "
                 "{address: 'unix:///run/x'}, {address: '::1'}]"),
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-31", "{hosts: ['*.a.com'], resolution: DNS, " PORTS "}",
          FINDING_SERVICE_ENTRY_RESOLUTION, "spec.hosts[0]", "must be FQDN" },
        { "SV-31 SV-35", DNS("endpoints: [{address: 'a b'}]"), FINDING_SERVICE_ENTRY_ENDPOINT,
          "spec.endpoints[0].address", NULL },
        { "SV-35", DNS("endpoints: [{address: B.com}, {address: 1.1.1.1}]"), CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "SV-31 SV-36",
          "{hosts: [a.com], resolution: DNS_ROUND_ROBIN, endpoints: [{address: "
          "b.com}, {address: c.com}], " PORTS "}",
          FINDING_SERVICE_ENTRY_RESOLUTION, "spec.endpoints", NULL },
        { "SV-36", "{hosts: [a.com], resolution: DNS_ROUND_ROBIN, " PORTS "}", CONFIG_CASE_CLEAN,
          NULL, NULL },
        { "SV-43", "{hosts: ['*.a.com'], resolution: DYNAMIC_DNS, " PORTS "}",
          FINDING_SERVICE_ENTRY_RESOLUTION, "spec.resolution", NULL },
        { "SV-31", "{hosts: [a.com, b.com], resolution: DNS, " TCP_PORTS "}",
          FINDING_SERVICE_ENTRY_PORT, NULL, "multiple hosts not supported" },
        { "SV-31", "{hosts: [a.com], resolution: DNS, " TCP_PORTS "}", FINDING_SERVICE_ENTRY_TCP,
          "spec.ports[0].protocol", NULL },
        { "SV-31", "{hosts: [a.com], addresses: [10.0.0.1], resolution: DNS, " TCP_PORTS "}",
          CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-39 RL-46", DNS("exportTo: ['~', '.']"), FINDING_FIELD_VALUE, "spec.exportTo[0]",
          "~ must stand alone" },
        { "SV-39 RL-46", DNS("exportTo: ['~']"), CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-42", DNS("subjectAltNames: [a.com], location: MESH_EXTERNAL"), CONFIG_CASE_CLEAN,
          NULL, NULL },
    };

    (void)state;
    config_case_run("ServiceEntry", rows, sizeof(rows) / sizeof(rows[0]));
}

static void workload_entries(void **state)
{
    static const struct config_case rows[] = {
        { "SV-38", "{}", FINDING_WORKLOAD_ENTRY_ADDRESS, "spec.address", "address is required" },
        { "SV-38", "{address: 'a b'}", FINDING_WORKLOAD_ENTRY_ADDRESS, "spec.address", NULL },
        { "SV-38", "{address: 'unix:///x', ports: {a: 1}}", FINDING_WORKLOAD_ENTRY_ADDRESS,
          "spec.ports", NULL },
        { "SV-38", "{address: 1.1.1.1, ports: {a: 70000}}", FINDING_WORKLOAD_ENTRY_ADDRESS,
          "spec.ports[\"a\"]", NULL },
        { "SV-38", "{address: 1.1.1.1, labels: {a: '-'}}", FINDING_FIELD_VALUE, NULL, NULL },
        { "SV-38", "{network: n}", CONFIG_CASE_CLEAN, NULL, NULL },
        { "SV-38", "{address: vm.example.com, ports: {http: 80}, labels: {app: x}}",
          CONFIG_CASE_CLEAN, NULL, NULL },
    };

    (void)state;
    config_case_run("WorkloadEntry", rows, sizeof(rows) / sizeof(rows[0]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(service_entries),
        cmocka_unit_test(workload_entries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
