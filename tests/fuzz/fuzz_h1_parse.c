/* fuzz_h1_parse: a message of either role. The first byte picks the role and how the rest is split.
 *   - whole and split, the parser says the same;
 *   - what is accepted and written again parses to the same message;
 *   - nothing that was written holds a line break of a peer. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/http/h1_parse.h"
#include "gateway/http/h1_write.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

struct message {
    enum h1_result head_result;
    enum h1_body_event body_event;
    struct refusal refusal;
    struct head head;
    size_t head_bytes;
    size_t used_bytes;
    struct text body;
    struct headers trailers;
    bool may_end_here;
    bool is_valid;
};

static void message_cleanup(struct message *message)
{
    text_cleanup(&message->body);
}

/* Grows by `step` (and a little more each time), in memory of exactly the length offered. */
static void read_body(struct message *message, const uint8_t *bytes, size_t size, size_t step,
                      struct arena *arena)
{
    struct h1_body body;
    size_t at = message->head_bytes;
    size_t seen = at + step < size ? at + step : size;

    h1_body_init(&body, message->head.framing, message->head.content_length, arena);
    for (;;) {
        uint8_t *copy = mem_alloc(seen - at + 1);
        struct str content;
        size_t taken = 0;

        memcpy(copy, bytes + at, seen - at);
        message->body_event = h1_body_next(&body, copy, seen - at, &taken, &content);
        CHECK(taken <= seen - at);
        if (message->body_event == H1_BODY_BYTES) {
            CHECK(content.len > 0 && content.len <= taken);
            text_add(&message->body, content);
        }
        mem_free(copy);
        at += taken;
        if (message->body_event == H1_BODY_FAILED || message->body_event == H1_BODY_END) {
            break;
        }
        if (message->body_event == H1_BODY_MORE) {
            if (seen == size) {
                break;
            }
            seen = size - seen < step ? size : seen + step;
            step += step / 8;
        }
    }
    message->used_bytes = at;
    message->trailers = body.trailers;
    message->may_end_here = h1_body_may_end_here(&body);
}

static void read_message(struct message *message, bool is_request, const uint8_t *bytes,
                         size_t size, size_t step, struct arena *arena)
{
    struct h1_head_parser parser;
    size_t seen = step < size ? step : size;
    size_t growth = step;

    memset(message, 0, sizeof(*message));
    h1_head_init(&parser, is_request ? H1_REQUEST : H1_RESPONSE, DEFAULT_MAX_HEADER_BYTES,
                 DEFAULT_MAX_HEADERS, arena);
    for (;;) {
        uint8_t *copy = mem_alloc(seen + 1);

        memcpy(copy, bytes, seen);
        message->head_result =
            h1_head_parse(&parser, copy, seen, &message->head, &message->head_bytes);
        if (message->head_result == H1_FAILED) {
            struct head partial;

            message->refusal = parser.refusal;
            CHECK(parser.refusal.status >= 400 && parser.refusal.detail != NULL);
            (void)h1_head_partial(&parser, copy, &partial); /* only that it does no harm */
        }
        mem_free(copy);
        if (message->head_result != H1_MORE || seen == size) {
            break;
        }
        seen = size - seen < growth ? size : seen + growth;
        growth += growth / 8;
    }
    if (message->head_result != H1_DONE) {
        return;
    }
    message->is_valid = is_request ? validate_request(&message->head, &message->refusal)
                                   : validate_response(&message->head, METHOD_GET, STR("websocket"),
                                                       &message->refusal);
    if (message->is_valid) {
        read_body(message, bytes, size, step, arena);
    }
}

static void check_same_headers(const struct headers *a, const struct headers *b)
{
    CHECK(a->count == b->count);
    for (size_t i = 0; i < a->count; i++) {
        CHECK(a->items[i].id == b->items[i].id);
        CHECK(str_equals(a->items[i].name, b->items[i].name));
        CHECK(str_equals(a->items[i].value, b->items[i].value));
    }
}

static void check_same_heads(const struct head *a, const struct head *b)
{
    CHECK(a->framing == b->framing);
    CHECK(a->content_length == b->content_length);
    CHECK(a->status == b->status);
    CHECK(str_equals(a->method_text, b->method_text));
    CHECK(str_equals(a->path, b->path));
    CHECK(str_equals(a->query, b->query));
    CHECK(a->has_query == b->has_query);
    CHECK(str_equals(a->authority, b->authority));
}

static void check_same(const struct message *a, const struct message *b)
{
    CHECK(a->head_result == b->head_result);
    /* Which of two faults is met first may differ; that there is one may not. */
    if (a->head_result != H1_DONE) {
        return;
    }
    CHECK(a->head_bytes == b->head_bytes);
    CHECK(a->is_valid == b->is_valid);
    check_same_headers(&a->head.headers, &b->head.headers);
    if (!a->is_valid) {
        CHECK(a->refusal.status == b->refusal.status);
        return;
    }
    check_same_heads(&a->head, &b->head);
    CHECK(a->body_event == b->body_event);
    CHECK(str_equals(text_view(&a->body), text_view(&b->body)));
    if (a->body_event == H1_BODY_END) {
        CHECK(a->used_bytes == b->used_bytes);
        check_same_headers(&a->trailers, &b->trailers);
    }
}

/* As a proxy would send it on: regenerated from what was understood. */
static void write_message(const struct message *message, bool is_request, struct arena *arena,
                          struct text *out)
{
    const struct head *head = &message->head;
    enum body_framing framing =
        is_request ? h1_write_framing_of_request(head, head->framing == BODY_NONE)
                   : h1_write_framing_of_response(head, METHOD_GET, head->framing == BODY_NONE);
    char line[H1_CHUNK_LINE_BYTES];

    text_add(out, is_request ? h1_write_request(head, framing, false, arena)
                             : h1_write_response(head, METHOD_GET, framing, false, arena));
    if (framing == BODY_CHUNKED) {
        if (message->body.len > 0) {
            text_add(out, str_from(line, h1_write_chunk_line(line, message->body.len)));
            text_add(out, text_view(&message->body));
            text_add(out, STR("\r\n"));
        }
        text_add(out, h1_write_last_chunk(&message->trailers, arena));
    } else {
        text_add(out, text_view(&message->body));
    }
}

static void check_written(const struct message *message, bool is_request, struct arena *arena)
{
    struct message again;
    struct text out = { 0 };

    headers_remove_hop_by_hop(&((struct message *)(uintptr_t)message)->head.headers);
    write_message(message, is_request, arena, &out);
    read_message(&again, is_request, (const uint8_t *)out.ptr, out.len, out.len, arena);
    CHECK(again.head_result == H1_DONE);
    CHECK(again.is_valid);
    /* A tunnel ends with its connection. */
    CHECK(again.body_event == (message->head.framing == BODY_TUNNEL ? H1_BODY_MORE : H1_BODY_END));
    CHECK(again.used_bytes == out.len); /* one message, to the last byte */
    CHECK(str_equals(text_view(&again.body), text_view(&message->body)));
    CHECK(str_equals(again.head.method_text, message->head.method_text));
    CHECK(str_equals(again.head.path, message->head.path));
    CHECK(str_equals(again.head.query, message->head.query));
    CHECK(str_equals(again.head.authority, message->head.authority));
    CHECK(again.head.status == message->head.status);
    check_same_headers(&again.trailers, &message->trailers);
    text_cleanup(&out);
    message_cleanup(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    struct message whole;
    struct message split;

    if (size == 0) {
        return 0;
    }
    bool is_request = (bytes[0] & 1) == 0;
    size_t step = (size_t)(bytes[0] >> 1) + 1;

    if (size > 4096 && step < 64) {
        step = 64; /* copies of every length: long inputs in larger steps */
    }
    struct arena *arena = arena_new(16 * 1024);

    read_message(&whole, is_request, bytes + 1, size - 1, size, arena);
    read_message(&split, is_request, bytes + 1, size - 1, step, arena);
    check_same(&whole, &split);
    if (whole.is_valid && whole.head_result == H1_DONE && whole.body_event != H1_BODY_FAILED &&
        (whole.body_event == H1_BODY_END || whole.may_end_here)) {
        check_written(&whole, is_request, arena);
    }
    message_cleanup(&whole);
    message_cleanup(&split);
    arena_free(arena);
    return 0;
}
