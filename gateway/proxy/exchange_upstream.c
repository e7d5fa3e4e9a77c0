/* exchange_upstream: attempts to have the request answered: an endpoint, a connection, the request
 * sent. The head is made ready once; each attempt only changes its count. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/check.h"
#include "gateway/base/now.h"
#include "gateway/http/target.h"
#include "gateway/http/validate.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/header_ops.h"
#include "gateway/proxy/rewrite.h"

#include <event2/buffer.h>
#include <string.h>

/* --- The head that goes upstream -------------------------------------------------------------- */

static void exchange_apply_request_ops(struct exchange *exchange)
{
    const struct route *route = exchange->route;
    const struct route_header_ops *of_route = &route->request_ops;
    const struct route_header_ops *of_destination = &exchange->destination->request_ops;
    struct headers *headers = &exchange->request->headers;
    struct format_record record;

    if (header_ops_is_empty(of_route) && header_ops_is_empty(of_destination)) {
        return;
    }
    exchange_log_fill(exchange, &record);
    if (route->is_destination_first) { /* HT-86 */
        header_ops_apply(&of_destination, 1, headers, &record, exchange->arena);
        header_ops_apply(&of_route, 1, headers, &record, exchange->arena);
    } else { /* HT-85 */
        const struct route_header_ops *lists[] = { of_route, of_destination };
        header_ops_apply(lists, 2, headers, &record, exchange->arena);
    }
}

/* HT-76, HT-84. */
static void exchange_rewrite_authority(struct exchange *exchange)
{
    const struct format *format = exchange->route->authority != NULL
                                      ? exchange->route->authority
                                      : exchange->destination->authority;
    struct head *request = exchange->request;
    struct format_record record;

    if (format == NULL) {
        return;
    }
    exchange_log_fill(exchange, &record);
    struct str authority = header_ops_value(format, &record, exchange->arena);
    /* Made of a client's header it may be anything; what is no host would also be no name to check an
     * upstream's certificate against. */
    if (validate_authority(authority)) {
        request->authority = authority;
        headers_set_id(&request->headers, HEADER_HOST, authority);
    }
}

/* HT-77: operations see the path as it was; then the host, then the path. */
static void exchange_prepare_request(struct exchange *exchange)
{
    struct head *request = exchange->request;
    struct str path;

    exchange_apply_request_ops(exchange);
    exchange_rewrite_authority(exchange);
    if (rewrite_path(exchange->route, request->path, &path, exchange->arena)) {
        exchange->rewritten_from =
            request->has_query ? arena_printf(exchange->arena, "%.*s?%.*s", STR_ARG(request->path),
                                              STR_ARG(request->query))
                               : request->path;
        request->path = path;
    }
}

/* --- Sending ---------------------------------------------------------------------------------- */

void exchange_drop_kept(struct exchange *exchange)
{
    if (exchange->kept != NULL) {
        (void)evbuffer_drain(exchange->kept, evbuffer_get_length(exchange->kept)); /* of its own */
    }
    if (exchange->request_body_bytes > 0) {
        exchange->is_kept_whole = false;
    }
}

static void exchange_keep_body(struct exchange *exchange, const unsigned char *bytes, size_t len)
{
    if (exchange->kept == NULL) {
        exchange->kept = evbuffer_new();
    }
    CHECK(exchange->kept != NULL && evbuffer_add(exchange->kept, bytes, len) == 0);
    loop_note_wait(exchange->worker->loop);
}

static bool exchange_may_need_body_again(const struct exchange *exchange)
{
    return exchange->is_kept_whole && exchange->response_flow == FLOW_HEAD &&
           exchange->request_body_bytes <= LIMIT_REPLAY_BODY_BYTES &&
           exchange_may_try_again(exchange);
}

static void exchange_check_upstream_room(struct exchange *exchange)
{
    struct leg *leg = exchange->upstream_leg;

    if (leg != NULL && leg->ops->is_above_high(leg)) {
        exchange_pause_request(exchange, EXCHANGE_PAUSE_UPSTREAM_FULL);
    }
}

void exchange_send_body(struct exchange *exchange, const unsigned char *bytes, size_t len)
{
    if (exchange->request_flow == FLOW_HEAD) {
        exchange_keep_body(exchange, bytes, len);
        if (evbuffer_get_length(exchange->kept) > LIMIT_STREAM_HIGH_BYTES) {
            exchange_pause_request(exchange, EXCHANGE_PAUSE_NO_UPSTREAM);
        }
        return;
    }
    if (exchange->request_flow != FLOW_BODY) {
        return;
    }
    if (exchange_may_need_body_again(exchange)) {
        exchange_keep_body(exchange, bytes, len);
    } else {
        exchange_drop_kept(exchange);
    }
    exchange->upstream_leg->ops->send_body(exchange->upstream_leg, bytes, len);
    exchange_check_upstream_room(exchange);
}

static void exchange_mark_request_sent(struct exchange *exchange)
{
    exchange_set_flow(exchange, &exchange->request_flow, FLOW_DONE);
    exchange->request_sent_us = now_mono_us();
}

void exchange_send_end(struct exchange *exchange)
{
    struct leg *leg = exchange->upstream_leg;

    if (exchange->is_finished || exchange->request_flow != FLOW_BODY) {
        return; /* sent when there is a connection */
    }
    exchange_mark_request_sent(exchange);
    leg->ops->send_end(leg, exchange->request_trailers);
}

static void exchange_send_kept(struct exchange *exchange)
{
    struct evbuffer_iovec pieces[16];
    struct evbuffer_ptr at;
    struct leg *leg = exchange->upstream_leg;

    if (exchange->kept == NULL || evbuffer_get_length(exchange->kept) == 0) {
        return;
    }
    size_t left = evbuffer_get_length(exchange->kept);
    size_t offset = 0;
    while (left > 0 && exchange->upstream_leg == leg) {
        CHECK(evbuffer_ptr_set(exchange->kept, &at, offset, EVBUFFER_PTR_SET) == 0);
        int count = evbuffer_peek(exchange->kept, -1, &at, pieces, 16);
        CHECK(count > 0);
        for (int i = 0; i < count && i < 16; i++) {
            leg->ops->send_body(leg, pieces[i].iov_base, pieces[i].iov_len);
            offset += pieces[i].iov_len;
            left -= pieces[i].iov_len;
        }
    }
    if (!exchange_may_need_body_again(exchange)) {
        exchange_drop_kept(exchange);
    }
}

/* A connection is there: the request as far as it has come. */
static void exchange_send_request(struct exchange *exchange)
{
    struct leg *leg = exchange->upstream_leg;
    struct request_departure departure = {
        .attempt = exchange->attempt,
        .timeout_ms = exchange->timeout_ms,
        .original_path = exchange->rewritten_from,
    };

    request_rules_apply_on_departure(exchange->request, &departure, exchange->arena);
    if (exchange->is_upgrade) {
        upgrade_prepare_request(&exchange->upgrade, exchange->request, leg->conn->version,
                                exchange->arena);
    }
    exchange_set_flow(exchange, &exchange->request_flow, FLOW_BODY);
    metric_series_add(exchange->cluster->request_series, 1);
    exchange->endpoint->request_count++;
    leg->ops->send_head(leg, exchange->request, !exchange->has_request_body);
    if (exchange->upstream_leg != leg) {
        return; /* it failed under our hands, and that was dealt with */
    }
    if (!exchange->has_request_body) {
        exchange_mark_request_sent(exchange);
        return;
    }
    exchange_send_kept(exchange);
    if (exchange->upstream_leg != leg) {
        return;
    }
    if (exchange->is_request_received) {
        exchange_send_end(exchange);
    } else {
        exchange_check_upstream_room(exchange);
        exchange_resume_request(exchange, EXCHANGE_PAUSE_NO_UPSTREAM);
    }
}

/* --- Attempts --------------------------------------------------------------------------------- */

void exchange_end_attempt(struct exchange *exchange)
{
    struct leg *leg = exchange->upstream_leg;

    cluster_wait_cancel(&exchange->resolve_waiter);
    pool_request_cancel(&exchange->pool_request);
    timer_cancel(&exchange->backoff);
    exchange->upstream_leg = NULL;
    exchange->response = NULL;
    exchange->response_trailers = NULL;
    if (leg != NULL) {
        leg->ops->release(leg); /* unfinished: its connection goes with it */
    }
    if (exchange->endpoint != NULL) {
        endpoint_end_use(exchange->endpoint);
        exchange->endpoint = NULL;
    }
}

/* For the log, apart from endpoint and connection, which may be gone when it is told. */
static void exchange_note_connection(struct exchange *exchange, struct transport *transport)
{
    struct tls_session_facts tls;

    if (transport == NULL || exchange->worker->options.access_log == NULL) {
        return;
    }
    exchange->upstream_local = transport_local(transport);
    if (transport_tls_facts(transport, &tls)) {
        exchange->upstream_tls_version =
            arena_copy_str(exchange->arena, str_from_cstr(tls.version));
        exchange->upstream_tls_cipher = arena_copy_str(exchange->arena, str_from_cstr(tls.cipher));
    }
}

static void exchange_on_leg(void *owner, struct leg *leg, bool is_reused)
{
    struct exchange *exchange = owner;

    exchange->upstream_leg = leg;
    exchange->is_leg_reused = is_reused;
    exchange_note_connection(exchange, leg->conn->transport);
    exchange_send_request(exchange);
}

/* Which connections of the endpoint can carry the request. False: none can. */
static bool exchange_fill_pool_request(struct exchange *exchange)
{
    struct pool_request *wanted = &exchange->pool_request;
    const struct cluster *cluster = exchange->cluster;
    const struct head *request = exchange->request;
    struct client *client = exchange->client;

    wanted->handler = &exchange_upstream_handler;
    wanted->owner = exchange;
    wanted->on_leg = exchange_on_leg;
    wanted->on_connect_failure = exchange_on_connect_failure;
    wanted->needs_tunnel = exchange->is_upgrade;
    wanted->key = (struct pool_key){
        .version = cluster_http_version(cluster, request->version),
    };
    if (cluster->tls != NULL) { /* copied: an update of the cluster may come while it waits */
        wanted->key.server_name =
            arena_copy_str(exchange->arena,
                           cluster_server_name(cluster, target_authority_host(request->authority)));
    }
    if (cluster->proxy_protocol != PROXY_PROTOCOL_NONE) { /* DR-80 */
        wanted->key.client_id = client->id;
        struct address *addresses = arena_new_array(exchange->arena, struct address, 2);
        addresses[0] = transport_peer(client->transport);
        addresses[1] = transport_local(client->transport);
        wanted->key.client = &addresses[0];
        wanted->key.client_local = &addresses[1];
    }
    /* Towards HTTP/2 the key's answer is ours to give. */
    return !exchange->is_upgrade || wanted->key.version != HTTP_VERSION_2 ||
           request->version == HTTP_VERSION_2 || exchange->upgrade.key.len > 0 ||
           upgrade_has_good_key(request);
}

void exchange_attempt(struct exchange *exchange)
{
    struct endpoint *endpoint =
        cluster_pick_endpoint(exchange->cluster, exchange->tried, exchange->tried_count);
    struct leg *leg;
    bool is_reused;

    if (endpoint == NULL) {
        exchange_reply(exchange, OUTCOME_NO_HEALTHY_UPSTREAM);
        return;
    }
    if (!exchange_fill_pool_request(exchange)) {
        exchange_reply(exchange, OUTCOME_UPGRADE_REFUSED);
        return;
    }
    exchange->transport_failure = str_from(NULL, 0); /* that of an earlier one */
    exchange->endpoint = endpoint;
    endpoint_begin_use(endpoint);
    if (exchange->tried_count < sizeof(exchange->tried) / sizeof(exchange->tried[0])) {
        exchange->tried[exchange->tried_count++] = endpoint;
    }
    /* A copy: the endpoint may be gone when it is told. */
    exchange->upstream_host = arena_copy_str(exchange->arena, endpoint->text);
    switch (pool_request_leg(endpoint, &exchange->pool_request, &leg, &is_reused)) {
    case POOL_LEG:
        exchange_on_leg(exchange, leg, is_reused);
        return;
    case POOL_WAIT:
        return;
    case POOL_OVERFLOW:
        exchange_reply(exchange, OUTCOME_UPSTREAM_OVERFLOW);
        return;
    }
}

static void exchange_on_resolved(void *owner)
{
    exchange_attempt(owner);
}

void exchange_start_upstream(struct exchange *exchange)
{
    exchange_prepare_request(exchange);
    exchange->attempt = 1;
    if (exchange->is_request_received || exchange->is_upgrade) {
        exchange_arm_deadline(exchange);
    }
    if (cluster_is_resolved(exchange->cluster)) {
        exchange_attempt(exchange);
        return;
    }
    exchange->resolve_waiter.on_resolved = exchange_on_resolved;
    exchange->resolve_waiter.owner = exchange;
    cluster_wait(exchange->cluster, &exchange->resolve_waiter);
}

void exchange_arm_deadline(struct exchange *exchange)
{
    if (exchange->timeout_ms != 0 && !exchange->is_finished) {
        timer_arm(exchange->worker->loop, &exchange->deadline, exchange->timeout_ms);
    }
}
