/* h2_head: field lists of HTTP/2 to heads and back. What is malformed comes first. Spec CN-23, CN-30,
 * CN-31, CN-35, HD-13, LR-10, LR-11, LR-13, LR-14, LR-16, SN-35. RFC 9113 8.1 to 8.5, RFC 8441. */
#include "gateway/http/h2_head.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct arena *arena;
static struct h2_head_reader reader;
static struct head head;

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

/* "name=value|name=value"; the values are handed in from memory that is gone afterwards. */
static void read_fields(enum h2_head_kind kind, const char *fields)
{
    struct str rest = str_from_cstr(fields);
    struct str field;

    h2_head_begin(&reader, kind, DEFAULT_MAX_HEADER_BYTES, DEFAULT_MAX_HEADERS, &head, arena);
    while (rest.len > 0 && str_split_next(&rest, '|', &field)) {
        size_t equals = str_find_char(field, '=');
        char copy[512];

        memcpy(copy, field.ptr, field.len);
        (void)h2_head_add(&reader, str_from(copy, equals),
                          str_from(copy + equals + 1, field.len - equals - 1));
        memset(copy, 'X', sizeof(copy));
    }
}

static bool read_request(const char *fields, bool is_end_stream)
{
    read_fields(H2_HEAD_REQUEST, fields);
    return h2_head_finish(&reader, METHOD_OTHER, false, is_end_stream);
}

static bool read_response(const char *fields, enum http_method method, bool was_upgrade,
                          bool is_end_stream)
{
    read_fields(H2_HEAD_RESPONSE, fields);
    return h2_head_finish(&reader, method, was_upgrade, is_end_stream);
}

static struct str value_of(const char *name)
{
    const struct header *header = headers_find(&head.headers, str_from_cstr(name));

    return header != NULL ? header->value : STR("(none)");
}

#define assert_str(actual, expected) assert_true(str_equals((actual), STR(expected)))

/* --- Malformed -------------------------------------------------------------------------------- */

#define GET_ ":method=GET|:scheme=https|:path=/|:authority=a"

static void lr_11_malformed_requests(void **state)
{
    static const struct {
        const char *fields;
        const char *detail;
    } cases[] = {
        /* RFC 9113 8.2.1 */
        { GET_ "|Accept=x", "http2.invalid_header_field" },
        { GET_ "|=x", "http2.invalid_header_field" },
        { GET_ "|a b=x", "http2.invalid_header_field" },
        { GET_ "|a:b=x", "http2.invalid_header_field" },
        { GET_ "|a\r\nb=x", "http2.invalid_header_field" },
        { GET_ "|caf\xc3\xa9=x", "http2.invalid_header_field" },
        { GET_ "|a=x\r\nb: y", "http2.invalid_header_field" },
        { GET_ "|a=x\ny", "http2.invalid_header_field" },
        { GET_ "|a=x\x01y", "http2.invalid_header_field" },
        { GET_ "|a=x\x7f", "http2.invalid_header_field" },
        { GET_ "|a= x", "http2.invalid_header_field" },
        { GET_ "|a=x ", "http2.invalid_header_field" },
        { GET_ "|a=\tx", "http2.invalid_header_field" },
        { GET_ "|a=x\t", "http2.invalid_header_field" },
        { ":Method=GET|:scheme=https|:path=/|:authority=a", "http2.invalid_header_field" },
        { ":=GET|" GET_, "http2.invalid_header_field" },
        /* RFC 9113 8.3 */
        { GET_ "|:path=/x", "http2.invalid_pseudo_header" },
        { ":path=/x|" GET_, "http2.invalid_pseudo_header" },
        { ":method=|" GET_, "http2.invalid_pseudo_header" },
        { GET_ "|a=x|:protocol=websocket", "http2.invalid_pseudo_header" },
        { ":method=GET|a=x|:scheme=https|:path=/", "http2.invalid_pseudo_header" },
        { GET_ "|:status=200", "http2.invalid_pseudo_header" },
        { GET_ "|:other=x", "http2.invalid_pseudo_header" },
        { ":scheme=https|:path=/|:authority=a", "http2.codec_error" },
        { ":method=|:scheme=https|:path=/|:authority=a", "http2.codec_error" },
        { ":method=G T|:scheme=https|:path=/|:authority=a", "http2.codec_error" },
        { ":method=GET|:path=/|:authority=a", "http2.invalid_scheme" },
        { ":method=GET|:scheme=|:path=/|:authority=a", "http2.invalid_scheme" },
        { ":method=GET|:scheme=ftp|:path=/|:authority=a", "http2.invalid_scheme" },
        { ":method=GET|:scheme=https://b/|:path=/|:authority=a", "http2.invalid_scheme" },
        { ":method=GET|:scheme=https|:path=|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=x|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=*|:authority=a", "http2.invalid_url" },
        { ":method=OPTIONS|:scheme=https|:path=*x|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=http://b/|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=/a b|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=/\xc3\xa9|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=/ HTTP/1.1|:authority=a", "http2.invalid_url" },
        { ":method=GET|:scheme=https|:path=#/|:authority=a", "http2.invalid_url" },
        /* RFC 9113 8.3.1: one host. */
        { ":method=GET|:scheme=https|:path=/|:authority=", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|:authority=|host=a", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|:authority=u@a", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|:authority=a, b", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|:authority=a/b", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|:authority=a:0", "http2.invalid_host" },
        { ":method=GET|:scheme=https|:path=/|host=u@a", "http2.invalid_host" },
        { GET_ "|host=a|host=a", "http2.invalid_host" },
        { GET_ "|host=a, a", "http2.invalid_host" },
        { GET_ "|host=b", "http2.host_mismatch" },
        { GET_ "|host=a:80", "http2.host_mismatch" },
        /* RFC 9113 8.2.2 */
        { GET_ "|connection=close", "http2.connection_specific_header" },
        { GET_ "|keep-alive=1", "http2.connection_specific_header" },
        { GET_ "|proxy-connection=close", "http2.connection_specific_header" },
        { GET_ "|transfer-encoding=chunked", "http2.connection_specific_header" },
        { GET_ "|transfer-encoding=identity", "http2.connection_specific_header" },
        { GET_ "|upgrade=h2c", "http2.connection_specific_header" },
        { GET_ "|te=gzip", "http2.connection_specific_header" },
        { GET_ "|te=trailers, gzip", "http2.connection_specific_header" },
        { GET_ "|te=", "http2.connection_specific_header" },
        /* CN-34's kin: lengths that lie. */
        { GET_ "|content-length=x", "http2.invalid_content_length" },
        { GET_ "|content-length=", "http2.invalid_content_length" },
        { GET_ "|content-length=+1", "http2.invalid_content_length" },
        { GET_ "|content-length=0, 0", "http2.invalid_content_length" },
        { GET_ "|content-length=0|content-length=1", "http2.invalid_content_length" },
        { GET_ "|content-length=1", "http2.invalid_content_length" }, /* END_STREAM */
        { GET_ "|content-length=9223372036854775808", "http2.invalid_content_length" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_good = read_request(cases[i].fields, true);

        if (is_good || reader.refusal.status != 400 || !h2_head_is_malformed(&reader) ||
            strcmp(reader.refusal.detail, cases[i].detail) != 0) {
            fail_msg("%s: %s", cases[i].fields, is_good ? "accepted" : reader.refusal.detail);
        }
    }
}

static void nul_bytes_are_malformed(void **state)
{
    (void)state;
    read_fields(H2_HEAD_REQUEST, GET_);
    assert_false(h2_head_add(&reader, STR("a"), STR("x\0y")));
    assert_true(h2_head_is_malformed(&reader));
    assert_false(h2_head_add(&reader, STR("b"), STR("y"))); /* it stays refused */
    assert_false(h2_head_finish(&reader, METHOD_OTHER, false, true));
    assert_string_equal(reader.refusal.detail, "http2.invalid_header_field");
    assert_str(head.path, "/"); /* known, for a log line */
    read_fields(H2_HEAD_REQUEST, GET_);
    assert_false(h2_head_add(&reader, STR("a\0b"), STR("x")));
}

/* Well-formed, and not served: these are answered. */
static void requests_that_are_answered(void **state)
{
    static const struct {
        const char *fields;
        unsigned status;
        const char *detail;
    } cases[] = {
        { ":method=GET|:scheme=https|:authority=a", 404, "missing_path_rejected" }, /* LR-16 */
        { ":method=GET|:scheme=https|:path=/", 400, "missing_host_header" }, /* LR-10, SN-35 */
        { ":method=GET|:scheme=https|:path=/|host=", 400, "missing_host_header" },
        { ":method=CONNECT|:authority=a:80", 403, "upgrade_failed" }, /* CN-31 */
        { ":method=CONNECT|:protocol=foo|:scheme=https|:path=/|:authority=a", 403,
          "upgrade_failed" }, /* CN-30, LR-14 */
        { ":method=CONNECT|:protocol=websocket|:scheme=https|:path=/|:authority=a|"
          "content-length=3",
          403, "upgrade_failed" },
        { GET_ "|expect=x", 417, "http2.expectation_failed" },
        { ":method=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA|:scheme=https|:path=/|:authority=a", 501,
          "http2.method_too_long" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_good = read_request(cases[i].fields, false);

        if (is_good || reader.refusal.status != cases[i].status || h2_head_is_malformed(&reader) ||
            strcmp(reader.refusal.detail, cases[i].detail) != 0) {
            fail_msg("%s: %s", cases[i].fields, is_good ? "accepted" : reader.refusal.detail);
        }
    }
}

static void malformed_tunnels(void **state)
{
    static const char *const cases[] = {
        ":method=CONNECT",
        ":method=CONNECT|:authority=",
        ":method=CONNECT|:authority=a:80|:path=/",
        ":method=CONNECT|:authority=a:80|:scheme=https",
        ":method=GET|:protocol=websocket|:scheme=https|:path=/|:authority=a",
        ":method=CONNECT|:protocol=|:scheme=https|:path=/|:authority=a",
        ":method=CONNECT|:protocol=web socket|:scheme=https|:path=/|:authority=a",
        ":method=CONNECT|:protocol=websocket|:path=/|:authority=a",
        ":method=CONNECT|:protocol=websocket|:scheme=https|:path=*|:authority=a",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (read_request(cases[i], false) || !h2_head_is_malformed(&reader)) {
            fail_msg("%s", cases[i]);
        }
    }
    assert_false(read_request(
        ":method=CONNECT|:protocol=websocket|:scheme=https|:path=/|:authority=a", true));
    assert_string_equal(reader.refusal.detail, "http2.tunnel_without_stream");
    assert_false(read_request(":method=TRACE|:scheme=https|:path=/|:authority=a", false));
    assert_string_equal(reader.refusal.detail, "http2.body_disallowed");
}

static void cn_35_limits_count_every_field(void **state)
{
    (void)state;
    h2_head_begin(&reader, H2_HEAD_REQUEST, 1000, 3, &head, arena);
    assert_true(h2_head_add(&reader, STR(":method"), STR("GET")));
    assert_true(h2_head_add(&reader, STR("a"), STR("")));
    assert_true(h2_head_add(&reader, STR("a"), STR("")));
    assert_false(h2_head_add(&reader, STR("a"), STR("")));
    assert_int_equal(reader.refusal.status, 431);
    assert_string_equal(reader.refusal.detail, "http2.too_many_headers");
    assert_false(h2_head_is_malformed(&reader));
    assert_false(h2_head_finish(&reader, METHOD_OTHER, false, true));
    assert_int_equal(reader.refusal.status, 431);
    assert_int_equal(head.method, METHOD_GET);
    /* Name, value and 32 (RFC 9113 6.5.2). */
    h2_head_begin(&reader, H2_HEAD_RESPONSE, 32 + 7 + 3 + 32 + 2, 100, &head, arena);
    assert_true(h2_head_add(&reader, STR(":status"), STR("200")));
    assert_true(h2_head_add(&reader, STR("a"), STR("b")));
    assert_false(h2_head_add(&reader, STR("a"), STR("")));
    assert_string_equal(reader.refusal.detail, "http2.headers_too_large"); /* LR-13 */
}

/* --- Requests --------------------------------------------------------------------------------- */

static void a_request_looks_like_one_of_http_1_1(void **state)
{
    (void)state;
    assert_true(read_request(":method=POST|:scheme=HTTPS|:authority=a:8443|:path=/p?q=1#f|"
                             "x-odd_name=v|te=Trailers|expect=100-continue|content-length=3",
                             false));
    assert_int_equal(head.version, HTTP_VERSION_2);
    assert_int_equal(head.method, METHOD_POST);
    assert_str(head.method_text, "POST");
    assert_str(head.scheme, "https");
    assert_str(head.authority, "a:8443");
    assert_str(value_of("host"), "a:8443");
    assert_str(head.path, "/p");
    assert_str(head.query, "q=1"); /* CN-23 */
    assert_true(head.has_query);
    assert_int_equal(head.framing, BODY_LENGTH);
    assert_int_equal(head.content_length, 3);
    assert_true(head.expects_continue); /* HD-13 */
    assert_false(head.wants_close);
    assert_int_equal(head.upgrade.len, 0);
    assert_str(value_of("te"), "trailers");
    assert_str(value_of("x-odd_name"), "v"); /* CN-36 */
    assert_str(value_of(":path"), "(none)");
}

static void hosts(void **state)
{
    static const struct {
        const char *fields;
        const char *host;
    } cases[] = {
        { ":method=GET|:scheme=http|:path=/|:authority=A", "A" },
        { ":method=GET|:scheme=http|:path=/|host=a:1", "a:1" },
        { ":method=GET|:scheme=http|:path=/|:authority=a|host=A", "a" },
        { ":method=GET|:scheme=https|:path=/|:authority=a:443|host=a", "a:443" },
        { ":method=GET|:scheme=http|:path=/|:authority=a|host=a:80", "a" },
        { ":method=GET|:scheme=http|:path=/|:authority=[::1]:80", "[::1]:80" },
        { ":method=OPTIONS|:scheme=http|:path=*|:authority=a", "a" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!read_request(cases[i].fields, true) ||
            !str_equals(head.authority, str_from_cstr(cases[i].host)) ||
            !str_equals(value_of("host"), head.authority) ||
            headers_count_id(&head.headers, HEADER_HOST) != 1) {
            fail_msg("%s", cases[i].fields);
        }
    }
}

static void requests_are_framed(void **state)
{
    (void)state;
    assert_true(read_request(GET_, true));
    assert_int_equal(head.framing, BODY_NONE);
    assert_true(read_request(GET_ "|content-length=0", true));
    assert_int_equal(head.framing, BODY_LENGTH);
    assert_true(read_request(GET_ "|content-length=0", false));
    assert_int_equal(head.framing, BODY_LENGTH);
    assert_true(read_request(GET_, false));
    assert_int_equal(head.framing, BODY_CHUNKED);
    assert_false(head.has_content_length);
    assert_true(read_request(GET_ "|content-length=7", false));
    assert_int_equal(head.framing, BODY_LENGTH);
    assert_int_equal(head.content_length, 7);
}

static void cookie_crumbs_are_joined(void **state)
{
    (void)state;
    assert_true(read_request(GET_ "|cookie=a=1|x=y|cookie=b=2|cookie=c", true));
    assert_int_equal(headers_count_id(&head.headers, HEADER_COOKIE), 1);
    assert_str(value_of("cookie"), "a=1; b=2; c");
    assert_str(value_of("x"), "y");
    assert_true(read_request(GET_ "|cookie=a=1", true));
    assert_str(value_of("cookie"), "a=1");
    assert_true(read_request(GET_ "|cookie=|cookie=", true));
    assert_str(value_of("cookie"), "");
    assert_true(read_request(GET_ "|cookie=|cookie=x|cookie=", true));
    assert_str(value_of("cookie"), "x");
}

static void cn_30_an_extended_connect_is_a_get(void **state)
{
    (void)state;
    assert_true(read_request(":method=CONNECT|:protocol=WebSocket|:scheme=https|:path=/chat?x|"
                             ":authority=a|sec-websocket-version=13",
                             false));
    assert_int_equal(head.method, METHOD_GET);
    assert_str(head.method_text, "GET");
    assert_str(head.path, "/chat");
    assert_str(head.upgrade, "websocket");
    assert_str(value_of("host"), "a");
    assert_int_equal(head.framing, BODY_TUNNEL);
}

/* --- Responses, trailers ---------------------------------------------------------------------- */

static void malformed_responses(void **state)
{
    static const struct {
        const char *fields;
        bool was_upgrade;
        bool is_end_stream;
        const char *detail;
    } cases[] = {
        { "", false, true, "http2.invalid_status" },
        { "a=b", false, true, "http2.invalid_status" },
        { ":status=", false, true, "http2.invalid_status" },
        { ":status=20", false, true, "http2.invalid_status" },
        { ":status=2000", false, true, "http2.invalid_status" },
        { ":status=099", false, true, "http2.invalid_status" },
        { ":status=600", false, true, "http2.invalid_status" },
        { ":status=2 0", false, true, "http2.invalid_status" },
        { ":status=200|:status=200", false, true, "http2.invalid_pseudo_header" },
        { "a=b|:status=200", false, true, "http2.invalid_pseudo_header" },
        { ":status=200|:path=/", false, true, "http2.invalid_pseudo_header" },
        { ":status=200|Server=x", false, true, "http2.invalid_header_field" },
        { ":status=200|transfer-encoding=chunked", false, false,
          "http2.connection_specific_header" },
        { ":status=200|connection=close", false, false, "http2.connection_specific_header" },
        { ":status=101", false, false, "http2.unexpected_switching_protocols" },
        { ":status=101", true, false, "http2.unexpected_switching_protocols" },
        { ":status=100", false, true, "http2.interim_response_ends_stream" },
        { ":status=100|content-length=1", false, false, "http2.body_disallowed" },
        { ":status=204|content-length=1", false, true, "http2.body_disallowed" },
        { ":status=200|content-length=1", false, true, "http2.invalid_content_length" },
        { ":status=200|content-length=1|content-length=1", false, false,
          "http2.invalid_content_length" },
        { ":status=200", true, true, "http2.tunnel_without_stream" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        bool is_good = read_response(cases[i].fields, METHOD_GET, cases[i].was_upgrade,
                                     cases[i].is_end_stream);

        if (is_good || reader.refusal.detail == NULL || !h2_head_is_malformed(&reader) ||
            strcmp(reader.refusal.detail, cases[i].detail) != 0) {
            fail_msg("%s: %s", cases[i].fields, is_good ? "accepted" : reader.refusal.detail);
        }
    }
}

static void responses_are_framed(void **state)
{
    static const struct {
        const char *fields;
        enum http_method method;
        bool was_upgrade;
        bool is_end_stream;
        unsigned status;
        enum body_framing framing;
        uint64_t length;
    } cases[] = {
        { ":status=200", METHOD_GET, false, true, 200, BODY_NONE, 0 },
        { ":status=200", METHOD_GET, false, false, 200, BODY_CHUNKED, 0 },
        { ":status=200|content-length=3", METHOD_GET, false, false, 200, BODY_LENGTH, 3 },
        { ":status=200|content-length=0", METHOD_GET, false, true, 200, BODY_LENGTH, 0 },
        { ":status=200|content-length=3", METHOD_HEAD, false, true, 200, BODY_NONE, 3 },
        { ":status=304|content-length=3", METHOD_GET, false, true, 304, BODY_NONE, 3 },
        { ":status=204", METHOD_GET, false, true, 204, BODY_NONE, 0 },
        { ":status=204", METHOD_GET, false, false, 204, BODY_NONE, 0 },
        { ":status=103|link=x", METHOD_GET, false, false, 103, BODY_NONE, 0 },
        { ":status=103", METHOD_GET, true, false, 103, BODY_NONE, 0 },
        /* RFC 8441 5 */
        { ":status=200", METHOD_GET, true, false, 101, BODY_TUNNEL, 0 },
        { ":status=202|content-length=3", METHOD_GET, true, false, 101, BODY_TUNNEL, 0 },
        { ":status=403|content-length=3", METHOD_GET, true, false, 403, BODY_LENGTH, 3 },
        { ":status=302", METHOD_GET, true, true, 302, BODY_NONE, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (!read_response(cases[i].fields, cases[i].method, cases[i].was_upgrade,
                           cases[i].is_end_stream) ||
            head.status != cases[i].status || head.framing != cases[i].framing ||
            head.content_length != cases[i].length || head.wants_close ||
            (head.upgrade.len > 0) != (cases[i].framing == BODY_TUNNEL)) {
            fail_msg("%s", cases[i].fields);
        }
    }
}

static void trailers(void **state)
{
    static const char *const bad[] = {
        ":status=200",  ":path=/", "content-length=3", "host=a",  "transfer-encoding=chunked",
        "connection=x", "X=y",     "a=b\r\n",          "te=gzip",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        read_fields(H2_HEAD_TRAILERS, bad[i]);
        if (h2_head_finish(&reader, METHOD_GET, false, true) || !h2_head_is_malformed(&reader)) {
            fail_msg("%s", bad[i]);
        }
    }
    read_fields(H2_HEAD_TRAILERS, "grpc-status=0|cookie=x|authorization=y|x-sum=1");
    assert_true(h2_head_finish(&reader, METHOD_GET, false, true));
    assert_int_equal(head.headers.count, 2);
    assert_str(value_of("grpc-status"), "0");
    assert_str(value_of("x-sum"), "1");
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* "name=value|", with "!" before what may not be indexed. */
static void assert_fields(const struct h2_fields *fields, const char *expected)
{
    struct text text = { 0 };

    for (size_t i = 0; i < fields->count; i++) {
        text_printf(&text, "%s%.*s=%.*s|", fields->items[i].is_sensitive ? "!" : "",
                    STR_ARG(fields->items[i].name), STR_ARG(fields->items[i].value));
    }
    assert_string_equal(text.ptr != NULL ? text.ptr : "", expected);
    text_cleanup(&text);
}

static void fill_request(const char *method, enum body_framing framing, uint64_t length)
{
    head_init(&head, arena);
    head.method_text = str_from_cstr(method);
    head.method = http_method_from(head.method_text);
    head.scheme = STR("https");
    head.authority = STR("a");
    head.path = STR("/p");
    head.framing = framing;
    head.content_length = length;
    headers_add(&head.headers, STR("host"), STR("not this"));
}

static void nothing_of_http_1_1_gets_out(void **state)
{
    static const char *const names[] = {
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
        "te",
        "http2-settings",
        "content-length",
        "Upper",
        ":path",
        "",
        "a b",
    };
    struct h2_fields fields;

    (void)state;
    fill_request("GET", BODY_NONE, 0);
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        headers_add(&head.headers, str_from_cstr(names[i]), STR("1"));
    }
    headers_add(&head.headers, STR("x-bad"), STR("a\r\nb: c"));
    headers_add(&head.headers, STR("x-spaced"), STR(" \tv "));
    head.path = STR("/a b#c\r\n");
    head.query = STR("q x");
    head.has_query = true;
    h2_head_write_request(&head, &fields, arena);
    assert_fields(&fields, ":method=GET|:scheme=https|:authority=a|:path=/a%20b%23c%0D%0A?q%20x|"
                           "x-spaced=v|");
    head.authority = STR("u@a"); /* a rule's mistake */
    head.path = STR("");
    head.scheme = STR("");
    head.has_query = false;
    head.headers.count = 0;
    h2_head_write_request(&head, &fields, arena);
    assert_fields(&fields, ":method=GET|:scheme=http|:path=/|");
}

static void requests_are_written(void **state)
{
    struct h2_fields fields;

    (void)state;
    fill_request("POST", BODY_LENGTH, 12);
    headers_add(&head.headers, STR("te"), STR("trailers"));
    headers_add(&head.headers, STR("content-length"), STR("999"));
    headers_add(&head.headers, STR("authorization"), STR("secret"));
    headers_add(&head.headers, STR("proxy-authorization"), STR("secret"));
    headers_add(&head.headers, STR("cookie"), STR("short"));
    headers_add(&head.headers, STR("cookie"), STR("0123456789012345678901234567890123456789"));
    headers_add(&head.headers, STR("x"), STR(""));
    h2_head_write_request(&head, &fields, arena);
    assert_fields(&fields, ":method=POST|:scheme=https|:authority=a|:path=/p|!authorization=secret|"
                           "!proxy-authorization=secret|!cookie=short|"
                           "cookie=0123456789012345678901234567890123456789|x=|te=trailers|"
                           "content-length=12|");
    fill_request("GET", BODY_CHUNKED, 0);
    h2_head_write_request(&head, &fields, arena);
    assert_fields(&fields, ":method=GET|:scheme=https|:authority=a|:path=/p|");
    fill_request("GET", BODY_TUNNEL, 0);
    head.upgrade = STR("websocket");
    headers_add(&head.headers, STR("sec-websocket-version"), STR("13"));
    h2_head_write_request(&head, &fields, arena);
    assert_fields(&fields, ":method=CONNECT|:scheme=https|:authority=a|:path=/p|"
                           ":protocol=websocket|sec-websocket-version=13|");
}

static void responses_are_written(void **state)
{
    static const struct {
        unsigned status;
        enum http_method method;
        enum body_framing framing;
        bool has_length;
        const char *fields;
    } cases[] = {
        { 200, METHOD_GET, BODY_LENGTH, true, ":status=200|!set-cookie=s|content-length=3|" },
        { 200, METHOD_GET, BODY_CHUNKED, false, ":status=200|!set-cookie=s|" },
        { 200, METHOD_GET, BODY_UNTIL_CLOSE, false, ":status=200|!set-cookie=s|" },
        { 200, METHOD_GET, BODY_NONE, false, ":status=200|!set-cookie=s|" },
        { 200, METHOD_HEAD, BODY_NONE, true, ":status=200|!set-cookie=s|content-length=3|" },
        { 200, METHOD_HEAD, BODY_NONE, false, ":status=200|!set-cookie=s|" },
        { 304, METHOD_GET, BODY_NONE, true, ":status=304|!set-cookie=s|content-length=3|" },
        { 204, METHOD_GET, BODY_LENGTH, true, ":status=204|!set-cookie=s|" },
        { 103, METHOD_GET, BODY_NONE, false, ":status=103|!set-cookie=s|" },
        { 101, METHOD_GET, BODY_TUNNEL, false, ":status=200|!set-cookie=s|" },
    };
    struct h2_fields fields;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        head_init(&head, arena);
        head.status = cases[i].status;
        head.reason = STR("Whatever");
        head.framing = cases[i].framing;
        head.content_length = 3;
        head.has_content_length = cases[i].has_length;
        headers_add(&head.headers, STR("content-length"), STR("9"));
        headers_add(&head.headers, STR("upgrade"), STR("websocket"));
        headers_add(&head.headers, STR("connection"), STR("upgrade"));
        headers_add(&head.headers, STR("set-cookie"), STR("s"));
        h2_head_write_response(&head, cases[i].method, &fields, arena);
        assert_fields(&fields, cases[i].fields);
    }
}

static void trailers_are_written(void **state)
{
    struct h2_fields fields;
    struct headers list;

    (void)state;
    headers_init(&list, arena);
    h2_head_write_trailers(&list, &fields, arena);
    assert_fields(&fields, "");
    headers_add(&list, STR("content-length"), STR("3"));
    headers_add(&list, STR("authorization"), STR("x"));
    headers_add(&list, STR("x-bad"), STR("a\nb"));
    headers_add(&list, STR("grpc-status"), STR("0"));
    h2_head_write_trailers(&list, &fields, arena);
    assert_fields(&fields, "grpc-status=0|");
}

static void what_was_written_reads_the_same(void **state)
{
    struct h2_fields fields;
    struct head first;

    (void)state;
    assert_true(read_request(":method=CONNECT|:protocol=websocket|:scheme=http|:path=/c?d=e|"
                             ":authority=a:81|cookie=x|cookie=y|te=trailers|z=1",
                             false));
    first = head;
    h2_head_write_request(&first, &fields, arena);
    h2_head_begin(&reader, H2_HEAD_REQUEST, 1000, 20, &head, arena);
    for (size_t i = 0; i < fields.count; i++) {
        assert_true(h2_head_add(&reader, fields.items[i].name, fields.items[i].value));
    }
    assert_true(h2_head_finish(&reader, METHOD_OTHER, false, false));
    assert_int_equal(head.framing, BODY_TUNNEL);
    assert_true(str_equals(head.path, first.path));
    assert_true(str_equals(head.query, first.query));
    assert_true(str_equals(head.authority, first.authority));
    assert_true(str_equals(head.scheme, first.scheme));
    assert_str(value_of("cookie"), "x; y");
    assert_str(value_of("te"), "trailers");
    assert_int_equal(head.headers.count, first.headers.count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lr_11_malformed_requests),
        cmocka_unit_test(nul_bytes_are_malformed),
        cmocka_unit_test(requests_that_are_answered),
        cmocka_unit_test(malformed_tunnels),
        cmocka_unit_test(cn_35_limits_count_every_field),
        cmocka_unit_test(a_request_looks_like_one_of_http_1_1),
        cmocka_unit_test(hosts),
        cmocka_unit_test(requests_are_framed),
        cmocka_unit_test(cookie_crumbs_are_joined),
        cmocka_unit_test(cn_30_an_extended_connect_is_a_get),
        cmocka_unit_test(malformed_responses),
        cmocka_unit_test(responses_are_framed),
        cmocka_unit_test(trailers),
        cmocka_unit_test(nothing_of_http_1_1_gets_out),
        cmocka_unit_test(requests_are_written),
        cmocka_unit_test(responses_are_written),
        cmocka_unit_test(trailers_are_written),
        cmocka_unit_test(what_was_written_reads_the_same),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
