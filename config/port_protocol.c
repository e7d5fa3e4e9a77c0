/* port_protocol: names of protocols to our enum; pure, any thread. */
#include "config/port_protocol.h"

struct protocol_name {
    struct str name;
    enum port_protocol protocol;
};

static const struct protocol_name protocol_names[] = {
    { STR_INIT("http"), PROTOCOL_HTTP },   { STR_INIT("http2"), PROTOCOL_HTTP2 },
    { STR_INIT("grpc"), PROTOCOL_GRPC },   { STR_INIT("grpc-web"), PROTOCOL_GRPC_WEB },
    { STR_INIT("https"), PROTOCOL_HTTPS }, { STR_INIT("tls"), PROTOCOL_TLS },
    { STR_INIT("tcp"), PROTOCOL_TCP },     { STR_INIT("mongo"), PROTOCOL_MONGO },
    { STR_INIT("redis"), PROTOCOL_REDIS }, { STR_INIT("mysql"), PROTOCOL_MYSQL },
    { STR_INIT("udp"), PROTOCOL_UDP },     { STR_INIT("http_proxy"), PROTOCOL_HTTP_PROXY },
};

/* appProtocol values of Kubernetes' own (KEP-3726). */
static const struct protocol_name app_protocols[] = {
    { STR_INIT("kubernetes.io/h2c"), PROTOCOL_HTTP2 },
    { STR_INIT("kubernetes.io/ws"), PROTOCOL_HTTP },
    { STR_INIT("kubernetes.io/wss"), PROTOCOL_HTTPS },
};

bool port_protocol_parse(struct str name, enum port_protocol *protocol)
{
    for (size_t i = 0; i < sizeof(protocol_names) / sizeof(protocol_names[0]); i++) {
        if (str_equals_nocase(name, protocol_names[i].name)) {
            *protocol = protocol_names[i].protocol;
            return true;
        }
    }
    return false;
}

/* "http2-web" is http2; "grpc-web" and "grpc-web-x" are grpc-web. */
static enum port_protocol protocol_of_name(struct str name)
{
    enum port_protocol protocol = PROTOCOL_UNSUPPORTED;
    struct str grpc_web = STR("grpc-web");

    for (size_t i = 0; i < sizeof(app_protocols) / sizeof(app_protocols[0]); i++) {
        if (str_equals_nocase(name, app_protocols[i].name)) {
            return app_protocols[i].protocol;
        }
    }
    if (str_starts_with_nocase(name, grpc_web) &&
        (name.len == grpc_web.len || name.ptr[grpc_web.len] == '-')) {
        return PROTOCOL_GRPC_WEB;
    }
    (void)port_protocol_parse(str_slice(name, 0, str_find_char(name, '-')), &protocol);
    return protocol;
}

enum port_protocol port_protocol_of_service(const struct service_port *port)
{
    bool has_app_protocol = port->app_protocol.ptr != NULL;
    enum port_protocol protocol =
        protocol_of_name(has_app_protocol ? port->app_protocol : port->name);

    if (str_equals(port->protocol, STR("UDP"))) {
        return PROTOCOL_UDP;
    }
    if (protocol != PROTOCOL_UNSUPPORTED) {
        return protocol;
    }
    /* Protocols in which the server speaks first: waiting for the client would hang. */
    if (port->port == 25 || port->port == 53 || port->port == 3306 || port->port == 27017) {
        return PROTOCOL_TCP;
    }
    return PROTOCOL_UNSUPPORTED;
}

bool port_protocol_is_http(enum port_protocol protocol)
{
    return protocol == PROTOCOL_HTTP || protocol == PROTOCOL_HTTP2 || protocol == PROTOCOL_GRPC ||
           protocol == PROTOCOL_GRPC_WEB || protocol == PROTOCOL_HTTP_PROXY;
}

bool port_protocol_is_tls(enum port_protocol protocol)
{
    return protocol == PROTOCOL_HTTPS || protocol == PROTOCOL_TLS;
}
