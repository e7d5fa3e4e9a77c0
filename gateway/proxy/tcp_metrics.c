/* tcp_metrics: series by cluster and flags, found in a small table. A worker's. */
#include "gateway/proxy/tcp_metrics.h"

#include "gateway/observe/format.h"
#include "gateway/proxy/metric_labels.h"

static void tcp_metrics_learn(struct tcp_metrics *metrics, struct tcp_metrics_entry *entry,
                              const struct cluster *cluster, uint64_t flags)
{
    struct str labels[METRIC_LABELS_TCP];
    struct text flag_text = { 0 };
    const size_t count = METRIC_LABELS_TCP;

    format_response_flags(flags, &flag_text);
    metric_labels_fill_tcp(metrics->identity, cluster, STR("tcp"), text_view(&flag_text), labels);
    entry->opened = metrics_series(metrics->shard, METRIC_TCP_OPENED, labels, count);
    entry->closed = metrics_series(metrics->shard, METRIC_TCP_CLOSED, labels, count);
    entry->received = metrics_series(metrics->shard, METRIC_TCP_RECEIVED, labels, count);
    entry->sent = metrics_series(metrics->shard, METRIC_TCP_SENT, labels, count);
    text_cleanup(&flag_text);
}

static const struct tcp_metrics_entry *tcp_metrics_find(struct tcp_metrics *metrics,
                                                        const struct cluster *cluster,
                                                        uint64_t flags)
{
    uint64_t cluster_id = cluster != NULL ? cluster->id : 0;
    uint64_t hash = (cluster_id ^ flags << 20) * UINT64_C(0x9e3779b97f4a7c15);
    struct tcp_metrics_entry *entry = &metrics->entries[(hash >> 32) % TCP_METRICS_PLACES];

    if (entry->opened == NULL || entry->cluster_id != cluster_id || entry->flags != flags) {
        entry->cluster_id = cluster_id;
        entry->flags = flags;
        tcp_metrics_learn(metrics, entry, cluster, flags);
    }
    return entry;
}

void tcp_metrics_opened(struct tcp_metrics *metrics, const struct cluster *cluster)
{
    metric_series_add(tcp_metrics_find(metrics, cluster, 0)->opened, 1);
}

void tcp_metrics_bytes(struct tcp_metrics *metrics, const struct cluster *cluster, uint64_t flags,
                       uint64_t received, uint64_t sent)
{
    if (received == 0 && sent == 0) {
        return;
    }
    const struct tcp_metrics_entry *entry = tcp_metrics_find(metrics, cluster, flags);
    metric_series_add(entry->received, received);
    metric_series_add(entry->sent, sent);
}

void tcp_metrics_closed(struct tcp_metrics *metrics, const struct cluster *cluster, uint64_t flags)
{
    metric_series_add(tcp_metrics_find(metrics, cluster, flags)->closed, 1);
}
