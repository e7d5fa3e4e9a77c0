/* h2_send: heads, interim responses, trailers and refusals as they leave. Spec CN-41, LR-13, LR-26. */
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

static int teardown(void **state)
{
    (void)state;
    h2_pair_stop();
    return 0;
}

static void interim_heads_come_first(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 100, BODY_NONE, 0, false);
    h2_pair_send_head(0, 103, BODY_NONE, 0, false);
    h2_pair_send_head(0, 204, BODY_NONE, 0, true);
    h2_pair_release(0);
    h2_pair_run();
    assert_peer(":status=100,head 1;:status=103,head 1;:status=204,head 1 end;");
}

static void lr_26_head_has_a_length_and_no_body(void **state)
{
    (void)state;
    h2_pair_request("HEAD", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_LENGTH, 7, false);
    h2_pair_send_body(0, "1234567");
    h2_pair_send_end(0);
    h2_pair_run();
    assert_peer(":status=200,content-length=7,head 1 end;");
}

static void cn_41_trailers_end_a_body(void **state)
{
    struct headers trailers;

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    headers_init(&trailers, pair.arena);
    headers_add(&trailers, STR("grpc-status"), STR("0"));
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(0, "abc");
    pair.legs[0]->ops->send_end(pair.legs[0], &trailers);
    h2_pair_run();
    assert_peer(":status=200,head 1;data 1 abc;grpc-status=0,head 1 end;");
    /* The body has left before its end is known. */
    h2_pair_send_head(1, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(1, "abc");
    h2_pair_run();
    pair.legs[1]->ops->send_end(pair.legs[1], &trailers);
    h2_pair_run();
    assert_peer(":status=200,head 3;data 3 abc;grpc-status=0,head 3 end;");
}

static void an_answer_leaves_in_one_write_and_is_counted(void **state)
{
    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_LENGTH, 2, false);
    h2_pair_send_body(0, "ok");
    h2_pair_send_end(0);
    assert_int_equal(pair.transport->sent.len, 0);
    /* What is logged now is what leaves: two frames. */
    uint64_t counted = pair.legs[0]->wire_sent_bytes;

    fake_turn(pair.transport);
    assert_int_equal(pair.transport->sent.len, counted);
    assert_true(pair.legs[0]->wire_received_bytes > 9);
}

/* Sums the DATA frames in what was sent, all of whose bytes must be `byte`. */
static size_t sum_data_of(unsigned char byte, size_t *largest)
{
    const unsigned char *frame = (const unsigned char *)pair.transport->sent.ptr;
    const unsigned char *end = frame + pair.transport->sent.len;
    size_t sum = 0;

    for (size_t len; frame < end; frame += 9 + len) {
        len = (size_t)frame[0] << 16 | (size_t)frame[1] << 8 | frame[2];
        for (size_t i = 0; frame[3] == NGHTTP2_DATA && i < len; i++) {
            assert_int_equal(frame[9 + i], byte);
        }
        if (frame[3] == NGHTTP2_DATA) {
            sum += len;
            *largest = len > *largest ? len : *largest;
        }
    }
    return sum;
}

static void a_part_of_a_body_is_not_needed_once_it_was_handed_in(void **state)
{
    enum { PART = 100 * 1000, WINDOW = 65535 };
    static unsigned char part[PART];
    size_t largest = 0;

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_LENGTH, PART, false);
    memset(part, 'a', sizeof(part));
    pair.legs[0]->ops->send_body(pair.legs[0], part, sizeof(part));
    memset(part, 'b', sizeof(part));
    fake_turn(pair.transport);
    /* As much as the windows let go; a full frame and its header make one TLS record. */
    assert_int_equal(sum_data_of('a', &largest), WINDOW);
    assert_int_equal(largest + 9, LIMIT_TLS_RECORD_BYTES);
    assert_int_equal(pair.legs[0]->ops->queued_bytes(pair.legs[0]), PART - WINDOW);
    h2_pair_send_end(0);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, "end 1;"));
    assert_int_equal(pair.legs[0]->ops->queued_bytes(pair.legs[0]), 0);
}

static void a_part_of_a_body_waits_behind_a_full_transport(void **state)
{
    static unsigned char part[40000];
    size_t largest = 0;

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_CHUNKED, 0, false);
    h2_pair_send_body(0, "small");
    fake_turn(pair.transport);
    text_clear(&pair.transport->sent);
    pair.transport->is_above_high = true;
    memset(part, 'a', sizeof(part));
    pair.legs[0]->ops->send_body(pair.legs[0], part, sizeof(part));
    memset(part, 'b', sizeof(part));
    fake_turn(pair.transport);
    assert_int_equal(pair.transport->sent.len, 0);
    pair.transport->is_above_high = false;
    pair.transport->handler->on_drained(pair.transport->owner);
    fake_turn(pair.transport);
    assert_int_equal(sum_data_of('a', &largest), sizeof(part));
}

static void a_large_body_keeps_its_order(void **state)
{
    enum { PARTS = 40 };
    char part[9000];
    struct text all = { 0 };

    (void)state;
    h2_pair_request("GET", "/", NULL, NULL);
    h2_pair_run();
    h2_pair_send_head(0, 200, BODY_LENGTH, PARTS * sizeof(part), false);
    for (unsigned i = 0; i < PARTS; i++) {
        memset(part, 'a' + (int)(i % 26), sizeof(part));
        pair.legs[0]->ops->send_body(pair.legs[0], (const unsigned char *)part, sizeof(part));
    }
    h2_pair_send_end(0);
    h2_pair_run();
    for (const char *at = pair.peer_log.ptr; (at = strstr(at, "data 1 [")) != NULL; at++) {
        text_add_cstr(&all, "x");
    }
    assert_non_null(strstr(pair.peer_log.ptr, "end 1;"));
    assert_int_equal(pair.peer_body.len, 0);
    assert_true(all.len >= PARTS * sizeof(part) / 16384);
    text_cleanup(&all);
}

static void lr_13_a_head_that_is_too_large_is_answered_431(void **state)
{
    static char value[3000];
    const char *const extra[] = { "x-large", value, NULL };

    (void)state;
    memset(value, 'v', sizeof(value) - 1);
    h2_pair_request("GET", "/", NULL, extra);
    h2_pair_run();
    assert_log("refused 431 http2.headers_too_large GET;idle;");
    assert_non_null(strstr(pair.peer_log.ptr, ":status=431,server=istio-envoy,content-length=31,"
                                              "content-type=text/plain,head 1;"
                                              "data 1 Request Header Fields Too Large;end 1;"));
    /* The connection goes on. */
    text_clear(&pair.log);
    pair.answers = true;
    h2_pair_request("GET", "/next", NULL, NULL);
    h2_pair_run();
    assert_log("0 GET /next end;idle;");
}

static void a_refusal_ends_an_upload_with_no_error(void **state)
{
    static const char *const extra[] = { "expect", "the unexpected", NULL };

    (void)state;
    pair.is_peer_body_open = true;
    h2_pair_request("POST", "/", "some", extra);
    h2_pair_run();
    assert_non_null(strstr(pair.peer_log.ptr, ":status=417,"));
    assert_non_null(strstr(pair.peer_log.ptr, "reset 1 0;"));
    assert_non_null(strstr(pair.log.ptr, "refused 417 "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(interim_heads_come_first, setup_server, teardown),
        cmocka_unit_test_setup_teardown(lr_26_head_has_a_length_and_no_body, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(cn_41_trailers_end_a_body, setup_server, teardown),
        cmocka_unit_test_setup_teardown(an_answer_leaves_in_one_write_and_is_counted, setup_server,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_part_of_a_body_is_not_needed_once_it_was_handed_in,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_part_of_a_body_waits_behind_a_full_transport,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_large_body_keeps_its_order, setup_server, teardown),
        cmocka_unit_test_setup_teardown(lr_13_a_head_that_is_too_large_is_answered_431,
                                        setup_server, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_ends_an_upload_with_no_error, setup_server,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
