/* delegate: the http entries of a VirtualService with those of its delegates merged in (spec 5.12).
 * Control thread; for the length of a compile. */
#ifndef CONFIG_DELEGATE_H
#define CONFIG_DELEGATE_H

#include "config/resource_set.h"

/* One entry as it is in force. */
struct http_entry {
    const struct http_route *route;  /* of the object, or merged */
    const struct object_meta *owner; /* whose entry it is, for findings and places */
    size_t index;                    /* in the owner's http[] */
    struct str namespace;            /* short destination hosts expand with it (HT-145) */
};
VEC_STRUCT(http_entries, struct http_entry);

enum delegate_problem {
    DELEGATE_GOOD,
    DELEGATE_ABSENT,
    DELEGATE_HAS_HOSTS,
    DELEGATE_HAS_DELEGATE, /* HT-141: one level only */
    DELEGATE_NOT_EXPORTED,
    DELEGATE_CONFLICTS, /* HT-142: an entry of it fits no match of the root's */
};

/* Told of each reference that is not followed in full; `entry` is the index in the root's http[],
 * `delegate_entry` that in the delegate's (CONFLICTS only). */
typedef void (*delegate_problem_fn)(void *owner, const struct virtual_service *root, size_t entry,
                                    enum delegate_problem problem, size_t delegate_entry);

/* Memory from `arena`. `on_problem` may be NULL. */
void delegate_expand(struct arena *arena, const struct resource_set *resources,
                     const struct virtual_service *root, struct http_entries *out,
                     delegate_problem_fn on_problem, void *owner);

#endif
