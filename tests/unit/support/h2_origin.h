/* h2_origin: an HTTP/2 origin on loopback, in the loop of the test: it answers every request with 200
 * and no body, at once or when told. */
#ifndef TESTS_UNIT_SUPPORT_H2_ORIGIN_H
#define TESTS_UNIT_SUPPORT_H2_ORIGIN_H

#include "gateway/net/listener.h"
#include "gateway/net/transport.h"

enum { H2_ORIGIN_CONNECTIONS_MAX = 16, H2_ORIGIN_STREAMS_MAX = 256 };

struct nghttp2_session;

struct h2_origin_connection {
    struct h2_origin *origin;
    struct transport *transport; /* NULL: the slot is free */
    struct nghttp2_session *session;
    size_t request_count;
    int32_t waiting[H2_ORIGIN_STREAMS_MAX]; /* streams to be answered */
    size_t waiting_count;
};

struct h2_origin {
    struct loop *loop;
    struct listener *listener;
    struct address address;
    /* Set after h2_origin_start(), before the first connection. */
    uint32_t max_streams;     /* SETTINGS_MAX_CONCURRENT_STREAMS; 0: not sent */
    bool takes_tunnels;       /* SETTINGS_ENABLE_CONNECT_PROTOCOL */
    bool is_holding_settings; /* until h2_origin_send_settings() */
    bool is_holding_answers;  /* until h2_origin_answer() */
    size_t request_count;     /* whole ones, and CONNECTs */
    size_t tunnel_count;      /* CONNECTs among them */
    size_t connection_count;  /* accepted */
    size_t open_count;
    struct h2_origin_connection connections[H2_ORIGIN_CONNECTIONS_MAX];
};

void h2_origin_start(struct h2_origin *origin, struct loop *loop);
/* The gateway's connections are closed by now. */
void h2_origin_stop(struct h2_origin *origin);
void h2_origin_send_settings(struct h2_origin *origin);
/* All that wait; requests that come later are answered at once. */
void h2_origin_answer(struct h2_origin *origin);
/* GOAWAY (NO_ERROR) on each connection, what came so far is still answered. */
void h2_origin_go_away(struct h2_origin *origin);
/* The most requests one connection has had. */
size_t h2_origin_busiest(const struct h2_origin *origin);

#endif
