/* compile_shadow: routes that no request can reach, because an earlier one takes all their paths (spec
 * SN-72, SN-74). Only sure cases: the earlier route has no condition but its path, and both paths are
 * plain text. One look-up for each length of a path, so the cost does not grow with pairs. */
#include "config/compiler.h"

struct shadow_search {
    struct map exact;
    struct map prefix;
};

/* The path a route asks for, when it is text. */
static bool path_text(const struct route *route, struct str *text, bool *is_exact)
{
    const struct pattern *uri = route->conditions.uri;

    *is_exact = false;
    *text = STR("/");
    if (uri == NULL) {
        return true;
    }
    *text = pattern_value(uri);
    *is_exact = pattern_kind(uri) == PATTERN_EXACT;
    return (*is_exact || pattern_kind(uri) == PATTERN_PREFIX) && !pattern_ignores_case(uri);
}

static const struct route *find_shadow(const struct shadow_search *search, struct str text,
                                       bool is_exact)
{
    const struct route *shadow = is_exact ? map_get(&search->exact, text) : NULL;

    for (size_t len = 0; shadow == NULL && len <= text.len; len++) {
        shadow = map_get(&search->prefix, str_slice(text, 0, len));
    }
    return shadow;
}

static void note_shadow(struct shadow_search *search, const struct route *route, struct str text,
                        bool is_exact)
{
    const struct route_conditions *conditions = &route->conditions;
    struct map *map = is_exact ? &search->exact : &search->prefix;
    struct route *value;

    if (conditions->header_count == 0 && conditions->query_count == 0 &&
        conditions->method == NULL && conditions->scheme == NULL && conditions->authority == NULL &&
        map_get(map, text) == NULL) {
        memcpy(&value, &route, sizeof(value)); /* maps hold no const; nobody writes through it */
        (void)map_set(map, text, value);       /* was absent */
    }
}

static void say_shadowed(struct compiler *compiler, const struct route *route,
                         const struct route *shadow, struct str host)
{
    struct finding_at at = { .file = route->file, .place = { .line = route->line, .column = 1 } };

    compiler_say(compiler, FINDING_ROUTE_SHADOWED, &at,
                 "this route of VirtualService %.*s is never reached%s%.*s: VirtualService %.*s "
                 "takes its paths first (%.*s:%u)",
                 STR_ARG(route->virtual_service), str_is_empty(host) ? "" : " on ", STR_ARG(host),
                 STR_ARG(shadow->virtual_service), STR_ARG(shadow->file), shadow->line);
}

void compile_shadow(struct compiler *compiler, const struct route_list *routes, struct str host)
{
    struct shadow_search search = { 0 };

    for (size_t i = 0; i < routes->count; i++) {
        const struct route *route = routes->items[i];
        const struct route *shadow;
        struct str text;
        bool is_exact;

        if (!path_text(route, &text, &is_exact)) {
            continue;
        }
        shadow = find_shadow(&search, text, is_exact);
        /* Within one service it was said when its routes were made. */
        if (shadow != NULL &&
            (str_is_empty(host) || !str_equals(shadow->virtual_service, route->virtual_service))) {
            say_shadowed(compiler, route, shadow, host);
        }
        note_shadow(&search, route, text, is_exact);
    }
    map_cleanup(&search.exact);
    map_cleanup(&search.prefix);
}
