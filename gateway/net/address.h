/* address: socket addresses (IPv4, IPv6, unix) and CIDR ranges: parse, print, compare. */
#ifndef GATEWAY_NET_ADDRESS_H
#define GATEWAY_NET_ADDRESS_H

#include "gateway/base/err.h"
#include "gateway/base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

enum { ADDRESS_TEXT_BYTES = 120 };

struct address {
    socklen_t len; /* 0: none */
    union {
        struct sockaddr sockaddr;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct sockaddr_un un;
    };
};

/* An address at rest with a connection, a quarter as large: only a path of a unix socket, which few
 * have, takes memory of its own. Zeroed: none. */
struct address_kept {
    union {
        sa_family_t family;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
        struct {
            sa_family_t family_too;
            struct address *whole;
        } other;
    };
};
void address_keep(struct address_kept *kept, const struct address *address);
struct address address_recall(const struct address_kept *kept);
void address_kept_cleanup(struct address_kept *kept);

/* "10.0.0.1", "::1", "[::1]", "unix:///path", "unix://@abstract"; no names. */
bool address_parse(struct str text, uint16_t port, struct address *address);
/* "10.0.0.1:80", "[::1]:80", ":80" (all IPv4 addresses). */
bool address_parse_with_port(struct str text, struct address *address, struct err *err);
bool address_is_ip_literal(struct str text);
int address_family(const struct address *address);
uint16_t address_port(const struct address *address); /* 0 for unix */
void address_set_port(struct address *address, uint16_t port);
/* "10.0.0.1:80", "[::1]:80", "unix:///path"; returns the view of `out`. */
struct str address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES]);
/* Without port or brackets. */
struct str address_print_host(const struct address *address, char out[ADDRESS_TEXT_BYTES]);
bool address_equals(const struct address *a, const struct address *b);
bool address_is_loopback(const struct address *address);
bool address_from_sockaddr(struct address *address, const struct sockaddr *sockaddr, socklen_t len);

struct cidr {
    struct address base;
    unsigned prefix_bits;
};
/* "10.0.0.0/8" or a plain address (all bits). Host bits beyond the prefix must be zero. */
bool cidr_parse(struct str text, struct cidr *cidr);
bool cidr_contains(const struct cidr *cidr, const struct address *address);

#endif
