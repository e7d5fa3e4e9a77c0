/* destination_rules: see the header. Rules stand in one table of hosts for each namespace. */
#include "config/destination_rules.h"

#include "config/service_registry.h"
#include "gateway/route/host_table.h"

#include <stdlib.h>

#define ROOT_NAMESPACE STR("istio-system")

struct namespace_rules {
    struct host_table hosts; /* to struct merged_rule, the first of its host */
};

struct destination_rules {
    struct arena *arena;
    const struct compile_options *options;
    struct map namespaces;
};

/* --- Building --------------------------------------------------------------------------------- */

static bool is_same_export(const struct destination_rule *a, const struct destination_rule *b)
{
    if (a->export_to.count != b->export_to.count) {
        return false;
    }
    for (size_t i = 0; i < a->export_to.count; i++) {
        bool is_found = false;

        for (size_t k = 0; k < b->export_to.count && !is_found; k++) {
            is_found = str_equals(a->export_to.items[i], b->export_to.items[k]);
        }
        if (!is_found) {
            return false;
        }
    }
    return true;
}

static bool may_merge(const struct destination_rule *a, const struct destination_rule *b)
{
    return is_same_export(a, b) && a->has_workload_selector == b->has_workload_selector &&
           a->workload_selector.count == b->workload_selector.count &&
           service_registry_labels_fit(&a->workload_selector, &b->workload_selector);
}

static bool has_subset(const struct merged_rule *rule, struct str name)
{
    return destination_rules_subset(rule, name) != NULL;
}

static void merge_into(struct arena *arena, struct merged_rule *rule,
                       const struct destination_rule *object)
{
    if (rule->policy_owner == NULL && object->traffic_policy != NULL) {
        rule->policy_owner = object;
    }
    for (size_t i = 0; i < object->subsets.count; i++) {
        if (!has_subset(rule, object->subsets.items[i].name)) {
            vec_push_in_arena(arena, &rule->subsets,
                              (struct merged_subset){ &object->subsets.items[i], object, i });
        }
    }
}

static void add_rule(struct destination_rules *rules, const struct destination_rule *object)
{
    struct namespace_rules *in = map_get(&rules->namespaces, object->meta.namespace);
    struct str host = service_registry_expand(rules->arena, object->host, object->meta.namespace,
                                              rules->options->domain);
    struct merged_rule *rule;
    struct merged_rule *last = NULL;

    if (in == NULL) {
        in = arena_new_object(rules->arena, struct namespace_rules);
        (void)map_set(&rules->namespaces, object->meta.namespace, in); /* was absent */
    }
    for (rule = host_table_get(&in->hosts, host); rule != NULL; rule = rule->next) {
        if (may_merge(rule->first, object)) {
            merge_into(rules->arena, rule, object);
            return;
        }
        last = rule;
    }
    rule = arena_new_object(rules->arena, struct merged_rule);
    rule->host = host;
    rule->first = object;
    merge_into(rules->arena, rule, object);
    if (last != NULL) {
        last->next = rule;
    } else {
        (void)host_table_add(&in->hosts, host, rule, NULL); /* was absent */
    }
}

static int compare_rules(const void *a, const void *b)
{
    const struct destination_rule *const *left = a;
    const struct destination_rule *const *right = b;

    return resource_set_compare_age(&(*left)->meta, &(*right)->meta);
}

struct destination_rules *destination_rules_new(const struct compile_options *options,
                                                const struct resource_set *resources)
{
    struct destination_rules *rules = mem_new(struct destination_rules);
    size_t count = resource_set_count(resources, KIND_DESTINATION_RULE);
    const struct destination_rule **sorted = mem_alloc_array(count + 1, sizeof(*sorted));

    rules->arena = arena_new(16 * 1024);
    rules->options = options;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = resource_set_destination_rule(resources, i);
    }
    qsort(sorted, count, sizeof(*sorted), compare_rules);
    for (size_t i = 0; i < count; i++) {
        add_rule(rules, sorted[i]);
    }
    mem_free(sorted);
    return rules;
}

void destination_rules_free(struct destination_rules *rules)
{
    size_t position = 0;
    void *value;

    if (rules == NULL) {
        return;
    }
    while (map_next(&rules->namespaces, &position, NULL, &value)) {
        host_table_cleanup(&((struct namespace_rules *)value)->hosts);
    }
    map_cleanup(&rules->namespaces);
    arena_free(rules->arena);
    mem_free(rules);
}

/* --- Asking ----------------------------------------------------------------------------------- */

enum level { LEVEL_OWN, LEVEL_SERVICE, LEVEL_ROOT };

static bool is_private(const struct destination_rule *rule)
{
    for (size_t i = 0; i < rule->export_to.count; i++) {
        if (!str_equals(rule->export_to.items[i], STR(".")) &&
            !str_equals(rule->export_to.items[i], rule->meta.namespace)) {
            return false;
        }
    }
    return rule->export_to.count != 0;
}

/* DR-2, DR-5 */
static bool fits_gateway(const struct compile_options *options, const struct destination_rule *rule,
                         enum level level)
{
    bool is_own = str_equals(rule->meta.namespace, options->own_namespace);

    if (rule->has_workload_selector &&
        (!is_own || (options->has_labels &&
                     !service_registry_labels_fit(&rule->workload_selector, &options->labels)))) {
        return false;
    }
    if (level == LEVEL_OWN) {
        return !str_equals(options->own_namespace, ROOT_NAMESPACE) || is_private(rule);
    }
    return service_registry_is_exported(&rule->export_to, rule->meta.namespace,
                                        options->own_namespace);
}

static const struct merged_rule *first_fitting(const struct compile_options *options,
                                               const struct merged_rule *rule, enum level level)
{
    while (rule != NULL && !fits_gateway(options, rule->first, level)) {
        rule = rule->next;
    }
    return rule;
}

/* DR-3: exact, else the longest wildcard that has a rule for us. */
static const struct merged_rule *find_in(const struct destination_rules *rules,
                                         struct str namespace, struct str host, enum level level)
{
    const struct namespace_rules *in = map_get(&rules->namespaces, namespace);
    const struct merged_rule *rule;

    if (in == NULL) {
        return NULL;
    }
    rule = first_fitting(rules->options, map_get(&in->hosts.exact, host), level);
    for (size_t at = 1; rule == NULL && at < host.len && in->hosts.wildcard.count > 0; at++) {
        rule =
            first_fitting(rules->options, map_get(&in->hosts.wildcard, str_skip(host, at)), level);
    }
    return rule != NULL ? rule : first_fitting(rules->options, in->hosts.any, level);
}

const struct merged_rule *destination_rules_find(const struct destination_rules *rules,
                                                 struct str host, struct str service_namespace)
{
    const struct merged_rule *rule = find_in(rules, rules->options->own_namespace, host, LEVEL_OWN);

    if (rule == NULL) {
        rule = find_in(rules, service_namespace, host, LEVEL_SERVICE);
    }
    return rule != NULL ? rule : find_in(rules, ROOT_NAMESPACE, host, LEVEL_ROOT);
}

bool destination_rules_looks_in(const struct compile_options *options, struct str service_namespace,
                                struct str rule_namespace)
{
    return str_equals(rule_namespace, options->own_namespace) ||
           str_equals(rule_namespace, service_namespace) ||
           str_equals(rule_namespace, ROOT_NAMESPACE);
}

const struct merged_subset *destination_rules_subset(const struct merged_rule *rule,
                                                     struct str name)
{
    for (size_t i = 0; rule != NULL && i < rule->subsets.count; i++) {
        if (str_equals(rule->subsets.items[i].subset->name, name)) {
            return &rule->subsets.items[i];
        }
    }
    return NULL;
}

static const struct traffic_policy *port_level_of(const struct traffic_policy *policy,
                                                  uint32_t port)
{
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        const struct traffic_policy *at = &policy->port_level_settings.items[i];

        if (at->port.is_set && at->port.value == port) {
            return at;
        }
    }
    return NULL;
}

/* A port-level entry replaces all blocks, also by their absence (DR-10). */
static void take_whole(struct effective_policy *effective, const struct traffic_policy *policy,
                       const struct policy_origin *origin)
{
    effective->load_balancer = policy->load_balancer;
    effective->connection_pool = policy->connection_pool;
    effective->tls = policy->tls;
    effective->load_balancer_origin = *origin;
    effective->tls_origin = *origin;
}

/* DR-11: block by block. */
static void take_blocks(struct effective_policy *effective, const struct traffic_policy *policy,
                        const struct policy_origin *origin)
{
    if (policy->load_balancer != NULL) {
        effective->load_balancer = policy->load_balancer;
        effective->load_balancer_origin = *origin;
    }
    if (policy->connection_pool != NULL) {
        effective->connection_pool = policy->connection_pool;
    }
    if (policy->tls != NULL) {
        effective->tls = policy->tls;
        effective->tls_origin = *origin;
    }
}

/* The policy itself is laid over what is there, one of its ports takes the place of all of it. */
static void take_policy(struct effective_policy *effective, const struct traffic_policy *policy,
                        struct policy_origin *origin, uint32_t port)
{
    const struct traffic_policy *at_port = port_level_of(policy, port);

    origin->port_level = SIZE_MAX;
    if (at_port != NULL) {
        origin->port_level = (size_t)(at_port - policy->port_level_settings.items);
        take_whole(effective, at_port, origin);
    } else {
        take_blocks(effective, policy, origin);
    }
    if (policy->has_proxy_protocol) {
        effective->proxy_policy = policy;
    }
}

struct effective_policy destination_rules_policy(const struct merged_rule *rule,
                                                 const struct merged_subset *subset, uint32_t port)
{
    struct effective_policy effective = { 0 };

    if (rule != NULL && rule->policy_owner != NULL) {
        struct policy_origin origin = { .object = &rule->policy_owner->meta };

        take_policy(&effective, rule->policy_owner->traffic_policy, &origin, port);
    }
    if (subset != NULL && subset->subset->traffic_policy != NULL) {
        struct policy_origin origin = { .object = &subset->owner->meta, .subset = subset };

        take_policy(&effective, subset->subset->traffic_policy, &origin, port);
    }
    return effective;
}

const char *destination_rules_field(struct arena *arena, const struct policy_origin *origin,
                                    const char *block)
{
    struct str subset = STR("");
    struct str port_level = STR("");

    if (origin->subset != NULL) {
        subset = arena_printf(arena, "subsets[%zu].", origin->subset->index);
    }
    if (origin->port_level != SIZE_MAX) {
        port_level = arena_printf(arena, "portLevelSettings[%zu].", origin->port_level);
    }
    return arena_printf(arena, "spec.%.*strafficPolicy.%.*s%s", STR_ARG(subset),
                        STR_ARG(port_level), block)
        .ptr;
}
