/* test_host_table: names and wildcards (spec SN-1 to SN-6, SN-30 to SN-33, 14.3). */
#include "gateway/route/host_table.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static char s1[] = "S1";
static char s2[] = "S2";
static char s3[] = "S3";
static char s4[] = "S4";

static const char *find(const struct host_table *table, const char *host)
{
    const char *entry = host_table_find(table, str_from_cstr(host));

    return entry != NULL ? entry : "none";
}

static void test_empty(void **state)
{
    struct host_table table = { 0 };
    (void)state;

    assert_string_equal(find(&table, "a.com"), "none");
    assert_string_equal(find(&table, ""), "none");
    host_table_cleanup(&table);
}

/* 14.3, with the trailing dot stripped (spec 15). */
static void test_sni(void **state)
{
    static const struct {
        const char *host;
        const char *entry;
    } rows[] = {
        { "", "none" }, /* SN-5 */
        { ".", "none" },
        { "example.org", "none" },
        { "com", "none" },
        { ".com", "none" },            /* SN-32: one character at least */
        { "a.example.com..", "none" }, /* one dot is stripped, not two */
        { "a.example.com", "S1" },
        { "A.EXAMPLE.COM", "S1" },  /* SN-1 */
        { "a.example.com.", "S1" }, /* SN-6, P */
        { "b.example.com", "S2" },
        { "x.y.example.com", "S2" }, /* SN-2: any depth */
        { "example.com", "S3" },     /* SN-2, SN-52: not under its own wildcard */
        { ".example.com", "S3" },
    };
    struct host_table table = { 0 };
    (void)state;

    assert_true(host_table_add(&table, STR("a.example.com"), s1, NULL));
    assert_true(host_table_add(&table, STR("*.example.com"), s2, NULL));
    assert_true(host_table_add(&table, STR("*.com"), s3, NULL));
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(find(&table, rows[i].host), rows[i].entry) != 0) {
            print_error("%s: %s\n", rows[i].host, find(&table, rows[i].host));
            fail();
        }
    }
    assert_true(host_table_add(&table, STR("*"), s4, NULL));
    assert_string_equal(find(&table, ""), "S4"); /* SN-3 */
    assert_string_equal(find(&table, "example.org"), "S4");
    assert_string_equal(find(&table, "b.example.com"), "S2"); /* SN-4 */
    host_table_cleanup(&table);
}

static void test_taken(void **state)
{
    struct host_table table = { 0 };
    void *existing;
    (void)state;

    assert_true(host_table_add(&table, STR("a.com"), s1, &existing));
    assert_false(host_table_add(&table, STR("a.com"), s2, &existing));
    assert_ptr_equal(existing, s1);
    assert_true(host_table_add(&table, STR("*.a.com"), s2, NULL));
    assert_false(host_table_add(&table, STR("*.a.com"), s3, &existing));
    assert_ptr_equal(existing, s2);
    assert_true(host_table_add(&table, STR("*"), s3, NULL));
    assert_false(host_table_add(&table, STR("*"), s1, &existing));
    assert_ptr_equal(existing, s3);
    assert_ptr_equal(host_table_get(&table, STR("*.a.com")), s2);
    assert_null(host_table_get(&table, STR("x.a.com")));
    host_table_cleanup(&table);
}

/* SN-31: the longest suffix first, whether or not it begins at a label. */
static void test_partial_wildcards(void **state)
{
    struct host_table table = { 0 };
    (void)state;

    assert_true(host_table_add(&table, STR("*.foo.com"), s1, NULL));
    assert_true(host_table_add(&table, STR("*-x.foo.com"), s2, NULL));
    assert_true(host_table_add(&table, STR("*abc.com"), s3, NULL));
    assert_string_equal(find(&table, "a-x.foo.com"), "S2");
    assert_string_equal(find(&table, "-x.foo.com"), "S1");
    assert_string_equal(find(&table, "a.foo.com"), "S1");
    assert_string_equal(find(&table, "yabc.com"), "S3");
    assert_string_equal(find(&table, "z.yabc.com"), "S3");
    assert_string_equal(find(&table, "abc.com"), "none");
    host_table_cleanup(&table);
}

static void test_long_host(void **state)
{
    struct host_table table = { 0 };
    char host[400];
    (void)state;

    memset(host, 'a', sizeof(host));
    memcpy(host + 396, ".com", 4);
    assert_true(host_table_add(&table, STR("*.com"), s1, NULL));
    assert_null(host_table_find(&table, str_from(host, sizeof(host))));
    assert_ptr_equal(host_table_find(&table, str_from(host + 145, 255)), s1);
    host_table_cleanup(&table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),     cmocka_unit_test(test_sni),
        cmocka_unit_test(test_taken),     cmocka_unit_test(test_partial_wildcards),
        cmocka_unit_test(test_long_host),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
