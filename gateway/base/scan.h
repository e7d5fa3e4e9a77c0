/* scan: sixteen bytes at a time, to look for those that need care in text that mostly has none. For
 * the vectors of both compilers, so any processor will do. */
#ifndef GATEWAY_BASE_SCAN_H
#define GATEWAY_BASE_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Comparing one with a byte gives 0xff where it holds and 0 where it does not. */
typedef unsigned char scan_block __attribute__((vector_size(16)));
typedef uint64_t scan_pair __attribute__((vector_size(16)));

enum { SCAN_BLOCK_BYTES = sizeof(scan_block) };

static inline scan_block scan_load(const char *bytes)
{
    scan_block block;

    memcpy(&block, bytes, sizeof(block));
    return block;
}

/* The same for 1 to 15 bytes: all of them, some twice, and spaces. */
static inline scan_block scan_load_short(const char *bytes, size_t len)
{
    uint64_t first;
    uint64_t last;

    if (len >= sizeof(uint64_t)) {
        memcpy(&first, bytes, sizeof(first));
        memcpy(&last, bytes + len - sizeof(last), sizeof(last));
    } else if (len >= sizeof(uint32_t)) {
        uint32_t parts[2];
        memcpy(&parts[0], bytes, sizeof(parts[0]));
        memcpy(&parts[1], bytes + len - sizeof(parts[1]), sizeof(parts[1]));
        first = parts[0] | (uint64_t)parts[1] << 32;
        last = first;
    } else {
        first = UINT64_C(0x2020202020000000) | (unsigned char)bytes[0] |
                (unsigned)(unsigned char)bytes[len / 2] << 8 |
                (unsigned)(unsigned char)bytes[len - 1] << 16;
        last = first;
    }
    return (scan_block)(scan_pair){ first, last };
}

/* Of what a comparison gave. */
static inline bool scan_any(scan_block found)
{
    scan_pair halves = (scan_pair)found;

    return (halves[0] | halves[1]) != 0;
}

#endif
