/* exchange_response: the response's way from the upstream leg to the client's: interim heads, the
 * head, body under back-pressure, trailers, and the cut where the upstream breaks off. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/now.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/header_ops.h"
#include "gateway/proxy/response_rules.h"

/* A piece of a response that shows that its origin sends faster than we look: bulk. */
enum { EXCHANGE_BULK_BYTES = 32 * 1024 };

void exchange_apply_response_ops(struct exchange *exchange, struct head *response)
{
    const struct route *route = exchange->route;
    const struct route_header_ops *of_route = &route->response_ops;
    const struct route_header_ops *of_destination =
        exchange->destination != NULL ? &exchange->destination->response_ops : NULL;
    struct format_record record;

    if (header_ops_is_empty(of_route) &&
        (of_destination == NULL || header_ops_is_empty(of_destination))) {
        return;
    }
    exchange_log_fill(exchange, &record);
    if (of_destination == NULL) {
        header_ops_apply(&of_route, 1, &response->headers, &record, exchange->arena);
    } else if (route->is_destination_first) { /* HT-86 */
        header_ops_apply(&of_destination, 1, &response->headers, &record, exchange->arena);
        header_ops_apply(&of_route, 1, &response->headers, &record, exchange->arena);
    } else { /* HT-85 */
        const struct route_header_ops *lists[] = { of_route, of_destination };
        header_ops_apply(lists, 2, &response->headers, &record, exchange->arena);
    }
}

/* 100 Continue, 103 Early Hints: passed on as they come (HD-13, RFC 9110 15.2). */
static void exchange_forward_interim(struct exchange *exchange, struct head *head)
{
    struct leg *leg = exchange->client_leg;

    response_rules_clean(head);
    leg->ops->send_head(leg, head, false);
}

static void exchange_complete_response(struct exchange *exchange)
{
    exchange_set_flow(exchange, &exchange->response_flow, FLOW_DONE);
    exchange_finish(exchange);
}

/* RFC 8441 5: to a client that asked by CONNECT any success is the tunnel, and here is none. */
static bool exchange_looks_like_tunnel(const struct exchange *exchange, const struct head *response)
{
    return exchange->is_upgrade && response->status / 100 == 2 &&
           exchange->client_leg->conn->version == HTTP_VERSION_2;
}

/* A final head, or the 101 of an upgrade. False: it will not go to the client. */
static bool exchange_take_final_head(struct exchange *exchange, struct head *head, bool is_end)
{
    if (head->status == 101) {
        if (!exchange->is_upgrade || is_end ||
            !upgrade_accept_response(&exchange->upgrade, head, exchange->request,
                                     exchange->arena)) {
            exchange_refuse_answer(exchange, "websocket.bad_accept");
            return false;
        }
        exchange_tunnel_begin(exchange);
        return true;
    }
    if (exchange_looks_like_tunnel(exchange, head)) {
        exchange_refuse_answer(exchange, "websocket.not_switched");
        return false;
    }
    if (exchange_retry_by_grpc_status(exchange, head, is_end)) {
        return false;
    }
    exchange_drop_kept(exchange);
    if (exchange->is_upgrade) {
        exchange->is_request_received = true; /* refused: there is nothing more of it */
    } else if (exchange->client_leg->conn->version == HTTP_VERSION_2 &&
               !exchange->is_request_received) {
        /* Both sides talk: a stream of gRPC may do so for days, and costs a stream only. */
        timer_cancel(&exchange->deadline);
    }
    exchange->counts_messages =
        exchange->counts_messages && grpc_messages_are_counted(grpc_messages_kind(&head->headers));
    return true;
}

static void exchange_on_upstream_head(void *owner, struct leg *leg, struct head *head, bool is_end)
{
    struct exchange *exchange = owner;
    struct leg *client_leg = exchange->client_leg;
    uint64_t now_us = now_mono_us();

    (void)leg;
    if (exchange->is_finished) {
        return;
    }
    if (head->status < 200 && head->status != 101) {
        exchange_forward_interim(exchange, head);
        return;
    }
    if (!exchange_take_final_head(exchange, head, is_end)) {
        return;
    }
    exchange->response = head;
    exchange->response_begin_us = now_us;
    exchange->status = head->status;
    exchange->details = str_from_cstr(outcome_get(OUTCOME_VIA_UPSTREAM)->details);
    response_rules_clean(head);
    response_rules_set_service_time(
        head, exchange->request_sent_us != 0 ? now_us - exchange->request_sent_us : 0,
        exchange->arena);
    exchange_apply_response_ops(exchange, head);
    response_rules_finish(head, exchange->worker->options.server_name, exchange->arena);
    if (!exchange->is_tunnel || client_leg->conn->version == HTTP_VERSION_2) {
        exchange_announce_close(exchange); /* on a 101 "close" would be nonsense */
    }
    /* What may live for hours holds no snapshot. */
    exchange_drop_lease(exchange);
    exchange_set_flow(exchange, &exchange->response_flow, FLOW_BODY);
    client_leg->ops->send_head(client_leg, head, is_end);
    if (is_end && !exchange->is_finished) {
        exchange_complete_response(exchange);
    }
}

static void exchange_on_upstream_body(void *owner, struct leg *leg, const unsigned char *bytes,
                                      size_t len)
{
    struct exchange *exchange = owner;
    struct leg *client_leg = exchange->client_leg;

    if (exchange->is_finished) {
        return;
    }
    exchange->response_body_bytes += len;
    if (exchange->counts_messages) {
        grpc_messages_add(&exchange->response_messages, bytes, len);
    }
    if (exchange->is_tunnel) {
        exchange_tunnel_touch(exchange);
    }
    client_leg->ops->send_body(client_leg, bytes, len);
    if (exchange->is_finished || exchange->is_response_paused) {
        return;
    }
    if (client_leg->ops->is_above_high(client_leg)) {
        exchange->is_response_paused = true;
        leg->ops->pause(leg);
    } else if (len >= EXCHANGE_BULK_BYTES && !exchange->counts_messages &&
               leg->ops->splice_body != NULL) {
        (void)leg->ops->splice_body(leg, client_leg); /* else it goes on as before */
    }
}

static void exchange_on_upstream_body_spliced(void *owner, struct leg *leg, size_t len)
{
    struct exchange *exchange = owner;

    (void)leg;
    if (!exchange->is_finished) {
        exchange->response_body_bytes += len;
        exchange->client_leg->ops->note_spliced(exchange->client_leg, len);
    }
}

void exchange_on_client_drained(struct exchange *exchange)
{
    if (exchange->is_tunnel) {
        exchange_tunnel_touch(exchange); /* who reads slowly is not silent */
    }
    if (exchange->is_response_paused && exchange->upstream_leg != NULL) {
        exchange->is_response_paused = false;
        exchange->upstream_leg->ops->resume(exchange->upstream_leg);
    }
}

static void exchange_on_upstream_complete(void *owner, struct leg *leg,
                                          const struct headers *trailers)
{
    struct exchange *exchange = owner;
    struct leg *client_leg = exchange->client_leg;

    (void)leg;
    if (exchange->is_finished) {
        return;
    }
    exchange->response_trailers = trailers;
    client_leg->ops->send_end(client_leg, trailers);
    if (exchange->is_finished) {
        return;
    }
    if (exchange->is_tunnel) {
        exchange_set_flow(exchange, &exchange->response_flow, FLOW_DONE);
        exchange_tunnel_review(exchange);
    } else {
        exchange_complete_response(exchange);
    }
}

static void exchange_on_upstream_drained(void *owner, struct leg *leg)
{
    struct exchange *exchange = owner;

    (void)leg;
    if (exchange->is_tunnel) {
        exchange_tunnel_touch(exchange);
    }
    exchange_resume_request(exchange, EXCHANGE_PAUSE_UPSTREAM_FULL);
}

static void exchange_on_upstream_end(void *owner, struct leg *leg, enum leg_end end)
{
    struct exchange *exchange = owner;
    enum outcome_id id = outcome_of_upstream_end(end);

    (void)leg;
    if (exchange->is_finished) {
        return;
    }
    if (exchange->response_flow == FLOW_HEAD) {
        exchange_on_upstream_failure(exchange, end);
        return;
    }
    if (id == OUTCOME_UPSTREAM_PROTOCOL_ERROR) {
        exchange_tell_bad_answer(exchange, NULL);
    }
    /* A body that was cut off is never completed (hardening; LR-23). */
    exchange_cut_client(exchange, id);
}

const struct leg_handler exchange_upstream_handler = {
    .on_head = exchange_on_upstream_head,
    .on_body = exchange_on_upstream_body,
    .on_body_spliced = exchange_on_upstream_body_spliced,
    .on_complete = exchange_on_upstream_complete,
    .on_drained = exchange_on_upstream_drained,
    .on_end = exchange_on_upstream_end,
};
