#include "perf/tools/load.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "gateway/base/mem.h"
#include "perf/tools/sockets.h"

#define NS_PER_S UINT64_C(1000000000)
#define BODY_BLOCK (256 * 1024)
#define BODY_PARTS 4
/* Connections that open at once, so that no accept queue overflows. */
#define OPENING_MAX 256
/* Addresses 127.0.0.1 to 127.0.0.200, in turns. */
#define SOURCES 200

struct load load;

static char body_block[BODY_BLOCK];
static char read_buffer[STREAM_READ_SIZE];

static const struct load_mode modes[] = {
    { .name = "connect", .closes = true }, { .name = "keepalive" },
    { .name = "rate", .rated = true },     { .name = "download" },
    { .name = "upload", .uploads = true }, { .name = "websocket", .websocket = true },
    { .name = "idle", .holds = true },
};

const struct load_mode *load_find_mode(const char *name)
{
    for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
        if (strcmp(modes[i].name, name) == 0) {
            return &modes[i];
        }
    }
    return NULL;
}

/* --- Counting ----------------------------------------------------------------------------------- */

static uint64_t load_cpu_us(void)
{
    struct rusage usage;

    (void)getrusage(RUSAGE_SELF, &usage);
    return (uint64_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000 +
           (uint64_t)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

static void load_start_clock(void)
{
    load.totals.started_ns = poller_now_ns();
    load.totals.cpu_started_us = load_cpu_us();
}

/* Another operation is over; true when it counts. */
static bool load_complete(struct connection *connection)
{
    struct load_totals *totals = &load.totals;
    bool counts = totals->completed >= load.options.warm;

    connection->has_operation = false;
    totals->completed++;
    if (totals->completed == load.options.warm) {
        load_start_clock();
        /* Whoever measures the proxy starts its clock now too. */
        printf("warm\n");
        fflush(stdout);
    }
    if (totals->completed == load.target) {
        totals->ended_ns = poller_now_ns();
        totals->cpu_ended_us = load_cpu_us();
    }
    return counts;
}

/* A connection that is lost without an operation is a failure, too. */
static void load_count_failure(struct connection *connection, enum load_failure failure)
{
    if (connection->has_operation && !load_complete(connection)) {
        load.totals.warm_failed++;
    } else {
        load.totals.failed[failure]++;
    }
}

static bool load_is_over(void)
{
    return load.totals.completed >= load.target;
}

uint64_t load_failed(void)
{
    uint64_t sum = load.totals.warm_failed;

    for (int i = 0; i < LOAD_FAILURES; i++) {
        sum += load.totals.failed[i];
    }
    return sum;
}

/* --- Opening and beginning ---------------------------------------------------------------------- */

static void load_ready(struct watch *watch, uint32_t events);
static void load_fail(struct connection *connection, enum load_failure failure);

/* False: it could not even be tried. */
static bool load_open(struct connection *connection)
{
    unsigned source = (unsigned)(load.totals.opened / SOCKETS_PER_SOURCE % SOURCES);
    int fd = sockets_connect((uint16_t)load.options.port, source);

    load.totals.opened++;
    if (fd < 0) {
        return false;
    }
    stream_open(&connection->stream, fd);
    if (load.options.tls) {
        connection->stream.tls =
            tls_peer_connect(load.context, &connection->stream.io, load.options.name,
                             load.options.resume, &connection->offers);
    }
    connection->watch.ready = load_ready;
    connection->state = LOAD_OPENING;
    connection->in_frames = false;
    if (!poller_add(fd, &connection->watch)) {
        stream_close(&connection->stream);
        connection->state = LOAD_SHUT;
        return false;
    }
    return true;
}

static void load_shut(struct connection *connection)
{
    stream_close(&connection->stream);
    connection->state = LOAD_SHUT;
}

static const char *load_head(const struct connection *connection, size_t *len)
{
    *len = connection->in_frames ? load.frame_len : load.head_len;
    return connection->in_frames ? load.frame : load.head;
}

/* Sends what is left of the operation. False: the connection is broken. */
static bool load_send(struct connection *connection)
{
    while (connection->head_left > 0 || connection->body_left > 0) {
        struct iovec parts[1 + BODY_PARTS];
        size_t head_left = connection->head_left;
        uint64_t body_left = connection->body_left;
        int count = 0;

        if (head_left > 0) {
            size_t len;
            const char *head = load_head(connection, &len);
            parts[count++] = (struct iovec){
                .iov_base = (void *)(uintptr_t)(head + len - head_left),
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
        connection->head_left -= of_head;
        connection->body_left -= (size_t)taken - of_head;
    }
    return true;
}

/* Sends the operation of an open connection. */
static void load_begin(struct connection *connection)
{
    (void)load_head(connection, &connection->head_left);
    connection->body_left = load.mode->uploads ? load.options.size : 0;
    connection->frame = (struct websocket_head){ 0 };
    http_message_start(&connection->answer, HTTP_MESSAGE_ANSWER);
    connection->state = LOAD_BUSY;
    if (!load_send(connection)) {
        load_fail(connection, LOAD_CLOSED);
    }
}

/* --- Closed loop -------------------------------------------------------------------------------- */

/* The next operation of this slot, by the connection it has or a new one. */
static void load_next(struct connection *connection)
{
    /* A loop, not recursion: a server that refuses fails thousands in a row. */
    while (load.totals.issued < load.target) {
        load.totals.issued++;
        connection->has_operation = true;
        connection->started_ns = poller_now_ns();
        if (connection->state == LOAD_IDLE) {
            load_begin(connection);
            return;
        }
        if (load_open(connection)) {
            return;
        }
        load_count_failure(connection, LOAD_CONNECT);
    }
    if (!load.mode->holds && connection->state != LOAD_SHUT) {
        load_shut(connection);
    }
}

/* --- Open loop ---------------------------------------------------------------------------------- */

static uint64_t load_due_ns(uint64_t index)
{
    /* Split, so that an hour of a high rate does not overflow. */
    uint64_t rate = load.options.rate;

    return load.totals.started_ns + index / rate * NS_PER_S + index % rate * NS_PER_S / rate;
}

static void load_push_idle(struct connection *connection)
{
    uint64_t capacity = load.options.connections;

    if (!connection->is_queued) {
        connection->is_queued = true;
        load.idle[(load.idle_from + load.idle_count) % capacity] =
            (uint64_t)(connection - load.connections);
        load.idle_count++;
    }
}

static struct connection *load_pop_idle(void)
{
    while (load.idle_count > 0) {
        struct connection *connection = &load.connections[load.idle[load.idle_from]];
        load.idle_from = (load.idle_from + 1) % load.options.connections;
        load.idle_count--;
        connection->is_queued = false;
        if (connection->state == LOAD_IDLE) { /* not closed meanwhile */
            return connection;
        }
    }
    return NULL;
}

/* Begins what is due and has a connection; returns how long until the next is due. */
static int64_t load_begin_due(void)
{
    while (load.totals.issued < load.target) {
        uint64_t due = load_due_ns(load.totals.issued);
        uint64_t now = poller_now_ns();
        if (due > now) {
            return (int64_t)(due - now);
        }
        struct connection *connection = load_pop_idle();
        if (connection == NULL) {
            break;
        }
        if (now - due > load.totals.max_late_ns) {
            load.totals.max_late_ns = now - due;
        }
        load.totals.issued++;
        connection->has_operation = true;
        connection->started_ns = due;
        load_begin(connection);
    }
    return (int64_t)NS_PER_S;
}

/* An open loop has its connections before it starts, and replaces those it loses. */
static void load_replace(struct connection *connection)
{
    if (load_is_over()) {
        return;
    }
    if (!load_open(connection)) {
        perror("client: connect");
    }
}

/* --- Ends of operations ------------------------------------------------------------------------- */

static void load_after(struct connection *connection)
{
    if (!load.mode->rated) {
        load_next(connection);
    } else if (connection->state == LOAD_IDLE) {
        load_push_idle(connection);
    } else {
        load_replace(connection);
    }
}

static void load_fail(struct connection *connection, enum load_failure failure)
{
    bool had_operation = connection->has_operation;

    load_shut(connection);
    load_count_failure(connection, failure);
    if (load.mode->holds && !had_operation) {
        return;
    }
    load_after(connection);
}

static void load_count_handshake(struct connection *connection)
{
    if (load.totals.completed >= load.options.warm) {
        load.totals.offered += connection->offers;
        load.totals.resumed += tls_peer_is_resumed(connection->stream.tls);
    }
}

static void load_done(struct connection *connection)
{
    bool closes = load.mode->closes || connection->answer.closes;
    uint64_t now = poller_now_ns();

    if (load.mode->closes && connection->stream.tls != NULL) {
        load_count_handshake(connection);
    }
    if (load_complete(connection)) {
        load.totals.done++;
        load.totals.bytes += load.mode->uploads      ? load.options.size
                             : connection->in_frames ? load.options.size
                                                     : connection->answer.body;
        histogram_add(&load.latencies, now - connection->started_ns);
    }
    connection->state = LOAD_IDLE;
    if (closes) {
        load_shut(connection);
        load.totals.reconnects += !load.mode->closes;
    }
    load_after(connection);
}

/* --- What comes --------------------------------------------------------------------------------- */

/* The upload's answer is the length that arrived at the origin. */
static bool load_is_complete_upload(const struct http_message *answer)
{
    char text[HTTP_MESSAGE_BODY_KEPT + 1];
    int len = snprintf(text, sizeof(text), "%" PRIu64, load.options.size);

    return answer->kept == len && memcmp(answer->start, text, (size_t)len) == 0;
}

static void load_take_answer(struct connection *connection)
{
    const struct http_message *answer = &connection->answer;

    if (answer->status != (load.mode->websocket ? 101 : 200)) {
        load_fail(connection, LOAD_STATUS);
    } else if (connection->head_left > 0 || connection->body_left > 0) {
        load_fail(connection, LOAD_MALFORMED); /* an answer before the request's end */
    } else if (load.mode->uploads && !load_is_complete_upload(answer)) {
        load_fail(connection, LOAD_TRUNCATED);
    } else if (load.mode->websocket) {
        /* The upgrade is over, and the operation's echo begins. */
        connection->in_frames = true;
        load_begin(connection);
    } else {
        load_done(connection);
    }
}

/* Takes bytes of the one frame that is expected; false when it is another. */
static bool load_take_frame(struct connection *connection, const char *bytes, size_t len)
{
    struct websocket_head *frame = &connection->frame;

    if (!frame->complete) {
        size_t used = websocket_read_head(frame, (const uint8_t *)bytes, len);
        bytes += used;
        len -= used;
        if (!frame->complete) {
            return true;
        }
        if (frame->first != (0x80 | WEBSOCKET_TEXT) || frame->masked ||
            frame->len != load.options.size) {
            return false;
        }
        connection->frame_left = frame->len;
    }
    uint64_t offset = frame->len - connection->frame_left;
    if (len > connection->frame_left || memcmp(bytes, load.payload + offset, len) != 0) {
        return false;
    }
    connection->frame_left -= len;
    if (connection->frame_left == 0) {
        load_done(connection);
    }
    return true;
}

static void load_take(struct connection *connection, const char *bytes, size_t len)
{
    if (connection->in_frames) {
        if (!load_take_frame(connection, bytes, len)) {
            load_fail(connection, LOAD_MALFORMED);
        }
        return;
    }
    size_t used = 0;
    enum http_message_step step = http_message_feed(&connection->answer, bytes, len, &used);
    if (step == HTTP_MESSAGE_BAD || used < len) {
        load_fail(connection, LOAD_MALFORMED);
    } else if (step == HTTP_MESSAGE_DONE) {
        load_take_answer(connection);
    }
}

static void load_take_end(struct connection *connection, ssize_t why)
{
    struct http_message *answer = &connection->answer;

    if (connection->state != LOAD_BUSY || connection->in_frames) {
        load_fail(connection, LOAD_CLOSED);
    } else if (why == 0 && http_message_end(answer) == HTTP_MESSAGE_DONE) {
        load_take_answer(connection);
    } else {
        load_fail(connection, http_message_is_untouched(answer) ? LOAD_CLOSED : LOAD_TRUNCATED);
    }
}

static void load_read(struct connection *connection)
{
    int fd = connection->stream.fd;

    for (;;) {
        ssize_t got = stream_receive(&connection->stream, read_buffer, sizeof(read_buffer));
        if (got == STREAM_AGAIN) {
            return;
        }
        if (got <= 0) {
            load_take_end(connection, got);
            return;
        }
        if (connection->state != LOAD_BUSY) { /* bytes that nobody asked for */
            load_fail(connection, LOAD_MALFORMED);
            return;
        }
        load_take(connection, read_buffer, (size_t)got);
        /* The slot may have another socket by now; its events come by themselves. */
        if (connection->stream.fd != fd || connection->state == LOAD_OPENING) {
            return;
        }
    }
}

/* True: open. */
static bool load_continue_opening(struct connection *connection, uint32_t events)
{
    if (connection->stream.tls != NULL) {
        int result = stream_handshake(&connection->stream);
        if (result == 1) {
            return true;
        }
        if (result != STREAM_AGAIN) {
            load_fail(connection, (events & EPOLLERR) != 0 ? LOAD_CONNECT : LOAD_HANDSHAKE);
        }
        return false;
    }
    if ((events & EPOLLERR) != 0) {
        load_fail(connection, LOAD_CONNECT);
        return false;
    }
    return (events & EPOLLOUT) != 0;
}

static void load_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)(void *)watch;

    if (connection->state == LOAD_SHUT) {
        return;
    }
    stream_take_events(&connection->stream, events);
    if (connection->state == LOAD_OPENING) {
        if (!load_continue_opening(connection, events)) {
            return;
        }
        connection->state = LOAD_IDLE;
        if (connection->has_operation) {
            load_begin(connection);
        } else {
            load_push_idle(connection);
        }
    } else if (connection->state == LOAD_BUSY) {
        if (!stream_flush(&connection->stream) || !load_send(connection)) {
            load_fail(connection, LOAD_CLOSED);
        }
    }
    if (connection->state == LOAD_IDLE || connection->state == LOAD_BUSY) {
        load_read(connection);
    }
}

/* --- Runs --------------------------------------------------------------------------------------- */

static void load_prepare_frame(void)
{
    static const uint8_t mask[4] = { 0x1b, 0x7e, 0x53, 0xc4 };
    size_t size = (size_t)load.options.size;
    char *payload = mem_alloc(size + 1);

    load.frame = mem_alloc(size + WEBSOCKET_HEAD_MAX);
    for (size_t i = 0; i < size; i++) {
        payload[i] = (char)('a' + i % 26);
    }
    load.frame_len = websocket_write_head((uint8_t *)load.frame, 0x80 | WEBSOCKET_TEXT, size, mask);
    memcpy(load.frame + load.frame_len, payload, size);
    websocket_mask(mask, 0, (uint8_t *)load.frame + load.frame_len, size);
    load.frame_len += size;
    load.payload = payload;
}

static bool load_prepare_head(void)
{
    const struct load_options *options = &load.options;
    char more[160] = "";

    if (load.mode->uploads) {
        (void)snprintf(more, sizeof(more),
                       "content-type: application/octet-stream\r\ncontent-length: %" PRIu64 "\r\n",
                       options->size);
    } else if (load.mode->websocket) {
        (void)snprintf(more, sizeof(more), "%s",
                       "connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
                       "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
        load_prepare_frame();
    }
    int len = snprintf(load.head, sizeof(load.head),
                       "%s %s HTTP/1.1\r\nhost: %s\r\nuser-agent: bench\r\naccept: */*\r\n%s\r\n",
                       load.mode->uploads ? "POST" : "GET", options->path, options->name, more);
    if (len < 0 || (size_t)len >= sizeof(load.head)) {
        fprintf(stderr, "client: the path is too long\n");
        return false;
    }
    load.head_len = (size_t)len;
    return true;
}

/* Everything that is unfinished fails: nothing has happened for too long. */
static void load_give_up(void)
{
    load.totals.issued = load.target;
    for (uint64_t i = 0; i < load.options.connections; i++) {
        if (load.connections[i].has_operation) {
            load_fail(&load.connections[i], LOAD_TIMEOUT);
        }
    }
    if (!load_is_over()) { /* what was due and never begun */
        load.totals.failed[LOAD_TIMEOUT] += load.target - load.totals.completed;
        load.totals.completed = load.target;
        load.totals.ended_ns = poller_now_ns();
        load.totals.cpu_ended_us = load_cpu_us();
    }
}

/* Turns until `is_over`, or nothing happens for --timeout seconds. */
static void load_turn_until(bool (*is_over)(void))
{
    uint64_t last_ns = poller_now_ns();

    while (!is_over()) {
        int64_t wait =
            load.mode->rated && load.totals.started_ns != 0 ? load_begin_due() : (int64_t)NS_PER_S;
        if (is_over()) {
            return;
        }
        if (poller_turn(wait) > 0) {
            last_ns = 0;
        } else if (last_ns == 0) {
            last_ns = poller_now_ns();
        } else if (poller_now_ns() - last_ns > load.options.timeout * NS_PER_S) {
            load_give_up();
            return;
        }
    }
}

static bool load_are_all_idle(void)
{
    return load.idle_count == load.options.connections || load_failed() > 0;
}

/* Many connections are opened some at a time: each that is over lets another begin. */
static bool load_run_holding(void)
{
    uint64_t width =
        load.options.connections < OPENING_MAX ? load.options.connections : OPENING_MAX;

    for (uint64_t next = 0; next < load.options.connections; next += width) {
        uint64_t end =
            next + width < load.options.connections ? next + width : load.options.connections;
        load.target = end;
        for (uint64_t i = next; i < end; i++) {
            load_next(&load.connections[i]);
        }
        load_turn_until(load_is_over);
    }
    printf("ready %" PRIu64 "\n", load.totals.done);
    (void)fflush(stdout);
    for (bool held = true; held;) {
        struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
        char byte;

        (void)poller_turn((int64_t)NS_PER_S / 20);
        if (poll(&input, 1, 0) > 0) {
            held = read(STDIN_FILENO, &byte, 1) > 0;
        }
    }
    return true;
}

static bool load_run_rated(void)
{
    for (uint64_t i = 0; i < load.options.connections; i++) {
        load.connections[i].state = LOAD_SHUT;
        if (!load_open(&load.connections[i])) {
            perror("client: connect");
            return false;
        }
        if (i % OPENING_MAX == OPENING_MAX - 1) {
            (void)poller_turn((int64_t)NS_PER_S / 100);
        }
    }
    load_turn_until(load_are_all_idle);
    load_start_clock();
    load_turn_until(load_is_over);
    return true;
}

static bool load_run_closed(void)
{
    load_start_clock();
    for (uint64_t i = 0; i < load.options.connections; i++) {
        load_next(&load.connections[i]);
    }
    load_turn_until(load_is_over);
    return true;
}

bool load_run(void)
{
    struct load_options *options = &load.options;

    load.mode = load_find_mode(options->mode);
    load.target = options->count + options->warm;
    if (load.mode->rated) {
        load.target = options->rate * options->seconds;
        if (options->warm >= load.target) {
            fprintf(stderr, "client: rate needs --rate, --seconds and a smaller --warm\n");
            return false;
        }
    }
    if (!load_prepare_head()) {
        return false;
    }
    memset(body_block, 'x', sizeof(body_block));
    load.connections = mem_alloc_array((size_t)options->connections, sizeof(*load.connections));
    load.idle = mem_alloc_array((size_t)options->connections, sizeof(*load.idle));
    for (uint64_t i = 0; i < options->connections; i++) {
        load.connections[i].stream.fd = -1;
    }
    (void)sockets_raise_limit();
    poller_open();
    if (options->tls) {
        load.context = tls_peer_client_context();
    }
    bool ran = load.mode->holds   ? load_run_holding()
               : load.mode->rated ? load_run_rated()
                                  : load_run_closed();
    for (uint64_t i = 0; i < options->connections; i++) {
        if (load.connections[i].state != LOAD_SHUT) {
            load_shut(&load.connections[i]);
        }
        http_message_free(&load.connections[i].answer);
    }
    return ran;
}
