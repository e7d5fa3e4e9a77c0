/* validate: references between objects. What is not honoured yet is in not_honoured.c; what only the
 * compile can know (secrets, destinations, shadowed routes) is said there. Control thread. */
#include "config/validate.h"

#include "config/compiler.h"
#include "config/not_honoured.h"

struct validation {
    const struct compile_options *options;
    const struct resource_set *resources;
    struct report *report;
    struct arena *scratch;
    struct service_registry *registry;
};

/* --- Gateways --------------------------------------------------------------------------------- */

static void check_gateway(const struct validation *validation, const struct gateway *gateway)
{
    struct finding_at at = { .object = &gateway->meta, .field = "spec.selector" };

    if (!compile_listeners_selects(validation->options, gateway)) {
        report_add(validation->report, FINDING_GATEWAY_NOT_SELECTED, &at,
                   "selects another gateway than this one; not served here");
    }
}

/* --- VirtualServices -------------------------------------------------------------------------- */

static void check_gateway_reference(const struct validation *validation,
                                    const struct virtual_service *service, size_t index,
                                    struct str key)
{
    size_t slash = str_find_char(key, '/');
    struct finding_at at = { .object = &service->meta };

    if (resource_set_find(validation->resources, KIND_GATEWAY, str_slice(key, 0, slash),
                          str_skip(key, slash + 1)) != NULL) {
        return;
    }
    at.field = arena_printf(validation->scratch, "spec.gateways[%zu]", index).ptr;
    report_add(validation->report, FINDING_GATEWAY_UNKNOWN, &at, "there is no Gateway %.*s",
               STR_ARG(key));
}

/* SN-40, SN-42 */
static void check_binding(const struct validation *validation,
                          const struct virtual_service *service)
{
    struct finding_at at = { .object = &service->meta };
    size_t named = 0;

    for (size_t i = 0; i < service->gateways.count; i++) {
        struct str key = compile_services_gateway_key(
            validation->scratch, service->gateways.items[i], service->meta.namespace);

        if (!str_is_empty(key)) {
            named++;
            check_gateway_reference(validation, service, i, key);
        }
    }
    if (service->hosts.count == 0) {
        return; /* a delegate is bound by its root */
    }
    if (named == 0) {
        at.field = "spec.gateways";
        report_add(validation->report, FINDING_VIRTUAL_SERVICE_UNBOUND, &at,
                   "is for the mesh only; no Gateway serves it");
    } else if (!service_registry_is_exported(&service->export_to, service->meta.namespace,
                                             validation->options->own_namespace)) {
        at.field = "spec.exportTo";
        report_add(validation->report, FINDING_VIRTUAL_SERVICE_NOT_EXPORTED, &at,
                   "is not exported to the gateway's namespace %.*s; not served",
                   STR_ARG(validation->options->own_namespace));
    }
}

static void on_delegate_problem(void *owner, const struct virtual_service *root, size_t entry,
                                enum delegate_problem problem, size_t delegate_entry)
{
    const struct validation *validation = owner;
    const struct http_delegate *delegate = root->http.items[entry].delegate;
    struct str namespace =
        str_is_empty(delegate->namespace) ? root->meta.namespace : delegate->namespace;
    struct str name = arena_printf(validation->scratch, "VirtualService %.*s/%.*s",
                                   STR_ARG(namespace), STR_ARG(delegate->name));
    struct finding_at at = {
        .object = &root->meta,
        .place = delegate->place,
        .field = arena_printf(validation->scratch, "spec.http[%zu].delegate", entry).ptr,
    };

    switch (problem) {
    case DELEGATE_GOOD:
        break;
    case DELEGATE_ABSENT:
        report_add(validation->report, FINDING_DELEGATE_UNKNOWN, &at,
                   "there is no %.*s; this entry is left out", STR_ARG(name));
        break;
    case DELEGATE_HAS_HOSTS:
        report_add(validation->report, FINDING_DELEGATE_UNUSABLE, &at,
                   "%.*s has hosts, which a delegate must not; this entry is left out",
                   STR_ARG(name));
        break;
    case DELEGATE_HAS_DELEGATE:
        report_add(validation->report, FINDING_DELEGATE_UNUSABLE, &at,
                   "http[%zu] of %.*s delegates again: one level only; it is left out",
                   delegate_entry, STR_ARG(name));
        break;
    case DELEGATE_NOT_EXPORTED:
        report_add(validation->report, FINDING_DELEGATE_UNUSABLE, &at,
                   "%.*s is not exported to namespace %.*s; this entry is left out", STR_ARG(name),
                   STR_ARG(root->meta.namespace));
        break;
    case DELEGATE_CONFLICTS:
        report_add(validation->report, FINDING_DELEGATE_UNUSABLE, &at,
                   "no match of http[%zu] of %.*s lies within this entry's; it is left out",
                   delegate_entry, STR_ARG(name));
        break;
    }
}

static void check_virtual_service(struct validation *validation,
                                  const struct virtual_service *service)
{
    struct http_entries entries = { 0 };

    check_binding(validation, service);
    if (service->hosts.count != 0) {
        delegate_expand(validation->scratch, validation->resources, service, &entries,
                        on_delegate_problem, validation);
    }
    not_honoured_virtual_service(validation->report, service);
}

/* --- DestinationRules ------------------------------------------------------------------------- */

/* DR-4 */
static void check_destination_rule(const struct validation *validation,
                                   const struct destination_rule *rule)
{
    struct finding_at at = { .object = &rule->meta,
                             .place = rule->host_place,
                             .field = "spec.host" };
    struct str host = service_registry_expand(validation->scratch, rule->host, rule->meta.namespace,
                                              validation->options->domain);
    const struct registry_service *service =
        service_registry_find(validation->registry, host, rule->meta.namespace, NULL);
    bool is_wildcard = host.len > 0 && host.ptr[0] == '*';

    if (!is_wildcard &&
        !destination_rules_looks_in(validation->options,
                                    service != NULL ? service->meta->namespace : STR(""),
                                    rule->meta.namespace)) {
        report_add(validation->report, FINDING_DESTINATION_RULE_UNUSED, &at,
                   "not used by this gateway: it looks for rules of %.*s in its own namespace "
                   "(%.*s), the service's and istio-system, not in %.*s",
                   STR_ARG(host), STR_ARG(validation->options->own_namespace),
                   STR_ARG(rule->meta.namespace));
    }
    not_honoured_destination_rule(validation->report, rule);
}

/* --- ServiceEntries --------------------------------------------------------------------------- */

static void check_service_entry(const struct validation *validation,
                                const struct service_entry *entry)
{
    struct finding_at at = { .object = &entry->meta,
                             .place = entry->place,
                             .field = "spec.resolution" };

    if (entry->resolution == RESOLUTION_NONE) { /* SV-33 */
        report_add(validation->report, FINDING_SERVICE_ENTRY_NONE, &at,
                   "resolution NONE cannot be used by a gateway: it has no original destination, "
                   "so requests to these hosts get 503");
    }
}

void validate_resources(const struct compile_options *options, const struct resource_set *resources,
                        struct report *report)
{
    struct validation validation = {
        .options = options,
        .resources = resources,
        .report = report,
        .scratch = arena_new(16 * 1024),
        .registry = service_registry_new(resources, options->domain, options->own_namespace),
    };

    for (size_t i = 0; i < resource_set_count(resources, KIND_GATEWAY); i++) {
        check_gateway(&validation, resource_set_gateway(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_VIRTUAL_SERVICE); i++) {
        check_virtual_service(&validation, resource_set_virtual_service(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_DESTINATION_RULE); i++) {
        check_destination_rule(&validation, resource_set_destination_rule(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_SERVICE_ENTRY); i++) {
        check_service_entry(&validation, resource_set_service_entry(resources, i));
    }
    for (size_t i = 0; i < resource_set_count(resources, KIND_SERVICE); i++) {
        not_honoured_service(report, resource_set_service(resources, i));
    }
    service_registry_free(validation.registry);
    arena_free(validation.scratch);
}
