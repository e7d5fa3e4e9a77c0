/* arena_cache: arenas between two uses, the warmest first. What a request needs is in the memory of the
 * request before it, whoever sent that: the same few blocks stay in the processor's cache, and an idle
 * connection holds none. Not shared between threads. */
#ifndef GATEWAY_BASE_ARENA_CACHE_H
#define GATEWAY_BASE_ARENA_CACHE_H

#include "gateway/base/arena.h"
#include "gateway/base/limits.h"

/* Zeroed is empty. */
struct arena_cache {
    struct arena *spare[LIMIT_SPARE_ARENAS]; /* the warmest last */
    size_t count;
};

/* An empty arena; the caller's until it gives it back. */
struct arena *arena_cache_take(struct arena_cache *cache);
/* Forgets what is in it. NULL is accepted. */
void arena_cache_give(struct arena_cache *cache, struct arena *arena);
void arena_cache_cleanup(struct arena_cache *cache);

#endif
