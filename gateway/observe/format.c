/* format: command operators (spec OB-10). Compiled on the control thread into an arena; evaluated
 * by any thread, over a record that stays put meanwhile. Pure but for the environment and the host
 * name, which are read at compilation. */
#include "gateway/observe/format.h"

#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "gateway/base/vec.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum operator_kind {
    OPERATOR_LITERAL,
    OPERATOR_ABSENT, /* known, but nothing of ours has it yet */
    OPERATOR_START_TIME,
    OPERATOR_HEADER, /* REQ, RESP, TRAILER */
    OPERATOR_VIEW,   /* a str of the record */
    OPERATOR_VIEW_NO_PORT,
    OPERATOR_VIEW_PORT,
    OPERATOR_DETAILS, /* a str of the record; blanks become "_" */
    OPERATOR_U64,
    OPERATOR_DURATION,
    OPERATOR_RESPONSE_TX_DURATION,
    OPERATOR_RESPONSE_CODE,
    OPERATOR_ATTEMPT_COUNT,
    OPERATOR_FLAGS,
    OPERATOR_FLAGS_LONG,
    OPERATOR_HOSTNAME,
    OPERATOR_ENVIRONMENT,
};

enum argument_rule { ARGUMENT_NONE, ARGUMENT_OPTIONAL, ARGUMENT_REQUIRED };

struct operator_info {
    struct str name;
    enum operator_kind kind;
    enum argument_rule argument;
    size_t offset; /* of the field in the record; for OPERATOR_HEADER which headers */
};

#define FIELD(field) offsetof(struct format_record, field)

static const struct operator_info operators[] = {
    { STR_INIT("START_TIME"), OPERATOR_START_TIME, ARGUMENT_OPTIONAL, 0 },
    { STR_INIT("REQ"), OPERATOR_HEADER, ARGUMENT_REQUIRED, FORMAT_REQUEST_HEADERS },
    { STR_INIT("RESP"), OPERATOR_HEADER, ARGUMENT_REQUIRED, FORMAT_RESPONSE_HEADERS },
    { STR_INIT("TRAILER"), OPERATOR_HEADER, ARGUMENT_REQUIRED, FORMAT_RESPONSE_TRAILERS },
    { STR_INIT("PROTOCOL"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(protocol) },
    { STR_INIT("RESPONSE_CODE"), OPERATOR_RESPONSE_CODE, ARGUMENT_NONE, 0 },
    { STR_INIT("RESPONSE_CODE_DETAILS"), OPERATOR_DETAILS, ARGUMENT_NONE,
      FIELD(response_code_details) },
    { STR_INIT("RESPONSE_FLAGS"), OPERATOR_FLAGS, ARGUMENT_NONE, 0 },
    { STR_INIT("RESPONSE_FLAGS_LONG"), OPERATOR_FLAGS_LONG, ARGUMENT_NONE, 0 },
    { STR_INIT("CONNECTION_TERMINATION_DETAILS"), OPERATOR_DETAILS, ARGUMENT_NONE,
      FIELD(connection_termination_details) },
    { STR_INIT("BYTES_RECEIVED"), OPERATOR_U64, ARGUMENT_NONE, FIELD(bytes_received) },
    { STR_INIT("BYTES_SENT"), OPERATOR_U64, ARGUMENT_NONE, FIELD(bytes_sent) },
    { STR_INIT("DURATION"), OPERATOR_DURATION, ARGUMENT_NONE, FIELD(duration_us) },
    { STR_INIT("REQUEST_DURATION"), OPERATOR_DURATION, ARGUMENT_NONE, FIELD(request_duration_us) },
    { STR_INIT("RESPONSE_DURATION"), OPERATOR_DURATION, ARGUMENT_NONE,
      FIELD(response_duration_us) },
    { STR_INIT("RESPONSE_TX_DURATION"), OPERATOR_RESPONSE_TX_DURATION, ARGUMENT_NONE, 0 },
    { STR_INIT("UPSTREAM_HOST"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_host) },
    { STR_INIT("UPSTREAM_CLUSTER"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_cluster) },
    { STR_INIT("UPSTREAM_CLUSTER_RAW"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_cluster) },
    { STR_INIT("UPSTREAM_LOCAL_ADDRESS"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(upstream_local_address) },
    { STR_INIT("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"), OPERATOR_VIEW_NO_PORT, ARGUMENT_NONE,
      FIELD(upstream_local_address) },
    { STR_INIT("UPSTREAM_LOCAL_PORT"), OPERATOR_VIEW_PORT, ARGUMENT_NONE,
      FIELD(upstream_local_address) },
    { STR_INIT("UPSTREAM_REMOTE_ADDRESS"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_host) },
    { STR_INIT("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"), OPERATOR_VIEW_NO_PORT, ARGUMENT_NONE,
      FIELD(upstream_host) },
    { STR_INIT("UPSTREAM_REMOTE_PORT"), OPERATOR_VIEW_PORT, ARGUMENT_NONE, FIELD(upstream_host) },
    { STR_INIT("UPSTREAM_TRANSPORT_FAILURE_REASON"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(upstream_transport_failure_reason) },
    { STR_INIT("UPSTREAM_REQUEST_ATTEMPT_COUNT"), OPERATOR_ATTEMPT_COUNT, ARGUMENT_NONE, 0 },
    { STR_INIT("UPSTREAM_TLS_VERSION"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_tls_version) },
    { STR_INIT("UPSTREAM_TLS_CIPHER"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(upstream_tls_cipher) },
    { STR_INIT("DOWNSTREAM_REMOTE_ADDRESS"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_remote_address) },
    { STR_INIT("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT"), OPERATOR_VIEW_NO_PORT, ARGUMENT_NONE,
      FIELD(downstream_remote_address) },
    { STR_INIT("DOWNSTREAM_REMOTE_PORT"), OPERATOR_VIEW_PORT, ARGUMENT_NONE,
      FIELD(downstream_remote_address) },
    { STR_INIT("DOWNSTREAM_DIRECT_REMOTE_ADDRESS"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_direct_remote_address) },
    { STR_INIT("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT"), OPERATOR_VIEW_NO_PORT,
      ARGUMENT_NONE, FIELD(downstream_direct_remote_address) },
    { STR_INIT("DOWNSTREAM_DIRECT_REMOTE_PORT"), OPERATOR_VIEW_PORT, ARGUMENT_NONE,
      FIELD(downstream_direct_remote_address) },
    { STR_INIT("DOWNSTREAM_LOCAL_ADDRESS"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_local_address) },
    { STR_INIT("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT"), OPERATOR_VIEW_NO_PORT, ARGUMENT_NONE,
      FIELD(downstream_local_address) },
    { STR_INIT("DOWNSTREAM_LOCAL_PORT"), OPERATOR_VIEW_PORT, ARGUMENT_NONE,
      FIELD(downstream_local_address) },
    { STR_INIT("REQUESTED_SERVER_NAME"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(requested_server_name) },
    { STR_INIT("ROUTE_NAME"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(route_name) },
    { STR_INIT("HOSTNAME"), OPERATOR_HOSTNAME, ARGUMENT_NONE, 0 },
    { STR_INIT("CONNECTION_ID"), OPERATOR_U64, ARGUMENT_NONE, FIELD(connection_id) },
    { STR_INIT("STREAM_ID"), OPERATOR_U64, ARGUMENT_NONE, FIELD(stream_id) },
    { STR_INIT("DOWNSTREAM_TLS_VERSION"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_tls_version) },
    { STR_INIT("DOWNSTREAM_TLS_CIPHER"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_tls_cipher) },
    { STR_INIT("DOWNSTREAM_TRANSPORT_FAILURE_REASON"), OPERATOR_VIEW, ARGUMENT_NONE,
      FIELD(downstream_transport_failure_reason) },
    { STR_INIT("GRPC_STATUS"), OPERATOR_VIEW, ARGUMENT_NONE, FIELD(grpc_status) },
    { STR_INIT("ENVIRONMENT"), OPERATOR_ENVIRONMENT, ARGUMENT_REQUIRED, 0 },
    /* Session ids and client certificates: without mutual TLS there is nothing to say. */
    { STR_INIT("DOWNSTREAM_TLS_SESSION_ID"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_SUBJECT"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_ISSUER"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_SERIAL"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_URI_SAN"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_DNS_SAN"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_CERT"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_CERT_V_START"), OPERATOR_ABSENT, ARGUMENT_OPTIONAL, 0 },
    { STR_INIT("DOWNSTREAM_PEER_CERT_V_END"), OPERATOR_ABSENT, ARGUMENT_OPTIONAL, 0 },
    { STR_INIT("DOWNSTREAM_PEER_FINGERPRINT_1"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_PEER_FINGERPRINT_256"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_LOCAL_SUBJECT"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
    { STR_INIT("DOWNSTREAM_LOCAL_URI_SAN"), OPERATOR_ABSENT, ARGUMENT_NONE, 0 },
};

/* Names that are no field of the message, or not only. */
enum header_source {
    SOURCE_FIELD,
    SOURCE_PATH,
    SOURCE_ORIGINAL_PATH,
    SOURCE_METHOD,
    SOURCE_AUTHORITY,
    SOURCE_SCHEME,
    SOURCE_STATUS,
    SOURCE_SERVICE_TIME,
};

struct header_name {
    struct str lower; /* ptr NULL: none */
    enum header_source source;
};

struct piece {
    enum operator_kind kind;
    size_t offset;
    struct str text;           /* the literal, time format, host name or value */
    struct header_name header; /* REQ(header?alternative) */
    struct header_name alternative;
    size_t max_len; /* SIZE_MAX: all */
    bool is_ours;   /* digits, letters and signs of our own making: nothing to escape or to cut */
};

struct format {
    VEC_FIELDS(struct piece);
};

/* --- Compilation ------------------------------------------------------------------------------ */

static const char time_letters[] = "%YmdHMSzZyjeFTDbBaApIsfnt";

/* Letters of strftime(3) that need no locale, %s, and %1f to %9f for parts of a second. */
static bool check_time_format(struct str format, struct err *err)
{
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] != '%') {
            continue;
        }
        i++;
        if (i + 1 < format.len && format.ptr[i] >= '1' && format.ptr[i] <= '9' &&
            format.ptr[i + 1] == 'f') {
            i++;
        } else if (i >= format.len || format.ptr[i] == '\0' ||
                   strchr(time_letters, format.ptr[i]) == NULL) {
            err_set(err, ERR_INPUT, "time format \"%.*s\": unknown conversion at byte %zu",
                    STR_ARG(format), i);
            return false;
        }
    }
    return true;
}

static const struct operator_info *find_operator(struct str name)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(operators[0]); i++) {
        if (str_equals(operators[i].name, name)) {
            return &operators[i];
        }
    }
    return NULL;
}

static const struct {
    enum format_headers which;
    struct str lower;
    enum header_source source;
} special_names[] = {
    { FORMAT_REQUEST_HEADERS, STR_INIT(":path"), SOURCE_PATH },
    { FORMAT_REQUEST_HEADERS, STR_INIT("x-envoy-original-path"), SOURCE_ORIGINAL_PATH },
    { FORMAT_REQUEST_HEADERS, STR_INIT(":method"), SOURCE_METHOD },
    { FORMAT_REQUEST_HEADERS, STR_INIT(":authority"), SOURCE_AUTHORITY },
    { FORMAT_REQUEST_HEADERS, STR_INIT(":scheme"), SOURCE_SCHEME },
    { FORMAT_RESPONSE_HEADERS, STR_INIT(":status"), SOURCE_STATUS },
    { FORMAT_RESPONSE_HEADERS, STR_INIT("x-envoy-upstream-service-time"), SOURCE_SERVICE_TIME },
};

static struct header_name compile_header_name(struct arena *arena, enum format_headers which,
                                              struct str name)
{
    struct header_name compiled = { .lower = arena_copy_lower(arena, name) };

    for (size_t i = 0; i < sizeof(special_names) / sizeof(special_names[0]); i++) {
        if (special_names[i].which == which && str_equals(special_names[i].lower, compiled.lower)) {
            compiled.source = special_names[i].source;
        }
    }
    return compiled;
}

static bool compile_header(struct arena *arena, struct piece *piece, struct str argument,
                           struct err *err)
{
    enum format_headers which = (enum format_headers)piece->offset;
    struct str rest = argument;
    struct str name;

    (void)str_split_next(&rest, '?', &name); /* an argument has at least one part */
    if (name.len == 0 || (rest.ptr != NULL && rest.len == 0) ||
        str_find_char(rest, '?') != SIZE_MAX) {
        err_set(err, ERR_INPUT, "\"%.*s\" is not a header name, nor two with \"?\" between",
                STR_ARG(argument));
        return false;
    }
    piece->header = compile_header_name(arena, which, name);
    if (rest.ptr != NULL) {
        piece->alternative = compile_header_name(arena, which, rest);
    }
    return true;
}

static bool is_our_own_text(const struct piece *piece)
{
    switch (piece->kind) {
    case OPERATOR_LITERAL:
    case OPERATOR_U64:
    case OPERATOR_DURATION:
    case OPERATOR_RESPONSE_TX_DURATION:
    case OPERATOR_RESPONSE_CODE:
    case OPERATOR_ATTEMPT_COUNT:
    case OPERATOR_FLAGS:
        return piece->max_len == SIZE_MAX;
    case OPERATOR_START_TIME:
        return piece->max_len == SIZE_MAX && piece->text.len == 0; /* else it has a literal part */
    case OPERATOR_ABSENT:
    case OPERATOR_HEADER:
    case OPERATOR_VIEW:
    case OPERATOR_VIEW_NO_PORT:
    case OPERATOR_VIEW_PORT:
    case OPERATOR_DETAILS:
    case OPERATOR_FLAGS_LONG:
    case OPERATOR_HOSTNAME:
    case OPERATOR_ENVIRONMENT:
        break;
    }
    return false;
}

static bool compile_operator(struct arena *arena, const struct operator_info *info,
                             struct str argument, struct piece *piece, struct err *err)
{
    char host[256] = "";

    piece->kind = info->kind;
    piece->offset = info->offset;
    if (info->argument == ARGUMENT_NONE && argument.ptr != NULL) {
        err_set(err, ERR_INPUT, "operator %%%.*s%% takes no argument", STR_ARG(info->name));
        return false;
    }
    if (info->argument == ARGUMENT_REQUIRED && argument.len == 0) {
        err_set(err, ERR_INPUT, "operator %%%.*s%% needs an argument in parentheses",
                STR_ARG(info->name));
        return false;
    }
    if (info->kind == OPERATOR_HEADER) {
        return compile_header(arena, piece, argument, err);
    }
    if (info->kind == OPERATOR_START_TIME) {
        piece->text = argument;
        return check_time_format(argument, err);
    }
    if (info->kind == OPERATOR_HOSTNAME) {
        (void)gethostname(host, sizeof(host) - 1); /* empty when it fails: absent */
        piece->text = arena_copy_str(arena, str_from_cstr(host));
    } else if (info->kind == OPERATOR_ENVIRONMENT) {
        const char *value = getenv(arena_copy_str(arena, argument).ptr);

        piece->text =
            value != NULL ? arena_copy_str(arena, str_from_cstr(value)) : str_from(NULL, 0);
    }
    return true;
}

/* "NAME", "NAME(argument)", either with ":n" behind, then "%". *rest begins behind the first "%".
 */
static bool parse_operator(struct arena *arena, struct str *rest, struct piece *piece,
                           struct err *err)
{
    struct str source = *rest;
    struct str argument = { 0 };
    const struct operator_info *info;
    struct str name;
    size_t len = 0;
    uint32_t max_len;
    size_t digits;

    while (len < source.len &&
           ((source.ptr[len] >= 'A' && source.ptr[len] <= 'Z') ||
            (source.ptr[len] >= '0' && source.ptr[len] <= '9') || source.ptr[len] == '_')) {
        len++;
    }
    name = str_slice(source, 0, len);
    *rest = str_skip(source, len);
    if (rest->len != 0 && rest->ptr[0] == '(') {
        size_t end = str_find_char(*rest, ')');

        if (end == SIZE_MAX) {
            err_set(err, ERR_INPUT, "operator %%%.*s: the parenthesis is not closed",
                    STR_ARG(name));
            return false;
        }
        argument = str_slice(*rest, 1, end - 1);
        *rest = str_skip(*rest, end + 1);
    }
    piece->max_len = SIZE_MAX;
    if (rest->len != 0 && rest->ptr[0] == ':') {
        digits = 1;
        while (digits < rest->len && rest->ptr[digits] >= '0' && rest->ptr[digits] <= '9') {
            digits++;
        }
        if (!str_parse_u32(str_slice(*rest, 1, digits - 1), &max_len)) {
            err_set(err, ERR_INPUT, "operator %%%.*s: a number has to follow \":\"", STR_ARG(name));
            return false;
        }
        piece->max_len = max_len;
        *rest = str_skip(*rest, digits);
    }
    if (name.len == 0 || rest->len == 0 || rest->ptr[0] != '%') {
        err_set(err, ERR_INPUT,
                "\"%%%.*s\" is neither an operator with a closing \"%%\" nor \"%%%%\"",
                STR_ARG(str_slice(source, 0, 40)));
        return false;
    }
    *rest = str_skip(*rest, 1);
    info = find_operator(name);
    if (info == NULL) {
        err_set(err, ERR_INPUT, "unknown operator %%%.*s%%", STR_ARG(name));
        return false;
    }
    return compile_operator(arena, info, argument, piece, err);
}

static void add_literal(struct arena *arena, struct format *format, struct text *literal)
{
    if (literal->len != 0) {
        struct piece piece = {
            .kind = OPERATOR_LITERAL,
            .max_len = SIZE_MAX,
            .is_ours = true,
        };

        piece.text = arena_copy_str(arena, text_view(literal));
        vec_push_in_arena(arena, format, piece);
        text_clear(literal);
    }
}

struct format *format_compile(struct arena *arena, struct str source, struct err *err)
{
    struct format *format = arena_new_object(arena, struct format);
    struct text literal = { 0 };
    struct str rest = arena_copy_str(arena, source);

    while (rest.len != 0) {
        struct piece piece = { 0 };
        size_t percent = str_find_char(rest, '%');

        text_add(&literal, str_slice(rest, 0, percent));
        if (percent == SIZE_MAX) {
            break;
        }
        rest = str_skip(rest, percent + 1);
        if (rest.len != 0 && rest.ptr[0] == '%') {
            text_add_char(&literal, '%');
            rest = str_skip(rest, 1);
            continue;
        }
        add_literal(arena, format, &literal);
        if (!parse_operator(arena, &rest, &piece, err)) {
            text_cleanup(&literal);
            return NULL;
        }
        piece.is_ours = is_our_own_text(&piece);
        vec_push_in_arena(arena, format, piece);
    }
    add_literal(arena, format, &literal);
    text_cleanup(&literal);
    return format;
}

bool format_is_literal(const struct format *format, struct str *literal)
{
    if (format->count == 0) {
        *literal = STR("");
        return true;
    }
    if (format->count == 1 && format->items[0].kind == OPERATOR_LITERAL) {
        *literal = format->items[0].text;
        return true;
    }
    return false;
}

/* --- Evaluation ------------------------------------------------------------------------------- */

struct evaluation {
    const struct format_record *record;
    char small[32];      /* numbers and the usual time: these cost no allocation */
    struct text scratch; /* of header look-ups */
    struct text built;   /* what is longer */
};

static struct str build_u64(struct evaluation *evaluation, uint64_t value)
{
    size_t at = sizeof(evaluation->small);

    do {
        evaluation->small[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return str_from(evaluation->small + at, sizeof(evaluation->small) - at);
}

static struct str build_ms(struct evaluation *evaluation, uint64_t us)
{
    return us != UINT64_MAX ? build_u64(evaluation, us / 1000) : str_from(NULL, 0);
}

static struct str find_field(struct evaluation *evaluation, enum format_headers which,
                             struct str lower_name)
{
    const struct format_record *record = evaluation->record;

    if (record->find_header == NULL) {
        return str_from(NULL, 0);
    }
    text_clear(&evaluation->scratch);
    return record->find_header(record->header_source, which, lower_name, &evaluation->scratch);
}

static struct str look_up_header(struct evaluation *evaluation, enum format_headers which,
                                 const struct header_name *name)
{
    const struct format_record *record = evaluation->record;
    /* A request that was answered here never had a forwarded path. */
    struct str path = record->path.ptr != NULL ? record->path : record->original_path;
    struct str value = { 0 };

    switch (name->source) {
    case SOURCE_PATH:
        return path;
    case SOURCE_ORIGINAL_PATH:
        if (path.ptr != NULL && !str_equals(path, record->original_path)) {
            value = record->original_path;
        }
        return value;
    case SOURCE_METHOD:
        return record->method;
    case SOURCE_AUTHORITY:
        return record->authority;
    case SOURCE_SCHEME:
        return record->scheme;
    case SOURCE_STATUS:
        return record->response_code != 0 ? build_u64(evaluation, record->response_code) : value;
    case SOURCE_SERVICE_TIME:
        value = find_field(evaluation, which, name->lower);
        /* The gateway's own measure, on the response or not. */
        return value.ptr != NULL ? value : build_ms(evaluation, record->upstream_service_us);
    case SOURCE_FIELD:
        break;
    }
    return find_field(evaluation, which, name->lower);
}

/* Where the port of "10.0.0.1:80" or "[::1]:80" begins, its colon; SIZE_MAX: none. */
static size_t find_port(struct str address)
{
    size_t colon = str_find_last_char(address, ':');

    if (colon == SIZE_MAX || str_find_char(address, '/') != SIZE_MAX) {
        return SIZE_MAX; /* a local socket's path */
    }
    if (colon > 0 && address.ptr[colon - 1] != ']' && str_find_char(address, ':') != colon) {
        return SIZE_MAX; /* a bare IPv6 address */
    }
    return colon;
}

static struct str without_port(struct str address)
{
    struct str host = str_slice(address, 0, find_port(address));

    if (host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']') {
        host = str_slice(host, 1, host.len - 2);
    }
    return host;
}

static struct str only_port(struct str address)
{
    size_t colon = find_port(address);

    return colon != SIZE_MAX ? str_skip(address, colon + 1) : str_from(NULL, 0);
}

static struct str without_blanks(struct evaluation *evaluation, struct str details)
{
    if (str_find_char(details, ' ') == SIZE_MAX) {
        return details.len != 0 ? details : str_from(NULL, 0);
    }
    text_clear(&evaluation->built);
    for (size_t i = 0; i < details.len; i++) {
        text_add_char(&evaluation->built, details.ptr[i] == ' ' ? '_' : details.ptr[i]);
    }
    return text_view(&evaluation->built);
}

static void add_time_part(struct text *out, char letter, const struct tm *tm, uint64_t wall_us)
{
    /* The letters were checked at compilation; each is its own format, for none is a variable. */
    char part[64] = "";

    switch (letter) {
#define PART(character, conversion)                                                                \
    case character:                                                                                \
        (void)strftime(part, sizeof(part), conversion, tm); /* fits */                             \
        break;
        PART('Y', "%Y")
        PART('m', "%m")
        PART('d', "%d")
        PART('H', "%H")
        PART('M', "%M")
        PART('S', "%S")
        PART('z', "%z")
        PART('Z', "%Z")
        PART('j', "%j")
        PART('e', "%e")
        PART('F', "%F")
        PART('T', "%T")
        PART('b', "%b")
        PART('B', "%B")
        PART('a', "%a")
        PART('A', "%A")
        PART('p', "%p")
        PART('I', "%I")
#undef PART
    case 'n':
        part[0] = '\n';
        break;
    case 't':
        part[0] = '\t';
        break;
    case 'y':
        (void)snprintf(part, sizeof(part), "%02d", tm->tm_year % 100); /* fits */
        break;
    case 'D':
        (void)snprintf(part, sizeof(part), "%02d/%02d/%02d", tm->tm_mon + 1, tm->tm_mday,
                       tm->tm_year % 100); /* fits */
        break;
    case 's':
        text_add_u64(out, wall_us / 1000000u);
        break;
    case 'f':
        (void)snprintf(part, sizeof(part), "%06u", (unsigned)(wall_us % 1000000u)); /* fits */
        break;
    default:
        part[0] = letter; /* %% */
        break;
    }
    text_add_cstr(out, part);
}

static struct str build_time(struct evaluation *evaluation, struct str format)
{
    uint64_t wall_us = evaluation->record->start_wall_us;
    time_t seconds = (time_t)(wall_us / 1000000u);
    struct text *out = &evaluation->built;
    struct tm tm;

    if (format.len == 0) {
        char *small = evaluation->small;
        return str_from(small, now_format_utc(wall_us, 3, small, sizeof(evaluation->small)));
    }
    text_clear(out);
    if (gmtime_r(&seconds, &tm) == NULL) {
        return str_from(NULL, 0);
    }
    for (size_t i = 0; i < format.len; i++) {
        if (format.ptr[i] != '%') {
            text_add_char(out, format.ptr[i]);
            continue;
        }
        i++;
        if (format.ptr[i] >= '1' && format.ptr[i] <= '9') {
            /* We measure microseconds; finer digits are zeros. */
            char digits[16];

            (void)snprintf(digits, sizeof(digits), "%06u000", (unsigned)(wall_us % 1000000u));
            text_add(out, str_from(digits, (size_t)(format.ptr[i] - '0')));
            i++;
        } else {
            add_time_part(out, format.ptr[i], &tm, wall_us);
        }
    }
    return text_view(out);
}

static void add_flags(uint64_t flags, const char *const *names, struct text *out)
{
    bool is_first = true;

    if (flags == 0) {
        text_add_char(out, '-');
        return;
    }
    for (unsigned i = 0; i < RESPONSE_FLAG_COUNT; i++) {
        if ((flags & (UINT64_C(1) << i)) != 0) {
            if (!is_first) {
                text_add_char(out, ',');
            }
            is_first = false;
            text_add_cstr(out, names[i]);
        }
    }
}

static const char *const flag_letters[] = {
#define X(name, text) #name,
    RESPONSE_FLAGS(X)
#undef X
};

static const char *const flag_names[] = {
#define X(name, text) text,
    RESPONSE_FLAGS(X)
#undef X
};

void format_response_flags(uint64_t flags, struct text *out)
{
    add_flags(flags, flag_letters, out);
}

static struct str build_flags(struct evaluation *evaluation, const char *const *names)
{
    if (evaluation->record->response_flags == 0) {
        return STR("-");
    }
    text_clear(&evaluation->built);
    add_flags(evaluation->record->response_flags, names, &evaluation->built);
    return text_view(&evaluation->built);
}

static struct str view_field(const struct format_record *record, size_t offset)
{
    struct str value;

    memcpy(&value, (const char *)record + offset, sizeof(value));
    return value;
}

static uint64_t u64_field(const struct format_record *record, size_t offset)
{
    uint64_t value;

    memcpy(&value, (const char *)record + offset, sizeof(value));
    return value;
}

static struct str header_or_alternative(struct evaluation *evaluation, const struct piece *piece)
{
    enum format_headers which = (enum format_headers)piece->offset;
    struct str value = look_up_header(evaluation, which, &piece->header);

    if (value.ptr == NULL && piece->alternative.lower.ptr != NULL) {
        value = look_up_header(evaluation, which, &piece->alternative);
    }
    return value;
}

/* ptr NULL: absent. */
static struct str evaluate_piece(struct evaluation *evaluation, const struct piece *piece)
{
    const struct format_record *record = evaluation->record;

    switch (piece->kind) {
    case OPERATOR_LITERAL:
    case OPERATOR_HOSTNAME:
    case OPERATOR_ENVIRONMENT:
        return piece->text;
    case OPERATOR_ABSENT:
        break;
    case OPERATOR_START_TIME:
        return build_time(evaluation, piece->text);
    case OPERATOR_HEADER:
        return header_or_alternative(evaluation, piece);
    case OPERATOR_VIEW:
        return view_field(record, piece->offset);
    case OPERATOR_VIEW_NO_PORT:
        return without_port(view_field(record, piece->offset));
    case OPERATOR_VIEW_PORT:
        return only_port(view_field(record, piece->offset));
    case OPERATOR_DETAILS:
        return without_blanks(evaluation, view_field(record, piece->offset));
    case OPERATOR_U64:
        return build_u64(evaluation, u64_field(record, piece->offset));
    case OPERATOR_DURATION:
        return build_ms(evaluation, u64_field(record, piece->offset));
    case OPERATOR_RESPONSE_TX_DURATION:
        if (record->response_duration_us != UINT64_MAX && record->duration_us != UINT64_MAX) {
            return build_ms(evaluation, record->duration_us - record->response_duration_us);
        }
        break;
    case OPERATOR_RESPONSE_CODE:
        return build_u64(evaluation, record->response_code);
    case OPERATOR_ATTEMPT_COUNT:
        return build_u64(evaluation, record->upstream_attempt_count);
    case OPERATOR_FLAGS:
        return build_flags(evaluation, flag_letters);
    case OPERATOR_FLAGS_LONG:
        return build_flags(evaluation, flag_names);
    }
    return str_from(NULL, 0);
}

static void evaluate(const struct format *format, const struct format_record *record,
                     struct str absent, bool is_log, struct text *out)
{
    struct evaluation evaluation;

    /* Field by field: what is small is written before it is read. */
    evaluation.record = record;
    evaluation.scratch = (struct text){ 0 };
    evaluation.built = (struct text){ 0 };
    for (size_t i = 0; i < format->count; i++) {
        const struct piece *piece = &format->items[i];

        if (piece->kind == OPERATOR_LITERAL) {
            text_add(out, piece->text);
            continue;
        }
        struct str value = evaluate_piece(&evaluation, piece);

        if (value.ptr == NULL || (is_log && value.len == 0)) {
            text_add(out, absent);
        } else if (piece->is_ours) {
            text_add(out, value);
        } else if (is_log) {
            value = str_slice(value, 0, piece->max_len);
            text_add_escaped(out, str_slice(value, 0, LIMIT_LOG_VALUE_BYTES), true);
        } else {
            text_add(out, str_slice(value, 0, piece->max_len));
        }
    }
    text_cleanup(&evaluation.scratch);
    text_cleanup(&evaluation.built);
}

void format_evaluate(const struct format *format, const struct format_record *record,
                     struct str absent, struct text *out)
{
    evaluate(format, record, absent, false, out);
}

void format_evaluate_log(const struct format *format, const struct format_record *record,
                         struct text *out)
{
    evaluate(format, record, STR("-"), true, out);
}
