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

/* A snapshot of clusters "name=fingerprint". */
static struct snapshot *snapshot_of(uint64_t revision, const char *const *names,
                                    const uint64_t *fingerprints, size_t count)
{
    struct snapshot *snapshot = snapshot_new();

    snapshot->revision = revision;
    snapshot->clusters = arena_new_array(snapshot->arena, struct cluster_config *, count);
    for (size_t i = 0; i < count; i++) {
        snapshot->clusters[i] = arena_new_object(snapshot->arena, struct cluster_config);
        snapshot->clusters[i]->name = str_from_cstr(names[i]);
        snapshot->clusters[i]->fingerprint = fingerprints[i];
    }
    snapshot->cluster_count = count;
    return snapshot;
}

static void test_compare_clusters(void **state)
{
    struct snapshot *former =
        snapshot_of(4, (const char *[]){ "kept", "changed", "gone" }, (uint64_t[]){ 1, 2, 3 }, 3);
    struct snapshot *next =
        snapshot_of(5, (const char *[]){ "new", "changed", "kept" }, (uint64_t[]){ 7, 8, 1 }, 3);
    const struct snapshot_cluster_changes *changes = &next->cluster_changes;
    (void)state;

    assert_int_equal(changes->since, 0);
    snapshot_compare_clusters(next, former);
    assert_int_equal(changes->since, 4);
    assert_int_equal(changes->updated_count, 2);
    assert_ptr_equal(changes->updated[0], next->clusters[0]);
    assert_ptr_equal(changes->updated[1], next->clusters[1]);
    snapshot_free(former);
    assert_int_equal(changes->gone_count, 1);
    assert_true(str_equals(changes->gone[0], STR("gone")));
    snapshot_free(next);
}

static void test_compare_the_same_clusters(void **state)
{
    const char *const names[] = { "a", "b" };
    const uint64_t fingerprints[] = { 1, 2 };
    struct snapshot *former = snapshot_of(1, names, fingerprints, 2);
    struct snapshot *next = snapshot_of(2, names, fingerprints, 2);
    (void)state;

    snapshot_compare_clusters(next, former);
    assert_int_equal(next->cluster_changes.updated_count, 0);
    assert_int_equal(next->cluster_changes.gone_count, 0);
    snapshot_free(former);
    snapshot_free(next);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_find_tls_server),
        cmocka_unit_test(test_compare_clusters),
        cmocka_unit_test(test_compare_the_same_clusters),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
