/* pool_user: who asks a pool for a leg, and notes what came of it. For the tests of pools. */
#ifndef TESTS_UNIT_SUPPORT_POOL_USER_H
#define TESTS_UNIT_SUPPORT_POOL_USER_H

#include "gateway/upstream/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct user {
    struct pool_request request;
    struct leg *leg;
    bool is_reused;
    int error_number;
    unsigned status;
    bool is_over;
};

static inline void user_on_head(void *owner, struct leg *leg, struct head *head, bool is_end)
{
    struct user *user = owner;

    assert_true(is_end);
    user->status = head->status;
    user->is_over = true;
    user->leg = NULL;
    leg->ops->release(leg);
}

static inline void user_on_end(void *owner, struct leg *leg, enum leg_end end)
{
    struct user *user = owner;

    (void)end;
    user->is_over = true;
    user->leg = NULL;
    leg->ops->release(leg);
}

static const struct leg_handler user_handler = { .on_head = user_on_head, .on_end = user_on_end };

static inline void user_on_leg(void *owner, struct leg *leg, bool is_reused)
{
    struct user *user = owner;

    user->leg = leg;
    user->is_reused = is_reused;
}

static inline void user_on_connect_failure(void *owner, int error_number, struct str tls_failure)
{
    (void)tls_failure;
    ((struct user *)owner)->error_number = error_number;
}

/* Fresh, wanting a connection of `key`. */
static inline void user_init(struct user *user, const struct pool_key *key)
{
    *user = (struct user){ .request = { .handler = &user_handler,
                                        .owner = user,
                                        .key = *key,
                                        .on_leg = user_on_leg,
                                        .on_connect_failure = user_on_connect_failure } };
}

#endif
