/* ref_count: a count of references that any thread gives back, on an object that others find in a table. */
#ifndef GATEWAY_BASE_REF_COUNT_H
#define GATEWAY_BASE_REF_COUNT_H

#include <stdatomic.h>
#include <stdbool.h>

/* Gives one back, unless it is the last. False: it is, and still counted; the caller gives it back under
 * the table's lock, so that nobody finds an object that is being freed. */
static inline bool ref_count_drop_unless_last(atomic_uint *ref_count)
{
    unsigned count = atomic_load_explicit(ref_count, memory_order_relaxed);

    while (count > 1) {
        if (atomic_compare_exchange_weak_explicit(ref_count, &count, count - 1,
                                                  memory_order_acq_rel, memory_order_relaxed)) {
            return true;
        }
    }
    return false;
}

#endif
