/* compile_want_secrets: what the secret store must read for these resources besides the mounted secrets:
 * files that Gateways and DestinationRules name, and Secret documents. Control thread. */
#include "config/compile.h"
#include "config/compiler.h"

/* --- Secret documents ------------------------------------------------------------------------- */

static void want_document(struct arena *scratch, const struct secret_object *secret,
                          struct secret_store *store)
{
    size_t count = secret->data.count;
    struct secret_part *parts = arena_new_array(scratch, struct secret_part, count);
    struct secret_source source = { .name = secret->meta.name };

    for (size_t i = 0; i < count; i++) {
        parts[i] = (struct secret_part){ secret->data.items[i].name, secret->data.items[i].bytes };
    }
    secret_source_from_parts(&source, parts, count);
    /* What has neither a pair nor a CA is none of ours: one that is named is reported as missing. The CA
     * of a service account is the cluster's, and never meant (TL-22). */
    if ((str_is_empty(source.certificate_pem) || str_is_empty(source.key_pem)) &&
        (str_is_empty(source.ca_pem) ||
         str_equals(secret->type, STR("kubernetes.io/service-account-token")))) {
        return;
    }
    source.origin =
        arena_printf(scratch, "%.*s:%u", STR_ARG(secret->meta.file), secret->meta.place.line);
    secret_store_add_document(store, &source);
}

/* --- Gateways --------------------------------------------------------------------------------- */

static void want_files_of_gateway(const struct gateway *gateway, struct secret_store *store)
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

/* --- DestinationRules ------------------------------------------------------------------------- */

/* The hosts that VirtualServices of gateways lead to: a rule for another host is a sidecar's, and its
 * files are not here. */
struct wanted_hosts {
    struct arena *scratch;
    struct str domain;
    struct map hosts;
};

static void note_host(struct wanted_hosts *wanted, struct str host, struct str namespace)
{
    struct str full = service_registry_expand(wanted->scratch, host, namespace, wanted->domain);

    (void)map_set(&wanted->hosts, full, wanted); /* once is enough */
}

static void note_l4_hosts(struct wanted_hosts *wanted, const struct l4_route_vec *rules,
                          struct str namespace)
{
    for (size_t i = 0; i < rules->count; i++) {
        for (size_t k = 0; k < rules->items[i].routes.count; k++) {
            note_host(wanted, rules->items[i].routes.items[k].destination.host, namespace);
        }
    }
}

static bool is_for_gateways(const struct virtual_service *service)
{
    for (size_t i = 0; i < service->gateways.count; i++) {
        if (!str_equals(service->gateways.items[i], STR("mesh"))) {
            return true;
        }
    }
    return service->hosts.count == 0; /* a delegate */
}

static void note_hosts_of_service(struct wanted_hosts *wanted,
                                  const struct virtual_service *service)
{
    struct str namespace = service->meta.namespace;

    for (size_t i = 0; i < service->http.count; i++) {
        const struct http_route *route = &service->http.items[i];

        for (size_t k = 0; k < route->routes.count; k++) {
            note_host(wanted, route->routes.items[k].destination.host, namespace);
        }
    }
    note_l4_hosts(wanted, &service->tls, namespace);
    note_l4_hosts(wanted, &service->tcp, namespace);
}

static void note_hosts(struct wanted_hosts *wanted, const struct resource_set *resources)
{
    for (size_t i = 0; i < resource_set_count(resources, KIND_VIRTUAL_SERVICE); i++) {
        const struct virtual_service *service = resource_set_virtual_service(resources, i);

        if (is_for_gateways(service)) {
            note_hosts_of_service(wanted, service);
        }
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_SERVICE); i++) { /* HT-44 */
        const struct service *service = resource_set_service(resources, i);

        if (!str_is_empty(service->external_name)) {
            note_host(wanted, service->external_name, service->meta.namespace);
        }
    }
}

static bool is_wanted_rule(const struct wanted_hosts *wanted, const struct destination_rule *rule,
                           struct str own_namespace)
{
    struct str host =
        service_registry_expand(wanted->scratch, rule->host, rule->meta.namespace, wanted->domain);

    return service_registry_is_exported(&rule->export_to, rule->meta.namespace, own_namespace) &&
           (str_find_char(host, '*') != SIZE_MAX || map_get(&wanted->hosts, host) != NULL);
}

static void want_files_of_policy(const struct traffic_policy *policy, struct secret_store *store)
{
    const struct client_tls *tls = policy->tls;

    if (tls == NULL || (tls->mode != CLIENT_TLS_SIMPLE && tls->mode != CLIENT_TLS_MUTUAL)) {
        return;
    }
    if (!str_is_empty(tls->ca_certificates)) {
        (void)secret_store_want_ca_file(store, tls->ca_certificates); /* found by its path */
    }
    if (tls->mode == CLIENT_TLS_MUTUAL && !str_is_empty(tls->client_certificate) &&
        !str_is_empty(tls->private_key)) {
        (void)secret_store_want_files(store, tls->client_certificate, tls->private_key,
                                      STR("")); /* found by its path */
    }
}

static void want_files_of_policies(const struct traffic_policy *policy, struct secret_store *store)
{
    if (policy == NULL) {
        return;
    }
    want_files_of_policy(policy, store);
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        want_files_of_policy(&policy->port_level_settings.items[i], store);
    }
}

static void want_files_of_rules(struct arena *scratch, const struct compile_options *options,
                                const struct resource_set *resources, struct secret_store *store)
{
    struct wanted_hosts wanted = { .scratch = scratch, .domain = options->domain };

    note_hosts(&wanted, resources);
    for (size_t i = 0; i < resource_set_count(resources, KIND_DESTINATION_RULE); i++) {
        const struct destination_rule *rule = resource_set_destination_rule(resources, i);

        if (!is_wanted_rule(&wanted, rule, options->own_namespace)) {
            continue;
        }
        want_files_of_policies(rule->traffic_policy, store);
        for (size_t k = 0; k < rule->subsets.count; k++) {
            want_files_of_policies(rule->subsets.items[k].traffic_policy, store);
        }
    }
    map_cleanup(&wanted.hosts);
}

/* --- All of it -------------------------------------------------------------------------------- */

void compile_want_secrets(const struct compile_options *options,
                          const struct resource_set *resources, struct secret_store *store,
                          struct report *report)
{
    struct arena *scratch = arena_new(4 * 1024);

    (void)report; /* what is wrong with a secret is told where it is named */
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
            want_files_of_gateway(gateway, store);
        }
    }
    want_files_of_rules(scratch, options, resources, store);
    arena_free(scratch);
}
