/* h2_receive: what a peer may send, frame by frame, and what it gets for what it may not. Spec CN-38, CN-40,
 * LR-11, LR-16, LR-18; RFC 9113 5.1, 5.1.1, 8.1.1. */
#include "tests/unit/support/h2_pair.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* ":method: GET", ":scheme: http", ":path: /", from the static table; ":authority: a". */
#define GET_BLOCK "\x82\x86\x84\x41\x01\x61"
#define BLOCK_BYTES 6

static int setup_server(void **state)
{
    (void)state;
    h2_pair_start(false);
    return 0;
}

static int setup_raw(void **state)
{
    (void)setup_server(state);
    pair.is_raw = true;
    return 0;
}

static int setup_client(void **state)
{
    (void)state;
    h2_pair_start(true);
    h2_pair_open();
    h2_pair_send_request(0, "GET", BODY_NONE, true);
    h2_pair_run();
    text_clear(&pair.peer_log);
    pair.is_raw = true;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_pair_stop();
    return 0;
}

static void get_by_hand(int32_t id)
{
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, id,
                  GET_BLOCK, BLOCK_BYTES);
}

/* The raw frames so far; whether a GOAWAY with this code ended the connection. */
static void assert_goaway(uint32_t code, const char *reason)
{
    struct text expected = { 0 };

    h2_pair_run();
    text_printf(&expected, " %u;", code);
    assert_non_null(pair.peer_log.ptr);
    assert_non_null(strstr(pair.peer_log.ptr, "goaway"));
    assert_non_null(strstr(strstr(pair.peer_log.ptr, "goaway"), expected.ptr));
    text_clear(&expected);
    text_printf(&expected, "violation %s;closed;", reason);
    assert_non_null(strstr(pair.log.ptr, expected.ptr));
    assert_int_equal(pair.transport->state, FAKE_LINGERING);
    text_cleanup(&expected);
}

/* --- Streams that are gone -------------------------------------------------------------------- */

static void data_behind_a_complete_stream_ends_the_connection(void **state)
{
    (void)state;
    pair.answers = true;
    get_by_hand(1);
    h2_pair_run();
    h2_pair_frame(NGHTTP2_DATA, 0, 1, "x", 1);
    assert_goaway(NGHTTP2_STREAM_CLOSED, "http2.stream_closed");
}

static void a_head_behind_a_complete_stream_ends_the_connection(void **state)
{
    (void)state;
    pair.answers = true;
    get_by_hand(1);
    h2_pair_run();
    get_by_hand(1);
    assert_goaway(NGHTTP2_STREAM_CLOSED, "http2.stream_closed");
}

static void a_stream_id_that_goes_down_ends_the_connection(void **state)
{
    (void)state;
    pair.answers = true;
    get_by_hand(5);
    h2_pair_run();
    get_by_hand(3);
    assert_goaway(NGHTTP2_PROTOCOL_ERROR, "http2.stream_id_goes_down");
}

static void data_behind_the_clients_reset_is_a_stream_error(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, GET_BLOCK, BLOCK_BYTES);
    h2_pair_frame(NGHTTP2_RST_STREAM, 0, 1, "\0\0\0\x08", 4);
    h2_pair_frame(NGHTTP2_DATA, 0, 1, "x", 1);
    h2_pair_run();
    assert_peer("reset 1 5;");
    /* A head too, and its block still goes through HPACK: the next one is understood. */
    get_by_hand(1);
    pair.answers = true;
    get_by_hand(3);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 5;"));
    assert_non_null(strstr(pair.peer_log.ptr, "data 3 ok end;"));
    assert_int_equal(pair.transport->state, FAKE_OPEN);
}

static void frames_under_way_when_we_reset_are_passed_over(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, GET_BLOCK, BLOCK_BYTES);
    h2_pair_run();
    h2_pair_release(0);
    h2_pair_run();
    assert_peer("reset 1 8;");
    h2_pair_frame(NGHTTP2_DATA, 0, 1, "x", 1);
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
                  "\x40\x01\x61\x01\x62", 5);
    h2_pair_run();
    assert_peer("");
    assert_int_equal(pair.transport->state, FAKE_OPEN);
}

/* --- Messages --------------------------------------------------------------------------------- */

static void lr_11_a_malformed_request_is_a_stream_error(void **state)
{
    static const char *const rows[][3] = {
        { "connection", "close", NULL },
        { "te", "gzip", NULL },
        { ":late", "v", NULL },
        { "transfer-encoding", "chunked", NULL },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        h2_pair_request("GET", "/", NULL, rows[i]);
        h2_pair_run();
    }
    assert_null(strstr(pair.log.ptr, " GET /"));
    assert_non_null(strstr(pair.log.ptr, "refused 400 http2."));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 3 1;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 5 1;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 7 1;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 1;"));
}

static void a_body_of_another_length_is_a_stream_error(void **state)
{
    static const char *const three[] = { "content-length", "3", NULL };

    (void)state;
    h2_pair_request("POST", "/", "four", three);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 1;"));
    text_clear(&pair.log);
    text_clear(&pair.peer_log);
    h2_pair_request("POST", "/", "of", three);
    h2_pair_run();
    assert_non_null(strstr(pair.log.ptr, "end 0 protocol;"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 3 1;"));
}

static void no_content_is_believed_when_the_stream_ends(void **state)
{
    static const char *const none[] = { "content-length", "0", NULL };

    (void)state;
    h2_pair_request("POST", "/", "a", none);
    h2_pair_run();
    assert_log("idle;");
    assert_peer("reset 1 1;");
    h2_pair_request("POST", "/", "", none);
    h2_pair_run();
    assert_log("0 POST /;complete 0;");
}

static void no_end_of_no_content_is_late(void **state)
{
    static const char *const none[] = { "content-length", "0", NULL };

    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "", none);
    h2_pair_run();
    assert_log("");
    fake_advance(pair.transport, 500);
    h2_pair_run();
    assert_log("refused 408 request_overall_timeout POST;idle;");
    assert_non_null(strstr(pair.peer_log.ptr, ":status=408,"));
}

static void cn_38_a_stream_too_many_is_refused_alone(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 12; i++) {
        get_by_hand(2 * i + 1);
    }
    h2_pair_run();
    assert_int_equal(pair.leg_count, 10);
    assert_peer("reset 21 7;reset 23 7;");
    assert_int_equal(pair.transport->state, FAKE_OPEN);
}

static void trailers_come_behind_the_body(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, GET_BLOCK, BLOCK_BYTES);
    h2_pair_frame(NGHTTP2_DATA, 0, 1, "body", 4);
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
                  "\x40\x01\x61\x01\x62", 5);
    h2_pair_run();
    assert_log("0 GET /;body 0 body;complete 0 a=b;");
}

static void bytes_may_come_one_by_one(void **state)
{
    struct text frames = { 0 };

    (void)state;
    pair.answers = true;
    get_by_hand(1);
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 3, GET_BLOCK, BLOCK_BYTES);
    h2_pair_frame(NGHTTP2_DATA, NGHTTP2_FLAG_END_STREAM, 3, "", 0);
    text_add(&frames, text_view(&pair.raw));
    text_clear(&pair.raw);
    for (size_t i = 0; i < frames.len; i++) {
        fake_receive(pair.transport, str_from(frames.ptr + i, 1));
    }
    h2_pair_run();
    assert_log("0 GET / end;idle;1 GET /;idle;");
    text_cleanup(&frames);
}

/* --- Floods ----------------------------------------------------------------------------------- */

static void cn_40_floods_end_the_connection(void **state)
{
    static const struct {
        uint8_t type;
        uint8_t flags;
        int32_t id;
        const char *payload;
        size_t len;
        const char *reason;
    } rows[] = {
        { NGHTTP2_PING, 0, 0, "12345678", 8, "http2.ping_flood" },
        { NGHTTP2_PING, NGHTTP2_FLAG_ACK, 0, "12345678", 8, "http2.ping_flood" },
        { NGHTTP2_SETTINGS, 0, 0, "", 0, "http2.settings_flood" },
        { NGHTTP2_PRIORITY, 0, 1, "\0\0\0\x03\x10", 5, "http2.priority_flood" },
        { NGHTTP2_WINDOW_UPDATE, 0, 0, "\0\0\0\1", 4, "http2.window_update_flood" },
        { 0xee, 0, 0, "x", 1, "http2.unknown_frame_flood" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        (void)setup_raw(state);
        for (unsigned n = 0; n < 3000; n++) {
            h2_pair_frame(rows[i].type, rows[i].flags, rows[i].id, rows[i].payload, rows[i].len);
        }
        assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, rows[i].reason);
        h2_pair_stop();
    }
}

static void cn_40_empty_data_is_a_flood(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1, GET_BLOCK, BLOCK_BYTES);
    for (unsigned n = 0; n < 60; n++) {
        h2_pair_frame(NGHTTP2_DATA, 0, 1, "", 0);
        h2_pair_frame(NGHTTP2_DATA, NGHTTP2_FLAG_PADDED, 1, "", 1); /* padding alone */
    }
    assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, "http2.empty_frame_flood");
}

static void cn_40_rapid_reset_begins_nothing(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 600; i++) {
        get_by_hand(2 * i + 1);
        h2_pair_frame(NGHTTP2_RST_STREAM, 0, 2 * i + 1, "\0\0\0\x08", 4);
    }
    assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, "http2.reset_flood");
    assert_int_equal(pair.leg_count, 0);
}

static void cn_40_provoked_resets_are_a_flood(void **state)
{
    (void)state;
    for (int32_t i = 0; i < 200; i++) {
        get_by_hand(2 * i + 1);
        h2_pair_frame(NGHTTP2_WINDOW_UPDATE, 0, 2 * i + 1, "\x7f\xff\xff\xff", 4);
    }
    assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, "http2.provoked_reset_flood");
}

static void cn_40_continuations_are_bounded(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, 0, 1, GET_BLOCK, BLOCK_BYTES);
    for (unsigned n = 0; n < 20; n++) {
        h2_pair_frame(NGHTTP2_CONTINUATION, 0, 1, "\x40\x01\x61\x01\x62", 5);
    }
    assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, "http2.continuation_flood");
}

static void a_block_that_unpacks_without_end_is_cut(void **state)
{
    struct text block = { 0 };
    char value[2000];

    (void)state;
    memset(value, 'v', sizeof(value));
    text_add(&block, str_from(GET_BLOCK, BLOCK_BYTES));
    text_add(&block, STR("\x40\x01\x61\x7f\xd1\x0e")); /* "a", a value of 2000 bytes */
    text_add(&block, str_from(value, sizeof(value)));
    for (unsigned n = 0; n < 14000; n++) {
        text_add(&block, STR("\xbe")); /* it again */
    }
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block.ptr,
                  block.len);
    assert_goaway(NGHTTP2_ENHANCE_YOUR_CALM, "http2.header_block_flood");
    text_cleanup(&block);
}

static void lr_18_half_a_block_is_late(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, 0, 1, GET_BLOCK, BLOCK_BYTES);
    h2_pair_run();
    fake_advance(pair.transport, 900);
    h2_pair_frame(NGHTTP2_CONTINUATION, 0, 1, "\x40\x01\x61\x01\x62", 5);
    h2_pair_run();
    assert_log("");
    fake_advance(pair.transport, 100);
    assert_log("refused 408 request_header_timeout;closed;");
    assert_int_equal(pair.transport->state, FAKE_LINGERING);
}

static void a_peer_that_does_not_read_makes_no_queue(void **state)
{
    (void)state;
    pair.transport->is_above_high = true;
    for (unsigned n = 0; n < 60; n++) {
        for (unsigned i = 0; i < 90; i++) {
            h2_pair_frame(NGHTTP2_PRIORITY, 0, 1, "\0\0\0\x03\x10", 5);
        }
        for (unsigned i = 0; i < 3; i++) {
            h2_pair_frame(NGHTTP2_PING, 0, 0, "12345678", 8);
        }
        if (pair.transport->state == FAKE_OPEN) {
            h2_pair_run();
        }
        text_clear(&pair.raw);
    }
    assert_int_not_equal(pair.transport->state, FAKE_OPEN);
}

/* --- Client role ------------------------------------------------------------------------------ */

static void a_malformed_response_is_a_stream_error(void **state)
{
    (void)state;
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1,
                  "\x40\x01\x61\x01\x62", 5); /* no :status */
    h2_pair_run();
    assert_log("end 0 protocol;idle;");
    assert_peer("reset 1 1;");
}

static void a_head_of_many_fields_is_told_as_such(void **state)
{
    struct text block = { 0 };

    (void)state;
    text_add(&block, STR("\x88"));
    for (unsigned n = 0; n < 20; n++) {
        text_add(&block, STR("\x10\x01\x61\x01\x62"));
    }
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS | NGHTTP2_FLAG_END_STREAM, 1, block.ptr,
                  block.len);
    h2_pair_run();
    assert_log("end 0 many;idle;");
    text_cleanup(&block);
}

static void interim_responses_are_bounded(void **state)
{
    (void)state;
    for (unsigned n = 0; n < LIMIT_INTERIM_RESPONSES; n++) {
        h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                      "\x08\x03"
                      "103",
                      5);
    }
    h2_pair_run();
    assert_non_null(strstr(pair.log.ptr, "head 0 103;head 0 103;"));
    text_clear(&pair.log);
    h2_pair_frame(NGHTTP2_HEADERS, NGHTTP2_FLAG_END_HEADERS, 1,
                  "\x08\x03"
                  "103",
                  5);
    h2_pair_run();
    assert_log("end 0 protocol;idle;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(data_behind_a_complete_stream_ends_the_connection,
                                        setup_raw, teardown),
        cmocka_unit_test_setup_teardown(a_head_behind_a_complete_stream_ends_the_connection,
                                        setup_raw, teardown),
        cmocka_unit_test_setup_teardown(a_stream_id_that_goes_down_ends_the_connection, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(data_behind_the_clients_reset_is_a_stream_error, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(frames_under_way_when_we_reset_are_passed_over, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(lr_11_a_malformed_request_is_a_stream_error, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_body_of_another_length_is_a_stream_error, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_content_is_believed_when_the_stream_ends, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(no_end_of_no_content_is_late, setup_server, teardown),
        cmocka_unit_test_setup_teardown(cn_38_a_stream_too_many_is_refused_alone, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(trailers_come_behind_the_body, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(bytes_may_come_one_by_one, setup_raw, teardown),
        cmocka_unit_test(cn_40_floods_end_the_connection),
        cmocka_unit_test_setup_teardown(cn_40_empty_data_is_a_flood, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(cn_40_rapid_reset_begins_nothing, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(cn_40_provoked_resets_are_a_flood, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(cn_40_continuations_are_bounded, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(a_block_that_unpacks_without_end_is_cut, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(lr_18_half_a_block_is_late, setup_raw, teardown),
        cmocka_unit_test_setup_teardown(a_peer_that_does_not_read_makes_no_queue, setup_raw,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_malformed_response_is_a_stream_error, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_head_of_many_fields_is_told_as_such, setup_client,
                                        teardown),
        cmocka_unit_test_setup_teardown(interim_responses_are_bounded, setup_client, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
