/* Tests of tls/secret_files.c: what is read, what is not read again, and what cannot be read. TL-33.
 * Whole lives of secrets are in test_secret_store.c. */
#include "tls/secret_files.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/temp_dir.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static struct temp_dir dir;
static const struct secret_files_signature unknown = { .is_settled = false };

static void put(const char *name, const char *text)
{
    char *path = temp_dir_path(&dir, name);
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static void test_a_directory(void **state)
{
    struct secret_files files = { .count = 0 };
    struct err err = { 0 };

    (void)state;
    assert_int_equal(secret_files_read_directory("/nonexistent", &unknown, &files, &err),
                     SECRET_FILES_NONE);
    assert_int_equal(secret_files_read_directory("/etc/passwd", &unknown, &files, &err),
                     SECRET_FILES_NONE);
    put("other", "x");
    assert_int_equal(secret_files_read_directory(dir.path, &unknown, &files, &err),
                     SECRET_FILES_NONE);
    put("tls.crt", "certificate");
    put("tls.key", "");
    assert_int_equal(secret_files_read_directory(dir.path, &unknown, &files, &err),
                     SECRET_FILES_READ);
    assert_int_equal(files.count, 2);
    assert_true(str_equals(files.parts[0].key, STR("tls.crt")));
    assert_true(str_equals(files.parts[0].bytes, STR("certificate")));
    assert_int_equal(files.parts[1].bytes.len, 0);
    /* Just written: what stat says is not believed yet. */
    assert_false(files.signature.is_settled);
    struct secret_files_signature signature = files.signature;
    secret_files_cleanup(&files);
    assert_int_equal(files.count, 0);
    assert_int_equal(secret_files_read_directory(dir.path, &signature, &files, &err),
                     SECRET_FILES_READ);
    secret_files_cleanup(&files);
    /* Once it is: nothing is read, until something differs. */
    signature.is_settled = true;
    assert_int_equal(secret_files_read_directory(dir.path, &signature, &files, &err),
                     SECRET_FILES_UNCHANGED);
    assert_int_equal(files.count, 0);
    put("tls.crt", "certificate of another length");
    assert_int_equal(secret_files_read_directory(dir.path, &signature, &files, &err),
                     SECRET_FILES_READ);
    secret_files_cleanup(&files);
}

static void test_a_link_inside(void **state)
{
    struct secret_files files = { .count = 0 };
    struct err err = { 0 };
    char *link = temp_dir_path(&dir, "..data");
    char *generation = temp_dir_path(&dir, "..first");

    (void)state;
    put("tls.crt", "beside");
    assert_int_equal(symlink("..first", link), 0);
    assert_int_equal(secret_files_read_directory(dir.path, &unknown, &files, &err),
                     SECRET_FILES_FAILED);
    assert_non_null(strstr(err.text, "..data"));
    assert_int_equal(mkdir(generation, 0755), 0);
    put("..first/tls.crt", "inside");
    assert_int_equal(secret_files_read_directory(dir.path, &unknown, &files, &err),
                     SECRET_FILES_READ);
    assert_int_equal(files.count, 1);
    assert_true(str_equals(files.parts[0].bytes, STR("inside")));
    secret_files_cleanup(&files);
    mem_free(link);
    mem_free(generation);
}

static void test_paths(void **state)
{
    struct secret_files files = { .count = 0 };
    struct err err = { 0 };
    char *certificate = temp_dir_path(&dir, "certificate");
    char *key = temp_dir_path(&dir, "key");

    (void)state;
    assert_int_equal(secret_files_read_paths(certificate, key, "", &unknown, &files, &err),
                     SECRET_FILES_NONE);
    put("certificate", "c");
    put("key", "k");
    assert_int_equal(secret_files_read_paths(certificate, key, "", &unknown, &files, &err),
                     SECRET_FILES_READ);
    assert_int_equal(files.count, 2);
    assert_true(str_equals(files.parts[1].key, STR("tls.key")));
    secret_files_cleanup(&files);
    /* A directory in the place of a file. */
    assert_int_equal(secret_files_read_paths(dir.path, key, certificate, &unknown, &files, &err),
                     SECRET_FILES_FAILED);
    assert_non_null(strstr(err.text, "regular"));
    assert_int_equal(files.count, 0);
    mem_free(certificate);
    mem_free(key);
}

static int set_up(void **state)
{
    (void)state;
    temp_dir_init(&dir);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_cleanup(&dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_directory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_link_inside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_paths, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
