/* cluster_target: a configured endpoint and what DNS says of it. A worker's. */
#include "gateway/upstream/cluster_target.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"

/* A failed look-up is tried again after a second, then two, up to this. */
enum { CLUSTER_TARGET_RETRY_MAX_MS = 30000 };

static void cluster_target_on_refresh(void *arg)
{
    cluster_target_start(arg);
}

void cluster_target_init(struct cluster_target *target, struct cluster *cluster,
                         const struct endpoint_config *config, struct cluster_target *former)
{
    *target = (struct cluster_target){
        .cluster = cluster,
        .host = config->host,
        .port = config->port,
        .weight = config->weight > 0 ? config->weight : 1,
        .is_healthy = config->is_healthy,
    };
    timer_init(&target->refresh, cluster_target_on_refresh, target);
    if (str_is_empty(config->host)) {
        target->has_answer = true;
        target->addresses = mem_new(struct address);
        target->addresses[0] = config->address;
        target->address_count = 1;
    } else if (former != NULL) {
        target->has_answer = former->has_answer;
        target->addresses = former->addresses;
        target->address_count = former->address_count;
        former->addresses = NULL;
        former->address_count = 0;
        for (size_t i = 0; i < target->address_count; i++) {
            address_set_port(&target->addresses[i], target->port);
        }
    }
}

static void cluster_target_keep(struct cluster_target *target, const struct address *addresses,
                                size_t count)
{
    /* LOGICAL_DNS: the first address of the latest answer, and it alone (SV-36). */
    size_t kept = target->cluster->kind == CLUSTER_LOGICAL_DNS ? 1 : count;

    mem_free(target->addresses);
    target->addresses = mem_alloc_array(kept, sizeof(*addresses));
    target->address_count = kept;
    for (size_t i = 0; i < kept; i++) {
        target->addresses[i] = addresses[i];
        address_set_port(&target->addresses[i], target->port);
    }
}

static uint64_t cluster_target_wait_ms(struct cluster_target *target, bool is_answered,
                                       uint32_t ttl_s)
{
    uint64_t wait_ms;

    if (is_answered) {
        wait_ms = ttl_s > 0 ? (uint64_t)ttl_s * 1000 : DNS_REFRESH_MS;
        wait_ms = wait_ms > DNS_REFRESH_MS ? DNS_REFRESH_MS : wait_ms;
    } else {
        uint32_t doublings = target->failure_count > 5 ? 5 : target->failure_count - 1;
        wait_ms = (uint64_t)1000 << doublings;
        wait_ms = wait_ms > CLUSTER_TARGET_RETRY_MAX_MS ? CLUSTER_TARGET_RETRY_MAX_MS : wait_ms;
    }
    if (wait_ms < DNS_MIN_TTL_MS) {
        wait_ms = DNS_MIN_TTL_MS;
    }
    /* Up to a tenth later, so that workers do not ask all at once. */
    return wait_ms + random_below(&target->cluster->set->random, wait_ms / 10 + 1);
}

static void cluster_target_on_answer(void *owner, const struct address *addresses, size_t count,
                                     uint32_t ttl_s, const char *error)
{
    struct cluster_target *target = owner;
    struct cluster *cluster = target->cluster;

    target->query = NULL;
    target->has_answer = true;
    if (count > 0) {
        target->failure_count = 0;
        cluster_target_keep(target, addresses, count);
    } else {
        target->failure_count++;
        LOG_WARN("cluster_target", "%.*s: cannot resolve %.*s: %s; %s", STR_ARG(cluster->name),
                 STR_ARG(target->host), error != NULL ? error : "no address",
                 target->address_count > 0 ? "keeping the former addresses" : "no address yet");
    }
    timer_arm(cluster->set->loop, &target->refresh,
              cluster_target_wait_ms(target, count > 0, ttl_s));
    cluster_refresh_endpoints(cluster);
}

void cluster_target_start(struct cluster_target *target)
{
    struct cluster_set *set = target->cluster->set;

    if (str_is_empty(target->host) || target->query != NULL) {
        return;
    }
    target->query = resolver_lookup(set->resolver, target->host, cluster_target_on_answer, target);
}

void cluster_target_stop(struct cluster_target *target)
{
    if (target->query != NULL) {
        resolver_cancel(target->query);
        target->query = NULL;
    }
    timer_cancel(&target->refresh);
}

void cluster_target_cleanup(struct cluster_target *target)
{
    cluster_target_stop(target);
    mem_free(target->addresses);
    target->addresses = NULL;
    target->address_count = 0;
}
