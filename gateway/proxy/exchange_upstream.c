/* exchange_upstream: attempts to have the request answered: an endpoint, a connection, the request
 * sent, and what is done when any of it fails. The head is made ready once; each attempt only
 * changes its count. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/check.h"
#include "gateway/base/now.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/header_ops.h"
#include "gateway/proxy/rewrite.h"

#include <event2/buffer.h>
#include <string.h>

enum { EXCHANGE_BACKOFF_BASE_MS = 25, EXCHANGE_BACKOFF_MAX_MS = 250 }; /* HT-102 */

static void exchange_attempt(struct exchange *exchange);

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
    if (authority.len > 0) {
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

static void exchange_drop_kept(struct exchange *exchange)
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
}

/* A pooled connection may turn out closed; only then is the body wanted again. */
static bool exchange_may_need_body_again(const struct exchange *exchange)
{
    return exchange->is_kept_whole && exchange->is_leg_reused &&
           exchange->response_flow == FLOW_HEAD &&
           exchange->stale_retry_count < LIMIT_RETRY_STALE &&
           http_method_is_idempotent(exchange->request->method) &&
           exchange->request_body_bytes <= LIMIT_REPLAY_BODY_BYTES;
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
        exchange->endpoint->active_requests--;
        endpoint_unref(exchange->endpoint);
        exchange->endpoint = NULL;
    }
}

static void exchange_on_leg(void *owner, struct leg *leg, bool is_reused)
{
    struct exchange *exchange = owner;
    struct transport *transport = leg->conn->transport;

    exchange->upstream_leg = leg;
    exchange->is_leg_reused = is_reused;
    /* Kept apart from the endpoint and the connection, which may be gone when it is told. */
    if (transport != NULL && exchange->worker->options.access_log != NULL) {
        exchange->upstream_local = *transport_local(transport);
    }
    exchange_send_request(exchange);
}

static void exchange_on_backoff_over(void *arg)
{
    exchange_attempt(arg);
}

/* HT-102: evenly from [0, base * (2^n - 1)], capped. */
static uint32_t exchange_backoff_ms(struct exchange *exchange)
{
    uint64_t span =
        (uint64_t)EXCHANGE_BACKOFF_BASE_MS * ((UINT64_C(1) << (exchange->attempt - 1)) - 1);

    if (span > EXCHANGE_BACKOFF_MAX_MS) {
        span = EXCHANGE_BACKOFF_MAX_MS;
    }
    return (uint32_t)random_below(&exchange->worker->clusters.random, span + 1);
}

/* Nothing was sent, so anything may be tried again (HT-95: connect-failure, two more tries, another
 * host where there is one). */
static void exchange_on_connect_failure(void *owner, int error_number,
                                        struct str tls_failure)
{
    struct exchange *exchange = owner;
    enum outcome_id id = outcome_of_connect_error(error_number);

    (void)tls_failure;
    exchange->transport_failure =
        id == OUTCOME_CONNECT_TIMEOUT
            ? str_from(NULL, 0)
            : arena_printf(exchange->arena, "delayed connect error: %d", error_number);
    exchange_end_attempt(exchange);
    if (exchange->attempt > EXCHANGE_CONNECT_RETRIES) {
        exchange->flags |= FLAG_BIT(URX); /* LR-22 */
        exchange_reply(exchange, id);
        return;
    }
    exchange->attempt++;
    timer_init(&exchange->backoff, exchange_on_backoff_over, exchange);
    timer_arm(exchange->worker->loop, &exchange->backoff, exchange_backoff_ms(exchange));
}

static void exchange_attempt(struct exchange *exchange)
{
    struct endpoint *endpoint =
        cluster_pick_endpoint(exchange->cluster, exchange->tried, exchange->tried_count);
    struct leg *leg;
    bool is_reused;

    if (endpoint == NULL) {
        exchange_reply(exchange, OUTCOME_NO_HEALTHY_UPSTREAM);
        return;
    }
    exchange->endpoint = endpoint_ref(endpoint);
    endpoint->active_requests++;
    if (exchange->tried_count < sizeof(exchange->tried) / sizeof(exchange->tried[0])) {
        exchange->tried[exchange->tried_count++] = endpoint;
    }
    /* A copy: the endpoint may be gone when it is told. */
    exchange->upstream_host = arena_copy_str(exchange->arena, endpoint->text);
    exchange->pool_request.handler = &exchange_upstream_handler;
    exchange->pool_request.owner = exchange;
    exchange->pool_request.on_leg = exchange_on_leg;
    exchange->pool_request.on_connect_failure = exchange_on_connect_failure;
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
    if (exchange->is_request_received) {
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

/* --- Failure of a connection that had the request --------------------------------------------- */

/* RFC 9110 9.2.2, RFC 9112 9.3.1: a connection out of the pool was closed by the upstream while it
 * lay idle; not a byte came back, so the request was not answered. It is sent again where that can
 * do no harm. */
static bool exchange_is_stale_connection(const struct exchange *exchange, enum leg_end end)
{
    return exchange->is_leg_reused && exchange->upstream_leg->wire_received_bytes == 0 &&
           (end == LEG_END_PEER_CLOSED || end == LEG_END_TRANSPORT) &&
           exchange->stale_retry_count < LIMIT_RETRY_STALE &&
           http_method_is_idempotent(exchange->request->method) &&
           (exchange->is_kept_whole || !exchange->has_request_body);
}

void exchange_on_upstream_failure(struct exchange *exchange, enum leg_end end)
{
    enum outcome_id id = outcome_of_upstream_end(end);

    if (exchange_is_stale_connection(exchange, end)) {
        exchange->stale_retry_count++;
        metrics_add(exchange->worker->metrics, METRIC_UPSTREAM_STALE_RETRIES, 1);
        exchange_end_attempt(exchange);
        exchange_set_flow(exchange, &exchange->request_flow, FLOW_HEAD);
        exchange->tried_count = 0;
        exchange_attempt(exchange);
        return;
    }
    if (id == OUTCOME_UPSTREAM_PROTOCOL_ERROR) {
        const char *detail = exchange->upstream_leg->end_detail;
        exchange_log_protocol_error(exchange->worker, STR("upstream"),
                                    detail != NULL ? detail : "http1.codec_error");
    }
    exchange_reply(exchange, id);
}
