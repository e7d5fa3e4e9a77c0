/* systemd: tells the service manager how we are (the sd_notify protocol: one datagram of VARIABLE=value
 * lines to $NOTIFY_SOCKET). Does nothing when nobody asked for it. Control thread. */
#ifndef GATEWAY_DAEMON_SYSTEMD_H
#define GATEWAY_DAEMON_SYSTEMD_H

#include "gateway/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct systemd {
    int fd;                        /* -1: nobody listens */
    uint64_t watchdog_interval_ms; /* how often to call systemd_watchdog(); 0: not asked for */
};

/* NULL texts are what getenv gives for unset variables. A broken NOTIFY_SOCKET is an error to tell, not
 * to end for: *systemd is usable either way. WATCHDOG_PID of another process: no watchdog. */
bool systemd_init(struct systemd *systemd, const char *notify_socket, const char *watchdog_us,
                  const char *watchdog_pid, struct err *err);
void systemd_cleanup(struct systemd *systemd);
/* READY=1 with STATUS; also the end of a reload. */
void systemd_ready(struct systemd *systemd, const char *status);
/* RELOADING=1 with MONOTONIC_USEC, which systemd 253 and later want. */
void systemd_reloading(struct systemd *systemd);
void systemd_stopping(struct systemd *systemd, const char *status);
void systemd_watchdog(struct systemd *systemd);

#endif
