/* worker_report: a copy of a worker's listeners and clusters. Made in the worker's thread, then
 * owned by whoever asked. */
#include "gateway/proxy/worker_report.h"

#include "gateway/base/mem.h"

enum { WORKER_REPORT_ARENA_BYTES = 4096 };

static void worker_report_add_listeners(struct worker_report *report, const struct worker *worker)
{
    struct worker_report_listener *rows =
        arena_new_array(report->arena, struct worker_report_listener, worker->listeners.count);
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(&worker->listeners, &position, &key, &value)) {
        const struct worker_listener *listener = value;
        rows[report->listener_count++] = (struct worker_report_listener){
            .key = arena_copy_str(report->arena, listener->key),
            .name = arena_copy_str(report->arena, listener->name),
            .bound = listener->bound,
            .connection_count = listener->connection_count,
        };
    }
    report->listeners = rows;
}

static void worker_report_fill_cluster(struct worker_report_cluster *row, struct arena *arena,
                                       const struct cluster *cluster)
{
    struct worker_report_endpoint *endpoints =
        arena_new_array(arena, struct worker_report_endpoint, cluster->endpoints.count);

    for (size_t i = 0; i < cluster->endpoints.count; i++) {
        const struct endpoint *endpoint = cluster->endpoints.items[i];
        endpoints[i] = (struct worker_report_endpoint){
            .address = arena_copy_str(arena, endpoint->text),
            .host = arena_copy_str(arena, endpoint->host),
            .weight = endpoint->weight,
            .is_healthy = endpoint->is_healthy,
            .active_requests = endpoint->active_requests,
            .active_connections = endpoint->busy_count + endpoint->idle_count,
            .idle_connections = endpoint->idle_count,
            .request_count = endpoint->request_count,
            .connect_failure_count = endpoint->connect_failure_count,
        };
    }
    *row = (struct worker_report_cluster){
        .name = arena_copy_str(arena, cluster->name),
        .kind = cluster->kind,
        .balance = cluster->balance_kind,
        .is_resolved = cluster_is_resolved(cluster),
        .endpoints = endpoints,
        .endpoint_count = cluster->endpoints.count,
    };
}

static void worker_report_add_clusters(struct worker_report *report, const struct worker *worker)
{
    struct worker_report_cluster *rows = arena_new_array(
        report->arena, struct worker_report_cluster, worker->clusters.by_name.count);

    LIST_EACH (&worker->clusters.current, link) {
        worker_report_fill_cluster(&rows[report->cluster_count++], report->arena,
                                   list_object(link, struct cluster, link));
    }
    report->clusters = rows;
}

struct worker_report *worker_report_make(const struct worker *worker)
{
    struct worker_report *report = mem_new(struct worker_report);

    report->arena = arena_new(WORKER_REPORT_ARENA_BYTES);
    report->worker_index = worker->index;
    report->revision = worker->lease != NULL ? worker->lease->snapshot->revision : 0;
    worker_report_add_listeners(report, worker);
    worker_report_add_clusters(report, worker);
    return report;
}

void worker_report_free(struct worker_report *report)
{
    if (report != NULL) {
        arena_free(report->arena);
        mem_free(report);
    }
}
