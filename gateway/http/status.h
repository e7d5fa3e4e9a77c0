/* status: reason phrases; HTTP status to gRPC code and back. */
#ifndef GATEWAY_HTTP_STATUS_H
#define GATEWAY_HTTP_STATUS_H

#include "gateway/base/str.h"

/* gRPC codes that a proxy says itself. */
enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_ABORTED = 10,
    GRPC_OUT_OF_RANGE = 11,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_DATA_LOSS = 15,
    GRPC_UNAUTHENTICATED = 16,
};

/* "Not Found" for 404; "Unknown" for a code nobody registered. Never empty. */
struct str status_reason(unsigned status);
/* The code a local reply of this status carries for a gRPC client (spec LR-31). */
enum grpc_code status_to_grpc(unsigned status);
/* The HTTP status that stands for a gRPC code in logs and retry conditions. */
unsigned status_from_grpc(unsigned grpc_code);

#endif
