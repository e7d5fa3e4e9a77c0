/* transport: over socket pairs, plain and through a filter of the test's own. Also covers
 * gateway/net/transport_write.c. fast-path budget: one send a turn, no allocation when warm. */
#include "gateway/net/transport.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <linux/tcp.h>
#include <setjmp.h>

#include <cmocka.h>

/* --- The owner: what it saw, and what it is to do --------------------------------------------- */

enum action {
    ACTION_TAKE,
    ACTION_LEAVE,
    ACTION_PAUSE,
    ACTION_ECHO,
    ACTION_CLOSE,
    ACTION_LINGER,
    ACTION_LINES
};

struct owner {
    struct transport *transport;
    enum action action;
    unsigned char *bytes;
    size_t len;
    int calls;
    size_t largest; /* of the calls */
    int ends;
    bool is_clean;
    int drains;
    int deaths;
    enum transport_end end;
};

static struct loop *loop;
static struct owner owner;
static int peer; /* the other end of the pair */

static void owner_collect(struct owner *self, const unsigned char *bytes, size_t len)
{
    self->bytes = mem_resize(self->bytes, self->len + len);
    memcpy(self->bytes + self->len, bytes, len);
    self->len += len;
}

static size_t owner_take_lines(struct owner *self, const unsigned char *bytes, size_t len)
{
    const unsigned char *end = memchr(bytes, '\n', len);
    size_t taken = 0;

    while (end != NULL) {
        taken = (size_t)(end - bytes) + 1;
        end = memchr(bytes + taken, '\n', len - taken);
    }
    owner_collect(self, bytes, taken);
    return taken;
}

static size_t on_data(void *arg, const unsigned char *bytes, size_t len)
{
    struct owner *self = arg;

    self->calls++;
    self->largest = len > self->largest ? len : self->largest;
    switch (self->action) {
    case ACTION_LEAVE:
        return 0;
    case ACTION_PAUSE:
        transport_pause_read(self->transport, TRANSPORT_PAUSE_LEG);
        owner_collect(self, bytes, 1);
        return 1;
    case ACTION_ECHO:
        transport_write(self->transport, bytes, len);
        self->len += len;
        return len;
    case ACTION_CLOSE:
        transport_write(self->transport, "bye", 3);
        transport_close(self->transport);
        self->transport = NULL;
        return len;
    case ACTION_LINGER:
        transport_write(self->transport, "400", 3);
        transport_linger_close(self->transport);
        self->transport = NULL;
        return bytes[len - 1] == 'y' ? len : 0; /* still readable */
    case ACTION_LINES:
        return owner_take_lines(self, bytes, len);
    case ACTION_TAKE:
    default:
        owner_collect(self, bytes, len);
        return len;
    }
}

static void on_end(void *arg, bool is_clean)
{
    struct owner *self = arg;

    self->ends++;
    self->is_clean = is_clean;
}

static void on_drained(void *arg)
{
    struct owner *self = arg;

    self->drains++;
}

static void on_dead(void *arg, enum transport_end end)
{
    struct owner *self = arg;

    self->deaths++;
    self->end = end;
}

static const struct transport_handler handler = { on_data, on_end, on_drained, on_dead, NULL };

static void open_pair(int type)
{
    int fds[2];
    struct address nobody = { 0 };

    assert_int_equal(socketpair(AF_UNIX, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    memset(&owner, 0, sizeof(owner));
    peer = fds[1];
    owner.transport = transport_new(loop, fds[0], &nobody);
    transport_set_handler(owner.transport, &handler, &owner);
}

static void open_tcp_pair(void)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(in4);
    int listening = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(bind(listening, (struct sockaddr *)&in4, sizeof(in4)), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&in4, &len), 0);
    peer = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(peer, (struct sockaddr *)&in4, sizeof(in4)), 0);
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(peer, F_SETFL, O_NONBLOCK), 0);
    (void)close(listening);
    memset(&owner, 0, sizeof(owner));
    owner.transport = transport_new(loop, fd, NULL);
    transport_set_handler(owner.transport, &handler, &owner);
}

static void peer_send(const void *bytes, size_t len)
{
    assert_int_equal(send(peer, bytes, len, MSG_NOSIGNAL), len);
}

/* Everything that is there now. */
static size_t peer_read(unsigned char *out, size_t size)
{
    size_t len = 0;
    ssize_t count;

    while (len < size && (count = recv(peer, out + len, size - len, 0)) > 0) {
        len += (size_t)count;
    }
    return len;
}

static bool peer_is_at_end(void)
{
    char byte;

    return recv(peer, &byte, 1, MSG_PEEK) == 0;
}

static int set_up(void **state)
{
    (void)state;
    loop = loop_new(NULL);
    return loop == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    transport_close(owner.transport);
    owner.transport = NULL;
    mem_free(owner.bytes);
    owner.bytes = NULL;
    if (peer != -1) {
        (void)close(peer);
        peer = -1;
    }
    loop_free(loop);
    return 0;
}

/* --- Reading ---------------------------------------------------------------------------------- */

static void what_is_not_taken_is_offered_with_what_follows(void **state)
{
    size_t len;

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LINES;
    peer_send("one\ntw", 6);
    RUN_UNTIL(loop, owner.calls == 1);
    assert_int_equal(owner.len, 4);
    assert_int_equal(transport_unread_bytes(owner.transport), 2);
    assert_memory_equal(transport_peek_unread(owner.transport, &len), "tw", 2);
    loop_run_once(loop, 0);
    assert_int_equal(owner.calls, 1); /* not offered for nothing */
    peer_send("o\nthree\n", 8);
    RUN_UNTIL(loop, owner.calls == 2);
    assert_int_equal(owner.len, 14);
    assert_memory_equal(owner.bytes, "one\ntwo\nthree\n", 14);
    assert_null(transport_peek_unread(owner.transport, &len));
    assert_int_equal(len, 0);
    assert_int_equal(transport_received_bytes(owner.transport), 14);
}

static void one_byte_at_a_time_is_one_line_in_the_end(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LINES;
    for (int i = 0; i < 3000; i++) {
        peer_send(i == 2999 ? "\n" : "x", 1);
        RUN_UNTIL(loop, owner.calls == i + 1);
    }
    assert_int_equal(owner.len, 3000);
}

static void a_paused_reader_is_left_alone(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_PAUSE;
    peer_send("abc", 3);
    RUN_UNTIL(loop, owner.calls == 1);
    transport_pause_read(owner.transport, TRANSPORT_PAUSE_TUNNEL);
    peer_send("def", 3);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    for (int i = 0; i < 5; i++) {
        loop_run_once(loop, 5);
    }
    assert_int_equal(owner.calls, 1);
    assert_int_equal(owner.ends, 0); /* the end waits behind the bytes */
    transport_resume_read(owner.transport, TRANSPORT_PAUSE_LEG);
    loop_run_once(loop, 5);
    assert_int_equal(owner.calls, 1); /* the other reason still holds */
    owner.action = ACTION_TAKE;
    transport_resume_read(owner.transport, TRANSPORT_PAUSE_TUNNEL);
    RUN_UNTIL(loop, owner.ends == 1);
    assert_int_equal(owner.len, 6);
    assert_memory_equal(owner.bytes, "abcdef", 6);
    assert_true(owner.is_clean);
}

static void the_end_comes_once_and_does_not_spin(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    peer_send("last", 4);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    RUN_UNTIL(loop, owner.ends == 1);
    assert_int_equal(owner.len, 4);
    uint64_t start = now_mono_fresh_us();
    loop_run_once(loop, 30); /* level-triggered: a watched end would come back at once */
    assert_true(now_mono_fresh_us() - start >= 25000);
    assert_int_equal(owner.ends, 1);
    transport_write(owner.transport, "answer", 6); /* half-closed: still possible */
    loop_run_once(loop, 0);
    unsigned char out[16];
    assert_int_equal(peer_read(out, sizeof(out)), 6);
}

static unsigned peer_segments(void)
{
    struct tcp_info info;
    socklen_t len = sizeof(info);

    assert_int_equal(getsockopt(peer, IPPROTO_TCP, TCP_INFO, &info, &len), 0);
    return info.tcpi_segs_in;
}

/* A peer that says its last words and hangs up is read to its end in one turn. */
static void the_end_behind_the_bytes_comes_with_them(void **state)
{
    (void)state;
    open_tcp_pair();
    loop_run_once(loop, 0); /* watched */
    peer_send("last", 4);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    loop_run_once(loop, 1000);
    assert_int_equal(owner.len, 4);
    assert_int_equal(owner.ends, 1);
    assert_true(owner.is_clean);
}

static void last_words_and_end_leave_in_one_segment(void **state)
{
    unsigned char out[16];

    (void)state;
    open_tcp_pair();
    loop_run_once(loop, 0);
    unsigned before = peer_segments();
    transport_write(owner.transport, "answer", 6);
    transport_end_write(owner.transport);
    transport_flush(owner.transport);
    assert_int_equal(peer_segments() - before, 1);
    assert_int_equal(peer_read(out, sizeof(out)), 6);
    assert_true(peer_is_at_end());
}

static void a_new_owner_gets_what_is_kept(void **state)
{
    struct owner heir = { 0 };

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LEAVE;
    peer_send("hello", 5);
    RUN_UNTIL(loop, owner.calls == 1);
    transport_set_handler(owner.transport, &handler, &heir);
    assert_int_equal(heir.calls, 0);
    RUN_UNTIL(loop, heir.calls == 1);
    assert_int_equal(heir.len, 5);
    mem_free(heir.bytes);
}

static void kept_bytes_can_be_offered_at_once(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LEAVE;
    peer_send("hello", 5);
    RUN_UNTIL(loop, owner.calls == 1);
    owner.action = ACTION_TAKE;
    transport_offer_unread(owner.transport);
    assert_int_equal(owner.len, 5);
}

static void an_owner_that_takes_nothing_for_ever_is_cut_off(void **state)
{
    static unsigned char block[65536];

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LEAVE;
    while (owner.deaths == 0) {
        (void)send(peer, block, sizeof(block), MSG_NOSIGNAL);
        loop_run_once(loop, 20);
    }
    assert_int_equal(owner.end, TRANSPORT_END_QUEUE_LIMIT);
}

static void closing_inside_a_callback_is_safe(void **state)
{
    unsigned char out[16];

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_CLOSE;
    peer_send("abc", 3);
    RUN_UNTIL(loop, owner.calls == 1);
    assert_int_equal(peer_read(out, sizeof(out)), 3); /* staged bytes were still sent */
    assert_true(peer_is_at_end());
    assert_int_equal(owner.ends + owner.deaths, 0);
}

static void a_reset_by_the_peer_is_told(void **state)
{
    struct linger linger = { .l_onoff = 1, .l_linger = 0 };

    (void)state;
    open_tcp_pair();
    assert_int_equal(setsockopt(peer, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    (void)close(peer);
    peer = -1;
    RUN_UNTIL(loop, owner.deaths == 1);
    assert_int_equal(owner.end, TRANSPORT_END_RESET);
    assert_string_equal(transport_error(owner.transport), strerror(ECONNRESET));
    transport_write(owner.transport, "x", 1); /* ignored */
    loop_run_once(loop, 0);
    assert_int_equal(owner.deaths, 1);
}

/* An origin that refuses an upload says why before it hangs up. */
static void the_last_words_are_read_before_the_death(void **state)
{
    (void)state;
    open_pair(SOCK_STREAM);
    peer_send("413", 3);
    (void)close(peer);
    peer = -1;
    transport_write(owner.transport, "more", 4);
    transport_flush(owner.transport); /* fails */
    assert_int_equal(owner.deaths, 0);
    RUN_UNTIL(loop, owner.deaths == 1);
    assert_int_equal(owner.len, 3);
    assert_int_equal(owner.end, TRANSPORT_END_RESET);
}

static void peer_answers_and_hangs_up(void *arg)
{
    (void)arg;
    peer_send("413", 3);
    (void)close(peer);
    peer = -1;
    transport_write(owner.transport, "more", 4);
    transport_flush(owner.transport); /* fails */
}

/* Whether it said all is known only from its end, behind the last short read. */
static void the_last_words_have_their_end(void **state)
{
    struct deferred deferred = { 0 };

    (void)state;
    open_pair(SOCK_STREAM);
    loop_run_once(loop, 0);
    loop_defer(loop, &deferred, peer_answers_and_hangs_up, NULL);
    RUN_UNTIL(loop, owner.deaths == 1);
    assert_int_equal(owner.len, 3);
    assert_int_equal(owner.ends, 1);
}

/* --- Writing ---------------------------------------------------------------------------------- */

static void small_writes_leave_in_one_send(void **state)
{
    unsigned char out[256];
    struct evbuffer *buffer = evbuffer_new();

    (void)state;
    open_pair(SOCK_SEQPACKET); /* one send, one packet */
    assert_int_equal(evbuffer_add(buffer, "three", 5), 0);
    transport_write(owner.transport, "one ", 4);
    transport_write(owner.transport, "two ", 4);
    transport_write_buffer(owner.transport, buffer);
    assert_int_equal(evbuffer_get_length(buffer), 0);
    assert_int_equal(transport_queued_bytes(owner.transport), 13);
    loop_run_once(loop, 0);
    assert_int_equal(recv(peer, out, sizeof(out), 0), 13);
    assert_memory_equal(out, "one two three", 13);
    assert_int_equal(transport_sent_bytes(owner.transport), 13);
    assert_int_equal(transport_queued_bytes(owner.transport), 0);
    evbuffer_free(buffer);
}

static void a_head_leaves_with_its_large_body(void **state)
{
    static unsigned char body[20000];
    static unsigned char out[30000];
    struct evbuffer *buffer = evbuffer_new();

    (void)state;
    open_pair(SOCK_SEQPACKET);
    memset(body, 'b', sizeof(body));
    transport_write(owner.transport, "head", 4);
    transport_write(owner.transport, body, sizeof(body));
    assert_int_equal(recv(peer, out, sizeof(out), 0), 20004);
    transport_write(owner.transport, "head", 4);
    assert_int_equal(evbuffer_add(buffer, body, sizeof(body)), 0);
    transport_write_buffer(owner.transport, buffer);
    assert_int_equal(recv(peer, out, sizeof(out), 0), 20004);
    assert_memory_equal(out, "headbbbb", 8);
    evbuffer_free(buffer);
}

static void another_transport_that_writes_sends_off_the_first(void **state)
{
    unsigned char out[16];

    (void)state;
    open_pair(SOCK_STREAM);
    struct owner first = owner;
    int first_peer = peer;
    open_pair(SOCK_STREAM);
    transport_write(first.transport, "1", 1);
    transport_write(owner.transport, "2", 1);
    assert_int_equal(recv(first_peer, out, sizeof(out), 0), 1);
    transport_close(first.transport);
    (void)close(first_peer);
    loop_run_once(loop, 0);
    assert_int_equal(peer_read(out, sizeof(out)), 1);
    assert_int_equal(out[0], '2');
}

/* Bulk needs few reads; what a slow peer makes wait is no more than the queue's mark and a usual read. */
static void reads_grow_only_while_what_they_bring_goes_on(void **state)
{
    static unsigned char bytes[100 * 1000];
    int large = 4 * 1024 * 1024;
    size_t most_queued = 0;

    (void)state;
    open_tcp_pair();
    (void)setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    for (int i = 0; i < 1000 && owner.largest < LOOP_READ_BUFFER_BYTES; i++) {
        while (send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
        }
        loop_run_once(loop, 1);
    }
    assert_int_equal(owner.largest, LOOP_READ_BUFFER_BYTES);
    transport_close(owner.transport);
    mem_free(owner.bytes);
    (void)close(peer);

    open_tcp_pair();
    (void)setsockopt(peer, SOL_SOCKET, SO_SNDBUF, &large, sizeof(large));
    owner.action = ACTION_ECHO; /* to a peer that reads nothing */
    for (int i = 0; i < 1000 && !transport_is_above_high(owner.transport); i++) {
        while (send(peer, bytes, sizeof(bytes), MSG_NOSIGNAL) > 0) {
        }
        loop_run_once(loop, 1);
        most_queued = transport_queued_bytes(owner.transport);
    }
    assert_true(most_queued > LIMIT_STREAM_HIGH_BYTES);
    assert_true(most_queued <= 256 * 1024);
}

static void check_pattern(const unsigned char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (bytes[i] != (unsigned char)(i * 7 + i / 251)) {
            fail_msg("byte %zu", i);
        }
    }
}

enum { LARGE = 700 * 1000 };

static unsigned char *make_pattern(void)
{
    unsigned char *bytes = mem_alloc(LARGE);

    for (size_t i = 0; i < LARGE; i++) {
        bytes[i] = (unsigned char)(i * 7 + i / 251);
    }
    return bytes;
}

static void a_slow_peer_gets_every_byte_and_the_owner_is_told(void **state)
{
    int small = 4096;
    size_t received = 0;
    unsigned char *bytes = make_pattern();
    unsigned char *out = mem_alloc(LARGE);

    (void)state;
    open_pair(SOCK_STREAM);
    assert_int_equal(
        setsockopt(transport_fd(owner.transport), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    transport_set_write_timeout(owner.transport, 10000);
    struct evbuffer *buffer = evbuffer_new();
    transport_write(owner.transport, bytes, 5);
    transport_write(owner.transport, bytes + 5, 99995);
    assert_int_equal(evbuffer_add(buffer, bytes + 100000, 100000), 0);
    transport_write_buffer(owner.transport, buffer);
    transport_write(owner.transport, bytes + 200000, 1);
    transport_write(owner.transport, bytes + 200001, LARGE - 200001);
    assert_true(transport_is_above_high(owner.transport));
    transport_end_write(owner.transport);
    transport_write(owner.transport, "late", 4); /* ignored */
    RUN_UNTIL(loop, (received += peer_read(out + received, LARGE - received)) == LARGE &&
                        peer_is_at_end());
    check_pattern(out, LARGE);
    assert_int_equal(owner.drains, 1);
    assert_int_equal(owner.deaths, 0);
    assert_int_equal(transport_queued_bytes(owner.transport), 0);
    peer_send("still heard", 11);
    RUN_UNTIL(loop, owner.len == 11);
    evbuffer_free(buffer);
    mem_free(bytes);
    mem_free(out);
}

static void a_peer_that_takes_nothing_dies_in_time(void **state)
{
    static unsigned char block[300000];

    (void)state;
    open_pair(SOCK_STREAM);
    transport_set_write_timeout(owner.transport, 50);
    transport_write(owner.transport, block, sizeof(block));
    transport_write(owner.transport, block, sizeof(block));
    RUN_UNTIL(loop, owner.deaths == 1);
    assert_int_equal(owner.end, TRANSPORT_END_WRITE_TIMEOUT);
    assert_true(strstr(transport_error(owner.transport), "50 ms") != NULL);
}

static void a_queue_has_an_end(void **state)
{
    static unsigned char block[200000];

    (void)state;
    open_pair(SOCK_STREAM);
    for (int i = 0; i < 20; i++) {
        transport_write(owner.transport, block, sizeof(block));
        assert_true(transport_queued_bytes(owner.transport) <=
                    LIMIT_TRANSPORT_QUEUE_BYTES + sizeof(block));
    }
    assert_int_equal(owner.deaths, 0); /* told at the end of the turn */
    loop_run_once(loop, 0);
    assert_int_equal(owner.deaths, 1);
    assert_int_equal(owner.end, TRANSPORT_END_QUEUE_LIMIT);
}

static void a_warm_echo_allocates_nothing(void **state)
{
    unsigned char out[64];
    uint64_t before = 0;

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_ECHO;
    for (int i = 0; i < 200; i++) {
        if (i == 20) {
            before = mem_allocation_count();
        }
        peer_send("GET /", 5);
        RUN_UNTIL(loop, owner.calls == i + 1);
        assert_int_equal(peer_read(out, sizeof(out)), 5);
    }
    assert_int_equal(mem_allocation_count(), before);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void a_reset_reaches_the_peer(void **state)
{
    char byte;

    (void)state;
    open_tcp_pair();
    transport_write(owner.transport, "half", 4);
    transport_reset(owner.transport);
    owner.transport = NULL;
    RUN_UNTIL(loop, recv(peer, &byte, 1, 0) == -1 && errno != EAGAIN);
    assert_int_equal(errno, ECONNRESET);
}

static void a_lingering_close_lets_the_answer_be_read(void **state)
{
    static unsigned char block[20000];
    unsigned char out[16];

    (void)state;
    open_tcp_pair();
    peer_send(block, sizeof(block)); /* unread: closing at once would reset */
    transport_write(owner.transport, "413", 3);
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    size_t len = 0;
    RUN_UNTIL(loop, (len += peer_read(out, sizeof(out))) == 3 && peer_is_at_end());
    for (int i = 0; i < 5; i++) {
        assert_true(send(peer, block, 100, MSG_NOSIGNAL) > 0); /* thrown away, not reset */
        loop_run_once(loop, 5);
    }
    uint64_t start = now_mono_fresh_us();
    char byte;
    /* It ends by itself: then what we send is answered by a reset. */
    RUN_UNTIL(loop, send(peer, "x", 1, MSG_NOSIGNAL) == -1 || recv(peer, &byte, 1, 0) == -1);
    assert_true(now_mono_fresh_us() - start < 5 * 1000 * 1000);
    assert_int_equal(owner.calls + owner.ends + owner.deaths, 0);
}

static void a_lingering_close_ends_with_the_peer(void **state)
{
    int fd;

    (void)state;
    open_pair(SOCK_STREAM);
    fd = transport_fd(owner.transport);
    transport_write(owner.transport, "413", 3);
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    loop_run_once(loop, 0);
    assert_true(fcntl(fd, F_GETFD) != -1);
    (void)close(peer);
    peer = -1;
    RUN_UNTIL(loop, fcntl(fd, F_GETFD) == -1);
}

/* No shutdown() goes before this close(): it must say the same. */
static void a_lingering_close_after_the_peers_end_is_orderly(void **state)
{
    static unsigned char block[300000];
    static unsigned char out[sizeof(block) + 1];

    (void)state;
    open_tcp_pair();
    peer_send("question", 8);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    RUN_UNTIL(loop, owner.ends == 1);
    int fd = transport_fd(owner.transport);
    transport_write(owner.transport, block, sizeof(block));
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    size_t len = 0;
    RUN_UNTIL(loop, (len += peer_read(out, sizeof(out))) == sizeof(block) && peer_is_at_end());
    RUN_UNTIL(loop, fcntl(fd, F_GETFD) == -1);
}

/* A refusal of what was kept: the owner parts while it is looking at the kept bytes. */
static void a_lingering_close_while_kept_bytes_are_offered(void **state)
{
    unsigned char out[16];

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LEAVE;
    peer_send((const unsigned char *)"x", 1);
    RUN_UNTIL(loop, owner.calls > 0);
    owner.action = ACTION_LINGER;
    peer_send((const unsigned char *)"y", 1);
    size_t len = 0;
    RUN_UNTIL(loop, (len += peer_read(out, sizeof(out))) == 3 && peer_is_at_end());
}

static void a_flood_ends_a_lingering_close(void **state)
{
    static unsigned char block[65536];
    int fd;

    (void)state;
    open_pair(SOCK_STREAM);
    fd = transport_fd(owner.transport);
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    uint64_t sent = 0;
    while (fcntl(fd, F_GETFD) != -1) {
        ssize_t count = send(peer, block, sizeof(block), MSG_NOSIGNAL);
        sent += count > 0 ? (uint64_t)count : 0;
        loop_run_once(loop, 1);
        assert_true(sent < 4 * 1024 * 1024);
    }
}

static void the_loop_closes_what_lingers(void **state)
{
    int fd;

    (void)state;
    open_pair(SOCK_STREAM);
    fd = transport_fd(owner.transport);
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    loop_free(loop);
    loop = NULL;
    assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- Through a filter ------------------------------------------------------------------------- */

/* A toy of TLS's shape: 'H' is the handshake; then records of a two-byte length and bytes ^ 0x55;
 * an empty record is the clean end; a record of 0xffff is bad, and answered by an alert "A". */
struct toy {
    struct transport *transport;
    unsigned char input[400000];
    size_t input_len;
    bool is_shaken;
    bool is_over;
};
static int toys_freed;

static bool toy_open(void *filter, const unsigned char *bytes, size_t len)
{
    struct toy *toy = filter;
    unsigned char plain[65536];
    size_t at = 0;

    assert_true(toy->input_len + len <= sizeof(toy->input));
    if (len > 0) {
        memcpy(toy->input + toy->input_len, bytes, len);
        toy->input_len += len;
    }
    if (!toy->is_shaken && toy->input_len > 0) {
        toy->is_shaken = true;
        assert_int_equal(toy->input[0], 'H');
        at = 1;
        transport_send_wire(toy->transport, (const unsigned char *)"H", 1);
        transport_retry_seal(toy->transport);
    }
    bool goes_on = true;
    while (goes_on && toy->input_len - at >= 2) {
        size_t size = (size_t)toy->input[at] << 8 | toy->input[at + 1];
        if (size == 0xffff) {
            transport_send_wire(toy->transport, (const unsigned char *)"A", 1);
            transport_set_error(toy->transport, "bad record");
            return false;
        }
        if (toy->input_len - at < 2 + size) {
            break;
        }
        for (size_t i = 0; i < size; i++) {
            plain[i] = toy->input[at + 2 + i] ^ 0x55;
        }
        at += 2 + size;
        if (size == 0) {
            toy->is_over = true;
            transport_deliver_end(toy->transport);
        } else {
            goes_on = transport_deliver(toy->transport, plain, size);
        }
    }
    memmove(toy->input, toy->input + at, toy->input_len - at);
    toy->input_len -= at;
    return true;
}

static bool toy_open_end(void *filter)
{
    return ((struct toy *)filter)->is_over;
}

static size_t toy_seal(void *filter, const unsigned char *bytes, size_t len)
{
    struct toy *toy = filter;
    unsigned char record[4002];
    size_t at = 0;

    if (!toy->is_shaken) {
        return 0;
    }
    while (at < len) {
        size_t size = len - at < 4000 ? len - at : 4000;
        record[0] = (unsigned char)(size >> 8);
        record[1] = (unsigned char)size;
        for (size_t i = 0; i < size; i++) {
            record[2 + i] = bytes[at + i] ^ 0x55;
        }
        transport_send_wire(toy->transport, record, 2 + size);
        at += size;
    }
    return len;
}

static void toy_seal_end(void *filter)
{
    struct toy *toy = filter;

    transport_send_wire(toy->transport, (const unsigned char *)"\0\0", 2);
}

static void toy_free(void *filter)
{
    toys_freed++;
    mem_free(filter);
}

static const struct transport_filter_ops toy_ops = { toy_open, toy_open_end, toy_seal, toy_seal_end,
                                                     toy_free };

static struct toy *add_toy(void)
{
    struct toy *toy = mem_new(struct toy);

    toy->transport = owner.transport;
    transport_set_filter(owner.transport, &toy_ops, toy);
    assert_ptr_equal(transport_filter(owner.transport), toy);
    return toy;
}

static size_t make_record(unsigned char *out, const char *text)
{
    size_t len = strlen(text);

    out[0] = (unsigned char)(len >> 8);
    out[1] = (unsigned char)len;
    for (size_t i = 0; i < len; i++) {
        out[2 + i] = (unsigned char)text[i] ^ 0x55;
    }
    return len + 2;
}

static void bytes_collected_before_go_to_the_filter(void **state)
{
    unsigned char record[32];
    size_t len = make_record(record, "secret");

    (void)state;
    open_pair(SOCK_STREAM);
    owner.action = ACTION_LEAVE;
    peer_send("H", 1);
    peer_send(record, len - 2);
    RUN_UNTIL(loop, owner.calls == 1);
    owner.action = ACTION_TAKE;
    (void)add_toy();
    loop_run_once(loop, 0);
    assert_int_equal(owner.len, 0);
    peer_send(record + len - 2, 2);
    RUN_UNTIL(loop, owner.len > 0);
    assert_int_equal(owner.len, 6);
    assert_memory_equal(owner.bytes, "secret", 6);
}

static void plaintext_waits_for_the_handshake_and_leaves_with_it(void **state)
{
    unsigned char out[64];
    unsigned char expected[64];

    (void)state;
    toys_freed = 0;
    open_pair(SOCK_SEQPACKET);
    (void)add_toy();
    transport_write(owner.transport, "early", 5);
    loop_run_once(loop, 0);
    assert_int_equal(recv(peer, out, sizeof(out), 0), -1);
    assert_int_equal(transport_queued_bytes(owner.transport), 5);
    transport_write(owner.transport, "!", 1);
    transport_end_write(owner.transport);
    peer_send("H", 1);
    RUN_UNTIL(loop, recv(peer, out, sizeof(out), MSG_PEEK) > 0);
    /* Flight, data and close_notify: one send. */
    expected[0] = 'H';
    size_t len = 1 + make_record(expected + 1, "early!");
    expected[len++] = 0;
    expected[len++] = 0;
    assert_int_equal(recv(peer, out, sizeof(out), 0), len);
    assert_memory_equal(out, expected, len);
    assert_true(peer_is_at_end());
    transport_close(owner.transport);
    owner.transport = NULL;
    loop_run_once(loop, 0);
    assert_int_equal(toys_freed, 1);
}

static void much_plaintext_before_the_handshake_keeps_its_order(void **state)
{
    static unsigned char sent[10][10000];
    static unsigned char out[120000];
    size_t got = 0;
    size_t plain = 0;

    (void)state;
    open_pair(SOCK_STREAM);
    (void)add_toy();
    for (size_t i = 0; i < 10; i++) {
        memset(sent[i], (int)('a' + i), sizeof(sent[i]));
        transport_write(owner.transport, sent[i], sizeof(sent[i]));
    }
    peer_send("H", 1);
    transport_end_write(owner.transport);
    for (int turn = 0; turn < 1000 && !(got >= 2 && out[got - 2] == 0 && out[got - 1] == 0);
         turn++) {
        loop_run_once(loop, 0);
        ssize_t count = recv(peer, out + got, sizeof(out) - got, 0);
        got += count > 0 ? (size_t)count : 0;
    }
    assert_int_equal(out[0], 'H');
    for (size_t at = 1; at + 2 < got;) {
        size_t size = (size_t)out[at] << 8 | out[at + 1];
        for (size_t i = 0; i < size; i++, plain++) {
            assert_int_equal(out[at + 2 + i] ^ 0x55, 'a' + plain / 10000);
        }
        at += 2 + size;
    }
    assert_int_equal(plain, sizeof(sent));
}

static void lingering_does_not_wait_for_a_handshake_that_never_comes(void **state)
{
    unsigned char end[8];

    (void)state;
    open_pair(SOCK_STREAM);
    (void)add_toy();
    transport_write(owner.transport, "early", 5);
    transport_linger_close(owner.transport);
    owner.transport = NULL;
    loop_run_once(loop, 0);
    assert_int_equal(recv(peer, end, sizeof(end), 0), 2); /* the toy's close_notify */
    assert_true(peer_is_at_end());
}

static void a_pause_stops_the_filter_in_the_middle(void **state)
{
    unsigned char bytes[64];

    (void)state;
    open_pair(SOCK_STREAM);
    struct toy *toy = add_toy();
    owner.action = ACTION_PAUSE;
    bytes[0] = 'H';
    size_t len = 1 + make_record(bytes + 1, "ab");
    len += make_record(bytes + len, "cd");
    len += make_record(bytes + len, "");
    peer_send(bytes, len);
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    RUN_UNTIL(loop, owner.calls == 1);
    assert_int_equal(owner.len, 1);
    assert_int_equal(transport_unread_bytes(owner.transport), 1);
    assert_int_equal(toy->input_len, 6);
    for (int i = 0; i < 3; i++) {
        loop_run_once(loop, 5);
    }
    assert_int_equal(owner.calls, 1);
    transport_resume_read(owner.transport, TRANSPORT_PAUSE_LEG);
    RUN_UNTIL(loop, owner.calls == 2); /* paused again behind "b" */
    assert_int_equal(owner.len, 2);
    owner.action = ACTION_TAKE;
    transport_resume_read(owner.transport, TRANSPORT_PAUSE_LEG);
    RUN_UNTIL(loop, owner.ends == 1);
    assert_memory_equal(owner.bytes, "abcd", 4);
    assert_true(owner.is_clean);
}

static void a_cut_off_stream_is_not_clean(void **state)
{
    unsigned char bytes[64];

    (void)state;
    open_pair(SOCK_STREAM);
    (void)add_toy();
    bytes[0] = 'H';
    peer_send(bytes, 1 + make_record(bytes + 1, "ab"));
    assert_int_equal(shutdown(peer, SHUT_WR), 0);
    RUN_UNTIL(loop, owner.ends == 1);
    assert_int_equal(owner.len, 2);
    assert_false(owner.is_clean);
}

static void a_bad_record_is_answered_by_the_alert_and_death(void **state)
{
    unsigned char out[16];

    (void)state;
    open_pair(SOCK_STREAM);
    (void)add_toy();
    peer_send("H\xff\xff", 3);
    RUN_UNTIL(loop, owner.deaths == 1);
    assert_int_equal(owner.end, TRANSPORT_END_FILTER);
    assert_string_equal(transport_error(owner.transport), "bad record");
    assert_int_equal(peer_read(out, sizeof(out)), 2);
    assert_memory_equal(out, "HA", 2);
}

static void closing_inside_a_filtered_callback_is_safe(void **state)
{
    unsigned char bytes[64];

    (void)state;
    toys_freed = 0;
    open_pair(SOCK_STREAM);
    (void)add_toy();
    owner.action = ACTION_CLOSE;
    bytes[0] = 'H';
    size_t len = 1 + make_record(bytes + 1, "ab");
    len += make_record(bytes + len, "cd");
    peer_send(bytes, len);
    RUN_UNTIL(loop, owner.calls == 1);
    loop_run_once(loop, 0);
    assert_int_equal(owner.calls, 1);
    assert_int_equal(toys_freed, 1);
}

static void the_records_of_a_large_write_leave_in_one_send(void **state)
{
    static unsigned char bytes[100 * 1000];
    static unsigned char out[sizeof(bytes) + 1000];
    int large = 1024 * 1024;

    (void)state;
    open_pair(SOCK_SEQPACKET);
    assert_int_equal(
        setsockopt(transport_fd(owner.transport), SOL_SOCKET, SO_SNDBUF, &large, sizeof(large)), 0);
    (void)add_toy();
    peer_send("H", 1);
    RUN_UNTIL(loop, recv(peer, out, sizeof(out), 0) == 1);
    transport_write(owner.transport, "head", 4);
    transport_write(owner.transport, bytes, sizeof(bytes));
    /* At once, and whole: a packet is a send. */
    assert_true(recv(peer, out, sizeof(out), 0) > (ssize_t)sizeof(bytes) + 4);
    assert_int_equal(transport_queued_bytes(owner.transport), 0);
}

static void much_goes_through_the_filter(void **state)
{
    int small = 4096;
    unsigned char *bytes = make_pattern();
    unsigned char *out = mem_alloc(LARGE);
    unsigned char *wire = mem_alloc(2 * LARGE);
    size_t wire_len = 0;

    (void)state;
    open_pair(SOCK_STREAM);
    assert_int_equal(
        setsockopt(transport_fd(owner.transport), SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
    (void)add_toy();
    peer_send("H", 1);
    loop_run_once(loop, 20);
    size_t at = 0;
    /* Sizes around the edges: small, direct, a stage that overflows, a buffer, bulk in pieces. */
    static const size_t sizes[] = { 1,    100,   16384, 3,     20000, 10000,
                                    9000, 16000, 15000, 16001, 70000, 200001 };
    for (size_t i = 0; at < LARGE; i++) {
        size_t size = sizes[i % (sizeof(sizes) / sizeof(sizes[0]))];
        size = size < LARGE - at ? size : LARGE - at;
        if (i % 3 == 0) {
            struct evbuffer *buffer = evbuffer_new();
            assert_int_equal(evbuffer_add(buffer, bytes + at, size), 0);
            transport_write_buffer(owner.transport, buffer);
            evbuffer_free(buffer);
        } else {
            transport_write(owner.transport, bytes + at, size);
        }
        at += size;
    }
    transport_end_write(owner.transport);
    RUN_UNTIL(loop, (wire_len += peer_read(wire + wire_len, 2 * LARGE - wire_len)) > 0 &&
                        peer_is_at_end());
    size_t out_len = 0;
    assert_int_equal(wire[0], 'H');
    for (size_t i = 1; i + 2 < wire_len;) {
        size_t size = (size_t)wire[i] << 8 | wire[i + 1];
        for (size_t k = 0; k < size; k++) {
            out[out_len++] = wire[i + 2 + k] ^ 0x55;
        }
        i += 2 + size;
    }
    assert_int_equal(out_len, LARGE);
    check_pattern(out, LARGE);
    assert_int_equal(owner.drains, 1);
    mem_free(bytes);
    mem_free(out);
    mem_free(wire);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_not_taken_is_offered_with_what_follows),
        TEST(one_byte_at_a_time_is_one_line_in_the_end),
        TEST(a_paused_reader_is_left_alone),
        TEST(the_end_comes_once_and_does_not_spin),
        TEST(the_end_behind_the_bytes_comes_with_them),
        TEST(last_words_and_end_leave_in_one_segment),
        TEST(a_new_owner_gets_what_is_kept),
        TEST(kept_bytes_can_be_offered_at_once),
        TEST(an_owner_that_takes_nothing_for_ever_is_cut_off),
        TEST(closing_inside_a_callback_is_safe),
        TEST(a_reset_by_the_peer_is_told),
        TEST(the_last_words_are_read_before_the_death),
        TEST(the_last_words_have_their_end),
        TEST(small_writes_leave_in_one_send),
        TEST(a_head_leaves_with_its_large_body),
        TEST(another_transport_that_writes_sends_off_the_first),
        TEST(reads_grow_only_while_what_they_bring_goes_on),
        TEST(a_slow_peer_gets_every_byte_and_the_owner_is_told),
        TEST(a_peer_that_takes_nothing_dies_in_time),
        TEST(a_queue_has_an_end),
        TEST(a_warm_echo_allocates_nothing),
        TEST(a_reset_reaches_the_peer),
        TEST(a_lingering_close_lets_the_answer_be_read),
        TEST(a_lingering_close_ends_with_the_peer),
        TEST(a_lingering_close_after_the_peers_end_is_orderly),
        TEST(a_lingering_close_while_kept_bytes_are_offered),
        TEST(a_flood_ends_a_lingering_close),
        TEST(the_loop_closes_what_lingers),
        TEST(bytes_collected_before_go_to_the_filter),
        TEST(plaintext_waits_for_the_handshake_and_leaves_with_it),
        TEST(much_plaintext_before_the_handshake_keeps_its_order),
        TEST(lingering_does_not_wait_for_a_handshake_that_never_comes),
        TEST(a_pause_stops_the_filter_in_the_middle),
        TEST(a_cut_off_stream_is_not_clean),
        TEST(a_bad_record_is_answered_by_the_alert_and_death),
        TEST(closing_inside_a_filtered_callback_is_safe),
        TEST(the_records_of_a_large_write_leave_in_one_send),
        TEST(much_goes_through_the_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
