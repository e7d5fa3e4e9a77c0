/* metric_labels: what the istio_* series of requests and of tunnels have in common (spec OB-23 to
 * OB-28). No label ever comes from a peer's bytes: they are configuration. Views of their sources. */
#ifndef GATEWAY_PROXY_METRIC_LABELS_H
#define GATEWAY_PROXY_METRIC_LABELS_H

#include "gateway/proxy/worker.h"
#include "gateway/upstream/cluster.h"

enum {
    METRIC_LABELS_PARTIES = 20, /* reporter to destination_cluster */
    METRIC_LABELS_TCP = METRIC_LABELS_PARTIES + 3,
};

/* `cluster` NULL: none was found (OB-26). */
void metric_labels_fill_parties(const struct worker_identity *identity,
                                const struct cluster *cluster,
                                struct str labels[METRIC_LABELS_PARTIES]);
/* ISTIO_TCP_LABELS of metrics.def; `flags` as format_response_flags() writes them. */
void metric_labels_fill_tcp(const struct worker_identity *identity, const struct cluster *cluster,
                            struct str protocol, struct str flags,
                            struct str labels[METRIC_LABELS_TCP]);

#endif
