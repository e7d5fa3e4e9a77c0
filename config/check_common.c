/* check_common: rules that several kinds share (spec 1.4). Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"
#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/route/pattern.h"

void check_common_labels(struct reader *reader, const char *field,
                         const struct str_pair_vec *labels)
{
    for (size_t i = 0; i < labels->count; i++) {
        const struct str_pair *label = &labels->items[i];
        size_t former = reader_enter_key(reader, field, label->name);

        if (!value_is_label_key(label->name)) {
            reader_fail(reader, NULL, FINDING_FIELD_VALUE, "invalid label key");
        }
        if (!value_is_label_value(label->value)) {
            reader_fail(reader, NULL, FINDING_FIELD_VALUE, "invalid label value %.*s",
                        STR_ARG(str_slice(label->value, 0, 80)));
        }
        reader_leave(reader, former);
    }
}

/* "." is the own namespace under another name. */
static struct str full_namespace(const struct reader *reader, struct str name)
{
    return str_equals(name, STR(".")) ? reader->object->namespace : name;
}

void check_common_export_to(struct reader *reader, const char *field,
                            const struct str_vec *export_to, bool is_service_entry)
{
    struct map seen = { 0 };

    for (size_t i = 0; i < export_to->count; i++) {
        struct str item = export_to->items[i];
        struct str name = full_namespace(reader, item);
        bool is_all = str_equals(item, STR("*"));
        bool is_none = str_equals(item, STR("~"));

        if ((is_all || is_none) && export_to->count > 1) {
            reader_fail_item(reader, field, i, FINDING_FIELD_VALUE, "%.*s must stand alone",
                             STR_ARG(item));
        } else if (is_none && !is_service_entry) {
            reader_fail_item(reader, field, i, FINDING_FIELD_VALUE,
                             "~ is allowed in a ServiceEntry only");
        } else if (!is_all && !is_none && !value_is_dns_label(name)) {
            reader_fail_item(reader, field, i, FINDING_FIELD_VALUE,
                             "%.*s is neither a namespace nor ., * or ~",
                             STR_ARG(str_slice(item, 0, 80)));
        } else if (map_set(&seen, name, (void *)(uintptr_t)&export_to->items[i]) != NULL) {
            reader_fail_item(reader, field, i, FINDING_FIELD_VALUE, "%.*s is given twice",
                             STR_ARG(item));
        }
    }
    map_cleanup(&seen);
}

void check_common_duration(struct reader *reader, const char *field, enum finding_code code,
                           const struct optional_duration *duration)
{
    const char *problem = value_duration_problem(duration);

    if (problem != NULL) {
        reader_fail(reader, field, code, "%s", problem);
    }
}

/* spec SN-40 */
void check_common_gateways(struct reader *reader, const char *field, const struct str_vec *gateways)
{
    for (size_t i = 0; i < gateways->count; i++) {
        struct str name = gateways->items[i];
        size_t slash = str_find_char(name, '/');
        struct str namespace = str_slice(name, 0, slash == SIZE_MAX ? 0 : slash);
        struct str object = slash == SIZE_MAX ? name : str_skip(name, slash + 1);

        if (slash == SIZE_MAX && str_find_char(name, '.') != SIZE_MAX && value_is_fqdn(name)) {
            reader_fail_item(reader, field, i, FINDING_VIRTUAL_SERVICE_GATEWAY_FORM,
                             "the form %.*s is deprecated", STR_ARG(str_slice(name, 0, 80)));
            continue;
        }
        if ((slash != SIZE_MAX && !str_equals(namespace, STR(".")) &&
             !value_is_dns_label(namespace)) ||
            !value_is_dns_label(object)) {
            reader_fail_item(reader, field, i, FINDING_VIRTUAL_SERVICE_GATEWAY,
                             "%.*s is no gateway: name, namespace/name or mesh",
                             STR_ARG(str_slice(name, 0, 80)));
        }
    }
}

void check_common_regex(struct reader *reader, const char *field, struct str regex)
{
    struct err err = { 0 };

    if (regex.len > LIMIT_REGEX_BYTES) {
        reader_fail(reader, field, FINDING_ROUTE_REGEX, "a regex of more than %u bytes",
                    LIMIT_REGEX_BYTES);
        return;
    }
    struct arena *arena = arena_new(1024);
    struct pattern *pattern = pattern_new(arena, PATTERN_REGEX, regex, false, &err);

    if (pattern == NULL) {
        reader_fail(reader, field, FINDING_ROUTE_REGEX, "%s", err.text);
    }
    pattern_free(pattern);
    arena_free(arena);
}

void check_common_destination(struct reader *reader, const struct destination *destination)
{
    struct str host = destination->host;

    if (host.len == 0) {
        reader_fail(reader, "host", FINDING_ROUTE_DESTINATION, "destination.host is required");
    } else if (str_equals(host, STR("*"))) {
        reader_fail(reader, "host", FINDING_ROUTE_DESTINATION,
                    "destination host * is not allowed: it must name one service");
    } else if (!value_is_wildcard_domain(host) && !value_is_ip(host)) {
        reader_fail(reader, "host", FINDING_ROUTE_DESTINATION, "%.*s is no host name",
                    STR_ARG(str_slice(host, 0, 80)));
    }
    if (destination->subset.len > 0 && !value_is_dns_label(destination->subset)) {
        reader_fail(reader, "subset", FINDING_ROUTE_DESTINATION, "%.*s is no subset name",
                    STR_ARG(str_slice(destination->subset, 0, 80)));
    }
    if (destination->port.is_set && !value_is_port(destination->port.value)) {
        reader_fail(reader, "port.number", FINDING_ROUTE_DESTINATION,
                    "port number %u must be in the range 1..65535", destination->port.value);
    }
}

int64_t check_common_weight(struct reader *reader, int32_t weight)
{
    if (weight < 0) {
        reader_fail(reader, "weight", FINDING_ROUTE_WEIGHT, "weight %d is negative", weight);
        return 0;
    }
    return weight;
}
