/* background: a lower priority and a longer time slice. Any thread, about itself. */
#include "gateway/base/background.h"

#include <sched.h>
#include <stdint.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    /* A third of a worker's weight: a reload beside a busy worker gets a quarter of the core. */
    BACKGROUND_NICE = 5,
    /* Since Linux 6.12, a thread that wakes up does not wait for one of a longer slice to have used it up;
     * before, the kernel overlooks it. Ours is the longest that a whole step of a reload asks for. */
    BACKGROUND_SLICE_NS = 20 * 1000 * 1000,
};

/* struct sched_attr as of Linux 3.14; the C library has none. */
struct background_sched_attr {
    uint32_t size;
    uint32_t sched_policy;
    uint64_t sched_flags;
    int32_t sched_nice;
    uint32_t sched_priority;
    uint64_t sched_runtime;
    uint64_t sched_deadline;
    uint64_t sched_period;
};

void background_enter(void)
{
    struct background_sched_attr attr = {
        .size = sizeof(attr),
        .sched_policy = SCHED_OTHER,
        .sched_nice = getpriority(PRIO_PROCESS, 0) + BACKGROUND_NICE,
        .sched_runtime = BACKGROUND_SLICE_NS,
    };

    if (attr.sched_nice > 19) {
        attr.sched_nice = 19;
    }
    if (sched_getscheduler(0) == SCHED_OTHER) {
        (void)syscall(SYS_sched_setattr, 0, &attr, 0); /* a sandbox may refuse: all is as before */
    }
}
