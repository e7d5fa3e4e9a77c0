/* h2_guard: what an HTTP/2 peer may do to us before it is shown out: counts of the cheap things that
 * cost us much (RFC 9113 10.5, spec CN-40). Each has a name for logs and metrics. Pure; one for each
 * connection. */
#ifndef GATEWAY_HTTP_H2_GUARD_H
#define GATEWAY_HTTP_H2_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Things that are counted against a budget which time and useful work refill. */
enum h2_deed {
    H2_DEED_RESET,          /* RST_STREAM of a stream that had no answer yet (CVE-2023-44487) */
    H2_DEED_PROVOKED_RESET, /* a stream error of the peer's that we had to answer with RST_STREAM
                               (CVE-2025-8671) */
    H2_DEED_PING,
    H2_DEED_SETTINGS,
    H2_DEED_PRIORITY,
    H2_DEED_EMPTY_FRAME,   /* DATA or CONTINUATION without a byte that does not end the stream */
    H2_DEED_WINDOW_UPDATE, /* beyond what the DATA we sent can explain */
    H2_DEED_UNKNOWN_FRAME, /* also frames of streams that are gone */
    H2_DEED_COUNT
};

/* Zeroed memory is a fresh one. */
struct h2_guard {
    uint32_t spent[H2_DEED_COUNT];
    uint64_t refill_ms[H2_DEED_COUNT];
    unsigned has_spent; /* a bit for each deed of which something is */
};

/* One more. False: over the limit; h2_guard_reason() names it. */
bool h2_guard_count(struct h2_guard *guard, enum h2_deed deed, uint64_t now_ms);
/* A request was answered in full: resets and window updates are forgiven in proportion. */
void h2_guard_credit(struct h2_guard *guard);
/* We sent a DATA frame: it explains window updates, and a PING that measures the line. */
void h2_guard_credit_data_frame(struct h2_guard *guard);
/* "http2.reset_flood", "http2.ping_flood", ... */
const char *h2_guard_reason(enum h2_deed deed);

#endif
