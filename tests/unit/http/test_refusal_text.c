/* refusal_text: what a refused request is told, whatever its version. */
#include "gateway/http/refusal_text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void lr_10_to_lr_18(void **state)
{
    static const struct {
        struct refusal refusal;
        const char *text;
    } rows[] = {
        { { 400, "missing_host_header" }, "" },
        { { 400, "http1.codec_error" }, "Bad Request" },
        { { 403, "upgrade_failed" }, "" },
        { { 404, "missing_path_rejected" }, "" },
        { { 408, "request_header_timeout" }, "request header timeout" },
        { { 408, "request_overall_timeout" }, "request timeout" },
        { { 417, "http1.expectation_failed" }, "Expectation Failed" },
        { { 426, "low_version" }, "" },
        { { 431, "http2.too_many_headers" }, "Request Header Fields Too Large" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(str_equals(refusal_text(&rows[i].refusal), str_from_cstr(rows[i].text)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lr_10_to_lr_18),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
