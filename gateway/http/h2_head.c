/* h2_head: field lists of HTTP/2 to heads and back (RFC 9113 8.2, 8.3; RFC 8441 4). Pure: knows no
 * stream and no frame; memory is the arena's of the leg. nghttp2's own checks of messages are not
 * relied on: what is well-formed is said here, and by validate.c for every version.
 *
 * A head that leaves here looks as if it had come by HTTP/1.1: there is a Host field, an upgrade is a
 * GET, its grant is 101. So every rule behind it is written once. */
#include "gateway/http/h2_head.h"

#include "gateway/http/target.h"

enum {
    FIELD_OVERHEAD_BYTES = 32,     /* RFC 9113 6.5.2, SETTINGS_MAX_HEADER_LIST_SIZE */
    SHORT_COOKIE_BYTES = 20,       /* RFC 7541 7.1.3: short enough to be guessed byte by byte */
    MOST_ADDED_FIELDS = 5 + 1 + 1, /* pseudo-headers, content-length, te */
};

static const struct str websocket = STR_INIT("websocket");

/* --- Reading: fields -------------------------------------------------------------------------- */

void h2_head_begin(struct h2_head_reader *reader, enum h2_head_kind kind, size_t max_bytes,
                   size_t max_fields, struct head *head, struct arena *arena)
{
    *reader = (struct h2_head_reader){
        .head = head,
        .kind = kind,
        .max_bytes = max_bytes,
        .max_fields = max_fields,
    };
    head_init(head, arena);
    head->version = HTTP_VERSION_2;
}

static bool h2_head_refuse(struct h2_head_reader *reader, unsigned status, const char *detail)
{
    reader->refusal = (struct refusal){ status, detail };
    return false;
}

bool h2_head_is_malformed(const struct h2_head_reader *reader)
{
    /* A 400 that names the protocol; the one for want of a host (LR-10) is an answer. */
    return reader->refusal.status == 400 &&
           str_starts_with(str_from_cstr(reader->refusal.detail), STR("http2."));
}

/* Where the value of a pseudo-header goes; NULL: unknown to this kind of message. */
static struct str *h2_head_pseudo_slot(struct h2_head_reader *reader, struct str name)
{
    if (reader->kind == H2_HEAD_RESPONSE) {
        return str_equals(name, STR(":status")) ? &reader->status : NULL;
    }
    if (reader->kind != H2_HEAD_REQUEST) {
        return NULL;
    }
    switch (name.len) {
    case sizeof(":path") - 1:
        return str_equals(name, STR(":path")) ? &reader->path : NULL;
    case sizeof(":method") - 1: /* and ":scheme" */
        return str_equals(name, STR(":method"))   ? &reader->method
               : str_equals(name, STR(":scheme")) ? &reader->scheme
                                                  : NULL;
    case sizeof(":protocol") - 1:
        return str_equals(name, STR(":protocol")) ? &reader->protocol : NULL;
    case sizeof(":authority") - 1:
        return str_equals(name, STR(":authority")) ? &reader->authority : NULL;
    default:
        return NULL;
    }
}

/* RFC 9113 8.3: known, once each, before all other fields, none among trailers. */
static bool h2_head_add_pseudo(struct h2_head_reader *reader, struct str name, struct str value)
{
    struct str *slot = h2_head_pseudo_slot(reader, name);

    if (slot == NULL && !validate_is_lower_token(str_skip(name, 1))) {
        return h2_head_refuse(reader, 400, "http2.invalid_header_field");
    }
    if (slot == NULL || slot->ptr != NULL || reader->has_regular) {
        return h2_head_refuse(reader, 400, "http2.invalid_pseudo_header");
    }
    *slot = arena_copy_str(reader->head->headers.arena, value);
    return true;
}

static bool h2_head_add_trailer(struct h2_head_reader *reader, const struct header *field)
{
    switch (validate_trailer(field)) {
    case TRAILER_REFUSE:
        return h2_head_refuse(reader, 400, "http2.forbidden_trailer");
    case TRAILER_KEEP:
        headers_add_numbered(&reader->head->headers, field->id, field->name, field->value);
        return true;
    case TRAILER_DROP:
    default:
        return true;
    }
}

static bool h2_head_add_regular(struct h2_head_reader *reader, struct str name, struct str value)
{
    struct arena *arena = reader->head->headers.arena;
    struct header field = { .id = header_id_of(name) };

    /* RFC 9113 8.2.1; a name with a number is one of ours, letter by letter. */
    if (field.id == HEADER_OTHER && !validate_is_lower_token(name)) {
        return h2_head_refuse(reader, 400, "http2.invalid_header_field");
    }
    reader->has_regular = true;
    switch ((int)field.id) {
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_UPGRADE:
        /* RFC 9113 8.2.2: on its way through HTTP/1.1 such a field would frame another message. */
        return h2_head_refuse(reader, 400, "http2.connection_specific_header");
    case HEADER_TE:
        if (!str_equals_nocase(value, STR("trailers"))) {
            return h2_head_refuse(reader, 400, "http2.connection_specific_header");
        }
        value = STR("trailers");
        break;
    case HEADER_COOKIE:
        reader->cookie_bytes += value.len + sizeof("; ") - 1;
        break;
    default:
        break;
    }
    field.name = field.id != HEADER_OTHER ? header_id_name(field.id) : arena_copy_str(arena, name);
    field.value = arena_copy_str(arena, value);
    if (reader->kind == H2_HEAD_TRAILERS) {
        return h2_head_add_trailer(reader, &field);
    }
    headers_add_numbered(&reader->head->headers, field.id, field.name, field.value);
    return true;
}

/* RFC 9113 8.2.1. A CR LF in a value would be a new line to an HTTP/1.1 origin. */
static bool h2_head_is_value(struct str value)
{
    if (value.len == 0) {
        return true;
    }
    char first = value.ptr[0];
    char last = value.ptr[value.len - 1];

    return first != ' ' && first != '\t' && last != ' ' && last != '\t' &&
           validate_is_field_value(value);
}

bool h2_head_add(struct h2_head_reader *reader, struct str name, struct str value)
{
    if (reader->refusal.status != 0) {
        return false;
    }
    /* Counted before anything is kept: a few bytes of HPACK can stand for all of this. */
    reader->fields++;
    reader->bytes += name.len + value.len + FIELD_OVERHEAD_BYTES;
    if (reader->bytes > reader->max_bytes) {
        return h2_head_refuse(reader, 431, "http2.headers_too_large"); /* spec CN-35, LR-13 */
    }
    if (reader->fields > reader->max_fields) {
        return h2_head_refuse(reader, 431, "http2.too_many_headers");
    }
    if (!h2_head_is_value(value)) {
        return h2_head_refuse(reader, 400, "http2.invalid_header_field");
    }
    return name.len > 0 && name.ptr[0] == ':' ? h2_head_add_pseudo(reader, name, value)
                                              : h2_head_add_regular(reader, name, value);
}

/* --- Reading: messages ------------------------------------------------------------------------ */

/* RFC 9113 8.2.3: crumbs are one cookie to everybody who does not speak HTTP/2. An empty one is left
 * out: it would leave a separator at an end of the value. */
static void h2_head_join_cookies(struct h2_head_reader *reader)
{
    struct headers *headers = &reader->head->headers;
    struct str joined = { 0 };
    char *out;

    if (headers_count_id(headers, HEADER_COOKIE) < 2) {
        return;
    }
    out = arena_alloc(headers->arena, reader->cookie_bytes);
    for (size_t i = 0; i < headers->count; i++) {
        const struct str crumb = headers->items[i].value;

        if (headers->items[i].id != HEADER_COOKIE || crumb.len == 0) {
            continue;
        }
        if (joined.len > 0) {
            out[joined.len++] = ';';
            out[joined.len++] = ' ';
        }
        memcpy(out + joined.len, crumb.ptr, crumb.len);
        joined = str_from(out, joined.len + crumb.len);
    }
    headers_set_id(headers, HEADER_COOKIE, joined);
}

/* What is known, whatever is wrong with the rest. */
static void h2_head_fill_request(struct h2_head_reader *reader)
{
    struct head *head = reader->head;

    head->method_text = reader->method;
    head->method = http_method_from(reader->method);
    head->authority = reader->authority;
    head->target = reader->path;
    head->path = reader->path;
}

/* RFC 9113 8.5: a CONNECT names a host and nothing else. Good or bad, we open no tunnel to it. */
static bool h2_head_refuse_connect(struct h2_head_reader *reader)
{
    if (reader->scheme.ptr != NULL || reader->path.ptr != NULL ||
        !validate_authority(reader->authority)) {
        return h2_head_refuse(reader, 400, "http2.invalid_pseudo_header");
    }
    return h2_head_refuse(reader, 403, "upgrade_failed"); /* CN-31, LR-14 */
}

/* RFC 8441 4: CONNECT with :protocol has a scheme and a path, and is the GET of a handshake. */
static bool h2_head_take_extended_connect(struct h2_head_reader *reader, bool is_end_stream)
{
    struct head *head = reader->head;

    if (head->method != METHOD_CONNECT || !validate_is_token(reader->protocol)) {
        return h2_head_refuse(reader, 400, "http2.invalid_pseudo_header");
    }
    if (is_end_stream) {
        return h2_head_refuse(reader, 400, "http2.tunnel_without_stream");
    }
    head->method = METHOD_GET;
    head->method_text = STR("GET");
    head->upgrade = reader->protocol;
    return true;
}

static bool h2_head_take_scheme(struct h2_head_reader *reader)
{
    if (str_equals_nocase(reader->scheme, STR("https"))) {
        reader->head->scheme = STR("https");
    } else if (str_equals_nocase(reader->scheme, STR("http"))) {
        reader->head->scheme = STR("http");
    } else {
        return h2_head_refuse(reader, 400, "http2.invalid_scheme");
    }
    return true;
}

/* Origin form only, or "*" for OPTIONS (RFC 9113 8.3.1): a path that could be read as an absolute URI
 * would bring a second host. */
static bool h2_head_take_path(struct h2_head_reader *reader)
{
    struct head *head = reader->head;

    if (reader->path.ptr == NULL) {
        return h2_head_refuse(reader, 404, "missing_path_rejected"); /* LR-16 */
    }
    if (!(str_starts_with(reader->path, STR("/")) || str_equals(reader->path, STR("*"))) ||
        !target_parse(head)) {
        head->path = reader->path; /* for a log line only */
        return h2_head_refuse(reader, 400, "http2.invalid_url");
    }
    return true;
}

static bool h2_head_finish_request(struct h2_head_reader *reader, bool is_end_stream)
{
    struct head *head = reader->head;

    h2_head_fill_request(reader);
    if (reader->refusal.status != 0 ||
        !validate_method(reader->method, HTTP_VERSION_2, &reader->refusal)) {
        return false;
    }
    if (head->method == METHOD_CONNECT && reader->protocol.ptr == NULL) {
        return h2_head_refuse_connect(reader);
    }
    if (reader->protocol.ptr != NULL && !h2_head_take_extended_connect(reader, is_end_stream)) {
        return false;
    }
    if (!h2_head_take_scheme(reader) || !h2_head_take_path(reader)) {
        return false;
    }
    if (reader->authority.ptr != NULL && reader->authority.len == 0) {
        return h2_head_refuse(reader, 400, "http2.invalid_host"); /* RFC 9110 4.2.1 */
    }
    h2_head_join_cookies(reader);
    return validate_request_of_stream(head, is_end_stream, &reader->refusal);
}

static bool h2_head_finish_response(struct h2_head_reader *reader, enum http_method request_method,
                                    bool was_upgrade, bool is_end_stream)
{
    if (reader->refusal.status != 0) {
        return false;
    }
    if (!validate_status(reader->status, &reader->head->status)) {
        return h2_head_refuse(reader, 400, "http2.invalid_status");
    }
    return validate_response_of_stream(reader->head, request_method,
                                       was_upgrade ? websocket : (struct str){ 0 }, is_end_stream,
                                       &reader->refusal);
}

bool h2_head_finish(struct h2_head_reader *reader, enum http_method request_method,
                    bool was_upgrade, bool is_end_stream)
{
    switch (reader->kind) {
    case H2_HEAD_REQUEST:
        return h2_head_finish_request(reader, is_end_stream);
    case H2_HEAD_RESPONSE:
        return h2_head_finish_response(reader, request_method, was_upgrade, is_end_stream);
    case H2_HEAD_TRAILERS:
    default:
        return reader->refusal.status == 0;
    }
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* Room for `headers` and what is added to them, in one step. */
static void h2_fields_begin(struct h2_fields *fields, const struct headers *headers,
                            struct arena *arena)
{
    *fields = (struct h2_fields){ 0 };
    fields->items = vec_grow_in_arena(arena, NULL, &fields->capacity,
                                      headers->count + MOST_ADDED_FIELDS, sizeof(*fields->items));
}

/* With a name of ours. */
static void h2_fields_add(struct h2_fields *fields, struct str name, struct str value)
{
    fields->items[fields->count++] =
        (struct h2_field){ .name = name, .value = value, .is_known_name = true };
}

/* RFC 7541 7.1.3: a value that goes into the table can be guessed by who shares the connection. */
static bool h2_field_is_sensitive(const struct header *header)
{
    return header->id == HEADER_SET_COOKIE ||
           (header->id == HEADER_COOKIE && header->value.len < SHORT_COOKIE_BYTES) ||
           (header->id == HEADER_OTHER && (str_equals(header->name, STR("authorization")) ||
                                           str_equals(header->name, STR("proxy-authorization"))));
}

/* Rules of the configuration may have set a value with spaces around it: HTTP/1.1 does not mind,
 * RFC 9113 8.2.1 does. */
static void h2_fields_add_header(struct h2_fields *fields, const struct header *header)
{
    bool is_known = header->id != HEADER_OTHER;

    if (validate_may_send(header) && (is_known || validate_is_lower_token(header->name))) {
        fields->items[fields->count++] = (struct h2_field){
            .name = is_known ? header_id_name(header->id) : header->name,
            .is_known_name = is_known,
            .value = str_trim(header->value),
            .is_sensitive = h2_field_is_sensitive(header),
        };
    }
}

static void h2_fields_add_headers(struct h2_fields *fields, const struct headers *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        h2_fields_add_header(fields, &headers->items[i]);
    }
}

static void h2_fields_add_content_length(struct h2_fields *fields, uint64_t length,
                                         struct arena *arena)
{
    h2_fields_add(fields, header_id_name(HEADER_CONTENT_LENGTH), arena_print_u64(arena, length));
}

void h2_head_write_request(const struct head *head, struct h2_fields *fields, struct arena *arena)
{
    const struct header *te = headers_find_id(&head->headers, HEADER_TE);
    bool is_tunnel = head->framing == BODY_TUNNEL;
    char *path = arena_alloc(arena, target_written_bytes_max(head));
    size_t path_len = target_write(head, path);

    h2_fields_begin(fields, &head->headers, arena);
    h2_fields_add(fields, STR(":method"), is_tunnel ? STR("CONNECT") : head->method_text);
    h2_fields_add(fields, STR(":scheme"), head->scheme.len > 0 ? head->scheme : STR("http"));
    /* What could not be a host is not sent; HTTP/1.1 has an empty Host in its place. */
    if (validate_authority(head->authority)) {
        h2_fields_add(fields, STR(":authority"), head->authority);
    }
    h2_fields_add(fields, STR(":path"), str_from(path, path_len));
    if (is_tunnel) {
        h2_fields_add(fields, STR(":protocol"), head->upgrade);
    }
    h2_fields_add_headers(fields, &head->headers);
    if (te != NULL && str_equals(te->value, STR("trailers"))) {
        h2_fields_add(fields, te->name, te->value); /* RFC 9113 8.2.2; gRPC asks for it */
    }
    if (head->framing == BODY_LENGTH) {
        h2_fields_add_content_length(fields, head->content_length, arena);
    }
}

void h2_head_write_response(const struct head *head, enum http_method request_method,
                            struct h2_fields *fields, struct arena *arena)
{
    /* RFC 8441 5: there is no 101 in HTTP/2; the tunnel begins with a success. */
    unsigned status = head->status == 101 ? 200 : head->status;
    bool tells_length = head->framing == BODY_LENGTH || head->has_content_length;

    h2_fields_begin(fields, &head->headers, arena);
    h2_fields_add(fields, STR(":status"), arena_print_u64(arena, status));
    h2_fields_add_headers(fields, &head->headers);
    if (head_response_has_no_body(request_method, head->status)
            ? tells_length && head_response_may_tell_length(request_method, head->status)
            : head->framing == BODY_LENGTH) {
        h2_fields_add_content_length(fields, head->content_length, arena);
    }
}

void h2_head_write_trailers(const struct headers *trailers, struct h2_fields *fields,
                            struct arena *arena)
{
    h2_fields_begin(fields, trailers, arena);
    for (size_t i = 0; i < trailers->count; i++) {
        if (validate_trailer(&trailers->items[i]) == TRAILER_KEEP) {
            h2_fields_add_header(fields, &trailers->items[i]);
        }
    }
}
