/* h2_conn against peers that mean harm or do badly: what they may not keep for ever, what they may not get
 * round, and what honest ones must not pay for it. Spec CN-40, LR-11. */
#include "tests/unit/support/h2_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static char large[512 * 1024];
/* GET http://a.com/ as a header block. */
static const char get[] = "\x82\x86\x84\x01\x05"
                          "a.com";

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

static const char *log_text(const struct text *text)
{
    return text->len > 0 ? text->ptr : "";
}

static void peer_settings(int32_t id, uint32_t value)
{
    const nghttp2_settings_entry entry = { id, value };

    CHECK(nghttp2_submit_settings(pair.peer, NGHTTP2_FLAG_NONE, &entry, 1) == 0);
}

/* --- What is refused stays refused ------------------------------------------------------------ */

static void a_stream_too_many_never_begins(void **state)
{
    (void)state;
    peer_settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    h2_pair_run();
    for (unsigned i = 0; i < 10; i++) {
        h2_pair_request("GET", "/held", NULL, NULL);
    }
    h2_pair_run();
    clear_logs();
    /* The transport is full: the RST_STREAM of the eleventh cannot be packed at once. */
    pair.transport->is_above_high = true;
    /* By hand: the peer's library keeps the limit. */
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 21, get,
                  sizeof(get) - 1);
    h2_pair_run();
    assert_string_equal(log_text(&pair.log), "");
    assert_int_equal(pair.leg_count, 10);
}

static void lr_11_a_field_that_cannot_be_is_refused(void **state)
{
    static const char *const rows[][3] = {
        { "x-a", "b\r\nc: d", NULL },
        { "x-a", "b\nc", NULL },
        { "x a", "b", NULL },
        { "x\"", "b", NULL },
    };

    (void)state;
    pair.answers = true;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        h2_pair_request("GET", "/", NULL, rows[i]);
        h2_pair_run();
        assert_string_equal(log_text(&pair.log),
                            "refused 400 http2.violation_of_messaging_rule GET;idle;");
        assert_null(strstr(log_text(&pair.peer_log), "status"));
        assert_non_null(strstr(log_text(&pair.peer_log), "reset"));
        clear_logs();
    }
}

/* Trailers that do not end the stream, in the same read as their request. */
static void lr_11_what_was_refused_does_not_begin_later(void **state)
{
    static const char trailer[] = "\x00\x01"
                                  "a"
                                  "\x01"
                                  "b";

    (void)state;
    pair.transport->is_above_high = true;
    pair.is_deaf = true; /* its library knows nothing of the stream */
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, get, sizeof(get) - 1);
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, trailer, sizeof(trailer) - 1);
    h2_pair_run();
    assert_string_equal(log_text(&pair.log), "refused 400 http2.violation_of_messaging_rule GET;");
    pair.transport->is_above_high = false;
    pair.transport->handler->on_drained(pair.transport->owner);
    h2_pair_run();
    assert_string_equal(log_text(&pair.log),
                        "refused 400 http2.violation_of_messaging_rule GET;idle;");
}

/* The request went on to an upstream before its trailers broke it: costs us what a reset does
 * (CVE-2025-8671). */
static void cn_40_resets_provoked_by_trailers_are_a_flood(void **state)
{
    static const char trailer[] = "\x00\x0e"
                                  "content-length"
                                  "\x01"
                                  "1";

    (void)state;
    pair.is_deaf = true;
    for (int32_t i = 0; i < 200 && !pair.is_closed; i++) {
        h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 2 * i + 1, get, sizeof(get) - 1);
        h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                      2 * i + 1, trailer, sizeof(trailer) - 1);
        h2_pair_run();
        pair.leg_count = 0;
    }
    assert_non_null(strstr(log_text(&pair.log), "violation http2.provoked_reset_flood;"));
}

/* --- Nothing is kept for ever ----------------------------------------------------------------- */

static void an_end_that_no_window_takes_is_a_write_timeout(void **state)
{
    (void)state;
    peer_settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 0);
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_end(0);
    h2_pair_release(0);
    h2_pair_run();
    clear_logs();
    assert_int_equal(h2_conn_leg_count(pair.conn), 1);
    fake_advance(pair.transport, 700);
    h2_pair_run();
    assert_int_equal(h2_conn_leg_count(pair.conn), 0);
    assert_non_null(strstr(log_text(&pair.peer_log), "reset 1 8;"));
}

static void grpc_does_not_hold_back_the_end_of_no_content(void **state)
{
    static const char *const extra[] = { "content-type", "application/grpc", "content-length", "0",
                                         NULL };

    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "", extra);
    h2_pair_run();
    assert_string_equal(log_text(&pair.log), "");
    fake_advance(pair.transport, 500);
    h2_pair_run();
    assert_non_null(strstr(log_text(&pair.log), "refused 408"));
}

static void what_cannot_leave_any_more_is_not_kept(void **state)
{
    (void)state;
    h2_pair_open();
    h2_pair_send_request(0, "POST", BODY_CHUNKED, false);
    h2_pair_run();
    pair.is_deaf = true; /* opens no window */
    h2_pair_send_body(0, large);
    h2_pair_run();
    assert_true(pair.legs[0]->ops->is_above_high(pair.legs[0]));
    h2_pair_respond(1, "200", true);
    h2_pair_run();
    CHECK(nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, 1, NGHTTP2_NO_ERROR) == 0);
    h2_pair_run();
    assert_false(pair.legs[0]->ops->is_above_high(pair.legs[0]));
    h2_pair_send_body(0, large);
    assert_false(pair.legs[0]->ops->is_above_high(pair.legs[0]));
}

/* --- The connection's window is never lost ---------------------------------------------------- */

/* Twelve windows of a stream each way that ends badly; the connection's window is 16 of them. */
static void bodies_for_nobody_do_not_close_the_window(void **state)
{
    static const char *const expects_three[] = { "content-length", "3", NULL };
    int32_t full = 0;

    (void)state;
    for (unsigned round = 0; round < 160; round++) {
        int32_t id;

        pair.is_peer_body_open = true;
        pair.pauses = round % 4 == 0;
        pair.answers = round % 4 == 2;
        pair.leg_count = 0;
        id = h2_pair_request("POST", "/", large, round % 4 == 3 ? expects_three : NULL);
        h2_pair_run();
        if (round % 4 < 2 && round % 8 < 4) {
            h2_pair_release(0); /* with what is held */
        } else {
            (void)nghttp2_submit_rst_stream(pair.peer, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        }
        h2_pair_run();
        h2_pair_run();
        assert_false(pair.is_closed);
        full = nghttp2_session_get_remote_window_size(pair.peer);
        assert_int_equal(h2_conn_leg_count(pair.conn), 0);
        fake.now_ms += 1000;
    }
    assert_true(full > (int32_t)LIMIT_H2_CONNECTION_WINDOW_BYTES / 2 - 65536);
}

/* What was under way when we gave up its stream: frames full of bytes, and nobody's fault. */
static void bodies_under_way_are_no_flood(void **state)
{
    (void)state;
    pair.is_deaf = true; /* its library knows nothing of the streams */
    for (size_t i = 0; i < 400; i++) {
        int32_t id = (int32_t)(2 * (i / 50) + 1);

        if (i % 50 == 0) {
            h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, id, get, sizeof(get) - 1);
            pair.leg_count = 0;
            h2_pair_run();
            h2_pair_release(0);
            h2_pair_run();
        }
        h2_pair_frame(NGHTTP2_DATA, 0, id, large, 512);
        h2_pair_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, id, "\x02some\0\0", 7);
        h2_pair_run();
    }
    assert_null(strstr(log_text(&pair.log), "violation"));
    for (size_t i = 0; i < 400 && !pair.is_closed; i++) {
        bool is_padded = i % 2 != 0;

        h2_pair_frame(NGHTTP2_DATA, is_padded ? NGHTTP2_FLAG_PADDED : 0, 15, "\x03\0\0\0",
                      is_padded ? 4 : 0);
        h2_pair_run();
    }
    assert_non_null(strstr(log_text(&pair.log), "violation http2.empty_frame_flood;"));
}

/* An upstream goes on sending what a client has cancelled, until it hears of it: its other streams, of
 * other clients, live on. */
static void responses_under_way_are_no_flood(void **state)
{
    (void)state;
    h2_pair_open();
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_run();
    h2_pair_respond(1, "200", false);
    pair.is_peer_body_open = true;
    h2_pair_run();
    h2_pair_release(0);
    for (size_t i = 0; i < 400; i++) {
        h2_pair_frame(NGHTTP2_DATA, 0, 1, large, 512);
    }
    (void)h2_pair_to_us();
    assert_null(strstr(log_text(&pair.log), "violation"));
}

/* --- Honest and slow -------------------------------------------------------------------------- */

/* RFC 7540 5.3: a stream waits as long as the one it depends on has something to send. It is not the
 * client that keeps it waiting. */
static void a_stream_that_waits_for_another_is_not_stalled(void **state)
{
    nghttp2_priority_spec behind_first;
    nghttp2_nv list[] = { h2_pair_nv(":method", "GET"), h2_pair_nv(":scheme", "http"),
                          h2_pair_nv(":authority", "a.com"), h2_pair_nv(":path", "/") };

    (void)state;
    peer_settings(NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, 1 << 20);
    h2_pair_request("GET", "/first", NULL, NULL);
    nghttp2_priority_spec_init(&behind_first, 1, 16, 0);
    CHECK(nghttp2_submit_request(pair.peer, &behind_first, list, 4, NULL, NULL) == 3);
    h2_pair_run();
    for (size_t i = 0; i < 2; i++) {
        h2_pair_send_head(i, 200, BODY_CHUNKED, 0, false);
        h2_pair_send_body(i, large);
    }
    pair.is_deaf = true;
    h2_pair_run();
    clear_logs();
    for (unsigned i = 0; i < 10; i++) {
        static const char update[] = { 0, 0, 0x40, 0 };

        fake_advance(pair.transport, 300);
        h2_pair_frame(NGHTTP2_WINDOW_UPDATE, 0, 0, update, sizeof(update));
        (void)h2_pair_to_us();
    }
    assert_null(strstr(log_text(&pair.log), "write timeout"));
    /* Nothing moves any more: both are stalled now. */
    fake_advance(pair.transport, 700);
    fake_advance(pair.transport, 700);
    assert_non_null(strstr(log_text(&pair.log), "end 0 write timeout;"));
    assert_non_null(strstr(log_text(&pair.log), "end 1 write timeout;"));
}

/* Reads that all end inside of a block, each of another request. */
static void blocks_one_after_another_are_not_late(void **state)
{
    (void)state;
    pair.answers = true;
    for (int32_t i = 0; i < 20; i++) {
        h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM,
                      2 * i + 1, get, sizeof(get) - 1);
    }
    struct text all = pair.raw;
    size_t frame = all.len / 20;

    pair.raw = (struct text){ 0 };
    for (size_t at = 0; at < all.len; at += frame) {
        size_t from = at == 0 ? 0 : at - 3;

        fake_receive(pair.transport, str_from(all.ptr + from, at + frame - 3 - from));
        fake_advance(pair.transport, 300);
    }
    assert_int_equal(pair.leg_count, 19);
    assert_null(strstr(log_text(&pair.log), "refused"));
    text_cleanup(&all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_stream_too_many_never_begins, setup_server, teardown),
        cmocka_unit_test_setup_teardown(lr_11_a_field_that_cannot_be_is_refused, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(lr_11_what_was_refused_does_not_begin_later, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(cn_40_resets_provoked_by_trailers_are_a_flood, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_end_that_no_window_takes_is_a_write_timeout,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(grpc_does_not_hold_back_the_end_of_no_content, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_cannot_leave_any_more_is_not_kept, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(bodies_for_nobody_do_not_close_the_window, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(bodies_under_way_are_no_flood, setup_server, teardown),
        cmocka_unit_test_setup_teardown(responses_under_way_are_no_flood, setup_client, teardown),
        cmocka_unit_test_setup_teardown(a_stream_that_waits_for_another_is_not_stalled,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(blocks_one_after_another_are_not_late, setup_server,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
