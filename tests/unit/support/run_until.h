/* run_until: turns of a loop until a condition holds; a deadline instead of a sleep. */
#ifndef TESTS_UNIT_SUPPORT_RUN_UNTIL_H
#define TESTS_UNIT_SUPPORT_RUN_UNTIL_H

#include "gateway/base/now.h"
#include "gateway/net/loop.h"

enum { RUN_UNTIL_DEADLINE_US = 20 * 1000 * 1000 };

#define RUN_UNTIL(loop, condition)                                                                 \
    do {                                                                                           \
        uint64_t run_until_deadline = now_mono_fresh_us() + RUN_UNTIL_DEADLINE_US;                 \
        while (!(condition)) {                                                                     \
            assert_true(now_mono_fresh_us() < run_until_deadline);                                 \
            loop_run_once((loop), 20);                                                             \
        }                                                                                          \
    } while (0)

#endif
