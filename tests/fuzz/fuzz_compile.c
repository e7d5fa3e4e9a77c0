/* fuzz_compile: any bytes as configuration, through the checks across objects and the compile; then
 * every host and route of the result is asked, and the resources go before the snapshot does. */
#include "config/compile.h"
#include "config/validate.h"
#include "gateway/base/check.h"
#include "gateway/route/match.h"

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *arena = arena_new(1024);
    struct headers headers;
    struct report report;
    struct resource_set *set;
    struct snapshot *snapshot;

    headers_init(&headers, arena);
    headers_add(&headers, STR("x"), STR("a"));
    report_init(&report);
    set = resource_set_load_text(STR("a.yaml"), str_from((const char *)data, size), NULL, NULL,
                                 &report);
    validate_resources(&options, set, &report);
    snapshot = compile_snapshot(&options, set, NULL, NULL, NULL, &report);
    resource_set_free(set);
    for (size_t i = 0; i < snapshot->tables.count; i++) {
        ask_table(snapshot->tables.items[i], &headers);
    }
    CHECK(snapshot_unref(snapshot));
    snapshot_free(snapshot);
    report_cleanup(&report);
    arena_free(arena);
    return 0;
}
