/* map: open addressing with linear probing; removal shifts the run back, so there are no
 * tombstones. The hash is SipHash-1-3 under a key drawn once per process: peers choose keys, and
 * must not choose collisions with them. Owned and used by one thread while it changes. */
#include "gateway/base/map.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <pthread.h>
#include <string.h>
#include <sys/random.h>

enum { MAP_FIRST_SLOTS = 16 };

static uint64_t seed[2];
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void draw_seed(void)
{
    /* 16 bytes never block once the system has booted, and never come short. */
    CHECK(getrandom(seed, sizeof(seed), 0) == (ssize_t)sizeof(seed));
}

static uint64_t rotate_left(uint64_t value, unsigned bits)
{
    return (value << bits) | (value >> (64 - bits));
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[3];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[2] = rotate_left(v[2], 32);
}

/* Byte order does not matter here: a hash never leaves the process. */
static uint64_t hash_key(struct str key)
{
    uint64_t v[4];
    uint64_t word;
    size_t at = 0;

    (void)pthread_once(&seed_once, draw_seed); /* cannot fail with these arguments */
    v[0] = seed[0] ^ UINT64_C(0x736f6d6570736575);
    v[1] = seed[1] ^ UINT64_C(0x646f72616e646f6d);
    v[2] = seed[0] ^ UINT64_C(0x6c7967656e657261);
    v[3] = seed[1] ^ UINT64_C(0x7465646279746573);
    for (; key.len - at >= sizeof(word); at += sizeof(word)) {
        memcpy(&word, key.ptr + at, sizeof(word));
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    word = (uint64_t)key.len << 56;
    for (size_t i = 0; at + i < key.len; i++) {
        word |= (uint64_t)(unsigned char)key.ptr[at + i] << (8 * i);
    }
    v[3] ^= word;
    sip_round(v);
    v[0] ^= word;
    v[2] ^= 0xff;
    sip_round(v);
    sip_round(v);
    sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

void map_cleanup(struct map *map)
{
    mem_free(map->slots);
    memset(map, 0, sizeof(*map));
}

static bool slot_is_free(const struct map_slot *slot)
{
    return slot->value == NULL;
}

/* The slot that holds the key, or the free one where it would go. Capacity is a power of two and
 * at most three quarters are taken, so the walk ends. */
static struct map_slot *find_slot(const struct map *map, struct str key, uint64_t hash)
{
    size_t mask = map->capacity - 1;
    size_t at = (size_t)hash & mask;

    while (!slot_is_free(&map->slots[at])) {
        if (map->slots[at].hash == hash && str_equals(map->slots[at].key, key)) {
            break;
        }
        at = (at + 1) & mask;
    }
    return &map->slots[at];
}

static void grow(struct map *map)
{
    struct map old = *map;

    map->capacity = old.capacity != 0 ? old.capacity * 2 : MAP_FIRST_SLOTS;
    map->slots = mem_alloc_array(map->capacity, sizeof(*map->slots));
    for (size_t i = 0; i < old.capacity; i++) {
        if (!slot_is_free(&old.slots[i])) {
            *find_slot(map, old.slots[i].key, old.slots[i].hash) = old.slots[i];
        }
    }
    mem_free(old.slots);
}

void *map_get(const struct map *map, struct str key)
{
    if (map->count == 0) {
        return NULL;
    }
    return find_slot(map, key, hash_key(key))->value;
}

void *map_set(struct map *map, struct str key, void *value)
{
    uint64_t hash = hash_key(key);
    struct map_slot *slot;
    void *former;

    CHECK(value != NULL);
    if ((map->count + 1) * 4 > map->capacity * 3) {
        grow(map);
    }
    slot = find_slot(map, key, hash);
    former = slot->value;
    if (former == NULL) {
        map->count++;
    }
    slot->key = key.ptr != NULL ? key : STR("");
    slot->hash = hash;
    slot->value = value;
    return former;
}

/* Closes the hole at `hole` by moving the rest of its run back. */
static void remove_slot(struct map *map, size_t hole)
{
    size_t mask = map->capacity - 1;

    for (size_t at = (hole + 1) & mask; !slot_is_free(&map->slots[at]); at = (at + 1) & mask) {
        size_t home = (size_t)map->slots[at].hash & mask;

        /* An entry may move back into the hole unless its home lies behind it. */
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            map->slots[hole] = map->slots[at];
            hole = at;
        }
    }
    memset(&map->slots[hole], 0, sizeof(map->slots[hole]));
    map->count--;
}

void *map_remove(struct map *map, struct str key)
{
    struct map_slot *slot;
    void *value;

    if (map->count == 0) {
        return NULL;
    }
    slot = find_slot(map, key, hash_key(key));
    value = slot->value;
    if (value != NULL) {
        remove_slot(map, (size_t)(slot - map->slots));
    }
    return value;
}

void *map_remove_at(struct map *map, size_t *position)
{
    void *value;

    CHECK(*position > 0 && *position <= map->capacity);
    value = map->slots[--*position].value;
    CHECK(value != NULL);
    remove_slot(map, *position);
    return value;
}

bool map_next(const struct map *map, size_t *position, struct str *key, void **value)
{
    for (; *position < map->capacity; (*position)++) {
        const struct map_slot *slot = &map->slots[*position];

        if (!slot_is_free(slot)) {
            if (key != NULL) {
                *key = slot->key;
            }
            if (value != NULL) {
                *value = slot->value;
            }
            (*position)++;
            return true;
        }
    }
    return false;
}
