/* Tests of gateway/proxy/tunnel.c, client_proxy.c and tcp_metrics.c: a worker in its own thread with a TCP
 * listener; the test is the client, the upstream and the control thread. Sockets block with a deadline,
 * so nothing sleeps. */
#include "gateway/proxy/tunnel.h"

#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"
#include "tests/unit/support/worker_case.h"

#include <linux/sockios.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

enum { BULK_BYTES = 24 * 1024 * 1024, WHOLE_BYTES = 256 * 1024 };

struct fixture {
    struct worker_case base;
    struct route_destination destination;
    struct tcp_route route;
    struct cluster_config cluster;
    struct endpoint_config endpoint;
    struct cidr range;
    int upstream_fd; /* listening */
    int client;      /* -1: none */
    int upstream;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);

    worker_case_init(&fixture->base);
    fixture->client = -1;
    fixture->upstream = -1;
    fixture->upstream_fd = worker_case_listen(&fixture->endpoint.address);
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
    fixture->destination.cluster_name = fixture->cluster.name;
    fixture->destination.weight = 1;
    fixture->route.destinations = &fixture->destination;
    fixture->route.destination_count = 1;
    fixture->route.total_weight = 1;
    fixture->base.cluster = &fixture->cluster;
    fixture->base.tcp = &fixture->route;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    worker_case_cleanup(&fixture->base);
    worker_case_close(&fixture->client);
    worker_case_close(&fixture->upstream);
    worker_case_close(&fixture->upstream_fd);
    mem_free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    worker_case_start(&fixture->base,
                      "%RESPONSE_FLAGS% %CONNECTION_TERMINATION_DETAILS% %BYTES_RECEIVED% "
                      "%BYTES_SENT% %UPSTREAM_CLUSTER_RAW% %RESPONSE_CODE% %PROTOCOL%\n");
}

static void open_client(struct fixture *fixture)
{
    fixture->client = worker_case_connect(&fixture->base);
}

static void accept_upstream(struct fixture *fixture)
{
    fixture->upstream = worker_case_accept(fixture->upstream_fd);
}

static void open_tunnel(struct fixture *fixture)
{
    open_client(fixture);
    accept_upstream(fixture);
}

#define CLUSTER "outbound|9000||db.ns.svc.cluster.local"

/* --- One attempt (TT-28) ---------------------------------------------------------------------- */

static void test_no_such_cluster_is_NC(void **state)
{
    struct fixture *fixture = *state;

    fixture->destination.cluster_name = STR("outbound|1||gone.x");
    start(fixture);
    open_client(fixture);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_TCP_OPENED) == 1 && metrics_total(METRIC_TCP_CLOSED) == 1);
    worker_case_assert_logged(&fixture->base, "NC - 0 0 outbound|1||gone.x 0 -\n");
}

static void test_no_endpoint_is_UH(void **state)
{
    struct fixture *fixture = *state;

    fixture->endpoint.is_healthy = false;
    start(fixture);
    open_client(fixture);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "UH - 0 0 " CLUSTER " 0 -\n");
}

static void test_refused_is_UF_URX(void **state)
{
    struct fixture *fixture = *state;

    worker_case_close(&fixture->upstream_fd);
    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, "early");
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "UF,URX - 0 0 " CLUSTER " 0 -\n");
}

/* --- Bytes ------------------------------------------------------------------------------------ */

static void test_half_close_both_ways_TT_27(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    worker_case_say(fixture->upstream, "220 hello");
    worker_case_expect(fixture->client, "220 hello");
    worker_case_say(fixture->client, "question");
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    worker_case_expect(fixture->upstream, "question");
    worker_case_expect_end(fixture->upstream);
    assert_true(metrics_total(METRIC_TUNNELS) == 1);
    worker_case_say(fixture->upstream, "answer");
    worker_case_expect(fixture->client, "answer");
    worker_case_close(&fixture->upstream);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_TUNNELS) == 0);
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == 8 && metrics_total(METRIC_TCP_SENT) == 15);
    assert_true(metrics_total(METRIC_UPSTREAM_CONNECTIONS) == 0);
    worker_case_assert_logged(&fixture->base, "- - 8 15 " CLUSTER " 0 -\n"); /* OB-5, OB-12 */
}

/* The client says all it has to say before there is an upstream. */
static void test_early_bytes_and_end_wait(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, "all at once");
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    accept_upstream(fixture);
    worker_case_expect(fixture->upstream, "all at once");
    worker_case_expect_end(fixture->upstream);
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
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_TCP_RECEIVED) == BULK_BYTES);
    assert_true(metrics_total(METRIC_TCP_SENT) == BULK_BYTES);
}

/* --- Breaking --------------------------------------------------------------------------------- */

static void test_reset_of_the_upstream_reaches_the_client(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    worker_case_say(fixture->upstream, "half");
    worker_case_expect(fixture->client, "half");
    worker_case_reset(&fixture->upstream);
    worker_case_expect_reset(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "UC upstream_remote_reset 0 4 " CLUSTER " 0 -\n");
}

static void test_reset_of_the_client_reaches_the_upstream(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    worker_case_say(fixture->client, "half");
    worker_case_expect(fixture->upstream, "half");
    worker_case_reset(&fixture->client);
    worker_case_expect_reset(fixture->upstream);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "DC downstream_remote_reset 4 0 " CLUSTER " 0 -\n");
}

/* All that `from` has to say is in the kernel of `to`s connection, and more than `to` takes at once. */
static void say_all(struct fixture *fixture, int from)
{
    unsigned char *bytes = mem_alloc_zero(WHOLE_BYTES);
    int waiting = 0;

    assert_int_equal(send(from, bytes, WHOLE_BYTES, MSG_NOSIGNAL), WHOLE_BYTES);
    mem_free(bytes);
    assert_int_equal(shutdown(from, SHUT_WR), 0);
    RUN_UNTIL(fixture->base.loop, ioctl(from, SIOCOUTQ, &waiting) == 0 && waiting == 0);
}

static void expect_all(int fd)
{
    unsigned char *bytes = mem_alloc(WHOLE_BYTES);

    assert_int_equal(recv(fd, bytes, WHOLE_BYTES, MSG_WAITALL), WHOLE_BYTES);
    mem_free(bytes);
    worker_case_expect_end(fd);
}

/* Who had ended its direction is done: what it said arrives whole, whatever becomes of it. */
static void test_a_client_that_said_all_and_broke(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    say_all(fixture, fixture->client);
    worker_case_reset(&fixture->client);
    worker_case_say(fixture->upstream, "for nobody");
    worker_case_wait_for_end(&fixture->base);
    expect_all(fixture->upstream);
}

static void test_an_upstream_that_said_all_and_broke(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    say_all(fixture, fixture->upstream);
    worker_case_reset(&fixture->upstream);
    worker_case_say(fixture->client, "for nobody");
    worker_case_wait_for_end(&fixture->base);
    expect_all(fixture->client);
}

/* --- Deadlines (TT-26) ------------------------------------------------------------------------ */

static void test_silence_ends_it(void **state)
{
    struct fixture *fixture = *state;

    fixture->base.options.tunnel_idle_timeout_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    worker_case_expect_end(fixture->client);
    worker_case_expect_end(fixture->upstream);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "- idle_timeout 0 0 " CLUSTER " 0 -\n");
}

static void test_the_cluster_has_its_own_idle_timeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->base.options.tunnel_idle_timeout_ms = 3600000;
    fixture->cluster.tcp_idle_timeout_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    worker_case_expect_end(fixture->client);
}

static void test_a_life_has_an_end(void **state)
{
    struct fixture *fixture = *state;

    fixture->cluster.max_connection_duration_ms = 60;
    start(fixture);
    open_tunnel(fixture);
    worker_case_say(fixture->client, "x");
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
    worker_case_assert_logged(&fixture->base, "DT max_connection_duration 1 0 " CLUSTER " 0 -\n");
}

/* --- Reloads, drain --------------------------------------------------------------------------- */

static void test_reloads_leave_it_and_it_pins_none(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    for (int i = 0; i < 10; i++) {
        fixture->cluster.fingerprint++;
        worker_case_reload(&fixture->base, true);
    }
    RUN_UNTIL(fixture->base.loop, worker_case_released(&fixture->base) == 10);
    worker_case_say(fixture->client, "still here");
    worker_case_expect(fixture->upstream, "still here");
}

static void test_a_listener_that_goes_leaves_it_HR_5(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    open_tunnel(fixture);
    worker_case_reload(&fixture->base, false);
    worker_case_say(fixture->client, "still here");
    worker_case_expect(fixture->upstream, "still here");
    worker_drain_begin(fixture->base.worker);
    worker_stop_accepting(fixture->base.worker);
    worker_case_say(fixture->upstream, "and back");
    worker_case_expect(fixture->client, "and back");
    assert_int_equal(worker_active_count(fixture->base.worker), 1);
    worker_case_assert_logged(&fixture->base,
                              "LR connection_closed_by_drain 10 8 " CLUSTER " 0 -\n");
    worker_case_expect_end(fixture->client);
    worker_case_expect_end(fixture->upstream);
}

/* --- PROXY protocol --------------------------------------------------------------------------- */

static void accept_proxy(struct fixture *fixture, enum accept_proxy mode, struct str range)
{
    assert_true(cidr_parse(range, &fixture->range));
    fixture->base.options.accept_proxy = mode;
    fixture->base.options.proxy_ranges = &fixture->range;
    fixture->base.options.proxy_range_count = 1;
    fixture->cluster.proxy_protocol = PROXY_PROTOCOL_V1; /* shows who is taken for the client */
}

static void test_a_told_client_is_passed_on_DR_80(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("127.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nhello");
    accept_upstream(fixture);
    worker_case_expect(fixture->upstream, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nhello");
}

static void test_strangers_are_not_believed(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("10.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, "PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n");
    accept_upstream(fixture);
    worker_case_expect(fixture->upstream, "PROXY TCP4 127.0.0.1 127.0.0.1 ");
}

static void test_an_optional_header_may_be_missing(void **state)
{
    struct fixture *fixture = *state;

    accept_proxy(fixture, ACCEPT_PROXY_OPTIONAL, STR("127.0.0.0/8"));
    fixture->cluster.proxy_protocol = PROXY_PROTOCOL_NONE;
    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, "hello");
    accept_upstream(fixture);
    worker_case_expect(fixture->upstream, "hello");
}

static void refused_for(struct fixture *fixture, const char *bytes)
{
    accept_proxy(fixture, ACCEPT_PROXY_REQUIRED, STR("127.0.0.0/8"));
    start(fixture);
    open_client(fixture);
    worker_case_say(fixture->client, bytes);
    char byte;
    assert_true(recv(fixture->client, &byte, 1, 0) <= 0);
    worker_case_wait_for_end(&fixture->base);
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

    fixture->base.options.handshake_timeout_ms = 60;
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
        TUNNEL_TEST(test_a_client_that_said_all_and_broke),
        TUNNEL_TEST(test_an_upstream_that_said_all_and_broke),
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
