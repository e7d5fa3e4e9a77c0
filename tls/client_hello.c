/* client_hello: reads a ClientHello as it stands on the wire. Every length is checked against what is
 * there before anything is looked at; what a hello repeats, leaves open or contradicts is malformed.
 * Memory: the caller's struct; a hello split over records is put together on the stack. */
#include "tls/client_hello.h"

#include "gateway/base/limits.h"

#include <string.h>

enum {
    RECORD_HEADER_BYTES = 5,
    RECORD_HANDSHAKE = 22,
    RECORD_PAYLOAD_MAX = 16384, /* RFC 8446 5.1 */
    MESSAGE_HEADER_BYTES = 4,
    MESSAGE_CLIENT_HELLO = 1,
    MESSAGE_MAX_BYTES = LIMIT_CLIENT_HELLO_BYTES - RECORD_HEADER_BYTES,
    HELLO_RANDOM_BYTES = 32,
    HELLO_SESSION_ID_MAX = 32,

    EXTENSION_SERVER_NAME = 0,
    EXTENSION_SIGNATURE_ALGORITHMS = 13,
    EXTENSION_ALPN = 16,
    EXTENSION_SUPPORTED_VERSIONS = 43,
    EXTENSION_ECH = 0xfe0d,

    WIRE_SSL_3_0 = 0x0300,
    WIRE_TLS_1_2 = 0x0303,
    WIRE_TLS_1_3 = 0x0304,
};

/* What is still to be read; `is_bad` once something did not fit, and then nothing is left. */
struct cursor {
    const unsigned char *at;
    size_t left;
    bool is_bad;
};

static uint32_t cursor_number(struct cursor *cursor, size_t width)
{
    uint32_t number = 0;

    if (cursor->left < width) {
        cursor->is_bad = true;
        cursor->left = 0;
        return 0;
    }
    for (size_t i = 0; i < width; i++) {
        number = number << 8 | cursor->at[i];
    }
    cursor->at += width;
    cursor->left -= width;
    return number;
}

static struct cursor cursor_take(struct cursor *cursor, size_t len)
{
    struct cursor part = { cursor->at, len, false };

    if (cursor->left < len || cursor->is_bad) {
        cursor->is_bad = true;
        cursor->left = 0;
        return (struct cursor){ NULL, 0, true };
    }
    cursor->at += len;
    cursor->left -= len;
    return part;
}

/* A vector: its length in `width` bytes, then its bytes. */
static struct cursor cursor_vector(struct cursor *cursor, size_t width)
{
    size_t len = cursor_number(cursor, width);
    return cursor_take(cursor, len);
}

/* --- Extensions ------------------------------------------------------------------------------- */

/* RFC 6066 3: one host name, no more. An IP address is not allowed there but is sent; it is then a
 * name like any other and simply matches nothing. */
static bool hello_read_server_name(struct cursor body, struct client_hello *hello)
{
    struct cursor list = cursor_vector(&body, 2);
    uint32_t type = cursor_number(&list, 1);
    struct cursor name = cursor_vector(&list, 2);

    if (body.is_bad || list.is_bad || name.is_bad || body.left > 0 || list.left > 0 || type != 0) {
        return false;
    }
    if (name.left > 0 && name.at[name.left - 1] == '.') {
        name.left--; /* spec section 15: a trailing dot is cut */
    }
    if (name.left == 0 || name.left >= sizeof(hello->server_name)) {
        return false;
    }
    for (size_t i = 0; i < name.left; i++) {
        /* Control bytes and NUL would end up in logs and comparisons as something else. */
        if (name.at[i] <= ' ' || name.at[i] >= 0x7f) {
            return false;
        }
        hello->server_name[i] = str_lower_char((char)name.at[i]);
    }
    hello->server_name[name.left] = '\0';
    hello->server_name_len = name.left;
    return true;
}

/* RFC 7301 3.1 */
static bool hello_read_alpn(struct cursor body, struct client_hello *hello)
{
    struct cursor list = cursor_vector(&body, 2);

    if (body.is_bad || body.left > 0 || list.left == 0) {
        return false;
    }
    hello->has_alpn = true;
    while (list.left > 0) {
        struct cursor name = cursor_vector(&list, 1);
        if (name.is_bad || name.left == 0) {
            return false;
        }
        struct str protocol = str_from((const char *)name.at, name.left);
        hello->offers_h2 = hello->offers_h2 || str_equals(protocol, STR("h2"));
        hello->offers_http11 = hello->offers_http11 || str_equals(protocol, STR("http/1.1"));
    }
    return true;
}

/* RFC 8446 4.2.1. Values nobody knows (GREASE, RFC 8701) are passed over. */
static bool hello_read_versions(struct cursor body, struct client_hello *hello)
{
    struct cursor list = cursor_vector(&body, 1);

    if (body.is_bad || body.left > 0 || list.left == 0 || list.left % 2 != 0) {
        return false;
    }
    uint16_t max = 0;
    uint16_t min = 0;
    while (list.left > 0) {
        uint16_t version = (uint16_t)cursor_number(&list, 2);
        if (version < WIRE_SSL_3_0 || version > WIRE_TLS_1_3) {
            continue;
        }
        max = version > max ? version : max;
        min = min == 0 || version < min ? version : min;
    }
    if (max != 0) {
        hello->max_version = max;
        hello->min_version = min;
    }
    return true;
}

struct hello_keys {
    bool has_schemes;
    bool scheme_ecdsa;
    bool scheme_rsa;
    bool suite_ecdsa;
    bool suite_rsa;
};

/* RFC 8446 4.2.3 */
static bool hello_read_schemes(struct cursor body, struct hello_keys *keys)
{
    struct cursor list = cursor_vector(&body, 2);

    if (body.is_bad || body.left > 0 || list.left == 0 || list.left % 2 != 0) {
        return false;
    }
    keys->has_schemes = true;
    while (list.left > 0) {
        switch (cursor_number(&list, 2)) {
        case 0x0203: /* ecdsa_sha1 */
        case 0x0403: /* ecdsa_secp256r1_sha256 */
        case 0x0503: /* ecdsa_secp384r1_sha384 */
        case 0x0603: /* ecdsa_secp521r1_sha512 */
            keys->scheme_ecdsa = true;
            break;
        case 0x0201: /* rsa_pkcs1_sha1 */
        case 0x0401: /* rsa_pkcs1_sha256 */
        case 0x0501: /* rsa_pkcs1_sha384 */
        case 0x0601: /* rsa_pkcs1_sha512 */
        case 0x0804: /* rsa_pss_rsae_sha256 */
        case 0x0805: /* rsa_pss_rsae_sha384 */
        case 0x0806: /* rsa_pss_rsae_sha512 */
            keys->scheme_rsa = true;
            break;
        default:
            break;
        }
    }
    return true;
}

/* Which keys the suites of TLS 1.2 and older ask for: those BoringSSL can serve (spec TL-58a). */
static void hello_read_suites(struct cursor suites, struct hello_keys *keys)
{
    while (suites.left > 0) {
        switch (cursor_number(&suites, 2)) {
        case 0xc009: /* ECDHE-ECDSA-AES128-SHA */
        case 0xc00a: /* ECDHE-ECDSA-AES256-SHA */
        case 0xc023: /* ECDHE-ECDSA-AES128-SHA256 */
        case 0xc02b: /* ECDHE-ECDSA-AES128-GCM-SHA256 */
        case 0xc02c: /* ECDHE-ECDSA-AES256-GCM-SHA384 */
        case 0xcca9: /* ECDHE-ECDSA-CHACHA20-POLY1305 */
            keys->suite_ecdsa = true;
            break;
        case 0x000a: /* DES-CBC3-SHA */
        case 0x002f: /* AES128-SHA */
        case 0x0035: /* AES256-SHA */
        case 0x009c: /* AES128-GCM-SHA256 */
        case 0x009d: /* AES256-GCM-SHA384 */
        case 0xc013: /* ECDHE-RSA-AES128-SHA */
        case 0xc014: /* ECDHE-RSA-AES256-SHA */
        case 0xc027: /* ECDHE-RSA-AES128-SHA256 */
        case 0xc02f: /* ECDHE-RSA-AES128-GCM-SHA256 */
        case 0xc030: /* ECDHE-RSA-AES256-GCM-SHA384 */
        case 0xcca8: /* ECDHE-RSA-CHACHA20-POLY1305 */
            keys->suite_rsa = true;
            break;
        default:
            break;
        }
    }
}

static bool hello_read_extension(uint32_t type, struct cursor body, struct client_hello *hello,
                                 struct hello_keys *keys)
{
    switch (type) {
    case EXTENSION_SERVER_NAME:
        return hello_read_server_name(body, hello);
    case EXTENSION_ALPN:
        return hello_read_alpn(body, hello);
    case EXTENSION_SUPPORTED_VERSIONS:
        return hello_read_versions(body, hello);
    case EXTENSION_SIGNATURE_ALGORITHMS:
        return hello_read_schemes(body, keys);
    case EXTENSION_ECH:
        hello->has_ech = true;
        return true;
    default:
        return true;
    }
}

static bool hello_read_extensions(struct cursor extensions, struct client_hello *hello,
                                  struct hello_keys *keys)
{
    /* RFC 8446 4.2: no type twice. A bit for each type, so four thousand empty extensions cost no
     * more than their bytes. */
    unsigned char seen[65536 / 8];

    memset(seen, 0, sizeof(seen));
    while (extensions.left > 0) {
        uint32_t type = cursor_number(&extensions, 2);
        struct cursor body = cursor_vector(&extensions, 2);
        unsigned char bit = (unsigned char)(1u << (type % 8));
        if (body.is_bad || (seen[type / 8] & bit) != 0) {
            return false;
        }
        seen[type / 8] |= bit;
        if (!hello_read_extension(type, body, hello, keys)) {
            return false;
        }
    }
    return !extensions.is_bad;
}

/* --- The message ------------------------------------------------------------------------------ */

static void hello_judge_keys(const struct hello_keys *keys, struct client_hello *hello)
{
    bool is_old = hello->max_version < WIRE_TLS_1_3;

    /* Before TLS 1.3 the suite names the key too; TLS 1.3 knows schemes only. */
    hello->offers_ecdsa = (!keys->has_schemes || keys->scheme_ecdsa) &&
                          (keys->suite_ecdsa || (!is_old && keys->has_schemes));
    hello->offers_rsa = (!keys->has_schemes || keys->scheme_rsa) &&
                        (keys->suite_rsa || (!is_old && keys->has_schemes));
}

/* RFC 8446 4.1.2; TLS 1.2 and older may leave the extensions out. */
static bool hello_read_body(struct cursor body, struct client_hello *hello)
{
    struct hello_keys keys = { 0 };
    uint32_t legacy_version = cursor_number(&body, 2);
    (void)cursor_take(&body, HELLO_RANDOM_BYTES); /* a short one marks `body` */
    struct cursor session_id = cursor_vector(&body, 1);
    struct cursor suites = cursor_vector(&body, 2);
    struct cursor compressions = cursor_vector(&body, 1);

    if (body.is_bad || session_id.left > HELLO_SESSION_ID_MAX || suites.left == 0 ||
        suites.left % 2 != 0 || compressions.left == 0 || legacy_version < WIRE_SSL_3_0) {
        return false;
    }
    /* TLS 1.3 is offered by extension only. */
    hello->max_version = (uint16_t)(legacy_version > WIRE_TLS_1_2 ? WIRE_TLS_1_2 : legacy_version);
    hello_read_suites(suites, &keys);
    if (body.left > 0) {
        struct cursor extensions = cursor_vector(&body, 2);
        if (extensions.is_bad || body.left > 0 ||
            !hello_read_extensions(extensions, hello, &keys)) {
            return false;
        }
    }
    hello_judge_keys(&keys, hello);
    return true;
}

/* Length of the message with its header, as its first four bytes say. 0: cannot be a hello. */
static size_t hello_message_len(const unsigned char *message)
{
    size_t len = (size_t)message[1] << 16 | (size_t)message[2] << 8 | message[3];

    if (message[0] != MESSAGE_CLIENT_HELLO || len > MESSAGE_MAX_BYTES - MESSAGE_HEADER_BYTES) {
        return 0;
    }
    return len + MESSAGE_HEADER_BYTES;
}

/* Enough came for an answer, or the sender may go on. */
static enum client_hello_result hello_wait(size_t len)
{
    return len < LIMIT_CLIENT_HELLO_BYTES ? CLIENT_HELLO_MORE : CLIENT_HELLO_MALFORMED;
}

enum client_hello_result client_hello_parse(const unsigned char *bytes, size_t len,
                                            struct client_hello *hello)
{
    unsigned char joined[MESSAGE_MAX_BYTES]; /* payload of the records so far */
    size_t joined_len = 0;
    size_t at = 0;

    memset(hello, 0, sizeof(*hello));
    /* However many came at once, the answer is the same. */
    len = len < LIMIT_CLIENT_HELLO_BYTES ? len : LIMIT_CLIENT_HELLO_BYTES;
    /* An SSLv2 hello, HTTP or anything else: told by the first two bytes. */
    if ((len >= 1 && bytes[0] != RECORD_HANDSHAKE) || (len >= 2 && bytes[1] != 3)) {
        return CLIENT_HELLO_NOT_TLS;
    }
    while (len - at >= RECORD_HEADER_BYTES) {
        const unsigned char *record = bytes + at;
        size_t payload_len = (size_t)record[3] << 8 | record[4];
        /* RFC 8446 5.1: nothing between the parts of a message, no empty part. */
        if (record[0] != RECORD_HANDSHAKE || record[1] != 3 || payload_len == 0 ||
            payload_len > RECORD_PAYLOAD_MAX) {
            return CLIENT_HELLO_MALFORMED;
        }
        size_t present = len - at - RECORD_HEADER_BYTES;
        size_t part = payload_len < present ? payload_len : present;
        size_t room = sizeof(joined) - joined_len;
        size_t taken = part < room ? part : room;
        memcpy(joined + joined_len, record + RECORD_HEADER_BYTES, taken);
        joined_len += taken;
        if (joined_len >= MESSAGE_HEADER_BYTES) {
            size_t message_len = hello_message_len(joined);
            if (message_len == 0) {
                return CLIENT_HELLO_MALFORMED;
            }
            if (joined_len >= message_len) {
                struct cursor body = { joined + MESSAGE_HEADER_BYTES,
                                       message_len - MESSAGE_HEADER_BYTES, false };
                return hello_read_body(body, hello) ? CLIENT_HELLO_OK : CLIENT_HELLO_MALFORMED;
            }
        } else if (joined_len > 0 && joined[0] != MESSAGE_CLIENT_HELLO) {
            return CLIENT_HELLO_MALFORMED;
        }
        if (part < payload_len) {
            return hello_wait(len);
        }
        at += RECORD_HEADER_BYTES + payload_len;
    }
    return hello_wait(len);
}
