/* What the service manager is told, read from the other end of its socket. */
#include "gateway/daemon/systemd.h"

#include "gateway/base/mem.h"
#include "gateway/base/str.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

static int open_manager(const char *path)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    assert_int_not_equal(fd, -1);
    assert_true(strlen(path) < sizeof(address.sun_path));
    memcpy(address.sun_path, path, strlen(path));
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void assert_told(int fd, const char *expected)
{
    char buffer[512];
    ssize_t len = recv(fd, buffer, sizeof(buffer) - 1, MSG_DONTWAIT);

    assert_true(len >= 0);
    buffer[len] = '\0';
    assert_memory_equal(buffer, expected, strlen(expected));
}

static void test_nobody_asked(void **state)
{
    struct systemd systemd;

    (void)state;
    assert_true(systemd_init(&systemd, NULL, "1000", NULL, NULL));
    assert_int_equal(systemd.watchdog_interval_ms, 0);
    systemd_ready(&systemd, "x"); /* goes nowhere */
    systemd_cleanup(&systemd);
    assert_true(systemd_init(&systemd, "", NULL, NULL, NULL));
    systemd_cleanup(&systemd);
}

static void test_broken_sockets(void **state)
{
    static const char *const BAD[] = { "relative", "/", "@", "/nowhere/at/all" };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct systemd systemd;
        struct err err = { 0 };
        assert_false(systemd_init(&systemd, BAD[i], NULL, NULL, &err));
        assert_true(err.text[0] != '\0');
        systemd_watchdog(&systemd); /* usable all the same */
        systemd_cleanup(&systemd);
    }
}

static void test_messages(void **state)
{
    struct temp_dir dir;
    struct systemd systemd;
    char other_pid[24];
    char own_pid[24];

    (void)state;
    temp_dir_init(&dir);
    char *path = temp_dir_path(&dir, "notify");
    int fd = open_manager(path);
    (void)snprintf(own_pid, sizeof(own_pid), "%d", (int)getpid());
    (void)snprintf(other_pid, sizeof(other_pid), "%d", (int)getpid() + 1);

    assert_true(systemd_init(&systemd, path, "3000000", other_pid, NULL));
    assert_int_equal(systemd.watchdog_interval_ms, 0);
    systemd_cleanup(&systemd);

    assert_true(systemd_init(&systemd, path, "3000000", own_pid, NULL));
    assert_int_equal(systemd.watchdog_interval_ms, 1500);
    systemd_ready(&systemd, "Serving\nREADY=0");
    assert_told(fd, "READY=1\nSTATUS=Serving\\nREADY=0");
    systemd_reloading(&systemd);
    assert_told(fd, "RELOADING=1\nMONOTONIC_USEC=");
    systemd_watchdog(&systemd);
    assert_told(fd, "WATCHDOG=1");
    systemd_stopping(&systemd, "Draining");
    assert_told(fd, "STOPPING=1\nSTATUS=Draining");
    systemd_cleanup(&systemd);
    (void)close(fd);
    mem_free(path);
    temp_dir_cleanup(&dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nobody_asked),
        cmocka_unit_test(test_broken_sockets),
        cmocka_unit_test(test_messages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
