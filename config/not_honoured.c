/* not_honoured: see the header. Control thread. */
#include "config/not_honoured.h"

#include <stdarg.h>
#include <stdio.h>

enum { PATH_BYTES = 200 };

/* One policy or route, and the path to it. */
struct subject {
    struct report *report;
    const struct object_meta *object;
    char path[PATH_BYTES];
};

static void enter(struct subject *subject, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void enter(struct subject *subject, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(subject->path, sizeof(subject->path), format, args); /* cut when too long */
    va_end(args);
}

static void say_if(const struct subject *subject, bool is_set, const char *field,
                   struct place place)
{
    char path[PATH_BYTES + 80];
    struct finding_at at = { .object = subject->object, .place = place, .field = path };

    if (is_set) {
        (void)snprintf(path, sizeof(path), "%s.%s", subject->path, field); /* cut when too long */
        report_add(subject->report, FINDING_FIELD_NOT_HONOURED, &at, "is not honoured yet");
    }
}

/* --- VirtualService --------------------------------------------------------------------------- */

static void check_http_route(const struct subject *subject, const struct http_route *route)
{
    struct place place = route->place;

    say_if(subject, route->retries != NULL, "retries",
           route->retries != NULL ? route->retries->place : place);
    if (route->fault != NULL) {
        say_if(subject, route->fault->delay != NULL, "fault.delay", route->fault->place);
        say_if(subject, route->fault->abort != NULL, "fault.abort", route->fault->place);
    }
    say_if(subject, route->mirror != NULL, "mirror",
           route->mirror != NULL ? route->mirror->place : place);
    say_if(subject, route->mirrors.count != 0, "mirrors", place);
    say_if(subject, route->cors_policy != NULL, "corsPolicy",
           route->cors_policy != NULL ? route->cors_policy->place : place);
}

void not_honoured_virtual_service(struct report *report, const struct virtual_service *service)
{
    struct subject subject = { .report = report, .object = &service->meta };

    for (size_t i = 0; i < service->http.count; i++) {
        enter(&subject, "spec.http[%zu]", i);
        check_http_route(&subject, &service->http.items[i]);
    }
}

/* --- DestinationRule -------------------------------------------------------------------------- */

static void check_load_balancer(const struct subject *subject, const struct load_balancer *balancer)
{
    if (balancer == NULL) {
        return;
    }
    say_if(subject, balancer->consistent_hash != NULL, "loadBalancer.consistentHash",
           balancer->place);
    say_if(subject, balancer->locality_lb_setting != NULL, "loadBalancer.localityLbSetting",
           balancer->place);
    say_if(subject, balancer->has_zone_aware_lb_setting, "loadBalancer.zoneAwareLbSetting",
           balancer->place);
    say_if(subject, balancer->warmup != NULL, "loadBalancer.warmup", balancer->place);
    say_if(subject, balancer->warmup_duration_secs.is_set, "loadBalancer.warmupDurationSecs",
           balancer->place);
}

static void check_tcp(const struct subject *subject, const struct tcp_settings *tcp)
{
    if (tcp == NULL) {
        return;
    }
    say_if(subject, tcp->max_connections != 0, "connectionPool.tcp.maxConnections", tcp->place);
    say_if(subject, tcp->tcp_keepalive != NULL, "connectionPool.tcp.tcpKeepalive", tcp->place);
}

static void check_http(const struct subject *subject, const struct http_settings *http)
{
    if (http == NULL) {
        return;
    }
    say_if(subject, http->http1_max_pending_requests != 0,
           "connectionPool.http.http1MaxPendingRequests", http->place);
    say_if(subject, http->http2_max_requests != 0, "connectionPool.http.http2MaxRequests",
           http->place);
    say_if(subject, http->max_retries != 0, "connectionPool.http.maxRetries", http->place);
}

/* `tls` is not here: a destination that needs it is not served, and the compile says so. */
static void check_policy_blocks(const struct subject *subject, const struct traffic_policy *policy)
{
    check_load_balancer(subject, policy->load_balancer);
    if (policy->connection_pool != NULL) {
        check_tcp(subject, policy->connection_pool->tcp);
        check_http(subject, policy->connection_pool->http);
    }
    say_if(subject, policy->outlier_detection != NULL, "outlierDetection",
           policy->outlier_detection != NULL ? policy->outlier_detection->place : policy->place);
    say_if(subject, policy->tunnel != NULL, "tunnel",
           policy->tunnel != NULL ? policy->tunnel->place : policy->place);
    say_if(subject, policy->retry_budget != NULL, "retryBudget", policy->place);
}

static void check_policy(struct subject *subject, const struct traffic_policy *policy,
                         const char *path)
{
    if (policy == NULL) {
        return;
    }
    enter(subject, "%s", path);
    check_policy_blocks(subject, policy);
    for (size_t i = 0; i < policy->port_level_settings.count; i++) {
        enter(subject, "%s.portLevelSettings[%zu]", path, i);
        check_policy_blocks(subject, &policy->port_level_settings.items[i]);
    }
}

void not_honoured_destination_rule(struct report *report, const struct destination_rule *rule)
{
    struct subject subject = { .report = report, .object = &rule->meta };

    check_policy(&subject, rule->traffic_policy, "spec.trafficPolicy");
    for (size_t i = 0; i < rule->subsets.count; i++) {
        char path[64];

        (void)snprintf(path, sizeof(path), "spec.subsets[%zu].trafficPolicy", i); /* fits */
        check_policy(&subject, rule->subsets.items[i].traffic_policy, path);
    }
}

/* --- Service ---------------------------------------------------------------------------------- */

void not_honoured_service(struct report *report, const struct service *service)
{
    struct subject subject = { .report = report, .object = &service->meta, .path = "spec" };

    /* SV-14: which node we run on is not known. */
    say_if(&subject, str_equals(service->internal_traffic_policy, STR("Local")),
           "internalTrafficPolicy", service->meta.place);
    say_if(&subject, !str_is_empty(service->traffic_distribution), "trafficDistribution",
           service->meta.place);
}
