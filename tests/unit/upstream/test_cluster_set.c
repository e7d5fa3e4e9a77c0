/* Tests of gateway/upstream/cluster_set.c, cluster.c and cluster_target.c: what a reload keeps. */
#include "gateway/upstream/cluster_set.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct cluster_set set;
    struct cluster_config config;
    struct cluster_config *configs[1];
    struct endpoint_config endpoints[4];
};

static void fixture_add_address(struct fixture *fixture, const char *host, uint16_t port)
{
    struct endpoint_config *endpoint = &fixture->endpoints[fixture->config.endpoint_count++];

    *endpoint = (struct endpoint_config){ .port = port, .weight = 1, .is_healthy = true };
    assert_true(address_parse(str_from_cstr(host), port, &endpoint->address));
}

static struct cluster *fixture_publish(struct fixture *fixture)
{
    cluster_set_update(&fixture->set, fixture->configs, 1);
    return cluster_set_find(&fixture->set, fixture->config.name);
}

static int fixture_setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    struct err err = { 0 };

    fixture->set.loop = loop_new(&err);
    fixture->set.resolver = resolver_new(fixture->set.loop, NULL, &err);
    fixture->set.metrics = metrics_shard_new();
    fixture->set.connect_timeout_ms = 1234;
    cluster_set_init(&fixture->set);
    fixture->configs[0] = &fixture->config;
    fixture->config.name = STR("outbound|80||a.ns.svc.cluster.local");
    fixture->config.service_host = STR("a.ns.svc.cluster.local");
    fixture->config.fingerprint = 1;
    fixture->config.endpoints = fixture->endpoints;
    *state = fixture;
    return fixture->set.loop != NULL && fixture->set.resolver != NULL ? 0 : -1;
}

static int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;

    cluster_set_cleanup(&fixture->set);
    resolver_free(fixture->set.resolver);
    loop_free(fixture->set.loop);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

static void test_unknown_name(void **state)
{
    struct fixture *fixture = *state;

    assert_null(cluster_set_find(&fixture->set, STR("outbound|80||b")));
}

static void test_no_endpoint_is_no_choice_LR_5(void **state)
{
    struct fixture *fixture = *state;
    struct cluster *cluster = fixture_publish(fixture);

    assert_true(cluster_is_resolved(cluster));
    assert_null(cluster_pick_endpoint(cluster, NULL, 0));
}

static void test_unhealthy_is_known_and_not_chosen_SV_22(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    fixture->endpoints[0].is_healthy = false;
    struct cluster *cluster = fixture_publish(fixture);
    assert_int_equal(cluster->endpoints.count, 1);
    assert_null(cluster_pick_endpoint(cluster, NULL, 0));
}

static void test_unchanged_is_not_touched(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    struct cluster *cluster = fixture_publish(fixture);
    uint64_t id = cluster->id;
    struct endpoint *endpoint = cluster->endpoints.items[0];
    assert_ptr_equal(fixture_publish(fixture), cluster);
    assert_int_equal(cluster->id, id);
    assert_ptr_equal(cluster->endpoints.items[0], endpoint);
    assert_int_equal(cluster->connect_timeout_ms, 1234);
}

/* Changes alone come to the same as the whole. */
static void test_changes_touch_nothing_else(void **state)
{
    struct fixture *fixture = *state;
    struct cluster_config other = { .name = STR("outbound|80||b"), .fingerprint = 1 };
    struct cluster_config *updated[] = { &other };

    fixture_add_address(fixture, "10.0.0.1", 80);
    struct cluster *first = fixture_publish(fixture);
    cluster_set_change(&fixture->set, updated, 1, NULL, 0);
    struct cluster *second = cluster_set_find(&fixture->set, other.name);
    assert_non_null(second);
    assert_ptr_equal(cluster_set_find(&fixture->set, fixture->config.name), first);

    struct str gone[] = { fixture->config.name, STR("never there") };
    fixture->config.fingerprint = 2;
    other.fingerprint = 2;
    other.connect_timeout_ms = 77;
    cluster_set_change(&fixture->set, updated, 1, gone, 2);
    assert_null(cluster_set_find(&fixture->set, fixture->config.name));
    assert_ptr_equal(cluster_set_find(&fixture->set, other.name), second);
    assert_int_equal(second->connect_timeout_ms, 77);
    assert_non_null(fixture_publish(fixture)); /* the whole again: it is new, the other one gone */
    assert_null(cluster_set_find(&fixture->set, other.name));
}

static void test_endpoints_are_kept_by_address(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    fixture_add_address(fixture, "10.0.0.2", 80);
    struct cluster *cluster = fixture_publish(fixture);
    struct endpoint *second = cluster->endpoints.items[1];
    second->request_count = 17;
    fixture->config.endpoint_count = 0;
    fixture_add_address(fixture, "10.0.0.3", 80);
    fixture_add_address(fixture, "10.0.0.2", 80);
    fixture->endpoints[1].weight = 5;
    fixture->config.fingerprint = 2;
    assert_ptr_equal(fixture_publish(fixture), cluster);
    assert_int_equal(cluster->endpoints.count, 2);
    assert_ptr_equal(cluster->endpoints.items[1], second);
    assert_int_equal(second->request_count, 17);
    assert_int_equal(second->weight, 5);
    assert_string_equal(cluster->endpoints.items[0]->text.ptr, "10.0.0.3:80");
}

static void test_the_same_address_twice_counts_once(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    fixture_add_address(fixture, "10.0.0.1", 80);
    fixture_add_address(fixture, "10.0.0.1", 81);
    assert_int_equal(fixture_publish(fixture)->endpoints.count, 2);
}

static void test_removed_lives_until_unused(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    struct cluster *cluster = cluster_ref(fixture_publish(fixture));
    struct endpoint *endpoint = endpoint_ref(cluster->endpoints.items[0]);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    assert_null(cluster_set_find(&fixture->set, fixture->config.name));
    assert_true(cluster->is_retired);
    assert_true(endpoint->is_retired);
    assert_null(cluster_pick_endpoint(cluster, NULL, 0));
    assert_string_equal(endpoint->text.ptr, "10.0.0.1:80");
    endpoint_unref(endpoint);
    cluster_unref(cluster);
    assert_true(list_is_empty(&fixture->set.retired));
    assert_true(list_is_empty(&fixture->set.endpoints));
}

static void count_resolved(void *owner)
{
    ++*(int *)owner;
}

/* SV-35: a request that comes before the first answer waits for it; numeric names need no server.
 */
static void test_dns_answers_after_the_first_turns_SV_35(void **state)
{
    struct fixture *fixture = *state;
    int resolved_count = 0;
    struct cluster_waiter waiter = { .on_resolved = count_resolved, .owner = &resolved_count };

    fixture->config.kind = CLUSTER_DNS;
    fixture->endpoints[0] = (struct endpoint_config){
        .host = STR("127.0.0.7"), .port = 8080, .weight = 1, .is_healthy = true
    };
    fixture->config.endpoint_count = 1;
    struct cluster *cluster = fixture_publish(fixture);
    assert_false(cluster_is_resolved(cluster));
    cluster_wait(cluster, &waiter);
    for (int i = 0; i < 100 && resolved_count == 0; i++) {
        loop_run_once(fixture->set.loop, 10);
    }
    assert_int_equal(resolved_count, 1);
    assert_true(cluster_is_resolved(cluster));
    assert_string_equal(cluster_pick_endpoint(cluster, NULL, 0)->text.ptr, "127.0.0.7:8080");
    assert_true(timer_is_armed(&cluster->targets[0].refresh));
}

/* A changed configuration of a name that was resolved before serves at once with what is known. */
static void test_addresses_outlive_an_update_SV_35(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.kind = CLUSTER_DNS;
    fixture->endpoints[0] = (struct endpoint_config){
        .host = STR("127.0.0.7"), .port = 8080, .weight = 1, .is_healthy = true
    };
    fixture->config.endpoint_count = 1;
    struct cluster *cluster = fixture_publish(fixture);
    for (int i = 0; i < 100 && !cluster_is_resolved(cluster); i++) {
        loop_run_once(fixture->set.loop, 10);
    }
    fixture->endpoints[0].port = 9090;
    fixture->config.fingerprint = 2;
    (void)fixture_publish(fixture);
    assert_true(cluster_is_resolved(cluster));
    assert_string_equal(cluster_pick_endpoint(cluster, NULL, 0)->text.ptr, "127.0.0.7:9090");
}

static void test_one_name_with_two_ports_outlives_an_update_SV_35(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.kind = CLUSTER_DNS;
    fixture->config.endpoint_count = 2;
    for (uint16_t i = 0; i < 2; i++) {
        fixture->endpoints[i] = (struct endpoint_config){
            .host = STR("127.0.0.7"), .port = 8080 + i, .weight = 1, .is_healthy = true
        };
    }
    struct cluster *cluster = fixture_publish(fixture);
    for (int i = 0; i < 100 && cluster->endpoints.count < 2; i++) {
        loop_run_once(fixture->set.loop, 10);
    }
    assert_int_equal(cluster->endpoints.count, 2);
    struct endpoint *second = cluster->endpoints.items[1];
    fixture->endpoints[0].weight = 3;
    fixture->config.fingerprint = 2;
    (void)fixture_publish(fixture);
    assert_int_equal(cluster->endpoints.count, 2);
    assert_ptr_equal(cluster->endpoints.items[1], second);
    assert_string_equal(second->text.ptr, "127.0.0.7:8081");
}

static void test_a_waiter_of_a_removed_cluster_is_woken(void **state)
{
    struct fixture *fixture = *state;
    int resolved_count = 0;
    struct cluster_waiter waiter = { .on_resolved = count_resolved, .owner = &resolved_count };

    fixture->config.kind = CLUSTER_DNS;
    fixture->endpoints[0] = (struct endpoint_config){
        .host = STR("127.0.0.7"), .port = 8080, .weight = 1, .is_healthy = true
    };
    fixture->config.endpoint_count = 1;
    struct cluster *cluster = cluster_ref(fixture_publish(fixture));
    cluster_wait(cluster, &waiter);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    assert_int_equal(resolved_count, 1);
    assert_true(cluster_is_resolved(cluster));
    cluster_unref(cluster);
}

static void test_what_a_connection_speaks_DR_50(void **state)
{
    static const struct {
        enum cluster_protocol protocol;
        enum http_version client;
        enum http_version expected;
    } rows[] = {
        { CLUSTER_HTTP1, HTTP_VERSION_2, HTTP_VERSION_1_1 },
        { CLUSTER_HTTP1, HTTP_VERSION_1_0, HTTP_VERSION_1_1 },
        { CLUSTER_HTTP2, HTTP_VERSION_1_0, HTTP_VERSION_2 },
        { CLUSTER_HTTP2, HTTP_VERSION_2, HTTP_VERSION_2 },
        { CLUSTER_CLIENT_PROTOCOL, HTTP_VERSION_1_0, HTTP_VERSION_1_1 },
        { CLUSTER_CLIENT_PROTOCOL, HTTP_VERSION_1_1, HTTP_VERSION_1_1 },
        { CLUSTER_CLIENT_PROTOCOL, HTTP_VERSION_2, HTTP_VERSION_2 },
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture->config.protocol = rows[i].protocol;
        fixture->config.fingerprint++;
        assert_int_equal(cluster_http_version(fixture_publish(fixture), rows[i].client),
                         rows[i].expected);
    }
}

static void test_the_name_that_is_asked_for_DR_63(void **state)
{
    static const struct {
        const char *sni;
        const char *host;
        const char *expected;
    } rows[] = {
        { "", "", "" },
        { "", ".", "" },
        { "", "[", "[" },          /* no host at all: refused long before */
        { "", "[::1]:80", "::1" }, /* for the certificate's sake; never sent */
        { "", "[::1]", "::1" },
        { "", "10.0.0.1:80", "10.0.0.1" },
        { "", "a.example", "a.example" },
        { "", "a.example:8443", "a.example" },
        { "", "a.example.:8443", "a.example" },
        { "outbound_.80_._.a", "b.example:80", "outbound_.80_._.a" },
    };
    struct fixture *fixture = *state;
    struct tls_client_context_cache *cache = tls_client_context_cache_new();
    struct tls_client_policy policy = { .skips_verification = true };

    assert_int_equal(cluster_server_name(fixture_publish(fixture), STR("a.example")).len, 0);
    fixture->config.tls = tls_client_context_cache_get(cache, &policy);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        fixture->config.sni = str_from_cstr(rows[i].sni);
        fixture->config.fingerprint++;
        struct str name =
            cluster_server_name(fixture_publish(fixture), str_from_cstr(rows[i].host));
        assert_true(str_equals(name, str_from_cstr(rows[i].expected)));
    }
    tls_client_context_unref(fixture->config.tls); /* the cluster holds its own reference */
    fixture->config.tls = NULL;
    fixture->config.fingerprint++;
    assert_int_equal(cluster_server_name(fixture_publish(fixture), STR("a.example")).len, 0);
    tls_client_context_cache_free(cache);
}

/* Only what a connection is made by makes the former ones unfit. */
static void test_settings_change_with_what_connections_are_made_by(void **state)
{
    struct fixture *fixture = *state;
    struct tls_client_context_cache *cache = tls_client_context_cache_new();
    struct tls_client_policy policy = { .skips_verification = true };
    struct tls_client_context *context = tls_client_context_cache_get(cache, &policy);
    uint64_t settings = fixture_publish(fixture)->settings;

    fixture->config.fingerprint++;
    fixture->config.connect_timeout_ms = 77;
    fixture->config.max_concurrent_streams = 5;
    fixture->config.idle_timeout_ms = 9;
    assert_int_equal(fixture_publish(fixture)->settings, settings);
    assert_int_equal(fixture_publish(fixture)->max_concurrent_streams, 5);
    for (int i = 0; i < 5; i++) {
        fixture->config.fingerprint++;
        switch (i) {
        case 0:
            fixture->config.protocol = CLUSTER_HTTP2;
            break;
        case 1:
            fixture->config.proxy_protocol = PROXY_PROTOCOL_V2;
            break;
        case 2:
            fixture->config.sni = STR("a.example");
            break;
        case 3:
            fixture->config.tls = context;
            break;
        default:
            fixture->config.tls_h2 = context;
            break;
        }
        assert_int_equal(fixture_publish(fixture)->settings, settings + 1);
        settings++;
        fixture->config.fingerprint++;
        assert_int_equal(fixture_publish(fixture)->settings, settings);
    }
    tls_client_context_unref(context);
    fixture->config.tls = NULL;
    fixture->config.tls_h2 = NULL;
    fixture->config.fingerprint++;
    (void)fixture_publish(fixture);
    tls_client_context_cache_free(cache);
}

static void test_use_counts_and_holds(void **state)
{
    struct fixture *fixture = *state;

    fixture_add_address(fixture, "10.0.0.1", 80);
    struct endpoint *endpoint = fixture_publish(fixture)->endpoints.items[0];
    endpoint_begin_use(endpoint);
    endpoint_begin_use(endpoint);
    assert_int_equal(endpoint->active_requests, 2);
    endpoint_end_use(endpoint);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    assert_true(endpoint->is_retired);
    assert_int_equal(endpoint->active_requests, 1);
    endpoint_end_use(endpoint);
    assert_true(list_is_empty(&fixture->set.endpoints));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_unknown_name),
        CASE(test_no_endpoint_is_no_choice_LR_5),
        CASE(test_unhealthy_is_known_and_not_chosen_SV_22),
        CASE(test_unchanged_is_not_touched),
        CASE(test_changes_touch_nothing_else),
        CASE(test_endpoints_are_kept_by_address),
        CASE(test_the_same_address_twice_counts_once),
        CASE(test_removed_lives_until_unused),
        CASE(test_dns_answers_after_the_first_turns_SV_35),
        CASE(test_addresses_outlive_an_update_SV_35),
        CASE(test_one_name_with_two_ports_outlives_an_update_SV_35),
        CASE(test_what_a_connection_speaks_DR_50),
        CASE(test_the_name_that_is_asked_for_DR_63),
        CASE(test_settings_change_with_what_connections_are_made_by),
        CASE(test_use_counts_and_holds),
        CASE(test_a_waiter_of_a_removed_cluster_is_woken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
