/* reader: typed reading of nodes by tables of fields, with findings that name the field's path:
 *     examples/shop.yaml:14:7: error: GH0114 ... spec.http[0].match[1].uri: exactly one of ...
 * One reader serves one object: first the read_*.c files fill the typed struct, then the check_*.c
 * files look at it; both report through the reader. Values are copied into the object's arena.
 *
 * Rules enforced here for every field: both spellings (spec RL-20), enums by name or number
 * (RL-21), durations (RL-22), wrappers (RL-23), percent messages (RL-24), oneofs (RL-25), integers
 * as text (RL-26), null (RL-28), unknown fields with the nearest name (RL-30), and YAML 1.1 scalars
 * (RL-13). Nesting follows the tables, never the input. */
#ifndef CONFIG_READER_H
#define CONFIG_READER_H

#include "config/document.h"
#include "config/report.h"
#include "config/resources.h"

#include <stddef.h>

#define READER_PATH_BYTES 512u

struct reader {
    struct arena *arena; /* of the object */
    struct report *report;
    const struct object_meta *object;
    const struct node *root; /* of the document: findings of checks look up their place in it */
    bool is_strict;          /* an unknown field is an error */
    size_t error_count;
    char path[READER_PATH_BYTES];
    size_t path_len;
};

/* --- paths ------------------------------------------------------------------------------------ */

/* Each returns what reader_leave() takes back. */
size_t reader_enter(struct reader *reader, const char *field);
size_t reader_enter_item(struct reader *reader, const char *field, size_t index);
size_t reader_enter_key(struct reader *reader, const char *field, struct str key);
void reader_leave(struct reader *reader, size_t former);

/* --- findings --------------------------------------------------------------------------------- */

/* At a node, under the current path. An error makes the object bad. */
void reader_fail_at(struct reader *reader, const struct node *node, enum finding_code code,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));
/* At `field` below the current path ("" or NULL: the path itself; may be "tls.mode", "hosts[2]").
 * The place is that of the field, or of the nearest thing around it that was written. */
void reader_fail(struct reader *reader, const char *field, enum finding_code code,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));
/* For a field that is an item of a list: "hosts[2]". */
void reader_fail_item(struct reader *reader, const char *field, size_t index,
                      enum finding_code code, const char *format, ...)
    __attribute__((format(printf, 5, 6)));

/* --- tables ----------------------------------------------------------------------------------- */

enum field_type {
    FIELD_STRING,          /* struct str */
    FIELD_HOST,            /* struct str, lower-cased */
    FIELD_BOOL,            /* bool */
    FIELD_OPTIONAL_BOOL,   /* struct optional_bool */
    FIELD_I32,             /* int32_t */
    FIELD_U32,             /* uint32_t */
    FIELD_OPTIONAL_U32,    /* struct optional_u32 */
    FIELD_U64,             /* uint64_t */
    FIELD_OPTIONAL_DOUBLE, /* struct optional_double */
    FIELD_DURATION,        /* struct optional_duration */
    FIELD_PERCENT,         /* struct percent */
    FIELD_ENUM,            /* any enum of ours: read as int */
    FIELD_MESSAGE,         /* pointer to a struct of `message` */
    FIELD_EMBEDDED,        /* the struct of `message` itself */
    FIELD_STRINGS,         /* struct str_vec */
    FIELD_HOSTS,           /* struct str_vec, lower-cased */
    FIELD_MESSAGES,        /* VEC_FIELDS of the struct of `message` */
    FIELD_STRING_MAP,      /* struct str_pair_vec */
    FIELD_U32_MAP,         /* struct u32_pair_vec */
    FIELD_CUSTOM,          /* whatever `custom` fills at the offset */
    FIELD_PRESENT,         /* only that it is there: `has` */
};

struct enum_value {
    const char *name; /* NULL ends the list */
    int value;
};

struct message;
typedef void (*reader_custom_fn)(struct reader *reader, const struct node *node, void *out);

struct field {
    const char *name; /* lowerCamelCase */
    enum field_type type;
    unsigned char oneof; /* fields of one number exclude each other; 0: none */
    size_t offset;
    size_t has; /* 1 + offset of a bool that says whether the field was there; 0: none */
    const struct message *message;
    const struct enum_value *values;
    reader_custom_fn custom;
};

struct message {
    const struct field *fields;
    size_t field_count;
    size_t size;  /* of the struct */
    size_t place; /* 1 + offset of a struct place; 0: none */
    /* Kubernetes types: more fields than we read, and no snake_case. */
    bool is_open;
};

#define FIELD(type_name, member, name_text, kind)                                                  \
    {                                                                                              \
        .name = name_text, .type = kind, .offset = offsetof(struct type_name, member)              \
    }
#define FIELD_OF(type_name, member, name_text, kind, message_table)                                \
    {                                                                                              \
        .name = name_text, .type = kind, .offset = offsetof(struct type_name, member),             \
        .message = &(message_table)                                                                \
    }
#define FIELD_CHOICE(type_name, member, name_text, enum_table)                                     \
    {                                                                                              \
        .name = name_text, .type = FIELD_ENUM, .offset = offsetof(struct type_name, member),       \
        .values = (enum_table)                                                                     \
    }
#define FIELD_BY(type_name, member, name_text, function)                                           \
    {                                                                                              \
        .name = name_text, .type = FIELD_CUSTOM, .offset = offsetof(struct type_name, member),     \
        .custom = (function)                                                                       \
    }
#define MESSAGE(type_name, field_table)                                                            \
    {                                                                                              \
        .fields = (field_table), .field_count = sizeof(field_table) / sizeof((field_table)[0]),    \
        .size = sizeof(struct type_name)                                                           \
    }
#define MESSAGE_WITH_PLACE(type_name, field_table)                                                 \
    {                                                                                              \
        .fields = (field_table), .field_count = sizeof(field_table) / sizeof((field_table)[0]),    \
        .size = sizeof(struct type_name), .place = offsetof(struct type_name, place) + 1           \
    }

/* Fills `out` (zeroed) from a mapping, or says why not. */
void reader_read_message(struct reader *reader, const struct node *node,
                         const struct message *message, void *out);
/* True for null, `~` and nothing: the field is absent (spec RL-28). */
bool reader_is_null(const struct node *node);
/* One string; false after a finding. */
bool reader_read_string(struct reader *reader, const struct node *node, struct str *value);
/* Whole numbers; false after a finding. */
bool reader_read_integer(struct reader *reader, const struct node *node, int64_t min, int64_t max,
                         int64_t *value);
void reader_read_string_map(struct reader *reader, const struct node *node,
                            struct str_pair_vec *out);

/* Shared by several kinds: custom functions for `struct string_match *`, `struct named_match_vec`
 * and `struct string_match_vec`; the table of `struct destination`. */
void reader_read_string_match(struct reader *reader, const struct node *node, void *out);
void reader_read_named_matches(struct reader *reader, const struct node *node, void *out);
void reader_read_string_matches(struct reader *reader, const struct node *node, void *out);

#endif
