/* The phases of a drain (HR-5, HR-6), with workers that only count what they are told. */
#include "gateway/daemon/drain.h"

#include "tests/unit/support/run_until.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

/* In place of proxy/worker.c. */
static size_t begun;
static size_t stopped;
static size_t active;
static bool is_done;

void worker_drain_begin(struct worker *worker)
{
    (void)worker;
    begun++;
}

void worker_stop_accepting(struct worker *worker)
{
    (void)worker;
    stopped++;
}

size_t worker_active_count(const struct worker *worker)
{
    (void)worker;
    return active;
}

static void on_done(void *owner)
{
    (void)owner;
    is_done = true;
}

static struct worker *const WORKERS[] = { NULL, NULL };

struct fixture {
    struct loop *loop;
    struct drain drain;
};

static void set_up(struct fixture *fixture, uint32_t drain_time_ms)
{
    begun = 0;
    stopped = 0;
    active = 0;
    is_done = false;
    fixture->loop = loop_new(NULL);
    assert_non_null(fixture->loop);
    drain_init(&fixture->drain, fixture->loop, drain_time_ms, on_done, NULL);
}

static void tear_down(struct fixture *fixture)
{
    drain_cleanup(&fixture->drain);
    loop_free(fixture->loop);
}

static void test_notice_before_close(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 200);
    drain_begin(&fixture.drain, DRAIN_AND_LEAVE, WORKERS, 2);
    assert_int_equal(begun, 2);
    assert_int_equal(stopped, 0);
    assert_int_equal(fixture.drain.phase, DRAIN_NOTICE);
    RUN_UNTIL(fixture.loop, stopped == 2);
    RUN_UNTIL(fixture.loop, is_done);
    assert_int_equal(begun, 2);
    tear_down(&fixture);
}

static void test_deadline(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 60);
    active = 1; /* never leaves */
    uint64_t start = now_mono_fresh_us();
    drain_begin(&fixture.drain, DRAIN_AND_LEAVE, WORKERS, 2);
    RUN_UNTIL(fixture.loop, is_done);
    assert_true(now_mono_fresh_us() - start >= 50 * 1000);
    tear_down(&fixture);
}

static void test_patience_has_no_deadline(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 2);
    active = 1;
    drain_begin(&fixture.drain, DRAIN_PATIENTLY, WORKERS, 2);
    RUN_UNTIL(fixture.loop, stopped == 2);
    for (int turn = 0; turn < 10; turn++) {
        loop_run_once(fixture.loop, 10);
        assert_false(is_done);
    }
    /* TERM afterwards brings the deadline. */
    drain_begin(&fixture.drain, DRAIN_AND_LEAVE, WORKERS, 2);
    assert_int_equal(begun, 2);
    RUN_UNTIL(fixture.loop, is_done);
    tear_down(&fixture);
}

static void test_listeners_only(void **state)
{
    struct fixture fixture;

    (void)state;
    set_up(&fixture, 2);
    drain_begin(&fixture.drain, DRAIN_LISTENERS_NOW, WORKERS, 2);
    assert_int_equal(stopped, 2);
    for (int turn = 0; turn < 5; turn++) {
        loop_run_once(fixture.loop, 10);
    }
    assert_false(is_done);
    drain_begin(&fixture.drain, DRAIN_LISTENERS_NOW, WORKERS, 2); /* nothing twice */
    assert_int_equal(stopped, 2);
    drain_begin(&fixture.drain, DRAIN_PATIENTLY, WORKERS, 2);
    RUN_UNTIL(fixture.loop, is_done);
    tear_down(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notice_before_close),
        cmocka_unit_test(test_deadline),
        cmocka_unit_test(test_patience_has_no_deadline),
        cmocka_unit_test(test_listeners_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
