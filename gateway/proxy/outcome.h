/* outcome: how a request ended, one row of outcome.def each: flags for the log, status and body of
 * the answer, details. The data path's error value. */
#ifndef GATEWAY_PROXY_OUTCOME_H
#define GATEWAY_PROXY_OUTCOME_H

#include "gateway/http/leg.h"
#include "gateway/observe/format.h"

enum outcome_id {
#define OUTCOME(id, flags, status, body, reason, details) OUTCOME_##id,
#include "gateway/proxy/outcome.def"
#undef OUTCOME
    OUTCOME_COUNT
};

struct outcome {
    uint64_t flags;  /* FLAG_BIT()s */
    unsigned status; /* 0: no answer of ours, or one that the configuration gives */
    const char *body;
    const char *reset_reason; /* LR-20; NULL: not a reset */
    const char *details;      /* NULL for a reset */
};

const struct outcome *outcome_get(enum outcome_id id);
/* What the end of an upstream leg means for the request (LR-21). */
enum outcome_id outcome_of_upstream_end(enum leg_end end);
/* The same for the client's leg. */
enum outcome_id outcome_of_client_end(enum leg_end end);
/* A failed connect, by errno: LR-8. */
enum outcome_id outcome_of_connect_error(int error_number);
/* A head the conn refused with this status for this reason. */
enum outcome_id outcome_of_refusal(unsigned status, const char *detail);

#endif
