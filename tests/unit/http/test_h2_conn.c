/* h2_conn: how an HTTP/2 connection begins, drains, idles and ends, either role. Spec CN-38, HR-5. */
#include "tests/unit/support/h2_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int setup_server(void **state)
{
    (void)state;
    h2_pair_start(false);
    return 0;
}

static int setup_client(void **state)
{
    (void)state;
    h2_pair_start(true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_pair_stop();
    return 0;
}

static void preface_is_told_from_other_bytes(void **state)
{
    static const char magic[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    const unsigned char *bytes = (const unsigned char *)magic;

    (void)state;
    assert_int_equal(h2_conn_find_preface(bytes, 0), H2_PREFACE_MORE);
    assert_int_equal(h2_conn_find_preface(bytes, 23), H2_PREFACE_MORE);
    assert_int_equal(h2_conn_find_preface(bytes, 24), H2_PREFACE_YES);
    assert_int_equal(h2_conn_find_preface((const unsigned char *)"PRI * HTTP/1.1\r\n", 16),
                     H2_PREFACE_NO);
    assert_int_equal(h2_conn_find_preface((const unsigned char *)"PUT", 3), H2_PREFACE_NO);
}

static void cn_38_settings_tell_the_limits(void **state)
{
    (void)state;
    assert_int_equal(
        nghttp2_session_get_remote_settings(pair.peer, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS),
        10);
    assert_int_equal(
        nghttp2_session_get_remote_settings(pair.peer, NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE),
        65536);
    assert_int_equal(
        nghttp2_session_get_remote_settings(pair.peer, NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL),
        1);
    assert_int_equal(nghttp2_session_get_remote_window_size(pair.peer),
                     LIMIT_H2_CONNECTION_WINDOW_BYTES);
}

static void a_request_is_answered(void **state)
{
    (void)state;
    pair.answers = true;
    h2_pair_request("GET", "/x?y", NULL, NULL);
    h2_pair_run();
    assert_log("0 GET /x end;idle;");
    assert_peer(":status=200,content-length=2,head 1;data 1 ok;end 1;");
    assert_int_equal(h2_conn_leg_count(pair.conn), 0);
}

static void hr_5_drain_takes_two_goaways(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    pair.conn->ops->drain(pair.conn);
    h2_pair_run();
    assert_peer("goaway 2147483647 0;");
    fake_advance(pair.transport, 300);
    h2_pair_run();
    assert_peer("goaway 1 0;");
    text_clear(&pair.log);
    h2_pair_answer(0);
    h2_pair_run();
    assert_peer(":status=200,content-length=2,head 1;data 1 ok;end 1;");
    assert_log("closed;");
    assert_int_equal(pair.transport->state, FAKE_LINGERING);
}

static void hr_5_an_idle_connection_drains_at_once(void **state)
{
    (void)state;
    pair.conn->ops->drain(pair.conn);
    assert_log("");
    h2_pair_run();
    assert_peer("goaway 2147483647 0;goaway 0 0;");
    assert_log("closed;");
    assert_int_equal(pair.transport->state, FAKE_LINGERING);
}

static void idle_ends_with_a_goaway(void **state)
{
    (void)state;
    fake_advance(pair.transport, 2000);
    fake_advance(pair.transport, 58000);
    (void)h2_pair_to_peer();
    assert_peer("goaway 0 0;");
    assert_log("closed;");
}

static void no_preface_is_waited_for_only_so_long(void **state)
{
    (void)state;
    h2_pair_start_with(false, &h2_pair_limits);
    fake_turn(pair.transport);
    fake_advance(pair.transport, 1000);
    assert_log("closed;");
    h2_pair_stop();
}

static void another_preface_is_a_violation(void **state)
{
    (void)state;
    h2_pair_start_with(false, &h2_pair_limits);
    fake_receive(pair.transport, STR("PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n"));
    assert_log("violation http2.bad_preface;closed;");
    h2_pair_stop();
}

static void close_ends_every_leg(void **state)
{
    (void)state;
    h2_pair_request("GET", "/a", NULL, NULL);
    h2_pair_request("GET", "/b", NULL, NULL);
    h2_pair_run();
    text_clear(&pair.log);
    pair.is_closed = true;
    pair.conn->ops->close(pair.conn);
    (void)h2_pair_to_peer();
    assert_log("end 0 drain;end 1 drain;");
    assert_peer("goaway 3 0;");
    assert_int_equal(pair.transport->state, FAKE_CLOSED);
}

static void close_inside_a_request(void **state)
{
    (void)state;
    pair.closes_on_request = true;
    h2_pair_request("GET", "/a", NULL, NULL);
    h2_pair_request("GET", "/b", NULL, NULL);
    h2_pair_run();
    assert_log("0 GET /a end;end 0 drain;");
}

static void the_peers_end_is_told_by_what_was_there(void **state)
{
    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("GET", "/a", NULL, NULL);
    h2_pair_request("POST", "/b", "", NULL);
    h2_pair_run();
    text_clear(&pair.log);
    fake_end(pair.transport, true);
    assert_log("end 0 closed;end 1 cut;closed;");
}

static void a_dead_transport_ends_all(void **state)
{
    (void)state;
    h2_pair_request("GET", "/a", NULL, NULL);
    h2_pair_run();
    text_clear(&pair.log);
    pair.releases_at_end = false;
    fake_dead(pair.transport, TRANSPORT_END_WRITE_TIMEOUT);
    assert_log("end 0 write timeout;closed;");
}

/* --- Client role ------------------------------------------------------------------------------ */

static void a_leg_opens_before_settings_came(void **state)
{
    (void)state;
    h2_pair_start_with(true, &h2_pair_limits);
    assert_true(h2_conn_has_room(pair.conn));
    assert_false(h2_conn_has_peer_settings(pair.conn));
    assert_non_null(h2_pair_open());
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_run();
    assert_true(h2_conn_has_peer_settings(pair.conn));
    assert_non_null(strstr(pair.peer_log.ptr, "head 1 end;"));
    h2_pair_stop();
}

static void our_limit_and_the_peers_bound_the_legs(void **state)
{
    static const nghttp2_settings_entry two = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, 2 };

    (void)state;
    for (size_t i = 0; i < 10; i++) {
        assert_non_null(h2_pair_open());
    }
    assert_null(h2_pair_open());
    for (size_t i = 0; i < 10; i++) {
        h2_pair_release(i);
    }
    h2_pair_run();
    assert_log("idle;");
    pair.leg_count = 0;
    CHECK(nghttp2_submit_settings(pair.peer, NGHTTP2_FLAG_NONE, &two, 1) == 0);
    h2_pair_run();
    assert_non_null(h2_pair_open());
    assert_non_null(h2_pair_open());
    assert_null(h2_pair_open());
}

static void a_goaway_refuses_what_is_above_it(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        h2_pair_open();
        h2_pair_send_request(i, "GET", BODY_NONE, true);
    }
    h2_pair_run();
    CHECK(nghttp2_submit_goaway(pair.peer, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR, NULL, 0) == 0);
    h2_pair_run();
    assert_log("end 1 refused;");
    assert_false(h2_conn_has_room(pair.conn));
    assert_null(h2_pair_open());
    h2_pair_respond(1, "204", true);
    h2_pair_run();
    assert_log("head 0 204 end;");
    h2_pair_release(0);
    h2_pair_run();
    assert_log("closed;");
}

static void a_lost_peer_is_found_by_ping(void **state)
{
    struct conn_limits limits = h2_pair_limits;

    (void)state;
    limits.ping_interval_ms = 100;
    limits.ping_timeout_ms = 50;
    h2_pair_start_with(true, &limits);
    h2_pair_run();
    fake_advance(pair.transport, 100);
    h2_pair_run(); /* answered */
    fake_advance(pair.transport, 50);
    assert_log("");
    h2_pair_open();
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    fake_turn(pair.transport);
    fake_advance(pair.transport, 50);
    fake_advance(pair.transport, 50);
    assert_log("end 0 transport;closed;");
    h2_pair_stop();
}

/* A request was given up and not a byte came: the peer shows life, or the connection is not used on. */
static void a_silent_peer_is_asked_for_a_sign_of_life(void **state)
{
    (void)state;
    for (int is_alive = 1; is_alive >= 0; is_alive--) {
        h2_pair_start(true);
        h2_pair_run();
        h2_pair_open();
        h2_pair_send_request(0, "GET", BODY_NONE, true);
        fake_turn(pair.transport);
        h2_pair_release(0);
        fake_turn(pair.transport);
        if (is_alive) {
            h2_pair_run();
        }
        fake_advance(pair.transport, LIMIT_H2_DOUBT_MS);
        fake_advance(pair.transport, LIMIT_H2_DOUBT_MS);
        assert_int_equal(pair.transport->state == FAKE_OPEN, is_alive);
        h2_pair_stop();
    }
}

static void a_client_drains_when_its_legs_are_done(void **state)
{
    (void)state;
    h2_pair_open();
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_run();
    pair.conn->ops->drain(pair.conn);
    assert_false(h2_conn_has_room(pair.conn));
    h2_pair_respond(1, "204", true);
    h2_pair_run();
    h2_pair_release(0);
    h2_pair_run();
    assert_log("head 0 204 end;closed;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(preface_is_told_from_other_bytes),
        cmocka_unit_test_setup_teardown(cn_38_settings_tell_the_limits, setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_request_is_answered, setup_server, teardown),
        cmocka_unit_test_setup_teardown(hr_5_drain_takes_two_goaways, setup_server, teardown),
        cmocka_unit_test_setup_teardown(hr_5_an_idle_connection_drains_at_once, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(idle_ends_with_a_goaway, setup_server, teardown),
        cmocka_unit_test(no_preface_is_waited_for_only_so_long),
        cmocka_unit_test(another_preface_is_a_violation),
        cmocka_unit_test_setup_teardown(close_ends_every_leg, setup_server, teardown),
        cmocka_unit_test_setup_teardown(close_inside_a_request, setup_server, teardown),
        cmocka_unit_test_setup_teardown(the_peers_end_is_told_by_what_was_there, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_dead_transport_ends_all, setup_server, teardown),
        cmocka_unit_test(a_leg_opens_before_settings_came),
        cmocka_unit_test_setup_teardown(our_limit_and_the_peers_bound_the_legs, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_goaway_refuses_what_is_above_it, setup_client, teardown),
        cmocka_unit_test(a_lost_peer_is_found_by_ping),
        cmocka_unit_test(a_silent_peer_is_asked_for_a_sign_of_life),
        cmocka_unit_test_setup_teardown(a_client_drains_when_its_legs_are_done, setup_client,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
