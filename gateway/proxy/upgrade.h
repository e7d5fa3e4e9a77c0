/* upgrade: the handshake of WebSocket where its two sides speak different versions. HTTP/1.1 proves by
 * Sec-WebSocket-Key and -Accept that the peer understood (RFC 6455 4.1, 4.2.2); HTTP/2 needs no such
 * proof (RFC 8441 5), so between the two the gateway answers for the one side, or asks for the other.
 * Same version on both: the fields pass. Pure but for the random key. */
#ifndef GATEWAY_PROXY_UPGRADE_H
#define GATEWAY_PROXY_UPGRADE_H

#include "gateway/http/head.h"

/* One request to upgrade; part of its exchange. */
struct upgrade {
    enum http_version client_version;
    enum http_version upstream_version; /* of the latest attempt */
    struct str key;                     /* sent upstream by us, or the client's to be answered */
};

/* Sixteen bytes in base64 (RFC 6455 4.2.1), exactly once. */
bool upgrade_has_good_key(const struct head *request);
/* Before the head goes upstream, for each attempt anew. From HTTP/1.1 to HTTP/2 the request must have
 * a good key at the first of them. */
void upgrade_prepare_request(struct upgrade *upgrade, struct head *request,
                             enum http_version upstream_version, struct arena *arena);
/* The 101 of the upstream becomes that for the client. False: it does not prove that the upstream
 * understood our key; the connection is of no use. */
bool upgrade_accept_response(const struct upgrade *upgrade, struct head *response,
                             const struct head *request, struct arena *arena);

#endif
