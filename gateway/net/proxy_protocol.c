/* proxy_protocol: the PROXY protocol header, read and written. Pure: bytes in, addresses out; no
 * allocation, no state between calls. What is not exactly a header is refused: who guesses here lets a
 * client choose its own address. */
#include "gateway/net/proxy_protocol.h"

#include "gateway/base/limits.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

enum {
    PROXY_V1_MAX_BYTES = 107, /* "PROXY UNKNOWN" with two IPv6 addresses, CRLF included */
    PROXY_V2_FIXED_BYTES = 16,
    PROXY_V2_IPV4_BYTES = 12,
    PROXY_V2_IPV6_BYTES = 36,
    PROXY_V2_UNIX_BYTES = 216,
    PROXY_V2_TLV_BYTES = 3, /* type and length */
    PROXY_V2_TYPE_CRC32C = 0x03,
    PROXY_V2_CRC32C_BYTES = 4,
};

/* The two high nibbles and two low ones of the fixed part. */
enum { PROXY_V2_VERSION = 0x2, PROXY_V2_LOCAL = 0x0, PROXY_V2_PROXY = 0x1 };
enum { PROXY_V2_UNSPEC = 0x0, PROXY_V2_INET = 0x1, PROXY_V2_INET6 = 0x2, PROXY_V2_UNIX = 0x3 };
enum { PROXY_V2_STREAM = 0x1, PROXY_V2_DATAGRAM = 0x2 };

static const unsigned char proxy_v2_signature[12] = { '\r', '\n', '\r', '\n', '\0', '\r',
                                                      '\n', 'Q',  'U',  'I',  'T',  '\n' };

/* --- Version 1: a line of text ---------------------------------------------------------------- */

static bool proxy_protocol_parse_port(struct str text, uint16_t *port)
{
    uint32_t value;

    if (text.len == 0 || text.len > 5 || (text.len > 1 && text.ptr[0] == '0') ||
        !str_parse_u32(text, &value) || value > UINT16_MAX) {
        return false;
    }
    *port = (uint16_t)value;
    return true;
}

static bool proxy_protocol_parse_v1_address(struct str host, struct str port_text, int family,
                                            struct address *address)
{
    uint16_t port;

    /* A letter or digit first: no brackets, no other scheme of ours. */
    return host.len > 0 && host.ptr[0] != '[' && proxy_protocol_parse_port(port_text, &port) &&
           address_parse(host, port, address) && address_family(address) == family;
}

/* `line` is what stands between "PROXY " and CRLF. */
static bool proxy_protocol_parse_v1_line(struct str line, struct proxy_protocol_header *header)
{
    struct str fields[6];
    size_t count = 0;

    if (str_equals(line, STR("UNKNOWN")) || str_starts_with(line, STR("UNKNOWN "))) {
        return true; /* whatever follows is to be ignored */
    }
    while (count < 6 && str_split_next(&line, ' ', &fields[count])) {
        count++;
    }
    if (count != 5) {
        return false;
    }
    int family = str_equals(fields[0], STR("TCP4"))   ? AF_INET
                 : str_equals(fields[0], STR("TCP6")) ? AF_INET6
                                                      : AF_UNSPEC;
    header->has_addresses =
        family != AF_UNSPEC &&
        proxy_protocol_parse_v1_address(fields[1], fields[3], family, &header->source) &&
        proxy_protocol_parse_v1_address(fields[2], fields[4], family, &header->destination);
    return header->has_addresses;
}

static enum proxy_protocol_result proxy_protocol_parse_v1(const unsigned char *bytes, size_t len,
                                                          struct proxy_protocol_header *header)
{
    const struct str prefix = STR("PROXY ");
    size_t looked_at = len < PROXY_V1_MAX_BYTES ? len : PROXY_V1_MAX_BYTES;
    const unsigned char *end = memchr(bytes, '\r', looked_at);

    if (end == NULL) {
        return len < PROXY_V1_MAX_BYTES ? PROXY_PROTOCOL_MORE : PROXY_PROTOCOL_MALFORMED;
    }
    size_t line_len = (size_t)(end - bytes);
    if (line_len + 2 > PROXY_V1_MAX_BYTES) {
        return PROXY_PROTOCOL_MALFORMED;
    }
    if (line_len + 1 == len) {
        return PROXY_PROTOCOL_MORE;
    }
    struct str line = str_from((const char *)bytes + prefix.len, line_len - prefix.len);
    if (bytes[line_len + 1] != '\n' || !proxy_protocol_parse_v1_line(line, header)) {
        return PROXY_PROTOCOL_MALFORMED;
    }
    header->version = PROXY_PROTOCOL_V1;
    header->len = line_len + 2;
    return PROXY_PROTOCOL_OK;
}

/* --- Version 2: binary ------------------------------------------------------------------------ */

static uint16_t proxy_protocol_u16(const unsigned char *bytes)
{
    return (uint16_t)(bytes[0] << 8 | bytes[1]);
}

/* CRC-32C (RFC 3720 B.4), four bits a step: a header is short and comes once a connection. */
static uint32_t proxy_protocol_crc32c(uint32_t crc, const unsigned char *bytes, size_t len)
{
    static const uint32_t table[16] = {
        0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3,
        0x61c69362, 0x7198540d, 0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9,
        0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
    };

    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return crc;
}

/* Over the whole header, the checksum itself taken for zeros. */
static bool proxy_protocol_crc_fits(const unsigned char *header, size_t len, size_t crc_at)
{
    static const unsigned char zeros[PROXY_V2_CRC32C_BYTES];
    uint32_t crc = UINT32_MAX;

    crc = proxy_protocol_crc32c(crc, header, crc_at);
    crc = proxy_protocol_crc32c(crc, zeros, sizeof(zeros));
    crc = proxy_protocol_crc32c(crc, header + crc_at + sizeof(zeros), len - crc_at - sizeof(zeros));
    uint32_t told = (uint32_t)proxy_protocol_u16(header + crc_at) << 16 |
                    proxy_protocol_u16(header + crc_at + 2);
    return (crc ^ UINT32_MAX) == told;
}

static bool proxy_protocol_check_tlvs(const unsigned char *header, size_t len, size_t at)
{
    bool has_crc = false;

    while (at < len) {
        if (len - at < PROXY_V2_TLV_BYTES) {
            return false;
        }
        size_t value_len = proxy_protocol_u16(header + at + 1);
        size_t value_at = at + PROXY_V2_TLV_BYTES;
        if (value_len > len - value_at) {
            return false;
        }
        if (header[at] == PROXY_V2_TYPE_CRC32C) {
            if (has_crc || value_len != PROXY_V2_CRC32C_BYTES ||
                !proxy_protocol_crc_fits(header, len, value_at)) {
                return false;
            }
            has_crc = true;
        }
        at = value_at + value_len;
    }
    return true;
}

static void proxy_protocol_take_v2_addresses(const unsigned char *block, unsigned family,
                                             struct proxy_protocol_header *header)
{
    struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
    struct sockaddr_in in4 = { .sin_family = AF_INET };

    if (family == PROXY_V2_INET) {
        memcpy(&in4.sin_addr, block, 4);
        memcpy(&in4.sin_port, block + 8, 2);
        header->source.in4 = in4;
        memcpy(&in4.sin_addr, block + 4, 4);
        memcpy(&in4.sin_port, block + 10, 2);
        header->destination.in4 = in4;
        header->source.len = header->destination.len = sizeof(in4);
    } else {
        memcpy(&in6.sin6_addr, block, 16);
        memcpy(&in6.sin6_port, block + 32, 2);
        header->source.in6 = in6;
        memcpy(&in6.sin6_addr, block + 16, 16);
        memcpy(&in6.sin6_port, block + 34, 2);
        header->destination.in6 = in6;
        header->source.len = header->destination.len = sizeof(in6);
    }
    header->has_addresses = true;
}

/* SIZE_MAX: a family that there is not. */
static size_t proxy_protocol_v2_address_bytes(unsigned family)
{
    switch (family) {
    case PROXY_V2_UNSPEC:
        return 0;
    case PROXY_V2_INET:
        return PROXY_V2_IPV4_BYTES;
    case PROXY_V2_INET6:
        return PROXY_V2_IPV6_BYTES;
    case PROXY_V2_UNIX:
        return PROXY_V2_UNIX_BYTES;
    default:
        return SIZE_MAX;
    }
}

/* A whole header. */
static bool proxy_protocol_take_v2(const unsigned char *bytes, size_t len,
                                   struct proxy_protocol_header *header)
{
    unsigned command = bytes[12] & 15U;
    unsigned family = bytes[13] >> 4;
    unsigned transport = bytes[13] & 15U;
    size_t address_bytes = proxy_protocol_v2_address_bytes(family);

    if (command == PROXY_V2_LOCAL) {
        return true; /* the balancer's own connection: the block and its family are ignored */
    }
    if (command != PROXY_V2_PROXY || transport > PROXY_V2_DATAGRAM ||
        address_bytes > len - PROXY_V2_FIXED_BYTES) {
        return false;
    }
    if (family == PROXY_V2_UNSPEC) {
        return true; /* nobody knows where addresses would end and TLVs begin */
    }
    if (!proxy_protocol_check_tlvs(bytes, len, PROXY_V2_FIXED_BYTES + address_bytes)) {
        return false;
    }
    /* Datagrams did not come this way, and a path is no client's address. */
    if (transport == PROXY_V2_STREAM && family != PROXY_V2_UNIX) {
        proxy_protocol_take_v2_addresses(bytes + PROXY_V2_FIXED_BYTES, family, header);
    }
    return true;
}

static enum proxy_protocol_result proxy_protocol_parse_v2(const unsigned char *bytes, size_t len,
                                                          struct proxy_protocol_header *header)
{
    /* Told as soon as it shows: nobody waits for the rest of what is refused. */
    if (len > 12 && bytes[12] >> 4 != PROXY_V2_VERSION) {
        return PROXY_PROTOCOL_MALFORMED;
    }
    if (len < PROXY_V2_FIXED_BYTES) {
        return PROXY_PROTOCOL_MORE;
    }
    size_t whole = PROXY_V2_FIXED_BYTES + (size_t)proxy_protocol_u16(bytes + 14);
    if (whole > LIMIT_PROXY_HEADER_BYTES) {
        return PROXY_PROTOCOL_MALFORMED;
    }
    if (len < whole) {
        return PROXY_PROTOCOL_MORE;
    }
    if (!proxy_protocol_take_v2(bytes, whole, header)) {
        return PROXY_PROTOCOL_MALFORMED;
    }
    header->version = PROXY_PROTOCOL_V2;
    header->len = whole;
    return PROXY_PROTOCOL_OK;
}

/* --- Either ----------------------------------------------------------------------------------- */

static bool proxy_protocol_begins(const unsigned char *bytes, size_t len, const void *start,
                                  size_t start_len)
{
    return memcmp(bytes, start, len < start_len ? len : start_len) == 0;
}

enum proxy_protocol_result proxy_protocol_parse(const unsigned char *bytes, size_t len,
                                                struct proxy_protocol_header *header)
{
    static const char v1_start[] = { 'P', 'R', 'O', 'X', 'Y', ' ' };

    memset(header, 0, sizeof(*header));
    if (len == 0) {
        return PROXY_PROTOCOL_MORE;
    }
    if (proxy_protocol_begins(bytes, len, proxy_v2_signature, sizeof(proxy_v2_signature))) {
        return proxy_protocol_parse_v2(bytes, len, header);
    }
    if (!proxy_protocol_begins(bytes, len, v1_start, sizeof(v1_start))) {
        return PROXY_PROTOCOL_ABSENT;
    }
    if (len < sizeof(v1_start)) {
        return PROXY_PROTOCOL_MORE;
    }
    return proxy_protocol_parse_v1(bytes, len, header);
}

/* --- Writing ---------------------------------------------------------------------------------- */

/* AF_UNSPEC: not two addresses of one IP family. */
static int proxy_protocol_common_family(const struct address *source,
                                        const struct address *destination)
{
    int family = source->len != 0 ? address_family(source) : AF_UNSPEC;

    if ((family != AF_INET && family != AF_INET6) || destination->len == 0 ||
        address_family(destination) != family) {
        return AF_UNSPEC;
    }
    return family;
}

static size_t proxy_protocol_write_v1(unsigned char out[PROXY_PROTOCOL_WRITE_BYTES], int family,
                                      const struct address *source,
                                      const struct address *destination)
{
    char from[ADDRESS_TEXT_BYTES];
    char to[ADDRESS_TEXT_BYTES];

    if (family == AF_UNSPEC) {
        const struct str line = STR("PROXY UNKNOWN\r\n");
        memcpy(out, line.ptr, line.len);
        return line.len;
    }
    struct str from_text = address_print_host(source, from);
    struct str to_text = address_print_host(destination, to);
    int len = snprintf((char *)out, PROXY_PROTOCOL_WRITE_BYTES, "PROXY %s %.*s %.*s %u %u\r\n",
                       family == AF_INET ? "TCP4" : "TCP6", STR_ARG(from_text), STR_ARG(to_text),
                       (unsigned)address_port(source), (unsigned)address_port(destination));
    return (size_t)len; /* 104 bytes at most: TCP6, two addresses of 39, two ports of 5 */
}

static size_t proxy_protocol_write_v2(unsigned char out[PROXY_PROTOCOL_WRITE_BYTES], int family,
                                      const struct address *source,
                                      const struct address *destination)
{
    unsigned char *block = out + PROXY_V2_FIXED_BYTES;
    unsigned char block_len = 0;
    unsigned family_nibble = PROXY_V2_UNSPEC;

    if (family == AF_INET) {
        family_nibble = PROXY_V2_INET;
        block_len = PROXY_V2_IPV4_BYTES;
        memcpy(block, &source->in4.sin_addr, 4);
        memcpy(block + 4, &destination->in4.sin_addr, 4);
        memcpy(block + 8, &source->in4.sin_port, 2);
        memcpy(block + 10, &destination->in4.sin_port, 2);
    } else if (family == AF_INET6) {
        family_nibble = PROXY_V2_INET6;
        block_len = PROXY_V2_IPV6_BYTES;
        memcpy(block, &source->in6.sin6_addr, 16);
        memcpy(block + 16, &destination->in6.sin6_addr, 16);
        memcpy(block + 32, &source->in6.sin6_port, 2);
        memcpy(block + 34, &destination->in6.sin6_port, 2);
    }
    memcpy(out, proxy_v2_signature, sizeof(proxy_v2_signature));
    out[12] = PROXY_V2_VERSION << 4 | PROXY_V2_PROXY;
    out[13] = family == AF_UNSPEC ? 0 : (unsigned char)(family_nibble << 4 | PROXY_V2_STREAM);
    out[14] = 0;
    out[15] = block_len;
    return PROXY_V2_FIXED_BYTES + (size_t)block_len;
}

size_t proxy_protocol_write(unsigned char out[PROXY_PROTOCOL_WRITE_BYTES],
                            enum proxy_protocol_version version, const struct address *source,
                            const struct address *destination)
{
    int family = proxy_protocol_common_family(source, destination);

    switch (version) {
    case PROXY_PROTOCOL_V1:
        return proxy_protocol_write_v1(out, family, source, destination);
    case PROXY_PROTOCOL_V2:
        return proxy_protocol_write_v2(out, family, source, destination);
    case PROXY_PROTOCOL_NONE:
        break;
    }
    return 0;
}
