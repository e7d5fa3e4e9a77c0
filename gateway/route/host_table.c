/* host_table: see the header. Built by the control thread, then read by all. Wildcards are kept by
 * what follows their star, so "*.a.com" and the rare "*-x.a.com" share one map. */
#include "gateway/route/host_table.h"

#include <string.h>

void host_table_cleanup(struct host_table *table)
{
    map_cleanup(&table->exact);
    map_cleanup(&table->wildcard);
    memset(table, 0, sizeof(*table));
}

static bool is_any(struct str host)
{
    return host.len == 1 && host.ptr[0] == '*';
}

static bool is_wildcard(struct str host)
{
    return host.len > 1 && host.ptr[0] == '*';
}

void *host_table_get(const struct host_table *table, struct str host)
{
    if (is_any(host)) {
        return table->any;
    }
    return is_wildcard(host) ? map_get(&table->wildcard, str_skip(host, 1))
                             : map_get(&table->exact, host);
}

bool host_table_add(struct host_table *table, struct str host, void *entry, void **existing)
{
    void *former = host_table_get(table, host);

    if (existing != NULL) {
        *existing = former;
    }
    if (former != NULL) {
        return false;
    }
    if (is_any(host)) {
        table->any = entry;
    } else if (!is_wildcard(host)) {
        (void)map_set(&table->exact, host, entry); /* was absent */
    } else {
        struct str suffix = str_skip(host, 1);

        (void)map_set(&table->wildcard, suffix, entry); /* was absent */
        if (suffix.ptr[0] != '.' && suffix.len <= HOST_TABLE_NAME_BYTES) {
            table->partial_lengths[suffix.len / 64] |= UINT64_C(1) << (suffix.len % 64);
        }
    }
    return true;
}

static bool has_partial_length(const struct host_table *table, size_t len)
{
    return (table->partial_lengths[len / 64] >> (len % 64) & 1) != 0;
}

void *host_table_find(const struct host_table *table, struct str host)
{
    char lower[HOST_TABLE_NAME_BYTES];
    void *entry;

    if (host.len > 0 && host.ptr[host.len - 1] == '.') {
        host.len--; /* spec 15: SN-6 and SN-33 without the surprise */
    }
    if (host.len == 0 || host.len > sizeof(lower)) {
        return table->any;
    }
    memcpy(lower, host.ptr, host.len);
    str_lower_bytes(lower, host.len);
    host.ptr = lower;
    entry = map_get(&table->exact, host);
    if (entry != NULL || table->wildcard.count == 0) {
        return entry != NULL ? entry : table->any;
    }
    /* From 1: a wildcard stands for at least one character (SN-32). */
    for (size_t at = 1; at < host.len; at++) {
        if (lower[at] == '.' || has_partial_length(table, host.len - at)) {
            entry = map_get(&table->wildcard, str_skip(host, at));
            if (entry != NULL) {
                return entry;
            }
        }
    }
    return table->any;
}
