/* metric_labels: the order is that of metrics.def. Pure. */
#include "gateway/proxy/metric_labels.h"

#include <string.h>

static struct str metric_labels_or(struct str value, const char *otherwise)
{
    return value.len > 0 ? value : str_from_cstr(otherwise); /* OB-28 */
}

/* OB-25: the first DNS label where the configuration has no name. */
static struct str metric_labels_service_name(const struct cluster *cluster)
{
    struct str host = cluster->service_host;

    return cluster->service_name.len > 0 ? cluster->service_name
                                         : str_slice(host, 0, str_find_char(host, '.'));
}

void metric_labels_fill_parties(const struct worker_identity *identity,
                                const struct cluster *cluster,
                                struct str labels[METRIC_LABELS_PARTIES])
{
    const struct str none = { 0 };
    const struct str unknown = STR("unknown");
    struct str cluster_id = metric_labels_or(identity->cluster_id, "Kubernetes");
    struct str service = cluster != NULL ? cluster->service_host : none;
    struct str name = cluster != NULL ? metric_labels_service_name(cluster) : none;
    struct str name_space = cluster != NULL ? cluster->service_namespace : none;
    const struct str row[METRIC_LABELS_PARTIES] = {
        STR("source"), /* OB-24 */
        metric_labels_or(identity->workload, "unknown"),
        metric_labels_or(identity->canonical_service, "unknown"),
        metric_labels_or(identity->canonical_revision, "latest"),
        metric_labels_or(identity->workload_namespace, "unknown"),
        unknown, /* source_principal */
        metric_labels_or(identity->app, "unknown"),
        metric_labels_or(identity->version, "unknown"),
        cluster_id,
        unknown, /* destination_workload and what goes with it: nobody tells us */
        unknown,
        unknown,
        unknown,
        unknown,
        metric_labels_or(service, "unknown"), /* OB-26 */
        unknown,
        STR("latest"),
        metric_labels_or(name, "unknown"),
        metric_labels_or(name_space, "unknown"),
        cluster_id,
    };

    memcpy(labels, row, sizeof(row));
}

void metric_labels_fill_tcp(const struct worker_identity *identity, const struct cluster *cluster,
                            struct str protocol, struct str flags,
                            struct str labels[METRIC_LABELS_TCP])
{
    metric_labels_fill_parties(identity, cluster, labels);
    labels[METRIC_LABELS_PARTIES] = protocol;
    labels[METRIC_LABELS_PARTIES + 1] = flags;
    labels[METRIC_LABELS_PARTIES + 2] = STR("unknown"); /* connection_security_policy (OB-27) */
}
