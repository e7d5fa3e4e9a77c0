/* grpc_messages: how many messages of gRPC a body carries (gRPC over HTTP/2, "Length-Prefixed-Message";
 * gRPC-Web, "Message framing"): a byte of flags, four of length, as many bytes of message. Counts over
 * pieces of any size and keeps nothing of them. Pure. */
#ifndef GATEWAY_PROXY_GRPC_MESSAGES_H
#define GATEWAY_PROXY_GRPC_MESSAGES_H

#include "gateway/http/headers.h"

enum { GRPC_MESSAGES_PREFIX_BYTES = 5 };

/* Zeroed is ready. */
struct grpc_messages {
    uint64_t count; /* that have begun; what does not look like gRPC ends the count */
    uint32_t left;  /* of the message under way */
    unsigned char prefix[GRPC_MESSAGES_PREFIX_BYTES];
    uint8_t prefix_len;
    bool is_broken;
};

enum grpc_kind {
    GRPC_KIND_NONE,
    GRPC_KIND_NATIVE,   /* application/grpc, or that with a format behind "+" (LR-30) */
    GRPC_KIND_WEB,      /* application/grpc-web, the same */
    GRPC_KIND_WEB_TEXT, /* application/grpc-web-text: base64, whose messages are not counted */
};
/* By the content-type. */
enum grpc_kind grpc_messages_kind(const struct headers *headers);
/* Bodies of that kind are messages with a prefix each. */
bool grpc_messages_are_counted(enum grpc_kind kind);
void grpc_messages_add(struct grpc_messages *messages, const unsigned char *bytes, size_t len);

#endif
