/* mem: allocation that ends the process when memory is gone.
 * Caps in limits.h keep peers from causing that. Every allocation of ours and of the libraries
 * that let us choose (libevent, but for its smallest pieces) comes through here, so a test can count them. */
#ifndef GATEWAY_BASE_MEM_H
#define GATEWAY_BASE_MEM_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory for one object; never NULL. Freed by mem_free(). */
#define mem_new(type) ((type *)mem_alloc_zero(sizeof(type)))

void *mem_alloc(size_t size);
void *mem_alloc_zero(size_t size);
/* Zeroed array; overflow of count * size ends the process. */
void *mem_alloc_array(size_t count, size_t size);
/* NULL memory allocates. */
void *mem_resize(void *memory, size_t size);
/* NULL is accepted. */
void mem_free(void *memory);
/* A copy with a terminating NUL, which `len` does not count. */
char *mem_copy_string(const char *bytes, size_t len);
/* Overwrites memory that held a secret; the compiler may not drop it. */
void mem_wipe(void *memory, size_t size);
/* Allocations made by this thread since it started, for the counts in perf/ and for tests. */
uint64_t mem_allocation_count(void);

#endif
