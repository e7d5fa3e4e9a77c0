/* balance: the choice of an endpoint. A worker's own; workers do not know of each other's choices.
 */
#include "gateway/upstream/balance.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

/* HT-95: picks before a host that failed already is taken again. */
enum { BALANCE_PICKS_MAX = 5 };

void balance_cleanup(struct balance *balance)
{
    mem_free(balance->endpoints);
    *balance = (struct balance){ 0 };
}

void balance_set(struct balance *balance, enum cluster_balance kind, struct endpoint *const *all,
                 size_t count)
{
    mem_free(balance->endpoints);
    balance->endpoints = count > 0 ? mem_alloc_array(count, sizeof(*all)) : NULL;
    balance->kind = kind;
    balance->count = 0;
    balance->total_weight = 0;
    balance->is_weighted = false;
    for (size_t i = 0; i < count; i++) {
        if (!all[i]->is_healthy) {
            all[i]->round_robin_credit = 0;
            continue;
        }
        balance->endpoints[balance->count++] = all[i];
        balance->total_weight += all[i]->weight;
        balance->is_weighted =
            balance->is_weighted || all[i]->weight != balance->endpoints[0]->weight;
    }
}

static struct endpoint *balance_pick_random(const struct balance *balance, struct random *random)
{
    if (!balance->is_weighted) {
        return balance->endpoints[random_below(random, balance->count)];
    }
    uint64_t point = random_below(random, balance->total_weight);
    size_t i = 0;
    while (point >= balance->endpoints[i]->weight) {
        point -= balance->endpoints[i]->weight;
        i++;
    }
    return balance->endpoints[i];
}

/* Smooth weighted round robin: each gains its weight, the richest is taken and pays the total. For
 * weights 5, 1, 1 the order is a a b a c a a, not a a a a a b c. */
static struct endpoint *balance_pick_weighted_round(struct balance *balance)
{
    struct endpoint *best = balance->endpoints[0];

    for (size_t i = 0; i < balance->count; i++) {
        struct endpoint *endpoint = balance->endpoints[i];
        endpoint->round_robin_credit += endpoint->weight;
        if (endpoint->round_robin_credit > best->round_robin_credit) {
            best = endpoint;
        }
    }
    CHECK(best != NULL); /* whoever picks has looked at the count */
    best->round_robin_credit -= (int64_t)balance->total_weight;
    return best;
}

static struct endpoint *balance_pick_round(struct balance *balance, struct random *random)
{
    if (!balance->is_started) {
        /* Workers that all began at the first one would send it a burst. */
        balance->is_started = true;
        balance->next = random_below(random, balance->count);
        if (balance->is_weighted) {
            for (size_t i = 0; i < balance->next; i++) {
                (void)balance_pick_weighted_round(balance); /* only to move on */
            }
        }
    }
    if (balance->is_weighted) {
        return balance_pick_weighted_round(balance);
    }
    if (balance->next >= balance->count) {
        balance->next = 0;
    }
    return balance->endpoints[balance->next++];
}

/* "Power of two choices": the less busy of two, in proportion to weight. Nearly as even as the
 * least of all, without looking at all, and without a herd running to the same one. */
static struct endpoint *balance_pick_least_request(const struct balance *balance,
                                                   struct random *random)
{
    struct endpoint *a = balance_pick_random(balance, random);
    struct endpoint *b = balance_pick_random(balance, random);

    if (a == b && balance->count > 1 && !balance->is_weighted) {
        /* Equal weights: the second of a pair is a different one. */
        size_t at = random_below(random, balance->count - 1);
        b = balance->endpoints[at] == a ? balance->endpoints[balance->count - 1]
                                        : balance->endpoints[at];
    }
    uint64_t load_a = (uint64_t)(a->active_requests + 1) * b->weight;
    uint64_t load_b = (uint64_t)(b->active_requests + 1) * a->weight;
    /* Candidates already come by weight; equal load must not prefer the heavier one twice. */
    if (balance->is_weighted && a->active_requests == b->active_requests) {
        return a;
    }
    return load_b < load_a ? b : a;
}

static struct endpoint *balance_pick_one(struct balance *balance, struct random *random)
{
    switch (balance->kind) {
    case BALANCE_ROUND_ROBIN:
        return balance_pick_round(balance, random);
    case BALANCE_RANDOM:
        return balance_pick_random(balance, random);
    case BALANCE_LEAST_REQUEST:
        break;
    }
    return balance_pick_least_request(balance, random);
}

static bool balance_is_avoided(const struct endpoint *endpoint, struct endpoint *const *avoid,
                               size_t avoid_count)
{
    for (size_t i = 0; i < avoid_count; i++) {
        if (avoid[i] == endpoint) {
            return true;
        }
    }
    return false;
}

struct endpoint *balance_pick(struct balance *balance, struct random *random,
                              struct endpoint *const *avoid, size_t avoid_count)
{
    struct endpoint *endpoint = NULL;

    if (balance->count == 0) {
        return NULL;
    }
    for (int i = 0; i < BALANCE_PICKS_MAX; i++) {
        endpoint = balance_pick_one(balance, random);
        if (!balance_is_avoided(endpoint, avoid, avoid_count)) {
            break;
        }
    }
    return endpoint;
}
