/* h2_guard: a token bucket for each deed of an HTTP/2 peer: time refills it, and so does work that the
 * peer let us finish. The budgets are far above what honest clients do, and still reached within a
 * second by one that does nothing else.
 *
 * What honest clients do: a browser that leaves a page resets every stream of it at once, and sends a
 * PRIORITY or PRIORITY_UPDATE for each request it weighs anew. gRPC in Go sends a PING for each round
 * trip in which it got DATA, so up to thousands a second within a data centre: DATA pays for them.
 * Clients on nghttp2 and h2 send two WINDOW_UPDATEs for each DATA frame at the worst, and one to open
 * each stream. SETTINGS come at the start, and when gRPC has measured the line anew. */
#include "gateway/http/h2_guard.h"

struct h2_budget {
    uint32_t burst;
    uint32_t per_second;
    uint32_t per_answer;     /* given back for each request answered in full */
    uint32_t per_data_frame; /* given back for each DATA frame we sent */
    const char *reason;
};

static const struct h2_budget h2_guard_budgets[H2_DEED_COUNT] = {
    [H2_DEED_RESET] = { 500, 50, 1, 0, "http2.reset_flood" },
    [H2_DEED_PROVOKED_RESET] = { 100, 10, 0, 0, "http2.provoked_reset_flood" },
    [H2_DEED_PING] = { 200, 20, 1, 1, "http2.ping_flood" },
    [H2_DEED_SETTINGS] = { 100, 10, 0, 0, "http2.settings_flood" },
    [H2_DEED_PRIORITY] = { 1000, 100, 10, 0, "http2.priority_flood" },
    [H2_DEED_EMPTY_FRAME] = { 100, 10, 2, 0, "http2.empty_frame_flood" },
    [H2_DEED_WINDOW_UPDATE] = { 2000, 200, 10, 4, "http2.window_update_flood" },
    [H2_DEED_UNKNOWN_FRAME] = { 1000, 100, 10, 0, "http2.unknown_frame_flood" },
};

static void h2_guard_forgive(struct h2_guard *guard, enum h2_deed deed, uint64_t count)
{
    if (count < guard->spent[deed]) {
        guard->spent[deed] -= (uint32_t)count;
    } else {
        guard->spent[deed] = 0;
        guard->has_spent &= ~(1U << deed);
    }
}

/* Whole tokens only: what is left of a token's time stays in refill_ms. */
static void h2_guard_refill(struct h2_guard *guard, enum h2_deed deed, uint64_t now_ms)
{
    uint64_t elapsed_ms = now_ms - guard->refill_ms[deed];
    uint64_t per_second = h2_guard_budgets[deed].per_second;

    if (guard->spent[deed] == 0 || now_ms < guard->refill_ms[deed]) {
        guard->refill_ms[deed] = now_ms;
        return;
    }
    /* An hour fills any of them, and is far from overflow. */
    elapsed_ms = elapsed_ms < 3600000 ? elapsed_ms : 3600000;
    uint64_t tokens = elapsed_ms * per_second / 1000;

    if (tokens > 0) {
        h2_guard_forgive(guard, deed, tokens);
        guard->refill_ms[deed] = now_ms - (elapsed_ms - tokens * 1000 / per_second);
    }
}

bool h2_guard_count(struct h2_guard *guard, enum h2_deed deed, uint64_t now_ms)
{
    h2_guard_refill(guard, deed, now_ms);
    if (guard->spent[deed] >= h2_guard_budgets[deed].burst) {
        return false;
    }
    guard->spent[deed]++;
    guard->has_spent |= 1U << deed;
    return true;
}

void h2_guard_credit(struct h2_guard *guard)
{
    /* With each answer, and mostly there is nothing. */
    for (unsigned deed = 0; guard->has_spent >> deed != 0; deed++) {
        h2_guard_forgive(guard, (enum h2_deed)deed, h2_guard_budgets[deed].per_answer);
    }
}

void h2_guard_credit_data_frame(struct h2_guard *guard)
{
    if (guard->has_spent == 0) {
        return;
    }
    h2_guard_forgive(guard, H2_DEED_WINDOW_UPDATE,
                     h2_guard_budgets[H2_DEED_WINDOW_UPDATE].per_data_frame);
    h2_guard_forgive(guard, H2_DEED_PING, h2_guard_budgets[H2_DEED_PING].per_data_frame);
}

const char *h2_guard_reason(enum h2_deed deed)
{
    return h2_guard_budgets[deed].reason;
}
