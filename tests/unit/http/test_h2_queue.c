/* h2_queue: order over its three parts, and what each of them costs. */
#include "gateway/http/h2_queue.h"

#include <event2/buffer.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct arena *arena;
static struct h2_queue queue;
static unsigned char source[256 * 1024];

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    queue = (struct h2_queue){ 0 };
    for (size_t i = 0; i < sizeof(source); i++) {
        source[i] = (unsigned char)(i * 31 + (i >> 8));
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    h2_queue_cleanup(&queue);
    arena_free(arena);
    return 0;
}

/* Takes `len` bytes, which must be those of the source from `at` on. */
static void take(size_t at, size_t len)
{
    while (len > 0) {
        struct str piece = str_slice(h2_queue_front(&queue), 0, len);

        assert_true(piece.len > 0);
        assert_memory_equal(piece.ptr, source + at, piece.len);
        h2_queue_drain(&queue, piece.len);
        at += piece.len;
        len -= piece.len;
    }
}

static void bytes_leave_in_the_order_they_came(void **state)
{
    (void)state;
    assert_int_equal(h2_queue_front(&queue).len, 0);
    h2_queue_add(&queue, arena, source, 100);
    h2_queue_add(&queue, arena, source + 100, 5000);
    h2_queue_add(&queue, arena, source + 5100, 7);
    h2_queue_lend(&queue, source + 5107, 60000);
    assert_int_equal(queue.len, 65107);
    take(0, 40);
    take(40, 5067);
    take(5107, 20000);
    assert_int_equal(queue.len, 40000);
    h2_queue_settle(&queue);
    assert_int_equal(queue.len, 40000);
    take(25107, 40000);
    assert_int_equal(queue.len, 0);
    assert_int_equal(h2_queue_front(&queue).len, 0);
}

static void what_was_lent_is_not_needed_once_settled(void **state)
{
    unsigned char *lent = malloc(30000);

    (void)state;
    memcpy(lent, source, 30000);
    h2_queue_lend(&queue, lent, 30000);
    take(0, 16375);
    h2_queue_settle(&queue);
    memset(lent, 0xff, 30000);
    free(lent);
    h2_queue_add(&queue, arena, source + 30000, 10);
    take(16375, 30010 - 16375);
}

static void a_stream_of_small_messages_takes_no_more_of_the_arena(void **state)
{
    (void)state;
    h2_queue_add(&queue, arena, source, 1000);
    take(0, 1000);
    size_t used = arena_used_bytes(arena);

    for (size_t i = 0; i < 1000; i++) {
        h2_queue_add(&queue, arena, source + i, 1000);
        h2_queue_add(&queue, arena, source + i + 1000, 30);
        take(i, 1030);
    }
    assert_int_equal(arena_used_bytes(arena), used);
    /* A single small body needs no more than that. */
    h2_queue_recycle(&queue);
    evbuffer_free(queue.large);
    queue.large = NULL;
    h2_queue_add(&queue, arena, source, 2048);
    assert_null(queue.large);
    take(0, 2048);
}

static void a_cleared_one_is_empty(void **state)
{
    (void)state;
    h2_queue_add(&queue, arena, source, 10);
    h2_queue_add(&queue, arena, source, 4000);
    h2_queue_lend(&queue, source, 20000);
    h2_queue_clear(&queue);
    assert_int_equal(queue.len, 0);
    assert_int_equal(h2_queue_front(&queue).len, 0);
    h2_queue_settle(&queue);
    assert_int_equal(h2_queue_front(&queue).len, 0);
    h2_queue_recycle(&queue);
    arena_reset(arena);
    h2_queue_add(&queue, arena, source + 5, 10);
    take(5, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(bytes_leave_in_the_order_they_came, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_lent_is_not_needed_once_settled, setup, teardown),
        cmocka_unit_test_setup_teardown(a_stream_of_small_messages_takes_no_more_of_the_arena,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(a_cleared_one_is_empty, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
