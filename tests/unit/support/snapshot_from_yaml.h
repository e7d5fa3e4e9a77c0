/* snapshot_from_yaml: a YAML literal to a snapshot, and the questions tests ask it. The gateway is
 * that of spec section 14: labels istio=ingressgateway, namespace istio-system, domain
 * cluster.local. */
#ifndef TESTS_UNIT_SUPPORT_SNAPSHOT_FROM_YAML_H
#define TESTS_UNIT_SUPPORT_SNAPSHOT_FROM_YAML_H

#include "config/compile.h"
#include "config/validate.h"
#include "gateway/route/match.h"

/* One object in flow YAML. */
#define OBJECT(kind, namespace, name, spec)                                                        \
    "---\n{apiVersion: networking.istio.io/v1, kind: " kind ", metadata: {name: " name             \
    ", namespace: " namespace "}, spec: " spec "}\n"
#define GATEWAY(name, servers)                                                                     \
    OBJECT("Gateway", "istio-system", name,                                                        \
           "{selector: {istio: ingressgateway}, servers: [" servers "]}")
#define VIRTUAL_SERVICE(namespace, name, spec) OBJECT("VirtualService", namespace, name, spec)
#define HTTP_SERVER(hosts) "{port: {number: 80, name: http, protocol: HTTP}, hosts: [" hosts "]}"
#define HTTPS_SERVER(port_name, hosts)                                                             \
    "{port: {number: 443, name: " port_name ", protocol: HTTPS}, hosts: [" hosts                   \
    "], tls: {mode: SIMPLE, credentialName: c}}"
/* Route to a host of which nothing is known: enough where only the choice of route matters. */
#define ROUTE(name, match)                                                                         \
    "{name: " name ", match: [" match "], route: [{destination: {host: " name ".x, port: "         \
    "{number: 80}}}]}"

struct snapshot_case {
    struct compile_options options; /* may be changed before snapshot_case_open() */
    struct report report;           /* load, validate and compile */
    struct resource_set *set;
    struct secret_store *store; /* NULL: none; borrowed */
    struct tls_context_cache *contexts;
    struct tls_client_context_cache *client_contexts; /* NULL: destinations get no TLS */
    struct snapshot *snapshot;
};

void snapshot_case_init(struct snapshot_case *test);
/* Fails the test, with all findings printed, when an object cannot be loaded. */
void snapshot_case_open(struct snapshot_case *test, const char *yaml);
/* Both in one. */
void snapshot_from_yaml(struct snapshot_case *test, const char *yaml);
void snapshot_case_close(struct snapshot_case *test);

/* NULL when absent. */
const struct snapshot_listener *snapshot_case_listener(const struct snapshot_case *test,
                                                       const char *key);
const struct finding *snapshot_case_finding(const struct snapshot_case *test,
                                            enum finding_code code);
size_t snapshot_case_finding_count(const struct snapshot_case *test, enum finding_code code);
const struct cluster_config *snapshot_case_cluster(const struct snapshot_case *test,
                                                   const char *name);
/* The one route table of a plain listener, or that of the server an SNI leads to. */
const struct route_table *snapshot_case_table(const struct snapshot_case *test, const char *key,
                                              const char *sni);
/* "404", "redirect-tls", or the name of the route that GET `path` (with query) of `host` takes. */
struct str snapshot_case_route(const struct route_table *table, const char *host, const char *path);
const struct route *snapshot_case_match(const struct route_table *table, const char *host,
                                        const char *path);

#define assert_route(table, host, path, name)                                                      \
    assert_string_equal(snapshot_case_route((table), (host), (path)).ptr, (name))

#endif
