/* key_check: keys that serve unchecked are checked turn by turn; a broken one asks for a load, once. */
#include "gateway/daemon/key_check.h"

#include "tests/unit/support/make_certificate.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <time.h>

#include <cmocka.h>

enum { MANY = 40 }; /* keys: more than one turn checks */

struct fixture {
    struct temp_dir dir;
    struct loop *loop;
    struct secret_store *store;
    struct metrics_shard *shard;
    struct key_check check;
    struct made_certificate made;
    char *broken;
    int told;
};

static void put(const struct fixture *fixture, const char *name, const char *text)
{
    char *path = temp_dir_path(&fixture->dir, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static void put_secret(const struct fixture *fixture, int number, bool is_broken)
{
    char name[64];
    (void)snprintf(name, sizeof(name), "host-%02d", number);
    char *path = temp_dir_path(&fixture->dir, name);

    assert_int_equal(mkdir(path, 0755), 0);
    mem_free(path);
    (void)snprintf(name, sizeof(name), "host-%02d/tls.crt", number);
    put(fixture, name, fixture->made.certificate_pem);
    (void)snprintf(name, sizeof(name), "host-%02d/tls.key", number);
    put(fixture, name, is_broken ? fixture->broken : fixture->made.key_pem);
}

static void load(struct fixture *fixture)
{
    (void)secret_store_load(fixture->store, (int64_t)time(NULL)); /* changed: known */
    key_check_start(&fixture->check);
}

static void run_until_checked(struct fixture *fixture)
{
    while (timer_is_armed(&fixture->check.next)) {
        size_t before = secret_store_unchecked_count(fixture->store);
        loop_run_once(fixture->loop, 50);
        /* Some each turn, never all at once. */
        assert_true(before - secret_store_unchecked_count(fixture->store) < MANY);
    }
    assert_int_equal(secret_store_unchecked_count(fixture->store), 0);
}

static void on_broken(void *owner)
{
    struct fixture *fixture = owner;

    assert_int_equal(secret_store_unchecked_count(fixture->store), 0); /* all of them by then */
    fixture->told++;
}

static int set_up(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);

    temp_dir_init(&fixture->dir);
    fixture->loop = loop_new(NULL);
    fixture->store = secret_store_new(STR("istio-system"));
    secret_store_add_directory(fixture->store, fixture->dir.path);
    secret_store_defer_keys(fixture->store);
    fixture->shard = metrics_shard_new();
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:a.example" },
                     &fixture->made);
    fixture->broken = make_broken_key(&fixture->made);
    key_check_init(&fixture->check, fixture->loop, fixture->store, fixture->shard, on_broken,
                   fixture);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;

    key_check_stop(&fixture->check);
    secret_store_free(fixture->store);
    loop_free(fixture->loop);
    made_certificate_cleanup(&fixture->made);
    mem_free(fixture->broken);
    temp_dir_cleanup(&fixture->dir);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

static void test_nothing_to_check(void **state)
{
    struct fixture *fixture = *state;

    load(fixture);
    assert_false(timer_is_armed(&fixture->check.next));
    assert_int_equal(fixture->told, 0);
}

static void test_good_keys_ask_for_nothing(void **state)
{
    struct fixture *fixture = *state;

    for (int i = 0; i < MANY; i++) {
        put_secret(fixture, i, false);
    }
    load(fixture);
    assert_int_equal(secret_store_unchecked_count(fixture->store), MANY);
    run_until_checked(fixture);
    assert_int_equal(fixture->told, 0);
}

static void test_a_broken_key_asks_for_one_load(void **state) /* TL-30 */
{
    struct fixture *fixture = *state;

    for (int i = 0; i < MANY; i++) {
        put_secret(fixture, i, i == 0 || i == 7); /* found in the first turn, told after the last */
    }
    load(fixture);
    run_until_checked(fixture);
    assert_int_equal(fixture->told, 1);
    assert_null(secret_store_find(fixture->store, STR(""), STR("host-07")));
    assert_non_null(secret_store_find(fixture->store, STR(""), STR("host-08")));
    load(fixture); /* as the owner does: the same bytes are not tried again */
    assert_false(timer_is_armed(&fixture->check.next));
    assert_int_equal(fixture->told, 1);
}

static void test_stop(void **state)
{
    struct fixture *fixture = *state;

    put_secret(fixture, 0, true);
    load(fixture);
    assert_true(timer_is_armed(&fixture->check.next));
    key_check_stop(&fixture->check);
    assert_false(timer_is_armed(&fixture->check.next));
    assert_int_equal(secret_store_unchecked_count(fixture->store), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_nothing_to_check, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_good_keys_ask_for_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_broken_key_asks_for_one_load, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_stop, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
