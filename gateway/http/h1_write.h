/* h1_write: heads, chunks and trailers to bytes of HTTP/1.1. Pure. The only place that writes
 * framing: Content-Length, Transfer-Encoding and Connection of the header list are passed over and
 * written anew from what was decided. Nothing that would break a line gets out: such a field is
 * left out, such a byte of a target is percent-encoded. Names leave in lower case (spec HD-25). */
#ifndef GATEWAY_HTTP_H1_WRITE_H
#define GATEWAY_HTTP_H1_WRITE_H

#include "gateway/http/head.h"

/* Longest chunk line: 16 digits, CR, LF. */
enum { H1_CHUNK_LINE_BYTES = 18 };

/* How the body that follows is delimited on the wire. BODY_TUNNEL: by nothing; with it a head carries
 * Upgrade, head->upgrade, and Connection names it. */
enum body_framing h1_write_framing_of_request(const struct head *head, bool is_end);
enum body_framing h1_write_framing_of_response(const struct head *head, enum http_method method,
                                               bool is_end);

/* The head as bytes in `arena`. Host is first and is head->authority. */
struct str h1_write_request(const struct head *head, enum body_framing framing, bool wants_close,
                            struct arena *arena);
/* `method` of the request. A head without a body still tells its length to HEAD. */
struct str h1_write_response(const struct head *head, enum http_method method,
                             enum body_framing framing, bool wants_close, struct arena *arena);
/* "1f4\r\n". Returns the length. `len` is not 0: that would end the body. */
size_t h1_write_chunk_line(char out[H1_CHUNK_LINE_BYTES], uint64_t len);
/* The last chunk, trailers (or NULL), the empty line. */
struct str h1_write_last_chunk(const struct headers *trailers, struct arena *arena);

#endif
