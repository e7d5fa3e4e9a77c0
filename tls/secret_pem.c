/* secret_pem: certificates back to PEM (RFC 7468). Control thread. */
#include "tls/secret_pem.h"

#include "tls/secret_ssl.h"

#include <openssl/base64.h>

enum { SECRET_PEM_LINE_BYTES = 48 }; /* 64 characters a line */

void secret_pem_write_chain(const struct secret *secret, struct text *out)
{
    size_t count = 0;
    CRYPTO_BUFFER *const *chain = secret_chain_der(secret, &count);

    for (size_t i = 0; i < count; i++) {
        const uint8_t *der = CRYPTO_BUFFER_data(chain[i]);
        size_t left = CRYPTO_BUFFER_len(chain[i]);
        text_add_cstr(out, "-----BEGIN CERTIFICATE-----\n");
        while (left != 0) {
            uint8_t line[SECRET_PEM_LINE_BYTES / 3 * 4 + 1];
            size_t len = left < SECRET_PEM_LINE_BYTES ? left : SECRET_PEM_LINE_BYTES;
            size_t written = EVP_EncodeBlock(line, der, len);
            text_add(out, str_from((const char *)line, written));
            text_add_char(out, '\n');
            der += len;
            left -= len;
        }
        text_add_cstr(out, "-----END CERTIFICATE-----\n");
    }
}
