/* header_ops: remove, set, add. Pure; memory is the caller's arena. Nothing that is put into a head
 * points into the configuration: the access log still reads heads when the lease is given back. */
#include "gateway/proxy/header_ops.h"

#include "gateway/base/check.h"

bool header_ops_is_empty(const struct route_header_ops *ops)
{
    return ops->remove_count == 0 && ops->set_count == 0 && ops->add_count == 0;
}

struct str header_ops_value(const struct format *format, const struct format_record *record,
                            struct arena *arena)
{
    struct str value;
    struct text out = { 0 };

    if (format_is_literal(format, &value)) {
        return arena_copy_str(arena, value);
    }
    format_evaluate(format, record, STR(""), &out);
    value = arena_copy_str(arena, text_view(&out));
    text_cleanup(&out);
    return value;
}

static struct str *header_ops_evaluate(const struct route_header_op *ops, size_t count,
                                       const struct format_record *record, struct arena *arena)
{
    struct str *values = arena_new_array(arena, struct str, count);

    for (size_t i = 0; i < count; i++) {
        values[i] = header_ops_value(ops[i].value, record, arena);
    }
    return values;
}

void header_ops_apply(const struct route_header_ops *const *lists, size_t count,
                      struct headers *headers, const struct format_record *record,
                      struct arena *arena)
{
    struct str *sets[HEADER_OPS_LISTS_MAX];
    struct str *adds[HEADER_OPS_LISTS_MAX];

    CHECK(count <= HEADER_OPS_LISTS_MAX);
    /* HT-80: what a format reads is what was there before. */
    for (size_t i = 0; i < count; i++) {
        sets[i] = header_ops_evaluate(lists[i]->sets, lists[i]->set_count, record, arena);
        adds[i] = header_ops_evaluate(lists[i]->adds, lists[i]->add_count, record, arena);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lists[i]->remove_count; k++) {
            (void)headers_remove(headers, lists[i]->removes[k].name); /* absent is fine */
        }
    }
    /* HT-82: an empty value does nothing, and does not clear either. */
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < lists[i]->set_count; k++) {
            if (sets[i][k].len > 0) {
                headers_set(headers, arena_copy_str(arena, lists[i]->sets[k].name), sets[i][k]);
            }
        }
        for (size_t k = 0; k < lists[i]->add_count; k++) {
            if (adds[i][k].len > 0) {
                headers_add(headers, arena_copy_str(arena, lists[i]->adds[k].name), adds[i][k]);
            }
        }
    }
}
