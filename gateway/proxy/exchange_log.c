/* exchange_log: counters and access log lines. In the worker's thread; the line is formatted here
 * and written by the log writer's thread. */
#include "gateway/proxy/exchange_log.h"

#include "gateway/base/now.h"
#include "gateway/proxy/client_log.h"

/* --- Records ---------------------------------------------------------------------------------- */

static const struct headers *exchange_log_headers(const struct exchange *exchange,
                                                  enum format_headers which)
{
    switch (which) {
    case FORMAT_REQUEST_HEADERS:
        return &exchange->request->headers;
    case FORMAT_RESPONSE_HEADERS:
        return exchange->response != NULL ? &exchange->response->headers : NULL;
    case FORMAT_RESPONSE_TRAILERS:
        return exchange->response_trailers;
    }
    return NULL;
}

static struct str exchange_log_find(const struct headers *headers, struct str lower_name)
{
    struct str value = { 0 };

    if (headers != NULL && headers_join(headers, lower_name, &value) && value.ptr == NULL) {
        value = STR(""); /* there, and empty */
    }
    return value;
}

static struct str exchange_log_find_header(const void *source, enum format_headers which,
                                           struct str lower_name, struct text *scratch)
{
    (void)scratch; /* what has to be built is built in the arena */
    return exchange_log_find(exchange_log_headers(source, which), lower_name);
}

static struct str exchange_log_find_partial(const void *source, enum format_headers which,
                                            struct str lower_name, struct text *scratch)
{
    const struct head *head = source;

    (void)scratch;
    return exchange_log_find(which == FORMAT_REQUEST_HEADERS ? &head->headers : NULL, lower_name);
}

/* OB-27: from the trailers, or from a head that is trailers too; only what gRPC has a number for.
 */
static uint8_t exchange_log_grpc_status(const struct exchange *exchange)
{
    const struct header *field = NULL;
    uint32_t code;

    if (!exchange->is_grpc) {
        return REQUEST_METRICS_NO_GRPC;
    }
    if (exchange->response_trailers != NULL) {
        field = headers_find_id(exchange->response_trailers, HEADER_GRPC_STATUS);
    }
    if (field == NULL && exchange->response != NULL) {
        field = headers_find_id(&exchange->response->headers, HEADER_GRPC_STATUS);
    }
    if (field == NULL || !str_parse_u32(field->value, &code)) {
        return REQUEST_METRICS_NO_GRPC;
    }
    return code <= 16 ? (uint8_t)code : 2; /* UNKNOWN */
}

/* %GRPC_STATUS%: the code's name as Envoy writes it. */
static struct str exchange_log_grpc_name(uint8_t code)
{
    static const char *const NAMES[] = {
        "OK",
        "Canceled",
        "Unknown",
        "InvalidArgument",
        "DeadlineExceeded",
        "NotFound",
        "AlreadyExists",
        "PermissionDenied",
        "ResourceExhausted",
        "FailedPrecondition",
        "Aborted",
        "OutOfRange",
        "Unimplemented",
        "Internal",
        "Unavailable",
        "DataLoss",
        "Unauthenticated",
    };

    return str_from_cstr(code < sizeof(NAMES) / sizeof(NAMES[0]) ? NAMES[code] : NULL);
}

static uint64_t exchange_log_since(const struct exchange *exchange, uint64_t moment_us)
{
    return moment_us != 0 ? moment_us - exchange->start_us : UINT64_MAX;
}

void exchange_log_fill(const struct exchange *exchange, struct format_record *record)
{
    const struct head *request = exchange->request;
    struct client *client = exchange->client;
    struct arena *arena = exchange->arena;

    client_log_fill(client, record);
    record->start_wall_us = exchange->start_wall_us;
    record->duration_us = now_mono_us() - exchange->start_us;
    record->request_duration_us = exchange_log_since(exchange, exchange->request_received_us);
    record->response_duration_us = exchange_log_since(exchange, exchange->response_begin_us);
    if (exchange->response_begin_us != 0 && exchange->request_sent_us != 0) {
        record->upstream_service_us = exchange->response_begin_us - exchange->request_sent_us;
    }
    record->method = request->method_text;
    record->original_path = exchange->original_path;
    /* Only a rewrite makes two paths of it. */
    record->path = exchange->rewritten_from.len > 0 ? request->path : exchange->original_path;
    if (exchange->rewritten_from.len > 0 && request->has_query) {
        record->path =
            arena_printf(arena, "%.*s?%.*s", STR_ARG(request->path), STR_ARG(request->query));
    }
    record->authority = request->authority;
    record->scheme = exchange->facts.scheme;
    record->protocol = http_version_name(request->version);
    record->response_code = exchange->status;
    record->response_flags = exchange->flags;
    record->response_code_details = exchange->details;
    record->upstream_transport_failure_reason = exchange->transport_failure;
    record->bytes_received = exchange->request_body_bytes;
    record->bytes_sent = exchange->response_body_bytes;
    record->upstream_host = exchange->upstream_host;
    record->upstream_tls_version = exchange->upstream_tls_version;
    record->upstream_tls_cipher = exchange->upstream_tls_cipher;
    record->stream_id = exchange->id;
    record->grpc_status = exchange_log_grpc_name(exchange_log_grpc_status(exchange));
    record->upstream_cluster = exchange->cluster_name;
    if (exchange->destination != NULL) {
        record->upstream_cluster = exchange->destination->cluster_name;
    }
    record->upstream_attempt_count = exchange->attempt;
    record->route_name = exchange->route != NULL ? exchange->route->name : exchange->route_name;
    if (!exchange->facts.is_client_peer && exchange->facts.client_host.len > 0) {
        struct str host = exchange->facts.client_host;
        bool is_ipv6 = str_find_char(host, ':') != SIZE_MAX;
        record->downstream_remote_address =
            arena_printf(arena, is_ipv6 ? "[%.*s]:0" : "%.*s:0", STR_ARG(host)); /* OB-11 */
    }
    record->find_header = exchange_log_find_header;
    record->header_source = exchange;
}

/* --- Finished --------------------------------------------------------------------------------- */

static void exchange_log_write(struct exchange *exchange)
{
    struct format_record record;
    char local[ADDRESS_TEXT_BYTES];

    exchange_log_fill(exchange, &record);
    if (exchange->upstream_local.len != 0) {
        record.upstream_local_address = address_print(&exchange->upstream_local, local);
    }
    access_log_write(exchange->worker->options.access_log, &record);
}

void exchange_log_finished(struct exchange *exchange)
{
    struct worker *worker = exchange->worker;
    struct request_metrics_sample sample = {
        .cluster = exchange->cluster,
        .status = exchange->status,
        .flags = exchange->flags,
        .is_grpc = exchange->is_grpc,
        .grpc_status = exchange_log_grpc_status(exchange),
        .duration_us = now_mono_us() - exchange->start_us,
        .request_bytes = exchange->client_leg->wire_received_bytes,
        .response_bytes = exchange->client_leg->wire_sent_bytes,
        .request_messages = exchange->request_messages.count,
        .response_messages = exchange->response_messages.count,
    };

    if (exchange->grpc == GRPC_KIND_WEB || exchange->grpc == GRPC_KIND_WEB_TEXT) {
        metrics_add(worker->metrics, METRIC_GRPC_WEB_REQUESTS, 1);
    }

    request_metrics_add(&worker->request_metrics, &sample);
    if (worker->options.access_log != NULL) {
        exchange_log_write(exchange);
    }
}

/* --- Without an exchange ---------------------------------------------------------------------- */

void exchange_log_protocol_error(struct worker *worker, struct str side, const char *detail)
{
    const struct str labels[] = { side, str_from_cstr(detail) };

    metric_series_add(metrics_series(worker->metrics, METRIC_PROTOCOL_ERRORS, labels, 2), 1);
}

void exchange_log_refused(struct client *client, unsigned status, const char *detail,
                          const struct head *partial_head)
{
    struct worker *worker = client->worker;
    const struct outcome *outcome = outcome_get(outcome_of_refusal(status, detail));
    struct request_metrics_sample sample = {
        .status = status,
        .flags = outcome->flags,
        .grpc_status = REQUEST_METRICS_NO_GRPC,
    };
    struct format_record record;

    exchange_log_protocol_error(worker, STR("client"), detail);
    request_metrics_add(&worker->request_metrics, &sample);
    if (worker->options.access_log == NULL) {
        return;
    }
    client_log_fill(client, &record);
    record.start_wall_us = now_wall_us();
    record.duration_us = 0;
    record.response_code = status;
    record.response_flags = outcome->flags;
    record.response_code_details = str_from_cstr(detail);
    if (partial_head != NULL) {
        record.method = partial_head->method_text;
        record.original_path = partial_head->path;
        record.authority = partial_head->authority;
        record.protocol = http_version_name(partial_head->version);
        record.find_header = exchange_log_find_partial;
        record.header_source = partial_head;
    }
    access_log_write(worker->options.access_log, &record);
}

void exchange_log_no_server(struct client *client)
{
    const struct outcome *outcome = outcome_get(OUTCOME_NO_TLS_SERVER);
    struct format_record record;

    if (client->worker->options.access_log == NULL) {
        return;
    }
    client_log_fill(client, &record);
    record.start_wall_us = now_wall_us();
    record.duration_us = 0;
    record.response_flags = outcome->flags;
    record.response_code_details = str_from_cstr(outcome->details);
    access_log_write(client->worker->options.access_log, &record);
}
