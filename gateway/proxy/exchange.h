/* exchange: one request and its response: it joins the client's leg with an upstream leg, or
 * answers by itself. Owned by its worker until both legs are gone; reused from a list with its
 * arena, so a warm request allocates nothing.
 *
 *   exchange.c            life, the client's leg, answers of our own
 *   exchange_route.c      which route, which destination: everything before an upstream is needed
 *   exchange_upstream.c   attempts: endpoint, connection, sending
 *   exchange_retry.c      an attempt that failed: again, or the answer that says so
 *   exchange_response.c   the response's way back
 *   exchange_tunnel.c     after an upgrade: bytes both ways
 *   exchange_shed.c       who goes when memory is short
 *   exchange_log.c        counters and the access log
 *
 * Each direction is a small state of its own:
 *
 *   HEAD ──▶ BODY ──▶ DONE     request:  HEAD until sent upstream (a new attempt goes back to it)
 *     └───────┴──▶ BROKEN      response: HEAD until sent to the client
 *
 * Bodies flow both ways at once, whichever began first; a response that is DONE ends the exchange,
 * whether all of the request was wanted or not. But a tunnel (101) has two ends:
 *
 *   request   HEAD ──▶ BODY ───── the client's half-close ──────▶ DONE ┐
 *   response  HEAD ── 101 ──▶ BODY ── the upstream's half-close ─▶ DONE ┴▶ over
 */
#ifndef GATEWAY_PROXY_EXCHANGE_H
#define GATEWAY_PROXY_EXCHANGE_H

#include "gateway/proxy/client.h"
#include "gateway/proxy/grpc_messages.h"
#include "gateway/proxy/local_reply.h"
#include "gateway/proxy/outcome.h"
#include "gateway/proxy/request_id.h"
#include "gateway/proxy/request_rules.h"
#include "gateway/proxy/upgrade.h"
#include "gateway/upstream/pool.h"

struct evbuffer;

enum flow { FLOW_HEAD, FLOW_BODY, FLOW_DONE, FLOW_BROKEN };

/* Why the client's body is not read for the moment. */
enum { EXCHANGE_PAUSE_NO_UPSTREAM = 1, EXCHANGE_PAUSE_UPSTREAM_FULL = 2 };

/* HT-95: how often the request is sent again when the route says nothing else. */
enum { EXCHANGE_RETRIES = 2 };

struct exchange {
    struct list link; /* worker->exchanges or ->spare_exchanges */
    struct worker *worker;
    struct arena *arena;
    struct evbuffer *kept; /* request body waiting for an upstream, or kept to send it again */
    struct deferred recycle;
    /* Everything from here on is cleared between two requests. */
    struct client *client;
    struct leg *client_leg;
    struct head *request;
    const struct headers *request_trailers;
    enum flow request_flow;
    enum flow response_flow;
    unsigned request_pause; /* EXCHANGE_PAUSE_ bits */
    bool is_finished;
    bool has_request_body;
    bool is_request_received; /* all of it */
    enum grpc_kind grpc;
    bool is_grpc;         /* native: answered as LR-30 says */
    bool counts_messages; /* native or web */
    bool is_response_paused;
    bool is_upgrade; /* asked for */
    bool is_tunnel;  /* granted: 101 went to the client */
    struct upgrade upgrade;

    /* The decision; the pointers are the snapshot's and good while the lease is held. */
    struct lease *lease;
    const struct route *route;
    const struct route_destination *destination;
    struct request_facts facts;
    uint32_t timeout_ms;
    uint64_t id; /* %STREAM_ID% */
    char request_id[REQUEST_ID_BYTES];
    struct str original_path;  /* path and query as received */
    struct str rewritten_from; /* HT-75; empty: the path was not rewritten */

    /* The upstream side. */
    struct cluster *cluster;                      /* counted */
    struct endpoint *endpoint;                    /* of this attempt, counted */
    struct endpoint *tried[EXCHANGE_RETRIES + 1]; /* only compared */
    unsigned tried_count;
    unsigned attempt; /* x-envoy-attempt-count */
    unsigned stale_retry_count;
    struct leg *upstream_leg;
    struct head *response;
    const struct headers *response_trailers;
    bool is_leg_reused;
    bool is_kept_whole; /* `kept` has all of the body that was received */
    struct pool_request pool_request;
    struct cluster_waiter resolve_waiter;
    /* Of the request until all of it is here, then of the route; of a tunnel that is idle. */
    struct timer deadline;
    struct timer backoff;

    /* What is told when it is over. */
    uint64_t start_us;
    uint64_t start_wall_us;
    uint64_t request_received_us; /* 0: not (yet) */
    uint64_t request_sent_us;
    uint64_t response_begin_us;
    uint64_t request_body_bytes;
    uint64_t response_body_bytes;
    struct grpc_messages request_messages;
    struct grpc_messages response_messages;
    unsigned status; /* 0: nothing was sent */
    uint64_t flags;
    struct str details;
    struct str transport_failure;
    struct str route_name;
    struct str cluster_name;
    struct str upstream_host;
    struct str upstream_tls_version;
    struct str upstream_tls_cipher;
    struct address upstream_local;
};

/* A request head arrived: the leg's handler is set, and the answer is on its way or looked for. */
void exchange_begin(struct client *client, struct leg *leg, struct head *head, bool is_end);
/* exchange_shed.c: gives up those that hold most, a few at a time. */
void exchange_shed_greediest(struct worker *worker);
/* Frees the spare ones. */
void exchange_free_spare(struct worker *worker);

/* --- Between the files of the exchange -------------------------------------------------------- */

/* The one place where a flow changes; a step that is not in the drawing is a bug. */
void exchange_set_flow(struct exchange *exchange, enum flow *flow, enum flow next);
void exchange_pause_request(struct exchange *exchange, unsigned reason);
void exchange_resume_request(struct exchange *exchange, unsigned reason);
/* Answers by a row of outcome.def; the exchange is finished then. */
void exchange_reply(struct exchange *exchange, enum outcome_id id);
/* Answers what the configuration says: redirect, direct response. */
void exchange_reply_configured(struct exchange *exchange, struct local_reply *reply);
/* The response has begun and cannot be finished: the client is cut off (LR-23). What goes wrong
 * upstream is told as a reset, any other outcome by its own details. */
void exchange_cut_client(struct exchange *exchange, enum outcome_id id);
/* Route and destination are copied as far as they are told later; the lease is given back. */
void exchange_drop_lease(struct exchange *exchange);
/* Over: counted, logged, legs released, memory back on the list at the end of the turn. */
void exchange_finish(struct exchange *exchange);

/* exchange_route.c: decides on a well-formed request. */
void exchange_route(struct exchange *exchange);

/* exchange_upstream.c */
void exchange_start_upstream(struct exchange *exchange);
/* Picks an endpoint and asks for a leg. */
void exchange_attempt(struct exchange *exchange);
void exchange_send_body(struct exchange *exchange, const unsigned char *bytes, size_t len);
void exchange_send_end(struct exchange *exchange);
/* Lets go of endpoint, connection and whatever waits for them. */
void exchange_end_attempt(struct exchange *exchange);
/* What has to wait until the whole request is there: the route's deadline (HT-91). */
void exchange_arm_deadline(struct exchange *exchange);
/* What was kept of the body to send it again is wanted no more. */
void exchange_drop_kept(struct exchange *exchange);

/* exchange_retry.c */
/* The attempt under way may still end so that all of the request is wanted again. */
bool exchange_may_try_again(const struct exchange *exchange);
/* pool_request.on_connect_failure. */
void exchange_on_connect_failure(void *owner, int error_number, struct str tls_failure);
/* The upstream leg is dead before a response began. */
void exchange_on_upstream_failure(struct exchange *exchange, enum leg_end end);
/* Counts it; without `detail` what the upstream leg says of it. */
void exchange_tell_bad_answer(struct exchange *exchange, const char *detail);
/* The upstream's answer breaks the protocol, whatever its leg says: 502. */
void exchange_refuse_answer(struct exchange *exchange, const char *detail);
/* A gRPC status in the head, and nothing behind it, that asks for another try (HT-98); true: it is
 * under way. */
bool exchange_retry_by_grpc_status(struct exchange *exchange, const struct head *response,
                                   bool is_end);

/* exchange_tunnel.c: the upstream granted the upgrade; its head is on its way to the client. */
void exchange_tunnel_begin(struct exchange *exchange);
/* A byte went through: the tunnel is not idle (CN-32). */
void exchange_tunnel_touch(struct exchange *exchange);
/* One direction is done; the exchange, once both are. */
void exchange_tunnel_review(struct exchange *exchange);
/* Of a finished exchange. */
void exchange_tunnel_end(struct exchange *exchange);

/* exchange_response.c: the handler of upstream legs. */
extern const struct leg_handler exchange_upstream_handler;
void exchange_on_client_drained(struct exchange *exchange);
/* Operations of route and destination on a response head (HT-85 to HT-87). */
void exchange_apply_response_ops(struct exchange *exchange, struct head *response);
/* Before a final head: "connection: close" on it where the connection must not go on (HD-36). */
void exchange_announce_close(struct exchange *exchange);
/* Before an answer of ours to a request that is not wanted to its end: a connection that carries
 * nothing else ends with it. */
void exchange_end_connection(struct exchange *exchange);

#endif
