/* check_http_policy: retries, faults, mirrors and CORS of an `http[]` entry (spec HT-4, HT-96,
 * HT-97, HT-110, HT-114, HT-138). Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"

/* spec RL-24 */
static void check_percent(struct reader *reader, const char *field, enum finding_code code,
                          const struct percent *percent)
{
    if (percent->is_set && (percent->value < 0 || percent->value > 100)) {
        reader_fail(reader, field, code, "percentage %g is not in range 0..100", percent->value);
    }
}

/* --- retries ---------------------------------------------------------------------------------- */

static bool is_known_status(struct str token)
{
    uint32_t status = 0;

    if (token.len != 3 || !str_parse_u32(token, &status)) {
        return false;
    }
    /* The codes of the IANA registry that Go's net/http has a name for. */
    return (status >= 100 && status <= 103) || (status >= 200 && status <= 208) || status == 226 ||
           (status >= 300 && status <= 308 && status != 306) || (status >= 400 && status <= 418) ||
           (status >= 421 && status <= 426) || status == 428 || status == 429 || status == 431 ||
           status == 451 || (status >= 500 && status <= 508) || status == 510 || status == 511;
}

static bool is_retry_token(struct str token)
{
    static const struct str tokens[] = {
        STR_INIT("5xx"),
        STR_INIT("gateway-error"),
        STR_INIT("reset"),
        STR_INIT("reset-before-request"),
        STR_INIT("connect-failure"),
        STR_INIT("retriable-4xx"),
        STR_INIT("refused-stream"),
        STR_INIT("retriable-status-codes"),
        STR_INIT("retriable-headers"),
        STR_INIT("envoy-ratelimited"),
        STR_INIT("http3-post-connect-failure"),
        STR_INIT("cancelled"),
        STR_INIT("deadline-exceeded"),
        STR_INIT("internal"),
        STR_INIT("resource-exhausted"),
        STR_INIT("unavailable"),
    };

    for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
        if (str_equals(token, tokens[i])) {
            return true;
        }
    }
    return is_known_status(token);
}

/* spec HT-97: a blank belongs to the token, as in Istio. */
static void check_retry_on(struct reader *reader, struct str retry_on)
{
    struct str rest = retry_on;
    struct str token;

    if (retry_on.len == 0) {
        return;
    }
    while (str_split_next(&rest, ',', &token)) {
        if (!is_retry_token(token)) {
            reader_fail(reader, "retries.retryOn", FINDING_ROUTE_RETRIES,
                        "\"%.*s\" is not a valid retryOn policy%s",
                        STR_ARG(str_slice(token, 0, 80)),
                        is_retry_token(str_trim(token)) ? ": leave out the blank" : "");
        }
    }
}

/* spec HT-96 */
static void check_retries(struct reader *reader, const struct http_retries *retries)
{
    if (retries == NULL) {
        return;
    }
    if (retries->attempts < 0) {
        reader_fail(reader, "retries.attempts", FINDING_ROUTE_RETRIES,
                    "attempts cannot be negative");
    }
    if (retries->attempts == 0 && (retries->per_try_timeout.is_set || retries->retry_on.len > 0 ||
                                   retries->retry_remote_localities.is_set)) {
        reader_fail(reader, "retries", FINDING_ROUTE_RETRIES,
                    "http retry policy configured when attempts are set to 0 (disabled)");
    }
    check_common_duration(reader, "retries.perTryTimeout", FINDING_ROUTE_RETRIES,
                          &retries->per_try_timeout);
    check_common_duration(reader, "retries.backoff", FINDING_ROUTE_RETRIES, &retries->backoff);
    check_retry_on(reader, retries->retry_on);
}

/* --- faults ----------------------------------------------------------------------------------- */

static bool is_grpc_status(struct str name)
{
    static const struct str names[] = {
        STR_INIT("OK"),
        STR_INIT("CANCELLED"),
        STR_INIT("UNKNOWN"),
        STR_INIT("INVALID_ARGUMENT"),
        STR_INIT("DEADLINE_EXCEEDED"),
        STR_INIT("NOT_FOUND"),
        STR_INIT("ALREADY_EXISTS"),
        STR_INIT("PERMISSION_DENIED"),
        STR_INIT("RESOURCE_EXHAUSTED"),
        STR_INIT("FAILED_PRECONDITION"),
        STR_INIT("ABORTED"),
        STR_INIT("OUT_OF_RANGE"),
        STR_INIT("UNIMPLEMENTED"),
        STR_INIT("INTERNAL"),
        STR_INIT("UNAVAILABLE"),
        STR_INIT("DATA_LOSS"),
        STR_INIT("UNAUTHENTICATED"),
    };

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (str_equals(name, names[i])) {
            return true;
        }
    }
    return false;
}

static void check_delay(struct reader *reader, const struct fault_delay *delay)
{
    if (delay->percent < 0 || delay->percent > 100) {
        reader_fail(reader, "fault.delay.percent", FINDING_ROUTE_FAULT,
                    "percent %d is not in range 0..100", delay->percent);
    }
    check_percent(reader, "fault.delay.percentage", FINDING_ROUTE_FAULT, &delay->percentage);
    check_common_duration(reader, "fault.delay.fixedDelay", FINDING_ROUTE_FAULT,
                          &delay->fixed_delay);
    if (delay->exponential_delay.is_set) {
        reader_fail(reader, "fault.delay.exponentialDelay", FINDING_ROUTE_FAULT,
                    "exponentialDelay not supported yet");
    }
}

static void check_abort(struct reader *reader, const struct fault_abort *abort)
{
    check_percent(reader, "fault.abort.percentage", FINDING_ROUTE_FAULT, &abort->percentage);
    if (abort->http_status.is_set &&
        (abort->http_status.value < 200 || abort->http_status.value > 600)) {
        reader_fail(reader, "fault.abort.httpStatus", FINDING_ROUTE_FAULT,
                    "HTTP status %u is not in range 200..600", abort->http_status.value);
    }
    if (abort->grpc_status.ptr != NULL && !is_grpc_status(abort->grpc_status)) {
        reader_fail(reader, "fault.abort.grpcStatus", FINDING_ROUTE_FAULT,
                    "gRPC status %.*s is not supported",
                    STR_ARG(str_slice(abort->grpc_status, 0, 80)));
    }
    if (abort->http2_error.ptr != NULL) {
        reader_fail(reader, "fault.abort.http2Error", FINDING_ROUTE_FAULT,
                    "HTTP/2 abort fault injection not supported yet");
    }
}

/* spec HT-110 */
static void check_fault(struct reader *reader, const struct http_fault *fault)
{
    if (fault == NULL) {
        return;
    }
    if (fault->delay == NULL && fault->abort == NULL) {
        reader_fail(reader, "fault", FINDING_ROUTE_FAULT,
                    "HTTP fault injection must have an abort and/or a delay");
    }
    if (fault->delay != NULL) {
        check_delay(reader, fault->delay);
    }
    if (fault->abort != NULL) {
        check_abort(reader, fault->abort);
    }
}

/* --- mirrors ---------------------------------------------------------------------------------- */

/* spec HT-4 */
static void check_mirrors(struct reader *reader, const struct http_route *route)
{
    if (route->mirror != NULL && route->mirrors.count > 0) {
        reader_fail(reader, "mirrors", FINDING_ROUTE_MIRROR,
                    "HTTP route cannot contain both mirror and mirrors");
    }
    if (route->mirror_percent.is_set && route->mirror_percent.value > 100) {
        reader_fail(reader, "mirrorPercent", FINDING_ROUTE_MIRROR,
                    "mirror_percent must have a max value of 100");
    }
    check_percent(reader, "mirrorPercentage", FINDING_ROUTE_MIRROR, &route->mirror_percentage);
    if (route->mirror != NULL) {
        size_t former = reader_enter(reader, "mirror");

        check_common_destination(reader, route->mirror);
        reader_leave(reader, former);
    }
    for (size_t i = 0; i < route->mirrors.count; i++) {
        size_t former = reader_enter_item(reader, "mirrors", i);
        size_t inner = reader_enter(reader, "destination");

        check_common_destination(reader, &route->mirrors.items[i].destination);
        reader_leave(reader, inner);
        check_percent(reader, "percentage", FINDING_ROUTE_MIRROR,
                      &route->mirrors.items[i].percentage);
        reader_leave(reader, former);
    }
}

/* --- CORS ------------------------------------------------------------------------------------- */

static bool is_cors_method(struct str method)
{
    static const struct str methods[] = {
        STR_INIT("GET"),   STR_INIT("HEAD"),   STR_INIT("POST"),    STR_INIT("PUT"),
        STR_INIT("PATCH"), STR_INIT("DELETE"), STR_INIT("CONNECT"), STR_INIT("OPTIONS"),
        STR_INIT("TRACE"), STR_INIT("*"),
    };

    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (str_equals(method, methods[i])) {
            return true;
        }
    }
    return false;
}

static void check_cors_names(struct reader *reader, const char *field, const struct str_vec *names)
{
    for (size_t i = 0; i < names->count; i++) {
        if (!value_is_header_name(names->items[i])) { /* `*` is a token too */
            reader_fail_item(reader, field, i, FINDING_ROUTE_CORS, "this is no header name");
        }
    }
}

static void check_allow_origins(struct reader *reader, const struct cors_policy *cors)
{
    for (size_t i = 0; i < cors->allow_origins.count; i++) {
        const struct string_match *match = &cors->allow_origins.items[i];
        size_t former = reader_enter_item(reader, "allowOrigins", i);

        if (match->value.len == 0) {
            reader_fail(reader, NULL, FINDING_ROUTE_CORS,
                        "exactly one of exact, prefix, regex, and not empty");
        } else if (match->kind == MATCH_REGEX) {
            check_common_regex(reader, "regex", match->value);
        }
        reader_leave(reader, former);
    }
}

/* spec HT-138 */
static void check_cors(struct reader *reader, const struct cors_policy *cors)
{
    if (cors == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "corsPolicy");

    check_allow_origins(reader, cors);
    for (size_t i = 0; i < cors->allow_methods.count; i++) {
        if (!is_cors_method(cors->allow_methods.items[i])) {
            reader_fail_item(reader, "allowMethods", i, FINDING_ROUTE_CORS,
                             "\"%.*s\" is not a supported HTTP method",
                             STR_ARG(str_slice(cors->allow_methods.items[i], 0, 80)));
        }
    }
    check_cors_names(reader, "allowHeaders", &cors->allow_headers);
    check_cors_names(reader, "exposeHeaders", &cors->expose_headers);
    if (cors->max_age.is_set &&
        (cors->max_age.ms < 0 || cors->max_age.ms % 1000 != 0 || cors->max_age.rest_ns != 0)) {
        reader_fail(reader, "maxAge", FINDING_ROUTE_CORS,
                    "max_age duration is accurate only to seconds precision");
    }
    reader_leave(reader, former);
}

void check_http_policy(struct reader *reader, const struct http_route *route)
{
    check_retries(reader, route->retries);
    check_fault(reader, route->fault);
    check_mirrors(reader, route);
    check_cors(reader, route->cors_policy);
}
