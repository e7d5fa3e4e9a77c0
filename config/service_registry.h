/* service_registry: the services that destinations can name: Kubernetes Services with their
 * EndpointSlices, and ServiceEntries with their endpoints or workloads (spec section 8). Made for one
 * compile; views are those of the resources. Control thread. */
#ifndef CONFIG_SERVICE_REGISTRY_H
#define CONFIG_SERVICE_REGISTRY_H

#include "config/resource_set.h"

struct registry_port {
    struct str name;
    uint32_t number;
    uint32_t target; /* 0: the number */
    enum port_protocol protocol;
    bool is_udp;
};

struct registry_service {
    struct str host; /* FQDN */
    const struct object_meta *meta;
    const struct service *service; /* one of these two */
    const struct service_entry *entry;
    struct str alias; /* ExternalName (SV-13); empty: none */
    struct {
        VEC_FIELDS(struct registry_port);
    } ports;
    bool is_visible;               /* from the gateway's namespace (SV-3, SV-39) */
    struct registry_service *next; /* of the same host, the better one first */
};

struct registry_endpoint {
    struct str address; /* IP, unix address or, with DNS, a name */
    uint32_t port;
    uint32_t weight;
    bool is_healthy;                   /* SV-22 */
    const struct str_pair_vec *labels; /* NULL: not known (SV-24) */
};
VEC_STRUCT(registry_endpoints, struct registry_endpoint);

struct service_registry;

struct service_registry *service_registry_new(const struct resource_set *resources,
                                              struct str domain, struct str own_namespace);
void service_registry_free(struct service_registry *registry);
/* The visible service of that name, one of `namespace` first (SV-3); NULL: none (SV-4). With
 * *is_hidden set (may be NULL) there is one that is not exported to the gateway. */
const struct registry_service *service_registry_find(const struct service_registry *registry,
                                                     struct str host, struct str namespace,
                                                     bool *is_hidden);
/* NULL: the service has no such port. */
const struct registry_port *service_registry_port(const struct registry_service *service,
                                                  uint32_t number);
/* Endpoints of one port, in a steady order. */
void service_registry_endpoints(const struct service_registry *registry,
                                const struct registry_service *service,
                                const struct registry_port *port, struct registry_endpoints *out);
/* SV-1: "reviews" in "app" is "reviews.app.svc.cluster.local"; with a dot it stays. */
struct str service_registry_expand(struct arena *arena, struct str host, struct str namespace,
                                   struct str domain);
/* Every pair of `wanted` is among `labels`. */
bool service_registry_labels_fit(const struct str_pair_vec *wanted,
                                 const struct str_pair_vec *labels);
/* exportTo of an object seen from a namespace: none is "*", "." the object's own, "~" nobody. */
bool service_registry_is_exported(const struct str_vec *export_to, struct str object_namespace,
                                  struct str namespace);

#endif
