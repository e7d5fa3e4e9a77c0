/* certificate_watch: expiry in metrics and log. Control thread. */
#include "gateway/daemon/certificate_watch.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/observe/log.h"

enum { CERTIFICATE_WATCH_DAY_S = 86400 };

/* Value of the map: owns its key. */
struct certificate_watch_notice {
    int threshold_days;
    char *key;
};

int certificate_watch_threshold(int64_t left_s)
{
    static const int DAYS[] = { 1, 7, 30 };

    if (left_s <= 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(DAYS) / sizeof(DAYS[0]); i++) {
        if (left_s <= (int64_t)DAYS[i] * CERTIFICATE_WATCH_DAY_S) {
            return DAYS[i];
        }
    }
    return -1;
}

static void certificate_watch_free_map(struct map *told)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(told, &position, &key, &value)) {
        struct certificate_watch_notice *notice = value;
        mem_free(notice->key);
        mem_free(notice);
    }
    map_cleanup(told);
}

static void certificate_watch_tell(const struct secret_entry *entry, struct str label,
                                   int64_t not_after)
{
    char until[40];

    (void)now_format_utc((uint64_t)not_after * 1000000, 0, until, sizeof(until));
    if (entry->state == SECRET_EXPIRED) {
        LOG_ERROR("certificate", "%.*s expired at %s and is still served; renew it", STR_ARG(label),
                  until);
    } else {
        LOG_WARN("certificate", "%.*s expires at %s; no renewal has come yet", STR_ARG(label),
                 until);
    }
}

/* One notice for each certificate and threshold; `next` is what is still true. */
static void certificate_watch_check(struct certificate_watch *watch, struct map *next,
                                    const struct secret_entry *entry, struct str label,
                                    int64_t wall_s)
{
    const struct secret_certificate *leaf = &secret_chain(entry->secret)->items[0];
    int threshold = certificate_watch_threshold(leaf->not_after - wall_s);
    struct text key = { 0 };

    if (threshold == -1) {
        return;
    }
    text_printf(&key, "%.*s %.*s", STR_ARG(label), STR_ARG(leaf->fingerprint));
    const struct certificate_watch_notice *former = map_get(&watch->told, text_view(&key));
    if (former == NULL || threshold < former->threshold_days) {
        certificate_watch_tell(entry, label, leaf->not_after);
    }
    if (map_get(next, text_view(&key)) == NULL) {
        struct certificate_watch_notice *notice = mem_new(struct certificate_watch_notice);
        notice->threshold_days = threshold;
        notice->key = mem_copy_string(key.ptr, key.len);
        (void)map_set(next, str_from(notice->key, key.len), notice); /* absent: just looked */
    }
    text_cleanup(&key);
}

void certificate_watch_update(struct certificate_watch *watch, const struct secret_store *store,
                              struct str own_namespace, struct metrics_shard *shard, int64_t wall_s)
{
    struct map next = { 0 };
    struct text label = { 0 };

    metrics_clear_series(shard, METRIC_CERTIFICATE_NOT_AFTER);
    metrics_clear_series(shard, METRIC_CERTIFICATE_VALID);
    for (size_t i = 0; i < secret_store_count(store); i++) {
        const struct secret_entry *entry = secret_store_at(store, i);
        struct str namespace_ = entry->namespace_.len != 0 ? entry->namespace_ : own_namespace;
        text_clear(&label);
        /* Files are named by their path, secrets by namespace and name. */
        if (str_starts_with(entry->name, STR("file:"))) {
            text_add(&label, entry->name);
        } else {
            text_printf(&label, "%.*s/%.*s", STR_ARG(namespace_), STR_ARG(entry->name));
        }
        const struct str value = text_view(&label);
        metric_series_set(metrics_series(shard, METRIC_CERTIFICATE_VALID, &value, 1),
                          entry->state == SECRET_GOOD ? 1 : 0);
        if (entry->secret == NULL || secret_chain(entry->secret)->count == 0) {
            continue;
        }
        metric_series_set(metrics_series(shard, METRIC_CERTIFICATE_NOT_AFTER, &value, 1),
                          (double)secret_chain(entry->secret)->items[0].not_after);
        certificate_watch_check(watch, &next, entry, value, wall_s);
    }
    certificate_watch_free_map(&watch->told);
    watch->told = next;
    text_cleanup(&label);
}

void certificate_watch_cleanup(struct certificate_watch *watch)
{
    certificate_watch_free_map(&watch->told);
    watch->told = (struct map){ 0 };
}
