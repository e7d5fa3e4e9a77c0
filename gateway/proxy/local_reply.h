/* local_reply: an answer of our own: status, a short text or nothing, and what a gRPC client gets
 * in its place (spec section 10). Pure: fills a response head in an arena. */
#ifndef GATEWAY_PROXY_LOCAL_REPLY_H
#define GATEWAY_PROXY_LOCAL_REPLY_H

#include "gateway/http/head.h"
#include "gateway/proxy/outcome.h"

struct local_reply {
    unsigned status;
    struct str body;
    struct str location; /* redirects; else empty */
    bool is_overloaded;  /* LR-4: x-envoy-overloaded */
    bool is_grpc;        /* LR-30: 200, grpc-status and grpc-message */
};

/* Why an upstream attempt failed, for LR-20. */
struct local_reply_reset {
    bool is_retried;
    struct str transport_failure; /* "delayed connect error: 111", or empty */
};

/* The reply of a row of outcome.def that has a status. */
void local_reply_from_outcome(struct local_reply *reply, enum outcome_id id,
                              const struct local_reply_reset *reset, struct arena *arena);
/* LR-8, LR-9, LR-23: "upstream_reset_before_response_started{connection_termination}". */
struct str local_reply_reset_details(const struct outcome *outcome, struct str transport_failure,
                                     bool is_response_started, struct arena *arena);
/* Fills *head, which is initialised here, and says which body follows it (empty: none; the head
 * ends the response). HEAD gets the length and no body (LR-26). */
struct str local_reply_build(const struct local_reply *reply, enum http_method method,
                             struct head *head, struct arena *arena);

#endif
