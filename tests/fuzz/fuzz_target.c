/* fuzz_target: a request target. What normalisation lets through is stable (normalising again changes
 * nothing), holds no dot segment, and cannot be another path to one who decodes it once more. */
#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/http/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check_has_no_dot_segment(struct str path)
{
    struct str segment;
    struct str rest = path;

    while (str_split_next(&rest, '/', &segment)) {
        CHECK(!str_equals(segment, STR(".")) && !str_equals(segment, STR("..")));
    }
}

/* As a careless origin might read it: slashes decoded. */
static struct str decode_slashes(struct str path, struct arena *arena)
{
    char *out = arena_alloc(arena, path.len + 1);
    size_t len = 0;

    for (size_t i = 0; i < path.len; i++) {
        struct str escape = str_slice(path, i, 3);
        bool is_slash =
            str_equals_nocase(escape, STR("%2f")) || str_equals_nocase(escape, STR("%5c"));

        out[len++] = is_slash ? '/' : path.ptr[i];
        i += is_slash ? 2 : 0;
    }
    return str_from(out, len);
}

static void check_path(struct str path, enum path_normalization mode, struct arena *arena)
{
    struct str normal;
    struct str again;

    if (!target_normalize_path(path, mode, arena, &normal)) {
        return;
    }
    CHECK(normal.len > 0 && normal.len <= path.len + 1);
    CHECK(target_normalize_path(normal, mode, arena, &again));
    CHECK(str_equals(normal, again));
    for (size_t i = 0; i < normal.len; i++) {
        unsigned char c = (unsigned char)normal.ptr[i];

        CHECK(c > 0x20 && c < 0x7f && c != '\\');
    }
    if (mode == PATH_NORMALIZATION_NONE || normal.ptr[0] == '*') {
        return;
    }
    check_has_no_dot_segment(normal);
    check_has_no_dot_segment(decode_slashes(normal, arena));
    if (mode != PATH_NORMALIZATION_BASE) {
        CHECK(str_find(normal, STR("//")) == SIZE_MAX);
    }
    if (mode == PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES) {
        CHECK(str_equals(decode_slashes(normal, arena), normal));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    static const char *const methods[] = { "GET", "OPTIONS", "CONNECT", "POST" };
    struct arena *arena;
    struct head head;
    struct str value;

    if (size == 0) {
        return 0;
    }
    /* Of the very size, so that a read past the end is seen. */
    char *copy = mem_alloc(size);

    memcpy(copy, bytes, size);
    arena = arena_new(4096);
    head_init(&head, arena);
    head.method = http_method_from(str_from_cstr(methods[bytes[0] % 4]));
    head.target = str_from(copy + 1, size - 1);
    for (unsigned mode = 0; mode <= PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES; mode++) {
        check_path(head.target, (enum path_normalization)mode, arena);
    }
    if (target_parse(&head)) {
        for (unsigned mode = 0; mode <= PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES; mode++) {
            check_path(head.path, (enum path_normalization)mode, arena);
        }
        CHECK(head.path.len > 0 || head.method == METHOD_CONNECT);
        CHECK(str_find_char(head.query, '#') == SIZE_MAX);
        if (target_query_get(head.query, STR("a"), &value)) {
            CHECK(value.len < head.query.len);
        }
        CHECK(target_authority_host(head.authority).len +
                  target_authority_port(head.authority).len <=
              head.authority.len);
    }
    arena_free(arena);
    mem_free(copy);
    return 0;
}
