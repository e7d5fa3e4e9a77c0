/* head: what is common to requests and responses of every version. Owned by a leg, in its arena. */
#include "gateway/http/head.h"

void head_init(struct head *head, struct arena *arena)
{
    *head = (struct head){ .version = HTTP_VERSION_1_1, .framing = BODY_NONE };
    headers_init(&head->headers, arena);
}

struct str http_version_name(enum http_version version)
{
    switch (version) {
    case HTTP_VERSION_1_0:
        return STR("HTTP/1.0");
    case HTTP_VERSION_2:
        return STR("HTTP/2");
    case HTTP_VERSION_1_1:
    default:
        return STR("HTTP/1.1");
    }
}

/* Methods are case-sensitive (RFC 9110 9.1): "get" is another method. */
enum http_method http_method_from(struct str text)
{
    static const struct {
        struct str name;
        enum http_method method;
    } methods[] = {
        { STR_INIT("GET"), METHOD_GET },         { STR_INIT("POST"), METHOD_POST },
        { STR_INIT("HEAD"), METHOD_HEAD },       { STR_INIT("PUT"), METHOD_PUT },
        { STR_INIT("DELETE"), METHOD_DELETE },   { STR_INIT("PATCH"), METHOD_PATCH },
        { STR_INIT("OPTIONS"), METHOD_OPTIONS }, { STR_INIT("TRACE"), METHOD_TRACE },
        { STR_INIT("CONNECT"), METHOD_CONNECT },
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (str_equals(methods[i].name, text)) {
            return methods[i].method;
        }
    }
    return METHOD_OTHER;
}

bool http_method_is_idempotent(enum http_method method)
{
    switch (method) {
    case METHOD_GET:
    case METHOD_HEAD:
    case METHOD_PUT:
    case METHOD_DELETE:
    case METHOD_OPTIONS:
    case METHOD_TRACE:
        return true;
    case METHOD_OTHER:
    case METHOD_POST:
    case METHOD_PATCH:
    case METHOD_CONNECT:
    default:
        return false;
    }
}

bool head_response_has_no_body(enum http_method request_method, unsigned status)
{
    return request_method == METHOD_HEAD || status / 100 == 1 || status == 204 || status == 304;
}

bool head_response_may_tell_length(enum http_method request_method, unsigned status)
{
    return status == 304 || (request_method == METHOD_HEAD && status >= 200 && status != 204);
}
