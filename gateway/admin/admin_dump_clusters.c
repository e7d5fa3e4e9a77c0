/* admin_dump_clusters: the clusters and endpoints sections of /config_dump. Control thread. */
#include "gateway/admin/admin_page.h"

#include <stdio.h>

#define TYPE_PREFIX "type.googleapis.com/envoy."

static const char *admin_dump_clusters_type(enum cluster_kind kind)
{
    switch (kind) {
    case CLUSTER_STATIC:
        return "STATIC";
    case CLUSTER_DNS:
        return "STRICT_DNS";
    case CLUSTER_LOGICAL_DNS:
        break;
    }
    return "LOGICAL_DNS";
}

static const char *admin_dump_clusters_policy(enum cluster_balance balance)
{
    switch (balance) {
    case BALANCE_LEAST_REQUEST:
        return "LEAST_REQUEST";
    case BALANCE_ROUND_ROBIN:
        return "ROUND_ROBIN";
    case BALANCE_RANDOM:
        break;
    }
    return "RANDOM";
}

/* In seconds, as JSON of a Duration is. */
static void admin_dump_clusters_put_ms(struct json *json, const char *key, uint32_t ms)
{
    char text[24];

    (void)snprintf(text, sizeof(text), "%u.%03us", ms / 1000, ms % 1000); /* fits */
    json_put_cstr(json, key, text);
}

/* --- Protocol --------------------------------------------------------------------------------- */

static void admin_dump_clusters_put_h2(struct json *json, const struct cluster_config *cluster)
{
    json_key(json, "http2_protocol_options");
    json_open_object(json);
    if (cluster->max_concurrent_streams != 0) {
        json_put_u64(json, "max_concurrent_streams", cluster->max_concurrent_streams);
    }
    if (cluster->ping_interval_ms != 0) {
        json_key(json, "connection_keepalive");
        json_open_object(json);
        admin_dump_clusters_put_ms(json, "interval", cluster->ping_interval_ms);
        admin_dump_clusters_put_ms(json, "timeout", cluster->ping_timeout_ms);
        json_close_object(json);
    }
    json_close_object(json);
}

static void admin_dump_clusters_put_versions(struct json *json,
                                             const struct cluster_config *cluster)
{
    bool is_clients = cluster->protocol == CLUSTER_CLIENT_PROTOCOL;

    json_key(json, is_clients ? "use_downstream_protocol_config" : "explicit_http_config");
    json_open_object(json);
    if (cluster->protocol != CLUSTER_HTTP2) {
        json_key(json, "http_protocol_options");
        json_open_object(json);
        json_close_object(json);
    }
    if (cluster->protocol != CLUSTER_HTTP1) {
        admin_dump_clusters_put_h2(json, cluster);
    }
    json_close_object(json);
}

static void admin_dump_clusters_put_protocol(struct json *json,
                                             const struct cluster_config *cluster)
{
    json_key(json, "typed_extension_protocol_options");
    json_open_object(json);
    json_key(json, "envoy.extensions.upstreams.http.v3.HttpProtocolOptions");
    json_open_object(json);
    json_put_cstr(json, "@type", TYPE_PREFIX "extensions.upstreams.http.v3.HttpProtocolOptions");
    if (cluster->idle_timeout_ms != 0 || cluster->max_requests_per_connection != 0) {
        json_key(json, "common_http_protocol_options");
        json_open_object(json);
        if (cluster->idle_timeout_ms != 0) {
            admin_dump_clusters_put_ms(json, "idle_timeout", cluster->idle_timeout_ms);
        }
        if (cluster->max_requests_per_connection != 0) {
            json_put_u64(json, "max_requests_per_connection", cluster->max_requests_per_connection);
        }
        json_close_object(json);
    }
    admin_dump_clusters_put_versions(json, cluster);
    json_close_object(json);
    json_close_object(json);
}

/* --- Transport -------------------------------------------------------------------------------- */

static void admin_dump_clusters_put_tls(struct json *json, const struct cluster_config *cluster)
{
    json_key(json, "transport_socket");
    json_open_object(json);
    json_put_cstr(json, "name", "envoy.transport_sockets.tls");
    json_key(json, "typed_config");
    json_open_object(json);
    json_put_cstr(json, "@type",
                  TYPE_PREFIX "extensions.transport_sockets.tls.v3.UpstreamTlsContext");
    json_key(json, "common_tls_context");
    json_open_object(json);
    if (tls_client_context_offers_h2(cluster->tls) || cluster->tls_h2 != NULL) { /* DR-62 */
        json_key(json, "alpn_protocols");
        json_open_array(json);
        json_cstr(json, "h2");
        json_close_array(json);
    }
    json_close_object(json);
    if (cluster->sni.len != 0) {
        json_put_str(json, "sni", cluster->sni);
    }
    json_close_object(json);
    json_close_object(json);
}

static void admin_dump_clusters_put_plain(struct json *json)
{
    json_key(json, "transport_socket");
    json_open_object(json);
    json_put_cstr(json, "name", "envoy.transport_sockets.raw_buffer");
    json_close_object(json);
}

/* DR-80: the PROXY header goes before TLS, so its socket is the outer one. */
static void admin_dump_clusters_put_transport(struct json *json,
                                              const struct cluster_config *cluster)
{
    bool has_header = cluster->proxy_protocol != PROXY_PROTOCOL_NONE;

    if (has_header) {
        json_key(json, "transport_socket");
        json_open_object(json);
        json_put_cstr(json, "name", "envoy.transport_sockets.upstream_proxy_protocol");
        json_key(json, "typed_config");
        json_open_object(json);
        json_put_cstr(json, "@type",
                      TYPE_PREFIX "extensions.transport_sockets.proxy_protocol.v3."
                                  "ProxyProtocolUpstreamTransport");
        json_key(json, "config");
        json_open_object(json);
        json_put_cstr(json, "version", cluster->proxy_protocol == PROXY_PROTOCOL_V1 ? "V1" : "V2");
        json_close_object(json);
    }
    if (cluster->tls != NULL) {
        admin_dump_clusters_put_tls(json, cluster);
    } else if (has_header) {
        admin_dump_clusters_put_plain(json);
    }
    if (has_header) {
        json_close_object(json);
        json_close_object(json);
    }
}

/* --- The cluster ------------------------------------------------------------------------------ */

static void admin_dump_clusters_put_metadata(struct json *json,
                                             const struct cluster_config *cluster)
{
    json_key(json, "metadata");
    json_open_object(json);
    json_key(json, "filter_metadata");
    json_open_object(json);
    json_key(json, "istio");
    json_open_object(json);
    json_key(json, "services");
    json_open_array(json);
    json_open_object(json);
    json_put_str(json, "host", cluster->service_host);
    json_put_str(json, "name", cluster->service_name);
    json_put_str(json, "namespace", cluster->service_namespace);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
}

static void admin_dump_clusters_put(struct json *json, const struct admin_view *view,
                                    const struct cluster_config *cluster)
{
    json_open_object(json);
    admin_page_put_revision(json, view->reload);
    json_key(json, "cluster");
    json_open_object(json);
    json_put_cstr(json, "@type", TYPE_PREFIX "config.cluster.v3.Cluster");
    json_put_str(json, "name", cluster->name);
    json_put_cstr(json, "type", admin_dump_clusters_type(cluster->kind));
    json_put_cstr(json, "lb_policy", admin_dump_clusters_policy(cluster->balance));
    admin_dump_clusters_put_ms(json, "connect_timeout", cluster->connect_timeout_ms);
    admin_dump_clusters_put_protocol(json, cluster);
    admin_dump_clusters_put_transport(json, cluster);
    admin_dump_clusters_put_metadata(json, cluster);
    json_close_object(json);
    json_close_object(json);
}

void admin_dump_clusters(struct json *json, const struct admin_view *view,
                         const struct admin_dump_filter *filter)
{
    const struct snapshot *snapshot = view->snapshot;

    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.admin.v3.ClustersConfigDump");
    json_key(json, "dynamic_active_clusters");
    json_open_array(json);
    for (size_t i = 0; i < snapshot->cluster_count; i++) {
        if (admin_dump_wants_name(filter, snapshot->clusters[i]->name)) {
            admin_dump_clusters_put(json, view, snapshot->clusters[i]);
        }
    }
    json_close_array(json);
    json_close_object(json);
}

static void admin_dump_clusters_put_endpoint(struct json *json,
                                             const struct cluster_config *cluster,
                                             const struct endpoint_config *endpoint)
{
    json_open_object(json);
    json_key(json, "endpoint");
    json_open_object(json);
    if (cluster->kind == CLUSTER_STATIC) {
        admin_page_put_address(json, "address", &endpoint->address);
    } else {
        json_key(json, "address");
        json_open_object(json);
        json_key(json, "socket_address");
        json_open_object(json);
        json_put_str(json, "address", endpoint->host);
        json_put_u64(json, "port_value", endpoint->port);
        json_close_object(json);
        json_close_object(json);
    }
    json_close_object(json);
    json_put_cstr(json, "health_status", endpoint->is_healthy ? "HEALTHY" : "UNHEALTHY");
    json_put_u64(json, "load_balancing_weight", endpoint->weight);
    json_close_object(json);
}

static void admin_dump_clusters_put_assignment(struct json *json,
                                               const struct cluster_config *cluster)
{
    json_open_object(json);
    json_key(json, "endpoint_config");
    json_open_object(json);
    json_put_cstr(json, "@type",
                  "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment");
    json_put_str(json, "cluster_name", cluster->name);
    json_key(json, "endpoints");
    json_open_array(json);
    json_open_object(json);
    json_key(json, "lb_endpoints");
    json_open_array(json);
    for (size_t i = 0; i < cluster->endpoint_count; i++) {
        admin_dump_clusters_put_endpoint(json, cluster, &cluster->endpoints[i]);
    }
    json_close_array(json);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
}

void admin_dump_clusters_endpoints(struct json *json, const struct admin_view *view,
                                   const struct admin_dump_filter *filter)
{
    const struct snapshot *snapshot = view->snapshot;

    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.admin.v3.EndpointsConfigDump");
    json_key(json, "dynamic_endpoint_configs");
    json_open_array(json);
    for (size_t i = 0; i < snapshot->cluster_count; i++) {
        if (admin_dump_wants_name(filter, snapshot->clusters[i]->name)) {
            admin_dump_clusters_put_assignment(json, snapshot->clusters[i]);
        }
    }
    json_close_array(json);
    json_close_object(json);
}
