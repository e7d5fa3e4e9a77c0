/* outcome: the table of endings and what leads to which. Pure. */
#include "gateway/proxy/outcome.h"

#include "gateway/base/check.h"

#include <errno.h>

static const struct outcome outcomes[] = {
#define OUTCOME(id, flags, status, body, reason, details)                                          \
    [OUTCOME_##id] = { (flags), (status), (body), (reason), (details) },
#include "gateway/proxy/outcome.def"
#undef OUTCOME
};

const struct outcome *outcome_get(enum outcome_id id)
{
    CHECK(id < OUTCOME_COUNT);
    return &outcomes[id];
}

enum outcome_id outcome_of_upstream_end(enum leg_end end)
{
    switch (end) {
    case LEG_END_PROTOCOL:
    case LEG_END_HEADERS_TOO_LARGE:
    case LEG_END_TOO_MANY_HEADERS:
        return OUTCOME_UPSTREAM_PROTOCOL_ERROR;
    case LEG_END_BODY_TIMEOUT:
    case LEG_END_WRITE_TIMEOUT:
        return OUTCOME_UPSTREAM_STALLED;
    case LEG_END_DRAIN:
        return OUTCOME_UPSTREAM_LET_GO;
    case LEG_END_RESET:
        return OUTCOME_UPSTREAM_RESET;
    case LEG_END_REFUSED:
        return OUTCOME_UPSTREAM_REFUSED_STREAM;
    case LEG_END_PEER_CLOSED:
    case LEG_END_PEER_CUT_BODY:
    case LEG_END_TRANSPORT:
        break;
    }
    return OUTCOME_UPSTREAM_CLOSED;
}

enum outcome_id outcome_of_client_end(enum leg_end end)
{
    switch (end) {
    case LEG_END_PROTOCOL:
    case LEG_END_HEADERS_TOO_LARGE:
    case LEG_END_TOO_MANY_HEADERS:
        return OUTCOME_CLIENT_PROTOCOL_ERROR;
    case LEG_END_BODY_TIMEOUT:
        return OUTCOME_CLIENT_STALLED;
    case LEG_END_WRITE_TIMEOUT:
        return OUTCOME_CLIENT_TAKES_NOTHING;
    case LEG_END_DRAIN:
        return OUTCOME_CLIENT_CLOSED_BY_US;
    case LEG_END_RESET:
    case LEG_END_REFUSED:
        return OUTCOME_CLIENT_RESET;
    case LEG_END_PEER_CLOSED:
    case LEG_END_PEER_CUT_BODY:
    case LEG_END_TRANSPORT:
        break;
    }
    return OUTCOME_CLIENT_GONE;
}

enum outcome_id outcome_of_connect_error(int error_number)
{
    switch (error_number) {
    case ETIMEDOUT:
        return OUTCOME_CONNECT_TIMEOUT;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOBUFS:
    case EADDRNOTAVAIL: /* no local port is left */
    case EACCES:
    case EPERM:
        return OUTCOME_CONNECT_FAILED_HERE;
    default:
        return OUTCOME_CONNECT_FAILED;
    }
}

enum outcome_id outcome_of_refusal(unsigned status, const char *detail)
{
    /* LR-10: a missing Host is the one 400 that is not called a protocol error. */
    if ((status == 400 && strcmp(detail, "missing_host_header") != 0) || status == 431 ||
        status == 501 || status == 505 || status == 417) {
        return OUTCOME_REFUSED_MALFORMED;
    }
    return OUTCOME_REFUSED;
}
