/* test_host_index: overlaps of hosts, against the plain definition (spec SN-50, SN-52). */
#include "config/host_index.h"
#include "config/value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_empty(void **state)
{
    struct arena *arena = arena_new(256);
    struct host_index index;
    struct host_overlaps out = { 0 };
    (void)state;

    host_index_init(&index, arena);
    host_index_seal(&index);
    host_index_find(&index, STR("*"), &out);
    host_index_find(&index, STR("a.com"), &out);
    host_index_find(&index, STR(""), &out);
    assert_int_equal(out.count, 0);
    host_index_cleanup(&index);
    arena_free(arena);
}

/* Every pair of these, both ways round. */
static void test_all_pairs(void **state)
{
    static const char *const hosts[] = {
        "*",           "*.com",     "*.a.com",   "*-x.a.com", "a.com",  "b.a.com",
        "c-x.a.com",   "*.b.a.com", "z.b.a.com", "xa.com",    "*a.com", ".a.com",
        "d.e-x.a.com", "org",       "*.org",     "a.org",
    };
    enum { COUNT = sizeof(hosts) / sizeof(hosts[0]) };
    struct arena *arena = arena_new(256);
    struct host_index index;
    (void)state;

    host_index_init(&index, arena);
    for (size_t i = 0; i < COUNT; i++) {
        host_index_add(&index, str_from_cstr(hosts[i]), i);
    }
    host_index_seal(&index);
    for (size_t s = 0; s < COUNT; s++) {
        struct str server = str_from_cstr(hosts[s]);
        struct host_overlaps out = { 0 };

        host_index_find(&index, server, &out);
        for (size_t v = 0; v < COUNT; v++) {
            struct str service = str_from_cstr(hosts[v]);
            bool is_above = value_host_contains(service, server);
            bool is_below = value_host_contains(server, service);
            size_t found = 0;

            for (size_t i = 0; i < out.count; i++) {
                if (out.items[i].value == v) {
                    found++;
                    assert_true(str_equals(out.items[i].host, is_above ? server : service));
                }
            }
            if (found != (is_above || is_below)) {
                print_error("server %s, service %s: %zu\n", hosts[s], hosts[v], found);
                fail();
            }
        }
        vec_cleanup(&out);
    }
    host_index_cleanup(&index);
    arena_free(arena);
}

static void test_same_host_twice(void **state)
{
    struct arena *arena = arena_new(256);
    struct host_index index;
    struct host_overlaps out = { 0 };
    (void)state;

    host_index_init(&index, arena);
    host_index_add(&index, STR("a.com"), 1);
    host_index_add(&index, STR("a.com"), 2);
    host_index_seal(&index);
    host_index_find(&index, STR("*.com"), &out);
    assert_int_equal(out.count, 2);
    out.count = 0;
    host_index_find(&index, STR("a.com"), &out);
    assert_int_equal(out.count, 2);
    vec_cleanup(&out);
    host_index_cleanup(&index);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_all_pairs),
        cmocka_unit_test(test_same_host_twice),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
