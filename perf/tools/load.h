/* load: the connections of the load generator and the operations that run over them.
 * An operation is one request and its answer (or one WebSocket echo). A mode says what an operation
 * sends and what comes after it; this file moves bytes, counts and measures. One thread; every
 * connection is a slot of one array and may be opened again and again. Nothing is allocated for an
 * operation. */
#ifndef PERF_TOOLS_LOAD_H
#define PERF_TOOLS_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "perf/tools/histogram.h"
#include "perf/tools/http_message.h"
#include "perf/tools/poller.h"
#include "perf/tools/stream.h"
#include "perf/tools/websocket.h"

/* Why an operation failed. */
enum load_failure {
    LOAD_CONNECT,   /* no connection */
    LOAD_HANDSHAKE, /* no TLS */
    LOAD_CLOSED,    /* closed before a byte of the answer */
    LOAD_TRUNCATED, /* closed within the answer */
    LOAD_MALFORMED, /* no HTTP, or the wrong bytes */
    LOAD_STATUS,    /* another status than the mode's */
    LOAD_TIMEOUT,   /* nothing happened for --timeout seconds */
    LOAD_FAILURES,
};

enum load_state {
    LOAD_SHUT,    /* no socket */
    LOAD_OPENING, /* connecting, or in the handshake */
    LOAD_IDLE,    /* no operation of its own */
    LOAD_BUSY,    /* sends, then reads an answer */
};

struct connection {
    struct watch watch;
    struct stream stream;
    enum load_state state;
    bool offers;    /* a ticket, in its handshake */
    bool in_frames; /* it speaks WebSocket */
    bool is_queued; /* among the idle ones of an open loop */
    bool has_operation;
    uint64_t started_ns; /* the operation: when it was due, or begun */
    size_t head_left;
    uint64_t body_left;
    struct http_message answer;
    struct websocket_head frame;
    uint64_t frame_left;
};

struct load_options {
    const char *mode;
    const char *name;
    const char *path;
    uint64_t port;
    uint64_t count;
    uint64_t connections;
    uint64_t warm;
    uint64_t rate;
    uint64_t seconds;
    uint64_t size;
    uint64_t timeout;
    bool tls;
    bool resume;
};

struct load_mode {
    const char *name;
    /* What an operation sends: a head (prepared once), then so many bytes of body. */
    bool uploads;
    bool websocket;
    bool closes; /* a connection an operation */
    bool rated;  /* operations are due at fixed times */
    bool holds;  /* connections are kept until standard input ends */
};

/* What is counted starts behind the warm operations; failures of those count as warm_failed. */
struct load_totals {
    uint64_t issued;
    uint64_t completed; /* done and failed, warm ones too */
    uint64_t done;
    uint64_t failed[LOAD_FAILURES];
    uint64_t warm_failed;
    uint64_t bytes; /* of bodies: answers, or what was uploaded */
    uint64_t offered;
    uint64_t resumed;
    uint64_t opened;     /* connections, from the start */
    uint64_t reconnects; /* because the server said it closes */
    uint64_t started_ns;
    uint64_t ended_ns;
    uint64_t cpu_started_us;
    uint64_t cpu_ended_us;
    uint64_t max_late_ns; /* how far behind its due times an open loop was at worst */
};

struct load {
    struct load_options options;
    const struct load_mode *mode;
    struct load_totals totals;
    struct histogram latencies;
    struct connection *connections;
    struct ssl_ctx_st *context;
    uint64_t target; /* operations, warm ones too */
    char head[2048]; /* the request, or the upgrade */
    size_t head_len;
    char *frame; /* a masked text frame */
    size_t frame_len;
    const char *payload; /* its text, as it comes back */
    /* Open loop: idle connections, first in first out. */
    uint64_t *idle;
    uint64_t idle_from;
    uint64_t idle_count;
};

extern struct load load;

/* NULL: no such mode. */
const struct load_mode *load_find_mode(const char *name);
/* Runs options.mode to its end. False: it could not start (a message is on standard error). */
bool load_run(void);
uint64_t load_failed(void);

#endif
