/* option_value: texts of options to values. Pure; what is kept lives in the caller's arena. */
#include "gateway/daemon/option_value.h"

#include "config/scalar.h"
#include "config/value.h"

bool option_value_duration(struct str text, uint32_t *milliseconds, struct err *err)
{
    struct optional_duration duration = { 0 };

    if (str_equals(text, STR("0"))) {
        *milliseconds = 0;
        return true;
    }
    if (!scalar_parse_duration(text, &duration) || duration.ms < 0) {
        err_set(err, ERR_USAGE, "\"%.*s\" is no duration; write 5s, 1m30s or 100ms", STR_ARG(text));
        return false;
    }
    if (duration.rest_ns != 0) {
        err_set(err, ERR_USAGE, "\"%.*s\" is finer than a millisecond", STR_ARG(text));
        return false;
    }
    /* Half of the range, so that sums of two stay in it. */
    if (duration.ms > INT32_MAX) {
        err_set(err, ERR_USAGE, "\"%.*s\" is longer than 24 days", STR_ARG(text));
        return false;
    }
    *milliseconds = (uint32_t)duration.ms;
    return true;
}

bool option_value_size(struct str text, uint64_t *bytes, struct err *err)
{
    static const struct {
        struct str suffix;
        uint64_t factor;
    } UNITS[] = {
        { STR_INIT("KiB"), UINT64_C(1) << 10 },
        { STR_INIT("MiB"), UINT64_C(1) << 20 },
        { STR_INIT("GiB"), UINT64_C(1) << 30 },
        { STR_INIT("B"), 1 }, /* after the others, which end in it */
    };
    struct str digits = text;
    uint64_t factor = 1;
    uint64_t number = 0;

    for (size_t i = 0; i < sizeof(UNITS) / sizeof(UNITS[0]); i++) {
        if (str_ends_with(text, UNITS[i].suffix)) {
            digits = str_slice(text, 0, text.len - UNITS[i].suffix.len);
            factor = UNITS[i].factor;
            break;
        }
    }
    if (!str_parse_u64(digits, &number)) {
        err_set(err, ERR_USAGE, "\"%.*s\" is no size; write 4096, 60KiB or 1MiB", STR_ARG(text));
        return false;
    }
    if (number > UINT64_MAX / factor) {
        err_set(err, ERR_USAGE, "\"%.*s\" is more than can be counted", STR_ARG(text));
        return false;
    }
    *bytes = number * factor;
    return true;
}

bool option_value_bytes(struct str text, uint32_t *bytes, struct err *err)
{
    uint64_t size = 0;

    if (!option_value_size(text, &size, err)) {
        return false;
    }
    if (size > UINT32_MAX) {
        err_set(err, ERR_USAGE, "\"%.*s\" is more than 4 GiB", STR_ARG(text));
        return false;
    }
    *bytes = (uint32_t)size;
    return true;
}

bool option_value_count(struct str text, uint32_t *count, struct err *err)
{
    if (!str_parse_u32(text, count)) {
        err_set(err, ERR_USAGE, "\"%.*s\" is no whole number", STR_ARG(text));
        return false;
    }
    return true;
}

bool option_value_flag(struct str text, bool *flag, struct err *err)
{
    static const struct {
        struct str text;
        bool value;
    } WORDS[] = {
        { STR_INIT("true"), true }, { STR_INIT("yes"), true },    { STR_INIT("1"), true },
        { STR_INIT("on"), true },   { STR_INIT("false"), false }, { STR_INIT("no"), false },
        { STR_INIT("0"), false },   { STR_INIT("off"), false },
    };

    for (size_t i = 0; i < sizeof(WORDS) / sizeof(WORDS[0]); i++) {
        if (str_equals_nocase(text, WORDS[i].text)) {
            *flag = WORDS[i].value;
            return true;
        }
    }
    err_set(err, ERR_USAGE, "\"%.*s\" is neither true nor false", STR_ARG(text));
    return false;
}

bool option_value_endpoint(struct str text, struct options_endpoint *endpoint, struct err *err)
{
    struct address address = { 0 };

    if (str_equals(text, STR("off"))) {
        endpoint->is_off = true;
        return true;
    }
    if (!address_parse_with_port(text, &address, err)) {
        if (err != NULL) {
            err->code = ERR_USAGE;
        }
        return false;
    }
    if (address_family(&address) == AF_UNIX) {
        err_set(err, ERR_USAGE, "\"%.*s\": pages are served over TCP only; write ADDRESS:PORT",
                STR_ARG(text));
        return false;
    }
    endpoint->is_off = false;
    endpoint->address = address;
    return true;
}

static struct str_pair *labels_find(struct str_pair_vec *labels, struct str name)
{
    for (size_t i = 0; i < labels->count; i++) {
        if (str_equals(labels->items[i].name, name)) {
            return &labels->items[i];
        }
    }
    return NULL;
}

bool option_value_labels(struct arena *arena, struct str text, struct str_pair_vec *labels,
                         struct err *err)
{
    struct str rest = text;
    struct str part;

    while (str_split_next(&rest, ',', &part)) {
        part = str_trim(part);
        size_t equals = str_find_char(part, '=');
        if (equals == SIZE_MAX) {
            err_set(err, ERR_USAGE, "\"%.*s\" is no label; write KEY=VALUE,...", STR_ARG(part));
            return false;
        }
        struct str name = str_slice(part, 0, equals);
        struct str value = str_skip(part, equals + 1);
        if (!value_is_label_key(name) || !value_is_label_value(value)) {
            err_set(err, ERR_USAGE, "\"%.*s\" is not what Kubernetes takes for a label",
                    STR_ARG(part));
            return false;
        }
        struct str_pair *former = labels_find(labels, name);
        if (former != NULL) {
            former->value = arena_copy_str(arena, value);
            continue;
        }
        vec_push_in_arena(
            arena, labels,
            (struct str_pair){ arena_copy_str(arena, name), arena_copy_str(arena, value) });
    }
    return true;
}

bool option_value_port_map(struct arena *arena, struct str text, struct port_map_vec *port_map,
                           struct err *err)
{
    struct str rest = text;
    struct str part;

    while (str_split_next(&rest, ',', &part)) {
        uint32_t gateway_port = 0;
        uint32_t bind_port = 0;
        part = str_trim(part);
        size_t equals = str_find_char(part, '=');
        if (equals == SIZE_MAX || !str_parse_u32(str_slice(part, 0, equals), &gateway_port) ||
            !str_parse_u32(str_skip(part, equals + 1), &bind_port) || gateway_port == 0 ||
            gateway_port > 65535 || bind_port > 65535) {
            err_set(err, ERR_USAGE, "\"%.*s\" maps no port; write 443=8443,80=8080", STR_ARG(part));
            return false;
        }
        struct port_map_entry entry = { gateway_port, (uint16_t)bind_port };
        bool is_known = false;
        for (size_t i = 0; i < port_map->count; i++) {
            if (port_map->items[i].gateway_port == gateway_port) {
                port_map->items[i] = entry;
                is_known = true;
            }
        }
        if (!is_known) {
            vec_push_in_arena(arena, port_map, entry);
        }
    }
    return true;
}

bool option_value_cidrs(struct arena *arena, struct str text, struct cidr_vec *ranges,
                        struct err *err)
{
    struct str rest = text;
    struct str part;

    while (str_split_next(&rest, ',', &part)) {
        struct cidr range;
        part = str_trim(part);
        if (!cidr_parse(part, &range)) {
            err_set(err, ERR_USAGE, "\"%.*s\" is no range of addresses; write 10.0.0.0/8,...",
                    STR_ARG(part));
            return false;
        }
        vec_push_in_arena(arena, ranges, range);
    }
    return true;
}
