/* Tests of gateway/proxy/worker_balance.c: two workers in threads of their own, each with a socket of its
 * own for the same listener. All clients connect to the first one's, as the worst of hashes would have
 * it. The test is the control thread and the clients. */
#include "gateway/proxy/worker_balance.h"

#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKERS = 2, CLIENTS = 64 };

struct pair {
    struct loop *loop;
    struct worker_options options;
    struct worker *workers[WORKERS];
    struct address bound[WORKERS];
    uint64_t revisions[WORKERS];
    struct route_table table;
    struct virtual_host host;
    struct route route;
    const struct route *routes[1];
    int done_count;
    int clients[CLIENTS];
    size_t client_count;
};

static void on_release(void *owner, struct snapshot *snapshot)
{
    loop_post(((struct pair *)owner)->loop, (void (*)(void *))snapshot_free, snapshot);
}

static void on_done(void *owner, struct worker *worker)
{
    (void)worker;
    ((struct pair *)owner)->done_count++;
}

static struct snapshot *make_snapshot(struct pair *pair, uint64_t revision)
{
    struct snapshot *snapshot = snapshot_new();

    snapshot->revision = revision;
    snapshot->listeners = arena_new_object(snapshot->arena, struct snapshot_listener);
    snapshot->listener_count = 1;
    snapshot->listeners[0].key = STR("127.0.0.1:80");
    snapshot->listeners[0].name = STR("127.0.0.1_80");
    snapshot->listeners[0].routes = &pair->table;
    return snapshot;
}

/* The first one opens the socket. */
static void publish_to(struct pair *pair, size_t index)
{
    struct snapshot *snapshot = make_snapshot(pair, ++pair->revisions[index]);
    struct worker_socket opened = { .key = STR("127.0.0.1:80") };
    bool is_first = pair->revisions[index] == 1;
    struct err err = { 0 };
    int done_before = pair->done_count;

    if (is_first) {
        assert_true(address_parse(STR("127.0.0.1"), 0, &pair->bound[index]));
        assert_true(listener_bind(&pair->bound[index], &opened.fd, 1, &err));
        opened.bound = pair->bound[index];
    }
    struct worker_publication publication = {
        .snapshot = snapshot,
        .opened = &opened,
        .opened_count = is_first,
        .on_done = on_done,
        .owner = pair,
    };
    worker_publish(pair->workers[index], &publication);
    RUN_UNTIL(pair->loop, pair->done_count > done_before);
    assert_false(snapshot_unref(snapshot));
}

static int setup(void **state)
{
    struct pair *pair = mem_new(struct pair);
    struct err err = { 0 };

    pair->loop = loop_new(&err);
    assert_non_null(pair->loop);
    pair->options = (struct worker_options){
        .client_limits = { .max_header_bytes = 16384, .max_headers = 100 },
        .path_normalization = PATH_NORMALIZATION_BASE,
        .control_loop = pair->loop,
        .release_snapshot = on_release,
        .owner = pair,
    };
    pair->route.action = ROUTE_DIRECT;
    pair->route.direct.status = 200;
    pair->route.direct.body = STR("hi");
    pair->routes[0] = &pair->route;
    pair->host.routes = pair->routes;
    pair->host.route_count = 1;
    assert_true(host_table_add(&pair->table.hosts, STR("*"), &pair->host, NULL));
    *state = pair;
    return 0;
}

static void start(struct pair *pair)
{
    struct err err = { 0 };

    for (unsigned i = 0; i < WORKERS; i++) {
        pair->workers[i] = worker_start(&pair->options, i, &err);
        assert_non_null(pair->workers[i]);
    }
    worker_set_peers(pair->workers, WORKERS);
    publish_to(pair, 0);
}

static int teardown(void **state)
{
    struct pair *pair = *state;

    worker_stop_all(pair->workers, WORKERS);
    for (size_t i = 0; i < pair->client_count; i++) {
        (void)close(pair->clients[i]);
    }
    loop_run_once(pair->loop, 0);
    assert_int_equal(snapshot_live_count(), 0);
    loop_free(pair->loop);
    host_table_cleanup(&pair->table.hosts);
    metrics_cleanup();
    mem_free(pair);
    return 0;
}

/* --- Clients ---------------------------------------------------------------------------------- */

static size_t open_count(const struct pair *pair)
{
    return worker_active_count(pair->workers[0]) + worker_active_count(pair->workers[1]);
}

/* To the socket of the first worker. */
static void connect_clients(struct pair *pair, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_not_equal(fd, -1);
        assert_int_equal(connect(fd, &pair->bound[0].sockaddr, pair->bound[0].len), 0);
        pair->clients[pair->client_count++] = fd;
    }
}

static void connect_and_wait(struct pair *pair, size_t count)
{
    connect_clients(pair, count);
    RUN_UNTIL(pair->loop, open_count(pair) == pair->client_count);
}

/* Every connection has a worker that serves it. */
static void assert_all_are_served(const struct pair *pair)
{
    static const char request[] = "GET / HTTP/1.1\r\nhost: a.com\r\n\r\n";

    for (size_t i = 0; i < pair->client_count; i++) {
        struct pollfd poll_fd = { .fd = pair->clients[i], .events = POLLIN };
        char answer[16];
        assert_int_equal(send(poll_fd.fd, request, sizeof(request) - 1, MSG_NOSIGNAL),
                         sizeof(request) - 1);
        assert_int_equal(poll(&poll_fd, 1, 10000), 1);
        assert_int_equal(recv(poll_fd.fd, answer, 15, MSG_WAITALL), 15);
        assert_memory_equal(answer, "HTTP/1.1 200 OK", 15);
        do {
            assert_true(recv(poll_fd.fd, answer, sizeof(answer), 0) > 0);
            poll_fd.revents = 0;
        } while (poll(&poll_fd, 1, 0) == 1);
    }
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_connections_are_shared_evenly(void **state)
{
    struct pair *pair = *state;

    start(pair);
    publish_to(pair, 1);
    connect_and_wait(pair, CLIENTS);
    assert_in_range(worker_active_count(pair->workers[0]), CLIENTS / 2, CLIENTS / 2 + 4);
    assert_int_equal(metrics_total(METRIC_CONNECTIONS), CLIENTS);
    assert_int_equal(metrics_total(METRIC_CONNECTIONS_HANDED_OVER),
                     worker_active_count(pair->workers[1]));
    assert_all_are_served(pair);
}

/* One is no skew: nobody is woken for it. */
static void test_a_small_difference_is_left_alone(void **state)
{
    struct pair *pair = *state;

    start(pair);
    publish_to(pair, 1);
    connect_and_wait(pair, 2);
    assert_int_equal(worker_active_count(pair->workers[0]), 2);
    assert_int_equal(metrics_total(METRIC_CONNECTIONS_HANDED_OVER), 0);
}

/* A worker that serves by another snapshot may not have the listener. */
static void test_nothing_is_handed_over_between_revisions(void **state)
{
    struct pair *pair = *state;

    start(pair);
    connect_and_wait(pair, 16);
    assert_int_equal(worker_active_count(pair->workers[0]), 16); /* the other has none at all */
    publish_to(pair, 1);
    publish_to(pair, 1);
    connect_and_wait(pair, 8);
    assert_int_equal(worker_active_count(pair->workers[0]), 24);
    publish_to(pair, 0);
    connect_and_wait(pair, 8);
    assert_int_equal(worker_active_count(pair->workers[0]), 24);
    assert_int_equal(worker_active_count(pair->workers[1]), 8);
    assert_all_are_served(pair);
}

static void test_a_full_worker_is_given_nothing(void **state)
{
    struct pair *pair = *state;

    pair->options.max_connections = 3;
    start(pair);
    publish_to(pair, 1);
    connect_and_wait(pair, 6);
    assert_int_equal(worker_active_count(pair->workers[0]), 3);
    assert_int_equal(worker_active_count(pair->workers[1]), 3);
}

/* HR-5: a worker that has closed its listeners takes no more; what it took before is served. */
static void test_no_connection_is_lost_at_drain(void **state)
{
    struct pair *pair = *state;

    start(pair);
    publish_to(pair, 1);
    connect_clients(pair, 32);
    worker_stop_accepting(pair->workers[1]);
    connect_clients(pair, 32);
    worker_stop_accepting(pair->workers[0]);
    /* Those that had asked nothing are closed by the drain, none is reset. */
    for (size_t i = 0; i < pair->client_count; i++) {
        struct pollfd poll_fd = { .fd = pair->clients[i], .events = POLLIN };
        char byte;
        assert_int_equal(poll(&poll_fd, 1, 10000), 1);
        assert_int_equal(recv(pair->clients[i], &byte, 1, 0), 0);
    }
    RUN_UNTIL(pair->loop, open_count(pair) == 0);
    assert_int_equal(metrics_total(METRIC_CONNECTIONS_TOTAL), 64);
}

static void test_what_is_on_its_way_at_the_end_is_closed(void **state)
{
    struct pair *pair = *state;

    start(pair);
    publish_to(pair, 1);
    connect_clients(pair, CLIENTS); /* the teardown stops both */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_connections_are_shared_evenly, setup, teardown),
        cmocka_unit_test_setup_teardown(test_a_small_difference_is_left_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_nothing_is_handed_over_between_revisions, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_a_full_worker_is_given_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_connection_is_lost_at_drain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_what_is_on_its_way_at_the_end_is_closed, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
