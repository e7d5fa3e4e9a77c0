/* event_memory: what it gives is apart, aligned and as malloc's. */
#include "gateway/net/event_memory.h"

#include <pthread.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <setjmp.h>

#include <cmocka.h>

static void small_pieces_lie_side_by_side(void **state)
{
    char *first = event_memory_alloc(16);
    char *second = event_memory_alloc(1);
    char *large = event_memory_alloc(17);

    (void)state;
    assert_true(event_memory_is_small(first));
    assert_true(event_memory_is_small(second));
    assert_false(event_memory_is_small(large));
    assert_false(event_memory_is_small(NULL));
    assert_int_equal((uintptr_t)first % 16, 0);
    assert_int_equal(second - first, 16);
    event_memory_free(first);
    assert_ptr_equal(event_memory_alloc(8), first);
    event_memory_free(first);
    event_memory_free(second);
    event_memory_free(large);
    event_memory_free(NULL);
}

static void more_than_a_page_of_them(void **state)
{
    static unsigned char *pieces[1000];
    size_t count = sizeof(pieces) / sizeof(pieces[0]);

    (void)state;
    for (size_t i = 0; i < count; i++) {
        pieces[i] = event_memory_alloc(16);
        memset(pieces[i], (int)(i % 251), 16);
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t j = 0; j < 16; j++) {
            assert_int_equal(pieces[i][j], i % 251);
        }
        event_memory_free(pieces[i]);
    }
}

static void bytes_survive_a_new_size(void **state)
{
    static const struct {
        size_t from;
        size_t to;
        bool is_small;
    } rows[] = { { 4, 16, true }, { 16, 17, false }, { 16, 4000, false }, { 40, 20, false } };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t kept = rows[i].from < rows[i].to ? rows[i].from : rows[i].to;
        char *memory = event_memory_resize(NULL, rows[i].from);
        memset(memory, 'x', rows[i].from);
        memory = event_memory_resize(memory, rows[i].to);
        assert_int_equal(event_memory_is_small(memory), rows[i].is_small);
        for (size_t j = 0; j < kept; j++) {
            assert_int_equal(memory[j], 'x');
        }
        event_memory_free(memory);
    }
}

static void *take(void *arg)
{
    void **out = arg;

    *out = event_memory_alloc(16);
    return NULL;
}

/* Two workers' pieces share no page, and one thread may free another's. */
static void each_thread_has_a_page(void **state)
{
    void *mine = event_memory_alloc(16);
    void *other = NULL;
    pthread_t thread;

    (void)state;
    assert_int_equal(pthread_create(&thread, NULL, take, &other), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(event_memory_is_small(other));
    assert_int_not_equal((uintptr_t)mine / 4096, (uintptr_t)other / 4096);
    event_memory_free(other);
    event_memory_free(mine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_pieces_lie_side_by_side),
        cmocka_unit_test(more_than_a_page_of_them),
        cmocka_unit_test(bytes_survive_a_new_size),
        cmocka_unit_test(each_thread_has_a_page),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
