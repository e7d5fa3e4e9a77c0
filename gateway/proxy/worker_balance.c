/* worker_balance: connections handed from the worker that accepted them to one that has less. They wait in
 * the inbox of the taker under its lock: no object leaves its thread, a descriptor does. Giver and taker
 * serve by the same revision, so both have the listener, and an inbox closes before its worker's
 * listeners do: whoever cannot give a connection away serves it. */
#include "gateway/proxy/worker_balance.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/proxy/client.h"

#include <string.h>

enum {
    /* A difference of one is no skew; nor is an eighth of many connections: in a flood of short ones the
     * counts go up and down by as much, and handing over costs a wake-up of another thread. */
    BALANCE_MARGIN = 1,
    BALANCE_MARGIN_SHARE = 8,
    /* A connection of many busy streams weighs more than a silent one: so many requests under way are as
     * one connection. */
    BALANCE_REQUESTS_PER_CONNECTION = 8,
    /* With many workers, the next few in turn are looked at: each look may be a cache miss. */
    BALANCE_LOOKS = 8,
};

struct worker_handed {
    struct list link; /* inbox->handed */
    int fd;
    struct address peer;
    size_t key_len;
    char key[]; /* of the listener */
};

void worker_balance_init(struct worker *worker)
{
    struct worker_inbox *inbox = &worker->inbox;

    (void)pthread_mutex_init(&inbox->lock, NULL); /* default attributes cannot fail on Linux */
    list_init(&inbox->handed);
}

void worker_balance_cleanup(struct worker *worker)
{
    CHECK(list_is_empty(&worker->inbox.handed)); /* closed by its thread */
    (void)pthread_mutex_destroy(&worker->inbox.lock);
}

/* --- Giving ----------------------------------------------------------------------------------- */

/* Connections, those on their way included. */
static size_t worker_balance_connections(const struct worker *worker)
{
    return worker_active_count(worker) +
           atomic_load_explicit(&worker->inbox.count, memory_order_relaxed);
}

static size_t worker_balance_load(const struct worker *worker)
{
    return worker_balance_connections(worker) +
           worker_request_count(worker) / BALANCE_REQUESTS_PER_CONNECTION;
}

static bool worker_balance_has_room(const struct worker *worker, size_t count)
{
    size_t max = worker->options.max_connections;

    return max == 0 || worker_balance_connections(worker) + count <= max;
}

/* NULL: none has clearly less in hand. A worker's last place is only taken when no other has more. */
static struct worker *worker_balance_find_lighter(struct worker *worker)
{
    size_t load = worker_balance_load(worker);
    struct worker *lightest = NULL;
    size_t least = SIZE_MAX;

    for (size_t i = 0; i < BALANCE_LOOKS && i < worker->peer_count; i++) {
        struct worker *peer = worker->peers[worker->next_peer++ % worker->peer_count];
        size_t peer_load = worker_balance_load(peer);
        if (peer != worker && peer_load < least && worker_balance_has_room(peer, 1)) {
            lightest = peer;
            least = peer_load;
        }
    }
    if (lightest == NULL) {
        return NULL;
    }
    size_t margin = BALANCE_MARGIN + least / BALANCE_MARGIN_SHARE;
    if (!worker_balance_has_room(worker, 2)) {
        margin = 0;
    }
    return load > least + margin ? lightest : NULL;
}

static void worker_balance_on_handed(void *arg);

bool worker_balance_hand_over(struct worker_listener *listener, int fd, const struct address *peer)
{
    struct worker *worker = listener->worker;
    struct worker *taker;

    /* A listener that closes serves what it finds in its queue: the other's may be gone. */
    if (worker->peer_count < 2 || listener->socket == NULL ||
        (taker = worker_balance_find_lighter(worker)) == NULL) {
        return false;
    }
    struct worker_handed *handed = mem_alloc(sizeof(struct worker_handed) + listener->key.len);
    handed->fd = fd;
    handed->peer = *peer;
    handed->key_len = listener->key.len;
    memcpy(handed->key, listener->key.ptr, listener->key.len);

    struct worker_inbox *inbox = &taker->inbox;
    (void)pthread_mutex_lock(&inbox->lock); /* cannot fail: neither recursive nor robust */
    bool is_taken = !inbox->is_closed && inbox->revision == worker->lease->snapshot->revision;
    bool was_empty = list_is_empty(&inbox->handed);
    if (is_taken) {
        list_push_back(&inbox->handed, &handed->link);
        (void)atomic_fetch_add_explicit(&inbox->count, 1, memory_order_relaxed);
    }
    (void)pthread_mutex_unlock(&inbox->lock);
    if (!is_taken) {
        mem_free(handed);
        return false;
    }
    if (was_empty) {
        loop_post(taker->loop, worker_balance_on_handed, taker);
    }
    metrics_add(worker->metrics, METRIC_CONNECTIONS_HANDED_OVER, 1);
    return true;
}

/* --- Taking ----------------------------------------------------------------------------------- */

/* Under the lock. */
static void worker_balance_empty_inbox(struct worker_inbox *inbox, struct list *taken)
{
    struct list *link;

    list_init(taken);
    while ((link = list_first(&inbox->handed)) != NULL) {
        list_remove(link);
        list_push_back(taken, link);
    }
}

static void worker_balance_accept(struct worker *worker, struct list *taken)
{
    struct list *link;

    while ((link = list_first(taken)) != NULL) {
        struct worker_handed *handed = list_object(link, struct worker_handed, link);
        struct worker_listener *listener =
            map_get(&worker->listeners, str_from(handed->key, handed->key_len));
        CHECK(listener != NULL); /* the revision is the same, so are its listeners */
        list_remove(link);
        client_accept(listener, handed->fd, &handed->peer);
        (void)atomic_fetch_sub_explicit(&worker->inbox.count, 1, memory_order_relaxed);
        mem_free(handed);
    }
}

static void worker_balance_on_handed(void *arg)
{
    struct worker *worker = arg;
    struct list taken;

    (void)pthread_mutex_lock(&worker->inbox.lock);
    worker_balance_empty_inbox(&worker->inbox, &taken);
    (void)pthread_mutex_unlock(&worker->inbox.lock);
    worker_balance_accept(worker, &taken);
}

void worker_balance_set_revision(struct worker *worker, uint64_t revision)
{
    struct list taken;

    (void)pthread_mutex_lock(&worker->inbox.lock);
    worker_balance_empty_inbox(&worker->inbox, &taken);
    worker->inbox.revision = revision;
    (void)pthread_mutex_unlock(&worker->inbox.lock);
    worker_balance_accept(worker, &taken);
}

void worker_balance_close(struct worker *worker)
{
    struct list taken;

    (void)pthread_mutex_lock(&worker->inbox.lock);
    worker_balance_empty_inbox(&worker->inbox, &taken);
    worker->inbox.is_closed = true;
    (void)pthread_mutex_unlock(&worker->inbox.lock);
    worker_balance_accept(worker, &taken);
}
