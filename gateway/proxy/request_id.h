/* request_id: a new x-request-id for each request (HD-10): a random UUID (RFC 9562, version 4). */
#ifndef GATEWAY_PROXY_REQUEST_ID_H
#define GATEWAY_PROXY_REQUEST_ID_H

#include "gateway/upstream/random.h"

enum { REQUEST_ID_BYTES = 36 };

/* Not terminated. The 15th character is "4": no trace is taken (HD-10). */
void request_id_make(struct random *random, char out[REQUEST_ID_BYTES]);

#endif
