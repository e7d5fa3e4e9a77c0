/* read_gateway: a Gateway document to struct gateway (spec section 2, fields of section 3). Objects
 * live in the reader's arena. Control thread. */
#include "config/check_kinds.h"
#include "config/port_protocol.h"
#include "config/read_kinds.h"

static const struct enum_value tls_modes[] = {
    { "PASSTHROUGH", TLS_MODE_PASSTHROUGH },
    { "SIMPLE", TLS_MODE_SIMPLE },
    { "MUTUAL", TLS_MODE_MUTUAL },
    { "AUTO_PASSTHROUGH", TLS_MODE_AUTO_PASSTHROUGH },
    { "ISTIO_MUTUAL", TLS_MODE_ISTIO_MUTUAL },
    { "OPTIONAL_MUTUAL", TLS_MODE_OPTIONAL_MUTUAL },
    { NULL, 0 },
};
static const struct enum_value tls_versions[] = {
    { "TLS_AUTO", TLS_VERSION_AUTO }, { "TLSV1_0", TLS_VERSION_1_0 },
    { "TLSV1_1", TLS_VERSION_1_1 },   { "TLSV1_2", TLS_VERSION_1_2 },
    { "TLSV1_3", TLS_VERSION_1_3 },   { NULL, 0 },
};

static const struct field certificate_files_fields[] = {
    FIELD(tls_certificate_files, server_certificate, "serverCertificate", FIELD_STRING),
    FIELD(tls_certificate_files, private_key, "privateKey", FIELD_STRING),
    FIELD(tls_certificate_files, ca_certificates, "caCertificates", FIELD_STRING),
};
static const struct message certificate_files_message =
    MESSAGE_WITH_PLACE(tls_certificate_files, certificate_files_fields);

static const struct field server_tls_fields[] = {
    FIELD(server_tls, https_redirect, "httpsRedirect", FIELD_BOOL),
    { .name = "mode",
      .type = FIELD_ENUM,
      .offset = offsetof(struct server_tls, mode),
      .has = offsetof(struct server_tls, has_mode) + 1,
      .values = tls_modes },
    FIELD(server_tls, server_certificate, "serverCertificate", FIELD_STRING),
    FIELD(server_tls, private_key, "privateKey", FIELD_STRING),
    FIELD(server_tls, ca_certificates, "caCertificates", FIELD_STRING),
    FIELD(server_tls, ca_crl, "caCrl", FIELD_STRING),
    FIELD(server_tls, credential_name, "credentialName", FIELD_STRING),
    FIELD(server_tls, credential_names, "credentialNames", FIELD_STRINGS),
    FIELD(server_tls, ca_cert_credential_name, "caCertCredentialName", FIELD_STRING),
    FIELD_OF(server_tls, tls_certificates, "tlsCertificates", FIELD_MESSAGES,
             certificate_files_message),
    FIELD(server_tls, subject_alt_names, "subjectAltNames", FIELD_STRINGS),
    FIELD(server_tls, verify_certificate_spki, "verifyCertificateSpki", FIELD_STRINGS),
    FIELD(server_tls, verify_certificate_hash, "verifyCertificateHash", FIELD_STRINGS),
    FIELD_CHOICE(server_tls, min_protocol_version, "minProtocolVersion", tls_versions),
    FIELD_CHOICE(server_tls, max_protocol_version, "maxProtocolVersion", tls_versions),
    FIELD(server_tls, cipher_suites, "cipherSuites", FIELD_STRINGS),
    FIELD(server_tls, ecdh_curves, "ecdhCurves", FIELD_STRINGS),
    FIELD(server_tls, insecure_skip_verify, "insecureSkipVerify", FIELD_OPTIONAL_BOOL),
};
static const struct message server_tls_message = MESSAGE_WITH_PLACE(server_tls, server_tls_fields);

static const struct field server_port_fields[] = {
    FIELD(server_port, number, "number", FIELD_U32),
    FIELD(server_port, protocol_name, "protocol", FIELD_STRING),
    FIELD(server_port, name, "name", FIELD_STRING),
    FIELD(server_port, target_port, "targetPort", FIELD_U32),
};
static const struct message server_port_message =
    MESSAGE_WITH_PLACE(server_port, server_port_fields);

VEC_STRUCT(server_host_vec, struct server_host);

/* `[namespace/]dnsName` in two (spec GW-20, GW-23). What is wrong with it check_gateway() says. */
static void read_server_hosts(struct reader *reader, const struct node *node, void *out)
{
    struct server_host_vec *hosts = out;

    if (node->kind != NODE_SEQUENCE) {
        reader_fail_at(reader, node, FINDING_FIELD_TYPE, "expected a list of host names");
        return;
    }
    hosts->items = arena_new_array(reader->arena, struct server_host, node->count);
    hosts->capacity = node->count;
    for (size_t i = 0; i < node->count; i++) {
        size_t former = reader_enter_item(reader, "", i);
        struct server_host *host = &hosts->items[hosts->count++];
        struct str text = { NULL, 0 };

        host->place = node->items[i]->place;
        host->name = STR("");
        if (reader_read_string(reader, node->items[i], &text)) {
            size_t slash = str_find_char(text, '/');

            /* spec GW-26 P: names are compared in lower case everywhere */
            host->name = arena_copy_lower(reader->arena,
                                          slash == SIZE_MAX ? text : str_skip(text, slash + 1));
            if (slash != SIZE_MAX) {
                host->namespace = str_slice(text, 0, slash);
            }
        }
        reader_leave(reader, former);
    }
}

static const struct field server_fields[] = {
    FIELD_OF(server, port, "port", FIELD_EMBEDDED, server_port_message),
    FIELD(server, bind, "bind", FIELD_STRING),
    FIELD_BY(server, hosts, "hosts", read_server_hosts),
    FIELD_OF(server, tls, "tls", FIELD_MESSAGE, server_tls_message),
    FIELD(server, default_endpoint, "defaultEndpoint", FIELD_STRING),
    FIELD(server, name, "name", FIELD_STRING),
};
static const struct message server_message = MESSAGE_WITH_PLACE(server, server_fields);

static const struct field gateway_fields[] = {
    FIELD_OF(gateway, servers, "servers", FIELD_MESSAGES, server_message),
    FIELD(gateway, selector, "selector", FIELD_STRING_MAP),
};
static const struct message gateway_message = MESSAGE(gateway, gateway_fields);

/* spec GW-23: the own namespace for ".", none for "*", and "any host of any namespace" alone.
 * Runs after the check, which wants the hosts as written. */
static void normalise_hosts(const struct gateway *gateway, struct server *server)
{
    bool is_everything = false;

    for (size_t i = 0; i < server->hosts.count; i++) {
        struct server_host *host = &server->hosts.items[i];
        bool is_any_namespace = str_equals(host->namespace, STR("*"));

        is_everything = is_everything || (is_any_namespace && str_equals(host->name, STR("*")));
        if (is_any_namespace) {
            host->namespace = (struct str){ NULL, 0 };
        } else if (str_equals(host->namespace, STR("."))) {
            host->namespace = gateway->meta.namespace;
        }
    }
    if (is_everything) {
        server->hosts.items[0] =
            (struct server_host){ { NULL, 0 }, STR("*"), server->hosts.items[0].place };
        server->hosts.count = 1;
    }
}

void read_gateway(struct reader *reader, const struct node *root, struct gateway *gateway)
{
    const struct node *spec = document_find(root, STR("spec"));
    size_t former = reader_enter(reader, "spec");

    if (spec != NULL && !reader_is_null(spec)) {
        reader_read_message(reader, spec, &gateway_message, gateway);
    }
    for (size_t i = 0; i < gateway->servers.count; i++) {
        struct server_port *port = &gateway->servers.items[i].port;

        port->protocol = PROTOCOL_UNSUPPORTED;
        (void)port_protocol_parse(port->protocol_name, &port->protocol);
    }
    check_gateway(reader, gateway);
    for (size_t i = 0; i < gateway->servers.count; i++) {
        normalise_hosts(gateway, &gateway->servers.items[i]);
    }
    reader_leave(reader, former);
}
