/* route: a compiled route: conditions, action, policies, destinations. All of it belongs to a
 * snapshot, is immutable, and is read by workers without a lock. Views are in the snapshot's arena. */
#ifndef GATEWAY_ROUTE_ROUTE_H
#define GATEWAY_ROUTE_ROUTE_H

#include "gateway/http/headers.h"
#include "gateway/observe/format.h"
#include "gateway/route/cluster_config.h"
#include "gateway/route/host_table.h"
#include "gateway/route/pattern.h"

struct route_header_condition {
    enum header_id id;
    struct str name; /* lower case; may be a pseudo header: ":path" */
    struct pattern *pattern;
    bool is_inverted;  /* withoutHeaders (HT-28) */
    const char *label; /* "headers[x]", for explain */
};
struct route_query_condition {
    struct str name;
    struct pattern *pattern;
    const char *label; /* "queryParams[x]" */
};

/* All conditions are ANDed (HT-20); NULL: no condition. */
struct route_conditions {
    struct pattern *uri;
    struct pattern *scheme;
    struct pattern *method;
    struct pattern *authority;
    const struct route_header_condition *headers;
    size_t header_count;
    const struct route_query_condition *query;
    size_t query_count;
};

/* Header operations of one direction, in the order of evaluation: remove, set, add; set and add
 * sorted by name (HT-80). Pseudo-headers and host are taken out at compile time (HT-83). */
struct route_header_op {
    enum header_id id;
    struct str name;      /* lower case */
    struct format *value; /* NULL for remove */
};
struct route_header_ops {
    const struct route_header_op *removes;
    size_t remove_count;
    const struct route_header_op *sets;
    size_t set_count;
    const struct route_header_op *adds;
    size_t add_count;
};

struct route_destination {
    const struct cluster_config *cluster; /* NULL: unknown host, port or subset: 503 NC (HT-43) */
    struct str cluster_name;              /* the name, also of an unknown one */
    uint32_t weight;                      /* at least 1 when there are several (HT-40) */
    struct route_header_ops request_ops;
    struct route_header_ops response_ops;
    struct format *authority; /* destination-level host rewrite (HT-84), or NULL */
};

enum route_action { ROUTE_FORWARD, ROUTE_REDIRECT, ROUTE_DIRECT };

/* spec 5.4. Empty views: not configured. */
struct route_redirect {
    unsigned status;
    struct str uri;
    struct str prefix_rewrite;
    struct str authority;
    struct str scheme;
    uint16_t port;      /* 0: not configured; FROM_REQUEST_PORT is already resolved to the number */
    bool is_server_tls; /* for the default-port test (HT-55) */
};
struct route_direct {
    unsigned status;
    struct str body;
};
/* spec 5.6. */
struct route_rewrite {
    bool has_uri;
    struct str uri;        /* never empty: HT-73 */
    struct pattern *regex; /* uriRegexRewrite, from pattern_new_search(); or NULL */
    struct str regex_rewrite;
};

struct route {
    struct str name; /* %ROUTE_NAME% */
    struct route_conditions conditions;
    enum route_action action;
    struct route_redirect redirect;
    struct route_direct direct;
    struct route_rewrite rewrite;
    struct format *authority; /* host rewrite: precedence of HT-84 already applied; or NULL */
    const struct route_destination *destinations;
    size_t destination_count;
    uint64_t total_weight;
    uint32_t timeout_ms; /* 0: none (HT-90) */
    struct route_header_ops request_ops;
    struct route_header_ops response_ops;
    bool is_destination_first; /* several destinations: their ops run before the route's (HT-86) */
    /* Where it comes from, for logs, explain and the dump. */
    struct str virtual_service; /* "ns/name" */
    struct str file;
    uint32_t line;
};

struct virtual_host {
    struct str name;                   /* the domain: "a.com", "*.a.com", "*" */
    bool requires_tls;                 /* httpsRedirect (GW-50) */
    const struct route *const *routes; /* in the order of evaluation */
    size_t route_count;
    struct route_index *index; /* route_table.c: skips what cannot match; or NULL for few routes */
};

struct route_table {
    struct str name;         /* "http.80", "https.443.https.gw.ns" (GW-33) */
    struct host_table hosts; /* to struct virtual_host */
};

#endif
