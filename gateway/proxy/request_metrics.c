/* request_metrics: labels of finished requests. A worker's. No label ever comes from a peer's
 * bytes: they are configuration, or numbers out of small ranges. */
#include "gateway/proxy/request_metrics.h"

#include "gateway/observe/format.h"
#include "gateway/proxy/metric_labels.h"

#include <stdio.h>

enum { REQUEST_METRICS_LABELS = METRIC_LABELS_PARTIES + 5 };

static struct str request_metrics_protocol(const struct request_metrics_sample *sample)
{
    return sample->is_grpc ? STR("grpc") : STR("http"); /* OB-27 */
}

static void request_metrics_learn(struct request_metrics *metrics,
                                  struct request_metrics_entry *entry,
                                  const struct request_metrics_sample *sample)
{
    struct str labels[REQUEST_METRICS_LABELS];
    struct str *own = &labels[METRIC_LABELS_PARTIES];
    char code[12];
    char grpc[4] = "";
    struct text flags = { 0 };
    int code_len = snprintf(code, sizeof(code), "%u", sample->status);
    int grpc_len = 0;

    if (sample->grpc_status != REQUEST_METRICS_NO_GRPC) {
        grpc_len = snprintf(grpc, sizeof(grpc), "%u", (unsigned)sample->grpc_status);
    }
    format_response_flags(sample->flags, &flags);
    metric_labels_fill_parties(metrics->identity, sample->cluster, labels);
    own[0] = request_metrics_protocol(sample);
    own[1] = str_from(code, (size_t)code_len);
    own[2] = str_from(grpc, (size_t)grpc_len);
    own[3] = text_view(&flags);
    own[4] = STR("unknown"); /* connection_security_policy */
    entry->requests =
        metrics_series(metrics->shard, METRIC_REQUESTS, labels, REQUEST_METRICS_LABELS);
    entry->duration =
        metrics_series(metrics->shard, METRIC_REQUEST_DURATION, labels, REQUEST_METRICS_LABELS);
    entry->request_bytes =
        metrics_series(metrics->shard, METRIC_REQUEST_BYTES, labels, REQUEST_METRICS_LABELS);
    entry->response_bytes =
        metrics_series(metrics->shard, METRIC_RESPONSE_BYTES, labels, REQUEST_METRICS_LABELS);
    text_cleanup(&flags);
}

static void request_metrics_learn_messages(struct request_metrics *metrics,
                                           struct request_metrics_entry *entry,
                                           const struct request_metrics_sample *sample)
{
    struct str labels[METRIC_LABELS_TCP];
    struct text flags = { 0 };

    format_response_flags(sample->flags, &flags);
    metric_labels_fill_tcp(metrics->identity, sample->cluster, request_metrics_protocol(sample),
                           text_view(&flags), labels);
    entry->request_messages =
        metrics_series(metrics->shard, METRIC_REQUEST_MESSAGES, labels, METRIC_LABELS_TCP);
    entry->response_messages =
        metrics_series(metrics->shard, METRIC_RESPONSE_MESSAGES, labels, METRIC_LABELS_TCP);
    text_cleanup(&flags);
}

static bool request_metrics_key_equals(const struct request_metrics_key *a,
                                       const struct request_metrics_key *b)
{
    return a->cluster_id == b->cluster_id && a->flags == b->flags && a->status == b->status &&
           a->grpc_status == b->grpc_status && a->is_grpc == b->is_grpc;
}

static size_t request_metrics_place(const struct request_metrics_key *key)
{
    uint64_t hash = key->cluster_id * UINT64_C(0x9e3779b97f4a7c15);

    hash ^= (uint64_t)key->status << 32 | (uint64_t)key->grpc_status << 8 | key->is_grpc;
    hash = (hash ^ key->flags) * UINT64_C(0xbf58476d1ce4e5b9);
    return (size_t)(hash >> 32) % REQUEST_METRICS_PLACES;
}

void request_metrics_add(struct request_metrics *metrics,
                         const struct request_metrics_sample *sample)
{
    struct request_metrics_key key = {
        .cluster_id = sample->cluster != NULL ? sample->cluster->id : 0,
        .flags = sample->flags,
        .status = (uint16_t)sample->status,
        .grpc_status = sample->grpc_status,
        .is_grpc = sample->is_grpc,
    };
    struct request_metrics_entry *entry = &metrics->entries[request_metrics_place(&key)];

    if (entry->requests == NULL || !request_metrics_key_equals(&entry->key, &key)) {
        *entry = (struct request_metrics_entry){ .key = key };
        request_metrics_learn(metrics, entry, sample);
    }
    metric_series_add(entry->requests, 1);
    metric_series_observe(entry->duration, (double)sample->duration_us / 1000.0);
    metric_series_observe(entry->request_bytes, (double)sample->request_bytes);
    metric_series_observe(entry->response_bytes, (double)sample->response_bytes);
    if (sample->request_messages == 0 && sample->response_messages == 0) {
        return;
    }
    if (entry->request_messages == NULL) {
        request_metrics_learn_messages(metrics, entry, sample);
    }
    metric_series_add(entry->request_messages, sample->request_messages);
    metric_series_add(entry->response_messages, sample->response_messages);
}
