/* resource_set: all objects of one load, found by kind, namespace and name.
 * Each object is counted, so an object that a later load finds broken stays in force by being
 * referenced from the next set as well (spec RL-31). Control thread only. */
#ifndef CONFIG_RESOURCE_SET_H
#define CONFIG_RESOURCE_SET_H

#include "config/report.h"
#include "config/resources.h"
#include "gateway/base/map.h"
#include "gateway/base/str.h"

#include <stddef.h>

struct resource_set {
    struct {
        VEC_FIELDS(struct object_meta *);
    } objects[KIND_COUNT]; /* in load order, objects kept from an earlier load last */
    struct map by_key;     /* object_meta.key to object */
    size_t file_count;
    size_t document_count;
    size_t skipped_count; /* documents of kinds that are not ours (spec RL-3) */
    size_t refused_count; /* objects with an error */
    size_t kept_count;    /* of these, objects whose last good version stays in force */
};

struct resource_load_options {
    struct str default_namespace; /* ptr NULL: "default" (spec RL-12) */
    bool is_strict;               /* an unknown field is an error (spec RL-30) */
};

/* Reads every file under `paths`. Never fails as a whole: what is wrong is a finding, and the rest
 * is in the set. `previous` (or NULL) gives the last good version of
 *   - an object that has an error now, but whose kind, namespace and name can be read;
 *   - every object of a file that cannot be read or has a YAML syntax error, or of a path that is
 *     gone, unless the new load defines it elsewhere.
 * An object that is simply no longer there is deleted. Caller frees the result. */
struct resource_set *resource_set_load(const struct str *paths, size_t path_count,
                                       const struct resource_load_options *options,
                                       const struct resource_set *previous, struct report *report);
/* The same from bytes, as one file of that name: for tests and for `-`. */
struct resource_set *resource_set_load_text(struct str file, struct str bytes,
                                            const struct resource_load_options *options,
                                            const struct resource_set *previous,
                                            struct report *report);
/* NULL is accepted. */
void resource_set_free(struct resource_set *set);

/* NULL when absent. */
const struct object_meta *resource_set_find(const struct resource_set *set, enum resource_kind kind,
                                            struct str namespace, struct str name);
/* "First wins" (spec RL-5): by creation time, then name, then namespace; negative: `a` is first. */
int resource_set_compare_age(const struct object_meta *a, const struct object_meta *b);
/* For checks across objects that refuse one: puts the version of `previous` (or NULL) in its place,
 * or takes it out when there is none or it is the same version. Returns what is in force now, or
 * NULL. `object` must be in the set and is gone afterwards unless somebody else holds it. */
const struct object_meta *resource_set_restore(struct resource_set *set,
                                               const struct object_meta *object,
                                               const struct resource_set *previous);

static inline size_t resource_set_count(const struct resource_set *set, enum resource_kind kind)
{
    return set->objects[kind].count;
}

/* `index` below resource_set_count() of that kind. */
#define RESOURCE_SET_ACCESSOR(type, kind)                                                          \
    static inline const struct type *resource_set_##type(const struct resource_set *set,           \
                                                         size_t index)                             \
    {                                                                                              \
        return (const struct type *)(const void *)set->objects[kind].items[index];                 \
    }
RESOURCE_SET_ACCESSOR(gateway, KIND_GATEWAY)
RESOURCE_SET_ACCESSOR(virtual_service, KIND_VIRTUAL_SERVICE)
RESOURCE_SET_ACCESSOR(destination_rule, KIND_DESTINATION_RULE)
RESOURCE_SET_ACCESSOR(service_entry, KIND_SERVICE_ENTRY)
RESOURCE_SET_ACCESSOR(workload_entry, KIND_WORKLOAD_ENTRY)
RESOURCE_SET_ACCESSOR(service, KIND_SERVICE)
RESOURCE_SET_ACCESSOR(secret_object, KIND_SECRET)
RESOURCE_SET_ACCESSOR(config_map, KIND_CONFIG_MAP)
RESOURCE_SET_ACCESSOR(pod, KIND_POD)
RESOURCE_SET_ACCESSOR(endpoint_slice, KIND_ENDPOINT_SLICE)
#undef RESOURCE_SET_ACCESSOR

#endif
