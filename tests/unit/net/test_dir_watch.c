/* dir_watch: a mounted volume's swap, directories that come and go, paths that do not exist yet. */
#include "gateway/net/dir_watch.h"

#include "tests/unit/support/run_until.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;
static struct dir_watch *watch;
static char root[64];
static int changes;
static int rescans;

static char told[512]; /* the last paths, apart by blanks; "*": anything */

static void on_change(void *owner, const struct str_vec *changed, bool is_rescan)
{
    size_t len = 0;

    told[0] = '\0';
    for (size_t i = 0; changed != NULL && i < changed->count; i++) {
        len += (size_t)snprintf(told + len, sizeof(told) - len, "%s%.*s", i > 0 ? " " : "",
                                STR_ARG(changed->items[i]));
    }
    if (changed == NULL) {
        (void)strcpy(told, "*");
    }
    assert_ptr_equal(owner, &changes);
    if (is_rescan) {
        rescans++;
    } else {
        changes++;
    }
}

static const char *in_root(const char *name)
{
    static char paths[4][256];
    static size_t next;
    char *path = paths[next++ % 4];

    (void)snprintf(path, sizeof(paths[0]), "%s/%s", root, name);
    return path;
}

static int set_up(void **state)
{
    (void)state;
    changes = 0;
    rescans = 0;
    (void)strcpy(root, "/tmp/gatehouse-watch-XXXXXX");
    if (mkdtemp(root) == NULL) {
        return -1;
    }
    loop = loop_new(NULL);
    watch = dir_watch_new(loop, on_change, &changes, NULL);
    return watch == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    char command[128];

    (void)state;
    dir_watch_free(watch);
    loop_free(loop);
    (void)snprintf(command, sizeof(command), "rm -rf %s", root);
    return system(command);
}

static void write_file(const char *name, const char *text)
{
    FILE *file = fopen(in_root(name), "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void make_dir(const char *name)
{
    assert_int_equal(mkdir(in_root(name), 0755), 0);
}

static void watch_path(const char *name)
{
    struct err err = { 0 };

    if (!dir_watch_add(watch, in_root(name), &err)) {
        fail_msg("%s", err.text);
    }
}

static void expect_change(void)
{
    int before = changes;

    RUN_UNTIL(loop, changes > before);
}

static void expect_quiet(void)
{
    int before = changes;
    uint64_t start = now_mono_fresh_us();

    /* Longer than settling takes. */
    while (now_mono_fresh_us() - start < 2 * DIR_WATCH_SETTLE_MS * 1000) {
        loop_run_once(loop, 20);
    }
    assert_int_equal(changes, before);
}

static void bad_paths_are_refused(void **state)
{
    static char long_path[5000];
    struct err err = { 0 };

    (void)state;
    assert_false(dir_watch_add(watch, "", &err));
    memset(long_path, 'a', sizeof(long_path) - 1);
    assert_false(dir_watch_add(watch, long_path, &err));
    dir_watch_free(NULL);
}

static void a_volume_is_swapped(void **state)
{
    (void)state;
    make_dir("volume");
    make_dir("volume/..2024_01");
    write_file("volume/..2024_01/tls.crt", "old");
    assert_int_equal(symlink("..2024_01", in_root("volume/..data")), 0);
    assert_int_equal(symlink("..data/tls.crt", in_root("volume/tls.crt")), 0);
    watch_path("volume");
    expect_quiet();
    for (int i = 0; i < 3; i++) {
        char name[64];
        char file[96];
        (void)snprintf(name, sizeof(name), "volume/..2024_1%d", i);
        (void)snprintf(file, sizeof(file), "%s/tls.crt", name);
        make_dir(name);
        write_file(file, "new");
        assert_int_equal(symlink(name + 7, in_root("volume/..data_tmp")), 0);
        assert_int_equal(rename(in_root("volume/..data_tmp"), in_root("volume/..data")), 0);
        expect_change();
        assert_non_null(strstr(told, in_root("volume")));
        expect_quiet(); /* one swap, one change */
    }
    /* The new generation is watched too: a file changed in place behind the link. */
    write_file("volume/..data/tls.crt", "newer");
    expect_change();
}

/* One of many: the owner need not look at the others. */
static void where_it_changed_is_told(void **state)
{
    (void)state;
    make_dir("many");
    make_dir("many/a");
    make_dir("many/a/..1");
    make_dir("many/b");
    assert_int_equal(symlink("..1", in_root("many/a/..data")), 0);
    watch_path("many/");
    write_file("many/b/tls.crt", "b");
    expect_change();
    assert_string_equal(told, in_root("many/b"));

    make_dir("many/a/..2");
    assert_int_equal(symlink("..2", in_root("many/a/..data_tmp")), 0);
    assert_int_equal(rename(in_root("many/a/..data_tmp"), in_root("many/a/..data")), 0);
    assert_int_equal(rmdir(in_root("many/a/..1")), 0);
    expect_change();
    assert_string_equal(told, in_root("many/a"));
    write_file("many/a/..data/tls.crt", "a"); /* the new generation is watched */
    expect_change();
    assert_string_equal(told, in_root("many/a/..data"));

    make_dir("many/c");
    expect_change();
    assert_string_equal(told, "*");
    write_file("many/c/tls.crt", "c");
    expect_change();
    assert_string_equal(told, in_root("many/c"));

    /* A directory of two names: a change tells but one of them. */
    assert_int_equal(symlink("c", in_root("many/d")), 0);
    expect_change();
    assert_string_equal(told, "*");
    write_file("many/c/tls.crt", "c");
    expect_change();
    assert_string_equal(told, "*");
}

static void the_path_of_one_file_follows_a_swap(void **state)
{
    (void)state;
    make_dir("volume");
    make_dir("volume/..1");
    make_dir("volume/..2");
    write_file("volume/..1/ca.crt", "1");
    write_file("volume/..2/ca.crt", "2");
    assert_int_equal(symlink("..1", in_root("volume/..data")), 0);
    assert_int_equal(symlink("..data/ca.crt", in_root("volume/ca.crt")), 0);
    watch_path("volume/ca.crt");
    assert_int_equal(symlink("..2", in_root("volume/..data_tmp")), 0);
    assert_int_equal(rename(in_root("volume/..data_tmp"), in_root("volume/..data")), 0);
    expect_change();
}

/* The directory of a file that is watched is watched as a whole all the same. */
static void a_directory_is_walked_beside_a_file_in_it(void **state)
{
    (void)state;
    make_dir("both");
    make_dir("both/sub");
    write_file("both/a.yaml", "a");
    watch_path("both/a.yaml");
    watch_path("both");
    write_file("both/sub/b.yaml", "b");
    expect_change();
}

/* Where a link led before is not watched any more. */
static void a_link_that_leads_elsewhere_is_followed_at_once(void **state)
{
    (void)state;
    make_dir("watched");
    make_dir("old");
    make_dir("new");
    assert_int_equal(symlink("../old", in_root("watched/link")), 0);
    watch_path("watched");
    assert_int_equal(symlink("../new", in_root("watched/.link")), 0);
    assert_int_equal(rename(in_root("watched/.link"), in_root("watched/link")), 0);
    expect_change();
    write_file("new/tls.crt", "new");
    expect_change();
    write_file("old/tls.crt", "old");
    expect_quiet();
}

static void reading_is_no_change(void **state)
{
    char byte;

    (void)state;
    write_file("a.yaml", "a");
    watch_path("");
    int fd = open(in_root("a.yaml"), O_RDONLY);
    assert_int_equal(read(fd, &byte, 1), 1);
    (void)close(fd);
    expect_quiet();
}

static void directories_made_later_are_watched(void **state)
{
    (void)state;
    make_dir("configuration");
    watch_path("configuration");
    make_dir("configuration/a");
    make_dir("configuration/a/b");
    expect_change();
    write_file("configuration/a/b/one.yaml", "x");
    expect_change();
    assert_int_equal(chmod(in_root("configuration/a/b/one.yaml"), 0), 0);
    expect_change();
    assert_int_equal(unlink(in_root("configuration/a/b/one.yaml")), 0);
    expect_change();
    expect_quiet();
}

static void a_path_may_come_later_and_go_and_come_again(void **state)
{
    (void)state;
    watch_path("a/b/c");
    write_file("noise", "x");
    make_dir("other");
    expect_quiet(); /* the neighbours of what we wait for */
    for (int i = 0; i < 2; i++) {
        make_dir("a");
        expect_change();
        make_dir("a/b");
        expect_change();
        make_dir("a/b/c");
        expect_change();
        write_file("a/b/c/one.yaml", "x");
        expect_change();
        assert_int_equal(unlink(in_root("a/b/c/one.yaml")), 0);
        assert_int_equal(rmdir(in_root("a/b/c")), 0);
        assert_int_equal(rmdir(in_root("a/b")), 0);
        assert_int_equal(rmdir(in_root("a")), 0);
        expect_change();
    }
    /* Gone and back before anybody looked. */
    make_dir("a");
    make_dir("a/b");
    make_dir("a/b/c");
    expect_change();
    assert_int_equal(rename(in_root("a/b/c"), in_root("old")), 0);
    make_dir("a/b/c");
    expect_change();
    write_file("a/b/c/two.yaml", "x");
    expect_change();
    write_file("old/three.yaml", "x");
    expect_quiet();
}

static void a_link_to_a_directory_is_followed_and_a_circle_ends(void **state)
{
    (void)state;
    make_dir("real");
    make_dir("watched");
    assert_int_equal(symlink("../real", in_root("watched/link")), 0);
    assert_int_equal(symlink("..", in_root("watched/circle")), 0);
    watch_path("watched");
    write_file("real/one.yaml", "x");
    expect_change();
}

static void what_never_rests_is_told_all_the_same(void **state)
{
    (void)state;
    watch_path("");
    uint64_t start = now_mono_fresh_us();
    while (changes == 0) {
        write_file("busy", "x");
        loop_run_once(loop, 5);
        assert_true(now_mono_fresh_us() - start < RUN_UNTIL_DEADLINE_US);
    }
    /* Not before it was waited for, as it never settled. */
    assert_true(now_mono_fresh_us() - start >= DIR_WATCH_SETTLE_MAX_MS * 1000 - 50000);
}

static void a_flood_of_events_is_one_change(void **state)
{
    (void)state;
    watch_path("");
    for (int i = 0; i < 20000; i++) { /* beyond the kernel's queue of 16384 */
        int fd = open(in_root(i % 2 == 0 ? "a" : "b"), O_WRONLY | O_CREAT, 0644);
        (void)close(fd);
    }
    expect_change();
    write_file("a", "x");
    expect_change();
}

/* Who read the files before they were watched is told once, and with an event not twice. */
static void a_look_is_told_with_what_changes_meanwhile(void **state)
{
    (void)state;
    assert_true(dir_watch_add(watch, root, NULL));
    dir_watch_look(watch);
    RUN_UNTIL(loop, rescans > 0);
    assert_string_equal(told, "*");
    assert_int_equal(changes, 0);

    dir_watch_look(watch);
    write_file("a", "x");
    RUN_UNTIL(loop, changes > 0);
    assert_string_equal(told, "*");
    assert_int_equal(rescans, 1);
    write_file("b", "x");
    RUN_UNTIL(loop, changes > 1);
    assert_string_equal(told, root); /* the look is over */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_paths_are_refused),
        TEST(a_volume_is_swapped),
        TEST(where_it_changed_is_told),
        TEST(the_path_of_one_file_follows_a_swap),
        TEST(a_directory_is_walked_beside_a_file_in_it),
        TEST(a_link_that_leads_elsewhere_is_followed_at_once),
        TEST(reading_is_no_change),
        TEST(directories_made_later_are_watched),
        TEST(a_path_may_come_later_and_go_and_come_again),
        TEST(a_link_to_a_directory_is_followed_and_a_circle_ends),
        TEST(what_never_rests_is_told_all_the_same),
        TEST(a_flood_of_events_is_one_change),
        TEST(a_look_is_told_with_what_changes_meanwhile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
