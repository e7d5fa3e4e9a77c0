/* worker_case: publishing, waiting, and the far ends of connections. */
#include "tests/unit/support/worker_case.h"

#include "gateway/base/mem.h"
#include "gateway/net/listener.h"
#include "gateway/observe/log_writer.h"
#include "gateway/observe/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WORKER_CASE_DEADLINE_S = 20 };

static const struct str listener_key = STR("127.0.0.1:9000");

/* --- The worker ------------------------------------------------------------------------------- */

/* In the worker's thread; the test's own count is read after the threads met. */
static void worker_case_on_release(void *owner, struct snapshot *snapshot)
{
    struct worker_case *self = owner;

    __atomic_add_fetch(&self->released_count, 1, __ATOMIC_RELEASE);
    loop_post(self->loop, (void (*)(void *))snapshot_free, snapshot);
}

int worker_case_released(const struct worker_case *self)
{
    return __atomic_load_n(&self->released_count, __ATOMIC_ACQUIRE);
}

static void worker_case_on_done(void *owner, struct worker *worker)
{
    (void)worker;
    ((struct worker_case *)owner)->done_count++;
}

static struct snapshot *worker_case_snapshot(struct worker_case *self, bool has_listener)
{
    struct snapshot *snapshot = snapshot_new();

    snapshot->revision = ++self->revision;
    snapshot->clusters = &self->cluster;
    snapshot->cluster_count = self->cluster != NULL;
    if (has_listener) {
        snapshot->listeners = arena_new_object(snapshot->arena, struct snapshot_listener);
        snapshot->listener_count = 1;
        snapshot->listeners[0].key = listener_key;
        snapshot->listeners[0].name = STR("127.0.0.1_9000");
        snapshot->listeners[0].routes = self->routes;
        snapshot->listeners[0].tcp = self->tcp;
    }
    return snapshot;
}

static void worker_case_publish(struct worker_case *self, bool has_listener, bool opens)
{
    struct snapshot *snapshot = worker_case_snapshot(self, has_listener);
    struct worker_socket opened = { .key = listener_key };
    int done_before = self->done_count;

    if (opens) {
        opened.fd = worker_case_listen(&self->bound);
        opened.bound = self->bound;
    }
    struct worker_publication publication = {
        .snapshot = snapshot,
        .opened = &opened,
        .opened_count = opens,
        .closed = &listener_key,
        .closed_count = !has_listener,
        .on_done = worker_case_on_done,
        .owner = self,
    };
    worker_publish(self->worker, &publication);
    RUN_UNTIL(self->loop, self->done_count > done_before);
    assert_false(snapshot_unref(snapshot));
}

void worker_case_init(struct worker_case *self)
{
    struct err err = { 0 };

    memset(self, 0, sizeof(*self));
    self->loop = loop_new(&err);
    assert_non_null(self->loop);
    temp_dir_init(&self->dir);
    self->options = (struct worker_options){
        .client_limits = { .max_header_bytes = 16384,
                           .max_headers = 100,
                           .max_streams = 100,
                           .stream_window_bytes = 65536 },
        .handshake_timeout_ms = 10000,
        .path_normalization = PATH_NORMALIZATION_BASE,
        .control_loop = self->loop,
        .release_snapshot = worker_case_on_release,
        .owner = self,
    };
}

void worker_case_start(struct worker_case *self, const char *log_format)
{
    char *path = temp_dir_path(&self->dir, "access");
    struct err err = { 0 };

    if (log_format != NULL) {
        assert_true(log_writer_start(&err));
        assert_true(access_log_open(&self->options.access_log, path, log_format, &err));
    }
    mem_free(path);
    self->worker = worker_start(&self->options, 0, &err);
    assert_non_null(self->worker);
    worker_case_publish(self, true, true);
}

void worker_case_reload(struct worker_case *self, bool has_listener)
{
    worker_case_publish(self, has_listener, false);
}

void worker_case_wait_for_end(struct worker_case *self)
{
    RUN_UNTIL(self->loop, worker_active_count(self->worker) == 0);
}

void worker_case_stop(struct worker_case *self)
{
    worker_stop(self->worker);
    self->worker = NULL;
    loop_run_once(self->loop, 0);
    access_log_close(self->options.access_log);
    self->options.access_log = NULL;
    log_writer_stop();
}

void worker_case_assert_logged(struct worker_case *self, const char *lines)
{
    struct text log = { 0 };

    worker_case_stop(self);
    assert_true(temp_dir_read(&self->dir, "access", &log));
    if (!str_equals(text_view(&log), str_from_cstr(lines))) {
        fail_msg("%.*s, not %s", STR_ARG(text_view(&log)), lines);
    }
    text_cleanup(&log);
}

void worker_case_cleanup(struct worker_case *self)
{
    worker_case_stop(self);
    assert_int_equal(snapshot_live_count(), 0);
    loop_free(self->loop);
    temp_dir_cleanup(&self->dir);
    metrics_cleanup();
}

/* --- Sockets ---------------------------------------------------------------------------------- */

static void worker_case_set_deadline(int fd)
{
    struct timeval deadline = { .tv_sec = WORKER_CASE_DEADLINE_S };

    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof(deadline)), 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &deadline, sizeof(deadline)), 0);
}

int worker_case_listen(struct address *bound)
{
    struct err err = { 0 };
    int fd;

    assert_true(address_parse(STR("127.0.0.1"), 0, bound));
    assert_true(listener_bind(bound, &fd, 1, &err));
    return fd;
}

int worker_case_connect(const struct worker_case *self)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, &self->bound.sockaddr, self->bound.len), 0);
    worker_case_set_deadline(fd);
    return fd;
}

int worker_case_accept(int listening_fd)
{
    assert_int_equal(fcntl(listening_fd, F_SETFL, 0), 0); /* listener_bind() made it non-blocking */
    worker_case_set_deadline(listening_fd);
    int fd = accept4(listening_fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(fd >= 0);
    worker_case_set_deadline(fd);
    return fd;
}

void worker_case_say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

void worker_case_expect(int fd, const char *text)
{
    char bytes[512];
    size_t len = strlen(text);

    assert_true(len <= sizeof(bytes));
    assert_int_equal(recv(fd, bytes, len, MSG_WAITALL), len);
    assert_memory_equal(bytes, text, len);
}

void worker_case_expect_end(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), 0);
}

void worker_case_expect_reset(int fd)
{
    char byte;

    assert_int_equal(recv(fd, &byte, 1, 0), -1);
    assert_int_equal(errno, ECONNRESET);
}

void worker_case_close(int *fd)
{
    if (*fd != -1) {
        (void)close(*fd);
        *fd = -1;
    }
}

void worker_case_reset(int *fd)
{
    struct linger linger = { .l_onoff = 1 };

    assert_int_equal(setsockopt(*fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
    worker_case_close(fd);
}
