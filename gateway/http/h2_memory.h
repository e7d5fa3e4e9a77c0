/* h2_memory: what the HTTP/2 library allocates, kept for its next stream: a few blocks of a few sizes for
 * each request. One for each connection, its loop's. */
#ifndef GATEWAY_HTTP_H2_MEMORY_H
#define GATEWAY_HTTP_H2_MEMORY_H

#include <stddef.h>

enum {
    H2_MEMORY_STEP_BYTES = 64,
    H2_MEMORY_SIZES = 8, /* up to half a KiB: a stream, a frame that waits, a list of fields */
};

struct h2_memory_block;

/* Zeroed memory is an empty one. */
struct h2_memory {
    struct h2_memory_block *spare[H2_MEMORY_SIZES];
    unsigned spare_count;
};

/* As malloc() and friends; never NULL. */
void *h2_memory_alloc(struct h2_memory *memory, size_t size);
void *h2_memory_alloc_array(struct h2_memory *memory, size_t count, size_t size);
void *h2_memory_resize(struct h2_memory *memory, void *bytes, size_t size);
void h2_memory_free(struct h2_memory *memory, void *bytes);
/* Gives back what is kept; what is in use stays in use. */
void h2_memory_trim(struct h2_memory *memory);

#endif
