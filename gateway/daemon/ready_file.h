/* ready_file: one line per listening socket, `NAME ADDRESS PORT`, for scripts that must know the ports
 * the kernel picked. Put in place by rename, so a reader sees all of it or nothing. */
#ifndef GATEWAY_DAEMON_READY_FILE_H
#define GATEWAY_DAEMON_READY_FILE_H

#include "gateway/base/text.h"
#include "gateway/net/address.h"

/* Appends one line. */
void ready_file_add_line(struct text *lines, const char *name, const struct address *address);
bool ready_file_write(const char *path, struct str lines, struct err *err);
/* What an earlier life left there would mislead. */
void ready_file_remove(const char *path);

#endif
