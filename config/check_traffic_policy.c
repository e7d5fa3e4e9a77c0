/* check_traffic_policy: the blocks of a trafficPolicy (spec DR-20 to DR-25), at the top level, for
 * one port, or for a subset. Control thread. */
#include "config/check_kinds.h"
#include "config/value.h"

#define MAX_MAGLEV_TABLE UINT64_C(5000011)

/* --- connection pool -------------------------------------------------------------------------- */

static void check_not_negative(struct reader *reader, const char *field, enum finding_code code,
                               int32_t value)
{
    if (value < 0) {
        reader_fail(reader, field, code, "%d is negative", value);
    }
}

static void check_tcp_settings(struct reader *reader, const struct tcp_settings *tcp)
{
    bool is_idle_off = tcp->idle_timeout.ms == 0 && tcp->idle_timeout.rest_ns == 0;

    check_not_negative(reader, "maxConnections", FINDING_POLICY_CONNECTION_POOL,
                       tcp->max_connections);
    check_common_duration(reader, "connectTimeout", FINDING_POLICY_CONNECTION_POOL,
                          &tcp->connect_timeout);
    check_common_duration(reader, "maxConnectionDuration", FINDING_POLICY_CONNECTION_POOL,
                          &tcp->max_connection_duration);
    if (!is_idle_off) { /* 0s switches it off, here only */
        check_common_duration(reader, "idleTimeout", FINDING_POLICY_CONNECTION_POOL,
                              &tcp->idle_timeout);
    }
    if (tcp->tcp_keepalive != NULL) {
        check_common_duration(reader, "tcpKeepalive.time", FINDING_POLICY_CONNECTION_POOL,
                              &tcp->tcp_keepalive->time);
        check_common_duration(reader, "tcpKeepalive.interval", FINDING_POLICY_CONNECTION_POOL,
                              &tcp->tcp_keepalive->interval);
    }
}

static void check_http2_keepalive(struct reader *reader, const struct http2_keepalive *keepalive)
{
    if (!keepalive->interval.is_set) {
        reader_fail(reader, "http2KeepAlive.interval", FINDING_POLICY_CONNECTION_POOL,
                    "interval is required");
    }
    if (!keepalive->timeout.is_set) {
        reader_fail(reader, "http2KeepAlive.timeout", FINDING_POLICY_CONNECTION_POOL,
                    "timeout is required");
    }
    check_common_duration(reader, "http2KeepAlive.interval", FINDING_POLICY_CONNECTION_POOL,
                          &keepalive->interval);
    check_common_duration(reader, "http2KeepAlive.timeout", FINDING_POLICY_CONNECTION_POOL,
                          &keepalive->timeout);
}

static void check_http_settings(struct reader *reader, const struct http_settings *http)
{
    const enum finding_code code = FINDING_POLICY_CONNECTION_POOL;

    check_not_negative(reader, "http1MaxPendingRequests", code, http->http1_max_pending_requests);
    check_not_negative(reader, "http2MaxRequests", code, http->http2_max_requests);
    check_not_negative(reader, "maxRequestsPerConnection", code, http->max_requests_per_connection);
    check_not_negative(reader, "maxRetries", code, http->max_retries);
    check_not_negative(reader, "maxConcurrentStreams", code, http->max_concurrent_streams);
    check_common_duration(reader, "idleTimeout", code, &http->idle_timeout);
    if (http->h2_upgrade_policy == H2_UPGRADE_UPGRADE && http->use_client_protocol) {
        reader_fail(reader, "useClientProtocol", code,
                    "use client protocol must not be true when H2UpgradePolicy is UPGRADE");
    }
    if (http->http2_keepalive != NULL) {
        check_http2_keepalive(reader, http->http2_keepalive);
    }
}

/* spec DR-21 */
static void check_connection_pool(struct reader *reader, const struct connection_pool *pool)
{
    if (pool == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "connectionPool");

    if (pool->tcp == NULL && pool->http == NULL) {
        reader_fail(reader, NULL, FINDING_POLICY_CONNECTION_POOL,
                    "connection pool must have at least one field");
    }
    if (pool->tcp != NULL) {
        size_t inner = reader_enter(reader, "tcp");

        check_tcp_settings(reader, pool->tcp);
        reader_leave(reader, inner);
    }
    if (pool->http != NULL) {
        size_t inner = reader_enter(reader, "http");

        check_http_settings(reader, pool->http);
        reader_leave(reader, inner);
    }
    reader_leave(reader, former);
}

/* --- outlier detection ------------------------------------------------------------------------ */

static void check_whole_percent(struct reader *reader, const char *field, int32_t value)
{
    if (value < 0 || value > 100) {
        reader_fail(reader, field, FINDING_POLICY_OUTLIER, "percentage %d is not in range 0..100",
                    value);
    }
}

/* spec DR-22 */
static void check_outlier(struct reader *reader, const struct outlier_detection *outlier)
{
    if (outlier == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "outlierDetection");

    if (outlier->consecutive_errors != 0) {
        reader_fail(reader, "consecutiveErrors", FINDING_FIELD_DEPRECATED,
                    "consecutiveErrors is ignored: use consecutiveGatewayErrors or "
                    "consecutive5xxErrors");
    }
    if (!outlier->split_external_local_origin_errors &&
        outlier->consecutive_local_origin_failures.is_set &&
        outlier->consecutive_local_origin_failures.value > 0) {
        reader_fail(reader, "consecutiveLocalOriginFailures", FINDING_POLICY_OUTLIER,
                    "outlier detection consecutive local origin failures is specified, but split "
                    "external local origin errors is set to false");
    }
    check_common_duration(reader, "interval", FINDING_POLICY_OUTLIER, &outlier->interval);
    check_common_duration(reader, "baseEjectionTime", FINDING_POLICY_OUTLIER,
                          &outlier->base_ejection_time);
    check_whole_percent(reader, "maxEjectionPercent", outlier->max_ejection_percent);
    check_whole_percent(reader, "minHealthPercent", outlier->min_health_percent);
    reader_leave(reader, former);
}

/* --- load balancer ---------------------------------------------------------------------------- */

static bool is_prime(uint64_t number)
{
    for (uint64_t divisor = 2; divisor * divisor <= number; divisor++) {
        if (number % divisor == 0) {
            return false;
        }
    }
    return number >= 2;
}

static void check_maglev(struct reader *reader, uint64_t size)
{
    if (size == 0) {
        reader_fail(reader, "consistentHash.maglev.tableSize", FINDING_POLICY_LOAD_BALANCER,
                    "tableSize must be set for maglev");
    } else if (size >= MAX_MAGLEV_TABLE) {
        reader_fail(reader, "consistentHash.maglev.tableSize", FINDING_POLICY_LOAD_BALANCER,
                    "tableSize must be less than 5000011 for maglev");
    } else if (!is_prime(size)) {
        reader_fail(reader, "consistentHash.maglev.tableSize", FINDING_POLICY_LOAD_BALANCER,
                    "tableSize must be a prime number for maglev, %llu is not",
                    (unsigned long long)size);
    }
}

static void check_cookie(struct reader *reader, const struct hash_cookie *cookie)
{
    if (cookie->name.len == 0) {
        reader_fail(reader, "name", FINDING_POLICY_LOAD_BALANCER, "name required for HttpCookie");
    }
    for (size_t i = 0; i < cookie->attributes.count; i++) {
        struct str name = cookie->attributes.items[i].name;

        if (name.len == 0) {
            reader_fail_item(reader, "attributes", i, FINDING_POLICY_LOAD_BALANCER,
                             "an attribute needs a name");
        }
        for (size_t j = 0; j < i; j++) {
            if (str_equals(name, cookie->attributes.items[j].name)) {
                reader_fail_item(reader, "attributes", i, FINDING_POLICY_LOAD_BALANCER,
                                 "duplicate attribute");
                break;
            }
        }
        if (i == 32) { /* a cookie has five of them; no use in looking at more */
            reader_fail(reader, "attributes", FINDING_POLICY_LOAD_BALANCER, "too many attributes");
            break;
        }
    }
}

static void check_consistent_hash(struct reader *reader, const struct consistent_hash *hash)
{
    if (hash->http_header_name.ptr != NULL && !value_is_header_name(hash->http_header_name)) {
        reader_fail(reader, "consistentHash.httpHeaderName", FINDING_POLICY_LOAD_BALANCER,
                    "this is no header name");
    }
    if (hash->http_cookie != NULL) {
        size_t former = reader_enter(reader, "consistentHash.httpCookie");

        check_cookie(reader, hash->http_cookie);
        reader_leave(reader, former);
    }
    if (hash->minimum_ring_size != 0) {
        reader_fail(reader, "consistentHash.minimumRingSize", FINDING_FIELD_DEPRECATED,
                    "minimumRingSize is deprecated: use ringHash.minimumRingSize");
        if (hash->ring_hash != NULL || hash->maglev != NULL) {
            reader_fail(reader, "consistentHash.minimumRingSize", FINDING_POLICY_LOAD_BALANCER,
                        "only one of minimumRingSize and ringHash or maglev can be specified");
        }
    }
    if (hash->maglev != NULL) {
        check_maglev(reader, hash->maglev->table_size);
    }
}

static void check_distribute(struct reader *reader, const struct locality_lb *locality)
{
    for (size_t i = 0; i < locality->distribute.count; i++) {
        const struct locality_distribute *entry = &locality->distribute.items[i];
        uint64_t sum = 0;

        if (entry->from.len == 0) {
            reader_fail_item(reader, "localityLbSetting.distribute", i, FINDING_POLICY_LOCALITY,
                             "from is required");
        }
        for (size_t j = 0; j < entry->to.count; j++) {
            if (entry->to.items[j].value == 0 || entry->to.items[j].name.len == 0) {
                reader_fail_item(reader, "localityLbSetting.distribute", i, FINDING_POLICY_LOCALITY,
                                 "locality weight must be in range [1, 100]");
            }
            sum += entry->to.items[j].value;
        }
        if (sum != 100) {
            reader_fail_item(reader, "localityLbSetting.distribute", i, FINDING_POLICY_LOCALITY,
                             "total locality weight %llu != 100", (unsigned long long)sum);
        }
    }
}

static void check_locality(struct reader *reader, const struct load_balancer *balancer,
                           bool has_outlier)
{
    const struct locality_lb *locality = balancer->locality_lb_setting;
    bool has_failover = locality->failover.count > 0 || locality->failover_priority.count > 0;

    if (balancer->has_zone_aware_lb_setting) {
        reader_fail(reader, "zoneAwareLbSetting", FINDING_POLICY_LOCALITY,
                    "only one of localityLbSetting and zoneAwareLbSetting can be specified");
    }
    if (locality->distribute.count > 0 && has_failover) {
        reader_fail(reader, "localityLbSetting", FINDING_POLICY_LOCALITY,
                    "can not simultaneously specify 'distribute' and 'failover'");
    }
    check_distribute(reader, locality);
    for (size_t i = 0; i < locality->failover.count; i++) {
        const struct locality_failover *entry = &locality->failover.items[i];

        if (str_equals(entry->from, entry->to)) {
            reader_fail_item(reader, "localityLbSetting.failover", i, FINDING_POLICY_LOCALITY,
                             "locality lb failover settings must specify different regions");
        }
    }
    if (has_failover && !has_outlier) {
        reader_fail(reader, "localityLbSetting", FINDING_POLICY_FAILOVER,
                    "outlier detection policy must be provided for failover");
    }
}

static void check_warmup(struct reader *reader, const struct warmup *warmup)
{
    if (!warmup->duration.is_set) {
        reader_fail(reader, "warmup.duration", FINDING_POLICY_LOAD_BALANCER,
                    "duration is required");
    }
    check_common_duration(reader, "warmup.duration", FINDING_POLICY_LOAD_BALANCER,
                          &warmup->duration);
    if (warmup->minimum_percent.is_set &&
        (warmup->minimum_percent.value < 0 || warmup->minimum_percent.value > 100)) {
        reader_fail(reader, "warmup.minimumPercent", FINDING_POLICY_LOAD_BALANCER,
                    "minimumPercent must be in range 0..100");
    }
    if (warmup->aggression.is_set && warmup->aggression.value <= 0) {
        reader_fail(reader, "warmup.aggression", FINDING_POLICY_LOAD_BALANCER,
                    "aggression must be greater than 0");
    }
}

/* spec DR-23 */
static void check_load_balancer(struct reader *reader, const struct load_balancer *balancer,
                                bool has_outlier)
{
    if (balancer == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "loadBalancer");

    if (balancer->consistent_hash != NULL) {
        check_consistent_hash(reader, balancer->consistent_hash);
    }
    if (balancer->locality_lb_setting != NULL) {
        check_locality(reader, balancer, has_outlier);
    }
    check_common_duration(reader, "warmupDurationSecs", FINDING_POLICY_LOAD_BALANCER,
                          &balancer->warmup_duration_secs);
    if (balancer->warmup != NULL) {
        check_warmup(reader, balancer->warmup);
    }
    reader_leave(reader, former);
}

/* --- TLS, tunnel ------------------------------------------------------------------------------ */

static void check_credential(struct reader *reader, const struct client_tls *tls,
                             struct str namespace)
{
    struct str prefix = STR("configmap://");

    if (tls->client_certificate.len > 0 || tls->private_key.len > 0 ||
        tls->ca_certificates.len > 0 || tls->ca_crl.len > 0) {
        reader_fail(reader, "credentialName", FINDING_POLICY_TLS,
                    "cannot specify client certificates, CA certificate or CRL if credentialName "
                    "is set");
    }
    if (!str_starts_with(tls->credential_name, prefix)) {
        return;
    }
    struct str rest = str_skip(tls->credential_name, prefix.len);
    size_t slash = str_find_char(rest, '/');

    if (slash != SIZE_MAX && !str_equals(str_slice(rest, 0, slash), namespace)) {
        reader_fail(reader, "credentialName", FINDING_POLICY_TLS,
                    "a ConfigMap must be in the namespace of the DestinationRule");
    }
}

/* spec DR-24 */
static void check_client_tls(struct reader *reader, const struct client_tls *tls,
                             struct str namespace)
{
    bool is_skipping = tls->insecure_skip_verify.is_set && tls->insecure_skip_verify.value;
    bool has_credential = tls->credential_name.len > 0;

    if (is_skipping && tls->ca_certificates.len > 0) {
        reader_fail(reader, "caCertificates", FINDING_POLICY_TLS,
                    "cannot specify CA certificates if insecureSkipVerify is set true");
    }
    if (is_skipping && tls->subject_alt_names.count > 0) {
        reader_fail(reader, "subjectAltNames", FINDING_POLICY_TLS,
                    "cannot specify subjectAltNames if insecureSkipVerify is set true");
    }
    if (is_skipping && tls->mode == CLIENT_TLS_SIMPLE && has_credential) {
        reader_fail(reader, "credentialName", FINDING_POLICY_TLS,
                    "cannot specify credentialName if insecureSkipVerify is set true");
    }
    if (has_credential && (tls->mode == CLIENT_TLS_SIMPLE || tls->mode == CLIENT_TLS_MUTUAL)) {
        check_credential(reader, tls, namespace);
    }
    if (tls->mode == CLIENT_TLS_MUTUAL && !has_credential) {
        if (tls->client_certificate.len == 0) {
            reader_fail(reader, "clientCertificate", FINDING_POLICY_TLS,
                        "client certificate required for mutual tls");
        }
        if (tls->private_key.len == 0) {
            reader_fail(reader, "privateKey", FINDING_POLICY_TLS,
                        "private key required for mutual tls");
        }
    }
}

/* spec DR-25 */
static void check_tunnel(struct reader *reader, const struct traffic_policy *policy)
{
    const struct tunnel_settings *tunnel = policy->tunnel;

    if (tunnel == NULL) {
        return;
    }
    if (policy->has_proxy_protocol) {
        reader_fail(reader, "proxyProtocol", FINDING_POLICY_TUNNEL,
                    "tunnel and proxyProtocol must not be set together");
    }
    if (tunnel->protocol.len > 0 && !str_equals(tunnel->protocol, STR("CONNECT")) &&
        !str_equals(tunnel->protocol, STR("POST"))) {
        reader_fail(reader, "tunnel.protocol", FINDING_POLICY_TUNNEL,
                    "tunnel protocol must be \"CONNECT\" or \"POST\"");
    }
    if (!value_is_fqdn(tunnel->target_host) && !value_is_ip(tunnel->target_host)) {
        reader_fail(reader, "tunnel.targetHost", FINDING_POLICY_TUNNEL,
                    "targetHost must be a domain name or an IP address");
    }
    if (!value_is_port(tunnel->target_port)) {
        reader_fail(reader, "tunnel.targetPort", FINDING_POLICY_TUNNEL,
                    "port number %u must be in the range 1..65535", tunnel->target_port);
    }
}

static void check_blocks(struct reader *reader, const struct traffic_policy *policy,
                         struct str namespace)
{
    check_connection_pool(reader, policy->connection_pool);
    check_outlier(reader, policy->outlier_detection);
    check_load_balancer(reader, policy->load_balancer, policy->outlier_detection != NULL);
    if (policy->tls != NULL) {
        size_t former = reader_enter(reader, "tls");

        check_client_tls(reader, policy->tls, namespace);
        reader_leave(reader, former);
    }
}

static bool has_block(const struct traffic_policy *policy)
{
    return policy->connection_pool != NULL || policy->outlier_detection != NULL ||
           policy->load_balancer != NULL || policy->tls != NULL;
}

/* spec DR-20 */
static void check_port_level(struct reader *reader, const struct traffic_policy *policy,
                             struct str namespace)
{
    if (!policy->port.is_set) {
        reader_fail(reader, "port", FINDING_POLICY_PORT,
                    "portLevelSettings must have a port number");
    } else if (!value_is_port(policy->port.value)) {
        reader_fail(reader, "port.number", FINDING_POLICY_PORT,
                    "port number %u must be in the range 1..65535", policy->port.value);
    }
    if (!has_block(policy)) {
        reader_fail(reader, NULL, FINDING_POLICY_EMPTY,
                    "port level settings must have at least one field");
    }
    check_blocks(reader, policy, namespace);
}

void check_traffic_policy(struct reader *reader, const struct traffic_policy *policy,
                          struct str namespace)
{
    if (policy == NULL) {
        return;
    }
    size_t former = reader_enter(reader, "trafficPolicy");

    if (!has_block(policy) && policy->port_level_settings.count == 0 && policy->tunnel == NULL &&
        !policy->has_proxy_protocol && policy->retry_budget == NULL) {
        reader_fail(reader, NULL, FINDING_POLICY_EMPTY,
                    "traffic policy must have at least one field");
    }
    check_blocks(reader, policy, namespace);
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        size_t inner = reader_enter_item(reader, "portLevelSettings", i);

        check_port_level(reader, &policy->port_level_settings.items[i], namespace);
        reader_leave(reader, inner);
    }
    check_tunnel(reader, policy);
    if (policy->retry_budget != NULL && policy->retry_budget->percent.is_set &&
        (policy->retry_budget->percent.value < 0 || policy->retry_budget->percent.value > 100)) {
        reader_fail(reader, "retryBudget.percent", FINDING_POLICY_CONNECTION_POOL,
                    "percentage %g is not in range 0..100", policy->retry_budget->percent.value);
    }
    reader_leave(reader, former);
}
