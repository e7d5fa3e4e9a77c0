/* request_id: UUIDs from the worker's random numbers. They tell requests apart; nothing trusts them
 * to be secret. */
#include "gateway/proxy/request_id.h"

void request_id_make(struct random *random, char out[REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    /* Where each byte's two digits go: xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx. */
    static const uint8_t places[16] = {
        0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34,
    };
    uint64_t halves[2] = { random_next(random), random_next(random) };

    /* RFC 9562 5.4: version 4 in the seventh byte, variant 10 in the ninth. */
    halves[0] = (halves[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    halves[1] = (halves[1] & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    for (unsigned i = 0; i < sizeof(places); i++) {
        unsigned byte = (unsigned)(halves[i / 8] >> (56 - 8 * (i % 8))) & 0xff;
        out[places[i]] = digits[byte >> 4];
        out[places[i] + 1] = digits[byte & 15];
    }
    out[8] = out[13] = out[18] = out[23] = '-';
}
