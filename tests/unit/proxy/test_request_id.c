/* Tests of gateway/proxy/request_id.c: HD-10. */
#include "gateway/proxy/request_id.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static void test_is_a_random_uuid_HD_10(void **state)
{
    struct random random;
    char former[REQUEST_ID_BYTES] = "";

    (void)state;
    random_init(&random);
    for (int n = 0; n < 1000; n++) {
        char id[REQUEST_ID_BYTES];
        request_id_make(&random, id);
        for (int i = 0; i < REQUEST_ID_BYTES; i++) {
            if (i == 8 || i == 13 || i == 18 || i == 23) {
                assert_int_equal(id[i], '-');
            } else {
                assert_non_null(memchr("0123456789abcdef", id[i], 16));
            }
        }
        assert_int_equal(id[14], '4'); /* version; and "no trace" */
        assert_non_null(memchr("89ab", id[19], 4));
        assert_memory_not_equal(id, former, REQUEST_ID_BYTES);
        memcpy(former, id, REQUEST_ID_BYTES);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_is_a_random_uuid_HD_10),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
