/* head: methods, versions, and which responses have no body. */
#include "gateway/http/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_method_in_another_case_is_another_method(void **state)
{
    static const char *const others[] = {
        "", "get", "Get", "GET ", "GETS", "PROPFIND", "CONNECTX"
    };

    (void)state;
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        assert_int_equal(http_method_from(str_from_cstr(others[i])), METHOD_OTHER);
    }
}

static void methods_are_known_with_what_may_be_repeated(void **state)
{
    static const struct {
        const char *name;
        enum http_method method;
        bool is_idempotent;
    } cases[] = {
        { "GET", METHOD_GET, true },          { "HEAD", METHOD_HEAD, true },
        { "POST", METHOD_POST, false },       { "PUT", METHOD_PUT, true },
        { "DELETE", METHOD_DELETE, true },    { "PATCH", METHOD_PATCH, false },
        { "OPTIONS", METHOD_OPTIONS, true },  { "TRACE", METHOD_TRACE, true },
        { "CONNECT", METHOD_CONNECT, false }, { "PURGE", METHOD_OTHER, false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(http_method_from(str_from_cstr(cases[i].name)), cases[i].method);
        assert_int_equal(http_method_is_idempotent(cases[i].method), cases[i].is_idempotent);
    }
}

static void versions_have_names(void **state)
{
    (void)state;
    assert_true(str_equals(http_version_name(HTTP_VERSION_1_0), STR("HTTP/1.0")));
    assert_true(str_equals(http_version_name(HTTP_VERSION_1_1), STR("HTTP/1.1")));
    assert_true(str_equals(http_version_name(HTTP_VERSION_2), STR("HTTP/2")));
}

static void responses_without_a_body(void **state)
{
    (void)state;
    assert_true(head_response_has_no_body(METHOD_HEAD, 200));
    assert_true(head_response_has_no_body(METHOD_GET, 100));
    assert_true(head_response_has_no_body(METHOD_GET, 204));
    assert_true(head_response_has_no_body(METHOD_GET, 304));
    assert_false(head_response_has_no_body(METHOD_GET, 200));
    assert_false(head_response_has_no_body(METHOD_GET, 205));
    assert_false(head_response_has_no_body(METHOD_POST, 500));
}

static void some_of_them_tell_a_length(void **state)
{
    (void)state;
    assert_false(head_response_may_tell_length(METHOD_HEAD, 103));
    assert_false(head_response_may_tell_length(METHOD_HEAD, 204));
    assert_false(head_response_may_tell_length(METHOD_GET, 204));
    assert_true(head_response_may_tell_length(METHOD_HEAD, 200));
    assert_true(head_response_may_tell_length(METHOD_GET, 304));
}

static void a_fresh_head_is_empty(void **state)
{
    struct arena *arena = arena_new(256);
    struct head head;

    (void)state;
    memset(&head, 0xff, sizeof(head));
    head_init(&head, arena);
    assert_int_equal(head.version, HTTP_VERSION_1_1);
    assert_int_equal(head.framing, BODY_NONE);
    assert_int_equal(head.headers.count, 0);
    assert_int_equal(head.path.len, 0);
    assert_ptr_equal(head.headers.arena, arena);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_method_in_another_case_is_another_method),
        cmocka_unit_test(methods_are_known_with_what_may_be_repeated),
        cmocka_unit_test(versions_have_names),
        cmocka_unit_test(responses_without_a_body),
        cmocka_unit_test(some_of_them_tell_a_length),
        cmocka_unit_test(a_fresh_head_is_empty),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
