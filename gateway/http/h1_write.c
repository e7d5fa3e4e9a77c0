/* h1_write: heads, chunks and trailers to bytes of HTTP/1.1. Pure. The length is counted first, so
 * a head is one piece of the arena and one write. */
#include "gateway/http/h1_write.h"

#include "gateway/base/check.h"
#include "gateway/http/status.h"
#include "gateway/http/target.h"
#include "gateway/http/validate.h"

enum { MAX_DECIMAL_DIGITS = 20 };

/* --- A piece of memory that is filled --------------------------------------------------------- */

struct out {
    char *ptr;
    size_t len;
    size_t capacity;
};

static struct out out_new(struct arena *arena, size_t capacity)
{
    return (struct out){ .ptr = arena_alloc(arena, capacity), .capacity = capacity };
}

static void out_add(struct out *out, struct str text)
{
    CHECK(text.len <= out->capacity - out->len);
    if (text.len > 0) {
        memcpy(out->ptr + out->len, text.ptr, text.len);
        out->len += text.len;
    }
}

static void out_add_decimal(struct out *out, uint64_t value)
{
    char digits[MAX_DECIMAL_DIGITS];
    size_t at = sizeof(digits);

    do {
        digits[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value > 0);
    out_add(out, str_from(digits + at, sizeof(digits) - at));
}

static struct str out_view(const struct out *out)
{
    return str_from(out->ptr, out->len);
}

/* --- Fields ----------------------------------------------------------------------------------- */

static size_t h1_write_fields_bytes(const struct headers *headers)
{
    size_t total = 0;

    for (size_t i = 0; i < headers->count; i++) {
        total += headers->items[i].name.len + headers->items[i].value.len + sizeof(": \r\n") - 1;
    }
    return total;
}

static void h1_write_field(struct out *out, struct str name, struct str value)
{
    out_add(out, name);
    out_add(out, STR(": "));
    out_add(out, value);
    out_add(out, STR("\r\n"));
}

static void h1_write_fields(struct out *out, const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];

        if (validate_may_send(header)) {
            h1_write_field(out, header->name, header->value);
        }
    }
}

/* The longest that h1_write_framing() adds, with the end of the head. */
enum {
    LONGEST_FRAMING_BYTES = sizeof("content-length: 18446744073709551615\r\n"
                                   "te: trailers\r\nupgrade: \r\n"
                                   "connection: te, upgrade, close\r\n\r\n")
};

static void h1_write_content_length(struct out *out, uint64_t length)
{
    out_add(out, STR("content-length: "));
    out_add_decimal(out, length);
    out_add(out, STR("\r\n"));
}

static void h1_write_framing(struct out *out, const struct head *head, enum body_framing framing)
{
    if (framing == BODY_LENGTH) {
        h1_write_content_length(out, head->content_length);
    } else if (framing == BODY_CHUNKED) {
        out_add(out, STR("transfer-encoding: chunked\r\n"));
    }
}

static void h1_write_option(struct out *out, struct str option, bool *is_first)
{
    out_add(out, *is_first ? STR("connection: ") : STR(", "));
    out_add(out, option);
    *is_first = false;
}

/* What is for the next hop only and named by Connection (RFC 9110 7.6.1), and the end of the head. */
static void h1_write_connection(struct out *out, bool has_te, struct str upgrade, bool wants_close)
{
    bool is_first = true;

    if (has_te) {
        out_add(out, STR("te: trailers\r\n")); /* RFC 9110 10.1.4 */
    }
    if (upgrade.len > 0) {
        h1_write_field(out, STR("upgrade"), upgrade);
    }
    if (has_te) {
        h1_write_option(out, STR("te"), &is_first);
    }
    if (upgrade.len > 0) {
        h1_write_option(out, STR("upgrade"), &is_first);
    }
    if (wants_close) {
        h1_write_option(out, STR("close"), &is_first);
    }
    out_add(out, is_first ? STR("\r\n") : STR("\r\n\r\n"));
}

/* --- Requests --------------------------------------------------------------------------------- */

enum body_framing h1_write_framing_of_request(const struct head *head, bool is_end)
{
    if (head->framing == BODY_TUNNEL) {
        return BODY_TUNNEL;
    }
    if (is_end) {
        /* "content-length: 0" is kept; without a length a request has no body either. */
        return head->framing == BODY_LENGTH && head->content_length == 0 ? BODY_LENGTH : BODY_NONE;
    }
    return head->framing == BODY_LENGTH ? BODY_LENGTH : BODY_CHUNKED;
}

struct str h1_write_request(const struct head *head, enum body_framing framing, bool wants_close,
                            struct arena *arena)
{
    const struct header *te = headers_find_id(&head->headers, HEADER_TE);
    bool has_te = te != NULL && str_equals(te->value, STR("trailers"));
    struct out out = out_new(arena, head->method_text.len + target_written_bytes_max(head) +
                                        sizeof("  HTTP/1.1\r\nhost: \r\n") + head->authority.len +
                                        h1_write_fields_bytes(&head->headers) + head->upgrade.len +
                                        LONGEST_FRAMING_BYTES);

    out_add(&out, head->method_text);
    out_add(&out, STR(" "));
    out.len += target_write(head, out.ptr + out.len);
    out_add(&out, STR(" HTTP/1.1\r\n"));
    /* Always there (RFC 9112 3.2); what could not be a Host is sent as an empty one. */
    h1_write_field(&out, STR("host"),
                   validate_authority(head->authority) ? head->authority : STR(""));
    h1_write_fields(&out, &head->headers);
    h1_write_framing(&out, head, framing);
    h1_write_connection(&out, has_te, framing == BODY_TUNNEL ? head->upgrade : STR(""),
                        wants_close);
    return out_view(&out);
}

/* --- Responses -------------------------------------------------------------------------------- */

enum body_framing h1_write_framing_of_response(const struct head *head, enum http_method method,
                                               bool is_end)
{
    if (head->status == 101 && head->framing == BODY_TUNNEL) {
        return BODY_TUNNEL;
    }
    if (head_response_has_no_body(method, head->status)) {
        return BODY_NONE;
    }
    if (is_end || head->framing == BODY_NONE) {
        return BODY_LENGTH;
    }
    /* What ended with the origin's connection is chunked for the client, who then sees a cut. */
    return head->framing == BODY_LENGTH ? BODY_LENGTH : BODY_CHUNKED;
}

struct str h1_write_response(const struct head *head, enum http_method method,
                             enum body_framing framing, bool wants_close, struct arena *arena)
{
    struct str reason = head->reason.len > 0 && validate_is_field_value(head->reason)
                            ? head->reason
                            : status_reason(head->status);
    struct out out = out_new(arena, sizeof("HTTP/1.1  \r\n") + MAX_DECIMAL_DIGITS + reason.len +
                                        h1_write_fields_bytes(&head->headers) + head->upgrade.len +
                                        LONGEST_FRAMING_BYTES);

    out_add(&out, STR("HTTP/1.1 "));
    out_add_decimal(&out, head->status);
    out_add(&out, STR(" "));
    out_add(&out, reason);
    out_add(&out, STR("\r\n"));
    h1_write_fields(&out, &head->headers);
    if (framing == BODY_NONE) {
        if (head_response_may_tell_length(method, head->status) &&
            (head->has_content_length || head->framing == BODY_LENGTH)) {
            h1_write_content_length(&out, head->content_length);
        }
    } else if (framing == BODY_LENGTH && head->framing != BODY_LENGTH) {
        h1_write_content_length(&out, 0);
    } else {
        h1_write_framing(&out, head, framing);
    }
    h1_write_connection(&out, false, framing == BODY_TUNNEL ? head->upgrade : STR(""), wants_close);
    return out_view(&out);
}

/* --- Chunks ----------------------------------------------------------------------------------- */

size_t h1_write_chunk_line(char out[H1_CHUNK_LINE_BYTES], uint64_t len)
{
    static const char digits[] = "0123456789abcdef";
    unsigned shift = 60;
    size_t at = 0;

    CHECK(len > 0);
    while ((len >> shift) == 0) {
        shift -= 4;
    }
    for (;; shift -= 4) {
        out[at++] = digits[len >> shift & 15];
        if (shift == 0) {
            break;
        }
    }
    out[at++] = '\r';
    out[at++] = '\n';
    return at;
}

struct str h1_write_last_chunk(const struct headers *trailers, struct arena *arena)
{
    if (trailers == NULL || trailers->count == 0) {
        return STR("0\r\n\r\n");
    }
    struct out out = out_new(arena, h1_write_fields_bytes(trailers) + sizeof("0\r\n\r\n"));

    out_add(&out, STR("0\r\n"));
    for (size_t i = 0; i < trailers->count; i++) {
        if (validate_may_send(&trailers->items[i]) &&
            validate_trailer(&trailers->items[i]) == TRAILER_KEEP) {
            h1_write_field(&out, trailers->items[i].name, trailers->items[i].value);
        }
    }
    out_add(&out, STR("\r\n"));
    return out_view(&out);
}
