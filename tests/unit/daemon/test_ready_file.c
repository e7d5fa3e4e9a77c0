/* The ready file: its lines, and that it is replaced as a whole. */
#include "gateway/daemon/ready_file.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_lines(void **state)
{
    struct address v4 = { 0 };
    struct address v6 = { 0 };
    struct text lines = { 0 };

    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), 15000, &v4));
    assert_true(address_parse(STR("::1"), 8443, &v6));
    ready_file_add_line(&lines, "admin", &v4);
    ready_file_add_line(&lines, "443/HTTPS", &v6);
    assert_string_equal(lines.ptr, "admin 127.0.0.1 15000\n443/HTTPS ::1 8443\n");
    text_cleanup(&lines);
}

static void test_file(void **state)
{
    struct temp_dir dir;
    struct text content = { 0 };
    struct err err = { 0 };

    (void)state;
    temp_dir_init(&dir);
    char *path = temp_dir_path(&dir, "ready");
    char *nowhere = temp_dir_path(&dir, "missing/ready");
    assert_false(ready_file_write(nowhere, STR("x\n"), &err));
    assert_non_null(strstr(err.text, "missing/ready"));
    assert_true(ready_file_write(path, STR("a 1 2\nb 3 4\n"), NULL));
    assert_true(ready_file_write(path, STR("a 1 2\n"), NULL));
    assert_true(temp_dir_read(&dir, "ready", &content));
    assert_string_equal(content.ptr, "a 1 2\n");
    ready_file_remove(path);
    assert_false(temp_dir_read(&dir, "ready", &content));
    ready_file_remove(path); /* absent is fine */
    text_cleanup(&content);
    mem_free(path);
    mem_free(nowhere);
    temp_dir_cleanup(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(test_lines), cmocka_unit_test(test_file) };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
