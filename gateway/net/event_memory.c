/* event_memory: small pieces from a region of their own, everything else from mem.
 *
 * The region is taken page by page, a page by one thread, so that threads share no cache line unless
 * one frees what another took. Pages are not given back: there is one small piece for each descriptor
 * number that was ever watched. */
#include "gateway/net/event_memory.h"

#include "gateway/base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

enum {
    PIECE_BYTES = 16, /* what the library keeps for a descriptor */
    PAGE_BYTES = 4096,
    REGION_PAGES = 4096, /* a million descriptors; untouched pages cost nothing */
};

union piece {
    union piece *next; /* while it is free */
    _Alignas(PIECE_BYTES) char bytes[PIECE_BYTES];
};

static _Alignas(PAGE_BYTES) char region[REGION_PAGES * PAGE_BYTES];
static atomic_size_t taken_pages;

static __thread union piece *free_pieces;
static __thread char *page_at;
static __thread char *page_end;

bool event_memory_is_small(const void *memory)
{
    return (uintptr_t)memory - (uintptr_t)region < sizeof(region);
}

static void *take_piece(void)
{
    union piece *piece = free_pieces;

    if (piece != NULL) {
        free_pieces = piece->next;
        return piece;
    }
    if (page_at == page_end) {
        size_t page = atomic_fetch_add_explicit(&taken_pages, 1, memory_order_relaxed);
        if (page >= REGION_PAGES) {
            return mem_alloc(PIECE_BYTES);
        }
        page_at = region + page * PAGE_BYTES;
        page_end = page_at + PAGE_BYTES;
    }
    void *memory = page_at;
    page_at += PIECE_BYTES;
    return memory;
}

void *event_memory_alloc(size_t size)
{
    return size <= PIECE_BYTES ? take_piece() : mem_alloc(size);
}

void *event_memory_resize(void *memory, size_t size)
{
    if (memory == NULL) {
        return event_memory_alloc(size);
    }
    if (!event_memory_is_small(memory)) {
        return mem_resize(memory, size);
    }
    if (size <= PIECE_BYTES) {
        return memory;
    }
    void *larger = mem_alloc(size);
    memcpy(larger, memory, PIECE_BYTES);
    event_memory_free(memory);
    return larger;
}

void event_memory_free(void *memory)
{
    if (!event_memory_is_small(memory)) {
        mem_free(memory);
        return;
    }
    union piece *piece = memory;
    piece->next = free_pieces;
    free_pieces = piece;
}
