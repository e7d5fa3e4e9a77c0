/* host_index: see the header. */
#include "config/host_index.h"

#include <stdlib.h>

enum { HOST_BYTES = 255 }; /* spec RL-41 */

void host_index_init(struct host_index *index, struct arena *arena)
{
    *index = (struct host_index){ .arena = arena };
}

void host_index_cleanup(struct host_index *index)
{
    map_cleanup(&index->by_host);
    vec_cleanup(&index->sorted);
}

void host_index_add(struct host_index *index, struct str host, size_t value)
{
    struct host_index_entry *entry = arena_new_object(index->arena, struct host_index_entry);

    entry->host = host;
    entry->value = value;
    entry->next = map_set(&index->by_host, host, entry);
    vec_push(&index->sorted, entry);
}

/* By the bytes from the end: hosts under one wildcard stand together. */
static int compare_backwards(struct str a, struct str b)
{
    size_t shorter = a.len < b.len ? a.len : b.len;

    for (size_t i = 1; i <= shorter; i++) {
        unsigned char left = (unsigned char)a.ptr[a.len - i];
        unsigned char right = (unsigned char)b.ptr[b.len - i];

        if (left != right) {
            return left < right ? -1 : 1;
        }
    }
    return a.len < b.len ? -1 : a.len > b.len;
}

static int compare_entries(const void *a, const void *b)
{
    const struct host_index_entry *const *left = a;
    const struct host_index_entry *const *right = b;
    int order = compare_backwards((*left)->host, (*right)->host);

    if (order != 0) {
        return order;
    }
    return (*left)->value < (*right)->value ? -1 : (*left)->value > (*right)->value;
}

void host_index_seal(struct host_index *index)
{
    if (index->sorted.count > 1) {
        qsort(index->sorted.items, index->sorted.count, sizeof(*index->sorted.items),
              compare_entries);
    }
}

static void push_chain(const struct host_index *index, struct str key, struct str common,
                       struct host_overlaps *out)
{
    const struct host_index_entry *entry = map_get(&index->by_host, key);

    for (; entry != NULL; entry = entry->next) {
        vec_push(out, (struct host_overlap){ common, entry->value });
    }
}

/* Entries that contain `host`: itself, each wildcard above it, and "*". */
static void find_above(const struct host_index *index, struct str host, struct host_overlaps *out)
{
    char key[HOST_BYTES + 1];

    push_chain(index, host, host, out);
    if (host.len > HOST_BYTES) {
        return;
    }
    /* "*" stands for one character at least, so the suffix begins at 1; a wildcard's own suffix was
     * found as itself. */
    for (size_t at = host.ptr[0] == '*' ? 2 : 1; at < host.len; at++) {
        key[0] = '*';
        memcpy(key + 1, host.ptr + at, host.len - at);
        push_chain(index, str_from(key, host.len - at + 1), host, out);
    }
    if (!str_equals(host, STR("*"))) {
        push_chain(index, STR("*"), host, out);
    }
}

static size_t first_with_suffix(const struct host_index *index, struct str suffix)
{
    size_t low = 0;
    size_t high = index->sorted.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (compare_backwards(index->sorted.items[middle]->host, suffix) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Entries that the wildcard `host` contains, without itself. */
static void find_below(const struct host_index *index, struct str host, struct host_overlaps *out)
{
    struct str suffix = str_skip(host, 1);

    for (size_t i = first_with_suffix(index, suffix); i < index->sorted.count; i++) {
        const struct host_index_entry *entry = index->sorted.items[i];

        if (!str_ends_with(entry->host, suffix)) {
            break;
        }
        /* The suffix alone is no name below it (SN-52). */
        if (entry->host.len > suffix.len && !str_equals(entry->host, host)) {
            vec_push(out, (struct host_overlap){ entry->host, entry->value });
        }
    }
}

void host_index_find(const struct host_index *index, struct str host, struct host_overlaps *out)
{
    if (str_is_empty(host)) {
        return;
    }
    find_above(index, host, out);
    if (host.ptr[0] == '*') {
        find_below(index, host, out);
    }
}
