/* certificate_watch: certificates seen by metrics and, when they near their end, by the log. Control
 * thread. */
#ifndef GATEWAY_DAEMON_CERTIFICATE_WATCH_H
#define GATEWAY_DAEMON_CERTIFICATE_WATCH_H

#include "gateway/base/map.h"
#include "gateway/observe/metrics.h"
#include "tls/secret_store.h"

/* Zeroed memory is one that has told nothing. */
struct certificate_watch {
    struct map told; /* "ns/name fingerprint" to the smallest threshold told, struct *_notice */
};

/* Sets gatehouse_certificate_* anew, and logs a certificate that has 30, 7 or 1 day left, once each. */
void certificate_watch_update(struct certificate_watch *watch, const struct secret_store *store,
                              struct str own_namespace, struct metrics_shard *shard,
                              int64_t wall_s);
void certificate_watch_cleanup(struct certificate_watch *watch);
/* Days of the threshold that `left_s` has fallen below: 30, 7, 1, 0 for past it, or -1. Pure. */
int certificate_watch_threshold(int64_t left_s);

#endif
