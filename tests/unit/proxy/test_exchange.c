/* Tests of gateway/proxy/exchange*.c: the client is a fake leg, the upstream an origin on loopback
 * in the same loop. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/exchange_case.h"

#include "tests/unit/support/run_until.h"

#include <unistd.h>

static const char ok[] = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: mine\r\n\r\nhello";

/* --- Refused here ----------------------------------------------------------------------------- */

static void test_host_without_virtual_host_SN_34_LR_1(void **state)
{
    struct exchange_case *fixture = *state;

    fake_leg_request(&fixture->leg, "GET", "b.com", "/");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 404);
    assert_true(fixture->leg.is_head_end);
    assert_true(fixture->leg.is_released);
    assert_true(exchange_case_metrics_have(
        "response_code=\"404\",grpc_response_status=\"\",response_flags=\"NR\""));
}

static void test_path_that_must_be_refused_LR_15_CN_22(void **state)
{
    static const char *const paths[] = { "/a%00b", "/a%zz", "/a%2f..%2fb", "/a\\b" };
    struct exchange_case *fixture = *state;

    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        fake_leg_request(&fixture->leg, "GET", "a.com", paths[i]);
        exchange_case_begin(fixture, false);
        assert_int_equal(fixture->leg.status, 400);
        exchange_case_again(fixture, "GET");
        exchange_case_turns(fixture, 1);
    }
}

static void test_listener_that_is_gone_closes_HR_4(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->listener.config = NULL;
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 404);
    assert_true(fixture->leg.is_drained_conn);
}

static void test_unknown_cluster_LR_3_HT_43(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->destination.cluster = NULL;
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 503);
    ASSERT_BODY(fixture, "");
    assert_true(exchange_case_metrics_have("response_flags=\"NC\""));
}

static void test_no_healthy_endpoint_LR_5_LR_25(void **state)
{
    struct exchange_case *fixture = *state;
    struct err err = { 0 };
    struct route_header_op op = { .name = STR("x-op"),
                                  .value = format_compile(fixture->arena, STR("set"), &err) };

    fixture->route.response_ops.sets = &op;
    fixture->route.response_ops.set_count = 1;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 503);
    ASSERT_BODY(fixture, "no healthy upstream");
    ASSERT_SAW(fixture, "x-op: set"); /* LR-25: a route had been chosen */
    ASSERT_SAW(fixture, "server: istio-envoy");
    assert_true(exchange_case_metrics_have("response_flags=\"UH\""));
}

/* --- Answered here ---------------------------------------------------------------------------- */

static void test_direct_response_HT_61(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    fixture->route.direct.body = STR("hi");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 200);
    ASSERT_BODY(fixture, "hi");
    assert_true(fixture->leg.is_ended);
    ASSERT_SAW(fixture, "content-type: text/plain");
}

static void test_redirect_HT_58(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->route.action = ROUTE_REDIRECT;
    fixture->route.redirect.status = 302;
    fixture->route.redirect.authority = STR("b.com");
    fake_leg_request(&fixture->leg, "GET", "a.com", "/x?y");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 302);
    ASSERT_SAW(fixture, "location: http://b.com/x?y");
}

static void test_https_redirect_GW_51_GW_53(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->host.requires_tls = true;
    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    headers_add(&fixture->leg.request.headers, STR("x-forwarded-proto"), STR("https"));
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 301);
    ASSERT_SAW(fixture, "location: https://a.com/");
    exchange_case_again(fixture, "GET");
    exchange_case_turns(fixture, 1);
    fixture->worker.options.trusted_hops = 1; /* now the header is believed */
    headers_add(&fixture->leg.request.headers, STR("x-forwarded-proto"), STR("https"));
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 200);
}

static void test_acme_challenge_is_not_redirected_GW_56(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->host.requires_tls = true;
    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    fake_leg_request(&fixture->leg, "GET", "a.com", "/.well-known/acme-challenge/t");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 200);
    exchange_case_again(fixture, "GET");
    exchange_case_turns(fixture, 1);
    fixture->host.route_count = 0; /* without a route for it: as any other path */
    fake_leg_request(&fixture->leg, "GET", "a.com", "/.well-known/acme-challenge/t");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 301);
}

static void test_grpc_gets_its_status_LR_30(void **state)
{
    struct exchange_case *fixture = *state;

    headers_add_id(&fixture->leg.request.headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 200);
    ASSERT_SAW(fixture, "grpc-status: 14; grpc-message: no healthy upstream");
    assert_true(exchange_case_metrics_have("request_protocol=\"grpc\""));
}

static void test_drain_announces_the_close_HR_5_HD_36(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->worker.is_draining = true;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    assert_true(fixture->leg.is_drained_conn);
}

/* Spec 10.1: overload. */
static void test_short_of_memory_requests_are_refused_503_OM(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->worker.is_overloaded = true;
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 503);
    ASSERT_BODY(fixture, "envoy overloaded");
    assert_true(fixture->leg.is_drained_conn);
    assert_true(exchange_case_metrics_have("response_flags=\"OM\""));
    assert_true(exchange_case_metrics_have("gatehouse_overload_refused_requests_total 1"));
    assert_false(loop_origin_saw(&fixture->origin, "GET"));
}

/* --- Forwarded -------------------------------------------------------------------------------- */

static void test_forwards_and_comes_back(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fake_leg_request(&fixture->leg, "GET", "a.com", "/x/../y?q=1");
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 200);
    ASSERT_BODY(fixture, "hello");
    assert_true(fixture->leg.is_ended);
    ASSERT_SENT(fixture, "GET /y?q=1 HTTP/1.1\r\nhost: a.com\r\n"); /* CN-22 */
    ASSERT_SENT(fixture, "x-forwarded-for: 1.2.3.4\r\n");           /* HD-3 */
    ASSERT_SENT(fixture, "x-envoy-attempt-count: 1\r\n");           /* HD-20 */
    ASSERT_SAW(fixture, "server: istio-envoy");                     /* HD-30 */
    ASSERT_SAW(fixture, "x-envoy-upstream-service-time: ");         /* HD-31 */
    assert_true(exchange_case_metrics_have(
        "response_code=\"200\",grpc_response_status=\"\",response_flags=\"-\""));
}

static void test_the_connection_is_used_again(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    for (int i = 0; i < 5; i++) {
        exchange_case_begin_and_wait(fixture);
        assert_int_equal(fixture->leg.status, 200);
        exchange_case_turns(fixture, 2);
        exchange_case_again(fixture, "GET");
    }
    assert_int_equal(fixture->origin.connection_count, 1);
    assert_int_equal(fixture->origin.request_count, 5);
}

static void test_a_snapshot_is_not_pinned_by_a_body(void **state)
{
    static const char *const script[] = { "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
                                          NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.body.len == 4);
    assert_int_equal(fixture->worker.lease->user_count, 1); /* the worker's own */
    loop_origin_say(&fixture->origin, "-done");
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    ASSERT_BODY(fixture, "half-done");
}

static void test_rewrite_and_operations_HT_75_HT_76_HT_77(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;
    struct err err = { 0 };
    struct route_header_op op = { .name = STR("x-path"),
                                  .value =
                                      format_compile(fixture->arena, STR("%REQ(:PATH)%"), &err) };

    exchange_case_with_origin(fixture, script);
    fixture->route.rewrite.has_uri = true;
    fixture->route.rewrite.uri = STR("/api/");
    fixture->route.authority = format_compile(fixture->arena, STR("inner.com"), &err);
    fixture->route.request_ops.adds = &op;
    fixture->route.request_ops.add_count = 1;
    fake_leg_request(&fixture->leg, "GET", "a.com", "/users?q");
    exchange_case_begin_and_wait(fixture);
    ASSERT_SENT(fixture, "GET /api/users?q HTTP/1.1\r\nhost: inner.com\r\n");
    ASSERT_SENT(fixture, "x-envoy-original-path: /users?q\r\n");
    ASSERT_SENT(fixture, "x-path: /users?q\r\n");
}

static void test_body_waits_for_the_connection(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_LENGTH;
    fixture->leg.request.content_length = 10;
    fixture->leg.request.has_content_length = true;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
    fake_leg_body(&fixture->leg, "01234");
    fake_leg_body(&fixture->leg, "56789");
    fake_leg_complete(&fixture->leg);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 200);
    ASSERT_SENT(fixture, "\r\n\r\n0123456789");
}

static void test_a_body_without_upstream_is_paused(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;
    char bytes[32 * 1024 + 1];
    size_t sent = 0;

    memset(bytes, 'x', sizeof(bytes) - 1);
    bytes[sizeof(bytes) - 1] = '\0';
    exchange_case_with_origin(fixture, script);
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_LENGTH;
    fixture->leg.request.content_length = 1000000;
    fixture->leg.request.has_content_length = true;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
    while (!fixture->leg.is_paused) {
        fake_leg_body(&fixture->leg, bytes);
        sent += sizeof(bytes) - 1;
        assert_true(sent <= 256 * 1024); /* the promise of one stream */
    }
    RUN_UNTIL(fixture->worker.loop, !fixture->leg.is_paused);
    fake_leg_end(&fixture->leg, LEG_END_PEER_CLOSED);
}

static void test_a_slow_client_pauses_the_upstream(void **state)
{
    static const char *const script[] = { "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf",
                                          NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->leg.is_full = true;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.body.len == 4);
    loop_origin_say(&fixture->origin, "rest");
    exchange_case_turns(fixture, 10);
    ASSERT_BODY(fixture, "half"); /* not read */
    fake_leg_drained(&fixture->leg);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    ASSERT_BODY(fixture, "halfrest");
}

static void test_interim_heads_and_trailers_pass_HD_13(void **state)
{
    static const char *const script[] = {
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n"
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n",
        NULL
    };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.interim_count, 2);
    ASSERT_SAW(fixture, "103 link: </x>; \n");
    ASSERT_BODY(fixture, "hello");
    assert_string_equal(fixture->leg.trailers.ptr, "x-sum: 1; ");
}

static void test_an_early_answer_ends_the_upload(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_CHUNKED; /* the origin answers at the end of the head */
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 200);
    ASSERT_BODY(fixture, "hello");
    assert_false(fixture->leg.is_aborted);
}

/* --- Trouble upstream ------------------------------------------------------------------------- */

static void test_refused_connects_are_tried_three_times_LR_8_LR_22_HT_95(void **state)
{
    struct exchange_case *fixture = *state;
    struct address address;
    struct err err = { 0 };
    int fd;

    /* A port that nobody listens on. */
    assert_true(address_parse(STR("127.0.0.1"), 0, &address));
    assert_true(listener_bind(&address, &fd, 1, &err));
    (void)close(fd);
    fixture->endpoints[0] =
        (struct endpoint_config){ .address = address, .weight = 1, .is_healthy = true };
    fixture->cluster.endpoint_count = 1;
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 503);
    ASSERT_BODY(fixture, "upstream connect error or disconnect/reset before headers. "
                         "retried and the latest reset reason: remote connection failure, "
                         "transport failure reason: delayed connect error: 111");
    assert_true(exchange_case_metrics_have("response_flags=\"UF,URX\""));
    assert_int_equal((int)metrics_total(METRIC_UPSTREAM_CONNECT_FAILURES), 3);
}

static void test_another_endpoint_takes_over_HT_95(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;
    struct err err = { 0 };
    int fd;

    exchange_case_with_origin(fixture, script);
    fixture->endpoints[1] = fixture->endpoints[0];
    assert_true(address_parse(STR("127.0.0.1"), 0, &fixture->endpoints[0].address));
    assert_true(listener_bind(&fixture->endpoints[0].address, &fd, 1, &err));
    (void)close(fd);
    fixture->cluster.endpoint_count = 2;
    fixture->cluster.balance = BALANCE_ROUND_ROBIN;
    for (int i = 0; i < 4; i++) {
        exchange_case_begin_and_wait(fixture);
        assert_int_equal(fixture->leg.status, 200);
        exchange_case_turns(fixture, 2);
        exchange_case_again(fixture, "GET");
    }
}

static void test_closed_before_an_answer_LR_9(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_CLOSE, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 503);
    ASSERT_BODY(fixture, "upstream connect error or disconnect/reset before headers. "
                         "reset reason: connection termination");
    assert_int_equal(fixture->origin.request_count, 1); /* a fresh connection: no second try */
    assert_true(exchange_case_metrics_have("response_flags=\"UC\""));
}

static void test_answers_that_are_no_http_502(void **state)
{
    static const char *const answers[] = {
        "garbage\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
    };
    struct exchange_case *fixture = *state;
    const char *script[] = { NULL, NULL };

    script[0] = answers[0];
    exchange_case_with_origin(fixture, script);
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        script[0] = answers[i];
        exchange_case_begin_and_wait(fixture);
        assert_int_equal(fixture->leg.status, 502);
        exchange_case_turns(fixture, 2);
        exchange_case_again(fixture, "GET");
    }
    assert_true(exchange_case_metrics_have("response_flags=\"UPE\""));
    assert_true(exchange_case_metrics_have("gatehouse_protocol_errors_total{side=\"upstream\""));
}

static void test_a_cut_body_is_never_completed_LR_23(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_LAST
                                          "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
                                          NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 200);
    assert_true(fixture->leg.is_aborted);
    assert_false(fixture->leg.is_ended);
    assert_true(exchange_case_metrics_have(
        "response_code=\"200\",grpc_response_status=\"\",response_flags=\"UC\""));
}

static void test_route_timeout_504_LR_6_HT_90_HT_94(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->route.timeout_ms = 50;
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 504);
    ASSERT_BODY(fixture, "upstream request timeout");
    ASSERT_SENT(fixture, "x-envoy-expected-rq-timeout-ms: 50\r\n");
    assert_true(exchange_case_metrics_have("response_flags=\"UT\""));
}

static void test_timeout_in_the_middle_cuts_HT_90(void **state)
{
    static const char *const script[] = { "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
                                          NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->route.timeout_ms = 50;
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 200);
    assert_true(fixture->leg.is_aborted);
}

static void test_timeout_starts_with_the_whole_request_HT_91(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->route.timeout_ms = 1;
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_CHUNKED;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
    for (int i = 0; i < 5; i++) {
        loop_run_once(fixture->worker.loop, LOOP_TIMER_TICK_MS);
    }
    assert_false(fixture->leg.is_released);
    fake_leg_complete(&fixture->leg);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 504);
}

static void begin_slow_upload(struct exchange_case *fixture)
{
    fixture->worker.options.request_timeout_ms = 50;
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_CHUNKED;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
}

/* It may come as steadily as it likes. */
static void test_a_request_that_takes_too_long_408_LR_18(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->route.timeout_ms = 1; /* of no account before the request is here */
    begin_slow_upload(fixture);
    for (int i = 0; i < 10; i++) {
        fake_leg_body(&fixture->leg, "x");
        loop_run_once(fixture->worker.loop, 1);
    }
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 408);
    ASSERT_BODY(fixture, "request timeout");
    assert_true(fixture->leg.is_drained_conn);
    assert_true(exchange_case_metrics_have(
        "response_code=\"408\",grpc_response_status=\"\",response_flags=\"-\""));
}

static void test_a_request_that_takes_too_long_under_its_answer_is_cut(void **state)
{
    static const char *const script[] = { "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf",
                                          NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    begin_slow_upload(fixture);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 200);
    assert_true(fixture->leg.is_aborted);
}

static void test_the_deadline_of_the_request_ends_with_it(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    begin_slow_upload(fixture);
    fake_leg_complete(&fixture->leg);
    for (int i = 0; i < 8; i++) {
        loop_run_once(fixture->worker.loop, LOOP_TIMER_TICK_MS);
    }
    assert_false(fixture->leg.is_released);
}

/* --- The client leaves ------------------------------------------------------------------------ */

static void test_client_leaves_while_waiting_for_the_answer(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    RUN_UNTIL(fixture->worker.loop, fixture->origin.request_count == 1);
    fake_leg_end(&fixture->leg, LEG_END_PEER_CLOSED);
    assert_true(fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 0);
    RUN_UNTIL(fixture->worker.loop, fixture->origin.open_count == 0); /* nobody to work for */
    assert_true(exchange_case_metrics_have(
        "response_code=\"0\",grpc_response_status=\"\",response_flags=\"DC\""));
}

static void test_client_leaves_while_connecting(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, false);
    fake_leg_end(&fixture->leg, LEG_END_PEER_CLOSED);
    exchange_case_turns(fixture, 5);
    assert_int_equal(fixture->origin.request_count, 0);
    assert_int_equal((int)metrics_total(METRIC_UPSTREAM_CONNECTIONS), 0);
}

static void test_a_broken_body_is_told_by_the_conn_CN_34(void **state)
{
    static const char *const script[] = { LOOP_ORIGIN_SILENT, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fake_leg_request(&fixture->leg, "POST", "a.com", "/");
    fixture->leg.request.framing = BODY_CHUNKED;
    exchange_case_publish(fixture);
    exchange_case_begin(fixture, true);
    fixture->leg.leg.answered_status = 400;
    fixture->leg.leg.end_detail = "http1.codec_error";
    fake_leg_end(&fixture->leg, LEG_END_PROTOCOL);
    assert_true(exchange_case_metrics_have(
        "response_code=\"400\",grpc_response_status=\"\",response_flags=\"DPE\""));
    assert_true(exchange_case_metrics_have("gatehouse_protocol_errors_total{side=\"client\","
                                           "reason=\"http1.codec_error\"} 1"));
}

/* --- DNS -------------------------------------------------------------------------------------- */

static void test_a_request_waits_for_the_first_dns_answer_SV_35(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *fixture = *state;

    exchange_case_with_origin(fixture, script);
    fixture->cluster.kind = CLUSTER_DNS;
    fixture->endpoints[0].host = STR("127.0.0.1");
    fixture->endpoints[0].port = address_port(&fixture->origin.address);
    exchange_case_begin_and_wait(fixture);
    assert_int_equal(fixture->leg.status, 200);
}

/* --- HTTP/2 ----------------------------------------------------------------------------------- */

static void begin_h2(struct exchange_case *fixture, const char *method, bool has_body)
{
    fixture->leg.conn.version = HTTP_VERSION_2;
    fake_leg_request(&fixture->leg, method, "a.com:443", "/");
    fixture->leg.request.version = HTTP_VERSION_2;
    fixture->leg.request.framing = has_body ? BODY_CHUNKED : BODY_NONE;
    fixture->cluster.protocol = CLUSTER_HTTP2;
    exchange_case_without_origin(fixture);
    exchange_case_begin(fixture, has_body);
}

/* A neighbour of the stream has done nothing wrong. */
static void test_a_refused_path_ends_no_connection_of_http2(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->leg.conn.version = HTTP_VERSION_2;
    fake_leg_request(&fixture->leg, "GET", "a.com", "/a%00b");
    exchange_case_begin(fixture, false);
    assert_int_equal(fixture->leg.status, 400);
    assert_false(fixture->leg.is_drained_conn);
}

static void test_a_slow_request_ends_no_connection_of_http2_LR_18(void **state)
{
    struct exchange_case *fixture = *state;

    fixture->worker.options.request_timeout_ms = 1;
    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_2, false);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 408);
    assert_false(fixture->leg.is_drained_conn);
    assert_true(fixture->upstream.is_released);
}

static void test_connections_are_told_apart_by_what_they_carry_DR_50_DR_80(void **state)
{
    struct exchange_case *fixture = *state;
    const struct pool_key *key;

    fixture->cluster.proxy_protocol = PROXY_PROTOCOL_V2;
    begin_h2(fixture, "GET", false);
    key = &exchange_case_exchange(fixture)->pool_request.key;
    assert_int_equal(key->version, HTTP_VERSION_2);
    assert_int_equal(key->server_name.len, 0); /* no TLS */
    assert_int_equal(key->client_id, fixture->client.id);
    struct address peer = transport_peer(fixture->client.transport);
    struct address local = transport_local(fixture->client.transport);
    assert_true(address_equals(key->client, &peer));
    assert_true(address_equals(key->client_local, &local));
    assert_false(exchange_case_exchange(fixture)->pool_request.needs_tunnel);
}

static void test_the_client_s_version_where_the_cluster_says_so_DR_50(void **state)
{
    static const enum http_version VERSIONS[] = { HTTP_VERSION_1_1, HTTP_VERSION_2 };

    (void)exchange_case_teardown(state);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(exchange_case_setup(state), 0);
        struct exchange_case *fixture = *state;
        fixture->leg.request.version = VERSIONS[i];
        fixture->cluster.protocol = CLUSTER_CLIENT_PROTOCOL;
        exchange_case_without_origin(fixture);
        exchange_case_begin(fixture, false);
        assert_int_equal(exchange_case_exchange(fixture)->pool_request.key.version, VERSIONS[i]);
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

/* gRPC in both directions of a stream: the answer begins, and goes on, while the request does. */
static void test_both_directions_flow_at_once(void **state)
{
    struct exchange_case *fixture = *state;
    struct headers trailers;

    fixture->worker.options.request_timeout_ms = 1; /* no deadline once both sides talk */
    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_2, false);
    fake_leg_body(&fixture->leg, "1");
    fake_leg_head(&fixture->upstream, fake_leg_response(&fixture->upstream, 200), false);
    fake_leg_body(&fixture->upstream, "a");
    for (int i = 0; i < 4; i++) {
        loop_run_once(fixture->worker.loop, LOOP_TIMER_TICK_MS);
    }
    fake_leg_body(&fixture->leg, "2");
    fake_leg_body(&fixture->upstream, "b");
    ASSERT_TEXT(fixture->upstream.body, "12");
    ASSERT_BODY(fixture, "ab");
    headers_init(&trailers, fixture->arena);
    headers_add(&trailers, STR("x-request"), STR("1"));
    fake_leg_complete_with(&fixture->leg, &trailers);
    ASSERT_TEXT(fixture->upstream.trailers, "x-request: 1; ");
    assert_false(fixture->leg.is_released);
    fake_leg_body(&fixture->upstream, "c");
    fake_leg_complete(&fixture->upstream);
    ASSERT_BODY(fixture, "abc");
    assert_true(fixture->leg.is_released);
    assert_true(fixture->upstream.is_released);
}

/* A leg that is still held back after its last byte would not notice that its client leaves. */
static void test_a_whole_request_is_not_held_back(void **state)
{
    struct exchange_case *fixture = *state;

    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_1_1, false);
    fixture->upstream.is_full = true;
    fake_leg_body(&fixture->leg, "1");
    assert_true(fixture->leg.is_paused);
    fake_leg_complete(&fixture->leg);
    assert_false(fixture->leg.is_paused);
    fake_leg_end(&fixture->leg, LEG_END_PEER_CLOSED);
    assert_true(fixture->upstream.is_released);
}

static void test_an_answer_may_be_over_before_the_request(void **state)
{
    struct exchange_case *fixture = *state;

    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_2, false);
    fake_leg_body(&fixture->leg, "1");
    fake_leg_head(&fixture->upstream, fake_leg_response(&fixture->upstream, 200), true);
    assert_int_equal(fixture->leg.status, 200);
    assert_true(fixture->leg.is_released); /* which is said by NO_ERROR (RFC 9113 8.1) */
    assert_true(fixture->upstream.is_released);
    assert_false(fixture->leg.is_aborted);
}

static void test_messages_of_grpc_are_counted_OB_20(void **state)
{
    struct exchange_case *fixture = *state;
    struct head *response;

    fixture->worker.options.request_timeout_ms = 1; /* of no account: a call may talk for days */
    headers_add_id(&fixture->leg.request.headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_2, false);
    for (int i = 0; i < 4; i++) {
        loop_run_once(fixture->worker.loop, LOOP_TIMER_TICK_MS);
    }
    fake_leg_bytes(&fixture->leg, STR("\0\0\0\0\2hi\0\0\0"));
    fake_leg_bytes(&fixture->leg, STR("\0\0"));
    response = fake_leg_response(&fixture->upstream, 200);
    headers_add_id(&response->headers, HEADER_CONTENT_TYPE, STR("application/grpc+proto"));
    fake_leg_head(&fixture->upstream, response, false);
    fake_leg_bytes(&fixture->upstream, STR("\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"));
    fake_leg_complete(&fixture->upstream);
    assert_int_equal((int)metrics_total(METRIC_REQUEST_MESSAGES), 2);
    assert_int_equal((int)metrics_total(METRIC_RESPONSE_MESSAGES), 3);
    assert_true(exchange_case_metrics_have(
        "request_protocol=\"grpc\",response_flags=\"-\",connection_security_policy=\"unknown\"} "
        "3"));
    assert_int_equal((int)metrics_total(METRIC_GRPC_WEB_REQUESTS), 0);
}

static void test_grpc_web_passes_and_is_counted(void **state)
{
    struct exchange_case *fixture = *state;
    struct head *response;

    headers_add_id(&fixture->leg.request.headers, HEADER_CONTENT_TYPE,
                   STR("application/grpc-web+proto"));
    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_1_1, false);
    fake_leg_body(&fixture->leg, "x");
    response = fake_leg_response(&fixture->upstream, 200);
    headers_add_id(&response->headers, HEADER_CONTENT_TYPE, STR("application/grpc-web+proto"));
    fake_leg_head(&fixture->upstream, response, false);
    fake_leg_bytes(&fixture->upstream, STR("\0\0\0\0\1x\x80\0\0\0\2a:"));
    fake_leg_complete(&fixture->upstream);
    assert_int_equal(fixture->leg.body.len, 13); /* the trailers are bytes of the body */
    assert_int_equal((int)metrics_total(METRIC_GRPC_WEB_REQUESTS), 1);
    assert_int_equal((int)metrics_total(METRIC_RESPONSE_MESSAGES), 1);
}

/* LR-30: trailers only; HT-93: grpc-timeout; LR-31: 504 is UNAVAILABLE. */
static void test_grpc_timeout_is_a_status_in_the_head(void **state)
{
    struct exchange_case *fixture = *state;

    headers_add_id(&fixture->leg.request.headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    headers_add_id(&fixture->leg.request.headers, HEADER_GRPC_TIMEOUT, STR("1m"));
    begin_h2(fixture, "POST", true);
    exchange_case_connect(fixture, HTTP_VERSION_2, false);
    fake_leg_complete(&fixture->leg);
    RUN_UNTIL(fixture->worker.loop, fixture->leg.is_released);
    assert_int_equal(fixture->leg.status, 200);
    assert_true(fixture->leg.is_head_end);
    ASSERT_SAW(fixture, "content-type: application/grpc; grpc-status: 14; "
                        "grpc-message: upstream request timeout");
    assert_false(fake_leg_saw(&fixture->leg, "content-length"));
}

/* --- Warm ------------------------------------------------------------------------------------- */

static void test_a_warm_request_allocates_nothing(void **state)
{
    struct exchange_case *fixture = *state;

    exchange_case_publish(fixture);
    fixture->route.action = ROUTE_DIRECT;
    fixture->route.direct.status = 200;
    fixture->route.direct.body = STR("hi");
    uint64_t before = 0;
    for (int i = 0; i < 20; i++) {
        if (i == 10) {
            before = mem_allocation_count();
        }
        /* The fake leg's own memory stays out of the count. */
        fixture->leg.leg.handler = NULL;
        fixture->leg.is_released = false;
        text_clear(&fixture->leg.heads);
        text_clear(&fixture->leg.body);
        fixture->leg.request.headers.count = 0;
        exchange_case_begin(fixture, false);
        assert_true(fixture->leg.is_released);
        exchange_case_turns(fixture, 1);
    }
    assert_int_equal(mem_allocation_count() - before, 0);
}

int main(void)
{
#define CASE(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, exchange_case_setup, exchange_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_host_without_virtual_host_SN_34_LR_1),
        CASE(test_path_that_must_be_refused_LR_15_CN_22),
        CASE(test_listener_that_is_gone_closes_HR_4),
        CASE(test_unknown_cluster_LR_3_HT_43),
        CASE(test_no_healthy_endpoint_LR_5_LR_25),
        CASE(test_direct_response_HT_61),
        CASE(test_redirect_HT_58),
        CASE(test_https_redirect_GW_51_GW_53),
        CASE(test_acme_challenge_is_not_redirected_GW_56),
        CASE(test_grpc_gets_its_status_LR_30),
        CASE(test_drain_announces_the_close_HR_5_HD_36),
        CASE(test_short_of_memory_requests_are_refused_503_OM),
        CASE(test_forwards_and_comes_back),
        CASE(test_the_connection_is_used_again),
        CASE(test_a_snapshot_is_not_pinned_by_a_body),
        CASE(test_rewrite_and_operations_HT_75_HT_76_HT_77),
        CASE(test_body_waits_for_the_connection),
        CASE(test_a_body_without_upstream_is_paused),
        CASE(test_a_slow_client_pauses_the_upstream),
        CASE(test_interim_heads_and_trailers_pass_HD_13),
        CASE(test_an_early_answer_ends_the_upload),
        CASE(test_refused_connects_are_tried_three_times_LR_8_LR_22_HT_95),
        CASE(test_another_endpoint_takes_over_HT_95),
        CASE(test_closed_before_an_answer_LR_9),
        CASE(test_answers_that_are_no_http_502),
        CASE(test_a_cut_body_is_never_completed_LR_23),
        CASE(test_route_timeout_504_LR_6_HT_90_HT_94),
        CASE(test_timeout_in_the_middle_cuts_HT_90),
        CASE(test_timeout_starts_with_the_whole_request_HT_91),
        CASE(test_a_request_that_takes_too_long_408_LR_18),
        CASE(test_a_request_that_takes_too_long_under_its_answer_is_cut),
        CASE(test_the_deadline_of_the_request_ends_with_it),
        CASE(test_client_leaves_while_waiting_for_the_answer),
        CASE(test_client_leaves_while_connecting),
        CASE(test_a_broken_body_is_told_by_the_conn_CN_34),
        CASE(test_a_request_waits_for_the_first_dns_answer_SV_35),
        CASE(test_a_refused_path_ends_no_connection_of_http2),
        CASE(test_a_slow_request_ends_no_connection_of_http2_LR_18),
        CASE(test_connections_are_told_apart_by_what_they_carry_DR_50_DR_80),
        CASE(test_the_client_s_version_where_the_cluster_says_so_DR_50),
        CASE(test_both_directions_flow_at_once),
        CASE(test_a_whole_request_is_not_held_back),
        CASE(test_an_answer_may_be_over_before_the_request),
        CASE(test_messages_of_grpc_are_counted_OB_20),
        CASE(test_grpc_web_passes_and_is_counted),
        CASE(test_grpc_timeout_is_a_status_in_the_head),
        CASE(test_a_warm_request_allocates_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
