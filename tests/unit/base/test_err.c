/* err: texts, codes and exit states. */
#include "gateway/base/err.h"

#include <errno.h>
#include <string.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void a_null_err_is_accepted(void **state)
{
    (void)state;
    err_set(NULL, ERR_INPUT, "x");
    err_errno(NULL, "x");
    err_prefix(NULL, "x");
    assert_int_equal(err_exit_status(NULL), 1);
}

static void a_text_too_long_shows_it(void **state)
{
    struct err err = { 0 };

    (void)state;
    err_set(&err, ERR_INPUT, "%01000d", 1);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
    assert_string_equal(err.text + sizeof(err.text) - 4, "...");
    err_prefix(&err, "before");
    assert_int_equal(strncmp(err.text, "before: 000", 11), 0);
    assert_string_equal(err.text + sizeof(err.text) - 4, "...");
}

static void prefix_goes_before(void **state)
{
    struct err err = { 0 };

    (void)state;
    err_set(&err, ERR_CONFIG, "no host");
    err_prefix(&err, "%s:%d", "a.yaml", 7);
    assert_string_equal(err.text, "a.yaml:7: no host");
    assert_int_equal(err.code, ERR_CONFIG);
}

static void errno_gives_code_and_reason(void **state)
{
    static const struct {
        int number;
        enum err_code code;
    } cases[] = { { EACCES, ERR_PERMISSION },
                  { EPERM, ERR_PERMISSION },
                  { ENOENT, ERR_NOT_FOUND },
                  { EMFILE, ERR_SYSTEM },
                  { EADDRINUSE, ERR_SYSTEM } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = { 0 };

        errno = cases[i].number;
        err_errno(&err, "cannot open %s", "x");
        assert_int_equal(err.code, cases[i].code);
        assert_int_equal(errno, cases[i].number);
        assert_non_null(strstr(err.text, "cannot open x: "));
        assert_non_null(strstr(err.text, strerrordesc_np(cases[i].number)));
    }
}

static void exit_states_are_those_of_sysexits(void **state)
{
    static const struct {
        enum err_code code;
        int status;
    } cases[] = { { ERR_NONE, 0 },    { ERR_USAGE, 64 },      { ERR_INPUT, 65 }, { ERR_LIMIT, 65 },
                  { ERR_SYSTEM, 71 }, { ERR_PERMISSION, 77 }, { ERR_CONFIG, 78 } };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err = { .code = cases[i].code };

        assert_int_equal(err_exit_status(&err), cases[i].status);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_null_err_is_accepted),
        cmocka_unit_test(a_text_too_long_shows_it),
        cmocka_unit_test(prefix_goes_before),
        cmocka_unit_test(errno_gives_code_and_reason),
        cmocka_unit_test(exit_states_are_those_of_sysexits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
