/* proxy_protocol: the PROXY protocol header (HAProxy, "The PROXY protocol", versions 1 and 2): who the
 * client is, told in front of the connection's first byte. Pure. Nothing of it is trusted but from
 * configured ranges; that is proxy/client_proxy.c's to decide. */
#ifndef GATEWAY_NET_PROXY_PROTOCOL_H
#define GATEWAY_NET_PROXY_PROTOCOL_H

#include "gateway/net/address.h"

#include <stddef.h>

enum proxy_protocol_version { PROXY_PROTOCOL_NONE, PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

enum proxy_protocol_result {
    PROXY_PROTOCOL_OK,
    PROXY_PROTOCOL_MORE,      /* not complete yet */
    PROXY_PROTOCOL_ABSENT,    /* the first bytes are of something else */
    PROXY_PROTOCOL_MALFORMED, /* begins as a header, and is none; or longer than the limit */
};

struct proxy_protocol_header {
    size_t len; /* of the header: what follows is the connection's own */
    enum proxy_protocol_version version;
    /* v1 UNKNOWN, v2 LOCAL or AF_UNSPEC: the socket's own addresses are meant. */
    bool has_addresses;
    struct address source;
    struct address destination;
};

/* v1: 107 bytes at most. v2: LIMIT_PROXY_HEADER_BYTES with its TLVs, whose lengths must fit; a TLV of
 * kind PP2_TYPE_CRC32C is checked. */
enum proxy_protocol_result proxy_protocol_parse(const unsigned char *bytes, size_t len,
                                                struct proxy_protocol_header *header);

/* The longest header written here. */
enum { PROXY_PROTOCOL_WRITE_BYTES = 108 };
/* Addresses that are not of one IP family are told as UNKNOWN (v1) or AF_UNSPEC (v2). Returns the
 * length. */
size_t proxy_protocol_write(unsigned char out[PROXY_PROTOCOL_WRITE_BYTES],
                            enum proxy_protocol_version version, const struct address *source,
                            const struct address *destination);

#endif
