/* admin_dump_clusters: the clusters and endpoints sections of /config_dump. Control thread. */
#include "gateway/admin/admin_page.h"

#include <stdio.h>

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

static void admin_dump_clusters_put(struct json *json, const struct admin_view *view,
                                    const struct cluster_config *cluster)
{
    char timeout[24];

    json_open_object(json);
    admin_page_put_revision(json, view->reload);
    json_key(json, "cluster");
    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.config.cluster.v3.Cluster");
    json_put_str(json, "name", cluster->name);
    json_put_cstr(json, "type", admin_dump_clusters_type(cluster->kind));
    json_put_cstr(json, "lb_policy", admin_dump_clusters_policy(cluster->balance));
    (void)snprintf(timeout, sizeof(timeout), "%u.%03us", cluster->connect_timeout_ms / 1000,
                   cluster->connect_timeout_ms % 1000); /* fits */
    json_put_cstr(json, "connect_timeout", timeout);
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
