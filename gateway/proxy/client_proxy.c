/* client_proxy: waits for the header, takes it off the stream, and lets everything behind see the client
 * it names. The client stays with its worker. */
#include "gateway/proxy/client_proxy.h"

#include "gateway/base/mem.h"
#include "gateway/net/proxy_protocol.h"
#include "gateway/observe/log.h"

bool client_proxy_is_due(const struct client *client)
{
    const struct worker_options *options = &client->worker->options;

    if (options->accept_proxy == ACCEPT_PROXY_OFF) {
        return false;
    }
    struct address peer = transport_peer(client->transport);
    for (size_t i = 0; i < options->proxy_range_count; i++) {
        if (cidr_contains(&options->proxy_ranges[i], &peer)) {
            return true;
        }
    }
    return false;
}

/* Nothing can be said to a peer of whom not even the protocol is known. */
static void client_proxy_refuse(struct client *client, struct str reason)
{
    struct worker *worker = client->worker;

    metric_series_add(metrics_series(worker->metrics, METRIC_CONNECTIONS_REFUSED, &reason, 1), 1);
    client_describe(client);
    LOG_WARN("client_proxy", "connection closed on %.*s: %.*s; peer %.*s",
             STR_ARG(client->listener->key), STR_ARG(reason),
             STR_ARG(client_text(client, CLIENT_PEER_TEXT)));
    client_close(client);
}

static void client_proxy_go_on(struct client *client)
{
    timer_cancel(&client->deadline);
    client_begin(client);
}

static void client_proxy_believe(struct client *client, const struct proxy_protocol_header *header)
{
    if (!header->has_addresses) {
        return; /* the balancer speaks for itself: a health check, say */
    }
    client->direct = mem_new(struct address);
    *client->direct = transport_peer(client->transport);
    transport_set_addresses(client->transport, &header->source, &header->destination);
}

static size_t client_proxy_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct client *client = owner;
    struct proxy_protocol_header header;

    switch (proxy_protocol_parse(bytes, len, &header)) {
    case PROXY_PROTOCOL_OK:
        client_proxy_believe(client, &header);
        client_proxy_go_on(client);
        return header.len;
    case PROXY_PROTOCOL_ABSENT:
        if (client->worker->options.accept_proxy == ACCEPT_PROXY_REQUIRED) {
            client_proxy_refuse(client, STR("proxy_header_absent"));
        } else {
            client_proxy_go_on(client);
        }
        break;
    case PROXY_PROTOCOL_MALFORMED:
        client_proxy_refuse(client, STR("proxy_header_malformed"));
        break;
    case PROXY_PROTOCOL_MORE:
        break;
    }
    return 0;
}

void client_proxy_on_deadline(struct client *client)
{
    client_proxy_refuse(client, STR("proxy_header_timeout"));
}

static void client_proxy_on_end(void *owner, bool is_clean)
{
    struct client *client = owner;

    (void)is_clean;
    if (transport_received_bytes(client->transport) > 0) {
        client_proxy_refuse(client, STR("proxy_header_malformed"));
    } else {
        client_close(client); /* a probe that only opens and closes */
    }
}

static void client_proxy_on_drained(void *owner)
{
    (void)owner; /* nothing of ours waits */
}

static void client_proxy_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    client_close(owner);
}

static const struct transport_handler client_proxy_handler = {
    .on_data = client_proxy_on_data,
    .on_end = client_proxy_on_end,
    .on_drained = client_proxy_on_drained,
    .on_dead = client_proxy_on_dead,
};

void client_proxy_start(struct client *client)
{
    client->stage = CLIENT_PROXY_HEADER;
    timer_arm(client->worker->loop, &client->deadline,
              client->worker->options.handshake_timeout_ms);
    transport_set_handler(client->transport, &client_proxy_handler, client);
}
