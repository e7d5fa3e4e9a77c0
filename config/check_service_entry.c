/* check_service_entry: ServiceEntry and WorkloadEntry (spec SV-30, SV-31, SV-41). Control thread.
 */
#include "config/check_kinds.h"
#include "config/port_protocol.h"
#include "config/value.h"
#include "gateway/base/map.h"

static void check_entry_hosts(struct reader *reader, const struct service_entry *entry)
{
    struct map seen = { 0 };

    if (entry->hosts.count == 0) {
        reader_fail(reader, "hosts", FINDING_SERVICE_ENTRY_HOST,
                    "service entry must have at least one host");
    }
    for (size_t i = 0; i < entry->hosts.count; i++) {
        struct str host = entry->hosts.items[i];

        if (str_equals(host, STR("*"))) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVICE_ENTRY_HOST,
                             "invalid host *: it would take all traffic");
        } else if (!value_is_wildcard_domain(host)) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVICE_ENTRY_HOST, "%.*s is no host name",
                             STR_ARG(str_slice(host, 0, 80)));
        } else if (value_is_partial_wildcard(host)) { /* spec RL-43 */
            reader_fail_item(reader, "hosts", i, FINDING_SERVICE_ENTRY_HOST_PARTIAL,
                             "partial wildcard \"%.*s\" will not match as it seems", STR_ARG(host));
        }
        if (map_set(&seen, host, &entry->hosts.items[i]) != NULL) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVICE_ENTRY_HOST, "%.*s is given twice",
                             STR_ARG(str_slice(host, 0, 80)));
        }
    }
    map_cleanup(&seen);
}

/* --- ports ------------------------------------------------------------------------------------ */

static void check_port(struct reader *reader, const struct service_entry_port *port)
{
    if (!value_is_port(port->number)) {
        reader_fail(reader, "number", FINDING_SERVICE_ENTRY_PORT,
                    "port number %u must be in the range 1..65535", port->number);
    }
    if (port->target_port != 0 && !value_is_port(port->target_port)) {
        reader_fail(reader, "targetPort", FINDING_SERVICE_ENTRY_PORT,
                    "port number %u must be in the range 1..65535", port->target_port);
    }
    if (!value_is_dns_label(port->name)) {
        reader_fail(reader, "name", FINDING_SERVICE_ENTRY_PORT, "invalid port name: \"%.*s\"",
                    STR_ARG(str_slice(port->name, 0, 80)));
    }
    if (port->protocol_name.len > 0 && port->protocol == PROTOCOL_UNSUPPORTED) {
        reader_fail(reader, "protocol", FINDING_SERVICE_ENTRY_PORT, "invalid protocol \"%.*s\"",
                    STR_ARG(str_slice(port->protocol_name, 0, 80)));
    }
}

static void check_ports(struct reader *reader, const struct service_entry *entry)
{
    bool is_number_seen[65536] = { false };
    struct map names = { 0 };

    if (entry->ports.count == 0) {
        reader_fail(reader, "ports", FINDING_SERVICE_ENTRY_PORT,
                    "service entry must have at least one port");
    }
    for (size_t i = 0; i < entry->ports.count; i++) {
        struct service_entry_port *port = &entry->ports.items[i];
        size_t former = reader_enter_item(reader, "ports", i);

        check_port(reader, port);
        if (port->name.len > 0 && map_set(&names, port->name, port) != NULL) {
            reader_fail(reader, "name", FINDING_SERVICE_ENTRY_PORT, "port name %.*s is used twice",
                        STR_ARG(port->name));
        }
        if (value_is_port(port->number)) {
            if (is_number_seen[port->number]) {
                reader_fail(reader, "number", FINDING_SERVICE_ENTRY_PORT,
                            "port number %u is used twice", port->number);
            }
            is_number_seen[port->number] = true;
        }
        reader_leave(reader, former);
    }
    map_cleanup(&names);
}

/* Opaque ports cannot tell hosts apart; HTTP has Host, TLS has SNI. */
static bool is_opaque(const struct service_entry_port *port)
{
    return !port_protocol_is_http(port->protocol) && !port_protocol_is_tls(port->protocol);
}

static void check_opaque_ports(struct reader *reader, const struct service_entry *entry)
{
    for (size_t i = 0; i < entry->ports.count; i++) {
        if (!is_opaque(&entry->ports.items[i])) {
            continue;
        }
        size_t former = reader_enter_item(reader, "ports", i);

        if (entry->hosts.count > 1 && entry->resolution != RESOLUTION_NONE) {
            reader_fail(reader, "protocol", FINDING_SERVICE_ENTRY_PORT,
                        "multiple hosts not supported with non-HTTP, non-TLS ports");
        } else if (entry->addresses.count == 0) {
            reader_fail(reader, "protocol", FINDING_SERVICE_ENTRY_TCP,
                        "addresses are required for ports serving TCP (or unset) protocol, else "
                        "all traffic to the port is taken");
        }
        reader_leave(reader, former);
    }
}

/* --- addresses, endpoints --------------------------------------------------------------------- */

static void check_addresses(struct reader *reader, const struct service_entry *entry)
{
    for (size_t i = 0; i < entry->addresses.count; i++) {
        struct str address = entry->addresses.items[i];
        bool is_cidr = value_is_cidr(address);

        if (!is_cidr && !value_is_ip(address)) {
            reader_fail_item(reader, "addresses", i, FINDING_SERVICE_ENTRY_ADDRESS,
                             "%.*s is no address", STR_ARG(str_slice(address, 0, 80)));
        } else if (is_cidr && entry->resolution != RESOLUTION_NONE &&
                   entry->resolution != RESOLUTION_STATIC) {
            reader_fail_item(reader, "addresses", i, FINDING_SERVICE_ENTRY_ADDRESS,
                             "CIDR addresses are allowed only for NONE/STATIC resolution types");
        }
    }
}

static bool has_port_named(const struct service_entry *entry, struct str name)
{
    for (size_t i = 0; i < entry->ports.count; i++) {
        if (str_equals(entry->ports.items[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* Under the path of the endpoint or the WorkloadEntry's spec. */
static void check_workload_ports(struct reader *reader, const struct workload *workload,
                                 enum finding_code code)
{
    for (size_t i = 0; i < workload->ports.count; i++) {
        const struct u32_pair *port = &workload->ports.items[i];
        size_t former = reader_enter_key(reader, "ports", port->name);

        if (!value_is_port(port->value)) {
            reader_fail(reader, NULL, code, "port number %u must be in the range 1..65535",
                        port->value);
        }
        reader_leave(reader, former);
    }
}

static void check_endpoint_ports(struct reader *reader, const struct service_entry *entry,
                                 const struct workload *endpoint)
{
    check_workload_ports(reader, endpoint, FINDING_SERVICE_ENTRY_ENDPOINT);
    for (size_t i = 0; i < endpoint->ports.count; i++) {
        struct str name = endpoint->ports.items[i].name;

        if (!has_port_named(entry, name)) {
            size_t former = reader_enter_key(reader, "ports", name);

            reader_fail(reader, NULL, FINDING_SERVICE_ENTRY_ENDPOINT,
                        "endpoint port %.*s is not defined by the service entry",
                        STR_ARG(str_slice(name, 0, 80)));
            reader_leave(reader, former);
        }
    }
}

static void check_static_endpoint(struct reader *reader, const struct workload *endpoint)
{
    if (value_is_unix_address(endpoint->address)) {
        if (endpoint->ports.count > 0) {
            reader_fail(reader, "ports", FINDING_SERVICE_ENTRY_ENDPOINT,
                        "unix endpoint must not include ports");
        }
    } else if (!value_is_ip(endpoint->address)) {
        reader_fail(reader, "address", FINDING_SERVICE_ENTRY_ENDPOINT,
                    "\"%.*s\" is no IP address, which resolution STATIC needs",
                    STR_ARG(str_slice(endpoint->address, 0, 80)));
    }
}

static void check_dns_endpoint(struct reader *reader, const struct workload *endpoint)
{
    if (!value_is_ip(endpoint->address) && !value_is_fqdn(endpoint->address)) {
        reader_fail(reader, "address", FINDING_SERVICE_ENTRY_ENDPOINT,
                    "\"%.*s\" is neither an IP address nor a domain name",
                    STR_ARG(str_slice(endpoint->address, 0, 80)));
    }
}

static void check_endpoints(struct reader *reader, const struct service_entry *entry)
{
    for (size_t i = 0; i < entry->endpoints.count; i++) {
        const struct workload *endpoint = &entry->endpoints.items[i];
        size_t former = reader_enter_item(reader, "endpoints", i);

        check_endpoint_ports(reader, entry, endpoint);
        check_common_labels(reader, "labels", &endpoint->labels);
        if (entry->resolution == RESOLUTION_STATIC) {
            check_static_endpoint(reader, endpoint);
        } else if (entry->resolution != RESOLUTION_NONE) {
            check_dns_endpoint(reader, endpoint);
        }
        reader_leave(reader, former);
    }
}

static void check_dns_hosts(struct reader *reader, const struct service_entry *entry)
{
    if (entry->endpoints.count > 0 || entry->has_workload_selector) {
        return;
    }
    for (size_t i = 0; i < entry->hosts.count; i++) {
        if (!value_is_fqdn(entry->hosts.items[i])) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVICE_ENTRY_RESOLUTION,
                             "hosts must be FQDN if no endpoints are provided for resolution mode "
                             "DNS");
        }
    }
}

/* spec SV-31 */
static void check_resolution(struct reader *reader, const struct service_entry *entry)
{
    switch (entry->resolution) {
    case RESOLUTION_NONE:
        if (entry->endpoints.count > 0) {
            reader_fail(reader, "endpoints", FINDING_SERVICE_ENTRY_RESOLUTION,
                        "no endpoints should be provided for resolution type none");
        }
        break;
    case RESOLUTION_STATIC:
        if (entry->endpoints.count == 0 && !entry->has_workload_selector) {
            reader_fail(reader, "endpoints", FINDING_SERVICE_ENTRY_EMPTY,
                        "resolution STATIC without endpoints: nothing can be reached");
        }
        break;
    case RESOLUTION_DNS:
        check_dns_hosts(reader, entry);
        break;
    case RESOLUTION_DNS_ROUND_ROBIN:
        check_dns_hosts(reader, entry);
        if (entry->endpoints.count > 1) {
            reader_fail(reader, "endpoints", FINDING_SERVICE_ENTRY_RESOLUTION,
                        "there must only be 0 or 1 endpoint for resolution mode DNS_ROUND_ROBIN");
        }
        break;
    case RESOLUTION_DYNAMIC_DNS: /* spec SV-43 */
        reader_fail(reader, "resolution", FINDING_SERVICE_ENTRY_RESOLUTION,
                    "DYNAMIC_DNS is not supported");
        break;
    }
}

void check_service_entry(struct reader *reader, const struct service_entry *entry)
{
    check_entry_hosts(reader, entry);
    check_ports(reader, entry);
    check_addresses(reader, entry);
    if (entry->has_workload_selector && entry->endpoints.count > 0) {
        reader_fail(reader, "workloadSelector", FINDING_SERVICE_ENTRY_SELECTOR,
                    "only one of WorkloadSelector or Endpoints is allowed in Service Entry");
    }
    check_common_labels(reader, "workloadSelector.labels", &entry->workload_selector);
    check_endpoints(reader, entry);
    check_resolution(reader, entry);
    check_opaque_ports(reader, entry);
    check_common_export_to(reader, "exportTo", &entry->export_to, true);
}

void check_service_entry_workload(struct reader *reader, const struct workload_entry *entry)
{
    const struct workload *workload = &entry->workload;

    check_workload_ports(reader, workload, FINDING_WORKLOAD_ENTRY_ADDRESS);
    check_common_labels(reader, "labels", &workload->labels);
    if (workload->address.len == 0) {
        if (workload->network.len == 0) {
            reader_fail(reader, "address", FINDING_WORKLOAD_ENTRY_ADDRESS,
                        "address is required when network is not set");
        }
        return;
    }
    if (value_is_unix_address(workload->address)) {
        if (workload->ports.count > 0) {
            reader_fail(reader, "ports", FINDING_WORKLOAD_ENTRY_ADDRESS,
                        "unix endpoint must not include ports");
        }
    } else if (!value_is_ip(workload->address) && !value_is_fqdn(workload->address)) {
        reader_fail(reader, "address", FINDING_WORKLOAD_ENTRY_ADDRESS,
                    "\"%.*s\" is neither an IP address nor a domain name",
                    STR_ARG(str_slice(workload->address, 0, 80)));
    }
}
