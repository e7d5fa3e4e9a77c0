/* sockets: loopback sockets of the bench tools, all non-blocking. */
#ifndef PERF_TOOLS_SOCKETS_H
#define PERF_TOOLS_SOCKETS_H

#include <stdint.h>

/* Connections from one source address before the ephemeral ports to one place may run out. */
#define SOCKETS_PER_SOURCE 20000

/* A listener on 127.0.0.1 and a port of the kernel's choice, which goes to *port; -1 with errno. */
int sockets_listen(uint16_t *port);
/* The next waiting connection; -1 with errno (EAGAIN: none). */
int sockets_accept(int listener);
/* A connection to 127.0.0.1:port under way; -1 with errno. `source` 0 leaves the source address to
 * the kernel, n takes 127.0.0.(n + 1): more connections than one address has ports. */
int sockets_connect(uint16_t port, unsigned source);
/* Takes as many descriptors as the system lets us, returns how many. */
uint64_t sockets_raise_limit(void);

#endif
