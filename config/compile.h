/* compile: resources and secrets to a snapshot. Pure: no socket, thread or global; what it has to say
 * goes to the report. A server, host or route that cannot be served is left out with a finding; the
 * rest is served. */
#ifndef CONFIG_COMPILE_H
#define CONFIG_COMPILE_H

#include "config/report.h"
#include "config/snapshot.h"
#include "tls/secret_store.h"

struct port_map_entry {
    uint32_t gateway_port;
    uint16_t bind_port;
};

struct compile_options {
    struct str own_namespace; /* "istio-system" */
    struct str domain;        /* "cluster.local" */
    bool has_labels;          /* false: every Gateway applies */
    struct str_pair_vec labels;
    struct {
        VEC_FIELDS(struct port_map_entry);
    } port_map;
    struct str bind; /* for servers without `bind` */
    uint32_t connect_timeout_ms;
};

/* Never NULL: an empty snapshot serves nothing. Waiting for `store`: files named by servers are asked
 * for with compile_want_secrets() first, then the store is loaded, then this. */
struct snapshot *compile_snapshot(const struct compile_options *options,
                                  const struct resource_set *resources,
                                  const struct secret_store *store,
                                  struct tls_context_cache *contexts,
                                  struct tls_client_context_cache *client_contexts,
                                  struct report *report);
/* Tells the store about file pairs named by Gateways and Secret documents of the own namespace. */
void compile_want_secrets(const struct compile_options *options,
                          const struct resource_set *resources, struct secret_store *store,
                          struct report *report);

#endif
