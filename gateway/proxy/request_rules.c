/* request_rules: headers of requests. What a client says about itself is believed only as far as
 * trusted hops reach; everything x-envoy-* is ours to say. Pure; memory is the caller's arena. */
#include "gateway/proxy/request_rules.h"

/* HD-2: an absolute http(s) URL without user information or fragment. */
static bool request_rules_is_good_referer(struct str value)
{
    size_t scheme_len;

    if (str_starts_with_nocase(value, STR("http://"))) {
        scheme_len = 7;
    } else if (str_starts_with_nocase(value, STR("https://"))) {
        scheme_len = 8;
    } else {
        return false;
    }
    struct str rest = str_skip(value, scheme_len);
    size_t authority_len = rest.len;
    for (const char *mark = "/?#"; *mark != '\0'; mark++) {
        size_t at = str_find_char(rest, *mark);
        authority_len = at < authority_len ? at : authority_len;
    }
    return authority_len > 0 && str_find_char(rest, '#') == SIZE_MAX &&
           str_find_char(str_slice(rest, 0, authority_len), '@') == SIZE_MAX;
}

static void request_rules_check_referer(struct headers *headers)
{
    const struct header *referer = headers_find_id(headers, HEADER_REFERER);

    if (referer != NULL && (headers_count_id(headers, HEADER_REFERER) > 1 ||
                            !request_rules_is_good_referer(referer->value))) {
        (void)headers_remove_id(headers, HEADER_REFERER);
    }
}

/* HD-8 in the stricter form of its product note, HD-23: no x-envoy-* of a client's gets in. One
 * walk, whatever the peer sends. HD-11: nor a certificate it did not show us. */
static void request_rules_strip(struct headers *headers)
{
    size_t kept = 0;

    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];
        if (header->id == HEADER_X_FORWARDED_CLIENT_CERT ||
            str_starts_with(header->name, STR("x-envoy-"))) {
            continue;
        }
        headers->items[kept++] = *header;
    }
    headers->count = kept;
}

/* The N-th entry from the right; false: there are fewer, or it is no address. */
static bool request_rules_pick_hop(struct str list, unsigned hop, struct str *host)
{
    struct address address;

    while (hop > 1) {
        size_t comma = str_find_last_char(list, ',');
        if (comma == SIZE_MAX) {
            return false;
        }
        list = str_slice(list, 0, comma);
        hop--;
    }
    size_t comma = str_find_last_char(list, ',');
    *host = str_trim(comma == SIZE_MAX ? list : str_skip(list, comma + 1));
    return address_parse(*host, 0, &address) && address_family(&address) != AF_UNIX;
}

/* HD-3: the client's address, then our word on who connected, behind what was received. */
static void request_rules_set_forwarded_for(struct headers *headers,
                                            const struct request_source *source,
                                            struct request_facts *facts, struct arena *arena)
{
    struct str received = { 0 };
    bool has_received = headers_join(headers, STR("x-forwarded-for"), &received);

    facts->is_client_peer =
        source->trusted_hops == 0 || !has_received ||
        !request_rules_pick_hop(received, source->trusted_hops, &facts->client_host);
    if (facts->is_client_peer) {
        facts->client_host = source->peer_host;
    }
    struct str own = address_is_loopback(source->peer) ? source->local_host : source->peer_host;
    if (own.len == 0) {
        return; /* a unix socket's peer has nothing to append */
    }
    /* "1.2.3.4,10.0.0.1": no space. */
    headers_set_id(
        headers, HEADER_X_FORWARDED_FOR,
        received.len > 0 ? arena_printf(arena, "%.*s,%.*s", STR_ARG(received), STR_ARG(own)) : own);
}

/* HD-4, HD-6. */
static void request_rules_set_proto(struct head *request, const struct request_source *source,
                                    struct request_facts *facts)
{
    struct str of_connection = source->is_tls ? STR("https") : STR("http");
    const struct header *received = headers_find_id(&request->headers, HEADER_X_FORWARDED_PROTO);

    facts->forwarded_proto = of_connection;
    if (source->trusted_hops > 0 && received != NULL && received->value.len > 0) {
        facts->forwarded_proto = received->value;
    }
    headers_set_id(&request->headers, HEADER_X_FORWARDED_PROTO, facts->forwarded_proto);
    bool is_known = str_equals(facts->forwarded_proto, STR("http")) ||
                    str_equals(facts->forwarded_proto, STR("https"));
    /* With HTTP/1.1 and without trusted proxies this is what the connection says (HD-6). */
    facts->scheme = is_known ? facts->forwarded_proto : of_connection;
    request->scheme = facts->scheme;
}

void request_rules_apply_on_entry(struct head *request, const struct request_source *source,
                                  struct request_facts *facts, struct arena *arena)
{
    struct headers *headers = &request->headers;

    *facts = (struct request_facts){ 0 };
    /* First: what `Connection` names may not take away what is set below (HD-1). */
    headers_remove_hop_by_hop(headers);
    request_rules_strip(headers);
    request_rules_check_referer(headers);
    request_rules_set_forwarded_for(headers, source, facts, arena);
    request_rules_set_proto(request, source, facts);
    if (facts->client_host.len > 0) {
        headers_set_id(headers, HEADER_X_ENVOY_EXTERNAL_ADDRESS, facts->client_host); /* HD-9 */
    }
    headers_set_id(headers, HEADER_X_REQUEST_ID, source->request_id); /* HD-10 */
}

void request_rules_apply_on_departure(struct head *request,
                                      const struct request_departure *departure,
                                      struct arena *arena)
{
    struct headers *headers = &request->headers;

    headers_set_id(headers, HEADER_X_ENVOY_ATTEMPT_COUNT,
                   departure->attempt == 1 ? STR("1") : arena_print_u64(arena, departure->attempt));
    if (departure->timeout_ms != 0) {
        headers_set_id(headers, HEADER_X_ENVOY_EXPECTED_RQ_TIMEOUT_MS,
                       arena_print_u64(arena, departure->timeout_ms));
    }
    if (departure->original_path.len > 0) {
        headers_set_id(headers, HEADER_X_ENVOY_ORIGINAL_PATH, departure->original_path);
    }
}
