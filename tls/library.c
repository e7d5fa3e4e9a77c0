/* library: the linked BoringSSL: its name and features for `gatehouse version`, its errors as words.
 * No state but the library's own error queue, one for each thread. */
#include "tls/library.h"

#include "gateway/base/mem.h"
#include "tls/context.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIBRARY_TEXT(value) LIBRARY_TEXT_OF(value)
#define LIBRARY_TEXT_OF(value) #value

const char *tls_library_name(void)
{
    return "BoringSSL";
}

const char *tls_library_version(void)
{
    /* BoringSSL has no releases; the API number is what it counts. */
    return "API " LIBRARY_TEXT(BORINGSSL_API_VERSION);
}

const char *tls_library_features(void)
{
    return "credentials "
#if HAVE_SSL_CREDENTIAL
           "yes"
#else
           "no"
#endif
           ", ECH "
#if HAVE_SSL_ECH
           "yes"
#else
           "no"
#endif
           ", X25519MLKEM768 "
#if HAVE_X25519MLKEM768
           "yes";
#else
           "no";
#endif
}

const char *library_take_error(char out[LIBRARY_ERROR_BYTES])
{
    uint32_t code = ERR_get_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;

    if (reason != NULL) {
        (void)snprintf(out, LIBRARY_ERROR_BYTES, "%s", reason);
    } else if (code != 0) {
        (void)snprintf(out, LIBRARY_ERROR_BYTES, "library error %08x", code);
    } else {
        (void)snprintf(out, LIBRARY_ERROR_BYTES, "no reason given");
    }
    ERR_clear_error();
    return out;
}

void library_err(struct err *err, const char *text)
{
    char reason[LIBRARY_ERROR_BYTES];

    err_set(err, ERR_INPUT, "%s: %s", text, library_take_error(reason));
}

void library_hex(const uint8_t *bytes, size_t len, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

SSL_CTX *library_new_ssl_ctx(void)
{
    /* The method without X.509: a server that asks for no client certificate never needs it, and
     * each connection is some hundred bytes lighter. */
    SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_with_buffers_method());

    if (ssl_ctx == NULL) {
        (void)fputs("gatehouse: out of memory (SSL_CTX)\n", stderr);
        abort();
    }
    return ssl_ctx;
}
