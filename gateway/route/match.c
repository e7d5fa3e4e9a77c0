/* match: which route a request takes. Reads a snapshot, on the worker's thread; allocates nothing
 * but the joined value of a repeated header, in the request's arena. */
#include "gateway/route/match.h"

#include "gateway/http/target.h"
#include "gateway/route/route_table.h"

struct str match_host_of(struct str authority)
{
    return target_authority_host(authority);
}

const struct virtual_host *match_virtual_host(const struct route_table *table, struct str authority)
{
    return host_table_find(&table->hosts, match_host_of(authority));
}

/* Values of the pseudo headers that a condition on headers may name (spec RL-49). */
static bool find_pseudo_header(const struct match_request *request, struct str name,
                               struct str *value)
{
    if (str_equals(name, STR(":method"))) {
        *value = request->method;
    } else if (str_equals(name, STR(":path"))) {
        /* Envoy's :path has the query. */
        *value = str_is_empty(request->query)
                     ? request->path
                     : arena_printf(request->headers->arena, "%.*s?%.*s", STR_ARG(request->path),
                                    STR_ARG(request->query));
    } else if (str_equals(name, STR(":scheme"))) {
        *value = request->scheme;
    } else if (str_equals(name, STR(":authority"))) {
        *value = request->authority;
    } else {
        return false;
    }
    return true;
}

static bool find_header(const struct match_request *request,
                        const struct route_header_condition *condition, struct str *value)
{
    if (condition->name.len > 0 && condition->name.ptr[0] == ':') {
        return find_pseudo_header(request, condition->name, value);
    }
    if (condition->id == HEADER_HOST) {
        *value = request->authority;
        return true;
    }
    if (condition->id != HEADER_OTHER && headers_find_id(request->headers, condition->id) == NULL) {
        return false;
    }
    return headers_join(request->headers, condition->name, value);
}

/* HT-26; without it (HT-28) a missing header counts as empty, but for the question of presence. */
static bool header_holds(const struct route_header_condition *condition,
                         const struct match_request *request)
{
    struct str value = STR("");
    bool is_present = find_header(request, condition, &value);

    if (condition->is_inverted) {
        if (pattern_kind(condition->pattern) == PATTERN_PRESENT) {
            return !is_present;
        }
        return !pattern_matches(condition->pattern, is_present ? value : STR(""));
    }
    return is_present && pattern_matches(condition->pattern, value);
}

static bool query_holds(const struct route_query_condition *condition,
                        const struct match_request *request)
{
    struct str value;

    return target_query_get(request->query, condition->name, &value) &&
           pattern_matches(condition->pattern, value);
}

/* Without condition a route asks for the prefix "/": "*" and CONNECT meet none (HT-34). */
static bool uri_holds(const struct pattern *uri, struct str path)
{
    return uri != NULL ? pattern_matches(uri, path) : path.len > 0 && path.ptr[0] == '/';
}

static bool text_holds(const struct pattern *pattern, struct str text)
{
    return pattern == NULL || pattern_matches(pattern, text);
}

const char *match_failed_condition(const struct route *route, const struct match_request *request)
{
    const struct route_conditions *conditions = &route->conditions;

    if (!text_holds(conditions->method, request->method)) {
        return "method";
    }
    if (!uri_holds(conditions->uri, request->path)) {
        return "uri";
    }
    if (!text_holds(conditions->scheme, request->scheme)) {
        return "scheme";
    }
    if (!text_holds(conditions->authority, request->authority)) {
        return "authority";
    }
    for (size_t i = 0; i < conditions->header_count; i++) {
        if (!header_holds(&conditions->headers[i], request)) {
            return conditions->headers[i].label;
        }
    }
    for (size_t i = 0; i < conditions->query_count; i++) {
        if (!query_holds(&conditions->query[i], request)) {
            return conditions->query[i].label;
        }
    }
    return NULL;
}

const struct route *match_route(const struct virtual_host *host,
                                const struct match_request *request)
{
    struct route_cursor cursor;
    const struct route *route;

    route_cursor_start(&cursor, host, request->path);
    while ((route = route_cursor_next(&cursor)) != NULL) {
        if (match_failed_condition(route, request) == NULL) {
            return route;
        }
    }
    return NULL;
}
