/* fuzz_h2_head: a field list of HTTP/2. The first byte picks the kind of message; then each field is two
 * bytes of length, name and value.
 *   - what is accepted holds nothing that HTTP/1.1 could read as something else: written for it, the
 *     parser sees one message, to the last byte, with the same method, target, host and framing;
 *   - written for HTTP/2 again, it is accepted again and is the same;
 *   - what is refused has a reason. */
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/http/h1_parse.h"
#include "gateway/http/h1_write.h"
#include "gateway/http/h2_head.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

enum { FUZZ_MAX_BYTES = 64 * 1024, FUZZ_MAX_FIELDS = 64 };

struct input {
    enum h2_head_kind kind;
    bool is_end_stream;
    bool was_upgrade;
    enum http_method request_method;
};

/* In memory of exactly its length. */
static void add_field(struct h2_head_reader *reader, const uint8_t *bytes, size_t name_len,
                      size_t value_len)
{
    char *name = mem_alloc(name_len + 1);
    char *value = mem_alloc(value_len + 1);
    size_t fields = reader->fields;

    memcpy(name, bytes, name_len);
    memcpy(value, bytes + name_len, value_len);
    if (!h2_head_add(reader, str_from(name, name_len), str_from(value, value_len))) {
        CHECK(reader->refusal.status >= 400 && reader->refusal.detail != NULL);
    }
    CHECK(reader->fields <= fields + 1);
    mem_free(name);
    mem_free(value);
}

static bool read_input(const struct input *input, const uint8_t *bytes, size_t size,
                       struct head *head, struct arena *arena)
{
    struct h2_head_reader reader;
    size_t at = 0;

    h2_head_begin(&reader, input->kind, FUZZ_MAX_BYTES, FUZZ_MAX_FIELDS, head, arena);
    while (size - at >= 2) {
        size_t name_len = bytes[at];
        size_t value_len = bytes[at + 1];

        at += 2;
        name_len = name_len < size - at ? name_len : size - at;
        value_len = value_len < size - at - name_len ? value_len : size - at - name_len;
        add_field(&reader, bytes + at, name_len, value_len);
        at += name_len + value_len;
    }
    bool is_good =
        h2_head_finish(&reader, input->request_method, input->was_upgrade, input->is_end_stream);

    CHECK(is_good == (reader.refusal.status == 0));
    CHECK(is_good || reader.refusal.detail != NULL);
    return is_good;
}

static bool read_again(const struct input *input, const struct h2_fields *fields, struct head *head,
                       struct arena *arena)
{
    struct h2_head_reader reader;

    h2_head_begin(&reader, input->kind, SIZE_MAX, SIZE_MAX, head, arena);
    for (size_t i = 0; i < fields->count; i++) {
        (void)h2_head_add(&reader, fields->items[i].name, fields->items[i].value);
    }
    return h2_head_finish(&reader, input->request_method, input->was_upgrade, input->is_end_stream);
}

static const struct header *next_sent(const struct headers *headers, size_t *at)
{
    while (*at < headers->count && !validate_may_send(&headers->items[*at])) {
        (*at)++;
    }
    return *at < headers->count ? &headers->items[(*at)++] : NULL;
}

static void check_same_fields(const struct headers *a, const struct headers *b)
{
    size_t at_a = 0;
    size_t at_b = 0;

    for (;;) {
        const struct header *one = next_sent(a, &at_a);
        const struct header *other = next_sent(b, &at_b);

        CHECK((one == NULL) == (other == NULL));
        if (one == NULL) {
            return;
        }
        CHECK(str_equals(one->name, other->name));
        CHECK(str_equals(one->value, other->value));
        CHECK(one->id == header_id_of(one->name));
    }
}

static void check_same_heads(const struct head *a, const struct head *b)
{
    CHECK(str_equals(a->method_text, b->method_text));
    CHECK(a->method == b->method);
    CHECK(str_equals(a->path, b->path));
    CHECK(a->has_query == b->has_query);
    CHECK(str_equals(a->query, b->query));
    CHECK(str_equals(a->authority, b->authority));
    CHECK(str_equals(a->upgrade, b->upgrade));
    CHECK(a->status == b->status);
    CHECK(a->framing == b->framing);
    CHECK(a->content_length == b->content_length);
    check_same_fields(&a->headers, &b->headers);
}

static void check_request(const struct head *head, bool is_end_stream, struct arena *arena)
{
    const struct header *host = headers_find_id(&head->headers, HEADER_HOST);

    CHECK(host != NULL && headers_count_id(&head->headers, HEADER_HOST) == 1);
    CHECK(str_equals(host->value, head->authority));
    CHECK(validate_authority(head->authority));
    CHECK(head->path.ptr[0] == '/' || str_equals(head->path, STR("*")));
    CHECK(headers_count_id(&head->headers, HEADER_COOKIE) <= 1);
    CHECK(!is_end_stream || (head->framing != BODY_CHUNKED && head->content_length == 0));

    struct h1_head_parser parser;
    struct refusal refusal;
    struct head again;
    size_t used = 0;
    struct str wire =
        h1_write_request(head, h1_write_framing_of_request(head, is_end_stream), false, arena);

    h1_head_init(&parser, H1_REQUEST, SIZE_MAX, SIZE_MAX, arena);
    CHECK(h1_head_parse(&parser, (const unsigned char *)wire.ptr, wire.len, &again, &used) ==
          H1_DONE);
    CHECK(used == wire.len);
    CHECK(validate_request(&again, &refusal));
    check_same_heads(head, &again);
}

static void check_response(const struct head *head, const struct input *input, struct arena *arena)
{
    enum body_framing framing =
        h1_write_framing_of_response(head, input->request_method, input->is_end_stream);
    struct h1_head_parser parser;
    struct refusal refusal;
    struct head again;
    size_t used = 0;
    struct str wire = h1_write_response(head, input->request_method, framing, false, arena);

    h1_head_init(&parser, H1_RESPONSE, SIZE_MAX, SIZE_MAX, arena);
    CHECK(h1_head_parse(&parser, (const unsigned char *)wire.ptr, wire.len, &again, &used) ==
          H1_DONE);
    CHECK(used == wire.len);
    CHECK(validate_response(&again, input->request_method,
                            input->was_upgrade ? STR("websocket") : STR(""), &refusal));
    CHECK(again.status == head->status);
    CHECK(again.framing == framing);
    check_same_fields(&head->headers, &again.headers);
}

static void check_message(const struct input *input, const struct head *head, struct arena *arena)
{
    struct h2_fields fields;
    struct head again;

    switch (input->kind) {
    case H2_HEAD_REQUEST:
        check_request(head, input->is_end_stream, arena);
        h2_head_write_request(head, &fields, arena);
        break;
    case H2_HEAD_RESPONSE:
        check_response(head, input, arena);
        h2_head_write_response(head, input->request_method, &fields, arena);
        break;
    case H2_HEAD_TRAILERS:
    default:
        h2_head_write_trailers(&head->headers, &fields, arena);
        break;
    }
    CHECK(read_again(input, &fields, &again, arena));
    check_same_heads(head, &again);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct input input = {
        .kind = (enum h2_head_kind)((bytes[0] & 3) % 3),
        .is_end_stream = (bytes[0] & 4) != 0,
        .was_upgrade = (bytes[0] & 8) != 0,
        .request_method = (bytes[0] & 24) == 16 ? METHOD_HEAD : METHOD_GET,
    };
    struct arena *arena = arena_new(16 * 1024);
    struct head head;

    if (read_input(&input, bytes + 1, size - 1, &head, arena)) {
        check_message(&input, &head, arena);
    }
    arena_free(arena);
    return 0;
}
