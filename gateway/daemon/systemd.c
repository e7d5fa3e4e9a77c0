/* systemd: notifications by datagram, without a library for it. A lost one is lost: the manager has
 * its own deadlines. Control thread. */
#include "gateway/daemon/systemd.h"

#include "gateway/base/now.h"
#include "gateway/base/str.h"
#include "gateway/base/text.h"

#include <inttypes.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static bool systemd_connect(struct systemd *systemd, const char *path, struct err *err)
{
    struct sockaddr_un address = { .sun_family = AF_UNIX };
    size_t len = strlen(path);

    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof(address.sun_path)) {
        err_set(err, ERR_INPUT, "NOTIFY_SOCKET=%s names no unix socket", path);
        return false;
    }
    memcpy(address.sun_path, path, len);
    if (path[0] == '@') {
        address.sun_path[0] = '\0'; /* an abstract name */
    }
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (fd == -1 || connect(fd, (const struct sockaddr *)&address, address_len) == -1) {
        err_errno(err, "cannot reach the service manager at %s", path);
        if (fd != -1) {
            (void)close(fd); /* the first error is the one worth telling */
        }
        return false;
    }
    systemd->fd = fd;
    return true;
}

bool systemd_init(struct systemd *systemd, const char *notify_socket, const char *watchdog_us,
                  const char *watchdog_pid, struct err *err)
{
    uint64_t interval_us = 0;
    uint64_t pid = 0;

    *systemd = (struct systemd){ .fd = -1 };
    if (notify_socket == NULL || notify_socket[0] == '\0') {
        return true;
    }
    if (!systemd_connect(systemd, notify_socket, err)) {
        return false;
    }
    bool is_ours = watchdog_pid == NULL ||
                   (str_parse_u64(str_from_cstr(watchdog_pid), &pid) && pid == (uint64_t)getpid());
    if (watchdog_us != NULL && is_ours && str_parse_u64(str_from_cstr(watchdog_us), &interval_us)) {
        /* Half of what the manager waits, as its manual advises. */
        systemd->watchdog_interval_ms = interval_us / 2000;
    }
    return true;
}

void systemd_cleanup(struct systemd *systemd)
{
    if (systemd->fd != -1) {
        (void)close(systemd->fd); /* nothing is buffered */
    }
    systemd->fd = -1;
}

static void systemd_send(struct systemd *systemd, const struct text *message)
{
    if (systemd->fd != -1) {
        /* A manager that does not read is not worth waiting for. */
        (void)send(systemd->fd, message->ptr, message->len, MSG_NOSIGNAL);
    }
}

static void systemd_send_status(struct systemd *systemd, const char *state, const char *status)
{
    struct text message = { 0 };

    text_printf(&message, "%s\nSTATUS=", state);
    text_add_escaped(&message, str_from_cstr(status), false);
    systemd_send(systemd, &message);
    text_cleanup(&message);
}

void systemd_ready(struct systemd *systemd, const char *status)
{
    systemd_send_status(systemd, "READY=1", status);
}

void systemd_reloading(struct systemd *systemd)
{
    struct text message = { 0 };

    text_printf(&message, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_mono_fresh_us());
    systemd_send(systemd, &message);
    text_cleanup(&message);
}

void systemd_stopping(struct systemd *systemd, const char *status)
{
    systemd_send_status(systemd, "STOPPING=1", status);
}

void systemd_watchdog(struct systemd *systemd)
{
    struct text message = { 0 };

    text_add_cstr(&message, "WATCHDOG=1");
    systemd_send(systemd, &message);
    text_cleanup(&message);
}
