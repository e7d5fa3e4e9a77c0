/* event_memory: memory for the event library. What it keeps for each descriptor stays when the
 * descriptor is closed; from malloc these pieces lay among the connections, one in nearly every page,
 * and no page could go back to the system after a crowd had left. Here they lie side by side. */
#ifndef GATEWAY_NET_EVENT_MEMORY_H
#define GATEWAY_NET_EVENT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* As malloc(), realloc() and free(), for event_set_mem_functions(). Any thread; aborts when there is no
 * memory. */
void *event_memory_alloc(size_t size);
void *event_memory_resize(void *memory, size_t size);
void event_memory_free(void *memory);
/* Is it one of the small pieces? For tests. */
bool event_memory_is_small(const void *memory);

#endif
