/* ebb: memory goes back to the system after a crowd has left, and after bulk. The allocator keeps what
 * thousands of connections took, in pieces between the few that stay. Control thread. */
#ifndef GATEWAY_DAEMON_EBB_H
#define GATEWAY_DAEMON_EBB_H

#include "gateway/net/loop.h"
#include "gateway/proxy/worker.h"

/* Zeroed is stopped. */
struct ebb {
    struct loop *loop;
    struct worker **workers;
    size_t worker_count;
    size_t peak; /* of connections, since memory was last given back */
    size_t last;
    unsigned quiet_looks;
    unsigned rest_looks; /* so many more before memory is given back again */
    uint64_t low_bytes;  /* the least that was resident since then; 0: not looked yet */
    bool is_trim_due;
    struct timer timer;
};

/* Looks once a second. */
void ebb_start(struct ebb *ebb, struct loop *loop, struct worker **workers, size_t worker_count);
/* Before the workers end. */
void ebb_stop(struct ebb *ebb);
/* `now` connections are there: true when many have left since the peak and no more are leaving. Keeps
 * its own account: the peak begins anew with each true. While `rest_looks` are left it is false, and true
 * later if they have not come back by then. */
bool ebb_decide(struct ebb *ebb, size_t now);
/* `requests` are under way, so many bytes resident (0: unknown): true when nothing goes on and much more is
 * there than after the last time. */
bool ebb_decide_quiet(struct ebb *ebb, size_t requests, uint64_t resident);

#endif
