/* The fingerprint changes with a name, a byte, and a file that comes or goes, and with nothing else. */
#include "gateway/daemon/config_fingerprint.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_changes(void **state)
{
    struct temp_dir dir;

    (void)state;
    temp_dir_init(&dir);
    char *one = temp_dir_path(&dir, "a.yaml");
    char *two = temp_dir_path(&dir, "b.yaml");
    char *other = temp_dir_path(&dir, "notes.txt");
    struct str path = str_from_cstr(dir.path);
    const struct str_vec paths = { &path, 1, 1 };

    uint64_t empty = config_fingerprint(&paths);
    assert_int_not_equal(empty, 0);
    write_file(one, "kind: Gateway\n");
    uint64_t first = config_fingerprint(&paths);
    assert_true(first != empty);
    assert_true(config_fingerprint(&paths) == first);
    write_file(one, "kind: Gateway\n"); /* a new time, the same bytes */
    assert_true(config_fingerprint(&paths) == first);
    write_file(other, "not ours");
    assert_true(config_fingerprint(&paths) == first);
    write_file(one, "kind: Gatewax\n");
    assert_true(config_fingerprint(&paths) != first);
    write_file(one, "kind: Gateway\n");
    assert_int_equal(rename(one, two), 0);
    assert_true(config_fingerprint(&paths) != first);
    assert_int_equal(unlink(two), 0);
    assert_true(config_fingerprint(&paths) == empty);

    assert_int_equal(unlink(other), 0);
    mem_free(one);
    mem_free(two);
    mem_free(other);
    temp_dir_cleanup(&dir);
    assert_true(config_fingerprint(&paths) != empty); /* the directory has gone */
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_changes) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
