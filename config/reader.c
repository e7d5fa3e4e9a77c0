/* reader: fills typed structs from nodes by tables of fields. Values go to the object's arena.
 * The recursion of reader_read_message() follows the tables, which end; never the input. Control
 * thread. */
#include "config/reader.h"

#include "config/scalar.h"
#include "gateway/base/check.h"

#include <stdarg.h>
#include <stdio.h>

#define MAX_FIELDS 32u
#define MAX_ONEOFS 4u
#define HINT_DISTANCE 3u

/* --- paths ------------------------------------------------------------------------------------ */

static void __attribute__((format(printf, 2, 3)))
extend_path(struct reader *reader, const char *format, ...)
{
    size_t room = sizeof(reader->path) - reader->path_len;
    va_list args;

    va_start(args, format);
    int len = vsnprintf(reader->path + reader->path_len, room, format, args);
    va_end(args);
    if (len > 0) {
        reader->path_len += (size_t)len < room ? (size_t)len : room - 1;
    }
}

size_t reader_enter(struct reader *reader, const char *field)
{
    size_t former = reader->path_len;

    extend_path(reader, "%s%s", former > 0 ? "." : "", field);
    return former;
}

size_t reader_enter_item(struct reader *reader, const char *field, size_t index)
{
    size_t former = reader->path_len;

    extend_path(reader, "%s%s[%zu]", former > 0 && field[0] != '\0' ? "." : "", field, index);
    return former;
}

size_t reader_enter_key(struct reader *reader, const char *field, struct str key)
{
    size_t former = reader->path_len;

    extend_path(reader, "%s%s[\"%.*s\"]", former > 0 && field[0] != '\0' ? "." : "", field,
                STR_ARG(key));
    return former;
}

void reader_leave(struct reader *reader, size_t former)
{
    reader->path_len = former;
    reader->path[former] = '\0';
}

/* `credential_name` is `credentialName`: each underscore goes, the letter behind it is raised, as
 * the JSON name of a protobuf field is made. */
static bool is_snake_spelling(struct str key, struct str camel)
{
    size_t at = 0;
    bool is_raised = false;

    for (size_t i = 0; i < key.len; i++) {
        char c = key.ptr[i];

        if (c == '_') {
            is_raised = true;
            continue;
        }
        if (c >= 'A' && c <= 'Z') {
            return false;
        }
        if (is_raised && c >= 'a' && c <= 'z') {
            c = (char)(c - 'a' + 'A');
        }
        is_raised = false;
        if (at >= camel.len || camel.ptr[at++] != c) {
            return false;
        }
    }
    return at == camel.len && !is_raised;
}

static const struct node_pair *find_pair(const struct node *node, struct str name)
{
    for (size_t i = 0; i < node->count; i++) {
        if (str_equals(node->pairs[i].key->scalar, name) ||
            is_snake_spelling(node->pairs[i].key->scalar, name)) {
            return &node->pairs[i];
        }
    }
    return NULL;
}

/* Cuts the next step off a path: `name`, `[3]` or `["key"]`. */
static bool take_step(struct str *path, struct str *name, size_t *index)
{
    struct str quote = STR("\"]");

    *name = (struct str){ NULL, 0 };
    if (path->len > 0 && path->ptr[0] == '.') {
        *path = str_skip(*path, 1);
    }
    if (str_starts_with(*path, STR("[\""))) {
        size_t end = str_find(str_skip(*path, 2), quote);

        if (end == SIZE_MAX) {
            return false;
        }
        *name = str_slice(*path, 2, end);
        *path = str_skip(*path, 2 + end + quote.len);
        return true;
    }
    if (path->len > 0 && path->ptr[0] == '[') {
        size_t end = str_find_char(*path, ']');
        uint64_t number = 0;

        if (end == SIZE_MAX || !str_parse_u64(str_slice(*path, 1, end - 1), &number)) {
            return false;
        }
        *index = (size_t)number;
        *path = str_skip(*path, end + 1);
        return true;
    }
    size_t end = 0;

    while (end < path->len && path->ptr[end] != '.' && path->ptr[end] != '[') {
        end++;
    }
    *name = str_slice(*path, 0, end);
    *path = str_skip(*path, end);
    return end > 0;
}

/* The place of what a path names, or of the nearest thing around it that was written. A value that
 * is a word is shown itself; a list or mapping by its key. */
static struct place find_place(const struct node *root, struct str path)
{
    const struct node *node = root;
    struct place place = root != NULL ? root->place : (struct place){ 0, 0 };
    struct str name;
    size_t index = 0;

    while (node != NULL && path.len > 0 && take_step(&path, &name, &index)) {
        if (name.ptr == NULL) {
            node = node->kind == NODE_SEQUENCE && index < node->count ? node->items[index] : NULL;
            place = node != NULL ? node->place : place;
            continue;
        }
        const struct node_pair *pair = node->kind == NODE_MAPPING ? find_pair(node, name) : NULL;

        node = pair != NULL ? pair->value : NULL;
        if (pair != NULL) {
            place =
                node->kind == NODE_SCALAR && node->scalar.len > 0 ? node->place : pair->key->place;
        }
    }
    return place;
}

/* --- findings --------------------------------------------------------------------------------- */

static void __attribute__((format(printf, 4, 0)))
add_finding(struct reader *reader, struct place place, enum finding_code code, const char *format,
            va_list args)
{
    struct finding_at at = { .object = reader->object, .place = place, .field = reader->path };
    enum severity severity = report_finding_type(code)->severity;

    if (severity == SEVERITY_ERROR) {
        reader->error_count++;
    }
    report_add_va(reader->report, code, severity, &at, format, args);
}

void reader_fail_at(struct reader *reader, const struct node *node, enum finding_code code,
                    const char *format, ...)
{
    va_list args;

    va_start(args, format);
    add_finding(reader, node->place, code, format, args);
    va_end(args);
}

void reader_fail(struct reader *reader, const char *field, enum finding_code code,
                 const char *format, ...)
{
    size_t former = reader->path_len;
    va_list args;

    if (field != NULL && field[0] != '\0') {
        (void)reader_enter(reader, field);
    }
    va_start(args, format);
    add_finding(reader, find_place(reader->root, str_from(reader->path, reader->path_len)), code,
                format, args);
    va_end(args);
    reader_leave(reader, former);
}

void reader_fail_item(struct reader *reader, const char *field, size_t index,
                      enum finding_code code, const char *format, ...)
{
    size_t former = reader_enter_item(reader, field, index);
    va_list args;

    va_start(args, format);
    add_finding(reader, find_place(reader->root, str_from(reader->path, reader->path_len)), code,
                format, args);
    va_end(args);
    reader_leave(reader, former);
}

static const char *node_type_name(const struct node *node)
{
    switch (node->kind) {
    case NODE_MAPPING:
        return "a mapping";
    case NODE_SEQUENCE:
        return "a list";
    case NODE_SCALAR:
        break;
    }
    return node->is_plain ? scalar_type_name(scalar_type_of(node->scalar)) : "a string";
}

static void fail_type(struct reader *reader, const struct node *node, const char *expected)
{
    reader_fail_at(reader, node, FINDING_FIELD_TYPE, "expected %s, found %s", expected,
                   node_type_name(node));
}

/* --- scalars ---------------------------------------------------------------------------------- */

bool reader_is_null(const struct node *node)
{
    return node->kind == NODE_SCALAR && node->is_plain &&
           scalar_type_of(node->scalar) == SCALAR_NULL;
}

bool reader_read_string(struct reader *reader, const struct node *node, struct str *value)
{
    if (node->kind != NODE_SCALAR) {
        fail_type(reader, node, "a string");
        return false;
    }
    if (node->is_plain && scalar_type_of(node->scalar) != SCALAR_STRING) {
        /* spec RL-13: `yes`, `1.10` and the like are no strings unless quoted. */
        reader_fail_at(reader, node, FINDING_FIELD_TYPE,
                       "expected a string, found %s; write \"%.*s\" in quotes",
                       node_type_name(node), STR_ARG(str_slice(node->scalar, 0, 60)));
        return false;
    }
    *value = arena_copy_str(reader->arena, node->scalar);
    return true;
}

static bool read_bool(struct reader *reader, const struct node *node, bool *value)
{
    if (node->kind != NODE_SCALAR || !node->is_plain || !scalar_parse_bool(node->scalar, value)) {
        fail_type(reader, node, "a boolean");
        return false;
    }
    return true;
}

static bool parse_decimal(struct str text, int64_t *value)
{
    struct str digits = text.len > 0 && text.ptr[0] == '-' ? str_skip(text, 1) : text;
    uint64_t magnitude = 0;

    if (!str_parse_u64(digits, &magnitude) || magnitude > (uint64_t)INT64_MAX) {
        return false;
    }
    *value = digits.len < text.len ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

/* spec RL-26: a number, an integral float, or decimal digits in quotes. */
static bool parse_integer_node(const struct node *node, int64_t *value)
{
    double number = 0;

    if (node->kind != NODE_SCALAR) {
        return false;
    }
    if (!node->is_plain) {
        return parse_decimal(node->scalar, value);
    }
    if (scalar_parse_int(node->scalar, value)) {
        return true;
    }
    if (scalar_type_of(node->scalar) != SCALAR_FLOAT ||
        !scalar_parse_double(node->scalar, &number) || number < -9e15 || number > 9e15 ||
        (double)(int64_t)number != number) {
        return false;
    }
    *value = (int64_t)number;
    return true;
}

bool reader_read_integer(struct reader *reader, const struct node *node, int64_t min, int64_t max,
                         int64_t *value)
{
    int64_t number = 0;

    if (!parse_integer_node(node, &number)) {
        fail_type(reader, node, "an integer");
        return false;
    }
    if (number < min || number > max) {
        reader_fail_at(reader, node, FINDING_FIELD_TYPE, "%lld is not between %lld and %lld",
                       (long long)number, (long long)min, (long long)max);
        return false;
    }
    *value = number;
    return true;
}

static bool read_double(struct reader *reader, const struct node *node, double *value)
{
    if (node->kind != NODE_SCALAR || !scalar_parse_double(node->scalar, value)) {
        fail_type(reader, node, "a number");
        return false;
    }
    return true;
}

static void read_duration(struct reader *reader, const struct node *node,
                          struct optional_duration *value)
{
    if (node->kind != NODE_SCALAR) {
        fail_type(reader, node, "a duration");
        return;
    }
    if (!scalar_parse_duration(node->scalar, value)) {
        reader_fail_at(reader, node, FINDING_FIELD_DURATION, "%.*s is not a duration",
                       STR_ARG(str_slice(node->scalar, 0, 60)));
    }
}

static void read_enum(struct reader *reader, const struct node *node,
                      const struct enum_value *values, int *out)
{
    int64_t number = 0;

    if (node->kind != NODE_SCALAR) {
        fail_type(reader, node, "a name");
        return;
    }
    for (const struct enum_value *value = values; value->name != NULL; value++) {
        if (str_equals(node->scalar, str_from_cstr(value->name))) {
            *out = value->value;
            return;
        }
    }
    if (!node->is_plain || !scalar_parse_int(node->scalar, &number)) {
        char names[200];
        size_t len = 0;

        names[0] = '\0';
        for (const struct enum_value *value = values; value->name != NULL; value++) {
            int added = snprintf(names + len, sizeof(names) - len, "%s%s", len > 0 ? ", " : "",
                                 value->name);
            len += added > 0 && (size_t)added < sizeof(names) - len ? (size_t)added : 0;
        }
        reader_fail_at(reader, node, FINDING_FIELD_ENUM, "%.*s is none of %s",
                       STR_ARG(str_slice(node->scalar, 0, 60)), names);
        return;
    }
    for (const struct enum_value *value = values; value->name != NULL; value++) {
        if (value->value == number) {
            *out = value->value;
            return;
        }
    }
    /* spec RL-21: proto3 keeps an unknown number and treats it as the default. */
    struct finding_at at = { .object = reader->object,
                             .place = node->place,
                             .field = reader->path };
    report_add_severity(reader->report, FINDING_FIELD_ENUM, SEVERITY_WARNING, &at,
                        "%lld is no known value, %s is used", (long long)number, values[0].name);
    *out = values[0].value;
}

/* --- lists and maps --------------------------------------------------------------------------- */

static bool check_sequence(struct reader *reader, const struct node *node)
{
    if (node->kind != NODE_SEQUENCE) {
        fail_type(reader, node, "a list");
        return false;
    }
    return true;
}

static bool check_mapping(struct reader *reader, const struct node *node)
{
    if (node->kind != NODE_MAPPING) {
        fail_type(reader, node, "a mapping");
        return false;
    }
    return true;
}

static void read_strings(struct reader *reader, const struct node *node, bool is_lower,
                         struct str_vec *out)
{
    if (!check_sequence(reader, node)) {
        return;
    }
    out->items = arena_new_array(reader->arena, struct str, node->count);
    out->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        size_t former = reader_enter_item(reader, "", i);
        struct str *item = &out->items[out->count];

        if (reader_is_null(node->items[i])) {
            reader_fail_at(reader, node->items[i], FINDING_FIELD_NULL, "may not be null");
        } else if (reader_read_string(reader, node->items[i], item)) {
            if (is_lower) {
                *item = arena_copy_lower(reader->arena, *item);
            }
            out->count++;
        }
        reader_leave(reader, former);
    }
}

/* What VEC_FIELDS(type) declares, whatever the type. */
struct any_vec {
    void *items;
    size_t count;
    size_t capacity;
};

static void read_messages(struct reader *reader, const struct node *node,
                          const struct message *message, void *out)
{
    struct any_vec vec = { 0 };

    if (!check_sequence(reader, node)) {
        return;
    }
    vec.items = arena_alloc_array(reader->arena, node->count, message->size);
    vec.count = node->count; /* a bad item keeps its position: paths and findings stay right */
    vec.capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        size_t former = reader_enter_item(reader, "", i);

        if (reader_is_null(node->items[i])) {
            reader_fail_at(reader, node->items[i], FINDING_FIELD_NULL, "may not be null");
        } else {
            reader_read_message(reader, node->items[i], message,
                                (char *)vec.items + i * message->size);
        }
        reader_leave(reader, former);
    }
    memcpy(out, &vec, sizeof(vec));
}

void reader_read_string_map(struct reader *reader, const struct node *node,
                            struct str_pair_vec *out)
{
    if (!check_mapping(reader, node)) {
        return;
    }
    out->items = arena_new_array(reader->arena, struct str_pair, node->count);
    out->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->pairs[i].key;
        size_t former = reader_enter_key(reader, "", key->scalar);
        struct str_pair *pair = &out->items[out->count];

        if (!reader_is_null(node->pairs[i].value) &&
            reader_read_string(reader, node->pairs[i].value, &pair->value)) {
            pair->name = arena_copy_str(reader->arena, key->scalar);
            out->count++;
        }
        reader_leave(reader, former);
    }
}

static void read_u32_map(struct reader *reader, const struct node *node, struct u32_pair_vec *out)
{
    if (!check_mapping(reader, node)) {
        return;
    }
    out->items = arena_new_array(reader->arena, struct u32_pair, node->count);
    out->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->pairs[i].key;
        size_t former = reader_enter_key(reader, "", key->scalar);
        int64_t value = 0;

        if (reader_read_integer(reader, node->pairs[i].value, 0, UINT32_MAX, &value)) {
            out->items[out->count++] =
                (struct u32_pair){ arena_copy_str(reader->arena, key->scalar), (uint32_t)value };
        }
        reader_leave(reader, former);
    }
}

/* --- messages --------------------------------------------------------------------------------- */

/* spec RL-30: the nearest name makes a typo a matter of seconds. */
static void report_unknown_field(struct reader *reader, const struct node *key,
                                 const struct message *message)
{
    enum severity severity = reader->is_strict ? SEVERITY_ERROR : SEVERITY_WARNING;
    size_t former = reader->path_len;
    size_t best_distance = HINT_DISTANCE + 1;
    const char *best = NULL;
    char advice[120];

    for (size_t i = 0; i < message->field_count; i++) {
        struct str name = str_from_cstr(message->fields[i].name);
        size_t distance = str_distance(key->scalar, name, HINT_DISTANCE + 1);

        if (distance < best_distance && distance < name.len) {
            best_distance = distance;
            best = message->fields[i].name;
        }
    }
    if (best != NULL) {
        (void)snprintf(advice, sizeof(advice), "did you mean %s?", best);
    }
    extend_path(reader, "%s%.*s", former > 0 ? "." : "", STR_ARG(key->scalar));
    struct finding_at at = { .object = reader->object,
                             .place = key->place,
                             .field = reader->path,
                             .advice = best != NULL ? advice : NULL };

    report_add_severity(reader->report, FINDING_FIELD_UNKNOWN, severity, &at, "unknown field%s",
                        reader->is_strict ? "" : ", ignored");
    reader->error_count += reader->is_strict ? 1 : 0;
    reader_leave(reader, former);
}

static const struct field *find_field(const struct message *message, struct str key)
{
    for (size_t i = 0; i < message->field_count; i++) {
        struct str name = str_from_cstr(message->fields[i].name);

        if (str_equals(key, name) || (!message->is_open && is_snake_spelling(key, name))) {
            return &message->fields[i];
        }
    }
    return NULL;
}

static void read_percent(struct reader *reader, const struct node *node, struct percent *out)
{
    static const struct field fields[] = {
        { .name = "value", .type = FIELD_OPTIONAL_DOUBLE, .offset = 0 },
    };
    static const struct message message = { fields, 1, sizeof(struct optional_double), 0, false };
    struct optional_double value = { false, 0 };

    reader_read_message(reader, node, &message, &value);
    out->is_set = true;
    out->value = value.value;
}

static void read_number_field(struct reader *reader, const struct node *node,
                              const struct field *field, void *out)
{
    int64_t number = 0;

    if (field->type == FIELD_I32) {
        if (reader_read_integer(reader, node, INT32_MIN, INT32_MAX, &number)) {
            *(int32_t *)out = (int32_t)number;
        }
    } else if (field->type == FIELD_U32) {
        if (reader_read_integer(reader, node, 0, UINT32_MAX, &number)) {
            *(uint32_t *)out = (uint32_t)number;
        }
    } else if (field->type == FIELD_OPTIONAL_U32) {
        if (reader_read_integer(reader, node, 0, UINT32_MAX, &number)) {
            *(struct optional_u32 *)out = (struct optional_u32){ true, (uint32_t)number };
        }
    } else if (reader_read_integer(reader, node, 0, INT64_MAX, &number)) {
        *(uint64_t *)out = (uint64_t)number;
    }
}

static void read_field(struct reader *reader, const struct node *node, const struct field *field,
                       void *out)
{
    struct str text;
    bool flag = false;
    double number = 0;
    int choice = 0;

    switch (field->type) {
    case FIELD_STRING:
        (void)reader_read_string(reader, node, out); /* a failure is a finding already */
        break;
    case FIELD_HOST:
        if (reader_read_string(reader, node, &text)) {
            *(struct str *)out = arena_copy_lower(reader->arena, text);
        }
        break;
    case FIELD_BOOL:
        if (read_bool(reader, node, &flag)) {
            *(bool *)out = flag;
        }
        break;
    case FIELD_OPTIONAL_BOOL:
        if (read_bool(reader, node, &flag)) {
            *(struct optional_bool *)out = (struct optional_bool){ true, flag };
        }
        break;
    case FIELD_I32:
    case FIELD_U32:
    case FIELD_OPTIONAL_U32:
    case FIELD_U64:
        read_number_field(reader, node, field, out);
        break;
    case FIELD_OPTIONAL_DOUBLE:
        if (read_double(reader, node, &number)) {
            *(struct optional_double *)out = (struct optional_double){ true, number };
        }
        break;
    case FIELD_DURATION:
        read_duration(reader, node, out);
        break;
    case FIELD_PERCENT:
        read_percent(reader, node, out);
        break;
    case FIELD_ENUM:
        memcpy(&choice, out, sizeof(choice));
        read_enum(reader, node, field->values, &choice);
        memcpy(out, &choice, sizeof(choice));
        break;
    case FIELD_MESSAGE: {
        void *object = arena_alloc(reader->arena, field->message->size);

        reader_read_message(reader, node, field->message, object);
        memcpy(out, &object, sizeof(object));
        break;
    }
    case FIELD_EMBEDDED:
        reader_read_message(reader, node, field->message, out);
        break;
    case FIELD_STRINGS:
        read_strings(reader, node, false, out);
        break;
    case FIELD_HOSTS:
        read_strings(reader, node, true, out);
        break;
    case FIELD_MESSAGES:
        read_messages(reader, node, field->message, out);
        break;
    case FIELD_STRING_MAP:
        reader_read_string_map(reader, node, out);
        break;
    case FIELD_U32_MAP:
        read_u32_map(reader, node, out);
        break;
    case FIELD_CUSTOM:
        field->custom(reader, node, out);
        break;
    case FIELD_PRESENT:
        break;
    }
}

/* spec RL-25. True when `field` is the first of its oneof. */
static bool check_oneof(struct reader *reader, const struct node *key, const struct field *field,
                        const struct field **owners)
{
    if (field->oneof == 0) {
        return true;
    }
    CHECK(field->oneof < MAX_ONEOFS);
    if (owners[field->oneof] != NULL) {
        reader_fail_at(reader, key, FINDING_FIELD_ONEOF, "only one of %s and %s may be given",
                       owners[field->oneof]->name, field->name);
        return false;
    }
    owners[field->oneof] = field;
    return true;
}

void reader_read_message(struct reader *reader, const struct node *node,
                         const struct message *message, void *out)
{
    const struct field *owners[MAX_ONEOFS] = { NULL };
    bool is_seen[MAX_FIELDS] = { false };

    CHECK(message->field_count <= MAX_FIELDS);
    if (message->place != 0) {
        *(struct place *)(void *)((char *)out + message->place - 1) = node->place;
    }
    if (!check_mapping(reader, node)) {
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->pairs[i].key;
        const struct node *value = node->pairs[i].value;
        const struct field *field = find_field(message, key->scalar);

        if (field == NULL) {
            if (!message->is_open) {
                report_unknown_field(reader, key, message);
            }
            continue;
        }
        size_t index = (size_t)(field - message->fields);

        if (is_seen[index]) {
            reader_fail_at(reader, key, FINDING_FIELD_TWICE, "%s is given in both spellings",
                           field->name);
            continue;
        }
        is_seen[index] = true;
        if (reader_is_null(value) || !check_oneof(reader, key, field, owners)) {
            continue;
        }
        if (field->has != 0) {
            *(bool *)((char *)out + field->has - 1) = true;
        }
        size_t former = reader_enter(reader, field->name);

        read_field(reader, value, field, (char *)out + field->offset);
        reader_leave(reader, former);
    }
}

/* --- string matches --------------------------------------------------------------------------- */

static void read_string_match(struct reader *reader, const struct node *node,
                              struct string_match *match)
{
    static const struct {
        struct str name;
        enum match_kind kind;
    } kinds[] = {
        { STR_INIT("exact"), MATCH_EXACT },
        { STR_INIT("prefix"), MATCH_PREFIX },
        { STR_INIT("regex"), MATCH_REGEX },
    };
    size_t given_count = 0;

    match->kind = MATCH_PRESENT;
    match->place = node->place;
    if (!check_mapping(reader, node)) {
        return;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *key = node->pairs[i].key;
        size_t k = 0;

        while (k < 3 && !str_equals(key->scalar, kinds[k].name)) {
            k++;
        }
        if (k == 3) {
            /* A match that silently matched everything would route wrongly: this one is an error.
             */
            reader_fail_at(reader, key, FINDING_FIELD_ONEOF,
                           "%.*s is no way to match: exactly one of exact, prefix, regex",
                           STR_ARG(str_slice(key->scalar, 0, 60)));
            continue;
        }
        if (reader_is_null(node->pairs[i].value)) {
            continue;
        }
        size_t former = reader_enter(reader, kinds[k].name.ptr);

        if (++given_count > 1) {
            reader_leave(reader, former);
            reader_fail_at(reader, key, FINDING_FIELD_ONEOF, "exactly one of exact, prefix, regex");
            continue;
        }
        if (reader_read_string(reader, node->pairs[i].value, &match->value)) {
            match->kind = kinds[k].kind;
        }
        reader_leave(reader, former);
    }
}

void reader_read_string_match(struct reader *reader, const struct node *node, void *out)
{
    struct string_match *match = arena_new_object(reader->arena, struct string_match);

    read_string_match(reader, node, match);
    memcpy(out, &match, sizeof(match));
}

void reader_read_named_matches(struct reader *reader, const struct node *node, void *out)
{
    struct named_match_vec *matches = out;

    if (!check_mapping(reader, node)) {
        return;
    }
    matches->items = arena_new_array(reader->arena, struct named_match, node->count);
    matches->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        struct str name = node->pairs[i].key->scalar;
        struct named_match *match = &matches->items[matches->count++];
        size_t former = reader_enter_key(reader, "", name);

        match->name = arena_copy_str(reader->arena, name);
        if (reader_is_null(node->pairs[i].value)) {
            match->match.place = node->pairs[i].key->place; /* as `{}`: present */
        } else {
            read_string_match(reader, node->pairs[i].value, &match->match);
        }
        reader_leave(reader, former);
    }
}

void reader_read_string_matches(struct reader *reader, const struct node *node, void *out)
{
    struct string_match_vec *matches = out;

    if (!check_sequence(reader, node)) {
        return;
    }
    matches->items = arena_new_array(reader->arena, struct string_match, node->count);
    matches->count = node->count;
    matches->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        size_t former = reader_enter_item(reader, "", i);

        if (reader_is_null(node->items[i])) {
            reader_fail_at(reader, node->items[i], FINDING_FIELD_NULL, "may not be null");
        } else {
            read_string_match(reader, node->items[i], &matches->items[i]);
        }
        reader_leave(reader, former);
    }
}
