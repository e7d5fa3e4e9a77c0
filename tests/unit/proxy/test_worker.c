/* Tests of gateway/proxy/worker.c: a worker's life as the control thread sees it: publish, reload,
 * drain, stop. The worker runs in its own thread; the test is the control thread and the client. */
#include "gateway/proxy/worker.h"

#include "gateway/base/mem.h"
#include "gateway/net/listener.h"
#include "gateway/observe/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

struct fixture {
    struct loop *loop;
    struct worker_options options;
    struct worker *worker;
    struct route_table table;
    struct virtual_host host;
    struct route route;
    const struct route *routes[1];
    struct address bound;
    int released_count;
    int done_count;
    struct worker_report *report;
};

static void on_release(void *owner, struct snapshot *snapshot)
{
    struct fixture *fixture = owner;

    /* In the worker's thread; the test's own count is read after the threads met. */
    __atomic_add_fetch(&fixture->released_count, 1, __ATOMIC_RELEASE);
    loop_post(fixture->loop, (void (*)(void *))snapshot_free, snapshot);
}

static int released(struct fixture *fixture)
{
    return __atomic_load_n(&fixture->released_count, __ATOMIC_ACQUIRE);
}

static void on_done(void *owner, struct worker *worker)
{
    (void)worker;
    ((struct fixture *)owner)->done_count++;
}

static void on_report(void *owner, struct worker *worker, struct worker_report *report)
{
    (void)worker;
    ((struct fixture *)owner)->report = report;
}

static struct snapshot *make_snapshot(struct fixture *fixture, uint64_t revision, bool has_listener)
{
    struct snapshot *snapshot = snapshot_new();

    snapshot->revision = revision;
    if (has_listener) {
        snapshot->listeners = arena_new_object(snapshot->arena, struct snapshot_listener);
        snapshot->listener_count = 1;
        snapshot->listeners[0].key = STR("127.0.0.1:80");
        snapshot->listeners[0].name = STR("127.0.0.1_80");
        snapshot->listeners[0].routes = &fixture->table;
    }
    return snapshot;
}

/* Waits for the worker's answer; the test's reference goes. */
static void publish(struct fixture *fixture, struct snapshot *snapshot, bool opens, bool closes)
{
    struct worker_socket opened = { .key = STR("127.0.0.1:80") };
    struct str closed = STR("127.0.0.1:80");
    struct err err = { 0 };
    int done_before = fixture->done_count;

    if (opens) {
        assert_true(address_parse(STR("127.0.0.1"), 0, &fixture->bound));
        assert_true(listener_bind(&fixture->bound, &opened.fd, 1, &err));
        opened.bound = fixture->bound;
    }
    struct worker_publication publication = {
        .snapshot = snapshot,
        .opened = &opened,
        .opened_count = opens,
        .closed = &closed,
        .closed_count = closes,
        .on_done = on_done,
        .owner = fixture,
    };
    worker_publish(fixture->worker, &publication);
    RUN_UNTIL(fixture->loop, fixture->done_count > done_before);
    assert_false(snapshot_unref(snapshot));
}

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    struct err err = { 0 };

    fixture->loop = loop_new(&err);
    fixture->options = (struct worker_options){
        .client_limits = { .max_header_bytes = 16384, .max_headers = 100 },
        .path_normalization = PATH_NORMALIZATION_BASE,
        .control_loop = fixture->loop,
        .release_snapshot = on_release,
        .owner = fixture,
    };
    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    fixture->route.direct.body = STR("hi");
    fixture->routes[0] = &fixture->route;
    fixture->host.routes = fixture->routes;
    fixture->host.route_count = 1;
    assert_true(host_table_add(&fixture->table.hosts, STR("*"), &fixture->host, NULL));
    *state = fixture;
    return 0;
}

static void start(struct fixture *fixture)
{
    struct err err = { 0 };

    fixture->worker = worker_start(&fixture->options, 0, &err);
    assert_non_null(fixture->worker);
    publish(fixture, make_snapshot(fixture, 1, true), true, false);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    worker_stop(fixture->worker);
    loop_run_once(fixture->loop, 0);
    assert_int_equal(snapshot_live_count(), 0);
    loop_free(fixture->loop);
    host_table_cleanup(&fixture->table.hosts);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

/* --- A plain client --------------------------------------------------------------------------- */

static int client_connect(const struct fixture *fixture)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    if (connect(fd, &fixture->bound.sockaddr, fixture->bound.len) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* What comes within the deadline up to the end of `until`; empty when the peer closed. */
static struct str client_read(int fd, const char *until)
{
    static char bytes[4096];
    size_t len = 0;
    struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

    while (len < sizeof(bytes) && poll(&poll_fd, 1, 10000) == 1) {
        ssize_t count = recv(fd, bytes + len, sizeof(bytes) - len, 0);
        if (count <= 0) {
            break;
        }
        len += (size_t)count;
        if (str_ends_with(str_from(bytes, len), str_from_cstr(until))) {
            break;
        }
    }
    return str_from(bytes, len);
}

static struct str client_get(int fd)
{
    static const char request[] = "GET / HTTP/1.1\r\nhost: a.com\r\n\r\n";

    assert_int_equal(send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL), sizeof(request) - 1);
    return client_read(fd, "hi");
}

static bool has(struct str answer, const char *part)
{
    return str_find(answer, str_from_cstr(part)) != SIZE_MAX;
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_stop_without_anything(void **state)
{
    struct fixture *fixture = *state;
    struct err err = { 0 };

    fixture->worker = worker_start(&fixture->options, 3, &err);
    assert_non_null(fixture->worker);
    assert_int_equal(worker_index(fixture->worker), 3);
}

static void test_serves_what_was_published(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    struct str answer = client_get(fd);
    assert_true(has(answer, "HTTP/1.1 200 OK\r\n"));
    assert_true(has(answer, "server: istio-envoy\r\n"));
    assert_int_equal(worker_active_count(fixture->worker), 1);
    assert_int_equal(worker_request_count(fixture->worker), 0);
    (void)close(fd);
    RUN_UNTIL(fixture->loop, worker_active_count(fixture->worker) == 0);
}

static void test_a_connection_survives_a_reload_HR_1(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 200 "));
    for (uint64_t revision = 2; revision < 10; revision++) {
        publish(fixture, make_snapshot(fixture, revision, true), false, false);
        assert_true(has(client_get(fd), " 200 "));
    }
    /* All but the current one are gone, though the connection is still open. */
    assert_int_equal(released(fixture), 8);
    (void)close(fd);
}

static void test_a_removed_listener_drains_HR_4(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 200 "));
    publish(fixture, make_snapshot(fixture, 2, false), false, true);
    assert_int_equal(client_read(fd, "never").len, 0); /* idle: closed */
    (void)close(fd);
    assert_int_equal(client_connect(fixture), -1);
}

static void test_drain_says_close_then_stops_accepting_HR_5_HR_6(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    assert_false(has(client_get(fd), "connection: close"));
    worker_drain_begin(fixture->worker);
    publish(fixture, make_snapshot(fixture, 2, true), false, false); /* behind the drain */
    assert_true(has(client_get(fd), "connection: close\r\n"));
    (void)close(fd);
    fd = client_connect(fixture); /* still accepted */
    assert_true(has(client_get(fd), "connection: close\r\n"));
    (void)close(fd);
    int idle = client_connect(fixture);
    RUN_UNTIL(fixture->loop, worker_active_count(fixture->worker) == 1);
    worker_stop_accepting(fixture->worker);
    assert_int_equal(client_read(idle, "never").len, 0);
    (void)close(idle);
    RUN_UNTIL(fixture->loop, worker_active_count(fixture->worker) == 0);
    assert_int_equal(client_connect(fixture), -1);
}

static void test_the_longest_idle_makes_way(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.max_connections = 2;
    start(fixture);
    int first = client_connect(fixture);
    assert_true(has(client_get(first), " 200 "));
    int second = client_connect(fixture);
    assert_true(has(client_get(second), " 200 "));
    int third = client_connect(fixture);
    assert_true(has(client_get(third), " 200 "));
    assert_int_equal(client_read(first, "never").len, 0);
    assert_true(has(client_get(second), " 200 "));
    assert_int_equal(worker_active_count(fixture->worker), 2);
    (void)close(first);
    (void)close(second);
    (void)close(third);
}

/* Spec 10.1: overload. */
static void test_short_of_memory_and_back(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int idle = client_connect(fixture);
    assert_true(has(client_get(idle), " 200 "));
    worker_overload_begin(fixture->worker);
    publish(fixture, make_snapshot(fixture, 2, true), false, false); /* behind it */
    int fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 503 "));
    (void)close(fd);
    RUN_UNTIL(fixture->loop,
              (worker_overload_begin(fixture->worker), worker_active_count(fixture->worker) == 0));
    assert_int_equal(client_read(idle, "never").len, 0);
    (void)close(idle);
    worker_overload_end(fixture->worker);
    publish(fixture, make_snapshot(fixture, 3, true), false, false);
    fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 200 "));
    (void)close(fd);
}

static void test_report(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 200 "));
    worker_collect(fixture->worker, on_report, fixture);
    RUN_UNTIL(fixture->loop, fixture->report != NULL);
    assert_int_equal(fixture->report->revision, 1);
    assert_int_equal(fixture->report->listener_count, 1);
    assert_int_equal(fixture->report->listeners[0].connection_count, 1);
    assert_true(address_equals(&fixture->report->listeners[0].bound, &fixture->bound));
    assert_int_equal(fixture->report->cluster_count, 0);
    worker_report_free(fixture->report);
    (void)close(fd);
}

static void test_stop_with_connections_open(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    int fd = client_connect(fixture);
    assert_true(has(client_get(fd), " 200 "));
    worker_stop(fixture->worker);
    fixture->worker = NULL;
    assert_int_equal(client_read(fd, "never").len, 0);
    assert_int_equal(released(fixture), 1);
    (void)close(fd);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_stop_without_anything),
        CASE(test_serves_what_was_published),
        CASE(test_a_connection_survives_a_reload_HR_1),
        CASE(test_a_removed_listener_drains_HR_4),
        CASE(test_drain_says_close_then_stops_accepting_HR_5_HR_6),
        CASE(test_the_longest_idle_makes_way),
        CASE(test_short_of_memory_and_back),
        CASE(test_report),
        CASE(test_stop_with_connections_open),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
