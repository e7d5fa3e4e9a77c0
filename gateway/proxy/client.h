/* client: an accepted connection: TLS first where the listener wants it, then HTTP or a tunnel. Owned by
 * its worker until closed; it pins no snapshot, so it survives any number of reloads: each request
 * asks the current one anew.
 *
 *   PROXY_HEADER ─▶ HANDSHAKE ─▶ FIRST_BYTES ─▶ PREFACE ─▶ HTTP
 *     client_proxy   client_tls └──── client_protocol ────┘ conn       └─▶ TUNNEL
 */
#ifndef GATEWAY_PROXY_CLIENT_H
#define GATEWAY_PROXY_CLIENT_H

#include "gateway/http/conn.h"
#include "gateway/proxy/worker_state.h"
#include "tls/client_hello.h"
#include "tls/transport_tls.h"

struct tunnel;

enum client_stage {
    CLIENT_PROXY_HEADER, /* who it is comes first */
    CLIENT_HANDSHAKE,
    CLIENT_FIRST_BYTES, /* HTTP of either version; nothing was said yet */
    CLIENT_PREFACE,     /* so far it is HTTP/2 */
    CLIENT_HTTP,        /* there is a conn */
    CLIENT_TUNNEL,      /* tunnel.c has the transport */
};

/* One behind the other in one block, whose lengths come first: an idle connection has it, too. */
enum client_text {
    CLIENT_PEER_TEXT, /* "10.0.0.1:1234" */
    CLIENT_PEER_HOST,
    CLIENT_LOCAL_TEXT,
    CLIENT_LOCAL_HOST,
    CLIENT_DIRECT_TEXT, /* the socket's peer, where the peer is what a balancer told (OB-11) */
};
enum { CLIENT_TEXT_COUNT = CLIENT_DIRECT_TEXT + 1 };
struct client_texts {
    uint8_t lens[CLIENT_TEXT_COUNT];
    char bytes[];
};

struct client {
    struct list link; /* worker->idle_clients or ->busy_clients */
    struct worker *worker;
    struct worker_listener *listener;
    struct transport *transport; /* the conn's or tunnel's once there is one; NULL: given up */
    struct conn *conn;           /* in CLIENT_HTTP */
    struct tunnel *tunnel;       /* in CLIENT_TUNNEL */
    enum client_stage stage : 8;
    bool is_tls : 1;
    bool is_tls_tcp : 1; /* terminated, then raw bytes */
    bool is_http2 : 1;
    bool is_closed : 1;
    struct timer deadline; /* of the stage, until there is a conn or tunnel */
    struct deferred drain;
    uint64_t id;
    uint64_t accepted_us;
    uint64_t idle_since_ms;
    struct client_hello *hello; /* until the handshake is done */
    struct str server_name;     /* SNI as asked for, lower case; owned; empty: none */
    struct client_texts *texts; /* of the two ends, made when first asked for */
    struct address *direct;     /* NULL: transport_peer() */
    /* The server found for server_name, good for one revision. */
    const struct tls_server *server;
    uint64_t server_revision;
};

/* Takes over `fd`. */
void client_accept(struct worker_listener *listener, int fd, const struct address *peer);
/* How long until the connection that has been idle longest may be closed for another one's sake; 0:
 * now; UINT64_MAX: none is idle. */
uint64_t client_reclaim_wait_ms(const struct worker *worker);
/* Closes those that have been idle for so long that this may be done. */
void client_close_idle(struct worker *worker);
/* At once, without a word. */
void client_close(struct client *client);
/* The server of the current snapshot for the name of the handshake; NULL: plain, or there is none.
 */
const struct tls_server *client_find_server(struct client *client);
/* Makes the texts, while there is a transport. */
void client_describe(struct client *client);
/* Lives as long as the client; empty before client_describe(), a host also where there is no IP address. */
struct str client_text(const struct client *client, enum client_text which);
/* Its listener's socket is closed: what is under way is finished, nothing more is begun. */
bool client_is_leaving(const struct client *client);
/* Finish what is under way; a tunnel is left alone (HR-5). */
void client_drain(struct client *client);
/* client_proxy.c: the connection's own bytes come next. */
void client_begin(struct client *client);
/* client_tls.c: the transport is encrypted from now on, HTTP may begin. */
void client_start_http(struct client *client);
/* Orderly: what was written is read, close_notify included. */
void client_part(struct client *client);
/* client_protocol.c: the version is known. */
void client_start_conn(struct client *client, enum http_version version,
                       const struct conn_limits *limits);

#endif
