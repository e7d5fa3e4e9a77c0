/* read_core: the kinds of Kubernetes itself: Service, EndpointSlice, Secret, ConfigMap, Pod (spec
 * sections 1.3, 8.3, 8.4). They have many fields we do not need, so unknown ones are no findings.
 * Values of Secrets never reach a message. Control thread. */
#include "config/check_kinds.h"
#include "config/port_protocol.h"
#include "config/read_kinds.h"
#include "config/scalar.h"

#define OPEN_MESSAGE(type_name, field_table)                                                       \
    {                                                                                              \
        .fields = (field_table), .field_count = sizeof(field_table) / sizeof((field_table)[0]),    \
        .size = sizeof(struct type_name), .is_open = true                                          \
    }
#define OPEN_MESSAGE_WITH_PLACE(type_name, field_table)                                            \
    {                                                                                              \
        .fields = (field_table), .field_count = sizeof(field_table) / sizeof((field_table)[0]),    \
        .size = sizeof(struct type_name), .place = offsetof(struct type_name, place) + 1,          \
        .is_open = true                                                                            \
    }

static void read_part(struct reader *reader, const struct node *root, const char *name,
                      const struct message *message, void *out)
{
    const struct node *part = document_find(root, str_from_cstr(name));

    if (part != NULL && !reader_is_null(part)) {
        size_t former = reader_enter(reader, name);

        reader_read_message(reader, part, message, out);
        reader_leave(reader, former);
    }
}

static struct str find_pair_value(const struct str_pair_vec *pairs, struct str name)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (str_equals(pairs->items[i].name, name)) {
            return pairs->items[i].value;
        }
    }
    return (struct str){ NULL, 0 };
}

/* --- Service ---------------------------------------------------------------------------------- */

/* targetPort is a number or the name of a container port. */
static void read_target_port(struct reader *reader, const struct node *node, void *out)
{
    struct service_port *port = out;
    int64_t number = 0;

    if (node->kind == NODE_SCALAR && node->is_plain && scalar_type_of(node->scalar) == SCALAR_INT) {
        if (reader_read_integer(reader, node, 0, 65535, &number)) {
            port->target_port = (uint32_t)number;
        }
        return;
    }
    (void)reader_read_string(reader, node, &port->target_port_name); /* reported there */
}

static const struct field service_port_fields[] = {
    FIELD(service_port, name, "name", FIELD_STRING),
    FIELD(service_port, port, "port", FIELD_U32),
    FIELD(service_port, protocol, "protocol", FIELD_STRING),
    FIELD(service_port, app_protocol, "appProtocol", FIELD_STRING),
    { .name = "targetPort", .type = FIELD_CUSTOM, .offset = 0, .custom = read_target_port },
    FIELD(service_port, node_port, "nodePort", FIELD_U32),
};
static const struct message service_port_message =
    OPEN_MESSAGE_WITH_PLACE(service_port, service_port_fields);

static const struct field service_fields[] = {
    FIELD(service, type, "type", FIELD_STRING),
    FIELD(service, cluster_ip, "clusterIP", FIELD_STRING),
    FIELD(service, external_name, "externalName", FIELD_HOST),
    FIELD(service, selector, "selector", FIELD_STRING_MAP),
    FIELD_OF(service, ports, "ports", FIELD_MESSAGES, service_port_message),
    FIELD(service, internal_traffic_policy, "internalTrafficPolicy", FIELD_STRING),
    FIELD(service, traffic_distribution, "trafficDistribution", FIELD_STRING),
    FIELD(service, publish_not_ready_addresses, "publishNotReadyAddresses", FIELD_BOOL),
};
static const struct message service_message = OPEN_MESSAGE(service, service_fields);

/* spec SV-11: a comma list in an annotation. */
static void read_export_annotation(struct reader *reader, struct service *service)
{
    struct str rest =
        find_pair_value(&service->meta.annotations, STR("networking.istio.io/exportTo"));
    struct str part;

    while (str_split_next(&rest, ',', &part)) {
        part = str_trim(part);
        if (part.len > 0) {
            vec_push_in_arena(reader->arena, &service->export_to, part);
        }
    }
}

void read_core_service(struct reader *reader, const struct node *root, struct service *service)
{
    read_part(reader, root, "spec", &service_message, service);
    if (service->type.ptr == NULL) {
        service->type = STR("ClusterIP");
    }
    service->is_headless = str_equals(service->cluster_ip, STR("None"));
    for (size_t i = 0; i < service->ports.count; i++) {
        struct service_port *port = &service->ports.items[i];

        if (port->protocol.ptr == NULL) {
            port->protocol = STR("TCP");
        }
        port->istio_protocol = port_protocol_of_service(port);
    }
    read_export_annotation(reader, service);
    check_service(reader, service);
}

/* --- EndpointSlice ---------------------------------------------------------------------------- */

struct slice_conditions {
    struct optional_bool ready;
    struct optional_bool serving;
    struct optional_bool terminating;
};
static const struct field conditions_fields[] = {
    FIELD(slice_conditions, ready, "ready", FIELD_OPTIONAL_BOOL),
    FIELD(slice_conditions, serving, "serving", FIELD_OPTIONAL_BOOL),
    FIELD(slice_conditions, terminating, "terminating", FIELD_OPTIONAL_BOOL),
};
static const struct message conditions_message = OPEN_MESSAGE(slice_conditions, conditions_fields);

static void read_conditions(struct reader *reader, const struct node *node, void *out)
{
    struct slice_endpoint *endpoint = out;
    struct slice_conditions conditions = { 0 };

    reader_read_message(reader, node, &conditions_message, &conditions);
    endpoint->ready = conditions.ready;
    endpoint->serving = conditions.serving;
    endpoint->terminating = conditions.terminating;
}

static const struct field target_fields[] = {
    FIELD(slice_endpoint, target_kind, "kind", FIELD_STRING),
    FIELD(slice_endpoint, target_namespace, "namespace", FIELD_STRING),
    FIELD(slice_endpoint, target_name, "name", FIELD_STRING),
};
static const struct message target_message = OPEN_MESSAGE(slice_endpoint, target_fields);

static const struct field slice_endpoint_fields[] = {
    FIELD(slice_endpoint, addresses, "addresses", FIELD_STRINGS),
    { .name = "conditions", .type = FIELD_CUSTOM, .offset = 0, .custom = read_conditions },
    FIELD(slice_endpoint, hostname, "hostname", FIELD_STRING),
    FIELD(slice_endpoint, node_name, "nodeName", FIELD_STRING),
    FIELD(slice_endpoint, zone, "zone", FIELD_STRING),
    { .name = "targetRef", .type = FIELD_EMBEDDED, .offset = 0, .message = &target_message },
};
static const struct message slice_endpoint_message =
    OPEN_MESSAGE_WITH_PLACE(slice_endpoint, slice_endpoint_fields);

static const struct field slice_port_fields[] = {
    FIELD(slice_port, name, "name", FIELD_STRING),
    FIELD(slice_port, port, "port", FIELD_OPTIONAL_U32),
    FIELD(slice_port, protocol, "protocol", FIELD_STRING),
    FIELD(slice_port, app_protocol, "appProtocol", FIELD_STRING),
};
static const struct message slice_port_message = OPEN_MESSAGE(slice_port, slice_port_fields);

/* An EndpointSlice has no spec: its fields stand beside metadata. */
static const struct field slice_fields[] = {
    FIELD(endpoint_slice, address_type, "addressType", FIELD_STRING),
    FIELD_OF(endpoint_slice, endpoints, "endpoints", FIELD_MESSAGES, slice_endpoint_message),
    FIELD_OF(endpoint_slice, ports, "ports", FIELD_MESSAGES, slice_port_message),
};
static const struct message slice_message = OPEN_MESSAGE(endpoint_slice, slice_fields);

void read_core_endpoint_slice(struct reader *reader, const struct node *root,
                              struct endpoint_slice *slice)
{
    reader_read_message(reader, root, &slice_message, slice);
    slice->service_name = find_pair_value(&slice->meta.labels, STR("kubernetes.io/service-name"));
}

/* --- Secret, ConfigMap ------------------------------------------------------------------------ */

static struct bytes_pair *add_entry(struct reader *reader, struct bytes_pair_vec *data,
                                    struct str name)
{
    for (size_t i = 0; i < data->count; i++) {
        if (str_equals(data->items[i].name, name)) {
            return &data->items[i];
        }
    }
    vec_push_in_arena(reader->arena, data,
                      (struct bytes_pair){ arena_copy_str(reader->arena, name), { NULL, 0 } });
    return &data->items[data->count - 1];
}

static bool is_text(const struct node *node)
{
    return node->kind == NODE_SCALAR &&
           (!node->is_plain || scalar_type_of(node->scalar) == SCALAR_STRING);
}

/* No message here may show a value: it may be a key. */
static void read_entries(struct reader *reader, const struct node *root, const char *field,
                         bool is_base64, struct bytes_pair_vec *data)
{
    const struct node *entries = document_find(root, str_from_cstr(field));

    if (entries == NULL || reader_is_null(entries)) {
        return;
    }
    if (entries->kind != NODE_MAPPING) {
        reader_fail(reader, field, FINDING_SECRET_DATA, "expected a mapping of names to %s",
                    is_base64 ? "base64" : "text");
        return;
    }
    for (size_t i = 0; i < entries->count; i++) {
        const struct node *value = entries->pairs[i].value;
        size_t former = reader_enter_key(reader, field, entries->pairs[i].key->scalar);
        struct str bytes = STR("");

        if (reader_is_null(value)) {
            add_entry(reader, data, entries->pairs[i].key->scalar)->bytes = bytes;
        } else if (!is_text(value)) {
            /* A number is a fine base64 word, but kubectl refuses it too. */
            reader_fail_at(reader, value, FINDING_SECRET_DATA,
                           "expected a string; put the value in quotes");
        } else if (is_base64 && !scalar_parse_base64(reader->arena, value->scalar, &bytes)) {
            reader_fail_at(reader, value, FINDING_SECRET_DATA, "the value is not base64");
        } else {
            add_entry(reader, data, entries->pairs[i].key->scalar)->bytes =
                is_base64 ? bytes : arena_copy_str(reader->arena, value->scalar);
        }
        reader_leave(reader, former);
    }
}

static const struct field secret_fields[] = {
    FIELD(secret_object, type, "type", FIELD_STRING),
};
static const struct message secret_message = OPEN_MESSAGE(secret_object, secret_fields);

void read_core_secret(struct reader *reader, const struct node *root, struct secret_object *secret)
{
    reader_read_message(reader, root, &secret_message, secret);
    read_entries(reader, root, "data", true, &secret->data);
    read_entries(reader, root, "stringData", false, &secret->data); /* wins: spec RL-27 */
}

void read_core_config_map(struct reader *reader, const struct node *root, struct config_map *map)
{
    read_entries(reader, root, "data", false, &map->data);
    read_entries(reader, root, "binaryData", true, &map->data);
}

/* --- Pod -------------------------------------------------------------------------------------- */

static const struct field pod_spec_fields[] = {
    FIELD(pod, node_name, "nodeName", FIELD_STRING),
};
static const struct message pod_spec_message = OPEN_MESSAGE(pod, pod_spec_fields);

static const struct field pod_status_fields[] = {
    FIELD(pod, ip, "podIP", FIELD_STRING),
};
static const struct message pod_status_message = OPEN_MESSAGE(pod, pod_status_fields);

void read_core_pod(struct reader *reader, const struct node *root, struct pod *pod)
{
    read_part(reader, root, "spec", &pod_spec_message, pod);
    read_part(reader, root, "status", &pod_status_message, pod);
}
