/* check_destination_rule: host, subsets and scope of a DestinationRule (spec DR-20); its policies
 * are in check_traffic_policy.c. Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"
#include "gateway/base/map.h"

static void check_subsets(struct reader *reader, const struct destination_rule *rule)
{
    struct map names = { 0 };

    for (size_t i = 0; i < rule->subsets.count; i++) {
        struct subset *subset = &rule->subsets.items[i];
        size_t former = reader_enter_item(reader, "subsets", i);

        if (!value_is_dns_label(subset->name)) {
            reader_fail(reader, "name", FINDING_SUBSET_NAME, "subset name is invalid: \"%.*s\"",
                        STR_ARG(str_slice(subset->name, 0, 80)));
        } else if (map_set(&names, subset->name, subset) != NULL) {
            reader_fail(reader, "name", FINDING_SUBSET_NAME, "duplicate subset name %.*s",
                        STR_ARG(subset->name));
        }
        check_common_labels(reader, "labels", &subset->labels);
        check_traffic_policy(reader, subset->traffic_policy, rule->meta.namespace);
        reader_leave(reader, former);
    }
    map_cleanup(&names);
}

void check_destination_rule(struct reader *reader, const struct destination_rule *rule)
{
    if (rule->host.len == 0) {
        reader_fail(reader, "host", FINDING_DESTINATION_RULE_HOST, "host is required");
    } else if (!value_is_wildcard_domain(rule->host)) {
        reader_fail(reader, "host", FINDING_DESTINATION_RULE_HOST, "%.*s is no host name",
                    STR_ARG(str_slice(rule->host, 0, 80)));
    }
    check_traffic_policy(reader, rule->traffic_policy, rule->meta.namespace);
    check_subsets(reader, rule);
    check_common_export_to(reader, "exportTo", &rule->export_to, false);
    check_common_labels(reader, "workloadSelector.matchLabels", &rule->workload_selector);
}
