/* validate: what a well-formed message is (RFC 9110, RFC 9112, RFC 9113 8; spec section 9.5). The
 * framing of every message is decided in this file. Pure; works on heads of any version. What only
 * HTTP/2 can get wrong (pseudo-headers, upper case, connection-specific fields) is in h2_head.c.
 *
 * The stance: what two implementations might read in two ways is refused, not repaired. Whoever
 * sits behind us then has nothing to disagree about. */
#include "gateway/http/validate.h"

#include "gateway/base/limits.h"
#include "gateway/base/scan.h"
#include "gateway/http/target.h"

#include <arpa/inet.h>

/* RFC 9110 5.6.2 */
static const bool token_bytes[256] = {
    ['!'] = true,         ['#'] = true,         ['$'] = true,         ['%'] = true, ['&'] = true,
    ['\''] = true,        ['*'] = true,         ['+'] = true,         ['-'] = true, ['.'] = true,
    ['^'] = true,         ['_'] = true,         ['`'] = true,         ['|'] = true, ['~'] = true,
    ['0' ... '9'] = true, ['A' ... 'Z'] = true, ['a' ... 'z'] = true,
};

bool validate_is_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!token_bytes[(unsigned char)text.ptr[i]]) {
            return false;
        }
    }
    return text.len > 0;
}

bool validate_is_lower_token(struct str text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] >= 'A' && text.ptr[i] <= 'Z') {
            return false;
        }
    }
    return validate_is_token(text);
}

/* RFC 9110 5.5: VCHAR, obs-text, space and tab. */
static bool validate_has_bad_value_byte(scan_block block)
{
    return scan_any((scan_block)(((block < 0x20) & (block != '\t')) | (block == 0x7f)));
}

bool validate_is_field_value(struct str text)
{
    size_t i = 0;

    for (; text.len - i >= SCAN_BLOCK_BYTES; i += SCAN_BLOCK_BYTES) {
        if (validate_has_bad_value_byte(scan_load(text.ptr + i))) {
            return false;
        }
    }
    return i == text.len ||
           !validate_has_bad_value_byte(scan_load_short(text.ptr + i, text.len - i));
}

/* --- Authority -------------------------------------------------------------------------------- */

static bool validate_ipv6_literal(struct str host)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;

    if (host.len < 4 || host.len - 2 >= sizeof(text) || host.ptr[host.len - 1] != ']') {
        return false;
    }
    memcpy(text, host.ptr + 1, host.len - 2);
    text[host.len - 2] = '\0';
    return strlen(text) == host.len - 2 && inet_pton(AF_INET6, text, &address) == 1;
}

/* RFC 3986 allows more in a reg-name (escapes, "!$&'()*+,;="); no host of ours has it, and a list
 * or a user name must not pass for a host. Underscores are seen inside clusters. */
static bool validate_host_name(struct str host)
{
    char previous = '.';

    for (size_t i = 0; i < host.len; i++) {
        char c = host.ptr[i];
        bool is_good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '_' || c == '~' || (c == '.' && previous != '.');

        if (!is_good) {
            return false;
        }
        previous = c;
    }
    return host.len > 0;
}

bool validate_authority(struct str authority)
{
    struct str host = target_authority_host(authority);
    uint32_t port;

    if (authority.len == 0 || authority.len > LIMIT_AUTHORITY_BYTES) {
        return false;
    }
    if (host.len < authority.len) {
        struct str digits = target_authority_port(authority);

        if (authority.ptr[host.len] != ':' || digits.len > 5 || !str_parse_u32(digits, &port) ||
            port == 0 || port > 65535) {
            return false;
        }
    }
    return authority.ptr[0] == '[' ? validate_ipv6_literal(host) : validate_host_name(host);
}

static struct str validate_without_default_port(struct str authority, struct str scheme)
{
    struct str port = target_authority_port(authority);
    struct str usual = str_equals(scheme, STR("https")) ? STR("443") : STR("80");

    return str_equals(port, usual) ? target_authority_host(authority) : authority;
}

/* --- Both roles ------------------------------------------------------------------------------- */

static bool refuse(struct refusal *refusal, unsigned status, const char *detail)
{
    *refusal = (struct refusal){ status, detail };
    return false;
}

/* The same fault is told by the protocol it was made in. */
#define DETAIL_OF(version, word) ((version) == HTTP_VERSION_2 ? "http2." word : "http1." word)

bool validate_method(struct str method, enum http_version version, struct refusal *refusal)
{
    if (!validate_is_token(method)) {
        return refuse(refusal, 400, DETAIL_OF(version, "codec_error"));
    }
    if (method.len > LIMIT_METHOD_BYTES) {
        return refuse(refusal, 501, DETAIL_OF(version, "method_too_long")); /* RFC 9112 3 */
    }
    return true;
}

bool validate_status(struct str digits, unsigned *status)
{
    uint32_t value;

    if (digits.len != 3 || !str_parse_u32(digits, &value) || value < 100 || value > 599) {
        return false;
    }
    *status = value;
    return true;
}

bool validate_may_send(const struct header *header)
{
    switch ((int)header->id) {
    case HEADER_HOST:
    case HEADER_CONNECTION:
    case HEADER_KEEP_ALIVE:
    case HEADER_PROXY_CONNECTION:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_CONTENT_LENGTH:
    case HEADER_UPGRADE:
    case HEADER_HTTP2_SETTINGS:
    case HEADER_TE:
        return false;
    default:
        return validate_is_field_value(header->value) &&
               (header->id != HEADER_OTHER || validate_is_token(header->name));
    }
}

/* The fields that decide, found in one walk; NULL: absent. */
struct deciding_fields {
    const struct header *host;
    const struct header *content_length;
    const struct header *transfer_encoding;
    const struct header *expect;
    bool has_upgrade;
    unsigned host_count;
    unsigned content_length_count;
    unsigned expect_count;
    unsigned connection_options;
    bool names_close;
    bool names_upgrade;
};

/* One Connection field. Naming a field that every hop needs would make each hop see another
 * message: refused (the abuse of hop-by-hop removal). */
static bool validate_connection(struct str value, struct deciding_fields *fields,
                                struct refusal *refusal)
{
    struct str option;

    while (str_split_next(&value, ',', &option)) {
        option = str_trim(option);
        if (option.len == 0) {
            continue; /* RFC 9110 5.6.1.2: empty elements are ignored */
        }
        if (!validate_is_token(option) || ++fields->connection_options > LIMIT_CONNECTION_OPTIONS) {
            return refuse(refusal, 400, "http1.connection_header_rejected");
        }
        if (str_equals_nocase(option, STR("close"))) {
            fields->names_close = true;
        } else if (str_equals_nocase(option, STR("upgrade"))) {
            fields->names_upgrade = true;
        } else if (str_equals_nocase(option, STR("host")) ||
                   str_equals_nocase(option, STR("content-length")) ||
                   str_equals_nocase(option, STR("content-type")) ||
                   str_equals_nocase(option, STR("transfer-encoding"))) {
            return refuse(refusal, 400, "http1.connection_header_rejected");
        }
    }
    return true;
}

static bool validate_find_fields(const struct headers *headers, struct deciding_fields *fields,
                                 struct refusal *refusal)
{
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];

        switch ((int)header->id) {
        case HEADER_HOST:
            fields->host = header;
            fields->host_count++;
            break;
        case HEADER_CONTENT_LENGTH:
            fields->content_length = header;
            fields->content_length_count++;
            break;
        case HEADER_TRANSFER_ENCODING:
            if (fields->transfer_encoding != NULL) {
                return refuse(refusal, 400, "http1.invalid_transfer_encoding");
            }
            fields->transfer_encoding = header;
            break;
        case HEADER_EXPECT:
            fields->expect = header;
            fields->expect_count++;
            break;
        case HEADER_UPGRADE:
            fields->has_upgrade = true;
            break;
        case HEADER_CONNECTION:
            if (!validate_connection(header->value, fields, refusal)) {
                return false;
            }
            break;
        default:
            break;
        }
    }
    return true;
}

/* RFC 9112 6.1: chunked must be the last coding and stands once. We know no other: with one before
 * it the message could be framed but not understood, 501. */
static bool validate_transfer_encoding(struct str value, struct refusal *refusal)
{
    const struct str all = value;
    struct str coding = { 0 };
    unsigned chunked = 0;

    if (str_equals_nocase(value, STR("chunked"))) {
        return true;
    }
    while (str_split_next(&value, ',', &coding)) {
        coding = str_trim(coding);
        if (!validate_is_token(coding)) {
            return refuse(refusal, 400, "http1.invalid_transfer_encoding");
        }
        chunked += str_equals_nocase(coding, STR("chunked"));
    }
    if (all.len == 0 || chunked != 1 || !str_equals_nocase(coding, STR("chunked"))) {
        return refuse(refusal, 400, "http1.invalid_transfer_encoding");
    }
    return refuse(refusal, 501, "http1.invalid_transfer_encoding");
}

/* One field of digits. Several, or a list, would be legal when all are the same (RFC 9110 8.6); an
 * honest peer never sends that, so it is refused as well. */
static bool validate_content_length(struct head *head, const struct deciding_fields *fields,
                                    struct refusal *refusal)
{
    if (fields->content_length_count != 1 ||
        !str_parse_u64(fields->content_length->value, &head->content_length) ||
        head->content_length > INT64_MAX) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "invalid_content_length"));
    }
    return true;
}

/* What the two fields say, before status and method are looked at: framing is NONE, LENGTH or
 * CHUNKED. */
static bool validate_framing(struct head *head, const struct deciding_fields *fields,
                             struct refusal *refusal)
{
    head->framing = BODY_NONE;
    head->has_content_length = false;
    head->content_length = 0;
    if (fields->transfer_encoding != NULL) {
        /* CN-34, RFC 9112 6.1: the classic of request smuggling. */
        if (fields->content_length != NULL) {
            return refuse(refusal, 400, "http1.content_length_and_chunked_not_allowed");
        }
        /* HTTP/1.0 has no chunks: a hop before us must have let the field through unread. */
        if (head->version == HTTP_VERSION_1_0) {
            return refuse(refusal, 400, "http1.transfer_encoding_not_allowed");
        }
        head->framing = BODY_CHUNKED;
        return validate_transfer_encoding(fields->transfer_encoding->value, refusal);
    }
    if (fields->content_length != NULL) {
        if (!validate_content_length(head, fields, refusal)) {
            return false;
        }
        head->framing = BODY_LENGTH;
        head->has_content_length = true;
    }
    return true;
}

/* HTTP/2: frames delimit a body, Content-Length only promises its size. A promise that END_STREAM
 * breaks at once makes the message malformed (RFC 9113 8.1.1); without that check the length would
 * be believed by the next HTTP/1.1 hop. */
static bool validate_framing_of_stream(struct head *head, bool is_end_stream,
                                       struct refusal *refusal)
{
    if (is_end_stream && head->content_length > 0) {
        return refuse(refusal, 400, "http2.invalid_content_length");
    }
    if (!is_end_stream && head->framing == BODY_NONE) {
        head->framing = BODY_CHUNKED;
    }
    return true;
}

/* --- Requests --------------------------------------------------------------------------------- */

/* One host, told by Host, by the target in absolute form, or by :authority. Afterwards it stands in
 * head->authority and in Host, whatever the version. */
static bool validate_host(struct head *head, const struct deciding_fields *fields,
                          struct refusal *refusal)
{
    if (head->authority.len > 0 && !validate_authority(head->authority)) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "invalid_host"));
    }
    if (head->version == HTTP_VERSION_2 && fields->host_count == 0 && head->authority.len > 0) {
        headers_add_id(&head->headers, HEADER_HOST, head->authority); /* RFC 9113 8.3.1 */
        return true;
    }
    if (fields->host_count == 0 || (fields->host_count == 1 && fields->host->value.len == 0)) {
        return refuse(refusal, 400, "missing_host_header"); /* LR-10, SN-35 */
    }
    struct str host = fields->host->value;

    if (fields->host_count > 1 || !validate_authority(host)) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "invalid_host"));
    }
    if (head->authority.len == 0) {
        head->authority = host;
        return true;
    }
    /* Absolute form and :authority: the URI is what counts (HD-12). RFC 9112 3.2.2 would have us drop
     * a Host that says otherwise; one request with two names is refused, so that no rule of ours and
     * no origin can be made to look at the other one. RFC 9113 8.3.1 calls it malformed. */
    if (!str_equals_nocase(validate_without_default_port(host, head->scheme),
                           validate_without_default_port(head->authority, head->scheme))) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "host_mismatch"));
    }
    headers_set_id(&head->headers, HEADER_HOST, head->authority);
    return true;
}

static const struct str websocket = STR_INIT("websocket");

/* The first protocol that is asked for and is neither h2c, which we ignore, nor WebSocket; else
 * WebSocket when that is asked for (CN-30). */
static struct str validate_asked_upgrade(const struct headers *headers)
{
    struct str asked = { 0 };

    for (size_t i = 0; i < headers->count; i++) {
        struct str rest = headers->items[i].value;
        struct str protocol;

        if (headers->items[i].id != HEADER_UPGRADE) {
            continue;
        }
        while (str_split_next(&rest, ',', &protocol)) {
            protocol = str_trim(protocol);
            if (protocol.len == 0 || str_equals_nocase(protocol, STR("h2c"))) {
                continue;
            }
            asked = protocol;
            if (!str_equals_nocase(protocol, websocket)) {
                return asked;
            }
        }
    }
    return asked;
}

/* CN-30: WebSocket, asked for with a GET without content (RFC 6455 4.1, RFC 8441 4), is a tunnel in
 * waiting. CN-31, LR-14: what we do not speak is refused by name and never tunnelled. */
static bool validate_upgrade(struct head *head, struct refusal *refusal)
{
    if (head->upgrade.len == 0 && head->method != METHOD_CONNECT) {
        return true;
    }
    if (head->method != METHOD_GET || !str_equals_nocase(head->upgrade, websocket) ||
        head->framing == BODY_CHUNKED || head->content_length > 0) {
        return refuse(refusal, 403, "upgrade_failed");
    }
    head->upgrade = websocket;
    head->framing = BODY_TUNNEL;
    head->has_content_length = false;
    return true;
}

/* What every version has in common; framing is what the fields say. */
static bool validate_request_fields(struct head *head, const struct deciding_fields *fields,
                                    struct refusal *refusal)
{
    head->expects_continue = fields->expect_count > 0; /* before host moves the list */
    if (fields->expect_count > 1 ||
        (fields->expect != NULL &&
         !str_equals_nocase(fields->expect->value, STR("100-continue")))) {
        return refuse(refusal, 417,
                      DETAIL_OF(head->version, "expectation_failed")); /* RFC 9110 10.1.1 */
    }
    head->wants_close = fields->names_close;
    if (head->method != METHOD_CONNECT && !validate_host(head, fields, refusal)) {
        return false;
    }
    /* RFC 9110 9.3.8: a request that asks to be echoed has no content. */
    if (head->method == METHOD_TRACE && head->framing != BODY_NONE) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "body_disallowed"));
    }
    return true;
}

bool validate_request(struct head *head, struct refusal *refusal)
{
    struct deciding_fields fields = { 0 };

    if (!validate_find_fields(&head->headers, &fields, refusal) ||
        !validate_framing(head, &fields, refusal)) {
        return false;
    }
    if (head->version == HTTP_VERSION_1_0) {
        return refuse(refusal, 426, "low_version"); /* CN-33, LR-12 */
    }
    if (!validate_request_fields(head, &fields, refusal)) {
        return false;
    }
    if (fields.has_upgrade && fields.names_upgrade) {
        head->upgrade = validate_asked_upgrade(&head->headers);
    }
    return validate_upgrade(head, refusal);
}

bool validate_request_of_stream(struct head *head, bool is_end_stream, struct refusal *refusal)
{
    struct deciding_fields fields = { 0 };

    if (!validate_find_fields(&head->headers, &fields, refusal) ||
        !validate_framing(head, &fields, refusal)) {
        return false;
    }
    if (head->upgrade.len == 0 && !validate_framing_of_stream(head, is_end_stream, refusal)) {
        return false;
    }
    if (!validate_request_fields(head, &fields, refusal)) {
        return false;
    }
    return validate_upgrade(head, refusal);
}

/* --- Responses -------------------------------------------------------------------------------- */

/* 1xx and 204. RFC 9110 8.6, RFC 9112 6.1: neither field may stand here. A length of 0 is common and
 * means nothing else; anything more announces bytes that must not come. */
static bool validate_bodiless(struct head *head, struct refusal *refusal)
{
    if (head->framing == BODY_CHUNKED || head->content_length > 0) {
        return refuse(refusal, 400, DETAIL_OF(head->version, "body_disallowed"));
    }
    head->has_content_length = false;
    head->framing = BODY_NONE;
    return true;
}

static void validate_begin_tunnel(struct head *head, struct str upgrade)
{
    head->framing = BODY_TUNNEL;
    head->has_content_length = false;
    head->content_length = 0;
    head->upgrade = upgrade;
}

/* 101 only where it was asked for, and only to what was asked for (RFC 9110 7.8): anybody else's
 * would turn the bytes behind it into an answer to the next request. */
static bool validate_switching(struct head *head, const struct deciding_fields *fields,
                               struct str asked_upgrade, struct refusal *refusal)
{
    const struct header *upgrade = headers_find_id(&head->headers, HEADER_UPGRADE);

    if (asked_upgrade.len == 0 || head->version != HTTP_VERSION_1_1 || !fields->names_upgrade ||
        headers_count_id(&head->headers, HEADER_UPGRADE) != 1 ||
        !str_equals_nocase(upgrade->value, asked_upgrade)) {
        return refuse(refusal, 400, "http1.unexpected_switching_protocols");
    }
    if (!validate_bodiless(head, refusal)) {
        return false;
    }
    validate_begin_tunnel(head, asked_upgrade);
    return true;
}

bool validate_response(struct head *head, enum http_method request_method, struct str asked_upgrade,
                       struct refusal *refusal)
{
    struct deciding_fields fields = { 0 };

    if (!validate_find_fields(&head->headers, &fields, refusal) ||
        !validate_framing(head, &fields, refusal)) {
        return false;
    }
    /* Keep-alive of HTTP/1.0 is an old wives' agreement: not believed. */
    head->wants_close = fields.names_close || head->version == HTTP_VERSION_1_0;
    if (head->status == 101) {
        return validate_switching(head, &fields, asked_upgrade, refusal);
    }
    if (head->status < 200 || head->status == 204) {
        return validate_bodiless(head, refusal);
    }
    if (head_response_has_no_body(request_method, head->status)) {
        head->framing = BODY_NONE; /* the length stays: it tells what a GET would bring */
    } else if (head->framing == BODY_NONE) {
        head->framing = BODY_UNTIL_CLOSE;
        head->wants_close = true;
    }
    return true;
}

bool validate_response_of_stream(struct head *head, enum http_method request_method,
                                 struct str asked_upgrade, bool is_end_stream,
                                 struct refusal *refusal)
{
    struct deciding_fields fields = { 0 };

    if (!validate_find_fields(&head->headers, &fields, refusal) ||
        !validate_framing(head, &fields, refusal)) {
        return false;
    }
    if (head->status == 101) { /* RFC 9113 8.6 */
        return refuse(refusal, 400, "http2.unexpected_switching_protocols");
    }
    if (head->status < 200 && is_end_stream) { /* RFC 9113 8.1 */
        return refuse(refusal, 400, "http2.interim_response_ends_stream");
    }
    if (asked_upgrade.len > 0 && head->status / 100 == 2) {
        if (is_end_stream) { /* an answer of somebody who knows nothing of tunnels */
            return refuse(refusal, 400, "http2.tunnel_without_stream");
        }
        head->status = 101;
        validate_begin_tunnel(head, asked_upgrade);
        return true;
    }
    if (head->status < 200 || head->status == 204) {
        return validate_bodiless(head, refusal);
    }
    if (head_response_has_no_body(request_method, head->status)) {
        head->framing = BODY_NONE;
        return true;
    }
    return validate_framing_of_stream(head, is_end_stream, refusal);
}

/* --- Trailers --------------------------------------------------------------------------------- */

enum trailer_verdict validate_trailer(const struct header *field)
{
    static const struct str dropped[] = {
        STR_INIT("authorization"),
        STR_INIT("proxy-authorization"),
        STR_INIT("proxy-authenticate"),
        STR_INIT("proxy-authentication-info"),
        STR_INIT("authentication-info"),
        STR_INIT("cache-control"),
        STR_INIT("content-encoding"),
        STR_INIT("content-range"),
        STR_INIT("forwarded"),
        STR_INIT("max-forwards"),
        STR_INIT("pragma"),
        STR_INIT("range"),
        STR_INIT("vary"),
        STR_INIT("age"),
        STR_INIT("expires"),
        STR_INIT("x-real-ip"),
        STR_INIT("x-http-method-override"),
    };

    switch ((int)field->id) {
    case HEADER_HOST:
    case HEADER_CONTENT_LENGTH:
    case HEADER_TRANSFER_ENCODING:
    case HEADER_CONNECTION:
        return TRAILER_REFUSE;
    case HEADER_GRPC_STATUS:
    case HEADER_GRPC_MESSAGE:
        return TRAILER_KEEP;
    case HEADER_OTHER:
        break;
    default:
        return TRAILER_DROP; /* all that we know by number steers a proxy or an origin */
    }
    if (str_starts_with(field->name, STR("x-envoy-")) ||
        str_starts_with(field->name, STR("x-forwarded-")) ||
        str_starts_with(field->name, STR("if-"))) {
        return TRAILER_DROP;
    }
    for (size_t i = 0; i < sizeof(dropped) / sizeof(dropped[0]); i++) {
        if (str_equals(field->name, dropped[i])) {
            return TRAILER_DROP;
        }
    }
    return TRAILER_KEEP;
}
