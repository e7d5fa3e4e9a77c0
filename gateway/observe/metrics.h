/* metrics: cells per thread, merged when scraped, as Prometheus text.
 * Each worker (and the control thread) owns one shard and is its only writer; cells are relaxed
 * atomics and series are only ever added, so the scraper walks them without a lock. */
#ifndef GATEWAY_OBSERVE_METRICS_H
#define GATEWAY_OBSERVE_METRICS_H

#include "gateway/base/str.h"
#include "gateway/base/text.h"

struct metrics_shard;

/* metrics.def: METRIC(id, "name", KIND, "label,label,...", "help"); KIND is COUNTER, GAUGE or
 * HISTOGRAM. Gauges of several shards are added up. */
enum metric_id {
#define METRIC(id, name, kind, labels, help) METRIC_##id,
#include "gateway/observe/metrics.def"
#undef METRIC
    METRIC_COUNT
};

struct metrics_shard *metrics_shard_new(void);
/* The shard's figures stay in the totals; shards are never freed before metrics_cleanup(). */
void metrics_cleanup(void);

/* Metrics without labels. */
void metrics_add(struct metrics_shard *shard, enum metric_id id, uint64_t amount);
void metrics_sub(struct metrics_shard *shard, enum metric_id id, uint64_t amount); /* gauges */
void metrics_set(struct metrics_shard *shard, enum metric_id id, double value);    /* gauges */

/* A series: one metric with one set of label values, in the order of metrics.def. Found or made
 * (copied); beyond LIMIT_METRIC_SERIES a shared series with every value "other" is returned. Keep
 * the pointer where the values do not change: a look-up hashes all the values. Never NULL. */
struct metric_series;
struct metric_series *metrics_series(struct metrics_shard *shard, enum metric_id id,
                                     const struct str *values, size_t count);
void metric_series_add(struct metric_series *series, uint64_t amount);
void metric_series_sub(struct metric_series *series, uint64_t amount);
void metric_series_set(struct metric_series *series, double value);
/* Histograms; bounds are Istio's (spec OB-21), the unit is the metric's own. */
void metric_series_observe(struct metric_series *series, double value);
/* Takes every series of a gauge out of the page, before it is set anew (certificates, findings).
 * Only for gauges that one shard owns. */
void metrics_clear_series(struct metrics_shard *shard, enum metric_id id);

/* Control thread: all shards merged, HELP and TYPE lines included. */
void metrics_write_prometheus(struct text *out);
/* Sum over all shards and series; for tests and admin pages. */
double metrics_total(enum metric_id id);

#endif
