/* read_http_route: the tables of `http[]` of a VirtualService (spec section 5). Control thread. */
#include "config/read_kinds.h"
#include "config/scalar.h"

static const struct field destination_port_fields[] = {
    { .name = "number", .type = FIELD_OPTIONAL_U32, .offset = 0 },
};
static const struct message destination_port_message = { destination_port_fields, 1,
                                                         sizeof(struct optional_u32), 0, false };

static const struct field destination_fields[] = {
    FIELD(destination, host, "host", FIELD_HOST),
    FIELD(destination, subset, "subset", FIELD_STRING),
    FIELD_OF(destination, port, "port", FIELD_EMBEDDED, destination_port_message),
};
static const struct message destination_message =
    MESSAGE_WITH_PLACE(destination, destination_fields);

/* --- match ------------------------------------------------------------------------------------ */

static const struct field http_match_fields[] = {
    FIELD(http_match, name, "name", FIELD_STRING),
    FIELD_BY(http_match, uri, "uri", reader_read_string_match),
    FIELD_BY(http_match, scheme, "scheme", reader_read_string_match),
    FIELD_BY(http_match, method, "method", reader_read_string_match),
    FIELD_BY(http_match, authority, "authority", reader_read_string_match),
    FIELD_BY(http_match, headers, "headers", reader_read_named_matches),
    FIELD(http_match, port, "port", FIELD_U32),
    FIELD(http_match, source_labels, "sourceLabels", FIELD_STRING_MAP),
    FIELD(http_match, gateways, "gateways", FIELD_STRINGS),
    FIELD_BY(http_match, query_params, "queryParams", reader_read_named_matches),
    FIELD(http_match, ignore_uri_case, "ignoreUriCase", FIELD_BOOL),
    FIELD_BY(http_match, without_headers, "withoutHeaders", reader_read_named_matches),
    FIELD(http_match, source_namespace, "sourceNamespace", FIELD_STRING),
    FIELD(http_match, stat_prefix, "statPrefix", FIELD_STRING),
};
static const struct message http_match_message = MESSAGE_WITH_PLACE(http_match, http_match_fields);

/* --- headers ---------------------------------------------------------------------------------- */

static const struct field header_operations_fields[] = {
    FIELD(header_operations, set, "set", FIELD_STRING_MAP),
    FIELD(header_operations, add, "add", FIELD_STRING_MAP),
    FIELD(header_operations, remove, "remove", FIELD_STRINGS),
};
static const struct message header_operations_message =
    MESSAGE_WITH_PLACE(header_operations, header_operations_fields);

static const struct field header_rules_fields[] = {
    FIELD_OF(header_rules, request, "request", FIELD_MESSAGE, header_operations_message),
    FIELD_OF(header_rules, response, "response", FIELD_MESSAGE, header_operations_message),
};
static const struct message header_rules_message = MESSAGE(header_rules, header_rules_fields);

static const struct field http_route_destination_fields[] = {
    FIELD_OF(http_route_destination, destination, "destination", FIELD_EMBEDDED,
             destination_message),
    FIELD(http_route_destination, weight, "weight", FIELD_I32),
    FIELD_OF(http_route_destination, headers, "headers", FIELD_MESSAGE, header_rules_message),
};
static const struct message http_route_destination_message =
    MESSAGE_WITH_PLACE(http_route_destination, http_route_destination_fields);

/* tls[] and tcp[] have no headers; the rest of a destination is the same. */
static const struct field l4_route_destination_fields[] = {
    FIELD_OF(l4_route_destination, destination, "destination", FIELD_EMBEDDED, destination_message),
    FIELD(l4_route_destination, weight, "weight", FIELD_I32),
};
const struct message read_l4_route_destination_message =
    MESSAGE_WITH_PLACE(l4_route_destination, l4_route_destination_fields);

/* --- actions ---------------------------------------------------------------------------------- */

static const struct enum_value derive_ports[] = {
    { "FROM_PROTOCOL_DEFAULT", DERIVE_PORT_FROM_PROTOCOL_DEFAULT },
    { "FROM_REQUEST_PORT", DERIVE_PORT_FROM_REQUEST_PORT },
    { NULL, 0 },
};
static const struct field redirect_fields[] = {
    FIELD(http_redirect, uri, "uri", FIELD_STRING),
    FIELD(http_redirect, prefix_rewrite, "prefixRewrite", FIELD_STRING),
    FIELD(http_redirect, authority, "authority", FIELD_STRING),
    { .name = "port",
      .type = FIELD_OPTIONAL_U32,
      .oneof = 1,
      .offset = offsetof(struct http_redirect, port) },
    { .name = "derivePort",
      .type = FIELD_ENUM,
      .oneof = 1,
      .offset = offsetof(struct http_redirect, derive_port),
      .has = offsetof(struct http_redirect, has_derive_port) + 1,
      .values = derive_ports },
    FIELD(http_redirect, scheme, "scheme", FIELD_STRING),
    FIELD(http_redirect, redirect_code, "redirectCode", FIELD_U32),
};
static const struct message redirect_message = MESSAGE_WITH_PLACE(http_redirect, redirect_fields);

/* `body: {string: ...}` or `body: {bytes: <base64>}`. */
static void read_body_bytes(struct reader *reader, const struct node *node, void *out)
{
    struct str text = { NULL, 0 };

    if (reader_read_string(reader, node, &text) && !scalar_parse_base64(reader->arena, text, out)) {
        reader_fail_at(reader, node, FINDING_FIELD_TYPE, "expected base64");
    }
}

static const struct field body_fields[] = {
    { .name = "string", .type = FIELD_STRING, .oneof = 1, .offset = 0 },
    { .name = "bytes", .type = FIELD_CUSTOM, .oneof = 1, .offset = 0, .custom = read_body_bytes },
};
static const struct message body_message = { body_fields, 2, sizeof(struct str), 0, false };

static const struct field direct_response_fields[] = {
    FIELD(http_direct_response, status, "status", FIELD_U32),
    FIELD_OF(http_direct_response, body, "body", FIELD_EMBEDDED, body_message),
};
static const struct message direct_response_message =
    MESSAGE_WITH_PLACE(http_direct_response, direct_response_fields);

static const struct field delegate_fields[] = {
    FIELD(http_delegate, name, "name", FIELD_STRING),
    FIELD(http_delegate, namespace, "namespace", FIELD_STRING),
};
static const struct message delegate_message = MESSAGE_WITH_PLACE(http_delegate, delegate_fields);

static const struct field regex_rewrite_fields[] = {
    FIELD(regex_rewrite, match, "match", FIELD_STRING),
    FIELD(regex_rewrite, rewrite, "rewrite", FIELD_STRING),
};
static const struct message regex_rewrite_message = MESSAGE(regex_rewrite, regex_rewrite_fields);

static const struct field rewrite_fields[] = {
    FIELD(http_rewrite, uri, "uri", FIELD_STRING),
    FIELD(http_rewrite, authority, "authority", FIELD_STRING),
    FIELD_OF(http_rewrite, uri_regex_rewrite, "uriRegexRewrite", FIELD_MESSAGE,
             regex_rewrite_message),
};
static const struct message rewrite_message = MESSAGE_WITH_PLACE(http_rewrite, rewrite_fields);

/* --- resilience ------------------------------------------------------------------------------- */

static const struct field retries_fields[] = {
    FIELD(http_retries, attempts, "attempts", FIELD_I32),
    FIELD(http_retries, per_try_timeout, "perTryTimeout", FIELD_DURATION),
    FIELD(http_retries, retry_on, "retryOn", FIELD_STRING),
    FIELD(http_retries, retry_remote_localities, "retryRemoteLocalities", FIELD_OPTIONAL_BOOL),
    FIELD(http_retries, retry_ignore_previous_hosts, "retryIgnorePreviousHosts",
          FIELD_OPTIONAL_BOOL),
    FIELD(http_retries, backoff, "backoff", FIELD_DURATION),
};
static const struct message retries_message = MESSAGE_WITH_PLACE(http_retries, retries_fields);

static const struct field fault_delay_fields[] = {
    FIELD(fault_delay, percentage, "percentage", FIELD_PERCENT),
    FIELD(fault_delay, percent, "percent", FIELD_I32),
    { .name = "fixedDelay",
      .type = FIELD_DURATION,
      .oneof = 1,
      .offset = offsetof(struct fault_delay, fixed_delay) },
    { .name = "exponentialDelay",
      .type = FIELD_DURATION,
      .oneof = 1,
      .offset = offsetof(struct fault_delay, exponential_delay) },
};
static const struct message fault_delay_message =
    MESSAGE_WITH_PLACE(fault_delay, fault_delay_fields);

static const struct field fault_abort_fields[] = {
    FIELD(fault_abort, percentage, "percentage", FIELD_PERCENT),
    { .name = "httpStatus",
      .type = FIELD_OPTIONAL_U32,
      .oneof = 1,
      .offset = offsetof(struct fault_abort, http_status) },
    { .name = "grpcStatus",
      .type = FIELD_STRING,
      .oneof = 1,
      .offset = offsetof(struct fault_abort, grpc_status) },
    { .name = "http2Error",
      .type = FIELD_STRING,
      .oneof = 1,
      .offset = offsetof(struct fault_abort, http2_error) },
};
static const struct message fault_abort_message =
    MESSAGE_WITH_PLACE(fault_abort, fault_abort_fields);

static const struct field fault_fields[] = {
    FIELD_OF(http_fault, delay, "delay", FIELD_MESSAGE, fault_delay_message),
    FIELD_OF(http_fault, abort, "abort", FIELD_MESSAGE, fault_abort_message),
};
static const struct message fault_message = MESSAGE_WITH_PLACE(http_fault, fault_fields);

static const struct field mirror_fields[] = {
    FIELD_OF(http_mirror, destination, "destination", FIELD_EMBEDDED, destination_message),
    FIELD(http_mirror, percentage, "percentage", FIELD_PERCENT),
};
static const struct message mirror_message = MESSAGE_WITH_PLACE(http_mirror, mirror_fields);

static const struct enum_value preflights[] = {
    { "UNSPECIFIED", UNMATCHED_PREFLIGHTS_UNSPECIFIED },
    { "FORWARD", UNMATCHED_PREFLIGHTS_FORWARD },
    { "IGNORE", UNMATCHED_PREFLIGHTS_IGNORE },
    { NULL, 0 },
};
static const struct field cors_fields[] = {
    FIELD(cors_policy, allow_origin, "allowOrigin", FIELD_STRINGS),
    FIELD_BY(cors_policy, allow_origins, "allowOrigins", reader_read_string_matches),
    FIELD(cors_policy, allow_methods, "allowMethods", FIELD_STRINGS),
    FIELD(cors_policy, allow_headers, "allowHeaders", FIELD_STRINGS),
    FIELD(cors_policy, expose_headers, "exposeHeaders", FIELD_STRINGS),
    FIELD(cors_policy, max_age, "maxAge", FIELD_DURATION),
    FIELD(cors_policy, allow_credentials, "allowCredentials", FIELD_OPTIONAL_BOOL),
    FIELD_CHOICE(cors_policy, unmatched_preflights, "unmatchedPreflights", preflights),
};
static const struct message cors_message = MESSAGE_WITH_PLACE(cors_policy, cors_fields);

/* --- the route -------------------------------------------------------------------------------- */

static const struct field http_route_fields[] = {
    FIELD(http_route, name, "name", FIELD_STRING),
    FIELD_OF(http_route, matches, "match", FIELD_MESSAGES, http_match_message),
    FIELD_OF(http_route, routes, "route", FIELD_MESSAGES, http_route_destination_message),
    FIELD_OF(http_route, redirect, "redirect", FIELD_MESSAGE, redirect_message),
    FIELD_OF(http_route, direct_response, "directResponse", FIELD_MESSAGE, direct_response_message),
    FIELD_OF(http_route, delegate, "delegate", FIELD_MESSAGE, delegate_message),
    FIELD_OF(http_route, rewrite, "rewrite", FIELD_MESSAGE, rewrite_message),
    FIELD(http_route, timeout, "timeout", FIELD_DURATION),
    FIELD_OF(http_route, retries, "retries", FIELD_MESSAGE, retries_message),
    FIELD_OF(http_route, fault, "fault", FIELD_MESSAGE, fault_message),
    FIELD_OF(http_route, mirror, "mirror", FIELD_MESSAGE, destination_message),
    FIELD_OF(http_route, mirrors, "mirrors", FIELD_MESSAGES, mirror_message),
    FIELD(http_route, mirror_percent, "mirrorPercent", FIELD_OPTIONAL_U32),
    FIELD(http_route, mirror_percentage, "mirrorPercentage", FIELD_PERCENT),
    FIELD_OF(http_route, cors_policy, "corsPolicy", FIELD_MESSAGE, cors_message),
    FIELD_OF(http_route, headers, "headers", FIELD_MESSAGE, header_rules_message),
};
const struct message read_http_route_message = MESSAGE_WITH_PLACE(http_route, http_route_fields);
