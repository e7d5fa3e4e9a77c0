/* service_registry: see the header. Everything is indexed once: services by host, slices by service,
 * pods by name and by address, workloads by label. */
#include "config/service_registry.h"

#include "gateway/base/map.h"

#include <stdio.h>

/* A Pod or WorkloadEntry that a workloadSelector may choose (SV-38). */
struct registry_workload {
    const struct workload_entry *entry; /* one of these two */
    const struct pod *pod;
    const struct str_pair_vec *labels;
};
VEC_STRUCT(registry_workloads, struct registry_workload);
VEC_STRUCT(registry_slices, const struct endpoint_slice *);

struct service_registry {
    struct arena *arena;
    const struct resource_set *resources;
    struct str own_namespace;
    struct map by_host;
    struct map slices;    /* "ns/service" to struct registry_slices */
    struct map workloads; /* "ns/label=value" to struct registry_workloads */
};

/* --- Small questions -------------------------------------------------------------------------- */

bool service_registry_labels_fit(const struct str_pair_vec *wanted,
                                 const struct str_pair_vec *labels)
{
    for (size_t i = 0; i < wanted->count; i++) {
        bool is_found = false;

        for (size_t k = 0; k < labels->count && !is_found; k++) {
            is_found = str_equals(wanted->items[i].name, labels->items[k].name) &&
                       str_equals(wanted->items[i].value, labels->items[k].value);
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

bool service_registry_is_exported(const struct str_vec *export_to, struct str object_namespace,
                                  struct str namespace)
{
    for (size_t i = 0; i < export_to->count; i++) {
        struct str to = export_to->items[i];

        if (str_equals(to, STR("*")) || str_equals(to, namespace) ||
            (str_equals(to, STR(".")) && str_equals(object_namespace, namespace))) {
            return true;
        }
    }
    return export_to->count == 0;
}

struct str service_registry_expand(struct arena *arena, struct str host, struct str namespace,
                                   struct str domain)
{
    if (str_find_char(host, '.') != SIZE_MAX || str_find_char(host, ':') != SIZE_MAX ||
        (host.len > 0 && host.ptr[0] == '*')) {
        return host;
    }
    return arena_printf(arena, "%.*s.%.*s.svc.%.*s", STR_ARG(host), STR_ARG(namespace),
                        STR_ARG(domain));
}

/* --- Building --------------------------------------------------------------------------------- */

/* SV-3: Kubernetes before ServiceEntry, then age, then name. */
static bool is_better(const struct registry_service *a, const struct registry_service *b)
{
    if ((a->service != NULL) != (b->service != NULL)) {
        return a->service != NULL;
    }
    return resource_set_compare_age(a->meta, b->meta) < 0;
}

static void enter_service(struct service_registry *registry, struct registry_service *service)
{
    struct registry_service *first = map_get(&registry->by_host, service->host);
    struct registry_service **at = &first;

    while (*at != NULL && !is_better(service, *at)) {
        at = &(*at)->next;
    }
    service->next = *at;
    *at = service;
    (void)map_set(&registry->by_host, service->host, first); /* replaces the former first */
}

static void add_service(struct service_registry *registry, const struct service *object,
                        struct str domain)
{
    struct registry_service *service = arena_new_object(registry->arena, struct registry_service);

    service->host = arena_printf(registry->arena, "%.*s.%.*s.svc.%.*s", STR_ARG(object->meta.name),
                                 STR_ARG(object->meta.namespace), STR_ARG(domain));
    service->meta = &object->meta;
    service->service = object;
    if (str_equals(object->type, STR("ExternalName"))) {
        service->alias = object->external_name;
    }
    for (size_t i = 0; i < object->ports.count; i++) {
        const struct service_port *port = &object->ports.items[i];

        vec_push_in_arena(registry->arena, &service->ports,
                          (struct registry_port){
                              .name = port->name,
                              .number = port->port,
                              .target = port->target_port,
                              .protocol = port->istio_protocol,
                              .is_udp = str_equals(port->protocol, STR("UDP")),
                          });
    }
    service->is_visible = service_registry_is_exported(&object->export_to, object->meta.namespace,
                                                       registry->own_namespace);
    enter_service(registry, service);
}

/* SV-32: one service for each host. */
static void add_entry(struct service_registry *registry, const struct service_entry *object)
{
    struct registry_service model = { .meta = &object->meta, .entry = object };

    for (size_t i = 0; i < object->ports.count; i++) {
        const struct service_entry_port *port = &object->ports.items[i];

        vec_push_in_arena(registry->arena, &model.ports,
                          (struct registry_port){
                              .name = port->name,
                              .number = port->number,
                              .target = port->target_port,
                              .protocol = port->protocol,
                              .is_udp = port->protocol == PROTOCOL_UDP,
                          });
    }
    model.is_visible = service_registry_is_exported(&object->export_to, object->meta.namespace,
                                                    registry->own_namespace);
    for (size_t i = 0; i < object->hosts.count; i++) {
        struct registry_service *service =
            arena_new_object(registry->arena, struct registry_service);

        *service = model;
        service->host = object->hosts.items[i];
        enter_service(registry, service);
    }
}

static void add_slice(struct service_registry *registry, const struct endpoint_slice *slice)
{
    struct registry_slices *slices;
    struct str key;

    /* SV-20 */
    if (str_is_empty(slice->service_name) || str_equals(slice->address_type, STR("FQDN"))) {
        return;
    }
    key = arena_printf(registry->arena, "%.*s/%.*s", STR_ARG(slice->meta.namespace),
                       STR_ARG(slice->service_name));
    slices = map_get(&registry->slices, key);
    if (slices == NULL) {
        slices = arena_new_object(registry->arena, struct registry_slices);
        (void)map_set(&registry->slices, key, slices); /* was absent */
    }
    vec_push_in_arena(registry->arena, slices, slice);
}

static void add_workload(struct service_registry *registry, struct str namespace,
                         const struct registry_workload *workload)
{
    for (size_t i = 0; i < workload->labels->count; i++) {
        const struct str_pair *label = &workload->labels->items[i];
        struct str key = arena_printf(registry->arena, "%.*s/%.*s=%.*s", STR_ARG(namespace),
                                      STR_ARG(label->name), STR_ARG(label->value));
        struct registry_workloads *workloads = map_get(&registry->workloads, key);

        if (workloads == NULL) {
            workloads = arena_new_object(registry->arena, struct registry_workloads);
            (void)map_set(&registry->workloads, key, workloads); /* was absent */
        }
        vec_push_in_arena(registry->arena, workloads, *workload);
    }
}

struct service_registry *service_registry_new(const struct resource_set *resources,
                                              struct str domain, struct str own_namespace)
{
    struct service_registry *registry = mem_new(struct service_registry);

    registry->arena = arena_new(32 * 1024);
    registry->resources = resources;
    registry->own_namespace = own_namespace;
    for (size_t i = 0; i < resource_set_count(resources, KIND_SERVICE); i++) {
        add_service(registry, resource_set_service(resources, i), domain);
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_SERVICE_ENTRY); i++) {
        add_entry(registry, resource_set_service_entry(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_ENDPOINT_SLICE); i++) {
        add_slice(registry, resource_set_endpoint_slice(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_WORKLOAD_ENTRY); i++) {
        const struct workload_entry *entry = resource_set_workload_entry(resources, i);

        add_workload(registry, entry->meta.namespace,
                     &(struct registry_workload){ entry, NULL, &entry->workload.labels });
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_POD); i++) {
        const struct pod *pod = resource_set_pod(resources, i);

        add_workload(registry, pod->meta.namespace,
                     &(struct registry_workload){ NULL, pod, &pod->meta.labels });
    }
    return registry;
}

void service_registry_free(struct service_registry *registry)
{
    if (registry != NULL) {
        map_cleanup(&registry->by_host);
        map_cleanup(&registry->slices);
        map_cleanup(&registry->workloads);
        arena_free(registry->arena);
        mem_free(registry);
    }
}

/* --- Asking ----------------------------------------------------------------------------------- */

const struct registry_service *service_registry_find(const struct service_registry *registry,
                                                     struct str host, struct str namespace,
                                                     bool *is_hidden)
{
    const struct registry_service *best = NULL;
    const struct registry_service *service = map_get(&registry->by_host, host);
    bool has_hidden = false;

    for (; service != NULL; service = service->next) {
        if (!service->is_visible) {
            has_hidden = true;
        } else if (str_equals(service->meta->namespace, namespace)) {
            best = service;
            break;
        } else if (best == NULL) {
            best = service;
        }
    }
    if (is_hidden != NULL) {
        *is_hidden = best == NULL && has_hidden;
    }
    return best;
}

const struct registry_port *service_registry_port(const struct registry_service *service,
                                                  uint32_t number)
{
    for (size_t i = 0; i < service->ports.count; i++) {
        if (service->ports.items[i].number == number && !service->ports.items[i].is_udp) {
            return &service->ports.items[i];
        }
    }
    return NULL;
}

/* --- Endpoints of a Kubernetes Service -------------------------------------------------------- */

static const struct str_pair_vec *pod_labels_of(const struct service_registry *registry,
                                                const struct slice_endpoint *endpoint,
                                                struct str slice_namespace)
{
    struct str namespace =
        str_is_empty(endpoint->target_namespace) ? slice_namespace : endpoint->target_namespace;
    const struct object_meta *meta;

    if (!str_equals(endpoint->target_kind, STR("Pod"))) {
        return NULL;
    }
    meta = resource_set_find(registry->resources, KIND_POD, namespace, endpoint->target_name);
    return meta != NULL ? &meta->labels : NULL;
}

/* SV-22. False: dropped. */
static bool read_health(const struct slice_endpoint *endpoint, bool *is_healthy)
{
    *is_healthy = !endpoint->ready.is_set || endpoint->ready.value;
    return *is_healthy || (endpoint->terminating.is_set && !endpoint->terminating.value);
}

static void push_slice_endpoint(const struct service_registry *registry,
                                const struct endpoint_slice *slice,
                                const struct slice_endpoint *endpoint, uint32_t port,
                                struct map *seen, struct registry_endpoints *out)
{
    struct registry_endpoint made = {
        .port = port,
        .weight = 1,
        .labels = pod_labels_of(registry, endpoint, slice->meta.namespace),
    };
    uintptr_t position;

    if (!read_health(endpoint, &made.is_healthy)) {
        return;
    }
    for (size_t i = 0; i < endpoint->addresses.count; i++) {
        made.address = endpoint->addresses.items[i];
        position = (uintptr_t)map_get(seen, made.address);
        /* SV-23: of one address twice, the later slice says more. */
        if (position != 0) {
            out->items[position - 1] = made;
            continue;
        }
        vec_push(out, made);
        (void)map_set(seen, made.address, (void *)(uintptr_t)out->count); /* was absent */
    }
}

static void find_slice_endpoints(const struct service_registry *registry,
                                 const struct registry_service *service,
                                 const struct registry_port *port, struct registry_endpoints *out)
{
    char key[600];
    struct map seen = { 0 };
    int len = snprintf(key, sizeof(key), "%.*s/%.*s", STR_ARG(service->meta->namespace),
                       STR_ARG(service->meta->name));
    const struct registry_slices *slices = len > 0 && (size_t)len < sizeof(key)
                                               ? map_get(&registry->slices, str_from_cstr(key))
                                               : NULL;

    for (size_t i = 0; slices != NULL && i < slices->count; i++) {
        const struct endpoint_slice *slice = slices->items[i];

        for (size_t k = 0; k < slice->ports.count; k++) {
            const struct slice_port *slice_port = &slice->ports.items[k];

            /* SV-21: by name, empty names meet. */
            if (!slice_port->port.is_set || !str_equals(slice_port->name, port->name)) {
                continue;
            }
            for (size_t n = 0; n < slice->endpoints.count; n++) {
                push_slice_endpoint(registry, slice, &slice->endpoints.items[n],
                                    slice_port->port.value, &seen, out);
            }
        }
    }
    map_cleanup(&seen);
}

/* --- Endpoints of a ServiceEntry -------------------------------------------------------------- */

/* SV-37 */
static uint32_t port_of_workload(const struct u32_pair_vec *ports, const struct registry_port *port)
{
    for (size_t i = 0; i < ports->count; i++) {
        if (str_equals(ports->items[i].name, port->name)) {
            return ports->items[i].value;
        }
    }
    return port->target != 0 ? port->target : port->number;
}

static void push_workload(const struct workload *workload, const struct str_pair_vec *labels,
                          const struct registry_port *port, struct registry_endpoints *out)
{
    bool is_unix = str_starts_with(workload->address, STR("unix://"));

    vec_push(out, (struct registry_endpoint){
                      .address = workload->address,
                      .port = is_unix ? 0 : port_of_workload(&workload->ports, port),
                      .weight = workload->weight != 0 ? workload->weight : 1,
                      .is_healthy = true,
                      .labels = labels,
                  });
}

static void find_selected_workloads(const struct service_registry *registry,
                                    const struct registry_service *service,
                                    const struct registry_port *port,
                                    struct registry_endpoints *out)
{
    const struct str_pair_vec *selector = &service->entry->workload_selector;
    const struct registry_workloads *workloads;
    char key[1024];
    int len;

    if (selector->count == 0) {
        return;
    }
    len = snprintf(key, sizeof(key), "%.*s/%.*s=%.*s", STR_ARG(service->meta->namespace),
                   STR_ARG(selector->items[0].name), STR_ARG(selector->items[0].value));
    workloads = len > 0 && (size_t)len < sizeof(key)
                    ? map_get(&registry->workloads, str_from_cstr(key))
                    : NULL;
    for (size_t i = 0; workloads != NULL && i < workloads->count; i++) {
        const struct registry_workload *workload = &workloads->items[i];

        if (!service_registry_labels_fit(selector, workload->labels)) {
            continue;
        }
        if (workload->entry != NULL) {
            push_workload(&workload->entry->workload, workload->labels, port, out);
        } else if (!str_is_empty(workload->pod->ip)) {
            struct workload pod = { .address = workload->pod->ip };

            push_workload(&pod, workload->labels, port, out);
        }
    }
}

static void find_entry_endpoints(const struct service_registry *registry,
                                 const struct registry_service *service,
                                 const struct registry_port *port, struct registry_endpoints *out)
{
    const struct service_entry *entry = service->entry;

    if (entry->has_workload_selector) {
        find_selected_workloads(registry, service, port, out);
        return;
    }
    for (size_t i = 0; i < entry->endpoints.count; i++) {
        push_workload(&entry->endpoints.items[i], &entry->endpoints.items[i].labels, port, out);
    }
    /* SV-35: without endpoints the host itself is resolved. */
    if (entry->endpoints.count == 0 &&
        (entry->resolution == RESOLUTION_DNS || entry->resolution == RESOLUTION_DNS_ROUND_ROBIN)) {
        struct workload host = { .address = service->host };

        push_workload(&host, NULL, port, out);
    }
}

void service_registry_endpoints(const struct service_registry *registry,
                                const struct registry_service *service,
                                const struct registry_port *port, struct registry_endpoints *out)
{
    if (service->entry != NULL) {
        find_entry_endpoints(registry, service, port, out);
    } else {
        find_slice_endpoints(registry, service, port, out);
    }
}
