#include "perf/tools/poller.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <time.h>

#define BATCH 512
#define NS_PER_S INT64_C(1000000000)

static int epoll_fd = -1;

void poller_open(void)
{
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0) {
        perror("epoll_create1");
        exit(2);
    }
    /* The default slack of 50 us would show in the latencies of an open loop. */
    (void)prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

bool poller_add(int fd, struct watch *watch)
{
    struct epoll_event event = {
        .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
        .data = { .ptr = watch },
    };

    return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

int poller_turn(int64_t timeout_ns)
{
    static struct epoll_event events[BATCH];
    struct timespec timeout = { .tv_sec = timeout_ns / NS_PER_S, .tv_nsec = timeout_ns % NS_PER_S };
    int count = epoll_pwait2(epoll_fd, events, BATCH, timeout_ns < 0 ? NULL : &timeout, NULL);

    if (count < 0) {
        if (errno != EINTR) {
            perror("epoll_pwait2");
            exit(2);
        }
        return 0;
    }
    for (int i = 0; i < count; i++) {
        struct watch *watch = events[i].data.ptr;
        watch->ready(watch, events[i].events);
    }
    return count;
}

uint64_t poller_now_ns(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * (uint64_t)NS_PER_S + (uint64_t)now.tv_nsec;
}
