/* resources: the typed configuration objects, as the YAML said them.
 * Reading fills every field of the networking.istio.io kinds, so that nothing a user wrote is lost
 * silently; what is honoured is the compiler's business. Names follow the API in snake_case.
 *
 * Ownership: an object and all it points to live in the object's own arena. Objects are counted and
 * immutable once loaded; a resource_set holds one reference to each. Control thread only.
 *
 * Conventions:
 *   struct str with ptr NULL       absent string ("" written out has a non-NULL ptr)
 *   pointer to a struct, NULL      absent message
 *   struct optional_*, is_set      absent wrapper or duration (spec RL-23)
 *   VEC_FIELDS(...)                list or map, in the order written
 *   struct place                   line and column in object_meta.file; line 0 is unknown
 * Host names are in lower case (spec GW-26 P); everything else is as written. */
#ifndef CONFIG_RESOURCES_H
#define CONFIG_RESOURCES_H

#include "config/place.h"
#include "gateway/base/str.h"
#include "gateway/base/vec.h"
#include "tls/policy.h"

#include <stdbool.h>
#include <stdint.h>

enum resource_kind {
    KIND_GATEWAY,
    KIND_VIRTUAL_SERVICE,
    KIND_DESTINATION_RULE,
    KIND_SERVICE_ENTRY,
    KIND_WORKLOAD_ENTRY,
    KIND_SERVICE,
    KIND_SECRET,
    KIND_CONFIG_MAP,
    KIND_POD,
    KIND_ENDPOINT_SLICE,
    KIND_COUNT,
};

struct optional_bool {
    bool is_set;
    bool value;
};
struct optional_u32 {
    bool is_set;
    uint32_t value;
};
struct optional_double {
    bool is_set;
    double value;
};
/* What is below a millisecond is kept apart, because spec RL-45 refuses it in most fields. */
struct optional_duration {
    bool is_set;
    uint32_t rest_ns;
    int64_t ms;
};
/* spec RL-24: `{value: 12.5}`. A message without value is 0. */
struct percent {
    bool is_set;
    double value;
};

/* One entry of a map<string, string>. */
struct str_pair {
    struct str name;
    struct str value;
};
/* One entry of a map<string, uint32>. */
struct u32_pair {
    struct str name;
    uint32_t value;
};
/* One entry of a map<string, bytes>: file names of Secrets and ConfigMaps. */
struct bytes_pair {
    struct str name;
    struct str bytes;
};
VEC_STRUCT(str_pair_vec, struct str_pair);
VEC_STRUCT(u32_pair_vec, struct u32_pair);
VEC_STRUCT(bytes_pair_vec, struct bytes_pair);
VEC_STRUCT(u32_vec, uint32_t);

/* First member of every object. */
struct object_meta {
    enum resource_kind kind;
    struct str api_version; /* "networking.istio.io/v1" */
    struct str namespace;   /* never empty (spec RL-12) */
    struct str name;
    struct str_pair_vec labels;
    struct str_pair_vec annotations;
    int64_t creation_time_s; /* 0: absent (spec RL-5) */
    struct str file;
    struct place place; /* of the document or list item */
    /* Below: owned by resource_set.c. */
    struct str key; /* "Gateway istio-system/shop" */
    struct arena *arena;
    uint32_t ref_count;
};

/* ---- shared by several kinds ------------------------------------------------------------------
 */

enum match_kind {
    MATCH_PRESENT, /* `{}`: spec RL-29, HT-24 */
    MATCH_EXACT,
    MATCH_PREFIX,
    MATCH_REGEX,
};
struct string_match {
    enum match_kind kind;
    struct str value;
    struct place place;
};
/* One entry of a map<string, StringMatch>: headers, queryParams, withoutHeaders. */
struct named_match {
    struct str name;
    struct string_match match;
};
VEC_STRUCT(named_match_vec, struct named_match);
VEC_STRUCT(string_match_vec, struct string_match);

struct destination {
    struct str host; /* lower case, not expanded (spec SV-1) */
    struct str subset;
    struct optional_u32 port;
    struct place place;
};

/* ---- Gateway ------------------------------------------------------------------------------------
 */

/* Protocol of a server, a ServiceEntry port or a Service port (spec GW-10, SV-15, SV-41). */
enum port_protocol {
    PROTOCOL_UNSUPPORTED, /* not declared, or a word we do not know */
    PROTOCOL_HTTP,
    PROTOCOL_HTTP2,
    PROTOCOL_GRPC,
    PROTOCOL_GRPC_WEB,
    PROTOCOL_HTTPS,
    PROTOCOL_TLS,
    PROTOCOL_TCP,
    PROTOCOL_MONGO,
    PROTOCOL_REDIS,
    PROTOCOL_MYSQL,
    PROTOCOL_UDP,
    PROTOCOL_HTTP_PROXY,
};

/* Numbers are those of the API. */
enum server_tls_mode {
    TLS_MODE_PASSTHROUGH = 0, /* also when `mode` is left out: spec TL-7 */
    TLS_MODE_SIMPLE = 1,
    TLS_MODE_MUTUAL = 2,
    TLS_MODE_AUTO_PASSTHROUGH = 3,
    TLS_MODE_ISTIO_MUTUAL = 4,
    TLS_MODE_OPTIONAL_MUTUAL = 5,
};

struct tls_certificate_files {
    struct str server_certificate;
    struct str private_key;
    struct str ca_certificates;
    struct place place;
};

struct server_tls {
    bool https_redirect;
    bool has_mode; /* false: `mode` was not written */
    enum server_tls_mode mode;
    struct str server_certificate;
    struct str private_key;
    struct str ca_certificates;
    struct str ca_crl;
    struct str credential_name;
    struct str_vec credential_names;
    struct str ca_cert_credential_name;
    struct {
        VEC_FIELDS(struct tls_certificate_files);
    } tls_certificates;
    struct str_vec subject_alt_names;
    struct str_vec verify_certificate_spki;
    struct str_vec verify_certificate_hash;
    enum tls_version min_protocol_version;
    enum tls_version max_protocol_version;
    struct str_vec cipher_suites;
    struct str_vec ecdh_curves;
    struct optional_bool insecure_skip_verify;
    struct place place;
};

struct server_port {
    uint32_t number;
    struct str protocol_name; /* as written */
    enum port_protocol protocol;
    struct str name;
    uint32_t target_port;
    struct place place;
};

/* `[namespace/]dnsName`, split (spec GW-20, GW-23). */
struct server_host {
    struct str namespace; /* ptr NULL: any namespace. "." is already replaced by the Gateway's own.
                           */
    struct str name;      /* lower case: `*`, `*.x`, a name or an IP */
    struct place place;
};

struct server {
    struct server_port port;
    struct str bind;
    struct {
        VEC_FIELDS(struct server_host);
    } hosts;
    struct server_tls *tls;
    struct str default_endpoint;
    struct str name;
    struct place place;
};

struct gateway {
    struct object_meta meta;
    struct {
        VEC_FIELDS(struct server);
    } servers;
    struct str_pair_vec selector; /* count 0: every workload (spec GW-3) */
};

/* ---- VirtualService
 * ------------------------------------------------------------------------------ */

struct http_match {
    struct str name;
    struct string_match *uri;
    struct string_match *scheme;
    struct string_match *method;
    struct string_match *authority;
    struct named_match_vec headers;
    uint32_t port; /* 0: any */
    struct str_pair_vec source_labels;
    struct str_vec gateways;
    struct named_match_vec query_params;
    bool ignore_uri_case;
    struct named_match_vec without_headers;
    struct str source_namespace;
    struct str stat_prefix;
    struct place place;
};
VEC_STRUCT(http_match_vec, struct http_match);

struct header_operations {
    struct str_pair_vec set;
    struct str_pair_vec add;
    struct str_vec remove;
    struct place place;
};
struct header_rules {
    struct header_operations *request;
    struct header_operations *response;
};

struct http_route_destination {
    struct destination destination;
    int32_t weight;
    struct header_rules *headers;
    struct place place;
};

enum redirect_port_selection {
    DERIVE_PORT_FROM_PROTOCOL_DEFAULT = 0,
    DERIVE_PORT_FROM_REQUEST_PORT = 1,
};
struct http_redirect {
    struct str uri;
    struct str prefix_rewrite;
    struct str authority;
    struct optional_u32 port;
    bool has_derive_port;
    enum redirect_port_selection derive_port;
    struct str scheme;
    uint32_t redirect_code; /* 0: 301 */
    struct place place;
};

struct http_direct_response {
    uint32_t status;
    struct str body; /* decoded; ptr NULL: none */
    struct place place;
};

struct http_delegate {
    struct str name;
    struct str namespace; /* ptr NULL: the root's */
    struct place place;
};

struct regex_rewrite {
    struct str match;
    struct str rewrite;
};
struct http_rewrite {
    struct str uri;
    struct str authority;
    struct regex_rewrite *uri_regex_rewrite;
    struct place place;
};

struct http_retries {
    int32_t attempts;
    struct optional_duration per_try_timeout;
    struct str retry_on;
    struct optional_bool retry_remote_localities;
    struct optional_bool retry_ignore_previous_hosts;
    struct optional_duration backoff;
    struct place place;
};

struct fault_delay {
    struct percent percentage;
    int32_t percent; /* deprecated */
    struct optional_duration fixed_delay;
    struct optional_duration exponential_delay;
    struct place place;
};
struct fault_abort {
    struct percent percentage;
    struct optional_u32 http_status;
    struct str grpc_status;
    struct str http2_error;
    struct place place;
};
struct http_fault {
    struct fault_delay *delay;
    struct fault_abort *abort;
    struct place place;
};

struct http_mirror {
    struct destination destination;
    struct percent percentage;
    struct place place;
};

enum unmatched_preflights {
    UNMATCHED_PREFLIGHTS_UNSPECIFIED = 0,
    UNMATCHED_PREFLIGHTS_FORWARD = 1,
    UNMATCHED_PREFLIGHTS_IGNORE = 2,
};
struct cors_policy {
    struct str_vec allow_origin; /* deprecated */
    struct string_match_vec allow_origins;
    struct str_vec allow_methods;
    struct str_vec allow_headers;
    struct str_vec expose_headers;
    struct optional_duration max_age;
    struct optional_bool allow_credentials;
    enum unmatched_preflights unmatched_preflights;
    struct place place;
};

struct http_route {
    struct str name;
    struct http_match_vec matches;
    struct {
        VEC_FIELDS(struct http_route_destination);
    } routes;
    struct http_redirect *redirect;
    struct http_direct_response *direct_response;
    struct http_delegate *delegate;
    struct http_rewrite *rewrite;
    struct optional_duration timeout;
    struct http_retries *retries;
    struct http_fault *fault;
    struct destination *mirror;
    struct {
        VEC_FIELDS(struct http_mirror);
    } mirrors;
    struct optional_u32 mirror_percent; /* deprecated */
    struct percent mirror_percentage;
    struct cors_policy *cors_policy;
    struct header_rules *headers;
    struct place place;
};

/* Match of a tls[] or tcp[] route. */
struct l4_match {
    struct str_vec sni_hosts; /* tls[] only */
    struct str_vec destination_subnets;
    uint32_t port;
    struct str source_subnet; /* tcp[] only */
    struct str_pair_vec source_labels;
    struct str_vec gateways;
    struct str source_namespace;
    struct place place;
};
struct l4_route_destination {
    struct destination destination;
    int32_t weight;
    struct place place;
};
struct l4_route {
    struct {
        VEC_FIELDS(struct l4_match);
    } matches;
    struct {
        VEC_FIELDS(struct l4_route_destination);
    } routes;
    struct place place;
};
VEC_STRUCT(l4_route_vec, struct l4_route);

struct virtual_service {
    struct object_meta meta;
    struct str_vec hosts; /* lower case, not expanded (spec SN-43); none: a delegate */
    struct str_vec gateways;
    struct {
        VEC_FIELDS(struct http_route);
    } http;
    struct l4_route_vec tls;
    struct l4_route_vec tcp;
    struct str_vec export_to;
};

/* ---- DestinationRule
 * ------------------------------------------------------------------------------ */

enum simple_load_balancer {
    LB_UNSPECIFIED = 0,
    LB_LEAST_CONN = 1,
    LB_RANDOM = 2,
    LB_PASSTHROUGH = 3,
    LB_ROUND_ROBIN = 4,
    LB_LEAST_REQUEST = 5,
};
struct hash_cookie {
    struct str name;
    struct str path;
    struct optional_duration ttl;
    struct str_pair_vec attributes;
};
struct ring_hash {
    uint64_t minimum_ring_size;
};
struct maglev {
    uint64_t table_size;
};
struct consistent_hash {
    struct str http_header_name;
    struct hash_cookie *http_cookie;
    bool use_source_ip;
    struct str http_query_parameter_name;
    struct ring_hash *ring_hash;
    struct maglev *maglev;
    uint64_t minimum_ring_size; /* deprecated */
    struct place place;
};
struct locality_distribute {
    struct str from;
    struct u32_pair_vec to;
};
struct locality_failover {
    struct str from;
    struct str to;
};
struct locality_lb {
    struct {
        VEC_FIELDS(struct locality_distribute);
    } distribute;
    struct {
        VEC_FIELDS(struct locality_failover);
    } failover;
    struct str_vec failover_priority;
    struct optional_bool enabled;
    struct place place;
};
struct warmup {
    struct optional_duration duration;
    struct optional_double minimum_percent;
    struct optional_double aggression;
};
struct load_balancer {
    bool has_simple;
    enum simple_load_balancer simple;
    struct consistent_hash *consistent_hash;
    struct locality_lb *locality_lb_setting;
    bool has_zone_aware_lb_setting;                /* its content is not read */
    struct optional_duration warmup_duration_secs; /* deprecated */
    struct warmup *warmup;
    struct place place;
};

struct tcp_keepalive {
    uint32_t probes;
    struct optional_duration time;
    struct optional_duration interval;
};
struct tcp_settings {
    int32_t max_connections;
    struct optional_duration connect_timeout;
    struct tcp_keepalive *tcp_keepalive;
    struct optional_duration max_connection_duration;
    struct optional_duration idle_timeout;
    struct place place;
};
enum h2_upgrade_policy {
    H2_UPGRADE_DEFAULT = 0,
    H2_UPGRADE_DO_NOT_UPGRADE = 1,
    H2_UPGRADE_UPGRADE = 2,
};
struct http2_keepalive {
    struct optional_duration interval;
    struct optional_duration timeout;
};
struct http_settings {
    int32_t http1_max_pending_requests;
    int32_t http2_max_requests;
    int32_t max_requests_per_connection;
    int32_t max_retries;
    struct optional_duration idle_timeout;
    enum h2_upgrade_policy h2_upgrade_policy;
    bool use_client_protocol;
    int32_t max_concurrent_streams;
    struct http2_keepalive *http2_keepalive;
    struct place place;
};
struct connection_pool {
    struct tcp_settings *tcp;
    struct http_settings *http;
    struct place place;
};

struct outlier_detection {
    int32_t consecutive_errors; /* deprecated, ignored */
    bool split_external_local_origin_errors;
    struct optional_u32 consecutive_local_origin_failures;
    struct optional_u32 consecutive_gateway_errors;
    struct optional_u32 consecutive_5xx_errors;
    struct optional_duration interval;
    struct optional_duration base_ejection_time;
    int32_t max_ejection_percent;
    int32_t min_health_percent;
    bool has_http_error_codes; /* outlierDetectionHttpErrorCodes; its content is not read */
    struct place place;
};

/* Numbers are those of the API. */
enum client_tls_mode {
    CLIENT_TLS_DISABLE = 0,
    CLIENT_TLS_SIMPLE = 1,
    CLIENT_TLS_MUTUAL = 2,
    CLIENT_TLS_ISTIO_MUTUAL = 3,
};
struct client_tls {
    enum client_tls_mode mode;
    struct str client_certificate;
    struct str private_key;
    struct str ca_certificates;
    struct str credential_name;
    struct str_vec subject_alt_names;
    struct str sni;
    struct optional_bool insecure_skip_verify;
    struct str ca_crl;
    struct place place;
};

struct tunnel_settings {
    struct str protocol;
    struct str target_host;
    uint32_t target_port;
    struct place place;
};
struct retry_budget {
    struct optional_double percent;
    uint32_t min_retry_concurrency;
    struct optional_duration budget_interval;
};

/* Top-level and subset policies use all blocks; a port-level entry `port` and the first four. */
struct traffic_policy {
    struct load_balancer *load_balancer;
    struct connection_pool *connection_pool;
    struct outlier_detection *outlier_detection;
    struct client_tls *tls;
    struct optional_u32 port;
    struct {
        struct traffic_policy *items;
        size_t count;
        size_t capacity;
    } port_level_settings;
    struct tunnel_settings *tunnel;
    bool has_proxy_protocol;
    int proxy_protocol_version; /* 0: V1, 1: V2 */
    struct retry_budget *retry_budget;
    struct place place;
};

struct subset {
    struct str name;
    struct str_pair_vec labels;
    struct traffic_policy *traffic_policy;
    struct place place;
};

struct destination_rule {
    struct object_meta meta;
    struct str host; /* lower case, not expanded */
    struct place host_place;
    struct traffic_policy *traffic_policy;
    struct {
        VEC_FIELDS(struct subset);
    } subsets;
    struct str_vec export_to;
    bool has_workload_selector;
    struct str_pair_vec workload_selector; /* matchLabels */
};

/* ---- ServiceEntry, WorkloadEntry
 * --------------------------------------------------------------------- */

enum service_entry_location {
    LOCATION_MESH_EXTERNAL = 0,
    LOCATION_MESH_INTERNAL = 1,
};
enum service_entry_resolution {
    RESOLUTION_NONE = 0,
    RESOLUTION_STATIC = 1,
    RESOLUTION_DNS = 2,
    RESOLUTION_DNS_ROUND_ROBIN = 3,
    RESOLUTION_DYNAMIC_DNS = 4,
};
struct service_entry_port {
    uint32_t number;
    struct str protocol_name; /* as written */
    enum port_protocol protocol;
    struct str name;
    uint32_t target_port; /* 0: number */
    struct place place;
};
/* An endpoint of a ServiceEntry, and the spec of a WorkloadEntry. */
struct workload {
    struct str address;
    struct u32_pair_vec ports;
    struct str_pair_vec labels;
    struct str network;
    struct str locality;
    uint32_t weight; /* 0: 1 */
    struct str service_account;
    struct place place;
};
struct service_entry {
    struct object_meta meta;
    struct str_vec hosts; /* lower case */
    struct str_vec addresses;
    struct {
        VEC_FIELDS(struct service_entry_port);
    } ports;
    enum service_entry_location location;
    enum service_entry_resolution resolution;
    struct {
        VEC_FIELDS(struct workload);
    } endpoints;
    bool has_workload_selector;
    struct str_pair_vec workload_selector; /* labels */
    struct str_vec export_to;
    struct str_vec subject_alt_names;
    struct place place; /* of spec */
};
struct workload_entry {
    struct object_meta meta;
    struct workload workload;
};

/* ---- core kinds
 * --------------------------------------------------------------------------------------- */

struct service_port {
    struct str name; /* ptr NULL: unnamed */
    uint32_t port;
    struct str protocol;               /* TCP (default), UDP, SCTP */
    struct str app_protocol;           /* ptr NULL: absent */
    enum port_protocol istio_protocol; /* by spec SV-15 */
    uint32_t target_port;              /* 0: by name or absent */
    struct str target_port_name;
    uint32_t node_port;
    struct place place;
};
struct service {
    struct object_meta meta;
    struct str type; /* ClusterIP when absent */
    struct str cluster_ip;
    struct str external_name; /* lower case */
    struct str_pair_vec selector;
    struct {
        VEC_FIELDS(struct service_port);
    } ports;
    struct str internal_traffic_policy;
    struct str traffic_distribution;
    struct str_vec export_to; /* annotation networking.istio.io/exportTo; none: `*` (spec SV-11) */
    bool is_headless;
    bool publish_not_ready_addresses;
};

/* Values are wiped when the last reference goes. Never print them. */
struct secret_object {
    struct object_meta meta;
    struct str type;
    struct bytes_pair_vec data; /* decoded; stringData already laid over it (spec RL-27) */
};
struct config_map {
    struct object_meta meta;
    struct bytes_pair_vec data; /* data and binaryData, decoded */
};

/* Labels are meta.labels. */
struct pod {
    struct object_meta meta;
    struct str ip; /* status.podIP; ptr NULL: none */
    struct str node_name;
};

struct slice_endpoint {
    struct str_vec addresses;
    struct optional_bool ready;
    struct optional_bool serving;
    struct optional_bool terminating;
    struct str hostname;
    struct str node_name;
    struct str zone;
    struct str target_kind; /* targetRef */
    struct str target_namespace;
    struct str target_name;
    struct place place;
};
struct slice_port {
    struct str name; /* ptr NULL or "": unnamed */
    struct optional_u32 port;
    struct str protocol;
    struct str app_protocol;
};
struct endpoint_slice {
    struct object_meta meta;
    struct str service_name; /* label kubernetes.io/service-name; ptr NULL: ignored (spec SV-20) */
    struct str address_type; /* IPv4, IPv6, FQDN */
    struct {
        VEC_FIELDS(struct slice_endpoint);
    } endpoints;
    struct {
        VEC_FIELDS(struct slice_port);
    } ports;
};

/* "Gateway", "VirtualService", ... */
const char *resource_set_kind_name(enum resource_kind kind);

#endif
