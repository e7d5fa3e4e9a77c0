/* status: reason phrases, and the gRPC code of a local reply (spec LR-31). */
#include "gateway/http/status.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void unknown_codes_have_a_reason_too(void **state)
{
    static const unsigned codes[] = { 0, 1, 99, 199, 299, 418, 499, 599, 600, 999, 4000000000u };

    (void)state;
    for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
        assert_true(str_equals(status_reason(codes[i]), STR("Unknown")));
    }
}

static void registered_codes_have_theirs(void **state)
{
    (void)state;
    assert_true(str_equals(status_reason(100), STR("Continue")));
    assert_true(str_equals(status_reason(404), STR("Not Found")));
    assert_true(str_equals(status_reason(426), STR("Upgrade Required")));
    assert_true(str_equals(status_reason(431), STR("Request Header Fields Too Large")));
    assert_true(str_equals(status_reason(511), STR("Network Authentication Required")));
}

static void lr_31_local_replies_map_to_grpc_codes(void **state)
{
    static const struct {
        unsigned status;
        unsigned grpc;
    } cases[] = {
        { 0, 2 },    { 200, 2 },  { 301, 2 },  { 408, 2 },  { 409, 2 },
        { 500, 2 },  { 999, 2 },  { 400, 13 }, { 401, 16 }, { 403, 7 },
        { 404, 12 }, { 429, 14 }, { 502, 14 }, { 503, 14 }, { 504, 14 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(status_to_grpc(cases[i].status), cases[i].grpc);
    }
}

static void grpc_codes_map_back(void **state)
{
    (void)state;
    assert_int_equal(status_from_grpc(17), 500);
    assert_int_equal(status_from_grpc(UINT32_MAX), 500);
    assert_int_equal(status_from_grpc(GRPC_OK), 200);
    assert_int_equal(status_from_grpc(GRPC_UNAVAILABLE), 503);
    assert_int_equal(status_from_grpc(GRPC_UNAUTHENTICATED), 401);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_codes_have_a_reason_too),
        cmocka_unit_test(registered_codes_have_theirs),
        cmocka_unit_test(lr_31_local_replies_map_to_grpc_codes),
        cmocka_unit_test(grpc_codes_map_back),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
