/* client_tls: from the first bytes to a finished handshake. The client stays with its worker; the
 * context is picked before TLS starts, because changing it in a callback would keep the first one's
 * limits on versions. */
#include "gateway/proxy/client_tls.h"

#include "gateway/base/mem.h"
#include "gateway/observe/log.h"
#include "gateway/proxy/exchange_log.h"
#include "gateway/proxy/tunnel.h"

#include <stdio.h>

/* --- Names ------------------------------------------------------------------------------------ */

struct str client_tls_configured_name(const struct snapshot_listener *listener,
                                      struct str server_name, char out[256])
{
    if (listener == NULL || snapshot_find_tls_server(listener, server_name) == NULL) {
        return STR("other");
    }
    if (server_name.len > 0 && server_name.len < 254) {
        if (host_table_get(&listener->sni, server_name) != NULL) {
            memcpy(out, server_name.ptr, server_name.len);
            return str_from(out, server_name.len);
        }
        /* The longest wildcard: the same walk as the look-up's. */
        struct str rest = server_name;
        size_t dot;
        while ((dot = str_find_char(rest, '.')) != SIZE_MAX) {
            struct str suffix = str_skip(rest, dot);
            out[0] = '*';
            memcpy(out + 1, suffix.ptr, suffix.len);
            struct str wildcard = str_from(out, suffix.len + 1);
            if (host_table_get(&listener->sni, wildcard) != NULL) {
                return wildcard;
            }
            rest = str_skip(suffix, 1);
        }
    }
    return STR("*");
}

/* --- Failures --------------------------------------------------------------------------------- */

static const char *client_tls_version_name(uint16_t version)
{
    switch (version) {
    case 0x0304:
        return "TLSv1.3";
    case 0x0303:
        return "TLSv1.2";
    case 0x0302:
        return "TLSv1.1";
    case 0x0301:
        return "TLSv1.0";
    case 0x0300:
        return "SSLv3";
    default:
        return "unknown";
    }
}

/* OB-15: counted by reason, and told with what helps to find the cause. */
static void client_tls_tell_failure(struct client *client, const char *reason, const char *detail)
{
    const struct client_hello *hello = client->hello;
    char name[256];
    const struct str labels[] = {
        client_tls_configured_name(client->listener->config, client->server_name, name),
        str_from_cstr(reason),
    };

    metric_series_add(
        metrics_series(client->worker->metrics, METRIC_TLS_HANDSHAKE_FAILURES, labels, 2), 1);
    client_describe(client);
    char offered[40] = "none";
    if (hello != NULL && hello->max_version != 0) {
        uint16_t lowest = hello->min_version != 0 ? hello->min_version : hello->max_version;
        (void)snprintf(offered, sizeof(offered), "%s to %s", client_tls_version_name(lowest),
                       client_tls_version_name(hello->max_version)); /* fits */
    }
    LOG_WARN("client_tls",
             "handshake failed on %.*s: %s%s%s; server name %.*s, peer %.*s, versions offered %s",
             STR_ARG(client->listener->key), reason, detail[0] != '\0' ? ": " : "", detail,
             STR_ARG(client->server_name.len > 0 ? client->server_name : STR("(none)")),
             STR_ARG(client_text(client, CLIENT_PEER_TEXT)), offered);
}

/* A peer that only opens and closes (a probe of a load balancer) is no failed handshake. A PROXY header
 * that came before is not its word. */
static bool client_tls_has_spoken(const struct client *client)
{
    return client->hello != NULL || transport_unread_bytes(client->transport) > 0;
}

/* Our alert must be read: closing with unread bytes would reset it away. */
static void client_tls_refuse(struct client *client, unsigned char alert)
{
    unsigned char record[8];
    size_t len = transport_tls_plain_alert(record, alert);

    transport_write(client->transport, record, len);
    client_part(client);
}

void client_tls_on_deadline(struct client *client)
{
    client_tls_tell_failure(client, "timeout", "no handshake within the deadline");
    client_close(client);
}

/* --- Handshake -------------------------------------------------------------------------------- */

/* TT-24. The route is that of now: a reload may have come during the handshake, and have refused the
 * server (its mode), which is then without one. */
static void client_tls_start_tunnel(struct client *client)
{
    const struct tls_server *server = client_find_server(client);

    mem_free(client->hello);
    client->hello = NULL;
    if (server != NULL && server->kind == TLS_SERVER_TCP && server->tcp != NULL) {
        tunnel_start(client, server->tcp, TUNNEL_TLS);
    } else {
        client_part(client);
    }
}

static void client_tls_on_handshake(void *owner, const struct tls_session_facts *facts)
{
    struct client *client = owner;
    char name[256];
    const struct str labels[] = {
        client_tls_configured_name(client->listener->config, client->server_name, name),
        str_from_cstr(facts->version),
        str_from_cstr(facts->cipher),
        str_from_cstr(facts->group),
        facts->alpn,
        facts->is_resumed ? STR("true") : STR("false"),
    };

    metric_series_add(metrics_series(client->worker->metrics, METRIC_TLS_HANDSHAKES, labels, 6), 1);
    if (client->is_tls_tcp) {
        client_tls_start_tunnel(client);
    } else {
        client_start_http(client);
    }
}

static void client_tls_on_handshake_failure(void *owner, const char *reason, const char *detail)
{
    struct client *client = owner;

    if (client->is_closed) {
        return;
    }
    client_tls_tell_failure(client, reason, detail);
    client_part(client);
}

static const struct transport_tls_events client_tls_events = {
    .on_handshake = client_tls_on_handshake,
    .on_handshake_failure = client_tls_on_handshake_failure,
};

/* --- ClientHello ------------------------------------------------------------------------------ */

static void client_tls_refuse_name(struct client *client)
{
    client_tls_tell_failure(client, "unrecognized_name", "no server for this name");
    exchange_log_no_server(client);
    client_tls_refuse(client, TLS_ALERT_UNRECOGNIZED_NAME); /* spec 15; SN-8 */
}

/* TT-7: nothing was answered, and what was read is still the transport's to forward. */
static void client_tls_pass_through(struct client *client, const struct tls_server *server)
{
    mem_free(client->hello);
    client->hello = NULL;
    tunnel_start(client, server->tcp, TUNNEL_PASSTHROUGH);
}

/* SN-7: no TLS, so no name. Only a server for any name that passes bytes on can do with it. */
static bool client_tls_pass_plaintext(struct client *client)
{
    const struct tls_server *server = client_find_server(client);

    if (server == NULL || server->kind != TLS_SERVER_PASSTHROUGH) {
        return false;
    }
    client_tls_pass_through(client, server);
    return true;
}

static void client_tls_take_hello(struct client *client)
{
    struct str name = client_hello_server_name(client->hello);
    struct err err = { 0 };

    client->server_name = str_from(mem_copy_string(name.ptr, name.len), name.len);
    const struct tls_server *server = client_find_server(client);
    if (server == NULL) {
        client_tls_refuse_name(client);
        return;
    }
    if (server->kind == TLS_SERVER_PASSTHROUGH) {
        client_tls_pass_through(client, server);
        return;
    }
    client->is_tls_tcp = server->kind == TLS_SERVER_TCP;
    if (server->context == NULL) {
        char detail[256];
        (void)snprintf(detail, sizeof(detail), "secret %.*s is not there or not usable",
                       STR_ARG(server->credential)); /* cut is fine */
        client_tls_tell_failure(client, "no_certificate", detail);
        client_tls_refuse(client, TLS_ALERT_INTERNAL_ERROR);
        return;
    }
    if (transport_tls_accept(client->transport, server->context, &client_tls_events, client,
                             &err) == NULL) {
        client_tls_tell_failure(client, "no_context", err.text);
        client_tls_refuse(client, TLS_ALERT_INTERNAL_ERROR);
    }
}

/* Only looks; TLS reads the same bytes again, so none is taken here. */
static size_t client_tls_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct client *client = owner;

    if (client->hello != NULL) {
        return 0; /* the hello is known: what follows is for the filter */
    }
    struct client_hello hello;
    enum client_hello_result result = client_hello_parse(bytes, len, &hello);
    if (result == CLIENT_HELLO_MORE) {
        return 0;
    }
    if (result == CLIENT_HELLO_NOT_TLS && client_tls_pass_plaintext(client)) {
        return 0;
    }
    if (result != CLIENT_HELLO_OK) {
        client_tls_tell_failure(client,
                                result == CLIENT_HELLO_NOT_TLS ? "not_tls" : "malformed_hello", "");
        client_tls_refuse(client, TLS_ALERT_DECODE_ERROR);
        return 0;
    }
    client->hello = mem_new(struct client_hello);
    *client->hello = hello;
    client_tls_take_hello(client);
    return 0;
}

static void client_tls_on_end(void *owner, bool is_clean)
{
    struct client *client = owner;

    (void)is_clean;
    if (client_tls_has_spoken(client)) {
        client_tls_tell_failure(client, "peer_closed", "the peer closed during the handshake");
    }
    client_close(client);
}

static void client_tls_on_drained(void *owner)
{
    (void)owner; /* nothing of ours waits */
}

static void client_tls_on_dead(void *owner, enum transport_end end)
{
    struct client *client = owner;

    (void)end;
    if (client_tls_has_spoken(client)) {
        client_tls_tell_failure(client, "transport", transport_error(client->transport));
    }
    client_close(client);
}

static const struct transport_handler client_tls_handler = {
    .on_data = client_tls_on_data,
    .on_end = client_tls_on_end,
    .on_drained = client_tls_on_drained,
    .on_dead = client_tls_on_dead,
};

void client_tls_start(struct client *client)
{
    transport_set_handler(client->transport, &client_tls_handler, client);
}
