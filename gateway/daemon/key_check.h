/* key_check: checks the keys that were put in force unchecked, a few at a time behind the start, so that
 * traffic does not feel it. Control thread. */
#ifndef GATEWAY_DAEMON_KEY_CHECK_H
#define GATEWAY_DAEMON_KEY_CHECK_H

#include "gateway/net/loop.h"
#include "gateway/observe/metrics.h"
#include "tls/secret_store.h"

struct key_check {
    struct loop *loop;
    struct secret_store *store;
    struct metrics_shard *shard;
    void (*on_broken)(void *owner);
    void *owner;
    struct timer next;
    bool is_any_broken;
};

/* `on_broken` runs when all are checked and one was found broken: load the store again. */
void key_check_init(struct key_check *check, struct loop *loop, struct secret_store *store,
                    struct metrics_shard *shard, void (*on_broken)(void *owner), void *owner);
/* After each load of the store; goes on by itself until no key is left. */
void key_check_start(struct key_check *check);
void key_check_stop(struct key_check *check);

#endif
