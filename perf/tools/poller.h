/* poller: epoll for the bench tools, edge-triggered, one thread.
 * A descriptor is added once for reading and writing and never changed: a tool that shares its core
 * with another must not pay for more. Who is told "ready" reads until there is nothing more. */
#ifndef PERF_TOOLS_POLLER_H
#define PERF_TOOLS_POLLER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Part of whoever waits. `ready` gets the EPOLL* bits; the watch must stay until the turn is over,
 * because another watch of the same turn may have been told to close it. */
struct watch {
    void (*ready)(struct watch *watch, uint32_t events);
};

#define POLLER_FOREVER (-1)

/* Ends the process when epoll is refused. */
void poller_open(void);
/* False: errno says why. A closed descriptor leaves by itself. */
bool poller_add(int fd, struct watch *watch);
/* Waits `timeout_ns` at most and serves what is ready; returns how many were. */
int poller_turn(int64_t timeout_ns);
/* Monotonic nanoseconds, fresh. */
uint64_t poller_now_ns(void);

#endif
