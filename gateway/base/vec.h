/* vec: a typed growing array. Zeroed memory is an empty one.
 *     struct { VEC_FIELDS(struct str); } names = { 0 };
 *     vec_push(&names, STR("a"));  ...  vec_cleanup(&names);
 * The arena form never frees: the arena does. One array uses one form for all its life. */
#ifndef GATEWAY_BASE_VEC_H
#define GATEWAY_BASE_VEC_H

#include "gateway/base/arena.h"
#include "gateway/base/mem.h"

#include <string.h>

#define VEC_FIELDS(type)                                                                           \
    type *items;                                                                                   \
    size_t count;                                                                                  \
    size_t capacity

/* A struct type for an array of `type`, e.g. VEC_STRUCT(str_vec, struct str); */
#define VEC_STRUCT(name, type)                                                                     \
    struct name {                                                                                  \
        VEC_FIELDS(type);                                                                          \
    }

/* Returns the grown array; *capacity is changed. */
void *vec_grow(void *items, size_t *capacity, size_t needed, size_t item_size);
void *vec_grow_in_arena(struct arena *arena, void *items, size_t *capacity, size_t needed,
                        size_t item_size);

#define vec_push(vec, ...)                                                                         \
    do {                                                                                           \
        if ((vec)->count == (vec)->capacity) {                                                     \
            (vec)->items =                                                                         \
                vec_grow((vec)->items, &(vec)->capacity, (vec)->count + 1, sizeof(*(vec)->items)); \
        }                                                                                          \
        (vec)->items[(vec)->count++] = (__VA_ARGS__);                                              \
    } while (0)

#define vec_push_in_arena(arena, vec, ...)                                                         \
    do {                                                                                           \
        if ((vec)->count == (vec)->capacity) {                                                     \
            (vec)->items = vec_grow_in_arena((arena), (vec)->items, &(vec)->capacity,              \
                                             (vec)->count + 1, sizeof(*(vec)->items));             \
        }                                                                                          \
        (vec)->items[(vec)->count++] = (__VA_ARGS__);                                              \
    } while (0)

#define vec_cleanup(vec)                                                                           \
    do {                                                                                           \
        mem_free((vec)->items);                                                                    \
        memset((vec), 0, sizeof(*(vec)));                                                          \
    } while (0)

VEC_STRUCT(str_vec, struct str);

#endif
