/* compile: the whole, from resources and secrets to a snapshot. Control thread; linear in what there
 * is to compile. The parts:
 *
 *   compile_services    which VirtualServices the gateway sees, and by which Gateway
 *   compile_listeners   servers of the selected Gateways, merged by address and port
 *   compile_tls         policy, secret and context of a server
 *   compile_hosts       the virtual hosts of a route table
 *   compile_shadow      routes that cannot be reached
 *   compile_routes      the routes of a VirtualService; conditions and headers in files of their own
 *   compile_tcp_routes  where connections go that are bytes to us
 *   compile_clusters    destinations
 *   compile_client_tls  TLS towards them
 * Before it, compile_want_secrets() tells the store what to read.
 */
#include "config/compile.h"

#include "config/compiler.h"

void compiler_say(struct compiler *compiler, enum finding_code code, const struct finding_at *at,
                  const char *format, ...)
{
    va_list args;
    struct str message;
    struct str key;

    va_start(args, format);
    message = arena_vprintf(compiler->scratch, format, args);
    va_end(args);
    key = arena_printf(compiler->scratch, "%d %p %u:%u %s %.*s", (int)code,
                       (const void *)at->object, at->place.line, at->place.column,
                       at->field != NULL ? at->field : "", STR_ARG(message));
    if (map_set(&compiler->said, key, compiler) == NULL) {
        report_add(compiler->report, code, at, "%.*s", STR_ARG(message));
    }
}

struct str compiler_keep(struct compiler *compiler, struct str view)
{
    return arena_copy_str(compiler->arena, view);
}

/* A Gateway of ours that the service names, or NULL. */
static const struct object_meta *find_own_gateway(struct compiler *compiler,
                                                  const struct virtual_service *service)
{
    for (size_t i = 0; i < service->gateways.count; i++) {
        struct str key = compile_services_gateway_key(compiler->scratch, service->gateways.items[i],
                                                      service->meta.namespace);
        size_t slash = str_find_char(key, '/');
        const struct object_meta *meta =
            slash == SIZE_MAX
                ? NULL
                : resource_set_find(compiler->resources, KIND_GATEWAY, str_slice(key, 0, slash),
                                    str_skip(key, slash + 1));

        if (meta != NULL && compile_listeners_selects(compiler->options,
                                                      (const struct gateway *)(const void *)meta)) {
            return meta;
        }
    }
    return NULL;
}

/* SN-51, last row: bound, but to no server that has one of its hosts. */
static void find_unserved(struct compiler *compiler)
{
    for (size_t i = 0; i < compiler->services.count; i++) {
        const struct bound_service *bound = &compiler->services.items[i];
        const struct object_meta *gateway =
            bound->is_served ? NULL : find_own_gateway(compiler, bound->object);
        struct finding_at at = { .object = &bound->object->meta, .field = "spec.hosts" };

        if (gateway != NULL) {
            compiler_say(compiler, FINDING_VIRTUAL_SERVICE_HOST_UNSERVED, &at,
                         "no server in force of Gateway %.*s/%.*s or another it names has one of "
                         "its hosts (such as %.*s)",
                         STR_ARG(gateway->namespace), STR_ARG(gateway->name),
                         STR_ARG(bound->hosts.items[0]));
        }
    }
}

/* Rules for sidecars only are none of ours. */
static bool is_for_gateway(const struct l4_route *rule)
{
    for (size_t i = 0; i < rule->matches.count; i++) {
        const struct str_vec *gateways = &rule->matches.items[i].gateways;

        if (gateways->count == 0) {
            return true;
        }
        for (size_t k = 0; k < gateways->count; k++) {
            if (!str_equals(gateways->items[k], STR("mesh"))) {
                return true;
            }
        }
    }
    return rule->matches.count == 0;
}

static void say_rules_unused(struct compiler *compiler, const struct bound_service *bound,
                             const struct l4_route_vec *rules, const char *kind, const char *wanted)
{
    for (size_t i = 0; i < rules->count; i++) {
        struct finding_at at = {
            .object = &bound->object->meta,
            .place = rules->items[i].place,
            .field = arena_printf(compiler->scratch, "spec.%s[%zu]", kind, i).ptr,
        };

        if (is_for_gateway(&rules->items[i])) {
            compiler_say(compiler, FINDING_L4_RULES_UNUSED, &at,
                         "is not used: of the servers with a host of this VirtualService, none "
                         "%s (spec GW-14)",
                         wanted);
            return; /* the others are not either */
        }
    }
}

/* GW-14: what a server does decides which of the three lists it looks at. */
static void find_unused_rules(struct compiler *compiler)
{
    for (size_t i = 0; i < compiler->services.count; i++) {
        const struct bound_service *bound = &compiler->services.items[i];

        if (bound->is_served && !bound->is_tls_taken) {
            say_rules_unused(compiler, bound, &bound->object->tls, "tls",
                             "passes TLS through (tls.mode PASSTHROUGH)");
        }
        if (bound->is_served && !bound->is_tcp_taken) {
            say_rules_unused(compiler, bound, &bound->object->tcp, "tcp",
                             "is of protocol TCP, or of protocol TLS and ends it");
        }
    }
}

struct snapshot *compile_snapshot(const struct compile_options *options,
                                  const struct resource_set *resources,
                                  const struct secret_store *store,
                                  struct tls_context_cache *contexts,
                                  struct tls_client_context_cache *client_contexts,
                                  struct report *report)
{
    struct snapshot *snapshot = snapshot_new();
    struct compiler compiler = {
        .options = options,
        .resources = resources,
        .store = store,
        .contexts = contexts,
        .client_contexts = client_contexts,
        .report = report,
        .snapshot = snapshot,
        .arena = snapshot->arena,
        .scratch = arena_new(64 * 1024),
    };

    compiler.registry = service_registry_new(resources, options->domain, options->own_namespace);
    compiler.rules = destination_rules_new(options, resources);
    compile_services(&compiler);
    compile_listeners(&compiler);
    compile_clusters_finish(&compiler);
    find_unserved(&compiler);
    find_unused_rules(&compiler);

    compile_services_cleanup(&compiler);
    map_cleanup(&compiler.said);
    map_cleanup(&compiler.route_lists);
    destination_rules_free(compiler.rules);
    service_registry_free(compiler.registry);
    arena_free(compiler.scratch);
    return snapshot;
}
