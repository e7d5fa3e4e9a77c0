/* compile_headers: header operations (spec 5.7). */
#include "config/compiler.h"

#include <stdlib.h>

static int compare_ops(const void *a, const void *b)
{
    const struct route_header_op *left = a;
    const struct route_header_op *right = b;

    return str_compare(left->name, right->name);
}

/* HT-83: they are no headers to be set. */
static bool is_pseudo(struct str lower_name)
{
    return str_is_empty(lower_name) || lower_name.ptr[0] == ':' ||
           str_equals(lower_name, STR("host"));
}

static bool is_authority(struct str name)
{
    return str_equals_nocase(name, STR(":authority")) || str_equals_nocase(name, STR("host"));
}

struct format *compile_headers_format(struct compiler *compiler, struct str source,
                                      const struct finding_at *at)
{
    struct err err = { 0 };
    struct format *format = format_compile(compiler->arena, compiler_keep(compiler, source), &err);

    if (format == NULL) {
        compiler_say(compiler, FINDING_ROUTE_REFUSED, at,
                     "%s; the whole object is refused (spec HT-89)", err.text);
    }
    return format;
}

/* Sorted by name (HT-80). False: refused. */
static bool read_values(struct compiler *compiler, const struct str_pair_vec *pairs,
                        const char *field, const struct finding_at *at,
                        const struct route_header_op **ops, size_t *count)
{
    struct route_header_op *made =
        arena_new_array(compiler->arena, struct route_header_op, pairs->count);
    size_t made_count = 0;

    for (size_t i = 0; i < pairs->count; i++) {
        struct str name = arena_copy_lower(compiler->arena, pairs->items[i].name);
        struct finding_at value_at = *at;

        if (is_pseudo(name) || str_is_empty(pairs->items[i].value)) {
            continue; /* HT-82: an empty value does nothing */
        }
        value_at.field = arena_printf(compiler->scratch, "%s.%s[%.*s]", at->field, field,
                                      STR_ARG(pairs->items[i].name))
                             .ptr;
        made[made_count] = (struct route_header_op){ .id = header_id_of(name), .name = name };
        made[made_count].value = compile_headers_format(compiler, pairs->items[i].value, &value_at);
        if (made[made_count].value == NULL) {
            return false;
        }
        made_count++;
    }
    if (made_count > 1) {
        qsort(made, made_count, sizeof(*made), compare_ops);
    }
    *ops = made;
    *count = made_count;
    return true;
}

static void read_removes(struct compiler *compiler, const struct str_vec *names,
                         struct route_header_ops *out)
{
    struct route_header_op *made =
        arena_new_array(compiler->arena, struct route_header_op, names->count);

    for (size_t i = 0; i < names->count; i++) {
        struct str name = arena_copy_lower(compiler->arena, names->items[i]);

        if (!is_pseudo(name)) {
            made[out->remove_count++] =
                (struct route_header_op){ .id = header_id_of(name), .name = name };
        }
    }
    out->removes = made;
}

bool compile_headers(struct compiler *compiler, const struct header_operations *operations,
                     bool is_request, const struct finding_at *at, struct route_header_ops *out)
{
    struct finding_at here = *at;

    *out = (struct route_header_ops){ 0 };
    if (operations == NULL) {
        return true;
    }
    here.place = operations->place;
    here.field = arena_printf(compiler->scratch, "%s.headers.%s", at->field,
                              is_request ? "request" : "response")
                     .ptr;
    read_removes(compiler, &operations->remove, out);
    return read_values(compiler, &operations->set, "set", &here, &out->sets, &out->set_count) &&
           read_values(compiler, &operations->add, "add", &here, &out->adds, &out->add_count);
}

static struct str find_authority(const struct str_pair_vec *pairs)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (is_authority(pairs->items[i].name)) {
            return pairs->items[i].value;
        }
    }
    return STR("");
}

struct str compile_headers_authority(const struct header_rules *rules)
{
    struct str authority = STR("");

    if (rules != NULL && rules->request != NULL) {
        authority = find_authority(&rules->request->set);
        if (str_is_empty(authority)) {
            authority = find_authority(&rules->request->add);
        }
    }
    return authority;
}
