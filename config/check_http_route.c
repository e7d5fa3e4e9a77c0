/* check_http_route: one entry of `http[]`: actions, destinations, headers, redirect, rewrite (spec
 * HT-1 to HT-9, HT-50, HT-51, HT-60, HT-70, HT-84, RL-50, RL-51). Matches are in
 * check_http_match.c, retries, faults, mirrors and CORS in check_http_policy.c. Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"
#include "gateway/base/limits.h"
#include "gateway/observe/format.h"
#include "gateway/route/pattern.h"

#define LARGE_DIRECT_BODY_BYTES (100u * 1024u)

/* --- what the route does ---------------------------------------------------------------------- */

/* spec HT-3 */
static void check_delegate(struct reader *reader, const struct virtual_service *service,
                           const struct http_route *route)
{
    const struct http_delegate *delegate = route->delegate;

    if (service->hosts.count == 0) {
        reader_fail(reader, "delegate", FINDING_ROUTE_DELEGATE,
                    "a delegate must not delegate again");
    }
    if (route->routes.count > 0) {
        reader_fail(reader, "route", FINDING_ROUTE_DELEGATE,
                    "a route with delegate must not set route");
    }
    if (route->redirect != NULL) {
        reader_fail(reader, "redirect", FINDING_ROUTE_DELEGATE,
                    "a route with delegate must not set redirect");
    }
    if (!value_is_dns_label(delegate->name)) {
        reader_fail(reader, "delegate.name", FINDING_ROUTE_DELEGATE,
                    "the name of a VirtualService is required");
    }
    if (delegate->namespace.len > 0 && !value_is_dns_label(delegate->namespace)) {
        reader_fail(reader, "delegate.namespace", FINDING_ROUTE_DELEGATE, "%.*s is no namespace",
                    STR_ARG(str_slice(delegate->namespace, 0, 80)));
    }
}

/* spec HT-1, HT-2 */
static void check_action(struct reader *reader, const struct http_route *route)
{
    bool has_route = route->routes.count > 0;
    bool has_redirect = route->redirect != NULL;
    bool has_direct = route->direct_response != NULL;
    const char *action = has_redirect ? "redirect" : "directResponse";

    if (!has_route && !has_redirect && !has_direct) {
        reader_fail(reader, NULL, FINDING_ROUTE_ACTION,
                    "HTTP route, redirect or direct_response is required");
        return;
    }
    if (!has_redirect && !has_direct) {
        return;
    }
    if (has_redirect && has_direct) {
        reader_fail(reader, "directResponse", FINDING_ROUTE_ACTION,
                    "HTTP route cannot contain both redirect and direct_response");
    }
    if (has_route) {
        reader_fail(reader, "route", FINDING_ROUTE_ACTION,
                    "HTTP route cannot contain both route and %s", action);
    }
    if (route->fault != NULL) {
        reader_fail(reader, "fault", FINDING_ROUTE_ACTION,
                    "HTTP route cannot contain both fault and %s", action);
    }
    if (route->rewrite != NULL) {
        reader_fail(reader, "rewrite", FINDING_ROUTE_ACTION,
                    "HTTP route cannot contain both rewrite and %s", action);
    }
}

/* --- header operations ------------------------------------------------------------------------ */

static bool is_authority(struct str name)
{
    return str_equals_nocase(name, STR("host")) || str_equals(name, STR(":authority"));
}

/* spec RL-51. `may_rewrite_host`: request set and add. */
static void check_header_name(struct reader *reader, struct str name, bool may_rewrite_host)
{
    if (name.len == 0) {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "header name cannot be empty");
    } else if (is_authority(name) && may_rewrite_host) {
        return;
    } else if (str_equals_nocase(name, STR("host"))) {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "cannot set Host header");
    } else if (name.ptr[0] == ':') {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "header name cannot have \":\" prefix");
    } else if (!value_is_header_name(name)) {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "this is no header name");
    }
}

/* RL-50, HT-89: an unknown operator refuses this object only, and its last good version stays. */
static void check_header_value(struct reader *reader, struct str value)
{
    const char *problem = value_header_value_problem(value);
    struct err err = { 0 };

    if (problem != NULL) {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "%s", problem);
        return;
    }
    struct arena *scratch = arena_new(1024);

    if (format_compile(scratch, value, &err) == NULL) {
        reader_fail(reader, NULL, FINDING_ROUTE_HEADERS, "%s", err.text);
    }
    arena_free(scratch);
}

static void check_header_pairs(struct reader *reader, const char *field,
                               const struct str_pair_vec *pairs, bool may_rewrite_host)
{
    for (size_t i = 0; i < pairs->count; i++) {
        size_t former = reader_enter_key(reader, field, pairs->items[i].name);

        check_header_name(reader, pairs->items[i].name, may_rewrite_host);
        check_header_value(reader, pairs->items[i].value);
        reader_leave(reader, former);
    }
}

static void check_header_operations(struct reader *reader, const char *field,
                                    const struct header_operations *operations, bool is_request)
{
    if (operations == NULL) {
        return;
    }
    size_t former = reader_enter(reader, field);

    check_header_pairs(reader, "set", &operations->set, is_request);
    check_header_pairs(reader, "add", &operations->add, is_request);
    for (size_t i = 0; i < operations->remove.count; i++) {
        size_t inner = reader_enter_item(reader, "remove", i);

        check_header_name(reader, operations->remove.items[i], false);
        reader_leave(reader, inner);
    }
    reader_leave(reader, former);
}

static void check_headers(struct reader *reader, const struct header_rules *headers)
{
    if (headers == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "headers");

    check_header_operations(reader, "request", headers->request, true);
    check_header_operations(reader, "response", headers->response, false);
    reader_leave(reader, former);
}

static size_t count_authority(const struct str_pair_vec *pairs)
{
    size_t count = 0;

    for (size_t i = 0; i < pairs->count; i++) {
        count += is_authority(pairs->items[i].name);
    }
    return count;
}

/* spec HT-84 */
static void check_single_authority(struct reader *reader, const struct http_route *route)
{
    const struct header_operations *request =
        route->headers != NULL ? route->headers->request : NULL;
    size_t count = route->rewrite != NULL && route->rewrite->authority.len > 0;

    if (request != NULL) {
        count += count_authority(&request->set) + count_authority(&request->add);
    }
    if (count > 1) {
        reader_fail(reader, request != NULL ? "headers.request" : "rewrite", FINDING_ROUTE_HEADERS,
                    "the authority may be set only once among rewrite.authority, "
                    "headers.request.set and headers.request.add");
    }
}

/* --- destinations ----------------------------------------------------------------------------- */

/* spec HT-5, HT-7 */
static void check_destinations(struct reader *reader, const struct http_route *route)
{
    int64_t sum = 0;

    for (size_t i = 0; i < route->routes.count; i++) {
        const struct http_route_destination *entry = &route->routes.items[i];
        size_t former = reader_enter_item(reader, "route", i);
        size_t inner = reader_enter(reader, "destination");

        check_common_destination(reader, &entry->destination);
        reader_leave(reader, inner);
        sum += check_common_weight(reader, entry->weight);
        check_headers(reader, entry->headers);
        reader_leave(reader, former);
    }
    if (route->routes.count > 1 && sum == 0) {
        reader_fail(reader, "route", FINDING_ROUTE_WEIGHT, "total destination weight = 0");
    }
}

/* --- redirect, direct response, rewrite ------------------------------------------------------- */

static bool has_only_prefix_matches(const struct http_route *route)
{
    for (size_t i = 0; i < route->matches.count; i++) {
        const struct string_match *uri = route->matches.items[i].uri;

        if (uri != NULL && uri->kind != MATCH_PREFIX) {
            return false;
        }
    }
    return true;
}

/* spec HT-50, HT-51 */
static void check_redirect_code(struct reader *reader, uint32_t code)
{
    if (code != 0 && (code < 300 || code > 399)) {
        reader_fail(reader, "redirect.redirectCode", FINDING_ROUTE_REDIRECT,
                    "%u is no redirect status code (300..399)", code);
    } else if (code != 0 && code != 301 && code != 302 && code != 303 && code != 307 &&
               code != 308) {
        reader_fail(reader, "redirect.redirectCode", FINDING_ROUTE_REDIRECT,
                    "status %u cannot be served: one of 301, 302, 303, 307, 308", code);
    }
}

static void check_redirect(struct reader *reader, const struct http_route *route)
{
    const struct http_redirect *redirect = route->redirect;

    if (redirect == NULL) {
        return;
    }
    if (redirect->uri.len == 0 && redirect->prefix_rewrite.len == 0 &&
        redirect->authority.len == 0 && !redirect->port.is_set && !redirect->has_derive_port &&
        redirect->scheme.len == 0) {
        reader_fail(reader, "redirect", FINDING_ROUTE_REDIRECT,
                    "redirect must specify URI, prefixRewrite, authority, scheme, or port");
    }
    if (redirect->uri.len > 0 && redirect->prefix_rewrite.len > 0) {
        reader_fail(reader, "redirect.prefixRewrite", FINDING_ROUTE_REDIRECT,
                    "only one of uri and prefixRewrite may be given");
    }
    if (redirect->prefix_rewrite.len > 0 && !has_only_prefix_matches(route)) {
        reader_fail(reader, "redirect.prefixRewrite", FINDING_ROUTE_REDIRECT,
                    "prefixRewrite needs every uri match to be a prefix");
    }
    if (redirect->scheme.len > 0 && !str_equals(redirect->scheme, STR("http")) &&
        !str_equals(redirect->scheme, STR("https"))) {
        reader_fail(reader, "redirect.scheme", FINDING_ROUTE_REDIRECT,
                    "invalid redirect scheme, must be http or https");
    }
    if (redirect->port.is_set && !value_is_port(redirect->port.value)) {
        reader_fail(reader, "redirect.port", FINDING_ROUTE_REDIRECT,
                    "port number %u must be in the range 1..65535", redirect->port.value);
    }
    check_redirect_code(reader, redirect->redirect_code);
}

/* spec HT-60 */
static void check_direct_response(struct reader *reader,
                                  const struct http_direct_response *response)
{
    if (response == NULL) {
        return;
    }
    if (response->status < 200 || response->status > 600) {
        reader_fail(reader, "directResponse.status", FINDING_ROUTE_DIRECT_RESPONSE,
                    "status %u is not in the range 200..600", response->status);
    }
    if (response->body.len > LIMIT_DIRECT_BODY_BYTES) {
        reader_fail(reader, "directResponse.body", FINDING_ROUTE_DIRECT_RESPONSE,
                    "direct response body cannot be larger than 1MB");
    } else if (response->body.len > LARGE_DIRECT_BODY_BYTES) {
        reader_fail(reader, "directResponse.body", FINDING_ROUTE_DIRECT_RESPONSE_LARGE,
                    "large direct response bodies may impact control plane performance, must be "
                    "less than 1MB");
    }
}

/* spec HT-74: the text names groups that the expression has. */
static void check_rewrite_text(struct reader *reader, const struct regex_rewrite *regex)
{
    struct arena *scratch = arena_new(1024);
    struct err err = { 0 };
    struct pattern *pattern = pattern_new_search(scratch, regex->match, &err);

    if (pattern != NULL && !pattern_check_rewrite(pattern, regex->rewrite, &err)) {
        reader_fail(reader, "rewrite.uriRegexRewrite.rewrite", FINDING_ROUTE_REWRITE, "%s",
                    err.text);
    }
    pattern_free(pattern);
    arena_free(scratch);
}

/* spec HT-70 */
static void check_rewrite(struct reader *reader, const struct http_rewrite *rewrite)
{
    if (rewrite == NULL) {
        return;
    }
    const struct regex_rewrite *regex = rewrite->uri_regex_rewrite;

    if (rewrite->uri.len == 0 && rewrite->authority.len == 0 && regex == NULL) {
        reader_fail(reader, "rewrite", FINDING_ROUTE_REWRITE,
                    "rewrite must specify URI, UriRegexRewrite, or authority");
    }
    if (rewrite->uri.len > 0 && regex != NULL) {
        reader_fail(reader, "rewrite.uriRegexRewrite", FINDING_ROUTE_REWRITE,
                    "only one of uri and uriRegexRewrite may be given");
    }
    if (regex == NULL) {
        return;
    }
    if (regex->match.len == 0 || regex->rewrite.len == 0) {
        reader_fail(reader, "rewrite.uriRegexRewrite", FINDING_ROUTE_REWRITE,
                    "uriRegexRewrite requires both match and rewrite");
    } else {
        check_common_regex(reader, "rewrite.uriRegexRewrite.match", regex->match);
        check_rewrite_text(reader, regex);
    }
}

void check_http_route(struct reader *reader, const struct virtual_service *service,
                      const struct http_route *route)
{
    for (size_t i = 0; i < route->matches.count; i++) {
        size_t former = reader_enter_item(reader, "match", i);

        check_http_match(reader, &route->matches.items[i]);
        reader_leave(reader, former);
    }
    if (route->delegate != NULL) {
        check_delegate(reader, service, route);
    } else {
        check_action(reader, route);
    }
    check_destinations(reader, route);
    check_headers(reader, route->headers);
    check_single_authority(reader, route);
    check_redirect(reader, route);
    check_direct_response(reader, route->direct_response);
    check_rewrite(reader, route->rewrite);
    check_common_duration(reader, "timeout", FINDING_ROUTE_TIMEOUT, &route->timeout);
    check_http_policy(reader, route);
}
