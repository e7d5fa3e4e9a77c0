/* log_writer: lines out, by one thread.
 *
 *   thread A ─ ring ─┐
 *   thread B ─ ring ─┼─> writer thread ─> file, standard output or error
 *   thread C ─ ring ─┘
 *
 * A ring has one producer (the thread that made it) and one consumer (the writer). It holds whole
 * lines: `head` moves a line at a time. Rings and sinks live until log_writer_stop(), which runs
 * when the producers are gone or silent.
 *
 * Under load the writer looks every LOG_POLL_MS and takes what has gathered, so a producer makes no
 * system call. After a quiet second it says that it sleeps; the next line then wakes it. */
#include "gateway/observe/log_writer.h"

#include "gateway/base/background.h"
#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LOG_SINKS_MAX = 8,
    LOG_POLL_MS = 20,
    LOG_IDLE_MS = 1000,
    /* At the end, a reader that takes nothing may hold us up this long. */
    LOG_STOP_GRACE_MS = 2000,
    /* A pipe that poll() calls writable takes this much without blocking (PIPE_BUF). */
    LOG_PIPE_WRITE_BYTES = 4096,
    LOG_FILE_WRITE_BYTES = 256 * 1024,
};

struct log_sink {
    char *path; /* NULL: standard output or error, never reopened */
    int fd;
    bool is_regular;
};

struct ring {
    struct ring *next; /* in writer.rings; set before the ring is seen */
    struct log_sink *sink;
    /* Positions count bytes for ever; the place is the position modulo the size. */
    _Alignas(64) _Atomic uint64_t head; /* moved by the producer */
    _Alignas(64) _Atomic uint64_t tail; /* moved by the writer */
    char bytes[LOG_RING_BYTES];
};

static struct {
    pthread_t thread;
    int event_fd;
    _Atomic bool is_running;
    _Atomic bool is_stopping;
    _Atomic bool is_asleep;
    _Atomic bool is_hurried; /* a ring is more than half full, and the writer was told */
    _Atomic bool is_reopen_due;
    _Atomic uint64_t dropped_lines;
    _Atomic unsigned generation; /* counts starts: rings of an earlier run are gone */
    _Atomic(struct ring *) rings;
    struct log_sink sinks[LOG_SINKS_MAX]; /* filled by the control thread */
    _Atomic size_t sink_count;            /* read by the writer when it reopens */
    uint64_t stop_deadline_us;            /* the writer's own */
} writer = { .event_fd = -1 };

static __thread struct ring *my_rings[LOG_SINKS_MAX];
static __thread unsigned my_generation;

static void wake(void)
{
    uint64_t one = 1;

    /* A full counter wakes as well. */
    (void)!write(writer.event_fd, &one, sizeof(one));
}

/* --- Writer thread ---------------------------------------------------------------------------- */

static uint64_t count_lines(struct str bytes)
{
    uint64_t lines = 0;

    for (size_t at = str_find_char(bytes, '\n'); at != SIZE_MAX; at = str_find_char(bytes, '\n')) {
        lines++;
        bytes = str_skip(bytes, at + 1);
    }
    return lines;
}

/* False when the process ends and the reader still takes nothing. */
static bool wait_writable(const struct log_sink *sink)
{
    struct pollfd poll_fd = { .fd = sink->fd, .events = POLLOUT };

    while (poll(&poll_fd, 1, LOG_POLL_MS) == 0) {
        if (atomic_load(&writer.is_stopping)) {
            if (writer.stop_deadline_us == 0) {
                writer.stop_deadline_us = now_mono_fresh_us() + LOG_STOP_GRACE_MS * 1000u;
            } else if (now_mono_fresh_us() > writer.stop_deadline_us) {
                return false;
            }
        }
    }
    return true;
}

static void write_bytes(const struct log_sink *sink, struct str bytes)
{
    size_t most = sink->is_regular ? LOG_FILE_WRITE_BYTES : LOG_PIPE_WRITE_BYTES;

    while (bytes.len != 0) {
        ssize_t written;

        if (!sink->is_regular && !wait_writable(sink)) {
            break;
        }
        written = write(sink->fd, bytes.ptr, bytes.len < most ? bytes.len : most);
        if (written >= 0) {
            bytes = str_skip(bytes, (size_t)written);
        } else if (errno != EINTR && errno != EAGAIN) {
            break; /* a full disk or a reader that left: nothing to be done but to count */
        }
    }
    if (bytes.len != 0) {
        atomic_fetch_add_explicit(&writer.dropped_lines, count_lines(bytes), memory_order_relaxed);
    }
}

static bool drain_ring(struct ring *ring)
{
    uint64_t head = atomic_load(&ring->head);
    uint64_t tail = atomic_load_explicit(&ring->tail, memory_order_relaxed);

    if (head == tail) {
        return false;
    }
    while (tail != head) {
        size_t place = tail % LOG_RING_BYTES;
        size_t len = LOG_RING_BYTES - place;

        if (len > head - tail) {
            len = head - tail;
        }
        write_bytes(ring->sink, str_from(ring->bytes + place, len));
        tail += len;
        atomic_store_explicit(&ring->tail, tail, memory_order_release);
    }
    return true;
}

static bool drain_rings(void)
{
    bool had_lines = false;

    for (struct ring *ring = atomic_load(&writer.rings); ring != NULL; ring = ring->next) {
        had_lines |= drain_ring(ring);
    }
    return had_lines;
}

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
}

static bool is_regular_file(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

static void reopen_sinks(void)
{
    size_t count = atomic_load(&writer.sink_count);

    for (size_t i = 0; i < count; i++) {
        struct log_sink *sink = &writer.sinks[i];
        int fd;

        if (sink->path == NULL) {
            continue;
        }
        fd = open_file(sink->path);
        if (fd == -1) {
            /* The old file goes on; the process log may be the very file that cannot be opened. */
            (void)dprintf(STDERR_FILENO, "gatehouse: cannot reopen %s: %s\n", sink->path,
                          strerrordesc_np(errno));
            continue;
        }
        (void)close(sink->fd); /* nothing is kept back in it */
        sink->fd = fd;
        sink->is_regular = is_regular_file(fd);
    }
}

static void sleep_until_due(bool is_idle)
{
    struct pollfd poll_fd = { .fd = writer.event_fd, .events = POLLIN };
    uint64_t count;

    if (poll(&poll_fd, 1, is_idle ? LOG_IDLE_MS : LOG_POLL_MS) > 0) {
        (void)!read(writer.event_fd, &count, sizeof(count)); /* only resets the counter */
    }
}

static void *run_writer(void *unused)
{
    uint64_t last_line_us = now_mono_fresh_us();

    (void)unused;
    background_enter();
    while (true) {
        /* Read first: what was queued before the stop is then seen by the drain. */
        bool is_stopping = atomic_load(&writer.is_stopping);
        bool is_idle;

        if (atomic_exchange(&writer.is_reopen_due, false)) {
            reopen_sinks();
        }
        atomic_store(&writer.is_hurried, false);
        if (drain_rings()) {
            last_line_us = now_mono_fresh_us();
        }
        if (is_stopping) {
            return NULL;
        }
        is_idle = now_mono_fresh_us() - last_line_us > LOG_IDLE_MS * 1000u;
        if (is_idle) {
            /* A line that came before this store is drained here, one after it wakes us. */
            atomic_store(&writer.is_asleep, true);
            if (drain_rings()) {
                last_line_us = now_mono_fresh_us();
                is_idle = false;
            }
        }
        sleep_until_due(is_idle);
        atomic_store(&writer.is_asleep, false);
    }
}

/* --- Control thread --------------------------------------------------------------------------- */

bool log_writer_start(struct err *err)
{
    sigset_t all;
    sigset_t before;
    int failure;

    CHECK(!atomic_load(&writer.is_running));
    writer.event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (writer.event_fd == -1) {
        err_errno(err, "cannot start the log writer");
        return false;
    }
    atomic_store(&writer.is_stopping, false);
    writer.stop_deadline_us = 0;
    atomic_fetch_add(&writer.generation, 1);
    /* Signals belong to the control thread. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    failure = pthread_create(&writer.thread, NULL, run_writer, NULL);
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failure != 0) {
        errno = failure;
        err_errno(err, "cannot start the log writer");
        (void)close(writer.event_fd);
        writer.event_fd = -1;
        return false;
    }
    (void)pthread_setname_np(writer.thread, "log-writer"); /* for people who look at threads */
    atomic_store(&writer.is_running, true);
    return true;
}

void log_writer_stop(void)
{
    struct ring *ring;

    if (!atomic_exchange(&writer.is_running, false)) {
        return;
    }
    atomic_store(&writer.is_stopping, true);
    wake();
    CHECK(pthread_join(writer.thread, NULL) == 0);
    ring = atomic_exchange(&writer.rings, NULL);
    while (ring != NULL) {
        struct ring *next = ring->next;

        mem_free(ring);
        ring = next;
    }
    for (size_t i = 0; i < writer.sink_count; i++) {
        if (writer.sinks[i].path != NULL) {
            (void)close(writer.sinks[i].fd); /* every write was looked at */
            mem_free(writer.sinks[i].path);
        }
    }
    memset(writer.sinks, 0, sizeof(writer.sinks));
    atomic_store(&writer.sink_count, 0);
    (void)close(writer.event_fd);
    writer.event_fd = -1;
}

bool log_writer_is_running(void)
{
    return atomic_load_explicit(&writer.is_running, memory_order_relaxed);
}

static struct log_sink *find_sink(const char *path, int fd)
{
    for (size_t i = 0; i < writer.sink_count; i++) {
        struct log_sink *sink = &writer.sinks[i];

        if (path != NULL ? sink->path != NULL && strcmp(sink->path, path) == 0
                         : sink->path == NULL && sink->fd == fd) {
            return sink;
        }
    }
    return NULL;
}

struct log_sink *log_sink_open(const char *destination, struct err *err)
{
    bool is_output = strcmp(destination, "-") == 0 || strcmp(destination, "/dev/stdout") == 0;
    bool is_error = strcmp(destination, "2") == 0 || strcmp(destination, "/dev/stderr") == 0;
    const char *path = is_output || is_error ? NULL : destination;
    int fd = is_output ? STDOUT_FILENO : STDERR_FILENO;
    struct log_sink *sink = find_sink(path, fd);

    if (sink != NULL) {
        return sink;
    }
    if (writer.sink_count == LOG_SINKS_MAX) {
        err_set(err, ERR_LIMIT, "cannot log to %s: more than %d log files", destination,
                (int)LOG_SINKS_MAX);
        return NULL;
    }
    if (path != NULL) {
        fd = open_file(path);
        if (fd == -1) {
            err_errno(err, "cannot open log file %s", path);
            return NULL;
        }
    }
    sink = &writer.sinks[writer.sink_count];
    sink->path = path != NULL ? mem_copy_string(path, strlen(path)) : NULL;
    sink->fd = fd;
    sink->is_regular = is_regular_file(fd);
    atomic_fetch_add(&writer.sink_count, 1);
    return sink;
}

void log_writer_reopen(void)
{
    atomic_store(&writer.is_reopen_due, true);
    if (log_writer_is_running()) {
        wake();
    }
}

uint64_t log_writer_dropped_lines(void)
{
    return atomic_load_explicit(&writer.dropped_lines, memory_order_relaxed);
}

/* --- Producers -------------------------------------------------------------------------------- */

static struct ring *ring_new(struct log_sink *sink)
{
    struct ring *ring;

    /* Not zeroed as a whole: pages that are never written to cost nothing. */
    ring = mem_alloc(sizeof(*ring));
    ring->sink = sink;
    atomic_init(&ring->head, 0);
    atomic_init(&ring->tail, 0);
    ring->next = atomic_load(&writer.rings);
    while (!atomic_compare_exchange_weak(&writer.rings, &ring->next, ring)) {
    }
    return ring;
}

static struct ring *my_ring(struct log_sink *sink)
{
    size_t index = (size_t)(sink - writer.sinks);
    unsigned generation = atomic_load_explicit(&writer.generation, memory_order_relaxed);

    if (my_generation != generation) {
        memset(my_rings, 0, sizeof(my_rings));
        my_generation = generation;
    }
    if (my_rings[index] == NULL) {
        my_rings[index] = ring_new(sink);
    }
    return my_rings[index];
}

bool log_sink_write(struct log_sink *sink, struct str line)
{
    struct ring *ring;
    uint64_t head;
    uint64_t used;
    size_t place;
    size_t first;

    if (!log_writer_is_running()) {
        atomic_fetch_add_explicit(&writer.dropped_lines, 1, memory_order_relaxed);
        return false;
    }
    ring = my_ring(sink);
    head = atomic_load_explicit(&ring->head, memory_order_relaxed);
    used = head - atomic_load_explicit(&ring->tail, memory_order_acquire);
    if (line.len > LOG_RING_BYTES - used) {
        atomic_fetch_add_explicit(&writer.dropped_lines, 1, memory_order_relaxed);
        return false;
    }
    place = head % LOG_RING_BYTES;
    first = LOG_RING_BYTES - place < line.len ? LOG_RING_BYTES - place : line.len;
    memcpy(ring->bytes + place, line.ptr, first);
    memcpy(ring->bytes, line.ptr + first, line.len - first);
    atomic_store(&ring->head, head + line.len);
    if (atomic_load(&writer.is_asleep)) {
        if (atomic_exchange(&writer.is_asleep, false)) {
            wake();
        }
    } else if (used > LOG_RING_BYTES / 2 && !atomic_exchange(&writer.is_hurried, true)) {
        wake();
    }
    return true;
}

/* The writer touches bytes only between tail and head, and only this thread moves the head: with both at
 * one place nobody else is at the bytes. */
static void give_back(struct ring *ring)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE); /* known on every Linux */
    uintptr_t start = ((uintptr_t)ring->bytes + page - 1) / page * page;
    uintptr_t end = ((uintptr_t)ring->bytes + LOG_RING_BYTES) / page * page;

    if (atomic_load_explicit(&ring->head, memory_order_relaxed) ==
        atomic_load_explicit(&ring->tail, memory_order_acquire)) {
        (void)madvise(ring->bytes + (start - (uintptr_t)ring->bytes), end - start, MADV_DONTNEED);
    }
}

void log_writer_give_back(void)
{
    if (!log_writer_is_running() ||
        my_generation != atomic_load_explicit(&writer.generation, memory_order_relaxed)) {
        return; /* its rings are gone */
    }
    for (size_t i = 0; i < LOG_SINKS_MAX; i++) {
        if (my_rings[i] != NULL) {
            give_back(my_rings[i]);
        }
    }
}
