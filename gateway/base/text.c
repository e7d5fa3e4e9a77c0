/* text: growing text. Owned and used by one thread at a time. */
#include "gateway/base/text.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <stdio.h>
#include <string.h>

enum { TEXT_FIRST_BYTES = 128 };

/* Room for `len` more bytes and the terminating NUL. */
static void reserve(struct text *text, size_t len)
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

void text_add(struct text *text, struct str view)
{
    reserve(text, view.len);
    if (view.len != 0) {
        memcpy(text->ptr + text->len, view.ptr, view.len);
    }
    text->len += view.len;
    text->ptr[text->len] = '\0';
}

void text_add_cstr(struct text *text, const char *cstr)
{
    text_add(text, str_from_cstr(cstr));
}

void text_add_char(struct text *text, char c)
{
    reserve(text, 1);
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
    reserve(text, (size_t)len);
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
