/* status: reason phrases (RFC 9110 15) and the gRPC code of a status. Constant tables; any thread.
 */
#include "gateway/http/status.h"

static const struct str reasons[] = {
    [100] = STR_INIT("Continue"),
    [101] = STR_INIT("Switching Protocols"),
    [102] = STR_INIT("Processing"),
    [103] = STR_INIT("Early Hints"),
    [200] = STR_INIT("OK"),
    [201] = STR_INIT("Created"),
    [202] = STR_INIT("Accepted"),
    [203] = STR_INIT("Non-Authoritative Information"),
    [204] = STR_INIT("No Content"),
    [205] = STR_INIT("Reset Content"),
    [206] = STR_INIT("Partial Content"),
    [207] = STR_INIT("Multi-Status"),
    [208] = STR_INIT("Already Reported"),
    [226] = STR_INIT("IM Used"),
    [300] = STR_INIT("Multiple Choices"),
    [301] = STR_INIT("Moved Permanently"),
    [302] = STR_INIT("Found"),
    [303] = STR_INIT("See Other"),
    [304] = STR_INIT("Not Modified"),
    [305] = STR_INIT("Use Proxy"),
    [307] = STR_INIT("Temporary Redirect"),
    [308] = STR_INIT("Permanent Redirect"),
    [400] = STR_INIT("Bad Request"),
    [401] = STR_INIT("Unauthorized"),
    [402] = STR_INIT("Payment Required"),
    [403] = STR_INIT("Forbidden"),
    [404] = STR_INIT("Not Found"),
    [405] = STR_INIT("Method Not Allowed"),
    [406] = STR_INIT("Not Acceptable"),
    [407] = STR_INIT("Proxy Authentication Required"),
    [408] = STR_INIT("Request Timeout"),
    [409] = STR_INIT("Conflict"),
    [410] = STR_INIT("Gone"),
    [411] = STR_INIT("Length Required"),
    [412] = STR_INIT("Precondition Failed"),
    [413] = STR_INIT("Payload Too Large"),
    [414] = STR_INIT("URI Too Long"),
    [415] = STR_INIT("Unsupported Media Type"),
    [416] = STR_INIT("Range Not Satisfiable"),
    [417] = STR_INIT("Expectation Failed"),
    [421] = STR_INIT("Misdirected Request"),
    [422] = STR_INIT("Unprocessable Entity"),
    [423] = STR_INIT("Locked"),
    [424] = STR_INIT("Failed Dependency"),
    [425] = STR_INIT("Too Early"),
    [426] = STR_INIT("Upgrade Required"),
    [428] = STR_INIT("Precondition Required"),
    [429] = STR_INIT("Too Many Requests"),
    [431] = STR_INIT("Request Header Fields Too Large"),
    [451] = STR_INIT("Unavailable For Legal Reasons"),
    [500] = STR_INIT("Internal Server Error"),
    [501] = STR_INIT("Not Implemented"),
    [502] = STR_INIT("Bad Gateway"),
    [503] = STR_INIT("Service Unavailable"),
    [504] = STR_INIT("Gateway Timeout"),
    [505] = STR_INIT("HTTP Version Not Supported"),
    [506] = STR_INIT("Variant Also Negotiates"),
    [507] = STR_INIT("Insufficient Storage"),
    [508] = STR_INIT("Loop Detected"),
    [510] = STR_INIT("Not Extended"),
    [511] = STR_INIT("Network Authentication Required"),
};

struct str status_reason(unsigned status)
{
    if (status < sizeof(reasons) / sizeof(reasons[0]) && reasons[status].len > 0) {
        return reasons[status];
    }
    return STR("Unknown");
}

enum grpc_code status_to_grpc(unsigned status)
{
    switch (status) {
    case 400:
        return GRPC_INTERNAL;
    case 401:
        return GRPC_UNAUTHENTICATED;
    case 403:
        return GRPC_PERMISSION_DENIED;
    case 404:
        return GRPC_UNIMPLEMENTED;
    case 429:
    case 502:
    case 503:
    case 504:
        return GRPC_UNAVAILABLE;
    default:
        return GRPC_UNKNOWN;
    }
}

unsigned status_from_grpc(unsigned grpc_code)
{
    static const unsigned short statuses[] = {
        [GRPC_OK] = 200,
        [GRPC_CANCELLED] = 499,
        [GRPC_UNKNOWN] = 500,
        [GRPC_INVALID_ARGUMENT] = 400,
        [GRPC_DEADLINE_EXCEEDED] = 504,
        [GRPC_NOT_FOUND] = 404,
        [GRPC_ALREADY_EXISTS] = 409,
        [GRPC_PERMISSION_DENIED] = 403,
        [GRPC_RESOURCE_EXHAUSTED] = 429,
        [GRPC_FAILED_PRECONDITION] = 400,
        [GRPC_ABORTED] = 409,
        [GRPC_OUT_OF_RANGE] = 400,
        [GRPC_UNIMPLEMENTED] = 501,
        [GRPC_INTERNAL] = 500,
        [GRPC_UNAVAILABLE] = 503,
        [GRPC_DATA_LOSS] = 500,
        [GRPC_UNAUTHENTICATED] = 401,
    };

    return grpc_code < sizeof(statuses) / sizeof(statuses[0]) ? statuses[grpc_code] : 500;
}
