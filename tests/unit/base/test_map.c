/* map: against a plain array, with many removals: the run that is shifted back is the risk. */
#include "gateway/base/map.h"

#include <stdio.h>
#include <stdlib.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { KEYS = 500 };

static char names[KEYS][8];
static int values[KEYS];

static int make_names(void **state)
{
    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        (void)snprintf(names[i], sizeof(names[i]), "k%zu", i);
    }
    return 0;
}

static void an_empty_map_answers(void **state)
{
    struct map map = { 0 };
    size_t position = 0;

    (void)state;
    assert_null(map_get(&map, STR("a")));
    assert_null(map_remove(&map, STR("a")));
    assert_false(map_next(&map, &position, NULL, NULL));
    map_cleanup(&map);
}

static void any_bytes_are_keys(void **state)
{
    struct map map = { 0 };
    int a = 0;
    int b = 0;

    (void)state;
    assert_null(map_set(&map, str_from(NULL, 0), &a));
    assert_null(map_set(&map, str_from("\0", 1), &b));
    assert_ptr_equal(map_get(&map, STR("")), &a);
    assert_ptr_equal(map_get(&map, str_from("\0", 1)), &b);
    assert_null(map_get(&map, str_from("\0\0", 2)));
    map_cleanup(&map);
}

static void a_second_set_replaces_value_and_key(void **state)
{
    struct map map = { 0 };
    char first[] = "key";
    char second[] = "key";
    int a = 0;
    int b = 0;
    size_t position = 0;
    struct str key;
    void *value;

    (void)state;
    assert_null(map_set(&map, str_from_cstr(first), &a));
    assert_ptr_equal(map_set(&map, str_from_cstr(second), &b), &a);
    assert_int_equal(map.count, 1);
    assert_true(map_next(&map, &position, &key, &value));
    assert_ptr_equal(key.ptr, second);
    assert_ptr_equal(value, &b);
    assert_false(map_next(&map, &position, &key, &value));
    map_cleanup(&map);
}

static void random_steps_agree_with_an_array(void **state)
{
    struct map map = { 0 };
    bool is_in[KEYS] = { false };
    size_t count = 0;
    unsigned seed = 1;

    (void)state;
    for (size_t step = 0; step < 20000; step++) {
        size_t i = (size_t)rand_r(&seed) % KEYS;
        struct str key = str_from_cstr(names[i]);

        if (rand_r(&seed) % 2 == 0) {
            assert_ptr_equal(map_set(&map, key, &values[i]), is_in[i] ? &values[i] : NULL);
            count += is_in[i] ? 0 : 1;
            is_in[i] = true;
        } else {
            assert_ptr_equal(map_remove(&map, key), is_in[i] ? &values[i] : NULL);
            count -= is_in[i] ? 1 : 0;
            is_in[i] = false;
        }
        assert_int_equal(map.count, count);
    }
    for (size_t i = 0; i < KEYS; i++) {
        assert_ptr_equal(map_get(&map, str_from_cstr(names[i])), is_in[i] ? &values[i] : NULL);
    }
    map_cleanup(&map);
}

static void entries_may_go_while_walking(void **state)
{
    struct map map = { 0 };
    size_t position = 0;
    void *value;
    bool seen[KEYS] = { false };

    (void)state;
    for (size_t i = 0; i < KEYS; i++) {
        (void)map_set(&map, str_from_cstr(names[i]), &values[i]);
    }
    while (map_next(&map, &position, NULL, &value)) {
        size_t i = (size_t)((int *)value - values);

        seen[i] = true;
        if (i % 3 != 0) {
            assert_ptr_equal(map_remove_at(&map, &position), &values[i]);
        }
    }
    assert_int_equal(map.count, (KEYS + 2) / 3);
    for (size_t i = 0; i < KEYS; i++) {
        assert_true(seen[i]);
        assert_ptr_equal(map_get(&map, str_from_cstr(names[i])), i % 3 == 0 ? &values[i] : NULL);
    }
    map_cleanup(&map);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_map_answers),
        cmocka_unit_test(any_bytes_are_keys),
        cmocka_unit_test(a_second_set_replaces_value_and_key),
        cmocka_unit_test(random_steps_agree_with_an_array),
        cmocka_unit_test(entries_may_go_while_walking),
    };

    return cmocka_run_group_tests(tests, make_names, NULL);
}
