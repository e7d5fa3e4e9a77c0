/* client_hello: SNI, ALPN and what else decides, read out of a connection's first bytes (RFC 8446
 * 4.1.2, RFC 6066 3, RFC 7301). Pure: no library, no state. A hello may be split over several
 * records; nothing of it is trusted. */
#ifndef TLS_CLIENT_HELLO_H
#define TLS_CLIENT_HELLO_H

#include "gateway/base/str.h"

#include <stdbool.h>
#include <stdint.h>

enum client_hello_result {
    CLIENT_HELLO_OK,
    CLIENT_HELLO_MORE,      /* not complete yet */
    CLIENT_HELLO_NOT_TLS,   /* the first bytes are no TLS handshake record */
    CLIENT_HELLO_MALFORMED, /* TLS, but not a well-formed hello, or beyond LIMIT_CLIENT_HELLO_BYTES */
};

struct client_hello {
    char server_name[256]; /* lower-cased, one trailing dot cut; empty: none sent */
    size_t server_name_len;
    bool has_alpn;
    bool offers_h2;
    bool offers_http11;
    bool offers_ecdsa; /* some signature scheme or (TLS < 1.2) suite fits an ECDSA key */
    bool offers_rsa;
    bool has_ech;
    uint16_t max_version; /* wire value: 0x0304 = TLS 1.3, from supported_versions or legacy */
    uint16_t min_version; /* lowest offered, 0 when only the legacy field speaks */
};

enum client_hello_result client_hello_parse(const unsigned char *bytes, size_t len,
                                            struct client_hello *hello);
static inline struct str client_hello_server_name(const struct client_hello *hello)
{
    return (struct str){ hello->server_name, hello->server_name_len };
}

#endif
