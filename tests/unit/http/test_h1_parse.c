/* h1_parse: heads, chunks and trailers, bad ones first; whole and byte by byte, which must not differ.
 * Spec CN-23, CN-33 to CN-37, CN-41, LR-11 to LR-13. Hardening rules 1, 2 and 6. */
#include "gateway/http/h1_parse.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MAX_BYTES = 2048, MAX_FIELDS = 8 };

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

/* Bytes in memory of exactly their length, so that a sanitizer sees one byte too many. */
static unsigned char *exact_copy(struct str text)
{
    unsigned char *bytes = mem_alloc(text.len > 0 ? text.len : 1);

    memcpy(bytes, text.ptr, text.len);
    return bytes;
}

struct parsed {
    enum h1_result result;
    struct refusal refusal;
    struct head head;
    size_t used;
};

/* `step` bytes more each time. Stops at the first answer that is not H1_MORE. */
static struct parsed parse_in_steps(enum h1_kind kind, struct str text, size_t step)
{
    struct h1_head_parser parser;
    struct parsed parsed = { .result = H1_MORE };

    h1_head_init(&parser, kind, MAX_BYTES, MAX_FIELDS, arena);
    for (size_t len = 0; len < text.len && parsed.result == H1_MORE;) {
        len = text.len - len < step ? text.len : len + step;

        unsigned char *bytes = exact_copy(str_slice(text, 0, len));

        parsed.result = h1_head_parse(&parser, bytes, len, &parsed.head, &parsed.used);
        mem_free(bytes);
    }
    parsed.refusal = parser.refusal;
    return parsed;
}

/* In one piece and byte by byte. */
static struct parsed parse(enum h1_kind kind, struct str text)
{
    struct parsed whole = parse_in_steps(kind, text, text.len);
    struct parsed bytewise = parse_in_steps(kind, text, 1);

    if (whole.result != bytewise.result || whole.refusal.status != bytewise.refusal.status ||
        (whole.result == H1_DONE && whole.used != bytewise.used)) {
        fail_msg("whole %d, byte by byte %d: %.*s", whole.result, bytewise.result, STR_ARG(text));
    }
    return whole;
}

static void bad_requests_are_refused(void **state)
{
    static const struct {
        struct str bytes;
        unsigned status;
    } cases[] = {
#define BAD(status, bytes) { STR_INIT(bytes), status }
        /* Not a request line. */
        BAD(400, " GET / HTTP/1.1\r\n\r\n"),
        BAD(400, "\tGET / HTTP/1.1\r\n\r\n"),
        BAD(400, "GET\r\n\r\n"),
        BAD(400, "GET /\r\n\r\n"),
        BAD(400, "GET / \r\n\r\n"),
        BAD(400, "GET  / HTTP/1.1\r\n\r\n"),
        BAD(400, "GET /  HTTP/1.1\r\n\r\n"),
        BAD(400, "GET\t/ HTTP/1.1\r\n\r\n"),
        BAD(400, "GET /\tHTTP/1.1\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1 \r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\t\r\n\r\n"),
        BAD(400, "GET /a b HTTP/1.1\r\n\r\n"),
        BAD(400, "GET HTTP/1.1\r\n\r\n"),
        BAD(400, "/ HTTP/1.1\r\n\r\n"),
        BAD(400, "G@T / HTTP/1.1\r\n\r\n"),
        BAD(400, "GE(T / HTTP/1.1\r\n\r\n"),
        BAD(400, "G\0T / HTTP/1.1\r\n\r\n"),
        BAD(400, "GET\x0b/ HTTP/1.1\r\n\r\n"),
        BAD(400, "\x80GET / HTTP/1.1\r\n\r\n"),
        BAD(400, "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"), /* TLS on a plain port */
        BAD(400, "{\"a\":1}"),
        BAD(501, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\n\r\n"),
        /* Versions: CN-33 */
        BAD(400, "GET / HTTP/1.1x\r\n\r\n"),
        BAD(400, "GET / HTTP/1.10\r\n\r\n"),
        BAD(400, "GET / HTTP/01.1\r\n\r\n"),
        BAD(400, "GET / HTTP/1\r\n\r\n"),
        BAD(400, "GET / HTTP/1.\r\n\r\n"),
        BAD(400, "GET / HTTP/.1\r\n\r\n"),
        BAD(400, "GET / HTTP/a.b\r\n\r\n"),
        BAD(400, "GET / HTTP/1,1\r\n\r\n"),
        BAD(400, "GET / http/1.1\r\n\r\n"),
        BAD(400, "GET / HTTP 1.1\r\n\r\n"),
        BAD(400, "GET / HTTPS/1.1\r\n\r\n"),
        BAD(400, "GET / ICY/1.1\r\n\r\n"),
        BAD(426, "GET / HTTP/0.9\r\n\r\n"),
        BAD(505, "GET / HTTP/1.2\r\n\r\n"),
        BAD(505, "GET / HTTP/2.0\r\n\r\n"),
        BAD(505, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        BAD(505, "GET / HTTP/9.9\r\n\r\n"),
        /* Targets. */
        BAD(400, "GET a HTTP/1.1\r\n\r\n"),
        BAD(400, "GET # HTTP/1.1\r\n\r\n"),
        BAD(400, "GET * HTTP/1.1\r\n\r\n"),
        BAD(400, "GET /\0 HTTP/1.1\r\n\r\n"),
        BAD(400, "GET /\x7f HTTP/1.1\r\n\r\n"),
        BAD(400, "GET /\xc3\xa9 HTTP/1.1\r\n\r\n"),
        BAD(400, "GET http://u@h/ HTTP/1.1\r\n\r\n"),
        BAD(400, "GET gopher://h/ HTTP/1.1\r\n\r\n"),
        BAD(400, "CONNECT / HTTP/1.1\r\n\r\n"),
        /* Line ends: CR LF and nothing else. */
        BAD(400, "GET / HTTP/1.1\n\n"),
        BAD(400, "GET / HTTP/1.1\nHost: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost: a\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost: a\r\n\n"),
        BAD(400, "GET / HTTP/1.1\r\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost: a\r\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\rHost: a\r\n\r\n"),
        BAD(400, "GET /\r HTTP/1.1\r\n\r\n"),
        BAD(400, "\n\nGET / HTTP/1.1\r\n\r\n"),
        BAD(400, "\rGET / HTTP/1.1\r\n\r\n"),
        BAD(400, "\r\n\r\n\r\nGET / HTTP/1.1\r\n\r\n"),
        BAD(400, "\r\n GET / HTTP/1.1\r\n\r\n"),
        /* Fields. */
        BAD(400, "GET / HTTP/1.1\r\n Host: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost : a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost\t: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHost\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\n: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHo st: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHo(st): a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nHo\0st: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nH\xc3\xb6st: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\r\n \r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\0c\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\x01"
                 "c\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nA: \x0b\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\nTransfer-Encoding\x0b: chunked\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\n\0: a\r\n\r\n"),
        BAD(400, "GET / HTTP/1.1\r\n\"a\": b\r\n\r\n"),
        /* CN-35, LR-13: one field more than eight. */
        BAD(431, "GET / HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n\r\n"),
#undef BAD
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct parsed parsed = parse(H1_REQUEST, cases[i].bytes);

        if (parsed.result != H1_FAILED || parsed.refusal.status != cases[i].status) {
            fail_msg("%zu: %.*s: result %d, %u", i, STR_ARG(cases[i].bytes), parsed.result,
                     parsed.refusal.status);
        }
        assert_non_null(parsed.refusal.detail);
    }
}

static void bad_responses_are_refused(void **state)
{
    static const struct str cases[] = {
        STR_INIT("\r\nHTTP/1.1 200 OK\r\n\r\n"),
        STR_INIT(" HTTP/1.1 200 OK\r\n\r\n"),
        STR_INIT("<html>hello</html>"), /* HTTP/0.9 */
        STR_INIT("SSH-2.0-OpenSSH_9.2\r\n"),
        STR_INIT("ICY 200 OK\r\n\r\n"),
        STR_INIT("\x15\x03\x01"),
        STR_INIT("HTTP/1.1\r\n\r\n"),
        STR_INIT("HTTP/1.1 \r\n\r\n"),
        STR_INIT("HTTP/1.1 20\r\n\r\n"),
        STR_INIT("HTTP/1.1 20 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 2000 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 200OK\r\n\r\n"),
        STR_INIT("HTTP/1.1  200 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1\t200 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 2x0 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 -20 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 000 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 099 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 600 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 999 OK\r\n\r\n"),
        STR_INIT("HTTP/1.2 200 OK\r\n\r\n"),
        STR_INIT("HTTP/2.0 200 OK\r\n\r\n"),
        STR_INIT("HTTP/0.9 200 OK\r\n\r\n"),
        STR_INIT("http/1.1 200 OK\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 O\0K\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 O\rK\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 OK\n\n"),
        STR_INIT("HTTP/1.1 200 OK\r\nA: b\n\r\n"),
        STR_INIT("HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 OK\r\nA: b\0\r\n\r\n"),
        STR_INIT("HTTP/1.1 200 OK\r\nno colon\r\n\r\n"),
        STR_INIT("GET / HTTP/1.1\r\n\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (parse(H1_RESPONSE, cases[i]).result != H1_FAILED) {
            fail_msg("%zu: %.*s", i, STR_ARG(cases[i]));
        }
    }
}

static void unfinished_heads_wait(void **state)
{
    static const struct str cases[] = {
        STR_INIT("\r"),
        STR_INIT("\r\n"),
        STR_INIT("\r\n\r\n"),
        STR_INIT("G"),
        STR_INIT("GET"),
        STR_INIT("GET /"),
        STR_INIT("GET / HTTP/1.1\r"),
        STR_INIT("GET / HTTP/1.1\r\n"),
        STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n"),
        STR_INIT("GET / HTTP/1.1\r\nHost: a\r\n\r"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(parse(H1_REQUEST, cases[i]).result, H1_MORE);
    }
    assert_int_equal(parse(H1_RESPONSE, STR("HTTP/1")).result, H1_MORE);
    assert_int_equal(parse(H1_RESPONSE, STR("HTTP/1.1 200 OK\r\n")).result, H1_MORE);
}

static void good_requests_are_read(void **state)
{
    struct str text = STR("\r\n\r\nPOST /a/b?c=d#e HTTP/1.1\r\n"
                          "Host:Example.com:8443\r\n"
                          "X-Empty:\r\n"
                          "X_Under-Score: \t two  words\t \r\n"
                          "X-High: caf\xc3\xa9\tok\r\n"
                          "\r\nbody");
    struct parsed parsed = parse(H1_REQUEST, text);
    struct head *head = &parsed.head;

    (void)state;
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.used, text.len - 4);
    assert_int_equal(head->method, METHOD_POST);
    assert_true(str_equals(head->method_text, STR("POST")));
    assert_true(str_equals(head->target, STR("/a/b?c=d#e")));
    assert_true(str_equals(head->path, STR("/a/b")));
    assert_true(str_equals(head->query, STR("c=d"))); /* CN-23 */
    assert_int_equal(head->version, HTTP_VERSION_1_1);
    assert_int_equal(head->headers.count, 4);
    assert_int_equal(head->headers.items[0].id, HEADER_HOST);
    assert_true(str_equals(head->headers.items[0].value, STR("Example.com:8443")));
    assert_true(str_equals(head->headers.items[1].name, STR("x-empty")));
    assert_int_equal(head->headers.items[1].value.len, 0);
    assert_true(str_equals(head->headers.items[2].name, STR("x_under-score"))); /* CN-36 */
    assert_true(str_equals(head->headers.items[2].value, STR("two  words")));
    assert_true(str_equals(head->headers.items[3].value, STR("caf\xc3\xa9\tok")));
    parsed = parse(H1_REQUEST, STR("GET / HTTP/1.0\r\n\r\n"));
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.head.version, HTTP_VERSION_1_0);
    parsed = parse(H1_REQUEST, STR("OPTIONS * HTTP/1.1\r\n\r\n"));
    assert_int_equal(parsed.result, H1_DONE);
    parsed = parse(H1_REQUEST, STR("M-SEARCH http://h/p HTTP/1.1\r\n\r\n"));
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.head.method, METHOD_OTHER);
    assert_true(str_equals(parsed.head.authority, STR("h")));
}

static void good_responses_are_read(void **state)
{
    struct parsed parsed = parse(H1_RESPONSE, STR("HTTP/1.1 404 Not  Found\r\nServer: x\r\n\r\n"));

    (void)state;
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.head.status, 404);
    assert_true(str_equals(parsed.head.reason, STR("Not  Found")));
    assert_int_equal(parsed.head.headers.items[0].id, HEADER_SERVER);
    parsed = parse(H1_RESPONSE, STR("HTTP/1.0 200 \r\n\r\n"));
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.head.version, HTTP_VERSION_1_0);
    assert_int_equal(parsed.head.reason.len, 0);
    parsed = parse(H1_RESPONSE, STR("HTTP/1.1 599\r\n\r\n"));
    assert_int_equal(parsed.result, H1_DONE);
    assert_int_equal(parsed.head.status, 599);
}

static void cn_35_cn_37_the_size_of_a_head_is_limited(void **state)
{
    char text[MAX_BYTES + 64];
    const size_t overhead = sizeof("GET / HTTP/1.1\r\n\r\n") - 1;

    (void)state;
    /* The target, exactly as long as fits, and one byte more. */
    for (size_t extra = 0; extra < 2; extra++) {
        size_t len = MAX_BYTES + extra;

        memset(text, 'a', sizeof(text));
        memcpy(text, "GET /", 5);
        memcpy(text + len - (overhead - 5), " HTTP/1.1\r\n\r\n", overhead - 5);

        struct parsed parsed = parse(H1_REQUEST, str_from(text, len));

        assert_int_equal(parsed.result, extra == 0 ? H1_DONE : H1_FAILED);
        assert_int_equal(parsed.refusal.status, extra == 0 ? 0 : 431);
    }
    /* A line without an end. */
    memset(text, 'a', sizeof(text));
    memcpy(text, "GET /", 5);
    assert_int_equal(parse(H1_REQUEST, str_from(text, MAX_BYTES)).result, H1_MORE);
    assert_int_equal(parse(H1_REQUEST, str_from(text, MAX_BYTES + 1)).refusal.status, 431);
}

static void a_partial_head_tells_what_is_known(void **state)
{
    static const struct {
        struct str bytes;
        const char *method; /* NULL: nothing */
        const char *path;
        const char *authority;
    } cases[] = {
        { STR_INIT("GET"), NULL, "", "" },
        { STR_INIT("GET / HTTP/x\r\n"), NULL, "", "" },
        { STR_INIT("GET /a HTTP/3.0\r\n"), "GET", "/a", "" },
        { STR_INIT("GET /a?b HTTP/1.1\r\nbroken"), "GET", "/a", "" },
        { STR_INIT("\r\nPUT /a HTTP/1.1\r\nHost: h\r\nbroken line\r\n"), "PUT", "/a", "h" },
        { STR_INIT("GET nonsense HTTP/1.1\r\nHost: h\r\n\r\n"), "GET", "nonsense", "h" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct h1_head_parser parser;
        struct head head;
        size_t used;
        unsigned char *bytes = exact_copy(cases[i].bytes);

        h1_head_init(&parser, H1_REQUEST, MAX_BYTES, MAX_FIELDS, arena);
        assert_int_not_equal(h1_head_parse(&parser, bytes, cases[i].bytes.len, &head, &used),
                             H1_DONE);
        assert_int_equal(h1_head_partial(&parser, bytes, &head), cases[i].method != NULL);
        mem_free(bytes);
        if (cases[i].method != NULL) {
            assert_true(str_equals(head.method_text, str_from_cstr(cases[i].method)));
            assert_true(str_equals(head.path, str_from_cstr(cases[i].path)));
            assert_true(str_equals(head.authority, str_from_cstr(cases[i].authority)));
        }
    }
}

static void empty_lines_are_no_request_yet(void **state)
{
    struct h1_head_parser parser;
    struct head head;
    size_t used;

    (void)state;
    h1_head_init(&parser, H1_REQUEST, MAX_BYTES, MAX_FIELDS, arena);
    assert_true(h1_head_is_untouched(&parser, 0));
    assert_int_equal(h1_head_parse(&parser, (const unsigned char *)"\r\n", 2, &head, &used),
                     H1_MORE);
    assert_true(h1_head_is_untouched(&parser, 2));
    assert_false(h1_head_is_untouched(&parser, 3));
}

/* --- Bodies ----------------------------------------------------------------------------------- */

/* "BYTES|used" of a complete body, "more" or "error". */
static void decode(enum body_framing framing, uint64_t length, struct str text, size_t step,
                   struct text *out)
{
    struct h1_body body;
    size_t at = 0;
    size_t seen = 0;

    h1_body_init(&body, framing, length, arena);
    text_clear(out);
    for (;;) {
        unsigned char *bytes = exact_copy(str_slice(text, at, seen - at));
        struct str content;
        size_t taken;
        enum h1_body_event event = h1_body_next(&body, bytes, seen - at, &taken, &content);

        if (event == H1_BODY_BYTES) {
            assert_true(content.len > 0);
            text_add(out, content);
        }
        mem_free(bytes);
        at += taken;
        if (event == H1_BODY_FAILED) {
            text_clear(out);
            text_add_cstr(out, "error");
            return;
        }
        if (event == H1_BODY_END) {
            text_printf(out, "|%zu", at);
            for (size_t i = 0; i < body.trailers.count; i++) {
                text_printf(out, "|%.*s=%.*s", STR_ARG(body.trailers.items[i].name),
                            STR_ARG(body.trailers.items[i].value));
            }
            return;
        }
        if (event == H1_BODY_MORE) {
            if (seen == text.len) {
                text_add_cstr(out, h1_body_may_end_here(&body) ? "|until close" : "|more");
                return;
            }
            seen = text.len - seen < step ? text.len : seen + step;
        }
    }
}

static void assert_body(enum body_framing framing, uint64_t length, struct str text,
                        const char *expected)
{
    struct text out = { 0 };

    for (size_t step = 1; step <= text.len + 1; step = step < 4 ? step + 1 : step * 3) {
        decode(framing, length, text, step, &out);
        if (strcmp(out.ptr, expected) != 0) {
            fail_msg("%.*s in steps of %zu: %s", STR_ARG(text), step, out.ptr);
        }
    }
    text_cleanup(&out);
}

static void bad_chunks_are_refused(void **state)
{
    static const struct str cases[] = {
        STR_INIT("\r\n"),
        STR_INIT(" 3\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("3 \r\nabc\r\n0\r\n\r\n"),
        STR_INIT("3\t\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("+3\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("-3\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("0x3\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("x3\r\nabc\r\n0\r\n\r\n"),
        STR_INIT("g\r\n"),
        STR_INIT("3h\r\n"),
        STR_INIT("3\nabc\r\n0\r\n\r\n"),
        STR_INIT("3\r\nabc\n0\r\n\r\n"),
        STR_INIT("3\rabc\r\n0\r\n\r\n"),
        STR_INIT("3\r\r\nabc"),
        STR_INIT("3\r\nabcd\r\n0\r\n\r\n"),
        STR_INIT("3\r\nab\r\n0\r\n\r\n"),
        STR_INIT("3\r\nabc0\r\n\r\n"),
        STR_INIT("3\r\nabc\r0\r\n\r\n"),
        STR_INIT("3,3\r\nabc"),
        STR_INIT("3.0\r\nabc"),
        STR_INIT("\0"
                 "3\r\nabc"),
        STR_INIT("3\0\r\nabc"),
        STR_INIT("00000000000000003\r\nabc\r\n0\r\n\r\n"), /* 17 digits */
        STR_INIT("10000000000000000\r\n"),
        STR_INIT("ffffffffffffffff\r\n"),
        STR_INIT("8000000000000000\r\n"),
        STR_INIT("fffffffffffffffff\r\n"),
        /* Extensions: grammar without blanks. */
        STR_INIT("3;\r\nabc"),
        STR_INIT("3; a\r\nabc"),
        STR_INIT("3 ;a\r\nabc"),
        STR_INIT("3;a =b\r\nabc"),
        STR_INIT("3;a= b\r\nabc"),
        STR_INIT("3;a=\r\nabc"),
        STR_INIT("3;=b\r\nabc"),
        STR_INIT("3;a=\"b\r\nabc"),
        STR_INIT("3;a=\"b\"c\r\nabc"),
        STR_INIT("3;a=\"b\nc\"\r\nabc"),
        STR_INIT("3;a=\"\\\r\"\r\nabc"),
        STR_INIT("3;a\nabc"),
        STR_INIT("3;a=b=c\r\nabc"),
        STR_INIT("3;a\0\r\nabc"),
        STR_INIT("3;a\x80\r\nabc"),
        STR_INIT("3;;a\r\nabc"),
        /* The last chunk and the trailers. */
        STR_INIT("0\n\n"),
        STR_INIT("0\r\n\n"),
        STR_INIT("0\r\n\r\r\n"),
        STR_INIT("0\r\n a: b\r\n\r\n"),
        STR_INIT("0\r\na : b\r\n\r\n"),
        STR_INIT("0\r\na: b\r\n c\r\n\r\n"),
        STR_INIT("0\r\na: b\0\r\n\r\n"),
        STR_INIT("0\r\nabc\r\n\r\n"),
        STR_INIT("0\r\nContent-Length: 5\r\n\r\n"),
        STR_INIT("0\r\nTransfer-Encoding: chunked\r\n\r\n"),
        STR_INIT("0\r\nHost: a\r\n\r\n"),
        STR_INIT("0\r\nx: y\r\nConnection: close\r\n\r\n"),
        STR_INIT("0\r\nGET / HTTP/1.1\r\n\r\n"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_body(BODY_CHUNKED, 0, cases[i], "error");
    }
}

static void cn_41_chunks_and_trailers_are_read(void **state)
{
    static const struct {
        struct str bytes;
        const char *expected;
    } cases[] = {
        { STR_INIT(""), "|more" },
        { STR_INIT("3"), "|more" },
        { STR_INIT("3\r\nab"), "ab|more" },
        { STR_INIT("3\r\nabc\r\n"), "abc|more" },
        { STR_INIT("0\r\n"), "|more" },
        { STR_INIT("0\r\nX: y\r\n"), "|more" },
        { STR_INIT("0\r\n\r\n"), "|5" },
        { STR_INIT("0\r\n\r\nGET / HTTP/1.1\r\n"), "|5" },
        { STR_INIT("000\r\n\r\n"), "|7" },
        { STR_INIT("0000000000000003\r\nabc\r\n0\r\n\r\n"), "abc|28" },
        { STR_INIT("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"), "abc0123456789|28" },
        { STR_INIT("1\r\na\r\n1\r\nb\r\n1\r\nc\r\n0\r\n\r\n"), "abc|23" },
        { STR_INIT("2\r\n\r\n\r\n0\r\n\r\n"), "\r\n|12" },
        { STR_INIT("3;a;b=c;d=\"e\\\"; f\"\r\nabc\r\n0;x\r\n\r\n"), "abc|32" },
        { STR_INIT("0\r\nX-Sum: 1\r\nGRPC-Status: 0\r\n\r\n"), "|31|x-sum=1|grpc-status=0" },
        /* What steers a message is not taken from behind it. */
        { STR_INIT("0\r\nAuthorization: x\r\nX: 1\r\nX-Forwarded-For: y\r\n\r\n"), "|49|x=1" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_body(BODY_CHUNKED, 0, cases[i].bytes, cases[i].expected);
    }
}

static void chunk_extensions_are_capped(void **state)
{
    struct h1_body body;
    struct str content;
    size_t taken;
    char line[LIMIT_CHUNK_LINE_BYTES + 8];
    unsigned chunks = 0;

    (void)state;
    /* One line. */
    memset(line, 'a', sizeof(line));
    memcpy(line, "3;", 2);
    h1_body_init(&body, BODY_CHUNKED, 0, arena);
    assert_int_equal(
        h1_body_next(&body, (const unsigned char *)line, LIMIT_CHUNK_LINE_BYTES, &taken, &content),
        H1_BODY_MORE);
    assert_int_equal(h1_body_next(&body, (const unsigned char *)line + 2, 1, &taken, &content),
                     H1_BODY_FAILED);
    /* All of them together. */
    static const char chunk[] =
        "1;aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\nx\r\n";
    enum h1_body_event event = H1_BODY_MORE;

    h1_body_init(&body, BODY_CHUNKED, 0, arena);
    while (event != H1_BODY_FAILED && chunks < LIMIT_CHUNK_EXTENSION_BYTES) {
        for (size_t at = 0; at < sizeof(chunk) - 1 && event != H1_BODY_FAILED; at += taken) {
            event = h1_body_next(&body, (const unsigned char *)chunk + at, sizeof(chunk) - 1 - at,
                                 &taken, &content);
        }
        chunks++;
    }
    assert_in_range(chunks, LIMIT_CHUNK_EXTENSION_BYTES / 64 - 16,
                    LIMIT_CHUNK_EXTENSION_BYTES / 62 + 1);
}

static void trailers_are_capped(void **state)
{
    struct text text = { 0 };
    struct text out = { 0 };

    (void)state;
    text_add_cstr(&text, "0\r\n");
    for (unsigned i = 0; i <= LIMIT_TRAILERS; i++) {
        text_add_cstr(&text, "x:\r\n");
    }
    text_add_cstr(&text, "\r\n");
    decode(BODY_CHUNKED, 0, text_view(&text), text.len, &out);
    assert_string_equal(out.ptr, "error");
    text_clear(&text);
    text_add_cstr(&text, "0\r\nx: ");
    for (unsigned i = 0; i < LIMIT_TRAILER_BYTES; i++) {
        text_add_char(&text, 'a');
    }
    decode(BODY_CHUNKED, 0, text_view(&text), text.len, &out);
    assert_string_equal(out.ptr, "error");
    text_cleanup(&text);
    text_cleanup(&out);
}

static void other_bodies(void **state)
{
    (void)state;
    assert_body(BODY_LENGTH, 3, STR("ab"), "ab|more");
    assert_body(BODY_LENGTH, 3, STR("abcGET"), "abc|3");
    assert_body(BODY_LENGTH, 0, STR("GET"), "|0");
    assert_body(BODY_NONE, 0, STR("GET"), "|0");
    assert_body(BODY_UNTIL_CLOSE, 0, STR("abc"), "abc|until close");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_requests_are_refused),
        cmocka_unit_test(bad_responses_are_refused),
        cmocka_unit_test(unfinished_heads_wait),
        cmocka_unit_test(good_requests_are_read),
        cmocka_unit_test(good_responses_are_read),
        cmocka_unit_test(cn_35_cn_37_the_size_of_a_head_is_limited),
        cmocka_unit_test(a_partial_head_tells_what_is_known),
        cmocka_unit_test(empty_lines_are_no_request_yet),
        cmocka_unit_test(bad_chunks_are_refused),
        cmocka_unit_test(cn_41_chunks_and_trailers_are_read),
        cmocka_unit_test(chunk_extensions_are_capped),
        cmocka_unit_test(trailers_are_capped),
        cmocka_unit_test(other_bodies),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
