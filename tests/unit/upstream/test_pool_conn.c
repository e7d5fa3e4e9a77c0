/* Tests of gateway/upstream/pool_conn.c: connections of HTTP/2 that carry many legs, and what ends the
 * life of one of either version, against origins on loopback. */
#include "gateway/base/now.h"
#include "gateway/http/h2_conn.h"
#include "gateway/upstream/cluster_set.h"
#include "gateway/upstream/pool.h"
#include "tests/unit/support/h2_origin.h"
#include "tests/unit/support/loop_origin.h"
#include "tests/unit/support/pool_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <errno.h>

enum { USERS_MAX = 8 };

struct fixture {
    struct cluster_set set;
    struct cluster_config config;
    struct cluster_config *configs[1];
    struct endpoint_config endpoint_config;
    struct cluster *cluster;
    struct endpoint *endpoint;
    struct loop_origin h1_origin;
    struct h2_origin origin;
    struct user users[USERS_MAX];
    struct arena *arena;
};

static const char *const script[] = { "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", NULL };

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    struct err err = { 0 };

    fixture->arena = arena_new(1024);
    fixture->set.loop = loop_new(&err);
    fixture->set.resolver = resolver_new(fixture->set.loop, NULL, &err);
    fixture->set.metrics = metrics_shard_new();
    fixture->set.connect_timeout_ms = 5000;
    fixture->set.conn_limits = (struct conn_limits){ .max_header_bytes = 4096, .max_headers = 50 };
    cluster_set_init(&fixture->set);
    loop_origin_start(&fixture->h1_origin, fixture->set.loop, script);
    h2_origin_start(&fixture->origin, fixture->set.loop);
    fixture->config.name = STR("c");
    fixture->config.protocol = CLUSTER_HTTP2;
    fixture->config.endpoints = &fixture->endpoint_config;
    fixture->config.endpoint_count = 1;
    fixture->configs[0] = &fixture->config;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < 4; i++) {
        loop_run_once(fixture->set.loop, 0);
    }
    cluster_set_cleanup(&fixture->set);
    loop_origin_stop(&fixture->h1_origin);
    h2_origin_stop(&fixture->origin);
    resolver_free(fixture->set.resolver);
    loop_free(fixture->set.loop);
    metrics_cleanup();
    arena_free(fixture->arena);
    mem_free(fixture);
    return 0;
}

/* Makes what the configuration says now true. */
static void publish(struct fixture *fixture)
{
    fixture->endpoint_config =
        (struct endpoint_config){ .address = fixture->config.protocol == CLUSTER_HTTP2
                                                 ? fixture->origin.address
                                                 : fixture->h1_origin.address,
                                  .weight = 1,
                                  .is_healthy = true };
    fixture->config.fingerprint++;
    cluster_set_update(&fixture->set, fixture->configs, 1);
    fixture->cluster = cluster_set_find(&fixture->set, STR("c"));
    fixture->endpoint = cluster_pick_endpoint(fixture->cluster, NULL, 0);
}

/* Whoever asks from now on cannot connect: a documentation address (RFC 5737). */
static void lose_origin(struct fixture *fixture)
{
    assert_true(address_parse(STR("192.0.2.1"), 9, &fixture->endpoint->address));
}

/* --- Users of connections --------------------------------------------------------------------- */

static void user_prepare(struct user *user)
{
    user_init(user, &(struct pool_key){ .version = HTTP_VERSION_2 });
}

static enum pool_answer user_ask_again(struct fixture *fixture, struct user *user)
{
    return pool_request_leg(fixture->endpoint, &user->request, &user->leg, &user->is_reused);
}

static enum pool_answer user_ask(struct fixture *fixture, struct user *user)
{
    user_prepare(user);
    user->request.key.version = cluster_http_version(fixture->cluster, HTTP_VERSION_1_1);
    return user_ask_again(fixture, user);
}

static enum pool_answer user_ask_tunnel(struct fixture *fixture, struct user *user)
{
    user_prepare(user);
    user->request.needs_tunnel = true;
    return user_ask_again(fixture, user);
}

static void user_send(struct fixture *fixture, struct user *user)
{
    struct head *head = arena_new_object(fixture->arena, struct head);

    head_init(head, fixture->arena);
    head->version = HTTP_VERSION_1_1;
    head->method = METHOD_GET;
    head->method_text = STR("GET");
    head->scheme = STR("http");
    head->authority = STR("a");
    head->path = STR("/");
    user->leg->ops->send_head(user->leg, head, true);
}

static void user_finish(struct fixture *fixture, struct user *user)
{
    user_send(fixture, user);
    RUN_UNTIL(fixture->set.loop, user->is_over);
    loop_run_once(fixture->set.loop, 0);
}

/* One request there and back: the origin's SETTINGS are known, its connection is idle. */
static void warm_up(struct fixture *fixture)
{
    struct user *user = &fixture->users[USERS_MAX - 1];

    assert_int_equal(user_ask(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user->leg != NULL);
    user_finish(fixture, user);
    assert_int_equal(user->status, 200);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
}

/* --- Refused, lost, late ---------------------------------------------------------------------- */

static void test_an_origin_that_speaks_no_HTTP2_DR_52(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = &fixture->users[0];

    publish(fixture);
    fixture->endpoint->address = fixture->h1_origin.address;
    assert_int_equal(user_ask(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user->leg != NULL);
    user_finish(fixture, user);
    assert_int_equal(user->status, 0);
    RUN_UNTIL(fixture->set.loop, fixture->h1_origin.open_count == 0);
    assert_int_equal(fixture->endpoint->busy_count + fixture->endpoint->idle_count, 0);
    assert_true(metrics_total(METRIC_PROTOCOL_ERRORS) > 0);
}

static void test_all_who_wait_for_a_dial_fail_with_it(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.connect_timeout_ms = 40;
    publish(fixture);
    lose_origin(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    assert_int_equal(fixture->endpoint->dial_count, 1);
    for (int i = 0; i < 3; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].error_number != 0);
    }
    assert_int_equal(fixture->endpoint->waiting_count, 0);
    assert_int_equal(fixture->endpoint->dial_count, 0);
}

static void test_a_dial_goes_on_for_those_who_still_wait(void **state)
{
    struct fixture *fixture = *state;

    publish(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    pool_request_cancel(&fixture->users[0].request);
    pool_request_cancel(&fixture->users[2].request);
    assert_int_equal(fixture->endpoint->dial_count, 1);
    RUN_UNTIL(fixture->set.loop, fixture->users[1].leg != NULL);
    assert_null(fixture->users[0].leg);
    user_finish(fixture, &fixture->users[1]);
    assert_int_equal(fixture->users[1].status, 200);
}

/* --- Many legs on one connection -------------------------------------------------------------- */

static void test_legs_share_a_connection(void **state)
{
    struct fixture *fixture = *state;

    fixture->origin.is_holding_answers = true;
    publish(fixture);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    for (int i = 0; i < 4; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].leg != NULL);
        assert_int_equal(fixture->users[i].is_reused, i > 0);
        user_send(fixture, &fixture->users[i]);
    }
    assert_int_equal(user_ask(fixture, &fixture->users[4]), POOL_LEG);
    user_send(fixture, &fixture->users[4]);
    RUN_UNTIL(fixture->set.loop, fixture->origin.request_count == 5);
    assert_int_equal(fixture->endpoint->busy_count, 1);
    h2_origin_answer(&fixture->origin);
    for (int i = 0; i < 5; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].is_over);
        assert_int_equal(fixture->users[i].status, 200);
    }
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
    assert_int_equal(fixture->origin.connection_count, 1);
}

static void test_maxConcurrentStreams_spreads_over_connections(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.max_concurrent_streams = 2;
    publish(fixture);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    assert_int_equal(fixture->endpoint->dial_count, 3);
    for (int i = 0; i < 5; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].leg != NULL);
    }
    for (int i = 0; i < 5; i++) {
        user_finish(fixture, &fixture->users[i]);
        assert_int_equal(fixture->users[i].status, 200);
    }
    assert_int_equal(fixture->origin.connection_count, 3);
    assert_int_equal(h2_origin_busiest(&fixture->origin), 2);
}

/* The first in the row is filled up before the next one is touched. */
static void test_the_fuller_connection_is_used_first(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.max_concurrent_streams = 2;
    fixture->origin.is_holding_answers = true;
    publish(fixture);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    for (int i = 0; i < 3; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].leg != NULL);
    }
    struct conn *full = fixture->users[0].leg->conn;
    struct conn *half = fixture->users[2].leg->conn;
    assert_ptr_equal(fixture->users[1].leg->conn, full);
    assert_ptr_not_equal(half, full);
    assert_int_equal(user_ask(fixture, &fixture->users[3]), POOL_LEG);
    assert_ptr_equal(fixture->users[3].leg->conn, half);
    for (int i = 0; i < 4; i++) {
        user_send(fixture, &fixture->users[i]);
    }
    RUN_UNTIL(fixture->set.loop, fixture->origin.request_count == 4);
    h2_origin_answer(&fixture->origin);
    for (int i = 0; i < 4; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].is_over);
    }
}

static void test_room_serves_who_waits(void **state)
{
    struct fixture *fixture = *state;

    fixture->origin.max_streams = 1;
    publish(fixture);
    warm_up(fixture);
    assert_int_equal(user_ask(fixture, &fixture->users[0]), POOL_LEG);
    struct conn *conn = fixture->users[0].leg->conn;
    lose_origin(fixture);
    assert_int_equal(user_ask(fixture, &fixture->users[1]), POOL_WAIT);
    user_finish(fixture, &fixture->users[0]);
    RUN_UNTIL(fixture->set.loop,
              fixture->users[1].leg != NULL || fixture->users[1].error_number != 0);
    if (fixture->users[1].leg != NULL) { /* else there was no route at all */
        assert_ptr_equal(fixture->users[1].leg->conn, conn);
        user_finish(fixture, &fixture->users[1]);
        assert_int_equal(fixture->users[1].status, 200);
    }
}

/* Streams beyond what the origin allows are refused, and each is one try less: what it once told is known
 * before its next connection tells it again. */
static void test_the_limit_of_the_origin_is_remembered(void **state)
{
    struct fixture *fixture = *state;

    fixture->origin.max_streams = 2;
    publish(fixture);
    warm_up(fixture);
    h2_origin_go_away(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 0);
    fixture->origin.is_holding_settings = true;
    for (int i = 0; i < 5; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_WAIT);
    }
    assert_int_equal(fixture->endpoint->dial_count, 3);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->dial_count == 0);
    /* The third one has room for one more, and not for two. */
    assert_int_equal(user_ask(fixture, &fixture->users[5]), POOL_LEG);
    assert_int_equal(user_ask(fixture, &fixture->users[6]), POOL_WAIT);
    for (int i = 0; i < 7; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].leg != NULL);
        user_send(fixture, &fixture->users[i]);
    }
    h2_origin_send_settings(&fixture->origin);
    for (int i = 0; i < 7; i++) {
        RUN_UNTIL(fixture->set.loop, fixture->users[i].is_over);
        assert_int_equal(fixture->users[i].status, 200);
    }
    assert_int_equal(h2_origin_busiest(&fixture->origin), 2);
}

/* An origin that allows more than before is believed at once. */
static void test_the_limit_of_the_origin_may_rise(void **state)
{
    struct fixture *fixture = *state;

    fixture->origin.max_streams = 1;
    publish(fixture);
    warm_up(fixture);
    assert_int_equal(fixture->endpoint->peer_streams, 1);
    h2_origin_go_away(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 0);
    fixture->origin.max_streams = 0;
    warm_up(fixture);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(user_ask(fixture, &fixture->users[i]), POOL_LEG);
    }
    for (int i = 0; i < 4; i++) {
        user_finish(fixture, &fixture->users[i]);
        assert_int_equal(fixture->users[i].status, 200);
    }
}

static void test_GOAWAY_finishes_and_is_not_used_again(void **state)
{
    struct fixture *fixture = *state;
    struct user *first = &fixture->users[0];
    struct user *second = &fixture->users[1];

    publish(fixture);
    warm_up(fixture);
    fixture->origin.is_holding_answers = true;
    assert_int_equal(user_ask(fixture, first), POOL_LEG);
    user_send(fixture, first);
    RUN_UNTIL(fixture->set.loop, fixture->origin.request_count == 2);
    struct conn *former = first->leg->conn;
    h2_origin_go_away(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, !h2_conn_has_room(former));
    assert_int_equal(user_ask(fixture, second), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, second->leg != NULL);
    assert_ptr_not_equal(second->leg->conn, former);
    h2_origin_answer(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, first->is_over);
    assert_int_equal(first->status, 200);
    user_finish(fixture, second);
    assert_int_equal(second->status, 200);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 1);
}

/* --- Tunnels (RFC 8441) ----------------------------------------------------------------------- */

static void test_a_tunnel_where_none_is_taken(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = &fixture->users[0];

    publish(fixture);
    assert_int_equal(user_ask_tunnel(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user->error_number != 0);
    assert_int_equal(user->error_number, EPROTONOSUPPORT);
    /* The connection is as good as before; known by now, the answer still comes later. */
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
    assert_int_equal(user_ask_tunnel(fixture, user), POOL_WAIT);
    assert_int_equal(user->error_number, 0);
    RUN_UNTIL(fixture->set.loop, user->error_number != 0);
    assert_int_equal(user->error_number, EPROTONOSUPPORT);
    assert_int_equal(user_ask(fixture, user), POOL_LEG);
    user_finish(fixture, user);
    assert_int_equal(fixture->endpoint->waiting_count, 0);
}

static void test_a_tunnel_waits_for_SETTINGS(void **state)
{
    struct fixture *fixture = *state;
    struct user *plain = &fixture->users[0];
    struct user *tunnel = &fixture->users[1];
    struct user *given_up = &fixture->users[2];

    fixture->origin.is_holding_settings = true;
    fixture->origin.takes_tunnels = true;
    publish(fixture);
    assert_int_equal(user_ask(fixture, plain), POOL_WAIT);
    assert_int_equal(user_ask_tunnel(fixture, tunnel), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, plain->leg != NULL);
    assert_int_equal(user_ask_tunnel(fixture, given_up), POOL_WAIT);
    assert_int_equal(fixture->endpoint->waiting_count, 2);
    assert_null(tunnel->leg);
    pool_request_cancel(&given_up->request);
    h2_origin_send_settings(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, tunnel->leg != NULL);
    assert_null(given_up->leg);
    assert_ptr_equal(tunnel->leg->conn, plain->leg->conn);
    assert_int_equal(fixture->endpoint->waiting_count, 0);
    user_finish(fixture, plain);
    user_finish(fixture, tunnel);
    assert_int_equal(plain->status, 200);
}

static void test_a_tunnel_does_not_wait_for_ever(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = &fixture->users[0];

    fixture->origin.is_holding_settings = true;
    fixture->config.connect_timeout_ms = 40;
    publish(fixture);
    assert_int_equal(user_ask_tunnel(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user->error_number != 0);
    assert_int_equal(user->error_number, ETIMEDOUT);
    assert_int_equal(fixture->endpoint->idle_count, 0);
    assert_int_equal(fixture->endpoint->waiting_count, 0);
    h2_origin_send_settings(&fixture->origin); /* to nobody */
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
}

/* The deadline is that of SETTINGS: once they are here it is nobody's any more. */
static void test_a_tunnel_given_up_leaves_no_deadline(void **state)
{
    struct fixture *fixture = *state;
    struct user *tunnel = &fixture->users[0];
    struct user *plain = &fixture->users[1];

    fixture->origin.is_holding_settings = true;
    fixture->config.connect_timeout_ms = 40;
    publish(fixture);
    assert_int_equal(user_ask_tunnel(fixture, tunnel), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
    pool_request_cancel(&tunnel->request);
    h2_origin_send_settings(&fixture->origin);
    uint64_t start_ms = now_mono_ms();
    RUN_UNTIL(fixture->set.loop, now_mono_ms() - start_ms > 100);
    assert_int_equal(fixture->endpoint->idle_count, 1);
    assert_int_equal(user_ask(fixture, plain), POOL_LEG);
    user_finish(fixture, plain);
    assert_int_equal(plain->status, 200);
}

static void test_a_tunnel_whose_connection_goes(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = &fixture->users[0];

    fixture->origin.is_holding_settings = true;
    publish(fixture);
    assert_int_equal(user_ask_tunnel(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
    pool_close_idle(fixture->endpoint);
    RUN_UNTIL(fixture->set.loop, user->error_number != 0);
    assert_int_equal(user->error_number, ECONNRESET);
    h2_origin_send_settings(&fixture->origin);
}

/* --- The end of a connection ------------------------------------------------------------------ */

static void test_maxRequestsPerConnection(void **state)
{
    static const enum cluster_protocol protocols[] = { CLUSTER_HTTP1, CLUSTER_HTTP2 };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        bool is_http2 = protocols[i] == CLUSTER_HTTP2;

        fixture->config.protocol = protocols[i];
        fixture->config.max_requests_per_connection = 2;
        publish(fixture);
        warm_up(fixture);
        assert_int_equal(user_ask(fixture, &fixture->users[0]), POOL_LEG);
        user_finish(fixture, &fixture->users[0]);
        assert_int_equal(fixture->users[0].status, 200);
        RUN_UNTIL(fixture->set.loop,
                  (is_http2 ? fixture->origin.open_count : fixture->h1_origin.open_count) == 0);
        assert_int_equal(fixture->endpoint->idle_count + fixture->endpoint->busy_count, 0);
    }
    /* RFC 9112 9.6: whoever ends it says so. */
    assert_true(loop_origin_saw(&fixture->h1_origin, "connection: close"));
}

static void test_maxConnectionDuration(void **state)
{
    struct fixture *fixture = *state;
    struct user *user = &fixture->users[0];

    fixture->config.max_connection_duration_ms = 100;
    fixture->origin.is_holding_answers = true;
    publish(fixture);
    assert_int_equal(user_ask(fixture, user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user->leg != NULL);
    user_send(fixture, user);
    RUN_UNTIL(fixture->set.loop, list_is_empty(&fixture->endpoint->sharing));
    assert_int_equal(fixture->endpoint->busy_count, 1); /* it finishes what it carries */
    h2_origin_answer(&fixture->origin);
    RUN_UNTIL(fixture->set.loop, user->is_over);
    assert_int_equal(user->status, 200);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    warm_up(fixture);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    assert_int_equal(fixture->endpoint->idle_count, 0);
}

static void test_idleTimeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.idle_timeout_ms = 40;
    publish(fixture);
    warm_up(fixture);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 0);
}

/* What was made in another way is not used for new requests. */
static void test_a_changed_configuration_leaves_former_connections(void **state)
{
    struct fixture *fixture = *state;
    struct user *busy = &fixture->users[0];
    struct user *next = &fixture->users[1];

    publish(fixture);
    warm_up(fixture);
    fixture->config.sni = STR("other.example");
    publish(fixture);
    assert_int_equal(fixture->endpoint->idle_count, 0);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    assert_int_equal(user_ask(fixture, busy), POOL_WAIT);
    fixture->config.sni = STR("third.example");
    publish(fixture); /* while it is dialled */
    RUN_UNTIL(fixture->set.loop, busy->leg != NULL);
    assert_int_equal(user_ask(fixture, next), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, next->leg != NULL);
    assert_ptr_not_equal(next->leg->conn, busy->leg->conn);
    user_finish(fixture, busy);
    user_finish(fixture, next);
    assert_int_equal(busy->status, 200);
    assert_int_equal(next->status, 200);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 1);
    fixture->config.connect_timeout_ms = 1234; /* nothing of what is there is made otherwise */
    publish(fixture);
    assert_int_equal(fixture->endpoint->idle_count, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_an_origin_that_speaks_no_HTTP2_DR_52),
        CASE(test_all_who_wait_for_a_dial_fail_with_it),
        CASE(test_a_dial_goes_on_for_those_who_still_wait),
        CASE(test_legs_share_a_connection),
        CASE(test_maxConcurrentStreams_spreads_over_connections),
        CASE(test_the_fuller_connection_is_used_first),
        CASE(test_room_serves_who_waits),
        CASE(test_the_limit_of_the_origin_is_remembered),
        CASE(test_the_limit_of_the_origin_may_rise),
        CASE(test_GOAWAY_finishes_and_is_not_used_again),
        CASE(test_a_tunnel_where_none_is_taken),
        CASE(test_a_tunnel_waits_for_SETTINGS),
        CASE(test_a_tunnel_does_not_wait_for_ever),
        CASE(test_a_tunnel_given_up_leaves_no_deadline),
        CASE(test_a_tunnel_whose_connection_goes),
        CASE(test_maxRequestsPerConnection),
        CASE(test_maxConnectionDuration),
        CASE(test_idleTimeout),
        CASE(test_a_changed_configuration_leaves_former_connections),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
