/* pipe_cache: pipes for splice(2), a loop's. A pipe is held only while bytes are in it, so a few serve any
 * number of tunnels, and those few stay warm. The count is told to daemon/process.c, the rest is for net/ only. */
#ifndef GATEWAY_NET_PIPE_CACHE_H
#define GATEWAY_NET_PIPE_CACHE_H

#include "gateway/base/limits.h"

#include <stdbool.h>
#include <stddef.h>

struct pipe_pair {
    int read_fd;
    int write_fd;
};

/* Zeroed is empty. */
struct pipe_cache {
    struct pipe_pair idle[LIMIT_SPLICE_IDLE_PIPES]; /* the warmest last */
    size_t idle_count;
    size_t used_count;
    size_t limit; /* 0: not asked for yet */
};

/* How many one worker may have, of a process with so many descriptors. */
size_t pipe_cache_limit(size_t descriptors);

/* False: as many as may be are in use, or the system gives none that is large enough. */
bool pipe_cache_take(struct pipe_cache *cache, struct pipe_pair *pair);
/* An empty one is kept for the next; one with bytes in it is closed. */
void pipe_cache_give(struct pipe_cache *cache, const struct pipe_pair *pair, bool is_empty);
void pipe_cache_cleanup(struct pipe_cache *cache);

#endif
