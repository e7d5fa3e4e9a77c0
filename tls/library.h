/* library: what the files of tls/ share of BoringSSL: its headers, its errors, the ways its versions
 * differ. For tls/ only, like the other headers that show a type of the library; everybody else
 * includes policy.h, secret.h, context.h and the like. */
#ifndef TLS_LIBRARY_H
#define TLS_LIBRARY_H

#include "gateway/base/err.h"
#include "gateway/base/str.h"

#include <openssl/base.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

/* Probed by the Makefile; without it (a plain compiler call) only the old interface is used. */
#if defined(__has_include)
#if __has_include("features.h")
#include "features.h"
#endif
#endif
#ifndef HAVE_SSL_CREDENTIAL
#define HAVE_SSL_CREDENTIAL 0
#endif
#ifndef HAVE_SSL_ECH
#define HAVE_SSL_ECH 0
#endif
#ifndef HAVE_X25519MLKEM768
#define HAVE_X25519MLKEM768 0
#endif
#ifndef HAVE_SSL_GROUP_NAME
#define HAVE_SSL_GROUP_NAME 0
#endif

enum { LIBRARY_ERROR_BYTES = 128 };

/* The oldest error of this thread as words; the queue is empty afterwards. `out` is returned. */
const char *library_take_error(char out[LIBRARY_ERROR_BYTES]);
/* err_set() with the library's words behind "text: ". */
void library_err(struct err *err, const char *text);
/* Lower hex of `len` bytes and a NUL: 2 * len + 1 bytes of room. */
void library_hex(const uint8_t *bytes, size_t len, char *out);
/* A fresh context as every server context starts, for questions and for use. Memory gone ends the
 * process, as everywhere. */
SSL_CTX *library_new_ssl_ctx(void);

#endif
