/* response_rules: headers of responses. Pure; memory is the caller's arena. */
#include "gateway/proxy/response_rules.h"

#include "gateway/base/now.h"

enum { RESPONSE_RULES_DATE_BYTES = 29 };

void response_rules_clean(struct head *response)
{
    struct headers *headers = &response->headers;
    size_t kept = 0;

    headers_remove_hop_by_hop(headers);
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (str_equals(header->name, STR("x-envoy-decorator-operation")) ||
            str_starts_with(header->name, STR("x-envoy-peer-metadata"))) {
            continue;
        }
        headers->items[kept++] = *header;
    }
    headers->count = kept;
}

void response_rules_set_service_time(struct head *response, uint64_t service_us,
                                     struct arena *arena)
{
    uint64_t service_ms = service_us / 1000;
    struct str value = service_ms == 0 ? STR("0") : arena_print_u64(arena, service_ms);

    headers_set_id(&response->headers, HEADER_X_ENVOY_UPSTREAM_SERVICE_TIME, value);
}

void response_rules_finish(struct head *response, struct str server_name, struct arena *arena)
{
    struct headers *headers = &response->headers;

    headers_set_id(headers, HEADER_SERVER, server_name);
    if (headers_find_id(headers, HEADER_DATE) == NULL) {
        headers_add_id(headers, HEADER_DATE,
                       arena_copy_str(arena, str_from(now_http_date(), RESPONSE_RULES_DATE_BYTES)));
    }
}
