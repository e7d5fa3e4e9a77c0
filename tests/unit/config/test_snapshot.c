/* test_snapshot: counting, freeing, the live gauge; SNI look-up (spec SN-1, SN-5, SN-8). */
#include "config/snapshot.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_life(void **state)
{
    struct snapshot *snapshot = snapshot_new();
    (void)state;

    assert_int_equal(snapshot_live_count(), 1);
    assert_ptr_equal(snapshot_ref(snapshot), snapshot);
    assert_false(snapshot_unref(snapshot));
    assert_true(snapshot_unref(snapshot));
    assert_int_equal(snapshot_live_count(), 1);
    snapshot_free(snapshot);
    assert_int_equal(snapshot_live_count(), 0);
    snapshot_free(NULL);
}

static void *take_and_give(void *arg)
{
    struct snapshot *snapshot = arg;

    for (int i = 0; i < 10000; i++) {
        (void)snapshot_ref(snapshot);
        if (snapshot_unref(snapshot)) {
            return snapshot; /* the creator still holds one: never */
        }
    }
    return NULL;
}

static void test_threads(void **state)
{
    struct snapshot *snapshot = snapshot_new();
    pthread_t threads[4];
    (void)state;

    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, snapshot), 0);
    }
    for (int i = 0; i < 4; i++) {
        void *result;

        assert_int_equal(pthread_join(threads[i], &result), 0);
        assert_null(result);
    }
    assert_true(snapshot_unref(snapshot));
    snapshot_free(snapshot);
}

static void test_find_tls_server(void **state)
{
    struct snapshot_listener listener = { .is_tls = true };
    struct tls_server server = { .name = STR("s") };
    (void)state;

    assert_null(snapshot_find_tls_server(&listener, STR("a.com")));
    assert_true(host_table_add(&listener.sni, STR("*.com"), &server, NULL));
    assert_ptr_equal(snapshot_find_tls_server(&listener, STR("A.com")), &server);
    assert_null(snapshot_find_tls_server(&listener, STR("")));
    host_table_cleanup(&listener.sni);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_find_tls_server),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
