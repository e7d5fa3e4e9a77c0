/* h2_memory: blocks are kept by size, within a bound, and given back when asked. */
#include "gateway/http/h2_memory.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#if defined(__SANITIZE_ADDRESS__)
#define KEEPS_BLOCKS false
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define KEEPS_BLOCKS false
#endif
#endif
#ifndef KEEPS_BLOCKS
#define KEEPS_BLOCKS true
#endif

static void any_size_is_aligned_and_resized(void **state)
{
    struct h2_memory memory = { 0 };

    (void)state;
    for (size_t size = 0; size < 1200; size += 37) {
        unsigned char *bytes = h2_memory_alloc(&memory, size);

        assert_int_equal((uintptr_t)bytes % alignof(max_align_t), 0);
        memset(bytes, 0x5a, size);
        bytes = h2_memory_resize(&memory, bytes, size + 900);
        for (size_t i = 0; i < size; i++) {
            assert_int_equal(bytes[i], 0x5a);
        }
        memset(bytes, 0xa5, size + 900);
        assert_ptr_equal(h2_memory_resize(&memory, bytes, size), bytes);
        h2_memory_free(&memory, bytes);
    }
    h2_memory_free(&memory, h2_memory_resize(&memory, NULL, 10));
    h2_memory_free(&memory, NULL);
    h2_memory_trim(&memory);
}

static void an_array_is_zeroed_though_its_block_was_used(void **state)
{
    struct h2_memory memory = { 0 };
    unsigned char *bytes = h2_memory_alloc(&memory, 320);

    (void)state;
    memset(bytes, 0xff, 320);
    h2_memory_free(&memory, bytes);
    bytes = h2_memory_alloc_array(&memory, 10, 32);
    for (size_t i = 0; i < 320; i++) {
        assert_int_equal(bytes[i], 0);
    }
    h2_memory_free(&memory, bytes);
    h2_memory_trim(&memory);
}

static void the_next_stream_costs_no_allocation(void **state)
{
    struct h2_memory memory = { 0 };
    void *blocks[3] = { 0 };
    uint64_t before = 0;

    (void)state;
    for (unsigned turn = 0; turn < 5; turn++) {
        for (size_t i = 0; i < 3; i++) {
            blocks[i] = h2_memory_alloc(&memory, 60 + 150 * i + turn);
        }
        if (turn == 0) {
            before = mem_allocation_count();
        }
        for (size_t i = 0; i < 3; i++) {
            h2_memory_free(&memory, blocks[i]);
        }
    }
    if (KEEPS_BLOCKS) {
        assert_int_equal(mem_allocation_count(), before);
        assert_int_equal(memory.spare_count, 3);
    }
    h2_memory_trim(&memory);
    assert_int_equal(memory.spare_count, 0);
}

static void what_is_kept_has_a_bound(void **state)
{
    struct h2_memory memory = { 0 };
    void *blocks[LIMIT_H2_SPARE_BLOCKS + 9];

    (void)state;
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        blocks[i] = h2_memory_alloc(&memory, 1 + i * 7);
    }
    for (size_t i = 0; i < sizeof(blocks) / sizeof(blocks[0]); i++) {
        h2_memory_free(&memory, blocks[i]);
    }
    assert_int_equal(memory.spare_count, KEEPS_BLOCKS ? LIMIT_H2_SPARE_BLOCKS : 0);
    /* Large ones are never kept. */
    h2_memory_trim(&memory);
    h2_memory_free(&memory, h2_memory_alloc(&memory, 16 * 1024));
    assert_int_equal(memory.spare_count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_size_is_aligned_and_resized),
        cmocka_unit_test(an_array_is_zeroed_though_its_block_was_used),
        cmocka_unit_test(the_next_stream_costs_no_allocation),
        cmocka_unit_test(what_is_kept_has_a_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
