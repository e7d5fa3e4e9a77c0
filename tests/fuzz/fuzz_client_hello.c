/* Fuzz target: tls/client_hello.c. Besides not reading out of bounds: what is accepted is in order; fed
 * in pieces, as a slow client's first bytes are, the answer stays "more" until it is final, and is
 * then the one for all of it; cut into other records, the same message has the same answer. */
#include "tls/client_hello.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EACH_BYTE_UNTIL = 1024, STEPS_BEYOND = 64, RECORD_HEADER = 5 };

static void check_accepted(const struct client_hello *hello)
{
    CHECK(hello->server_name_len < sizeof(hello->server_name));
    for (size_t i = 0; i < hello->server_name_len; i++) {
        CHECK(hello->server_name[i] > ' ' && hello->server_name[i] < 0x7f);
        CHECK(hello->server_name[i] < 'A' || hello->server_name[i] > 'Z');
    }
    CHECK(hello->max_version >= 0x0300 && hello->max_version <= 0x0304);
    CHECK(hello->min_version <= hello->max_version);
    CHECK(hello->has_alpn || (!hello->offers_h2 && !hello->offers_http11));
}

static void check_in_pieces(const uint8_t *data, size_t size, enum client_hello_result result,
                            const struct client_hello *hello)
{
    enum client_hello_result last = CLIENT_HELLO_MORE;
    struct client_hello piecewise;
    size_t step = 1;

    for (size_t len = 0; len <= size && last == CLIENT_HELLO_MORE; len += step) {
        last = client_hello_parse(data, len, &piecewise);
        CHECK(last == CLIENT_HELLO_MORE || last == result);
        if (len >= EACH_BYTE_UNTIL) {
            step = size / STEPS_BEYOND + 1;
        }
    }
    if (last == CLIENT_HELLO_OK) {
        CHECK(memcmp(&piecewise, hello, sizeof(*hello)) == 0);
    }
}

/* A hello that came in one record, in records of `part` bytes. */
static void check_in_records(const uint8_t *data, size_t size, size_t part,
                             const struct client_hello *hello)
{
    static uint8_t cut[LIMIT_CLIENT_HELLO_BYTES];
    size_t left = size - RECORD_HEADER;
    size_t len = 0;
    struct client_hello again;

    for (const uint8_t *from = data + RECORD_HEADER; left > 0;) {
        size_t now = left < part ? left : part;
        if (len + RECORD_HEADER + now > sizeof(cut)) {
            return; /* headers included it is beyond the limit */
        }
        memcpy(cut + len, data, 3);
        cut[len + 3] = (uint8_t)(now >> 8);
        cut[len + 4] = (uint8_t)now;
        memcpy(cut + len + RECORD_HEADER, from, now);
        len += RECORD_HEADER + now;
        from += now;
        left -= now;
    }
    CHECK(client_hello_parse(cut, len, &again) == CLIENT_HELLO_OK);
    CHECK(memcmp(&again, hello, sizeof(*hello)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct client_hello hello;
    enum client_hello_result result = client_hello_parse(data, size, &hello);

    check_in_pieces(data, size, result, &hello);
    if (result != CLIENT_HELLO_OK) {
        return 0;
    }
    check_accepted(&hello);
    size_t record = RECORD_HEADER + ((size_t)data[3] << 8 | data[4]);
    size_t message = RECORD_HEADER + 4;
    if (size >= message) {
        message += (size_t)data[6] << 16 | (size_t)data[7] << 8 | data[8];
    }
    if (record <= size && message <= record) {
        check_in_records(data, message, 1 + data[message - 1] % 61, &hello);
    }
    return 0;
}
