/* arena: alignment, large requests, reuse. */
#include "gateway/base/arena.h"

#include "gateway/base/mem.h"

#include <stdalign.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void memory_is_zeroed_aligned_and_apart(void **state)
{
    struct arena *arena = arena_new(300); /* no multiple of the alignment */
    char *last = NULL;

    (void)state;
    for (size_t size = 1; size < 700; size += 7) {
        char *memory = arena_alloc(arena, size);

        assert_int_equal((uintptr_t)memory % alignof(max_align_t), 0);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(memory[i], 0);
        }
        memset(memory, 0xa5, size);
        assert_ptr_not_equal(memory, last);
        last = memory;
    }
    arena_free(arena);
}

static void large_requests_do_not_waste_the_block(void **state)
{
    struct arena *arena = arena_new(1024);
    char *first = arena_alloc(arena, 16);
    char *large = arena_alloc(arena, 100000);
    char *second = arena_alloc(arena, 16);

    (void)state;
    large[99999] = 1;
    assert_ptr_equal(second, first + 16);
    assert_int_equal(arena_used_bytes(arena), 100000 + 32);
    arena_free(arena);
}

static void reset_keeps_the_first_block(void **state)
{
    struct arena *arena = arena_new(1024);
    char *first = arena_alloc(arena, 16);
    uint64_t before;

    (void)state;
    memset(first, 0xff, 16);
    for (size_t i = 0; i < 100; i++) {
        (void)arena_alloc(arena, 200);
    }
    (void)arena_alloc(arena, 5000);
    arena_reset(arena);
    assert_int_equal(arena_used_bytes(arena), 0);
    before = mem_allocation_count();
    assert_ptr_equal(arena_alloc(arena, 16), first);
    assert_int_equal(first[0], 0);
    assert_int_equal(mem_allocation_count(), before);
    arena_free(arena);
    arena_free(NULL);
}

static void copies_and_prints(void **state)
{
    struct arena *arena = arena_new(0);
    struct str copy = arena_copy_str(arena, str_from("a\0B", 3));

    (void)state;
    assert_memory_equal(copy.ptr, "a\0B\0", 4);
    assert_int_equal(copy.len, 3);
    copy = arena_copy_lower(arena, STR("HoSt"));
    assert_string_equal(copy.ptr, "host");
    assert_string_equal(arena_copy_cstr(arena, "x"), "x");
    copy = arena_printf(arena, "%s-%d", "a", 7);
    assert_string_equal(copy.ptr, "a-7");
    assert_int_equal(copy.len, 3);
    assert_string_equal(arena_print_u64(arena, 0).ptr, "0");
    copy = arena_print_u64(arena, UINT64_MAX);
    assert_string_equal(copy.ptr, "18446744073709551615");
    assert_int_equal(copy.len, 20);
    copy = arena_printf(arena, "%0500d", 1);
    assert_int_equal(copy.len, 500);
    copy = arena_copy_str(arena, str_from(NULL, 0));
    assert_string_equal(copy.ptr, "");
    arena_free(arena);
}

static void arrays(void **state)
{
    struct arena *arena = arena_new(64);
    uint64_t *numbers = arena_new_array(arena, uint64_t, 100);

    (void)state;
    numbers[99] = 1;
    assert_int_equal(numbers[98], 0);
    assert_non_null(arena_new_array(arena, uint64_t, 0));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_apart),
        cmocka_unit_test(large_requests_do_not_waste_the_block),
        cmocka_unit_test(reset_keeps_the_first_block),
        cmocka_unit_test(copies_and_prints),
        cmocka_unit_test(arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
