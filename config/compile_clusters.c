/* compile_clusters: destinations to clusters (5.3, sections 7 and 8). A destination that cannot be
 * reached has no cluster: its requests are answered 503 NC, and a finding says why. */
#include "config/compiler.h"
#include "config/port_protocol.h"

#include <stdio.h>
#include <stdlib.h>

/* What a name was found to be; also when it was found to be nothing. */
struct cluster_slot {
    struct str name;
    const struct cluster_config *cluster;
    const struct registry_port *port; /* NULL: not of a service */
    bool checks_asked_name; /* TLS: the certificate must have the host of the request (DR-65) */
    /* Said already, of all the places that name it. */
    bool is_tls_port_told;
    bool is_tls_twice_told;
    bool is_grpc_port_told;
    bool is_name_told;
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
    struct cluster_slot *slot;
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

/* 1 ms at least when it is set to more than nothing; below CLUSTER_IDLE_UNSET. */
static uint32_t ms_of(const struct optional_duration *duration)
{
    if (duration->ms <= 0) {
        return duration->rest_ns != 0 ? 1 : 0;
    }
    return duration->ms < UINT32_MAX ? (uint32_t)duration->ms : UINT32_MAX - 1;
}

/* TT-26, 7.5: the idle timeout of TCP is that of HTTP too where HTTP says nothing. */
static void apply_tcp_settings(const struct tcp_settings *tcp, struct cluster_config *cluster)
{
    if (tcp == NULL) {
        return;
    }
    if (tcp->connect_timeout.is_set) {
        cluster->connect_timeout_ms = ms_of(&tcp->connect_timeout);
    }
    if (tcp->idle_timeout.is_set) {
        cluster->tcp_idle_timeout_ms = ms_of(&tcp->idle_timeout);
        cluster->idle_timeout_ms = cluster->tcp_idle_timeout_ms;
    }
    if (tcp->max_connection_duration.is_set) {
        cluster->max_connection_duration_ms = ms_of(&tcp->max_connection_duration);
    }
}

/* DR-40: 0 is the default of each number. */
static void apply_http_settings(const struct http_settings *http, struct cluster_config *cluster)
{
    if (http == NULL) {
        return;
    }
    if (http->idle_timeout.is_set) {
        cluster->idle_timeout_ms = ms_of(&http->idle_timeout);
    }
    if (http->max_requests_per_connection > 0) {
        cluster->max_requests_per_connection = (uint32_t)http->max_requests_per_connection;
    }
    if (http->max_concurrent_streams > 0) {
        cluster->max_concurrent_streams = (uint32_t)http->max_concurrent_streams;
    }
    if (http->http2_keepalive != NULL) {
        cluster->ping_interval_ms = ms_of(&http->http2_keepalive->interval);
        cluster->ping_timeout_ms = ms_of(&http->http2_keepalive->timeout);
    }
}

/* DR-50: what the port says, unless the DestinationRule knows better. */
static enum cluster_protocol protocol_of(enum port_protocol protocol,
                                         const struct http_settings *http)
{
    if (http != NULL && http->use_client_protocol) {
        return CLUSTER_CLIENT_PROTOCOL;
    }
    if (http != NULL && http->h2_upgrade_policy == H2_UPGRADE_UPGRADE) {
        return CLUSTER_HTTP2;
    }
    return protocol == PROTOCOL_HTTP2 || protocol == PROTOCOL_GRPC || protocol == PROTOCOL_GRPC_WEB
               ? CLUSTER_HTTP2
               : CLUSTER_HTTP1;
}

static enum proxy_protocol_version proxy_version_of(const struct traffic_policy *policy)
{
    if (policy == NULL) {
        return PROXY_PROTOCOL_NONE;
    }
    return policy->proxy_protocol_version == 0 ? PROXY_PROTOCOL_V1 : PROXY_PROTOCOL_V2;
}

/* False: what was asked for cannot be done, and less would be wrong, so nothing is sent. */
static bool apply_policy(const struct resolution *resolution, const struct merged_rule *rule,
                         const struct merged_subset *subset, enum port_protocol protocol,
                         struct cluster_config *cluster)
{
    struct compiler *compiler = resolution->compiler;
    struct effective_policy policy = destination_rules_policy(rule, subset, resolution->port);
    const struct connection_pool *pool = policy.connection_pool;

    cluster->connect_timeout_ms = compiler->options->connect_timeout_ms;
    cluster->tcp_idle_timeout_ms = CLUSTER_IDLE_UNSET;
    if (pool != NULL) {
        apply_tcp_settings(pool->tcp, cluster);
        apply_http_settings(pool->http, cluster);
    }
    cluster->protocol = protocol_of(protocol, pool != NULL ? pool->http : NULL);
    cluster->proxy_protocol = proxy_version_of(policy.proxy_policy);
    if (!read_balance(policy.load_balancer, &cluster->balance)) {
        struct finding_at at = {
            .object = policy.load_balancer_origin.object,
            .place = policy.load_balancer->place,
            .field = destination_rules_field(compiler->scratch, &policy.load_balancer_origin,
                                             "loadBalancer.simple"),
        };

        compiler_say(compiler, FINDING_POLICY_LOAD_BALANCER, &at,
                     "PASSTHROUGH cannot be used by a gateway: it has no original destination; "
                     "%.*s port %u gets no requests",
                     STR_ARG(resolution->host), resolution->port);
        return false;
    }
    return compile_client_tls(compiler, &policy, resolution->service, cluster,
                              &resolution->slot->checks_asked_name);
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

static uint64_t fingerprint_of_tls(const struct tls_client_context *context)
{
    return context != NULL ? tls_client_context_fingerprint(context) : 0;
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
    hash = mix(hash, cluster->protocol);
    hash = mix(hash, cluster->proxy_protocol);
    hash = mix(hash, fingerprint_of_tls(cluster->tls));
    hash = mix(hash, fingerprint_of_tls(cluster->tls_h2));
    hash = mix_str(hash, cluster->sni);
    hash = mix(hash, cluster->idle_timeout_ms);
    hash = mix(hash, cluster->tcp_idle_timeout_ms);
    hash = mix(hash, cluster->max_connection_duration_ms);
    hash = mix(hash, cluster->max_requests_per_connection);
    hash = mix(hash, cluster->max_concurrent_streams);
    hash = mix(hash, cluster->ping_interval_ms);
    hash = mix(hash, cluster->ping_timeout_ms);
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

static bool is_named_like_grpc(const struct registry_port *port)
{
    for (size_t i = 0; i + 4 <= port->name.len; i++) {
        if (str_equals_nocase(str_slice(port->name, i, 4), STR("grpc"))) {
            return true;
        }
    }
    return false;
}

/* DR-51, P: the client's HTTP/2 would be sent on as HTTP/1.1, which no gRPC server takes. */
static void say_about_grpc(const struct resolution *resolution, struct cluster_slot *slot)
{
    if (slot->cluster->protocol != CLUSTER_HTTP1 || slot->is_grpc_port_told ||
        (resolution->site->use != DESTINATION_GRPC && !is_named_like_grpc(slot->port))) {
        return;
    }
    slot->is_grpc_port_told = true;
    FAIL(resolution, FINDING_DESTINATION_GRPC_PORT, "host",
         "port %u of %.*s is not declared as HTTP/2, so requests are sent as HTTP/1.1: gRPC fails "
         "there (spec DR-51)",
         slot->port->number, STR_ARG(resolution->host));
}

/* DR-60. Once for each destination, however many routes lead there. */
static void say_about_tls(const struct resolution *resolution, struct cluster_slot *slot)
{
    if (resolution->site->use == DESTINATION_TLS_BYTES) {
        if (slot->cluster->tls != NULL && !slot->is_tls_twice_told) {
            slot->is_tls_twice_told = true;
            FAIL(resolution, FINDING_DESTINATION_TLS_TWICE, "host",
                 "passed-through connections are TLS already, and a DestinationRule has them "
                 "wrapped in TLS again on the way to port %u of %.*s",
                 resolution->port, STR_ARG(resolution->host));
        }
        return;
    }
    if (slot->cluster->tls == NULL && port_protocol_is_tls(slot->port->protocol) &&
        !slot->is_tls_port_told) {
        slot->is_tls_port_told = true;
        FAIL(resolution, FINDING_DESTINATION_TLS_PORT, "host",
             "port %u of %.*s is for TLS, and no DestinationRule asks for it: plaintext is sent "
             "(spec DR-60)",
             slot->port->number, STR_ARG(resolution->host));
    }
}

/* DR-63, DR-65: bytes name no host, so there is nothing to hold the certificate against. */
static void say_about_name(const struct resolution *resolution, struct cluster_slot *slot)
{
    if (resolution->site->use != DESTINATION_BYTES || !slot->checks_asked_name ||
        slot->is_name_told) {
        return;
    }
    slot->is_name_told = true;
    FAIL(resolution, FINDING_DESTINATION_NAME_UNCHECKED, "host",
         "TLS to port %u of %.*s accepts any certificate of a trusted CA: connections of tcp[] "
         "rules name no host, and the DestinationRule names none to check",
         resolution->port, STR_ARG(resolution->host));
}

static void say_about_use(const struct resolution *resolution, struct cluster_slot *slot)
{
    if (slot->cluster == NULL) {
        return;
    }
    say_about_name(resolution, slot);
    if (slot->port == NULL) {
        return;
    }
    say_about_tls(resolution, slot);
    if (resolution->site->use == DESTINATION_HTTP || resolution->site->use == DESTINATION_GRPC) {
        say_about_grpc(resolution, slot);
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
    cluster->sni = compiler_keep(compiler, cluster->sni);
    cluster->fingerprint = fingerprint_of(cluster);
    *kept = *cluster;
    return kept;
}

static const struct cluster_config *make_external(const struct resolution *resolution,
                                                  struct str name)
{
    const struct registry_service *alias = resolution->alias;
    const struct registry_port *port = service_registry_port(alias, resolution->port);
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
    if (!apply_policy(resolution, rule, NULL, port != NULL ? port->protocol : PROTOCOL_UNSUPPORTED,
                      &cluster)) {
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
    if (!apply_policy(resolution, rule, subset, port->protocol, &cluster)) {
        return NULL;
    }
    fill_endpoints(compiler, service, port, subset, &cluster);
    say_about_endpoints(resolution, subset, &cluster);
    /* DR-13: a DNS cluster without a name to resolve does not exist. */
    if (cluster.endpoint_count == 0 && cluster.kind != CLUSTER_STATIC) {
        compile_client_tls_cleanup(&cluster);
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
        resolution.slot = slot;
        slot->cluster = make_any(&resolution, is_hidden, slot->name);
        slot->port = resolution.service != NULL
                         ? service_registry_port(resolution.service, resolution.port)
                         : NULL;
    }
    say_about_use(&resolution, slot);
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
