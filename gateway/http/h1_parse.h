/* h1_parse: bytes to heads, chunks and trailers of HTTP/1.1 (RFC 9112), either role. Pure, strict
 * and incremental: what is not the grammar is refused, what RFC 9112 lets a recipient repair is not
 * repaired. Bytes are read where they lie; a finished head is copied into the arena in one piece.
 *
 * Contract of h1_head_parse(): `bytes` starts each time at the same first byte of the message.
 * While the result is H1_MORE the caller takes nothing and calls again with more; what was read
 * already is not read again. */
#ifndef GATEWAY_HTTP_H1_PARSE_H
#define GATEWAY_HTTP_H1_PARSE_H

#include "gateway/http/validate.h"

enum h1_kind { H1_REQUEST, H1_RESPONSE, H1_TRAILERS };
enum h1_result { H1_MORE, H1_DONE, H1_FAILED };

/* Place of a piece of the head, counted from the first byte of the message. */
struct h1_span {
    uint32_t at;
    uint32_t len;
};
struct h1_field {
    struct h1_span name;
    struct h1_span value;
};

struct h1_head_parser {
    struct arena *arena;
    size_t max_bytes;
    size_t max_fields;
    size_t start;   /* of the first line that is not empty */
    size_t line_at; /* start of the line being read */
    size_t scan_at; /* no line feed before here */
    struct h1_field *fields;
    size_t field_count;
    size_t field_capacity;
    struct h1_span method;
    struct h1_span target;
    struct h1_span reason;
    unsigned status;
    enum http_version version;
    enum h1_kind kind;
    uint8_t empty_lines;
    bool has_start_line;
    struct refusal refusal; /* with H1_FAILED */
};

/* `arena` gets the places of the fields and the finished head. */
void h1_head_init(struct h1_head_parser *parser, enum h1_kind kind, size_t max_bytes,
                  size_t max_fields, struct arena *arena);
/* With H1_DONE, *used is the length of the head and *head is filled: initialised, all views in the
 * arena, names in lower case, target taken apart. Framing is not decided yet: see validate.h. */
enum h1_result h1_head_parse(struct h1_head_parser *parser, const unsigned char *bytes, size_t len,
                             struct head *head, size_t *used);
/* What is known of a head that failed or stays unfinished, for a log line: false when that is not
 * even the start line. */
bool h1_head_partial(const struct h1_head_parser *parser, const unsigned char *bytes,
                     struct head *head);
/* No byte of a message yet; empty lines before a request do not count. */
bool h1_head_is_untouched(const struct h1_head_parser *parser, size_t len);

/* --- Bodies ----------------------------------------------------------------------------------- */

enum h1_body_event {
    H1_BODY_MORE, /* all was taken that can be */
    H1_BODY_BYTES,
    H1_BODY_END,
    H1_BODY_FAILED,
};

struct h1_body {
    enum body_framing framing;
    uint8_t state;
    uint8_t digits;
    uint32_t line_bytes;
    uint32_t extension_bytes;
    uint64_t left; /* of the body, or of the chunk */
    struct h1_head_parser trailer_parser;
    struct headers trailers; /* after H1_BODY_END; those that may be passed on */
    struct refusal refusal;
};

/* `framing` as validate.h decided it. */
void h1_body_init(struct h1_body *body, enum body_framing framing, uint64_t content_length,
                  struct arena *arena);
/* One step. *taken says how many bytes are used up, whatever the event; with H1_BODY_BYTES,
 * *content is a view of `bytes`. A trailer section that is not complete yet is not taken. */
enum h1_body_event h1_body_next(struct h1_body *body, const unsigned char *bytes, size_t len,
                                size_t *taken, struct str *content);
/* So many bytes of a body of known length went another way than h1_body_next(). */
void h1_body_skip(struct h1_body *body, uint64_t len);
/* The peer closed in order: true when that ends the body. */
bool h1_body_may_end_here(const struct h1_body *body);

#endif
