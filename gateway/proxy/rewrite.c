/* rewrite: rewriting of paths. Pure; memory is the caller's arena. */
#include "gateway/proxy/rewrite.h"

struct str rewrite_replace_prefix(const struct route *route, struct str path,
                                  struct str replacement, struct arena *arena)
{
    const struct pattern *uri = route->conditions.uri;
    size_t matched_bytes = uri != NULL ? pattern_value(uri).len : 1;
    struct str rest = str_skip(path, matched_bytes);

    return arena_printf(arena, "%.*s%.*s", STR_ARG(replacement), STR_ARG(rest));
}

static bool rewrite_is_prefix(const struct route *route)
{
    const struct pattern *uri = route->conditions.uri;

    return uri == NULL || pattern_kind(uri) == PATTERN_PREFIX;
}

/* HT-74: over the path without its query; what does not match stays. */
static struct str rewrite_by_regex(const struct route_rewrite *rewrite, struct str path,
                                   struct arena *arena)
{
    struct text out = { 0 };
    struct str result = path;

    if (pattern_replace_all(rewrite->regex, path, rewrite->regex_rewrite, &out)) {
        result = arena_copy_str(arena, text_view(&out));
    }
    text_cleanup(&out);
    return result;
}

bool rewrite_path(const struct route *route, struct str path, struct str *rewritten,
                  struct arena *arena)
{
    const struct route_rewrite *rewrite = &route->rewrite;
    struct str result = path;

    if (rewrite->has_uri && rewrite->uri.len > 0) { /* HT-73 */
        result = rewrite_is_prefix(route) ? rewrite_replace_prefix(route, path, rewrite->uri, arena)
                                          : arena_copy_str(arena, rewrite->uri);
    } else if (rewrite->regex != NULL) {
        result = rewrite_by_regex(rewrite, path, arena);
    }
    if (str_equals(result, path)) {
        return false;
    }
    /* RFC 9112 3.2.1: an origin-form target begins with a slash, whatever the rule says. */
    if (result.len == 0 || result.ptr[0] != '/') {
        result = arena_printf(arena, "/%.*s", STR_ARG(result));
    }
    *rewritten = result;
    return true;
}
