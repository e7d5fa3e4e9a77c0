/* vec: growth of the typed arrays of vec.h. */
#include "gateway/base/vec.h"

#include "gateway/base/check.h"

enum { VEC_FIRST_ITEMS = 8 };

static size_t grown_capacity(size_t capacity, size_t needed, size_t item_size)
{
    size_t grown = capacity != 0 ? capacity : VEC_FIRST_ITEMS;

    CHECK(needed <= SIZE_MAX / 4 / item_size);
    while (grown < needed) {
        grown *= 2;
    }
    return grown;
}

void *vec_grow(void *items, size_t *capacity, size_t needed, size_t item_size)
{
    if (needed > *capacity) {
        size_t grown = grown_capacity(*capacity, needed, item_size);

        items = mem_resize(items, grown * item_size);
        *capacity = grown;
    }
    return items;
}

void *vec_grow_in_arena(struct arena *arena, void *items, size_t *capacity, size_t needed,
                        size_t item_size)
{
    if (needed > *capacity) {
        size_t grown = grown_capacity(*capacity, needed, item_size);
        void *moved = arena_alloc_raw(arena, grown * item_size);

        if (*capacity != 0) {
            memcpy(moved, items, *capacity * item_size);
        }
        *capacity = grown;
        return moved;
    }
    return items;
}
