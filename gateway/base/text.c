/* text: growing text. Owned and used by one thread at a time. */
#include "gateway/base/text.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/scan.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_FIRST_BYTES = 128 };

void text_grow(struct text *text, size_t len)
{
    size_t needed;
    size_t capacity = text->capacity != 0 ? text->capacity : TEXT_FIRST_BYTES;

    CHECK(len < SIZE_MAX / 2 - text->len);
    needed = text->len + len + 1;
    if (needed <= text->capacity) {
        return;
    }
    while (capacity < needed) {
        capacity *= 2;
    }
    text->ptr = mem_resize(text->ptr, capacity);
    text->capacity = capacity;
}

void text_cleanup(struct text *text)
{
    mem_free(text->ptr);
    memset(text, 0, sizeof(*text));
}

void text_clear(struct text *text)
{
    text->len = 0;
    if (text->ptr != NULL) {
        text->ptr[0] = '\0';
    }
}

void text_add_cstr(struct text *text, const char *cstr)
{
    text_add(text, str_from_cstr(cstr));
}

void text_add_char(struct text *text, char c)
{
    text_grow(text, 1);
    text->ptr[text->len++] = c;
    text->ptr[text->len] = '\0';
}

void text_vprintf(struct text *text, const char *format, va_list args)
{
    va_list again;
    int len;

    va_copy(again, args);
    len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    CHECK(len >= 0);
    text_grow(text, (size_t)len);
    (void)vsnprintf(text->ptr + text->len, (size_t)len + 1, format, args); /* measured above */
    text->len += (size_t)len;
}

void text_printf(struct text *text, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    text_vprintf(text, format, args);
    va_end(args);
}

void text_add_u64(struct text *text, uint64_t value)
{
    char digits[20];
    size_t start = sizeof(digits);

    do {
        digits[--start] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    text_add(text, str_from(digits + start, sizeof(digits) - start));
}

/* Nearly all there is in a log: shown as it is, and a character by itself. */
static bool is_plain(char c, bool is_quoted)
{
    return c >= 0x20 && c < 0x7f && !(is_quoted && (c == '"' || c == '\\'));
}

/* Bytes of the character at the start that may be shown as they are; 0: to be escaped. */
static size_t printable_length(struct str view, bool is_quoted)
{
    unsigned char first = (unsigned char)view.ptr[0];
    size_t len;

    if (first < 0x20 || first == 0x7f || (is_quoted && (first == '"' || first == '\\'))) {
        return 0;
    }
    len = str_utf8_length(view);
    if (first == 0xc2 && len == 2 && (unsigned char)view.ptr[1] < 0xa0) {
        return 0; /* U+0080 to U+009F: a terminal may obey them */
    }
    return len;
}

static void add_escape(struct text *text, char c)
{
    static const char digits[] = "0123456789abcdef";
    char escape[4] = { '\\', c, '\0', '\0' };
    size_t len = 2;

    switch (c) {
    case '\n':
        escape[1] = 'n';
        break;
    case '\r':
        escape[1] = 'r';
        break;
    case '\t':
        escape[1] = 't';
        break;
    case '"':
    case '\\':
        break;
    default:
        escape[1] = 'x';
        escape[2] = digits[(unsigned char)c >> 4];
        escape[3] = digits[(unsigned char)c & 15];
        len = 4;
        break;
    }
    text_add(text, str_from(escape, len));
}

static bool has_special(scan_block block, bool is_quoted)
{
    scan_block special = (scan_block)((block < 0x20) | (block >= 0x7f));

    if (is_quoted) {
        special |= (scan_block)((block == '"') | (block == '\\'));
    }
    return scan_any(special);
}

/* Bytes at the start of the view that are shown as they are. */
static size_t plain_length(struct str view, bool is_quoted)
{
    size_t at = 0;

    while (view.len - at >= SCAN_BLOCK_BYTES && !has_special(scan_load(view.ptr + at), is_quoted)) {
        at += SCAN_BLOCK_BYTES;
    }
    if (at < view.len && view.len - at < SCAN_BLOCK_BYTES &&
        !has_special(scan_load_short(view.ptr + at, view.len - at), is_quoted)) {
        return view.len;
    }
    while (at < view.len && is_plain(view.ptr[at], is_quoted)) {
        at++;
    }
    return at;
}

void text_add_escaped(struct text *text, struct str view, bool is_quoted)
{
    size_t start = 0; /* of the run that needs no change */
    size_t at = plain_length(view, is_quoted);

    while (at < view.len) {
        size_t len =
            is_plain(view.ptr[at], is_quoted) ? 1 : printable_length(str_skip(view, at), is_quoted);

        if (len != 0) {
            at += len;
            continue;
        }
        text_add(text, str_slice(view, start, at - start));
        add_escape(text, view.ptr[at]);
        start = ++at;
    }
    text_add(text, str_skip(view, start));
}
