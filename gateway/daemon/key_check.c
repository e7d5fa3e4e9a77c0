/* key_check: a handful of keys each tick. A check takes some 30 µs of an ECDSA key and ten times that of
 * an RSA key, so a turn of this thread stays below a millisecond or few, and ten thousand keys take
 * ten seconds. Control thread. */
#include "gateway/daemon/key_check.h"

#include "gateway/base/limits.h"

enum { KEY_CHECK_KEYS_PER_TURN = 16 };

static void key_check_on_tick(void *arg)
{
    struct key_check *check = arg;

    if (!secret_store_check_keys(check->store, KEY_CHECK_KEYS_PER_TURN)) {
        check->is_any_broken = true;
    }
    key_check_start(check);
}

void key_check_init(struct key_check *check, struct loop *loop, struct secret_store *store,
                    struct metrics_shard *shard, void (*on_broken)(void *owner), void *owner)
{
    check->loop = loop;
    check->store = store;
    check->shard = shard;
    check->on_broken = on_broken;
    check->owner = owner;
    check->is_any_broken = false;
    timer_init(&check->next, key_check_on_tick, check);
}

void key_check_start(struct key_check *check)
{
    size_t left = secret_store_unchecked_count(check->store);

    metrics_set(check->shard, METRIC_CERTIFICATE_KEYS_UNCHECKED, (double)left);
    if (left > 0) {
        timer_arm(check->loop, &check->next, LOOP_TIMER_TICK_MS);
    } else if (check->is_any_broken) {
        check->is_any_broken = false;
        check->on_broken(check->owner);
    }
}

void key_check_stop(struct key_check *check)
{
    timer_cancel(&check->next);
}
