/* request_id: UUIDs from the worker's random numbers. They tell requests apart; nothing trusts them
 * to be secret. */
#include "gateway/proxy/request_id.h"

void request_id_make(struct random *random, char out[REQUEST_ID_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    uint64_t halves[2] = { random_next(random), random_next(random) };

    /* RFC 9562 5.4: version 4 in the seventh byte, variant 10 in the ninth. */
    halves[0] = (halves[0] & ~UINT64_C(0xf000)) | UINT64_C(0x4000);
    halves[1] = (halves[1] & ~(UINT64_C(3) << 62)) | (UINT64_C(2) << 62);
    size_t at = 0;
    for (unsigned i = 0; i < 32; i++) {
        if (i == 8 || i == 12 || i == 16 || i == 20) {
            out[at++] = '-';
        }
        out[at++] = digits[(halves[i / 16] >> (60 - 4 * (i % 16))) & 15];
    }
}
