/* cgroup: what our cgroup allows, version 2 or 1: found by /proc/self/cgroup, read from the mounted
 * hierarchy. Control thread, at start. */
#ifndef GATEWAY_DAEMON_CGROUP_H
#define GATEWAY_DAEMON_CGROUP_H

#include "gateway/base/str.h"

enum { CGROUP_FILE_BYTES = 4096 };

/* The limit that one directory of a hierarchy sets; 0: none. */
typedef uint64_t (*cgroup_limit_fn)(const char *directory);

/* The smallest limit from our own group up to `root`, where the hierarchy is mounted: a parent's
 * binds as well. `controller` is "" for version 2. 0: none. */
uint64_t cgroup_limit(const char *root, struct str controller, cgroup_limit_fn limit_in);
/* A file in a directory, without blanks around it; empty when it cannot be read. */
struct str cgroup_read(const char *directory, const char *file, char buffer[CGROUP_FILE_BYTES]);
/* Pure part, for tests. Our group in /proc/self/cgroup for a controller; ptr NULL: none. */
struct str cgroup_path(struct str proc_self_cgroup, struct str controller);

#endif
