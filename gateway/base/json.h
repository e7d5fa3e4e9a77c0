/* json: writes JSON (RFC 8259) into a text. Commas and nesting are its business; the caller opens
 * and closes in pairs. Invalid UTF-8 is written as U+FFFD, so the output is always valid. */
#ifndef GATEWAY_BASE_JSON_H
#define GATEWAY_BASE_JSON_H

#include "gateway/base/text.h"

#include <stdint.h>

enum { JSON_DEPTH_MAX = 32 };

struct json {
    struct text *out;
    int depth;
    bool has_item[JSON_DEPTH_MAX];
    bool after_key;
    bool is_pretty;
};

void json_init(struct json *json, struct text *out, bool is_pretty);
void json_open_object(struct json *json);
void json_close_object(struct json *json);
void json_open_array(struct json *json);
void json_close_array(struct json *json);
/* Inside an object, before each value. */
void json_key(struct json *json, const char *key);
void json_key_str(struct json *json, struct str key);
void json_str(struct json *json, struct str value);
void json_cstr(struct json *json, const char *value); /* NULL writes null */
void json_u64(struct json *json, uint64_t value);
void json_i64(struct json *json, int64_t value);
void json_double(struct json *json, double value);
void json_bool(struct json *json, bool value);
void json_null(struct json *json);
/* Key and value in one. */
void json_put_str(struct json *json, const char *key, struct str value);
void json_put_cstr(struct json *json, const char *key, const char *value);
void json_put_u64(struct json *json, const char *key, uint64_t value);
void json_put_i64(struct json *json, const char *key, int64_t value);
void json_put_bool(struct json *json, const char *key, bool value);

#endif
