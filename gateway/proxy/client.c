/* client: accepted connections: life, texts, and the link between their conn and exchanges. */
#include "gateway/proxy/client.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/http/h1_conn.h"
#include "gateway/http/h2_conn.h"
#include "gateway/observe/log.h"
#include "gateway/proxy/client_protocol.h"
#include "gateway/proxy/client_proxy.h"
#include "gateway/proxy/client_tls.h"
#include "gateway/proxy/exchange.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/tunnel.h"

/* A connection that was just accepted, or just answered, may have a request on its way: it is not
 * taken away from its client before it has been idle for so long. */
enum { CLIENT_RECLAIM_IDLE_MS = 250 };

static void client_set_busy(struct client *client, bool is_busy)
{
    struct worker *worker = client->worker;

    list_remove(&client->link);
    client->idle_since_ms = now_mono_ms();
    list_push_back(is_busy ? &worker->busy_clients : &worker->idle_clients, &client->link);
    worker_review_accepting(worker);
}

static void client_free(void *memory)
{
    struct client *client = memory;
    union {
        const char *read_only;
        char *memory;
    } server_name = { .read_only = client->server_name.ptr };

    mem_free(server_name.memory);
    mem_free(client->hello);
    mem_free(client->texts);
    mem_free(client->direct);
    mem_free(client);
}

/* The transport is closed or the conn's affair; what is ours goes after the turn. */
static void client_forget(struct client *client)
{
    struct worker *worker = client->worker;

    CHECK(!client->is_closed);
    client->is_closed = true;
    timer_cancel(&client->deadline);
    loop_defer_cancel(&client->drain);
    list_remove(&client->link);
    if (client->is_http2) {
        metrics_sub(worker->metrics, METRIC_HTTP2_CONNECTIONS, 1);
    }
    client->listener->connection_count--;
    metric_series_sub(client->listener->connection_series, 1);
    metrics_sub(worker->metrics, METRIC_CONNECTIONS, 1);
    worker_listener_unref(client->listener);
    client->listener = NULL;
    loop_reap(worker->loop, client, client_free);
    worker_count_connection(worker, -1);
}

void client_close(struct client *client)
{
    if (client->is_closed) {
        return;
    }
    if (client->tunnel != NULL) {
        tunnel_close(client->tunnel); /* comes back without it */
        return;
    }
    if (client->conn != NULL) {
        client->conn->ops->close(client->conn);
    } else {
        transport_close(client->transport);
    }
    client_forget(client);
}

void client_part(struct client *client)
{
    transport_linger_close(client->transport);
    client->transport = NULL;
    client_close(client);
}

/* --- What the conn tells ---------------------------------------------------------------------- */

static void client_on_request(void *owner, struct conn *conn, struct leg *leg, struct head *head,
                              bool is_end)
{
    struct client *client = owner;

    (void)conn;
    client_set_busy(client, true);
    exchange_begin(client, leg, head, is_end);
}

static void client_on_refused(void *owner, struct conn *conn, unsigned status, const char *detail,
                              const struct head *partial_head)
{
    (void)conn;
    exchange_log_refused(owner, status, detail, partial_head);
}

/* What the exchanges saw of it has its own lines; this one names who did it. */
static void client_on_violation(void *owner, struct conn *conn, const char *reason)
{
    struct client *client = owner;

    (void)conn;
    exchange_log_protocol_error(client->worker, STR("client"), reason);
    client_describe(client);
    LOG_WARN("client", "connection closed on %.*s: %s; peer %.*s", STR_ARG(client->listener->key),
             reason, STR_ARG(client_text(client, CLIENT_PEER_TEXT)));
}

static void client_on_idle(void *owner, struct conn *conn, bool is_reusable)
{
    (void)conn;
    (void)is_reusable; /* a server's conn closes by itself when it must */
    client_set_busy(owner, false);
}

static void client_on_closed(void *owner, struct conn *conn)
{
    (void)conn;
    client_forget(owner);
}

static const struct conn_owner client_conn_owner = {
    .on_request = client_on_request,
    .on_refused = client_on_refused,
    .on_idle = client_on_idle,
    .on_violation = client_on_violation,
    .on_closed = client_on_closed,
};

/* --- HTTP ------------------------------------------------------------------------------------- */

bool client_is_leaving(const struct client *client)
{
    return client->listener->socket == NULL;
}

void client_drain(struct client *client)
{
    if (client->conn != NULL) {
        client->conn->ops->drain(client->conn);
    } else {
        client_protocol_drain(client);
    }
}

static void client_on_drain(void *arg)
{
    client_drain(arg);
}

void client_start_conn(struct client *client, enum http_version version,
                       const struct conn_limits *limits)
{
    struct worker *worker = client->worker;

    timer_cancel(&client->deadline);
    client->stage = CLIENT_HTTP;
    if (version == HTTP_VERSION_2) {
        client->is_http2 = true;
        metrics_add(worker->metrics, METRIC_HTTP2_CONNECTIONS, 1);
        client->conn = h2_conn_new_server(client->transport, limits, &client_conn_owner, client);
    } else {
        client->conn = h1_conn_new_server(client->transport, limits, &client_conn_owner, client);
    }
    if (client_is_leaving(client)) {
        /* Once it has seen the bytes that are there: an idle connection would close over them. */
        loop_defer(worker->loop, &client->drain, client_on_drain, client);
    }
}

void client_start_http(struct client *client)
{
    mem_free(client->hello);
    client->hello = NULL;
    client_set_busy(client, false);
    client_protocol_start(client);
}

/* --- Accepting -------------------------------------------------------------------------------- */

static void client_on_deadline(void *arg)
{
    struct client *client = arg;

    switch (client->stage) {
    case CLIENT_PROXY_HEADER:
        client_proxy_on_deadline(client);
        break;
    case CLIENT_HANDSHAKE:
        client_tls_on_deadline(client);
        break;
    case CLIENT_FIRST_BYTES:
    case CLIENT_PREFACE:
        client_protocol_on_deadline(client);
        break;
    case CLIENT_HTTP:
    case CLIENT_TUNNEL:
        break;
    }
}

uint64_t client_reclaim_wait_ms(const struct worker *worker)
{
    struct list *oldest = list_first(&worker->idle_clients);

    if (oldest == NULL) {
        return UINT64_MAX;
    }
    uint64_t idle_ms = now_mono_ms() - list_object(oldest, struct client, link)->idle_since_ms;
    return idle_ms >= CLIENT_RECLAIM_IDLE_MS ? 0 : CLIENT_RECLAIM_IDLE_MS - idle_ms;
}

void client_close_idle(struct worker *worker)
{
    while (client_reclaim_wait_ms(worker) == 0) {
        client_close(list_object(list_first(&worker->idle_clients), struct client, link));
    }
}

/* Room for one more: the connection that has been idle longest makes way. Its client must expect
 * that of an idle connection at any time (RFC 9112 9.5). */
static void client_reclaim_idle(struct worker *worker)
{
    struct list *oldest = list_first(&worker->idle_clients);

    if (oldest == NULL || client_reclaim_wait_ms(worker) != 0) {
        return;
    }
    struct client *client = list_object(oldest, struct client, link);
    LOG_WARN("client", "all %zu connections of worker %u are taken; closing the longest idle one",
             worker->options.max_connections, worker->index);
    if (client->conn != NULL && transport_queued_bytes(client->transport) > 0) {
        client->conn->ops->drain(client->conn); /* its last answer is still on the way */
    } else {
        client_close(client);
    }
}

void client_begin(struct client *client)
{
    struct worker *worker = client->worker;
    const struct snapshot_listener *config = client->listener->config;

    if (client->is_tls) {
        client->stage = CLIENT_HANDSHAKE;
        timer_arm(worker->loop, &client->deadline, worker->options.handshake_timeout_ms);
        client_tls_start(client);
    } else if (!client->listener->is_tcp) {
        client_start_http(client);
    } else if (config != NULL && config->tcp != NULL) {
        tunnel_start(client, config->tcp, TUNNEL_TCP);
    } else {
        client_part(client); /* its listener went away, and its route with it */
    }
}

void client_accept(struct worker_listener *listener, int fd, const struct address *peer)
{
    struct worker *worker = listener->worker;
    size_t max = worker->options.max_connections;

    if (max != 0 && worker_active_count(worker) >= max) {
        client_reclaim_idle(worker);
    }
    struct client *client = mem_new(struct client);
    client->worker = worker;
    client->listener = worker_listener_ref(listener);
    client->id = ++worker->next_connection_id;
    client->is_tls = listener->is_tls;
    client->accepted_us = now_mono_us();
    client->transport = transport_new(worker->loop, fd, peer);
    timer_init(&client->deadline, client_on_deadline, client);
    list_push_back(&worker->busy_clients, &client->link);
    listener->connection_count++;
    metric_series_add(listener->connection_series, 1);
    metrics_add(worker->metrics, METRIC_CONNECTIONS, 1);
    metrics_add(worker->metrics, METRIC_CONNECTIONS_TOTAL, 1);
    worker_count_connection(worker, 1);
    if (client_proxy_is_due(client)) {
        client_proxy_start(client);
    } else {
        client_begin(client);
    }
}

/* --- Facts ------------------------------------------------------------------------------------ */

const struct tls_server *client_find_server(struct client *client)
{
    const struct snapshot_listener *config = client->listener->config;
    const struct lease *lease = client->worker->lease;

    if (config == NULL || !config->is_tls || !client->is_tls) {
        return NULL;
    }
    if (client->server_revision != lease->snapshot->revision || client->server == NULL) {
        client->server = snapshot_find_tls_server(config, client->server_name);
        client->server_revision = lease->snapshot->revision;
    }
    return client->server;
}

void client_describe(struct client *client)
{
    char texts[CLIENT_TEXT_COUNT][ADDRESS_TEXT_BYTES];

    if (client->texts != NULL) {
        return;
    }
    struct address peer = transport_peer(client->transport);
    struct address local = transport_local(client->transport);
    bool is_ip = address_family(&peer) == AF_INET || address_family(&peer) == AF_INET6;
    const struct str made[CLIENT_TEXT_COUNT] = {
        address_print(&peer, texts[CLIENT_PEER_TEXT]),
        is_ip ? address_print_host(&peer, texts[CLIENT_PEER_HOST]) : STR(""),
        address_print(&local, texts[CLIENT_LOCAL_TEXT]),
        is_ip ? address_print_host(&local, texts[CLIENT_LOCAL_HOST]) : STR(""),
        client->direct != NULL ? address_print(client->direct, texts[CLIENT_DIRECT_TEXT]) : STR(""),
    };
    size_t bytes = 0;
    for (size_t i = 0; i < CLIENT_TEXT_COUNT; i++) {
        bytes += made[i].len;
    }
    client->texts = mem_alloc(sizeof(*client->texts) + bytes);
    char *at = client->texts->bytes;
    for (size_t i = 0; i < CLIENT_TEXT_COUNT; i++) {
        client->texts->lens[i] = (uint8_t)made[i].len; /* less than ADDRESS_TEXT_BYTES */
        memcpy(at, made[i].ptr, made[i].len);
        at += made[i].len;
    }
}

struct str client_text(const struct client *client, enum client_text which)
{
    const struct client_texts *texts = client->texts;
    size_t start = 0;

    if (texts == NULL) {
        return STR("");
    }
    if (which == CLIENT_DIRECT_TEXT && texts->lens[CLIENT_DIRECT_TEXT] == 0) {
        which = CLIENT_PEER_TEXT;
    }
    for (size_t i = 0; i < (size_t)which; i++) {
        start += texts->lens[i];
    }
    return str_from(texts->bytes + start, texts->lens[which]);
}
