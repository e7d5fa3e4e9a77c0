/* Tests of gateway/proxy/tunnel.c, client_proxy.c and tcp_metrics.c: a worker in its own thread with a TCP
 * listener; the test is the client, the upstream and the control thread. Sockets block with a deadline,
 * so nothing sleeps. */
#include "gateway/proxy/tunnel.h"

#include "gateway/base/mem.h"
#include "gateway/net/listener.h"
#include "gateway/observe/log_writer.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"
#include "tests/unit/support/temp_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BULK_BYTES = 24 * 1024 * 1024, IO_DEADLINE_S = 20 };

struct fixture {
    struct loop *loop;
    struct worker_options options;
    struct worker *worker;
    struct route_destination destination;
    struct tcp_route route;
    struct cluster_config cluster;
    struct cluster_config *clusters[1];
    struct endpoint_config endpoint;
    struct address bound;
    struct temp_dir dir;
    struct cidr range;
    int upstream_fd; /* listening */
    int client;      /* -1: none */
    int upstream;
    uint64_t revision;
    int released_count;
    int done_count;
};

static const struct str listener_key = STR("127.0.0.1:9000");

/* --- A worker --------------------------------------------------------------------------------- */

static void on_release(void *owner, struct snapshot *snapshot)
{
    struct fixture *fixture = owner;

    __atomic_add_fetch(&fixture->released_count, 1, __ATOMIC_RELEASE);
    loop_post(fixture->loop, (void (*)(void *))snapshot_free, snapshot);
}

static void on_done(void *owner, struct worker *worker)
{
    (void)worker;
    ((struct fixture *)owner)->done_count++;
}

static int listen_somewhere(struct address *bound)
{
    struct err err = { 0 };
    int fd;

    assert_true(address_parse(STR("127.0.0.1"), 0, bound));
    assert_true(listener_bind(bound, &fd, 1, &err));
    return fd;
}

static void publish(struct fixture *fixture, bool opens, bool closes)
{
    struct snapshot *snapshot = snapshot_new();
    struct worker_socket opened = { .key = listener_key };
    int done_before = fixture->done_count;

    snapshot->revision = ++fixture->revision;
    snapshot->clusters = fixture->clusters;
    snapshot->cluster_count = 1;
    if (!closes) {
        snapshot->listeners = arena_new_object(snapshot->arena, struct snapshot_listener);
        snapshot->listener_count = 1;
        snapshot->listeners[0].key = listener_key;
        snapshot->listeners[0].name = STR("127.0.0.1_9000");
        snapshot->listeners[0].tcp = &fixture->route;
    }
    if (opens) {
        opened.fd = listen_somewhere(&fixture->bound);
        opened.bound = fixture->bound;
    }
    struct worker_publication publication = {
        .snapshot = snapshot,
        .opened = &opened,
        .opened_count = opens,
        .closed = &listener_key,
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
    temp_dir_init(&fixture->dir);
    fixture->client = -1;
    fixture->upstream = -1;
    fixture->upstream_fd = listen_somewhere(&fixture->endpoint.address);
    fixture->endpoint.weight = 1;
    fixture->endpoint.is_healthy = true;
    fixture->cluster = (struct cluster_config){
        .name = STR("outbound|9000||db.ns.svc.cluster.local"),
        .service_host = STR("db.ns.svc.cluster.local"),
        .kind = CLUSTER_STATIC,
        .connect_timeout_ms = 5000,
        .tcp_idle_timeout_ms = CLUSTER_IDLE_UNSET,
        .endpoints = &fixture->endpoint,
        .endpoint_count = 1,
        .fingerprint = 1,
    };
    fixture->clusters[0] = &fixture->cluster;
    fixture->destination.cluster_name = fixture->cluster.name;
    fixture->destination.weight = 1;
    fixture->route.destinations = &fixture->destination;
    fixture->route.destination_count = 1;
    fixture->route.total_weight = 1;
    fixture->options = (struct worker_options){
        .client_limits = { .max_header_bytes = 16384, .max_headers = 100 },
        .handshake_timeout_ms = 10000,
        .control_loop = fixture->loop,
        .release_snapshot = on_release,
        .owner = fixture,
    };
    *state = fixture;
    return 0;
}

static void start(struct fixture *fixture)
{
    char *path = temp_dir_path(&fixture->dir, "access");
    struct err err = { 0 };

    assert_true(log_writer_start(&err));
    assert_true(access_log_open(&fixture->options.access_log, path,
                                "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% "
                                "%BYTES_RECEIVED% %BYTES_SENT% %UPSTREAM_CLUSTER_RAW% "
                                "%RESPONSE_CODE% %PROTOCOL%\n",
                                &err));
    mem_free(path);
    fixture->worker = worker_start(&fixture->options, 0, &err);
    assert_non_null(fixture->worker);
    publish(fixture, true, false);
}

static void close_end(int *fd)
{
    if (*fd != -1) {
        (void)close(*fd);
        *fd = -1;
    }
}

static void stop_worker(struct fixture *fixture)
{
    worker_stop(fixture->worker);
    fixture->worker = NULL;
    loop_run_once(fixture->loop, 0);
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    stop_worker(fixture);
    close_end(&fixture->client);
    close_end(&fixture->upstream);
    close_end(&fixture->upstream_fd);
    access_log_close(fixture->options.access_log);
    log_writer_stop();
    loop_free(fixture->loop);
    temp_dir_cleanup(&fixture->dir);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

/* --- Sockets ---------------------------------------------------------------------------------- */

static void set_deadline(int fd)
{
    struct timeval deadline = { .tv_sec = IO_DEADLINE_S };

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)), 0);
}

static void open_client(struct fixture *fixture)
{
    fixture->client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fixture->client, &fixture->bound.sockaddr, fixture->bound.len), 0);
    set_deadline(fixture->client);
}

static void accept_upstream(struct fixture *fixture)
{
    struct timeval deadline = { .tv_sec = IO_DEADLINE_S };

    assert_int_equal(fcntl(fixture->upstream_fd, F_SETFL, 0),
                     0); /* listener_bind() set O_NONBLOCK */
    assert_int_equal(
        setsockopt(fixture->upstream_fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
    fixture->upstream = accept4(fixture->upstream_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fixture->upstream >= 0);
    set_deadline(fixture->upstream);
}

static void open_tunnel(struct fixture *fixture)
{
    open_client(fixture);
    accept_upstream(fixture);
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

static void expect(int fd, const char *text)
{
    char bytes[512];
    size_t len = strlen(text);

    assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
    assert_memory_equal(bytes, text, len);
}

static void expect_end(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

static void expect_reset(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

static void reset(int *fd)
{
    struct linger linger = { .l_onoff = 1 };

    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close_end(fd);
}

/* The worker counts a connection out after it let go of its sockets. */
static void wait_for_end(struct fixture *fixture)
{
    RUN_UNTIL(fixture->loop, worker_active_count(fixture->worker) == 0);
}

static void assert_logged(struct fixture *fixture, const char *line)
{
    struct text log = { 0 };

    stop_worker(fixture);
    access_log_close(fixture->options.access_log);
    fixture->options.access_log = NULL;
    log_writer_stop();
    assert_true(temp_dir_read(&fixture->dir, "access", &log));
    if (!str_equals(text_view(&log), str_from_cstr(line))) {
        fail_msg("%.*s, not %s", STR_ARG(text_view(&log)), line);
    }
    text_cleanup(&log);
}

#define CLUSTER "outbound|9000||db.ns.svc.cluster.local"

/* --- One attempt (TT-28) ---------------------------------------------------------------------- */

static void test_no_such_cluster_is_NC(void **state)
{
    struct fixture *fixture = *state;

    fixture->destination.cluster_name = STR("outbound|1||gone.x");
    start(fixture);
    open_client(fixture);
    expect_end(fixture->client);
    wait_for_end(fixture);
    assert_true(metrics_total(METRIC_TCP_OPENED) == 1 && metrics_total(METRIC_TCP_CLOSED) == 1);
    assert_logged(fixture, "NC - 0 0 outbound|1||gone.x 0 -\n");
}

static void test_no_endpoint_is_UH(void **state)
{
    struct fixture *fixture = *state;

    fixture->endpoint.is_healthy = false;
    start(fixture);
    open_client(fixture);
    expect_end(fixture->client);
    wait_for_end(fixture);
    assert_logged(fixture, "UH - 0 0 " CLUSTER " 0 -\n");
}

static void test_refused_is_UF_URX(void **state)
{
    struct fixture *fixture = *state;

    close_end(&fixture->upstream_fd);
    start(fixture);
    open_client(fixture);
    say(fixture->client, "early");
    expect_end(fixture->client);
    wait_for_end(fixture);
    assert_logged(fixture, "UF,URX - 0 0 " CLUSTER " 0 -\n");
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static void test_half_close_both_ways_TT_27(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    say(fixture->upstream, "220 hello");
    expect(fixture->client, "220 hello");
    say(fixture->client, "question");
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    expect(fixture->upstream, "question");
    expect_end(fixture->upstream);
    assert_true(metrics_total(METRIC_TUNNELS) == 1);
    say(fixture->upstream, "answer");
    expect(fixture->client, "answer");
    close_end(&fixture->upstream);
    expect_end(fixture->client);
    wait_for_end(fixture);
    assert_true(metrics_total(METRIC_TUNNELS) == 0);
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == 8 && metrics_total(METRIC_TCP_SENT) == 15);
    assert_true(metrics_total(METRIC_UPSTREAM_CONNECTIONS) == 0);
    assert_logged(fixture, "- - 8 15 " CLUSTER " 0 -\n"); /* OB-5, OB-12 */
}

/* The client says all it has to say before there is an upstream. */
static void test_early_bytes_and_end_wait(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_client(fixture);
    say(fixture->client, "all at once");
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    accept_upstream(fixture);
    expect(fixture->upstream, "all at once");
    expect_end(fixture->upstream);
}

struct sender {
    int fd;
    bool is_ok;
};

static unsigned char bulk_byte(size_t at)
{
    return (unsigned char)(at * 2654435761U >> 13);
}

static void *send_bulk(void *arg)
{
    struct sender *sender = arg;
    unsigned char *bytes = mem_alloc(BULK_BYTES);
    size_t sent = 0;

    for (size_t i = 0; i < BULK_BYTES; i++) {
        bytes[i] = bulk_byte(i);
    }
    while (sent < BULK_BYTES) {
        ssize_t count = send(sender->fd, bytes + sent, BULK_BYTES - sent, MSG_NOSIGNAL);
        if (count <= 0) {
            break;
        }
        sent += (size_t)count;
    }
    sender->is_ok = sent == BULK_BYTES && shutdown(sender->fd, SHUT_WR) == 0;
    mem_free(bytes);
    return NULL;
}

static void expect_bulk(int fd)
{
    enum { PIECE = 100 * 1000 };
    unsigned char *bytes = mem_alloc(PIECE);
    size_t received = 0;
    ssize_t count;

    while ((count = recv(fd, bytes, PIECE, 0)) > 0) {
        for (size_t i = 0; i < (size_t)count; i++, received++) {
            if (bytes[i] != bulk_byte(received)) {
                fail_msg("byte %zu is another", received);
            }
        }
    }
    assert_int_equal(count, 0);
    assert_int_equal(received, BULK_BYTES);
    mem_free(bytes);
}

/* Enough for splice to take over, and to be held back by who reads. */
static void test_bulk_arrives_as_it_was_sent(void **state)
{
    struct fixture *fixture = *state;
    struct sender sender;
    pthread_t thread;

    start(fixture);
    open_tunnel(fixture);
    int ends[][2] = { { fixture->client, fixture->upstream },
                      { fixture->upstream, fixture->client } };
    for (size_t i = 0; i < 2; i++) {
        sender = (struct sender){ .fd = ends[i][0] };
        assert_int_equal(pthread_create(&thread, NULL, send_bulk, &sender), 0);
        expect_bulk(ends[i][1]);
        assert_int_equal(pthread_join(thread, NULL), 0);
        assert_true(sender.is_ok);
    }
    wait_for_end(fixture);
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == BULK_BYTES);
    assert_true(metrics_total(METRIC_TCP_SENT) == BULK_BYTES);
}

/* --- Breaking --------------------------------------------------------------------------------- */

static void test_reset_of_the_upstream_reaches_the_client(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    say(fixture->upstream, "half");
    expect(fixture->client, "half");
    reset(&fixture->upstream);
    expect_reset(fixture->client);
    wait_for_end(fixture);
    assert_logged(fixture, "UC upstream_remote_reset 0 4 " CLUSTER " 0 -\n");
}

static void test_reset_of_the_client_reaches_the_upstream(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    say(fixture->client, "half");
    expect(fixture->upstream, "half");
    reset(&fixture->client);
    expect_reset(fixture->upstream);
    wait_for_end(fixture);
    assert_logged(fixture, "DC downstream_remote_reset 4 0 " CLUSTER " 0 -\n");
}

/* --- Deadlines (TT-26) ------------------------------------------------------------------------ */

static void test_silence_ends_it(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.tunnel_idle_timeout_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    expect_end(fixture->client);
    expect_end(fixture->upstream);
    wait_for_end(fixture);
    assert_logged(fixture, "- idle_timeout 0 0 " CLUSTER " 0 -\n");
}

static void test_the_cluster_has_its_own_idle_timeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.tunnel_idle_timeout_ms = 3600000;
    fixture->cluster.tcp_idle_timeout_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    expect_end(fixture->client);
}

static void test_a_life_has_an_end(void **state)
{
    struct fixture *fixture = *state;

    fixture->cluster.max_connection_duration_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    say(fixture->client, "x");
    expect_end(fixture->client);
    wait_for_end(fixture);
    assert_logged(fixture, "DT max_connection_duration 1 0 " CLUSTER " 0 -\n");
}

/* --- Reloads, drain --------------------------------------------------------------------------- */

static void test_reloads_leave_it_and_it_pins_none(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    for (int i = 0; i < 10; i++) {
        fixture->cluster.fingerprint++;
        publish(fixture, false, false);
    }
    RUN_UNTIL(fixture->loop, __atomic_load_n(&fixture->released_count, __ATOMIC_ACQUIRE) == 10);
    say(fixture->client, "still here");
    expect(fixture->upstream, "still here");
}

static void test_a_listener_that_goes_leaves_it_HR_5(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    publish(fixture, false, true);
    say(fixture->client, "still here");
    expect(fixture->upstream, "still here");
    worker_drain_begin(fixture->worker);
    worker_stop_accepting(fixture->worker);
    say(fixture->upstream, "and back");
    expect(fixture->client, "and back");
    assert_int_equal(worker_active_count(fixture->worker), 1);
    assert_logged(fixture, "LR connection_closed_by_drain 10 8 " CLUSTER " 0 -\n");
    expect_end(fixture->client);
    expect_end(fixture->upstream);
}

/* --- PROXY protocol --------------------------------------------------------------------------- */

static void accept_proxy(struct fixture *fixture, enum accept_proxy mode, struct str range)
{
    assert_true(cidr_parse(range, &fixture->range));
    fixture->options.accept_proxy = mode;
    fixture->options.proxy_ranges = &fixture->range;
    fixture->options.proxy_range_count = 1;
    fixture->cluster.proxy_protocol = PROXY_PROTOCOL_V1; /* shows who is taken for the client */
}

static void test_a_told_client_is_passed_on_DR_80(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("127.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    say(fixture->client, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nhello");
    accept_upstream(fixture);
    expect(fixture->upstream, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nhello");
}

static void test_strangers_are_not_believed(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("10.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    say(fixture->client, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n");
    accept_upstream(fixture);
    expect(fixture->upstream, "PROXY TCP4 127.0.0.1 127.0.0.1 ");
}

static void test_an_optional_header_may_be_missing(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_OPTIONAL, STR("127.0.0.0/8"));
    fixture->cluster.proxy_protocol = PROXY_PROTOCOL_NONE;
    start(fixture);
    open_client(fixture);
    say(fixture->client, "hello");
    accept_upstream(fixture);
    expect(fixture->upstream, "hello");
}

static void refused_for(struct fixture *fixture, const char *bytes)
{
    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("127.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    say(fixture->client, bytes);
    char byte;
    assert_true(recv(fixture->client, &byte, 1, 0) <= 0);
    wait_for_end(fixture);
    assert_true(metrics_total(METRIC_CONNECTIONS_REFUSED) == 1);
    assert_true(metrics_total(METRIC_TCP_OPENED) == 0);
}

static void test_a_required_header_is_required(void **state)
{
    refused_for(*state, "hello");
}

static void test_a_broken_header_is_refused(void **state)
{
    refused_for(*state, "PROXY TCP4 192.0.2.7 nobody 5000 443\r\n");
}

static void test_a_header_has_a_deadline(void **state)
{
    struct fixture *fixture = *state;

    fixture->options.handshake_timeout_ms = 60;
    refused_for(fixture, "PROXY TCP4 192.0.2.7");
}

int main(void)
{
#define TUNNEL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TUNNEL_TEST(test_no_such_cluster_is_NC),
        TUNNEL_TEST(test_no_endpoint_is_UH),
        TUNNEL_TEST(test_refused_is_UF_URX),
        TUNNEL_TEST(test_half_close_both_ways_TT_27),
        TUNNEL_TEST(test_early_bytes_and_end_wait),
        TUNNEL_TEST(test_bulk_arrives_as_it_was_sent),
        TUNNEL_TEST(test_reset_of_the_upstream_reaches_the_client),
        TUNNEL_TEST(test_reset_of_the_client_reaches_the_upstream),
        TUNNEL_TEST(test_silence_ends_it),
        TUNNEL_TEST(test_the_cluster_has_its_own_idle_timeout),
        TUNNEL_TEST(test_a_life_has_an_end),
        TUNNEL_TEST(test_reloads_leave_it_and_it_pins_none),
        TUNNEL_TEST(test_a_listener_that_goes_leaves_it_HR_5),
        TUNNEL_TEST(test_a_told_client_is_passed_on_DR_80),
        TUNNEL_TEST(test_strangers_are_not_believed),
        TUNNEL_TEST(test_an_optional_header_may_be_missing),
        TUNNEL_TEST(test_a_required_header_is_required),
        TUNNEL_TEST(test_a_broken_header_is_refused),
        TUNNEL_TEST(test_a_header_has_a_deadline),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
