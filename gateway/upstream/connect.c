/* connect: from an address to a connection that carries the protocol's first byte. Owned by whoever
 * started it until on_done or connect_cancel(); all in the worker's thread.
 *
 *   dial ──▶ PROXY header written ──▶ TLS handshake ──▶ on_done
 *     └────────────────┴───── one deadline ───┴──▶ on_done without a transport
 */
#include "gateway/upstream/connect.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/dial.h"
#include "gateway/observe/log.h"
#include "gateway/upstream/cluster.h"
#include "gateway/upstream/cluster_set.h"
#include "tls/transport_tls.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Of a handshake failure in the form of spec DR-69. */
enum { CONNECT_FAILURE_BYTES = 256 };

struct connect {
    struct endpoint *endpoint;
    connect_done_fn on_done;
    void *owner;
    struct dial *dial;           /* NULL: done */
    struct transport *transport; /* while the handshake is under way */
    struct timer deadline;       /* of the handshake; before it the dial keeps its own */
    uint64_t start_ms;
    uint32_t timeout_ms;
    struct tls_client_context *tls; /* NULL: plaintext */
    char *server_name;              /* NULL: none */
    size_t server_name_len;
    enum proxy_protocol_version proxy_protocol;
    struct address client; /* len 0: not known */
    struct address client_local;
};

/* --- The end ---------------------------------------------------------------------------------- */

static void connect_free(struct connect *connect)
{
    timer_cancel(&connect->deadline);
    tls_client_context_unref(connect->tls);
    mem_free(connect->server_name);
    endpoint_unref(connect->endpoint);
    mem_free(connect);
}

static void connect_succeed(struct connect *connect, struct transport *transport)
{
    connect_done_fn on_done = connect->on_done;
    void *owner = connect->owner;

    connect_free(connect);
    on_done(owner, transport, 0, STR(""));
}

static struct str connect_failure_word(int error_number, struct str tls_failure)
{
    if (tls_failure.len > 0) {
        return STR("tls");
    }
    switch (error_number) {
    case ETIMEDOUT:
        return STR("timeout");
    case ECONNREFUSED:
        return STR("refused");
    case ENETUNREACH:
    case EHOSTUNREACH:
        return STR("unreachable");
    case ECONNRESET:
        return STR("reset");
    default:
        return STR("local");
    }
}

static void connect_fail(struct connect *connect, int error_number, struct str tls_failure)
{
    struct endpoint *endpoint = connect->endpoint;
    struct str word = connect_failure_word(error_number, tls_failure);
    struct str reason = tls_failure.len > 0 ? tls_failure : str_from_cstr(strerror(error_number));
    connect_done_fn on_done = connect->on_done;
    void *owner = connect->owner;

    endpoint->connect_failure_count++;
    metric_series_add(
        metrics_series(endpoint->cluster->set->metrics, METRIC_UPSTREAM_CONNECT_FAILURES, &word, 1),
        1);
    LOG_DEBUG("connect", "cannot connect to %.*s of %.*s: %.*s", STR_ARG(endpoint->text),
              STR_ARG(endpoint->cluster->name), STR_ARG(reason));
    transport_close(connect->transport); /* an alert that waits goes out first */
    connect_free(connect);
    on_done(owner, NULL, error_number, tls_failure);
}

/* DR-69. */
static void connect_fail_tls(struct connect *connect, const char *detail)
{
    static const char prefix[] = "TLS_error:";
    char text[CONNECT_FAILURE_BYTES];
    bool is_prefixed = strncmp(detail, prefix, sizeof(prefix) - 1) == 0;
    int len = snprintf(text, sizeof(text), "%s%s", is_prefixed ? "" : "TLS_error:|", detail);
    size_t kept = len < 0 ? 0 : (size_t)len;

    connect_fail(connect, ECONNABORTED,
                 str_from(text, kept < sizeof(text) ? kept : sizeof(text) - 1));
}

/* --- TLS -------------------------------------------------------------------------------------- */

static void connect_on_handshake(void *owner, const struct tls_session_facts *facts)
{
    struct connect *connect = owner;
    struct transport *transport = connect->transport;

    (void)
        facts; /* an upstream that ignores ALPN may still speak HTTP/2: it is told by its preface */
    transport_tls_set_events(transport, NULL, NULL);
    transport_set_handler(transport, NULL, NULL);
    connect_succeed(connect, transport);
}

static void connect_on_handshake_failure(void *owner, const char *reason, const char *detail)
{
    /* It went away without a word: no failure of TLS, as far as anybody can tell. */
    if (strcmp(reason, "peer_closed") == 0) {
        connect_fail(owner, ECONNRESET, STR(""));
    } else {
        connect_fail_tls(owner, detail);
    }
}

static const struct transport_tls_events connect_tls_events = {
    .on_handshake = connect_on_handshake,
    .on_handshake_failure = connect_on_handshake_failure,
};

/* The handshake is the filter's; what is told to the transport's owner meanwhile is only its end. */
static size_t connect_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    (void)owner;
    (void)bytes;
    (void)len;
    return 0;
}

static void connect_on_end(void *owner, bool is_clean)
{
    (void)is_clean;
    connect_fail(owner, ECONNRESET, STR(""));
}

static void connect_on_drained(void *owner)
{
    (void)owner;
}

static void connect_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    connect_fail(owner, ECONNRESET, STR(""));
}

static const struct transport_handler connect_handler = {
    .on_data = connect_on_data,
    .on_end = connect_on_end,
    .on_drained = connect_on_drained,
    .on_dead = connect_on_dead,
};

static void connect_on_deadline(void *arg)
{
    connect_fail(arg, ETIMEDOUT, STR(""));
}

static void connect_start_tls(struct connect *connect)
{
    struct str server_name = str_from(connect->server_name, connect->server_name_len);
    uint64_t elapsed_ms = now_mono_ms() - connect->start_ms;
    struct err err = { 0 };

    transport_set_handler(connect->transport, &connect_handler, connect);
    if (transport_tls_connect(connect->transport, connect->tls, server_name, &connect_tls_events,
                              connect, &err) == NULL) {
        connect_fail_tls(connect, err.text);
        return;
    }
    timer_arm(transport_loop(connect->transport), &connect->deadline,
              elapsed_ms < connect->timeout_ms ? connect->timeout_ms - elapsed_ms : 0);
}

/* --- The dial --------------------------------------------------------------------------------- */

/* DR-80: in front of everything, TLS included. */
static void connect_write_proxy_header(const struct connect *connect, struct transport *transport)
{
    unsigned char header[PROXY_PROTOCOL_WRITE_BYTES];

    if (connect->proxy_protocol != PROXY_PROTOCOL_NONE) {
        size_t len = proxy_protocol_write(header, connect->proxy_protocol, &connect->client,
                                          &connect->client_local);
        transport_write(transport, header, len);
    }
}

static void connect_on_dialed(void *owner, int fd, int error_number)
{
    struct connect *connect = owner;
    struct loop *loop = connect->endpoint->cluster->set->loop;

    connect->dial = NULL;
    if (error_number != 0) {
        connect_fail(connect, error_number, STR(""));
        return;
    }
    struct transport *transport = transport_new(loop, fd, &connect->endpoint->address);
    connect_write_proxy_header(connect, transport);
    if (connect->tls == NULL) {
        connect_succeed(connect, transport);
        return;
    }
    connect->transport = transport;
    connect_start_tls(connect);
}

struct connect *connect_start(struct endpoint *endpoint, const struct connect_options *options,
                              connect_done_fn on_done, void *owner)
{
    struct cluster *cluster = endpoint->cluster;
    struct connect *connect = mem_new(struct connect);
    struct tls_client_context *tls = options->version == HTTP_VERSION_2 && cluster->tls_h2 != NULL
                                         ? cluster->tls_h2
                                         : cluster->tls;

    connect->endpoint = endpoint_ref(endpoint);
    connect->on_done = on_done;
    connect->owner = owner;
    connect->start_ms = now_mono_ms();
    connect->timeout_ms = cluster->connect_timeout_ms;
    connect->tls = tls != NULL ? tls_client_context_ref(tls) : NULL;
    connect->proxy_protocol = cluster->proxy_protocol;
    if (options->server_name.len > 0) {
        connect->server_name = mem_copy_string(options->server_name.ptr, options->server_name.len);
        connect->server_name_len = options->server_name.len;
    }
    if (options->client != NULL && options->client_local != NULL) {
        connect->client = *options->client;
        connect->client_local = *options->client_local;
    }
    timer_init(&connect->deadline, connect_on_deadline, connect);
    connect->dial = dial_start(cluster->set->loop, &endpoint->address, connect->timeout_ms,
                               connect_on_dialed, connect);
    return connect;
}

void connect_cancel(struct connect *connect)
{
    if (connect != NULL) {
        dial_cancel(connect->dial);
        transport_close(connect->transport);
        connect_free(connect);
    }
}
