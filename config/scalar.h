/* scalar: what the text of a YAML scalar means: YAML 1.1 types as the Go tools see them (spec
 * RL-13), numbers, durations, times, base64. Pure. False always leaves the output alone. */
#ifndef CONFIG_SCALAR_H
#define CONFIG_SCALAR_H

#include "config/resources.h"
#include "gateway/base/arena.h"
#include "gateway/base/str.h"

enum scalar_type {
    SCALAR_STRING,
    SCALAR_NULL,
    SCALAR_BOOL,
    SCALAR_INT,
    SCALAR_FLOAT,
};

/* What a plain (unquoted, untagged) scalar is. */
enum scalar_type scalar_type_of(struct str text);
/* "a string", "null", "a boolean", ... */
const char *scalar_type_name(enum scalar_type type);

/* yes no on off true false, in the three YAML spellings of case. */
bool scalar_parse_bool(struct str text, bool *value);
/* Decimal, 0x, 0o, 0b, and 0-prefixed octal; underscores between digits. */
bool scalar_parse_int(struct str text, int64_t *value);
bool scalar_parse_double(struct str text, double *value);
/* spec RL-22: `5s`, `0.25s`, `1m30s`, `100ms`, `1h`. */
bool scalar_parse_duration(struct str text, struct optional_duration *value);
/* RFC 3339, to seconds since 1970. */
bool scalar_parse_time(struct str text, int64_t *seconds);
/* Standard alphabet with padding (spec RL-27); line breaks are skipped as Go does. */
bool scalar_parse_base64(struct arena *arena, struct str text, struct str *bytes);

#endif
