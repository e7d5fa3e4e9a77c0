/* memory: how much of it this process has, and how much its cgroup allows. Control thread. */
#ifndef GATEWAY_DAEMON_MEMORY_H
#define GATEWAY_DAEMON_MEMORY_H

#include "gateway/base/str.h"

/* The cgroup's limit (version 2 or 1), bytes; 0: none. */
uint64_t memory_limit(void);
/* Resident bytes of this process; 0: cannot be read. */
uint64_t memory_resident(void);
/* Pure parts, for tests. */
uint64_t memory_limit_of(struct str text); /* "max", or bytes; what stands for "none" is 0 */
uint64_t memory_resident_of(struct str statm, uint64_t page_bytes);

#endif
