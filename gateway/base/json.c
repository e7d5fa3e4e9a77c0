/* json: JSON into a text, in one pass. The writer belongs to its caller. */
#include "gateway/base/json.h"

#include "gateway/base/check.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

void json_init(struct json *json, struct text *out, bool is_pretty)
{
    *json = (struct json){ .out = out, .is_pretty = is_pretty };
}

static void new_line(struct json *json)
{
    if (json->is_pretty) {
        text_add_char(json->out, '\n');
        for (int i = 0; i < json->depth; i++) {
            text_add_cstr(json->out, "  ");
        }
    }
}

/* What stands between the item before and this one. */
static void begin_item(struct json *json)
{
    if (json->after_key) {
        json->after_key = false;
        return;
    }
    if (json->depth == 0) {
        return;
    }
    if (json->has_item[json->depth - 1]) {
        text_add_char(json->out, ',');
    }
    json->has_item[json->depth - 1] = true;
    new_line(json);
}

static void open_level(struct json *json, char bracket)
{
    begin_item(json);
    CHECK(json->depth < JSON_DEPTH_MAX);
    text_add_char(json->out, bracket);
    json->has_item[json->depth++] = false;
}

static void close_level(struct json *json, char bracket)
{
    bool had_item;

    CHECK(json->depth > 0 && !json->after_key);
    had_item = json->has_item[--json->depth];
    if (had_item) {
        new_line(json);
    }
    text_add_char(json->out, bracket);
}

void json_open_object(struct json *json)
{
    open_level(json, '{');
}

void json_close_object(struct json *json)
{
    close_level(json, '}');
}

void json_open_array(struct json *json)
{
    open_level(json, '[');
}

void json_close_array(struct json *json)
{
    close_level(json, ']');
}

static void add_escaped(struct text *out, char c)
{
    switch (c) {
    case '"':
        text_add_cstr(out, "\\\"");
        break;
    case '\\':
        text_add_cstr(out, "\\\\");
        break;
    case '\n':
        text_add_cstr(out, "\\n");
        break;
    case '\r':
        text_add_cstr(out, "\\r");
        break;
    case '\t':
        text_add_cstr(out, "\\t");
        break;
    default:
        text_printf(out, "\\u%04x", (unsigned)(unsigned char)c);
        break;
    }
}

static bool is_plain(char c)
{
    unsigned char byte = (unsigned char)c;

    return byte >= 0x20 && byte < 0x7f && byte != '"' && byte != '\\';
}

static void add_quoted(struct text *out, struct str value)
{
    size_t start = 0; /* of the run that needs no change */
    size_t at = 0;

    text_add_char(out, '"');
    while (at < value.len) {
        size_t len;

        if (is_plain(value.ptr[at])) {
            at++;
            continue;
        }
        text_add(out, str_slice(value, start, at - start));
        len = str_utf8_length(str_skip(value, at));
        if (len > 1) {
            text_add(out, str_slice(value, at, len));
        } else if (len == 1) {
            add_escaped(out, value.ptr[at]);
        } else {
            text_add_cstr(out, "\xef\xbf\xbd");
            len = 1;
        }
        at += len;
        start = at;
    }
    text_add(out, str_skip(value, start));
    text_add_char(out, '"');
}

void json_key_str(struct json *json, struct str key)
{
    begin_item(json);
    add_quoted(json->out, key);
    text_add_cstr(json->out, json->is_pretty ? ": " : ":");
    json->after_key = true;
}

void json_key(struct json *json, const char *key)
{
    json_key_str(json, str_from_cstr(key));
}

void json_str(struct json *json, struct str value)
{
    begin_item(json);
    add_quoted(json->out, value);
}

void json_cstr(struct json *json, const char *value)
{
    if (value == NULL) {
        json_null(json);
    } else {
        json_str(json, str_from_cstr(value));
    }
}

void json_u64(struct json *json, uint64_t value)
{
    begin_item(json);
    text_add_u64(json->out, value);
}

void json_i64(struct json *json, int64_t value)
{
    begin_item(json);
    text_printf(json->out, "%" PRId64, value);
}

void json_double(struct json *json, double value)
{
    char digits[32];

    /* JSON has no infinity and no NaN. */
    if (!isfinite(value)) {
        json_null(json);
        return;
    }
    begin_item(json);
    (void)snprintf(digits, sizeof(digits), "%.15g", value); /* at most 23 bytes */
    text_add_cstr(json->out, digits);
}

void json_bool(struct json *json, bool value)
{
    begin_item(json);
    text_add_cstr(json->out, value ? "true" : "false");
}

void json_null(struct json *json)
{
    begin_item(json);
    text_add_cstr(json->out, "null");
}

void json_put_str(struct json *json, const char *key, struct str value)
{
    json_key(json, key);
    json_str(json, value);
}

void json_put_cstr(struct json *json, const char *key, const char *value)
{
    json_key(json, key);
    json_cstr(json, value);
}

void json_put_u64(struct json *json, const char *key, uint64_t value)
{
    json_key(json, key);
    json_u64(json, value);
}

void json_put_i64(struct json *json, const char *key, int64_t value)
{
    json_key(json, key);
    json_i64(json, value);
}

void json_put_bool(struct json *json, const char *key, bool value)
{
    json_key(json, key);
    json_bool(json, value);
}
