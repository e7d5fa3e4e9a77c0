/* admin_metrics: the metrics page, and Envoy's /stats with the figures that the tools around Istio
 * read. Control thread. */
#include "gateway/admin/admin_page.h"
#include "gateway/base/now.h"
#include "gateway/observe/log_writer.h"
#include "gateway/route/pattern.h"

#include <malloc.h>
#include <stdio.h>

void admin_metrics_memory(uint64_t *allocated, uint64_t *heap)
{
    struct mallinfo2 info = mallinfo2();

    *allocated = info.uordblks + info.hblkhd;
    *heap = info.arena + info.hblkhd;
}

/* How evenly the workers share the connections. */
static void admin_metrics_refresh_workers(const struct admin_view *view)
{
    char digits[24];

    for (size_t i = 0; i < view->worker_count; i++) {
        (void)snprintf(digits, sizeof(digits), "%zu", i); /* it fits */
        struct str index = str_from_cstr(digits);
        metric_series_set(metrics_series(view->shard, METRIC_WORKER_CONNECTIONS, &index, 1),
                          (double)worker_active_count(view->workers[i]));
    }
}

/* Gauges that nobody else keeps: read when asked for. */
static void admin_metrics_refresh(const struct admin_view *view)
{
    /* Counters only take what is new. Control thread. */
    static uint64_t told_dropped_lines;
    static uint64_t told_regex_limits;
    uint64_t allocated;
    uint64_t heap;
    uint64_t uptime_s = (now_mono_us() - view->start_mono_us) / 1000000u;
    uint64_t dropped = log_writer_dropped_lines();
    uint64_t regex_limits = pattern_limit_count();

    admin_metrics_memory(&allocated, &heap);
    metrics_set(view->shard, METRIC_SERVER_MEMORY_ALLOCATED, (double)allocated);
    metrics_set(view->shard, METRIC_SERVER_MEMORY_HEAP, (double)heap);
    metrics_set(view->shard, METRIC_SERVER_UPTIME, (double)uptime_s);
    metrics_set(view->shard, METRIC_SNAPSHOTS, snapshot_live_count());
    admin_metrics_refresh_workers(view);
    if (dropped > told_dropped_lines) {
        metrics_add(view->shard, METRIC_LOG_LINES_DROPPED, dropped - told_dropped_lines);
        told_dropped_lines = dropped;
    }
    if (regex_limits > told_regex_limits) {
        metrics_add(view->shard, METRIC_REGEX_LIMITS, regex_limits - told_regex_limits);
        told_regex_limits = regex_limits;
    }
}

void admin_metrics_prometheus(struct admin *admin, const struct page_request *request,
                              struct page_reply *reply)
{
    (void)request;
    admin_metrics_refresh(admin->view);
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_write_prometheus(&reply->body);
}

/* --- /stats ----------------------------------------------------------------------------------- */

struct admin_stat {
    const char *name;
    uint64_t value;
};

static uint64_t admin_metrics_active_connections(const struct admin_view *view)
{
    uint64_t count = 0;

    for (size_t i = 0; i < view->worker_count; i++) {
        count += worker_active_count(view->workers[i]);
    }
    return count;
}

static uint64_t admin_metrics_days_to_expiry(const struct admin_view *view)
{
    int64_t now_s = (int64_t)(now_wall_us() / 1000000);
    int64_t soonest = INT64_MAX;

    for (size_t i = 0; i < secret_store_count(view->secrets); i++) {
        const struct secret *secret = secret_store_at(view->secrets, i)->secret;
        if (secret != NULL && secret_chain(secret)->count != 0 &&
            secret_chain(secret)->items[0].not_after < soonest) {
            soonest = secret_chain(secret)->items[0].not_after;
        }
    }
    if (soonest == INT64_MAX) {
        return UINT32_MAX; /* as Envoy says "no certificate" */
    }
    return soonest <= now_s ? 0 : (uint64_t)(soonest - now_s) / 86400;
}

static size_t admin_metrics_collect(const struct admin_view *view, struct admin_stat *stats)
{
    const struct reload_status *reload = view->reload;
    uint64_t allocated;
    uint64_t heap;
    size_t count = 0;

    admin_metrics_memory(&allocated, &heap);
#define STAT(name, value) stats[count++] = (struct admin_stat){ name, (uint64_t)(value) }
    STAT("cluster_manager.active_clusters",
         view->snapshot != NULL ? view->snapshot->cluster_count : 0);
    STAT("cluster_manager.cds.update_failure", reload->failure_count);
    STAT("cluster_manager.cds.update_rejected", reload->failure_count);
    STAT("cluster_manager.cds.update_success", reload->success_count);
    STAT("downstream_cx_active", admin_metrics_active_connections(view));
    STAT("downstream_cx_total", metrics_total(METRIC_CONNECTIONS_TOTAL));
    STAT("downstream_rq_total", metrics_total(METRIC_REQUESTS));
    STAT("listener_manager.lds.update_failure", reload->failure_count);
    STAT("listener_manager.lds.update_rejected", reload->failure_count);
    STAT("listener_manager.lds.update_success", reload->success_count);
    STAT("listener_manager.total_listeners_active", view->listeners->count);
    STAT("listener_manager.workers_started", view->reload->revision != 0);
    STAT("server.concurrency", view->worker_count);
    STAT("server.days_until_first_cert_expiring", admin_metrics_days_to_expiry(view));
    STAT("server.live", view->state == SERVER_LIVE);
    STAT("server.memory_allocated", allocated);
    STAT("server.memory_heap_size", heap);
    STAT("server.state", view->state);
    STAT("server.total_connections", admin_metrics_active_connections(view));
    STAT("server.uptime", (now_mono_us() - view->start_mono_us) / 1000000);
#undef STAT
    return count;
}

enum { ADMIN_STAT_MAX = 32 };

static void admin_metrics_write(const struct admin_stat *stats, size_t count, bool is_json,
                                struct page_reply *reply)
{
    struct json json;

    if (!is_json) {
        for (size_t i = 0; i < count; i++) {
            text_printf(&reply->body, "%s: ", stats[i].name);
            text_add_u64(&reply->body, stats[i].value);
            text_add_char(&reply->body, '\n');
        }
        return;
    }
    admin_page_json(reply, &json);
    json_open_object(&json);
    json_key(&json, "stats");
    json_open_array(&json);
    for (size_t i = 0; i < count; i++) {
        json_open_object(&json);
        json_put_cstr(&json, "name", stats[i].name);
        json_put_u64(&json, "value", stats[i].value);
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
}

/* Envoy searches anywhere in the name; our patterns match the whole. */
static struct pattern *admin_metrics_filter(struct arena *arena, struct str regex, struct err *err)
{
    struct str whole = arena_printf(arena, ".*(?:%.*s).*", STR_ARG(regex));

    return pattern_new(arena, PATTERN_REGEX, whole, false, err);
}

/* `?usedonly` changes nothing: every figure here has been set. */
void admin_metrics_stats(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply)
{
    struct admin_stat stats[ADMIN_STAT_MAX];
    size_t count = admin_metrics_collect(admin->view, stats);
    struct arena *arena = arena_new(1024);
    struct pattern *pattern = NULL;
    struct text value = { 0 };
    struct err err = { 0 };
    size_t kept = 0;

    struct str format = admin_page_query(request, "format", &value);
    if (str_equals(format, STR("prometheus"))) {
        admin_metrics_prometheus(admin, request, reply);
        goto done;
    }
    struct str filter = admin_page_query(request, "filter", &value);
    if (filter.len != 0) {
        pattern = admin_metrics_filter(arena, filter, &err);
        if (pattern == NULL) {
            admin_page_say(reply, 400, "filter: %s", err.text);
            goto done;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (pattern == NULL || pattern_matches(pattern, str_from_cstr(stats[i].name))) {
            stats[kept++] = stats[i];
        }
    }
    admin_metrics_write(stats, kept, admin_page_wants_json(request), reply);

done:
    pattern_free(pattern);
    arena_free(arena);
    text_cleanup(&value);
}
