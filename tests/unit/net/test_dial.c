/* dial: to a listening socket, a closed port, a full one, and cancelled ones. */
#include "gateway/net/dial.h"

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;
static int calls;
static int done_fd;
static int done_error;

static void on_done(void *owner, int fd, int error_number)
{
    assert_ptr_equal(owner, &calls);
    calls++;
    done_fd = fd;
    done_error = error_number;
}

static int set_up(void **state)
{
    (void)state;
    calls = 0;
    done_fd = -1;
    done_error = -1;
    loop = loop_new(NULL);
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (done_fd != -1) {
        (void)close(done_fd);
    }
    loop_free(loop);
    return 0;
}

static int listen_on_loopback(struct address *address, int backlog)
{
    socklen_t len = sizeof(address->in4);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(address_parse(STR("127.0.0.1"), 0, address));
    assert_int_equal(bind(fd, &address->sockaddr, address->len), 0);
    assert_int_equal(getsockname(fd, &address->sockaddr, &len), 0);
    if (backlog >= 0) {
        assert_int_equal(listen(fd, backlog), 0);
    }
    return fd;
}

static void a_closed_port_is_refused(void **state)
{
    struct address address;
    int fd = listen_on_loopback(&address, -1); /* bound, so nobody else takes the port */

    (void)state;
    assert_non_null(dial_start(loop, &address, 5000, on_done, &calls));
    assert_int_equal(calls, 0);
    RUN_UNTIL(loop, calls == 1);
    assert_int_equal(done_fd, -1);
    assert_int_equal(done_error, ECONNREFUSED);
    (void)close(fd);
}

static void a_missing_unix_socket_fails_later_and_not_inside(void **state)
{
    struct address address;

    (void)state;
    assert_true(address_parse(STR("unix://@gatehouse-test-nobody-listens"), 0, &address));
    assert_non_null(dial_start(loop, &address, 5000, on_done, &calls));
    assert_int_equal(calls, 0);
    RUN_UNTIL(loop, calls == 1);
    assert_int_equal(done_error, ECONNREFUSED);
    assert_int_equal(done_fd, -1);
}

static void nothing_answers_in_time(void **state)
{
    struct address address;
    int fd = listen_on_loopback(&address, 0);
    int fill[4];

    (void)state;
    /* A backlog of 0 holds one; further SYNs are dropped. */
    for (size_t i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fill[i], &address.sockaddr, address.len);
    }
    assert_non_null(dial_start(loop, &address, 60, on_done, &calls));
    RUN_UNTIL(loop, calls == 1);
    assert_int_equal(done_error, ETIMEDOUT);
    assert_int_equal(done_fd, -1);
    for (size_t i = 0; i < 4; i++) {
        (void)close(fill[i]);
    }
    (void)close(fd);
}

/* Both say how it went only when the SYN is sent again. */
static void check_a_late_answer(bool is_refused)
{
    struct address address;
    int fd = listen_on_loopback(&address, 0);
    int fill[4];

    for (size_t i = 0; i < 4; i++) {
        fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        (void)connect(fill[i], &address.sockaddr, address.len);
    }
    assert_non_null(dial_start(loop, &address, 15000, on_done, &calls));
    loop_run_once(loop, 0);
    assert_int_equal(calls, 0);
    for (size_t i = 0; i < 4; i++) {
        (void)close(fill[i]);
    }
    if (is_refused) {
        (void)close(fd);
    } else {
        (void)close(accept(fd, NULL, NULL)); /* what filled the queue */
    }
    RUN_UNTIL(loop, calls == 1);
    if (!is_refused) {
        struct sockaddr_storage peer;
        socklen_t len = sizeof(peer);
        assert_int_equal(done_error, 0);
        assert_int_equal(getpeername(done_fd, (struct sockaddr *)&peer, &len), 0);
        (void)close(fd);
    }
}

static void a_late_connect_is_waited_for(void **state)
{
    (void)state;
    check_a_late_answer(false);
}

static void a_late_refusal_is_told(void **state)
{
    (void)state;
    check_a_late_answer(true);
    assert_int_equal(done_error, ECONNREFUSED);
    assert_int_equal(done_fd, -1);
}

static void a_connect_gives_a_descriptor_ready_for_use(void **state)
{
    struct address address;
    int fd = listen_on_loopback(&address, 5);
    int value = 0;
    socklen_t len = sizeof(value);

    (void)state;
    assert_non_null(dial_start(loop, &address, 5000, on_done, &calls));
    RUN_UNTIL(loop, calls == 1);
    assert_int_equal(done_error, 0);
    assert_true((fcntl(done_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(done_fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getsockopt(done_fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);
    (void)close(fd);
}

static void a_unix_socket_is_dialled_too(void **state)
{
    char name[64];
    struct address address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)state;
    int len = snprintf(name, sizeof(name), "unix://@gatehouse-test-%d", (int)getpid());
    assert_true(address_parse(str_from(name, (size_t)len), 0, &address));
    assert_int_equal(bind(fd, &address.sockaddr, address.len), 0);
    assert_int_equal(listen(fd, 5), 0);
    assert_non_null(dial_start(loop, &address, 5000, on_done, &calls));
    assert_int_equal(calls, 0);
    RUN_UNTIL(loop, calls == 1);
    assert_int_equal(done_error, 0);
    assert_true(done_fd != -1);
    (void)close(fd);
}

static void a_cancelled_dial_says_nothing(void **state)
{
    struct address address;
    int fd = listen_on_loopback(&address, 5);

    (void)state;
    struct dial *under_way = dial_start(loop, &address, 10, on_done, &calls);
    dial_cancel(under_way);
    assert_true(address_parse(STR("unix://@gatehouse-test-nobody-listens"), 0, &address));
    struct dial *failed = dial_start(loop, &address, 10, on_done, &calls);
    dial_cancel(failed);
    dial_cancel(NULL);
    for (int i = 0; i < 4; i++) {
        loop_run_once(loop, 10);
    }
    assert_int_equal(calls, 0);
    (void)close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_closed_port_is_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_missing_unix_socket_fails_later_and_not_inside, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(nothing_answers_in_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_connect_is_waited_for, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_late_refusal_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_connect_gives_a_descriptor_ready_for_use, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_unix_socket_is_dialled_too, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_cancelled_dial_says_nothing, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
