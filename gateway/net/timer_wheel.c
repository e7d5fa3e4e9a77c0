/* timer_wheel: see the header. A timer due at tick D, seen from the present P, sits in the wheel of
 * the highest 6-bit digit in which D and P differ, in the slot of that digit of D. So all of wheel
 * 0 is due before anything of wheel 1, and slots only ever lie ahead: there is no wrap-around. */
#include "gateway/net/timer_wheel.h"

enum { SLOT_BITS = 6 };
static const uint64_t TICK_MAX = (UINT64_C(1) << (SLOT_BITS * TIMER_WHEEL_LEVELS)) - 1;

void timer_wheel_init(struct timer_wheel *wheel, uint64_t tick)
{
    wheel->tick = tick;
    wheel->next_tick = UINT64_MAX;
    for (size_t level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        wheel->occupied[level] = 0;
        for (size_t slot = 0; slot < TIMER_WHEEL_SLOTS; slot++) {
            list_init(&wheel->slots[level][slot]);
        }
    }
}

static void timer_wheel_place(struct timer_wheel *wheel, struct list *link, uint64_t due_tick)
{
    uint64_t difference = due_tick ^ wheel->tick;
    unsigned level = 0;

    if (difference != 0) {
        level = (63u - (unsigned)__builtin_clzll(difference)) / SLOT_BITS;
    }
    unsigned shift = level * SLOT_BITS;
    size_t slot = (size_t)(due_tick >> shift) % TIMER_WHEEL_SLOTS;
    uint64_t start = (due_tick >> shift) << shift;

    list_push_back(&wheel->slots[level][slot], link);
    wheel->occupied[level] |= UINT64_C(1) << slot;
    if (start < wheel->next_tick) {
        wheel->next_tick = start;
    }
}

void timer_wheel_insert(struct timer_wheel *wheel, struct list *link, uint64_t due_tick)
{
    if (due_tick <= wheel->tick) {
        due_tick = wheel->tick + 1;
    }
    /* Thirty years from boot. */
    timer_wheel_place(wheel, link, due_tick > TICK_MAX ? TICK_MAX : due_tick);
}

/* The first slot that holds something, and the tick at which it starts. False: none. */
static bool timer_wheel_find_first(struct timer_wheel *wheel, struct list **slot_out,
                                   unsigned *level_out, uint64_t *tick_out)
{
    for (unsigned level = 0; level < TIMER_WHEEL_LEVELS; level++) {
        unsigned shift = level * SLOT_BITS;
        while (wheel->occupied[level] != 0) {
            unsigned slot = (unsigned)__builtin_ctzll(wheel->occupied[level]);
            if (!list_is_empty(&wheel->slots[level][slot])) {
                uint64_t above = (wheel->tick >> shift) & ~(uint64_t)(TIMER_WHEEL_SLOTS - 1);
                *slot_out = &wheel->slots[level][slot];
                *level_out = level;
                *tick_out = (above | slot) << shift;
                return true;
            }
            wheel->occupied[level] &= ~(UINT64_C(1) << slot);
        }
    }
    return false;
}

void timer_wheel_advance(struct timer_wheel *wheel, uint64_t tick, timer_wheel_tick_fn tick_of,
                         timer_wheel_fire_fn fire)
{
    struct list *slot;
    unsigned level;
    uint64_t start;

    if (tick <= wheel->tick) {
        return;
    }
    while (wheel->next_tick <= tick) {
        if (!timer_wheel_find_first(wheel, &slot, &level, &start)) {
            wheel->next_tick = UINT64_MAX;
            break;
        }
        wheel->next_tick = start;
        if (start > tick) {
            break;
        }
        wheel->tick = start;
        /* Taken off first: what is inserted meanwhile belongs to another round. */
        struct list taken;
        list_init(&taken);
        struct list *link;
        while ((link = list_first(slot)) != NULL) {
            list_remove(link);
            list_push_back(&taken, link);
        }
        while ((link = list_first(&taken)) != NULL) {
            list_remove(link);
            if (level == 0) {
                fire(link);
            } else {
                uint64_t due_tick = tick_of(link);
                timer_wheel_place(wheel, link, due_tick > TICK_MAX ? TICK_MAX : due_tick);
            }
        }
    }
    /* Nothing starts up to here, so every place stays right. */
    wheel->tick = tick;
}
