/* compile_clusters: destinations to clusters (5.3, sections 7 and 8). A destination that cannot be
 * reached has no cluster: its requests are answered 503 NC, and a finding says why. */
#include "config/compiler.h"

#include <stdio.h>
#include <stdlib.h>

/* What a name was found to be; also when it was found to be nothing. */
struct cluster_slot {
    struct str name;
    const struct cluster_config *cluster;
};

/* A destination on its way to a cluster. */
struct resolution {
    struct compiler *compiler;
    const struct destination_site *site;
    struct str host;                        /* FQDN, behind an ExternalName (HT-44) */
    const struct registry_service *service; /* NULL: none of that name */
    const struct registry_service *alias;   /* the ExternalName Service, or NULL */
    uint32_t port;
    bool is_port_guessed;
};

static void fail(const struct resolution *resolution, enum finding_code code, const char *field,
                 struct str message)
{
    struct finding_at at = resolution->site->at;
    char path[256];

    (void)snprintf(path, sizeof(path), "%s.%s", at.field, field); /* cut when too long */
    at.field = path;
    at.place = resolution->site->destination->place;
    compiler_say(resolution->compiler, code, &at, "%.*s", STR_ARG(message));
}

#define FAIL(resolution, code, field, ...)                                                         \
    fail((resolution), (code), (field), arena_printf((resolution)->compiler->scratch, __VA_ARGS__))

/* --- Host and port ---------------------------------------------------------------------------- */

static void find_service(struct resolution *resolution, bool *is_hidden)
{
    struct compiler *compiler = resolution->compiler;
    struct str namespace = resolution->site->namespace;

    resolution->host =
        service_registry_expand(compiler->scratch, resolution->site->destination->host, namespace,
                                compiler->options->domain);
    resolution->service =
        service_registry_find(compiler->registry, resolution->host, namespace, is_hidden);
    /* HT-44: one level only. */
    if (resolution->service != NULL && !str_is_empty(resolution->service->alias)) {
        resolution->alias = resolution->service;
        resolution->host = resolution->alias->alias;
        resolution->service =
            service_registry_find(compiler->registry, resolution->host, namespace, is_hidden);
        if (resolution->service != NULL && !str_is_empty(resolution->service->alias)) {
            resolution->service = NULL;
        }
    }
}

/* HT-41, HT-42 */
static void find_port(struct resolution *resolution)
{
    const struct destination *destination = resolution->site->destination;
    const struct registry_service *service =
        resolution->service != NULL ? resolution->service : resolution->alias;

    if (destination->port.is_set) {
        resolution->port = destination->port.value;
    } else if (service != NULL && service->ports.count == 1) {
        resolution->port = service->ports.items[0].number;
    } else {
        resolution->port = resolution->site->server_port;
        resolution->is_port_guessed = service != NULL;
    }
}

static void say_port_guessed(const struct resolution *resolution)
{
    const struct registry_service *service =
        resolution->service != NULL ? resolution->service : resolution->alias;

    FAIL(resolution, FINDING_DESTINATION_PORT_GUESSED, "port",
         "%.*s has %zu ports and none is named here: the Gateway server's port %u is taken",
         STR_ARG(resolution->host), service->ports.count, resolution->port);
}

/* --- Endpoints -------------------------------------------------------------------------------- */

static enum cluster_kind kind_of(const struct registry_service *service)
{
    if (service->entry == NULL) {
        return CLUSTER_STATIC;
    }
    switch (service->entry->resolution) {
    case RESOLUTION_DNS:
        return CLUSTER_DNS;
    case RESOLUTION_DNS_ROUND_ROBIN:
        return CLUSTER_LOGICAL_DNS;
    case RESOLUTION_NONE:
    case RESOLUTION_STATIC:
    case RESOLUTION_DYNAMIC_DNS:
        break;
    }
    return CLUSTER_STATIC;
}

static int compare_endpoints(const void *a, const void *b)
{
    const struct registry_endpoint *left = a;
    const struct registry_endpoint *right = b;
    int order = str_compare(left->address, right->address);

    return order != 0 ? order : left->port < right->port ? -1 : left->port > right->port;
}

/* False: an address that is none, which a static cluster cannot have. */
static bool make_endpoint(struct compiler *compiler, const struct registry_endpoint *from,
                          enum cluster_kind kind, struct endpoint_config *out)
{
    *out = (struct endpoint_config){
        .port = (uint16_t)from->port,
        .weight = from->weight,
        .is_healthy = from->is_healthy,
    };
    if (address_parse(from->address, (uint16_t)from->port, &out->address)) {
        return true;
    }
    if (kind == CLUSTER_STATIC) {
        return false;
    }
    out->host = compiler_keep(compiler, from->address);
    return true;
}

/* DR-12: the labels of a subset are among the endpoint's; unknown labels meet only an empty list. */
static bool is_in_subset(const struct registry_endpoint *endpoint,
                         const struct merged_subset *subset)
{
    if (subset == NULL || subset->subset->labels.count == 0) {
        return true;
    }
    return endpoint->labels != NULL &&
           service_registry_labels_fit(&subset->subset->labels, endpoint->labels);
}

static void fill_endpoints(struct compiler *compiler, const struct registry_service *service,
                           const struct registry_port *port, const struct merged_subset *subset,
                           struct cluster_config *cluster)
{
    struct registry_endpoints found = { 0 };
    struct endpoint_config *endpoints;

    service_registry_endpoints(compiler->registry, service, port, &found);
    /* A steady order: a reload that changes nothing must not look like a change. */
    if (found.count > 1) {
        qsort(found.items, found.count, sizeof(*found.items), compare_endpoints);
    }
    endpoints = arena_new_array(compiler->arena, struct endpoint_config, found.count);
    for (size_t i = 0; i < found.count; i++) {
        if (is_in_subset(&found.items[i], subset) &&
            make_endpoint(compiler, &found.items[i], cluster->kind,
                          &endpoints[cluster->endpoint_count])) {
            cluster->endpoint_count++;
        }
    }
    cluster->endpoints = endpoints;
    vec_cleanup(&found);
}

/* SV-13, HT-44. P: a name that is no service is resolved, instead of 503. */
static void fill_external_name(struct compiler *compiler, struct str host, uint32_t port,
                               struct cluster_config *cluster)
{
    struct endpoint_config *endpoint = arena_new_object(compiler->arena, struct endpoint_config);
    struct registry_endpoint name = {
        .address = host, .port = port, .weight = 1, .is_healthy = true
    };

    cluster->kind = CLUSTER_DNS;
    (void)make_endpoint(compiler, &name, CLUSTER_DNS, endpoint); /* a name is always taken */
    cluster->endpoints = endpoint;
    cluster->endpoint_count = 1;
}

/* --- Policy ----------------------------------------------------------------------------------- */

/* False: no host can be chosen by it. */
static bool read_balance(const struct load_balancer *balancer, enum cluster_balance *balance)
{
    *balance = BALANCE_LEAST_REQUEST; /* DR-31 */
    if (balancer == NULL || !balancer->has_simple) {
        return true;
    }
    switch (balancer->simple) {
    case LB_ROUND_ROBIN:
        *balance = BALANCE_ROUND_ROBIN;
        return true;
    case LB_RANDOM:
        *balance = BALANCE_RANDOM;
        return true;
    case LB_PASSTHROUGH:
        return false; /* DR-30: a gateway has no original destination */
    case LB_UNSPECIFIED:
    case LB_LEAST_CONN:
    case LB_LEAST_REQUEST:
        break;
    }
    return true;
}

static const char *client_tls_mode_name(enum client_tls_mode mode)
{
    switch (mode) {
    case CLIENT_TLS_SIMPLE:
        return "SIMPLE";
    case CLIENT_TLS_MUTUAL:
        return "MUTUAL";
    case CLIENT_TLS_ISTIO_MUTUAL:
        return "ISTIO_MUTUAL";
    case CLIENT_TLS_DISABLE:
        break;
    }
    return "DISABLE";
}

/* False: plaintext where TLS was asked for would be wrong, so nothing is sent. */
static bool apply_policy(const struct resolution *resolution, const struct merged_rule *rule,
                         const struct merged_subset *subset, struct cluster_config *cluster)
{
    struct compiler *compiler = resolution->compiler;
    struct effective_policy policy = destination_rules_policy(rule, subset, resolution->port);
    struct finding_at at = { .object = policy.owner };

    cluster->connect_timeout_ms = compiler->options->connect_timeout_ms;
    if (policy.tls != NULL && policy.tls->mode != CLIENT_TLS_DISABLE) {
        at.place = policy.tls->place;
        at.field = "spec.trafficPolicy.tls";
        compiler_say(compiler, FINDING_DESTINATION_TLS_NOT_HONOURED, &at,
                     "TLS to destinations (mode %s) is not honoured yet; %.*s port %u gets no "
                     "requests rather than plaintext",
                     client_tls_mode_name(policy.tls->mode), STR_ARG(resolution->host),
                     resolution->port);
        return false;
    }
    if (policy.connection_pool != NULL && policy.connection_pool->tcp != NULL &&
        policy.connection_pool->tcp->connect_timeout.is_set) {
        int64_t ms = policy.connection_pool->tcp->connect_timeout.ms;

        cluster->connect_timeout_ms = ms > 0 && ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    }
    if (!read_balance(policy.load_balancer, &cluster->balance)) {
        at.place = policy.load_balancer->place;
        at.field = "spec.trafficPolicy.loadBalancer.simple";
        compiler_say(compiler, FINDING_POLICY_LOAD_BALANCER, &at,
                     "PASSTHROUGH cannot be used by a gateway: it has no original destination; "
                     "%.*s port %u gets no requests",
                     STR_ARG(resolution->host), resolution->port);
        return false;
    }
    return true;
}

/* --- The cluster ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t hash, uint64_t value)
{
    return (hash ^ value) * UINT64_C(0x100000001b3);
}

static uint64_t mix_str(uint64_t hash, struct str text)
{
    return mix(mix(hash, str_hash(text)), text.len);
}

static uint64_t fingerprint_of(const struct cluster_config *cluster)
{
    uint64_t hash = mix_str(UINT64_C(0xcbf29ce484222325), cluster->name);

    hash = mix_str(hash, cluster->service_host);
    hash = mix_str(hash, cluster->service_name);
    hash = mix_str(hash, cluster->service_namespace);
    hash = mix(hash, cluster->port);
    hash = mix(hash, cluster->kind);
    hash = mix(hash, cluster->balance);
    hash = mix(hash, cluster->connect_timeout_ms);
    for (size_t i = 0; i < cluster->endpoint_count; i++) {
        const struct endpoint_config *endpoint = &cluster->endpoints[i];
        char text[ADDRESS_TEXT_BYTES];

        hash = mix_str(hash, endpoint->host);
        if (endpoint->address.len != 0) {
            hash = mix_str(hash, address_print(&endpoint->address, text));
        }
        hash = mix(hash, endpoint->port);
        hash = mix(hash, endpoint->weight);
        hash = mix(hash, endpoint->is_healthy);
    }
    return hash;
}

static void say_about_protocol(const struct resolution *resolution,
                               const struct registry_port *port)
{
    switch (port->protocol) {
    case PROTOCOL_HTTP2:
    case PROTOCOL_GRPC:
    case PROTOCOL_GRPC_WEB:
        FAIL(resolution, FINDING_HTTP2_NOT_HONOURED, "host",
             "port %u of %.*s speaks HTTP/2, which is not spoken to destinations yet; requests "
             "are sent as HTTP/1.1",
             port->number, STR_ARG(resolution->host));
        break;
    case PROTOCOL_HTTPS:
    case PROTOCOL_TLS:
        FAIL(resolution, FINDING_DESTINATION_TLS_PORT, "host",
             "port %u of %.*s is for TLS, and no DestinationRule asks for it: plaintext is sent "
             "(spec DR-60)",
             port->number, STR_ARG(resolution->host));
        break;
    case PROTOCOL_UNSUPPORTED:
    case PROTOCOL_HTTP:
    case PROTOCOL_TCP:
    case PROTOCOL_MONGO:
    case PROTOCOL_REDIS:
    case PROTOCOL_MYSQL:
    case PROTOCOL_UDP:
    case PROTOCOL_HTTP_PROXY:
        break;
    }
}

static void say_about_endpoints(const struct resolution *resolution,
                                const struct merged_subset *subset,
                                const struct cluster_config *cluster)
{
    size_t healthy_count = 0;

    for (size_t i = 0; i < cluster->endpoint_count; i++) {
        healthy_count += cluster->endpoints[i].is_healthy;
    }
    if (healthy_count == 0) {
        FAIL(resolution, FINDING_DESTINATION_EMPTY, subset != NULL ? "subset" : "host",
             "%.*s port %u%s%.*s has %s", STR_ARG(resolution->host), resolution->port,
             subset != NULL ? " subset " : "",
             STR_ARG(subset != NULL ? subset->subset->name : STR("")),
             cluster->endpoint_count == 0 ? "no endpoint" : "no endpoint that is ready");
    }
}

static const struct cluster_config *keep_cluster(struct compiler *compiler,
                                                 struct cluster_config *cluster)
{
    struct cluster_config *kept = arena_new_object(compiler->arena, struct cluster_config);

    cluster->service_host = compiler_keep(compiler, cluster->service_host);
    cluster->service_name = compiler_keep(compiler, cluster->service_name);
    cluster->service_namespace = compiler_keep(compiler, cluster->service_namespace);
    cluster->fingerprint = fingerprint_of(cluster);
    *kept = *cluster;
    return kept;
}

static const struct cluster_config *make_external(const struct resolution *resolution,
                                                  struct str name)
{
    const struct registry_service *alias = resolution->alias;
    const struct merged_rule *rule = destination_rules_find(
        resolution->compiler->rules, resolution->host, alias->meta->namespace);
    struct cluster_config cluster = {
        .name = name,
        .service_host = resolution->host,
        .service_name = alias->meta->name,
        .service_namespace = alias->meta->namespace,
        .port = (uint16_t)resolution->port,
    };

    if (!str_is_empty(resolution->site->destination->subset)) {
        FAIL(resolution, FINDING_SUBSET_UNKNOWN, "subset",
             "%.*s is an external name, which has no subsets", STR_ARG(resolution->host));
        return NULL;
    }
    if (!apply_policy(resolution, rule, NULL, &cluster)) {
        return NULL;
    }
    FAIL(resolution, FINDING_EXTERNAL_NAME_RESOLVED, "host",
         "Service %.*s leads to %.*s, which is no service here: it is resolved by DNS",
         STR_ARG(alias->host), STR_ARG(resolution->host));
    fill_external_name(resolution->compiler, resolution->host, resolution->port, &cluster);
    return keep_cluster(resolution->compiler, &cluster);
}

static const struct cluster_config *make_cluster(const struct resolution *resolution,
                                                 struct str name)
{
    struct compiler *compiler = resolution->compiler;
    const struct registry_service *service = resolution->service;
    struct str subset_name = resolution->site->destination->subset;
    const struct registry_port *port = service_registry_port(service, resolution->port);
    const struct merged_rule *rule =
        destination_rules_find(compiler->rules, resolution->host, service->meta->namespace);
    const struct merged_subset *subset = NULL;
    struct cluster_config cluster = {
        .name = name,
        .service_host = service->host,
        .service_name = service->entry != NULL ? service->host : service->meta->name,
        .service_namespace = service->meta->namespace,
        .port = (uint16_t)resolution->port,
        .kind = kind_of(service),
    };

    if (port == NULL) {
        FAIL(resolution, FINDING_DESTINATION_PORT_UNKNOWN, "port", "%.*s has no port %u%s",
             STR_ARG(resolution->host), resolution->port,
             resolution->is_port_guessed ? " (none was named; that is the Gateway server's)" : "");
        return NULL;
    }
    if (!str_is_empty(subset_name)) {
        subset = destination_rules_subset(rule, subset_name);
        if (subset == NULL) {
            FAIL(resolution, FINDING_SUBSET_UNKNOWN, "subset",
                 "no DestinationRule that applies to %.*s defines the subset %.*s",
                 STR_ARG(resolution->host), STR_ARG(subset_name));
            return NULL;
        }
    }
    if (!apply_policy(resolution, rule, subset, &cluster)) {
        return NULL;
    }
    say_about_protocol(resolution, port);
    fill_endpoints(compiler, service, port, subset, &cluster);
    say_about_endpoints(resolution, subset, &cluster);
    /* DR-13: a DNS cluster without a name to resolve does not exist. */
    if (cluster.endpoint_count == 0 && cluster.kind != CLUSTER_STATIC) {
        return NULL;
    }
    return keep_cluster(compiler, &cluster);
}

static const struct cluster_config *make_any(const struct resolution *resolution, bool is_hidden,
                                             struct str name)
{
    if (resolution->service != NULL) {
        return make_cluster(resolution, name);
    }
    if (resolution->alias != NULL) {
        return make_external(resolution, name);
    }
    FAIL(resolution, FINDING_DESTINATION_UNKNOWN, "host", "%s %.*s%s",
         is_hidden ? "the service" : "there is no Service or ServiceEntry",
         STR_ARG(resolution->host), is_hidden ? " is not exported to the gateway's namespace" : "");
    return NULL;
}

const struct cluster_config *compile_clusters_get(struct compiler *compiler,
                                                  const struct destination_site *site,
                                                  struct str *name)
{
    struct resolution resolution = { .compiler = compiler, .site = site };
    struct cluster_slot *slot;
    bool is_hidden = false;

    find_service(&resolution, &is_hidden);
    find_port(&resolution);
    if (resolution.is_port_guessed) {
        say_port_guessed(&resolution);
    }
    *name = arena_printf(compiler->scratch, "outbound|%u|%.*s|%.*s", resolution.port,
                         STR_ARG(site->destination->subset), STR_ARG(resolution.host));
    slot = map_get(&compiler->clusters, *name);
    if (slot == NULL || slot->cluster == NULL) {
        /* Nothing is asked for again at each place that names it, so that each place is told. */
        if (slot == NULL) {
            slot = arena_new_object(compiler->scratch, struct cluster_slot);
            slot->name = compiler_keep(compiler, *name);
            (void)map_set(&compiler->clusters, slot->name, slot); /* was absent */
        }
        slot->cluster = make_any(&resolution, is_hidden, slot->name);
    }
    *name = slot->name;
    return slot->cluster;
}

static int compare_clusters(const void *a, const void *b)
{
    const struct cluster_config *const *left = a;
    const struct cluster_config *const *right = b;

    return str_compare((*left)->name, (*right)->name);
}

void compile_clusters_finish(struct compiler *compiler)
{
    struct snapshot *snapshot = compiler->snapshot;
    size_t position = 0;
    void *value;

    snapshot->clusters =
        arena_new_array(compiler->arena, struct cluster_config *, compiler->clusters.count);
    while (map_next(&compiler->clusters, &position, NULL, &value)) {
        const struct cluster_slot *slot = value;

        if (slot->cluster != NULL) {
            memcpy(&snapshot->clusters[snapshot->cluster_count++], &slot->cluster,
                   sizeof(slot->cluster)); /* the list is not const; nobody writes through it */
        }
    }
    if (snapshot->cluster_count > 1) {
        qsort(snapshot->clusters, snapshot->cluster_count, sizeof(*snapshot->clusters),
              compare_clusters);
    }
    map_cleanup(&compiler->clusters);
}
