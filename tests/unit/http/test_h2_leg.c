/* h2_leg: a stream as an exchange uses it: windows that follow what was taken, deadlines, tunnels, and what
 * the peer hears of a stream that is given up. Spec CN-30, CN-32, LR-18, LR-23. */
#include "tests/unit/support/h2_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char large[512 * 1024];

static int setup_server(void **state)
{
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    h2_pair_start(false);
    return 0;
}

static int setup_client(void **state)
{
    (void)state;
    memset(large, 'x', sizeof(large) - 1);
    h2_pair_start(true);
    h2_pair_open();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_pair_stop();
    return 0;
}

static void clear_logs(void)
{
    text_clear(&pair.log);
    text_clear(&pair.peer_log);
}

/* --- Flow ------------------------------------------------------------------------------------- */

static void a_paused_leg_holds_a_window_and_stalls_nobody(void **state)
{
    (void)state;
    pair.pauses = true;
    h2_pair_request("POST", "/slow", large, NULL);
    h2_pair_run();
    assert_log("0 POST /slow;");
    /* One window of the stream has come, the connection's is open again. */
    assert_int_equal(pair.peer_body.len, sizeof(large) - 1 - 65536);
    assert_true(nghttp2_session_get_remote_window_size(pair.peer) > 512 * 1024);
    pair.pauses = false;
    pair.answers = true;
    h2_pair_request("GET", "/other", NULL, NULL);
    h2_pair_run();
    assert_log("1 GET /other end;");
    assert_peer(":status=200,content-length=2,head 3;data 3 ok;end 3;");
    pair.legs[0]->ops->resume(pair.legs[0]);
    h2_pair_run();
    assert_int_equal(pair.peer_body.len, 0);
    assert_non_null(strstr(pair.log.ptr, "complete 0;"));
}

static void what_was_held_comes_before_what_follows(void **state)
{
    (void)state;
    pair.pauses = true;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "one", NULL);
    h2_pair_run();
    assert_log("0 POST /;");
    pair.peer_body = STR("two");
    pair.is_peer_body_open = false;
    CHECK(nghttp2_session_resume_data(pair.peer, 1) == 0);
    h2_pair_run();
    assert_log("");
    pair.legs[0]->ops->resume(pair.legs[0]);
    assert_log("");
    h2_pair_run();
    assert_log("body 0 onetwo;complete 0;");
}

static void many_paused_legs_close_the_connections_window(void **state)
{
    struct conn_limits limits = h2_pair_limits;

    (void)state;
    h2_pair_stop();
    limits.max_streams = 4;
    limits.stream_window_bytes = 3 * 1024 * 1024;
    h2_pair_start_with(false, &limits);
    h2_pair_run();
    pair.pauses = true;
    for (unsigned i = 0; i < 4; i++) {
        pair.peer_body = (struct str){ 0 };
        h2_pair_request("POST", "/", "", NULL);
        for (unsigned round = 0; round < 12; round++) {
            pair.peer_body = str_from(large, sizeof(large) - 1);
            pair.is_peer_body_open = true;
            (void)nghttp2_session_resume_data(pair.peer, (int32_t)(2 * i + 1));
            h2_pair_run();
        }
    }
    assert_true(nghttp2_session_get_remote_window_size(pair.peer) < 600 * 1024);
    for (size_t i = 0; i < 4; i++) {
        h2_pair_release(i);
    }
    h2_pair_run();
    assert_true(nghttp2_session_get_remote_window_size(pair.peer) > 400 * 1024);
}

static void a_response_waits_for_the_window(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    clear_logs();
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(0, large);
    assert_true(pair.legs[0]->ops->is_above_high(pair.legs[0]));
    pair.is_deaf = true;
    h2_pair_run();
    assert_true(pair.legs[0]->ops->is_above_high(pair.legs[0]));
    assert_log("");
    pair.is_deaf = false;
    h2_pair_run();
    assert_false(pair.legs[0]->ops->is_above_high(pair.legs[0]));
    assert_log("drained 0;");
    assert_int_equal(pair.legs[0]->wire_sent_bytes > sizeof(large), true);
}

static void send_large_head(enum http_version version, uint64_t length)
{
    struct head head;

    head_init(&head, pair.arena);
    head.version = version;
    head.status = 200;
    head.framing = BODY_LENGTH;
    head.content_length = length;
    head.has_content_length = true;
    pair.legs[0]->ops->send_head(pair.legs[0], &head, false);
}

static void send_large(size_t len)
{
    pair.legs[0]->ops->send_body(pair.legs[0], (const unsigned char *)large, len);
}

static void the_last_bytes_of_a_known_length_bring_the_end(void **state)
{
    uint64_t sent;

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    clear_logs();
    send_large_head(HTTP_VERSION_1_1, 32000);
    send_large(32000);
    h2_pair_run();
    assert_peer(":status=200,content-length=32000,head 1;data 1 [16375];data 1 [15625];end 1;");
    sent = pair.legs[0]->wire_sent_bytes;
    h2_pair_send_end(0);
    h2_pair_release(0);
    h2_pair_run();
    assert_peer("");
    assert_true(sent > 32000 + 2 * 9);
}

static void the_end_of_a_known_length_waits_for_the_window(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    send_large_head(HTTP_VERSION_1_1, 200000);
    send_large(100000);
    pair.is_deaf = true;
    h2_pair_run();
    send_large(100000);
    h2_pair_send_end(0);
    clear_logs();
    pair.is_deaf = false;
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "];end 1;"));
    assert_null(strstr(pair.peer_log.ptr, "reset"));
}

/* RFC 9113 8.1: what came by HTTP/2 may have trailers whatever its length. */
static void trailers_follow_a_known_length(void **state)
{
    struct headers trailers;

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    clear_logs();
    send_large_head(HTTP_VERSION_2, 16000);
    send_large(16000);
    h2_pair_run();
    assert_peer(":status=200,content-length=16000,head 1;data 1 [16000];");
    headers_init(&trailers, pair.arena);
    headers_add(&trailers, STR("grpc-status"), STR("0"));
    pair.legs[0]->ops->send_end(pair.legs[0], &trailers);
    h2_pair_run();
    assert_peer("grpc-status=0,head 1 end;");
}

static void a_full_transport_is_not_written_to(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    pair.transport->is_above_high = true;
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(0, "late");
    fake_turn(pair.transport);
    assert_int_equal(pair.transport->sent.len, 0);
    pair.transport->is_above_high = false;
    pair.transport->handler->on_drained(pair.transport->owner);
    h2_pair_run();
    assert_peer(":status=200,head 1;data 1 late;");
}

/* --- Deadlines -------------------------------------------------------------------------------- */

static void lr_18_a_stalled_body_is_answered_408(void **state)
{
    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "some", NULL);
    h2_pair_run();
    assert_log("0 POST /;body 0 some;");
    fake_advance(pair.transport, 500);
    assert_log("end 0 stalled answered 408;idle;");
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, ":status=408,"));
    assert_non_null(strstr(pair.peer_log.ptr, "data 1 request timeout;end 1;reset 1 0;"));
}

static void a_stall_after_the_answer_began_is_a_reset(void **state)
{
    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "some", NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    clear_logs();
    fake_advance(pair.transport, 500);
    assert_log("end 0 stalled;idle;");
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 8;"));
}

static void a_paused_body_and_a_grpc_call_may_be_silent(void **state)
{
    static const char *const grpc[] = { "content-type", "application/grpc+proto", NULL };

    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/call", "", grpc);
    h2_pair_run();
    pair.pauses = true;
    h2_pair_request("POST", "/", "", NULL);
    h2_pair_run();
    clear_logs();
    fake_advance(pair.transport, 5000);
    assert_log("");
    pair.legs[1]->ops->resume(pair.legs[1]);
    fake_advance(pair.transport, 500);
    assert_log("end 1 stalled answered 408;");
}

static void a_window_that_stays_shut_is_a_write_timeout(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(0, large);
    pair.is_deaf = true;
    h2_pair_run();
    clear_logs();
    fake_advance(pair.transport, 699);
    assert_log("");
    fake_advance(pair.transport, 1);
    assert_log("end 0 write timeout;idle;");
    pair.is_deaf = false;
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 8;"));
}

/* --- Giving up -------------------------------------------------------------------------------- */

static void lr_23_each_way_to_give_up_has_its_code(void **state)
{
    static const struct {
        enum leg_abort why;
        const char *peer;
    } rows[] = {
        { LEG_ABORT_CANCEL, "reset 1 8;" },
        { LEG_ABORT_BROKEN, "reset 3 2;" },
        { LEG_ABORT_PROTOCOL, "reset 5 1;" },
        { LEG_ABORT_CONNECT, "reset 7 10;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        h2_pair_request("GET", "/", NULL, NULL);
        h2_pair_run();
        pair.legs[i]->ops->abort(pair.legs[i], rows[i].why);
        pair.legs[i]->ops->abort(pair.legs[i], LEG_ABORT_CANCEL);
        h2_pair_send_body(i, "after that nothing");
        h2_pair_release(i);
        h2_pair_run();
        assert_peer(rows[i].peer);
    }
}

static void a_release_without_an_answer_is_cancel(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_release(0);
    h2_pair_run();
    assert_peer("reset 1 8;");
}

static void an_early_answer_ends_the_request_with_no_error(void **state)
{
    (void)state;
    pair.answers = true;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "some", NULL);
    h2_pair_run();
    assert_peer(":status=200,content-length=2,head 1;data 1 ok;end 1;reset 1 0;");
}

static void a_body_of_another_length_is_a_reset(void **state)
{
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        h2_pair_request("GET", "/", NULL, NULL);
        h2_pair_run();
    }
    h2_pair_send_head(0, 200, BODY_LENGTH, 5, false);
    h2_pair_send_body(0, "abc");
    h2_pair_send_end(0);
    h2_pair_send_head(1, 200, BODY_LENGTH, 5, false);
    h2_pair_send_body(1, "abcdef");
    h2_pair_send_head(2, 200, BODY_LENGTH, 5, true);
    clear_logs();
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 2;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 3 2;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 5 2;"));
    assert_null(strstr(pair.peer_log.ptr, "end "));
}

static void a_reset_of_the_peers_is_told_with_its_code(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    clear_logs();
    CHECK(nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, 1, NGHTTP2_CANCEL) == 0);
    h2_pair_run();
    assert_log("end 0 reset 8;idle;");
}

/* --- Client role ------------------------------------------------------------------------------ */

static void a_response_in_parts(void **state)
{
    (void)state;
    h2_pair_send_request(0, "POST", BODY_CHUNKED, false);
    h2_pair_send_body(0, "ask");
    h2_pair_send_end(0);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "head 1;data 1 ask;end 1;"));
    pair.peer_body = STR("told");
    h2_pair_respond(1, "200", false);
    h2_pair_run();
    assert_log("head 0 200;body 0 told;complete 0;");
    h2_pair_release(0);
    h2_pair_run();
    assert_log("idle;");
}

static void refused_is_told_from_reset(void **state)
{
    (void)state;
    h2_pair_open();
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_send_request(1, "GET", BODY_NONE, true);
    h2_pair_run();
    CHECK(nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, 1, NGHTTP2_REFUSED_STREAM) == 0);
    CHECK(nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, 3, NGHTTP2_INTERNAL_ERROR) == 0);
    h2_pair_run();
    assert_log("end 0 refused;end 1 reset 2;idle;");
}

static void no_error_after_a_whole_response_is_no_end(void **state)
{
    (void)state;
    h2_pair_send_request(0, "POST", BODY_CHUNKED, false);
    h2_pair_send_body(0, "ask");
    h2_pair_run();
    h2_pair_respond(1, "200", true);
    h2_pair_run();
    CHECK(nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR) == 0);
    h2_pair_run();
    assert_log("head 0 200 end;drained 0;");
}

static void a_request_given_up_before_it_left_is_not_sent(void **state)
{
    (void)state;
    h2_pair_send_request(0, "POST", BODY_CHUNKED, false);
    h2_pair_release(0);
    h2_pair_run();
    assert_peer("");
    assert_log("idle;");
}

static void a_held_response_outlives_its_connection(void **state)
{
    (void)state;
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_run();
    pair.legs[0]->ops->pause(pair.legs[0]);
    pair.peer_body = STR("told");
    h2_pair_respond(1, "200", false);
    h2_pair_run();
    fake_end(pair.transport, true);
    assert_log("head 0 200;closed;drained 0;");
    pair.legs[0]->ops->resume(pair.legs[0]);
    fake_turn(pair.transport);
    assert_log("body 0 told;complete 0;");
}

/* --- Tunnels ---------------------------------------------------------------------------------- */

static const char *const websocket[] = { ":protocol", "websocket", "sec-websocket-version", "13",
                                         NULL };

static void cn_30_a_tunnel_begins_with_the_answer(void **state)
{
    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("CONNECT", "/chat", "early", websocket);
    h2_pair_run();
    assert_log("0 GET /chat;");
    h2_pair_send_head(0, 101, BODY_TUNNEL, 0, false);
    h2_pair_run();
    assert_log("body 0 early;");
    h2_pair_send_body(0, "back");
    h2_pair_run();
    assert_peer(":status=200,head 1;data 1 back;");
    fake_advance(pair.transport, 100000); /* CN-32: the exchange watches it */
    h2_pair_send_end(0);
    h2_pair_run();
    assert_peer("end 1;");
    assert_log("");
}

static void a_refused_tunnel_gives_no_bytes(void **state)
{
    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("CONNECT", "/chat", "early", websocket);
    h2_pair_run();
    h2_pair_send_head(0, 403, BODY_NONE, 0, true);
    h2_pair_release(0);
    h2_pair_run();
    assert_log("0 GET /chat;idle;");
    assert_peer(":status=403,head 1 end;reset 1 0;");
}

static void a_tunnel_of_ours_waits_for_the_answer(void **state)
{
    static const nghttp2_settings_entry connect = { NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 };

    (void)state;
    assert_false(h2_conn_peer_takes_tunnels(pair.conn));
    CHECK(nghttp2_submit_settings(pair.peer, NGHTTP2_FLAG_NONE, &connect, 1) == 0);
    h2_pair_run();
    assert_true(h2_conn_peer_takes_tunnels(pair.conn));
    h2_pair_send_request(0, "GET", BODY_TUNNEL, false);
    h2_pair_send_body(0, "first");
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, ":protocol=websocket"));
    assert_null(strstr(pair.peer_log.ptr, "data"));
    clear_logs();
    pair.is_peer_body_open = true;
    pair.peer_body = STR("hello");
    h2_pair_respond(1, "200", false);
    h2_pair_run();
    assert_log("head 0 101;body 0 hello;");
    assert_peer("data 1 first;");
    /* Its side ends first; our last words and our end leave though nobody holds the leg any more. */
    pair.is_peer_body_open = false;
    CHECK(nghttp2_session_resume_data(pair.peer, 1) == 0);
    h2_pair_run();
    assert_log("complete 0;");
    h2_pair_send_body(0, "last words");
    h2_pair_send_end(0);
    h2_pair_release(0);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "data 1 last words;"));
    assert_non_null(strstr(pair.peer_log.ptr, "end 1;"));
    assert_null(strstr(pair.peer_log.ptr, "reset"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_paused_leg_holds_a_window_and_stalls_nobody, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_was_held_comes_before_what_follows, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(many_paused_legs_close_the_connections_window, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_response_waits_for_the_window, setup_server, teardown),
        cmocka_unit_test_setup_teardown(the_last_bytes_of_a_known_length_bring_the_end,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(the_end_of_a_known_length_waits_for_the_window,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(trailers_follow_a_known_length, setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_full_transport_is_not_written_to, setup_server, teardown),
        cmocka_unit_test_setup_teardown(lr_18_a_stalled_body_is_answered_408, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_stall_after_the_answer_began_is_a_reset, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_paused_body_and_a_grpc_call_may_be_silent, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_window_that_stays_shut_is_a_write_timeout, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(lr_23_each_way_to_give_up_has_its_code, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_release_without_an_answer_is_cancel, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_early_answer_ends_the_request_with_no_error,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_body_of_another_length_is_a_reset, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_reset_of_the_peers_is_told_with_its_code, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_response_in_parts, setup_client, teardown),
        cmocka_unit_test_setup_teardown(refused_is_told_from_reset, setup_client, teardown),
        cmocka_unit_test_setup_teardown(no_error_after_a_whole_response_is_no_end, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_request_given_up_before_it_left_is_not_sent, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_held_response_outlives_its_connection, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(cn_30_a_tunnel_begins_with_the_answer, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_refused_tunnel_gives_no_bytes, setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_tunnel_of_ours_waits_for_the_answer, setup_client,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
