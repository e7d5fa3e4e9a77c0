/* timer_wheel: where armed timers wait. Six wheels of 64 slots, each turn of one is a slot of the
 * next; a timer sits in the lowest wheel that tells it from the present, and moves down when the
 * present reaches its slot. Arming and cancelling are constant, whatever the number. Pure: ticks
 * come from the loop, which owns the one wheel of its thread. */
#ifndef GATEWAY_NET_TIMER_WHEEL_H
#define GATEWAY_NET_TIMER_WHEEL_H

#include "gateway/base/list.h"

#include <stdint.h>

enum { TIMER_WHEEL_LEVELS = 6, TIMER_WHEEL_SLOTS = 64 };

struct timer_wheel {
    uint64_t tick; /* the present */
    /* A lower bound of the tick at which something is to be done; UINT64_MAX: nothing. Cancelled
     * timers may leave it too early, never too late. */
    uint64_t next_tick;
    /* Slots that may hold timers; a bit outlives a cancelled timer until it is looked at. */
    uint64_t occupied[TIMER_WHEEL_LEVELS];
    struct list slots[TIMER_WHEEL_LEVELS][TIMER_WHEEL_SLOTS];
};

/* The tick of a member, asked when it moves down. */
typedef uint64_t (*timer_wheel_tick_fn)(const struct list *link);
typedef void (*timer_wheel_fire_fn)(struct list *link);

void timer_wheel_init(struct timer_wheel *wheel, uint64_t tick);
/* A tick that is not in the future fires with the next one. */
void timer_wheel_insert(struct timer_wheel *wheel, struct list *link, uint64_t due_tick);
/* Moves the present to `tick` and fires what is due, each unlinked before its call. `fire` may
 * insert and remove at will. */
void timer_wheel_advance(struct timer_wheel *wheel, uint64_t tick, timer_wheel_tick_fn tick_of,
                         timer_wheel_fire_fn fire);

#endif
