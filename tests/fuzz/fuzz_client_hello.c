/* Fuzz target: tls/client_hello.c. Besides not reading out of bounds: the answer for a prefix never
 * contradicts the answer for the whole, and what is accepted is in order. */
#include "tls/client_hello.h"

#include "gateway/base/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_hello hello;
    struct client_hello again;
    enum client_hello_result result = client_hello_parse(data, size, &hello);

    if (result == CLIENT_HELLO_OK) {
        CHECK(hello.server_name_len < sizeof(hello.server_name));
        for (size_t i = 0; i < hello.server_name_len; i++) {
            CHECK(hello.server_name[i] > ' ' && hello.server_name[i] < 0x7f);
            CHECK(hello.server_name[i] < 'A' || hello.server_name[i] > 'Z');
        }
        CHECK(hello.max_version >= 0x0300 && hello.max_version <= 0x0304);
        CHECK(hello.min_version <= hello.max_version);
        CHECK(hello.has_alpn || (!hello.offers_h2 && !hello.offers_http11));
    }
    if (size > 0) {
        enum client_hello_result shorter = client_hello_parse(data, size / 2, &again);
        CHECK(shorter == CLIENT_HELLO_MORE || shorter == result);
    }
    return 0;
}
