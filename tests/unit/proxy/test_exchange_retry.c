/* Tests of gateway/proxy/exchange_retry.c: HT-95, HT-98, HT-102, LR-22, DR-69, RFC 9113 8.7. Both legs are
 * fakes, but for stale connections of HTTP/1.1. */
#include "tests/unit/support/exchange_case.h"

#include "tests/unit/support/run_until.h"

#include <errno.h>

static const char ok[] = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\nserver: mine\r\n\r\nhello";

static void post(struct exchange_case *self, bool is_grpc)
{
    struct head *request = &self->leg.request;

    self->leg.conn.version = HTTP_VERSION_2;
    fake_leg_request(&self->leg, "POST", "a.com", "/service/method");
    request->version = HTTP_VERSION_2;
    request->framing = BODY_CHUNKED;
    if (is_grpc) {
        headers_add_id(&request->headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
        headers_add_id(&request->headers, HEADER_TE, STR("trailers"));
    }
    self->cluster.protocol = CLUSTER_HTTP2;
    exchange_case_without_origin(self);
    exchange_case_begin(self, true);
}

static void reconnect(struct exchange_case *self)
{
    RUN_UNTIL(self->worker.loop, exchange_case_is_waiting(self)); /* the pause between two tries */
    exchange_case_connect(self, HTTP_VERSION_2, true);
}

static void answer_ok(struct exchange_case *self)
{
    fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, 200), true);
    assert_int_equal(self->leg.status, 200);
    assert_true(self->leg.is_released);
}

static void answer_grpc(struct exchange_case *self, const char *status)
{
    struct head *response = fake_leg_response(&self->upstream, 200);

    headers_add_id(&response->headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    headers_add_id(&response->headers, HEADER_GRPC_STATUS, str_from_cstr(status));
    fake_leg_head(&self->upstream, response, true);
}

/* --- Refused streams -------------------------------------------------------------------------- */

static void test_a_refused_stream_is_sent_again_with_its_body(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    self->upstream.is_full = true;
    fake_leg_body(&self->leg, "first ");
    assert_true(self->leg.is_paused);
    fake_leg_end(&self->upstream, LEG_END_REFUSED);
    assert_true(self->upstream.is_released);
    assert_false(self->leg.is_paused);    /* what was full is gone */
    fake_leg_body(&self->leg, "second "); /* while nobody is there to take it */
    reconnect(self);
    assert_true(fake_leg_saw(&self->upstream, "x-envoy-attempt-count: 2"));
    ASSERT_TEXT(self->upstream.body, "first second ");
    fake_leg_body(&self->leg, "third");
    fake_leg_complete(&self->leg);
    ASSERT_TEXT(self->upstream.body, "first second third");
    assert_true(self->upstream.is_ended);
    answer_ok(self);
}

static void test_a_refused_stream_of_a_whole_request_is_ended_again(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    fake_leg_body(&self->leg, "all");
    fake_leg_complete(&self->leg);
    fake_leg_end(&self->upstream, LEG_END_REFUSED);
    reconnect(self);
    ASSERT_TEXT(self->upstream.body, "all");
    assert_true(self->upstream.is_ended);
    answer_ok(self);
}

static void test_three_refusals_are_the_end_LR_22(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    for (int i = 0; i < 2; i++) {
        fake_leg_end(&self->upstream, LEG_END_REFUSED);
        assert_int_equal(self->leg.status, 0);
        reconnect(self);
    }
    fake_leg_end(&self->upstream, LEG_END_REFUSED);
    assert_int_equal(self->leg.status, 503);
    ASSERT_BODY(self, "upstream connect error or disconnect/reset before headers. retried and the "
                      "latest reset reason: remote refused stream reset");
    assert_true(exchange_case_metrics_have("response_flags=\"UR,URX\""));
}

static void test_a_body_that_was_not_kept_is_not_sent_again(void **state)
{
    struct exchange_case *self = *state;
    char bytes[LIMIT_REPLAY_BODY_BYTES + 2];

    memset(bytes, 'x', sizeof(bytes) - 1);
    bytes[sizeof(bytes) - 1] = '\0';
    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    fake_leg_body(&self->leg, bytes);
    fake_leg_end(&self->upstream, LEG_END_REFUSED);
    assert_int_equal(self->leg.status, 503);
    assert_true(exchange_case_metrics_have("response_flags=\"UR\""));
}

/* Not refused: it may have been acted upon (RFC 9110 9.2.2). */
static void test_a_reset_is_not_sent_again(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, true);
    fake_leg_end(&self->upstream, LEG_END_RESET);
    assert_int_equal(self->leg.status, 503);
    ASSERT_BODY(self, "upstream connect error or disconnect/reset before headers. reset reason: "
                      "remote reset");
    assert_true(exchange_case_metrics_have("response_flags=\"UR\""));
}

static void test_a_refusal_under_the_answer_cuts_LR_23(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, 200), false);
    fake_leg_end(&self->upstream, LEG_END_REFUSED);
    assert_true(self->leg.is_aborted);
    assert_int_equal(self->leg.abort_reason, LEG_ABORT_BROKEN);
}

static void test_a_malformed_answer_is_told_as_such_LR_23(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, 200), false);
    fake_leg_end(&self->upstream, LEG_END_PROTOCOL);
    assert_int_equal(self->leg.abort_reason, LEG_ABORT_PROTOCOL);
    assert_true(exchange_case_metrics_have("reason=\"http2.codec_error\"} 1"));
}

/* An idempotent request on a connection of HTTP/2 that was closed under it. */
static void test_a_stale_connection_of_http2_is_replaced(void **state)
{
    struct exchange_case *self = *state;

    self->cluster.protocol = CLUSTER_HTTP2;
    exchange_case_without_origin(self);
    exchange_case_begin(self, false);
    exchange_case_connect(self, HTTP_VERSION_2, true);
    fake_leg_end(&self->upstream, LEG_END_PEER_CLOSED);
    assert_true(exchange_case_is_waiting(self)); /* at once */
    exchange_case_connect(self, HTTP_VERSION_2, false);
    answer_ok(self);
    assert_int_equal((int)metrics_total(METRIC_UPSTREAM_STALE_RETRIES), 1);
}

/* --- Connections that went stale -------------------------------------------------------------- */

static void warm_up(struct exchange_case *self, const char *const *script)
{
    exchange_case_with_origin(self, script);
    exchange_case_begin_and_wait(self);
    assert_int_equal(self->leg.status, 200);
    exchange_case_turns(self, 2);
}

static void test_stale_connection_is_replaced(void **state)
{
    static const char *const scripts[][4] = { { ok, LOOP_ORIGIN_CLOSE, ok, NULL },
                                              { ok, LOOP_ORIGIN_RESET, ok, NULL } };

    (void)exchange_case_teardown(state);
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(exchange_case_setup(state), 0);
        struct exchange_case *self = *state;
        warm_up(self, scripts[i]);
        exchange_case_again(self, "GET");
        exchange_case_begin_and_wait(self);
        assert_int_equal(self->leg.status, 200);
        ASSERT_BODY(self, "hello");
        assert_int_equal(self->origin.request_count, 3);
        assert_int_equal((int)metrics_total(METRIC_UPSTREAM_STALE_RETRIES), 1);
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

static void test_stale_connection_with_a_body_is_replaced(void **state)
{
    static const char *const script[] = { ok, LOOP_ORIGIN_RESET, ok, NULL };
    struct exchange_case *self = *state;

    warm_up(self, script);
    exchange_case_again(self, "PUT");
    self->leg.request.framing = BODY_LENGTH;
    self->leg.request.content_length = 4;
    self->leg.request.has_content_length = true;
    exchange_case_begin(self, true);
    fake_leg_body(&self->leg, "data");
    fake_leg_complete(&self->leg);
    RUN_UNTIL(self->worker.loop, self->leg.is_released);
    assert_int_equal(self->leg.status, 200);
    assert_int_equal(self->origin.request_count, 3);
}

/* RFC 9110 9.2.2: it may have been acted upon. */
static void test_post_is_not_sent_twice(void **state)
{
    static const char *const script[] = { ok, LOOP_ORIGIN_RESET, ok, NULL };
    struct exchange_case *self = *state;

    warm_up(self, script);
    exchange_case_again(self, "POST");
    exchange_case_begin_and_wait(self);
    assert_int_equal(self->leg.status, 503);
    assert_int_equal(self->origin.request_count, 2);
}

/* A byte of an answer was there: it is no stale connection. */
static void test_half_a_head_is_not_stale(void **state)
{
    static const char *const script[] = { ok, LOOP_ORIGIN_LAST "HTTP/1.1 200 OK\r\nx: ", ok, NULL };
    struct exchange_case *self = *state;

    warm_up(self, script);
    exchange_case_again(self, "GET");
    exchange_case_begin_and_wait(self);
    assert_int_equal(self->leg.status, 503);
    assert_int_equal(self->origin.request_count, 2);
}

static void test_an_idle_connection_that_dies_leaves_the_pool(void **state)
{
    static const char *const script[] = { ok, NULL };
    struct exchange_case *self = *state;

    warm_up(self, script);
    loop_origin_close_connections(&self->origin);
    RUN_UNTIL(self->worker.loop, self->origin.open_count == 0);
    exchange_case_again(self, "POST");
    exchange_case_begin_and_wait(self);
    assert_int_equal(self->leg.status, 200);
    assert_int_equal(self->origin.connection_count, 2);
    assert_int_equal((int)metrics_total(METRIC_UPSTREAM_STALE_RETRIES), 0);
}

/* --- gRPC ------------------------------------------------------------------------------------- */

static void test_a_status_in_the_head_asks_for_another_try_HT_98(void **state)
{
    static const struct {
        const char *status;
        bool is_retried;
    } CASES[] = { { "0", false }, { "4", false }, { "13", false }, { "14x", false },
                  { "", false },  { "1", true },  { "14", true } };

    (void)exchange_case_teardown(state);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(exchange_case_setup(state), 0);
        struct exchange_case *self = *state;
        post(self, true);
        exchange_case_connect(self, HTTP_VERSION_2, false);
        fake_leg_body(&self->leg, "message");
        answer_grpc(self, CASES[i].status);
        assert_int_equal(self->leg.is_released, !CASES[i].is_retried);
        if (CASES[i].is_retried) {
            reconnect(self);
            ASSERT_TEXT(self->upstream.body, "message");
            assert_true(fake_leg_saw(&self->upstream, "te: trailers"));
            answer_grpc(self, "0");
            ASSERT_SAW(self, "grpc-status: 0");
        }
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

static void test_the_third_status_goes_to_the_client_LR_22(void **state)
{
    struct exchange_case *self = *state;

    post(self, true);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    for (int i = 0; i < 2; i++) {
        answer_grpc(self, "14");
        assert_false(self->leg.is_released);
        reconnect(self);
    }
    answer_grpc(self, "14");
    assert_int_equal(self->leg.status, 200);
    ASSERT_SAW(self, "grpc-status: 14");
    assert_true(exchange_case_metrics_have(
        "response_code=\"200\",grpc_response_status=\"14\",response_flags=\"URX\""));
}

/* A status in trailers came after an answer that the client has seen (HT-105). */
static void test_a_status_in_trailers_is_final(void **state)
{
    struct exchange_case *self = *state;
    struct headers trailers;
    struct head *response;

    post(self, true);
    exchange_case_connect(self, HTTP_VERSION_2, false);
    response = fake_leg_response(&self->upstream, 200);
    headers_init(&trailers, self->arena);
    headers_add_id(&trailers, HEADER_GRPC_STATUS, STR("14"));
    fake_leg_head(&self->upstream, response, false);
    fake_leg_complete_with(&self->upstream, &trailers);
    assert_true(self->leg.is_released);
    ASSERT_TEXT(self->leg.trailers, "grpc-status: 14; ");
    assert_true(exchange_case_metrics_have("grpc_response_status=\"14\""));
}

/* --- No connection ---------------------------------------------------------------------------- */

static void fail_connect(struct exchange_case *self, int error_number, struct str tls_failure)
{
    struct exchange *exchange = exchange_case_exchange(self);

    RUN_UNTIL(self->worker.loop, exchange_case_is_waiting(self));
    pool_request_cancel(&exchange->pool_request);
    exchange->pool_request.on_connect_failure(exchange, error_number, tls_failure);
}

static void test_a_failed_handshake_says_why_DR_69(void **state)
{
    struct exchange_case *self = *state;
    struct str reason = STR("TLS_error:|268435581:SSL routines:OPENSSL_internal:"
                            "CERTIFICATE_VERIFY_FAILED:TLS_error_end");

    post(self, false);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(self->leg.status, 0);
        fail_connect(self, ECONNABORTED, reason);
    }
    assert_int_equal(self->leg.status, 503);
    ASSERT_BODY(self, "upstream connect error or disconnect/reset before headers. retried and the "
                      "latest reset reason: remote connection failure, transport failure reason: "
                      "TLS_error:|268435581:SSL routines:OPENSSL_internal:"
                      "CERTIFICATE_VERIFY_FAILED:TLS_error_end");
    assert_true(exchange_case_metrics_have("response_flags=\"UF,URX\""));
}

/* What failed first is not what is told of the last. */
static void test_an_earlier_failure_is_forgotten(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    fail_connect(self, ECONNREFUSED, STR(""));
    RUN_UNTIL(self->worker.loop, exchange_case_is_waiting(self));
    exchange_case_connect(self, HTTP_VERSION_2, false);
    fake_leg_end(&self->upstream, LEG_END_RESET);
    ASSERT_BODY(self, "upstream connect error or disconnect/reset before headers. retried and the "
                      "latest reset reason: remote reset");
}

static void test_client_leaves_between_two_tries(void **state)
{
    struct exchange_case *self = *state;

    post(self, false);
    fail_connect(self, ECONNREFUSED, STR(""));
    fake_leg_end(&self->leg, LEG_END_RESET);
    assert_true(self->leg.is_released);
    exchange_case_turns(self, 4);
    assert_true(list_is_empty(&self->worker.exchanges));
    assert_true(exchange_case_metrics_have("response_flags=\"DR\""));
}

int main(void)
{
#define CASE(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, exchange_case_setup, exchange_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_a_refused_stream_is_sent_again_with_its_body),
        CASE(test_a_refused_stream_of_a_whole_request_is_ended_again),
        CASE(test_three_refusals_are_the_end_LR_22),
        CASE(test_a_body_that_was_not_kept_is_not_sent_again),
        CASE(test_a_reset_is_not_sent_again),
        CASE(test_a_refusal_under_the_answer_cuts_LR_23),
        CASE(test_a_malformed_answer_is_told_as_such_LR_23),
        CASE(test_a_stale_connection_of_http2_is_replaced),
        CASE(test_stale_connection_is_replaced),
        CASE(test_stale_connection_with_a_body_is_replaced),
        CASE(test_post_is_not_sent_twice),
        CASE(test_half_a_head_is_not_stale),
        CASE(test_an_idle_connection_that_dies_leaves_the_pool),
        CASE(test_a_status_in_the_head_asks_for_another_try_HT_98),
        CASE(test_the_third_status_goes_to_the_client_LR_22),
        CASE(test_a_status_in_trailers_is_final),
        CASE(test_a_failed_handshake_says_why_DR_69),
        CASE(test_an_earlier_failure_is_forgotten),
        CASE(test_client_leaves_between_two_tries),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
