/* admin: the table of pages, and who may ask for what. Control thread. */
#include "gateway/admin/admin.h"

#include "gateway/admin/admin_page.h"
#include "gateway/base/mem.h"
#include "gateway/http/target.h"
#include "gateway/observe/log.h"

struct admin_row {
    struct str path;
    bool is_change; /* POST only */
    admin_page_fn page;
    const char *help;
};

static void admin_help(struct admin *admin, const struct page_request *request,
                       struct page_reply *reply);

static const struct admin_row ADMIN_ROWS[] = {
    { STR_INIT("/"), false, admin_help, "this list" },
    { STR_INIT("/help"), false, admin_help, "this list" },
    { STR_INIT("/ready"), false, admin_state_ready, "LIVE, or 503 and the state" },
    { STR_INIT("/server_info"), false, admin_state_server_info, "version, state, options" },
    { STR_INIT("/stats"), false, admin_metrics_stats,
      "server figures (?filter=REGEX, ?usedonly, ?format=json)" },
    { STR_INIT("/stats/prometheus"), false, admin_metrics_prometheus, "metrics" },
    { STR_INIT("/config_dump"), false, admin_dump_page,
      "what is served, as Envoy dumps it (?resource=, ?name_regex=)" },
    { STR_INIT("/clusters"), false, admin_clusters_page, "destinations (?format=json)" },
    { STR_INIT("/listeners"), false, admin_state_listeners, "listening sockets (?format=json)" },
    { STR_INIT("/certs"), false, admin_certs_page, "certificates and their states" },
    { STR_INIT("/memory"), false, admin_state_memory, "bytes allocated" },
    { STR_INIT("/logging"), true, admin_control_logging,
      "log levels (?level=L, ?MODULE=L, ?paths=MODULE:L,...)" },
    { STR_INIT("/drain_listeners"), true, admin_control_drain_listeners,
      "stop accepting (?graceful: after the notice period)" },
    { STR_INIT("/quitquitquit"), true, admin_control_quit, "end now" },
    { STR_INIT("/healthcheck/fail"), true, admin_control_health_fail, "readiness off" },
    { STR_INIT("/healthcheck/ok"), true, admin_control_health_ok, "readiness on" },
    { STR_INIT("/api/v1/findings"), false, admin_config_findings,
      "errors, warnings and notes of the configuration (JSON)" },
    { STR_INIT("/api/v1/reload"), true, admin_config_reload, "load again now (JSON)" },
};
enum { ADMIN_ROW_COUNT = sizeof(ADMIN_ROWS) / sizeof(ADMIN_ROWS[0]) };

static void admin_help(struct admin *admin, const struct page_request *request,
                       struct page_reply *reply)
{
    (void)admin;
    (void)request;
    text_add_cstr(&reply->body, "gatehouse admin pages\n");
    for (size_t i = 0; i < ADMIN_ROW_COUNT; i++) {
        const struct admin_row *row = &ADMIN_ROWS[i];
        text_printf(&reply->body, "  %s%-20.*s %s\n", row->is_change ? "POST " : "     ",
                    STR_ARG(row->path), row->help);
    }
}

/* --- Who may ask ------------------------------------------------------------------------------ */

static bool admin_is_loopback_host(struct str host)
{
    struct address address;

    if (str_equals_nocase(host, STR("localhost")) ||
        (host.len > 10 && str_equals_nocase(str_skip(host, host.len - 10), STR(".localhost")))) {
        return true;
    }
    return address_parse(host, 0, &address) && address_is_loopback(&address);
}

/* A page of a browser that a foreign site rebinds to our address still names itself in Host: so a
 * reader comes by an address or a loopback name, a changer by a loopback name only. */
static bool admin_host_may(struct str authority, bool is_change)
{
    struct str host = target_authority_host(authority);

    if (authority.len == 0) {
        return !is_change; /* HTTP/1.0: no browser */
    }
    return admin_is_loopback_host(host) || (!is_change && address_is_ip_literal(host));
}

/* "http://localhost:15000"; "null" is a page that hides where it comes from. */
static bool admin_origin_may(struct str origin)
{
    struct str rest = origin;

    if (origin.len == 0) {
        return true;
    }
    if (str_starts_with_nocase(rest, STR("http://"))) {
        rest = str_skip(rest, sizeof("http://") - 1);
    } else if (str_starts_with_nocase(rest, STR("https://"))) {
        rest = str_skip(rest, sizeof("https://") - 1);
    } else {
        return false;
    }
    return admin_is_loopback_host(target_authority_host(rest));
}

static bool admin_may(const struct admin_row *row, const struct page_request *request,
                      struct page_reply *reply)
{
    bool is_read =
        str_equals(request->method, STR("GET")) || str_equals(request->method, STR("HEAD"));
    bool is_post = str_equals(request->method, STR("POST"));

    if (row->is_change && !is_post) {
        admin_page_say(reply, 400, "%.*s changes something: use POST", STR_ARG(row->path));
        return false;
    }
    if (!is_read && !is_post) {
        admin_page_say(reply, 405, "use GET");
        return false;
    }
    if (!admin_host_may(request->host, is_post)) {
        admin_page_say(reply, 403, "the Host of this request names no loopback address");
        return false;
    }
    if (is_post && !admin_origin_may(request->origin)) {
        admin_page_say(reply, 403, "the Origin of this request is another site");
        return false;
    }
    return true;
}

/* --- Dispatch --------------------------------------------------------------------------------- */

struct admin *admin_new(const struct admin_view *view, const struct admin_actions *actions)
{
    struct admin *admin = mem_new(struct admin);

    admin->view = view;
    admin->actions = actions;
    return admin;
}

void admin_free(struct admin *admin)
{
    mem_free(admin);
}

void admin_on_page(void *owner, const struct page_request *request, struct page_reply *reply)
{
    struct admin *admin = owner;
    char peer[ADDRESS_TEXT_BYTES];

    for (size_t i = 0; i < ADMIN_ROW_COUNT; i++) {
        const struct admin_row *row = &ADMIN_ROWS[i];
        if (!str_equals(request->path, row->path)) {
            continue;
        }
        if (admin_may(row, request, reply)) {
            if (row->is_change) {
                struct str from = address_print(&request->peer, peer);
                LOG_INFO("admin", "POST %.*s from %.*s", STR_ARG(row->path), STR_ARG(from));
            }
            row->page(admin, request, reply);
            if (reply->body.len != 0 && reply->body.ptr[reply->body.len - 1] != '\n') {
                text_add_char(&reply->body, '\n'); /* for whoever reads it in a terminal */
            }
        }
        return;
    }
    admin_page_say(reply, 404, "no such page; /help lists them");
}

static bool admin_is_get_of(const struct page_request *request, struct str path,
                            struct page_reply *reply)
{
    if (!str_equals(request->path, path)) {
        admin_page_say(reply, 404, "no such page");
        return false;
    }
    if (!str_equals(request->method, STR("GET")) && !str_equals(request->method, STR("HEAD"))) {
        admin_page_say(reply, 405, "use GET");
        return false;
    }
    return true;
}

void admin_on_health_page(void *owner, const struct page_request *request, struct page_reply *reply)
{
    struct admin *admin = owner;

    if (admin_is_get_of(request, STR("/healthz/ready"), reply)) {
        bool is_ready = admin_view_is_ready(admin->view);
        admin_page_say(reply, is_ready ? 200 : 503, "%s",
                       is_ready ? "ready" : admin_state_name(admin->view->state));
    }
}

void admin_on_metrics_page(void *owner, const struct page_request *request,
                           struct page_reply *reply)
{
    if (admin_is_get_of(request, STR("/stats/prometheus"), reply)) {
        admin_metrics_prometheus(owner, request, reply);
    }
}
