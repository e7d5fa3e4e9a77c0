/* redirect: where a redirect leads. Pure; memory is the caller's arena. */
#include "gateway/proxy/redirect.h"

#include "gateway/http/target.h"
#include "gateway/proxy/rewrite.h"

#include <stdio.h>

static uint16_t redirect_default_port(struct str scheme)
{
    return str_equals(scheme, STR("https")) ? 443 : str_equals(scheme, STR("http")) ? 80 : 0;
}

/* HT-54. */
static struct str redirect_host(const struct route_redirect *redirect, const struct head *request,
                                struct str request_scheme, struct str scheme)
{
    uint32_t port = 0;

    if (redirect->authority.len > 0) {
        return redirect->authority;
    }
    struct str digits = target_authority_port(request->authority);
    bool has_port = str_parse_u32(digits, &port);
    if (redirect->port != 0 || (has_port && !str_equals(scheme, request_scheme) &&
                                port == redirect_default_port(request_scheme))) {
        return target_authority_host(request->authority);
    }
    return request->authority;
}

/* HT-55: 0: no port is written. */
static uint16_t redirect_port(const struct route_redirect *redirect)
{
    struct str scheme = redirect->scheme;

    if (scheme.len == 0) {
        scheme = redirect->is_server_tls ? STR("https") : STR("http");
    }
    return redirect->port == redirect_default_port(scheme) ? 0 : redirect->port;
}

/* HT-56, HT-57. */
static struct str redirect_path(const struct route *route, const struct head *request,
                                struct arena *arena)
{
    const struct route_redirect *redirect = &route->redirect;

    if (redirect->uri.len > 0) {
        return redirect->uri;
    }
    if (redirect->prefix_rewrite.len > 0) {
        return rewrite_replace_prefix(route, request->path, redirect->prefix_rewrite, arena);
    }
    return request->path;
}

struct str redirect_location(const struct route *route, const struct head *request,
                             struct str scheme, struct arena *arena)
{
    const struct route_redirect *redirect = &route->redirect;
    struct str new_scheme = redirect->scheme.len > 0 ? redirect->scheme : scheme;
    struct str host = redirect_host(redirect, request, scheme, new_scheme);
    struct str path = redirect_path(route, request, arena);
    uint16_t port = redirect_port(redirect);
    bool takes_query = request->has_query && str_find_char(path, '?') == SIZE_MAX;
    char port_text[8] = "";

    if (port != 0) {
        (void)snprintf(port_text, sizeof(port_text), ":%u", (unsigned)port); /* fits */
    }
    return arena_printf(arena, "%.*s://%.*s%s%s%.*s%s%.*s", STR_ARG(new_scheme), STR_ARG(host),
                        port_text, path.len > 0 && path.ptr[0] == '/' ? "" : "/", STR_ARG(path),
                        takes_query ? "?" : "", takes_query ? (int)request->query.len : 0,
                        takes_query ? request->query.ptr : "");
}

struct str redirect_to_https(const struct head *request, struct arena *arena)
{
    struct str path = request->path;
    bool has_slash =
        path.len > 0 && path.ptr[0] == '/'; /* "*" has none, and is no part of a host */

    return arena_printf(arena, "https://%.*s%s%.*s%s%.*s", STR_ARG(request->authority),
                        has_slash ? "" : "/", STR_ARG(path), request->has_query ? "?" : "",
                        STR_ARG(request->query));
}
