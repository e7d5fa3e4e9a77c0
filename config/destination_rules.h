/* destination_rules: which DestinationRule speaks for a destination, and what it says (spec section
 * 7.1, 7.2). Made for one compile; views are those of the resources. Control thread. */
#ifndef CONFIG_DESTINATION_RULES_H
#define CONFIG_DESTINATION_RULES_H

#include "config/compile.h"

struct merged_subset {
    const struct subset *subset;
    const struct destination_rule *owner;
    size_t index; /* in the owner */
};

/* One or several DestinationRules of one host and namespace (DR-6). */
struct merged_rule {
    struct str host; /* expanded */
    const struct destination_rule *first;
    const struct destination_rule *policy_owner; /* has the top-level policy; NULL: none */
    struct {
        VEC_FIELDS(struct merged_subset);
    } subsets;
    struct merged_rule *next; /* kept apart, for the same host and namespace */
};

/* Where a block was written, for findings. */
struct policy_origin {
    const struct object_meta *object;   /* NULL: the block is not there */
    const struct merged_subset *subset; /* NULL: the top-level policy */
    size_t port_level;                  /* in its portLevelSettings; SIZE_MAX: in none of them */
};

/* The blocks in force for one port and subset; NULL: the default. */
struct effective_policy {
    const struct load_balancer *load_balancer;
    const struct connection_pool *connection_pool;
    const struct client_tls *tls;
    struct policy_origin load_balancer_origin;
    struct policy_origin tls_origin;
    const struct traffic_policy
        *proxy_policy; /* asks for a PROXY header (DR-80); NULL: none does */
};

struct destination_rules;

struct destination_rules *destination_rules_new(const struct compile_options *options,
                                                const struct resource_set *resources);
void destination_rules_free(struct destination_rules *rules);
/* DR-2, DR-3. NULL: none. */
const struct merged_rule *destination_rules_find(const struct destination_rules *rules,
                                                 struct str host, struct str service_namespace);
/* NULL: not defined (DR-13). */
const struct merged_subset *destination_rules_subset(const struct merged_rule *rule,
                                                     struct str name);
/* DR-10, DR-11. `rule` and `subset` may be NULL. */
struct effective_policy destination_rules_policy(const struct merged_rule *rule,
                                                 const struct merged_subset *subset, uint32_t port);
/* "spec.subsets[1].trafficPolicy.portLevelSettings[0].tls" for the block "tls". */
const char *destination_rules_field(struct arena *arena, const struct policy_origin *origin,
                                    const char *block);
/* DR-4: the namespaces whose rules a destination in `service_namespace` can meet. */
bool destination_rules_looks_in(const struct compile_options *options, struct str service_namespace,
                                struct str rule_namespace);

#endif
