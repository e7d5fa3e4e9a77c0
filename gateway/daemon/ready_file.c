/* ready_file: the addresses we serve on, for scripts. Control thread. */
#include "gateway/daemon/ready_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

void ready_file_add_line(struct text *lines, const char *name, const struct address *address)
{
    char host[ADDRESS_TEXT_BYTES];

    struct str view = address_print_host(address, host);
    text_printf(lines, "%s %.*s %u\n", name, STR_ARG(view), address_port(address));
}

static bool ready_file_write_all(int fd, struct str bytes)
{
    while (bytes.len != 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written <= 0) {
            return false;
        }
        bytes = str_skip(bytes, (size_t)written);
    }
    return true;
}

bool ready_file_write(const char *path, struct str lines, struct err *err)
{
    struct text temporary = { 0 };

    text_printf(&temporary, "%s.new", path);
    int fd = open(temporary.ptr, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
    /* Ports are no secret, and the script may run as another user: not by the umask. */
    bool is_good = fd != -1 && fchmod(fd, 0644) == 0 && ready_file_write_all(fd, lines) &&
                   rename(temporary.ptr, path) == 0;
    if (!is_good) {
        err_errno(err, "cannot write the ready file %s", path);
    }
    if (fd != -1) {
        (void)close(fd); /* written or reported above */
    }
    text_cleanup(&temporary);
    return is_good;
}

void ready_file_remove(const char *path)
{
    (void)unlink(path); /* absent is what is wanted */
}
