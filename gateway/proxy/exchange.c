/* exchange: life of a request, the client's leg, answers of our own. A worker's. */
#include "gateway/proxy/exchange.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/response_rules.h"

#include <event2/buffer.h>

enum {
    /* Rewritten values, header values, log strings of a usual request fit in one block. */
    EXCHANGE_ARENA_BYTES = 4096,
    /* Finished exchanges kept for the next requests; what a burst left beyond is freed. */
    EXCHANGE_SPARE_MAX = 1024,
};

static void exchange_on_deadline(void *arg);

/* --- Life ------------------------------------------------------------------------------------- */

static struct exchange *exchange_take(struct worker *worker)
{
    struct list *spare = list_first(&worker->spare_exchanges);
    struct exchange *exchange;

    if (spare != NULL) {
        exchange = list_object(spare, struct exchange, link);
        list_remove(spare);
        worker->spare_exchange_count--;
    } else {
        exchange = mem_new(struct exchange);
        exchange->worker = worker;
        exchange->arena = arena_new(EXCHANGE_ARENA_BYTES);
    }
    list_push_back(&worker->exchanges, &exchange->link);
    timer_init(&exchange->deadline, exchange_on_deadline, exchange);
    worker_count_request(worker, 1);
    return exchange;
}

static void exchange_free(struct exchange *exchange)
{
    if (exchange->kept != NULL) {
        evbuffer_free(exchange->kept);
    }
    arena_free(exchange->arena);
    mem_free(exchange);
}

void exchange_free_spare(struct worker *worker)
{
    struct list *spare;

    while ((spare = list_first(&worker->spare_exchanges)) != NULL) {
        list_remove(spare);
        exchange_free(list_object(spare, struct exchange, link));
    }
    worker->spare_exchange_count = 0;
}

/* At the end of the turn: no event of either leg is on the stack any more. */
static void exchange_recycle(void *arg)
{
    struct exchange *exchange = arg;
    struct worker *worker = exchange->worker;
    size_t kept_part = offsetof(struct exchange, client);

    list_remove(&exchange->link);
    if (worker->spare_exchange_count >= EXCHANGE_SPARE_MAX) {
        exchange_free(exchange);
        return;
    }
    memset((char *)exchange + kept_part, 0, sizeof(*exchange) - kept_part);
    arena_reset(exchange->arena);
    list_push_front(&worker->spare_exchanges, &exchange->link);
    worker->spare_exchange_count++;
}

void exchange_drop_lease(struct exchange *exchange)
{
    if (exchange->lease == NULL) {
        return;
    }
    if (exchange->route != NULL) {
        exchange->route_name = arena_copy_str(exchange->arena, exchange->route->name);
    }
    if (exchange->destination != NULL) {
        exchange->cluster_name =
            exchange->cluster != NULL
                ? exchange->cluster->name
                : arena_copy_str(exchange->arena, exchange->destination->cluster_name);
    }
    exchange->route = NULL;
    exchange->destination = NULL;
    lease_unref(exchange->lease);
    exchange->lease = NULL;
}

void exchange_finish(struct exchange *exchange)
{
    if (exchange->is_finished) {
        return;
    }
    exchange->is_finished = true;
    timer_cancel(&exchange->deadline);
    if (exchange->is_tunnel) {
        exchange_tunnel_end(exchange);
    }
    exchange_drop_lease(exchange);
    exchange_log_finished(exchange);
    exchange_end_attempt(exchange);
    cluster_unref(exchange->cluster);
    exchange->cluster = NULL;
    if (exchange->kept != NULL) {
        (void)evbuffer_drain(exchange->kept, evbuffer_get_length(exchange->kept)); /* of its own */
    }
    struct leg *leg = exchange->client_leg;
    exchange->client_leg = NULL;
    worker_count_request(exchange->worker, -1);
    loop_defer(exchange->worker->loop, &exchange->recycle, exchange_recycle, exchange);
    /* Last: the next request of this connection may begin in here. */
    if (leg != NULL) {
        leg->ops->release(leg);
    }
}

/* --- Flow ------------------------------------------------------------------------------------- */

static bool exchange_flow_may_go(const struct exchange *exchange, const enum flow *flow,
                                 enum flow next)
{
    switch (next) {
    case FLOW_HEAD:
        /* A new attempt; never once the client has seen a part of the response. */
        return flow == &exchange->request_flow && exchange->response_flow == FLOW_HEAD;
    case FLOW_BODY:
        return *flow == FLOW_HEAD;
    case FLOW_DONE:
        return *flow == FLOW_BODY;
    case FLOW_BROKEN:
        return *flow != FLOW_DONE;
    }
    return false;
}

void exchange_set_flow(struct exchange *exchange, enum flow *flow, enum flow next)
{
    CHECK(exchange_flow_may_go(exchange, flow, next));
    *flow = next;
}

void exchange_pause_request(struct exchange *exchange, unsigned reason)
{
    bool was_paused = exchange->request_pause != 0;

    exchange->request_pause |= reason;
    if (!was_paused && exchange->client_leg != NULL && !exchange->is_request_received) {
        exchange->client_leg->ops->pause(exchange->client_leg);
    }
}

void exchange_resume_request(struct exchange *exchange, unsigned reason)
{
    bool was_paused = exchange->request_pause != 0;

    exchange->request_pause &= ~reason;
    if (was_paused && exchange->request_pause == 0 && exchange->client_leg != NULL &&
        !exchange->is_request_received) {
        exchange->client_leg->ops->resume(exchange->client_leg);
    }
}

/* --- Answers of our own ----------------------------------------------------------------------- */

void exchange_end_connection(struct exchange *exchange)
{
    struct conn *conn = exchange->client_leg->conn;

    /* HTTP/2 resets the stream, and its neighbours go on. */
    if (conn->version != HTTP_VERSION_2) {
        conn->ops->drain(conn);
    }
}

void exchange_announce_close(struct exchange *exchange)
{
    struct conn *conn = exchange->client_leg->conn;

    /* HR-5: we drain. HR-4: the listener is gone. Short of memory: an idle one is not kept. */
    if (exchange->worker->is_draining || exchange->worker->is_overloaded ||
        exchange->client->listener->config == NULL) {
        conn->ops->drain(conn);
    }
}

static void exchange_send_reply(struct exchange *exchange, struct local_reply *reply)
{
    struct leg *leg = exchange->client_leg;
    struct head *response = arena_new_object(exchange->arena, struct head);

    CHECK(exchange->response_flow == FLOW_HEAD);
    exchange_end_attempt(exchange);
    reply->is_grpc = exchange->is_grpc;
    struct str body =
        local_reply_build(reply, exchange->request->method, response, exchange->arena);
    exchange->response = response;
    exchange->status = response->status;
    if (exchange->route != NULL) {
        exchange_apply_response_ops(exchange, response); /* LR-25, HT-87 */
    }
    response_rules_finish(response, exchange->worker->options.server_name, exchange->arena);
    exchange_announce_close(exchange);
    leg->ops->send_head(leg, response, body.len == 0);
    exchange_set_flow(exchange, &exchange->response_flow, FLOW_BODY);
    if (body.len > 0 && !exchange->is_finished) {
        leg->ops->send_body(leg, (const unsigned char *)body.ptr, body.len);
        leg->ops->send_end(leg, NULL);
        exchange->response_body_bytes = body.len;
    }
    if (!exchange->is_finished) {
        exchange_set_flow(exchange, &exchange->response_flow, FLOW_DONE);
        exchange_finish(exchange);
    }
}

void exchange_reply(struct exchange *exchange, enum outcome_id id)
{
    const struct outcome *outcome = outcome_get(id);
    struct local_reply_reset reset = {
        .is_retried = exchange->attempt > 1,
        .transport_failure = exchange->transport_failure,
    };
    struct local_reply reply;

    exchange->flags |= outcome->flags;
    exchange->details = outcome->reset_reason != NULL
                            ? local_reply_reset_details(outcome, exchange->transport_failure, false,
                                                        exchange->arena)
                            : str_from_cstr(outcome->details);
    local_reply_from_outcome(&reply, id, &reset, exchange->arena);
    exchange_send_reply(exchange, &reply);
}

void exchange_reply_configured(struct exchange *exchange, struct local_reply *reply)
{
    exchange->details = str_from_cstr(outcome_get(OUTCOME_DIRECT_RESPONSE)->details);
    exchange_send_reply(exchange, reply);
}

static bool exchange_is_of_upstream(enum outcome_id id)
{
    return id != OUTCOME_REQUEST_TIMEOUT && id != OUTCOME_TUNNEL_IDLE && id != OUTCOME_OVERLOADED;
}

/* LR-23: how the client is told in RST_STREAM. */
static enum leg_abort exchange_abort_of(const struct exchange *exchange, enum outcome_id id)
{
    if (id == OUTCOME_TUNNEL_IDLE) {
        return LEG_ABORT_CANCEL;
    }
    if (exchange->is_tunnel) {
        return LEG_ABORT_CONNECT;
    }
    return id == OUTCOME_UPSTREAM_PROTOCOL_ERROR ? LEG_ABORT_PROTOCOL : LEG_ABORT_BROKEN;
}

void exchange_cut_client(struct exchange *exchange, enum outcome_id id)
{
    const struct outcome *outcome = outcome_get(id);
    struct leg *leg = exchange->client_leg;

    exchange->flags |= outcome->flags;
    exchange->details =
        exchange_is_of_upstream(id)
            ? local_reply_reset_details(outcome, exchange->transport_failure, true, exchange->arena)
            : str_from_cstr(outcome->details);
    if (exchange->response_flow != FLOW_DONE) {
        exchange_set_flow(exchange, &exchange->response_flow, FLOW_BROKEN);
    }
    leg->ops->abort(leg, exchange_abort_of(exchange, id));
    exchange_finish(exchange);
}

/* LR-18: the client took too long to send its request, however steadily; HT-90: the upstream to
 * answer it. Before the response's head 408 or 504, after it the client is cut off. */
static void exchange_on_deadline(void *arg)
{
    struct exchange *exchange = arg;
    /* While we hold the client back it is the upstream that is late. */
    bool is_client_late =
        !exchange->is_request_received && !exchange->is_upgrade && exchange->request_pause == 0;
    enum outcome_id id = is_client_late ? OUTCOME_REQUEST_TIMEOUT : OUTCOME_RESPONSE_TIMEOUT;

    if (exchange->response_flow != FLOW_HEAD) {
        exchange_cut_client(exchange, id);
        return;
    }
    if (!exchange->is_request_received) {
        exchange_end_connection(exchange); /* the rest is not waited for */
    }
    exchange_reply(exchange, id);
}

/* --- The client's leg ------------------------------------------------------------------------- */

static void exchange_on_client_body(void *owner, struct leg *leg, const unsigned char *bytes,
                                    size_t len)
{
    struct exchange *exchange = owner;

    (void)leg;
    exchange->request_body_bytes += len;
    if (exchange->is_finished) {
        return;
    }
    if (exchange->counts_messages) {
        grpc_messages_add(&exchange->request_messages, bytes, len);
    }
    if (exchange->is_tunnel) {
        exchange_tunnel_touch(exchange);
    }
    exchange_send_body(exchange, bytes, len);
}

static void exchange_on_client_complete(void *owner, struct leg *leg,
                                        const struct headers *trailers)
{
    struct exchange *exchange = owner;

    exchange->is_request_received = true;
    if (exchange->request_pause != 0) {
        leg->ops->resume(leg); /* nothing is left to hold back, and only who reads sees it leave */
    }
    exchange->request_received_us = now_mono_us();
    exchange->request_trailers = trailers;
    if (exchange->is_upgrade) { /* its deadlines do not wait for this */
        exchange_send_end(exchange);
        exchange_tunnel_review(exchange);
        return;
    }
    timer_cancel(&exchange->deadline); /* that of the request: it is here */
    exchange_arm_deadline(exchange);
    exchange_send_end(exchange);
}

static void exchange_on_client_leg_drained(void *owner, struct leg *leg)
{
    (void)leg;
    exchange_on_client_drained(owner);
}

/* The client is gone or cannot be understood any more; the upstream has nobody to work for. */
static void exchange_on_client_end(void *owner, struct leg *leg, enum leg_end end)
{
    struct exchange *exchange = owner;
    const struct outcome *outcome = outcome_get(outcome_of_client_end(end));

    if (exchange->is_finished) {
        return;
    }
    if (exchange->is_tunnel && exchange->response_flow == FLOW_DONE && end == LEG_END_PEER_CLOSED) {
        exchange_finish(exchange); /* it had been told the end, and this is its own */
        return;
    }
    exchange->flags |= outcome->flags;
    if (leg->answered_status != 0) {
        exchange->status = leg->answered_status; /* 400 or 408, by the conn (CN-34, LR-18) */
    }
    exchange->details = str_from_cstr(
        leg->end_detail != NULL && (outcome->flags & FLAG_BIT(DPE)) != 0 ? leg->end_detail
                                                                         : outcome->details);
    if (leg->end_detail != NULL && (outcome->flags & FLAG_BIT(DPE)) != 0) {
        exchange_log_protocol_error(exchange->worker, STR("client"), leg->end_detail);
    }
    exchange_finish(exchange);
}

static const struct leg_handler exchange_client_handler = {
    .on_body = exchange_on_client_body,
    .on_complete = exchange_on_client_complete,
    .on_drained = exchange_on_client_leg_drained,
    .on_end = exchange_on_client_end,
};

/* --- Begin ------------------------------------------------------------------------------------ */

/* Path and query as one view of what was received, for the log and HT-75. */
static struct str exchange_path_as_received(const struct head *request, struct arena *arena)
{
    struct str path = request->path;
    struct str query = request->query;

    if (!request->has_query) {
        return path;
    }
    if (query.ptr == path.ptr + path.len + 1) {
        return str_from(path.ptr, path.len + 1 + query.len);
    }
    return arena_printf(arena, "%.*s?%.*s", STR_ARG(path), STR_ARG(query)); /* "http://a?x" */
}

/* A request to upgrade ends with its head; what follows is the tunnel's. */
static void exchange_note_body(struct exchange *exchange, bool is_end)
{
    const struct head *request = exchange->request;
    uint32_t timeout_ms = exchange->worker->options.request_timeout_ms;

    exchange->has_request_body = !is_end;
    exchange->is_request_received = is_end;
    exchange->is_kept_whole = true;
    exchange->is_upgrade = request->framing == BODY_TUNNEL;
    /* Not of a tunnel: LR-30 would refuse it with a 200, which opens one (RFC 8441 5). */
    exchange->grpc = exchange->is_upgrade ? GRPC_KIND_NONE : grpc_messages_kind(&request->headers);
    exchange->is_grpc = exchange->grpc == GRPC_KIND_NATIVE;
    exchange->counts_messages = grpc_messages_are_counted(exchange->grpc);
    exchange->request_received_us = is_end || exchange->is_upgrade ? exchange->start_us : 0;
    /* A call of gRPC may talk for days, and has a deadline of its own where its client wants one. */
    if (!is_end && !exchange->is_upgrade && !exchange->is_grpc && timeout_ms != 0) {
        timer_arm(exchange->worker->loop, &exchange->deadline, timeout_ms);
    }
}

void exchange_begin(struct client *client, struct leg *leg, struct head *head, bool is_end)
{
    struct worker *worker = client->worker;
    struct exchange *exchange = exchange_take(worker);

    leg->handler = &exchange_client_handler;
    leg->owner = exchange;
    exchange->client = client;
    exchange->client_leg = leg;
    exchange->request = head;
    exchange->start_us = now_mono_us();
    exchange->start_wall_us = now_wall_us();
    exchange->id = random_next(&worker->clusters.random);
    exchange_note_body(exchange, is_end);
    exchange->original_path = exchange_path_as_received(head, exchange->arena);
    exchange->lease = lease_ref(worker->lease);
    metric_series_add(client->listener->request_series, 1);
    exchange_route(exchange);
}
