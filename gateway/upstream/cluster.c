/* cluster: a destination with its endpoints, in one worker. The endpoints follow from the targets
 * (cluster_target.c): cluster_refresh_endpoints() is the one place that adds and retires them. */
#include "gateway/upstream/cluster.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/http/target.h"
#include "gateway/upstream/cluster_set.h"
#include "gateway/upstream/pool.h"

/* Room for the few names of one cluster. */
enum { CLUSTER_ARENA_BYTES = 512 };

static void cluster_free_targets(struct cluster_target *targets, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        cluster_target_cleanup(&targets[i]);
    }
    mem_free(targets);
}

/* The former target of this name. The same name may stand there with several ports: that of the same
 * port comes first, so that its endpoint is kept; else one that has not given its addresses away. */
static struct cluster_target *cluster_find_target(struct cluster_target *targets, size_t count,
                                                  const struct endpoint_config *config)
{
    struct cluster_target *found = NULL;

    for (size_t i = 0; i < count; i++) {
        if (str_is_empty(config->host) || !str_equals(targets[i].host, config->host)) {
            continue;
        }
        if (targets[i].port == config->port && targets[i].address_count > 0) {
            return &targets[i];
        }
        if (found == NULL || found->address_count == 0) {
            found = &targets[i];
        }
    }
    return found;
}

static bool cluster_same_tls(const struct tls_client_context *a, const struct tls_client_context *b)
{
    if (a == NULL || b == NULL) {
        return a == b;
    }
    return a == b || tls_client_context_fingerprint(a) == tls_client_context_fingerprint(b);
}

/* Would a connection made before this configuration be made the same way today? */
static bool cluster_same_settings(const struct cluster *cluster,
                                  const struct cluster_config *config)
{
    return cluster->protocol == config->protocol &&
           cluster->proxy_protocol == config->proxy_protocol &&
           str_equals(cluster->sni, config->sni) && cluster_same_tls(cluster->tls, config->tls) &&
           cluster_same_tls(cluster->tls_h2, config->tls_h2);
}

static void cluster_drop_tls(struct cluster *cluster)
{
    tls_client_context_unref(cluster->tls);
    tls_client_context_unref(cluster->tls_h2);
    cluster->tls = NULL;
    cluster->tls_h2 = NULL;
}

static struct tls_client_context *cluster_ref_tls(struct tls_client_context *context)
{
    return context != NULL ? tls_client_context_ref(context) : NULL;
}

/* How connections are made and how long they are kept. */
static void cluster_take_connection_config(struct cluster *cluster,
                                           const struct cluster_config *config)
{
    if (cluster->settings == 0 || !cluster_same_settings(cluster, config)) {
        cluster->settings++;
    }
    struct tls_client_context *tls = cluster_ref_tls(config->tls);
    struct tls_client_context *tls_h2 = cluster_ref_tls(config->tls_h2);
    cluster_drop_tls(cluster);
    cluster->tls = tls;
    cluster->tls_h2 = tls_h2;
    cluster->protocol = config->protocol;
    cluster->proxy_protocol = config->proxy_protocol;
    cluster->sni = arena_copy_str(cluster->arena, config->sni);
    cluster->connect_timeout_ms = config->connect_timeout_ms != 0
                                      ? config->connect_timeout_ms
                                      : cluster->set->connect_timeout_ms;
    cluster->idle_timeout_ms = config->idle_timeout_ms;
    cluster->tcp_idle_timeout_ms = config->tcp_idle_timeout_ms;
    cluster->max_connection_duration_ms = config->max_connection_duration_ms;
    cluster->max_requests_per_connection = config->max_requests_per_connection;
    cluster->max_concurrent_streams = config->max_concurrent_streams;
    cluster->ping_interval_ms = config->ping_interval_ms;
    cluster->ping_timeout_ms = config->ping_timeout_ms;
}

/* Copies the configuration; the targets of the former one give their addresses away. */
static void cluster_take_config(struct cluster *cluster, const struct cluster_config *config)
{
    struct cluster_target *former = cluster->targets;
    size_t former_count = cluster->target_count;
    struct arena *former_arena = cluster->arena;
    struct arena *arena = arena_new(CLUSTER_ARENA_BYTES);

    cluster->arena = arena;
    cluster->id = ++cluster->set->last_cluster_id;
    cluster->fingerprint = config->fingerprint;
    cluster->service_host = arena_copy_str(arena, config->service_host);
    cluster->service_name = arena_copy_str(arena, config->service_name);
    cluster->service_namespace = arena_copy_str(arena, config->service_namespace);
    cluster->kind = config->kind;
    cluster->balance_kind = config->balance;
    cluster_take_connection_config(cluster, config);
    cluster->target_count = config->endpoint_count;
    cluster->targets = config->endpoint_count > 0
                           ? mem_alloc_array(config->endpoint_count, sizeof(*cluster->targets))
                           : NULL;
    for (size_t i = 0; i < config->endpoint_count; i++) {
        struct endpoint_config endpoint = config->endpoints[i];
        /* A name stands for a look-up only in the DNS kinds. */
        endpoint.host = config->kind == CLUSTER_STATIC ? str_from(NULL, 0)
                                                       : arena_copy_str(arena, endpoint.host);
        cluster_target_init(&cluster->targets[i], cluster, &endpoint,
                            cluster_find_target(former, former_count, &endpoint));
    }
    cluster_free_targets(former, former_count);
    arena_free(former_arena);
}

static void cluster_start(struct cluster *cluster)
{
    cluster_refresh_endpoints(cluster);
    for (size_t i = 0; i < cluster->target_count; i++) {
        cluster_target_start(&cluster->targets[i]);
    }
}

struct cluster *cluster_new(struct cluster_set *set, const struct cluster_config *config)
{
    struct cluster *cluster = mem_new(struct cluster);

    cluster->set = set;
    cluster->ref_count = 1;
    cluster->name = str_from(mem_copy_string(config->name.ptr, config->name.len), config->name.len);
    list_init(&cluster->waiting);
    cluster->connection_series =
        metrics_series(set->metrics, METRIC_CLUSTER_UPSTREAM_CX_ACTIVE, &cluster->name, 1);
    cluster->request_series =
        metrics_series(set->metrics, METRIC_CLUSTER_UPSTREAM_RQ, &cluster->name, 1);
    cluster_take_config(cluster, config);
    cluster_start(cluster);
    return cluster;
}

void cluster_update(struct cluster *cluster, const struct cluster_config *config)
{
    uint64_t settings = cluster->settings;

    cluster_take_config(cluster, config);
    if (cluster->settings != settings) {
        /* Busy ones finish what they carry (pool.c). */
        for (size_t i = 0; i < cluster->endpoints.count; i++) {
            pool_close_idle(cluster->endpoints.items[i]);
        }
    }
    cluster_start(cluster);
}

struct cluster *cluster_ref(struct cluster *cluster)
{
    cluster->ref_count++;
    return cluster;
}

static void cluster_free(struct cluster *cluster)
{
    union {
        const char *read_only;
        char *memory;
    } name = { .read_only = cluster->name.ptr };

    CHECK(cluster->endpoints.count == 0 && list_is_empty(&cluster->waiting));
    list_remove(&cluster->link);
    cluster_free_targets(cluster->targets, cluster->target_count);
    cluster_drop_tls(cluster);
    balance_cleanup(&cluster->balance);
    vec_cleanup(&cluster->endpoints);
    arena_free(cluster->arena);
    mem_free(name.memory);
    mem_free(cluster);
}

void cluster_unref(struct cluster *cluster)
{
    if (cluster != NULL && --cluster->ref_count == 0) {
        cluster_free(cluster);
    }
}

/* Requests that waited for DNS go on; each finds what there is now. */
static void cluster_wake_waiting(struct cluster *cluster)
{
    struct list *first;

    while ((first = list_first(&cluster->waiting)) != NULL) {
        struct cluster_waiter *waiter = list_object(first, struct cluster_waiter, link);
        list_remove(&waiter->link);
        waiter->on_resolved(waiter->owner);
    }
}

static void cluster_drop_endpoints(struct cluster *cluster)
{
    balance_set(&cluster->balance, cluster->balance_kind, NULL, 0);
    for (size_t i = 0; i < cluster->endpoints.count; i++) {
        endpoint_retire(cluster->endpoints.items[i]);
    }
    cluster->endpoints.count = 0;
}

void cluster_retire(struct cluster *cluster)
{
    CHECK(!cluster->is_retired);
    cluster->is_retired = true;
    for (size_t i = 0; i < cluster->target_count; i++) {
        cluster_target_stop(&cluster->targets[i]);
    }
    cluster_drop_endpoints(cluster);
    cluster_wake_waiting(cluster);
    cluster_unref(cluster);
}

/* The endpoint of this address: the one there is, or a new one. NULL: listed twice. */
static struct endpoint *cluster_want_address(struct cluster *cluster, struct map *known,
                                             const struct cluster_target *target,
                                             const struct address *address)
{
    char text[ADDRESS_TEXT_BYTES];
    struct endpoint *endpoint = map_get(known, address_print(address, text));

    if (endpoint == NULL) {
        endpoint = endpoint_new(cluster, address, target->host);
        (void)map_set(known, endpoint->text, endpoint); /* there was none */
    } else if (endpoint->is_wanted) {
        return NULL;
    }
    endpoint->is_wanted = true;
    endpoint->weight = target->weight;
    endpoint->is_healthy = target->is_healthy;
    return endpoint;
}

void cluster_refresh_endpoints(struct cluster *cluster)
{
    struct map known = { 0 };
    struct endpoint **former = cluster->endpoints.items;
    size_t former_count = cluster->endpoints.count;

    if (cluster->is_retired) {
        return;
    }
    for (size_t i = 0; i < former_count; i++) {
        former[i]->is_wanted = false;
        (void)map_set(&known, former[i]->text, former[i]); /* each address once */
    }
    cluster->endpoints.items = NULL;
    cluster->endpoints.count = 0;
    cluster->endpoints.capacity = 0;
    for (size_t i = 0; i < cluster->target_count; i++) {
        const struct cluster_target *target = &cluster->targets[i];
        for (size_t k = 0; k < target->address_count; k++) {
            struct endpoint *endpoint =
                cluster_want_address(cluster, &known, target, &target->addresses[k]);
            if (endpoint != NULL) {
                vec_push(&cluster->endpoints, endpoint);
            }
        }
    }
    balance_set(&cluster->balance, cluster->balance_kind, cluster->endpoints.items,
                cluster->endpoints.count);
    for (size_t i = 0; i < former_count; i++) {
        if (!former[i]->is_wanted) {
            endpoint_retire(former[i]);
        }
    }
    mem_free(former);
    map_cleanup(&known);
    if (cluster_is_resolved(cluster)) {
        cluster_wake_waiting(cluster);
    }
}

bool cluster_is_resolved(const struct cluster *cluster)
{
    if (cluster->balance.count > 0 || cluster->is_retired) {
        return true;
    }
    for (size_t i = 0; i < cluster->target_count; i++) {
        if (!cluster->targets[i].has_answer) {
            return false;
        }
    }
    return true;
}

void cluster_wait(struct cluster *cluster, struct cluster_waiter *waiter)
{
    CHECK(!cluster_is_resolved(cluster));
    list_push_back(&cluster->waiting, &waiter->link);
}

void cluster_wait_cancel(struct cluster_waiter *waiter)
{
    list_remove(&waiter->link);
}

enum http_version cluster_http_version(const struct cluster *cluster,
                                       enum http_version client_version)
{
    switch (cluster->protocol) {
    case CLUSTER_HTTP2:
        return HTTP_VERSION_2;
    case CLUSTER_CLIENT_PROTOCOL:
        return client_version == HTTP_VERSION_2 ? HTTP_VERSION_2 : HTTP_VERSION_1_1;
    case CLUSTER_HTTP1:
        break;
    }
    return HTTP_VERSION_1_1;
}

/* Without what a server name has not: port, brackets, the dot of the root (RFC 6066 3). */
static struct str cluster_name_of_authority(struct str authority)
{
    struct str host = target_authority_host(authority);

    if (host.len > 1 && host.ptr[0] == '[') {
        return str_slice(host, 1, host.len - 2);
    }
    return host.len > 0 && host.ptr[host.len - 1] == '.' ? str_slice(host, 0, host.len - 1) : host;
}

struct str cluster_server_name(const struct cluster *cluster, struct str request_host)
{
    if (cluster->tls == NULL) {
        return str_from(NULL, 0);
    }
    return cluster->sni.len > 0 ? cluster->sni : cluster_name_of_authority(request_host);
}

struct endpoint *cluster_pick_endpoint(struct cluster *cluster, struct endpoint *const *avoid,
                                       size_t avoid_count)
{
    return balance_pick(&cluster->balance, &cluster->set->random, avoid, avoid_count);
}

void cluster_count_connection(struct cluster *cluster, int change)
{
    struct metrics_shard *metrics = cluster->set->metrics;

    if (change > 0) {
        metrics_add(metrics, METRIC_UPSTREAM_CONNECTIONS, 1);
        metrics_add(metrics, METRIC_UPSTREAM_CONNECTIONS_TOTAL, 1);
        metric_series_add(cluster->connection_series, 1);
    } else {
        metrics_sub(metrics, METRIC_UPSTREAM_CONNECTIONS, 1);
        metric_series_sub(cluster->connection_series, 1);
    }
}
