/* admin_state: how the server is: readiness, version, listening sockets, memory. Control thread. */
#include "gateway/admin/admin_page.h"
#include "gateway/base/now.h"

#include <inttypes.h>

const char *admin_state_name(enum server_state state)
{
    switch (state) {
    case SERVER_LIVE:
        return "LIVE";
    case SERVER_DRAINING:
        return "DRAINING";
    case SERVER_PRE_INITIALIZING:
        return "PRE_INITIALIZING";
    case SERVER_INITIALIZING:
        break;
    }
    return "INITIALIZING";
}

void admin_state_ready(struct admin *admin, const struct page_request *request,
                       struct page_reply *reply)
{
    bool is_ready = admin_view_is_ready(admin->view);

    (void)request;
    admin_page_say(reply, is_ready ? 200 : 503, "%s",
                   admin->view->state == SERVER_LIVE && !is_ready
                       ? "HEALTH CHECK FAILED"
                       : admin_state_name(admin->view->state));
}

/* An option given twice (--config) becomes one text, as a map has each key once. */
static void admin_state_put_options(struct json *json, const struct str_pair_vec *options)
{
    struct text joined = { 0 };

    json_key(json, "command_line_options");
    json_open_object(json);
    for (size_t i = 0; options != NULL && i < options->count; i++) {
        struct str name = options->items[i].name;
        bool is_seen = false;
        for (size_t j = 0; j < i; j++) {
            is_seen = is_seen || str_equals(options->items[j].name, name);
        }
        if (is_seen) {
            continue;
        }
        text_clear(&joined);
        for (size_t j = i; j < options->count; j++) {
            if (str_equals(options->items[j].name, name)) {
                if (joined.len != 0) {
                    text_add_char(&joined, ',');
                }
                text_add(&joined, options->items[j].value);
            }
        }
        json_key_str(json, name);
        json_str(json, text_view(&joined));
    }
    json_close_object(json);
    text_cleanup(&joined);
}

void admin_state_server_info(struct admin *admin, const struct page_request *request,
                             struct page_reply *reply)
{
    const struct admin_view *view = admin->view;
    struct json json;
    struct text value = { 0 };

    (void)request;
    admin_page_json(reply, &json);
    json_open_object(&json);
    text_printf(&value, "%s/%s/gatehouse", view->commit, view->version);
    json_put_str(&json, "version", text_view(&value));
    json_put_cstr(&json, "state", admin_state_name(view->state));
    text_clear(&value);
    text_printf(&value, "%" PRIu64 "s", (now_mono_us() - view->start_mono_us) / 1000000);
    json_put_str(&json, "uptime_current_epoch", text_view(&value));
    json_put_str(&json, "uptime_all_epochs", text_view(&value));
    json_put_u64(&json, "concurrency", view->worker_count);
    json_put_u64(&json, "revision", view->reload->revision);
    admin_state_put_options(&json, view->options);
    json_close_object(&json);
    text_cleanup(&value);
}

static uint64_t admin_state_connection_count(const struct admin_view *view, struct str key)
{
    uint64_t count = 0;

    for (size_t i = 0; i < view->worker_count; i++) {
        const struct worker_report *report = view->worker_reports[i];
        for (size_t j = 0; report != NULL && j < report->listener_count; j++) {
            if (str_equals(report->listeners[j].key, key)) {
                count += report->listeners[j].connection_count;
            }
        }
    }
    return count;
}

void admin_state_listeners(struct admin *admin, const struct page_request *request,
                           struct page_reply *reply)
{
    const struct admin_view *view = admin->view;
    char address[ADDRESS_TEXT_BYTES];
    struct json json;

    admin->actions->refresh_worker_reports(admin->actions->owner);
    if (!admin_page_wants_json(request)) {
        for (size_t i = 0; i < view->listeners->count; i++) {
            const struct bound_listener *listener = &view->listeners->items[i];
            text_printf(&reply->body, "%.*s::", STR_ARG(listener->name));
            text_add(&reply->body, address_print(&listener->bound, address));
            text_add_char(&reply->body, '\n');
        }
        return;
    }
    admin_page_json(reply, &json);
    json_open_object(&json);
    json_key(&json, "listener_statuses");
    json_open_array(&json);
    for (size_t i = 0; i < view->listeners->count; i++) {
        const struct bound_listener *listener = &view->listeners->items[i];
        json_open_object(&json);
        json_put_str(&json, "name", listener->name);
        admin_page_put_address(&json, "local_address", &listener->bound);
        json_put_u64(&json, "gateway_port", listener->gateway_port);
        json_put_str(&json, "protocol", listener->protocol);
        json_put_u64(&json, "connections", admin_state_connection_count(view, listener->key));
        json_close_object(&json);
    }
    json_close_array(&json);
    json_close_object(&json);
}

void admin_state_memory(struct admin *admin, const struct page_request *request,
                        struct page_reply *reply)
{
    uint64_t allocated;
    uint64_t heap;
    struct json json;
    struct text number = { 0 };

    (void)admin;
    (void)request;
    admin_metrics_memory(&allocated, &heap);
    admin_page_json(reply, &json);
    json_open_object(&json);
    /* Texts, as JSON of 64-bit numbers is in Envoy's API. */
    text_add_u64(&number, allocated);
    json_put_str(&json, "allocated", text_view(&number));
    text_clear(&number);
    text_add_u64(&number, heap);
    json_put_str(&json, "heap_size", text_view(&number));
    json_close_object(&json);
    text_cleanup(&number);
}
