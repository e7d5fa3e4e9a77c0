/* check_virtual_service: the rules of a VirtualService as a whole and of its tls[] and tcp[] (spec
 * SN-40, SN-44, HT-3, HT-5 to HT-7, TT-1); `http[]` is in check_http_route.c. Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"
#include "gateway/base/map.h"

#define MAX_HOST_BYTES 255u

/* --- gateways --------------------------------------------------------------------------------- */

static bool is_bound_to_mesh(const struct virtual_service *service)
{
    for (size_t i = 0; i < service->gateways.count; i++) {
        if (str_equals(service->gateways.items[i], STR("mesh"))) {
            return true;
        }
    }
    return service->gateways.count == 0;
}

/* --- hosts ------------------------------------------------------------------------------------ */

/* A wildcard of the list that covers `host`, or NULL. Looks up each wildcard that could, so a list
 * of many hosts stays linear. */
static const struct str *find_covering_host(const struct map *hosts, struct str host)
{
    char key[MAX_HOST_BYTES + 2];
    struct str body = host.len > 0 && host.ptr[0] == '*' ? str_skip(host, 1) : host;

    for (size_t i = 1; i <= body.len; i++) {
        struct str suffix = str_skip(body, i);

        key[0] = '*';
        memcpy(key + 1, suffix.ptr, suffix.len);
        const struct str *found = map_get(hosts, str_from(key, suffix.len + 1));

        if (found != NULL) {
            return found;
        }
    }
    return NULL;
}

/* spec HT-6, SN-43, SN-44 */
static void check_hosts(struct reader *reader, const struct virtual_service *service)
{
    struct map hosts = { 0 };

    for (size_t i = 0; i < service->hosts.count; i++) {
        struct str host = service->hosts.items[i];

        if (str_equals(host, STR("*")) && is_bound_to_mesh(service)) {
            reader_fail_item(reader, "hosts", i, FINDING_VIRTUAL_SERVICE_HOST,
                             "wildcard host * is not allowed for virtual services bound to the "
                             "mesh gateway");
        } else if (!value_is_wildcard_domain(host) && !value_is_ip(host)) {
            reader_fail_item(reader, "hosts", i, FINDING_VIRTUAL_SERVICE_HOST,
                             "%.*s is no host name", STR_ARG(str_slice(host, 0, 80)));
            continue;
        }
        if (map_set(&hosts, host, &service->hosts.items[i]) != NULL) {
            reader_fail_item(reader, "hosts", i, FINDING_VIRTUAL_SERVICE_HOST,
                             "duplicate hosts in virtual service: %.*s", STR_ARG(host));
        }
    }
    for (size_t i = 0; i < service->hosts.count; i++) {
        struct str host = service->hosts.items[i];
        const struct str *other =
            host.len <= MAX_HOST_BYTES ? find_covering_host(&hosts, host) : NULL;

        if (other != NULL) {
            reader_fail_item(reader, "hosts", i, FINDING_VIRTUAL_SERVICE_HOST,
                             "duplicate hosts in virtual service: %.*s is part of %.*s",
                             STR_ARG(host), STR_ARG(*other));
        }
    }
    map_cleanup(&hosts);
}

/* --- tls[], tcp[] ----------------------------------------------------------------------------- */

static void check_subnets(struct reader *reader, const struct l4_match *match,
                          enum finding_code code)
{
    for (size_t i = 0; i < match->destination_subnets.count; i++) {
        struct str subnet = match->destination_subnets.items[i];

        if (!value_is_ip(subnet) && !value_is_cidr(subnet)) {
            reader_fail_item(reader, "destinationSubnets", i, code, "%.*s is no address range",
                             STR_ARG(str_slice(subnet, 0, 80)));
        }
    }
    if (match->source_subnet.len > 0 && !value_is_ip(match->source_subnet) &&
        !value_is_cidr(match->source_subnet)) {
        reader_fail(reader, "sourceSubnet", code, "%.*s is no address range",
                    STR_ARG(str_slice(match->source_subnet, 0, 80)));
    }
}

static void check_l4_match(struct reader *reader, const struct l4_match *match,
                           enum finding_code code)
{
    check_subnets(reader, match, code);
    if (match->port > 65535) {
        reader_fail(reader, "port", code, "port number %u must be in the range 1..65535",
                    match->port);
    }
    check_common_labels(reader, "sourceLabels", &match->source_labels);
    check_common_gateways(reader, "gateways", &match->gateways);
    if (match->source_namespace.len > 0 && !value_is_dns_label(match->source_namespace)) {
        reader_fail(reader, "sourceNamespace", code, "%.*s is no namespace",
                    STR_ARG(str_slice(match->source_namespace, 0, 80)));
    }
}

static bool is_within_hosts(const struct virtual_service *service, struct str sni)
{
    for (size_t i = 0; i < service->hosts.count; i++) {
        if (value_host_contains(service->hosts.items[i], sni)) {
            return true;
        }
    }
    return false;
}

/* spec TT-1 */
static void check_sni_hosts(struct reader *reader, const struct virtual_service *service,
                            const struct l4_match *match)
{
    if (match->sni_hosts.count == 0) {
        reader_fail(reader, "sniHosts", FINDING_TLS_ROUTE,
                    "TLS match must have at least one SNI host");
    }
    for (size_t i = 0; i < match->sni_hosts.count; i++) {
        struct str sni = match->sni_hosts.items[i];

        if (value_is_ip(sni)) {
            reader_fail_item(reader, "sniHosts", i, FINDING_TLS_ROUTE_IP,
                             "%.*s is an IP address, which no client sends as SNI", STR_ARG(sni));
        } else if (!value_is_wildcard_domain(sni)) {
            reader_fail_item(reader, "sniHosts", i, FINDING_TLS_ROUTE, "%.*s is no host name",
                             STR_ARG(str_slice(sni, 0, 80)));
        }
        if (!is_within_hosts(service, sni)) {
            reader_fail_item(reader, "sniHosts", i, FINDING_TLS_ROUTE,
                             "SNI host %.*s is not a compatible subset of any of the virtual "
                             "service hosts",
                             STR_ARG(str_slice(sni, 0, 80)));
        }
    }
}

static void check_l4_destinations(struct reader *reader, const struct l4_route *route)
{
    int64_t sum = 0;

    for (size_t i = 0; i < route->routes.count; i++) {
        const struct l4_route_destination *entry = &route->routes.items[i];
        size_t former = reader_enter_item(reader, "route", i);

        size_t inner = reader_enter(reader, "destination");
        check_common_destination(reader, &entry->destination);
        reader_leave(reader, inner);
        sum += check_common_weight(reader, entry->weight);
        reader_leave(reader, former);
    }
    if (route->routes.count > 1 && sum == 0) {
        reader_fail(reader, "route", FINDING_ROUTE_WEIGHT, "total destination weight = 0");
    }
}

static void check_tls_route(struct reader *reader, const struct virtual_service *service,
                            const struct l4_route *route)
{
    if (route->matches.count == 0) {
        reader_fail(reader, "match", FINDING_TLS_ROUTE,
                    "TLS route must have at least one match condition");
    }
    if (route->routes.count == 0) {
        reader_fail(reader, "route", FINDING_TLS_ROUTE, "TLS route is required");
    }
    for (size_t i = 0; i < route->matches.count; i++) {
        size_t former = reader_enter_item(reader, "match", i);

        check_sni_hosts(reader, service, &route->matches.items[i]);
        check_l4_match(reader, &route->matches.items[i], FINDING_TLS_ROUTE);
        reader_leave(reader, former);
    }
    check_l4_destinations(reader, route);
}

static void check_tcp_route(struct reader *reader, const struct l4_route *route)
{
    if (route->routes.count == 0) {
        reader_fail(reader, "route", FINDING_TCP_ROUTE, "TCP route is required");
    }
    for (size_t i = 0; i < route->matches.count; i++) {
        size_t former = reader_enter_item(reader, "match", i);

        check_l4_match(reader, &route->matches.items[i], FINDING_TCP_ROUTE);
        reader_leave(reader, former);
    }
    check_l4_destinations(reader, route);
}

/* --- the whole -------------------------------------------------------------------------------- */

/* spec HT-3, HT-6 */
static void check_shape(struct reader *reader, const struct virtual_service *service)
{
    if (service->http.count == 0 && service->tls.count == 0 && service->tcp.count == 0) {
        reader_fail(reader, NULL, FINDING_VIRTUAL_SERVICE_SHAPE,
                    "http, tcp or tls must be provided in virtual service");
    }
    if (service->hosts.count > 0) {
        return;
    }
    if (service->gateways.count > 0) {
        reader_fail(reader, "gateways", FINDING_VIRTUAL_SERVICE_SHAPE,
                    "a virtual service without hosts is a delegate, which has no gateways");
    }
    if (service->tls.count > 0) {
        reader_fail(reader, "tls", FINDING_VIRTUAL_SERVICE_SHAPE,
                    "a virtual service without hosts is a delegate, which has no tls");
    }
    if (service->tcp.count > 0) {
        reader_fail(reader, "tcp", FINDING_VIRTUAL_SERVICE_SHAPE,
                    "a virtual service without hosts is a delegate, which has no tcp");
    }
}

void check_virtual_service(struct reader *reader, const struct virtual_service *service)
{
    check_shape(reader, service);
    check_hosts(reader, service);
    check_common_gateways(reader, "gateways", &service->gateways);
    check_common_export_to(reader, "exportTo", &service->export_to, false);
    for (size_t i = 0; i < service->http.count; i++) {
        size_t former = reader_enter_item(reader, "http", i);

        check_http_route(reader, service, &service->http.items[i]);
        reader_leave(reader, former);
    }
    check_http_match_unreachable(reader, service);
    for (size_t i = 0; i < service->tls.count; i++) {
        size_t former = reader_enter_item(reader, "tls", i);

        check_tls_route(reader, service, &service->tls.items[i]);
        reader_leave(reader, former);
    }
    for (size_t i = 0; i < service->tcp.count; i++) {
        size_t former = reader_enter_item(reader, "tcp", i);

        check_tcp_route(reader, &service->tcp.items[i]);
        reader_leave(reader, former);
    }
}
