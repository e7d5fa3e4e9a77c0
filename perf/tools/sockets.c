#include "perf/tools/sockets.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

static struct sockaddr_in sockets_loopback(uint16_t port, unsigned source)
{
    return (struct sockaddr_in){
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr = { .s_addr = htonl(INADDR_LOOPBACK + source) },
    };
}

static bool sockets_set(int fd, int level, int option)
{
    int one = 1;

    return setsockopt(fd, level, option, &one, sizeof(one)) == 0;
}

static int sockets_fail(int fd)
{
    int code = errno;

    (void)close(fd);
    errno = code;
    return -1;
}

int sockets_listen(uint16_t *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = sockets_loopback(0, 0);
    socklen_t len = sizeof(address);

    if (fd < 0) {
        return -1;
    }
    /* Linux hands TCP_NODELAY on to what is accepted. */
    if (!sockets_set(fd, IPPROTO_TCP, TCP_NODELAY) ||
        bind(fd, (struct sockaddr *)&address, len) != 0 || listen(fd, BACKLOG) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0) {
        return sockets_fail(fd);
    }
    *port = ntohs(address.sin_port);
    return fd;
}

int sockets_accept(int listener)
{
    int fd;

    do {
        fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    } while (fd < 0 && (errno == EINTR || errno == ECONNABORTED));
    return fd;
}

int sockets_connect(uint16_t port, unsigned source)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = sockets_loopback(port, 0);

    if (fd < 0) {
        return -1;
    }
    if (!sockets_set(fd, IPPROTO_TCP, TCP_NODELAY)) {
        return sockets_fail(fd);
    }
    if (source > 0) {
        struct sockaddr_in from = sockets_loopback(0, source);

        /* The port is chosen at connect(), when the other end is known: one port serves many. */
        if (!sockets_set(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT) ||
            bind(fd, (struct sockaddr *)&from, sizeof(from)) != 0) {
            return sockets_fail(fd);
        }
    }
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 && errno != EINPROGRESS) {
        return sockets_fail(fd);
    }
    return fd;
}

uint64_t sockets_raise_limit(void)
{
    struct rlimit limit = { 0 };

    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        (void)setrlimit(RLIMIT_NOFILE, &limit);
        (void)getrlimit(RLIMIT_NOFILE, &limit);
    }
    return limit.rlim_cur;
}
