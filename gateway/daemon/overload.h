/* overload: the memory of the whole process against its high mark. Above it the workers refuse new
 * requests and close idle connections, before the kernel ends the process. Control thread. */
#ifndef GATEWAY_DAEMON_OVERLOAD_H
#define GATEWAY_DAEMON_OVERLOAD_H

#include "gateway/daemon/options.h"
#include "gateway/net/loop.h"
#include "gateway/observe/metrics.h"
#include "gateway/proxy/worker.h"

/* Zeroed is stopped. */
struct overload {
    struct loop *loop;
    struct metrics_shard *shard;
    struct worker **workers;
    size_t worker_count;
    uint64_t mark;
    bool is_on;
    struct timer timer;
};

/* Looks at once, so that nothing is served above the mark, then once a second. Mark 0: never. */
void overload_start(struct overload *overload, struct loop *loop, struct metrics_shard *shard,
                    uint64_t mark, struct worker **workers, size_t worker_count);
/* Before the workers end. */
void overload_stop(struct overload *overload);
/* --max-memory, or nine tenths of the cgroup's limit; 0: none. */
uint64_t overload_mark(const struct options *options, uint64_t cgroup_limit);
/* On above the mark, off below 95 % of it; between the two it stays as it was. */
bool overload_decide(bool is_on, uint64_t resident, uint64_t mark);

#endif
