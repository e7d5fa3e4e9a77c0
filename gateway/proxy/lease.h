/* lease: a worker's hold on one snapshot: one counted reference, and a plain number of exchanges
 * that read it. A new snapshot opens a new lease; the old one ends with its last user, and the
 * reference goes back to where snapshots are freed. A worker's. */
#ifndef GATEWAY_PROXY_LEASE_H
#define GATEWAY_PROXY_LEASE_H

#include "config/snapshot.h"

struct lease {
    struct snapshot *snapshot;
    uint32_t user_count; /* the worker itself is one while it is the current lease */
    void (*release_snapshot)(void *owner, struct snapshot *snapshot);
    void *owner;
};

/* Takes over the caller's reference to `snapshot`; the lease has one user. `release_snapshot` is
 * called when the reference given back was the last. */
struct lease *lease_open(struct snapshot *snapshot,
                         void (*release_snapshot)(void *owner, struct snapshot *snapshot),
                         void *owner);
struct lease *lease_ref(struct lease *lease);
/* NULL is accepted. */
void lease_unref(struct lease *lease);

#endif
