/* arena_cache: a stack of empty arenas. */
#include "gateway/base/arena_cache.h"

/* A usual request with its fields fits; more takes further blocks for as long as the request lasts.
 */
enum { ARENA_CACHE_BLOCK_BYTES = 8 * 1024 };

struct arena *arena_cache_take(struct arena_cache *cache)
{
    return cache->count > 0 ? cache->spare[--cache->count] : arena_new(ARENA_CACHE_BLOCK_BYTES);
}

void arena_cache_give(struct arena_cache *cache, struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    if (cache->count == LIMIT_SPARE_ARENAS) {
        arena_free(arena);
        return;
    }
    arena_reset(arena);
    cache->spare[cache->count++] = arena;
}

void arena_cache_cleanup(struct arena_cache *cache)
{
    while (cache->count > 0) {
        arena_free(cache->spare[--cache->count]);
    }
}
