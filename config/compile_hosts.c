/* compile_hosts: the virtual hosts of a route table (spec 4.5, 4.7, 2.5): which hosts a server and the
 * VirtualServices have in common, and whose routes stand in which order on each. */
#include "config/compiler.h"
#include "gateway/route/route_table.h"

#include <stdlib.h>

/* A virtual host while servers add to it. In scratch memory. */
struct built_host {
    struct str name; /* in the snapshot's arena */
    struct route_list routes;
    struct {
        VEC_FIELDS(const struct route_list *);
    } lists; /* added already: two servers may lead to the same */
    struct {
        VEC_FIELDS(size_t);
    } services; /* beside lists */
    bool requires_tls;
    size_t hidden_count; /* hosts below that hide this one (SN-37) */
    struct str first_hidden;
};

struct host_builder {
    struct compiler *compiler;
    struct route_table *table;
    struct map by_name;
    struct {
        VEC_FIELDS(struct built_host *);
    } hosts;
};

struct host_builder *compile_hosts_begin(struct compiler *compiler, struct str table_name)
{
    struct host_builder *builder = mem_new(struct host_builder);

    builder->compiler = compiler;
    builder->table = arena_new_object(compiler->arena, struct route_table);
    builder->table->name = compiler_keep(compiler, table_name);
    vec_push(&compiler->snapshot->tables, builder->table);
    return builder;
}

/* The Host header has an IPv6 address in brackets. */
static struct str host_key(struct compiler *compiler, struct str name)
{
    if (str_find_char(name, ':') != SIZE_MAX) {
        return arena_printf(compiler->arena, "[%.*s]", STR_ARG(name));
    }
    return compiler_keep(compiler, name);
}

static struct built_host *get_host(struct host_builder *builder, struct str name)
{
    struct built_host *host = map_get(&builder->by_name, name);

    if (host == NULL) {
        host = arena_new_object(builder->compiler->scratch, struct built_host);
        host->name = host_key(builder->compiler, name);
        (void)map_set(&builder->by_name, arena_copy_str(builder->compiler->scratch, name),
                      host); /* was absent */
        vec_push(&builder->hosts, host);
    }
    return host;
}

static void add_list(struct host_builder *builder, struct built_host *host,
                     const struct route_list *list, size_t service)
{
    struct arena *scratch = builder->compiler->scratch;

    for (size_t i = 0; i < host->lists.count; i++) {
        if (host->lists.items[i] == list) {
            return;
        }
    }
    vec_push_in_arena(scratch, &host->lists, list);
    vec_push_in_arena(scratch, &host->services, service);
    for (size_t i = 0; i < list->count; i++) {
        vec_push_in_arena(scratch, &host->routes, list->items[i]);
    }
}

/* --- What a server adds ----------------------------------------------------------------------- */

static int compare_overlaps(const void *a, const void *b)
{
    const struct host_overlap *left = a;
    const struct host_overlap *right = b;

    if (left->value != right->value) {
        return left->value < right->value ? -1 : 1;
    }
    return str_compare(left->host, right->host);
}

void compile_hosts_find_overlaps(const struct compiler *compiler,
                                 const struct gateway_services *services,
                                 const struct server *server, const bool *is_dropped,
                                 struct host_overlaps *out)
{
    size_t kept = 0;

    for (size_t i = 0; i < server->hosts.count; i++) {
        const struct server_host *host = &server->hosts.items[i];
        size_t first = out->count;

        if (is_dropped[i]) {
            continue;
        }
        host_index_find(&services->hosts, host->name, out);
        if (host->namespace.ptr == NULL) {
            continue;
        }
        /* GW-24: only services of that namespace. */
        for (size_t k = first; k < out->count; k++) {
            const struct bound_service *bound = &compiler->services.items[out->items[k].value];

            if (str_equals(bound->object->meta.namespace, host->namespace)) {
                out->items[first++] = out->items[k];
            }
        }
        out->count = first;
    }
    if (out->count > 1) {
        qsort(out->items, out->count, sizeof(*out->items), compare_overlaps);
    }
    for (size_t i = 0; i < out->count; i++) {
        if (kept == 0 || compare_overlaps(&out->items[kept - 1], &out->items[i]) != 0) {
            out->items[kept++] = out->items[i];
        }
    }
    out->count = kept;
}

/* GW-50: hosts that no service claims redirect as well. */
static void add_redirects(struct host_builder *builder, const struct server *server,
                          const bool *is_dropped)
{
    for (size_t i = 0; i < server->hosts.count; i++) {
        if (!is_dropped[i]) {
            get_host(builder, server->hosts.items[i].name)->requires_tls = true; /* GW-55 */
        }
    }
}

void compile_hosts_add_server(struct host_builder *builder, const struct gateway *gateway,
                              const struct server *server, const bool *is_dropped)
{
    struct compiler *compiler = builder->compiler;
    struct route_scope scope = {
        .gateway = arena_printf(compiler->scratch, "%.*s/%.*s", STR_ARG(gateway->meta.namespace),
                                STR_ARG(gateway->meta.name)),
        .namespace = gateway->meta.namespace,
        .port = server->port.number,
        .has_tls = server->tls != NULL,
        .is_grpc = server->port.protocol == PROTOCOL_GRPC,
    };
    const struct gateway_services *services = map_get(&compiler->gateways, scope.gateway);
    bool redirects = server->tls != NULL && server->tls->https_redirect;
    struct host_overlaps overlaps = { 0 };

    if (services != NULL) {
        compile_hosts_find_overlaps(compiler, services, server, is_dropped, &overlaps);
    }
    for (size_t i = 0; i < overlaps.count; i++) {
        size_t service = overlaps.items[i].value;
        const struct route_list *list = compile_routes(compiler, service, &scope);
        struct built_host *host;

        compiler->services.items[service].is_served = true;
        if (list->count == 0) {
            continue; /* SN-64 */
        }
        host = get_host(builder, overlaps.items[i].host);
        host->requires_tls = host->requires_tls || redirects;
        add_list(builder, host, list, service);
    }
    vec_cleanup(&overlaps);
    if (redirects) {
        add_redirects(builder, server, is_dropped);
    }
}

/* --- Findings --------------------------------------------------------------------------------- */

static struct built_host *find_wildcard_above(struct host_builder *builder, struct str name)
{
    char key[HOST_TABLE_NAME_BYTES + 1];
    struct built_host *above = NULL;

    key[0] = '*';
    for (size_t at = name.ptr[0] == '*' ? 2 : 1;
         above == NULL && at < name.len && name.len <= HOST_TABLE_NAME_BYTES; at++) {
        if (name.ptr[at] == '.') {
            memcpy(key + 1, name.ptr + at, name.len - at);
            above = map_get(&builder->by_name, str_from(key, name.len - at + 1));
        }
    }
    if (above == NULL && !str_equals(name, STR("*"))) {
        above = map_get(&builder->by_name, STR("*"));
    }
    return above;
}

static bool has_service(const struct built_host *host, size_t service)
{
    for (size_t i = 0; i < host->services.count; i++) {
        if (host->services.items[i] == service) {
            return true;
        }
    }
    return false;
}

/* SN-37: said once for each wildcard, not for each host below it. */
static void find_hidden(struct host_builder *builder)
{
    for (size_t i = 0; i < builder->hosts.count; i++) {
        const struct built_host *host = builder->hosts.items[i];
        struct built_host *above = find_wildcard_above(builder, host->name);

        if (above != NULL && above->services.count != 0 && host->services.count != 0 &&
            !has_service(host, above->services.items[0])) {
            if (above->hidden_count++ == 0) {
                above->first_hidden = host->name;
            }
        }
    }
    for (size_t i = 0; i < builder->hosts.count; i++) {
        const struct built_host *host = builder->hosts.items[i];
        struct finding_at at = { 0 };

        if (host->hidden_count != 0) {
            at.object = &builder->compiler->services.items[host->services.items[0]].object->meta;
            at.field = "spec.hosts";
            compiler_say(builder->compiler, FINDING_HOST_HIDES_ROUTES, &at,
                         "%zu more special hosts (such as %.*s) hide the routes of %.*s: a path "
                         "they miss is answered 404 (spec SN-37)",
                         host->hidden_count, STR_ARG(host->first_hidden), STR_ARG(host->name));
        }
    }
}

/* --- Finishing -------------------------------------------------------------------------------- */

/* SN-71: catch-alls last, else as they came. */
static void sort_routes(struct arena *arena, struct built_host *built, struct virtual_host *host)
{
    const struct route **sorted = arena_new_array(arena, const struct route *, built->routes.count);
    size_t count = 0;

    for (int is_catch_all = 0; is_catch_all <= 1; is_catch_all++) {
        for (size_t i = 0; i < built->routes.count; i++) {
            const struct route *route = built->routes.items[i];

            if (compile_routes_is_catch_all(route) == (is_catch_all != 0)) {
                sorted[count++] = route;
            }
        }
    }
    if (count != 0) {
        memcpy(built->routes.items, sorted, count * sizeof(*sorted));
    }
    host->routes = sorted;
    host->route_count = count;
}

static void finish_host(struct host_builder *builder, struct built_host *built)
{
    struct arena *arena = builder->compiler->arena;
    struct virtual_host *host = arena_new_object(arena, struct virtual_host);

    host->name = built->name;
    host->requires_tls = built->requires_tls;
    sort_routes(arena, built, host);
    if (built->lists.count > 1) {
        compile_shadow(builder->compiler, &built->routes, built->name);
    }
    route_index_build(arena, host);
    (void)host_table_add(&builder->table->hosts, host->name, host, NULL); /* names are distinct */
}

struct route_table *compile_hosts_finish(struct host_builder *builder)
{
    struct route_table *table = builder->table;

    if (builder->hosts.count == 0) {
        (void)get_host(builder, STR("*")); /* SN-53: everything is 404 */
    }
    for (size_t i = 0; i < builder->hosts.count; i++) {
        finish_host(builder, builder->hosts.items[i]);
    }
    find_hidden(builder);
    map_cleanup(&builder->by_name);
    vec_cleanup(&builder->hosts);
    mem_free(builder);
    return table;
}
