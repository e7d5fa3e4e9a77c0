/* null_proxy: the floor that proxies are compared with. It accepts, opens one connection to the
 * upstream for each, and moves bytes; it parses nothing and keeps nothing. With a certificate it ends
 * TLS by the library's own socket reads and writes; with --splice plain bytes stay in the kernel.
 *   null_proxy --upstream PORT [--cert FILE --key FILE] [--splice]
 * Prints "port N" and serves until SIGTERM; then prints how many connections were relayed and how
 * many of them failed but by their client, and exits with 1 when any did. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "perf/tools/options.h"
#include "perf/tools/poller.h"
#include "perf/tools/sockets.h"
#include "perf/tools/tls_peer.h"

#define RELAY_SIZE (64 * 1024)
#define PIPE_SIZE (256 * 1024)
#define PIPES_KEPT 256
#define SECOND_NS INT64_C(1000000000)

#define AGAIN TLS_PEER_AGAIN
#define FAILED TLS_PEER_FAILED

struct pair;

/* One socket, and what waits to be written to it. */
struct side {
    struct watch watch;
    struct pair *pair;
    int fd;
    struct ssl_st *tls;
    bool in_handshake;
    bool hung_up; /* read until the end is seen */
    bool ended;   /* its bytes have all come */
    bool broken;  /* by an error of the socket */
    bool shut;    /* it was told so about the other side's */
    int pipe[2];  /* into it, with --splice */
    size_t waiting;
    size_t waiting_from;
    char *held; /* what waits, without --splice */
};

struct pair {
    struct side client;
    struct side upstream;
    bool is_closed;
    struct pair *next_closed;
};

static uint64_t upstream_port;
static bool splices;
static struct ssl_ctx_st *context;
static int listener_fd;
static struct pair *closed_pairs;
static uint64_t relayed;
static uint64_t failures;
static volatile sig_atomic_t stopped;

/* --- One socket --------------------------------------------------------------------------------- */

static ssize_t null_proxy_result(struct side *side, ssize_t result)
{
    if (result >= 0) {
        return result;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return AGAIN;
    }
    side->broken = true;
    return FAILED;
}

static ssize_t null_proxy_read(struct side *side, char *out, size_t size)
{
    return side->tls != NULL ? tls_peer_read(side->tls, out, size)
                             : null_proxy_result(side, recv(side->fd, out, size, 0));
}

static ssize_t null_proxy_write(struct side *side, const char *bytes, size_t len)
{
    return side->tls != NULL ? tls_peer_write(side->tls, bytes, len)
                             : null_proxy_result(side, send(side->fd, bytes, len, MSG_NOSIGNAL));
}

/* Pipes are kept for the next connection; one with bytes in it is not. */
static struct {
    int ends[PIPES_KEPT][2];
    size_t count;
} pipes;

static bool null_proxy_take_pipe(struct side *side)
{
    if (pipes.count > 0) {
        memcpy(side->pipe, pipes.ends[--pipes.count], sizeof(side->pipe));
        return true;
    }
    return pipe2(side->pipe, O_NONBLOCK | O_CLOEXEC) == 0 &&
           fcntl(side->pipe[0], F_SETPIPE_SZ, PIPE_SIZE) >= 0;
}

static void null_proxy_give_pipe(struct side *side)
{
    if (side->waiting == 0 && pipes.count < PIPES_KEPT) {
        memcpy(pipes.ends[pipes.count++], side->pipe, sizeof(side->pipe));
        return;
    }
    (void)close(side->pipe[0]);
    (void)close(side->pipe[1]);
}

static void null_proxy_close_side(struct side *side)
{
    if (side->tls != NULL) {
        if (!side->shut && !side->in_handshake) {
            tls_peer_shutdown(side->tls);
        }
        tls_peer_free(side->tls);
    }
    if (side->pipe[0] >= 0) {
        null_proxy_give_pipe(side);
    }
    if (side->fd >= 0) {
        (void)close(side->fd);
    }
    mem_free(side->held);
}

/* A client that goes away is no failure of the proxy: it counts its own. */
static void null_proxy_close(struct pair *pair, bool failed)
{
    null_proxy_close_side(&pair->client);
    null_proxy_close_side(&pair->upstream);
    failures += failed;
    pair->is_closed = true;
    pair->next_closed = closed_pairs;
    closed_pairs = pair;
}

/* --- Moving, by memory -------------------------------------------------------------------------- */

/* Writes what waits; false when the connection is broken. */
static bool null_proxy_flush_held(struct side *to)
{
    while (to->waiting > 0) {
        ssize_t written = null_proxy_write(to, to->held + to->waiting_from, to->waiting);
        if (written < 0) {
            return written == AGAIN;
        }
        to->waiting_from += (size_t)written;
        to->waiting -= (size_t)written;
    }
    mem_free(to->held);
    to->held = NULL;
    to->waiting_from = 0;
    return true;
}

static bool null_proxy_write_or_hold(struct side *to, const char *bytes, size_t len)
{
    while (len > 0) {
        /* A side that has no TLS yet takes nothing. */
        ssize_t written = to->in_handshake ? AGAIN : null_proxy_write(to, bytes, len);
        if (written < 0) {
            if (written != AGAIN) {
                return false;
            }
            to->held = mem_alloc(len);
            memcpy(to->held, bytes, len);
            to->waiting = len;
            return true;
        }
        bytes += written;
        len -= (size_t)written;
    }
    return true;
}

static ssize_t null_proxy_move(struct side *from, struct side *to)
{
    static char buffer[RELAY_SIZE];
    ssize_t got = null_proxy_read(from, buffer, sizeof(buffer));

    if (got > 0 && !null_proxy_write_or_hold(to, buffer, (size_t)got)) {
        return FAILED;
    }
    /* A short read has emptied a socket; what comes later is another event. */
    if (got > 0 && got < RELAY_SIZE && from->tls == NULL && !from->hung_up) {
        return AGAIN;
    }
    return got;
}

/* --- Moving, by splice -------------------------------------------------------------------------- */

static bool null_proxy_flush_pipe(struct side *to)
{
    while (to->waiting > 0) {
        ssize_t moved = null_proxy_result(to, splice(to->pipe[0], NULL, to->fd, NULL, to->waiting,
                                                     SPLICE_F_MOVE | SPLICE_F_NONBLOCK));
        if (moved < 0) {
            return moved == AGAIN;
        }
        to->waiting -= (size_t)moved;
    }
    return true;
}

static ssize_t null_proxy_splice(struct side *from, struct side *to)
{
    ssize_t moved = null_proxy_result(from, splice(from->fd, NULL, to->pipe[1], NULL, PIPE_SIZE,
                                                   SPLICE_F_MOVE | SPLICE_F_NONBLOCK));

    if (moved > 0) {
        to->waiting = (size_t)moved;
        return null_proxy_flush_pipe(to) ? moved : FAILED;
    }
    return moved;
}

/* --- A pair ------------------------------------------------------------------------------------- */

/* Moves all there is one way. False: the pair is to be closed. */
static bool null_proxy_relay(struct side *from, struct side *to)
{
    bool flushed = splices ? null_proxy_flush_pipe(to) : null_proxy_flush_held(to);

    if (!flushed) {
        return false;
    }
    while (!from->ended && !from->in_handshake && to->waiting == 0) {
        ssize_t moved = splices ? null_proxy_splice(from, to) : null_proxy_move(from, to);
        if (moved == AGAIN) {
            break;
        }
        if (moved < 0) {
            return false;
        }
        from->ended = moved == 0;
    }
    if (from->ended && to->waiting == 0 && !to->shut && !to->in_handshake) {
        to->shut = true;
        if (to->tls != NULL) {
            tls_peer_shutdown(to->tls);
        }
        (void)shutdown(to->fd, SHUT_WR);
    }
    return true;
}

static bool null_proxy_handshake(struct side *side)
{
    int result = tls_peer_handshake(side->tls);

    side->in_handshake = result != 1;
    return result == 1 || result == AGAIN;
}

/* False: the pair is to be closed. */
static bool null_proxy_serve(struct side *side, struct side *other, uint32_t events)
{
    bool reads = (events & ~(uint32_t)EPOLLOUT) != 0;
    bool writes = side->waiting > 0;

    if (side->in_handshake) {
        if (!null_proxy_handshake(side)) {
            return false;
        }
        if (side->in_handshake) {
            return true;
        }
        reads = true;
        writes = true;
    }
    return (!reads || null_proxy_relay(side, other)) && (!writes || null_proxy_relay(other, side));
}

static void null_proxy_ready(struct watch *watch, uint32_t events)
{
    struct side *side = (struct side *)(void *)watch;
    struct pair *pair = side->pair;
    struct side *other = side == &pair->client ? &pair->upstream : &pair->client;

    if (pair->is_closed) {
        return;
    }
    side->hung_up = side->hung_up || (events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0;
    if (!null_proxy_serve(side, other, events)) {
        null_proxy_close(pair, !pair->client.broken);
    } else if (side->ended && other->ended && side->waiting == 0 && other->waiting == 0) {
        null_proxy_close(pair, false);
    }
}

/* --- Accepting ---------------------------------------------------------------------------------- */

static bool null_proxy_open_side(struct side *side, struct pair *pair, int fd)
{
    side->watch.ready = null_proxy_ready;
    side->pair = pair;
    side->fd = fd;
    side->pipe[0] = -1;
    side->pipe[1] = -1;
    if (fd < 0 || !poller_add(fd, &side->watch)) {
        return false;
    }
    return !splices || null_proxy_take_pipe(side);
}

static void null_proxy_accept(struct watch *watch, uint32_t events)
{
    int fd;

    (void)watch;
    (void)events;
    while ((fd = sockets_accept(listener_fd)) >= 0) {
        struct pair *pair = mem_new(struct pair);

        relayed++;
        if (context != NULL) {
            pair->client.tls = tls_peer_accept_on(context, fd);
            pair->client.in_handshake = true;
        }
        bool opened = null_proxy_open_side(&pair->client, pair, fd);
        int upstream = sockets_connect((uint16_t)upstream_port, 0);
        if (!null_proxy_open_side(&pair->upstream, pair, upstream) || !opened) {
            perror("null_proxy: open");
            null_proxy_close(pair, true);
        }
    }
    if (errno != EAGAIN) {
        perror("null_proxy: accept");
    }
}

static void null_proxy_free_closed(void)
{
    while (closed_pairs != NULL) {
        struct pair *pair = closed_pairs;
        closed_pairs = pair->next_closed;
        mem_free(pair);
    }
}

static void null_proxy_stop(int number)
{
    (void)number;
    stopped = 1;
}

static bool null_proxy_read_options(int argument_count, char **arguments)
{
    const char *cert = NULL;
    const char *key = NULL;
    const struct option_row rows[] = {
        { .name = "--upstream", .number = &upstream_port },
        { .name = "--cert", .text = &cert },
        { .name = "--key", .text = &key },
        { .name = "--splice", .flag = &splices },
    };

    if (!options_read(rows, sizeof(rows) / sizeof(rows[0]), argument_count - 1, arguments + 1)) {
        return false;
    }
    if (upstream_port == 0 || upstream_port > 65535 || (cert == NULL) != (key == NULL) ||
        (splices && cert != NULL)) {
        fprintf(stderr, "usage: null_proxy --upstream PORT [--cert FILE --key FILE | --splice]\n");
        return false;
    }
    context = cert != NULL ? tls_peer_server_context(cert, key) : NULL;
    return cert == NULL || context != NULL;
}

int main(int argument_count, char **arguments)
{
    struct watch listener = { .ready = null_proxy_accept };
    uint16_t port = 0;

    if (!null_proxy_read_options(argument_count, arguments)) {
        return 2;
    }
    (void)sockets_raise_limit();
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGTERM, null_proxy_stop);
    (void)signal(SIGINT, null_proxy_stop);
    poller_open();
    listener_fd = sockets_listen(&port);
    if (listener_fd < 0 || !poller_add(listener_fd, &listener)) {
        perror("null_proxy: listen");
        return 2;
    }
    printf("port %u\n", port);
    (void)fflush(stdout);
    while (!stopped) {
        (void)poller_turn(SECOND_NS); /* a signal just before the wait is seen after it */
        null_proxy_free_closed();
    }
    printf("relayed %" PRIu64 " failed %" PRIu64 "\n", relayed, failures);
    return failures > 0 ? 1 : 0;
}
