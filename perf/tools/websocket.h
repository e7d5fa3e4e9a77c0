/* websocket: frames (RFC 6455 5.2) for the echo of the bench tools. */
#ifndef PERF_TOOLS_WEBSOCKET_H
#define PERF_TOOLS_WEBSOCKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEBSOCKET_HEAD_MAX 14

enum websocket_opcode {
    WEBSOCKET_TEXT = 1,
    WEBSOCKET_CLOSE = 8,
    WEBSOCKET_PING = 9,
    WEBSOCKET_PONG = 10,
};

/* A head that is read byte by byte; zero it before the first byte of a frame. */
struct websocket_head {
    uint8_t bytes[WEBSOCKET_HEAD_MAX];
    uint8_t got;
    bool complete;
    bool masked;
    uint8_t first; /* FIN, reserved bits, opcode as they came */
    uint8_t mask[4];
    uint64_t len;
};

/* A final frame's head; `mask` NULL for a server's. Returns its length. */
size_t websocket_write_head(uint8_t *out, uint8_t first, uint64_t len, const uint8_t *mask);
/* Takes bytes until the head is complete; returns how many. */
size_t websocket_read_head(struct websocket_head *head, const uint8_t *bytes, size_t len);
/* Applies the mask to bytes that stand at `offset` of the payload. */
void websocket_mask(const uint8_t mask[4], uint64_t offset, uint8_t *bytes, size_t len);

#endif
