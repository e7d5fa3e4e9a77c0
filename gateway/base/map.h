/* map: a hash map from str to pointer, seeded per process (a peer cannot choose collisions).
 * Keys are borrowed: the value usually owns them. Not shared between threads while it changes. */
#ifndef GATEWAY_BASE_MAP_H
#define GATEWAY_BASE_MAP_H

#include "gateway/base/str.h"

struct map_slot {
    struct str key;
    uint64_t hash;
    void *value; /* NULL: free */
};

/* Zeroed memory is an empty map. */
struct map {
    struct map_slot *slots;
    size_t capacity;
    size_t count;
};

void map_cleanup(struct map *map);
/* NULL when absent. */
void *map_get(const struct map *map, struct str key);
/* Returns the former value, or NULL; with a former value the former key view is replaced too.
 * A NULL value is not allowed. */
void *map_set(struct map *map, struct str key, void *value);
/* Returns the value removed, or NULL. */
void *map_remove(struct map *map, struct str key);
/* Walks all entries: start with *position = 0; false at the end. The map may not change meanwhile
 * but for the removal of the entry just returned via map_remove_at(). */
bool map_next(const struct map *map, size_t *position, struct str *key, void **value);
/* Removes the entry that map_next() just returned and returns its value. An entry seen before may
 * be returned once more. */
void *map_remove_at(struct map *map, size_t *position);

#endif
