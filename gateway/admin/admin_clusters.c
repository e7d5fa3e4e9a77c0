/* admin_clusters: /clusters, every destination with its endpoints as the workers see them, their counts
 * added up. A destination no worker has used yet shows what the configuration says. Control thread. */
#include "gateway/admin/admin_page.h"

#include <inttypes.h>

/* One cluster in all workers' reports. */
struct admin_cluster {
    const struct cluster_config *config;
    const struct worker_report_cluster **reports; /* by worker; NULL: not there */
};

/* Reports list clusters in an order of their own. */
static void admin_clusters_index(const struct worker_report *report, struct map *by_name)
{
    for (size_t i = 0; report != NULL && i < report->cluster_count; i++) {
        const void *cluster = &report->clusters[i];
        void *value;
        memcpy(&value, &cluster, sizeof(value)); /* read only, but a map holds no const */
        (void)map_set(by_name, report->clusters[i].name, value); /* names are unique */
    }
}

static const struct worker_report_endpoint *admin_clusters_find_endpoint(
    const struct worker_report_cluster *cluster, size_t index, struct str address)
{
    if (cluster == NULL) {
        return NULL;
    }
    if (index < cluster->endpoint_count && str_equals(cluster->endpoints[index].address, address)) {
        return &cluster->endpoints[index];
    }
    for (size_t i = 0; i < cluster->endpoint_count; i++) {
        if (str_equals(cluster->endpoints[i].address, address)) {
            return &cluster->endpoints[i];
        }
    }
    return NULL;
}

/* Index of the worker whose list of endpoints is shown: the first that has one. */
static const struct worker_report_cluster *admin_clusters_shown(const struct admin_cluster *cluster,
                                                                size_t worker_count)
{
    for (size_t i = 0; i < worker_count; i++) {
        if (cluster->reports[i] != NULL && cluster->reports[i]->endpoint_count != 0) {
            return cluster->reports[i];
        }
    }
    return NULL;
}

static struct worker_report_endpoint admin_clusters_sum(const struct admin_cluster *cluster,
                                                        size_t worker_count,
                                                        const struct worker_report_endpoint *shown,
                                                        size_t index)
{
    struct worker_report_endpoint sum = *shown;

    sum.active_requests = 0;
    sum.active_connections = 0;
    sum.idle_connections = 0;
    sum.request_count = 0;
    sum.connect_failure_count = 0;
    for (size_t i = 0; i < worker_count; i++) {
        const struct worker_report_endpoint *endpoint =
            admin_clusters_find_endpoint(cluster->reports[i], index, shown->address);
        if (endpoint == NULL) {
            continue;
        }
        sum.is_healthy = sum.is_healthy && endpoint->is_healthy;
        sum.active_requests += endpoint->active_requests;
        sum.active_connections += endpoint->active_connections;
        sum.idle_connections += endpoint->idle_connections;
        sum.request_count += endpoint->request_count;
        sum.connect_failure_count += endpoint->connect_failure_count;
    }
    return sum;
}

/* --- Text ------------------------------------------------------------------------------------- */

static void admin_clusters_write_endpoint(struct text *out, struct str name,
                                          const struct worker_report_endpoint *endpoint)
{
    const struct {
        const char *name;
        uint64_t value;
    } rows[] = {
        { "cx_active", endpoint->active_connections },
        { "cx_idle", endpoint->idle_connections },
        { "cx_connect_fail", endpoint->connect_failure_count },
        { "rq_active", endpoint->active_requests },
        { "rq_total", endpoint->request_count },
        { "weight", endpoint->weight },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text_printf(out, "%.*s::%.*s::%s::%" PRIu64 "\n", STR_ARG(name), STR_ARG(endpoint->address),
                    rows[i].name, rows[i].value);
    }
    text_printf(out, "%.*s::%.*s::hostname::%.*s\n", STR_ARG(name), STR_ARG(endpoint->address),
                STR_ARG(endpoint->host));
    text_printf(out, "%.*s::%.*s::health_flags::%s\n", STR_ARG(name), STR_ARG(endpoint->address),
                endpoint->is_healthy ? "healthy" : "/failed_eds_health");
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void admin_clusters_put_stat(struct json *json, const char *name, const char *type,
                                    uint64_t value)
{
    struct text number = { 0 };

    json_open_object(json);
    json_put_cstr(json, "name", name);
    json_put_cstr(json, "type", type);
    text_add_u64(&number, value);
    json_put_str(json, "value", text_view(&number));
    json_close_object(json);
    text_cleanup(&number);
}

static void admin_clusters_put_endpoint(struct json *json,
                                        const struct worker_report_endpoint *endpoint)
{
    struct address address = { 0 };
    struct err err = { 0 };

    json_open_object(json);
    if (address_parse_with_port(endpoint->address, &address, &err)) {
        admin_page_put_address(json, "address", &address);
    }
    if (endpoint->host.len != 0) {
        json_put_str(json, "hostname", endpoint->host);
    }
    json_key(json, "health_status");
    json_open_object(json);
    json_put_cstr(json, "eds_health_status", endpoint->is_healthy ? "HEALTHY" : "UNHEALTHY");
    json_put_bool(json, "failed_outlier_check", false);
    json_close_object(json);
    json_put_u64(json, "weight", endpoint->weight);
    json_key(json, "stats");
    json_open_array(json);
    admin_clusters_put_stat(json, "cx_active", "GAUGE", endpoint->active_connections);
    admin_clusters_put_stat(json, "cx_idle", "GAUGE", endpoint->idle_connections);
    admin_clusters_put_stat(json, "cx_connect_fail", "COUNTER", endpoint->connect_failure_count);
    admin_clusters_put_stat(json, "rq_active", "GAUGE", endpoint->active_requests);
    admin_clusters_put_stat(json, "rq_total", "COUNTER", endpoint->request_count);
    json_close_array(json);
    json_close_object(json);
}

/* --- Both ------------------------------------------------------------------------------------- */

static void admin_clusters_write_one(struct json *json, struct text *text, struct str name,
                                     const struct worker_report_endpoint *endpoint)
{
    if (json != NULL) {
        admin_clusters_put_endpoint(json, endpoint);
    } else {
        admin_clusters_write_endpoint(text, name, endpoint);
    }
}

/* The endpoints that stand in the configuration, with nothing counted. */
static void admin_clusters_write_configured(struct json *json, struct text *text,
                                            const struct cluster_config *config)
{
    char address[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; config->kind == CLUSTER_STATIC && i < config->endpoint_count; i++) {
        const struct endpoint_config *endpoint = &config->endpoints[i];
        struct worker_report_endpoint row = {
            .address = address_print(&endpoint->address, address),
            .weight = endpoint->weight,
            .is_healthy = endpoint->is_healthy,
        };
        admin_clusters_write_one(json, text, config->name, &row);
    }
}

static void admin_clusters_write_endpoints(struct json *json, struct text *text,
                                           const struct admin_cluster *cluster, size_t worker_count)
{
    const struct worker_report_cluster *shown = admin_clusters_shown(cluster, worker_count);

    if (shown == NULL) {
        admin_clusters_write_configured(json, text, cluster->config);
        return;
    }
    for (size_t i = 0; i < shown->endpoint_count; i++) {
        struct worker_report_endpoint sum =
            admin_clusters_sum(cluster, worker_count, &shown->endpoints[i], i);
        admin_clusters_write_one(json, text, cluster->config->name, &sum);
    }
}

static void admin_clusters_write_all(struct json *json, struct text *text,
                                     const struct admin_view *view)
{
    const struct worker_report_cluster **reports =
        mem_alloc_array(view->worker_count + 1, sizeof(struct worker_report_cluster *));
    struct map *by_name = mem_alloc_array(view->worker_count + 1, sizeof(struct map));

    for (size_t w = 0; w < view->worker_count; w++) {
        admin_clusters_index(view->worker_reports[w], &by_name[w]);
    }
    for (size_t i = 0; i < view->snapshot->cluster_count; i++) {
        const struct cluster_config *config = view->snapshot->clusters[i];
        struct admin_cluster cluster = { config, reports };
        for (size_t w = 0; w < view->worker_count; w++) {
            reports[w] = map_get(&by_name[w], config->name);
        }
        if (json != NULL) {
            json_open_object(json);
            json_put_str(json, "name", config->name);
            json_put_bool(json, "added_via_api", true);
            json_key(json, "host_statuses");
            json_open_array(json);
        }
        admin_clusters_write_endpoints(json, text, &cluster, view->worker_count);
        if (json != NULL) {
            json_close_array(json);
            json_close_object(json);
        }
    }
    for (size_t w = 0; w < view->worker_count; w++) {
        map_cleanup(&by_name[w]);
    }
    mem_free(by_name);
    mem_free(reports);
}

void admin_clusters_page(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply)
{
    const struct admin_view *view = admin->view;
    struct json json;

    admin->actions->refresh_worker_reports(admin->actions->owner);
    if (!admin_page_wants_json(request)) {
        if (view->snapshot != NULL) {
            admin_clusters_write_all(NULL, &reply->body, view);
        }
        return;
    }
    admin_page_json(reply, &json);
    json_open_object(&json);
    json_key(&json, "cluster_statuses");
    json_open_array(&json);
    if (view->snapshot != NULL) {
        admin_clusters_write_all(&json, NULL, view);
    }
    json_close_array(&json);
    json_close_object(&json);
}
