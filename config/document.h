/* document: YAML bytes to trees of nodes, each with line and column. The only door to libyaml.
 * JSON is YAML. One stream of bytes gives its documents one after the other, so that a syntax error
 * late in a file leaves the documents before it in use. Pure: no file, no thread, no global.
 *
 * An alias shares the node of its anchor: a tree may be a graph, never a circle. What walking the
 * whole graph costs is capped by LIMIT_YAML_NODES, so a YAML bomb is refused before it is walked.
 */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include "config/place.h"
#include "gateway/base/arena.h"
#include "gateway/base/str.h"

#include <stdbool.h>
#include <stddef.h>

enum node_kind {
    NODE_SCALAR,
    NODE_MAPPING,
    NODE_SEQUENCE,
};

struct node;

struct node_pair {
    const struct node *key; /* always a scalar */
    const struct node *value;
};

struct node {
    enum node_kind kind;
    bool is_plain; /* scalar without quotes, block style or string tag: it may be more than text */
    struct place place;
    struct str scalar;
    size_t count;
    union {
        const struct node_pair *pairs;   /* of a mapping, keys unique, merge keys resolved */
        const struct node *const *items; /* of a sequence */
    };
    uint32_t weight; /* nodes below and including this one, aliases expanded */
    uint32_t height; /* levels of nesting, 1 for a scalar */
};

enum document_problem_kind {
    DOCUMENT_PROBLEM_NONE,
    DOCUMENT_PROBLEM_SYNTAX,        /* not YAML, or a form that means nothing here */
    DOCUMENT_PROBLEM_LIMIT,         /* a cap of limits.h */
    DOCUMENT_PROBLEM_DUPLICATE_KEY, /* spec RL-14 */
};

struct document_problem {
    enum document_problem_kind kind;
    struct place place;
    char text[200];
};

struct document {
    const struct node *root; /* NULL: an empty document */
    /* The first one. With a root, the document can still be read to learn whose it is, but must not
     * be used. */
    struct document_problem problem;
};

enum document_status {
    DOCUMENT_READ,
    DOCUMENT_END,
    DOCUMENT_BROKEN, /* the rest of the stream is lost; document.problem says why */
};

struct document_stream;

/* `bytes` must stay until the stream is closed. Never NULL. */
struct document_stream *document_stream_open(struct str bytes);
/* Nodes and their texts are in `arena`. After DOCUMENT_BROKEN follows DOCUMENT_END. */
enum document_status document_stream_next(struct document_stream *stream, struct arena *arena,
                                          struct document *document);
/* NULL is accepted. */
void document_stream_close(struct document_stream *stream);

/* The value of `key` in a mapping; NULL when absent or when `node` is no mapping (or NULL). */
const struct node *document_find(const struct node *node, struct str key);

/* libyaml's, for `gatehouse version`. */
const char *document_library_version(void);

#endif
