/* arena: bump memory, freed in one stroke. Not shared between threads. */
#ifndef GATEWAY_BASE_ARENA_H
#define GATEWAY_BASE_ARENA_H

#include "gateway/base/str.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct arena;

/* `block_bytes` is the size of one block; larger requests get a block of their own. */
struct arena *arena_new(size_t block_bytes);
/* NULL is accepted. */
void arena_free(struct arena *arena);
/* Forgets everything, keeps the first block: an arena reused for each request allocates once. */
void arena_reset(struct arena *arena);
/* Zeroed, aligned for any type; never NULL. */
void *arena_alloc(struct arena *arena, size_t size);
void *arena_alloc_array(struct arena *arena, size_t count, size_t size);
/* The same with whatever was there: for what is written at once, or only as far as it is used. */
void *arena_alloc_raw(struct arena *arena, size_t size);
/* Bytes handed out since the last reset. */
size_t arena_used_bytes(const struct arena *arena);

/* Copies; the copy has a terminating NUL behind it. */
struct str arena_copy_str(struct arena *arena, struct str view);
struct str arena_copy_lower(struct arena *arena, struct str view);
char *arena_copy_cstr(struct arena *arena, const char *cstr);
/* In decimal; for heads, where printf would be a cost of its own. */
struct str arena_print_u64(struct arena *arena, uint64_t value);
struct str arena_printf(struct arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
struct str arena_vprintf(struct arena *arena, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

#define arena_new_object(arena, type) ((type *)arena_alloc((arena), sizeof(type)))
#define arena_new_array(arena, type, count)                                                        \
    ((type *)arena_alloc_array((arena), (count), sizeof(type)))

#endif
