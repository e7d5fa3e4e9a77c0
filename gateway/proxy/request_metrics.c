/* request_metrics: labels of finished requests. A worker's. No label ever comes from a peer's
 * bytes: they are configuration, or numbers out of small ranges. */
#include "gateway/proxy/request_metrics.h"

#include "gateway/observe/format.h"

#include <stdio.h>

enum {
    REQUEST_METRICS_LABELS = 25,
    REQUEST_METRICS_CODE = 21, /* response_code; grpc_response_status follows */
};

static struct str request_metrics_or(struct str value, struct str otherwise)
{
    return value.len > 0 ? value : otherwise;
}

/* OB-25: the first DNS label where the configuration has no name. */
static struct str request_metrics_short_name(const struct cluster *cluster)
{
    struct str host = cluster->service_host;

    return cluster->service_name.len > 0 ? cluster->service_name
                                         : str_slice(host, 0, str_find_char(host, '.'));
}

/* OB-23: the order of metrics.def. */
static void request_metrics_fill(const struct request_metrics *metrics,
                                 const struct request_metrics_sample *sample, struct str code,
                                 struct str grpc, struct str flags,
                                 struct str labels[REQUEST_METRICS_LABELS])
{
    const struct worker_identity *own = metrics->identity;
    const struct cluster *cluster = sample->cluster;
    struct str unknown = STR("unknown");
    struct str cluster_id = request_metrics_or(own->cluster_id, STR("Kubernetes"));
    struct str service =
        cluster != NULL ? request_metrics_or(cluster->service_host, unknown) : unknown; /* OB-26 */
    struct str name = cluster != NULL
                          ? request_metrics_or(request_metrics_short_name(cluster), unknown)
                          : unknown;
    struct str namespace_name =
        cluster != NULL ? request_metrics_or(cluster->service_namespace, unknown) : unknown;
    const struct str row[REQUEST_METRICS_LABELS] = {
        STR("source"),
        request_metrics_or(own->workload, unknown),
        request_metrics_or(own->canonical_service, unknown),
        request_metrics_or(own->canonical_revision, STR("latest")),
        request_metrics_or(own->workload_namespace, unknown),
        unknown, /* source_principal */
        request_metrics_or(own->app, unknown),
        request_metrics_or(own->version, unknown),
        cluster_id,
        unknown, /* destination_workload and what goes with it: nobody tells us */
        unknown,
        unknown,
        unknown,
        unknown,
        service,
        unknown,
        STR("latest"),
        name,
        namespace_name,
        cluster_id,
        sample->is_grpc ? STR("grpc") : STR("http"),
        code,
        grpc,
        flags,
        unknown, /* connection_security_policy */
    };

    memcpy(labels, row, sizeof(row));
}

/* ISTIO_TCP_LABELS: the same without response_code and grpc_response_status. */
static void request_metrics_learn_messages(struct request_metrics *metrics,
                                           struct request_metrics_entry *entry,
                                           const struct request_metrics_sample *sample)
{
    struct str labels[REQUEST_METRICS_LABELS];
    struct text flags = { 0 };

    format_response_flags(sample->flags, &flags);
    request_metrics_fill(metrics, sample, STR(""), STR(""), text_view(&flags), labels);
    memmove(&labels[REQUEST_METRICS_CODE], &labels[REQUEST_METRICS_CODE + 2],
            (REQUEST_METRICS_LABELS - REQUEST_METRICS_CODE - 2) * sizeof(labels[0]));
    entry->request_messages =
        metrics_series(metrics->shard, METRIC_REQUEST_MESSAGES, labels, REQUEST_METRICS_LABELS - 2);
    entry->response_messages = metrics_series(metrics->shard, METRIC_RESPONSE_MESSAGES, labels,
                                              REQUEST_METRICS_LABELS - 2);
    text_cleanup(&flags);
}

static void request_metrics_learn(struct request_metrics *metrics,
                                  struct request_metrics_entry *entry,
                                  const struct request_metrics_sample *sample)
{
    struct str labels[REQUEST_METRICS_LABELS];
    char code[12];
    char grpc[4] = "";
    struct text flags = { 0 };
    int code_len = snprintf(code, sizeof(code), "%u", sample->status);
    int grpc_len = 0;

    if (sample->grpc_status != REQUEST_METRICS_NO_GRPC) {
        grpc_len = snprintf(grpc, sizeof(grpc), "%u", (unsigned)sample->grpc_status);
    }
    format_response_flags(sample->flags, &flags);
    request_metrics_fill(metrics, sample, str_from(code, (size_t)code_len),
                         str_from(grpc, (size_t)grpc_len), text_view(&flags), labels);
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
