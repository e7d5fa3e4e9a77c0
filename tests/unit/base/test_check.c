/* check: a broken condition ends the process and says where. */
#include "gateway/base/check.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void a_true_condition_goes_on(void **state)
{
    (void)state;
    CHECK(1 + 1 == 2);
}

static void a_broken_condition_aborts_with_its_place(void **state)
{
    char said[256] = "";
    int ends[2];
    int status = 0;
    pid_t child;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)signal(SIGABRT, SIG_DFL);
        (void)dup2(ends[1], STDERR_FILENO);
        CHECK(1 + 1 == 3);
        _exit(0);
    }
    (void)close(ends[1]);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert_non_null(strstr(said, "test_check.c:"));
    assert_non_null(strstr(said, "1 + 1 == 3"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_true_condition_goes_on),
        cmocka_unit_test(a_broken_condition_aborts_with_its_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
