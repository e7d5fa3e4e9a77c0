/* hosts_file: names and addresses of /etc/hosts, read again when the file changed. Owned by one
 * resolver, in its thread. */
#ifndef GATEWAY_NET_HOSTS_FILE_H
#define GATEWAY_NET_HOSTS_FILE_H

#include "gateway/base/text.h"
#include "gateway/net/address.h"

#include <sys/stat.h>

struct hosts_file {
    const char *path; /* a literal */
    struct text text; /* what was read last */
    struct stat status;
    bool is_read;
};

void hosts_file_init(struct hosts_file *hosts, const char *path);
void hosts_file_cleanup(struct hosts_file *hosts);
/* Addresses of `name` (ASCII case ignored, one trailing dot too), at most `capacity`. "localhost"
 * and what ends in ".localhost" always have some (RFC 6761 6.3). */
size_t hosts_file_find(struct hosts_file *hosts, struct str name, struct address *addresses,
                       size_t capacity);

#endif
