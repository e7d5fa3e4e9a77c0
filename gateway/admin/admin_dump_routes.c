/* admin_dump_routes: the routes section of /config_dump: route tables, virtual hosts and routes in the
 * order of evaluation. Control thread. */
#include "gateway/admin/admin_page.h"

#include <stdio.h>
#include <stdlib.h>

VEC_STRUCT(admin_virtual_hosts, const struct virtual_host *);

/* --- Conditions ------------------------------------------------------------------------------- */

static void admin_dump_routes_put_regex(struct json *json, const char *key, struct str regex)
{
    json_key(json, key);
    json_open_object(json);
    json_put_str(json, "regex", regex);
    json_close_object(json);
}

static void admin_dump_routes_put_uri(struct json *json, const struct pattern *uri)
{
    if (uri == NULL || pattern_kind(uri) == PATTERN_PRESENT) {
        json_put_cstr(json, "prefix", "/");
        return;
    }
    switch (pattern_kind(uri)) {
    case PATTERN_EXACT:
        json_put_str(json, "path", pattern_value(uri));
        break;
    case PATTERN_PREFIX:
        json_put_str(json, "prefix", pattern_value(uri));
        break;
    case PATTERN_REGEX:
        admin_dump_routes_put_regex(json, "safe_regex", pattern_value(uri));
        break;
    case PATTERN_PRESENT:
        break;
    }
}

/* A HeaderMatcher or QueryParameterMatcher. */
static void admin_dump_routes_put_matcher(struct json *json, struct str name,
                                          const struct pattern *pattern, bool is_inverted)
{
    enum pattern_kind kind = pattern != NULL ? pattern_kind(pattern) : PATTERN_PRESENT;

    json_open_object(json);
    json_put_str(json, "name", name);
    if (kind == PATTERN_PRESENT) {
        json_put_bool(json, "present_match", true);
    } else {
        json_key(json, "string_match");
        json_open_object(json);
        if (kind == PATTERN_REGEX) {
            admin_dump_routes_put_regex(json, "safe_regex", pattern_value(pattern));
        } else {
            json_put_str(json, kind == PATTERN_EXACT ? "exact" : "prefix", pattern_value(pattern));
        }
        json_close_object(json);
    }
    if (is_inverted) {
        json_put_bool(json, "invert_match", true);
    }
    json_close_object(json);
}

static void admin_dump_routes_put_match(struct json *json,
                                        const struct route_conditions *conditions)
{
    json_key(json, "match");
    json_open_object(json);
    admin_dump_routes_put_uri(json, conditions->uri);
    json_key(json, "headers");
    json_open_array(json);
    if (conditions->method != NULL) {
        admin_dump_routes_put_matcher(json, STR(":method"), conditions->method, false);
    }
    if (conditions->authority != NULL) {
        admin_dump_routes_put_matcher(json, STR(":authority"), conditions->authority, false);
    }
    if (conditions->scheme != NULL) {
        admin_dump_routes_put_matcher(json, STR(":scheme"), conditions->scheme, false);
    }
    for (size_t i = 0; i < conditions->header_count; i++) {
        const struct route_header_condition *header = &conditions->headers[i];
        admin_dump_routes_put_matcher(json, header->name, header->pattern, header->is_inverted);
    }
    json_close_array(json);
    json_key(json, "query_parameters");
    json_open_array(json);
    for (size_t i = 0; i < conditions->query_count; i++) {
        admin_dump_routes_put_matcher(json, conditions->query[i].name, conditions->query[i].pattern,
                                      false);
    }
    json_close_array(json);
    json_close_object(json);
}

/* --- Actions ---------------------------------------------------------------------------------- */

static void admin_dump_routes_put_forward(struct json *json, const struct route *route)
{
    char timeout[24];

    json_key(json, "route");
    json_open_object(json);
    if (route->destination_count == 1) {
        json_put_str(json, "cluster", route->destinations[0].cluster_name);
    } else {
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
        json_put_u64(json, "total_weight", route->total_weight);
        json_close_object(json);
    }
    (void)snprintf(timeout, sizeof(timeout), "%u.%03us", route->timeout_ms / 1000,
                   route->timeout_ms % 1000); /* fits */
    json_put_cstr(json, "timeout", timeout);
    if (route->rewrite.has_uri) {
        json_put_str(json, "prefix_rewrite", route->rewrite.uri);
    }
    if (route->rewrite.regex != NULL) {
        json_key(json, "regex_rewrite");
        json_open_object(json);
        admin_dump_routes_put_regex(json, "pattern", pattern_value(route->rewrite.regex));
        json_put_str(json, "substitution", route->rewrite.regex_rewrite);
        json_close_object(json);
    }
    json_close_object(json);
}

static void admin_dump_routes_put_if(struct json *json, const char *key, struct str value)
{
    if (value.len != 0) {
        json_put_str(json, key, value);
    }
}

static const char *admin_dump_routes_response_code(unsigned status)
{
    switch (status) {
    case 302:
        return "FOUND";
    case 303:
        return "SEE_OTHER";
    case 307:
        return "TEMPORARY_REDIRECT";
    case 308:
        return "PERMANENT_REDIRECT";
    default:
        return "MOVED_PERMANENTLY";
    }
}

static void admin_dump_routes_put_redirect(struct json *json, const struct route_redirect *redirect)
{
    json_key(json, "redirect");
    json_open_object(json);
    admin_dump_routes_put_if(json, "host_redirect", redirect->authority);
    admin_dump_routes_put_if(json, "path_redirect", redirect->uri);
    admin_dump_routes_put_if(json, "prefix_rewrite", redirect->prefix_rewrite);
    admin_dump_routes_put_if(json, "scheme_redirect", redirect->scheme);
    if (redirect->port != 0) {
        json_put_u64(json, "port_redirect", redirect->port);
    }
    json_put_cstr(json, "response_code", admin_dump_routes_response_code(redirect->status));
    json_close_object(json);
}

static void admin_dump_routes_put_direct(struct json *json, const struct route_direct *direct)
{
    json_key(json, "direct_response");
    json_open_object(json);
    json_put_u64(json, "status", direct->status);
    if (direct->body.len != 0) {
        json_key(json, "body");
        json_open_object(json);
        json_put_str(json, "inline_string", direct->body);
        json_close_object(json);
    }
    json_close_object(json);
}

/* Where Kiali and istioctl look for the object a route comes from. */
static void admin_dump_routes_put_origin(struct json *json, const struct route *route)
{
    struct str name = route->virtual_service;
    struct str namespace_;
    struct text path = { 0 };

    if (!str_split_next(&name, '/', &namespace_) || name.ptr == NULL) {
        return;
    }
    text_printf(&path, "/apis/networking.istio.io/v1/namespaces/%.*s/virtual-service/%.*s",
                STR_ARG(namespace_), STR_ARG(name));
    json_key(json, "metadata");
    json_open_object(json);
    json_key(json, "filter_metadata");
    json_open_object(json);
    json_key(json, "istio");
    json_open_object(json);
    json_put_str(json, "config", text_view(&path));
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    text_cleanup(&path);
}

static void admin_dump_routes_put_route(struct json *json, const struct route *route)
{
    json_open_object(json);
    admin_dump_routes_put_if(json, "name", route->name);
    admin_dump_routes_put_match(json, &route->conditions);
    switch (route->action) {
    case ROUTE_FORWARD:
        admin_dump_routes_put_forward(json, route);
        break;
    case ROUTE_REDIRECT:
        admin_dump_routes_put_redirect(json, &route->redirect);
        break;
    case ROUTE_DIRECT:
        admin_dump_routes_put_direct(json, &route->direct);
        break;
    }
    admin_dump_routes_put_origin(json, route);
    json_close_object(json);
}

/* --- Tables ----------------------------------------------------------------------------------- */

static int admin_dump_routes_compare(const void *a, const void *b)
{
    const struct virtual_host *const *left = a;
    const struct virtual_host *const *right = b;

    return str_compare((*left)->name, (*right)->name);
}

static void admin_dump_routes_collect(const struct map *map, struct admin_virtual_hosts *hosts)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(map, &position, &key, &value)) {
        vec_push(hosts, value);
    }
}

/* "http.80" and "https.443.name.gateway.namespace": the port follows the first dot. */
static struct str admin_dump_routes_port(struct str table_name)
{
    struct str part = { 0 };

    (void)str_split_next(&table_name, '.', &part); /* the scheme */
    part = (struct str){ 0 };
    (void)str_split_next(&table_name, '.', &part); /* empty without one */
    return part;
}

static void admin_dump_routes_put_host(struct json *json, const struct virtual_host *host,
                                       struct str port)
{
    struct text name = { 0 };

    json_open_object(json);
    text_printf(&name, "%.*s:%.*s", STR_ARG(host->name), STR_ARG(port));
    json_put_str(json, "name", text_view(&name));
    json_key(json, "domains");
    json_open_array(json);
    json_str(json, host->name);
    json_close_array(json);
    if (host->requires_tls) {
        json_put_cstr(json, "require_tls", "ALL");
    }
    json_key(json, "routes");
    json_open_array(json);
    for (size_t i = 0; i < host->route_count; i++) {
        admin_dump_routes_put_route(json, host->routes[i]);
    }
    json_close_array(json);
    json_close_object(json);
    text_cleanup(&name);
}

static void admin_dump_routes_put_table(struct json *json, const struct admin_view *view,
                                        const struct route_table *table)
{
    struct admin_virtual_hosts hosts = { 0 };

    admin_dump_routes_collect(&table->hosts.exact, &hosts);
    admin_dump_routes_collect(&table->hosts.wildcard, &hosts);
    if (table->hosts.any != NULL) {
        vec_push(&hosts, table->hosts.any);
    }
    if (hosts.count != 0) {
        qsort(hosts.items, hosts.count, sizeof(*hosts.items), admin_dump_routes_compare);
    }
    json_open_object(json);
    admin_page_put_revision(json, view->reload);
    json_key(json, "route_config");
    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.config.route.v3.RouteConfiguration");
    json_put_str(json, "name", table->name);
    json_key(json, "virtual_hosts");
    json_open_array(json);
    for (size_t i = 0; i < hosts.count; i++) {
        admin_dump_routes_put_host(json, hosts.items[i], admin_dump_routes_port(table->name));
    }
    json_close_array(json);
    json_close_object(json);
    json_close_object(json);
    vec_cleanup(&hosts);
}

void admin_dump_routes(struct json *json, const struct admin_view *view,
                       const struct admin_dump_filter *filter)
{
    const struct snapshot *snapshot = view->snapshot;

    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.admin.v3.RoutesConfigDump");
    json_key(json, "dynamic_route_configs");
    json_open_array(json);
    for (size_t i = 0; i < snapshot->tables.count; i++) {
        if (admin_dump_wants_name(filter, snapshot->tables.items[i]->name)) {
            admin_dump_routes_put_table(json, view, snapshot->tables.items[i]);
        }
    }
    json_close_array(json);
    json_close_object(json);
}
