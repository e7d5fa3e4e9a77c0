/* Tests of gateway/upstream/pool.c against an origin on loopback. */
#include "gateway/upstream/pool.h"

#include "gateway/upstream/cluster_set.h"
#include "gateway/upstream/pool_state.h"
#include "tests/unit/support/loop_origin.h"
#include "tests/unit/support/pool_user.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <unistd.h>

struct fixture {
    struct cluster_set set;
    struct cluster_config config;
    struct cluster_config *configs[1];
    struct endpoint_config endpoint_config;
    struct endpoint *endpoint;
    struct loop_origin origin;
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
    loop_origin_start(&fixture->origin, fixture->set.loop, script);
    fixture->endpoint_config = (struct endpoint_config){ .address = fixture->origin.address,
                                                         .weight = 1,
                                                         .is_healthy = true };
    fixture->config.name = STR("c");
    fixture->config.endpoints = &fixture->endpoint_config;
    fixture->config.endpoint_count = 1;
    fixture->configs[0] = &fixture->config;
    cluster_set_update(&fixture->set, fixture->configs, 1);
    fixture->endpoint = cluster_pick_endpoint(cluster_set_find(&fixture->set, STR("c")), NULL, 0);
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
    loop_origin_stop(&fixture->origin);
    resolver_free(fixture->set.resolver);
    loop_free(fixture->set.loop);
    metrics_cleanup();
    arena_free(fixture->arena);
    mem_free(fixture);
    return 0;
}

/* --- A user of a connection ------------------------------------------------------------------- */

static enum pool_answer user_ask_for(struct fixture *fixture, struct user *user,
                                     const struct pool_key *key)
{
    user_init(user, key);
    return pool_request_leg(fixture->endpoint, &user->request, &user->leg, &user->is_reused);
}

static enum pool_answer user_ask(struct fixture *fixture, struct user *user)
{
    return user_ask_for(fixture, user, &(struct pool_key){ .version = HTTP_VERSION_1_1 });
}

static void user_send(struct fixture *fixture, struct user *user)
{
    struct head *head = arena_new_object(fixture->arena, struct head);

    head_init(head, fixture->arena);
    head->method = METHOD_GET;
    head->method_text = STR("GET");
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

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    struct user user;
    struct address address;
    struct err err = { 0 };
    int fd;

    assert_true(address_parse(STR("127.0.0.1"), 0, &address));
    assert_true(listener_bind(&address, &fd, 1, &err));
    (void)close(fd);
    fixture->endpoint->address = address;
    assert_int_equal(user_ask(fixture, &user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user.error_number != 0);
    assert_int_equal(user.error_number, ECONNREFUSED);
    assert_int_equal(fixture->endpoint->connect_failure_count, 1);
    assert_int_equal(fixture->endpoint->waiting_count, 0);
}

static void test_too_many_wait_LR_4(void **state)
{
    struct fixture *fixture = *state;
    struct user *users = mem_alloc_array(LIMIT_PENDING_REQUESTS, sizeof(*users));
    struct user one_more;

    /* Before the loop turns no connect is known to be done. */
    fixture->endpoint->waiting_count = LIMIT_PENDING_REQUESTS - 2;
    assert_int_equal(user_ask(fixture, &users[0]), POOL_WAIT);
    assert_int_equal(user_ask(fixture, &users[1]), POOL_WAIT);
    assert_int_equal(user_ask(fixture, &one_more), POOL_OVERFLOW);
    pool_request_cancel(&users[0].request);
    pool_request_cancel(&users[1].request);
    fixture->endpoint->waiting_count -= LIMIT_PENDING_REQUESTS - 2;
    while (fixture->endpoint->dial_count > 0) {
        loop_run_once(fixture->set.loop, 10);
    }
    mem_free(users);
}

static void test_a_cancelled_wait_gives_up_its_dial(void **state)
{
    struct fixture *fixture = *state;
    struct user user;

    assert_int_equal(user_ask(fixture, &user), POOL_WAIT);
    assert_int_equal(fixture->endpoint->dial_count, 1);
    pool_request_cancel(&user.request);
    pool_request_cancel(&user.request); /* again is fine */
    assert_int_equal(fixture->endpoint->dial_count, 0);
    assert_int_equal(fixture->endpoint->waiting_count, 0);
    assert_null(user.leg);
}

static void test_reuse_is_last_in_first_out(void **state)
{
    struct fixture *fixture = *state;
    struct user users[2];

    for (int i = 0; i < 2; i++) {
        assert_int_equal(user_ask(fixture, &users[i]), POOL_WAIT);
    }
    RUN_UNTIL(fixture->set.loop, users[0].leg != NULL && users[1].leg != NULL);
    assert_false(users[0].is_reused);
    struct conn *last_used = users[0].leg->conn;
    user_finish(fixture, &users[1]);
    user_finish(fixture, &users[0]);
    assert_int_equal(fixture->endpoint->idle_count, 2);
    assert_int_equal(user_ask(fixture, &users[0]), POOL_LEG);
    assert_true(users[0].is_reused);
    assert_ptr_equal(users[0].leg->conn, last_used);
    assert_int_equal(fixture->endpoint->busy_count, 1);
    user_finish(fixture, &users[0]);
    assert_int_equal(fixture->origin.connection_count, 2);
}

/* Whoever waits takes what comes first: a finished dial, or a connection that becomes idle. */
static void test_a_freed_connection_serves_who_waits(void **state)
{
    struct fixture *fixture = *state;
    struct user first;
    struct user second;

    assert_int_equal(user_ask(fixture, &first), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, first.leg != NULL);
    struct conn *conn = first.leg->conn;
    user_send(fixture, &first);
    struct address nowhere;
    struct address real = fixture->endpoint->address;
    /* A connect that will not be done: a documentation address (RFC 5737). */
    assert_true(address_parse(STR("192.0.2.1"), 9, &nowhere));
    fixture->endpoint->address = nowhere;
    assert_int_equal(user_ask(fixture, &second), POOL_WAIT);
    fixture->endpoint->address = real;
    RUN_UNTIL(fixture->set.loop, second.leg != NULL || second.error_number != 0);
    if (second.leg != NULL) {
        assert_ptr_equal(second.leg->conn, conn);
        assert_true(second.is_reused);
        user_finish(fixture, &second);
    }
}

/* Dialled for a request that another connection took: it has carried none, and yet it has been there for
 * a while, so the origin may have closed it. */
static void test_a_connection_that_waited_unused_may_be_stale(void **state)
{
    struct fixture *fixture = *state;
    struct user user;

    assert_int_equal(user_ask(fixture, &user), POOL_WAIT);
    pool_stop_waiting(&user.request); /* as if served */
    endpoint_unref(fixture->endpoint);
    RUN_UNTIL(fixture->set.loop, fixture->endpoint->idle_count == 1);
    assert_int_equal(user_ask(fixture, &user), POOL_LEG);
    assert_true(user.is_reused);
    user_finish(fixture, &user);
}

static void test_idle_connections_close_with_their_endpoint(void **state)
{
    struct fixture *fixture = *state;
    struct user user;

    assert_int_equal(user_ask(fixture, &user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user.leg != NULL);
    user_finish(fixture, &user);
    assert_int_equal(fixture->endpoint->idle_count, 1);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    assert_true(list_is_empty(&fixture->set.endpoints));
}

static void test_a_busy_connection_outlives_its_endpoint_and_closes_when_idle(void **state)
{
    struct fixture *fixture = *state;
    struct user user;

    assert_int_equal(user_ask(fixture, &user), POOL_WAIT);
    RUN_UNTIL(fixture->set.loop, user.leg != NULL);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    user_finish(fixture, &user);
    assert_int_equal(user.status, 200);
    RUN_UNTIL(fixture->set.loop, fixture->origin.open_count == 0);
    assert_true(list_is_empty(&fixture->set.endpoints));
    assert_true(list_is_empty(&fixture->set.retired));
}

/* DR-63, DR-80: a connection is for its server name and, with a PROXY header, for its client. */
static void test_a_connection_serves_its_own_key_only(void **state)
{
    static const struct pool_key keys[] = {
        { .version = HTTP_VERSION_1_1 },
        { .version = HTTP_VERSION_1_1, .server_name = STR_INIT("a.example") },
        { .version = HTTP_VERSION_1_1, .server_name = STR_INIT("b.example") },
        { .version = HTTP_VERSION_1_1, .client_id = 1 },
        { .version = HTTP_VERSION_1_1, .client_id = 2 },
    };
    enum { COUNT = sizeof(keys) / sizeof(keys[0]) };
    struct pool_key same_name = { .server_name = STR("A.Example") }; /* and a version not said */
    struct fixture *fixture = *state;
    struct user users[COUNT];

    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(user_ask_for(fixture, &users[i], &keys[i]), POOL_WAIT);
        RUN_UNTIL(fixture->set.loop, users[i].leg != NULL);
        user_finish(fixture, &users[i]);
    }
    assert_int_equal(fixture->origin.connection_count, COUNT);
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(user_ask_for(fixture, &users[i], &keys[i]), POOL_LEG);
        user_finish(fixture, &users[i]);
    }
    assert_int_equal(user_ask_for(fixture, &users[0], &same_name), POOL_LEG);
    user_finish(fixture, &users[0]);
    assert_int_equal(fixture->endpoint->idle_count, COUNT);
}

/* After a crowd: a few of those that rest stay, and all that were used a moment ago. */
static void test_connections_that_nobody_uses_are_given_up(void **state)
{
    enum { COUNT = LIMIT_POOL_WARM + 2 };
    struct fixture *fixture = *state;
    struct user users[COUNT];

    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(user_ask(fixture, &users[i]), POOL_WAIT);
    }
    for (int i = 0; i < COUNT; i++) {
        RUN_UNTIL(fixture->set.loop, users[i].leg != NULL);
    }
    for (int i = 0; i < COUNT; i++) {
        user_finish(fixture, &users[i]);
    }
    cluster_set_close_unused(&fixture->set, 3600 * 1000);
    assert_int_equal(fixture->endpoint->idle_count, COUNT);
    assert_int_equal(user_ask(fixture, &users[0]), POOL_LEG);
    struct conn *warmest = users[0].leg->conn;
    user_finish(fixture, &users[0]);
    assert_int_equal(user_ask(fixture, &users[1]), POOL_LEG); /* busy: not even looked at */
    assert_ptr_equal(users[1].leg->conn, warmest);
    cluster_set_close_unused(&fixture->set, 0);
    assert_int_equal(fixture->endpoint->idle_count, LIMIT_POOL_WARM);
    assert_int_equal(fixture->endpoint->busy_count, 1);
    user_finish(fixture, &users[1]);
    assert_int_equal(users[1].status, 200);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_refused),
        CASE(test_too_many_wait_LR_4),
        CASE(test_a_cancelled_wait_gives_up_its_dial),
        CASE(test_reuse_is_last_in_first_out),
        CASE(test_a_freed_connection_serves_who_waits),
        CASE(test_a_connection_that_waited_unused_may_be_stale),
        CASE(test_a_connection_serves_its_own_key_only),
        CASE(test_connections_that_nobody_uses_are_given_up),
        CASE(test_idle_connections_close_with_their_endpoint),
        CASE(test_a_busy_connection_outlives_its_endpoint_and_closes_when_idle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
