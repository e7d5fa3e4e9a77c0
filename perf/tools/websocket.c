#include "perf/tools/websocket.h"

#include <string.h>

#define MASKED 0x80

size_t websocket_write_head(uint8_t *out, uint8_t first, uint64_t len, const uint8_t *mask)
{
    size_t wide = len < 126 ? 0 : len <= 0xffff ? 2 : 8;
    size_t at = 2;

    out[0] = first;
    out[1] = wide == 0 ? (uint8_t)len : wide == 2 ? 126 : 127;
    for (size_t i = 0; i < wide; i++) {
        out[at++] = (uint8_t)(len >> (8 * (wide - 1 - i)));
    }
    if (mask != NULL) {
        out[1] |= MASKED;
        memcpy(out + at, mask, 4);
        at += 4;
    }
    return at;
}

static size_t websocket_head_len(const uint8_t *bytes)
{
    uint8_t len = bytes[1] & 0x7f;
    size_t wide = len < 126 ? 0 : len == 126 ? 2 : 8;

    return 2 + wide + ((bytes[1] & MASKED) != 0 ? 4 : 0);
}

static void websocket_finish_head(struct websocket_head *head, size_t total)
{
    size_t wide = total - 2;

    head->complete = true;
    head->first = head->bytes[0];
    head->masked = (head->bytes[1] & MASKED) != 0;
    if (head->masked) {
        wide -= 4;
        memcpy(head->mask, head->bytes + total - 4, 4);
    }
    head->len = wide == 0 ? head->bytes[1] & 0x7f : 0;
    for (size_t i = 0; i < wide; i++) {
        head->len = head->len << 8 | head->bytes[2 + i];
    }
}

size_t websocket_read_head(struct websocket_head *head, const uint8_t *bytes, size_t len)
{
    size_t used = 0;

    while (!head->complete && used < len) {
        head->bytes[head->got++] = bytes[used++];
        if (head->got >= 2 && head->got == websocket_head_len(head->bytes)) {
            websocket_finish_head(head, head->got);
        }
    }
    return used;
}

void websocket_mask(const uint8_t mask[4], uint64_t offset, uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= mask[(offset + i) & 3];
    }
}
