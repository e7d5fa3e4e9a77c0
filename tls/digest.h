/* digest: the few primitives of the library that protocols outside of TLS are built on. Pure but for
 * digest_random(); any thread. */
#ifndef TLS_DIGEST_H
#define TLS_DIGEST_H

#include "gateway/base/str.h"

enum { DIGEST_SHA1_BYTES = 20 };

/* Characters of the base64 of `len` bytes, without a NUL. */
#define DIGEST_BASE64_LEN(len) (((len) + 2) / 3 * 4)

/* Not for security: RFC 6455 4.2.2 asks for it by name. */
void digest_sha1(const void *bytes, size_t len, unsigned char out[DIGEST_SHA1_BYTES]);
/* RFC 4648 4, padded, with a NUL behind it: DIGEST_BASE64_LEN(len) + 1 bytes of room. Returns a view of
 * `out` without the NUL. */
struct str digest_base64(const void *bytes, size_t len, char *out);
/* Unpredictable bytes. Never fails: a system without entropy ends the process. */
void digest_random(void *out, size_t len);

#endif
