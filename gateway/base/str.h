/* str: a borrowed view of bytes. Never freed, not NUL-terminated, may hold NUL bytes.
 * Whoever owns the bytes decides how long a view is good for. */
#ifndef GATEWAY_BASE_STR_H
#define GATEWAY_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct str {
    const char *ptr;
    size_t len;
};

/* A view of a string literal; STR_INIT for static initialisers. */
#define STR(literal) ((struct str){ "" literal, sizeof(literal) - 1 })
#define STR_INIT(literal)                                                                          \
    {                                                                                              \
        "" literal, sizeof(literal) - 1                                                            \
    }
/* For printf: "%.*s", STR_ARG(view). Cut at INT_MAX by the caller's caps. */
#define STR_ARG(view) (int)(view).len, (view).ptr != NULL ? (view).ptr : ""

static inline struct str str_from(const char *ptr, size_t len)
{
    return (struct str){ ptr, len };
}
/* NULL gives the empty view. */
static inline struct str str_from_cstr(const char *cstr)
{
    return (struct str){ cstr, cstr != NULL ? strlen(cstr) : 0 };
}
static inline bool str_is_empty(struct str view)
{
    return view.len == 0;
}
static inline bool str_equals(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}
/* From `start` (clamped) for `len` bytes (clamped). */
static inline struct str str_slice(struct str view, size_t start, size_t len)
{
    if (start > view.len) {
        start = view.len;
    }
    if (len > view.len - start) {
        len = view.len - start;
    }
    /* NULL + 0 is undefined in C. */
    return (struct str){ start != 0 ? view.ptr + start : view.ptr, len };
}
static inline struct str str_skip(struct str view, size_t count)
{
    return str_slice(view, count, view.len);
}
/* ASCII only, whatever the locale. */
static inline char str_lower_char(char c)
{
    return (c >= 'A' && c <= 'Z') ? (char)(c + ('a' - 'A')) : c;
}

/* ASCII case folding; other bytes compare as they are. */
bool str_equals_nocase(struct str a, struct str b);
bool str_starts_with(struct str view, struct str prefix);
bool str_starts_with_nocase(struct str view, struct str prefix);
bool str_ends_with(struct str view, struct str suffix);
/* memcmp order, the shorter first when one is a prefix of the other. */
int str_compare(struct str a, struct str b);
int str_compare_nocase(struct str a, struct str b);
/* Index of the first byte or of the first occurrence, or SIZE_MAX. */
size_t str_find_char(struct str view, char c);
size_t str_find_last_char(struct str view, char c);
size_t str_find(struct str view, struct str needle);
/* Spaces and tabs (OWS of RFC 9110 5.6.3) cut from both ends. */
struct str str_trim(struct str view);
/* Cuts the part before the first `separator` off *rest and returns it in *part; the separator is
 * dropped. False when *rest is used up (ptr == NULL). "a,,b" has three parts, "" has one. */
bool str_split_next(struct str *rest, char separator, struct str *part);
/* Whole view is decimal digits and fits; false leaves *value alone. */
bool str_parse_u64(struct str view, uint64_t *value);
bool str_parse_u32(struct str view, uint32_t *value);
/* Lower-cases in place, ASCII only. */
void str_lower_bytes(char *bytes, size_t len);
/* Edit distance (insert, delete, replace, each 1), capped at `limit`: for nearest-name hints. */
size_t str_distance(struct str a, struct str b, size_t limit);
/* Length of the well-formed UTF-8 sequence (RFC 3629) at the start, or 0. */
size_t str_utf8_length(struct str view);
/* Unseeded FNV-1a: for tables whose keys come from configuration. Tables keyed by peers' bytes use
 * map.h, which is seeded. */
uint64_t str_hash(struct str view);

#endif
