/* format: operators of spec OB-10, their absence, their truncation, and what is refused. */
#include "gateway/observe/format.h"

#include "gateway/base/limits.h"

#include <stdlib.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

struct header {
    enum format_headers which;
    const char *name;
    const char *value;
};

static const struct header headers[] = {
    { FORMAT_REQUEST_HEADERS, "user-agent", "curl/8 \"x\"" },
    { FORMAT_REQUEST_HEADERS, "x-empty", "" },
    { FORMAT_REQUEST_HEADERS, "x-evil", "a\nb\x1b" },
    { FORMAT_RESPONSE_HEADERS, "server", "istio-envoy" },
    { FORMAT_RESPONSE_TRAILERS, "grpc-status", "5" },
};

static struct str find_header(const void *source, enum format_headers which, struct str name,
                              struct text *scratch)
{
    (void)source;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        if (headers[i].which == which && str_equals_nocase(str_from_cstr(headers[i].name), name)) {
            text_add_cstr(scratch, headers[i].value);
            return text_view(scratch);
        }
    }
    return str_from(NULL, 0);
}

static struct format_record sample(void)
{
    return (struct format_record){
        .start_wall_us = UINT64_C(1767323045678901),
        .duration_us = 12999,
        .request_duration_us = 1000,
        .response_duration_us = 5999,
        .upstream_service_us = 4500,
        .method = STR("GET"),
        .original_path = STR("/old?x=1"),
        .path = STR("/new?x=1"),
        .authority = STR("a.example.com"),
        .scheme = STR("https"),
        .protocol = STR("HTTP/1.1"),
        .response_code = 200,
        .response_flags = FLAG_BIT(URX) | FLAG_BIT(UF),
        .response_code_details = STR("via upstream"),
        .bytes_received = 3,
        .bytes_sent = 4,
        .upstream_host = STR("[2001:db8::1]:8080"),
        .upstream_cluster = STR("outbound|80||a.ns.svc.cluster.local"),
        .upstream_attempt_count = 2,
        .downstream_remote_address = STR("10.0.0.9:4711"),
        .downstream_local_address = STR("10.0.0.1:443"),
        .connection_id = 7,
        .find_header = find_header,
    };
}

static void broken_forms_are_refused(void **state)
{
    static const struct {
        const char *source;
        const char *said;
    } cases[] = {
        { "%NO_SUCH%", "unknown operator %NO_SUCH%" },
        { "%protocol%", "neither an operator" },
        { "%PROTOCOL", "neither an operator" },
        { "100%", "neither an operator" },
        { "%", "neither an operator" },
        { "%%%", "neither an operator" },
        { "%REQ%", "needs an argument" },
        { "%REQ()%", "needs an argument" },
        { "%REQ(?:PATH)%", "not a header name" },
        { "%REQ(a?)%", "not a header name" },
        { "%REQ(a?b?c)%", "not a header name" },
        { "%REQ(a%", "parenthesis is not closed" },
        { "%REQ(a)", "neither an operator" },
        { "%REQ(a):%", "a number has to follow" },
        { "%REQ(a):x%", "a number has to follow" },
        { "%REQ(a):99999999999%", "a number has to follow" },
        { "%PROTOCOL(x)%", "takes no argument" },
        { "%START_TIME(%Q)%", "unknown conversion" },
        { "%START_TIME(%)%", "unknown conversion" },
        { "%START_TIME(%3)%", "unknown conversion" },
        { "%ENVIRONMENT%", "needs an argument" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct arena *arena = arena_new(256);
        struct err err = { 0 };

        assert_null(format_compile(arena, str_from_cstr(cases[i].source), &err));
        assert_int_equal(err.code, ERR_INPUT);
        if (strstr(err.text, cases[i].said) == NULL) {
            fail_msg("%s: %s", cases[i].source, err.text);
        }
        arena_free(arena);
    }
}

static void check_value(const char *source, struct format_record *record, const char *expected)
{
    struct arena *arena = arena_new(256);
    struct err err = { 0 };
    struct format *format = format_compile(arena, str_from_cstr(source), &err);
    struct text out = { 0 };

    if (format == NULL) {
        fail_msg("%s: %s", source, err.text);
        return;
    }
    format_evaluate(format, record, STR("-"), &out);
    if (strcmp(out.ptr, expected) != 0) {
        fail_msg("%s: got \"%s\", not \"%s\"", source, out.ptr, expected);
    }
    text_cleanup(&out);
    arena_free(arena);
}

/* OB-10, OB-11, OB-12, OB-13 */
static void operators_give_their_values(void **state)
{
    static const struct {
        const char *source;
        const char *expected;
    } cases[] = {
        { "100%% %PROTOCOL%", "100% HTTP/1.1" },
        { "%START_TIME%", "2026-01-02T03:04:05.678Z" },
        { "%START_TIME(%Y/%m/%dT%H:%M:%S%z %s)%", "2026/01/02T03:04:05+0000 1767323045" },
        { "%START_TIME(%s.%3f %6f %9f %f)%", "1767323045.678 678901 678901000 678901" },
        { "%START_TIME(%b %a %j %D %y%%)%", "Jan Fri 002 01/02/26 26%" },
        { "%REQ(:METHOD)% %REQ(:AUTHORITY)% %REQ(:SCHEME)%", "GET a.example.com https" },
        { "%REQ(:PATH)%", "/new?x=1" },
        { "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%", "/old?x=1" },
        { "%REQ(User-Agent):4%", "curl" },
        { "%REQ(none?USER-AGENT)%", "curl/8 \"x\"" },
        { "%REQ(none)%", "-" },
        { "%REQ(x-empty)%", "" },
        { "%RESP(:STATUS)% %RESP(Server)% %TRAILER(grpc-status)%", "200 istio-envoy 5" },
        { "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)%", "4" },
        { "%RESPONSE_CODE% %RESPONSE_FLAGS%", "200 UF,URX" },
        { "%RESPONSE_FLAGS_LONG%", "UpstreamConnectionFailure,UpstreamRetryLimitExceeded" },
        { "%RESPONSE_CODE_DETAILS%", "via_upstream" },
        { "%CONNECTION_TERMINATION_DETAILS%", "-" },
        { "%BYTES_RECEIVED% %BYTES_SENT%", "3 4" },
        { "%DURATION% %REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION%", "12 1 5 7" },
        { "%UPSTREAM_CLUSTER_RAW%", "outbound|80||a.ns.svc.cluster.local" },
        { "%UPSTREAM_REMOTE_ADDRESS%", "[2001:db8::1]:8080" },
        { "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %UPSTREAM_REMOTE_PORT%", "2001:db8::1 8080" },
        { "%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "2 7" },
        { "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%", "10.0.0.9" },
        { "%DOWNSTREAM_LOCAL_PORT%", "443" },
        { "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%", "-" },
        { "%DOWNSTREAM_PEER_SUBJECT%%DOWNSTREAM_TLS_SESSION_ID%", "--" },
        { "%ENVIRONMENT(FORMAT_TEST)%:%ENVIRONMENT(FORMAT_TEST_NOT)%", "here:-" },
    };
    struct format_record record = sample();

    (void)state;
    assert_int_equal(setenv("FORMAT_TEST", "here", 1), 0);
    (void)unsetenv("FORMAT_TEST_NOT");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_value(cases[i].source, &record, cases[i].expected);
    }
}

/* A request answered here has no forwarded path; what did not happen is absent. */
static void absent_values(void **state)
{
    struct format_record record = {
        .duration_us = UINT64_MAX,
        .request_duration_us = UINT64_MAX,
        .response_duration_us = UINT64_MAX,
        .upstream_service_us = UINT64_MAX,
        .original_path = STR("/p"),
    };

    (void)state;
    check_value("%REQ(:PATH)% %REQ(X-ENVOY-ORIGINAL-PATH)%", &record, "/p -");
    check_value("%DURATION% %RESPONSE_TX_DURATION%", &record, "- -");
    check_value("%RESPONSE_CODE% %RESP(:STATUS)% %RESPONSE_FLAGS%", &record, "0 - -");
    check_value("%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% %REQ(a?b)%", &record, "- -");
}

static void a_log_line_cannot_be_forged(void **state)
{
    struct arena *arena = arena_new(256);
    struct format_record record = sample();
    struct format *format =
        format_compile(arena, STR("\"%REQ(X-EVIL)%\" \"%REQ(USER-AGENT)%\" %REQ(X-EMPTY)%"), NULL);
    struct text out = { 0 };

    (void)state;
    format_evaluate_log(format, &record, &out);
    assert_string_equal(out.ptr, "\"a\\nb\\x1b\" \"curl/8 \\\"x\\\"\" -");
    text_cleanup(&out);
    arena_free(arena);
}

static void a_long_value_is_cut_in_a_log(void **state)
{
    static char path[100000];
    struct arena *arena = arena_new(256);
    struct format *format = format_compile(arena, STR("%REQ(:PATH)%"), NULL);
    struct format_record record = { 0 };
    struct text out = { 0 };

    (void)state;
    memset(path, 'x', sizeof(path));
    record.path = str_from(path, sizeof(path));
    format_evaluate_log(format, &record, &out);
    assert_int_equal(out.len, LIMIT_LOG_VALUE_BYTES);
    text_clear(&out);
    format_evaluate(format, &record, STR("-"), &out);
    assert_int_equal(out.len, sizeof(path));
    text_cleanup(&out);
    arena_free(arena);
}

/* HT-88: most header values are plain. */
static void plain_text_is_known_as_such(void **state)
{
    struct arena *arena = arena_new(256);
    struct str literal = { 0 };

    (void)state;
    assert_true(format_is_literal(format_compile(arena, STR("a%%b"), NULL), &literal));
    assert_true(str_equals(literal, STR("a%b")));
    assert_true(format_is_literal(format_compile(arena, STR(""), NULL), &literal));
    assert_int_equal(literal.len, 0);
    assert_false(format_is_literal(format_compile(arena, STR("%PROTOCOL%"), NULL), &literal));
    arena_free(arena);
}

/* OB-14 */
static void flags_are_printed_in_order(void **state)
{
    struct text out = { 0 };

    (void)state;
    format_response_flags(0, &out);
    assert_string_equal(out.ptr, "-");
    text_clear(&out);
    format_response_flags((UINT64_C(1) << RESPONSE_FLAG_COUNT) - 1, &out);
    assert_non_null(strstr(out.ptr, "LH,UH,UT,LR,UR,UF,UC,UO,NR,DI,FI,RL,UAEX,RLSE,DC,URX,SI,IH,"
                                    "DPE,UMSDR,RFCF,NFCF,DT,UPE,NC,OM,DF,DO,DR,UDO"));
    text_cleanup(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_forms_are_refused),
        cmocka_unit_test(operators_give_their_values),
        cmocka_unit_test(absent_values),
        cmocka_unit_test(a_log_line_cannot_be_forged),
        cmocka_unit_test(a_long_value_is_cut_in_a_log),
        cmocka_unit_test(plain_text_is_known_as_such),
        cmocka_unit_test(flags_are_printed_in_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
