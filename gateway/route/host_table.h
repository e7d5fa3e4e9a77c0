/* host_table: host name to entry: exact first, then the longest wildcard, then "*". One hash look-up
 * for the exact name, one for each label of a wildcard; never a list. Serves SNI (SN-1 to SN-6) and
 * Host (SN-30 to SN-33). Built once, then immutable. */
#ifndef GATEWAY_ROUTE_HOST_TABLE_H
#define GATEWAY_ROUTE_HOST_TABLE_H

#include "gateway/base/map.h"

enum { HOST_TABLE_NAME_BYTES = 255 }; /* spec RL-41; longer hosts can only meet "*" */

/* Zeroed memory is an empty table. Keys are borrowed: lower case, "a.com", "*.a.com", "*-x.a.com",
 * "*". */
struct host_table {
    struct map exact;
    struct map wildcard; /* key: ".a.com", "-x.a.com" */
    void *any;
    /* Bit n: some wildcard that does not begin at a label has a suffix of n bytes. Mostly none. */
    uint64_t partial_lengths[4];
};

void host_table_cleanup(struct host_table *table);
/* False when the host is taken; *existing (may be NULL) is then the entry that has it. */
bool host_table_add(struct host_table *table, struct str host, void *entry, void **existing);
/* Exactly this entry, no wildcard search. */
void *host_table_get(const struct host_table *table, struct str host);
/* `host` in any case, without port, one trailing dot ignored (spec 15). Empty: only "*". NULL: none. */
void *host_table_find(const struct host_table *table, struct str host);

#endif
