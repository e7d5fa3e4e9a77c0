/* ebb: when memory is given back. */
#include "gateway/daemon/ebb.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void memory_goes_back_once_when_a_crowd_has_left(void **state)
{
    static const struct {
        size_t now;
        bool is_due;
    } rows[] = {
        { 0, false },    { 100, false },  { 0, false },    { 0, false }, /* too few to matter */
        { 9000, false }, { 8000, false }, { 8000, false },               /* the usual up and down */
        { 5000, false }, { 300, false },                                 /* still leaving */
        { 300, true },   { 300, false },  { 290, false },  { 290, false }, /* once */
        { 20, false },   { 20, true },                  /* and again for the rest */
        { 1000, false }, { 10, false },   { 11, true }, /* a second crowd */
    };
    struct ebb ebb = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(ebb_decide(&ebb, rows[i].now), rows[i].is_due);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_goes_back_once_when_a_crowd_has_left),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
