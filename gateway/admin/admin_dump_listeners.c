/* admin_dump_listeners: the listeners section of /config_dump. Control thread. */
#include "gateway/admin/admin_page.h"

#define TYPE_PREFIX "type.googleapis.com/envoy."

/* The one filter of a chain; the caller fills its configuration. */
static void admin_dump_listeners_open_filter(struct json *json, const char *name, const char *type)
{
    json_key(json, "filters");
    json_open_array(json);
    json_open_object(json);
    json_put_cstr(json, "name", name);
    json_key(json, "typed_config");
    json_open_object(json);
    json_put_cstr(json, "@type", type);
}

static void admin_dump_listeners_close_filter(struct json *json)
{
    json_close_object(json);
    json_close_object(json);
    json_close_array(json);
}

/* An HTTP connection manager that names its route table. */
static void admin_dump_listeners_put_http(struct json *json, struct str table_name)
{
    admin_dump_listeners_open_filter(json, "envoy.filters.network.http_connection_manager",
                                     TYPE_PREFIX
                                     "extensions.filters.network.http_connection_manager.v3."
                                     "HttpConnectionManager");
    json_key(json, "rds");
    json_open_object(json);
    json_put_str(json, "route_config_name", table_name);
    json_close_object(json);
    admin_dump_listeners_close_filter(json);
}

static void admin_dump_listeners_put_weighted(struct json *json, const struct tcp_route *route)
{
    json_key(json, "weighted_clusters");
    json_open_object(json);
    json_key(json, "clusters");
    json_open_array(json);
    for (size_t i = 0; i < route->destination_count; i++) {
        json_open_object(json);
        json_put_str(json, "name", route->destinations[i].cluster_name);
        json_put_u64(json, "weight", route->destinations[i].weight);
        json_close_object(json);
    }
    json_close_array(json);
    json_close_object(json);
}

/* A TCP proxy that names its destinations. */
static void admin_dump_listeners_put_tcp(struct json *json, const struct tcp_route *route)
{
    admin_dump_listeners_open_filter(json, "envoy.filters.network.tcp_proxy",
                                     TYPE_PREFIX
                                     "extensions.filters.network.tcp_proxy.v3.TcpProxy");
    if (route->destination_count == 1) {
        json_put_str(json, "cluster", route->destinations[0].cluster_name);
    } else {
        admin_dump_listeners_put_weighted(json, route);
    }
    admin_dump_listeners_close_filter(json);
}

static const char *admin_dump_listeners_version(enum tls_version version)
{
    switch (version) {
    case TLS_VERSION_1_0:
        return "TLSv1_0";
    case TLS_VERSION_1_1:
        return "TLSv1_1";
    case TLS_VERSION_1_2:
        return "TLSv1_2";
    case TLS_VERSION_1_3:
        return "TLSv1_3";
    case TLS_VERSION_AUTO:
        break;
    }
    return "TLS_AUTO";
}

static void admin_dump_listeners_put_list(struct json *json, const char *key, struct str list)
{
    struct str part;

    json_key(json, key);
    json_open_array(json);
    while (list.len != 0 && str_split_next(&list, ':', &part)) {
        json_str(json, part);
    }
    json_close_array(json);
}

static void admin_dump_listeners_put_tls(struct json *json, const struct tls_server *server)
{
    const struct tls_policy *policy = tls_context_policy(server->context);

    json_key(json, "transport_socket");
    json_open_object(json);
    json_put_cstr(json, "name", "envoy.transport_sockets.tls");
    json_key(json, "typed_config");
    json_open_object(json);
    json_put_cstr(json, "@type",
                  TYPE_PREFIX "extensions.transport_sockets.tls.v3.DownstreamTlsContext");
    json_key(json, "common_tls_context");
    json_open_object(json);
    json_key(json, "tls_params");
    json_open_object(json);
    json_put_cstr(json, "tls_minimum_protocol_version",
                  admin_dump_listeners_version(policy->min_version));
    json_put_cstr(json, "tls_maximum_protocol_version",
                  admin_dump_listeners_version(policy->max_version));
    admin_dump_listeners_put_list(json, "cipher_suites", policy->cipher_list);
    admin_dump_listeners_put_list(json, "ecdh_curves", policy->curve_list);
    json_close_object(json);
    json_key(json, "alpn_protocols");
    json_open_array(json);
    if (policy->alpn == TLS_ALPN_HTTP) { /* TL-70, TL-72 */
        json_cstr(json, "h2");
        json_cstr(json, "http/1.1");
    }
    json_close_array(json);
    json_key(json, "tls_certificate_sds_secret_configs");
    json_open_array(json);
    json_open_object(json);
    json_put_str(json, "name", server->credential);
    json_close_object(json);
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
}

static void admin_dump_listeners_put_server(struct json *json, const struct tls_server *server)
{
    json_open_object(json);
    json_key(json, "filter_chain_match");
    json_open_object(json);
    json_key(json, "server_names");
    json_open_array(json);
    for (size_t i = 0; i < server->hosts.count; i++) {
        json_str(json, server->hosts.items[i]);
    }
    json_close_array(json);
    json_close_object(json);
    if (server->kind == TLS_SERVER_HTTP) {
        admin_dump_listeners_put_http(json, server->name);
    } else if (server->tcp != NULL) {
        admin_dump_listeners_put_tcp(json, server->tcp);
    }
    if (server->context != NULL) {
        admin_dump_listeners_put_tls(json, server);
    }
    json_close_object(json);
}

static void admin_dump_listeners_put_plain(struct json *json,
                                           const struct snapshot_listener *listener)
{
    if (listener->is_tls || (listener->routes == NULL && listener->tcp == NULL)) {
        return;
    }
    json_open_object(json);
    if (listener->routes != NULL) {
        admin_dump_listeners_put_http(json, listener->routes->name);
    } else {
        admin_dump_listeners_put_tcp(json, listener->tcp);
    }
    json_close_object(json);
}

static void admin_dump_listeners_put(struct json *json, const struct admin_view *view,
                                     const struct snapshot_listener *listener)
{
    json_open_object(json);
    json_put_str(json, "name", listener->name);
    json_key(json, "active_state");
    json_open_object(json);
    admin_page_put_revision(json, view->reload);
    json_key(json, "listener");
    json_open_object(json);
    json_put_cstr(json, "@type", TYPE_PREFIX "config.listener.v3.Listener");
    json_put_str(json, "name", listener->name);
    admin_page_put_address(json, "address", &listener->address);
    json_put_cstr(json, "traffic_direction", "OUTBOUND");
    json_key(json, "filter_chains");
    json_open_array(json);
    for (size_t i = 0; listener->is_tls && i < listener->server_count; i++) {
        admin_dump_listeners_put_server(json, listener->servers[i]);
    }
    admin_dump_listeners_put_plain(json, listener);
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
}

void admin_dump_listeners(struct json *json, const struct admin_view *view,
                          const struct admin_dump_filter *filter)
{
    const struct snapshot *snapshot = view->snapshot;

    json_open_object(json);
    json_put_cstr(json, "@type", TYPE_PREFIX "admin.v3.ListenersConfigDump");
    admin_page_put_revision(json, view->reload);
    json_key(json, "dynamic_listeners");
    json_open_array(json);
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        if (admin_dump_wants_name(filter, snapshot->listeners[i].name)) {
            admin_dump_listeners_put(json, view, &snapshot->listeners[i]);
        }
    }
    json_close_array(json);
    json_close_object(json);
}
