/* compile: the whole, from resources and secrets to a snapshot. Control thread; linear in what there
 * is to compile. The parts:
 *
 *   compile_services    which VirtualServices the gateway sees, and by which Gateway
 *   compile_listeners   servers of the selected Gateways, merged by address and port
 *   compile_tls         policy, secret and context of a server
 *   compile_hosts       the virtual hosts of a route table
 *   compile_shadow      routes that cannot be reached
 *   compile_routes      the routes of a VirtualService; conditions and headers in files of their own
 *   compile_clusters    destinations
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

    compile_services_cleanup(&compiler);
    map_cleanup(&compiler.said);
    map_cleanup(&compiler.route_lists);
    destination_rules_free(compiler.rules);
    service_registry_free(compiler.registry);
    arena_free(compiler.scratch);
    return snapshot;
}

/* --- Secrets asked for ------------------------------------------------------------------------ */

static struct str secret_bytes(const struct secret_object *secret, const char *name)
{
    for (size_t i = 0; i < secret->data.count; i++) {
        if (str_equals(secret->data.items[i].name, str_from_cstr(name))) {
            return secret->data.items[i].bytes;
        }
    }
    return STR("");
}

/* TL-22: `cert` and `key` before `tls.crt` and `tls.key`. False: neither pair is there. */
static bool read_secret_document(const struct secret_object *secret, struct secret_source *source)
{
    source->certificate_pem = secret_bytes(secret, "cert");
    source->key_pem = secret_bytes(secret, "key");
    if (source->certificate_pem.len != 0 && source->key_pem.len != 0) {
        source->crl_pem = secret_bytes(secret, "crl");
    } else {
        source->certificate_pem = secret_bytes(secret, "tls.crt");
        source->key_pem = secret_bytes(secret, "tls.key");
        source->ocsp_staple_der = secret_bytes(secret, "tls.ocsp-staple");
        source->crl_pem = secret_bytes(secret, "ca.crl");
    }
    source->ca_pem = secret_bytes(secret, "cacert");
    if (source->ca_pem.len == 0) {
        source->ca_pem = secret_bytes(secret, "ca.crt");
    }
    return source->certificate_pem.len != 0 && source->key_pem.len != 0;
}

static void want_document(struct arena *scratch, const struct secret_object *secret,
                          struct secret_store *store)
{
    struct secret_source source = { .name = secret->meta.name };

    /* A Secret without a pair is none of ours: one that a server names is reported as missing. */
    if (read_secret_document(secret, &source)) {
        source.origin =
            arena_printf(scratch, "%.*s:%u", STR_ARG(secret->meta.file), secret->meta.place.line);
        secret_store_add_document(store, &source);
    }
}

static void want_files(const struct gateway *gateway, struct secret_store *store)
{
    for (size_t i = 0; i < gateway->servers.count; i++) {
        const struct server_tls *tls = gateway->servers.items[i].tls;

        if (tls == NULL) {
            continue;
        }
        if (!str_is_empty(tls->server_certificate) && !str_is_empty(tls->private_key)) {
            (void)secret_store_want_files(store, tls->server_certificate, tls->private_key,
                                          tls->ca_certificates); /* found again by its path */
        }
        for (size_t k = 0; k < tls->tls_certificates.count; k++) {
            const struct tls_certificate_files *files = &tls->tls_certificates.items[k];

            (void)secret_store_want_files(store, files->server_certificate, files->private_key,
                                          tls->ca_certificates); /* TL-32: the top-level CA */
        }
    }
}

void compile_want_secrets(const struct compile_options *options,
                          const struct resource_set *resources, struct secret_store *store,
                          struct report *report)
{
    struct arena *scratch = arena_new(4 * 1024);

    (void)report; /* what is wrong with a secret is told where a server names it */
    secret_store_begin_documents(store);
    for (size_t i = 0; i < resource_set_count(resources, KIND_SECRET); i++) {
        const struct secret_object *secret = resource_set_secret_object(resources, i);

        /* TL-21: the gateway's own namespace only. */
        if (str_equals(secret->meta.namespace, options->own_namespace)) {
            want_document(scratch, secret, store);
        }
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_GATEWAY); i++) {
        const struct gateway *gateway = resource_set_gateway(resources, i);

        if (compile_listeners_selects(options, gateway)) {
            want_files(gateway, store);
        }
    }
    arena_free(scratch);
}
