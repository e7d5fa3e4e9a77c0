/* When a certificate that nears its end is told of (spec section 15: 30, 7 and 1 day before). */
#include "gateway/daemon/certificate_watch.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_thresholds(void **state)
{
    enum { DAY = 86400 };
    static const struct {
        int64_t left_s;
        int days;
    } CASES[] = {
        { INT64_MIN, 0 },  { -1, 0 },
        { 0, 0 },          { 1, 1 },
        { DAY, 1 },        { DAY + 1, 7 },
        { 7 * DAY, 7 },    { 7 * DAY + 1, 30 },
        { 30 * DAY, 30 },  { 30 * DAY + 1, -1 },
        { INT64_MAX, -1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        assert_int_equal(certificate_watch_threshold(CASES[i].left_s), CASES[i].days);
    }
}

static void test_empty_store(void **state)
{
    struct certificate_watch watch = { 0 };
    struct secret_store *store = secret_store_new(STR("istio-system"));
    struct metrics_shard *shard = metrics_shard_new();

    (void)state;
    certificate_watch_update(&watch, store, STR("istio-system"), shard, 0);
    certificate_watch_cleanup(&watch);
    secret_store_free(store);
    metrics_cleanup();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_thresholds),
        cmocka_unit_test(test_empty_store),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
