/* config_fingerprint: what the slow rescan compares, so that nothing is parsed when nothing changed.
 * Taken before the load: a file that changes between the two is seen as changed the next time.
 * Control thread. */
#include "gateway/daemon/config_fingerprint.h"

#include "config/load_dir.h"

/* FNV-1a over the hashes: order counts. An accident is as likely as in 64 bits of noise; who could
 * force one could as well write the file. */
static uint64_t config_fingerprint_add(uint64_t sum, uint64_t hash)
{
    char bytes[sizeof(sum) + sizeof(hash)];

    memcpy(bytes, &sum, sizeof(sum));
    memcpy(bytes + sizeof(sum), &hash, sizeof(hash));
    return str_hash(str_from(bytes, sizeof(bytes)));
}

uint64_t config_fingerprint(const struct str_vec *paths)
{
    struct arena *arena = arena_new(4096);
    struct str_vec files = { 0 };
    struct str_vec unreadable = { 0 };
    struct report report;
    struct text bytes = { 0 };
    uint64_t sum = str_hash(STR("files"));

    report_init(&report);
    for (size_t i = 0; i < paths->count; i++) {
        load_dir_find(arena, paths->items[i], &files, &unreadable, &report);
    }
    for (size_t i = 0; i < files.count; i++) {
        struct err err = { 0 };
        sum = config_fingerprint_add(sum, str_hash(files.items[i]));
        text_clear(&bytes);
        bool is_read = load_dir_read(files.items[i], &bytes, &err);
        sum = config_fingerprint_add(sum, is_read ? str_hash(text_view(&bytes)) : err.code);
    }
    for (size_t i = 0; i < unreadable.count; i++) {
        sum = config_fingerprint_add(sum, str_hash(unreadable.items[i]));
    }
    text_cleanup(&bytes);
    report_cleanup(&report);
    arena_free(arena);
    return sum != 0 ? sum : 1;
}
