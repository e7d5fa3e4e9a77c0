/* admin_dump: /config_dump, a small true subset of Envoy's dump: what istioctl, Kiali and the like
 * read. Control thread. */
#include "gateway/admin/admin_page.h"
#include "gateway/route/pattern.h"

#include <stdlib.h>

bool admin_dump_wants(const struct admin_dump_filter *filter, const char *resource)
{
    return filter->resource.len == 0 || str_equals(filter->resource, str_from_cstr(resource));
}

bool admin_dump_wants_name(const struct admin_dump_filter *filter, struct str name)
{
    return filter->name == NULL || pattern_matches(filter->name, name);
}

static void admin_dump_bootstrap(struct json *json, const struct admin_view *view)
{
    const char *host = getenv("HOSTNAME");

    json_open_object(json);
    json_put_cstr(json, "@type", "type.googleapis.com/envoy.admin.v3.BootstrapConfigDump");
    json_key(json, "bootstrap");
    json_open_object(json);
    json_key(json, "node");
    json_open_object(json);
    json_put_cstr(json, "id", host != NULL ? host : "gatehouse");
    json_put_cstr(json, "cluster", "gatehouse");
    json_key(json, "metadata");
    json_open_object(json);
    json_put_str(json, "NAMESPACE", view->own_namespace);
    json_put_cstr(json, "GATEHOUSE_VERSION", view->version);
    json_key(json, "LABELS");
    json_open_object(json);
    for (size_t i = 0; view->labels != NULL && i < view->labels->count; i++) {
        json_key_str(json, view->labels->items[i].name);
        json_str(json, view->labels->items[i].value);
    }
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
    json_close_object(json);
}

static void admin_dump_write(const struct admin_view *view, const struct admin_dump_filter *filter,
                             struct page_reply *reply)
{
    struct json json;

    admin_page_json(reply, &json);
    json_open_object(&json);
    json_key(&json, "configs");
    json_open_array(&json);
    if (admin_dump_wants(filter, "bootstrap") && filter->name == NULL) {
        admin_dump_bootstrap(&json, view);
    }
    if (view->snapshot != NULL) {
        if (admin_dump_wants(filter, "dynamic_active_clusters")) {
            admin_dump_clusters(&json, view, filter);
        }
        if (admin_dump_wants(filter, "dynamic_endpoint_configs")) {
            admin_dump_clusters_endpoints(&json, view, filter);
        }
        if (admin_dump_wants(filter, "dynamic_listeners")) {
            admin_dump_listeners(&json, view, filter);
        }
        if (admin_dump_wants(filter, "dynamic_route_configs")) {
            admin_dump_routes(&json, view, filter);
        }
    }
    if (admin_dump_wants(filter, "dynamic_active_secrets")) {
        admin_dump_secrets(&json, view, filter);
    }
    json_close_array(&json);
    json_close_object(&json);
}

/* `?mask=` is accepted and changes nothing: the whole is a subset already. Endpoints are always there,
 * `?include_eds` or not. */
void admin_dump_page(struct admin *admin, const struct page_request *request,
                     struct page_reply *reply)
{
    struct admin_dump_filter filter = { 0 };
    struct arena *arena = arena_new(1024);
    struct text resource = { 0 };
    struct text name = { 0 };
    struct err err = { 0 };

    filter.resource = admin_page_query(request, "resource", &resource);
    struct str regex = admin_page_query(request, "name_regex", &name);
    if (regex.len != 0) {
        filter.name = pattern_new(arena, PATTERN_REGEX, regex, false, &err);
        if (filter.name == NULL) {
            admin_page_say(reply, 400, "name_regex: %s", err.text);
            goto done;
        }
    }
    admin_dump_write(admin->view, &filter, reply);

done:
    pattern_free(filter.name);
    arena_free(arena);
    text_cleanup(&resource);
    text_cleanup(&name);
}
