/* headers: an ordered list of header fields, memory from an arena. Names are kept in lower case;
 * well-known ones carry a small number, so that later look-ups compare numbers. */
#ifndef GATEWAY_HTTP_HEADERS_H
#define GATEWAY_HTTP_HEADERS_H

#include "gateway/base/arena.h"
#include "gateway/base/text.h"

/* Well-known names: HEADER(id, "name"). HEADER_OTHER is 0. */
#define KNOWN_HEADERS(X)                                                                           \
    X(HOST, "host")                                                                                \
    X(CONNECTION, "connection")                                                                    \
    X(KEEP_ALIVE, "keep-alive")                                                                    \
    X(PROXY_CONNECTION, "proxy-connection")                                                        \
    X(TRANSFER_ENCODING, "transfer-encoding")                                                      \
    X(CONTENT_LENGTH, "content-length")                                                            \
    X(CONTENT_TYPE, "content-type")                                                                \
    X(UPGRADE, "upgrade")                                                                          \
    X(TE, "te")                                                                                    \
    X(TRAILER, "trailer")                                                                          \
    X(EXPECT, "expect")                                                                            \
    X(DATE, "date")                                                                                \
    X(SERVER, "server")                                                                            \
    X(LOCATION, "location")                                                                        \
    X(REFERER, "referer")                                                                          \
    X(USER_AGENT, "user-agent")                                                                    \
    X(COOKIE, "cookie")                                                                            \
    X(ORIGIN, "origin")                                                                            \
    X(VIA, "via")                                                                                  \
    X(X_FORWARDED_FOR, "x-forwarded-for")                                                          \
    X(X_FORWARDED_PROTO, "x-forwarded-proto")                                                      \
    X(X_FORWARDED_HOST, "x-forwarded-host")                                                        \
    X(X_FORWARDED_PORT, "x-forwarded-port")                                                        \
    X(X_FORWARDED_CLIENT_CERT, "x-forwarded-client-cert")                                          \
    X(X_REQUEST_ID, "x-request-id")                                                                \
    X(X_ENVOY_EXTERNAL_ADDRESS, "x-envoy-external-address")                                        \
    X(X_ENVOY_UPSTREAM_SERVICE_TIME, "x-envoy-upstream-service-time")                              \
    X(X_ENVOY_ORIGINAL_PATH, "x-envoy-original-path")                                              \
    X(X_ENVOY_ATTEMPT_COUNT, "x-envoy-attempt-count")                                              \
    X(X_ENVOY_EXPECTED_RQ_TIMEOUT_MS, "x-envoy-expected-rq-timeout-ms")                            \
    X(GRPC_TIMEOUT, "grpc-timeout")                                                                \
    X(GRPC_STATUS, "grpc-status")                                                                  \
    X(GRPC_MESSAGE, "grpc-message")                                                                \
    X(WWW_AUTHENTICATE, "www-authenticate")                                                        \
    X(SET_COOKIE, "set-cookie")                                                                    \
    X(HTTP2_SETTINGS, "http2-settings")                                                            \
    X(RETRY_AFTER, "retry-after")

enum header_id {
    HEADER_OTHER,
#define X(id, name) HEADER_##id,
    KNOWN_HEADERS(X)
#undef X
        HEADER_ID_COUNT
};

struct header {
    enum header_id id;
    struct str name;  /* lower case */
    struct str value; /* OWS trimmed */
};

struct headers {
    struct arena *arena;
    struct header *items;
    size_t count;
    size_t capacity;
};

/* `arena` outlives the list; no allocation before the first add. */
void headers_init(struct headers *headers, struct arena *arena);
/* The number of a lower-case name. */
enum header_id header_id_of(struct str lower_name);
struct str header_id_name(enum header_id id);
/* Views are kept, not copied: they must live as long as the arena. `lower_name` is lower case. */
void headers_add(struct headers *headers, struct str lower_name, struct str value);
void headers_add_id(struct headers *headers, enum header_id id, struct str value);
/* Where the number of `lower_name` is known already. */
void headers_add_numbered(struct headers *headers, enum header_id id, struct str lower_name,
                          struct str value);
/* Replaces the first, drops the others, adds when absent. */
void headers_set(struct headers *headers, struct str lower_name, struct str value);
void headers_set_id(struct headers *headers, enum header_id id, struct str value);
/* Returns how many went. */
size_t headers_remove(struct headers *headers, struct str lower_name);
size_t headers_remove_id(struct headers *headers, enum header_id id);
/* The first of that name, or NULL. */
const struct header *headers_find(const struct headers *headers, struct str lower_name);
const struct header *headers_find_id(const struct headers *headers, enum header_id id);
size_t headers_count_id(const struct headers *headers, enum header_id id);
/* All values joined with "," (HT-26); a single value is returned as it stands, several are built in
 * the arena. False when absent. */
bool headers_join(const struct headers *headers, struct str lower_name, struct str *value);
/* A comma-separated list value of RFC 9110 5.6.1 has this token (no case). Over all lines. */
bool headers_list_has(const struct headers *headers, enum header_id id, struct str token);
/* Removes names listed in `Connection` and all hop-by-hop fields (RFC 9110 7.6.1). */
void headers_remove_hop_by_hop(struct headers *headers);
/* Copies names and values of `from` into the arena of `to`. */
void headers_copy(struct headers *to, const struct headers *from);

#endif
