/* resource_set: loading files into a set, with the last good version of what is broken (spec RL-4,
 * RL-31). Objects are counted; a set holds one reference to each of its own. Control thread. */
#include "config/resource_set.h"

#include "config/document.h"
#include "config/load_dir.h"
#include "config/read_object.h"
#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <stdint.h>
#include <stdio.h>

#define SCRATCH_BLOCK_BYTES (64u * 1024u)

/* An object that has an error. */
struct refusal {
    struct str key;
    struct str file;
    struct place place;
};

/* One load under way. */
struct loader {
    struct resource_set *set;
    const struct resource_set *previous;
    struct read_object_options options;
    struct report *report;
    struct arena *arena;    /* texts that live as long as the load */
    struct arena *document; /* nodes of one document */
    struct {
        VEC_FIELDS(struct refusal);
    } refusals;
    struct str_vec damaged; /* files and directories that could not be read to the end */
};

const char *resource_set_kind_name(enum resource_kind kind)
{
    static const char *const names[KIND_COUNT] = {
        [KIND_GATEWAY] = "Gateway",
        [KIND_VIRTUAL_SERVICE] = "VirtualService",
        [KIND_DESTINATION_RULE] = "DestinationRule",
        [KIND_SERVICE_ENTRY] = "ServiceEntry",
        [KIND_WORKLOAD_ENTRY] = "WorkloadEntry",
        [KIND_SERVICE] = "Service",
        [KIND_SECRET] = "Secret",
        [KIND_CONFIG_MAP] = "ConfigMap",
        [KIND_POD] = "Pod",
        [KIND_ENDPOINT_SLICE] = "EndpointSlice",
    };

    CHECK((unsigned)kind < KIND_COUNT);
    return names[kind];
}

/* --- the set ---------------------------------------------------------------------------------- */

/* Takes over the caller's reference. */
static void take_object(struct resource_set *set, struct object_meta *object)
{
    vec_push(&set->objects[object->kind], object);
    (void)map_set(&set->by_key, object->key, object); /* the caller knows that it is new */
}

static struct object_meta **find_slot(struct resource_set *set, const struct object_meta *object)
{
    for (size_t i = 0; i < set->objects[object->kind].count; i++) {
        if (set->objects[object->kind].items[i] == object) {
            return &set->objects[object->kind].items[i];
        }
    }
    return NULL;
}

/* The newcomer takes the slot, so that load order stays; its reference is taken over. */
static void replace_object(struct resource_set *set, struct object_meta *former,
                           struct object_meta *object)
{
    struct object_meta **slot = find_slot(set, former);

    CHECK(slot != NULL);
    *slot = object;
    (void)map_set(&set->by_key, object->key, object); /* gives back `former` */
    read_object_unref(former);
}

void resource_set_free(struct resource_set *set)
{
    if (set == NULL) {
        return;
    }
    map_cleanup(&set->by_key);
    for (size_t kind = 0; kind < KIND_COUNT; kind++) {
        for (size_t i = 0; i < set->objects[kind].count; i++) {
            read_object_unref(set->objects[kind].items[i]);
        }
        vec_cleanup(&set->objects[kind]);
    }
    mem_free(set);
}

const struct object_meta *resource_set_find(const struct resource_set *set, enum resource_kind kind,
                                            struct str namespace, struct str name)
{
    const char *kind_name = resource_set_kind_name(kind);
    size_t kind_len = strlen(kind_name);
    char fixed[512];
    size_t len = kind_len + 1 + namespace.len + 1 + name.len;
    char *key = len < sizeof(fixed) ? fixed : mem_alloc(len + 1);

    (void)snprintf(key, len + 1, "%s %.*s/%.*s", kind_name, STR_ARG(namespace), STR_ARG(name));
    const struct object_meta *object = map_get(&set->by_key, str_from(key, len));

    if (key != fixed) {
        mem_free(key);
    }
    return object;
}

const struct object_meta *resource_set_restore(struct resource_set *set,
                                               const struct object_meta *object,
                                               const struct resource_set *previous)
{
    struct object_meta *current = map_get(&set->by_key, object->key);
    struct object_meta *former = previous != NULL ? map_get(&previous->by_key, object->key) : NULL;

    CHECK(current == object);
    set->refused_count++;
    if (former != NULL && former != current) {
        former->ref_count++;
        set->kept_count++;
        replace_object(set, current, former);
        return former;
    }
    struct object_meta **slot = find_slot(set, current);
    struct object_meta **end =
        set->objects[current->kind].items + set->objects[current->kind].count;

    CHECK(slot != NULL);
    (void)map_remove(&set->by_key, current->key); /* gives back `current` */
    memmove(slot, slot + 1, (size_t)(end - slot - 1) * sizeof(struct object_meta *));
    set->objects[current->kind].count--;
    read_object_unref(current);
    return NULL;
}

/* --- one document ----------------------------------------------------------------------------- */

/* spec RL-4: the later one counts, and both places are told. */
static void add_object(struct loader *loader, struct object_meta *object)
{
    struct object_meta *former = map_get(&loader->set->by_key, object->key);

    if (former == NULL) {
        take_object(loader->set, object);
        return;
    }
    struct finding_at at = { .object = object };

    report_add(loader->report, FINDING_OBJECT_DUPLICATE, &at,
               "is defined twice: here, and in %.*s:%u:%u, which this one replaces",
               STR_ARG(former->file), former->place.line, former->place.column);
    replace_object(loader->set, former, object);
}

static void mark_damaged(struct loader *loader, struct str path)
{
    vec_push_in_arena(loader->arena, &loader->damaged, arena_copy_str(loader->arena, path));
}

static void load_object(struct loader *loader, const struct node *node)
{
    struct object_meta *object = NULL;
    struct str key = { NULL, 0 };

    switch (read_object(&loader->options, node, loader->document, loader->report, &object, &key)) {
    case READ_OBJECT_GOOD:
        add_object(loader, object);
        break;
    case READ_OBJECT_REFUSED:
        loader->set->refused_count++;
        vec_push_in_arena(loader->arena, &loader->refusals,
                          (struct refusal){ arena_copy_str(loader->arena, key),
                                            loader->options.file, node->place });
        break;
    case READ_OBJECT_UNKNOWN:
        /* Which object of this file was meant nobody knows: all of them stay. */
        loader->set->refused_count++;
        mark_damaged(loader, loader->options.file);
        break;
    case READ_OBJECT_SKIPPED:
        loader->set->skipped_count++;
        break;
    }
}

static void wipe_values(const struct node *mapping)
{
    if (mapping == NULL || mapping->kind != NODE_MAPPING) {
        return;
    }
    for (size_t i = 0; i < mapping->count; i++) {
        const struct node *value = mapping->pairs[i].value;

        if (value->kind == NODE_SCALAR) {
            mem_wipe((void *)(uintptr_t)value->scalar.ptr, value->scalar.len);
        }
    }
}

/* Whatever kind it is: data of a Secret is not left behind in freed memory. */
static void wipe_node(const struct node *node)
{
    wipe_values(document_find(node, STR("data")));
    wipe_values(document_find(node, STR("stringData")));
}

static void load_root(struct loader *loader, const struct node *root)
{
    const struct node *items = read_object_list_items(root);

    if (items == NULL) {
        load_object(loader, root);
        wipe_node(root);
        return;
    }
    for (size_t i = 0; i < items->count; i++) { /* spec RL-11 */
        load_object(loader, items->items[i]);
    }
    for (size_t i = 0; i < items->count; i++) { /* afterwards: two items may share a node */
        wipe_node(items->items[i]);
    }
}

static void report_problem(struct loader *loader, const struct document_problem *problem)
{
    struct finding_at at = { .file = loader->options.file, .place = problem->place };
    enum finding_code code = FINDING_YAML_SYNTAX;

    switch (problem->kind) {
    case DOCUMENT_PROBLEM_LIMIT:
        code = FINDING_YAML_LIMIT;
        break;
    case DOCUMENT_PROBLEM_DUPLICATE_KEY:
        code = FINDING_YAML_DUPLICATE_KEY;
        break;
    case DOCUMENT_PROBLEM_NONE:
    case DOCUMENT_PROBLEM_SYNTAX:
        break;
    }
    report_add(loader->report, code, &at, "%s", problem->text);
}

static void load_bytes(struct loader *loader, struct str file, struct str bytes)
{
    struct document_stream *stream = document_stream_open(bytes);
    struct document document;
    enum document_status status;

    loader->options.file = arena_copy_str(loader->arena, file);
    loader->set->file_count++;
    while ((status = document_stream_next(stream, loader->document, &document)) != DOCUMENT_END) {
        loader->options.is_tainted = document.problem.kind != DOCUMENT_PROBLEM_NONE;
        if (loader->options.is_tainted) {
            report_problem(loader, &document.problem);
        }
        if (status == DOCUMENT_BROKEN) {
            mark_damaged(loader, file);
        } else if (document.root != NULL) { /* spec RL-10: empty documents are nothing */
            loader->set->document_count++;
            load_root(loader, document.root);
        }
        arena_reset(loader->document);
    }
    document_stream_close(stream);
}

static void load_file(struct loader *loader, struct str path, struct text *bytes)
{
    struct err err = { 0 };

    if (load_dir_read(path, bytes, &err)) {
        load_bytes(loader, path, text_view(bytes));
    } else {
        struct finding_at at = { .file = path };

        report_add(loader->report, FINDING_FILE_UNREADABLE, &at, "%s", err.text);
        mark_damaged(loader, path);
    }
    if (bytes->ptr != NULL) {
        mem_wipe(bytes->ptr, bytes->len); /* may have been Secrets */
    }
}

/* --- the last good version (spec RL-31) ------------------------------------------------------- */

static bool keep_object(struct loader *loader, struct object_meta *object)
{
    if (map_get(&loader->set->by_key, object->key) != NULL) {
        return false;
    }
    object->ref_count++;
    loader->set->kept_count++;
    take_object(loader->set, object);
    return true;
}

static void keep_refused(struct loader *loader)
{
    for (size_t i = 0; i < loader->refusals.count; i++) {
        const struct refusal *refusal = &loader->refusals.items[i];
        struct object_meta *former = map_get(&loader->previous->by_key, refusal->key);

        if (former == NULL || !keep_object(loader, former)) {
            continue;
        }
        struct object_meta at_refusal = { .key = refusal->key,
                                          .file = refusal->file,
                                          .place = refusal->place };
        struct finding_at at = { .object = &at_refusal };

        report_add(loader->report, FINDING_OBJECT_KEPT, &at,
                   "has errors: its last good version, of %.*s:%u, stays in force",
                   STR_ARG(former->file), former->place.line);
    }
}

/* A damaged file, or one below a damaged directory. */
static const struct str *find_damage(const struct map *damaged, struct str file)
{
    for (;;) {
        const struct str *found = map_get(damaged, file);
        size_t slash = str_find_last_char(file, '/');

        if (found != NULL || slash == SIZE_MAX) {
            return found;
        }
        file = str_slice(file, 0, slash);
    }
}

static void keep_damaged(struct loader *loader)
{
    struct map damaged = { 0 };

    for (size_t i = 0; i < loader->damaged.count; i++) {
        (void)map_set(&damaged, loader->damaged.items[i], &loader->damaged.items[i]);
    }
    for (size_t kind = 0; kind < KIND_COUNT && damaged.count > 0; kind++) {
        for (size_t i = 0; i < loader->previous->objects[kind].count; i++) {
            struct object_meta *former = loader->previous->objects[kind].items[i];

            if (find_damage(&damaged, former->file) != NULL && keep_object(loader, former)) {
                struct finding_at at = { .object = former };

                report_add(loader->report, FINDING_OBJECT_KEPT, &at,
                           "its file cannot be read to the end: the version loaded before stays "
                           "in force");
            }
        }
    }
    map_cleanup(&damaged);
}

/* --- loads ------------------------------------------------------------------------------------ */

static void begin_load(struct loader *loader, const struct resource_load_options *options,
                       const struct resource_set *previous, struct report *report)
{
    memset(loader, 0, sizeof(*loader));
    loader->set = mem_new(struct resource_set);
    loader->previous = previous;
    loader->report = report;
    loader->arena = arena_new(SCRATCH_BLOCK_BYTES);
    loader->document = arena_new(SCRATCH_BLOCK_BYTES);
    loader->options.default_namespace = options != NULL && options->default_namespace.len > 0
                                            ? options->default_namespace
                                            : STR("default");
    loader->options.is_strict = options != NULL && options->is_strict;
}

static struct resource_set *finish_load(struct loader *loader)
{
    if (loader->previous != NULL) {
        keep_refused(loader);
        keep_damaged(loader);
    }
    arena_free(loader->document);
    arena_free(loader->arena);
    return loader->set;
}

struct resource_set *resource_set_load(const struct str *paths, size_t path_count,
                                       const struct resource_load_options *options,
                                       const struct resource_set *previous, struct report *report)
{
    struct loader loader;
    struct str_vec files = { 0 };
    struct map seen = { 0 };
    struct text bytes = { 0 };

    begin_load(&loader, options, previous, report);
    for (size_t i = 0; i < path_count; i++) {
        load_dir_find(loader.arena, paths[i], &files, &loader.damaged, report);
    }
    for (size_t i = 0; i < files.count; i++) {
        /* A path given twice, or a directory and a file in it, is no duplicate definition. */
        if (map_set(&seen, files.items[i], &files.items[i]) == NULL) {
            load_file(&loader, files.items[i], &bytes);
        }
    }
    map_cleanup(&seen);
    text_cleanup(&bytes);
    return finish_load(&loader);
}

struct resource_set *resource_set_load_text(struct str file, struct str bytes,
                                            const struct resource_load_options *options,
                                            const struct resource_set *previous,
                                            struct report *report)
{
    struct loader loader;

    begin_load(&loader, options, previous, report);
    load_bytes(&loader, file, bytes);
    return finish_load(&loader);
}

int resource_set_compare_age(const struct object_meta *a, const struct object_meta *b)
{
    int order;

    if (a->creation_time_s != b->creation_time_s) {
        return a->creation_time_s < b->creation_time_s ? -1 : 1;
    }
    order = str_compare(a->name, b->name);
    return order != 0 ? order : str_compare(a->namespace, b->namespace);
}
