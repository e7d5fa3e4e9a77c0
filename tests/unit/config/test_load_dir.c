/* load_dir: which files are found, in which order, and how they are read. */
#include "config/load_dir.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "tests/unit/support/temp_dir.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void write_file(const struct temp_dir *dir, const char *name, const char *text)
{
    char *path = temp_dir_path(dir, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static void make_dir(const struct temp_dir *dir, const char *name)
{
    char *path = temp_dir_path(dir, name);

    assert_int_equal(mkdir(path, 0700), 0);
    mem_free(path);
}

static void make_link(const struct temp_dir *dir, const char *target, const char *name)
{
    char *path = temp_dir_path(dir, name);

    assert_int_equal(symlink(target, path), 0);
    mem_free(path);
}

struct found {
    struct arena *arena;
    struct str_vec files;
    struct str_vec unreadable;
    struct report report;
};

static void find(struct found *found, const char *path)
{
    memset(found, 0, sizeof(*found));
    found->arena = arena_new(4096);
    report_init(&found->report);
    load_dir_find(found->arena, str_from_cstr(path), &found->files, &found->unreadable,
                  &found->report);
}

static void found_cleanup(struct found *found)
{
    report_cleanup(&found->report);
    arena_free(found->arena);
}

/* Names below the directory, joined by blanks. */
static void assert_found(const struct found *found, const struct temp_dir *dir, const char *wanted)
{
    struct text names = { 0 };

    text_add_cstr(&names, "");
    for (size_t i = 0; i < found->files.count; i++) {
        text_printf(&names, "%s%.*s", i > 0 ? " " : "",
                    STR_ARG(str_skip(found->files.items[i], strlen(dir->path) + 1)));
    }
    assert_string_equal(names.ptr != NULL ? names.ptr : "", wanted);
    text_cleanup(&names);
}

static void what_is_not_there_is_a_finding(void **state)
{
    struct temp_dir dir;
    struct found found;
    char *path;

    (void)state;
    temp_dir_init(&dir);
    path = temp_dir_path(&dir, "none");
    find(&found, path);
    assert_int_equal(found.files.count, 0);
    assert_int_equal(found.unreadable.count, 1);
    assert_int_equal(found.report.counts[SEVERITY_ERROR], 1);
    assert_int_equal(found.report.findings.items[0].code, FINDING_FILE_UNREADABLE);
    found_cleanup(&found);
    make_link(&dir, "nowhere", "broken.yaml");
    make_link(&dir, "nowhere", "broken.txt"); /* not ours, not our business */
    find(&found, dir.path);
    assert_int_equal(found.unreadable.count, 1);
    found_cleanup(&found);
    mem_free(path);
    temp_dir_cleanup(&dir);
}

static void files_come_in_byte_order_without_hidden_ones(void **state)
{
    struct temp_dir dir;
    struct found found;
    char *path;

    (void)state;
    temp_dir_init(&dir);
    make_dir(&dir, "a");
    make_dir(&dir, ".hidden");
    make_dir(&dir, "empty.yaml"); /* a directory may have such a name */
    write_file(&dir, "b.yaml", "x");
    write_file(&dir, "B.yml", "x");
    write_file(&dir, "a.json", "x");
    write_file(&dir, "a/z.yaml", "x");
    write_file(&dir, "a-.yaml", "x");
    write_file(&dir, ".c.yaml", "x");
    write_file(&dir, ".hidden/d.yaml", "x");
    write_file(&dir, "notes.txt", "x");
    write_file(&dir, "old.yaml~", "x");
    path = temp_dir_path(&dir, "a.json/../"); /* no directory: an error, not a crash */
    find(&found, path);
    assert_int_equal(found.report.counts[SEVERITY_ERROR], 1);
    found_cleanup(&found);
    mem_free(path);
    path = temp_dir_path(&dir, "/");
    find(&found, path); /* slashes at the end do not matter */
    assert_found(&found, &dir, "B.yml a-.yaml a.json a/z.yaml b.yaml");
    assert_int_equal(found.report.findings.count, 0);
    found_cleanup(&found);
    mem_free(path);
    path = temp_dir_path(&dir, "notes.txt");
    find(&found, path); /* named: whatever it is called */
    assert_found(&found, &dir, "notes.txt");
    found_cleanup(&found);
    mem_free(path);
    temp_dir_cleanup(&dir);
}

static void mounted_volumes_and_loops(void **state)
{
    struct temp_dir dir;
    struct found found;

    (void)state;
    temp_dir_init(&dir);
    make_dir(&dir, "..2024_01");
    write_file(&dir, "..2024_01/gw.yaml", "x");
    make_link(&dir, "..2024_01", "..data");
    make_link(&dir, "..data/gw.yaml", "gw.yaml");
    make_dir(&dir, "sub");
    make_link(&dir, "..", "sub/up");
    make_link(&dir, ".", "sub/self");
    find(&found, dir.path);
    assert_found(&found, &dir, "gw.yaml");
    assert_int_equal(found.report.findings.count, 0);
    found_cleanup(&found);
    temp_dir_cleanup(&dir);
}

static void depth_is_capped(void **state)
{
    struct temp_dir dir;
    struct found found;
    struct text name = { 0 };

    (void)state;
    temp_dir_init(&dir);
    for (unsigned i = 0; i < LIMIT_CONFIG_DIR_DEPTH + 2; i++) {
        text_add_cstr(&name, i > 0 ? "/d" : "d");
        make_dir(&dir, name.ptr);
    }
    find(&found, dir.path);
    assert_int_equal(found.unreadable.count, 1);
    found_cleanup(&found);
    text_cleanup(&name);
    temp_dir_cleanup(&dir);
}

static void reading(void **state)
{
    struct temp_dir dir;
    struct text bytes = { 0 };
    struct err err = { 0 };
    char *path;

    (void)state;
    temp_dir_init(&dir);
    path = temp_dir_path(&dir, "f.yaml");
    assert_false(load_dir_read(str_from_cstr(path), &bytes, &err));
    assert_true(err.text[0] != '\0');
    assert_false(load_dir_read(str_from_cstr(dir.path), &bytes, &err)); /* a directory */
    write_file(&dir, "f.yaml", "first");
    assert_true(load_dir_read(str_from_cstr(path), &bytes, &err));
    assert_true(str_equals(text_view(&bytes), STR("first")));
    write_file(&dir, "f.yaml", "");
    assert_true(load_dir_read(str_from_cstr(path), &bytes, &err));
    assert_int_equal(bytes.len, 0);
    assert_int_equal(truncate(path, (off_t)LIMIT_YAML_FILE_BYTES + 1), 0); /* a hole, no bytes */
    assert_false(load_dir_read(str_from_cstr(path), &bytes, &err));
    assert_non_null(strstr(err.text, "larger than"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_false(load_dir_read(str_from_cstr(path), &bytes, &err)); /* and does not block */
    assert_non_null(strstr(err.text, "no regular file"));
    mem_free(path);
    text_cleanup(&bytes);
    temp_dir_cleanup(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_there_is_a_finding),
        cmocka_unit_test(files_come_in_byte_order_without_hidden_ones),
        cmocka_unit_test(mounted_volumes_and_loops),
        cmocka_unit_test(depth_is_capped),
        cmocka_unit_test(reading),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
