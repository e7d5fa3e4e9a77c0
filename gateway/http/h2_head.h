/* h2_head: field lists of HTTP/2 to heads and back (RFC 9113 8.2, 8.3; RFC 8441 4), either role. What
 * HTTP/1.1 could not carry, or could carry only as something else, is refused here, so no version's
 * laxness becomes another one's smuggling. Pure. */
#ifndef GATEWAY_HTTP_H2_HEAD_H
#define GATEWAY_HTTP_H2_HEAD_H

#include "gateway/base/vec.h"
#include "gateway/http/validate.h"

enum h2_head_kind { H2_HEAD_REQUEST, H2_HEAD_RESPONSE, H2_HEAD_TRAILERS };

/* A header block on its way in. Fields are copied into the arena as they come. Its limits count every
 * field as RFC 9113 10.5.1 does (name, value and 32), so a bomb is refused before it is kept. */
struct h2_head_reader {
    struct head *head;
    enum h2_head_kind kind;
    size_t max_bytes;
    size_t max_fields;
    size_t bytes;
    size_t fields;
    bool has_regular; /* a pseudo-header behind a regular field is malformed */
    struct str method;
    struct str scheme;
    struct str authority;
    struct str path;
    struct str protocol; /* RFC 8441 */
    struct str status;
    size_t cookie_bytes;    /* crumbs are joined with "; " (RFC 9113 8.2.3) */
    struct refusal refusal; /* status 0: none yet */
};

/* `head` is initialised here, in the arena. For trailers only its headers are filled. */
void h2_head_begin(struct h2_head_reader *reader, enum h2_head_kind kind, size_t max_bytes,
                   size_t max_fields, struct head *head, struct arena *arena);
/* One field. False: refused, reader->refusal says why; further fields are ignored. */
bool h2_head_add(struct h2_head_reader *reader, struct str name, struct str value);
/* The block is whole. `is_end_stream`: no body follows. Request: pseudo-headers, :authority against
 * Host, content-length, te, framing (BODY_TUNNEL for an extended CONNECT, which becomes a GET with
 * head->upgrade; plain CONNECT is refused with 403, spec CN-31), target taken apart as h1_parse does.
 * Response: for a request of `request_method`; `was_upgrade`: a 2xx becomes 101 (see head.h).
 * Trailers: those that may go on (validate_trailer). False: refused, now or by an h2_head_add() before;
 * a request's head is filled as far as it is known, for a log line. */
bool h2_head_finish(struct h2_head_reader *reader, enum http_method request_method,
                    bool was_upgrade, bool is_end_stream);
/* After a refusal. True: the message is malformed, a stream error PROTOCOL_ERROR (RFC 9113 8.1.1, spec
 * LR-11). False: a good message that we do not serve; a request is answered with refusal.status (403,
 * 404, 417, 431, 501, or 400 for want of a host). */
bool h2_head_is_malformed(const struct h2_head_reader *reader);

/* A field on its way out; views of the head or of `arena`. */
struct h2_field {
    struct str name;
    struct str value;
    bool is_sensitive;  /* never indexed: cookies, authorization (RFC 7541 7.1.3) */
    bool is_known_name; /* a constant, in lower case */
};
VEC_STRUCT(h2_fields, struct h2_field);

/* Pseudo-headers first; connection-specific fields are left out, Host becomes :authority, an upgrade
 * becomes an extended CONNECT, 101 becomes 200; content-length is written as decided, not as found. A
 * field that no HTTP/2 peer may get is left out. Memory from `arena`. */
void h2_head_write_request(const struct head *head, struct h2_fields *fields, struct arena *arena);
void h2_head_write_response(const struct head *head, enum http_method request_method,
                            struct h2_fields *fields, struct arena *arena);
void h2_head_write_trailers(const struct headers *trailers, struct h2_fields *fields,
                            struct arena *arena);

#endif
