/* client_protocol: from a clear pipe to a connection of HTTP/1.1 or HTTP/2. The bytes that decide are
 * only looked at, and go to the new conn where they were read. The client stays with its worker. */
#include "gateway/proxy/client_protocol.h"

#include "gateway/base/now.h"
#include "gateway/http/h2_conn.h"

/* A listener is gone and a connection of it never spoke: its first request may be on its way, for a
 * round trip or two. */
enum { CLIENT_PROTOCOL_LAST_REQUEST_MS = 1000 };

static void client_protocol_arm(struct client *client, uint32_t delay_ms)
{
    timer_cancel(&client->deadline);
    if (delay_ms != 0) {
        timer_arm(client->worker->loop, &client->deadline, delay_ms);
    }
}

/* What ALPN agreed on; empty: nothing. */
static struct str client_protocol_agreed(const struct client *client)
{
    struct tls_session_facts facts;

    return client->is_tls && transport_tls_facts(client->transport, &facts) ? facts.alpn
                                                                            : str_from(NULL, 0);
}

/* The time in which it could have been a preface is part of the head's. */
static void client_protocol_start_http1(struct client *client)
{
    struct conn_limits limits = client->worker->options.client_limits;

    if (client->stage == CLIENT_PREFACE && limits.header_timeout_ms != 0) {
        uint64_t now_ms = now_mono_ms();
        uint64_t due_ms = client->deadline.due_ms;
        uint64_t left_ms = due_ms > now_ms ? due_ms - now_ms : 0;
        limits.header_spent_ms = limits.header_timeout_ms - (uint32_t)left_ms;
    }
    client_start_conn(client, HTTP_VERSION_1_1, &limits);
}

void client_protocol_on_deadline(struct client *client)
{
    if (client->stage == CLIENT_FIRST_BYTES) {
        client_part(client);
        return;
    }
    /* The beginning of a preface, and no more for the whole time of a head: HTTP/1.1 has an answer
     * for that (408), and gives it at once. */
    client_protocol_start_http1(client);
}

static size_t client_protocol_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct client *client = owner;
    const struct conn_limits *limits = &client->worker->options.client_limits;

    switch (h2_conn_find_preface(bytes, len)) {
    case H2_PREFACE_MORE:
        if (client->stage == CLIENT_FIRST_BYTES) {
            client->stage = CLIENT_PREFACE;
            client_protocol_arm(client, limits->header_timeout_ms);
        }
        break;
    case H2_PREFACE_YES:
        client_start_conn(client, HTTP_VERSION_2, limits);
        break;
    case H2_PREFACE_NO:
        client_protocol_start_http1(client);
        break;
    }
    return 0; /* all of it is the conn's */
}

static void client_protocol_on_end(void *owner, bool is_clean)
{
    struct client *client = owner;

    (void)is_clean;
    if (transport_unread_bytes(client->transport) > 0) {
        /* A piece of a preface is a broken head of HTTP/1.1. */
        client_protocol_start_http1(client);
    } else {
        client_part(client);
    }
}

static void client_protocol_on_drained(void *owner)
{
    (void)owner; /* nothing of ours waits */
}

static void client_protocol_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    client_close(owner);
}

static const struct transport_handler client_protocol_handler = {
    .on_data = client_protocol_on_data,
    .on_end = client_protocol_on_end,
    .on_drained = client_protocol_on_drained,
    .on_dead = client_protocol_on_dead,
};

/* The handler of a client whose protocol is known: it waits for the first byte. */
static size_t client_protocol_on_first_byte(void *owner, const unsigned char *bytes, size_t len)
{
    struct client *client = owner;
    bool is_http2 = str_equals(client_protocol_agreed(client), STR("h2"));

    (void)bytes;
    (void)len;
    client_start_conn(client, is_http2 ? HTTP_VERSION_2 : HTTP_VERSION_1_1,
                      &client->worker->options.client_limits);
    return 0;
}

static const struct transport_handler client_protocol_agreed_handler = {
    .on_data = client_protocol_on_first_byte,
    .on_end = client_protocol_on_end,
    .on_drained = client_protocol_on_drained,
    .on_dead = client_protocol_on_dead,
};

static void client_protocol_wait(struct client *client, const struct transport_handler *handler)
{
    bool is_leaving = client_is_leaving(client);

    client->stage = CLIENT_FIRST_BYTES;
    client_protocol_arm(client, is_leaving ? CLIENT_PROTOCOL_LAST_REQUEST_MS
                                           : client->worker->options.client_limits.idle_timeout_ms);
    transport_set_handler(client->transport, handler, client);
}

void client_protocol_start(struct client *client)
{
    const struct conn_limits *limits = &client->worker->options.client_limits;
    struct str agreed = client_protocol_agreed(client);

    if (agreed.len == 0) {
        client_protocol_wait(client, &client_protocol_handler);
    } else if (client_is_leaving(client)) {
        client_protocol_wait(client, &client_protocol_agreed_handler);
    } else if (str_equals(agreed, STR("h2"))) {
        client_start_conn(client, HTTP_VERSION_2, limits);
    } else {
        client_start_conn(client, HTTP_VERSION_1_1, limits);
    }
}

void client_protocol_drain(struct client *client)
{
    if (client->stage == CLIENT_FIRST_BYTES) {
        client_protocol_arm(client, CLIENT_PROTOCOL_LAST_REQUEST_MS);
    }
}
