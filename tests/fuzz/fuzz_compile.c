/* fuzz_compile: any bytes as configuration, through the checks across objects and the compile; then
 * every host and route of the result is asked, and the resources go before the snapshot does. */
#include "config/compile.h"
#include "config/validate.h"
#include "gateway/base/check.h"
#include "gateway/route/match.h"
#include "gateway/route/split.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct compile_options options = {
    .own_namespace = STR_INIT("istio-system"),
    .domain = STR_INIT("cluster.local"),
    .bind = STR_INIT("0.0.0.0"),
    .connect_timeout_ms = 1000,
};

static void ask_host(const struct virtual_host *host, struct headers *headers)
{
    static const struct str paths[] = { STR_INIT("/"), STR_INIT("/api/v1/x"), STR_INIT("*"),
                                        STR_INIT("") };

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct match_request request = { .method = STR("GET"),
                                         .path = paths[i],
                                         .query = STR("a=b&c"),
                                         .scheme = STR("http"),
                                         .authority = host->name,
                                         .headers = headers };
        const struct route *route = match_route(host, &request);

        CHECK(route == NULL || match_failed_condition(route, &request) == NULL);
        CHECK(route == NULL || route->action != ROUTE_FORWARD || route->destination_count != 0);
    }
}

static void ask_table(const struct route_table *table, struct headers *headers)
{
    const struct map *maps[] = { &table->hosts.exact, &table->hosts.wildcard };

    for (size_t i = 0; i < 2; i++) {
        size_t position = 0;
        void *value;

        while (map_next(maps[i], &position, NULL, &value)) {
            ask_host(value, headers);
        }
    }
    if (table->hosts.any != NULL) {
        ask_host(table->hosts.any, headers);
    }
}

/* A rule of bytes always leads somewhere. */
static void check_tcp(const struct tcp_route *route)
{
    CHECK(route == NULL || (route->destination_count != 0 &&
                            split_pick_among(route->destinations, route->destination_count,
                                             route->total_weight, 12345) != NULL));
}

/* What of a listener may be NULL (config/snapshot.h), and that each name is one server's. */
static void check_listener(const struct snapshot_listener *listener)
{
    CHECK(listener->is_tls || (listener->routes == NULL) == (listener->tcp != NULL));
    check_tcp(listener->tcp);
    for (size_t i = 0; i < listener->server_count; i++) {
        const struct tls_server *server = listener->servers[i];

        CHECK((server->kind == TLS_SERVER_HTTP) == (server->routes != NULL));
        CHECK(server->kind != TLS_SERVER_PASSTHROUGH || server->tcp != NULL);
        CHECK(server->hosts.count != 0);
        check_tcp(server->tcp);
        for (size_t k = 0; k < server->hosts.count; k++) {
            CHECK(host_table_get(&listener->sni, server->hosts.items[k]) == server);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    struct headers headers;
    struct report report;
    struct resource_set *set;
    struct secret_store *store;
    struct tls_client_context_cache *contexts;
    struct snapshot *snapshot;

    headers_init(&headers, arena);
    headers_add(&headers, STR("x"), STR("a"));
    report_init(&report);
    set = resource_set_load_text(STR("a.yaml"), str_from((const char *)data, size), NULL, NULL,
                                 &report);
    validate_resources(&options, set, &report);
    /* Nothing is read from files that the input names: the store stays empty. */
    store = secret_store_new(options.own_namespace);
    contexts = tls_client_context_cache_new();
    snapshot = compile_snapshot(&options, set, store, NULL, contexts, &report);
    resource_set_free(set);
    for (size_t i = 0; i < snapshot->tables.count; i++) {
        ask_table(snapshot->tables.items[i], &headers);
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        check_listener(&snapshot->listeners[i]);
    }
    CHECK(snapshot_unref(snapshot));
    snapshot_free(snapshot);
    tls_client_context_cache_free(contexts);
    secret_store_free(store);
    report_cleanup(&report);
    arena_free(arena);
    return 0;
}
