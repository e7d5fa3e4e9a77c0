/* /config_dump of a snapshot made by hand: the names that istioctl and Kiali read, and no key. */
#include "gateway/admin/admin_page.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static struct reload_status reload_status = { .result = "success", .revision = 7 };

static struct route *make_route(struct snapshot *snapshot)
{
    struct arena *arena = snapshot->arena;
    struct route *route = arena_new_object(arena, struct route);
    struct route_destination *destinations = arena_new_array(arena, struct route_destination, 2);

    route->name = STR("split");
    route->conditions.uri = pattern_new(arena, PATTERN_PREFIX, STR("/cart"), false, NULL);
    route->action = ROUTE_FORWARD;
    destinations[0].cluster_name = STR("outbound|80|v1|shop.default.svc.cluster.local");
    destinations[0].weight = 90;
    destinations[1].cluster_name = STR("outbound|80|v2|shop.default.svc.cluster.local");
    destinations[1].weight = 10;
    route->destinations = destinations;
    route->destination_count = 2;
    route->total_weight = 100;
    route->timeout_ms = 15500;
    route->virtual_service = STR("default/shop");
    return route;
}

static struct route *make_redirect(struct snapshot *snapshot)
{
    struct route *route = arena_new_object(snapshot->arena, struct route);

    route->action = ROUTE_REDIRECT;
    route->redirect.status = 308;
    route->redirect.uri = STR("/cart");
    route->virtual_service = STR("default/shop");
    return route;
}

static const struct tcp_route *make_tcp_route(struct arena *arena, size_t destination_count)
{
    static const char *const NAMES[] = { "outbound|9000||a.x", "outbound|9000||b.x" };
    struct tcp_route *route = arena_new_object(arena, struct tcp_route);
    struct route_destination *destinations =
        arena_new_array(arena, struct route_destination, destination_count);

    for (size_t i = 0; i < destination_count; i++) {
        destinations[i].cluster_name = str_from_cstr(NAMES[i]);
        destinations[i].weight = (uint32_t)(30 + i);
    }
    route->destinations = destinations;
    route->destination_count = destination_count;
    return route;
}

/* One server of each kind; the terminating ones have no certificate. */
static void make_tls_listener(struct arena *arena, struct route_table *table,
                              struct snapshot_listener *listener)
{
    struct tls_server *servers = arena_new_array(arena, struct tls_server, 3);

    servers[0].kind = TLS_SERVER_HTTP;
    servers[0].name = table->name;
    servers[0].credential = STR("shop-cert");
    vec_push_in_arena(arena, &servers[0].hosts, STR("*.shop.example.com"));
    servers[1].kind = TLS_SERVER_PASSTHROUGH;
    servers[1].tcp = make_tcp_route(arena, 2);
    vec_push_in_arena(arena, &servers[1].hosts, STR("passed.example.com"));
    servers[2].kind = TLS_SERVER_TCP;
    vec_push_in_arena(arena, &servers[2].hosts, STR("ended.example.com"));

    listener->name = STR("0.0.0.0_443");
    listener->is_tls = true;
    assert_true(address_parse(STR("0.0.0.0"), 8443, &listener->address));
    listener->servers = arena_new_array(arena, struct tls_server *, 3);
    listener->server_count = 3;
    for (size_t i = 0; i < 3; i++) {
        listener->servers[i] = &servers[i];
    }
}

static struct cluster_config *make_cluster(struct arena *arena, const char *name)
{
    struct cluster_config *cluster = arena_new_object(arena, struct cluster_config);
    struct endpoint_config *endpoint = arena_new_object(arena, struct endpoint_config);

    assert_true(address_parse(STR("10.0.0.7"), 9080, &endpoint->address));
    endpoint->weight = 1;
    endpoint->is_healthy = true;
    cluster->name = str_from_cstr(name);
    cluster->connect_timeout_ms = 10000;
    cluster->endpoints = endpoint;
    cluster->endpoint_count = 1;
    return cluster;
}

static struct snapshot *make_snapshot(void)
{
    struct snapshot *snapshot = snapshot_new();
    struct arena *arena = snapshot->arena;
    struct route_table *table = arena_new_object(arena, struct route_table);
    struct virtual_host *host = arena_new_object(arena, struct virtual_host);
    const struct route **routes = arena_new_array(arena, const struct route *, 2);
    struct tls_client_context_cache *contexts = tls_client_context_cache_new();
    const struct tls_client_policy policy = { .offers_h2 = true };

    routes[0] = make_route(snapshot);
    routes[1] = make_redirect(snapshot);
    host->name = STR("*.shop.example.com");
    host->routes = routes;
    host->route_count = 2;
    table->name = STR("https.443.https.shop.default");
    assert_true(host_table_add(&table->hosts, host->name, host, NULL));
    vec_push(&snapshot->tables, table);

    snapshot->listeners = arena_new_array(arena, struct snapshot_listener, 2);
    snapshot->listener_count = 2;
    make_tls_listener(arena, table, &snapshot->listeners[0]);
    snapshot->listeners[1].name = STR("0.0.0.0_9000");
    snapshot->listeners[1].tcp = make_tcp_route(arena, 1);
    assert_true(address_parse(STR("0.0.0.0"), 9000, &snapshot->listeners[1].address));

    snapshot->clusters = arena_new_array(arena, struct cluster_config *, 2);
    snapshot->cluster_count = 2;
    snapshot->clusters[0] = make_cluster(arena, "outbound|80|v1|shop.default.svc.cluster.local");
    snapshot->clusters[0]->idle_timeout_ms = 5000;
    snapshot->clusters[1] = make_cluster(arena, "outbound|443||tls.x");
    snapshot->clusters[1]->protocol = CLUSTER_HTTP2;
    snapshot->clusters[1]->max_concurrent_streams = 77;
    snapshot->clusters[1]->ping_interval_ms = 3000;
    snapshot->clusters[1]->sni = STR("sni.x");
    snapshot->clusters[1]->proxy_protocol = PROXY_PROTOCOL_V2;
    snapshot->clusters[1]->tls = tls_client_context_cache_get(contexts, &policy);
    tls_client_context_cache_free(contexts);
    return snapshot;
}

static void dump(struct admin *admin, const char *query, struct page_reply *reply)
{
    const struct page_request request = {
        .method = STR("GET"),
        .path = STR("/config_dump"),
        .query = str_from_cstr(query),
    };

    memset(reply, 0, sizeof(*reply));
    reply->status = 200;
    admin_dump_page(admin, &request, reply);
}

static void assert_has(const struct page_reply *reply, const char *text, bool is_there)
{
    if ((strstr(reply->body.ptr, text) != NULL) != is_there) {
        fail_msg("%s %s:\n%s", text, is_there ? "is missing" : "is there", reply->body.ptr);
    }
}

static void test_dump(void **state)
{
    static const char *const TEXTS[] = {
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.BootstrapConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.ListenersConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.RoutesConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.ClustersConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.EndpointsConfigDump\"",
        "\"@type\": \"type.googleapis.com/envoy.admin.v3.SecretsConfigDump\"",
        "\"name\": \"0.0.0.0_443\"",
        "\"port_value\": 8443",
        "\"route_config_name\": \"https.443.https.shop.default\"",
        "\"name\": \"*.shop.example.com:443\"",
        "\"prefix\": \"/cart\"",
        "\"total_weight\": 100",
        "\"timeout\": \"15.500s\"",
        "\"config\": \"/apis/networking.istio.io/v1/namespaces/default/virtual-service/shop\"",
        "\"path_redirect\": \"/cart\"",
        "\"response_code\": \"PERMANENT_REDIRECT\"",
        "\"cluster_name\": \"outbound|80|v1|shop.default.svc.cluster.local\"",
        "\"address\": \"10.0.0.7\"",
        "\"connect_timeout\": \"10.000s\"",
        "\"version_info\": \"7\"",
        "extensions.filters.network.tcp_proxy.v3.TcpProxy\"",
        "\"cluster\": \"outbound|9000||a.x\"",
        "\"weighted_clusters\"",
        "\"name\": \"outbound|9000||b.x\"",
        "\"weight\": 31",
        "\"passed.example.com\"",
        "\"ended.example.com\"",
        "\"idle_timeout\": \"5.000s\"",
        "\"http2_protocol_options\"",
        "\"max_concurrent_streams\": 77",
        "\"interval\": \"3.000s\"",
        "tls.v3.UpstreamTlsContext\"",
        "\"sni\": \"sni.x\"",
        "\"version\": \"V2\"",
    };
    struct secret_store *secrets = secret_store_new(STR("istio-system"));
    struct snapshot *snapshot = make_snapshot();
    const struct admin_view view = {
        .version = "0",
        .commit = "0",
        .own_namespace = STR("istio-system"),
        .snapshot = snapshot,
        .secrets = secrets,
        .reload = &reload_status,
    };
    struct admin admin = { &view, NULL };
    struct page_reply reply;

    (void)state;
    dump(&admin, "", &reply);
    assert_string_equal(reply.content_type, "application/json");
    for (size_t i = 0; i < sizeof(TEXTS) / sizeof(TEXTS[0]); i++) {
        assert_has(&reply, TEXTS[i], true);
    }
    text_cleanup(&reply.body);

    dump(&admin, "resource=dynamic_listeners", &reply);
    assert_has(&reply, "ListenersConfigDump", true);
    assert_has(&reply, "RoutesConfigDump", false);
    text_cleanup(&reply.body);

    dump(&admin, "name_regex=outbound.*v9.*", &reply);
    assert_has(&reply, "\"name\": \"outbound", false);
    text_cleanup(&reply.body);

    dump(&admin, "name_regex=(", &reply);
    assert_int_equal(reply.status, 400);
    text_cleanup(&reply.body);

    assert_true(snapshot_unref(snapshot));
    snapshot_free(snapshot);
    secret_store_free(secrets);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_dump) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
