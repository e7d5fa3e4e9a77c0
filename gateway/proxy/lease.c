/* lease: counted use of a snapshot within one worker: no atomic count on a request's way. */
#include "gateway/proxy/lease.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

struct lease *lease_open(struct snapshot *snapshot,
                         void (*release_snapshot)(void *owner, struct snapshot *snapshot),
                         void *owner)
{
    struct lease *lease = mem_new(struct lease);

    lease->snapshot = snapshot;
    lease->user_count = 1;
    lease->release_snapshot = release_snapshot;
    lease->owner = owner;
    return lease;
}

struct lease *lease_ref(struct lease *lease)
{
    lease->user_count++;
    return lease;
}

void lease_unref(struct lease *lease)
{
    if (lease == NULL) {
        return;
    }
    CHECK(lease->user_count > 0);
    if (--lease->user_count > 0) {
        return;
    }
    /* A worker never frees a snapshot: its patterns and contexts are the control thread's. */
    if (snapshot_unref(lease->snapshot)) {
        lease->release_snapshot(lease->owner, lease->snapshot);
    }
    mem_free(lease);
}
