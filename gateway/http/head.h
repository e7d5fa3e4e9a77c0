/* head: the head of a request or a response, whatever the version that carried it. */
#ifndef GATEWAY_HTTP_HEAD_H
#define GATEWAY_HTTP_HEAD_H

#include "gateway/http/headers.h"

enum http_version { HTTP_VERSION_1_0, HTTP_VERSION_1_1, HTTP_VERSION_2 };

enum http_method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_PATCH,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_CONNECT,
};

/* How the body is delimited (RFC 9112 6.3): decided once, by validate.c. */
enum body_framing {
    BODY_NONE,
    BODY_LENGTH,      /* content_length bytes */
    BODY_CHUNKED,     /* or the frames of HTTP/2 */
    BODY_UNTIL_CLOSE, /* responses only */
    /* After an upgrade (RFC 9110 7.8, RFC 8441): bytes of another protocol, each way until that side
     * ends. On a request it is what is asked for, on a 101 what begins. */
    BODY_TUNNEL,
};

struct head {
    struct headers headers;
    enum http_version version;
    enum body_framing framing;
    uint64_t content_length; /* with BODY_LENGTH; for HEAD and 304 what the field said, if any */
    bool has_content_length;
    bool wants_close;      /* the sender closes after this message */
    bool expects_continue; /* requests */
    /* Requests. `target` is as received; `path` and `query` are views of it (absolute-form taken
     * apart); normalised by target.c before matching. authority is Host or the URI's. */
    enum http_method method;
    struct str method_text;
    struct str target;
    struct str path;
    struct str query; /* without '?'; has_query tells "/?" from "/" */
    bool has_query;
    struct str scheme;
    struct str authority;
    /* "websocket", or empty. Whatever the version: a request to upgrade is a GET with this token and
     * framing BODY_TUNNEL, the answer that grants it has status 101. HTTP/1.1 says it with Upgrade and
     * Connection, HTTP/2 with an extended CONNECT and 200 (RFC 8441 4 and 5). */
    struct str upgrade;
    /* Responses. */
    unsigned status;
    struct str reason;
};

void head_init(struct head *head, struct arena *arena);
struct str http_version_name(enum http_version version); /* "HTTP/1.1" */
enum http_method http_method_from(struct str text);
/* RFC 9110 9.2.2: a request that may be sent again. */
bool http_method_is_idempotent(enum http_method method);
/* Responses to HEAD, 1xx, 204, 304 have none (RFC 9110 6.4.1). */
bool head_response_has_no_body(enum http_method request_method, unsigned status);
/* Of those, HEAD and 304 tell the length of what a GET would bring (RFC 9110 8.6). */
bool head_response_may_tell_length(enum http_method request_method, unsigned status);

#endif
