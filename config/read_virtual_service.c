/* read_virtual_service: a VirtualService document to struct virtual_service; `http[]` is in
 * read_http_route.c (spec sections 4 to 6). Control thread. */
#include "config/check_kinds.h"
#include "config/read_kinds.h"

static const struct field tls_match_fields[] = {
    FIELD(l4_match, sni_hosts, "sniHosts", FIELD_HOSTS),
    FIELD(l4_match, destination_subnets, "destinationSubnets", FIELD_STRINGS),
    FIELD(l4_match, port, "port", FIELD_U32),
    FIELD(l4_match, source_labels, "sourceLabels", FIELD_STRING_MAP),
    FIELD(l4_match, gateways, "gateways", FIELD_STRINGS),
    FIELD(l4_match, source_namespace, "sourceNamespace", FIELD_STRING),
};
static const struct message tls_match_message = MESSAGE_WITH_PLACE(l4_match, tls_match_fields);

static const struct field tcp_match_fields[] = {
    FIELD(l4_match, destination_subnets, "destinationSubnets", FIELD_STRINGS),
    FIELD(l4_match, port, "port", FIELD_U32),
    FIELD(l4_match, source_subnet, "sourceSubnet", FIELD_STRING),
    FIELD(l4_match, source_labels, "sourceLabels", FIELD_STRING_MAP),
    FIELD(l4_match, gateways, "gateways", FIELD_STRINGS),
    FIELD(l4_match, source_namespace, "sourceNamespace", FIELD_STRING),
};
static const struct message tcp_match_message = MESSAGE_WITH_PLACE(l4_match, tcp_match_fields);

static const struct field tls_route_fields[] = {
    FIELD_OF(l4_route, matches, "match", FIELD_MESSAGES, tls_match_message),
    FIELD_OF(l4_route, routes, "route", FIELD_MESSAGES, read_l4_route_destination_message),
};
static const struct message tls_route_message = MESSAGE_WITH_PLACE(l4_route, tls_route_fields);

static const struct field tcp_route_fields[] = {
    FIELD_OF(l4_route, matches, "match", FIELD_MESSAGES, tcp_match_message),
    FIELD_OF(l4_route, routes, "route", FIELD_MESSAGES, read_l4_route_destination_message),
};
static const struct message tcp_route_message = MESSAGE_WITH_PLACE(l4_route, tcp_route_fields);

static const struct field virtual_service_fields[] = {
    FIELD(virtual_service, hosts, "hosts", FIELD_HOSTS),
    FIELD(virtual_service, gateways, "gateways", FIELD_STRINGS),
    FIELD_OF(virtual_service, http, "http", FIELD_MESSAGES, read_http_route_message),
    FIELD_OF(virtual_service, tls, "tls", FIELD_MESSAGES, tls_route_message),
    FIELD_OF(virtual_service, tcp, "tcp", FIELD_MESSAGES, tcp_route_message),
    FIELD(virtual_service, export_to, "exportTo", FIELD_STRINGS),
};
static const struct message virtual_service_message =
    MESSAGE(virtual_service, virtual_service_fields);

void read_virtual_service(struct reader *reader, const struct node *root,
                          struct virtual_service *service)
{
    const struct node *spec = document_find(root, STR("spec"));
    size_t former = reader_enter(reader, "spec");

    if (spec != NULL && !reader_is_null(spec)) {
        reader_read_message(reader, spec, &virtual_service_message, service);
    }
    check_virtual_service(reader, service);
    reader_leave(reader, former);
}
