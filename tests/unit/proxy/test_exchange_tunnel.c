/* Tests of gateway/proxy/exchange_tunnel.c and of the upgrade before it: CN-30 to CN-32, RFC 6455 4.2,
 * RFC 8441. Both legs are fakes. */
#include "tests/unit/support/exchange_case.h"

#include "tests/unit/support/run_until.h"

#include <errno.h>

/* RFC 6455 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static void ask(struct exchange_case *self, enum http_version version)
{
    struct head *request = &self->leg.request;

    self->leg.conn.version = version;
    fake_leg_request(&self->leg, "GET", "a.com", "/chat");
    request->version = version;
    request->framing = BODY_TUNNEL;
    request->upgrade = STR("websocket");
    headers_add(&request->headers, STR("sec-websocket-version"), STR("13"));
    if (version != HTTP_VERSION_2) {
        headers_add_id(&request->headers, HEADER_CONNECTION, STR("Upgrade"));
        headers_add_id(&request->headers, HEADER_UPGRADE, STR("websocket"));
        headers_add(&request->headers, STR("sec-websocket-key"), STR(KEY));
    }
    exchange_case_without_origin(self);
}

static void speak(struct exchange_case *self, enum http_version upstream)
{
    self->cluster.protocol = upstream == HTTP_VERSION_2 ? CLUSTER_HTTP2 : CLUSTER_HTTP1;
    exchange_case_publish(self);
    exchange_case_begin(self, true);
    assert_int_equal(exchange_case_exchange(self)->pool_request.key.version, upstream);
    assert_true(exchange_case_exchange(self)->pool_request.needs_tunnel);
    exchange_case_connect(self, upstream, false);
}

static void answer(struct exchange_case *self, unsigned status, const char *accept)
{
    struct head *response = fake_leg_response(&self->upstream, status);

    if (accept != NULL) {
        headers_add(&response->headers, STR("sec-websocket-accept"), str_from_cstr(accept));
    }
    fake_leg_head(&self->upstream, response, false);
}

static void open_tunnel(struct exchange_case *self)
{
    ask(self, HTTP_VERSION_1_1);
    speak(self, HTTP_VERSION_1_1);
    answer(self, 101, ACCEPT);
    assert_int_equal(self->leg.status, 101);
}

static double tunnels(void)
{
    return metrics_total(METRIC_TUNNELS);
}

/* --- Refused ---------------------------------------------------------------------------------- */

static void test_wrong_proof_is_a_bad_gateway_RFC_6455(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_2);
    speak(self, HTTP_VERSION_1_1);
    answer(self, 101, ACCEPT); /* of a key that was not ours */
    assert_int_equal(self->leg.status, 502);
    assert_true(self->leg.is_released);
    assert_true(self->upstream.is_released);
    assert_true(exchange_case_metrics_have("response_flags=\"UPE\""));
    assert_true(exchange_case_metrics_have("reason=\"websocket.bad_accept\"} 1"));
    assert_int_equal((int)tunnels(), 0);
}

static void test_unasked_upgrade_is_a_bad_gateway(void **state)
{
    struct exchange_case *self = *state;

    exchange_case_without_origin(self);
    exchange_case_begin(self, false);
    exchange_case_connect(self, HTTP_VERSION_1_1, false);
    answer(self, 101, ACCEPT);
    assert_int_equal(self->leg.status, 502);
}

static void test_http2_upstream_without_tunnels_RFC_8441(void **state)
{
    struct exchange_case *self = *state;
    struct exchange *exchange;

    ask(self, HTTP_VERSION_1_1);
    self->cluster.protocol = CLUSTER_HTTP2;
    exchange_case_publish(self);
    exchange_case_begin(self, true);
    exchange = exchange_case_exchange(self);
    pool_request_cancel(&exchange->pool_request);
    exchange->pool_request.on_connect_failure(exchange, EPROTONOSUPPORT, STR(""));
    assert_int_equal(self->leg.status, 502); /* at once: another try would find the same */
    assert_int_equal(exchange->attempt, 1);
    assert_true(str_equals(exchange->details, STR("upstream_without_extended_connect")));
}

static void test_no_key_to_answer_to_400(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_1_1);
    headers_set(&self->leg.request.headers, STR("sec-websocket-key"), STR("short"));
    self->cluster.protocol = CLUSTER_HTTP2;
    exchange_case_publish(self);
    exchange_case_begin(self, true);
    assert_int_equal(self->leg.status, 400);
}

/* Routes decide as for any request. */
static void test_routes_apply(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_2);
    self->route.action = ROUTE_REDIRECT;
    self->route.redirect.status = 301;
    self->route.redirect.authority = STR("b.com");
    exchange_case_begin(self, true);
    assert_int_equal(self->leg.status, 301);
    assert_true(self->leg.is_released);
}

static void test_refusal_of_the_origin_is_forwarded(void **state)
{
    struct exchange_case *self = *state;
    struct head *response;

    ask(self, HTTP_VERSION_1_1);
    speak(self, HTTP_VERSION_1_1);
    response = fake_leg_response(&self->upstream, 403);
    response->framing = BODY_LENGTH;
    response->content_length = 2;
    fake_leg_head(&self->upstream, response, false);
    assert_false(self->leg.is_released);
    fake_leg_body(&self->upstream, "no");
    fake_leg_complete(&self->upstream);
    assert_int_equal(self->leg.status, 403);
    ASSERT_BODY(self, "no");
    assert_true(self->leg.is_ended);
    assert_true(self->leg.is_released);
    assert_false(self->leg.is_aborted);
    assert_int_equal((int)tunnels(), 0);
}

/* RFC 8441 5: whoever asked by CONNECT takes any success for the tunnel. */
static void test_success_that_does_not_switch_RFC_8441(void **state)
{
    static const struct {
        enum http_version client;
        unsigned answer;
        unsigned status;
    } CASES
        [] = {
            { HTTP_VERSION_2, 200, 502 },   { HTTP_VERSION_2, 204, 502 },
            { HTTP_VERSION_2, 302, 302 },   { HTTP_VERSION_2, 403, 403 },
            { HTTP_VERSION_1_1, 200, 200 }, /* not 101: no tunnel, and no doubt about it */
        };

    (void)exchange_case_teardown(state);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct exchange_case *self;

        assert_int_equal(exchange_case_setup(state), 0);
        self = *state;
        ask(self, CASES[i].client);
        speak(self, HTTP_VERSION_1_1);
        fake_leg_head(&self->upstream, fake_leg_response(&self->upstream, CASES[i].answer), true);
        assert_int_equal(self->leg.status, CASES[i].status);
        assert_true(self->leg.is_released);
        assert_int_equal((int)tunnels(), 0);
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

/* LR-30 makes a success of every answer of ours. */
static void test_a_tunnel_is_not_refused_with_a_status_of_grpc(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_2);
    headers_add_id(&self->leg.request.headers, HEADER_CONTENT_TYPE, STR("application/grpc"));
    speak(self, HTTP_VERSION_1_1);
    fake_leg_end(&self->upstream, LEG_END_PEER_CLOSED);
    assert_int_equal(self->leg.status, 503);
}

/* --- Granted ---------------------------------------------------------------------------------- */

static void test_fields_of_the_handshake_between_versions(void **state)
{
    static const enum http_version V1 = HTTP_VERSION_1_1, V2 = HTTP_VERSION_2;
    const struct {
        enum http_version client;
        enum http_version upstream;
        bool sends_key;      /* upstream */
        bool has_accept;     /* at the client */
        const char *accepts; /* by the upstream; NULL: what it must */
    } CASES[] = {
        { V1, V1, true, true, ACCEPT },
        { V1, V2, false, true, "none" },
        { V2, V2, false, false, "none" },
    };

    (void)exchange_case_teardown(state);
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(exchange_case_setup(state), 0);
        struct exchange_case *self = *state;
        ask(self, CASES[i].client);
        speak(self, CASES[i].upstream);
        assert_true(str_equals(self->upstream.upgrade, STR("websocket")));
        assert_true(fake_leg_saw(&self->upstream, "sec-websocket-version: 13"));
        assert_int_equal(fake_leg_saw(&self->upstream, "sec-websocket-key: " KEY),
                         CASES[i].sends_key);
        answer(self, 101, strcmp(CASES[i].accepts, "none") == 0 ? NULL : CASES[i].accepts);
        assert_int_equal(self->leg.status, 101);
        assert_true(str_equals(self->leg.upgrade, STR("websocket")));
        assert_int_equal(fake_leg_saw(&self->leg, "sec-websocket-accept: " ACCEPT),
                         CASES[i].has_accept);
        assert_int_equal((int)tunnels(), 1);
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

static void test_bytes_go_both_ways(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    assert_int_equal(self->worker.lease->user_count, 1); /* no snapshot is pinned */
    fake_leg_body(&self->leg, "ping");
    fake_leg_body(&self->upstream, "pong");
    fake_leg_body(&self->leg, "ping");
    ASSERT_TEXT(self->upstream.body, "pingping");
    ASSERT_BODY(self, "pong");
    struct exchange *exchange = exchange_case_exchange(self);
    assert_int_equal(exchange->request_body_bytes, 8);
    assert_int_equal(exchange->response_body_bytes, 4);
    assert_int_equal(exchange->status, 101);
}

static void test_half_close_in_either_order(void **state)
{
    (void)exchange_case_teardown(state);
    for (int is_upstream_first = 0; is_upstream_first < 2; is_upstream_first++) {
        assert_int_equal(exchange_case_setup(state), 0);
        struct exchange_case *self = *state;
        open_tunnel(self);
        struct fake_leg *first = is_upstream_first ? &self->upstream : &self->leg;
        struct fake_leg *second = is_upstream_first ? &self->leg : &self->upstream;
        fake_leg_complete(first);
        assert_true(second->is_ended);
        assert_false(first->is_ended);
        assert_false(self->leg.is_released); /* the other direction goes on */
        fake_leg_body(second, "late");
        ASSERT_TEXT(first->body, "late");
        fake_leg_complete(second);
        assert_true(first->is_ended);
        assert_true(self->leg.is_released);
        assert_true(self->upstream.is_released);
        assert_false(self->leg.is_aborted);
        assert_int_equal((int)tunnels(), 0);
        assert_true(exchange_case_metrics_have(
            "response_code=\"101\",grpc_response_status=\"\",response_flags=\"-\""));
        (void)exchange_case_teardown(state);
    }
    assert_int_equal(exchange_case_setup(state), 0);
}

static void test_a_slow_side_pauses_the_other(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    self->upstream.is_full = true;
    fake_leg_body(&self->leg, "x");
    assert_true(self->leg.is_paused);
    fake_leg_drained(&self->upstream);
    assert_false(self->leg.is_paused);
    self->leg.is_full = true;
    fake_leg_body(&self->upstream, "x");
    assert_true(self->upstream.is_paused);
    fake_leg_drained(&self->leg);
    assert_false(self->upstream.is_paused);
}

/* --- Ends ------------------------------------------------------------------------------------- */

static void test_a_broken_upstream_breaks_the_client(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    fake_leg_end(&self->upstream, LEG_END_TRANSPORT);
    assert_true(self->leg.is_aborted);
    assert_int_equal(self->leg.abort_reason, LEG_ABORT_CONNECT);
    assert_true(self->leg.is_released);
    assert_int_equal((int)tunnels(), 0);
    assert_true(exchange_case_metrics_have(
        "response_code=\"101\",grpc_response_status=\"\",response_flags=\"UC\""));
}

static void test_a_broken_upstream_after_its_half_close(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    fake_leg_complete(&self->upstream);
    fake_leg_end(&self->upstream, LEG_END_TRANSPORT);
    assert_true(self->leg.is_aborted);
    assert_true(self->leg.is_released);
}

static void test_a_client_that_leaves_ends_the_upstream(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    fake_leg_end(&self->leg, LEG_END_PEER_CLOSED);
    assert_true(self->upstream.is_released);
    assert_int_equal((int)tunnels(), 0);
    assert_true(exchange_case_metrics_have(
        "response_code=\"101\",grpc_response_status=\"\",response_flags=\"DC\""));
}

/* A connection of HTTP/2 that is closed instead of the stream. */
static void test_a_client_that_leaves_after_the_upstream_s_end_is_done(void **state)
{
    struct exchange_case *self = *state;

    open_tunnel(self);
    fake_leg_complete(&self->upstream);
    fake_leg_end(&self->leg, LEG_END_PEER_CLOSED);
    assert_true(self->upstream.is_released);
    assert_true(exchange_case_metrics_have(
        "response_code=\"101\",grpc_response_status=\"\",response_flags=\"-\""));
}

static void wait_ticks(struct exchange_case *self, int count)
{
    while (count-- > 0) {
        loop_run_once(self->worker.loop, LOOP_TIMER_TICK_MS);
    }
}

static void test_an_idle_tunnel_ends_CN_32(void **state)
{
    struct exchange_case *self = *state;

    self->worker.options.tunnel_idle_timeout_ms = 8 * LOOP_TIMER_TICK_MS;
    open_tunnel(self);
    for (int i = 0; i < 6; i++) { /* longer than the timeout, never idle */
        wait_ticks(self, 3);
        fake_leg_body(i % 2 == 0 ? &self->leg : &self->upstream, "x");
        assert_false(self->leg.is_released);
    }
    RUN_UNTIL(self->worker.loop, self->leg.is_released);
    assert_true(self->leg.is_aborted);
    assert_int_equal(self->leg.abort_reason, LEG_ABORT_CANCEL);
    assert_true(self->upstream.is_released);
    assert_true(exchange_case_metrics_have("response_flags=\"SI\""));
}

static void test_deadlines_of_requests_do_not_apply_CN_32(void **state)
{
    struct exchange_case *self = *state;

    self->worker.options.request_timeout_ms = 1;
    self->route.timeout_ms = 2 * LOOP_TIMER_TICK_MS;
    open_tunnel(self);
    wait_ticks(self, 8);
    assert_false(self->leg.is_released);
}

static void test_the_route_s_timeout_holds_until_the_answer(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_1_1);
    self->route.timeout_ms = 1;
    speak(self, HTTP_VERSION_1_1);
    RUN_UNTIL(self->worker.loop, self->leg.is_released);
    assert_int_equal(self->leg.status, 504);
}

/* HR-5: "connection: close" on a 101 would be nonsense; HTTP/2 says GOAWAY. */
static void test_drain_leaves_a_tunnel_alone(void **state)
{
    struct exchange_case *self = *state;

    self->worker.is_draining = true;
    open_tunnel(self);
    assert_false(self->leg.is_drained_conn);
}

static void test_a_stale_connection_is_replaced_before_the_answer(void **state)
{
    struct exchange_case *self = *state;

    ask(self, HTTP_VERSION_1_1);
    exchange_case_begin(self, true);
    exchange_case_connect(self, HTTP_VERSION_1_1, true);
    fake_leg_end(&self->upstream, LEG_END_PEER_CLOSED);
    assert_true(exchange_case_is_waiting(self));
    exchange_case_connect(self, HTTP_VERSION_1_1, false);
    assert_true(fake_leg_saw(&self->upstream, "sec-websocket-key: " KEY));
    answer(self, 101, ACCEPT);
    assert_int_equal(self->leg.status, 101);
}

int main(void)
{
#define CASE(name)                                                                                 \
    cmocka_unit_test_setup_teardown(name, exchange_case_setup, exchange_case_teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_wrong_proof_is_a_bad_gateway_RFC_6455),
        CASE(test_unasked_upgrade_is_a_bad_gateway),
        CASE(test_http2_upstream_without_tunnels_RFC_8441),
        CASE(test_no_key_to_answer_to_400),
        CASE(test_routes_apply),
        CASE(test_refusal_of_the_origin_is_forwarded),
        CASE(test_success_that_does_not_switch_RFC_8441),
        CASE(test_a_tunnel_is_not_refused_with_a_status_of_grpc),
        CASE(test_fields_of_the_handshake_between_versions),
        CASE(test_bytes_go_both_ways),
        CASE(test_half_close_in_either_order),
        CASE(test_a_slow_side_pauses_the_other),
        CASE(test_a_broken_upstream_breaks_the_client),
        CASE(test_a_broken_upstream_after_its_half_close),
        CASE(test_a_client_that_leaves_ends_the_upstream),
        CASE(test_a_client_that_leaves_after_the_upstream_s_end_is_done),
        CASE(test_an_idle_tunnel_ends_CN_32),
        CASE(test_deadlines_of_requests_do_not_apply_CN_32),
        CASE(test_the_route_s_timeout_holds_until_the_answer),
        CASE(test_drain_leaves_a_tunnel_alone),
        CASE(test_a_stale_connection_is_replaced_before_the_answer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
