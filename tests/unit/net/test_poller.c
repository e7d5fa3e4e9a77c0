/* poller: what an edge leaves behind is told again until it is used up, and nothing is lost that came
 * with it: an end, a reset, urgent data. */
#include "gateway/net/poller.h"

#include "gateway/base/mem.h"

#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { LONG_MS = 5000 };

static struct poller *poller;

/* One end is watched, the other is the peer's. */
struct pair {
    struct poller_socket socket;
    int fd;
    int peer;
    unsigned told;
    unsigned count;
    struct pair *to_forget;
};

static void on_woken(void *arg)
{
    (void)arg;
}

static void on_ready(void *owner, unsigned what)
{
    struct pair *pair = owner;

    pair->told |= what;
    pair->count++;
    if (pair->to_forget != NULL) {
        poller_forget(&pair->to_forget->socket);
    }
}

static void open_pair(struct pair *pair, bool is_edge)
{
    struct sockaddr_in address = { .sin_family = AF_INET };
    socklen_t len = sizeof(address);
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(pair, 0, sizeof(*pair));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &len), 0);
    pair->peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(pair->peer, (struct sockaddr *)&address, len), 0);
    pair->fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
    assert_true(pair->fd >= 0);
    close(listener);
    poller_socket_init(&pair->socket, poller, pair->fd, is_edge, on_ready, pair);
}

static void close_pair(struct pair *pair)
{
    poller_forget(&pair->socket);
    close(pair->fd);
    if (pair->peer != -1) {
        close(pair->peer);
    }
}

/* What is told in one wait. */
static unsigned told(struct pair *pair, int timeout_ms)
{
    pair->told = 0;
    poller_wait(poller, timeout_ms, on_woken, NULL);
    return pair->told;
}

static void say(const struct pair *pair, const char *text)
{
    assert_int_equal(send(pair->peer, text, strlen(text), 0), strlen(text));
}

/* As a transport reads. */
static ssize_t take(struct pair *pair, size_t size)
{
    char bytes[256];
    ssize_t count = recv(pair->fd, bytes, size, 0);

    if (count == -1 && errno == EAGAIN) {
        poller_used_up(&pair->socket, POLLER_READABLE, true);
    } else if (count > 0 && (size_t)count < size) {
        poller_used_up(&pair->socket, POLLER_READABLE, false);
    }
    return count;
}

static void reset_peer(struct pair *pair)
{
    struct linger linger = { .l_onoff = 1 };

    assert_int_equal(setsockopt(pair->peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close(pair->peer);
    pair->peer = -1;
}

static int set_up(void **state)
{
    (void)state;
    poller = poller_new(NULL);
    return poller != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    poller_free(poller);
    return 0;
}

static void a_short_read_uses_an_edge_up(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    assert_int_equal(told(&pair, 0), 0);
    say(&pair, "abc");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), 3);
    assert_false(poller_is_pending(poller));
    assert_int_equal(told(&pair, 0), 0);
    say(&pair, "d");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    close_pair(&pair);
}

static void what_is_left_is_told_again(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "abcdef");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_true(poller_is_pending(poller)); /* the owner did not read at all */
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 3), 3);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 3), 3); /* all, but who knows */
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 3), -1);
    assert_int_equal(told(&pair, 0), 0);
    assert_false(poller_is_pending(poller));
    close_pair(&pair);
}

static void an_end_that_came_with_bytes_is_told(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "last words");
    assert_int_equal(shutdown(pair.peer, SHUT_WR), 0);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), 10);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), 0);
    close_pair(&pair);
}

static void an_end_behind_a_short_read_is_told(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "abc");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(shutdown(pair.peer, SHUT_WR), 0); /* an edge of its own */
    assert_int_equal(take(&pair, 100), 3);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), 0);
    close_pair(&pair);
}

static void a_reset_behind_bytes_is_told(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "abc");
    reset_peer(&pair);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), 3);
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_int_equal(take(&pair, 100), -1);
    assert_int_equal(errno, ECONNRESET);
    close_pair(&pair);
}

/* RFC 9293 3.8.5: a read stops at the mark though there is more. */
static void bytes_behind_urgent_ones_are_told(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "abc");
    assert_int_equal(send(pair.peer, "!", 1, MSG_OOB), 1);
    say(&pair, "def");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    size_t got = 0;
    while (got < 6) {
        ssize_t count = take(&pair, 100);
        if (count > 0) {
            got += (size_t)count;
        }
        if (got < 6) {
            assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
        }
    }
    close_pair(&pair);
}

static void what_came_during_a_pause_is_told_after_it(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    poller_unwatch(&pair.socket, POLLER_READABLE);
    say(&pair, "abc");
    assert_int_equal(told(&pair, 100), 0); /* the edge is seen here, and kept */
    assert_false(poller_is_pending(poller));
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    assert_true(poller_is_pending(poller));
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    close_pair(&pair);
}

static void fill(struct pair *pair)
{
    static const char block[65536];

    while (send(pair->fd, block, sizeof(block), 0) > 0) {
    }
    assert_int_equal(errno, EAGAIN);
    poller_used_up(&pair->socket, POLLER_WRITABLE, true);
}

static void drain(const struct pair *pair)
{
    static char block[1 << 20];

    while (recv(pair->peer, block, sizeof(block), MSG_DONTWAIT) > 0) {
    }
}

static void room_is_told_once_it_is_there(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    /* Twice: the first time the kernel is asked, the second time it was all along. */
    for (int i = 0; i < 2; i++) {
        fill(&pair);
        assert_true(poller_watch(&pair.socket, POLLER_WRITABLE));
        assert_int_equal(told(&pair, 0), 0);
        while (told(&pair, 10) == 0) {
            drain(&pair);
        }
        assert_int_equal(pair.told, POLLER_WRITABLE);
        poller_unwatch(&pair.socket, POLLER_WRITABLE);
        assert_int_equal(told(&pair, 0), 0);
    }
    close_pair(&pair);
}

static void a_level_socket_is_told_by_the_kernel(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, true);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE));
    say(&pair, "abc");
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    assert_true(poller_make_level(&pair.socket));
    assert_false(poller_is_pending(poller));
    for (int i = 0; i < 2; i++) {
        assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE);
    }
    poller_unwatch(&pair.socket, POLLER_READABLE);
    assert_int_equal(told(&pair, 0), 0);
    assert_true(poller_watch(&pair.socket, POLLER_READABLE | POLLER_WRITABLE));
    assert_int_equal(told(&pair, LONG_MS), POLLER_READABLE | POLLER_WRITABLE);
    close_pair(&pair);
}

static void a_broken_level_socket_is_told_to_who_waits_for_room(void **state)
{
    struct pair pair;

    (void)state;
    open_pair(&pair, false);
    fill(&pair);
    assert_true(poller_watch(&pair.socket, POLLER_WRITABLE));
    reset_peer(&pair);
    assert_int_equal(told(&pair, LONG_MS), POLLER_WRITABLE);
    close_pair(&pair);
}

static void who_was_forgotten_in_the_same_turn_is_not_told(void **state)
{
    for (unsigned is_edge = 0; is_edge < 2; is_edge++) {
        struct pair pairs[2];

        (void)state;
        for (size_t i = 0; i < 2; i++) {
            open_pair(&pairs[i], is_edge == 1);
            pairs[i].to_forget = &pairs[1 - i];
            assert_true(poller_watch(&pairs[i].socket, POLLER_READABLE));
            say(&pairs[i], "abc");
        }
        poller_wait(poller, LONG_MS, on_woken, NULL);
        poller_wait(poller, 0, on_woken, NULL);
        /* Whichever came first: it alone, in both turns. */
        assert_true((pairs[0].count == 0) != (pairs[1].count == 0));
        close_pair(&pairs[0]);
        close_pair(&pairs[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_short_read_uses_an_edge_up, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_left_is_told_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_that_came_with_bytes_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_end_behind_a_short_read_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_reset_behind_bytes_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bytes_behind_urgent_ones_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_came_during_a_pause_is_told_after_it, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(room_is_told_once_it_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_level_socket_is_told_by_the_kernel, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_broken_level_socket_is_told_to_who_waits_for_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(who_was_forgotten_in_the_same_turn_is_not_told, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
