/* h2_memory: blocks of the HTTP/2 library, kept by size. Owned by an h2_conn, its loop's.
 *
 *   block: [ size class, next ][ the library's bytes ]
 *
 * malloc() keeps a handful of each size at hand and does real work beyond; hundreds of streams that come
 * and go in waves are always beyond. */
#include "gateway/http/h2_memory.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* Under AddressSanitizer nothing is kept: a use of what was freed is found. */
#if defined(__SANITIZE_ADDRESS__)
#define H2_MEMORY_KEEPS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define H2_MEMORY_KEEPS false
#endif
#endif
#ifndef H2_MEMORY_KEEPS
#define H2_MEMORY_KEEPS true
#endif

struct h2_memory_block {
    size_t size; /* of bytes; classes have their own, others what was asked for */
    struct h2_memory_block *next;
    alignas(max_align_t) unsigned char bytes[];
};

static struct h2_memory_block *h2_memory_block_of(void *bytes)
{
    return (struct h2_memory_block *)(void *)((unsigned char *)bytes -
                                              offsetof(struct h2_memory_block, bytes));
}

/* H2_MEMORY_SIZES and more: none, such a block is not kept. */
static size_t h2_memory_class(size_t size)
{
    return size == 0 ? 0 : (size - 1) / H2_MEMORY_STEP_BYTES;
}

static struct h2_memory_block *h2_memory_new_block(size_t size)
{
    struct h2_memory_block *block;

    CHECK(size <= SIZE_MAX / 2);
    block = mem_alloc(sizeof(*block) + size);
    block->size = size;
    return block;
}

void *h2_memory_alloc(struct h2_memory *memory, size_t size)
{
    size_t class = h2_memory_class(size);

    if (class >= H2_MEMORY_SIZES) {
        return h2_memory_new_block(size)->bytes;
    }
    struct h2_memory_block *block = memory->spare[class];

    if (block == NULL) {
        return h2_memory_new_block((class + 1) * H2_MEMORY_STEP_BYTES)->bytes;
    }
    memory->spare[class] = block->next;
    memory->spare_count--;
    return block->bytes;
}

void *h2_memory_alloc_array(struct h2_memory *memory, size_t count, size_t size)
{
    size_t total;

    CHECK(!__builtin_mul_overflow(count, size, &total));
    return memset(h2_memory_alloc(memory, total), 0, total);
}

void *h2_memory_resize(struct h2_memory *memory, void *bytes, size_t size)
{
    if (bytes == NULL) {
        return h2_memory_alloc(memory, size);
    }
    struct h2_memory_block *block = h2_memory_block_of(bytes);

    if (size <= block->size) {
        return bytes;
    }
    void *moved = h2_memory_alloc(memory, size);

    memcpy(moved, bytes, block->size);
    h2_memory_free(memory, bytes);
    return moved;
}

void h2_memory_free(struct h2_memory *memory, void *bytes)
{
    if (bytes == NULL) {
        return;
    }
    struct h2_memory_block *block = h2_memory_block_of(bytes);
    size_t class = h2_memory_class(block->size);

    if (!H2_MEMORY_KEEPS || class >= H2_MEMORY_SIZES ||
        memory->spare_count >= LIMIT_H2_SPARE_BLOCKS) {
        mem_free(block);
        return;
    }
    block->next = memory->spare[class];
    memory->spare[class] = block;
    memory->spare_count++;
}

void h2_memory_trim(struct h2_memory *memory)
{
    for (size_t class = 0; class < H2_MEMORY_SIZES; class ++) {
        struct h2_memory_block *block;

        while ((block = memory->spare[class]) != NULL) {
            memory->spare[class] = block->next;
            mem_free(block);
        }
    }
    memory->spare_count = 0;
}
