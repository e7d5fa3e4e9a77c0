/* h1_write: what leaves is one framing, Host first, names in lower case (spec HD-25, HD-33, LR-26), and
 * never a byte that would break a line; what was written parses to the same. */
#include "gateway/http/h1_write.h"

#include "gateway/http/h1_parse.h"

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

static struct head request(const char *method, const char *path)
{
    struct head head;

    head_init(&head, arena);
    head.method_text = str_from_cstr(method);
    head.method = http_method_from(head.method_text);
    head.path = str_from_cstr(path);
    head.authority = STR("example.com:8080");
    return head;
}

static struct head response(unsigned status)
{
    struct head head;

    head_init(&head, arena);
    head.status = status;
    return head;
}

static void assert_text(struct str text, const char *expected)
{
    if (!str_equals(text, str_from_cstr(expected))) {
        fail_msg("%.*s\n-- expected\n%s", STR_ARG(text), expected);
    }
}

static void nothing_that_breaks_a_line_gets_out(void **state)
{
    struct head head = request("GET", "/a b\r\nx: y#\xc3\xa9\x7f");

    (void)state;
    head.has_query = true;
    head.query = STR("q=\n \t#");
    head.authority = STR("a\r\nx: y");
    headers_add(&head.headers, STR("x-cr"), STR("a\rb"));
    headers_add(&head.headers, STR("x-lf"), STR("a\nb: c"));
    headers_add(&head.headers, STR("x-nul"), str_from("a\0b", 3));
    headers_add(&head.headers, STR("x name"), STR("v"));
    headers_add(&head.headers, STR("x-name\r\ny"), STR("v"));
    headers_add(&head.headers, STR(""), STR("v"));
    headers_add(&head.headers, STR("x-good"), STR("caf\xc3\xa9"));
    assert_text(h1_write_request(&head, BODY_NONE, false, arena),
                "GET /a%20b%0D%0Ax:%20y%23%C3%A9%7F?q=%0A%20%09%23 HTTP/1.1\r\nhost: \r\n"
                "x-good: caf\xc3\xa9\r\n\r\n");
    head = response(200);
    head.reason = STR("Fine\r\nset-cookie: a");
    head.framing = BODY_LENGTH;
    headers_add(&head.headers, STR("location"), STR("http://a/\r\n\r\n<script>"));
    assert_text(h1_write_response(&head, METHOD_GET, BODY_LENGTH, false, arena),
                "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n");
}

static void hd_25_requests_are_written_anew(void **state)
{
    struct head head = request("POST", "/a/b");

    (void)state;
    /* Whatever says how a message is framed or kept alive is written by one place only. */
    headers_add(&head.headers, STR("accept"), STR("*/*"));
    headers_add(&head.headers, STR("connection"), STR("keep-alive, x"));
    headers_add(&head.headers, STR("keep-alive"), STR("5"));
    headers_add(&head.headers, STR("proxy-connection"), STR("x"));
    headers_add(&head.headers, STR("content-length"), STR("999"));
    headers_add(&head.headers, STR("transfer-encoding"), STR("gzip"));
    headers_add(&head.headers, STR("upgrade"), STR("h2c"));
    headers_add(&head.headers, STR("http2-settings"), STR("x"));
    headers_add(&head.headers, STR("host"), STR("other"));
    headers_add(&head.headers, STR("te"), STR("gzip"));
    headers_add(&head.headers, STR("x-empty"), STR(""));
    head.framing = BODY_CHUNKED;
    assert_int_equal(h1_write_framing_of_request(&head, false), BODY_CHUNKED);
    assert_text(h1_write_request(&head, BODY_CHUNKED, false, arena),
                "POST /a/b HTTP/1.1\r\nhost: example.com:8080\r\naccept: */*\r\nx-empty: \r\n"
                "transfer-encoding: chunked\r\n\r\n");
    head.framing = BODY_LENGTH;
    head.content_length = INT64_MAX;
    assert_int_equal(h1_write_framing_of_request(&head, false), BODY_LENGTH);
    assert_text(h1_write_request(&head, BODY_LENGTH, true, arena),
                "POST /a/b HTTP/1.1\r\nhost: example.com:8080\r\naccept: */*\r\nx-empty: \r\n"
                "content-length: 9223372036854775807\r\nconnection: close\r\n\r\n");
}

static void requests_without_a_body(void **state)
{
    struct head head = request("GET", "");

    (void)state;
    head.has_query = true;
    assert_int_equal(h1_write_framing_of_request(&head, true), BODY_NONE);
    assert_text(h1_write_request(&head, BODY_NONE, false, arena),
                "GET /? HTTP/1.1\r\nhost: example.com:8080\r\n\r\n");
    head = request("POST", "/");
    head.framing = BODY_LENGTH;
    assert_int_equal(h1_write_framing_of_request(&head, true), BODY_LENGTH);
    assert_text(h1_write_request(&head, BODY_LENGTH, false, arena),
                "POST / HTTP/1.1\r\nhost: example.com:8080\r\ncontent-length: 0\r\n\r\n");
    /* RFC 9110 10.1.4 */
    headers_add(&head.headers, STR("te"), STR("trailers"));
    assert_text(
        h1_write_request(&head, BODY_NONE, false, arena),
        "POST / HTTP/1.1\r\nhost: example.com:8080\r\nte: trailers\r\nconnection: te\r\n\r\n");
    assert_text(h1_write_request(&head, BODY_NONE, true, arena),
                "POST / HTTP/1.1\r\nhost: example.com:8080\r\nte: trailers\r\n"
                "connection: te, close\r\n\r\n");
}

static void responses_are_framed(void **state)
{
    static const struct {
        unsigned status;
        enum http_method method;
        enum body_framing framing;
        uint64_t length;
        bool is_end;
        enum body_framing written;
        const char *text;
    } cases[] = {
        { 200, METHOD_GET, BODY_LENGTH, 5, false, BODY_LENGTH, "content-length: 5\r\n" },
        { 200, METHOD_GET, BODY_LENGTH, 0, true, BODY_LENGTH, "content-length: 0\r\n" },
        { 200, METHOD_GET, BODY_NONE, 0, true, BODY_LENGTH, "content-length: 0\r\n" },
        { 200, METHOD_GET, BODY_CHUNKED, 0, true, BODY_LENGTH, "content-length: 0\r\n" },
        { 200, METHOD_GET, BODY_CHUNKED, 0, false, BODY_CHUNKED, "transfer-encoding: chunked\r\n" },
        { 200, METHOD_GET, BODY_UNTIL_CLOSE, 0, false, BODY_CHUNKED,
          "transfer-encoding: chunked\r\n" },
        /* LR-26, RFC 9110 8.6 */
        { 200, METHOD_HEAD, BODY_LENGTH, 5, true, BODY_NONE, "content-length: 5\r\n" },
        { 200, METHOD_HEAD, BODY_NONE, 0, true, BODY_NONE, "" },
        { 304, METHOD_GET, BODY_LENGTH, 5, true, BODY_NONE, "content-length: 5\r\n" },
        { 304, METHOD_GET, BODY_NONE, 0, true, BODY_NONE, "" },
        { 204, METHOD_GET, BODY_LENGTH, 5, true, BODY_NONE, "" },
        { 204, METHOD_HEAD, BODY_LENGTH, 5, true, BODY_NONE, "" },
        { 100, METHOD_GET, BODY_NONE, 0, false, BODY_NONE, "" },
        { 103, METHOD_HEAD, BODY_LENGTH, 5, false, BODY_NONE, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct head head = response(cases[i].status);
        struct text expected = { 0 };

        head.reason = STR("Why");
        head.framing = cases[i].framing;
        head.content_length = cases[i].length;
        assert_int_equal(h1_write_framing_of_response(&head, cases[i].method, cases[i].is_end),
                         cases[i].written);
        text_printf(&expected, "HTTP/1.1 %u Why\r\n%s\r\n", cases[i].status, cases[i].text);
        assert_text(h1_write_response(&head, cases[i].method, cases[i].written, false, arena),
                    expected.ptr);
        text_cleanup(&expected);
    }
}

static void hd_33_hop_by_hop_fields_of_a_response_stay_behind(void **state)
{
    struct head head = response(404);

    (void)state;
    headers_add(&head.headers, STR("connection"), STR("x"));
    headers_add(&head.headers, STR("keep-alive"), STR("5"));
    headers_add(&head.headers, STR("proxy-connection"), STR("5"));
    headers_add(&head.headers, STR("transfer-encoding"), STR("chunked"));
    headers_add(&head.headers, STR("upgrade"), STR("h2"));
    headers_add(&head.headers, STR("content-length"), STR("7"));
    headers_add(&head.headers, STR("set-cookie"), STR("a=1"));
    headers_add(&head.headers, STR("set-cookie"), STR("b=2"));
    assert_text(h1_write_response(&head, METHOD_GET, BODY_CHUNKED, true, arena),
                "HTTP/1.1 404 Not Found\r\nset-cookie: a=1\r\nset-cookie: b=2\r\n"
                "transfer-encoding: chunked\r\nconnection: close\r\n\r\n");
}

static void chunk_lines(void **state)
{
    static const struct {
        uint64_t len;
        const char *line;
    } cases[] = {
        { 1, "1\r\n" },
        { 15, "f\r\n" },
        { 16, "10\r\n" },
        { 65536, "10000\r\n" },
        { 0xabcdef0123456789, "abcdef0123456789\r\n" },
        { UINT64_MAX, "ffffffffffffffff\r\n" },
    };
    char line[H1_CHUNK_LINE_BYTES];

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_text(str_from(line, h1_write_chunk_line(line, cases[i].len)), cases[i].line);
    }
}

static void cn_41_trailers(void **state)
{
    struct headers trailers;

    (void)state;
    assert_text(h1_write_last_chunk(NULL, arena), "0\r\n\r\n");
    headers_init(&trailers, arena);
    assert_text(h1_write_last_chunk(&trailers, arena), "0\r\n\r\n");
    headers_add(&trailers, STR("content-length"), STR("1"));
    headers_add(&trailers, STR("host"), STR("a"));
    headers_add(&trailers, STR("authorization"), STR("a"));
    headers_add(&trailers, STR("x-bad"), STR("a\nb"));
    assert_text(h1_write_last_chunk(&trailers, arena), "0\r\n\r\n");
    headers_add(&trailers, STR("grpc-status"), STR("0"));
    headers_add(&trailers, STR("x-sum"), STR("1"));
    assert_text(h1_write_last_chunk(&trailers, arena), "0\r\ngrpc-status: 0\r\nx-sum: 1\r\n\r\n");
}

static void what_was_written_parses_to_the_same(void **state)
{
    struct head head = request("PUT", "/p%20q/~x");
    struct h1_head_parser parser;
    struct head again;
    struct refusal refusal;
    size_t used;

    (void)state;
    head.has_query = true;
    head.query = STR("a=b&c");
    head.framing = BODY_LENGTH;
    head.content_length = 12;
    headers_add(&head.headers, STR("x-one"), STR("1"));
    headers_add(&head.headers, STR("x-two"), STR("caf\xc3\xa9 \t x"));

    struct str text = h1_write_request(&head, BODY_LENGTH, true, arena);

    h1_head_init(&parser, H1_REQUEST, 4096, 100, arena);
    assert_int_equal(
        h1_head_parse(&parser, (const unsigned char *)text.ptr, text.len, &again, &used), H1_DONE);
    assert_int_equal(used, text.len);
    assert_true(validate_request(&again, &refusal));
    assert_true(str_equals(again.path, head.path));
    assert_true(str_equals(again.query, head.query));
    assert_true(str_equals(again.authority, head.authority));
    assert_int_equal(again.framing, BODY_LENGTH);
    assert_int_equal(again.content_length, 12);
    assert_true(again.wants_close);
    assert_true(
        str_equals(headers_find(&again.headers, STR("x-two"))->value, STR("caf\xc3\xa9 \t x")));
    assert_int_equal(again.headers.count, 5); /* host, two of ours, content-length, connection */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_breaks_a_line_gets_out),
        cmocka_unit_test(hd_25_requests_are_written_anew),
        cmocka_unit_test(requests_without_a_body),
        cmocka_unit_test(responses_are_framed),
        cmocka_unit_test(hd_33_hop_by_hop_fields_of_a_response_stay_behind),
        cmocka_unit_test(chunk_lines),
        cmocka_unit_test(cn_41_trailers),
        cmocka_unit_test(what_was_written_parses_to_the_same),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
