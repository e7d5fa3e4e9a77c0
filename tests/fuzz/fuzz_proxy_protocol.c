/* Fuzz target: net/proxy_protocol.c. Besides not reading out of bounds: a header is within its limit
 * and its bytes, what a prefix is told to be is not contradicted by the whole, and what was read can be
 * written and read again. */
#include "gateway/net/proxy_protocol.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct proxy_protocol_header *header)
{
    unsigned char out[PROXY_PROTOCOL_WRITE_BYTES];
    struct proxy_protocol_header again;
    size_t len = proxy_protocol_write(out, header->version, &header->source, &header->destination);

    CHECK(len <= sizeof(out));
    CHECK(proxy_protocol_parse(out, len, &again) == PROXY_PROTOCOL_OK);
    CHECK(again.len == len && again.version == header->version && again.has_addresses);
    CHECK(address_equals(&again.source, &header->source));
    CHECK(address_equals(&again.destination, &header->destination));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct proxy_protocol_header header;
    struct proxy_protocol_header shorter;
    enum proxy_protocol_result result = proxy_protocol_parse(data, size, &header);

    if (result == PROXY_PROTOCOL_OK) {
        CHECK(header.len > 0 && header.len <= size && header.len <= LIMIT_PROXY_HEADER_BYTES);
        CHECK(proxy_protocol_parse(data, header.len - 1, &shorter) == PROXY_PROTOCOL_MORE);
        if (header.has_addresses) {
            check_round_trip(&header);
        }
    }
    if (size > 0) {
        enum proxy_protocol_result early = proxy_protocol_parse(data, size / 2, &shorter);
        CHECK(early == PROXY_PROTOCOL_MORE || early == result);
    }
    return 0;
}
