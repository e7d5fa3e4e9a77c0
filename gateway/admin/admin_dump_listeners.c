/* admin_dump_listeners: the listeners section of /config_dump. Control thread. */
#include "gateway/admin/admin_page.h"

#define TYPE_PREFIX "type.googleapis.com/envoy."

/* One HTTP connection manager that names its route table. */
static void admin_dump_listeners_put_filters(struct json *json, struct str table_name)
{
    json_key(json, "filters");
    json_open_array(json);
    json_open_object(json);
    json_put_cstr(json, "name", "envoy.filters.network.http_connection_manager");
    json_key(json, "typed_config");
    json_open_object(json);
    json_put_cstr(json, "@type",
                  TYPE_PREFIX "extensions.filters.network.http_connection_manager.v3."
                              "HttpConnectionManager");
    json_key(json, "rds");
    json_open_object(json);
    json_put_str(json, "route_config_name", table_name);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    json_close_array(json);
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
    json_cstr(json, "http/1.1");
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
    admin_dump_listeners_put_filters(json, server->name);
    if (server->context != NULL) {
        admin_dump_listeners_put_tls(json, server);
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
    if (!listener->is_tls && listener->routes != NULL) {
        json_open_object(json);
        admin_dump_listeners_put_filters(json, listener->routes->name);
        json_close_object(json);
    }
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
