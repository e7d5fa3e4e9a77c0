/* err: what went wrong on the control path: a code for the program, a text for the human that names
 * the place and the remedy. The data path uses outcomes (proxy/outcome.def), not this. */
#ifndef GATEWAY_BASE_ERR_H
#define GATEWAY_BASE_ERR_H

#include <stdarg.h>
#include <stdbool.h>

enum err_code {
    ERR_NONE,
    ERR_USAGE,      /* wrong words on the command line */
    ERR_INPUT,      /* cannot be read as what it should be */
    ERR_CONFIG,     /* readable, but not valid */
    ERR_SYSTEM,     /* the operating system refused */
    ERR_PERMISSION, /* the same, for lack of rights */
    ERR_NOT_FOUND,
    ERR_LIMIT, /* a cap of limits.h */
};

struct err {
    enum err_code code;
    char text[480];
};

/* All accept a NULL err. */
void err_set(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Appends ": " and the text of errno; the code follows from errno (SYSTEM, PERMISSION, NOT_FOUND).
 */
void err_errno(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Puts "text: " before what is there. */
void err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Exit status by the table in docs (sysexits: 64 usage, 65 input, 71 system, 77 permission, 78
 * configuration). */
int err_exit_status(const struct err *err);

#endif
