/* exchange_case: a worker, a listener, a route and a client, made by hand. */
#include "tests/unit/support/exchange_case.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/run_until.h"

#include <sys/socket.h>
#include <unistd.h>

static void keep_snapshot(void *owner, struct snapshot *snapshot)
{
    (void)owner;
    snapshot_free(snapshot);
}

static void exchange_case_make_worker(struct exchange_case *self)
{
    struct worker *worker = &self->worker;
    struct err err = { 0 };

    worker->options.server_name = STR("istio-envoy");
    worker->options.path_normalization = PATH_NORMALIZATION_BASE;
    worker->options.release_snapshot = keep_snapshot;
    worker->loop = loop_new(&err);
    assert_non_null(worker->loop);
    worker->resolver = resolver_new(worker->loop, NULL, &err);
    worker->metrics = metrics_shard_new();
    worker->request_metrics.shard = worker->metrics;
    worker->request_metrics.identity = &worker->options.identity;
    worker->clusters.loop = worker->loop;
    worker->clusters.resolver = worker->resolver;
    worker->clusters.metrics = worker->metrics;
    worker->clusters.connect_timeout_ms = 5000;
    worker->clusters.conn_limits =
        (struct conn_limits){ .max_header_bytes = 16384, .max_headers = 100 };
    cluster_set_init(&worker->clusters);
    list_init(&worker->idle_clients);
    list_init(&worker->busy_clients);
    list_init(&worker->exchanges);
    list_init(&worker->tunnels);
    list_init(&worker->spare_exchanges);
}

static void exchange_case_make_client(struct exchange_case *self)
{
    struct client *client = &self->client;
    struct address peer;
    int fds[2];

    self->listener.worker = &self->worker;
    self->listener.config = &self->listener_config;
    self->listener.request_series =
        metrics_series(self->worker.metrics, METRIC_LISTENER_RQ, &self->table.name, 1);
    assert_true(address_parse(STR("1.2.3.4"), 4242, &peer));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
    client->worker = &self->worker;
    client->listener = &self->listener;
    client->id = 7;
    client->transport = transport_new(self->worker.loop, fds[0], &peer);
    self->peer_fd = fds[1];
    fake_leg_init(&self->leg);
    fake_leg_init(&self->upstream);
}

int exchange_case_setup(void **state)
{
    struct exchange_case *self = mem_new(struct exchange_case);

    self->arena = arena_new(4096);
    self->table.name = STR("http.80");
    exchange_case_make_worker(self);
    self->host.name = STR("a.com");
    self->host.routes = self->routes;
    self->host.route_count = 1;
    self->routes[0] = &self->route;
    self->route.name = STR("r1");
    self->route.destinations = &self->destination;
    self->route.destination_count = 1;
    self->cluster.name = STR("outbound|80||a.ns.svc.cluster.local");
    self->cluster.service_host = STR("a.ns.svc.cluster.local");
    self->cluster.fingerprint = 1;
    self->cluster.endpoints = self->endpoints;
    self->clusters[0] = &self->cluster;
    self->destination.cluster = &self->cluster;
    self->destination.cluster_name = self->cluster.name;
    assert_true(host_table_add(&self->table.hosts, STR("a.com"), &self->host, NULL));
    self->listener_config.routes = &self->table;
    self->snapshot = snapshot_new();
    self->worker.lease = lease_open(self->snapshot, keep_snapshot, NULL);
    exchange_case_make_client(self);
    *state = self;
    return 0;
}

void exchange_case_turns(struct exchange_case *self, int count)
{
    while (count-- > 0) {
        loop_run_once(self->worker.loop, 0);
    }
}

int exchange_case_teardown(void **state)
{
    struct exchange_case *self = *state;
    struct worker *worker = &self->worker;

    fake_leg_end(&self->leg, LEG_END_DRAIN); /* where a test left it open */
    transport_close(self->client.transport);
    exchange_case_turns(self, 4);
    assert_true(list_is_empty(&worker->exchanges));
    assert_int_equal(worker_request_count(worker), 0);
    assert_null(self->upstream.leg.handler); /* released, where it was used */
    cluster_set_cleanup(&worker->clusters);
    if (self->has_origin) {
        loop_origin_stop(&self->origin);
    }
    lease_unref(worker->lease);
    exchange_free_spare(worker);
    resolver_free(worker->resolver);
    loop_free(worker->loop);
    map_cleanup(&worker->listeners);
    host_table_cleanup(&self->table.hosts);
    metrics_cleanup();
    mem_free(self->client.texts);
    fake_leg_cleanup(&self->leg);
    fake_leg_cleanup(&self->upstream);
    (void)close(self->peer_fd);
    arena_free(self->arena);
    mem_free(self);
    return 0;
}

void exchange_case_with_origin(struct exchange_case *self, const char *const *script)
{
    loop_origin_start(&self->origin, self->worker.loop, script);
    self->has_origin = true;
    self->endpoints[0] = (struct endpoint_config){ .address = self->origin.address,
                                                   .weight = 1,
                                                   .is_healthy = true };
    self->cluster.endpoint_count = 1;
}

void exchange_case_publish(struct exchange_case *self)
{
    self->cluster.fingerprint++;
    cluster_set_update(&self->worker.clusters, self->clusters, 1);
}

void exchange_case_begin(struct exchange_case *self, bool has_body)
{
    exchange_begin(&self->client, &self->leg.leg, &self->leg.request, !has_body);
}

void exchange_case_begin_and_wait(struct exchange_case *self)
{
    exchange_case_publish(self);
    exchange_case_begin(self, false);
    RUN_UNTIL(self->worker.loop, self->leg.is_released);
}

void exchange_case_again(struct exchange_case *self, const char *method)
{
    fake_leg_cleanup(&self->leg);
    fake_leg_init(&self->leg);
    fake_leg_request(&self->leg, method, "a.com", "/");
}

bool exchange_case_metrics_have(const char *part)
{
    struct text page = { 0 };

    metrics_write_prometheus(&page);
    bool is_there = str_find(text_view(&page), str_from_cstr(part)) != SIZE_MAX;
    text_cleanup(&page);
    return is_there;
}

struct exchange *exchange_case_exchange(struct exchange_case *self)
{
    struct list *first = list_first(&self->worker.exchanges);

    assert_non_null(first);
    return list_object(first, struct exchange, link);
}

void exchange_case_without_origin(struct exchange_case *self)
{
    /* TEST-NET-1 (RFC 5737): whatever becomes of the dial, the test is faster. */
    assert_true(address_parse(STR("192.0.2.1"), 80, &self->endpoints[0].address));
    self->endpoints[0].weight = 1;
    self->endpoints[0].is_healthy = true;
    self->cluster.endpoint_count = 1;
    exchange_case_publish(self);
}

bool exchange_case_is_waiting(struct exchange_case *self)
{
    return !list_is_empty(&self->worker.exchanges) &&
           exchange_case_exchange(self)->pool_request.endpoint != NULL;
}

void exchange_case_connect(struct exchange_case *self, enum http_version version, bool is_reused)
{
    struct exchange *exchange = exchange_case_exchange(self);
    struct fake_leg *upstream = &self->upstream;

    assert_true(exchange_case_is_waiting(self));
    fake_leg_cleanup(upstream);
    fake_leg_init(upstream);
    upstream->conn.version = version;
    upstream->leg.handler = exchange->pool_request.handler;
    upstream->leg.owner = exchange->pool_request.owner;
    pool_request_cancel(&exchange->pool_request);
    exchange->pool_request.on_leg(exchange->pool_request.owner, &upstream->leg, is_reused);
}
