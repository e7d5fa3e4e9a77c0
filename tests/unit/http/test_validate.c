/* validate: framing, Host, Connection, Expect, Upgrade, trailers. Spec CN-30, CN-31, CN-33, CN-34,
 * LR-10, LR-12, LR-14, SN-35, HD-1, HD-12, HD-13. Hardening rules 1, 2 and 8. */
#include "gateway/http/validate.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

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

/* "name: value|name: value" */
static void fill(struct head *head, const char *lines)
{
    struct str rest = str_from_cstr(lines);
    struct str line;

    head_init(head, arena);
    while (rest.len > 0 && str_split_next(&rest, '|', &line)) {
        size_t colon = str_find_char(line, ':');

        headers_add(&head->headers, str_slice(line, 0, colon), str_trim(str_skip(line, colon + 1)));
    }
}

static void tokens(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),   STR_INIT(" "),   STR_INIT("a b"), STR_INIT("a:"),   STR_INIT("a\t"),
        STR_INIT("a/"), STR_INIT("(a)"), STR_INIT("a\0"), STR_INIT("\x7f"), STR_INIT("\xc3\xa9"),
        STR_INIT("a,"), STR_INIT("\"a"), STR_INIT("a\r"), STR_INIT("[a]"),  STR_INIT("{a}"),
        STR_INIT("a;"), STR_INIT("a@"),  STR_INIT("<a>"), STR_INIT("a=b"),  STR_INIT("a\\"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(validate_is_token(bad[i]));
    }
    assert_true(validate_is_token(STR("!#$%&'*+-.^_`|~09AZaz")));
}

static void field_values(void **state)
{
    char text[40];

    (void)state;
    /* Each byte at each place of each length: blocks and what is left of them agree. */
    for (unsigned c = 0; c < 256; c++) {
        bool is_good = (c >= 0x20 && c != 0x7f) || c == '\t';

        for (size_t len = 1; len <= sizeof(text); len++) {
            for (size_t at = 0; at < len; at++) {
                memset(text, 'v', sizeof(text));
                text[at] = (char)c;
                assert_int_equal(validate_is_field_value(str_from(text, len)), is_good);
            }
        }
    }
    assert_true(validate_is_field_value(STR("")));
    assert_false(validate_is_field_value(STR("\t\t\t\t\t\t\t\n")));
    assert_true(validate_is_field_value(STR("\t\xff\x80 mixed\t\t\t tabs")));
}

static void authorities(void **state)
{
    static const char *const bad[] = {
        "",        " ",           ":",
        ":80",     "a:",          "a:0",
        "a:65536", "a:-1",        "a:+1",
        "a:1x",    "a:000080",    "a:80:80",
        "a b",     "a,b",         "a@b",
        "u:p@b",   "a/b",         "a?b",
        "a#b",     "a\\b",        "a%41",
        ".",       ".a",          "a..b",
        "[",       "[]",          "[]:80",
        "[::1",    "::1",         "[::1]80",
        "[::1]:",  "[::1%25lo]",  "[1.2.3.4]",
        "[::g]",   "[::1]:x",     "[v1.fe80]",
        "a\tb",    "caf\xc3\xa9", "a\x7f",
        "a b:80",  "*",           "*.a",
        "\"a\"",   "<a>",         "a|b",
        "a;b",     "a'b",         "[::1]]",
        "[[::1]]", "a!",          "$a",
        "a&b",     "(a)",         "a+b",
        "a=b",     "{a}",         "[00000000000000000000000000000000000000000000000000000::1]",
    };
    static const char *const good[] = {
        "a",
        "example.com",
        "example.com.",
        "Example.COM:8443",
        "10.0.0.1",
        "10.0.0.1:80",
        "[::1]",
        "[::1]:65535",
        "[2001:db8::1]:1",
        "a_b-c~d",
        "xn--caf-dma.example",
        "1.2.3.4.5",
        "[::ffff:1.2.3.4]:80",
    };
    char long_name[LIMIT_AUTHORITY_BYTES + 1];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (validate_authority(str_from_cstr(bad[i]))) {
            fail_msg("%s", bad[i]);
        }
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (!validate_authority(str_from_cstr(good[i]))) {
            fail_msg("%s", good[i]);
        }
    }
    memset(long_name, 'a', sizeof(long_name));
    assert_true(validate_authority(str_from(long_name, LIMIT_AUTHORITY_BYTES)));
    assert_false(validate_authority(str_from(long_name, LIMIT_AUTHORITY_BYTES + 1)));
    assert_false(validate_authority(str_from("a\0b", 3)));
    assert_false(validate_authority(str_from("[::1\0]", 6)));
}

struct refused {
    const char *lines;
    unsigned status;
    const char *detail;
};

static const struct refused refused_requests[] = {
    /* LR-10, SN-35: Host is there, once, and is a host. */
    { "", 400, "missing_host_header" },
    { "host:", 400, "missing_host_header" },
    { "x: y", 400, "missing_host_header" },
    { "host: a|host: a", 400, "http1.invalid_host" },
    { "host: a|host: b", 400, "http1.invalid_host" },
    { "host: a, b", 400, "http1.invalid_host" },
    { "host: user@a", 400, "http1.invalid_host" },
    { "host: a:99999", 400, "http1.invalid_host" },
    { "host: a/b", 400, "http1.invalid_host" },
    { "host: a b", 400, "http1.invalid_host" },
    /* CN-34: one framing, one way to say it. */
    { "host: a|content-length: 1|transfer-encoding: chunked", 400,
      "http1.content_length_and_chunked_not_allowed" },
    { "host: a|transfer-encoding: chunked|content-length: 0", 400,
      "http1.content_length_and_chunked_not_allowed" },
    { "host: a|content-length: 5|content-length: 5", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 5|content-length: 6", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 5, 5", 400, "http1.invalid_content_length" },
    { "host: a|content-length:", 400, "http1.invalid_content_length" },
    { "host: a|content-length: +5", 400, "http1.invalid_content_length" },
    { "host: a|content-length: -1", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 0x5", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 5 5", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 5;", 400, "http1.invalid_content_length" },
    { "host: a|content-length: \"5\"", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 1e3", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 5.0", 400, "http1.invalid_content_length" },
    { "host: a|content-length: \xd9\xa5", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 9223372036854775808", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 18446744073709551616", 400, "http1.invalid_content_length" },
    { "host: a|content-length: 99999999999999999999999", 400, "http1.invalid_content_length" },
    { "host: a|transfer-encoding:", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: identity", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: gzip", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: xchunked", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunkedx", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: \"chunked\"", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: 'chunked'", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked,", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: ,chunked", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked;q=1", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked, chunked", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked, identity", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked gzip", 400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: \x0b"
      "chunked",
      400, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked|transfer-encoding: chunked", 400,
      "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: chunked|transfer-encoding: identity", 400,
      "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: gzip|transfer-encoding: chunked", 400,
      "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: gzip, chunked", 501, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: foo, chunked", 501, "http1.invalid_transfer_encoding" },
    { "host: a|transfer-encoding: identity, chunked", 501, "http1.invalid_transfer_encoding" },
    /* HD-1: hop-by-hop removal must not change what a message is. */
    { "host: a|connection: host", 400, "http1.connection_header_rejected" },
    { "host: a|connection: close, Content-Length", 400, "http1.connection_header_rejected" },
    { "host: a|connection: transfer-encoding", 400, "http1.connection_header_rejected" },
    { "host: a|connection: keep-alive|connection: Host", 400, "http1.connection_header_rejected" },
    { "host: a|connection: a b", 400, "http1.connection_header_rejected" },
    { "host: a|connection: \"close\"", 400, "http1.connection_header_rejected" },
    { "host: a|connection: a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a,a", 400,
      "http1.connection_header_rejected" },
    /* HD-13: what we pass on is 100-continue. */
    { "host: a|expect: 200-ok", 417, "http1.expectation_failed" },
    { "host: a|expect:", 417, "http1.expectation_failed" },
    { "host: a|expect: 100-continue, x", 417, "http1.expectation_failed" },
    { "host: a|expect: 100-continue|expect: 100-continue", 417, "http1.expectation_failed" },
    /* CN-30, LR-14 */
    { "host: a|connection: upgrade|upgrade: websocket", 403, "upgrade_failed" },
    { "host: a|connection: Upgrade|upgrade: TLS/1.2", 403, "upgrade_failed" },
    { "host: a|connection: upgrade|upgrade: h2c, foo", 403, "upgrade_failed" },
    { "host: a|connection: upgrade|upgrade: h2c|upgrade: foo", 403, "upgrade_failed" },
};

static void requests_are_refused(void **state)
{
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(refused_requests) / sizeof(refused_requests[0]); i++) {
        const struct refused *expected = &refused_requests[i];
        struct refusal refusal = { 0 };

        fill(&head, expected->lines);
        head.method = METHOD_POST;
        if (validate_request(&head, &refusal) || refusal.status != expected->status ||
            strcmp(refusal.detail, expected->detail) != 0) {
            fail_msg("%s: %u %s", expected->lines, refusal.status,
                     refusal.detail != NULL ? refusal.detail : "accepted");
        }
    }
}

static void requests_are_framed(void **state)
{
    static const struct {
        const char *lines;
        enum body_framing framing;
        uint64_t length;
        bool wants_close;
    } cases[] = {
        { "host: a", BODY_NONE, 0, false },
        { "host: a|connection: close", BODY_NONE, 0, true },
        { "host: a|connection: keep-alive, CLOSE", BODY_NONE, 0, true },
        { "host: a|connection: ,keep-alive,|connection:", BODY_NONE, 0, false },
        { "host: a|content-length: 0", BODY_LENGTH, 0, false },
        { "host: a|content-length: 0007", BODY_LENGTH, 7, false },
        { "host: a|content-length: 9223372036854775807", BODY_LENGTH, INT64_MAX, false },
        { "host: a|transfer-encoding: chunked", BODY_CHUNKED, 0, false },
        { "host: a|transfer-encoding: CHUNKED", BODY_CHUNKED, 0, false },
        /* CN-30: h2c is ignored, and so is an Upgrade that Connection does not name. */
        { "host: a|connection: upgrade, http2-settings|upgrade: h2c|http2-settings: A", BODY_NONE,
          0, false },
        { "host: a|upgrade: websocket", BODY_NONE, 0, false },
        { "host: a|connection: upgrade", BODY_NONE, 0, false },
    };
    struct refusal refusal;
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&head, cases[i].lines);
        if (!validate_request(&head, &refusal)) {
            fail_msg("%s: %s", cases[i].lines, refusal.detail);
        }
        assert_int_equal(head.framing, cases[i].framing);
        assert_int_equal(head.content_length, cases[i].length);
        assert_int_equal(head.has_content_length, cases[i].framing == BODY_LENGTH);
        assert_int_equal(head.wants_close, cases[i].wants_close);
        assert_int_equal(head.upgrade.len, 0);
        assert_true(str_equals(head.authority, STR("a")));
    }
    fill(&head, "host: a|content-length: 1|expect: 100-Continue");
    assert_true(validate_request(&head, &refusal));
    assert_true(head.expects_continue);
}

static void cn_30_upgrades(void **state)
{
    static const struct {
        const char *lines;
        enum http_method method;
        bool is_tunnel;
    } cases[] = {
        { "connection: upgrade|upgrade: websocket, foo", METHOD_GET, false },
        { "connection: upgrade|upgrade: foo|upgrade: websocket", METHOD_GET, false },
        { "connection: upgrade|upgrade: websocket/13", METHOD_GET, false },
        { "connection: upgrade|upgrade: websocket", METHOD_HEAD, false },
        { "connection: upgrade|upgrade: websocket", METHOD_CONNECT, false },
        { "connection: upgrade|upgrade: websocket|content-length: 1", METHOD_GET, false },
        { "connection: upgrade|upgrade: websocket|transfer-encoding: chunked", METHOD_GET, false },
        { "connection: upgrade|upgrade: websocket", METHOD_GET, true },
        { "connection: keep-alive, Upgrade|upgrade: WebSocket", METHOD_GET, true },
        { "connection: upgrade|upgrade: h2c, websocket", METHOD_GET, true },
        { "connection: upgrade|upgrade: websocket|content-length: 0", METHOD_GET, true },
    };
    struct refusal refusal;
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&head, cases[i].lines);
        headers_add(&head.headers, STR("host"), STR("a"));
        head.method = cases[i].method;
        if (validate_request(&head, &refusal) != cases[i].is_tunnel) {
            fail_msg("%s", cases[i].lines);
        }
        if (cases[i].is_tunnel) {
            assert_int_equal(head.framing, BODY_TUNNEL);
            assert_false(head.has_content_length);
            assert_true(str_equals(head.upgrade, STR("websocket")));
        } else {
            assert_int_equal(refusal.status, 403); /* LR-14 */
        }
    }
}

static void cn_31_cn_33_methods_and_versions(void **state)
{
    struct refusal refusal;
    struct head head;

    (void)state;
    fill(&head, "host: a");
    head.version = HTTP_VERSION_1_0;
    assert_false(validate_request(&head, &refusal));
    assert_int_equal(refusal.status, 426);
    assert_string_equal(refusal.detail, "low_version");
    /* Malformed is worse than old. */
    fill(&head, "host: a|transfer-encoding: chunked");
    head.version = HTTP_VERSION_1_0;
    assert_false(validate_request(&head, &refusal));
    assert_int_equal(refusal.status, 400);
    assert_string_equal(refusal.detail, "http1.transfer_encoding_not_allowed");
    fill(&head, "host: a:80");
    head.method = METHOD_CONNECT;
    head.authority = STR("a:80");
    assert_false(validate_request(&head, &refusal));
    assert_int_equal(refusal.status, 403);
    fill(&head, "host: a|content-length: 3");
    head.method = METHOD_TRACE;
    assert_false(validate_request(&head, &refusal));
    assert_int_equal(refusal.status, 400);
    fill(&head, "host: a");
    head.method = METHOD_TRACE;
    assert_true(validate_request(&head, &refusal));
}

static void hd_12_the_uri_names_the_host(void **state)
{
    static const struct {
        const char *lines;
        const char *scheme;
        const char *authority;
        bool is_good;
    } cases[] = {
        { "host: b", "http", "a", false },         { "host: a:81", "http", "a", false },
        { "host: a:443", "http", "a", false },     { "host: a:80", "https", "a", false },
        { "host: a|host: a", "http", "a", false }, { "x: y", "http", "a", false },
        { "host: a", "http", "a", true },          { "host: A", "http", "a", true },
        { "host: a:80", "http", "a", true },       { "host: a", "http", "a:80", true },
        { "host: a:443", "https", "a", true },
    };
    struct refusal refusal;
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&head, cases[i].lines);
        head.scheme = str_from_cstr(cases[i].scheme);
        head.authority = str_from_cstr(cases[i].authority);
        if (validate_request(&head, &refusal) != cases[i].is_good) {
            fail_msg("%s, %s://%s", cases[i].lines, cases[i].scheme, cases[i].authority);
        }
        if (cases[i].is_good) {
            assert_true(str_equals(headers_find_id(&head.headers, HEADER_HOST)->value,
                                   str_from_cstr(cases[i].authority)));
        } else {
            assert_int_equal(refusal.status, 400);
        }
    }
}

static void responses_are_refused(void **state)
{
    static const struct {
        unsigned status;
        enum http_version version;
        const char *lines;
    } cases[] = {
        { 200, HTTP_VERSION_1_1, "content-length: 1|transfer-encoding: chunked" },
        { 200, HTTP_VERSION_1_1, "content-length: 1|content-length: 1" },
        { 200, HTTP_VERSION_1_1, "content-length: 1|content-length: 2" },
        { 200, HTTP_VERSION_1_1, "content-length: 1, 1" },
        { 200, HTTP_VERSION_1_1, "content-length: -1" },
        { 200, HTTP_VERSION_1_1, "content-length: abc" },
        { 200, HTTP_VERSION_1_1, "content-length:" },
        { 200, HTTP_VERSION_1_1, "content-length: 99999999999999999999" },
        { 200, HTTP_VERSION_1_1, "transfer-encoding: gzip" },
        { 200, HTTP_VERSION_1_1, "transfer-encoding: gzip, chunked" },
        { 200, HTTP_VERSION_1_1, "transfer-encoding: chunked, gzip" },
        { 200, HTTP_VERSION_1_1, "transfer-encoding: chunked|transfer-encoding: chunked" },
        { 200, HTTP_VERSION_1_0, "transfer-encoding: chunked" },
        { 200, HTTP_VERSION_1_1, "connection: content-length|content-length: 3" },
        { 101, HTTP_VERSION_1_1, "connection: upgrade|upgrade: websocket" },
        { 101, HTTP_VERSION_1_1, "" },
        { 100, HTTP_VERSION_1_1, "content-length: 3" },
        { 103, HTTP_VERSION_1_1, "transfer-encoding: chunked" },
        { 204, HTTP_VERSION_1_1, "content-length: 1" },
        { 204, HTTP_VERSION_1_1, "transfer-encoding: chunked" },
        { 304, HTTP_VERSION_1_1, "content-length: 1, 1" },
    };
    struct refusal refusal;
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&head, cases[i].lines);
        head.status = cases[i].status;
        head.version = cases[i].version;
        refusal.detail = NULL;
        if (validate_response(&head, METHOD_GET, (struct str){ 0 }, &refusal)) {
            fail_msg("%u %s", cases[i].status, cases[i].lines);
        }
        assert_non_null(refusal.detail);
    }
}

static void responses_are_framed(void **state)
{
    static const struct {
        enum http_method method;
        unsigned status;
        enum http_version version;
        const char *lines;
        enum body_framing framing;
        uint64_t length;
        bool wants_close;
    } cases[] = {
        { METHOD_GET, 200, HTTP_VERSION_1_1, "content-length: 3", BODY_LENGTH, 3, false },
        { METHOD_GET, 200, HTTP_VERSION_1_1, "content-length: 0", BODY_LENGTH, 0, false },
        { METHOD_GET, 200, HTTP_VERSION_1_1, "transfer-encoding: chunked", BODY_CHUNKED, 0, false },
        { METHOD_GET, 200, HTTP_VERSION_1_1, "", BODY_UNTIL_CLOSE, 0, true },
        { METHOD_GET, 200, HTTP_VERSION_1_0, "", BODY_UNTIL_CLOSE, 0, true },
        { METHOD_GET, 200, HTTP_VERSION_1_0, "content-length: 3|connection: keep-alive",
          BODY_LENGTH, 3, true },
        { METHOD_GET, 200, HTTP_VERSION_1_1, "content-length: 3|connection: Close", BODY_LENGTH, 3,
          true },
        { METHOD_HEAD, 200, HTTP_VERSION_1_1, "content-length: 3", BODY_NONE, 3, false },
        { METHOD_HEAD, 200, HTTP_VERSION_1_1, "transfer-encoding: chunked", BODY_NONE, 0, false },
        { METHOD_HEAD, 200, HTTP_VERSION_1_1, "", BODY_NONE, 0, false },
        { METHOD_GET, 304, HTTP_VERSION_1_1, "content-length: 3", BODY_NONE, 3, false },
        { METHOD_GET, 304, HTTP_VERSION_1_1, "", BODY_NONE, 0, false },
        { METHOD_GET, 204, HTTP_VERSION_1_1, "", BODY_NONE, 0, false },
        { METHOD_GET, 204, HTTP_VERSION_1_1, "content-length: 0", BODY_NONE, 0, false },
        { METHOD_GET, 100, HTTP_VERSION_1_1, "", BODY_NONE, 0, false },
        { METHOD_POST, 500, HTTP_VERSION_1_1, "content-length: 3", BODY_LENGTH, 3, false },
    };
    struct refusal refusal;
    struct head head;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fill(&head, cases[i].lines);
        head.status = cases[i].status;
        head.version = cases[i].version;
        if (!validate_response(&head, cases[i].method, (struct str){ 0 }, &refusal) ||
            head.framing != cases[i].framing || head.content_length != cases[i].length ||
            head.wants_close != cases[i].wants_close) {
            fail_msg("%u %s", cases[i].status, cases[i].lines);
        }
    }
}

static void a_101_names_what_was_asked_for(void **state)
{
    struct refusal refusal;
    struct head head;

    (void)state;
    fill(&head, "connection: upgrade|upgrade: WebSocket");
    head.status = 101;
    assert_false(validate_response(&head, METHOD_GET, STR("other"), &refusal));
    assert_string_equal(refusal.detail, "http1.unexpected_switching_protocols");
    assert_true(validate_response(&head, METHOD_GET, STR("websocket"), &refusal));
    assert_int_equal(head.framing, BODY_TUNNEL);
    assert_true(str_equals(head.upgrade, STR("websocket")));
}

static void statuses_and_methods(void **state)
{
    static const struct str bad[] = {
        STR_INIT(""),    STR_INIT("99"),  STR_INIT("099"), STR_INIT("600"),
        STR_INIT("2x0"), STR_INIT("+20"), STR_INIT("20 "), STR_INIT("2000"),
    };
    struct refusal refusal;
    unsigned status = 0;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(validate_status(bad[i], &status));
    }
    assert_true(validate_status(STR("100"), &status));
    assert_true(validate_status(STR("599"), &status));
    assert_int_equal(status, 599);
    assert_false(validate_method(STR(""), HTTP_VERSION_2, &refusal));
    assert_string_equal(refusal.detail, "http2.codec_error");
    assert_false(validate_method(STR("A B"), HTTP_VERSION_1_1, &refusal));
    assert_string_equal(refusal.detail, "http1.codec_error");
    assert_false(
        validate_method(STR("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), HTTP_VERSION_1_1, &refusal));
    assert_int_equal(refusal.status, 501);
    assert_true(validate_method(STR("M-SEARCH"), HTTP_VERSION_1_1, &refusal));
}

static void trailers_may_not_steer(void **state)
{
    static const struct {
        const char *name;
        enum trailer_verdict verdict;
    } cases[] = {
        { "content-length", TRAILER_REFUSE },
        { "transfer-encoding", TRAILER_REFUSE },
        { "host", TRAILER_REFUSE },
        { "connection", TRAILER_REFUSE },
        { "authorization", TRAILER_DROP },
        { "cookie", TRAILER_DROP },
        { "set-cookie", TRAILER_DROP },
        { "x-forwarded-for", TRAILER_DROP },
        { "x-forwarded-other", TRAILER_DROP },
        { "x-envoy-anything", TRAILER_DROP },
        { "x-real-ip", TRAILER_DROP },
        { "if-match", TRAILER_DROP },
        { "trailer", TRAILER_DROP },
        { "te", TRAILER_DROP },
        { "content-type", TRAILER_DROP },
        { "content-range", TRAILER_DROP },
        { "cache-control", TRAILER_DROP },
        { "upgrade", TRAILER_DROP },
        { "expect", TRAILER_DROP },
        { "grpc-status", TRAILER_KEEP },
        { "grpc-message", TRAILER_KEEP },
        { "server-timing", TRAILER_KEEP },
        { "x-checksum", TRAILER_KEEP },
        { "digest", TRAILER_KEEP },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct header field = { .name = str_from_cstr(cases[i].name) };

        field.id = header_id_of(field.name);
        if (validate_trailer(&field) != cases[i].verdict) {
            fail_msg("%s", cases[i].name);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tokens),
        cmocka_unit_test(field_values),
        cmocka_unit_test(authorities),
        cmocka_unit_test(requests_are_refused),
        cmocka_unit_test(requests_are_framed),
        cmocka_unit_test(cn_30_upgrades),
        cmocka_unit_test(cn_31_cn_33_methods_and_versions),
        cmocka_unit_test(hd_12_the_uri_names_the_host),
        cmocka_unit_test(responses_are_refused),
        cmocka_unit_test(responses_are_framed),
        cmocka_unit_test(a_101_names_what_was_asked_for),
        cmocka_unit_test(statuses_and_methods),
        cmocka_unit_test(trailers_may_not_steer),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
