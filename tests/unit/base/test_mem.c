/* mem: zeroed, counted, and the end of a process that asks for too much. */
#include "gateway/base/mem.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void overflow_ends_the_process(void **state)
{
    pid_t child = fork();
    int status = 0;

    (void)state;
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        (void)mem_alloc_array(SIZE_MAX / 2, 4);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void zero_bytes_are_a_valid_request(void **state)
{
    void *memory = mem_alloc(0);

    (void)state;
    assert_non_null(memory);
    memory = mem_resize(memory, 0);
    assert_non_null(memory);
    mem_free(memory);
    mem_free(NULL);
}

static void memory_is_zeroed_and_counted(void **state)
{
    uint64_t before = mem_allocation_count();
    unsigned char *bytes = mem_alloc_array(16, 4);

    (void)state;
    for (size_t i = 0; i < 64; i++) {
        assert_int_equal(bytes[i], 0);
    }
    bytes = mem_resize(bytes, 128);
    assert_int_equal(mem_allocation_count() - before, 2);
    mem_free(bytes);
}

static void copies_end_in_nul(void **state)
{
    char *copy = mem_copy_string("a\0b", 3);

    (void)state;
    assert_memory_equal(copy, "a\0b\0", 4);
    mem_free(copy);
    copy = mem_copy_string(NULL, 0);
    assert_string_equal(copy, "");
    mem_free(copy);
}

static void wipe_leaves_zeros(void **state)
{
    char secret[] = "key";

    (void)state;
    mem_wipe(secret, sizeof(secret));
    assert_memory_equal(secret, "\0\0\0\0", 4);
    mem_wipe(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(overflow_ends_the_process),
        cmocka_unit_test(zero_bytes_are_a_valid_request),
        cmocka_unit_test(memory_is_zeroed_and_counted),
        cmocka_unit_test(copies_end_in_nul),
        cmocka_unit_test(wipe_leaves_zeros),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
