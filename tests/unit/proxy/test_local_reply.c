/* Tests of gateway/proxy/local_reply.c: LR-4, LR-20, LR-23 to LR-31, HT-61. */
#include "gateway/proxy/local_reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static void assert_str(struct str view, const char *expected)
{
    assert_int_equal(view.len, strlen(expected));
    assert_memory_equal(view.ptr, expected, view.len);
}

static void assert_header(const struct head *head, const char *name, const char *value)
{
    const struct header *header = headers_find(&head->headers, str_from_cstr(name));

    if (value == NULL) {
        assert_null(header);
        return;
    }
    assert_non_null(header);
    assert_str(header->value, value);
}

static void test_empty_body_has_no_type_LR_24(void **state)
{
    struct local_reply reply;
    struct head head;

    (void)state;
    local_reply_from_outcome(&reply, OUTCOME_ROUTE_NOT_FOUND, &(struct local_reply_reset){ 0 },
                             arena);
    struct str body = local_reply_build(&reply, METHOD_GET, &head, arena);
    assert_int_equal(body.len, 0);
    assert_int_equal(head.status, 404);
    assert_int_equal(head.framing, BODY_LENGTH);
    assert_int_equal(head.content_length, 0);
    assert_header(&head, "content-type", NULL);
    assert_str(head.reason, "Not Found");
}

static void test_text_has_type_and_length_LR_24(void **state)
{
    struct local_reply reply;
    struct head head;

    (void)state;
    local_reply_from_outcome(&reply, OUTCOME_NO_HEALTHY_UPSTREAM, &(struct local_reply_reset){ 0 },
                             arena);
    assert_str(local_reply_build(&reply, METHOD_GET, &head, arena), "no healthy upstream");
    assert_int_equal(head.content_length, 19);
    assert_true(head.has_content_length);
    assert_header(&head, "content-type", "text/plain");
}

static void test_head_gets_the_length_only_LR_26(void **state)
{
    struct local_reply reply = { .status = 200, .body = STR("hello") };
    struct head head;

    (void)state;
    assert_int_equal(local_reply_build(&reply, METHOD_HEAD, &head, arena).len, 0);
    assert_int_equal(head.content_length, 5);
    assert_header(&head, "content-type", "text/plain");
}

static void test_a_status_without_body(void **state)
{
    static const unsigned statuses[] = { 204, 304 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct local_reply reply = { .status = statuses[i], .body = STR("hello") };
        struct head head;
        assert_int_equal(local_reply_build(&reply, METHOD_GET, &head, arena).len, 0);
        assert_int_equal(head.framing, BODY_NONE);
        assert_header(&head, "content-type", NULL);
    }
}

static void test_reset_bodies_LR_20(void **state)
{
    static const struct {
        enum outcome_id id;
        bool is_retried;
        const char *failure;
        const char *body;
    } rows[] = {
        { OUTCOME_UPSTREAM_CLOSED, false, "",
          "upstream connect error or disconnect/reset before headers. "
          "reset reason: connection termination" },
        { OUTCOME_CONNECT_FAILED, true, "delayed connect error: 111",
          "upstream connect error or disconnect/reset before headers. "
          "retried and the latest reset reason: remote connection failure, "
          "transport failure reason: delayed connect error: 111" },
        { OUTCOME_CONNECT_TIMEOUT, true, "",
          "upstream connect error or disconnect/reset before headers. "
          "retried and the latest reset reason: connection timeout" },
        { OUTCOME_UPSTREAM_PROTOCOL_ERROR, false, "",
          "upstream connect error or disconnect/reset before headers. "
          "reset reason: protocol error" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct local_reply_reset reset = { rows[i].is_retried, str_from_cstr(rows[i].failure) };
        struct local_reply reply;
        local_reply_from_outcome(&reply, rows[i].id, &reset, arena);
        assert_str(reply.body, rows[i].body);
    }
}

static void test_overflow_says_so_LR_4(void **state)
{
    struct local_reply reply;
    struct head head;

    (void)state;
    local_reply_from_outcome(&reply, OUTCOME_UPSTREAM_OVERFLOW, &(struct local_reply_reset){ 0 },
                             arena);
    (void)local_reply_build(&reply, METHOD_GET, &head, arena);
    assert_int_equal(head.status, 503);
    assert_header(&head, "x-envoy-overloaded", "true");
}

static void test_details_of_resets_LR_23(void **state)
{
    (void)state;
    assert_str(
        local_reply_reset_details(outcome_get(OUTCOME_UPSTREAM_CLOSED), STR(""), false, arena),
        "upstream_reset_before_response_started{connection_termination}");
    assert_str(
        local_reply_reset_details(outcome_get(OUTCOME_UPSTREAM_CLOSED), STR(""), true, arena),
        "upstream_reset_after_response_started{connection_termination}");
    assert_str(local_reply_reset_details(outcome_get(OUTCOME_CONNECT_FAILED),
                                         STR("delayed connect error: 111"), false, arena),
               "upstream_reset_before_response_started{remote_connection_failure,"
               "delayed_connect_error:_111}");
}

static void test_grpc_gets_trailers_only_LR_30_LR_31(void **state)
{
    static const struct {
        unsigned status;
        const char *grpc_status;
    } rows[] = {
        { 400, "13" }, { 401, "16" }, { 403, "7" },  { 404, "12" }, { 429, "14" },
        { 502, "14" }, { 503, "14" }, { 504, "14" }, { 500, "2" },  { 301, "2" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct local_reply reply = { .status = rows[i].status,
                                     .body = STR("50% off\n"),
                                     .is_grpc = true };
        struct head head;
        assert_int_equal(local_reply_build(&reply, METHOD_POST, &head, arena).len, 0);
        assert_int_equal(head.status, 200);
        assert_header(&head, "content-type", "application/grpc");
        assert_header(&head, "grpc-status", rows[i].grpc_status);
        assert_header(&head, "grpc-message", "50%25 off%0A");
        assert_int_equal(head.framing, BODY_NONE); /* HTTP/2: no length beside END_STREAM */
        assert_false(head.has_content_length);
    }
}

static void test_a_redirect_has_its_location_HT_58(void **state)
{
    struct local_reply reply = { .status = 301, .location = STR("https://a.com/x") };
    struct head head;

    (void)state;
    assert_int_equal(local_reply_build(&reply, METHOD_GET, &head, arena).len, 0);
    assert_header(&head, "location", "https://a.com/x");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_empty_body_has_no_type_LR_24),
        CASE(test_text_has_type_and_length_LR_24),
        CASE(test_head_gets_the_length_only_LR_26),
        CASE(test_a_status_without_body),
        CASE(test_reset_bodies_LR_20),
        CASE(test_overflow_says_so_LR_4),
        CASE(test_details_of_resets_LR_23),
        CASE(test_grpc_gets_trailers_only_LR_30_LR_31),
        CASE(test_a_redirect_has_its_location_HT_58),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
