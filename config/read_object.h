/* read_object: one node of a document to one typed object: whose it is (apiVersion, kind,
 * namespace, name), which kind of ours or of others (spec section 1.1, section 17), and then the
 * reader of the kind. Control thread. */
#ifndef CONFIG_READ_OBJECT_H
#define CONFIG_READ_OBJECT_H

#include "config/document.h"
#include "config/report.h"
#include "config/resources.h"

struct read_object_options {
    struct str file;
    struct str default_namespace;
    bool is_strict;
    bool is_tainted; /* the document has an error: only say whose the object is */
};

enum read_object_outcome {
    READ_OBJECT_GOOD,    /* *object is a new object with one reference */
    READ_OBJECT_REFUSED, /* an error was reported; *key says whose */
    READ_OBJECT_UNKNOWN, /* an error was reported; it cannot be said whose */
    READ_OBJECT_SKIPPED, /* a kind that is not ours */
};

/* `key` is in `scratch`. */
enum read_object_outcome read_object(const struct read_object_options *options,
                                     const struct node *node, struct arena *scratch,
                                     struct report *report, struct object_meta **object,
                                     struct str *key);
/* NULL unless the node is a `List` (spec RL-11); then its items. */
const struct node *read_object_list_items(const struct node *node);
/* Takes one reference away; the last one frees, and wipes what a Secret held. */
void read_object_unref(struct object_meta *object);

#endif
