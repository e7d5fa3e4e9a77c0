/* timer_wheel: against a plain list, with random arming, cancelling and steps of time. */
#include "gateway/net/timer_wheel.h"

#include "gateway/base/list.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { TIMERS = 500 };

struct item {
    struct list link;
    uint64_t due; /* as the wheel took it */
    bool is_armed;
};

static struct item items[TIMERS];
static struct timer_wheel wheel;
static uint64_t target;
static size_t fired;
static uint64_t last_due;

static uint64_t tick_of(const struct list *link)
{
    return ((const struct item *)(const void *)link)->due;
}

static void fire(struct list *link)
{
    struct item *item = list_object(link, struct item, link);

    assert_true(item->is_armed);
    assert_true(item->due <= target);
    assert_true(item->due >= last_due); /* in order */
    last_due = item->due;
    item->is_armed = false;
    fired++;
}

static uint64_t next_random(void)
{
    static uint64_t seed = 88172645463325252u;

    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed;
}

static void arm(struct item *item, uint64_t due)
{
    list_remove(&item->link);
    item->due = due > wheel.tick ? due : wheel.tick + 1;
    item->is_armed = true;
    timer_wheel_insert(&wheel, &item->link, due);
    assert_true(wheel.next_tick <= item->due);
}

static void advance(uint64_t tick)
{
    target = tick;
    last_due = 0;
    timer_wheel_advance(&wheel, tick, tick_of, fire);
    for (size_t i = 0; i < TIMERS; i++) {
        assert_true(!items[i].is_armed || items[i].due > tick);
        assert_true(!items[i].is_armed || wheel.next_tick <= items[i].due);
    }
}

static void timers_fire_when_due_and_not_before(void **state)
{
    (void)state;
    uint64_t now = 123456789;
    timer_wheel_init(&wheel, now);
    for (int round = 0; round < 3000; round++) {
        struct item *item = &items[next_random() % TIMERS];
        uint64_t span = UINT64_C(1) << (next_random() % 24);
        if (next_random() % 4 == 0) {
            list_remove(&item->link);
            item->is_armed = false;
        } else {
            arm(item, now + next_random() % span);
        }
        if (next_random() % 3 == 0) {
            now += next_random() % (UINT64_C(1) << (next_random() % 20));
            advance(now);
        }
    }
    advance(now + (UINT64_C(1) << 25));
    assert_true(fired > 500);
}

static void nothing_armed_means_nothing_to_wait_for(void **state)
{
    (void)state;
    timer_wheel_init(&wheel, 5);
    assert_true(wheel.next_tick == UINT64_MAX);
    arm(&items[0], 7);
    list_remove(&items[0].link);
    items[0].is_armed = false;
    advance(10); /* the cancelled one's slot is found empty */
    assert_true(wheel.next_tick == UINT64_MAX);
    arm(&items[0], UINT64_MAX - 1); /* beyond the wheel: kept at its end */
    advance(11);
    assert_true(list_is_linked(&items[0].link));
    list_remove(&items[0].link);
    items[0].is_armed = false;
}

static void the_past_is_the_next_tick(void **state)
{
    (void)state;
    timer_wheel_init(&wheel, 100);
    arm(&items[0], 3);
    assert_int_equal(items[0].due, 101);
    items[0].due = 101;
    size_t before = fired;
    advance(101);
    assert_int_equal(fired, before + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_fire_when_due_and_not_before),
        cmocka_unit_test(nothing_armed_means_nothing_to_wait_for),
        cmocka_unit_test(the_past_is_the_next_tick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
