/* compile_conditions: what a match demands (spec 5.2), as patterns. */
#include "config/compiler.h"

static const char *join_field(struct compiler *compiler, const struct finding_at *at,
                              const char *field)
{
    return arena_printf(compiler->scratch, "%s.%s", at->field, field).ptr;
}

struct pattern *compile_conditions_pattern(struct compiler *compiler, enum pattern_kind kind,
                                           struct str value, bool ignore_case,
                                           const struct finding_at *at)
{
    struct err err = { 0 };
    struct pattern *pattern = pattern_new(compiler->arena, kind, value, ignore_case, &err);

    if (pattern == NULL) {
        compiler_say(compiler, FINDING_ROUTE_REFUSED, at, "%s; the whole object is refused",
                     err.text);
        return NULL;
    }
    if (kind == PATTERN_REGEX) {
        vec_push(&compiler->snapshot->patterns, pattern);
    }
    return pattern;
}

/* HT-24: `{}` and the regex `*` ask for presence. */
static enum pattern_kind kind_of(const struct string_match *match)
{
    switch (match->kind) {
    case MATCH_PRESENT:
        break;
    case MATCH_EXACT:
        return PATTERN_EXACT;
    case MATCH_PREFIX:
        return PATTERN_PREFIX;
    case MATCH_REGEX:
        return str_equals(match->value, STR("*")) ? PATTERN_PRESENT : PATTERN_REGEX;
    }
    return PATTERN_PRESENT;
}

/* Absent is no condition. False: refused. */
static bool read_match(struct compiler *compiler, const struct string_match *match,
                       bool ignore_case, const struct finding_at *at, const char *field,
                       struct pattern **out)
{
    struct finding_at here = *at;

    *out = NULL;
    if (match == NULL) {
        return true;
    }
    here.place = match->place;
    here.field = join_field(compiler, at, field);
    *out = compile_conditions_pattern(compiler, kind_of(match), match->value, ignore_case, &here);
    return *out != NULL;
}

static bool read_headers(struct compiler *compiler, const struct named_match_vec *matches,
                         bool is_inverted, const struct finding_at *at,
                         struct route_header_condition *conditions, size_t *count)
{
    const char *list = is_inverted ? "withoutHeaders" : "headers";

    for (size_t i = 0; i < matches->count; i++) {
        struct str name = arena_copy_lower(compiler->arena, matches->items[i].name);
        struct route_header_condition *condition = &conditions[*count];

        *condition = (struct route_header_condition){
            .id = header_id_of(name),
            .name = name,
            .is_inverted = is_inverted,
            .label = arena_printf(compiler->arena, "%s[%.*s]", list, STR_ARG(name)).ptr,
        };
        if (!read_match(compiler, &matches->items[i].match, false, at, condition->label,
                        &condition->pattern)) {
            return false;
        }
        (*count)++;
    }
    return true;
}

static bool read_query(struct compiler *compiler, const struct named_match_vec *matches,
                       const struct finding_at *at, struct route_conditions *out)
{
    struct route_query_condition *conditions =
        arena_new_array(compiler->arena, struct route_query_condition, matches->count);

    for (size_t i = 0; i < matches->count; i++) {
        struct route_query_condition *condition = &conditions[i];

        condition->name = compiler_keep(compiler, matches->items[i].name);
        condition->label =
            arena_printf(compiler->arena, "queryParams[%.*s]", STR_ARG(condition->name)).ptr;
        if (!read_match(compiler, &matches->items[i].match, false, at, condition->label,
                        &condition->pattern)) {
            return false;
        }
    }
    out->query = conditions;
    out->query_count = matches->count;
    return true;
}

bool compile_conditions(struct compiler *compiler, const struct http_match *match,
                        const struct finding_at *at, struct route_conditions *out)
{
    struct route_header_condition *headers;
    size_t header_count = 0;

    *out = (struct route_conditions){ 0 };
    if (match == NULL) {
        return true;
    }
    headers = arena_new_array(compiler->arena, struct route_header_condition,
                              match->headers.count + match->without_headers.count);
    if (!read_match(compiler, match->uri, match->ignore_uri_case, at, "uri", &out->uri) ||
        !read_match(compiler, match->scheme, false, at, "scheme", &out->scheme) ||
        !read_match(compiler, match->method, false, at, "method", &out->method) ||
        !read_match(compiler, match->authority, false, at, "authority", &out->authority) ||
        !read_headers(compiler, &match->headers, false, at, headers, &header_count) ||
        !read_headers(compiler, &match->without_headers, true, at, headers, &header_count) ||
        !read_query(compiler, &match->query_params, at, out)) {
        return false;
    }
    out->headers = headers;
    out->header_count = header_count;
    return true;
}
