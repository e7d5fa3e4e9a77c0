/* arena_cache: the warmest first, empty, and no more than its cap. */
#include "gateway/base/arena_cache.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void the_one_given_last_comes_first_and_empty(void **state)
{
    struct arena_cache cache = { 0 };
    struct arena *first = arena_cache_take(&cache);
    struct arena *second = arena_cache_take(&cache);

    (void)state;
    assert_ptr_not_equal(first, second);
    (void)arena_alloc(second, 40000); /* beyond its block as well */
    arena_cache_give(&cache, NULL);
    arena_cache_give(&cache, first);
    arena_cache_give(&cache, second);
    assert_int_equal(cache.count, 2);
    assert_ptr_equal(arena_cache_take(&cache), second);
    assert_int_equal(arena_used_bytes(second), 0);
    assert_ptr_equal(arena_cache_take(&cache), first);
    arena_free(first);
    arena_cache_give(&cache, second);
    arena_cache_cleanup(&cache);
    assert_int_equal(cache.count, 0);
}

static void a_crowd_leaves_no_more_than_the_cap(void **state)
{
    struct arena_cache cache = { 0 };
    struct arena *crowd[LIMIT_SPARE_ARENAS + 3];
    size_t count = sizeof(crowd) / sizeof(crowd[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        crowd[i] = arena_cache_take(&cache);
    }
    for (size_t i = 0; i < count; i++) {
        arena_cache_give(&cache, crowd[i]);
    }
    assert_int_equal(cache.count, LIMIT_SPARE_ARENAS);
    arena_cache_cleanup(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_one_given_last_comes_first_and_empty),
        cmocka_unit_test(a_crowd_leaves_no_more_than_the_cap),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
