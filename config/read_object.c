/* read_object: identity and dispatch. An object is made in its own arena, so that it can outlive
 * the load that made it (spec RL-31). Control thread. */
#include "config/read_object.h"

#include "config/read_kinds.h"
#include "config/scalar.h"
#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <stdio.h>

#define OBJECT_BLOCK_BYTES 2048u
#define KIND_HINT_DISTANCE 3u

/* --- kinds ------------------------------------------------------------------------------------ */

typedef void (*read_fn)(struct reader *reader, const struct node *root, struct object_meta *object);

/* Each kind's reader takes its own type, whose first member is the meta. */
#define READ_AS(function, type)                                                                    \
    static void as_##type(struct reader *reader, const struct node *root,                          \
                          struct object_meta *object)                                              \
    {                                                                                              \
        function(reader, root, (struct type *)(void *)object);                                     \
    }
READ_AS(read_gateway, gateway)
READ_AS(read_virtual_service, virtual_service)
READ_AS(read_destination_rule, destination_rule)
READ_AS(read_service_entry, service_entry)
READ_AS(read_service_entry_workload, workload_entry)
READ_AS(read_core_service, service)
READ_AS(read_core_secret, secret_object)
READ_AS(read_core_config_map, config_map)
READ_AS(read_core_pod, pod)
READ_AS(read_core_endpoint_slice, endpoint_slice)

#define ISTIO_NETWORKING "networking.istio.io"

/* Dispatch is on group and kind, never on the kind alone (spec RL-2). */
static const struct own_kind {
    enum resource_kind kind;
    struct str group;
    struct str name;
    size_t size;
    read_fn read;
} own_kinds[] = {
    { KIND_GATEWAY, STR_INIT(ISTIO_NETWORKING), STR_INIT("Gateway"), sizeof(struct gateway),
      as_gateway },
    { KIND_VIRTUAL_SERVICE, STR_INIT(ISTIO_NETWORKING), STR_INIT("VirtualService"),
      sizeof(struct virtual_service), as_virtual_service },
    { KIND_DESTINATION_RULE, STR_INIT(ISTIO_NETWORKING), STR_INIT("DestinationRule"),
      sizeof(struct destination_rule), as_destination_rule },
    { KIND_SERVICE_ENTRY, STR_INIT(ISTIO_NETWORKING), STR_INIT("ServiceEntry"),
      sizeof(struct service_entry), as_service_entry },
    { KIND_WORKLOAD_ENTRY, STR_INIT(ISTIO_NETWORKING), STR_INIT("WorkloadEntry"),
      sizeof(struct workload_entry), as_workload_entry },
    { KIND_SERVICE, STR_INIT(""), STR_INIT("Service"), sizeof(struct service), as_service },
    { KIND_SECRET, STR_INIT(""), STR_INIT("Secret"), sizeof(struct secret_object),
      as_secret_object },
    { KIND_CONFIG_MAP, STR_INIT(""), STR_INIT("ConfigMap"), sizeof(struct config_map),
      as_config_map },
    { KIND_POD, STR_INIT(""), STR_INIT("Pod"), sizeof(struct pod), as_pod },
    { KIND_ENDPOINT_SLICE, STR_INIT("discovery.k8s.io"), STR_INIT("EndpointSlice"),
      sizeof(struct endpoint_slice), as_endpoint_slice },
};
#define OWN_KIND_COUNT (sizeof(own_kinds) / sizeof(own_kinds[0]))

/* Kinds that change what a gateway does in Istio, and not here (spec section 17). */
static const struct other_kind {
    struct str group;
    struct str name; /* empty: every kind of the group */
    enum finding_code code;
    const char *message;
} other_kinds[] = {
    { STR_INIT("security.istio.io"), STR_INIT("AuthorizationPolicy"), FINDING_KIND_SECURITY,
      "this gateway does not enforce AuthorizationPolicy: what it denies is let through" },
    { STR_INIT("security.istio.io"), STR_INIT("RequestAuthentication"), FINDING_KIND_SECURITY,
      "this gateway does not enforce RequestAuthentication: tokens are not checked" },
    { STR_INIT(ISTIO_NETWORKING), STR_INIT("EnvoyFilter"), FINDING_KIND_SECURITY,
      "an EnvoyFilter cannot be honoured: limits, filters or checks it adds are missing" },
    { STR_INIT("extensions.istio.io"), STR_INIT("WasmPlugin"), FINDING_KIND_SECURITY,
      "a WasmPlugin cannot be honoured: checks it makes are missing" },
    { STR_INIT("extensions.istio.io"), STR_INIT("TrafficExtension"), FINDING_KIND_SECURITY,
      "a TrafficExtension cannot be honoured: checks it makes are missing" },
    { STR_INIT("security.istio.io"), STR_INIT("PeerAuthentication"), FINDING_KIND_NOT_HONOURED,
      "PeerAuthentication is not honoured: a backend in STRICT mode will refuse this gateway" },
    { STR_INIT("telemetry.istio.io"), STR_INIT("Telemetry"), FINDING_KIND_NOT_HONOURED,
      "Telemetry is not honoured: logs and metrics follow the options of this program" },
    { STR_INIT(ISTIO_NETWORKING), STR_INIT("Sidecar"), FINDING_KIND_SKIPPED,
      "a Sidecar has no effect on a gateway" },
    { STR_INIT(ISTIO_NETWORKING), STR_INIT("WorkloadGroup"), FINDING_KIND_SKIPPED,
      "a WorkloadGroup has no effect on a gateway" },
    { STR_INIT(ISTIO_NETWORKING), STR_INIT("ProxyConfig"), FINDING_KIND_SKIPPED,
      "ProxyConfig has no effect here: use the options of this program" },
    { STR_INIT("networking.k8s.io"), STR_INIT("Ingress"), FINDING_KIND_SKIPPED,
      "an Ingress is not served: use Gateway and VirtualService" },
    { STR_INIT("gateway.networking.k8s.io"), STR_INIT(""), FINDING_KIND_SKIPPED,
      "Gateway API objects are not served: use Gateway and VirtualService of " ISTIO_NETWORKING },
};

struct identity {
    struct str api_version;
    struct str group;
    struct str version;
    struct str kind;
    struct str namespace;
    struct str name;
    struct str key;
};

/* A string of a mapping; ptr NULL when absent or of another type. */
static struct str find_string(const struct node *node, struct str name)
{
    const struct node *value = document_find(node, name);

    if (value == NULL || value->kind != NODE_SCALAR ||
        (value->is_plain && scalar_type_of(value->scalar) != SCALAR_STRING)) {
        return (struct str){ NULL, 0 };
    }
    return value->scalar;
}

static void read_identity(const struct read_object_options *options, const struct node *node,
                          struct arena *scratch, struct identity *identity)
{
    const struct node *metadata = document_find(node, STR("metadata"));
    size_t slash;

    memset(identity, 0, sizeof(*identity));
    identity->api_version = find_string(node, STR("apiVersion"));
    slash = str_find_char(identity->api_version, '/');
    identity->group = slash == SIZE_MAX ? STR("") : str_slice(identity->api_version, 0, slash);
    identity->version =
        slash == SIZE_MAX ? identity->api_version : str_skip(identity->api_version, slash + 1);
    identity->kind = find_string(node, STR("kind"));
    identity->name = find_string(metadata, STR("name"));
    identity->namespace = find_string(metadata, STR("namespace"));
    if (identity->namespace.len == 0) {
        identity->namespace = options->default_namespace;
    }
    identity->key = arena_printf(scratch, "%.*s %.*s/%.*s", STR_ARG(identity->kind),
                                 STR_ARG(identity->namespace), STR_ARG(identity->name));
}

/* --- other people's kinds --------------------------------------------------------------------- */

static void __attribute__((format(printf, 6, 7)))
add_finding(const struct read_object_options *options, const struct node *node,
            const struct identity *identity, struct report *report, enum finding_code code,
            const char *format, ...)
{
    struct object_meta meta = { .file = options->file, .place = node->place };
    struct finding_at at = { .object = &meta };
    va_list args;

    meta.key = identity->name.len > 0 ? identity->key : identity->kind;
    va_start(args, format);
    report_add_va(report, code, report_finding_type(code)->severity, &at, format, args);
    va_end(args);
}

static const struct own_kind *find_own_kind(const struct identity *identity)
{
    for (size_t i = 0; i < OWN_KIND_COUNT; i++) {
        if (str_equals(identity->group, own_kinds[i].group) &&
            str_equals(identity->kind, own_kinds[i].name)) {
            return &own_kinds[i];
        }
    }
    return NULL;
}

static const char *nearest_kind(struct str kind)
{
    const char *best = NULL;
    size_t best_distance = KIND_HINT_DISTANCE + 1;

    for (size_t i = 0; i < OWN_KIND_COUNT; i++) {
        size_t distance = str_distance(kind, own_kinds[i].name, KIND_HINT_DISTANCE + 1);

        if (own_kinds[i].group.len > 0 && distance < best_distance) {
            best_distance = distance;
            best = own_kinds[i].name.ptr;
        }
    }
    return best;
}

/* spec RL-3, and section 17: what must not be ignored silently is named. */
static void report_other_kind(const struct read_object_options *options, const struct node *node,
                              const struct identity *identity, struct report *report)
{
    for (size_t i = 0; i < sizeof(other_kinds) / sizeof(other_kinds[0]); i++) {
        const struct other_kind *other = &other_kinds[i];

        if (str_equals(identity->group, other->group) &&
            (other->name.len == 0 || str_equals(identity->kind, other->name))) {
            add_finding(options, node, identity, report, other->code, "%s", other->message);
            return;
        }
    }
    if (str_ends_with(identity->group, STR(".istio.io"))) {
        const char *hint = nearest_kind(identity->kind);

        add_finding(options, node, identity, report, FINDING_KIND_NOT_HONOURED,
                    "kind %.*s of %.*s is not known%s%s", STR_ARG(str_slice(identity->kind, 0, 80)),
                    STR_ARG(str_slice(identity->group, 0, 80)),
                    hint != NULL ? ", did you mean " : "", hint != NULL ? hint : "");
    }
}

/* --- our kinds -------------------------------------------------------------------------------- */

static void read_creation_time(struct reader *reader, const struct node *node, void *out)
{
    if (node->kind != NODE_SCALAR || !scalar_parse_time(node->scalar, out)) {
        reader_fail_at(reader, node, FINDING_FIELD_TYPE, "expected a time of RFC 3339");
    }
}

static const struct field meta_fields[] = {
    FIELD(object_meta, name, "name", FIELD_STRING),
    FIELD(object_meta, namespace, "namespace", FIELD_STRING),
    FIELD(object_meta, labels, "labels", FIELD_STRING_MAP),
    FIELD(object_meta, annotations, "annotations", FIELD_STRING_MAP),
    FIELD_BY(object_meta, creation_time_s, "creationTimestamp", read_creation_time),
};
static const struct message meta_message = {
    .fields = meta_fields,
    .field_count = sizeof(meta_fields) / sizeof(meta_fields[0]),
    .size = sizeof(struct object_meta),
    .is_open = true,
};

static const struct field top_fields[] = {
    { .name = "apiVersion", .type = FIELD_PRESENT }, { .name = "kind", .type = FIELD_PRESENT },
    { .name = "metadata", .type = FIELD_PRESENT },   { .name = "spec", .type = FIELD_PRESENT },
    { .name = "status", .type = FIELD_PRESENT },
};
static const struct message top_message = {
    .fields = top_fields,
    .field_count = sizeof(top_fields) / sizeof(top_fields[0]),
};

static bool is_known_version(const struct identity *identity)
{
    if (str_equals(identity->group, STR(ISTIO_NETWORKING))) { /* spec RL-1: one schema */
        return str_equals(identity->version, STR("v1")) ||
               str_equals(identity->version, STR("v1beta1")) ||
               str_equals(identity->version, STR("v1alpha3"));
    }
    return str_equals(identity->version, STR("v1"));
}

static struct object_meta *new_object(const struct own_kind *kind,
                                      const struct read_object_options *options,
                                      const struct node *node, const struct identity *identity)
{
    struct arena *arena = arena_new(OBJECT_BLOCK_BYTES);
    struct object_meta *object = arena_alloc(arena, kind->size);

    object->kind = kind->kind;
    object->arena = arena;
    object->ref_count = 1;
    object->api_version = arena_copy_str(arena, identity->api_version);
    object->file = arena_copy_str(arena, options->file);
    object->place = node->place;
    object->key = arena_copy_str(arena, identity->key);
    object->namespace = arena_copy_str(arena, identity->namespace);
    return object;
}

/* Fills the object; false after an error. */
static bool fill_object(const struct own_kind *kind, const struct read_object_options *options,
                        const struct node *node, struct report *report, struct object_meta *object)
{
    struct reader reader = {
        .arena = object->arena,
        .report = report,
        .object = object,
        .root = node,
        .is_strict = options->is_strict,
    };
    struct str namespace = object->namespace;
    const struct node *metadata = document_find(node, STR("metadata"));
    size_t former = reader_enter(&reader, "metadata");

    reader_read_message(&reader, metadata, &meta_message, object);
    reader_leave(&reader, former);
    object->namespace = namespace; /* the default stands where none was written */
    if (kind->group.len > 0 && kind->kind != KIND_ENDPOINT_SLICE) {
        char nothing = 0;

        reader_read_message(&reader, node, &top_message, &nothing);
    }
    kind->read(&reader, node, object);
    return reader.error_count == 0;
}

static enum read_object_outcome refuse_unknown(const struct read_object_options *options,
                                               const struct node *node, struct report *report,
                                               enum severity severity, const char *text)
{
    struct finding_at at = { .file = options->file, .place = node->place };

    report_add_severity(report, FINDING_NOT_AN_OBJECT, severity, &at, "%s", text);
    return severity == SEVERITY_ERROR ? READ_OBJECT_UNKNOWN : READ_OBJECT_SKIPPED;
}

enum read_object_outcome read_object(const struct read_object_options *options,
                                     const struct node *node, struct arena *scratch,
                                     struct report *report, struct object_meta **object,
                                     struct str *key)
{
    struct identity identity;

    if (node->kind != NODE_MAPPING) {
        return refuse_unknown(options, node, report, SEVERITY_ERROR, "this is no object");
    }
    if (document_find(node, STR("apiVersion")) == NULL &&
        document_find(node, STR("kind")) == NULL) {
        return refuse_unknown(options, node, report, SEVERITY_WARNING,
                              "no apiVersion and no kind: skipped");
    }
    read_identity(options, node, scratch, &identity);
    if (identity.api_version.len == 0 || identity.kind.len == 0) {
        return refuse_unknown(options, node, report, SEVERITY_ERROR,
                              "apiVersion or kind is missing or no string");
    }
    const struct own_kind *kind = find_own_kind(&identity);

    if (kind == NULL) {
        report_other_kind(options, node, &identity, report);
        return READ_OBJECT_SKIPPED;
    }
    if (identity.name.len == 0) {
        add_finding(options, node, &identity, report, FINDING_NOT_AN_OBJECT,
                    "metadata.name is missing or no string");
        return READ_OBJECT_UNKNOWN;
    }
    *key = identity.key;
    if (!is_known_version(&identity)) {
        add_finding(options, node, &identity, report, FINDING_API_VERSION,
                    "version %.*s of %.*s is not known", STR_ARG(identity.version),
                    STR_ARG(identity.kind));
        return READ_OBJECT_REFUSED;
    }
    if (options->is_tainted) {
        return READ_OBJECT_REFUSED;
    }
    *object = new_object(kind, options, node, &identity);
    if (!fill_object(kind, options, node, report, *object)) {
        read_object_unref(*object);
        *object = NULL;
        return READ_OBJECT_REFUSED;
    }
    return READ_OBJECT_GOOD;
}

const struct node *read_object_list_items(const struct node *node)
{
    const struct node *items = document_find(node, STR("items"));

    if (items == NULL || items->kind != NODE_SEQUENCE ||
        !str_ends_with(find_string(node, STR("kind")), STR("List"))) {
        return NULL;
    }
    return items;
}

static void wipe_secret(struct object_meta *object)
{
    struct secret_object *secret = (struct secret_object *)(void *)object;

    for (size_t i = 0; i < secret->data.count; i++) {
        struct str bytes = secret->data.items[i].bytes;

        mem_wipe((void *)(uintptr_t)bytes.ptr, bytes.len);
    }
}

void read_object_unref(struct object_meta *object)
{
    if (object == NULL) {
        return;
    }
    CHECK(object->ref_count > 0);
    if (--object->ref_count > 0) {
        return;
    }
    if (object->kind == KIND_SECRET) {
        wipe_secret(object);
    }
    arena_free(object->arena); /* the object is in it */
}
