/* host_index: many hosts of virtual services, asked which of them overlap a host of a server (spec
 * SN-50 to SN-52). Ten thousand on either side must not become a hundred million pairs: exact names
 * and the wildcards above a name are found by hash, the names below a wildcard as one range of a
 * sorted list. Control thread, for the length of a compile. */
#ifndef CONFIG_HOST_INDEX_H
#define CONFIG_HOST_INDEX_H

#include "gateway/base/map.h"
#include "gateway/base/vec.h"

struct host_index_entry {
    struct str host; /* borrowed, lower case */
    size_t value;
    struct host_index_entry *next; /* of the same host */
};

struct host_overlap {
    struct str host; /* what both have in common: the narrower of the two */
    size_t value;
};
VEC_STRUCT(host_overlaps, struct host_overlap);

struct host_index {
    struct arena *arena;
    struct map by_host; /* to the first entry */
    struct {
        VEC_FIELDS(struct host_index_entry *);
    } sorted; /* by host read backwards, after host_index_seal() */
};

void host_index_init(struct host_index *index, struct arena *arena);
void host_index_cleanup(struct host_index *index);
void host_index_add(struct host_index *index, struct str host, size_t value);
/* No more additions. */
void host_index_seal(struct host_index *index);
/* Appends each entry that overlaps `host`, with what is common (SN-50). Not de-duplicated. */
void host_index_find(const struct host_index *index, struct str host, struct host_overlaps *out);

#endif
