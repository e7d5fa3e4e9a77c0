/* admin_page: small helpers of the pages. Control thread. */
#include "gateway/admin/admin_page.h"

#include "gateway/base/now.h"

void admin_page_say(struct page_reply *reply, int status, const char *format, ...)
{
    va_list args;

    reply->status = status;
    va_start(args, format);
    text_vprintf(&reply->body, format, args);
    va_end(args);
    text_add_char(&reply->body, '\n');
}

void admin_page_json(struct page_reply *reply, struct json *json)
{
    reply->content_type = "application/json";
    json_init(json, &reply->body, true);
}

struct str admin_page_query(const struct page_request *request, const char *name, struct text *out)
{
    text_clear(out);
    if (!page_query_get(request->query, name, out)) {
        return (struct str){ 0 };
    }
    return text_view(out);
}

bool admin_page_wants_json(const struct page_request *request)
{
    struct text value = { 0 };
    bool is_json = str_equals(admin_page_query(request, "format", &value), STR("json"));

    text_cleanup(&value);
    return is_json;
}

void admin_page_put_time(struct json *json, const char *key, uint64_t wall_us)
{
    char time[40];

    size_t len = now_format_utc(wall_us, 3, time, sizeof(time));
    json_put_str(json, key, str_from(time, len));
}

void admin_page_put_revision(struct json *json, const struct reload_status *reload)
{
    struct text revision = { 0 };

    text_add_u64(&revision, reload->revision);
    json_put_str(json, "version_info", text_view(&revision));
    admin_page_put_time(json, "last_updated", reload->live_wall_us);
    text_cleanup(&revision);
}

void admin_page_put_address(struct json *json, const char *key, const struct address *address)
{
    char host[ADDRESS_TEXT_BYTES];

    json_key(json, key);
    json_open_object(json);
    if (address_family(address) == AF_UNIX) {
        json_key(json, "pipe");
        json_open_object(json);
        json_put_str(json, "path", address_print_host(address, host));
    } else {
        json_key(json, "socket_address");
        json_open_object(json);
        json_put_str(json, "address", address_print_host(address, host));
        json_put_u64(json, "port_value", address_port(address));
    }
    json_close_object(json);
    json_close_object(json);
}

void admin_page_put_finding(struct json *json, const struct finding *finding)
{
    const struct finding_type *type = report_finding_type(finding->code);

    json_open_object(json);
    json_put_cstr(json, "code", type->code);
    json_put_cstr(json, "severity", report_severity_name(finding->severity));
    if (type->istio[0] != '\0') {
        json_put_cstr(json, "istio", type->istio);
    }
    if (finding->object.len != 0) {
        json_put_str(json, "object", finding->object);
    }
    if (finding->file.len != 0) {
        json_put_str(json, "file", finding->file);
        json_put_u64(json, "line", finding->place.line);
        json_put_u64(json, "column", finding->place.column);
    }
    if (finding->field.len != 0) {
        json_put_str(json, "field", finding->field);
    }
    json_put_str(json, "message", finding->message);
    if (finding->advice.len != 0) {
        json_put_str(json, "advice", finding->advice);
    }
    json_close_object(json);
}
