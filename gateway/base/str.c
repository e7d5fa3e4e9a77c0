/* str: what is too long for the header. Pure. */
#include "gateway/base/str.h"

bool str_equals_nocase(struct str a, struct str b)
{
    if (a.len != b.len) {
        return false;
    }
    for (size_t i = 0; i < a.len; i++) {
        if (str_lower_char(a.ptr[i]) != str_lower_char(b.ptr[i])) {
            return false;
        }
    }
    return true;
}

bool str_starts_with(struct str view, struct str prefix)
{
    return view.len >= prefix.len && str_equals(str_from(view.ptr, prefix.len), prefix);
}

bool str_starts_with_nocase(struct str view, struct str prefix)
{
    return view.len >= prefix.len && str_equals_nocase(str_from(view.ptr, prefix.len), prefix);
}

bool str_ends_with(struct str view, struct str suffix)
{
    return view.len >= suffix.len && str_equals(str_skip(view, view.len - suffix.len), suffix);
}

int str_compare(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len != 0 ? memcmp(a.ptr, b.ptr, len) : 0;

    if (order != 0) {
        return order;
    }
    return (a.len > b.len) - (a.len < b.len);
}

int str_compare_nocase(struct str a, struct str b)
{
    size_t len = a.len < b.len ? a.len : b.len;

    for (size_t i = 0; i < len; i++) {
        unsigned char x = (unsigned char)str_lower_char(a.ptr[i]);
        unsigned char y = (unsigned char)str_lower_char(b.ptr[i]);

        if (x != y) {
            return x < y ? -1 : 1;
        }
    }
    return (a.len > b.len) - (a.len < b.len);
}

size_t str_find_char(struct str view, char c)
{
    const char *found = view.len != 0 ? memchr(view.ptr, c, view.len) : NULL;

    return found != NULL ? (size_t)(found - view.ptr) : SIZE_MAX;
}

size_t str_find_last_char(struct str view, char c)
{
    const char *found = view.len != 0 ? memrchr(view.ptr, c, view.len) : NULL;

    return found != NULL ? (size_t)(found - view.ptr) : SIZE_MAX;
}

size_t str_find(struct str view, struct str needle)
{
    const char *found;

    if (needle.len == 0) {
        return 0;
    }
    if (view.len < needle.len) {
        return SIZE_MAX;
    }
    found = memmem(view.ptr, view.len, needle.ptr, needle.len);
    return found != NULL ? (size_t)(found - view.ptr) : SIZE_MAX;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct str str_trim(struct str view)
{
    while (view.len != 0 && is_blank(view.ptr[0])) {
        view.ptr++;
        view.len--;
    }
    while (view.len != 0 && is_blank(view.ptr[view.len - 1])) {
        view.len--;
    }
    return view;
}

bool str_split_next(struct str *rest, char separator, struct str *part)
{
    size_t end;

    if (rest->ptr == NULL) {
        return false;
    }
    end = str_find_char(*rest, separator);
    if (end == SIZE_MAX) {
        *part = *rest;
        *rest = str_from(NULL, 0);
        return true;
    }
    *part = str_from(rest->ptr, end);
    *rest = str_from(rest->ptr + end + 1, rest->len - end - 1);
    return true;
}

bool str_parse_u64(struct str view, uint64_t *value)
{
    uint64_t result = 0;

    if (view.len == 0) {
        return false;
    }
    for (size_t i = 0; i < view.len; i++) {
        unsigned digit = (unsigned char)view.ptr[i] - (unsigned)'0';

        if (digit > 9 || __builtin_mul_overflow(result, 10u, &result) ||
            __builtin_add_overflow(result, digit, &result)) {
            return false;
        }
    }
    *value = result;
    return true;
}

bool str_parse_u32(struct str view, uint32_t *value)
{
    uint64_t wide;

    if (!str_parse_u64(view, &wide) || wide > UINT32_MAX) {
        return false;
    }
    *value = (uint32_t)wide;
    return true;
}

/* Eight bytes at once: those of 'A' to 'Z' get the bit that makes them lower case. */
static uint64_t lower_word(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101);
    uint64_t low_bits = word & (ones * 0x7f);
    uint64_t above_z = low_bits + ones * (0x7f - 'Z');
    uint64_t from_a = low_bits + ones * (0x80 - 'A');

    return word | (((from_a ^ above_z) & ~word & (ones << 7)) >> 2);
}

void str_lower_bytes(char *bytes, size_t len)
{
    uint64_t word;

    if (len < sizeof(word)) {
        for (size_t i = 0; i < len; i++) {
            bytes[i] = str_lower_char(bytes[i]);
        }
        return;
    }
    /* The last word overlaps the one before: what is lower case stays so. */
    for (size_t i = 0;; i = len - i < 2 * sizeof(word) ? len - sizeof(word) : i + sizeof(word)) {
        memcpy(&word, bytes + i, sizeof(word));
        word = lower_word(word);
        memcpy(bytes + i, &word, sizeof(word));
        if (i == len - sizeof(word)) {
            return;
        }
    }
}

static size_t min_of(size_t a, size_t b)
{
    return a < b ? a : b;
}

size_t str_distance(struct str a, struct str b, size_t limit)
{
    /* Names are short; a longer one cannot be the misspelling of a field. */
    enum { NAME_MAX_LEN = 64 };
    size_t row[NAME_MAX_LEN + 1];

    if (a.len > NAME_MAX_LEN || b.len > NAME_MAX_LEN) {
        return str_equals(a, b) ? 0 : limit;
    }
    for (size_t j = 0; j <= b.len; j++) {
        row[j] = j;
    }
    for (size_t i = 1; i <= a.len; i++) {
        size_t diagonal = row[0]; /* of the row above, one to the left */

        row[0] = i;
        for (size_t j = 1; j <= b.len; j++) {
            size_t above = row[j];
            size_t replaced = diagonal + (a.ptr[i - 1] != b.ptr[j - 1] ? 1 : 0);

            row[j] = min_of(replaced, min_of(above, row[j - 1]) + 1);
            diagonal = above;
        }
    }
    return min_of(row[b.len], limit);
}

size_t str_utf8_length(struct str view)
{
    const unsigned char *b = (const unsigned char *)view.ptr;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t len;

    if (view.len == 0) {
        return 0;
    }
    if (b[0] < 0x80) {
        return 1;
    }
    if (b[0] >= 0xc2 && b[0] <= 0xdf) {
        len = 2;
    } else if (b[0] >= 0xe0 && b[0] <= 0xef) {
        len = 3;
        low = b[0] == 0xe0 ? 0xa0 : 0x80;  /* no overlong form */
        high = b[0] == 0xed ? 0x9f : 0xbf; /* no surrogate */
    } else if (b[0] >= 0xf0 && b[0] <= 0xf4) {
        len = 4;
        low = b[0] == 0xf0 ? 0x90 : 0x80;
        high = b[0] == 0xf4 ? 0x8f : 0xbf; /* not past U+10FFFF */
    } else {
        return 0;
    }
    if (view.len < len || b[1] < low || b[1] > high) {
        return 0;
    }
    for (size_t i = 2; i < len; i++) {
        if ((b[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    return len;
}

uint64_t str_hash(struct str view)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);

    for (size_t i = 0; i < view.len; i++) {
        hash ^= (unsigned char)view.ptr[i];
        hash *= UINT64_C(0x100000001b3);
    }
    return hash;
}
