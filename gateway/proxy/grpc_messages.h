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

/* content-type: application/grpc, application/grpc-web, and with a format behind "+". The text form
 * of gRPC-Web is base64 and is not counted. */
bool grpc_messages_are_in(const struct headers *headers);
/* application/grpc-web and its text form. */
bool grpc_messages_are_web(const struct headers *headers);
void grpc_messages_add(struct grpc_messages *messages, const unsigned char *bytes, size_t len);

#endif
