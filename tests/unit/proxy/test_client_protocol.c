/* Tests of gateway/proxy/client_protocol.c on a plain listener of a worker: which HTTP the first bytes
 * are, and what becomes of a client that does not say. */
#include "gateway/proxy/client_protocol.h"

#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"
#include "tests/unit/support/worker_case.h"

#include <string.h>
#include <sys/socket.h>

#define PREFACE "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
#define REQUEST " / HTTP/1.1\r\nhost: a.com\r\n\r\n"

struct fixture {
    struct worker_case base;
    struct route_table table;
    struct virtual_host host;
    struct route route;
    const struct route *routes[1];
    int client;
};

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);

    worker_case_init(&fixture->base);
    fixture->client = -1;
    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    fixture->route.direct.body = STR("hi");
    fixture->routes[0] = &fixture->route;
    fixture->host.routes = fixture->routes;
    fixture->host.route_count = 1;
    assert_true(host_table_add(&fixture->table.hosts, STR("*"), &fixture->host, NULL));
    fixture->base.routes = &fixture->table;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    worker_case_cleanup(&fixture->base);
    worker_case_close(&fixture->client);
    host_table_cleanup(&fixture->table.hosts);
    mem_free(fixture);
    return 0;
}

static void start(struct fixture *fixture)
{
    worker_case_start(&fixture->base, NULL);
    fixture->client = worker_case_connect(&fixture->base);
}

static void wait_for_client(struct fixture *fixture)
{
    RUN_UNTIL(fixture->base.loop, worker_active_count(fixture->base.worker) == 1);
}

/* The rest of an answer that ends the connection. */
static bool answer_has(struct fixture *fixture, const char *part)
{
    char bytes[2048];
    ssize_t len = recv(fixture->client, bytes, sizeof(bytes), MSG_WAITALL);

    assert_true(len >= 0);
    return str_find(str_from(bytes, (size_t)len), str_from_cstr(part)) != SIZE_MAX;
}

/* --- First bytes ------------------------------------------------------------------------------ */

/* A method may begin as the preface does. */
static void test_a_method_in_pieces_is_http1(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    worker_case_say(fixture->client, "P");
    wait_for_client(fixture);
    worker_case_say(fixture->client, "R");
    worker_case_say(fixture->client, "OPFIND" REQUEST);
    worker_case_expect(fixture->client, "HTTP/1.1 200 OK\r\n");
    assert_true(metrics_total(METRIC_HTTP2_CONNECTIONS) == 0);
}

static void test_the_preface_is_http2_CN_39(void **state)
{
    struct fixture *fixture = *state;
    unsigned char header[9];

    start(fixture);
    worker_case_say(fixture->client, "PRI * HT");
    wait_for_client(fixture);
    worker_case_say(fixture->client, "TP/2.0\r\n\r\nSM\r\n\r\n");
    assert_int_equal(send(fixture->client, "\0\0\0\4\0\0\0\0\0", 9, 0), 9); /* SETTINGS */
    assert_int_equal(recv(fixture->client, header, 9, MSG_WAITALL), 9);
    assert_int_equal(header[3], 4); /* the server's SETTINGS come first (RFC 9113 3.4) */
    assert_true(metrics_total(METRIC_HTTP2_CONNECTIONS) == 1);
    worker_case_close(&fixture->client);
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_HTTP2_CONNECTIONS) == 0);
}

static void test_a_broken_preface_ends_the_connection(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    worker_case_say(fixture->client, "PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n");
    assert_true(answer_has(fixture, "HTTP/1.1 "));
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_PROTOCOL_ERRORS) == 1);
}

/* What the peer does wrong in HTTP/2 is counted by its reason. */
static void test_a_violation_is_counted(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    worker_case_say(fixture->client, PREFACE);
    /* DATA on stream 0 */
    assert_int_equal(send(fixture->client, "\0\0\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 18, 0), 18);
    assert_false(answer_has(fixture, "HTTP/1.1")); /* read to its end */
    worker_case_wait_for_end(&fixture->base);
    assert_true(metrics_total(METRIC_PROTOCOL_ERRORS) >= 1);
}

/* --- Silence ---------------------------------------------------------------------------------- */

static void test_silence_is_idle(void **state)
{
    struct fixture *fixture = *state;

    fixture->base.options.client_limits.idle_timeout_ms = 60;
    start(fixture);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
}

static void test_a_piece_of_a_preface_is_a_late_head(void **state)
{
    struct fixture *fixture = *state;

    fixture->base.options.client_limits.header_timeout_ms = 60;
    start(fixture);
    worker_case_say(fixture->client, "PRI * ");
    worker_case_expect(fixture->client, "HTTP/1.1 408 ");
}

/* A head has its time once, also when it takes a while to tell it from a preface. */
static void test_a_slow_method_has_no_second_deadline(void **state)
{
    struct fixture *fixture = *state;

    fixture->base.options.client_limits.header_timeout_ms = 600;
    start(fixture);
    uint64_t begin_us = now_mono_fresh_us();
    worker_case_say(fixture->client, "P");
    RUN_UNTIL(fixture->base.loop, now_mono_fresh_us() - begin_us > 400 * 1000);
    worker_case_say(fixture->client, "O");
    worker_case_expect(fixture->client, "HTTP/1.1 408 ");
    assert_true(now_mono_fresh_us() - begin_us < 900 * 1000);
}

static void test_a_piece_of_a_preface_and_the_end(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    worker_case_say(fixture->client, "PRI");
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    (void)answer_has(fixture, ""); /* read to its end, whatever it is */
    worker_case_wait_for_end(&fixture->base);
}

static void test_nothing_and_the_end(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    assert_int_equal(shutdown(fixture->client, SHUT_WR), 0);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
}

/* --- Drain ------------------------------------------------------------------------------------ */

/* Accepted, and the listener goes: its first request is served, and is the last. */
static void test_the_first_request_of_a_gone_listener_is_served_HR_5(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    wait_for_client(fixture);
    worker_drain_begin(fixture->base.worker);
    worker_stop_accepting(fixture->base.worker);
    worker_case_reload(&fixture->base, true); /* behind the drain */
    worker_case_say(fixture->client, "GET" REQUEST);
    assert_true(answer_has(fixture, "connection: close\r\n"));
    worker_case_wait_for_end(&fixture->base);
}

static void test_who_is_silent_is_not_waited_for_long(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    wait_for_client(fixture);
    worker_stop_accepting(fixture->base.worker);
    worker_case_expect_end(fixture->client);
    worker_case_wait_for_end(&fixture->base);
}

int main(void)
{
#define PROTOCOL_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        PROTOCOL_TEST(test_a_method_in_pieces_is_http1),
        PROTOCOL_TEST(test_the_preface_is_http2_CN_39),
        PROTOCOL_TEST(test_a_broken_preface_ends_the_connection),
        PROTOCOL_TEST(test_a_violation_is_counted),
        PROTOCOL_TEST(test_silence_is_idle),
        PROTOCOL_TEST(test_a_piece_of_a_preface_is_a_late_head),
        PROTOCOL_TEST(test_a_slow_method_has_no_second_deadline),
        PROTOCOL_TEST(test_a_piece_of_a_preface_and_the_end),
        PROTOCOL_TEST(test_nothing_and_the_end),
        PROTOCOL_TEST(test_the_first_request_of_a_gone_listener_is_served_HR_5),
        PROTOCOL_TEST(test_who_is_silent_is_not_waited_for_long),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
