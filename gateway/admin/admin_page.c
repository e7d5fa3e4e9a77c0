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

struct str admin_page_query(const struct page_request *request, const char *name,
                            struct text *out)
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

void admin_page_put_address(struct json *json, const struct address *address)
{
    char host[ADDRESS_TEXT_BYTES];

    json_key(json, "address");
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
