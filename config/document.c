/* document: libyaml's events to a tree, with an explicit stack: no recursion on input. Nodes belong
 * to the caller's arena; the stream owns the parser and its scratch memory. Any one thread. */
#include "config/document.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/map.h"
#include "gateway/base/mem.h"
#include "gateway/base/vec.h"

#include <stdarg.h>
#include <stdio.h>
#include <yaml.h>

/* A mapping with more keys is checked for duplicates by hash instead of by pairs. */
#define FEW_KEYS 8u

/* A collection that is still open. Its children so far are children[first_child..]. */
struct frame {
    struct node *node;
    size_t first_child;
    struct str anchor;
};

struct document_stream {
    yaml_parser_t parser;
    bool is_over;
    size_t document_count;
    /* The document under way. */
    struct arena *arena;
    struct document *document;
    const struct node *root;
    struct map anchors;
    size_t alias_count;
    uint64_t weight;       /* of all its nodes so far, aliases expanded */
    uint64_t alias_weight; /* of what aliases stand for, over all documents of the stream */
    bool is_fatal;         /* a cap was passed: reading on is what the cap forbids */
    struct {
        VEC_FIELDS(struct frame);
    } frames;
    struct {
        VEC_FIELDS(const struct node *);
    } children;
};

static struct place place_of(const yaml_mark_t *mark)
{
    return (struct place){ (uint32_t)mark->line + 1, (uint32_t)mark->column + 1 };
}

/* Only the first problem is kept: those after it are often its consequence. */
static void __attribute__((format(printf, 4, 5)))
set_problem(struct document *document, enum document_problem_kind kind, struct place place,
            const char *format, ...)
{
    va_list args;

    if (document->problem.kind != DOCUMENT_PROBLEM_NONE) {
        return;
    }
    document->problem.kind = kind;
    document->problem.place = place;
    va_start(args, format);
    (void)vsnprintf(document->problem.text, sizeof(document->problem.text), format, args);
    va_end(args);
}

static void __attribute__((format(printf, 3, 4)))
pass_limit(struct document_stream *stream, struct place place, const char *format, ...)
{
    char text[sizeof(stream->document->problem.text)];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    /* A cap says more than what was found before it. */
    stream->document->problem.kind = DOCUMENT_PROBLEM_NONE;
    set_problem(stream->document, DOCUMENT_PROBLEM_LIMIT, place, "%s", text);
    stream->is_fatal = true;
}

struct document_stream *document_stream_open(struct str bytes)
{
    struct document_stream *stream = mem_new(struct document_stream);

    CHECK(yaml_parser_initialize(&stream->parser) == 1);
    yaml_parser_set_input_string(
        &stream->parser, (const unsigned char *)(bytes.ptr != NULL ? bytes.ptr : ""), bytes.len);
    return stream;
}

void document_stream_close(struct document_stream *stream)
{
    if (stream == NULL) {
        return;
    }
    yaml_parser_delete(&stream->parser);
    map_cleanup(&stream->anchors);
    vec_cleanup(&stream->frames);
    vec_cleanup(&stream->children);
    mem_free(stream);
}

/* --- nodes ------------------------------------------------------------------------------------ */

/* Counts what walking the graph would cost. The cap is what stops "billion laughs": each alias
 * adds the whole weight of what it stands for. */
static bool add_weight(struct document_stream *stream, uint64_t weight, struct place place)
{
    stream->weight += weight;
    if (stream->weight > LIMIT_YAML_NODES) {
        pass_limit(stream, place, "more than %u values once aliases are expanded",
                   LIMIT_YAML_NODES);
        return false;
    }
    return true;
}

static bool check_depth(struct document_stream *stream, uint32_t height, struct place place)
{
    if (stream->frames.count + height > LIMIT_YAML_DEPTH) {
        pass_limit(stream, place, "nested deeper than %u levels", LIMIT_YAML_DEPTH);
        return false;
    }
    return true;
}

static struct node *new_node(struct document_stream *stream, enum node_kind kind,
                             const yaml_event_t *event)
{
    struct node *node = arena_new_object(stream->arena, struct node);

    node->kind = kind;
    node->place = place_of(&event->start_mark);
    node->weight = 1;
    node->height = 1;
    return node;
}

/* Puts a finished node where it belongs: into the open collection, or at the root. */
static void attach(struct document_stream *stream, const struct node *node)
{
    if (stream->frames.count == 0) {
        stream->root = node;
    } else {
        vec_push(&stream->children, node);
    }
}

static struct str anchor_name(struct document_stream *stream, const yaml_char_t *anchor)
{
    if (anchor == NULL) {
        return (struct str){ NULL, 0 };
    }
    return arena_copy_str(stream->arena, str_from_cstr((const char *)anchor));
}

static void set_anchor(struct document_stream *stream, struct str name, struct node *node)
{
    if (name.ptr != NULL) {
        /* The last definition of a name counts (YAML 1.2, 3.2.2.2). */
        (void)map_set(&stream->anchors, name, node);
    }
}

static bool is_string_tag(const yaml_char_t *tag)
{
    return tag != NULL &&
           (strcmp((const char *)tag, YAML_STR_TAG) == 0 || strcmp((const char *)tag, "!") == 0);
}

static void on_scalar(struct document_stream *stream, const yaml_event_t *event)
{
    struct place place = place_of(&event->start_mark);
    size_t len = event->data.scalar.length;

    if (len > LIMIT_YAML_SCALAR_BYTES) {
        pass_limit(stream, place, "a value longer than %u bytes", LIMIT_YAML_SCALAR_BYTES);
        return;
    }
    if (!add_weight(stream, 1, place) || !check_depth(stream, 1, place)) {
        return;
    }
    struct node *node = new_node(stream, NODE_SCALAR, event);

    node->scalar =
        arena_copy_str(stream->arena, str_from((const char *)event->data.scalar.value, len));
    node->is_plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
                     !is_string_tag(event->data.scalar.tag);
    set_anchor(stream, anchor_name(stream, event->data.scalar.anchor), node);
    attach(stream, node);
}

static void on_alias(struct document_stream *stream, const yaml_event_t *event)
{
    struct place place = place_of(&event->start_mark);
    const char *name = (const char *)event->data.alias.anchor;
    /* An anchor is entered when its node is finished, so no node can contain itself. */
    const struct node *node = map_get(&stream->anchors, str_from_cstr(name));

    if (++stream->alias_count > LIMIT_YAML_ALIASES) {
        pass_limit(stream, place, "more than %u aliases", LIMIT_YAML_ALIASES);
        return;
    }
    if (node == NULL) {
        set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, place,
                    "*%.60s refers to no anchor before it", name);
        /* A stand-in keeps keys and values in step. */
        struct node *empty = new_node(stream, NODE_SCALAR, event);
        empty->scalar = STR("");
        node = empty;
    }
    /* Over the whole stream: else many small documents would each unfold a bomb just below the cap.
     */
    stream->alias_weight += node->weight;
    if (stream->alias_weight > LIMIT_YAML_NODES) {
        pass_limit(stream, place, "more than %u values once aliases are expanded",
                   LIMIT_YAML_NODES);
        return;
    }
    if (!add_weight(stream, node->weight, place) || !check_depth(stream, node->height, place)) {
        return;
    }
    attach(stream, node);
}

static void open_collection(struct document_stream *stream, enum node_kind kind,
                            const yaml_event_t *event, const yaml_char_t *anchor)
{
    struct place place = place_of(&event->start_mark);

    if (!add_weight(stream, 1, place) || !check_depth(stream, 1, place)) {
        return;
    }
    struct frame frame = {
        .node = new_node(stream, kind, event),
        .first_child = stream->children.count,
        .anchor = anchor_name(stream, anchor),
    };
    vec_push(&stream->frames, frame);
}

/* --- mappings --------------------------------------------------------------------------------- */

static bool is_merge_key(const struct node *key)
{
    return key->is_plain && str_equals(key->scalar, STR("<<"));
}

static void report_duplicate(struct document_stream *stream, const struct node *first,
                             const struct node *second)
{
    set_problem(stream->document, DOCUMENT_PROBLEM_DUPLICATE_KEY, second->place,
                "key %.60s is already given in line %u",
                second->scalar.len > 0 ? second->scalar.ptr : "\"\"", first->place.line);
}

/* spec RL-14: the last of two would win silently in Go; we refuse both. */
static void check_duplicate_keys(struct document_stream *stream, const struct node_pair *pairs,
                                 size_t count)
{
    if (count <= FEW_KEYS) {
        for (size_t i = 1; i < count; i++) {
            for (size_t j = 0; j < i; j++) {
                if (str_equals(pairs[i].key->scalar, pairs[j].key->scalar)) {
                    report_duplicate(stream, pairs[j].key, pairs[i].key);
                }
            }
        }
        return;
    }
    struct map seen = { 0 };

    for (size_t i = 0; i < count; i++) {
        const struct node_pair *former =
            map_set(&seen, pairs[i].key->scalar, (void *)(uintptr_t)&pairs[i]);
        if (former != NULL) {
            report_duplicate(stream, former->key, pairs[i].key);
        }
    }
    map_cleanup(&seen);
}

VEC_STRUCT(pair_vec, struct node_pair);

static void add_merged_pairs(struct document_stream *stream, const struct node *source,
                             struct map *seen, struct pair_vec *merged)
{
    if (source->kind != NODE_MAPPING) {
        set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, source->place,
                    "<< takes a mapping, or a list of mappings");
        return;
    }
    for (size_t i = 0; i < source->count; i++) {
        const struct node_pair *pair = &source->pairs[i];

        if (map_get(seen, pair->key->scalar) == NULL) {
            (void)map_set(seen, pair->key->scalar, (void *)(uintptr_t)pair);
            vec_push_in_arena(stream->arena, merged, *pair);
        }
    }
}

/* YAML 1.1 merge keys: what is written out wins over what is merged, the earlier of several merged
 * mappings over the later. The weight of what is merged was counted at the alias. */
static void resolve_merge_keys(struct document_stream *stream, struct node *node)
{
    struct map seen = { 0 };
    struct pair_vec merged = { 0 };

    for (size_t i = 0; i < node->count; i++) {
        if (!is_merge_key(node->pairs[i].key)) {
            (void)map_set(&seen, node->pairs[i].key->scalar, (void *)(uintptr_t)&node->pairs[i]);
            vec_push_in_arena(stream->arena, &merged, node->pairs[i]);
        }
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *value = node->pairs[i].value;

        if (!is_merge_key(node->pairs[i].key)) {
            continue;
        }
        if (value->kind != NODE_SEQUENCE) {
            add_merged_pairs(stream, value, &seen, &merged);
            continue;
        }
        for (size_t j = 0; j < value->count; j++) {
            add_merged_pairs(stream, value->items[j], &seen, &merged);
        }
    }
    node->pairs = merged.items;
    node->count = merged.count;
    map_cleanup(&seen);
}

static void finish_mapping(struct document_stream *stream, struct node *node,
                           const struct node *const *children, size_t child_count)
{
    struct node_pair *pairs = arena_new_array(stream->arena, struct node_pair, child_count / 2);
    size_t count = 0;
    bool has_merge = false;

    for (size_t i = 0; i + 1 < child_count; i += 2) {
        if (children[i]->kind != NODE_SCALAR) {
            set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, children[i]->place,
                        "a key must be a plain word, not a list or a mapping");
            continue;
        }
        has_merge = has_merge || is_merge_key(children[i]);
        pairs[count++] = (struct node_pair){ children[i], children[i + 1] };
    }
    node->pairs = pairs;
    node->count = count;
    check_duplicate_keys(stream, pairs, count);
    if (has_merge) {
        resolve_merge_keys(stream, node);
    }
}

static void finish_sequence(struct document_stream *stream, struct node *node,
                            const struct node *const *children, size_t child_count)
{
    const struct node **items = arena_new_array(stream->arena, const struct node *, child_count);

    for (size_t i = 0; i < child_count; i++) {
        items[i] = children[i];
    }
    node->items = items;
    node->count = child_count;
}

static void close_collection(struct document_stream *stream)
{
    CHECK(stream->frames.count > 0);
    struct frame frame = stream->frames.items[--stream->frames.count];
    size_t child_count = stream->children.count - frame.first_child;
    const struct node *const *children =
        child_count > 0 ? stream->children.items + frame.first_child : NULL;
    uint64_t weight = 1;
    uint32_t height = 0;

    for (size_t i = 0; i < child_count; i++) {
        weight += children[i]->weight;
        height = children[i]->height > height ? children[i]->height : height;
    }
    frame.node->weight = (uint32_t)weight; /* at most LIMIT_YAML_NODES: counted as they came */
    frame.node->height = height + 1;
    if (child_count > 0 && frame.node->kind == NODE_MAPPING) {
        finish_mapping(stream, frame.node, children, child_count);
    } else if (child_count > 0) {
        finish_sequence(stream, frame.node, children, child_count);
    }
    stream->children.count = frame.first_child;
    set_anchor(stream, frame.anchor, frame.node);
    attach(stream, frame.node);
}

/* --- documents -------------------------------------------------------------------------------- */

static void begin_document(struct document_stream *stream)
{
    map_cleanup(&stream->anchors);
    stream->alias_count = 0;
    stream->weight = 0;
    stream->frames.count = 0;
    stream->children.count = 0;
    stream->root = NULL;
}

static void report_syntax_error(struct document_stream *stream)
{
    const yaml_parser_t *parser = &stream->parser;
    struct place place = place_of(&parser->problem_mark);
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";

    /* A syntax error outweighs what else the document has: there is no tree. */
    stream->document->problem.kind = DOCUMENT_PROBLEM_NONE;
    switch (parser->error) {
    case YAML_MEMORY_ERROR:
        set_problem(stream->document, DOCUMENT_PROBLEM_LIMIT, place, "out of memory");
        return;
    case YAML_READER_ERROR: /* has an offset instead of a mark */
        place = place_of(&parser->mark);
        set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, place, "%s at byte %zu", problem,
                    parser->problem_offset);
        return;
    case YAML_NO_ERROR:
    case YAML_SCANNER_ERROR:
    case YAML_PARSER_ERROR:
    case YAML_COMPOSER_ERROR:
    case YAML_WRITER_ERROR:
    case YAML_EMITTER_ERROR:
        break;
    }
    if (parser->context != NULL) {
        set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, place, "%s, %s", problem,
                    parser->context);
    } else {
        set_problem(stream->document, DOCUMENT_PROBLEM_SYNTAX, place, "%s", problem);
    }
}

/* Takes one event. True when it ends a document or the stream. */
static bool take_event(struct document_stream *stream, const yaml_event_t *event)
{
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        begin_document(stream);
        if (++stream->document_count > LIMIT_YAML_DOCUMENTS) {
            pass_limit(stream, place_of(&event->start_mark), "more than %u documents",
                       LIMIT_YAML_DOCUMENTS);
        }
        return false;
    case YAML_DOCUMENT_END_EVENT:
        return true;
    case YAML_STREAM_END_EVENT:
        stream->is_over = true;
        return true;
    case YAML_SCALAR_EVENT:
        on_scalar(stream, event);
        return false;
    case YAML_ALIAS_EVENT:
        on_alias(stream, event);
        return false;
    case YAML_MAPPING_START_EVENT:
        open_collection(stream, NODE_MAPPING, event, event->data.mapping_start.anchor);
        return false;
    case YAML_SEQUENCE_START_EVENT:
        open_collection(stream, NODE_SEQUENCE, event, event->data.sequence_start.anchor);
        return false;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        close_collection(stream);
        return false;
    case YAML_NO_EVENT:
    case YAML_STREAM_START_EVENT:
        break;
    }
    return false;
}

/* `---` with nothing behind it gives a plain empty scalar. */
static bool is_empty_root(const struct node *root)
{
    return root == NULL || (root->kind == NODE_SCALAR && root->is_plain && root->scalar.len == 0);
}

enum document_status document_stream_next(struct document_stream *stream, struct arena *arena,
                                          struct document *document)
{
    memset(document, 0, sizeof(*document));
    if (stream->is_over) {
        return DOCUMENT_END;
    }
    stream->arena = arena;
    stream->document = document;
    stream->root = NULL;
    for (;;) {
        yaml_event_t event;

        if (yaml_parser_parse(&stream->parser, &event) == 0) {
            report_syntax_error(stream);
            stream->is_over = true;
            return DOCUMENT_BROKEN;
        }
        bool is_done = take_event(stream, &event);

        yaml_event_delete(&event);
        if (stream->is_fatal) {
            stream->is_over = true;
            return DOCUMENT_BROKEN;
        }
        if (is_done) {
            break;
        }
    }
    if (stream->is_over) {
        return DOCUMENT_END;
    }
    document->root = is_empty_root(stream->root) ? NULL : stream->root;
    return DOCUMENT_READ;
}

const struct node *document_find(const struct node *node, struct str key)
{
    if (node == NULL || node->kind != NODE_MAPPING) {
        return NULL;
    }
    for (size_t i = 0; i < node->count; i++) {
        if (str_equals(node->pairs[i].key->scalar, key)) {
            return node->pairs[i].value;
        }
    }
    return NULL;
}

const char *document_library_version(void)
{
    return yaml_get_version_string();
}
