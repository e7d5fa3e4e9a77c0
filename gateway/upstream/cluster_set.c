/* cluster_set: the clusters of a worker, kept from snapshot to snapshot. */
#include "gateway/upstream/cluster_set.h"

#include "gateway/base/check.h"
#include "gateway/upstream/pool.h"

void cluster_set_init(struct cluster_set *set)
{
    random_init(&set->random);
    list_init(&set->current);
    list_init(&set->retired);
    list_init(&set->endpoints);
}

static void cluster_set_take(struct cluster_set *set, const struct cluster_config *config)
{
    struct cluster *cluster = map_get(&set->by_name, config->name);

    if (cluster == NULL) {
        cluster = cluster_new(set, config);
        list_push_back(&set->current, &cluster->link);
        (void)map_set(&set->by_name, cluster->name, cluster); /* there was none */
    } else if (cluster->fingerprint != config->fingerprint) {
        cluster_update(cluster, config);
    }
    cluster->is_named = true;
}

static void cluster_set_retire(struct cluster_set *set, struct cluster *cluster)
{
    (void)map_remove(&set->by_name, cluster->name); /* it is there */
    list_remove(&cluster->link);
    list_push_back(&set->retired, &cluster->link);
    cluster_retire(cluster);
}

void cluster_set_update(struct cluster_set *set, struct cluster_config *const *configs,
                        size_t count)
{
    LIST_EACH (&set->current, link) {
        list_object(link, struct cluster, link)->is_named = false;
    }
    for (size_t i = 0; i < count; i++) {
        cluster_set_take(set, configs[i]);
    }
    LIST_EACH (&set->current, link) {
        struct cluster *cluster = list_object(link, struct cluster, link);
        if (!cluster->is_named) {
            cluster_set_retire(set, cluster);
        }
    }
}

void cluster_set_change(struct cluster_set *set, struct cluster_config *const *updated,
                        size_t updated_count, const struct str *gone, size_t gone_count)
{
    for (size_t i = 0; i < updated_count; i++) {
        cluster_set_take(set, updated[i]);
    }
    for (size_t i = 0; i < gone_count; i++) {
        struct cluster *cluster = map_get(&set->by_name, gone[i]);
        if (cluster != NULL) {
            cluster_set_retire(set, cluster);
        }
    }
}

void cluster_set_close_unused(struct cluster_set *set, uint64_t unused_ms)
{
    /* A retired endpoint has no idle connection: none that could take it along goes here. */
    LIST_EACH (&set->endpoints, link) {
        pool_close_unused(list_object(link, struct endpoint, link), unused_ms);
    }
}

struct cluster *cluster_set_find(const struct cluster_set *set, struct str name)
{
    return map_get(&set->by_name, name);
}

void cluster_set_cleanup(struct cluster_set *set)
{
    LIST_EACH (&set->endpoints, link) {
        pool_close_all(list_object(link, struct endpoint, link));
    }
    LIST_EACH (&set->current, link) {
        cluster_set_retire(set, list_object(link, struct cluster, link));
    }
    CHECK(list_is_empty(&set->retired) && list_is_empty(&set->endpoints));
    map_cleanup(&set->by_name);
}
