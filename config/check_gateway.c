/* check_gateway: the rules GW-1 to GW-22 that a Gateway is judged by alone; its TLS settings are in
 * check_server_tls.c. Control thread. */
#include "config/check_kinds.h"
#include "config/port_protocol.h"
#include "config/value.h"
#include "gateway/base/map.h"

static void check_port(struct reader *reader, const struct server *server)
{
    const struct server_port *port = &server->port;
    bool is_unix = str_starts_with(server->bind, STR("unix://"));

    if (port->place.line == 0) {
        reader_fail(reader, "port", FINDING_SERVER_PORT, "port is required");
        return;
    }
    if (is_unix && port->number != 0) {
        reader_fail(reader, "port.number", FINDING_SERVER_PORT,
                    "port number must be 0 for the unix domain socket %.*s", STR_ARG(server->bind));
    } else if (!is_unix && !value_is_port(port->number)) {
        reader_fail(reader, "port.number", FINDING_SERVER_PORT,
                    "port number %u must be in the range 1..65535", port->number);
    }
    if (port->protocol == PROTOCOL_UNSUPPORTED) {
        reader_fail(reader, "port.protocol", FINDING_SERVER_PROTOCOL,
                    "invalid protocol \"%.*s\": one of HTTP, HTTP2, GRPC, GRPC-WEB, HTTPS, TLS, "
                    "TCP, MONGO, REDIS, MYSQL",
                    STR_ARG(str_slice(port->protocol_name, 0, 80)));
    }
    if (port->name.len == 0) {
        reader_fail(reader, "port.name", FINDING_SERVER_PORT_NAME, "port name must be set");
    }
    if (port->target_port > 0) {
        reader_fail(reader, "port.targetPort", FINDING_SERVER_PORT,
                    "targetPort has no impact on Gateways");
    }
}

static void check_bind(struct reader *reader, const struct server *server)
{
    if (server->bind.len == 0 || value_is_ip(server->bind) || value_is_unix_address(server->bind)) {
        return;
    }
    reader_fail(reader, "bind", FINDING_SERVER_BIND,
                "%.*s is neither an IP address nor unix:///path nor unix://@name",
                STR_ARG(str_slice(server->bind, 0, 80)));
}

/* spec GW-22 */
static const char *dns_name_problem(struct str name)
{
    if (str_equals(name, STR("*")) || value_is_ip(name)) {
        return NULL;
    }
    if (value_is_partial_wildcard(name)) {
        return "a partial wildcard is not allowed: * must be the whole first label";
    }
    if (str_find_char(name, '.') == SIZE_MAX) {
        return "short names (non FQDN) are not allowed";
    }
    return value_is_wildcard_domain(name) ? NULL : "this is no domain name";
}

static void check_server_hosts(struct reader *reader, const struct server *server)
{
    if (server->hosts.count == 0) {
        reader_fail(reader, "hosts", FINDING_SERVER_HOST, "server must have at least one host");
    }
    for (size_t i = 0; i < server->hosts.count; i++) {
        const struct server_host *host = &server->hosts.items[i];
        const char *problem = NULL;

        if (host->name.len == 0 || (host->namespace.ptr != NULL && host->namespace.len == 0)) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVER_HOST,
                             "config namespace and dnsName in host entry cannot be empty");
            continue;
        }
        if (host->namespace.ptr != NULL && !str_equals(host->namespace, STR("*")) &&
            !str_equals(host->namespace, STR(".")) && !value_is_dns_label(host->namespace)) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVER_HOST,
                             "%.*s is no namespace: a name, * or .",
                             STR_ARG(str_slice(host->namespace, 0, 80)));
        }
        problem = dns_name_problem(host->name);
        if (problem != NULL) {
            reader_fail_item(reader, "hosts", i, FINDING_SERVER_HOST, "%.*s: %s",
                             STR_ARG(str_slice(host->name, 0, 80)), problem);
        }
    }
}

/* spec GW-12: what may stand beside httpsRedirect. */
static bool is_plain_tls_block(const struct server_tls *tls)
{
    return (tls->mode == TLS_MODE_PASSTHROUGH || tls->mode == TLS_MODE_AUTO_PASSTHROUGH) &&
           tls->ca_certificates.len == 0 && tls->private_key.len == 0 &&
           tls->server_certificate.len == 0;
}

static void check_tls(struct reader *reader, const struct server *server)
{
    enum port_protocol protocol = server->port.protocol;
    bool is_http = port_protocol_is_http(protocol);

    if (protocol == PROTOCOL_UNSUPPORTED) {
        return; /* reported; what TLS settings it may have nobody knows */
    }
    if (port_protocol_is_tls(protocol)) {
        if (server->tls == NULL) {
            reader_fail(reader, "tls", FINDING_SERVER_TLS_MISSING,
                        "server must have TLS settings for HTTPS/TLS protocols");
            return;
        }
        size_t former = reader_enter(reader, "tls");

        check_server_tls(reader, server);
        reader_leave(reader, former);
    } else if (server->tls != NULL && is_http && !is_plain_tls_block(server->tls)) {
        reader_fail(reader, "tls", FINDING_SERVER_TLS_UNEXPECTED,
                    "server cannot have TLS settings for plain text HTTP ports");
    } else if (server->tls != NULL && !is_http) {
        reader_fail(reader, "tls", FINDING_SERVER_TLS_UNEXPECTED,
                    "server cannot have TLS settings for non HTTPS/TLS ports");
    }
    if (server->tls != NULL && server->tls->https_redirect && !is_http) {
        reader_fail(reader, "tls.httpsRedirect", FINDING_SERVER_REDIRECT,
                    "tls.httpsRedirect should only be used with http servers");
    }
}

/* spec GW-5, GW-6 */
static void check_unique_names(struct reader *reader, const struct gateway *gateway)
{
    struct map port_names = { 0 };
    struct map server_names = { 0 };

    for (size_t i = 0; i < gateway->servers.count; i++) {
        struct server *server = &gateway->servers.items[i];
        size_t former = reader_enter_item(reader, "servers", i);

        if (server->port.name.len > 0 && map_set(&port_names, server->port.name, server) != NULL) {
            reader_fail(reader, "port.name", FINDING_SERVER_PORT_NAME,
                        "port names in servers must be unique: duplicate name %.*s",
                        STR_ARG(server->port.name));
        }
        if (server->name.len > 0 && map_set(&server_names, server->name, server) != NULL) {
            reader_fail(reader, "name", FINDING_SERVER_NAME_TWICE,
                        "two servers of this Gateway are named %.*s", STR_ARG(server->name));
        }
        reader_leave(reader, former);
    }
    map_cleanup(&port_names);
    map_cleanup(&server_names);
}

void check_gateway(struct reader *reader, struct gateway *gateway)
{
    if (!value_is_dns_label(gateway->meta.name)) { /* spec GW-1 */
        struct finding_at at = { .object = &gateway->meta, .field = "metadata.name" };

        report_add(reader->report, FINDING_GATEWAY_NAME, &at, "invalid gateway name \"%.*s\"",
                   STR_ARG(str_slice(gateway->meta.name, 0, 80)));
        reader->error_count++;
    }
    if (gateway->servers.count == 0) { /* spec GW-2 */
        reader_fail(reader, "servers", FINDING_GATEWAY_SERVERS,
                    "gateway must have at least one server");
    }
    check_common_labels(reader, "selector", &gateway->selector);
    for (size_t i = 0; i < gateway->servers.count; i++) {
        const struct server *server = &gateway->servers.items[i];
        size_t former = reader_enter_item(reader, "servers", i);

        check_port(reader, server);
        check_bind(reader, server);
        check_server_hosts(reader, server);
        check_tls(reader, server);
        reader_leave(reader, former);
    }
    check_unique_names(reader, gateway);
}
