/* exchange_retry: what becomes of a request whose attempt failed: it is sent again where that can do no
 * harm or the policy says so (HT-95), else answered with what went wrong. Each way needs the body that
 * was sent so far; it is kept up to LIMIT_REPLAY_BODY_BYTES while one of them is open. */
#include "gateway/proxy/exchange.h"

#include "gateway/http/status.h"
#include "gateway/proxy/exchange_log.h"

#include <errno.h>

enum { EXCHANGE_BACKOFF_BASE_MS = 25, EXCHANGE_BACKOFF_MAX_MS = 250 }; /* HT-102 */

static bool exchange_has_retry_left(const struct exchange *exchange)
{
    return exchange->attempt <= EXCHANGE_RETRIES;
}

static bool exchange_has_all_of_body(const struct exchange *exchange)
{
    return exchange->is_kept_whole || !exchange->has_request_body;
}

/* RFC 9110 9.2.2. */
static bool exchange_may_replace_connection(const struct exchange *exchange)
{
    return exchange->is_leg_reused && exchange->stale_retry_count < LIMIT_RETRY_STALE &&
           http_method_is_idempotent(exchange->request->method);
}

bool exchange_may_try_again(const struct exchange *exchange)
{
    const struct leg *leg = exchange->upstream_leg;

    if (exchange_may_replace_connection(exchange)) {
        return true;
    }
    /* A refused stream, or a status of gRPC in the head. */
    return exchange_has_retry_left(exchange) &&
           ((leg != NULL && leg->conn->version == HTTP_VERSION_2) || exchange->is_grpc);
}

/* As if nothing had been sent. */
static void exchange_take_back(struct exchange *exchange)
{
    exchange_end_attempt(exchange);
    exchange_set_flow(exchange, &exchange->request_flow, FLOW_HEAD);
    exchange_resume_request(exchange, EXCHANGE_PAUSE_UPSTREAM_FULL); /* it is not there any more */
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

/* HT-95: two more tries, another host where there is one. False: there were two (LR-22). */
static bool exchange_retry_later(struct exchange *exchange)
{
    if (!exchange_has_retry_left(exchange)) {
        exchange->flags |= FLAG_BIT(URX);
        return false;
    }
    exchange_take_back(exchange);
    exchange->attempt++;
    timer_init(&exchange->backoff, exchange_on_backoff_over, exchange);
    timer_arm(exchange->worker->loop, &exchange->backoff, exchange_backoff_ms(exchange));
    return true;
}

/* --- No connection ---------------------------------------------------------------------------- */

/* Nothing was sent, so anything may be tried again (HT-95: connect-failure). */
void exchange_on_connect_failure(void *owner, int error_number, struct str tls_failure)
{
    struct exchange *exchange = owner;
    enum outcome_id id = outcome_of_connect_error(error_number);

    if (error_number == EPROTONOSUPPORT) {
        exchange_end_attempt(exchange);
        exchange_reply(exchange, OUTCOME_UPSTREAM_WITHOUT_TUNNELS);
        return;
    }
    exchange->transport_failure = str_from(NULL, 0);
    if (tls_failure.len > 0) { /* DR-69: the other side is there, and not the one we want */
        id = OUTCOME_CONNECT_FAILED;
        exchange->transport_failure = arena_copy_str(exchange->arena, tls_failure);
    } else if (id != OUTCOME_CONNECT_TIMEOUT) {
        exchange->transport_failure =
            arena_printf(exchange->arena, "delayed connect error: %d", error_number);
    }
    if (!exchange_retry_later(exchange)) {
        exchange_reply(exchange, id);
    }
}

/* --- Failure of a connection that had the request --------------------------------------------- */

/* RFC 9110 9.2.2, RFC 9112 9.3.1: a connection out of the pool was closed by the upstream while it
 * lay idle; not a byte came back, so the request was not answered. It is sent again where that can
 * do no harm. */
static bool exchange_is_stale_connection(const struct exchange *exchange, enum leg_end end)
{
    return exchange_may_replace_connection(exchange) &&
           exchange->upstream_leg->wire_received_bytes == 0 &&
           (end == LEG_END_PEER_CLOSED || end == LEG_END_TRANSPORT) &&
           exchange_has_all_of_body(exchange);
}

static void exchange_replace_connection(struct exchange *exchange)
{
    exchange->stale_retry_count++;
    metrics_add(exchange->worker->metrics, METRIC_UPSTREAM_STALE_RETRIES, 1);
    exchange_take_back(exchange);
    exchange->tried_count = 0;
    exchange_attempt(exchange);
}

void exchange_tell_bad_answer(struct exchange *exchange, const char *detail)
{
    const struct leg *leg = exchange->upstream_leg;

    if (detail == NULL) {
        detail = leg->end_detail != NULL                ? leg->end_detail
                 : leg->conn->version == HTTP_VERSION_2 ? "http2.codec_error"
                                                        : "http1.codec_error";
    }
    exchange_log_protocol_error(exchange->worker, STR("upstream"), detail);
}

void exchange_on_upstream_failure(struct exchange *exchange, enum leg_end end)
{
    enum outcome_id id = outcome_of_upstream_end(end);

    if (exchange_is_stale_connection(exchange, end)) {
        exchange_replace_connection(exchange);
        return;
    }
    /* RFC 9113 8.7: the peer did nothing with it, whatever the method. */
    if (end == LEG_END_REFUSED && exchange_has_all_of_body(exchange) &&
        exchange_retry_later(exchange)) {
        return;
    }
    if (id == OUTCOME_UPSTREAM_PROTOCOL_ERROR) {
        exchange_tell_bad_answer(exchange, NULL);
    }
    exchange_reply(exchange, id);
}

void exchange_refuse_answer(struct exchange *exchange, const char *detail)
{
    exchange_tell_bad_answer(exchange, detail);
    exchange_reply(exchange, OUTCOME_UPSTREAM_PROTOCOL_ERROR);
}

/* --- An answer that asks for another try ------------------------------------------------------ */

bool exchange_retry_by_grpc_status(struct exchange *exchange, const struct head *response,
                                   bool is_end)
{
    const struct header *field;
    uint32_t code;

    if (!is_end || !exchange->is_grpc || !exchange_has_all_of_body(exchange)) {
        return false;
    }
    field = headers_find_id(&response->headers, HEADER_GRPC_STATUS);
    if (field == NULL || !str_parse_u32(field->value, &code) ||
        (code != GRPC_UNAVAILABLE && code != GRPC_CANCELLED)) {
        return false;
    }
    return exchange_retry_later(exchange);
}
