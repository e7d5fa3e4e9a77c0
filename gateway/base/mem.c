/* mem: the one door to malloc. Any thread; the count is per thread, so it costs no shared line. */
#include "gateway/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static __thread uint64_t allocation_count;

static _Noreturn void end_out_of_memory(size_t size)
{
    (void)fprintf(stderr, "gatehouse: out of memory: cannot allocate %zu bytes\n", size);
    abort();
}

void *mem_alloc(size_t size)
{
    void *memory = malloc(size != 0 ? size : 1);

    if (memory == NULL) {
        end_out_of_memory(size);
    }
    allocation_count++;
    return memory;
}

void *mem_alloc_zero(size_t size)
{
    void *memory = calloc(1, size != 0 ? size : 1);

    if (memory == NULL) {
        end_out_of_memory(size);
    }
    allocation_count++;
    return memory;
}

void *mem_alloc_array(size_t count, size_t size)
{
    size_t total;

    if (__builtin_mul_overflow(count, size, &total)) {
        end_out_of_memory(SIZE_MAX);
    }
    return mem_alloc_zero(total);
}

void *mem_resize(void *memory, size_t size)
{
    /* realloc(p, 0) may free; we always give back something that mem_free() takes. */
    void *resized = realloc(memory, size != 0 ? size : 1);

    if (resized == NULL) {
        end_out_of_memory(size);
    }
    allocation_count++;
    return resized;
}

void mem_free(void *memory)
{
    free(memory);
}

char *mem_copy_string(const char *bytes, size_t len)
{
    char *copy;

    if (len == SIZE_MAX) {
        end_out_of_memory(len);
    }
    copy = mem_alloc(len + 1);
    if (len != 0) {
        memcpy(copy, bytes, len);
    }
    copy[len] = '\0';
    return copy;
}

void mem_wipe(void *memory, size_t size)
{
    if (size != 0) {
        explicit_bzero(memory, size);
    }
}

uint64_t mem_allocation_count(void)
{
    return allocation_count;
}
