/* compiler: what the compile_*.c files share while they make one snapshot. Internal to them.
 * Everything that the snapshot keeps is copied into its arena: the resources may go before it. */
#ifndef CONFIG_COMPILER_H
#define CONFIG_COMPILER_H

#include "config/compile.h"
#include "config/delegate.h"
#include "config/destination_rules.h"
#include "config/host_index.h"
#include "config/service_registry.h"

/* A VirtualService that the gateway may see, ready to be bound. */
struct bound_service {
    const struct virtual_service *object;
    struct str_vec hosts;     /* expanded (SN-43) */
    struct http_entries http; /* delegates merged in */
    bool is_refused;          /* something in it cannot be compiled: none of it is served */
    bool is_served;           /* some server has it */
    bool is_tls_taken;        /* some server takes tls[] rules from it */
    bool is_tcp_taken;        /* tcp[] rules */
};

/* The virtual services of one Gateway. */
struct gateway_services {
    struct host_index hosts; /* value: index in compiler.services */
};

/* What of a server matters to routes: two servers with equal scopes share them. */
struct route_scope {
    struct str gateway;   /* "ns/name" */
    struct str namespace; /* of the Gateway */
    uint32_t port;        /* server.port.number (SN-62) */
    bool has_tls;         /* HT-55 */
    bool is_grpc;         /* protocol GRPC: what it leads to must speak HTTP/2 (DR-51) */
};

VEC_STRUCT(route_list, const struct route *);

struct compiler {
    const struct compile_options *options;
    const struct resource_set *resources;
    const struct secret_store *store;                 /* NULL: no secrets */
    struct tls_context_cache *contexts;               /* NULL: none are made */
    struct tls_client_context_cache *client_contexts; /* NULL: none are made */
    struct report *report;
    struct snapshot *snapshot;
    struct arena *arena;   /* the snapshot's */
    struct arena *scratch; /* until the compile is done */
    struct map said;       /* findings given: one object may be met by many servers */
    struct service_registry *registry;
    struct destination_rules *rules;
    struct map clusters; /* by name, to struct cluster_slot */
    struct {
        VEC_FIELDS(struct bound_service);
    } services;             /* in the order of SN-70 */
    struct map gateways;    /* "ns/name" to struct gateway_services */
    struct map route_lists; /* by scope and service, to struct route_list */
    /* The last one of a server that names neither suites nor curves: thousands ask for the same. */
    bool has_plain_policy;
    struct tls_policy_request plain_request;
    struct tls_policy plain_policy;
};

/* Adds a finding once, however often it is met. */
void compiler_say(struct compiler *compiler, enum finding_code code, const struct finding_at *at,
                  const char *format, ...) __attribute__((format(printf, 4, 5)));
/* Copy in the snapshot's arena. */
struct str compiler_keep(struct compiler *compiler, struct str view);

/* --- compile_services.c ----------------------------------------------------------------------- */

/* Fills services and gateways (4.4, SN-70). */
void compile_services(struct compiler *compiler);
void compile_services_cleanup(struct compiler *compiler);
/* SN-40: "ns/name" of a Gateway named by an object of `namespace`; empty: `mesh`, not for us. */
struct str compile_services_gateway_key(struct arena *arena, struct str name, struct str namespace);

/* --- compile_clusters.c ----------------------------------------------------------------------- */

/* What a destination gets. */
enum destination_use {
    DESTINATION_HTTP,
    DESTINATION_GRPC,
    DESTINATION_BYTES,
    DESTINATION_TLS_BYTES, /* of a passthrough connection: TLS already */
};

/* Where a destination is named, for findings. */
struct destination_site {
    const struct destination *destination;
    struct str namespace; /* short names expand with it */
    uint32_t server_port; /* HT-41 */
    enum destination_use use;
    struct finding_at at;
};
/* NULL: cannot be reached, said why; *name is filled all the same (HT-43). */
const struct cluster_config *compile_clusters_get(struct compiler *compiler,
                                                  const struct destination_site *site,
                                                  struct str *name);
void compile_clusters_finish(struct compiler *compiler);

/* --- compile_client_tls.c --------------------------------------------------------------------- */

/* TLS towards a destination (7.7): tls, tls_h2 and sni of *cluster, whose protocol is known. `service`
 * NULL: an external name. *checks_asked_name: the certificate must be of the host that a
 * request asks for. False: it must not be reached, said why; never plaintext instead. */
bool compile_client_tls(struct compiler *compiler, const struct effective_policy *effective,
                        const struct registry_service *service, struct cluster_config *cluster,
                        bool *checks_asked_name);
/* Of a cluster that comes into no snapshot. */
void compile_client_tls_cleanup(struct cluster_config *cluster);

/* --- compile_headers.c ------------------------------------------------------------------------ */

/* Header operations of a route or a destination. False: refused, said why. */
bool compile_headers(struct compiler *compiler, const struct header_operations *operations,
                     bool is_request, const struct finding_at *at, struct route_header_ops *out);
/* HT-83, HT-84: the host that request operations ask for, set before add; empty: none. */
struct str compile_headers_authority(const struct header_rules *rules);
/* A value as a format; NULL: refused, said why. */
struct format *compile_headers_format(struct compiler *compiler, struct str source,
                                      const struct finding_at *at);

/* --- compile_routes.c ------------------------------------------------------------------------- */

/* The routes of one virtual service within a scope (4.6); shared by all that ask alike. Empty when the
 * service is refused. */
const struct route_list *compile_routes(struct compiler *compiler, size_t service_index,
                                        const struct route_scope *scope);
/* SN-61 */
bool compile_routes_is_catch_all(const struct route *route);

/* --- compile_shadow.c ------------------------------------------------------------------------- */

/* Says which routes of a list, in the order of evaluation, are never reached. `host` empty: a list of
 * one service; else those between services. */
void compile_shadow(struct compiler *compiler, const struct route_list *routes, struct str host);

/* --- compile_conditions.c --------------------------------------------------------------------- */

/* What a match demands. `match` NULL: nothing. False: refused, said why. */
bool compile_conditions(struct compiler *compiler, const struct http_match *match,
                        const struct finding_at *at, struct route_conditions *out);
/* Notes the pattern for freeing. NULL: refused, said why. */
struct pattern *compile_conditions_pattern(struct compiler *compiler, enum pattern_kind kind,
                                           struct str value, bool ignore_case,
                                           const struct finding_at *at);

/* --- compile_hosts.c -------------------------------------------------------------------------- */

struct host_builder;

/* Gathers the virtual hosts of one route table; several servers may add to one. */
struct host_builder *compile_hosts_begin(struct compiler *compiler, struct str table_name);
/* 4.5: `hosts` are the server's that are left to it. */
void compile_hosts_add_server(struct host_builder *builder, const struct gateway *gateway,
                              const struct server *server, const bool *is_dropped);
/* Ends the builder. */
struct route_table *compile_hosts_finish(struct host_builder *builder);
/* SN-50: appends all pairs of a server's and a VirtualService's host that overlap, in the order of SN-70,
 * each once. */
void compile_hosts_find_overlaps(const struct compiler *compiler,
                                 const struct gateway_services *services,
                                 const struct server *server, const bool *is_dropped,
                                 struct host_overlaps *out);

/* --- compile_tcp_routes.c --------------------------------------------------------------------- */

/* A server whose connections are bytes to us. */
struct tcp_scope {
    const struct gateway *gateway;
    const struct server *server;
    const bool *is_dropped; /* by host of the server: another one has it */
    struct finding_at at;   /* the server: "spec.servers[1]" */
};

/* Who has an SNI of a listener: a terminating server or a tls[] rule (TT-8). */
struct sni_claim {
    const struct object_meta *object; /* Gateway or VirtualService */
    const void *owner;                /* the server or the rule */
    uint32_t line;
};

/* A tls[] rule that a passthrough server got, with the names that are left to it. */
struct passthrough_rule {
    struct str_vec sni_hosts; /* in the snapshot's arena */
    const struct tcp_route *route;
};
VEC_STRUCT(passthrough_rules, struct passthrough_rule);

/* The one tcp[] rule of a server (TT-20 to TT-25). NULL: none fits, and it was said (TT-23). */
const struct tcp_route *compile_tcp_routes_of_server(struct compiler *compiler,
                                                     const struct tcp_scope *scope);
/* The tls[] rules of a passthrough server (TT-2 to TT-5) in scratch memory, their names noted in
 * `claims` (to struct sni_claim). None: it was said (TT-6). */
void compile_tcp_routes_passthrough(struct compiler *compiler, const struct tcp_scope *scope,
                                    struct host_table *claims, struct passthrough_rules *out);

/* --- compile_tls.c ---------------------------------------------------------------------------- */

/* Policy, secret and context of a server that ends TLS. False: it must not be served, said why. */
bool compile_tls(struct compiler *compiler, const struct gateway *gateway, size_t server_index,
                 struct tls_server *out);

/* TL-20, TL-21: what `name`, `kubernetes://name` and `kubernetes://ns/name` mean. Empty: refused, said
 * why. */
struct str compile_tls_secret_name(struct compiler *compiler, struct str reference,
                                   const struct finding_at *at);

/* --- compile_listeners.c ---------------------------------------------------------------------- */

/* Servers of all selected Gateways, merged (2.4), into snapshot->listeners. */
void compile_listeners(struct compiler *compiler);
/* GW-3 */
bool compile_listeners_selects(const struct compile_options *options,
                               const struct gateway *gateway);

#endif
