/* compile_tcp_routes: where connections go that are bytes to us (spec section 6): the tcp[] rule of a
 * server, and the tls[] rules of a passthrough server, chosen by SNI. The rules come from the same
 * VirtualServices, in the same order and with the same overlap of hosts, as http[] routes. */
#include "config/compiler.h"

/* One rule on its way to a server. */
struct rule_source {
    struct compiler *compiler;
    const struct tcp_scope *scope;
    const struct virtual_service *service;
    const struct l4_route *rule;
    enum destination_use use;
    struct finding_at at; /* "spec.tls[2]" */
};

VEC_STRUCT(service_list, const struct virtual_service *);

/* --- Which VirtualServices -------------------------------------------------------------------- */

/* TT-2, TT-22: those that have a host in common with the server, in the order of SN-70. */
static void find_services(struct compiler *compiler, const struct tcp_scope *scope, bool is_for_tls,
                          struct service_list *out)
{
    const struct object_meta *meta = &scope->gateway->meta;
    struct str key =
        arena_printf(compiler->scratch, "%.*s/%.*s", STR_ARG(meta->namespace), STR_ARG(meta->name));
    const struct gateway_services *services = map_get(&compiler->gateways, key);
    struct host_overlaps overlaps = { 0 };

    if (services == NULL) {
        return;
    }
    compile_hosts_find_overlaps(compiler, services, scope->server, scope->is_dropped, &overlaps);
    for (size_t i = 0; i < overlaps.count; i++) {
        struct bound_service *bound = &compiler->services.items[overlaps.items[i].value];

        bound->is_served = true;
        bound->is_tls_taken = bound->is_tls_taken || is_for_tls;
        bound->is_tcp_taken = bound->is_tcp_taken || !is_for_tls;
        if (i == 0 || overlaps.items[i].value != overlaps.items[i - 1].value) {
            vec_push_in_arena(compiler->scratch, out, bound->object);
        }
    }
    vec_cleanup(&overlaps);
}

/* --- Which matches count ---------------------------------------------------------------------- */

static bool names_gateway(const struct rule_source *source, const struct l4_match *match)
{
    const struct object_meta *meta = &source->scope->gateway->meta;
    struct arena *scratch = source->compiler->scratch;
    struct str own =
        arena_printf(scratch, "%.*s/%.*s", STR_ARG(meta->namespace), STR_ARG(meta->name));

    for (size_t i = 0; i < match->gateways.count; i++) {
        if (str_equals(compile_services_gateway_key(scratch, match->gateways.items[i],
                                                    source->service->meta.namespace),
                       own)) {
            return true;
        }
    }
    return match->gateways.count == 0;
}

/* TT-3, TT-20 */
static bool fits(const struct rule_source *source, const struct l4_match *match)
{
    return (match->port == 0 || match->port == source->scope->server->port.number) &&
           names_gateway(source, match);
}

/* An empty match fits, and so does a rule without one. */
static bool any_match_fits(const struct rule_source *source)
{
    const struct l4_route *rule = source->rule;

    for (size_t i = 0; i < rule->matches.count; i++) {
        if (fits(source, &rule->matches.items[i])) {
            return true;
        }
    }
    return rule->matches.count == 0;
}

/* TT-3, TT-20: nothing else is looked at, which surprises whoever meant it as a barrier. */
static void say_ignored_conditions(const struct rule_source *source, const struct l4_match *match,
                                   size_t index)
{
    const struct {
        bool is_set;
        const char *field;
    } rows[] = {
        { match->destination_subnets.count != 0, "destinationSubnets" },
        { !str_is_empty(match->source_subnet), "sourceSubnet" },
        { match->source_labels.count != 0, "sourceLabels" },
        { !str_is_empty(match->source_namespace), "sourceNamespace" },
    };
    struct finding_at at = source->at;

    at.place = match->place;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].is_set) {
            at.field = arena_printf(source->compiler->scratch, "%s.match[%zu].%s", source->at.field,
                                    index, rows[i].field)
                           .ptr;
            compiler_say(source->compiler, FINDING_L4_CONDITION_IGNORED, &at,
                         "is not looked at by a gateway: the rule applies to every client");
        }
    }
}

/* --- The route -------------------------------------------------------------------------------- */

/* TT-25: of several destinations, those of weight 0 are left out. */
static void read_destinations(const struct rule_source *source, struct tcp_route *route)
{
    struct compiler *compiler = source->compiler;
    const struct l4_route *rule = source->rule;
    bool is_single = rule->routes.count == 1;
    struct route_destination *destinations =
        arena_new_array(compiler->arena, struct route_destination, rule->routes.count);

    for (size_t i = 0; i < rule->routes.count; i++) {
        const struct l4_route_destination *from = &rule->routes.items[i];
        struct route_destination *to = &destinations[route->destination_count];
        struct destination_site site = {
            .destination = &from->destination,
            .namespace = source->service->meta.namespace,
            .server_port = source->scope->server->port.number,
            .use = source->use,
            .at = source->at,
        };

        if (!is_single && from->weight <= 0) {
            continue;
        }
        site.at.place = from->place;
        site.at.field =
            arena_printf(compiler->scratch, "%s.route[%zu].destination", source->at.field, i).ptr;
        to->cluster = compile_clusters_get(compiler, &site, &to->cluster_name);
        to->weight = from->weight > 0 ? (uint32_t)from->weight : 1;
        route->total_weight += to->weight;
        route->destination_count++;
    }
    route->destinations = destinations;
}

static const struct tcp_route *make_route(const struct rule_source *source)
{
    struct compiler *compiler = source->compiler;
    const struct object_meta *meta = &source->service->meta;
    struct tcp_route *route = arena_new_object(compiler->arena, struct tcp_route);

    for (size_t i = 0; i < source->rule->matches.count; i++) {
        if (fits(source, &source->rule->matches.items[i])) {
            say_ignored_conditions(source, &source->rule->matches.items[i], i);
        }
    }
    read_destinations(source, route);
    route->virtual_service =
        arena_printf(compiler->arena, "%.*s/%.*s", STR_ARG(meta->namespace), STR_ARG(meta->name));
    route->file = compiler_keep(compiler, meta->file);
    route->line = source->rule->place.line;
    return route;
}

/* --- No route --------------------------------------------------------------------------------- */

static const struct virtual_service *find_http_only(const struct service_list *services)
{
    for (size_t i = 0; i < services->count; i++) {
        const struct virtual_service *service = services->items[i];

        if (service->http.count != 0 && service->tls.count == 0 && service->tcp.count == 0) {
            return service;
        }
    }
    return NULL;
}

/* TT-6, TT-23. That the routes are there, but of HTTP, is the usual reason. */
static void say_unrouted(struct compiler *compiler, const struct tcp_scope *scope,
                         const struct service_list *services, const char *kind, const char *outcome)
{
    const struct virtual_service *other = find_http_only(services);

    if (other == NULL) {
        compiler_say(compiler, FINDING_SERVER_UNROUTED, &scope->at,
                     "no %s rule of a VirtualService is for this server: %s", kind, outcome);
        return;
    }
    compiler_say(compiler, FINDING_SERVER_UNROUTED, &scope->at,
                 "no %s rule of a VirtualService is for this server: %s; VirtualService "
                 "%.*s/%.*s has http rules only, which such a server does not use",
                 kind, outcome, STR_ARG(other->meta.namespace), STR_ARG(other->meta.name));
}

/* --- tcp[] ------------------------------------------------------------------------------------ */

/* TT-21: one rule serves; a later one that would fit as well is never used there. */
static void say_rule_ignored(const struct rule_source *source, const struct tcp_route *used)
{
    const struct object_meta *gateway = &source->scope->gateway->meta;

    compiler_say(source->compiler, FINDING_TCP_RULE_IGNORED, &source->at,
                 "port %u of Gateway %.*s/%.*s has its rule from VirtualService %.*s (%.*s:%u) and "
                 "takes no other; this one is not used there",
                 source->scope->server->port.number, STR_ARG(gateway->namespace),
                 STR_ARG(gateway->name), STR_ARG(used->virtual_service), STR_ARG(used->file),
                 used->line);
}

const struct tcp_route *compile_tcp_routes_of_server(struct compiler *compiler,
                                                     const struct tcp_scope *scope)
{
    struct service_list services = { 0 };
    const struct tcp_route *route = NULL;

    find_services(compiler, scope, false, &services);
    for (size_t i = 0; i < services.count; i++) {
        struct rule_source source = { .compiler = compiler,
                                      .scope = scope,
                                      .service = services.items[i],
                                      .use = DESTINATION_BYTES };

        source.at.object = &source.service->meta;
        for (size_t k = 0; k < source.service->tcp.count; k++) {
            source.rule = &source.service->tcp.items[k];
            source.at.place = source.rule->place;
            source.at.field = arena_printf(compiler->scratch, "spec.tcp[%zu]", k).ptr;
            if (source.rule->routes.count == 0 || !any_match_fits(&source)) {
                continue;
            }
            if (route != NULL) {
                say_rule_ignored(&source, route);
            } else {
                route = make_route(&source);
            }
        }
    }
    if (route == NULL) {
        say_unrouted(compiler, scope, &services, "tcp",
                     scope->server->tls != NULL ? "its hosts are not served"
                                                : "its port is not opened");
    }
    return route;
}

/* --- tls[] ------------------------------------------------------------------------------------ */

static void say_sni_taken(const struct rule_source *source, size_t match_index, struct str name,
                          const struct sni_claim *holder)
{
    struct finding_at at = source->at;

    at.place = source->rule->matches.items[match_index].place;
    at.field =
        arena_printf(source->compiler->scratch, "%s.match[%zu].sniHosts", at.field, match_index)
            .ptr;
    compiler_say(source->compiler, FINDING_SNI_TAKEN, &at,
                 "%.*s is served by %s %.*s/%.*s (%.*s:%u) on port %u; this match is not served "
                 "there",
                 STR_ARG(name), resource_set_kind_name(holder->object->kind),
                 STR_ARG(holder->object->namespace), STR_ARG(holder->object->name),
                 STR_ARG(holder->object->file), holder->line, source->scope->server->port.number);
}

/* TT-4, TT-8: with one name taken the match is skipped as a whole. The same rule may be met again, by
 * another match or by another server of the port. */
static bool is_taken(const struct rule_source *source, size_t match_index,
                     const struct host_table *claims)
{
    const struct l4_match *match = &source->rule->matches.items[match_index];

    for (size_t i = 0; i < match->sni_hosts.count; i++) {
        const struct sni_claim *holder = host_table_get(claims, match->sni_hosts.items[i]);

        if (holder != NULL && holder->owner != source->rule) {
            say_sni_taken(source, match_index, match->sni_hosts.items[i], holder);
            return true;
        }
    }
    return false;
}

static bool has_any_name(const struct l4_match *match)
{
    for (size_t i = 0; i < match->sni_hosts.count; i++) {
        if (str_equals(match->sni_hosts.items[i], STR("*"))) {
            return true;
        }
    }
    return false;
}

/* SN-3, TT-5: with "*" among them the match is the catch-all, and nothing else; other matches of the rule
 * keep their names, which a less special one of another rule must not get. */
static void claim_match(const struct rule_source *source, const struct l4_match *match,
                        struct host_table *claims, struct str_vec *sni_hosts)
{
    struct compiler *compiler = source->compiler;
    struct sni_claim *claim = arena_new_object(compiler->scratch, struct sni_claim);
    bool is_any = has_any_name(match);

    *claim = (struct sni_claim){ &source->service->meta, source->rule, source->rule->place.line };
    for (size_t i = 0; i < match->sni_hosts.count; i++) {
        struct str name = compiler_keep(compiler, match->sni_hosts.items[i]);

        if (host_table_add(claims, name, claim, NULL) && (!is_any || str_equals(name, STR("*")))) {
            vec_push_in_arena(compiler->arena, sni_hosts, name);
        }
    }
}

/* False: the rule is for other ports or Gateways. */
static bool add_tls_rule(const struct rule_source *source, struct host_table *claims,
                         struct passthrough_rules *out)
{
    struct passthrough_rule rule = { 0 };
    bool is_for_server = false;

    for (size_t i = 0; i < source->rule->matches.count; i++) {
        const struct l4_match *match = &source->rule->matches.items[i];

        if (!fits(source, match)) {
            continue;
        }
        is_for_server = true;
        if (!is_taken(source, i, claims)) {
            claim_match(source, match, claims, &rule.sni_hosts);
        }
    }
    if (rule.sni_hosts.count != 0) {
        rule.route = make_route(source);
        vec_push_in_arena(source->compiler->scratch, out, rule);
    }
    return is_for_server;
}

void compile_tcp_routes_passthrough(struct compiler *compiler, const struct tcp_scope *scope,
                                    struct host_table *claims, struct passthrough_rules *out)
{
    struct service_list services = { 0 };
    bool is_routed = false;

    find_services(compiler, scope, true, &services);
    for (size_t i = 0; i < services.count; i++) {
        struct rule_source source = { .compiler = compiler,
                                      .scope = scope,
                                      .service = services.items[i],
                                      .use = DESTINATION_TLS_BYTES };

        source.at.object = &source.service->meta;
        for (size_t k = 0; k < source.service->tls.count; k++) {
            source.rule = &source.service->tls.items[k];
            source.at.place = source.rule->place;
            source.at.field = arena_printf(compiler->scratch, "spec.tls[%zu]", k).ptr;
            is_routed |= add_tls_rule(&source, claims, out);
        }
    }
    if (!is_routed) {
        say_unrouted(compiler, scope, &services, "tls", "connections for its hosts are closed");
    }
}
