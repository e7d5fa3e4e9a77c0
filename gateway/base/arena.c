/* arena: bump memory in a chain of blocks. Owned and used by one thread at a time.
 *
 *   arena ─ current ─> block (newest) ─> block ─> ... ─> first block (allocated with the arena)
 *
 * Requests larger than a block get one of their own, put behind the current block, so that what is
 * left of the current one is not lost. */
#include "gateway/base/arena.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <stdalign.h>
#include <stdio.h>
#include <string.h>

/* Under AddressSanitizer the unused part of a block is poisoned: a step past an object is found. */
#if defined(__SANITIZE_ADDRESS__)
#define ARENA_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ARENA_POISON 1
#endif
#endif
#ifdef ARENA_POISON
#include <sanitizer/asan_interface.h>
#define poison(memory, size) ASAN_POISON_MEMORY_REGION((memory), (size))
#define unpoison(memory, size) ASAN_UNPOISON_MEMORY_REGION((memory), (size))
#else
#define poison(memory, size) ((void)(memory), (void)(size))
#define unpoison(memory, size) ((void)(memory), (void)(size))
#endif

enum { ARENA_ALIGN = alignof(max_align_t), ARENA_BLOCK_MIN = 256 };

struct block {
    struct block *next;
    size_t size; /* of bytes */
    size_t used;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct block *current;
    struct block *first;
    size_t block_bytes;
    size_t used_bytes;
};

static struct block *block_new(size_t size)
{
    struct block *block;

    CHECK(size <= SIZE_MAX / 2);
    block = mem_alloc(sizeof(*block) + size);
    block->next = NULL;
    block->size = size;
    block->used = 0;
    poison(block->bytes, size);
    return block;
}

static void block_free(struct block *block)
{
    unpoison(block->bytes, block->size);
    mem_free(block);
}

struct arena *arena_new(size_t block_bytes)
{
    struct arena *arena = mem_new(struct arena);

    arena->block_bytes = block_bytes > ARENA_BLOCK_MIN ? block_bytes : ARENA_BLOCK_MIN;
    arena->first = block_new(arena->block_bytes);
    arena->current = arena->first;
    return arena;
}

static void free_all_but_first(struct arena *arena)
{
    struct block *block = arena->current;

    while (block != NULL) {
        struct block *next = block->next;

        if (block != arena->first) {
            block_free(block);
        }
        block = next;
    }
    arena->current = arena->first;
    arena->first->next = NULL;
}

void arena_free(struct arena *arena)
{
    if (arena == NULL) {
        return;
    }
    free_all_but_first(arena);
    block_free(arena->first);
    mem_free(arena);
}

void arena_reset(struct arena *arena)
{
    free_all_but_first(arena);
    poison(arena->first->bytes, arena->first->size);
    arena->first->used = 0;
    arena->used_bytes = 0;
}

/* The block with room for `size` more bytes. */
static struct block *find_room(struct arena *arena, size_t size)
{
    struct block *block = arena->current;

    if (size <= block->size - block->used) {
        return block;
    }
    if (size > arena->block_bytes / 2) {
        struct block *own = block_new(size);

        own->next = block->next;
        block->next = own;
        return own;
    }
    block = block_new(arena->block_bytes);
    block->next = arena->current;
    arena->current = block;
    return block;
}

void *arena_alloc_raw(struct arena *arena, size_t size)
{
    size_t rounded;
    struct block *block;
    char *memory;

    CHECK(size <= SIZE_MAX / 2);
    rounded = (size + ARENA_ALIGN - 1) / ARENA_ALIGN * ARENA_ALIGN;
    block = find_room(arena, rounded);
    /* A block's size need not be a multiple of the alignment. */
    memory = block->bytes + block->used;
    unpoison(memory, size);
    block->used += rounded;
    arena->used_bytes += rounded;
    return memory;
}

void *arena_alloc(struct arena *arena, size_t size)
{
    return memset(arena_alloc_raw(arena, size), 0, size);
}

void *arena_alloc_array(struct arena *arena, size_t count, size_t size)
{
    size_t total;

    CHECK(!__builtin_mul_overflow(count, size, &total));
    return arena_alloc(arena, total);
}

size_t arena_used_bytes(const struct arena *arena)
{
    return arena->used_bytes;
}

struct str arena_copy_str(struct arena *arena, struct str view)
{
    char *copy = arena_alloc_raw(arena, view.len + 1);

    if (view.len != 0) {
        memcpy(copy, view.ptr, view.len);
    }
    copy[view.len] = '\0';
    return str_from(copy, view.len);
}

struct str arena_copy_lower(struct arena *arena, struct str view)
{
    char *copy = arena_alloc(arena, view.len + 1);

    if (view.len != 0) {
        memcpy(copy, view.ptr, view.len);
        str_lower_bytes(copy, view.len);
    }
    return str_from(copy, view.len);
}

char *arena_copy_cstr(struct arena *arena, const char *cstr)
{
    size_t size = strlen(cstr) + 1;

    return memcpy(arena_alloc_raw(arena, size), cstr, size);
}

struct str arena_vprintf(struct arena *arena, const char *format, va_list args)
{
    va_list again;
    int len;
    char *out;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(len >= 0);
    out = arena_alloc_raw(arena, (size_t)len + 1);
    (void)vsnprintf(out, (size_t)len + 1, format, args); /* measured above */
    return str_from(out, (size_t)len);
}

/* Each digit where it stays: read back in one piece from where they were just written one by one, they
 * would be waited for. */
struct str arena_print_u64(struct arena *arena, uint64_t value)
{
    size_t len = 1;
    char *text;

    for (uint64_t rest = value; rest >= 10; rest /= 10) {
        len++;
    }
    text = arena_alloc_raw(arena, len + 1);
    text[len] = '\0';
    for (size_t at = len; at-- > 0; value /= 10) {
        text[at] = (char)('0' + value % 10);
    }
    return str_from(text, len);
}

struct str arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    struct str out;

    va_start(args, format);
    out = arena_vprintf(arena, format, args);
    va_end(args);
    return out;
}
