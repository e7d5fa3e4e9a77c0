/* h2_conn: an HTTP/2 connection, either role (RFC 9113), on nghttp2. Many legs at once (h2_leg.c). The
 * library keeps frames, HPACK and the state of streams; what a message may be is checked in h2_head.c,
 * what a peer may do to us is counted in h2_guard.c. */
#ifndef GATEWAY_HTTP_H2_CONN_H
#define GATEWAY_HTTP_H2_CONN_H

#include "gateway/http/conn.h"

/* Server role. Takes over the transport and sets its handler; bytes it kept are offered, the client's
 * preface first. */
struct conn *h2_conn_new_server(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner);
/* Client role: prior knowledge or ALPN has been settled before. */
struct conn *h2_conn_new_client(struct transport *transport, const struct conn_limits *limits,
                                const struct conn_owner *owner_ops, void *owner);

enum h2_preface { H2_PREFACE_NO, H2_PREFACE_MORE, H2_PREFACE_YES };
/* Do these first bytes of a connection begin HTTP/2 (RFC 9113 3.4)? MORE: so far they do. */
enum h2_preface h2_conn_find_preface(const unsigned char *bytes, size_t len);
/* Legs open now. */
size_t h2_conn_leg_count(const struct conn *conn);
/* Client role: may open_leg() succeed now? */
bool h2_conn_has_room(const struct conn *conn);
/* Client role: the peer's first SETTINGS have come (on_room tells); what is asked below is known. */
bool h2_conn_has_peer_settings(const struct conn *conn);
/* Client role: the peer's SETTINGS_MAX_CONCURRENT_STREAMS. */
uint32_t h2_conn_peer_max_streams(const struct conn *conn);
/* Client role: the peer's SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441 3): tunnels can be asked for. */
bool h2_conn_peer_takes_tunnels(const struct conn *conn);
/* "1.52.0" */
const char *h2_conn_library_version(void);

#endif
