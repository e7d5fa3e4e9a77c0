/* access_log: the line of a finished exchange or tunnel (spec OB-1 to OB-5). Opened and closed by
 * the control thread; written to by workers, each with a line buffer of its own. */
#include "gateway/observe/access_log.h"

#include "gateway/base/json.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/observe/log_writer.h"

#include <pthread.h>
#include <string.h>

struct access_log {
    struct log_sink *sink;
    struct arena *arena;
    const struct format *format; /* NULL: JSON */
};

/* Istio's default (spec OB-2); Kiali parses exactly this. */
static const char text_format[] =
    "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" "
    "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% "
    "\"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% "
    "%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" "
    "\"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% "
    "%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% "
    "%REQUESTED_SERVER_NAME% %ROUTE_NAME%";

/* Each thread keeps one buffer, so a line costs no allocation. */
static pthread_key_t line_key;
static pthread_once_t line_once = PTHREAD_ONCE_INIT;
static bool has_line_key;

static void free_line(void *line)
{
    text_cleanup(line);
    mem_free(line);
}

static void make_line_key(void)
{
    has_line_key = pthread_key_create(&line_key, free_line) == 0;
}

static struct text *my_line(void)
{
    struct text *line = pthread_getspecific(line_key);

    if (line == NULL) {
        line = mem_new(struct text);
        if (pthread_setspecific(line_key, line) != 0) {
            mem_free(line);
            return NULL;
        }
    }
    text_clear(line);
    return line;
}

bool access_log_open(struct access_log **log, const char *destination, const char *format,
                     struct err *err)
{
    bool is_json = strcmp(format, "json") == 0;
    struct access_log *opened;

    *log = NULL;
    if (strcmp(destination, "off") == 0) {
        return true;
    }
    (void)pthread_once(&line_once, make_line_key); /* cannot fail with these arguments */
    if (!has_line_key) {
        err_set(err, ERR_SYSTEM, "cannot open the access log: no thread key is left");
        return false;
    }
    opened = mem_new(struct access_log);
    opened->arena = arena_new(4096);
    if (!is_json) {
        bool is_default = strcmp(format, "text") == 0;

        opened->format =
            format_compile(opened->arena, str_from_cstr(is_default ? text_format : format), err);
        if (opened->format == NULL) {
            err_prefix(err, "access log format");
            goto fail;
        }
    }
    opened->sink = log_sink_open(destination, err);
    if (opened->sink == NULL) {
        goto fail;
    }
    *log = opened;
    return true;

fail:
    access_log_close(opened);
    return false;
}

void access_log_close(struct access_log *log)
{
    if (log != NULL) {
        arena_free(log->arena);
        mem_free(log);
    }
}

static void put_view(struct json *json, const char *key, struct str value)
{
    json_key(json, key);
    if (value.len != 0) {
        json_str(json, str_slice(value, 0, LIMIT_LOG_VALUE_BYTES));
    } else {
        json_null(json);
    }
}

static void put_ms(struct json *json, const char *key, uint64_t us)
{
    json_key(json, key);
    if (us != UINT64_MAX) {
        json_u64(json, us / 1000);
    } else {
        json_null(json);
    }
}

static void put_header(struct json *json, const char *key, const struct format_record *record,
                       struct str name)
{
    struct text scratch = { 0 };
    struct str value = { 0 };

    if (record->find_header != NULL) {
        value = record->find_header(record->header_source, FORMAT_REQUEST_HEADERS, name, &scratch);
    }
    put_view(json, key, value);
    text_cleanup(&scratch);
}

static void put_flags(struct json *json, uint64_t flags)
{
    struct text letters = { 0 };

    format_response_flags(flags, &letters);
    json_put_str(json, "response_flags", text_view(&letters));
    text_cleanup(&letters);
}

/* spec OB-3 */
static void shape_json(struct text *line, const struct format_record *record)
{
    struct json json;
    char time[32];

    (void)now_format_utc(record->start_wall_us, 3, time, sizeof(time));
    json_init(&json, line, false);
    json_open_object(&json);
    json_put_cstr(&json, "start_time", time);
    put_view(&json, "route_name", record->route_name);
    put_view(&json, "method", record->method);
    put_view(&json, "path", record->original_path);
    put_view(&json, "protocol", record->protocol);
    json_put_u64(&json, "response_code", record->response_code);
    put_flags(&json, record->response_flags);
    put_view(&json, "response_code_details", record->response_code_details);
    put_view(&json, "connection_termination_details", record->connection_termination_details);
    json_put_u64(&json, "bytes_received", record->bytes_received);
    json_put_u64(&json, "bytes_sent", record->bytes_sent);
    put_ms(&json, "duration", record->duration_us);
    put_ms(&json, "upstream_service_time", record->upstream_service_us);
    put_header(&json, "x_forwarded_for", record, STR("x-forwarded-for"));
    put_header(&json, "user_agent", record, STR("user-agent"));
    put_header(&json, "request_id", record, STR("x-request-id"));
    put_view(&json, "authority", record->authority);
    put_view(&json, "upstream_host", record->upstream_host);
    put_view(&json, "upstream_cluster", record->upstream_cluster);
    put_view(&json, "upstream_local_address", record->upstream_local_address);
    put_view(&json, "downstream_local_address", record->downstream_local_address);
    put_view(&json, "downstream_remote_address", record->downstream_remote_address);
    put_view(&json, "requested_server_name", record->requested_server_name);
    put_view(&json, "upstream_transport_failure_reason", record->upstream_transport_failure_reason);
    json_close_object(&json);
}

void access_log_write(struct access_log *log, const struct format_record *record)
{
    struct text *line;

    if (log == NULL) {
        return;
    }
    line = my_line();
    if (line == NULL) {
        return;
    }
    if (log->format != NULL) {
        format_evaluate_log(log->format, record, line);
        /* A custom format may bring its own newline. */
        if (line->len != 0 && line->ptr[line->len - 1] == '\n') {
            line->len--;
        }
    } else {
        shape_json(line, record);
    }
    text_add_char(line, '\n');
    (void)log_sink_write(log->sink, text_view(line)); /* a dropped line is counted there */
}
