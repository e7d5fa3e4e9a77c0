/* text: growing text, for messages and pages. Always NUL-terminated once something was added. */
#ifndef GATEWAY_BASE_TEXT_H
#define GATEWAY_BASE_TEXT_H

#include "gateway/base/str.h"

#include <stdarg.h>

/* Zeroed memory is an empty one. */
struct text {
    char *ptr;
    size_t len;
    size_t capacity;
};

void text_cleanup(struct text *text);
/* Keeps the memory. */
void text_clear(struct text *text);
/* Room for `more` bytes and the NUL. */
void text_grow(struct text *text, size_t more);
static inline void text_add(struct text *text, struct str view)
{
    if (text->capacity - text->len <= view.len) {
        text_grow(text, view.len);
    }
    if (view.len != 0) {
        memcpy(text->ptr + text->len, view.ptr, view.len);
    }
    text->len += view.len;
    text->ptr[text->len] = '\0';
}
void text_add_cstr(struct text *text, const char *cstr);
void text_add_char(struct text *text, char c);
void text_printf(struct text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text *text, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));
/* Control bytes, broken UTF-8 and C1 controls as \n, \r, \t or \xNN, so that the text stays on its
 * line and off the terminal's controls; with `is_quoted` also `"` and `\`. */
void text_add_escaped(struct text *text, struct str view, bool is_quoted);
void text_add_u64(struct text *text, uint64_t value);
static inline struct str text_view(const struct text *text)
{
    return (struct str){ text->ptr, text->len };
}

#endif
