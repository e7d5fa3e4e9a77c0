/* worker_case: a worker in its own thread with one listener on loopback; the test is the control thread,
 * the client and, where it wants to be, the upstream. Sockets block with a deadline: nothing sleeps. */
#ifndef TESTS_UNIT_SUPPORT_WORKER_CASE_H
#define TESTS_UNIT_SUPPORT_WORKER_CASE_H

#include "gateway/proxy/worker.h"
#include "tests/unit/support/temp_dir.h"

struct worker_case {
    struct loop *loop; /* the control thread's */
    struct worker_options options;
    struct worker *worker;
    /* What is published; a route table or a TCP route, and one cluster or none. */
    struct route_table *routes;
    const struct tcp_route *tcp;
    struct cluster_config *cluster;
    struct address bound; /* where the listener is */
    struct temp_dir dir;
    uint64_t revision;
    int released_count;
    int done_count;
};

void worker_case_init(struct worker_case *self);
/* Starts the thread and publishes. `log_format` NULL: no access log. */
void worker_case_start(struct worker_case *self, const char *log_format);
/* A further snapshot, with or without the listener. */
void worker_case_reload(struct worker_case *self, bool has_listener);
int worker_case_released(const struct worker_case *self);
/* All clients are gone. */
void worker_case_wait_for_end(struct worker_case *self);
void worker_case_stop(struct worker_case *self);
/* Stops, and compares the access log with `lines`. */
void worker_case_assert_logged(struct worker_case *self, const char *lines);
/* Stops what still runs. */
void worker_case_cleanup(struct worker_case *self);

/* Somewhere on loopback. */
int worker_case_listen(struct address *bound);
int worker_case_connect(const struct worker_case *self);
int worker_case_accept(int listening_fd);
void worker_case_say(int fd, const char *text);
/* Exactly these bytes come next; the end; a reset. */
void worker_case_expect(int fd, const char *text);
void worker_case_expect_end(int fd);
void worker_case_expect_reset(int fd);
/* Closes and forgets; -1 is accepted. */
void worker_case_close(int *fd);
void worker_case_reset(int *fd);

#endif
