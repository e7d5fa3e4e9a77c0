/* read_service_entry: ServiceEntry and WorkloadEntry documents (spec section 8.5). Control
 * thread. */
#include "config/check_kinds.h"
#include "config/port_protocol.h"
#include "config/read_kinds.h"

static const struct enum_value locations[] = {
    { "MESH_EXTERNAL", LOCATION_MESH_EXTERNAL },
    { "MESH_INTERNAL", LOCATION_MESH_INTERNAL },
    { NULL, 0 },
};
static const struct enum_value resolutions[] = {
    { "NONE", RESOLUTION_NONE },
    { "STATIC", RESOLUTION_STATIC },
    { "DNS", RESOLUTION_DNS },
    { "DNS_ROUND_ROBIN", RESOLUTION_DNS_ROUND_ROBIN },
    { "DYNAMIC_DNS", RESOLUTION_DYNAMIC_DNS },
    { NULL, 0 },
};

static const struct field port_fields[] = {
    FIELD(service_entry_port, number, "number", FIELD_U32),
    FIELD(service_entry_port, protocol_name, "protocol", FIELD_STRING),
    FIELD(service_entry_port, name, "name", FIELD_STRING),
    FIELD(service_entry_port, target_port, "targetPort", FIELD_U32),
};
static const struct message port_message = MESSAGE_WITH_PLACE(service_entry_port, port_fields);

static const struct field workload_fields[] = {
    FIELD(workload, address, "address", FIELD_STRING),
    FIELD(workload, ports, "ports", FIELD_U32_MAP),
    FIELD(workload, labels, "labels", FIELD_STRING_MAP),
    FIELD(workload, network, "network", FIELD_STRING),
    FIELD(workload, locality, "locality", FIELD_STRING),
    FIELD(workload, weight, "weight", FIELD_U32),
    FIELD(workload, service_account, "serviceAccount", FIELD_STRING),
};
static const struct message workload_message = MESSAGE_WITH_PLACE(workload, workload_fields);

static const struct field selector_fields[] = {
    { .name = "labels", .type = FIELD_STRING_MAP, .offset = 0 },
};
static const struct message selector_message = { selector_fields, 1, sizeof(struct str_pair_vec), 0,
                                                 false };

static const struct field service_entry_fields[] = {
    FIELD(service_entry, hosts, "hosts", FIELD_HOSTS),
    FIELD(service_entry, addresses, "addresses", FIELD_STRINGS),
    FIELD_OF(service_entry, ports, "ports", FIELD_MESSAGES, port_message),
    FIELD_CHOICE(service_entry, location, "location", locations),
    FIELD_CHOICE(service_entry, resolution, "resolution", resolutions),
    FIELD_OF(service_entry, endpoints, "endpoints", FIELD_MESSAGES, workload_message),
    { .name = "workloadSelector",
      .type = FIELD_EMBEDDED,
      .offset = offsetof(struct service_entry, workload_selector),
      .has = offsetof(struct service_entry, has_workload_selector) + 1,
      .message = &selector_message },
    FIELD(service_entry, export_to, "exportTo", FIELD_STRINGS),
    FIELD(service_entry, subject_alt_names, "subjectAltNames", FIELD_STRINGS),
};
static const struct message service_entry_message =
    MESSAGE_WITH_PLACE(service_entry, service_entry_fields);

/* Names in lower case (spec GW-26 P); the path of a Unix socket stays as it is. */
static void lower_address(struct reader *reader, struct workload *workload)
{
    if (!str_starts_with(workload->address, STR("unix://")) && workload->address.ptr != NULL) {
        workload->address = arena_copy_lower(reader->arena, workload->address);
    }
}

void read_service_entry(struct reader *reader, const struct node *root, struct service_entry *entry)
{
    const struct node *spec = document_find(root, STR("spec"));
    size_t former = reader_enter(reader, "spec");

    if (spec != NULL && !reader_is_null(spec)) {
        reader_read_message(reader, spec, &service_entry_message, entry);
    }
    for (size_t i = 0; i < entry->ports.count; i++) {
        struct service_entry_port *port = &entry->ports.items[i];

        port->protocol = PROTOCOL_UNSUPPORTED;
        (void)port_protocol_parse(port->protocol_name, &port->protocol);
    }
    for (size_t i = 0; i < entry->endpoints.count; i++) {
        lower_address(reader, &entry->endpoints.items[i]);
    }
    check_service_entry(reader, entry);
    reader_leave(reader, former);
}

void read_service_entry_workload(struct reader *reader, const struct node *root,
                                 struct workload_entry *entry)
{
    const struct node *spec = document_find(root, STR("spec"));
    size_t former = reader_enter(reader, "spec");

    if (spec != NULL && !reader_is_null(spec)) {
        reader_read_message(reader, spec, &workload_message, &entry->workload);
    }
    lower_address(reader, &entry->workload);
    check_service_entry_workload(reader, entry);
    reader_leave(reader, former);
}
