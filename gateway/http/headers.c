/* headers: an ordered list of fields in an arena. Owned by a head; one thread's. Names that we know
 * carry a number, found once when the field is added. */
#include "gateway/http/headers.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/vec.h"

static const struct str known_names[HEADER_ID_COUNT] = {
#define X(id, name) [HEADER_##id] = STR_INIT(name),
    KNOWN_HEADERS(X)
#undef X
};

/* Open addressing, filled before main() runs and then only read. Known names collide rarely; a
 * peer's name costs at most a short run of compares. */
enum { KNOWN_SLOTS = 256, HEADERS_FIRST_CAPACITY = 24 };
static uint8_t known_slots[KNOWN_SLOTS];

static unsigned known_slot(struct str name)
{
    unsigned first = (unsigned char)name.ptr[0];
    unsigned middle = (unsigned char)name.ptr[name.len / 2];
    unsigned last = (unsigned char)name.ptr[name.len - 1];

    return (unsigned)(name.len * 37 + first * 5 + middle * 17 + last * 59) % KNOWN_SLOTS;
}

__attribute__((constructor)) static void headers_fill_known_slots(void)
{
    for (unsigned id = 1; id < HEADER_ID_COUNT; id++) {
        unsigned slot = known_slot(known_names[id]);

        while (known_slots[slot] != 0) {
            slot = (slot + 1) % KNOWN_SLOTS;
        }
        known_slots[slot] = (uint8_t)id;
    }
}

enum header_id header_id_of(struct str lower_name)
{
    if (lower_name.len == 0) {
        return HEADER_OTHER;
    }
    for (unsigned slot = known_slot(lower_name); known_slots[slot] != 0;
         slot = (slot + 1) % KNOWN_SLOTS) {
        if (str_equals(known_names[known_slots[slot]], lower_name)) {
            return (enum header_id)known_slots[slot];
        }
    }
    return HEADER_OTHER;
}

struct str header_id_name(enum header_id id)
{
    CHECK(id > HEADER_OTHER && id < HEADER_ID_COUNT);
    return known_names[id];
}

void headers_init(struct headers *headers, struct arena *arena)
{
    *headers = (struct headers){ .arena = arena };
}

static void headers_push(struct headers *headers, enum header_id id, struct str name,
                         struct str value)
{
    if (headers->count == headers->capacity) {
        /* One step for usual heads: what an arena array leaves behind when it grows is lost. */
        size_t needed = headers->count == 0 ? HEADERS_FIRST_CAPACITY : headers->count + 1;

        headers->items = vec_grow_in_arena(headers->arena, headers->items, &headers->capacity,
                                           needed, sizeof(*headers->items));
    }
    headers->items[headers->count++] = (struct header){ .id = id, .name = name, .value = value };
}

void headers_add(struct headers *headers, struct str lower_name, struct str value)
{
    headers_push(headers, header_id_of(lower_name), lower_name, value);
}

void headers_add_id(struct headers *headers, enum header_id id, struct str value)
{
    headers_push(headers, id, header_id_name(id), value);
}

void headers_add_numbered(struct headers *headers, enum header_id id, struct str lower_name,
                          struct str value)
{
    headers_push(headers, id, lower_name, value);
}

/* Same field: by number when there is one, else by name. */
static bool header_is(const struct header *header, enum header_id id, struct str name)
{
    return header->id == id && (id != HEADER_OTHER || str_equals(header->name, name));
}

static size_t headers_remove_from(struct headers *headers, size_t start, enum header_id id,
                                  struct str name)
{
    size_t kept = start;

    for (size_t i = start; i < headers->count; i++) {
        if (!header_is(&headers->items[i], id, name)) {
            if (kept != i) {
                headers->items[kept] = headers->items[i];
            }
            kept++;
        }
    }
    size_t removed = headers->count - kept;

    headers->count = kept;
    return removed;
}

static void headers_replace(struct headers *headers, enum header_id id, struct str name,
                            struct str value)
{
    for (size_t i = 0; i < headers->count; i++) {
        if (header_is(&headers->items[i], id, name)) {
            headers->items[i].value = value;
            (void)headers_remove_from(headers, i + 1, id, name); /* how many is not asked */
            return;
        }
    }
    headers_push(headers, id, name, value);
}

void headers_set(struct headers *headers, struct str lower_name, struct str value)
{
    headers_replace(headers, header_id_of(lower_name), lower_name, value);
}

void headers_set_id(struct headers *headers, enum header_id id, struct str value)
{
    headers_replace(headers, id, header_id_name(id), value);
}

size_t headers_remove(struct headers *headers, struct str lower_name)
{
    return headers_remove_from(headers, 0, header_id_of(lower_name), lower_name);
}

size_t headers_remove_id(struct headers *headers, enum header_id id)
{
    return headers_remove_from(headers, 0, id, header_id_name(id));
}

static const struct header *headers_find_from(const struct headers *headers, size_t start,
                                              enum header_id id, struct str name)
{
    for (size_t i = start; i < headers->count; i++) {
        if (header_is(&headers->items[i], id, name)) {
            return &headers->items[i];
        }
    }
    return NULL;
}

const struct header *headers_find(const struct headers *headers, struct str lower_name)
{
    return headers_find_from(headers, 0, header_id_of(lower_name), lower_name);
}

const struct header *headers_find_id(const struct headers *headers, enum header_id id)
{
    return headers_find_from(headers, 0, id, header_id_name(id));
}

size_t headers_count_id(const struct headers *headers, enum header_id id)
{
    size_t count = 0;

    for (size_t i = 0; i < headers->count; i++) {
        count += headers->items[i].id == id;
    }
    return count;
}

bool headers_join(const struct headers *headers, struct str lower_name, struct str *value)
{
    enum header_id id = header_id_of(lower_name);
    const struct header *first = headers_find_from(headers, 0, id, lower_name);
    size_t total = 0;
    size_t count = 0;

    if (first == NULL) {
        return false;
    }
    const size_t start = (size_t)(first - headers->items);

    for (size_t i = start; i < headers->count; i++) {
        if (header_is(&headers->items[i], id, lower_name)) {
            total += headers->items[i].value.len + 1;
            count++;
        }
    }
    if (count == 1) {
        *value = first->value;
        return true;
    }
    char *joined = arena_alloc(headers->arena, total);
    size_t len = 0;

    for (size_t i = start; i < headers->count; i++) {
        const struct header *header = &headers->items[i];

        if (!header_is(header, id, lower_name)) {
            continue;
        }
        if (len > 0 || i > start) {
            joined[len++] = ',';
        }
        if (header->value.len > 0) {
            memcpy(joined + len, header->value.ptr, header->value.len);
            len += header->value.len;
        }
    }
    *value = str_from(joined, len);
    return true;
}

bool headers_list_has(const struct headers *headers, enum header_id id, struct str token)
{
    for (size_t i = 0; i < headers->count; i++) {
        struct str rest = headers->items[i].value;
        struct str part;

        if (headers->items[i].id != id) {
            continue;
        }
        while (str_split_next(&rest, ',', &part)) {
            if (str_equals_nocase(str_trim(part), token)) {
                return true;
            }
        }
    }
    return false;
}

/* Never taken away because a peer names them in Connection: without them a message means something
 * else. validate.c refuses such a message; this holds where it was not asked. */
static bool header_is_never_hop_by_hop(enum header_id id)
{
    return id == HEADER_HOST || id == HEADER_CONTENT_LENGTH || id == HEADER_CONTENT_TYPE;
}

/* Takes away what one option of Connection names. Returns how many stood before `position`. */
static size_t headers_remove_option(struct headers *headers, struct str option, size_t position)
{
    char lower[64]; /* known names are shorter */
    enum header_id id = HEADER_OTHER;
    size_t kept = 0;
    size_t removed_before = 0;

    if (option.len > 0 && option.len <= sizeof(lower)) {
        memcpy(lower, option.ptr, option.len);
        str_lower_bytes(lower, option.len);
        id = header_id_of(str_from(lower, option.len));
    }
    /* Connection and TE are dealt with by the caller. */
    if (id == HEADER_CONNECTION || id == HEADER_TE || header_is_never_hop_by_hop(id)) {
        return 0;
    }
    for (size_t i = 0; i < headers->count; i++) {
        const struct header *header = &headers->items[i];

        if (header->id == id && (id != HEADER_OTHER || str_equals_nocase(header->name, option))) {
            removed_before += i < position;
        } else {
            headers->items[kept++] = *header;
        }
    }
    headers->count = kept;
    return removed_before;
}

static void headers_remove_named_in_connection(struct headers *headers)
{
    unsigned options = 0;

    for (size_t i = 0; i < headers->count; i++) {
        struct str rest = headers->items[i].value;
        struct str option;

        if (headers->items[i].id != HEADER_CONNECTION) {
            continue;
        }
        while (options < LIMIT_CONNECTION_OPTIONS && str_split_next(&rest, ',', &option)) {
            options++;
            i -= headers_remove_option(headers, str_trim(option), i);
        }
    }
}

void headers_remove_hop_by_hop(struct headers *headers)
{
    bool takes_trailers = headers_list_has(headers, HEADER_TE, STR("trailers"));
    size_t kept = 0;

    headers_remove_named_in_connection(headers);
    for (size_t i = 0; i < headers->count; i++) {
        switch ((int)headers->items[i].id) {
        case HEADER_CONNECTION:
        case HEADER_KEEP_ALIVE:
        case HEADER_PROXY_CONNECTION:
        case HEADER_TRANSFER_ENCODING:
        case HEADER_UPGRADE:
        case HEADER_HTTP2_SETTINGS:
        case HEADER_TE:
            continue;
        default:
            if (kept != i) {
                headers->items[kept] = headers->items[i];
            }
            kept++;
        }
    }
    headers->count = kept;
    /* "TE: trailers" means the same on every hop, and gRPC asks for it (spec HD-1). */
    if (takes_trailers) {
        headers_add_id(headers, HEADER_TE, STR("trailers"));
    }
}

void headers_copy(struct headers *to, const struct headers *from)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct header *header = &from->items[i];
        /* Names that we know are constants. */
        struct str name = header->id != HEADER_OTHER ? header_id_name(header->id)
                                                     : arena_copy_str(to->arena, header->name);

        headers_push(to, header->id, name, arena_copy_str(to->arena, header->value));
    }
}
