/* check_http_match: the conditions of an `http[].match[]` (spec RL-48, RL-49, HT-9, HT-32), and
 * routes that no request can reach (SN-61, SN-74). Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"

/* uri, scheme, method, authority: `{}` says nothing, and is a mistake. */
static void check_value_match(struct reader *reader, const char *field,
                              const struct string_match *match, bool may_be_empty)
{
    if (match == NULL) {
        return;
    }
    switch (match->kind) {
    case MATCH_PRESENT:
        reader_fail(reader, field, FINDING_ROUTE_MATCH, "exactly one of exact, prefix, regex");
        break;
    case MATCH_EXACT:
        break;
    case MATCH_PREFIX:
        if (match->value.len == 0 && !may_be_empty) {
            reader_fail(reader, field, FINDING_ROUTE_MATCH, "prefix may not be empty");
        }
        break;
    case MATCH_REGEX:
        if (match->value.len == 0) {
            reader_fail(reader, field, FINDING_ROUTE_MATCH, "regex may not be empty");
        } else {
            check_common_regex(reader, field, match->value);
        }
        break;
    }
}

/* spec HT-24: `{}` and the regex `*` ask for presence. */
static bool is_presence(const struct string_match *match)
{
    return match->kind == MATCH_PRESENT ||
           (match->kind == MATCH_REGEX && str_equals(match->value, STR("*")));
}

static void check_named_matches(struct reader *reader, const char *field,
                                const struct named_match_vec *matches, bool are_headers)
{
    for (size_t i = 0; i < matches->count; i++) {
        const struct named_match *match = &matches->items[i];
        size_t former = reader_enter_key(reader, field, match->name);

        if (are_headers && value_is_claim_name(match->name)) {
            /* Unfilled claims never match, and always match in withoutHeaders: that fails open. */
            reader_fail(reader, NULL, FINDING_ROUTE_JWT_CLAIM,
                        "matching claims of a token is not supported");
        } else if (are_headers && !value_is_header_match_name(match->name)) {
            reader_fail(reader, NULL, FINDING_ROUTE_MATCH, "this is no header name");
        } else if (match->name.len == 0) {
            reader_fail(reader, NULL, FINDING_ROUTE_MATCH, "the name may not be empty");
        }
        if (!is_presence(&match->match)) {
            check_value_match(reader, NULL, &match->match, false);
        }
        reader_leave(reader, former);
    }
}

void check_http_match(struct reader *reader, const struct http_match *match)
{
    check_value_match(reader, "uri", match->uri, true);
    check_value_match(reader, "scheme", match->scheme, false);
    check_value_match(reader, "method", match->method, false);
    check_value_match(reader, "authority", match->authority, false);
    check_named_matches(reader, "headers", &match->headers, true);
    check_named_matches(reader, "withoutHeaders", &match->without_headers, true);
    check_named_matches(reader, "queryParams", &match->query_params, false);
    if (match->port > 65535) {
        reader_fail(reader, "port", FINDING_ROUTE_MATCH,
                    "port number %u must be in the range 1..65535", match->port);
    }
    check_common_labels(reader, "sourceLabels", &match->source_labels);
    check_common_gateways(reader, "gateways", &match->gateways);
    if (match->source_namespace.len > 0 && !value_is_dns_label(match->source_namespace)) {
        reader_fail(reader, "sourceNamespace", FINDING_ROUTE_MATCH, "%.*s is no namespace",
                    STR_ARG(str_slice(match->source_namespace, 0, 80)));
    }
}

/* spec SN-61, in the strict sense: true whatever the gateway and the port. */
static bool is_catch_all(const struct http_match *match)
{
    bool is_every_path =
        match->uri == NULL ||
        (match->uri->kind == MATCH_PREFIX &&
         (match->uri->value.len == 0 || str_equals(match->uri->value, STR("/")))) ||
        (match->uri->kind == MATCH_REGEX && str_equals(match->uri->value, STR(".*")));

    return is_every_path && match->scheme == NULL && match->method == NULL &&
           match->authority == NULL && match->headers.count == 0 &&
           match->without_headers.count == 0 && match->query_params.count == 0 &&
           match->port == 0 && match->source_labels.count == 0 && match->gateways.count == 0 &&
           match->source_namespace.len == 0;
}

static bool has_catch_all(const struct http_route *route)
{
    for (size_t i = 0; i < route->matches.count; i++) {
        if (is_catch_all(&route->matches.items[i])) {
            return true;
        }
    }
    /* What a delegate matches is not known here. */
    return route->matches.count == 0 && route->delegate == NULL;
}

void check_http_match_unreachable(struct reader *reader, const struct virtual_service *service)
{
    size_t first = 0;

    while (first < service->http.count && !has_catch_all(&service->http.items[first])) {
        first++;
    }
    for (size_t i = first + 1; i < service->http.count; i++) {
        reader_fail_item(reader, "http", i, FINDING_ROUTE_UNREACHABLE,
                         "virtualService rule not used: http[%zu] takes every request", first);
    }
}
