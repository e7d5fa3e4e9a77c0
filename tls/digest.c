/* digest: SHA-1, base64 and random bytes, as WebSocket's opening handshake needs them (RFC 6455 4).
 * Straight from the library; no state of ours. */
#include "tls/digest.h"

#include <openssl/base64.h>
#include <openssl/rand.h>
#include <openssl/sha.h>

void digest_sha1(const void *bytes, size_t len, unsigned char out[DIGEST_SHA1_BYTES])
{
    (void)SHA1(bytes, len, out); /* returns `out` */
}

struct str digest_base64(const void *bytes, size_t len, char *out)
{
    return str_from(out, EVP_EncodeBlock((uint8_t *)out, bytes, len));
}

void digest_random(void *out, size_t len)
{
    (void)RAND_bytes(out, len); /* always 1 */
}
