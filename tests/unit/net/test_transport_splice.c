/* Tests of gateway/net/transport_splice.c and pipe_cache.c: two connections over loopback, joined in the
 * loop of the test; the far ends are read and written without blocking. */
#include "gateway/net/transport_splice.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/net/pipe_cache.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PIECE_BYTES = 256 * 1024, BULK_BYTES = 16 * 1024 * 1024 };

/* One end of the joint. */
struct side {
    struct transport *transport;
    int far_fd;
    size_t data_bytes; /* that came by on_data() */
    bool takes_nothing;
    int ends;
    int deaths;
};

static struct loop *loop;
static struct side source;
static struct side target;
static unsigned char *piece;
static size_t sent_bytes;
static size_t received_bytes;

static size_t on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct side *side = owner;
    struct side *other = side == &source ? &target : &source;

    if (side->takes_nothing) {
        return 0;
    }
    side->data_bytes += len;
    transport_write(other->transport, bytes, len);
    if (transport_is_above_high(other->transport)) {
        transport_pause_read(side->transport, TRANSPORT_PAUSE_TUNNEL);
    }
    return len;
}

static void on_end(void *owner, bool is_clean)
{
    assert_true(is_clean);
    ((struct side *)owner)->ends++;
}

static void on_drained(void *owner)
{
    struct side *other = owner == &source ? &target : &source;

    transport_resume_read(other->transport, TRANSPORT_PAUSE_TUNNEL);
}

static void on_dead(void *owner, enum transport_end end)
{
    (void)end;
    ((struct side *)owner)->deaths++;
}

static const struct transport_handler handler = { on_data, on_end, on_drained, on_dead, NULL };

static void open_side(struct side *side)
{
    struct sockaddr_in address = { .sin_family = AF_INET,
                                   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof(address);
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(listening, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(listening, 1), 0);
    assert_int_equal(getsockname(listening, (struct sockaddr *)&address, &len), 0);
    memset(side, 0, sizeof(*side));
    side->far_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(side->far_fd, (struct sockaddr *)&address, len), 0);
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd >= 0);
    (void)close(listening);
    side->transport = transport_new(loop, fd, NULL);
    transport_set_handler(side->transport, &handler, side);
}

static int setup(void **state)
{
    struct err err = { 0 };

    (void)state;
    loop = loop_new(&err);
    open_side(&source);
    open_side(&target);
    piece = mem_alloc(PIECE_BYTES);
    sent_bytes = received_bytes = 0;
    return 0;
}

static void close_far(struct side *side)
{
    if (side->far_fd != -1) {
        (void)close(side->far_fd);
        side->far_fd = -1;
    }
}

static int teardown(void **state)
{
    (void)state;
    transport_close(source.transport);
    transport_close(target.transport);
    close_far(&source);
    close_far(&target);
    loop_run_once(loop, 0);
    loop_free(loop);
    mem_free(piece);
    return 0;
}

/* --- The far ends ----------------------------------------------------------------------------- */

static unsigned char byte_at(size_t at)
{
    return (unsigned char)(at * 2654435761U >> 11);
}

/* As much as the socket takes, `limit` bytes in all. */
static void send_some(size_t limit)
{
    size_t wanted = limit - sent_bytes < PIECE_BYTES ? limit - sent_bytes : PIECE_BYTES;

    for (size_t i = 0; i < wanted; i++) {
        piece[i] = byte_at(sent_bytes + i);
    }
    ssize_t count = send(source.far_fd, piece, wanted, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (count > 0) {
        sent_bytes += (size_t)count;
    }
}

static void receive_some(void)
{
    ssize_t count = recv(target.far_fd, piece, PIECE_BYTES, MSG_DONTWAIT);

    for (ssize_t i = 0; i < count; i++) {
        assert_int_equal(piece[i], byte_at(received_bytes + (size_t)i));
    }
    received_bytes += count > 0 ? (size_t)count : 0;
}

static bool move_all(size_t limit)
{
    if (sent_bytes < limit) {
        send_some(limit);
    }
    receive_some();
    return received_bytes >= limit;
}

/* Until nothing goes in any more: what the two sockets and the pipe hold. */
static void fill_up(void)
{
    size_t before;
    int still_turns = 0;

    while (still_turns < 20) {
        before = sent_bytes;
        send_some(SIZE_MAX);
        loop_run_once(loop, 5);
        still_turns = sent_bytes == before ? still_turns + 1 : 0;
    }
}

/* One turn that waits, and not a row of them that find something to do. */
static void assert_loop_is_still(void)
{
    uint64_t begin_us = now_mono_fresh_us();

    loop_run_once(loop, 0);
    for (int i = 0; i < 3; i++) {
        loop_run_once(loop, 30);
    }
    assert_true(now_mono_fresh_us() - begin_us > 30 * 1000);
}

/* --- Tests ------------------------------------------------------------------------------------ */

static void test_what_cannot_be_spliced(void **state)
{
    (void)state;
    transport_end_write(target.transport);
    assert_false(transport_splice_start(source.transport, target.transport));
    assert_true(transport_splice_start(target.transport, source.transport));
    assert_false(transport_splice_start(target.transport, source.transport)); /* it is already */
    assert_false(transport_is_spliced(source.transport));
}

static void test_bulk_goes_without_on_data(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    RUN_UNTIL(loop, move_all(BULK_BYTES));
    assert_int_equal(source.data_bytes, 0);
    assert_true(transport_spliced_bytes(source.transport) == BULK_BYTES);
    assert_true(transport_received_bytes(source.transport) == BULK_BYTES);
    assert_true(transport_sent_bytes(target.transport) == BULK_BYTES);
    assert_true(transport_spliced_at_ms(source.transport) != 0);
}

/* --- So many bytes and no more ---------------------------------------------------------------- */

static struct {
    size_t wanted; /* to be asked for when the first bytes come */
    size_t told;   /* by on_spliced() */
    int holds;     /* times it was told that the target holds back */
    int releases;  /* and that it does not */
    bool is_spliced;
} part;

static size_t on_part_data(void *owner, const unsigned char *bytes, size_t len)
{
    size_t taken = on_data(owner, bytes, len);

    if (part.wanted > 0) {
        assert_true(transport_splice_start_bytes(source.transport, target.transport, part.wanted));
        part.wanted = 0;
    }
    return taken;
}

static void on_part_spliced(void *owner, size_t len)
{
    assert_ptr_equal(owner, &source);
    part.told += len;
    if (transport_splice_is_held_back(source.transport)) {
        part.holds++;
    } else {
        part.releases++;
    }
    part.is_spliced = transport_is_spliced(source.transport);
}

static const struct transport_handler part_handler = {
    on_part_data, on_end, on_drained, on_dead, on_part_spliced,
};

static void start_part(size_t wanted)
{
    memset(&part, 0, sizeof(part));
    part.wanted = wanted;
    transport_set_handler(source.transport, &part_handler, &source);
    assert_false(transport_splice_start_bytes(source.transport, target.transport, wanted));
}

static void test_so_many_bytes_and_no_more(void **state)
{
    (void)state;
    start_part(BULK_BYTES / 2);
    RUN_UNTIL(loop, move_all(BULK_BYTES));
    assert_int_equal(part.told, BULK_BYTES / 2);
    assert_true(transport_spliced_bytes(source.transport) == BULK_BYTES / 2);
    assert_false(part.is_spliced); /* as the last of them was told */
    assert_int_equal(source.data_bytes, BULK_BYTES / 2);
}

static void test_a_part_behind_a_slow_target(void **state)
{
    (void)state;
    start_part(BULK_BYTES);
    fill_up();
    assert_true(part.holds > 0);
    assert_true(transport_is_sending(target.transport));
    assert_true(part.told < sent_bytes);
    assert_loop_is_still();
    RUN_UNTIL(loop, move_all(BULK_BYTES + PIECE_BYTES));
    assert_int_equal(part.told, BULK_BYTES);
    assert_false(transport_is_sending(target.transport));
}

/* Held back from its start; its source is silent once it is not. The owner, who may have a deadline for the
 * source, must hear of it. */
static void test_a_part_that_begins_held_back(void **state)
{
    (void)state;
    memset(piece, 0, PIECE_BYTES);
    while (transport_queued_bytes(target.transport) == 0) {
        transport_write(target.transport, piece, PIECE_BYTES);
    }
    start_part(BULK_BYTES);
    assert_int_equal(send(source.far_fd, "x", 1, 0), 1);
    RUN_UNTIL(loop, transport_is_spliced(source.transport));
    assert_true(transport_splice_is_held_back(source.transport));
    assert_int_equal(part.releases, 0);
    RUN_UNTIL(loop, recv(target.far_fd, piece, PIECE_BYTES, MSG_DONTWAIT) != 0 &&
                        transport_queued_bytes(target.transport) == 0);
    assert_false(transport_splice_is_held_back(source.transport));
    assert_int_equal(part.releases, 1);
    assert_int_equal(part.told, 0);
}

/* What came is told before the end. */
static void test_a_source_that_ends_within_the_part(void **state)
{
    (void)state;
    start_part(BULK_BYTES);
    RUN_UNTIL(loop, move_all(BULK_BYTES / 2));
    close_far(&source);
    RUN_UNTIL(loop, source.ends == 1);
    assert_int_equal(part.told + source.data_bytes, BULK_BYTES / 2);
    assert_false(transport_is_spliced(source.transport));
}

static void test_both_directions_at_once(void **state)
{
    char byte = 0;

    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    assert_true(transport_splice_start(target.transport, source.transport));
    assert_int_equal(send(target.far_fd, "y", 1, 0), 1);
    RUN_UNTIL(loop, move_all(PIECE_BYTES) && recv(source.far_fd, &byte, 1, MSG_DONTWAIT) == 1);
    assert_int_equal(byte, 'y');
}

/* A target that takes nothing holds the source back; nothing is lost, and nothing spins. */
static void test_a_slow_target_holds_back(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    assert_loop_is_still();
    assert_true(transport_queued_bytes(target.transport) == 0); /* not through our memory */
    size_t total = sent_bytes;
    RUN_UNTIL(loop, move_all(total));
    assert_true(transport_spliced_bytes(source.transport) == total);
}

static void test_the_end_comes_after_the_last_byte(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    close_far(&source);
    for (int i = 0; i < 10; i++) {
        loop_run_once(loop, 0);
    }
    assert_int_equal(source.ends, 0);
    RUN_UNTIL(loop, (receive_some(), source.ends == 1));
    assert_false(transport_is_spliced(source.transport));
    transport_end_write(target.transport);
    RUN_UNTIL(loop, (receive_some(), received_bytes == sent_bytes));
    loop_run_once(loop, 0);
    assert_int_equal(recv(target.far_fd, piece, 1, 0), 0);
}

/* Queued bytes of the target and kept ones of the source go first. */
static void test_order_is_kept(void **state)
{
    static const char before[] = "before, ";
    static const char kept[] = "kept, ";
    static const char all[] = "before, kept, after";
    char text[64] = "";
    size_t len = 0;

    (void)state;
    source.takes_nothing = true;
    assert_int_equal(send(source.far_fd, kept, sizeof(kept) - 1, 0), sizeof(kept) - 1);
    RUN_UNTIL(loop, transport_unread_bytes(source.transport) == sizeof(kept) - 1);
    transport_write(target.transport, before, sizeof(before) - 1);
    assert_true(transport_splice_start(source.transport, target.transport));
    assert_int_equal(send(source.far_fd, "after", 5, 0), 5);
    while (len < strlen(all)) {
        loop_run_once(loop, 20);
        ssize_t count = recv(target.far_fd, text + len, sizeof(text) - len, MSG_DONTWAIT);
        len += count > 0 ? (size_t)count : 0;
    }
    assert_memory_equal(text, all, len);
}

/* What is short is cheaper through the buffer: on_data() is called again. */
static void test_chatter_ends_it(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    for (int i = 0; i < 100 && transport_is_spliced(source.transport); i++) {
        assert_int_equal(send(source.far_fd, "tick", 4, 0), 4);
        loop_run_once(loop, 20);
    }
    assert_false(transport_is_spliced(source.transport));
    assert_int_equal(send(source.far_fd, "tock", 4, 0), 4);
    RUN_UNTIL(loop, source.data_bytes == 4);
    /* And begins anew when bulk does. */
    assert_true(transport_splice_start(source.transport, target.transport));
}

static void test_a_reset_of_the_target_is_told(void **state)
{
    struct linger linger = { .l_onoff = 1 };

    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    assert_int_equal(setsockopt(target.far_fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    close_far(&target);
    RUN_UNTIL(loop, target.deaths == 1);
    assert_false(transport_is_spliced(source.transport));
    assert_int_equal(source.deaths, 0);
}

static void test_a_source_that_closes_lets_go(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    transport_close(source.transport);
    source.transport = NULL;
    loop_run_once(loop, 0);
    /* What was in the sockets arrives; the target lives on by itself, and waits for nothing. */
    while (recv(target.far_fd, piece, PIECE_BYTES, MSG_DONTWAIT) > 0) {
    }
    assert_loop_is_still();
    transport_write(target.transport, "x", 1);
    loop_run_once(loop, 0);
    assert_int_equal(target.deaths, 0);
}

/* splice(2) stops for good at urgent data, on a socket that stays readable: recv() passes over it, and
 * nothing spins meanwhile. */
static void test_urgent_data_does_not_spin(void **state)
{
    static const char all[] = "abcdefghi";
    char text[16];
    size_t len = 0;

    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    assert_int_equal(send(source.far_fd, "abc", 3, 0), 3);
    assert_int_equal(send(source.far_fd, "!", 1, MSG_OOB), 1);
    assert_int_equal(send(source.far_fd, "def", 3, 0), 3);
    for (int i = 0; i < 50; i++) {
        loop_run_once(loop, 0);
    }
    assert_loop_is_still();
    /* Bulk behind it may be spliced again. */
    (void)transport_splice_start(source.transport, target.transport);
    assert_int_equal(send(source.far_fd, "ghi", 3, 0), 3);
    while (len < strlen(all)) {
        loop_run_once(loop, 20);
        ssize_t count = recv(target.far_fd, text + len, sizeof(text) - len, MSG_DONTWAIT);
        len += count > 0 ? (size_t)count : 0;
    }
    assert_memory_equal(text, all, len);
}

/* Who is slow is not silent: bytes that leave the pipe are seen, though none come in. */
static void test_what_leaves_is_noted(void **state)
{
    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    uint64_t came_bytes = transport_received_bytes(source.transport);
    uint64_t left_bytes = transport_sent_bytes(target.transport);
    assert_true(came_bytes > left_bytes);
    transport_pause_read(source.transport, TRANSPORT_PAUSE_TUNNEL);
    loop_run_once(loop, 20);
    uint64_t before_ms = now_mono_ms();
    for (int i = 0; i < 200 && transport_sent_bytes(target.transport) == left_bytes; i++) {
        receive_some();
        loop_run_once(loop, 5);
    }
    assert_true(transport_sent_bytes(target.transport) > left_bytes);
    assert_true(transport_received_bytes(source.transport) == came_bytes);
    assert_true(transport_sent_at_ms(target.transport) >= before_ms);
}

/* No pipe is left: the bytes are copied, and nobody waits for a pipe. */
static void test_without_pipes_it_goes_on_by_on_data(void **state)
{
    struct pipe_cache *pipes = loop_pipes(loop);
    struct pipe_pair pairs[LIMIT_SPLICE_PIPES];
    size_t count = 0;

    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    assert_true(transport_splice_start(target.transport, source.transport));
    while (count < LIMIT_SPLICE_PIPES && pipe_cache_take(pipes, &pairs[count])) {
        count++;
    }
    RUN_UNTIL(loop, move_all(BULK_BYTES / 4));
    assert_int_equal(source.data_bytes, BULK_BYTES / 4);
    assert_false(transport_is_spliced(source.transport));
    while (count > 0) {
        pipe_cache_give(pipes, &pairs[--count], true);
    }
}

/* The pipes run out while the target was full. */
static void test_without_pipes_after_a_wait(void **state)
{
    struct pipe_cache *pipes = loop_pipes(loop);
    struct pipe_pair pairs[LIMIT_SPLICE_PIPES];
    size_t count = 0;

    (void)state;
    assert_true(transport_splice_start(source.transport, target.transport));
    fill_up();
    size_t total = sent_bytes;
    while (count < LIMIT_SPLICE_PIPES && pipe_cache_take(pipes, &pairs[count])) {
        count++;
    }
    /* The flow's own pipe is the only one that may be given back and taken again. */
    pipes->used_count += LIMIT_SPLICE_PIPES;
    RUN_UNTIL(loop, move_all(total));
    pipes->used_count -= LIMIT_SPLICE_PIPES;
    assert_false(transport_is_spliced(source.transport));
    assert_true(source.data_bytes > 0);
    while (count > 0) {
        pipe_cache_give(pipes, &pairs[--count], true);
    }
}

static void test_pipes_are_capped_and_kept_warm(void **state)
{
    struct pipe_cache cache = { 0 };
    struct pipe_pair pairs[LIMIT_SPLICE_PIPES];
    struct pipe_pair more;
    size_t count = 0;

    (void)state;
    while (count < LIMIT_SPLICE_PIPES && pipe_cache_take(&cache, &pairs[count])) {
        count++; /* fewer where the user's pages are used up */
    }
    assert_true(count > 0);
    if (count == LIMIT_SPLICE_PIPES) {
        assert_false(pipe_cache_take(&cache, &more));
    }
    for (size_t i = 0; i < count; i++) {
        pipe_cache_give(&cache, &pairs[i], i % 2 == 0);
    }
    assert_true(cache.idle_count <= LIMIT_SPLICE_IDLE_PIPES && cache.idle_count > 0);
    struct pipe_pair warmest = cache.idle[cache.idle_count - 1];
    assert_true(pipe_cache_take(&cache, &more));
    assert_int_equal(more.read_fd, warmest.read_fd);
    pipe_cache_give(&cache, &more, true);
    pipe_cache_cleanup(&cache);
}

int main(void)
{
#define SPLICE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        SPLICE_TEST(test_what_cannot_be_spliced),
        SPLICE_TEST(test_bulk_goes_without_on_data),
        SPLICE_TEST(test_so_many_bytes_and_no_more),
        SPLICE_TEST(test_a_part_behind_a_slow_target),
        SPLICE_TEST(test_a_part_that_begins_held_back),
        SPLICE_TEST(test_a_source_that_ends_within_the_part),
        SPLICE_TEST(test_both_directions_at_once),
        SPLICE_TEST(test_a_slow_target_holds_back),
        SPLICE_TEST(test_the_end_comes_after_the_last_byte),
        SPLICE_TEST(test_order_is_kept),
        SPLICE_TEST(test_chatter_ends_it),
        SPLICE_TEST(test_a_reset_of_the_target_is_told),
        SPLICE_TEST(test_a_source_that_closes_lets_go),
        SPLICE_TEST(test_urgent_data_does_not_spin),
        SPLICE_TEST(test_what_leaves_is_noted),
        SPLICE_TEST(test_without_pipes_it_goes_on_by_on_data),
        SPLICE_TEST(test_without_pipes_after_a_wait),
        SPLICE_TEST(test_pipes_are_capped_and_kept_warm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
