/* loop: timers, posts from other threads, deferred work, reaping, watches. */
#include "gateway/net/loop.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/run_until.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(NULL);
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* --- Timers ----------------------------------------------------------------------------------- */

struct shot {
    struct timer timer;
    uint64_t armed_us;
    uint64_t fired_us;
    int count;
    int wanted;
};

static void on_shot(void *arg)
{
    struct shot *shot = arg;

    shot->fired_us = now_mono_fresh_us();
    shot->count++;
    if (shot->count < shot->wanted) {
        timer_arm(loop, &shot->timer, 0);
    }
}

static void timers_are_never_early(void **state)
{
    static const uint64_t delays[] = { 0, 1, 15, 16, 17, 40, 90 };
    struct shot shots[7] = { 0 };

    (void)state;
    now_update();
    for (size_t i = 0; i < 7; i++) {
        timer_init(&shots[i].timer, on_shot, &shots[i]);
        shots[i].armed_us = now_mono_us();
        timer_arm(loop, &shots[i].timer, delays[i]);
        assert_true(timer_is_armed(&shots[i].timer));
    }
    RUN_UNTIL(loop, shots[6].count == 1);
    for (size_t i = 0; i < 7; i++) {
        assert_int_equal(shots[i].count, 1);
        assert_false(timer_is_armed(&shots[i].timer));
        /* Armed by a clock of whole milliseconds. */
        assert_true(shots[i].fired_us + 1000 >= shots[i].armed_us + delays[i] * 1000);
    }
}

static void timers_can_be_cancelled_moved_and_armed_again(void **state)
{
    struct shot cancelled = { 0 };
    struct shot moved = { 0 };
    struct shot again = { .wanted = 3 };

    (void)state;
    timer_init(&cancelled.timer, on_shot, &cancelled);
    timer_init(&moved.timer, on_shot, &moved);
    timer_init(&again.timer, on_shot, &again);
    timer_arm(loop, &cancelled.timer, 20);
    timer_cancel(&cancelled.timer);
    timer_cancel(&cancelled.timer);
    timer_arm(loop, &moved.timer, 3600 * 1000);
    timer_arm(loop, &moved.timer, 30);
    timer_arm(loop, &again.timer, 10);
    RUN_UNTIL(loop, moved.count == 1 && again.count == 3);
    assert_int_equal(cancelled.count, 0);
}

static void arming_costs_no_allocation(void **state)
{
    struct shot shot = { 0 };

    (void)state;
    timer_init(&shot.timer, on_shot, &shot);
    timer_arm(loop, &shot.timer, 60000);
    loop_run_once(loop, 0);
    uint64_t before = mem_allocation_count();
    for (int i = 0; i < 1000; i++) {
        timer_arm(loop, &shot.timer, 60000);
        timer_cancel(&shot.timer);
        loop_run_once(loop, 0);
    }
    assert_int_equal(mem_allocation_count(), before);
}

/* --- Posts ------------------------------------------------------------------------------------ */

enum { POSTS = 2000 };
static atomic_int posted;
static int last_post[2];
static int run_posts;

static void on_post(void *arg)
{
    int number = (int)(intptr_t)arg;
    int from = number % 2;

    assert_true(number / 2 == last_post[from] + 1); /* in the order of each thread */
    last_post[from] = number / 2;
    if (++run_posts == 2 * POSTS) {
        loop_stop(loop);
    }
}

static void *post_many(void *arg)
{
    int from = (int)(intptr_t)arg;

    for (int i = 0; i < POSTS; i++) {
        loop_post(loop, on_post, (void *)(intptr_t)(i * 2 + from));
        atomic_fetch_add(&posted, 1);
    }
    return NULL;
}

static void posts_from_two_threads_keep_their_order(void **state)
{
    pthread_t threads[2];

    (void)state;
    last_post[0] = -1;
    last_post[1] = -1;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, (void *)(intptr_t)i), 0);
    }
    loop_run(loop);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(run_posts, 2 * POSTS);
    assert_int_equal(atomic_load(&posted), 2 * POSTS);
}

static void *run_loop(void *arg)
{
    loop_run(arg);
    return NULL;
}

static void on_never(void *arg)
{
    (void)arg;
    fail();
}

static void a_loop_in_another_thread_is_stopped(void **state)
{
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, run_loop, loop), 0);
    loop_stop(loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    loop_post(loop, on_never, NULL); /* dropped, not run, not leaked */
}

/* --- Deferred work and reaping ---------------------------------------------------------------- */

static struct deferred first;
static struct deferred second;
static struct deferred forever;
static int order[8];
static int order_count;
static int forever_count;
static bool was_reaped;

static void on_second(void *arg)
{
    (void)arg;
    order[order_count++] = 2;
}

static void on_first(void *arg)
{
    (void)arg;
    order[order_count++] = 1;
    loop_defer(loop, &second, on_second, NULL);
    loop_defer(loop, &second, on_second, NULL);
}

static void on_forever(void *arg)
{
    (void)arg;
    forever_count++;
    loop_defer(loop, &forever, on_forever, NULL);
}

static void deferred_work_runs_once_and_in_the_same_turn(void **state)
{
    (void)state;
    loop_defer(loop, &first, on_first, NULL);
    loop_defer(loop, &first, on_first, NULL);
    loop_run_once(loop, 1000);
    assert_int_equal(order_count, 2);
    assert_int_equal(order[0], 1);
    assert_int_equal(order[1], 2);
    loop_defer(loop, &first, on_first, NULL);
    loop_defer_cancel(&first);
    loop_defer_cancel(&first);
    loop_run_once(loop, 0);
    assert_int_equal(order_count, 2);
}

static void work_that_never_ends_does_not_stop_the_loop(void **state)
{
    (void)state;
    loop_defer(loop, &forever, on_forever, NULL);
    loop_run_once(loop, 60000); /* does not wait either */
    int after_one = forever_count;
    assert_true(after_one > 1 && after_one < 100);
    loop_run_once(loop, 60000);
    assert_true(forever_count > after_one);
    loop_defer_cancel(&forever);
}

static void reap(void *memory)
{
    was_reaped = true;
    mem_free(memory);
}

static void on_reaping(void *arg)
{
    loop_reap(loop, arg, reap);
    memset(arg, 1, 8); /* still there */
    assert_false(was_reaped);
}

static void reaped_memory_lives_to_the_end_of_the_turn(void **state)
{
    (void)state;
    loop_post(loop, on_reaping, mem_alloc(8));
    RUN_UNTIL(loop, was_reaped);
    loop_reap(loop, mem_alloc(8), mem_free); /* freed by loop_free() */
}

/* --- Watches ---------------------------------------------------------------------------------- */

static int seen_signal;
static int seen_bytes;
static struct loop_watch *pipe_watch;

static void on_signal(int signal_number, void *arg)
{
    (void)arg;
    seen_signal = signal_number;
}

static void on_readable(int fd, void *arg)
{
    char byte;

    (void)arg;
    assert_int_equal(read(fd, &byte, 1), 1);
    if (++seen_bytes == 2) {
        loop_unwatch(pipe_watch);
    }
}

static void signals_and_descriptors_are_watched(void **state)
{
    int fds[2];
    struct err err = { 0 };

    (void)state;
    struct loop_watch *watch = loop_watch_signal(loop, SIGUSR2, on_signal, NULL, &err);
    assert_non_null(watch);
    assert_int_equal(pipe(fds), 0);
    pipe_watch = loop_watch_readable(loop, fds[0], on_readable, NULL, &err);
    assert_non_null(pipe_watch);
    assert_int_equal(kill(getpid(), SIGUSR2), 0);
    assert_int_equal(write(fds[1], "abc", 3), 3);
    RUN_UNTIL(loop, seen_signal == SIGUSR2 && seen_bytes == 2);
    loop_run_once(loop, 0);
    assert_int_equal(seen_bytes, 2);
    loop_unwatch(watch);
    loop_unwatch(NULL);
    assert_null(loop_watch_readable(loop, 100000, on_readable, NULL, &err));
    assert_int_equal(err.code, ERR_SYSTEM);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

static void on_closer(void *arg)
{
    struct loop_closer *closer = arg;

    list_remove(&closer->link);
}

static void the_loop_tells_what_owns_itself_when_it_ends(void **state)
{
    static struct loop_closer closer;

    (void)state;
    loop_add_closer(loop, &closer, on_closer, &closer);
    loop_free(loop);
    assert_false(list_is_linked(&closer.link));
    loop = NULL;
    loop_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(timers_are_never_early, set_up, tear_down),
        cmocka_unit_test_setup_teardown(timers_can_be_cancelled_moved_and_armed_again, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(arming_costs_no_allocation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(posts_from_two_threads_keep_their_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_loop_in_another_thread_is_stopped, set_up, tear_down),
        cmocka_unit_test_setup_teardown(deferred_work_runs_once_and_in_the_same_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(work_that_never_ends_does_not_stop_the_loop, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(reaped_memory_lives_to_the_end_of_the_turn, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(signals_and_descriptors_are_watched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_loop_tells_what_owns_itself_when_it_ends, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
