/* read_destination_rule: a DestinationRule document to struct destination_rule (spec section 7).
 * Control thread. */
#include "config/check_kinds.h"
#include "config/read_kinds.h"

/* --- load balancing --------------------------------------------------------------------------- */

static const struct enum_value simple_load_balancers[] = {
    { "UNSPECIFIED", LB_UNSPECIFIED },
    { "LEAST_CONN", LB_LEAST_CONN },
    { "RANDOM", LB_RANDOM },
    { "PASSTHROUGH", LB_PASSTHROUGH },
    { "ROUND_ROBIN", LB_ROUND_ROBIN },
    { "LEAST_REQUEST", LB_LEAST_REQUEST },
    { NULL, 0 },
};

/* attributes: a list of {name, value} */
static const struct field cookie_attribute_fields[] = {
    FIELD(str_pair, name, "name", FIELD_STRING),
    FIELD(str_pair, value, "value", FIELD_STRING),
};
static const struct message cookie_attribute_message = MESSAGE(str_pair, cookie_attribute_fields);

static const struct field cookie_fields[] = {
    FIELD(hash_cookie, name, "name", FIELD_STRING),
    FIELD(hash_cookie, path, "path", FIELD_STRING),
    FIELD(hash_cookie, ttl, "ttl", FIELD_DURATION),
    FIELD_OF(hash_cookie, attributes, "attributes", FIELD_MESSAGES, cookie_attribute_message),
};
static const struct message cookie_message = MESSAGE(hash_cookie, cookie_fields);

static const struct field ring_hash_fields[] = {
    FIELD(ring_hash, minimum_ring_size, "minimumRingSize", FIELD_U64),
};
static const struct message ring_hash_message = MESSAGE(ring_hash, ring_hash_fields);

static const struct field maglev_fields[] = {
    FIELD(maglev, table_size, "tableSize", FIELD_U64),
};
static const struct message maglev_message = MESSAGE(maglev, maglev_fields);

static const struct field consistent_hash_fields[] = {
    { .name = "httpHeaderName",
      .type = FIELD_STRING,
      .oneof = 1,
      .offset = offsetof(struct consistent_hash, http_header_name) },
    { .name = "httpCookie",
      .type = FIELD_MESSAGE,
      .oneof = 1,
      .offset = offsetof(struct consistent_hash, http_cookie),
      .message = &cookie_message },
    { .name = "useSourceIp",
      .type = FIELD_BOOL,
      .oneof = 1,
      .offset = offsetof(struct consistent_hash, use_source_ip) },
    { .name = "httpQueryParameterName",
      .type = FIELD_STRING,
      .oneof = 1,
      .offset = offsetof(struct consistent_hash, http_query_parameter_name) },
    { .name = "ringHash",
      .type = FIELD_MESSAGE,
      .oneof = 2,
      .offset = offsetof(struct consistent_hash, ring_hash),
      .message = &ring_hash_message },
    { .name = "maglev",
      .type = FIELD_MESSAGE,
      .oneof = 2,
      .offset = offsetof(struct consistent_hash, maglev),
      .message = &maglev_message },
    FIELD(consistent_hash, minimum_ring_size, "minimumRingSize", FIELD_U64),
};
static const struct message consistent_hash_message =
    MESSAGE_WITH_PLACE(consistent_hash, consistent_hash_fields);

static const struct field distribute_fields[] = {
    FIELD(locality_distribute, from, "from", FIELD_STRING),
    FIELD(locality_distribute, to, "to", FIELD_U32_MAP),
};
static const struct message distribute_message = MESSAGE(locality_distribute, distribute_fields);

static const struct field failover_fields[] = {
    FIELD(locality_failover, from, "from", FIELD_STRING),
    FIELD(locality_failover, to, "to", FIELD_STRING),
};
static const struct message failover_message = MESSAGE(locality_failover, failover_fields);

static const struct field locality_lb_fields[] = {
    FIELD_OF(locality_lb, distribute, "distribute", FIELD_MESSAGES, distribute_message),
    FIELD_OF(locality_lb, failover, "failover", FIELD_MESSAGES, failover_message),
    FIELD(locality_lb, failover_priority, "failoverPriority", FIELD_STRINGS),
    FIELD(locality_lb, enabled, "enabled", FIELD_OPTIONAL_BOOL),
};
static const struct message locality_lb_message =
    MESSAGE_WITH_PLACE(locality_lb, locality_lb_fields);

static const struct field warmup_fields[] = {
    FIELD(warmup, duration, "duration", FIELD_DURATION),
    FIELD(warmup, minimum_percent, "minimumPercent", FIELD_OPTIONAL_DOUBLE),
    FIELD(warmup, aggression, "aggression", FIELD_OPTIONAL_DOUBLE),
};
static const struct message warmup_message = MESSAGE(warmup, warmup_fields);

static const struct field load_balancer_fields[] = {
    { .name = "simple",
      .type = FIELD_ENUM,
      .oneof = 1,
      .offset = offsetof(struct load_balancer, simple),
      .has = offsetof(struct load_balancer, has_simple) + 1,
      .values = simple_load_balancers },
    { .name = "consistentHash",
      .type = FIELD_MESSAGE,
      .oneof = 1,
      .offset = offsetof(struct load_balancer, consistent_hash),
      .message = &consistent_hash_message },
    FIELD_OF(load_balancer, locality_lb_setting, "localityLbSetting", FIELD_MESSAGE,
             locality_lb_message),
    { .name = "zoneAwareLbSetting",
      .type = FIELD_PRESENT,
      .has = offsetof(struct load_balancer, has_zone_aware_lb_setting) + 1 },
    FIELD(load_balancer, warmup_duration_secs, "warmupDurationSecs", FIELD_DURATION),
    FIELD_OF(load_balancer, warmup, "warmup", FIELD_MESSAGE, warmup_message),
};
static const struct message load_balancer_message =
    MESSAGE_WITH_PLACE(load_balancer, load_balancer_fields);

/* --- connections ------------------------------------------------------------------------------ */

static const struct field tcp_keepalive_fields[] = {
    FIELD(tcp_keepalive, probes, "probes", FIELD_U32),
    FIELD(tcp_keepalive, time, "time", FIELD_DURATION),
    FIELD(tcp_keepalive, interval, "interval", FIELD_DURATION),
};
static const struct message tcp_keepalive_message = MESSAGE(tcp_keepalive, tcp_keepalive_fields);

static const struct field tcp_settings_fields[] = {
    FIELD(tcp_settings, max_connections, "maxConnections", FIELD_I32),
    FIELD(tcp_settings, connect_timeout, "connectTimeout", FIELD_DURATION),
    FIELD_OF(tcp_settings, tcp_keepalive, "tcpKeepalive", FIELD_MESSAGE, tcp_keepalive_message),
    FIELD(tcp_settings, max_connection_duration, "maxConnectionDuration", FIELD_DURATION),
    FIELD(tcp_settings, idle_timeout, "idleTimeout", FIELD_DURATION),
};
static const struct message tcp_settings_message =
    MESSAGE_WITH_PLACE(tcp_settings, tcp_settings_fields);

static const struct enum_value h2_upgrade_policies[] = {
    { "DEFAULT", H2_UPGRADE_DEFAULT },
    { "DO_NOT_UPGRADE", H2_UPGRADE_DO_NOT_UPGRADE },
    { "UPGRADE", H2_UPGRADE_UPGRADE },
    { NULL, 0 },
};
static const struct field http2_keepalive_fields[] = {
    FIELD(http2_keepalive, interval, "interval", FIELD_DURATION),
    FIELD(http2_keepalive, timeout, "timeout", FIELD_DURATION),
};
static const struct message http2_keepalive_message =
    MESSAGE(http2_keepalive, http2_keepalive_fields);

static const struct field http_settings_fields[] = {
    FIELD(http_settings, http1_max_pending_requests, "http1MaxPendingRequests", FIELD_I32),
    FIELD(http_settings, http2_max_requests, "http2MaxRequests", FIELD_I32),
    FIELD(http_settings, max_requests_per_connection, "maxRequestsPerConnection", FIELD_I32),
    FIELD(http_settings, max_retries, "maxRetries", FIELD_I32),
    FIELD(http_settings, idle_timeout, "idleTimeout", FIELD_DURATION),
    FIELD_CHOICE(http_settings, h2_upgrade_policy, "h2UpgradePolicy", h2_upgrade_policies),
    FIELD(http_settings, use_client_protocol, "useClientProtocol", FIELD_BOOL),
    FIELD(http_settings, max_concurrent_streams, "maxConcurrentStreams", FIELD_I32),
    FIELD_OF(http_settings, http2_keepalive, "http2KeepAlive", FIELD_MESSAGE,
             http2_keepalive_message),
};
static const struct message http_settings_message =
    MESSAGE_WITH_PLACE(http_settings, http_settings_fields);

static const struct field connection_pool_fields[] = {
    FIELD_OF(connection_pool, tcp, "tcp", FIELD_MESSAGE, tcp_settings_message),
    FIELD_OF(connection_pool, http, "http", FIELD_MESSAGE, http_settings_message),
};
static const struct message connection_pool_message =
    MESSAGE_WITH_PLACE(connection_pool, connection_pool_fields);

static const struct field outlier_fields[] = {
    FIELD(outlier_detection, consecutive_errors, "consecutiveErrors", FIELD_I32),
    FIELD(outlier_detection, split_external_local_origin_errors, "splitExternalLocalOriginErrors",
          FIELD_BOOL),
    FIELD(outlier_detection, consecutive_local_origin_failures, "consecutiveLocalOriginFailures",
          FIELD_OPTIONAL_U32),
    FIELD(outlier_detection, consecutive_gateway_errors, "consecutiveGatewayErrors",
          FIELD_OPTIONAL_U32),
    FIELD(outlier_detection, consecutive_5xx_errors, "consecutive5xxErrors", FIELD_OPTIONAL_U32),
    FIELD(outlier_detection, interval, "interval", FIELD_DURATION),
    FIELD(outlier_detection, base_ejection_time, "baseEjectionTime", FIELD_DURATION),
    FIELD(outlier_detection, max_ejection_percent, "maxEjectionPercent", FIELD_I32),
    FIELD(outlier_detection, min_health_percent, "minHealthPercent", FIELD_I32),
    { .name = "outlierDetectionHttpErrorCodes",
      .type = FIELD_PRESENT,
      .has = offsetof(struct outlier_detection, has_http_error_codes) + 1 },
};
static const struct message outlier_message = MESSAGE_WITH_PLACE(outlier_detection, outlier_fields);

/* --- TLS, tunnel ------------------------------------------------------------------------------ */

static const struct enum_value client_tls_modes[] = {
    { "DISABLE", CLIENT_TLS_DISABLE },
    { "SIMPLE", CLIENT_TLS_SIMPLE },
    { "MUTUAL", CLIENT_TLS_MUTUAL },
    { "ISTIO_MUTUAL", CLIENT_TLS_ISTIO_MUTUAL },
    { NULL, 0 },
};
static const struct field client_tls_fields[] = {
    FIELD_CHOICE(client_tls, mode, "mode", client_tls_modes),
    FIELD(client_tls, client_certificate, "clientCertificate", FIELD_STRING),
    FIELD(client_tls, private_key, "privateKey", FIELD_STRING),
    FIELD(client_tls, ca_certificates, "caCertificates", FIELD_STRING),
    FIELD(client_tls, credential_name, "credentialName", FIELD_STRING),
    FIELD(client_tls, subject_alt_names, "subjectAltNames", FIELD_STRINGS),
    FIELD(client_tls, sni, "sni", FIELD_STRING),
    FIELD(client_tls, insecure_skip_verify, "insecureSkipVerify", FIELD_OPTIONAL_BOOL),
    FIELD(client_tls, ca_crl, "caCrl", FIELD_STRING),
};
static const struct message client_tls_message = MESSAGE_WITH_PLACE(client_tls, client_tls_fields);

static const struct field tunnel_fields[] = {
    FIELD(tunnel_settings, protocol, "protocol", FIELD_STRING),
    FIELD(tunnel_settings, target_host, "targetHost", FIELD_STRING),
    FIELD(tunnel_settings, target_port, "targetPort", FIELD_U32),
};
static const struct message tunnel_message = MESSAGE_WITH_PLACE(tunnel_settings, tunnel_fields);

static const struct enum_value proxy_protocol_versions[] = { { "V1", 0 },
                                                             { "V2", 1 },
                                                             { NULL, 0 } };
static const struct field proxy_protocol_fields[] = {
    { .name = "version", .type = FIELD_ENUM, .offset = 0, .values = proxy_protocol_versions },
};
static const struct message proxy_protocol_message = { proxy_protocol_fields, 1, sizeof(int), 0,
                                                       false };

static const struct field retry_budget_fields[] = {
    FIELD(retry_budget, percent, "percent", FIELD_OPTIONAL_DOUBLE),
    FIELD(retry_budget, min_retry_concurrency, "minRetryConcurrency", FIELD_U32),
    FIELD(retry_budget, budget_interval, "budgetInterval", FIELD_DURATION),
};
static const struct message retry_budget_message = MESSAGE(retry_budget, retry_budget_fields);

/* --- the policy ------------------------------------------------------------------------------- */

static const struct field policy_port_fields[] = {
    { .name = "number", .type = FIELD_OPTIONAL_U32, .offset = 0 },
};
static const struct message policy_port_message = { policy_port_fields, 1,
                                                    sizeof(struct optional_u32), 0, false };

static const struct field port_policy_fields[] = {
    FIELD_OF(traffic_policy, port, "port", FIELD_EMBEDDED, policy_port_message),
    FIELD_OF(traffic_policy, load_balancer, "loadBalancer", FIELD_MESSAGE, load_balancer_message),
    FIELD_OF(traffic_policy, connection_pool, "connectionPool", FIELD_MESSAGE,
             connection_pool_message),
    FIELD_OF(traffic_policy, outlier_detection, "outlierDetection", FIELD_MESSAGE, outlier_message),
    FIELD_OF(traffic_policy, tls, "tls", FIELD_MESSAGE, client_tls_message),
};
static const struct message port_policy_message =
    MESSAGE_WITH_PLACE(traffic_policy, port_policy_fields);

static const struct field traffic_policy_fields[] = {
    FIELD_OF(traffic_policy, load_balancer, "loadBalancer", FIELD_MESSAGE, load_balancer_message),
    FIELD_OF(traffic_policy, connection_pool, "connectionPool", FIELD_MESSAGE,
             connection_pool_message),
    FIELD_OF(traffic_policy, outlier_detection, "outlierDetection", FIELD_MESSAGE, outlier_message),
    FIELD_OF(traffic_policy, tls, "tls", FIELD_MESSAGE, client_tls_message),
    FIELD_OF(traffic_policy, port_level_settings, "portLevelSettings", FIELD_MESSAGES,
             port_policy_message),
    FIELD_OF(traffic_policy, tunnel, "tunnel", FIELD_MESSAGE, tunnel_message),
    { .name = "proxyProtocol",
      .type = FIELD_EMBEDDED,
      .offset = offsetof(struct traffic_policy, proxy_protocol_version),
      .has = offsetof(struct traffic_policy, has_proxy_protocol) + 1,
      .message = &proxy_protocol_message },
    FIELD_OF(traffic_policy, retry_budget, "retryBudget", FIELD_MESSAGE, retry_budget_message),
};
static const struct message traffic_policy_message =
    MESSAGE_WITH_PLACE(traffic_policy, traffic_policy_fields);

static const struct field subset_fields[] = {
    FIELD(subset, name, "name", FIELD_STRING),
    FIELD(subset, labels, "labels", FIELD_STRING_MAP),
    FIELD_OF(subset, traffic_policy, "trafficPolicy", FIELD_MESSAGE, traffic_policy_message),
};
static const struct message subset_message = MESSAGE_WITH_PLACE(subset, subset_fields);

static const struct field workload_selector_fields[] = {
    { .name = "matchLabels", .type = FIELD_STRING_MAP, .offset = 0 },
};
static const struct message workload_selector_message = { workload_selector_fields, 1,
                                                          sizeof(struct str_pair_vec), 0, false };

static const struct field destination_rule_fields[] = {
    FIELD(destination_rule, host, "host", FIELD_HOST),
    FIELD_OF(destination_rule, traffic_policy, "trafficPolicy", FIELD_MESSAGE,
             traffic_policy_message),
    FIELD_OF(destination_rule, subsets, "subsets", FIELD_MESSAGES, subset_message),
    FIELD(destination_rule, export_to, "exportTo", FIELD_STRINGS),
    { .name = "workloadSelector",
      .type = FIELD_EMBEDDED,
      .offset = offsetof(struct destination_rule, workload_selector),
      .has = offsetof(struct destination_rule, has_workload_selector) + 1,
      .message = &workload_selector_message },
};
static const struct message destination_rule_message =
    MESSAGE(destination_rule, destination_rule_fields);

void read_destination_rule(struct reader *reader, const struct node *root,
                           struct destination_rule *rule)
{
    const struct node *spec = document_find(root, STR("spec"));
    const struct node *host = document_find(spec, STR("host"));
    size_t former = reader_enter(reader, "spec");

    rule->host_place = host != NULL ? host->place : rule->meta.place;
    if (spec != NULL && !reader_is_null(spec)) {
        reader_read_message(reader, spec, &destination_rule_message, rule);
    }
    check_destination_rule(reader, rule);
    reader_leave(reader, former);
}
