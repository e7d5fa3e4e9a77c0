/* hosts_file: reading, folding case, following changes of the file. */
#include "gateway/net/hosts_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static char path[] = "/tmp/gatehouse-hosts-XXXXXX";

static void write_file(const char *text)
{
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void names_are_found(void **state)
{
    static const struct {
        const char *name;
        const char *found; /* in the order of the file; "" for none */
    } rows[] = {
        { "absent", "" },
        { "", "" },
        { "commented", "" },
        { "10.0.0.1", "" },
        { "broken", "" },
        { "one", "10.0.0.1 2001:db8::1 " },
        { "ONE.Example", "10.0.0.1 " },
        { "one.example.", "10.0.0.1 " },
        { "last", "10.0.0.9 " },
        { "localhost", "127.0.0.1 ::1 " },
        { "a.localhost", "127.0.0.1 ::1 " },
    };
    struct hosts_file hosts;

    (void)state;
    write_file("# 10.9.9.9 commented\n"
               "\n"
               "10.0.0.1\tone  one.example # commented\r\n"
               "  2001:db8::1 one\n"
               "10.0.0 broken\n"
               "name broken\n"
               "10.0.0.9 last");
    hosts_file_init(&hosts, path);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address addresses[4];
        char out[ADDRESS_TEXT_BYTES];
        char found[256] = "";
        size_t count = hosts_file_find(&hosts, str_from_cstr(rows[i].name), addresses, 4);
        for (size_t k = 0; k < count; k++) {
            (void)strcat(found, address_print_host(&addresses[k], out).ptr);
            (void)strcat(found, " ");
        }
        assert_string_equal(found, rows[i].found);
    }
    hosts_file_cleanup(&hosts);
}

static void a_changed_file_is_read_again(void **state)
{
    struct hosts_file hosts;
    struct address addresses[2];

    (void)state;
    write_file("10.0.0.1 one\n");
    hosts_file_init(&hosts, path);
    assert_int_equal(hosts_file_find(&hosts, STR("one"), addresses, 2), 1);
    write_file("10.0.0.2 two\n10.0.0.3 two\n10.0.0.4 two\n");
    assert_int_equal(hosts_file_find(&hosts, STR("one"), addresses, 2), 0);
    assert_int_equal(hosts_file_find(&hosts, STR("two"), addresses, 2), 2); /* no more than asked */
    assert_int_equal(unlink(path), 0);
    assert_int_equal(hosts_file_find(&hosts, STR("two"), addresses, 2),
                     2); /* what is known stays */
    hosts_file_cleanup(&hosts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found),
        cmocka_unit_test(a_changed_file_is_read_again),
    };
    int fd = mkstemp(path);

    if (fd == -1) {
        return 1;
    }
    (void)close(fd);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    (void)unlink(path);
    return failed;
}
