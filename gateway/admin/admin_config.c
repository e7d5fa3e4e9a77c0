/* admin_config: what was loaded, what was refused and why; reload now. Our own JSON. Control
 * thread. */
#include "gateway/admin/admin_page.h"

static void admin_config_put_reload(struct json *json, const struct reload_status *reload)
{
    json_put_u64(json, "revision", reload->revision);
    json_put_cstr(json, "last_reload", reload->result);
    json_put_bool(json, "is_publishing", reload->is_publishing);
    if (reload->problem[0] != '\0') {
        json_put_cstr(json, "problem", reload->problem);
    }
    if (reload->live_wall_us != 0) {
        admin_page_put_time(json, "live_since", reload->live_wall_us);
    }
}

static void admin_config_put_counts(struct json *json, const struct admin_view *view)
{
    const struct resource_set *set = view->resources;

    json_key(json, "counts");
    json_open_object(json);
    for (int severity = SEVERITY_COUNT; severity-- > 0;) {
        json_put_u64(json, report_severity_name((enum severity)severity),
                     view->load_report->counts[severity] + view->compile_report->counts[severity]);
    }
    json_put_u64(json, "not_kept",
                 view->load_report->dropped_count + view->compile_report->dropped_count);
    json_close_object(json);
    if (set == NULL) {
        return;
    }
    json_key(json, "loaded");
    json_open_object(json);
    json_put_u64(json, "files", set->file_count);
    json_put_u64(json, "documents", set->document_count);
    json_put_u64(json, "skipped", set->skipped_count);
    json_put_u64(json, "refused", set->refused_count);
    json_put_u64(json, "kept", set->kept_count);
    json_key(json, "objects");
    json_open_object(json);
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        json_put_u64(json, resource_set_kind_name((enum resource_kind)kind),
                     set->objects[kind].count);
    }
    json_close_object(json);
    json_close_object(json);
}

void admin_config_findings(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply)
{
    const struct admin_view *view = admin->view;
    const struct report *reports[] = { view->load_report, view->compile_report };
    struct json json;

    (void)request;
    admin_page_json(reply, &json);
    json_open_object(&json);
    admin_config_put_reload(&json, view->reload);
    admin_config_put_counts(&json, view);
    json_key(&json, "findings");
    json_open_array(&json);
    for (size_t r = 0; r < sizeof(reports) / sizeof(reports[0]); r++) {
        for (size_t i = 0; i < reports[r]->findings.count; i++) {
            admin_page_put_finding(&json, &reports[r]->findings.items[i]);
        }
    }
    json_close_array(&json);
    json_close_object(&json);
}

void admin_config_reload(struct admin *admin, const struct page_request *request,
                         struct page_reply *reply)
{
    struct text outcome = { 0 };
    struct json json;

    (void)request;
    bool is_good = admin->actions->reload(admin->actions->owner, &outcome);
    reply->status = is_good ? 200 : 409;
    admin_page_json(reply, &json);
    json_open_object(&json);
    json_put_str(&json, "outcome", text_view(&outcome));
    admin_config_put_reload(&json, admin->view->reload);
    json_close_object(&json);
    text_cleanup(&outcome);
}
