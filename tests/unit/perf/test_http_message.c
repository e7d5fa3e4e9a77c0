/* http_message: what is malformed is refused, every framing ends where it ends, however the bytes
 * are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
/* clang-format off */
#include <cmocka.h>
/* clang-format on */

#include "perf/tools/http_message.h"

struct sample {
    const char *text;
    enum http_message_kind kind;
    enum http_message_step step; /* after all bytes */
    int status;
    uint64_t body;
    size_t rest; /* bytes behind the message */
    bool closes;
};

#define ANSWER HTTP_MESSAGE_ANSWER
#define REQUEST HTTP_MESSAGE_REQUEST
#define MORE HTTP_MESSAGE_MORE
#define DONE HTTP_MESSAGE_DONE
#define BAD HTTP_MESSAGE_BAD

static const struct sample samples[] = {
    /* Bad first. */
    { .text = "\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/2.0 200 OK\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 2x0 OK\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: 1234567890123456789\r\n\r\n",
      .kind = ANSWER,
      .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n", .kind = ANSWER, .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n\r\n",
      .kind = ANSWER,
      .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\ng\r\n",
      .kind = ANSWER,
      .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\nabc\r\n",
      .kind = ANSWER,
      .step = BAD },
    { .text = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0123456789abcdef1\r\n",
      .kind = ANSWER,
      .step = BAD },
    { .text = "GET\r\n\r\n", .kind = REQUEST, .step = BAD },
    { .text = "GET / HTTP/2.0\r\n\r\n", .kind = REQUEST, .step = BAD },
    /* Unfinished. */
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n", .kind = ANSWER, .step = MORE },
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcd",
      .kind = ANSWER,
      .step = MORE,
      .status = 200,
      .body = 4 },
    { .text = "HTTP/1.1 200 OK\r\n\r\nabcd",
      .kind = ANSWER,
      .step = MORE,
      .status = 200,
      .body = 4 },
    { .text = "HTTP/1.1 100 Continue\r\n\r\n", .kind = ANSWER, .step = MORE, .status = 100 },
    /* Whole. */
    { .text = "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nabcHTTP",
      .kind = ANSWER,
      .step = DONE,
      .status = 200,
      .body = 3,
      .rest = 4 },
    { .text = "HTTP/1.1 503 No\r\nContent-Length:0\r\nConnection: close\r\n\r\n",
      .kind = ANSWER,
      .step = DONE,
      .status = 503,
      .closes = true },
    { .text = "HTTP/1.0 200 OK\r\nContent-Length: 1 \r\n\r\nx",
      .kind = ANSWER,
      .step = DONE,
      .status = 200,
      .body = 1,
      .closes = true },
    { .text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No\r\n\r\n",
      .kind = ANSWER,
      .step = DONE,
      .status = 204 },
    { .text = "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\n\r\n\x81\x01x",
      .kind = ANSWER,
      .step = DONE,
      .status = 101,
      .rest = 3 },
    { .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
              "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\nX",
      .kind = ANSWER,
      .step = DONE,
      .status = 200,
      .body = 13,
      .rest = 1 },
    { .text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\na: b\r\nc: d\r\n\r\n",
      .kind = ANSWER,
      .step = DONE,
      .status = 200 },
    { .text = "GET /bytes/12 HTTP/1.1\r\nhost: a\r\n\r\nG",
      .kind = REQUEST,
      .step = DONE,
      .rest = 1 },
    { .text = "POST / HTTP/1.1\r\ncontent-length: 2\r\n\r\nab",
      .kind = REQUEST,
      .step = DONE,
      .body = 2 },
    { .text = "POST / HTTP/1.0\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n",
      .kind = REQUEST,
      .step = DONE,
      .body = 1,
      .closes = true },
};

/* Feeds the text in pieces of `size`; what belongs to the message is *used. */
static enum http_message_step feed(struct http_message *message, const char *text, size_t size,
                                   size_t *used)
{
    enum http_message_step step = HTTP_MESSAGE_MORE;
    size_t len = strlen(text);

    for (*used = 0; *used < len && step == HTTP_MESSAGE_MORE;) {
        size_t part = len - *used < size ? len - *used : size;
        size_t taken = 0;
        step = http_message_feed(message, text + *used, part, &taken);
        *used += taken;
    }
    return step;
}

static void test_samples(void **state)
{
    struct http_message message = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
        const struct sample *sample = &samples[i];
        for (size_t size = 1; size <= strlen(sample->text); size++) {
            size_t used = 0;
            http_message_start(&message, sample->kind);
            assert_true(http_message_is_untouched(&message));
            enum http_message_step step = feed(&message, sample->text, size, &used);
            if (step != sample->step) {
                print_error("sample %zu in pieces of %zu\n", i, size);
            }
            assert_int_equal(step, sample->step);
            if (step == BAD) {
                continue;
            }
            assert_int_equal(message.status, sample->status);
            assert_int_equal(message.body, sample->body);
            assert_int_equal(message.closes, sample->closes);
            if (step == DONE) {
                assert_int_equal(strlen(sample->text) - used, sample->rest);
            }
        }
    }
    http_message_free(&message);
}

static void test_head_too_long(void **state)
{
    static char text[HTTP_MESSAGE_HEAD_MAX + 100];
    struct http_message message = { 0 };
    size_t used = 0;

    (void)state;
    memset(text, 'a', sizeof(text));
    http_message_start(&message, ANSWER);
    assert_int_equal(http_message_feed(&message, text, 100, &used), MORE);
    assert_int_equal(http_message_feed(&message, text, sizeof(text) - 100, &used), BAD);
    http_message_free(&message);
}

static void test_end(void **state)
{
    static const struct {
        const char *text;
        enum http_message_step step;
    } cases[] = {
        { "", BAD },
        { "HTTP/1.1 200", BAD },
        { "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nabcd", BAD },
        { "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n", BAD },
        { "HTTP/1.1 200 OK\r\n\r\nabcd", DONE },
    };
    struct http_message message = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        size_t used = 0;
        http_message_start(&message, ANSWER);
        assert_int_equal(feed(&message, cases[i].text, 7, &used), MORE);
        assert_int_equal(http_message_end(&message), cases[i].step);
    }
    http_message_free(&message);
}

static void test_words(void **state)
{
    static const char text[] = "DELETEALL /bytes/7 HTTP/1.1\r\nSec-WebSocket-Key:  abc= \r\n\r\n";
    struct http_message message = { 0 };
    size_t used = 0;

    (void)state;
    http_message_start(&message, REQUEST);
    assert_int_equal(feed(&message, text, 11, &used), DONE);
    assert_string_equal(message.method, "DELETEA");
    assert_string_equal(message.target, "/bytes/7");
    assert_string_equal(message.websocket_key, "abc=");
    http_message_free(&message);
}

static void test_first_bytes_are_kept(void **state)
{
    static const char text[] = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"
                               "2\r\n10\r\n6\r\n485760\r\n0\r\n\r\n";
    struct http_message message = { 0 };
    size_t used = 0;

    (void)state;
    http_message_start(&message, ANSWER);
    assert_int_equal(feed(&message, text, 3, &used), DONE);
    assert_int_equal(message.kept, 8);
    assert_memory_equal(message.start, "10485760", 8);
    http_message_free(&message);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_samples),
        cmocka_unit_test(test_head_too_long),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_first_bytes_are_kept),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
