/* snapshot: the compiled configuration. See the header for who may hold it. */
#include "config/snapshot.h"

#include "gateway/base/map.h"

#include <stdatomic.h>

enum { SNAPSHOT_BLOCK_BYTES = 64 * 1024 };

static atomic_uint live_count;

struct snapshot *snapshot_new(void)
{
    struct snapshot *snapshot = mem_new(struct snapshot);

    snapshot->arena = arena_new(SNAPSHOT_BLOCK_BYTES);
    snapshot->ref_count = 1;
    atomic_fetch_add_explicit(&live_count, 1, memory_order_relaxed);
    return snapshot;
}

struct snapshot *snapshot_ref(struct snapshot *snapshot)
{
    (void)__atomic_add_fetch(&snapshot->ref_count, 1, __ATOMIC_RELAXED); /* the caller holds one */
    return snapshot;
}

bool snapshot_unref(struct snapshot *snapshot)
{
    /* Release and acquire: whoever frees sees all that others did with it. */
    return __atomic_sub_fetch(&snapshot->ref_count, 1, __ATOMIC_ACQ_REL) == 0;
}

static void free_listener(struct snapshot_listener *listener)
{
    host_table_cleanup(&listener->sni);
    for (size_t i = 0; i < listener->server_count; i++) {
        if (listener->servers[i]->context != NULL) {
            tls_context_unref(listener->servers[i]->context);
        }
    }
}

void snapshot_free(struct snapshot *snapshot)
{
    if (snapshot == NULL) {
        return;
    }
    for (size_t i = 0; i < snapshot->listener_count; i++) {
        free_listener(&snapshot->listeners[i]);
    }
    for (size_t i = 0; i < snapshot->cluster_count; i++) {
        tls_client_context_unref(snapshot->clusters[i]->tls);
        tls_client_context_unref(snapshot->clusters[i]->tls_h2);
    }
    for (size_t i = 0; i < snapshot->tables.count; i++) {
        host_table_cleanup(&snapshot->tables.items[i]->hosts);
    }
    for (size_t i = 0; i < snapshot->patterns.count; i++) {
        pattern_free(snapshot->patterns.items[i]);
    }
    vec_cleanup(&snapshot->tables);
    vec_cleanup(&snapshot->patterns);
    arena_free(snapshot->arena);
    mem_free(snapshot);
    atomic_fetch_sub_explicit(&live_count, 1, memory_order_relaxed);
}

/* What is left in `former_by_name` afterwards is gone. */
static void take_updated_clusters(struct snapshot *snapshot, struct map *former_by_name)
{
    struct snapshot_cluster_changes *changes = &snapshot->cluster_changes;

    changes->updated =
        arena_new_array(snapshot->arena, struct cluster_config *, snapshot->cluster_count);
    for (size_t i = 0; i < snapshot->cluster_count; i++) {
        struct cluster_config *config = snapshot->clusters[i];
        const struct cluster_config *former = map_remove(former_by_name, config->name);
        if (former == NULL || former->fingerprint != config->fingerprint) {
            changes->updated[changes->updated_count++] = config;
        }
    }
}

void snapshot_compare_clusters(struct snapshot *snapshot, const struct snapshot *former)
{
    struct snapshot_cluster_changes *changes = &snapshot->cluster_changes;
    struct map by_name = { 0 };
    size_t position = 0;
    struct str name;
    void *value;

    for (size_t i = 0; i < former->cluster_count; i++) {
        (void)map_set(&by_name, former->clusters[i]->name, former->clusters[i]); /* names differ */
    }
    take_updated_clusters(snapshot, &by_name);
    changes->gone = arena_new_array(snapshot->arena, struct str, by_name.count);
    while (map_next(&by_name, &position, &name, &value)) {
        changes->gone[changes->gone_count++] = arena_copy_str(snapshot->arena, name);
    }
    map_cleanup(&by_name);
    changes->since = former->revision;
}

unsigned snapshot_live_count(void)
{
    return atomic_load_explicit(&live_count, memory_order_relaxed);
}

const struct tls_server *snapshot_find_tls_server(const struct snapshot_listener *listener,
                                                  struct str server_name)
{
    return host_table_find(&listener->sni, server_name);
}
