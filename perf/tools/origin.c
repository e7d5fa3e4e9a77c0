/* origin: the server behind the proxies that are measured. One thread, HTTP/1.1 keep-alive, plain and
 * over TLS; it answers from memory, so that what it costs is the kernel's.
 *   GET /bytes/N        N bytes; any other GET 1,000
 *   POST, PUT           the length of the body that came
 *   Upgrade: websocket  each frame comes back
 * Prints "http PORT tls PORT" (0 without a certificate) and serves until SIGTERM. */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "perf/tools/http_message.h"
#include "perf/tools/options.h"
#include "perf/tools/poller.h"
#include "perf/tools/sockets.h"
#include "perf/tools/stream.h"
#include "perf/tools/websocket.h"

#define BODY_BLOCK (256 * 1024)
/* One call sends so much of a body: four times the block. */
#define BODY_PARTS 4
#define BODY_DEFAULT 1000
#define SECOND_NS INT64_C(1000000000)
#define BODY_MAX (UINT64_C(1) << 40)
/* Smaller than the room of a gather, so that an echo is taken whole. */
#define ECHO_READ_SIZE (128 * 1024)

struct connection {
    struct watch watch;
    struct stream stream;
    struct http_message request;
    bool is_open; /* TLS is up, or there is none */
    bool is_websocket;
    bool ends; /* closed when all is sent */
    char head[256];
    size_t head_from;
    size_t head_len;
    uint64_t body_left;
    struct websocket_head frame;
    uint64_t frame_left;
    struct connection *next_closed;
};

struct listener {
    struct watch watch;
    int fd;
    struct ssl_ctx_st *context;
};

static char body_block[BODY_BLOCK];
static char read_buffer[STREAM_READ_SIZE];
static struct connection *closed_connections;
static volatile sig_atomic_t stopped;

static void origin_close(struct connection *connection)
{
    stream_close(&connection->stream);
    connection->next_closed = closed_connections;
    closed_connections = connection;
}

/* --- Answers ------------------------------------------------------------------------------------ */

/* False: the connection is broken. */
static bool origin_send(struct connection *connection)
{
    while (connection->head_from < connection->head_len || connection->body_left > 0) {
        struct iovec parts[1 + BODY_PARTS];
        size_t head_left = connection->head_len - connection->head_from;
        uint64_t body_left = connection->body_left;
        int count = 0;

        if (head_left > 0) {
            parts[count++] = (struct iovec){
                .iov_base = connection->head + connection->head_from,
                .iov_len = head_left,
            };
        }
        for (int i = 0; i < BODY_PARTS && body_left > 0; i++) {
            size_t len = body_left < BODY_BLOCK ? (size_t)body_left : BODY_BLOCK;
            parts[count++] = (struct iovec){ .iov_base = body_block, .iov_len = len };
            body_left -= len;
        }
        ssize_t taken = stream_send(&connection->stream, parts, count);
        if (taken <= 0) {
            return taken == 0;
        }
        size_t of_head = (size_t)taken < head_left ? (size_t)taken : head_left;
        connection->head_from += of_head;
        connection->body_left -= (size_t)taken - of_head;
    }
    return true;
}

static bool origin_is_sent(const struct connection *connection)
{
    return connection->head_from == connection->head_len && connection->body_left == 0 &&
           !stream_has_unsent(&connection->stream);
}

static void origin_answer_websocket(struct connection *connection)
{
    char text[HTTP_MESSAGE_WORD_MAX + 40];
    char digest[29];
    int len = snprintf(text, sizeof(text), "%s258EAFA5-E914-47DA-95CA-C5AB0DC85B11",
                       connection->request.websocket_key);

    tls_peer_sha1_base64(text, (size_t)len, digest);
    connection->head_len = (size_t)snprintf(connection->head, sizeof(connection->head),
                                            "HTTP/1.1 101 Switching Protocols\r\n"
                                            "upgrade: websocket\r\n"
                                            "connection: Upgrade\r\n"
                                            "sec-websocket-accept: %s\r\n\r\n",
                                            digest);
    connection->is_websocket = true;
}

static uint64_t origin_wanted_bytes(const char *target)
{
    static const char prefix[] = "/bytes/";
    char *end = NULL;

    if (strncmp(target, prefix, sizeof(prefix) - 1) != 0) {
        return BODY_DEFAULT;
    }
    uint64_t wanted = strtoull(target + sizeof(prefix) - 1, &end, 10);
    return wanted <= BODY_MAX ? wanted : BODY_MAX;
}

static void origin_answer(struct connection *connection)
{
    const struct http_message *request = &connection->request;

    connection->head_from = 0;
    connection->ends = request->closes;
    if (request->websocket_key[0] != '\0') {
        origin_answer_websocket(connection);
        return;
    }
    char text[24] = "";
    uint64_t len = 0;
    if (request->method[0] == 'P') {
        len = (uint64_t)snprintf(text, sizeof(text), "%" PRIu64, request->body);
    } else {
        len = origin_wanted_bytes(request->target);
        connection->body_left = strcmp(request->method, "HEAD") == 0 ? 0 : len;
    }
    connection->head_len =
        (size_t)snprintf(connection->head, sizeof(connection->head),
                         "HTTP/1.1 200 OK\r\n"
                         "content-type: text/plain\r\n"
                         "content-length: %" PRIu64 "\r\n%s\r\n%s",
                         len, request->closes ? "connection: close\r\n" : "", text);
}

/* --- What comes --------------------------------------------------------------------------------- */

/* Frames go back unmasked, with the same first byte; a ping as a pong. */
static bool origin_echo(struct connection *connection, uint8_t *bytes, size_t len)
{
    static char echo[ECHO_READ_SIZE + WEBSOCKET_HEAD_MAX];
    struct websocket_head *frame = &connection->frame;
    size_t filled = 0;

    while (len > 0) {
        if (!frame->complete) {
            size_t used = websocket_read_head(frame, bytes, len);
            bytes += used;
            len -= used;
            if (!frame->complete) {
                break;
            }
            uint8_t first = frame->first;
            if ((first & 0x0f) == WEBSOCKET_PING) {
                first = (uint8_t)(first + 1);
            }
            connection->ends = (first & 0x0f) == WEBSOCKET_CLOSE;
            connection->frame_left = frame->len;
            filled += websocket_write_head((uint8_t *)echo + filled, first, frame->len, NULL);
        }
        size_t part = len < connection->frame_left ? len : (size_t)connection->frame_left;
        if (frame->masked) {
            websocket_mask(frame->mask, frame->len - connection->frame_left, bytes, part);
        }
        memcpy(echo + filled, bytes, part);
        filled += part;
        bytes += part;
        len -= part;
        connection->frame_left -= part;
        if (connection->frame_left == 0) {
            *frame = (struct websocket_head){ 0 };
        }
    }
    return stream_send_all(&connection->stream, echo, filled);
}

/* False: the connection is to be closed. */
static bool origin_take(struct connection *connection, char *bytes, size_t len)
{
    while (len > 0 && !connection->is_websocket) {
        size_t used = 0;
        enum http_message_step step = http_message_feed(&connection->request, bytes, len, &used);
        if (step == HTTP_MESSAGE_BAD) {
            return false;
        }
        bytes += used;
        len -= used;
        if (step == HTTP_MESSAGE_DONE) {
            origin_answer(connection);
            http_message_start(&connection->request, HTTP_MESSAGE_REQUEST);
            if (!origin_send(connection)) {
                return false;
            }
            /* Nobody here sends a request before the answer to the last. */
            if (len > 0 && !connection->is_websocket && !origin_is_sent(connection)) {
                return false;
            }
        }
    }
    return len == 0 || origin_echo(connection, (uint8_t *)bytes, len);
}

static bool origin_handshake(struct connection *connection)
{
    int result = stream_handshake(&connection->stream);

    connection->is_open = result == 1;
    return result == STREAM_AGAIN || (result == 1 && stream_flush(&connection->stream));
}

/* False: the connection is to be closed. */
static bool origin_serve(struct connection *connection)
{
    if (!connection->is_open && !origin_handshake(connection)) {
        return false;
    }
    if (!connection->is_open) {
        return true;
    }
    for (;;) {
        if (!stream_flush(&connection->stream) || !origin_send(connection)) {
            return false;
        }
        if (!origin_is_sent(connection)) {
            return true;
        }
        if (connection->ends) {
            return false;
        }
        ssize_t got = stream_receive(&connection->stream, read_buffer, ECHO_READ_SIZE);
        if (got == STREAM_AGAIN) {
            return true;
        }
        if (got <= 0 || !origin_take(connection, read_buffer, (size_t)got)) {
            return false;
        }
    }
}

static void origin_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)(void *)watch;

    stream_take_events(&connection->stream, events);
    if (!origin_serve(connection)) {
        origin_close(connection);
    }
}

static void origin_accept(struct watch *watch, uint32_t events)
{
    struct listener *listener = (struct listener *)(void *)watch;
    int fd;

    (void)events;
    while ((fd = sockets_accept(listener->fd)) >= 0) {
        struct connection *connection = mem_new(struct connection);
        connection->watch.ready = origin_ready;
        http_message_start(&connection->request, HTTP_MESSAGE_REQUEST);
        stream_open(&connection->stream, fd);
        connection->is_open = listener->context == NULL;
        if (listener->context != NULL) {
            connection->stream.tls = tls_peer_accept(listener->context, &connection->stream.io);
        }
        if (!poller_add(fd, &connection->watch)) {
            perror("origin: epoll_ctl");
            origin_close(connection);
        }
    }
    if (errno != EAGAIN) {
        perror("origin: accept");
    }
}

/* --- Process ------------------------------------------------------------------------------------ */

static void origin_stop(int number)
{
    (void)number;
    stopped = 1;
}

static uint16_t origin_listen(struct listener *listener)
{
    uint16_t port = 0;

    listener->watch.ready = origin_accept;
    listener->fd = sockets_listen(&port);
    if (listener->fd < 0 || !poller_add(listener->fd, &listener->watch)) {
        perror("origin: listen");
        exit(2);
    }
    return port;
}

static void origin_free_closed(void)
{
    while (closed_connections != NULL) {
        struct connection *connection = closed_connections;
        closed_connections = connection->next_closed;
        http_message_free(&connection->request);
        mem_free(connection);
    }
}

int main(int argument_count, char **arguments)
{
    const char *cert = NULL;
    const char *key = NULL;
    const struct option_row rows[] = {
        { .name = "--cert", .text = &cert },
        { .name = "--key", .text = &key },
    };
    struct listener plain = { 0 };
    struct listener secure = { 0 };
    uint16_t secure_port = 0;

    if (!options_read(rows, 2, argument_count - 1, arguments + 1)) {
        return 2;
    }
    memset(body_block, 'x', sizeof(body_block));
    (void)sockets_raise_limit();
    (void)signal(SIGTERM, origin_stop);
    (void)signal(SIGINT, origin_stop);
    poller_open();
    uint16_t plain_port = origin_listen(&plain);
    if (cert != NULL && key != NULL) {
        secure.context = tls_peer_server_context(cert, key);
        if (secure.context == NULL) {
            return 2;
        }
        secure_port = origin_listen(&secure);
    }
    printf("http %u tls %u\n", plain_port, secure_port);
    (void)fflush(stdout);
    while (!stopped) {
        (void)poller_turn(SECOND_NS); /* a signal just before the wait is seen after it */
        origin_free_closed();
    }
    return 0;
}
