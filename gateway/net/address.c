/* address: socket addresses and CIDR ranges. Pure; values only, but for what address_keep() owns. */
#include "gateway/net/address.h"

#include "gateway/base/mem.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct str UNIX_SCHEME = STR_INIT("unix://");

static bool address_parse_unix(struct str path, struct address *address)
{
    struct sockaddr_un un = { .sun_family = AF_UNIX };

    /* One byte stays for the terminating NUL; an abstract name has its NUL in front. */
    if (path.len == 0 || path.len >= sizeof(un.sun_path) || str_find_char(path, '\0') != SIZE_MAX) {
        return false;
    }
    memcpy(un.sun_path, path.ptr, path.len);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + path.len + 1);
    if (path.ptr[0] == '@') {
        if (path.len == 1) {
            return false;
        }
        un.sun_path[0] = '\0';
        len--;
    } else if (path.ptr[0] != '/') {
        return false;
    }
    memset(address, 0, sizeof(*address));
    address->un = un;
    address->len = len;
    return true;
}

bool address_parse(struct str text, uint16_t port, struct address *address)
{
    char copy[INET6_ADDRSTRLEN];
    struct address parsed = { 0 };

    if (str_starts_with(text, UNIX_SCHEME)) {
        return address_parse_unix(str_skip(text, UNIX_SCHEME.len), address);
    }
    bool has_brackets = text.len >= 2 && text.ptr[0] == '[' && text.ptr[text.len - 1] == ']';
    if (has_brackets) {
        text = str_slice(text, 1, text.len - 2);
    }
    if (text.len == 0 || text.len >= sizeof(copy) || str_find_char(text, '\0') != SIZE_MAX) {
        return false;
    }
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    if (!has_brackets && inet_pton(AF_INET, copy, &parsed.in4.sin_addr) == 1) {
        parsed.in4.sin_family = AF_INET;
        parsed.in4.sin_port = htons(port);
        parsed.len = sizeof(parsed.in4);
    } else if (inet_pton(AF_INET6, copy, &parsed.in6.sin6_addr) == 1) {
        parsed.in6.sin6_family = AF_INET6;
        parsed.in6.sin6_port = htons(port);
        parsed.len = sizeof(parsed.in6);
    } else {
        return false;
    }
    *address = parsed;
    return true;
}

bool address_parse_with_port(struct str text, struct address *address, struct err *err)
{
    uint32_t port = 0;

    if (str_starts_with(text, UNIX_SCHEME)) {
        if (!address_parse(text, 0, address)) {
            err_set(err, ERR_INPUT,
                    "\"%.*s\" is no unix address; write unix:///path or unix://@name",
                    STR_ARG(text));
            return false;
        }
        return true;
    }
    size_t colon = str_find_last_char(text, ':');
    if (colon == SIZE_MAX || !str_parse_u32(str_skip(text, colon + 1), &port) || port > 65535) {
        err_set(err, ERR_INPUT, "\"%.*s\" has no port from 0 to 65535; write ADDRESS:PORT",
                STR_ARG(text));
        return false;
    }
    struct str host = str_slice(text, 0, colon);
    if (host.len == 0) {
        host = STR("0.0.0.0");
    } else if (host.ptr[0] != '[' && str_find_char(host, ':') != SIZE_MAX) {
        err_set(err, ERR_INPUT, "\"%.*s\": an IPv6 address goes in brackets, as in [::1]:80",
                STR_ARG(text));
        return false;
    }
    if (!address_parse(host, (uint16_t)port, address)) {
        err_set(err, ERR_INPUT, "\"%.*s\" does not begin with an IP address", STR_ARG(text));
        return false;
    }
    return true;
}

bool address_is_ip_literal(struct str text)
{
    struct address parsed;

    return address_parse(text, 0, &parsed) && address_family(&parsed) != AF_UNIX;
}

int address_family(const struct address *address)
{
    return address->len == 0 ? AF_UNSPEC : address->sockaddr.sa_family;
}

uint16_t address_port(const struct address *address)
{
    switch (address_family(address)) {
    case AF_INET:
        return ntohs(address->in4.sin_port);
    case AF_INET6:
        return ntohs(address->in6.sin6_port);
    default:
        return 0;
    }
}

void address_set_port(struct address *address, uint16_t port)
{
    if (address_family(address) == AF_INET) {
        address->in4.sin_port = htons(port);
    } else if (address_family(address) == AF_INET6) {
        address->in6.sin6_port = htons(port);
    }
}

/* The path, or "@name"; a socket that was never bound has neither. */
static size_t address_print_unix(const struct address *address, char *out, size_t size)
{
    size_t offset = offsetof(struct sockaddr_un, sun_path);
    size_t len = address->len > offset ? address->len - offset : 0;

    if (len == 0) {
        out[0] = '\0';
        return 0;
    }
    bool is_abstract = address->un.sun_path[0] == '\0';
    if (!is_abstract) {
        len = strnlen(address->un.sun_path, len);
    }
    if (len >= size) {
        len = size - 1;
    }
    memcpy(out, address->un.sun_path, len);
    if (is_abstract) {
        out[0] = '@';
    }
    out[len] = '\0';
    return len;
}

static size_t address_print_number(unsigned number, char *out)
{
    size_t len = 1;

    for (unsigned rest = number / 10; rest > 0; rest /= 10) {
        len++;
    }
    for (size_t at = len; at > 0; number /= 10) {
        out[--at] = (char)('0' + number % 10);
    }
    return len;
}

/* By hand: each line of the access log has some, and inet_ntop() goes through sprintf(). */
static size_t address_print_ipv4(const struct in_addr *host, char *out)
{
    unsigned char bytes[4];
    size_t len = 0;

    memcpy(bytes, host, sizeof(bytes));
    for (size_t i = 0; i < sizeof(bytes); i++) {
        if (i > 0) {
            out[len++] = '.';
        }
        len += address_print_number(bytes[i], out + len);
    }
    out[len] = '\0';
    return len;
}

struct str address_print_host(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    out[0] = '\0';
    switch (address_family(address)) {
    case AF_INET:
        return str_from(out, address_print_ipv4(&address->in4.sin_addr, out));
    case AF_INET6:
        (void)inet_ntop(AF_INET6, &address->in6.sin6_addr, out, ADDRESS_TEXT_BYTES); /* fits */
        break;
    case AF_UNIX:
        return str_from(out, address_print_unix(address, out, ADDRESS_TEXT_BYTES));
    default:
        break;
    }
    return str_from_cstr(out);
}

struct str address_print(const struct address *address, char out[ADDRESS_TEXT_BYTES])
{
    char host[ADDRESS_TEXT_BYTES];
    int len = 0;

    switch (address_family(address)) {
    case AF_INET: {
        size_t end = address_print_ipv4(&address->in4.sin_addr, out);
        out[end++] = ':';
        end += address_print_number(address_port(address), out + end);
        out[end] = '\0';
        return str_from(out, end);
    }
    case AF_INET6:
        len = snprintf(out, ADDRESS_TEXT_BYTES, "[%s]:%u", address_print_host(address, host).ptr,
                       (unsigned)address_port(address));
        break;
    case AF_UNIX: {
        size_t scheme = UNIX_SCHEME.len;
        memcpy(out, UNIX_SCHEME.ptr, scheme);
        size_t path = address_print_unix(address, out + scheme, ADDRESS_TEXT_BYTES - scheme);
        return str_from(out, scheme + path);
    }
    default:
        len = snprintf(out, ADDRESS_TEXT_BYTES, "-");
        break;
    }
    return str_from(out, len > 0 ? (size_t)len : 0);
}

bool address_equals(const struct address *a, const struct address *b)
{
    if (address_family(a) != address_family(b)) {
        return false;
    }
    switch (address_family(a)) {
    case AF_INET:
        return a->in4.sin_port == b->in4.sin_port &&
               a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_port == b->in6.sin6_port &&
               a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    default:
        return a->len == b->len && memcmp(&a->un, &b->un, a->len) == 0;
    }
}

/* The 4 or 16 bytes of an IP address. "::ffff:10.0.0.1" counts as 10.0.0.1: a rule about IPv4 must
 * not be walked around by spelling. */
static const unsigned char *address_ip_bytes(const struct address *address, size_t *len)
{
    const unsigned char *bytes = NULL;

    *len = 0;
    if (address_family(address) == AF_INET) {
        bytes = (const unsigned char *)&address->in4.sin_addr;
        *len = 4;
    } else if (address_family(address) == AF_INET6) {
        bytes = (const unsigned char *)&address->in6.sin6_addr;
        *len = 16;
        if (IN6_IS_ADDR_V4MAPPED(&address->in6.sin6_addr)) {
            bytes += 12;
            *len = 4;
        }
    }
    return bytes;
}

bool address_is_loopback(const struct address *address)
{
    size_t len;
    const unsigned char *bytes = address_ip_bytes(address, &len);

    if (len == 4) {
        return bytes[0] == 127;
    }
    if (len == 16) {
        return IN6_IS_ADDR_LOOPBACK(&address->in6.sin6_addr);
    }
    return address_family(address) == AF_UNIX;
}

bool address_from_sockaddr(struct address *address, const struct sockaddr *sockaddr, socklen_t len)
{
    /* The union is as large as its largest member; accept() may tell a longer length. */
    if (sockaddr == NULL || len < sizeof(sa_family_t) || len > sizeof(struct sockaddr_un)) {
        return false;
    }
    if ((sockaddr->sa_family == AF_INET && len < sizeof(struct sockaddr_in)) ||
        (sockaddr->sa_family == AF_INET6 && len < sizeof(struct sockaddr_in6))) {
        return false;
    }
    memset(address, 0, sizeof(*address));
    memcpy(&address->un, sockaddr, len);
    address->len = len;
    return true;
}

void address_keep(struct address_kept *kept, const struct address *address)
{
    address_kept_cleanup(kept);
    switch (address_family(address)) {
    case AF_UNSPEC:
        break;
    case AF_INET:
        kept->in4 = address->in4;
        break;
    case AF_INET6:
        kept->in6 = address->in6;
        break;
    default:
        kept->other.whole = mem_new(struct address);
        *kept->other.whole = *address;
        kept->family = address->sockaddr.sa_family;
        break;
    }
}

struct address address_recall(const struct address_kept *kept)
{
    struct address address = { 0 };

    switch (kept->family) {
    case AF_UNSPEC:
        break;
    case AF_INET:
        address.len = sizeof(kept->in4);
        address.in4 = kept->in4;
        break;
    case AF_INET6:
        address.len = sizeof(kept->in6);
        address.in6 = kept->in6;
        break;
    default:
        address = *kept->other.whole;
        break;
    }
    return address;
}

void address_kept_cleanup(struct address_kept *kept)
{
    if (kept->family != AF_UNSPEC && kept->family != AF_INET && kept->family != AF_INET6) {
        mem_free(kept->other.whole);
    }
    memset(kept, 0, sizeof(*kept));
}

static bool address_bits_equal(const unsigned char *a, const unsigned char *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0) {
        return false;
    }
    return rest == 0 || ((a[whole] ^ b[whole]) & (0xffu << (8 - rest)) & 0xffu) == 0;
}

static bool cidr_has_host_bits(const unsigned char *bytes, size_t len, unsigned prefix_bits)
{
    for (size_t bit = prefix_bits; bit < len * 8; bit++) {
        if ((bytes[bit / 8] & (0x80u >> (bit % 8))) != 0) {
            return true;
        }
    }
    return false;
}

bool cidr_parse(struct str text, struct cidr *cidr)
{
    size_t len;
    size_t slash = str_find_char(text, '/');
    uint32_t prefix = 0;
    struct cidr parsed = { 0 };
    struct str host = slash == SIZE_MAX ? text : str_slice(text, 0, slash);

    if (!address_is_ip_literal(host) || !address_parse(host, 0, &parsed.base)) {
        return false;
    }
    bool is_mapped = address_family(&parsed.base) == AF_INET6 &&
                     IN6_IS_ADDR_V4MAPPED(&parsed.base.in6.sin6_addr);
    const unsigned char *bytes = address_ip_bytes(&parsed.base, &len);
    uint32_t bits = is_mapped ? 128 : (uint32_t)len * 8;
    if (slash == SIZE_MAX) {
        prefix = bits;
    } else if (!str_parse_u32(str_skip(text, slash + 1), &prefix) || prefix > bits) {
        return false;
    }
    if (is_mapped) {
        /* "::ffff:10.0.0.0/104" is 10.0.0.0/8; a shorter prefix would mix the two families. */
        if (prefix < 96) {
            return false;
        }
        prefix -= 96;
    }
    if (cidr_has_host_bits(bytes, len, prefix)) {
        return false;
    }
    parsed.prefix_bits = prefix;
    *cidr = parsed;
    return true;
}

bool cidr_contains(const struct cidr *cidr, const struct address *address)
{
    size_t base_len;
    size_t len;
    const unsigned char *base = address_ip_bytes(&cidr->base, &base_len);
    const unsigned char *bytes = address_ip_bytes(address, &len);

    return len != 0 && len == base_len && address_bits_equal(base, bytes, cidr->prefix_bits);
}
