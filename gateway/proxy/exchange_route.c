/* exchange_route: from a well-formed request to what is done with it: path normalised once, headers
 * of entry, the route table of the server, virtual host, route, action. All of it within one call,
 * over the snapshot the exchange holds. */
#include "gateway/proxy/exchange.h"

#include "gateway/http/target.h"
#include "gateway/observe/log.h"
#include "gateway/proxy/misdirected.h"
#include "gateway/proxy/redirect.h"
#include "gateway/route/match.h"
#include "gateway/route/split.h"

/* One line and one count for each request whose host leads to another server (SN-22, SN-23). */
static void exchange_route_tell_misdirected(const struct exchange *exchange,
                                            const struct misdirected_choice *choice)
{
    const struct str answer = str_from_cstr(choice->answer);
    struct worker *worker = exchange->worker;

    metric_series_add(metrics_series(worker->metrics, METRIC_MISDIRECTED, &answer, 1), 1);
    LOG_INFO("exchange", "\"%.*s\" on a connection for \"%.*s\": %s", STR_ARG(choice->host),
             STR_ARG(exchange->client->server_name), choice->text);
}

/* NULL: *refusal says how to answer. */
static const struct route_table *exchange_route_pick_table(struct exchange *exchange,
                                                           enum outcome_id *refusal)
{
    struct client *client = exchange->client;
    const struct snapshot_listener *config = client->listener->config;
    struct misdirected_choice choice;

    *refusal = OUTCOME_ROUTE_NOT_FOUND;
    if (config == NULL || config->is_tls != client->is_tls) {
        return NULL; /* the listener is gone or became another one since this connection came */
    }
    if (!config->is_tls) {
        return config->routes; /* NULL: it serves bytes now */
    }
    misdirected_choose(exchange->worker->options.misdirected, config, client_find_server(client),
                       exchange->request->authority, &choice);
    if (choice.answer != NULL) {
        exchange_route_tell_misdirected(exchange, &choice);
    }
    if (choice.routes == NULL && choice.is_refused_421) {
        *refusal = OUTCOME_MISDIRECTED;
    }
    return choice.routes;
}

static void exchange_route_apply_entry_rules(struct exchange *exchange)
{
    struct client *client = exchange->client;
    struct worker *worker = exchange->worker;

    struct address peer = transport_peer(client->transport);
    client_describe(client);
    request_id_make(&worker->clusters.random, exchange->request_id);
    struct request_source source = {
        .peer = &peer,
        .peer_host = client_text(client, CLIENT_PEER_HOST),
        .local_host = client_text(client, CLIENT_LOCAL_HOST),
        .is_tls = client->is_tls,
        .trusted_hops = worker->options.trusted_hops,
        .request_id = str_from(exchange->request_id, REQUEST_ID_BYTES),
    };
    request_rules_apply_on_entry(exchange->request, &source, &exchange->facts, exchange->arena);
}

static const struct route *exchange_route_match(const struct exchange *exchange,
                                                const struct virtual_host *host)
{
    const struct head *request = exchange->request;
    struct match_request match = {
        .method = request->method_text,
        .path = request->path,
        .query = request->query,
        .scheme = exchange->facts.scheme,
        .authority = request->authority,
        .headers = &request->headers,
    };

    return match_route(host, &match);
}

/* GW-50 to GW-56; but not an ACME challenge that has a route: the one who renews the certificate
 * asks for it over plain HTTP. */
static bool exchange_route_must_use_https(const struct exchange *exchange,
                                          const struct virtual_host *host)
{
    if (!host->requires_tls || str_equals(exchange->facts.forwarded_proto, STR("https"))) {
        return false;
    }
    return !str_starts_with(exchange->request->path, STR("/.well-known/acme-challenge/")) ||
           exchange_route_match(exchange, host) == NULL;
}

static void exchange_route_redirect_to_https(struct exchange *exchange)
{
    struct local_reply reply = {
        .status = 301,
        .location = redirect_to_https(exchange->request, exchange->arena),
    };

    exchange_reply_configured(exchange, &reply);
}

static void exchange_route_redirect(struct exchange *exchange)
{
    struct local_reply reply = {
        .status = exchange->route->redirect.status,
        .location = redirect_location(exchange->route, exchange->request, exchange->facts.scheme,
                                      exchange->arena),
    };

    exchange_reply_configured(exchange, &reply);
}

static void exchange_route_answer_directly(struct exchange *exchange)
{
    struct local_reply reply = {
        .status = exchange->route->direct.status,
        .body = exchange->route->direct.body,
    };

    exchange_reply_configured(exchange, &reply);
}

/* "grpc-timeout: 100m" in milliseconds; 0: none that can be read (gRPC over HTTP/2, "Requests"). */
static uint32_t exchange_route_grpc_timeout_ms(const struct head *request)
{
    const struct header *field = headers_find_id(&request->headers, HEADER_GRPC_TIMEOUT);
    uint32_t value;
    uint64_t ms;

    if (field == NULL || field->value.len < 2 || field->value.len > 9 ||
        !str_parse_u32(str_slice(field->value, 0, field->value.len - 1), &value)) {
        return 0;
    }
    switch (field->value.ptr[field->value.len - 1]) {
    case 'H':
        ms = (uint64_t)value * 3600000;
        break;
    case 'M':
        ms = (uint64_t)value * 60000;
        break;
    case 'S':
        ms = (uint64_t)value * 1000;
        break;
    case 'm':
        ms = value;
        break;
    case 'u':
        ms = ((uint64_t)value + 999) / 1000;
        break;
    case 'n':
        ms = ((uint64_t)value + 999999) / 1000000;
        break;
    default:
        return 0;
    }
    return ms > UINT32_MAX ? UINT32_MAX : (uint32_t)ms;
}

/* HT-90, HT-93. */
static uint32_t exchange_route_timeout_ms(const struct exchange *exchange)
{
    uint32_t timeout_ms = exchange->route->timeout_ms;

    if (exchange->is_grpc) {
        uint32_t grpc_ms = exchange_route_grpc_timeout_ms(exchange->request);
        if (grpc_ms != 0 && (timeout_ms == 0 || grpc_ms < timeout_ms)) {
            return grpc_ms;
        }
    }
    return timeout_ms;
}

static void exchange_route_forward(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    const struct route_destination *destination =
        split_pick(exchange->route, random_next(&worker->clusters.random));

    exchange->destination = destination;
    exchange->timeout_ms = exchange_route_timeout_ms(exchange);
    if (destination->cluster != NULL) {
        exchange->cluster = cluster_set_find(&worker->clusters, destination->cluster->name);
    }
    if (exchange->cluster == NULL) {
        exchange_reply(exchange, OUTCOME_CLUSTER_NOT_FOUND);
        return;
    }
    (void)cluster_ref(exchange->cluster);
    exchange_start_upstream(exchange);
}

static void exchange_route_act(struct exchange *exchange)
{
    switch (exchange->route->action) {
    case ROUTE_REDIRECT:
        exchange_route_redirect(exchange);
        return;
    case ROUTE_DIRECT:
        exchange_route_answer_directly(exchange);
        return;
    case ROUTE_FORWARD:
        break;
    }
    exchange_route_forward(exchange);
}

void exchange_route(struct exchange *exchange)
{
    struct head *request = exchange->request;
    enum outcome_id refusal;
    struct str path;

    exchange_route_apply_entry_rules(exchange);
    if (exchange->worker->is_overloaded) {
        metrics_add(exchange->worker->metrics, METRIC_OVERLOAD_REFUSED, 1);
        exchange_reply(exchange, OUTCOME_OVERLOADED);
        return;
    }
    if (!target_normalize_path(request->path, exchange->worker->options.path_normalization,
                               exchange->arena, &path)) {
        /* Like every malformed request: answered, and the connection ends with the answer. */
        exchange_end_connection(exchange);
        exchange_reply(exchange, OUTCOME_PATH_REFUSED);
        return;
    }
    request->path = path; /* matched and forwarded alike (CN-22) */
    const struct route_table *table = exchange_route_pick_table(exchange, &refusal);
    if (table == NULL) {
        exchange_reply(exchange, refusal);
        return;
    }
    const struct virtual_host *host = match_virtual_host(table, request->authority);
    if (host != NULL && exchange_route_must_use_https(exchange, host)) {
        exchange_route_redirect_to_https(exchange);
        return;
    }
    exchange->route = host != NULL ? exchange_route_match(exchange, host) : NULL;
    if (exchange->route == NULL) {
        exchange_reply(exchange, OUTCOME_ROUTE_NOT_FOUND); /* SN-34, SN-37 */
        return;
    }
    exchange_route_act(exchange);
}
