/* compile_routes: the routes of one VirtualService for one server (spec 4.6, 5.3 to 5.8). */
#include "config/compiler.h"

/* One entry on its way to a route. */
struct route_source {
    struct compiler *compiler;
    const struct route_scope *scope;
    const struct bound_service *service;
    const struct http_entry *entry;
    const struct http_match *match; /* NULL: none */
    struct finding_at at;           /* the entry: "spec.http[3]" */
};

/* --- Which matches count (SN-62) -------------------------------------------------------------- */

static bool fits_scope(const struct route_source *source)
{
    const struct http_match *match = source->match;
    const struct compile_options *options = source->compiler->options;

    if (match == NULL) {
        return true;
    }
    if (match->port != 0 && match->port != source->scope->port) {
        return false;
    }
    if (match->gateways.count != 0) {
        for (size_t i = 0; i < match->gateways.count; i++) {
            if (str_equals(compile_services_gateway_key(source->compiler->scratch,
                                                        match->gateways.items[i],
                                                        source->entry->namespace),
                           source->scope->gateway)) {
                return true;
            }
        }
        return false;
    }
    if (!str_is_empty(match->source_namespace) &&
        !str_equals(match->source_namespace, source->scope->namespace)) {
        return false;
    }
    return match->source_labels.count == 0 ||
           service_registry_labels_fit(&match->source_labels, &options->labels);
}

bool compile_routes_is_catch_all(const struct route *route)
{
    const struct route_conditions *conditions = &route->conditions;
    const struct pattern *uri = conditions->uri;

    if (conditions->header_count != 0 || conditions->query_count != 0 ||
        conditions->method != NULL || conditions->scheme != NULL || conditions->authority != NULL) {
        return false;
    }
    return uri == NULL ||
           (pattern_kind(uri) == PATTERN_PREFIX && str_equals(pattern_value(uri), STR("/"))) ||
           (pattern_kind(uri) == PATTERN_REGEX && str_equals(pattern_value(uri), STR(".*")));
}

/* --- Actions ---------------------------------------------------------------------------------- */

/* A host as it stands, not as a format: "%" is only a percent sign in it. */
static struct str escape_percent(struct compiler *compiler, struct str text)
{
    struct text out = { 0 };
    struct str escaped;

    if (str_find_char(text, '%') == SIZE_MAX) {
        return text;
    }
    for (size_t i = 0; i < text.len; i++) {
        text_add_char(&out, text.ptr[i]);
        if (text.ptr[i] == '%') {
            text_add_char(&out, '%');
        }
    }
    escaped = arena_copy_str(compiler->scratch, text_view(&out));
    text_cleanup(&out);
    return escaped;
}

/* HT-84. */
static bool read_authority(struct route_source *source, struct route *route)
{
    const struct http_route *from = source->entry->route;
    struct str authority = STR("");

    if (from->rewrite != NULL && !str_is_empty(from->rewrite->authority)) {
        authority = escape_percent(source->compiler, from->rewrite->authority);
    }
    if (str_is_empty(authority)) {
        authority = compile_headers_authority(from->headers);
    }
    if (str_is_empty(authority) && from->routes.count == 1) {
        authority = compile_headers_authority(from->routes.items[0].headers);
    }
    if (str_is_empty(authority)) {
        return true;
    }
    route->authority = compile_headers_format(source->compiler, authority, &source->at);
    return route->authority != NULL;
}

static bool read_rewrite(struct route_source *source, struct route *route)
{
    const struct http_rewrite *rewrite = source->entry->route->rewrite;
    struct finding_at at = source->at;
    struct err err = { 0 };

    if (rewrite == NULL) {
        return true;
    }
    if (!str_is_empty(rewrite->uri)) { /* HT-73 */
        route->rewrite.has_uri = true;
        route->rewrite.uri = compiler_keep(source->compiler, rewrite->uri);
    }
    if (rewrite->uri_regex_rewrite == NULL) {
        return true;
    }
    route->rewrite.regex_rewrite =
        compiler_keep(source->compiler, rewrite->uri_regex_rewrite->rewrite);
    route->rewrite.regex =
        pattern_new_search(source->compiler->arena, rewrite->uri_regex_rewrite->match, &err);
    if (route->rewrite.regex != NULL) {
        vec_push(&source->compiler->snapshot->patterns, route->rewrite.regex);
    }
    if (route->rewrite.regex == NULL ||
        !pattern_check_rewrite(route->rewrite.regex, route->rewrite.regex_rewrite, &err)) {
        at.place = rewrite->place;
        at.field =
            arena_printf(source->compiler->scratch, "%s.rewrite.uriRegexRewrite", at.field).ptr;
        compiler_say(source->compiler, FINDING_ROUTE_REFUSED, &at,
                     "%s; the whole object is refused", err.text);
        return false;
    }
    return true;
}

static bool refuse_redirect_code(struct route_source *source, const struct http_redirect *redirect)
{
    struct finding_at at = source->at;

    switch (redirect->redirect_code) {
    case 0:
    case 301:
    case 302:
    case 303:
    case 307:
    case 308:
        return false;
    default:
        break;
    }
    at.place = redirect->place;
    at.field = arena_printf(source->compiler->scratch, "%s.redirect.redirectCode", at.field).ptr;
    compiler_say(source->compiler, FINDING_ROUTE_REFUSED, &at,
                 "%u is none of 301, 302, 303, 307, 308; the whole object is refused (spec HT-51)",
                 redirect->redirect_code);
    return true;
}

static bool read_redirect(struct route_source *source, struct route *route)
{
    const struct http_redirect *from = source->entry->route->redirect;
    struct compiler *compiler = source->compiler;
    struct str slash;

    if (refuse_redirect_code(source, from)) {
        return false;
    }
    /* HT-56: a path begins with a slash. */
    slash = !str_is_empty(from->uri) && from->uri.ptr[0] != '/' ? STR("/") : STR("");
    route->action = ROUTE_REDIRECT;
    route->redirect = (struct route_redirect){
        .status = from->redirect_code != 0 ? from->redirect_code : 301,
        .uri = str_is_empty(from->uri)
                   ? STR("")
                   : arena_printf(compiler->arena, "%.*s%.*s", STR_ARG(slash), STR_ARG(from->uri)),
        .prefix_rewrite = compiler_keep(compiler, from->prefix_rewrite),
        .authority = compiler_keep(compiler, from->authority),
        .scheme = compiler_keep(compiler, from->scheme),
        .is_server_tls = source->scope->has_tls,
    };
    if (from->port.is_set) {
        route->redirect.port = (uint16_t)from->port.value;
    } else if (from->has_derive_port && from->derive_port == DERIVE_PORT_FROM_REQUEST_PORT) {
        route->redirect.port = (uint16_t)source->scope->port; /* HT-55 */
    }
    return true;
}

/* --- Destinations ----------------------------------------------------------------------------- */

static bool read_destination(struct route_source *source, size_t index, bool is_single,
                             struct route_destination *out)
{
    struct compiler *compiler = source->compiler;
    const struct http_route_destination *from = &source->entry->route->routes.items[index];
    struct destination_site site = {
        .destination = &from->destination,
        .namespace = source->entry->namespace,
        .server_port = source->scope->port,
        .use = source->scope->is_grpc ? DESTINATION_GRPC : DESTINATION_HTTP,
        .at = source->at,
    };
    struct finding_at at = source->at;
    struct str authority;
    struct str name;

    at.place = from->place;
    at.field = arena_printf(compiler->scratch, "%s.route[%zu]", source->at.field, index).ptr;
    site.at.field = arena_printf(compiler->scratch, "%s.destination", at.field).ptr;
    out->cluster = compile_clusters_get(compiler, &site, &name);
    out->cluster_name = name;
    out->weight = from->weight > 0 ? (uint32_t)from->weight : 1;
    if (from->headers == NULL) {
        return true;
    }
    authority = compile_headers_authority(from->headers);
    if (!is_single && !str_is_empty(authority)) {
        out->authority = compile_headers_format(compiler, authority, &at);
        if (out->authority == NULL) {
            return false;
        }
    }
    return compile_headers(compiler, from->headers->request, true, &at, &out->request_ops) &&
           compile_headers(compiler, from->headers->response, false, &at, &out->response_ops);
}

/* HT-40: of several, those of weight 0 are left out. */
static bool read_destinations(struct route_source *source, struct route *route)
{
    const struct http_route *from = source->entry->route;
    bool is_single = from->routes.count == 1;
    struct route_destination *destinations =
        arena_new_array(source->compiler->arena, struct route_destination, from->routes.count);

    for (size_t i = 0; i < from->routes.count; i++) {
        if (!is_single && from->routes.items[i].weight <= 0) {
            continue;
        }
        if (!read_destination(source, i, is_single, &destinations[route->destination_count])) {
            return false;
        }
        route->total_weight += destinations[route->destination_count].weight;
        route->destination_count++;
    }
    route->action = ROUTE_FORWARD;
    route->destinations = destinations;
    route->is_destination_first = !is_single; /* HT-86 */
    return true;
}

/* --- The route -------------------------------------------------------------------------------- */

static bool read_action(struct route_source *source, struct route *route)
{
    const struct http_route *from = source->entry->route;

    if (from->redirect != NULL) {
        return read_redirect(source, route);
    }
    if (from->direct_response != NULL) {
        route->action = ROUTE_DIRECT;
        route->direct.status = from->direct_response->status;
        route->direct.body = compiler_keep(source->compiler, from->direct_response->body);
        return true;
    }
    return read_destinations(source, route) && read_rewrite(source, route) &&
           read_authority(source, route);
}

static bool read_header_rules(struct route_source *source, struct route *route)
{
    const struct header_rules *rules = source->entry->route->headers;

    return rules == NULL || (compile_headers(source->compiler, rules->request, true, &source->at,
                                             &route->request_ops) &&
                             compile_headers(source->compiler, rules->response, false, &source->at,
                                             &route->response_ops));
}

static void describe(struct route_source *source, struct route *route)
{
    struct compiler *compiler = source->compiler;
    const struct http_route *from = source->entry->route;
    const struct object_meta *service = &source->service->object->meta;
    struct str match_name = source->match != NULL ? source->match->name : STR("");

    route->name = compiler_keep(compiler, from->name);
    if (!str_is_empty(match_name)) {
        route->name =
            arena_printf(compiler->arena, "%.*s.%.*s", STR_ARG(from->name), STR_ARG(match_name));
    }
    route->virtual_service = arena_printf(compiler->arena, "%.*s/%.*s", STR_ARG(service->namespace),
                                          STR_ARG(service->name));
    route->file = compiler_keep(compiler, source->entry->owner->file);
    route->line = source->match != NULL && source->match->place.line != 0
                      ? source->match->place.line
                      : from->place.line;
    if (from->timeout.is_set) {
        int64_t ms = from->timeout.ms;

        route->timeout_ms = ms > 0 && ms < UINT32_MAX ? (uint32_t)ms : UINT32_MAX;
    }
}

/* NULL: refused, said why. */
static const struct route *make_route(struct route_source *source, size_t match_index)
{
    struct route *route = arena_new_object(source->compiler->arena, struct route);
    struct finding_at at = source->at;

    if (source->match != NULL) {
        at.place = source->match->place;
        at.field =
            arena_printf(source->compiler->scratch, "%s.match[%zu]", at.field, match_index).ptr;
    }
    if (!compile_conditions(source->compiler, source->match, &at, &route->conditions) ||
        !read_action(source, route) || !read_header_rules(source, route)) {
        return NULL;
    }
    describe(source, route);
    return route;
}

/* False: refused. `*is_over` once a catch-all is reached (SN-61). */
static bool add_entry(struct route_source *source, struct route_list *out, bool *is_over)
{
    const struct http_match_vec *matches = &source->entry->route->matches;
    size_t count = matches->count != 0 ? matches->count : 1;

    for (size_t i = 0; i < count && !*is_over; i++) {
        const struct route *route;

        source->match = matches->count != 0 ? &matches->items[i] : NULL;
        if (!fits_scope(source)) {
            continue;
        }
        route = make_route(source, i);
        if (route == NULL) {
            return false;
        }
        vec_push_in_arena(source->compiler->scratch, out, route);
        *is_over = compile_routes_is_catch_all(route);
    }
    return true;
}

static void make_list(struct compiler *compiler, struct bound_service *service,
                      const struct route_scope *scope, struct route_list *out)
{
    bool is_over = false;

    for (size_t i = 0; i < service->http.count && !is_over; i++) {
        const struct http_entry *entry = &service->http.items[i];
        struct route_source source = {
            .compiler = compiler, .scope = scope, .service = service, .entry = entry
        };

        source.at.object = entry->owner;
        source.at.place = entry->route->place;
        source.at.field = arena_printf(compiler->scratch, "spec.http[%zu]", entry->index).ptr;
        if (!add_entry(&source, out, &is_over)) {
            service->is_refused = true;
            out->count = 0;
            return;
        }
    }
}

const struct route_list *compile_routes(struct compiler *compiler, size_t service_index,
                                        const struct route_scope *scope)
{
    struct bound_service *service = &compiler->services.items[service_index];
    struct str key = arena_printf(compiler->scratch, "%zu %u %d%d %.*s", service_index, scope->port,
                                  scope->has_tls, scope->is_grpc, STR_ARG(scope->gateway));
    struct route_list *list = map_get(&compiler->route_lists, key);

    if (list == NULL) {
        list = arena_new_object(compiler->scratch, struct route_list);
        (void)map_set(&compiler->route_lists, key, list); /* was absent */
        if (!service->is_refused) {
            make_list(compiler, service, scope, list);
            compile_shadow(compiler, list, STR(""));
        }
    }
    return list;
}
