/* overload: a look at the resident size once a second. Control thread. */
#include "gateway/daemon/overload.h"

#include "gateway/daemon/memory.h"
#include "gateway/observe/log.h"

#include <inttypes.h>
#include <malloc.h>

enum { OVERLOAD_LOOK_MS = 1000 };

uint64_t overload_mark(const struct options *options, uint64_t cgroup_limit)
{
    return options->has_max_memory ? options->max_memory : cgroup_limit - cgroup_limit / 10;
}

bool overload_decide(bool is_on, uint64_t resident, uint64_t mark)
{
    return is_on ? resident >= mark - mark / 20 : resident > mark;
}

static uint64_t overload_mib(uint64_t bytes)
{
    return bytes >> 20;
}

static void overload_tell(const struct overload *overload, uint64_t resident)
{
    if (overload->is_on) {
        LOG_WARN("overload",
                 "%" PRIu64 " MiB resident, more than the %" PRIu64
                 " MiB of --max-memory: requests are refused until it is less",
                 overload_mib(resident), overload_mib(overload->mark));
    } else {
        LOG_INFO("overload", "%" PRIu64 " MiB resident: requests are served again",
                 overload_mib(resident));
    }
    metrics_set(overload->shard, METRIC_OVERLOADED, overload->is_on);
}

static void overload_look(void *arg)
{
    struct overload *overload = arg;
    bool was_on = overload->is_on;
    uint64_t resident = memory_resident();

    if (overload_decide(was_on, resident, overload->mark)) {
        /* What the allocator only keeps for later is no reason to refuse anybody; without this, what
         * a burst left behind would count for ever. */
        (void)malloc_trim(0);
        resident = memory_resident();
    }
    overload->is_on = overload_decide(was_on, resident, overload->mark);
    if (overload->is_on != was_on) {
        overload_tell(overload, resident);
    }
    for (size_t i = 0; i < overload->worker_count; i++) {
        if (overload->is_on) {
            worker_overload_begin(overload->workers[i]); /* again: connections became idle since */
        } else if (was_on) {
            worker_overload_end(overload->workers[i]);
        }
    }
    timer_arm(overload->loop, &overload->timer, OVERLOAD_LOOK_MS);
}

void overload_start(struct overload *overload, struct loop *loop, struct metrics_shard *shard,
                    uint64_t mark, struct worker **workers, size_t worker_count)
{
    *overload = (struct overload){
        .loop = loop,
        .shard = shard,
        .workers = workers,
        .worker_count = worker_count,
        .mark = mark,
    };
    metrics_set(shard, METRIC_OVERLOADED, 0);
    timer_init(&overload->timer, overload_look, overload);
    if (mark != 0) {
        LOG_INFO("overload", "requests are refused above %" PRIu64 " MiB resident",
                 overload_mib(mark));
        overload_look(overload);
    }
}

void overload_stop(struct overload *overload)
{
    timer_cancel(&overload->timer);
}
