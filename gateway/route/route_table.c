/* route_table: the index of a host's routes. All memory is the arena's; immutable once built.
 *
 * A route whose path is known up to some point hangs on a node of that text: an exact path on an
 * exact node, a prefix or the literal start of a regex on a prefix node. All else hangs on the node
 * of the empty prefix. Texts are folded to lower case, so that ignoreUriCase needs no second index;
 * the match itself has the last word.
 *
 * Each node points to the longest prefix node that is a prefix of it. So a path has to be looked up
 * once, one hash for each length that occurs, and the node found leads to all others:
 *
 *     ""  [4, 9]  <--  "/api" [0, 3]  <--  "/api/v1" [1]  <--  exact "/api/v1/x" [2]
 *
 * The candidates are the lists on that way, merged by position: first match wins, as without index.
 */
#include "gateway/route/route_table.h"

#include "gateway/base/vec.h"

#include <stdlib.h>

enum { INDEX_MIN_ROUTES = 8 };

struct route_node {
    struct str text; /* lower case */
    uint64_t hash;
    bool is_exact;
    const struct route_node *parent;
    struct {
        VEC_FIELDS(uint32_t);
    } positions;             /* rising */
    struct route_node *next; /* of the same slot */
};

struct route_index {
    struct route_node *root;
    struct route_node **slots;
    size_t slot_mask;
    size_t *lengths; /* of prefix nodes, rising, without 0 */
    size_t length_count;
};

/* FNV-1a, taken on byte by byte so that one pass gives the hash of each prefix. The keys come from
 * the configuration: a peer cannot make them collide. */
#define HASH_START UINT64_C(0xcbf29ce484222325)

static uint64_t hash_more(uint64_t hash, char c)
{
    return (hash ^ (unsigned char)str_lower_char(c)) * UINT64_C(0x100000001b3);
}

static uint64_t hash_text(struct str text)
{
    uint64_t hash = HASH_START;

    for (size_t i = 0; i < text.len; i++) {
        hash = hash_more(hash, text.ptr[i]);
    }
    return hash;
}

static struct route_node **slot_of(const struct route_index *index, uint64_t hash)
{
    return &index->slots[(hash ^ hash >> 32) & index->slot_mask];
}

static struct route_node *find_node(const struct route_index *index, struct str text, uint64_t hash,
                                    bool is_exact)
{
    struct route_node *node = *slot_of(index, hash);

    while (node != NULL && (node->hash != hash || node->is_exact != is_exact ||
                            !str_equals_nocase(node->text, text))) {
        node = node->next;
    }
    return node;
}

static struct route_node *add_node(struct arena *arena, struct route_index *index, struct str text,
                                   bool is_exact)
{
    uint64_t hash = hash_text(text);
    struct route_node *node = find_node(index, text, hash, is_exact);

    if (node == NULL) {
        struct route_node **slot = slot_of(index, hash);

        node = arena_new_object(arena, struct route_node);
        node->text = arena_copy_lower(arena, text);
        node->hash = hash;
        node->is_exact = is_exact;
        node->next = *slot;
        *slot = node;
    }
    return node;
}

/* The longest prefix node that is a prefix of the text, by way of rising lengths. `*whole` becomes
 * the hash of all of it. */
static struct route_node *find_prefix_node(const struct route_index *index, struct str text,
                                           size_t longest, uint64_t *whole)
{
    struct route_node *best = index->root;
    uint64_t hash = HASH_START;
    size_t at = 0;

    for (size_t i = 0; i < index->length_count && index->lengths[i] <= longest; i++) {
        struct route_node *node;

        for (; at < index->lengths[i]; at++) {
            hash = hash_more(hash, text.ptr[at]);
        }
        node = find_node(index, str_slice(text, 0, at), hash, false);
        best = node != NULL ? node : best;
    }
    if (whole != NULL) {
        for (; at < text.len; at++) {
            hash = hash_more(hash, text.ptr[at]);
        }
        *whole = hash;
    }
    return best;
}

static int compare_sizes(const void *a, const void *b)
{
    const size_t *left = a;
    const size_t *right = b;

    return *left < *right ? -1 : *left > *right;
}

static void note_length(struct route_index *index, size_t len, bool *is_known)
{
    if (len != 0 && !is_known[len]) {
        is_known[len] = true;
        index->lengths[index->length_count++] = len;
    }
}

static void link_parents(struct route_index *index)
{
    for (size_t i = 0; i <= index->slot_mask; i++) {
        for (struct route_node *node = index->slots[i]; node != NULL; node = node->next) {
            if (node != index->root) {
                /* A prefix node is not its own parent; an exact one may have a prefix twin. */
                size_t longest = node->is_exact ? node->text.len : node->text.len - 1;

                node->parent = find_prefix_node(index, node->text, longest, NULL);
            }
        }
    }
}

static struct str path_start_of(const struct route *route, bool *is_exact)
{
    const struct pattern *uri = route->conditions.uri;

    *is_exact = uri != NULL && pattern_kind(uri) == PATTERN_EXACT;
    return uri != NULL ? pattern_literal_start(uri) : STR("");
}

void route_index_build(struct arena *arena, struct virtual_host *host)
{
    struct route_index *index;
    size_t longest = 0;
    size_t slot_count = 16;
    bool is_exact;
    bool *is_known;

    if (host->route_count < INDEX_MIN_ROUTES) {
        return;
    }
    index = arena_new_object(arena, struct route_index);
    while (slot_count < host->route_count * 2) {
        slot_count *= 2;
    }
    index->slot_mask = slot_count - 1;
    index->slots = arena_new_array(arena, struct route_node *, slot_count);
    index->root = add_node(arena, index, STR(""), false);
    for (size_t i = 0; i < host->route_count; i++) {
        struct str start = path_start_of(host->routes[i], &is_exact);

        longest = start.len > longest ? start.len : longest;
    }
    is_known = mem_alloc_array(longest + 1, sizeof(*is_known));
    index->lengths = arena_new_array(arena, size_t, longest + 1);
    for (size_t i = 0; i < host->route_count; i++) {
        struct str start = path_start_of(host->routes[i], &is_exact);
        struct route_node *node = add_node(arena, index, start, is_exact);

        vec_push_in_arena(arena, &node->positions, (uint32_t)i);
        if (!is_exact) {
            note_length(index, start.len, is_known);
        }
    }
    mem_free(is_known);
    qsort(index->lengths, index->length_count, sizeof(*index->lengths), compare_sizes);
    link_parents(index);
    host->index = index;
}

void route_cursor_start(struct route_cursor *cursor, const struct virtual_host *host,
                        struct str path)
{
    *cursor = (struct route_cursor){ .host = host };
    if (host->index != NULL) {
        uint64_t whole;
        const struct route_node *prefix = find_prefix_node(host->index, path, path.len, &whole);
        const struct route_node *exact = find_node(host->index, path, whole, true);

        /* The parent of an exact node is the prefix node of the same path. */
        cursor->node = exact != NULL ? exact : prefix;
    }
}

/* The first of the node's positions that is not before `position`, or SIZE_MAX. */
static size_t first_position(const struct route_node *node, size_t position)
{
    size_t low = 0;
    size_t high = node->positions.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (node->positions.items[middle] < position) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low < node->positions.count ? node->positions.items[low] : SIZE_MAX;
}

const struct route *route_cursor_next(struct route_cursor *cursor)
{
    size_t best = cursor->position;

    if (cursor->node != NULL) {
        best = SIZE_MAX;
        for (const struct route_node *node = cursor->node; node != NULL; node = node->parent) {
            size_t position = first_position(node, cursor->position);

            best = position < best ? position : best;
        }
    }
    if (best >= cursor->host->route_count) {
        return NULL;
    }
    cursor->position = best + 1;
    return cursor->host->routes[best];
}
