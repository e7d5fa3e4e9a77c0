/* process: limits and protections of the process as a whole. Control thread, first thing. */
#include "gateway/daemon/process.h"

#include "gateway/base/limits.h"
#include "gateway/net/pipe_cache.h"

#include <signal.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

/* A limit of millions only costs the kernel's table; nobody has that many connections on one host. */
enum { PROCESS_DESCRIPTORS_MAX = 1024 * 1024, PROCESS_WORKER_DESCRIPTORS = 16 };

static bool process_raise_descriptor_limit(struct err *err)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1) {
        err_errno(err, "cannot read the descriptor limit");
        return false;
    }
    rlim_t wanted =
        limit.rlim_max < PROCESS_DESCRIPTORS_MAX ? limit.rlim_max : PROCESS_DESCRIPTORS_MAX;
    if (limit.rlim_cur >= wanted) {
        return true;
    }
    limit.rlim_cur = wanted;
    if (setrlimit(RLIMIT_NOFILE, &limit) == -1) {
        err_errno(err, "cannot raise the descriptor limit");
        return false;
    }
    return true;
}

/* A core file or a debugger of the same user would show private keys. */
static bool process_forbid_dumps(struct err *err)
{
    const struct rlimit none = { 0, 0 };

    if (setrlimit(RLIMIT_CORE, &none) == -1 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == -1) {
        err_errno(err, "cannot forbid core dumps");
        return false;
    }
    return true;
}

bool process_prepare(struct err *err)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };

    (void)umask(027); /* cannot fail */
    if (sigaction(SIGPIPE, &ignore, NULL) == -1) {
        err_errno(err, "cannot ignore SIGPIPE");
        return false;
    }
    return process_raise_descriptor_limit(err) && process_forbid_dumps(err);
}

size_t process_descriptor_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) == -1 || limit.rlim_cur == RLIM_INFINITY) {
        return PROCESS_DESCRIPTORS_MAX;
    }
    return (size_t)limit.rlim_cur;
}

size_t process_connection_limit(size_t descriptors, size_t workers)
{
    /* Each worker has an epoll, a wake-up and DNS sockets beside its listeners, and its pipes. */
    size_t reserved = RESERVED_DESCRIPTORS +
                      (PROCESS_WORKER_DESCRIPTORS + 2 * pipe_cache_limit(descriptors)) * workers;

    if (descriptors <= 2 * reserved) {
        return descriptors / 4 + 1;
    }
    return (descriptors - reserved) / 2;
}
