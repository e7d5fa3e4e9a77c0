/* format: Envoy's command operators (spec OB-10): "%REQ(USER-AGENT)%" and friends. Compiled once,
 * evaluated over a record. Serves the access log and the values of header operations (HT-88). */
#ifndef GATEWAY_OBSERVE_FORMAT_H
#define GATEWAY_OBSERVE_FORMAT_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/base/text.h"

struct format;

enum format_headers { FORMAT_REQUEST_HEADERS, FORMAT_RESPONSE_HEADERS, FORMAT_RESPONSE_TRAILERS };

/* What is known of one exchange or connection. Views live as long as their owners; absent is an
 * empty view with ptr NULL. Durations are UINT64_MAX when they did not happen. */
struct format_record {
    uint64_t start_wall_us;
    uint64_t duration_us;          /* first byte in to last byte out */
    uint64_t request_duration_us;  /* first byte in to last request byte in */
    uint64_t response_duration_us; /* first byte in to first upstream byte */
    uint64_t upstream_service_us;  /* request sent to first response byte */
    struct str method;
    struct str original_path; /* as received, before rewrite and normalisation */
    struct str path;          /* as forwarded */
    struct str authority;
    struct str scheme;
    struct str protocol;     /* "HTTP/1.1" */
    unsigned response_code;  /* 0: nothing was sent */
    uint64_t response_flags; /* bits of enum response_flag */
    struct str response_code_details;
    struct str connection_termination_details;
    struct str upstream_transport_failure_reason;
    uint64_t bytes_received;  /* body bytes from the client */
    uint64_t bytes_sent;      /* body bytes to the client */
    struct str upstream_host; /* "10.0.0.1:80" */
    struct str upstream_cluster;
    struct str upstream_local_address;
    struct str upstream_tls_version;
    struct str upstream_tls_cipher;
    unsigned upstream_attempt_count;
    struct str downstream_local_address;
    struct str downstream_remote_address;        /* HD-3: after trusted hops */
    struct str downstream_direct_remote_address; /* the socket's peer */
    struct str requested_server_name;
    struct str downstream_tls_version;
    struct str downstream_tls_cipher;
    struct str downstream_transport_failure_reason;
    struct str route_name;
    struct str grpc_status;
    uint64_t connection_id;
    uint64_t stream_id;
    /* Header look-up by a name in lower case; NULL: no headers. Joined by "," when repeated. The
     * answer may be built in `scratch`. */
    struct str (*find_header)(const void *source, enum format_headers which, struct str lower_name,
                              struct text *scratch);
    const void *header_source;
};

/* Order is the order of printing (OB-14). The bit is 1 << value. */
/* clang-format off: a table */
#define RESPONSE_FLAGS(X)                                                                          \
    X(LH, "FailedLocalHealthCheck")                                                                \
    X(UH, "NoHealthyUpstream")                                                                     \
    X(UT, "UpstreamRequestTimeout")                                                                \
    X(LR, "LocalReset")                                                                            \
    X(UR, "UpstreamRemoteReset")                                                                   \
    X(UF, "UpstreamConnectionFailure")                                                             \
    X(UC, "UpstreamConnectionTermination")                                                         \
    X(UO, "UpstreamOverflow")                                                                      \
    X(NR, "NoRouteFound")                                                                          \
    X(DI, "DelayInjected")                                                                         \
    X(FI, "FaultInjected")                                                                         \
    X(RL, "RateLimited")                                                                           \
    X(UAEX, "UnauthorizedExternalService")                                                         \
    X(RLSE, "RateLimitServiceError")                                                               \
    X(DC, "DownstreamConnectionTermination")                                                       \
    X(URX, "UpstreamRetryLimitExceeded")                                                           \
    X(SI, "StreamIdleTimeout")                                                                     \
    X(IH, "InvalidEnvoyRequestHeaders")                                                            \
    X(DPE, "DownstreamProtocolError")                                                              \
    X(UMSDR, "UpstreamMaxStreamDurationReached")                                                   \
    X(RFCF, "ResponseFromCacheFilter")                                                             \
    X(NFCF, "NoFilterConfigFound")                                                                 \
    X(DT, "DurationTimeout")                                                                       \
    X(UPE, "UpstreamProtocolError")                                                                \
    X(NC, "NoClusterFound")                                                                        \
    X(OM, "OverloadManagerTerminated")                                                             \
    X(DF, "DnsResolutionFailed")                                                                   \
    X(DO, "DropOverload")                                                                          \
    X(DR, "DownstreamRemoteReset")                                                                 \
    X(UDO, "UnconditionalDropOverload")

enum response_flag {
#define X(name, text) RESPONSE_FLAG_##name,
    RESPONSE_FLAGS(X)
#undef X
        RESPONSE_FLAG_COUNT
};
/* clang-format on */
#define FLAG_BIT(name) (UINT64_C(1) << RESPONSE_FLAG_##name)

/* NULL with err for an unknown operator or a broken form; what it allocates belongs to `arena`. */
struct format *format_compile(struct arena *arena, struct str source, struct err *err);
/* True when the format is plain text; *literal is it (%% already resolved). */
bool format_is_literal(const struct format *format, struct str *literal);
/* Appends to `out`. An absent value is written as `absent` ("-" in logs, "" in header values). */
void format_evaluate(const struct format *format, const struct format_record *record,
                     struct str absent, struct text *out);
/* The same for a log line: absent is "-", values are cut at LIMIT_LOG_VALUE_BYTES, and `"`, `\` and
 * what would not print is escaped, so that a peer's bytes cannot forge a field. */
void format_evaluate_log(const struct format *format, const struct format_record *record,
                         struct text *out);
/* "UF,URX", or "-" for none (OB-14). */
void format_response_flags(uint64_t flags, struct text *out);

#endif
