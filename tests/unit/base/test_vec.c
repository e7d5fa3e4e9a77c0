/* vec: both forms grow and keep what they hold. */
#include "gateway/base/vec.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void grows_on_the_heap(void **state)
{
    struct {
        VEC_FIELDS(size_t);
    } numbers = { 0 };

    (void)state;
    for (size_t i = 0; i < 1000; i++) {
        vec_push(&numbers, i);
    }
    assert_int_equal(numbers.count, 1000);
    for (size_t i = 0; i < 1000; i++) {
        assert_int_equal(numbers.items[i], i);
    }
    vec_cleanup(&numbers);
    assert_int_equal(numbers.capacity, 0);
}

static void grows_in_an_arena(void **state)
{
    struct arena *arena = arena_new(64);
    struct str_vec names = { 0 };

    (void)state;
    for (size_t i = 0; i < 100; i++) {
        vec_push_in_arena(arena, &names, arena_printf(arena, "%zu", i));
    }
    assert_true(str_equals(names.items[99], STR("99")));
    assert_true(str_equals(names.items[0], STR("0")));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_on_the_heap),
        cmocka_unit_test(grows_in_an_arena),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
