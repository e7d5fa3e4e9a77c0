/* listener: binding several sockets of one address, accepting, pausing, running out of descriptors,
 * closing without losing what is queued. */
#include "gateway/net/listener.h"

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;
static int accepted;
static int last_fd;
static struct address last_peer;

static void on_accept(void *owner, int fd, const struct address *peer)
{
    assert_ptr_equal(owner, &accepted);
    accepted++;
    if (last_fd != -1) {
        (void)close(last_fd);
    }
    last_fd = fd;
    last_peer = *peer;
}

static int set_up(void **state)
{
    (void)state;
    accepted = 0;
    last_fd = -1;
    loop = loop_new(NULL);
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    if (last_fd != -1) {
        (void)close(last_fd);
    }
    loop_free(loop);
    return 0;
}

static int connect_to(const struct address *address)
{
    int fd = socket(address_family(address), SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd != -1);
    assert_int_equal(connect(fd, &address->sockaddr, address->len), 0);
    return fd;
}

static void bind_loopback(struct address *address, int *fds, size_t count)
{
    struct err err = { 0 };

    assert_true(address_parse(STR("127.0.0.1"), 0, address));
    if (!listener_bind(address, fds, count, &err)) {
        fail_msg("%s", err.text);
    }
    assert_true(address_port(address) != 0);
}

static void what_cannot_be_bound_is_told_and_nothing_stays_open(void **state)
{
    struct address address;
    struct err err = { 0 };
    int fds[2];
    int alone;

    (void)state;
    assert_true(address_parse(STR("192.0.2.1"), 80, &address)); /* not an address of ours */
    int probe = dup(0);
    (void)close(probe);
    assert_false(listener_bind(&address, fds, 2, &err));
    assert_true(strstr(err.text, "192.0.2.1:80") != NULL);
    int again = dup(0);
    assert_int_equal(again, probe); /* the lowest free descriptor is where it was */
    (void)close(again);
    /* A socket that shares with nobody refuses a second one. */
    assert_true(address_parse(STR("127.0.0.1"), 0, &address));
    assert_true(listener_bind_alone(&address, &alone, &err));
    assert_false(listener_bind_alone(&address, &fds[0], &err));
    assert_false(listener_bind(&address, fds, 1, &err));
    (void)close(alone);
}

static void a_crowd_is_accepted_in_few_turns(void **state)
{
    enum { CROWD = 200, TURNS = 12 };
    struct address address;
    int fd;
    int clients[CROWD];

    (void)state;
    bind_loopback(&address, &fd, 1);
    struct listener *listener = listener_start(loop, fd, on_accept, &accepted);
    for (int round = 0; round < 2; round++) {
        int wanted = accepted + CROWD;
        for (size_t i = 0; i < CROWD; i++) {
            clients[i] = connect_to(&address);
        }
        for (int turn = 0; turn < TURNS; turn++) {
            loop_run_once(loop, 0);
        }
        assert_int_equal(accepted, wanted);
        for (size_t i = 0; i < CROWD; i++) {
            (void)close(clients[i]);
        }
    }
    listener_close(listener);
}

static void all_sockets_of_an_address_share_its_port(void **state)
{
    struct address address;
    struct listener *listeners[3];
    int fds[3];
    int clients[30];
    int value = 0;
    socklen_t len = sizeof(value);

    (void)state;
    bind_loopback(&address, fds, 3);
    for (size_t i = 0; i < 3; i++) {
        listeners[i] = listener_start(loop, fds[i], on_accept, &accepted);
    }
    for (size_t i = 0; i < 30; i++) {
        clients[i] = connect_to(&address);
    }
    RUN_UNTIL(loop, accepted == 30);
    assert_true(address_is_loopback(&last_peer));
    assert_true(address_port(&last_peer) != 0);
    assert_true((fcntl(last_fd, F_GETFL) & O_NONBLOCK) != 0);
    assert_true((fcntl(last_fd, F_GETFD) & FD_CLOEXEC) != 0);
    assert_int_equal(getsockopt(last_fd, IPPROTO_TCP, TCP_NODELAY, &value, &len), 0);
    assert_true(value != 0);
    for (size_t i = 0; i < 30; i++) {
        (void)close(clients[i]);
    }
    for (size_t i = 0; i < 3; i++) {
        listener_close(listeners[i]);
    }
}

static void a_paused_listener_leaves_them_in_the_queue(void **state)
{
    struct address address;
    int fd;

    (void)state;
    bind_loopback(&address, &fd, 1);
    struct listener *listener = listener_start(loop, fd, on_accept, &accepted);
    listener_pause(listener);
    int client = connect_to(&address);
    for (int i = 0; i < 3; i++) {
        loop_run_once(loop, 5);
    }
    assert_int_equal(accepted, 0);
    listener_resume(listener);
    RUN_UNTIL(loop, accepted == 1);
    (void)close(client);
    listener_close(listener);
}

static void closing_takes_what_is_queued(void **state)
{
    struct address address;
    int fd;
    int clients[5];
    char byte;

    (void)state;
    bind_loopback(&address, &fd, 1);
    struct listener *listener = listener_start(loop, fd, on_accept, &accepted);
    for (size_t i = 0; i < 5; i++) {
        clients[i] = connect_to(&address);
    }
    listener_close(listener);
    listener_close(NULL);
    assert_int_equal(accepted, 5);
    assert_int_equal(send(last_fd, "x", 1, MSG_NOSIGNAL), 1);
    assert_int_equal(recv(clients[4], &byte, 1, 0), 1);
    int late = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(late, &address.sockaddr, address.len), -1);
    assert_int_equal(errno, ECONNREFUSED);
    (void)close(late);
    for (size_t i = 0; i < 5; i++) {
        (void)close(clients[i]);
    }
    loop_run_once(loop, 0);
}

static void without_descriptors_it_rests_and_goes_on(void **state)
{
    struct address address;
    struct rlimit old;
    struct rlimit tight;
    int fd;

    (void)state;
    bind_loopback(&address, &fd, 1);
    struct listener *listener = listener_start(loop, fd, on_accept, &accepted);
    int client = connect_to(&address);
    int lowest = dup(0);
    (void)close(lowest);
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
    tight = old;
    tight.rlim_cur = (rlim_t)lowest; /* the next one is one too many */
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &tight), 0);
    uint64_t start = now_mono_fresh_us();
    int turns = 0;
    while (now_mono_fresh_us() - start < 60000) {
        loop_run_once(loop, 60);
        turns++;
    }
    int while_tight = accepted;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
    assert_int_equal(while_tight, 0);
    assert_true(turns < 20); /* no spinning on what cannot be accepted */
    RUN_UNTIL(loop, accepted == 1);
    (void)close(client);
    listener_close(listener);
}

static void a_stale_socket_file_is_replaced_and_a_live_one_is_not(void **state)
{
    char directory[] = "/tmp/gatehouse-test-XXXXXX";
    char text[128];
    struct address address;
    struct err err = { 0 };
    int fds[2];

    (void)state;
    assert_non_null(mkdtemp(directory));
    (void)snprintf(text, sizeof(text), "unix://%s/s", directory);
    assert_true(address_parse(str_from_cstr(text), 0, &address));
    assert_true(listener_bind(&address, fds, 1, &err));
    struct address second = address;
    assert_false(listener_bind(&second, &fds[1], 1, &err));
    (void)close(fds[0]); /* the file stays */
    assert_true(listener_bind(&address, fds, 2, &err));
    struct listener *first = listener_start(loop, fds[0], on_accept, &accepted);
    struct listener *other = listener_start(loop, fds[1], on_accept, &accepted);
    int client = connect_to(&address);
    RUN_UNTIL(loop, accepted == 1);
    assert_int_equal(address_family(&last_peer), AF_UNIX);
    (void)close(client);
    listener_close(first);
    listener_close(other);
    (void)unlink(address.un.sun_path);
    (void)rmdir(directory);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_cannot_be_bound_is_told_and_nothing_stays_open),
        TEST(a_crowd_is_accepted_in_few_turns),
        TEST(all_sockets_of_an_address_share_its_port),
        TEST(a_paused_listener_leaves_them_in_the_queue),
        TEST(closing_takes_what_is_queued),
        TEST(without_descriptors_it_rests_and_goes_on),
        TEST(a_stale_socket_file_is_replaced_and_a_live_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
