/* h1_parse: bytes to heads, chunks and trailers of HTTP/1.1 (RFC 9112). Pure: knows no socket and
 * no time; a parser belongs to one connection.
 *
 * Every line is read once, when its line feed is there; an unfinished line is only searched for
 * that, from where the last search ended. So the work per byte is bounded however the bytes arrive.
 */
#include "gateway/http/h1_parse.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/vec.h"
#include "gateway/http/target.h"

enum { H1_FIRST_FIELDS = 24, H1_VERSION_BYTES = 8 };

static const char codec_error[] = "http1.codec_error"; /* spec LR-11 */

/* --- Heads ------------------------------------------------------------------------------------ */

void h1_head_init(struct h1_head_parser *parser, enum h1_kind kind, size_t max_bytes,
                  size_t max_fields, struct arena *arena)
{
    *parser = (struct h1_head_parser){
        .arena = arena,
        .kind = kind,
        .max_bytes = max_bytes,
        .max_fields = max_fields,
        .version = HTTP_VERSION_1_1,
    };
}

static enum h1_result h1_head_fail(struct h1_head_parser *parser, unsigned status,
                                   const char *detail)
{
    parser->refusal = (struct refusal){ status, detail };
    return H1_FAILED;
}

static struct str h1_view(const unsigned char *bytes, struct h1_span span)
{
    return str_from((const char *)bytes + span.at, span.len);
}

static struct h1_span h1_span(size_t at, size_t end)
{
    return (struct h1_span){ (uint32_t)at, (uint32_t)(end - at) };
}

/* Exactly "HTTP/" DIGIT "." DIGIT (RFC 9112 2.3). What is that but not for us is told apart: 426
 * for what is older (spec CN-33), 505 for what is newer or not HTTP/1. */
static enum h1_result h1_parse_version(struct h1_head_parser *parser, struct str text)
{
    if (str_equals(text, STR("HTTP/1.1"))) {
        parser->version = HTTP_VERSION_1_1;
        return H1_DONE;
    }
    if (str_equals(text, STR("HTTP/1.0"))) {
        parser->version = HTTP_VERSION_1_0;
        return H1_DONE;
    }
    if (text.len != H1_VERSION_BYTES || !str_starts_with(text, STR("HTTP/")) ||
        text.ptr[6] != '.' || text.ptr[5] < '0' || text.ptr[5] > '9' || text.ptr[7] < '0' ||
        text.ptr[7] > '9') {
        return h1_head_fail(parser, 400, codec_error);
    }
    if (text.ptr[5] == '0') {
        return h1_head_fail(parser, 426, "low_version");
    }
    return h1_head_fail(parser, 505, "http1.unsupported_version");
}

/* method SP request-target SP HTTP-version, single spaces (RFC 9112 3). */
static enum h1_result h1_parse_request_line(struct h1_head_parser *parser,
                                            const unsigned char *bytes, size_t at, size_t end)
{
    const unsigned char *first = memchr(bytes + at, ' ', end - at);
    const unsigned char *second =
        first != NULL ? memchr(first + 1, ' ', (size_t)(bytes + end - first - 1)) : NULL;

    if (second == NULL) {
        return h1_head_fail(parser, 400, codec_error);
    }
    size_t target_at = (size_t)(first - bytes) + 1;
    size_t version_at = (size_t)(second - bytes) + 1;

    parser->method = h1_span(at, target_at - 1);
    parser->target = h1_span(target_at, version_at - 1);
    if (!validate_method(h1_view(bytes, parser->method), HTTP_VERSION_1_1, &parser->refusal)) {
        return H1_FAILED;
    }
    if (parser->target.len == 0 || !validate_is_field_value(h1_view(bytes, parser->target))) {
        return h1_head_fail(parser, 400, codec_error);
    }
    /* A second space inside the target lands in the version and is refused there. */
    enum h1_result result =
        h1_parse_version(parser, str_from((const char *)bytes + version_at, end - version_at));

    /* For the log a line with an odd version is still a line. */
    parser->has_start_line = result == H1_DONE || parser->refusal.status != 400;
    return result;
}

/* HTTP-version SP status-code [ SP reason ] (RFC 9112 4). The space before an empty reason is often
 * forgotten; nothing can be read into that, so it is let pass. */
static enum h1_result h1_parse_status_line(struct h1_head_parser *parser,
                                           const unsigned char *bytes, size_t at, size_t end)
{
    size_t reason_at = at + H1_VERSION_BYTES + 1 + 3;

    if (end < reason_at || bytes[at + H1_VERSION_BYTES] != ' ' ||
        (end > reason_at && bytes[reason_at] != ' ')) {
        return h1_head_fail(parser, 400, codec_error);
    }
    if (h1_parse_version(parser, str_from((const char *)bytes + at, H1_VERSION_BYTES)) != H1_DONE) {
        return h1_head_fail(parser, 400, codec_error);
    }
    parser->reason = end > reason_at ? h1_span(reason_at + 1, end) : (struct h1_span){ 0 };
    if (!validate_status(h1_view(bytes, h1_span(reason_at - 3, reason_at)), &parser->status) ||
        !validate_is_field_value(h1_view(bytes, parser->reason))) {
        return h1_head_fail(parser, 400, codec_error);
    }
    parser->has_start_line = true;
    return H1_DONE;
}

/* field-name ":" OWS field-value OWS (RFC 9112 5). No space before the colon, no continuation line:
 * both begin with, or contain, what is no token character. */
static enum h1_result h1_parse_field(struct h1_head_parser *parser, const unsigned char *bytes,
                                     size_t at, size_t end)
{
    const unsigned char *colon = memchr(bytes + at, ':', end - at);

    if (colon == NULL) {
        return h1_head_fail(parser, 400, codec_error);
    }
    if (parser->field_count == parser->max_fields) {
        return h1_head_fail(parser, 431, "http1.too_many_headers"); /* spec LR-13 */
    }
    struct h1_field field = { .name = h1_span(at, (size_t)(colon - bytes)) };
    size_t value_at = (size_t)(colon - bytes) + 1;

    while (value_at < end && (bytes[value_at] == ' ' || bytes[value_at] == '\t')) {
        value_at++;
    }
    while (end > value_at && (bytes[end - 1] == ' ' || bytes[end - 1] == '\t')) {
        end--;
    }
    field.value = h1_span(value_at, end);
    if (!validate_is_token(h1_view(bytes, field.name)) ||
        !validate_is_field_value(h1_view(bytes, field.value))) {
        return h1_head_fail(parser, 400, codec_error);
    }
    if (parser->field_count == parser->field_capacity) {
        parser->fields = vec_grow_in_arena(
            parser->arena, parser->fields, &parser->field_capacity,
            parser->field_count == 0 ? H1_FIRST_FIELDS : parser->field_count + 1, sizeof(field));
    }
    parser->fields[parser->field_count++] = field;
    return H1_DONE;
}

static struct str h1_copied(const char *copy, size_t start, struct h1_span span)
{
    return str_from(copy + (span.at - start), span.len);
}

/* Copies the head into the arena in one piece and makes views of it. */
static void h1_head_build(const struct h1_head_parser *parser, const unsigned char *bytes,
                          size_t end, struct head *head)
{
    const size_t start = parser->start;
    char *copy = arena_alloc(parser->arena, end - start + 1);

    memcpy(copy, bytes + start, end - start);
    head_init(head, parser->arena);
    head->version = parser->version;
    head->status = parser->status;
    if (parser->kind == H1_REQUEST) {
        head->method_text = h1_copied(copy, start, parser->method);
        head->method = http_method_from(head->method_text);
        head->target = h1_copied(copy, start, parser->target);
    } else if (parser->reason.len > 0) {
        head->reason = h1_copied(copy, start, parser->reason);
    }
    for (size_t i = 0; i < parser->field_count; i++) {
        const struct h1_field *field = &parser->fields[i];

        str_lower_bytes(copy + (field->name.at - start), field->name.len);
        headers_add(&head->headers, h1_copied(copy, start, field->name),
                    h1_copied(copy, start, field->value));
    }
}

/* Bytes that cannot begin a start line are refused at once: who speaks another protocol would
 * otherwise keep us waiting for a line feed. At most LIMIT_METHOD_BYTES bytes are looked at. */
static bool h1_may_be_start_line(const struct h1_head_parser *parser, const unsigned char *bytes,
                                 size_t len)
{
    struct str line = str_from((const char *)bytes + parser->line_at, len - parser->line_at);

    if (line.len == 0) {
        return true;
    }
    if (parser->kind == H1_RESPONSE) {
        return str_starts_with(line, str_slice(STR("HTTP/1."), 0, line.len));
    }
    if (line.ptr[0] == '\r') {
        return line.len == 1;
    }
    /* Longer than any method is for the whole line to tell. */
    struct str method = str_slice(line, 0, LIMIT_METHOD_BYTES);

    return validate_is_token(str_slice(method, 0, str_find_char(method, ' ')));
}

static enum h1_result h1_head_wait(struct h1_head_parser *parser, const unsigned char *bytes,
                                   size_t len)
{
    parser->scan_at = len;
    if (len - parser->start > parser->max_bytes) {
        return h1_head_fail(parser, 431, "http1.headers_too_large"); /* spec CN-35, LR-13 */
    }
    if (parser->kind != H1_TRAILERS && !parser->has_start_line &&
        !h1_may_be_start_line(parser, bytes, len)) {
        return h1_head_fail(parser, 400, codec_error);
    }
    return H1_MORE;
}

/* One line, without its CR LF. H1_DONE: go on. */
static enum h1_result h1_head_parse_line(struct h1_head_parser *parser, const unsigned char *bytes,
                                         size_t at, size_t end)
{
    if (parser->kind == H1_TRAILERS || parser->has_start_line) {
        return h1_parse_field(parser, bytes, at, end);
    }
    return parser->kind == H1_REQUEST ? h1_parse_request_line(parser, bytes, at, end)
                                      : h1_parse_status_line(parser, bytes, at, end);
}

static enum h1_result h1_head_finish(struct h1_head_parser *parser, const unsigned char *bytes,
                                     size_t end, struct head *head)
{
    h1_head_build(parser, bytes, end, head);
    if (parser->kind == H1_REQUEST && !target_parse(head)) {
        return h1_head_fail(parser, 400, "http1.invalid_url");
    }
    return H1_DONE;
}

enum h1_result h1_head_parse(struct h1_head_parser *parser, const unsigned char *bytes, size_t len,
                             struct head *head, size_t *used)
{
    for (;;) {
        const unsigned char *feed =
            parser->scan_at < len ? memchr(bytes + parser->scan_at, '\n', len - parser->scan_at)
                                  : NULL;

        if (feed == NULL) {
            return h1_head_wait(parser, bytes, len);
        }
        size_t at = parser->line_at;
        size_t end = (size_t)(feed - bytes);
        size_t next = end + 1;

        /* RFC 9112 2.2 lets a recipient take a bare LF for a line end; then two of them may see
         * different lines. Refused. A CR anywhere else is a control byte to the line parsers. */
        if (end == at || bytes[end - 1] != '\r') {
            return h1_head_fail(parser, 400, codec_error);
        }
        if (next - parser->start > parser->max_bytes) {
            return h1_head_fail(parser, 431, "http1.headers_too_large");
        }
        end--;
        if (end == at && (parser->has_start_line || parser->kind == H1_TRAILERS)) {
            *used = next;
            return h1_head_finish(parser, bytes, next, head);
        }
        if (end == at) {
            if (parser->kind != H1_REQUEST || parser->empty_lines == LIMIT_LEADING_EMPTY_LINES) {
                return h1_head_fail(parser, 400, codec_error);
            }
            parser->empty_lines++;
            parser->start = next;
        } else if (h1_head_parse_line(parser, bytes, at, end) != H1_DONE) {
            return H1_FAILED;
        }
        parser->line_at = next;
        parser->scan_at = next;
    }
}

bool h1_head_partial(const struct h1_head_parser *parser, const unsigned char *bytes,
                     struct head *head)
{
    if (!parser->has_start_line) {
        return false;
    }
    /* The line that failed lies behind line_at, or is the request line itself. */
    size_t end = parser->line_at;

    if (parser->kind == H1_REQUEST && end < parser->target.at + parser->target.len) {
        end = parser->target.at + parser->target.len;
    }
    h1_head_build(parser, bytes, end, head);
    if (parser->kind == H1_REQUEST) {
        const struct header *host = headers_find_id(&head->headers, HEADER_HOST);

        if (!target_parse(head)) {
            head->path = head->target; /* for a log line only */
        }
        if (head->authority.len == 0 && host != NULL) {
            head->authority = host->value;
        }
    }
    return true;
}

bool h1_head_is_untouched(const struct h1_head_parser *parser, size_t len)
{
    return len <= parser->start;
}

/* --- Bodies ----------------------------------------------------------------------------------- */

/*  SIZE_FIRST ─▶ SIZE ─▶ (EXT_* ─▶) SIZE_LF ─▶ BYTES ─▶ CR ─▶ LF
 *      ▲                               │                      │
 *      └───────────────────────────────┼──────────────────────┘
 *                                      ▼ size 0
 *                                   TRAILERS ─▶ DONE             */
enum body_state {
    BODY_STATE_BYTES, /* BODY_LENGTH, BODY_UNTIL_CLOSE, BODY_TUNNEL */
    CHUNK_SIZE_FIRST,
    CHUNK_SIZE,
    CHUNK_EXT_NAME_FIRST,
    CHUNK_EXT_NAME,
    CHUNK_EXT_VALUE_FIRST,
    CHUNK_EXT_VALUE,
    CHUNK_EXT_QUOTED,
    CHUNK_EXT_QUOTED_PAIR,
    CHUNK_EXT_QUOTED_END,
    CHUNK_SIZE_LF,
    CHUNK_BYTES,
    CHUNK_CR,
    CHUNK_LF,
    BODY_STATE_TRAILERS,
    BODY_STATE_DONE,
    BODY_STATE_FAILED,
};

enum { CHUNK_MAX_DIGITS = 16 };

void h1_body_init(struct h1_body *body, enum body_framing framing, uint64_t content_length,
                  struct arena *arena)
{
    *body = (struct h1_body){ .framing = framing, .state = BODY_STATE_DONE };
    headers_init(&body->trailers, arena);
    switch (framing) {
    case BODY_LENGTH:
        body->left = content_length;
        body->state = content_length > 0 ? BODY_STATE_BYTES : BODY_STATE_DONE;
        break;
    case BODY_UNTIL_CLOSE:
    case BODY_TUNNEL:
        body->left = UINT64_MAX;
        body->state = BODY_STATE_BYTES;
        break;
    case BODY_CHUNKED:
        body->state = CHUNK_SIZE_FIRST;
        h1_head_init(&body->trailer_parser, H1_TRAILERS, LIMIT_TRAILER_BYTES, LIMIT_TRAILERS,
                     arena);
        break;
    case BODY_NONE:
    default:
        break;
    }
}

static enum h1_body_event h1_body_fail(struct h1_body *body, struct refusal refusal)
{
    body->state = BODY_STATE_FAILED;
    body->refusal = refusal;
    return H1_BODY_FAILED;
}

static bool h1_is_token_byte(char c)
{
    return validate_is_token(str_from(&c, 1));
}

static int h1_hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* After the size, an extension's name or its value: another extension, or the end of the line. */
static bool h1_chunk_line_goes_on(struct h1_body *body, char c)
{
    if (c == ';') {
        body->state = CHUNK_EXT_NAME_FIRST;
    } else if (c == '\r') {
        body->state = CHUNK_SIZE_LF;
    } else {
        return false;
    }
    return true;
}

/* Digits of the size: no sign, no "0x", no space, and no more than 64 bits hold. */
static bool h1_chunk_size_byte(struct h1_body *body, char c)
{
    int digit = h1_hex_digit(c);

    if (digit >= 0) {
        if (body->digits == CHUNK_MAX_DIGITS) {
            return false;
        }
        body->digits++;
        body->left = body->left << 4 | (unsigned)digit;
        body->state = CHUNK_SIZE;
        return body->left <= INT64_MAX;
    }
    return body->state == CHUNK_SIZE && h1_chunk_line_goes_on(body, c);
}

/* RFC 9112 7.1.1, without the "bad whitespace" around ";" and "=", where recipients have disagreed
 * on what a chunk line is. Read for its grammar only, and thrown away. */
static bool h1_chunk_extension_byte(struct h1_body *body, char c)
{
    switch ((enum body_state)body->state) {
    case CHUNK_EXT_NAME_FIRST:
        body->state = CHUNK_EXT_NAME;
        return h1_is_token_byte(c);
    case CHUNK_EXT_NAME:
        if (c == '=') {
            body->state = CHUNK_EXT_VALUE_FIRST;
            return true;
        }
        return h1_is_token_byte(c) || h1_chunk_line_goes_on(body, c);
    case CHUNK_EXT_VALUE_FIRST:
        body->state = c == '"' ? CHUNK_EXT_QUOTED : CHUNK_EXT_VALUE;
        return c == '"' || h1_is_token_byte(c);
    case CHUNK_EXT_VALUE:
        return h1_is_token_byte(c) || h1_chunk_line_goes_on(body, c);
    case CHUNK_EXT_QUOTED:
        if (c == '"') {
            body->state = CHUNK_EXT_QUOTED_END;
        } else if (c == '\\') {
            body->state = CHUNK_EXT_QUOTED_PAIR;
        }
        return validate_is_field_value(str_from(&c, 1));
    case CHUNK_EXT_QUOTED_PAIR:
        body->state = CHUNK_EXT_QUOTED;
        return validate_is_field_value(str_from(&c, 1));
    case CHUNK_EXT_QUOTED_END:
        return h1_chunk_line_goes_on(body, c);
    case BODY_STATE_BYTES:
    case CHUNK_SIZE_FIRST:
    case CHUNK_SIZE:
    case CHUNK_SIZE_LF:
    case CHUNK_BYTES:
    case CHUNK_CR:
    case CHUNK_LF:
    case BODY_STATE_TRAILERS:
    case BODY_STATE_DONE:
    case BODY_STATE_FAILED:
    default:
        return false;
    }
}

/* One byte of a chunk line, or of the CR LF behind a chunk. */
static bool h1_chunk_byte(struct h1_body *body, char c)
{
    if (body->state == CHUNK_CR || body->state == CHUNK_LF) {
        bool is_expected = c == (body->state == CHUNK_CR ? '\r' : '\n');

        body->state = body->state == CHUNK_CR ? CHUNK_LF : CHUNK_SIZE_FIRST;
        return is_expected;
    }
    if (++body->line_bytes > LIMIT_CHUNK_LINE_BYTES) {
        return false;
    }
    if (body->state == CHUNK_SIZE_FIRST || body->state == CHUNK_SIZE) {
        return h1_chunk_size_byte(body, c);
    }
    if (body->state == CHUNK_SIZE_LF) {
        body->state = body->left > 0 ? CHUNK_BYTES : BODY_STATE_TRAILERS;
        body->line_bytes = 0;
        body->digits = 0;
        return c == '\n';
    }
    return ++body->extension_bytes <= LIMIT_CHUNK_EXTENSION_BYTES &&
           h1_chunk_extension_byte(body, c);
}

/* The bytes of a body or of a chunk. */
static enum h1_body_event h1_body_bytes(struct h1_body *body, const unsigned char *bytes,
                                        size_t len, size_t *taken, struct str *content)
{
    size_t part = len < body->left ? len : (size_t)body->left;

    *content = str_from((const char *)bytes, part);
    *taken = part;
    if (body->framing != BODY_UNTIL_CLOSE && body->framing != BODY_TUNNEL) {
        body->left -= part;
    }
    if (body->left == 0) {
        body->state = body->state == CHUNK_BYTES ? CHUNK_CR : BODY_STATE_DONE;
    }
    return H1_BODY_BYTES;
}

/* RFC 9110 6.5.1: fields that steer a message may not come after it. */
static enum h1_body_event h1_body_trailers(struct h1_body *body, const unsigned char *bytes,
                                           size_t len, size_t *taken)
{
    struct head section;
    size_t used = 0;

    switch (h1_head_parse(&body->trailer_parser, bytes, len, &section, &used)) {
    case H1_MORE:
        return H1_BODY_MORE;
    case H1_FAILED:
        return h1_body_fail(body, body->trailer_parser.refusal);
    case H1_DONE:
    default:
        break;
    }
    for (size_t i = 0; i < section.headers.count; i++) {
        const struct header *field = &section.headers.items[i];

        switch (validate_trailer(field)) {
        case TRAILER_REFUSE:
            return h1_body_fail(body, (struct refusal){ 400, "http1.forbidden_trailer" });
        case TRAILER_KEEP:
            headers_add(&body->trailers, field->name, field->value);
            break;
        case TRAILER_DROP:
        default:
            break;
        }
    }
    *taken = used;
    body->state = BODY_STATE_DONE;
    return H1_BODY_END;
}

enum h1_body_event h1_body_next(struct h1_body *body, const unsigned char *bytes, size_t len,
                                size_t *taken, struct str *content)
{
    size_t lines = 0; /* bytes used up by chunk lines in this step */

    *taken = 0;
    for (;;) {
        if (body->state == BODY_STATE_DONE) {
            *taken = lines;
            return H1_BODY_END;
        }
        if (body->state == BODY_STATE_FAILED) {
            return H1_BODY_FAILED;
        }
        if (lines == len) {
            *taken = lines;
            return H1_BODY_MORE;
        }
        if (body->state == BODY_STATE_BYTES || body->state == CHUNK_BYTES) {
            enum h1_body_event event =
                h1_body_bytes(body, bytes + lines, len - lines, taken, content);

            *taken += lines;
            return event;
        }
        if (body->state == BODY_STATE_TRAILERS) {
            enum h1_body_event event = h1_body_trailers(body, bytes + lines, len - lines, taken);

            *taken += lines;
            return event;
        }
        if (!h1_chunk_byte(body, (char)bytes[lines++])) {
            return h1_body_fail(body, (struct refusal){ 400, codec_error });
        }
    }
}

void h1_body_skip(struct h1_body *body, uint64_t len)
{
    CHECK(body->framing == BODY_LENGTH && len <= body->left);
    body->left -= len;
    if (body->left == 0) {
        body->state = BODY_STATE_DONE;
    }
}

bool h1_body_may_end_here(const struct h1_body *body)
{
    return body->framing == BODY_UNTIL_CLOSE || body->framing == BODY_TUNNEL ||
           body->state == BODY_STATE_DONE;
}
