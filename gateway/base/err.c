/* err: filling the error value. Pure but for errno. */
#include "gateway/base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A cut text shows that it was cut. */
static void mark_if_cut(struct err *err, int wanted)
{
    if (wanted >= (int)sizeof(err->text)) {
        memcpy(err->text + sizeof(err->text) - 4, "...", 4);
    }
}

void err_set(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    int wanted;

    if (err == NULL) {
        return;
    }
    err->code = code;
    va_start(args, format);
    wanted = vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    mark_if_cut(err, wanted);
}

static enum err_code code_of_errno(int number)
{
    switch (number) {
    case EACCES:
    case EPERM:
        return ERR_PERMISSION;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    default:
        return ERR_SYSTEM;
    }
}

void err_errno(struct err *err, const char *format, ...)
{
    int number = errno;
    char reason[128];
    char text[sizeof(err->text)];
    va_list args;
    int wanted;

    if (err == NULL) {
        return;
    }
    err->code = code_of_errno(number);
    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args); /* cut below with the reason */
    va_end(args);
    wanted = snprintf(err->text, sizeof(err->text), "%s: %s", text,
                      strerror_r(number, reason, sizeof(reason)));
    mark_if_cut(err, wanted);
    errno = number;
}

void err_prefix(struct err *err, const char *format, ...)
{
    char before[sizeof(err->text)];
    char text[sizeof(err->text)];
    va_list args;
    int wanted;

    if (err == NULL) {
        return;
    }
    va_start(args, format);
    (void)vsnprintf(before, sizeof(before), format, args); /* cut below with the rest */
    va_end(args);
    memcpy(text, err->text, sizeof(text));
    text[sizeof(text) - 1] = '\0';
    wanted = snprintf(err->text, sizeof(err->text), "%s: %s", before, text);
    mark_if_cut(err, wanted);
}

int err_exit_status(const struct err *err)
{
    if (err == NULL) {
        return 1;
    }
    switch (err->code) {
    case ERR_NONE:
        return 0;
    case ERR_USAGE:
        return 64;
    case ERR_INPUT:
    case ERR_LIMIT:
    case ERR_NOT_FOUND:
        return 65;
    case ERR_SYSTEM:
        return 71;
    case ERR_PERMISSION:
        return 77;
    case ERR_CONFIG:
        return 78;
    }
    return 1;
}
