/* compile_listeners: the servers of all selected Gateways, merged by address and port (spec 2.4 with
 * the choices of section 15): a later server that does not go with the earlier ones is left out, a
 * later host that is taken is left out of its server, and each is reported with both places. */
#include "config/compiler.h"

#include "gateway/base/limits.h"

#include <stdio.h>
#include <stdlib.h>

enum server_class { SERVER_PLAIN, SERVER_TLS, SERVER_TCP, SERVER_OPAQUE };

/* A server of a Gateway on its way into a listener. */
struct merged_server {
    const struct gateway *gateway;
    size_t index;
    const struct server *server;
    enum server_class class;
    uint32_t resolved_port;
    struct address address;
    struct str key;
};

struct merged_listener {
    struct merged_server first;
    struct host_table claims;   /* TLS names and redirecting hosts, to struct merged_server */
    struct host_table snis;     /* what is asked for in a ClientHello, to struct sni_claim (TT-8) */
    struct host_builder *hosts; /* plain HTTP */
    const struct tcp_route *tcp;
    struct {
        VEC_FIELDS(struct tls_server *);
    } servers;
    bool is_served; /* has a server that is honoured */
};

struct merge {
    struct compiler *compiler;
    struct map by_key;
    struct {
        VEC_FIELDS(struct merged_listener *);
    } listeners;
};

/* --- Which Gateways --------------------------------------------------------------------------- */

bool compile_listeners_selects(const struct compile_options *options, const struct gateway *gateway)
{
    return !options->has_labels ||
           service_registry_labels_fit(&gateway->selector, &options->labels);
}

static int compare_gateways(const void *a, const void *b)
{
    const struct gateway *const *left = a;
    const struct gateway *const *right = b;

    return resource_set_compare_age(&(*left)->meta, &(*right)->meta);
}

/* --- Address and port ------------------------------------------------------------------------- */

static struct finding_at at_server(struct compiler *compiler, const struct merged_server *merged,
                                   const char *field)
{
    return (struct finding_at){
        .object = &merged->gateway->meta,
        .place = merged->server->place,
        .field = arena_printf(compiler->scratch, "spec.servers[%zu]%s", merged->index, field).ptr,
    };
}

/* GW-10 */
static enum server_class class_of(enum port_protocol protocol)
{
    switch (protocol) {
    case PROTOCOL_HTTP:
    case PROTOCOL_HTTP2:
    case PROTOCOL_GRPC:
    case PROTOCOL_GRPC_WEB:
    case PROTOCOL_HTTP_PROXY:
        return SERVER_PLAIN;
    case PROTOCOL_HTTPS:
    case PROTOCOL_TLS:
        return SERVER_TLS;
    case PROTOCOL_TCP:
    case PROTOCOL_MONGO: /* GW-15: bytes, like the two below */
    case PROTOCOL_REDIS:
    case PROTOCOL_MYSQL:
        return SERVER_TCP;
    case PROTOCOL_UNSUPPORTED:
    case PROTOCOL_UDP:
        break;
    }
    return SERVER_OPAQUE;
}

static bool has_label(const struct str_pair_vec *labels, struct str name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (str_equals(labels->items[i].name, name)) {
            return true;
        }
    }
    return false;
}

/* GW-30: the port that the gateway's own Service sends traffic to. */
static uint32_t resolve_port(const struct compiler *compiler, uint32_t number)
{
    const struct resource_set *resources = compiler->resources;

    for (size_t i = 0;
         compiler->options->has_labels && i < resource_set_count(resources, KIND_SERVICE); i++) {
        const struct service *service = resource_set_service(resources, i);

        if (service->selector.count == 0 ||
            !str_equals(service->meta.namespace, compiler->options->own_namespace) ||
            has_label(&service->meta.labels,
                      STR("experimental.istio.io/disable-gateway-port-translation")) ||
            !service_registry_labels_fit(&service->selector, &compiler->options->labels)) {
            continue;
        }
        for (size_t k = 0; k < service->ports.count; k++) {
            if (service->ports.items[k].port == number) {
                uint32_t target = service->ports.items[k].target_port;

                return target != 0 ? target : number;
            }
        }
    }
    return number;
}

/* The port map of the options has the last word. */
static uint16_t bind_port_of(const struct compiler *compiler, uint32_t gateway_port,
                             uint32_t resolved_port)
{
    for (size_t i = 0; i < compiler->options->port_map.count; i++) {
        if (compiler->options->port_map.items[i].gateway_port == gateway_port) {
            return compiler->options->port_map.items[i].bind_port;
        }
    }
    return (uint16_t)resolved_port;
}

/* False: left out, said why. */
static bool check_port(struct compiler *compiler, const struct merged_server *merged, uint16_t port)
{
    /* Our own pages and what probes and scrapers expect there (15021, 15090, ...). */
    static const uint16_t reserved[] = { 15000, 15020, 15021, 15090 };
    static const uint16_t istio[] = { 15001, 15004, 15006, 15008, 15009, 15053 };
    struct finding_at at = at_server(compiler, merged, ".port.number");

    at.place = merged->server->port.place;
    for (size_t i = 0; i < sizeof(reserved) / sizeof(reserved[0]); i++) {
        if (port == reserved[i]) {
            compiler_say(compiler, FINDING_SERVER_RESERVED_PORT, &at,
                         "port %u is the gateway's own; this server is not served", port);
            return false;
        }
    }
    for (size_t i = 0; i < sizeof(istio) / sizeof(istio[0]); i++) {
        if (port == istio[i]) {
            compiler_say(compiler, FINDING_SERVER_ISTIO_PORT, &at,
                         "port %u is one of Istio's own in a pod with a sidecar", port);
        }
    }
    return true;
}

/* GW-32. A port that the kernel picks is a listener of its own for each gateway port. */
static bool resolve_address(struct compiler *compiler, struct merged_server *merged)
{
    const struct server *server = merged->server;
    struct str bind = str_is_empty(server->bind) ? compiler->options->bind : server->bind;
    char text[ADDRESS_TEXT_BYTES];
    struct str printed;
    uint16_t port;

    merged->resolved_port = resolve_port(compiler, server->port.number);
    port = bind_port_of(compiler, server->port.number, merged->resolved_port);
    if (str_is_empty(bind)) {
        bind = STR("0.0.0.0");
    }
    if (!address_parse(bind, port, &merged->address)) {
        struct finding_at at = at_server(compiler, merged, ".bind");

        compiler_say(compiler, FINDING_SERVER_BIND, &at, "%.*s is no address to bind",
                     STR_ARG(bind));
        return false;
    }
    printed = address_print(&merged->address, text);
    merged->key =
        port != 0 || str_starts_with(bind, STR("unix:"))
            ? compiler_keep(compiler, printed)
            : arena_printf(compiler->arena, "%.*s#%u", STR_ARG(printed), server->port.number);
    return check_port(compiler, merged, port);
}

/* --- Names ------------------------------------------------------------------------------------ */

static struct str bind_suffix(const struct merged_server *merged, char out[ADDRESS_TEXT_BYTES])
{
    if (str_is_empty(merged->server->bind)) {
        return STR("");
    }
    return address_print_host(&merged->address, out);
}

/* GW-33 */
static struct str table_name(struct compiler *compiler, const struct merged_server *merged)
{
    char text[ADDRESS_TEXT_BYTES];
    struct str bind = bind_suffix(merged, text);
    const struct server_port *port = &merged->server->port;
    const char *dot = str_is_empty(bind) ? "" : ".";

    if (merged->class == SERVER_PLAIN) {
        return arena_printf(compiler->arena, "http.%u%s%.*s", merged->resolved_port, dot,
                            STR_ARG(bind));
    }
    return arena_printf(compiler->arena, "https.%u.%.*s.%.*s.%.*s%s%.*s", port->number,
                        STR_ARG(port->name), STR_ARG(merged->gateway->meta.name),
                        STR_ARG(merged->gateway->meta.namespace), dot, STR_ARG(bind));
}

static struct str listener_name(struct compiler *compiler, const struct merged_server *merged)
{
    char text[ADDRESS_TEXT_BYTES];
    struct str host = address_print_host(&merged->address, text);

    return arena_printf(compiler->arena, "%.*s_%u", STR_ARG(host), merged->resolved_port);
}

/* "HTTP", "HTTPS", "GRPC-WEB": as the API spells it. */
static struct str protocol_name(struct compiler *compiler, const struct server *server)
{
    struct str name = compiler_keep(compiler, server->port.protocol_name);
    char *upper = arena_copy_cstr(compiler->arena, name.ptr);

    for (size_t i = 0; i < name.len; i++) {
        if (upper[i] >= 'a' && upper[i] <= 'z') {
            upper[i] = (char)(upper[i] - 'a' + 'A');
        }
    }
    return str_from(upper, name.len);
}

/* --- Merging ---------------------------------------------------------------------------------- */

static void say_conflict(struct compiler *compiler, const struct merged_server *merged,
                         const struct merged_server *first)
{
    struct finding_at at = at_server(compiler, merged, "");

    compiler_say(compiler, FINDING_SERVER_CONFLICT, &at,
                 "conflict with existing server: %.*s on this address and port is %.*s of Gateway "
                 "%.*s/%.*s (%.*s:%u); this server is not served",
                 STR_ARG(merged->server->port.protocol_name),
                 STR_ARG(first->server->port.protocol_name),
                 STR_ARG(first->gateway->meta.namespace), STR_ARG(first->gateway->meta.name),
                 STR_ARG(first->gateway->meta.file), first->server->place.line);
}

/* GW-34, GW-35, GW-40: plain HTTP goes with plain HTTP, TLS with TLS whatever is done with it, nothing
 * else with anything. */
static bool may_merge(const struct merged_server *first, const struct merged_server *later)
{
    return first->class == later->class &&
           (first->class == SERVER_PLAIN || first->class == SERVER_TLS);
}

static void say_host_taken(struct compiler *compiler, const struct merged_server *merged,
                           size_t host_index, const struct object_meta *holder, uint32_t line)
{
    const struct server_host *host = &merged->server->hosts.items[host_index];
    struct finding_at at = at_server(compiler, merged, "");

    at.place = host->place.line != 0 ? host->place : merged->server->place;
    at.field = arena_printf(compiler->scratch, "%s.hosts[%zu]", at.field, host_index).ptr;
    compiler_say(compiler, FINDING_SERVER_HOST_TAKEN, &at,
                 "duplicate host name %.*s: served by %s %.*s/%.*s (%.*s:%u) on the same "
                 "port; left out here",
                 STR_ARG(host->name), resource_set_kind_name(holder->kind),
                 STR_ARG(holder->namespace), STR_ARG(holder->name), STR_ARG(holder->file), line);
}

static bool is_passthrough(const struct merged_server *merged)
{
    return merged->class == SERVER_TLS && merged->server->tls->mode == TLS_MODE_PASSTHROUGH;
}

/* GW-36 to GW-38, P: only the duplicate names go. TT-8: a tls[] rule may have one as well. Returns how
 * many are left. */
static size_t drop_taken_hosts(struct compiler *compiler, struct merged_listener *listener,
                               const struct merged_server *merged, bool *is_dropped)
{
    struct merged_server *holder = arena_new_object(compiler->scratch, struct merged_server);
    bool has_snis = merged->class == SERVER_TLS && !is_passthrough(merged);
    size_t left = 0;

    *holder = *merged;
    for (size_t i = 0; i < merged->server->hosts.count; i++) {
        struct str name = merged->server->hosts.items[i].name;
        const struct sni_claim *claim = has_snis ? host_table_get(&listener->snis, name) : NULL;
        void *value = NULL;

        is_dropped[i] = false;
        if (claim != NULL) {
            say_host_taken(compiler, merged, i, claim->object, claim->line);
            is_dropped[i] = true;
        } else if (merged->server->tls != NULL &&
                   !host_table_add(&listener->claims, name, holder, &value) && value != holder) {
            const struct merged_server *former = value;

            say_host_taken(compiler, merged, i, &former->gateway->meta, former->server->place.line);
            is_dropped[i] = true;
        }
        left += !is_dropped[i];
    }
    return left;
}

static int compare_hosts(const void *a, const void *b)
{
    const struct str *left = a;
    const struct str *right = b;

    return str_compare(*left, *right);
}

/* GW-25, SN-3: with "*" among them the server is the catch-all, and nothing else. */
static void collect_sni_hosts(struct compiler *compiler, const struct merged_server *merged,
                              const bool *is_dropped, struct str_vec *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < merged->server->hosts.count; i++) {
        struct str name = merged->server->hosts.items[i].name;

        if (is_dropped[i]) {
            continue;
        }
        if (str_equals(name, STR("*"))) {
            out->count = 0;
            vec_push_in_arena(compiler->arena, out, STR("*"));
            return;
        }
        vec_push_in_arena(compiler->arena, out, compiler_keep(compiler, name));
    }
    if (out->count > 1) {
        qsort(out->items, out->count, sizeof(*out->items), compare_hosts);
    }
    for (size_t i = 0; i < out->count; i++) {
        if (kept == 0 || !str_equals(out->items[kept - 1], out->items[i])) {
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
}

/* TT-8: tls[] rules of later servers find these taken. */
static void claim_snis(struct compiler *compiler, struct merged_listener *listener,
                       const struct merged_server *merged, const struct str_vec *hosts)
{
    struct sni_claim *claim = arena_new_object(compiler->scratch, struct sni_claim);

    *claim =
        (struct sni_claim){ &merged->gateway->meta, merged->server, merged->server->place.line };
    for (size_t i = 0; i < hosts->count; i++) {
        (void)host_table_add(&listener->snis, hosts->items[i], claim,
                             NULL); /* those that were taken are left out */
    }
}

static struct tls_server *new_tls_server(struct compiler *compiler,
                                         const struct merged_server *merged,
                                         enum tls_server_kind kind)
{
    struct tls_server *server = arena_new_object(compiler->arena, struct tls_server);

    server->kind = kind;
    server->gateway =
        arena_printf(compiler->arena, "%.*s/%.*s", STR_ARG(merged->gateway->meta.namespace),
                     STR_ARG(merged->gateway->meta.name));
    server->file = compiler_keep(compiler, merged->gateway->meta.file);
    server->line = merged->server->place.line;
    return server;
}

static struct tcp_scope tcp_scope_of(struct compiler *compiler, const struct merged_server *merged,
                                     const bool *is_dropped)
{
    return (struct tcp_scope){
        .gateway = merged->gateway,
        .server = merged->server,
        .is_dropped = is_dropped,
        .at = at_server(compiler, merged, ""),
    };
}

static void add_http_routes(struct compiler *compiler, const struct merged_server *merged,
                            const bool *is_dropped, bool is_honoured, struct tls_server *server)
{
    struct host_builder *hosts;

    server->name = table_name(compiler, merged);
    hosts = compile_hosts_begin(compiler, server->name);
    if (is_honoured) {
        compile_hosts_add_server(hosts, merged->gateway, merged->server, is_dropped);
    }
    server->routes = compile_hosts_finish(hosts);
}

/* GW-14: HTTPS that ends here leads to HTTP, TLS that ends here to bytes. */
static void add_terminating_server(struct compiler *compiler, struct merged_listener *listener,
                                   const struct merged_server *merged, const bool *is_dropped)
{
    bool is_http = merged->server->port.protocol == PROTOCOL_HTTPS;
    struct tls_server *server =
        new_tls_server(compiler, merged, is_http ? TLS_SERVER_HTTP : TLS_SERVER_TCP);
    struct tcp_scope scope = tcp_scope_of(compiler, merged, is_dropped);
    bool is_honoured;

    collect_sni_hosts(compiler, merged, is_dropped, &server->hosts);
    claim_snis(compiler, listener, merged, &server->hosts);
    is_honoured = compile_tls(compiler, merged->gateway, merged->index, server);
    listener->is_served = listener->is_served || is_honoured;
    if (is_http) {
        add_http_routes(compiler, merged, is_dropped, is_honoured, server);
    } else if (is_honoured) {
        server->tcp = compile_tcp_routes_of_server(compiler, &scope);
        if (server->tcp == NULL) {
            /* TT-23: its names are nobody's. */
            tls_context_unref(server->context);
            return;
        }
    }
    vec_push_in_arena(compiler->scratch, &listener->servers, server);
}

/* TT-2: its names are those of the rules. TT-6: without a rule the port is open all the same. */
static void add_passthrough_servers(struct compiler *compiler, struct merged_listener *listener,
                                    const struct merged_server *merged, const bool *is_dropped)
{
    struct tcp_scope scope = tcp_scope_of(compiler, merged, is_dropped);
    struct passthrough_rules rules = { 0 };

    listener->is_served = true;
    compile_tcp_routes_passthrough(compiler, &scope, &listener->snis, &rules);
    for (size_t i = 0; i < rules.count; i++) {
        struct tls_server *server = new_tls_server(compiler, merged, TLS_SERVER_PASSTHROUGH);

        server->hosts = rules.items[i].sni_hosts;
        server->tcp = rules.items[i].route;
        vec_push_in_arena(compiler->scratch, &listener->servers, server);
    }
}

/* TT-23: without a rule there is nothing to open. */
static void add_tcp_server(struct compiler *compiler, struct merged_listener *listener,
                           const struct merged_server *merged, const bool *is_dropped)
{
    struct tcp_scope scope = tcp_scope_of(compiler, merged, is_dropped);

    listener->tcp = compile_tcp_routes_of_server(compiler, &scope);
    listener->is_served = listener->tcp != NULL;
}

static void add_plain_server(struct compiler *compiler, struct merged_listener *listener,
                             const struct merged_server *merged, const bool *is_dropped)
{
    if (listener->hosts == NULL) {
        listener->hosts = compile_hosts_begin(compiler, table_name(compiler, merged));
    }
    compile_hosts_add_server(listener->hosts, merged->gateway, merged->server, is_dropped);
    listener->is_served = true;
}

static void say_not_honoured(struct compiler *compiler, const struct merged_server *merged)
{
    struct finding_at at = at_server(compiler, merged, ".port.protocol");

    compiler_say(compiler, FINDING_SERVER_PROTOCOL_NOT_HONOURED, &at,
                 "protocol %.*s is not honoured; this server is not served",
                 STR_ARG(merged->server->port.protocol_name));
}

static void add_to_listener(struct compiler *compiler, struct merged_listener *listener,
                            const struct merged_server *merged)
{
    bool *is_dropped = arena_new_array(compiler->scratch, bool, merged->server->hosts.count);

    if (drop_taken_hosts(compiler, listener, merged, is_dropped) == 0) {
        return; /* each was said */
    }
    switch (merged->class) {
    case SERVER_PLAIN:
        add_plain_server(compiler, listener, merged, is_dropped);
        break;
    case SERVER_TLS:
        if (is_passthrough(merged)) {
            add_passthrough_servers(compiler, listener, merged, is_dropped);
        } else {
            add_terminating_server(compiler, listener, merged, is_dropped);
        }
        break;
    case SERVER_TCP:
        add_tcp_server(compiler, listener, merged, is_dropped);
        break;
    case SERVER_OPAQUE:
        say_not_honoured(compiler, merged);
        break;
    }
}

/* GW-39 cannot happen: port names are unique within a Gateway (GW-5), and the bind is in the name. */
static void merge_server(struct merge *merge, const struct gateway *gateway, size_t index)
{
    struct compiler *compiler = merge->compiler;
    struct merged_server merged = { .gateway = gateway, .index = index };
    struct merged_listener *listener;

    merged.server = &gateway->servers.items[index];
    merged.class = class_of(merged.server->port.protocol);
    if (!resolve_address(compiler, &merged)) {
        return;
    }
    listener = map_get(&merge->by_key, merged.key);
    if (listener == NULL) {
        if (merge->listeners.count == LIMIT_LISTENERS) {
            struct finding_at at = at_server(compiler, &merged, "");

            compiler_say(compiler, FINDING_SERVER_CONFLICT, &at,
                         "more than %u addresses and ports; this server is not served",
                         LIMIT_LISTENERS);
            return;
        }
        listener = arena_new_object(compiler->scratch, struct merged_listener);
        listener->first = merged;
        (void)map_set(&merge->by_key, merged.key, listener); /* was absent */
        vec_push(&merge->listeners, listener);
    } else if (!may_merge(&listener->first, &merged)) {
        say_conflict(compiler, &merged, &listener->first);
        return;
    }
    add_to_listener(compiler, listener, &merged);
}

/* --- The result ------------------------------------------------------------------------------- */

static void finish_listener(struct compiler *compiler, struct merged_listener *merged)
{
    struct snapshot *snapshot = compiler->snapshot;
    struct snapshot_listener *listener = &snapshot->listeners[snapshot->listener_count];

    if (!merged->is_served) {
        return; /* nothing of it is honoured: a port that only refuses is not opened */
    }
    snapshot->listener_count++;
    listener->key = merged->first.key;
    listener->name = listener_name(compiler, &merged->first);
    listener->gateway_port = merged->first.server->port.number;
    listener->address = merged->first.address;
    listener->is_tls = merged->first.class == SERVER_TLS;
    listener->protocol = protocol_name(compiler, merged->first.server);
    listener->tcp = merged->tcp;
    if (merged->hosts != NULL) {
        listener->routes = compile_hosts_finish(merged->hosts);
    }
    listener->servers =
        arena_new_array(compiler->arena, struct tls_server *, merged->servers.count);
    listener->server_count = merged->servers.count;
    for (size_t i = 0; i < merged->servers.count; i++) {
        struct tls_server *server = merged->servers.items[i];

        listener->servers[i] = server;
        for (size_t k = 0; k < server->hosts.count; k++) {
            (void)host_table_add(&listener->sni, server->hosts.items[k], server,
                                 NULL); /* claimed by one server only */
        }
    }
}

static void merge_all(struct merge *merge)
{
    const struct resource_set *resources = merge->compiler->resources;
    size_t count = resource_set_count(resources, KIND_GATEWAY);
    const struct gateway **gateways = mem_alloc_array(count + 1, sizeof(*gateways));
    size_t selected = 0;

    for (size_t i = 0; i < count; i++) {
        const struct gateway *gateway = resource_set_gateway(resources, i);

        if (compile_listeners_selects(merge->compiler->options, gateway)) {
            gateways[selected++] = gateway;
        }
    }
    qsort(gateways, selected, sizeof(*gateways), compare_gateways);
    for (size_t i = 0; i < selected; i++) {
        for (size_t k = 0; k < gateways[i]->servers.count; k++) {
            merge_server(merge, gateways[i], k);
        }
    }
    mem_free(gateways);
}

void compile_listeners(struct compiler *compiler)
{
    struct merge merge = { .compiler = compiler };
    struct snapshot *snapshot = compiler->snapshot;

    merge_all(&merge);
    snapshot->listeners =
        arena_new_array(compiler->arena, struct snapshot_listener, merge.listeners.count);
    for (size_t i = 0; i < merge.listeners.count; i++) {
        finish_listener(compiler, merge.listeners.items[i]);
        host_table_cleanup(&merge.listeners.items[i]->claims);
        host_table_cleanup(&merge.listeners.items[i]->snis);
    }
    vec_cleanup(&merge.listeners);
    map_cleanup(&merge.by_key);
}
