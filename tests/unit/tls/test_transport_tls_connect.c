/* Tests of tls/transport_tls_connect.c: our client's side against our server's side, or a server of the
 * library, over a socket pair in one loop. DR-61 to DR-67, DR-69, TL-70, TL-72: whom it believes, what
 * it offers, what it says when it does not work; resumption; half-close in both directions. */
#include "gateway/base/now.h"
#include "tests/unit/support/make_certificate.h"
#include "tls/ticket_keys.h"
#include "tls/transport_tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static struct made_certificate root;
static struct made_certificate other_root;
static struct secret *root_ca;
static struct secret *client_pair;
static struct ticket_keys *keys;
static struct tls_context_cache *server_contexts;
static struct tls_client_context_cache *client_contexts;
static struct loop *loop;

/* --- Both ends -------------------------------------------------------------------------------- */

struct end {
    struct transport *transport;
    struct text received;
    bool is_shaken;
    bool is_ended;
    bool is_clean;
    bool is_dead;
    char error[300]; /* of the dead transport */
    char reason[64];
    char detail[600];
    char alpn[16];
    struct tls_session_facts facts; /* its texts may be gone */
};

static size_t on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct end *end = owner;

    text_add(&end->received, str_from((const char *)bytes, len));
    return len;
}

static void on_end(void *owner, bool is_clean)
{
    struct end *end = owner;

    end->is_ended = true;
    end->is_clean = is_clean;
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_dead(void *owner, enum transport_end why)
{
    struct end *end = owner;

    (void)why;
    end->is_dead = true;
    (void)snprintf(end->error, sizeof(end->error), "%s", transport_error(end->transport));
    transport_close(end->transport);
    end->transport = NULL;
}

static const struct transport_handler handler = { on_data, on_end, on_drained, on_dead, NULL };

static void on_handshake(void *owner, const struct tls_session_facts *facts)
{
    struct end *end = owner;

    end->is_shaken = true;
    end->facts = *facts;
    (void)snprintf(end->alpn, sizeof(end->alpn), "%.*s", STR_ARG(facts->alpn));
}

static void on_handshake_failure(void *owner, const char *reason, const char *detail)
{
    struct end *end = owner;

    (void)snprintf(end->reason, sizeof(end->reason), "%s", reason);
    (void)snprintf(end->detail, sizeof(end->detail), "%s", detail);
    transport_close(end->transport);
    end->transport = NULL;
}

static const struct transport_tls_events events = { on_handshake, on_handshake_failure };

static void turn_around(int turns)
{
    for (int i = 0; i < turns; i++) {
        loop_run_once(loop, 0);
    }
}

static void end_cleanup(struct end *end)
{
    transport_close(end->transport);
    end->transport = NULL;
    turn_around(2);
    text_cleanup(&end->received);
}

static struct transport *open_end(struct end *end, int fd)
{
    memset(end, 0, sizeof(*end));
    end->transport = transport_new(loop, fd, NULL);
    transport_set_handler(end->transport, &handler, end);
    return end->transport;
}

static void socket_pair(int fds[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
}

static void start_client(struct end *client, int fd, const struct tls_client_policy *policy,
                         const char *server_name)
{
    struct tls_client_context *context = tls_client_context_cache_get(client_contexts, policy);
    struct err err = { 0 };

    (void)open_end(client, fd);
    if (transport_tls_connect(client->transport, context, str_from_cstr(server_name), &events,
                              client, &err) == NULL) {
        fail_msg("%s", err.text);
    }
    tls_client_context_unref(context); /* the transport holds it */
}

static void start_server(struct end *server, int fd, struct tls_context *context)
{
    struct err err = { 0 };

    assert_non_null(transport_tls_accept(open_end(server, fd), context, &events, server, &err));
}

struct pair {
    struct end client;
    struct end server;
};

static void pair_open(struct pair *pair, const struct tls_client_policy *policy,
                      const char *server_name, struct tls_context *context)
{
    int fds[2];

    socket_pair(fds);
    start_client(&pair->client, fds[0], policy, server_name);
    start_server(&pair->server, fds[1], context);
    turn_around(10);
}

static void pair_close(struct pair *pair)
{
    end_cleanup(&pair->client);
    end_cleanup(&pair->server);
}

static struct secret *parse(const char *certificate_pem, const char *key_pem, const char *ca_pem)
{
    struct secret_source source = { .name = STR("made"),
                                    .origin = STR("test"),
                                    .certificate_pem = str_from_cstr(certificate_pem),
                                    .key_pem = str_from_cstr(key_pem),
                                    .ca_pem = str_from_cstr(ca_pem) };
    struct arena *arena = arena_new(512);
    struct str_vec warnings = { 0 };
    struct err err = { 0 };
    struct secret *secret = secret_parse(&source, (int64_t)time(NULL), &warnings, arena, &err);

    if (secret == NULL) {
        fail_msg("%s", err.text);
    }
    arena_free(arena);
    return secret;
}

static struct tls_context *server_context(const struct make_certificate_request *request,
                                          enum tls_version max, enum tls_alpn alpn)
{
    struct made_certificate made;
    struct arena *arena = arena_new(1024);
    struct tls_policy_request asked = { .max_version = max, .alpn = alpn };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;

    make_certificate(request, &made);
    struct secret *secret = parse(made.certificate_pem, made.key_pem, NULL);
    assert_true(tls_policy_compile(arena, &asked, &policy, &notes));
    struct tls_context *context = tls_context_cache_get(server_contexts, &policy, secret);
    secret_unref(secret);
    arena_free(arena);
    made_certificate_cleanup(&made);
    return context;
}

static struct tls_context *usual_server(void)
{
    return server_context(&(struct make_certificate_request){ .common_name = "leaf",
                                                              .alt_names = "DNS:shop.example",
                                                              .issuer = &root },
                          TLS_VERSION_AUTO, TLS_ALPN_HTTP);
}

/* --- Whom it believes ------------------------------------------------------------------------- */

#define VERIFY_FAILED                                                                              \
    "TLS_error:|268435581:SSL routines:OPENSSL_internal:CERTIFICATE_VERIFY_FAILED:"                \
    "verify cert failed: "

static void test_refused_certificates(void **state) /* DR-65, DR-66, DR-69 */
{
    static struct str listed[] = { STR("spiffe://a"), STR("other.example") };
    const int64_t now_s = (int64_t)time(NULL);
    const struct {
        struct make_certificate_request request;
        struct str_vec names;
        const char *server_name;
        const char *detail;
        const char *told; /* the server's word for our alert */
    } rows[] = {
        { { .common_name = "leaf", .alt_names = "DNS:shop.example", .issuer = &other_root },
          { 0 },
          "shop.example",
          VERIFY_FAILED "X509_verify_cert: certificate verification error at depth 0: unable to "
                        "get local issuer certificate",
          "unknown_ca" },
        { { .common_name = "leaf",
            .alt_names = "DNS:shop.example",
            .issuer = &root,
            .not_before = 1,
            .not_after = now_s - 60 },
          { 0 },
          "shop.example",
          VERIFY_FAILED "X509_verify_cert: certificate verification error at depth 0: certificate "
                        "has expired",
          "certificate_expired" },
        { { .common_name = "leaf", .alt_names = "DNS:shop.example", .issuer = &root },
          { 0 },
          "other.example",
          VERIFY_FAILED "verify SAN list: the certificate is not for other.example",
          "bad_certificate" },
        { { .common_name = "leaf", .alt_names = "DNS:shop.example", .issuer = &root },
          { listed, 2, 2 },
          "shop.example",
          VERIFY_FAILED "verify SAN list",
          "bad_certificate" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int max = TLS_VERSION_1_2; max <= TLS_VERSION_1_3; max++) {
            struct tls_context *context =
                server_context(&rows[i].request, (enum tls_version)max, TLS_ALPN_HTTP);
            struct tls_client_policy policy = { .ca = root_ca,
                                                .subject_alt_names = rows[i].names,
                                                .verifies_server_name = true };
            struct pair pair;
            pair_open(&pair, &policy, rows[i].server_name, context);
            assert_false(pair.client.is_shaken);
            assert_string_equal(pair.client.reason, "verify_failed");
            assert_string_equal(pair.client.detail, rows[i].detail);
            assert_string_equal(pair.server.reason, rows[i].told);
            pair_close(&pair);
            tls_context_unref(context);
        }
    }
}

static void test_accepted_certificates(void **state) /* DR-64 to DR-67 */
{
    static struct str listed[] = { STR("other.example"), STR("shop.example") };
    const struct {
        struct tls_client_policy policy;
        const struct made_certificate *issuer;
        const char *server_name;
        const char *sni;
    } rows[] = {
        { { .ca = root_ca, .verifies_server_name = true }, &root, "shop.example", "shop.example" },
        { { .ca = root_ca, .verifies_server_name = true },
          &root,
          "a.wild.example",
          "a.wild.example" },
        { { .ca = root_ca, .verifies_server_name = true }, &root, "192.0.2.1", "" },
        { { .ca = root_ca, .verifies_server_name = true }, &root, "[2001:db8::1]", "" },
        { { .ca = root_ca, .verifies_server_name = true }, &root, "", "" },
        { { .ca = root_ca }, &root, "third.example", "third.example" },
        { { .ca = root_ca, .subject_alt_names = { listed, 2, 2 }, .verifies_server_name = true },
          &root,
          "third.example",
          "third.example" },
        { { .skips_verification = true }, &other_root, "third.example", "third.example" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct make_certificate_request request = {
            .common_name = "leaf",
            .alt_names = "DNS:shop.example,DNS:*.wild.example,IP:192.0.2.1,IP:2001:db8::1",
            .issuer = rows[i].issuer
        };
        struct tls_context *context = server_context(&request, TLS_VERSION_AUTO, TLS_ALPN_HTTP);
        struct pair pair;
        pair_open(&pair, &rows[i].policy, rows[i].server_name, context);
        if (!pair.client.is_shaken || !pair.server.is_shaken) {
            fail_msg("row %zu: %s", i, pair.client.detail);
        }
        struct tls_session_facts facts;
        assert_true(transport_tls_facts(pair.server.transport, &facts));
        assert_true(str_equals(facts.server_name, str_from_cstr(rows[i].sni)));
        assert_null(transport_tls_context(pair.client.transport));
        assert_string_equal(pair.client.facts.version, "TLSv1.3");
        pair_close(&pair);
        tls_context_unref(context);
    }
}

/* --- What it offers --------------------------------------------------------------------------- */

static void test_alpn(void **state) /* DR-62, TL-70, TL-72 */
{
    static const struct {
        bool offers_h2;
        enum tls_alpn alpn;
        const char *chosen;
    } rows[] = {
        { false, TLS_ALPN_HTTP, "" },
        { true, TLS_ALPN_HTTP, "h2" },
        { true, TLS_ALPN_NONE, "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct make_certificate_request request = { .common_name = "leaf", .issuer = &root };
        struct tls_context *context = server_context(&request, TLS_VERSION_AUTO, rows[i].alpn);
        struct tls_client_policy policy = { .ca = root_ca, .offers_h2 = rows[i].offers_h2 };
        struct pair pair;
        pair_open(&pair, &policy, "shop.example", context);
        assert_true(pair.client.is_shaken && pair.server.is_shaken);
        assert_string_equal(pair.client.alpn, rows[i].chosen);
        assert_string_equal(pair.server.alpn, rows[i].chosen);
        struct tls_session_facts facts;
        assert_true(transport_tls_facts(pair.client.transport, &facts));
        assert_true(str_equals(facts.alpn, str_from_cstr(rows[i].chosen)));
        pair_close(&pair);
        tls_context_unref(context);
    }
}

/* A server of the library that wants a client certificate; ours has none of that kind. */
struct demanding_server {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
};

static enum ssl_verify_result_t accept_any(SSL *ssl, uint8_t *out_alert)
{
    (void)ssl;
    (void)out_alert;
    return ssl_verify_ok;
}

static void demanding_open(struct demanding_server *server, int fd, uint16_t version)
{
    struct made_certificate made;

    make_certificate(&(struct make_certificate_request){ .common_name = "leaf", .issuer = &root },
                     &made);
    server->fd = fd;
    server->ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_custom_verify(server->ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT,
                              accept_any);
    assert_int_equal(SSL_CTX_use_certificate(server->ctx, made.certificate), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server->ctx, made.key), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(server->ctx, version), 1);
    server->ssl = SSL_new(server->ctx);
    assert_int_equal(SSL_set_fd(server->ssl, fd), 1);
    SSL_set_accept_state(server->ssl);
    made_certificate_cleanup(&made);
}

static int demanding_shake(struct demanding_server *server)
{
    int result = 0;

    for (int turn = 0; turn < 20 && result != 1; turn++) {
        ERR_clear_error();
        result = SSL_do_handshake(server->ssl);
        turn_around(1);
    }
    ERR_clear_error();
    turn_around(5);
    return result;
}

static void demanding_close(struct demanding_server *server)
{
    SSL_free(server->ssl);
    SSL_CTX_free(server->ctx);
    assert_int_equal(close(server->fd), 0);
}

static void test_client_certificates(void **state) /* DR-61 */
{
    static const uint16_t versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct tls_client_policy without = { .ca = root_ca };
        struct tls_client_policy with = { .ca = root_ca, .pair = client_pair };
        struct demanding_server server;
        struct end client;
        int fds[2];

        socket_pair(fds);
        demanding_open(&server, fds[1], versions[i]);
        start_client(&client, fds[0], &without, "");
        assert_int_equal(demanding_shake(&server), -1);
        /* In TLS 1.3 our handshake is done by then, and the words stand with the transport. */
        const char *words = versions[i] == TLS1_3_VERSION ? client.error : client.detail;
        assert_int_equal(client.is_shaken, versions[i] == TLS1_3_VERSION);
        assert_int_equal(client.is_dead, versions[i] == TLS1_3_VERSION);
        assert_true(str_starts_with(str_from_cstr(words), STR("TLS_error:|")));
        assert_non_null(strstr(words, ":SSL routines:OPENSSL_internal:"));
        assert_non_null(strstr(words, "ALERT"));
        end_cleanup(&client);
        demanding_close(&server);

        socket_pair(fds);
        demanding_open(&server, fds[1], versions[i]);
        start_client(&client, fds[0], &with, "");
        assert_int_equal(demanding_shake(&server), 1);
        assert_true(client.is_shaken);
        X509 *shown = SSL_get_peer_certificate(server.ssl);
        assert_non_null(shown);
        X509_free(shown);
        end_cleanup(&client);
        demanding_close(&server);
    }
}

/* --- What goes wrong on the wire -------------------------------------------------------------- */

static void test_what_is_no_server(void **state) /* DR-69 */
{
    static const struct {
        const char *bytes; /* NULL: it closes */
        size_t len;
        const char *reason;
        const char *detail;
    } rows[] = {
        { NULL, 0, "peer_closed", "the peer closed during the handshake" },
        { "HTTP/1.1 400 Bad Request\r\n\r\n", 28, "wrong_version_number",
          "TLS_error:|268435703:SSL routines:OPENSSL_internal:WRONG_VERSION_NUMBER" },
        { "\x15\x03\x03\x00\x02\x02\x28", 7, "alert_handshake_failure",
          "TLS_error:|268436496:SSL routines:OPENSSL_internal:SSLV3_ALERT_HANDSHAKE_FAILURE" },
        { "\x15\x03\x03\x00\x02\x02\x70", 7, "alert_other",
          "TLS_error:|268436568:SSL routines:OPENSSL_internal:TLSV1_ALERT_UNRECOGNIZED_NAME" },
        { "\x15\x03\x03\x00\x02\x01\x00", 7, "peer_closed", "the peer said close_notify" },
    };
    struct tls_client_policy policy = { .ca = root_ca };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct end client;
        int fds[2];
        socket_pair(fds);
        start_client(&client, fds[0], &policy, "shop.example");
        turn_around(2);
        if (rows[i].bytes != NULL) {
            assert_int_equal(write(fds[1], rows[i].bytes, rows[i].len), rows[i].len);
        } else {
            assert_int_equal(shutdown(fds[1], SHUT_WR), 0);
        }
        turn_around(3);
        assert_string_equal(client.reason, rows[i].reason);
        if (strstr(client.detail, rows[i].detail) != client.detail) {
            fail_msg("row %zu: %s", i, client.detail);
        }
        assert_false(client.is_dead);
        end_cleanup(&client);
        assert_int_equal(close(fds[1]), 0);
    }
}

/* The hello is on the wire when the turn is over, behind what was written in the clear before it. */
static void test_the_hello_leaves(void **state)
{
    struct tls_client_policy policy = { .ca = root_ca };
    struct tls_client_context *context = tls_client_context_cache_get(client_contexts, &policy);
    struct err err = { 0 };
    struct end client;
    unsigned char wire[2048];
    int fds[2];

    (void)state;
    socket_pair(fds);
    (void)open_end(&client, fds[0]);
    transport_write(client.transport, "PROXY UNKNOWN\r\n", 15);
    assert_non_null(transport_tls_connect(client.transport, context, STR("shop.example"), &events,
                                          &client, &err));
    assert_false(transport_tls_facts(client.transport, &(struct tls_session_facts){ 0 }));
    turn_around(1);
    ssize_t count = read(fds[1], wire, sizeof(wire));
    assert_true(count > 15 + 5);
    assert_memory_equal(wire, "PROXY UNKNOWN\r\n\x16\x03\x01", 18);
    assert_int_equal(count, 15 + 5 + (wire[18] << 8) + wire[19]);
    tls_client_context_unref(context);
    end_cleanup(&client);
    assert_int_equal(close(fds[1]), 0);
}

/* --- Resumption ------------------------------------------------------------------------------- */

static bool shake_again(const struct tls_client_policy *policy, const char *server_name,
                        struct tls_context *context)
{
    struct pair pair;

    pair_open(&pair, policy, server_name, context);
    assert_true(pair.client.is_shaken);
    /* The tickets of TLS 1.3 come with the first bytes. */
    transport_write(pair.server.transport, "x", 1);
    turn_around(3);
    assert_int_equal(pair.client.received.len, 1);
    bool is_resumed = pair.client.facts.is_resumed;
    assert_int_equal(is_resumed, pair.server.facts.is_resumed);
    pair_close(&pair);
    return is_resumed;
}

static void test_resumption(void **state)
{
    (void)state;
    for (int max = TLS_VERSION_1_2; max <= TLS_VERSION_1_3; max++) {
        struct make_certificate_request request = { .common_name = "leaf",
                                                    .alt_names = "DNS:*.example",
                                                    .issuer = &root };
        struct tls_context *context =
            server_context(&request, (enum tls_version)max, TLS_ALPN_HTTP);
        struct tls_client_policy policy = { .ca = root_ca, .verifies_server_name = true };
        struct tls_client_policy other = { .ca = root_ca };
        struct tls_client_context *held = tls_client_context_cache_get(client_contexts, &policy);

        assert_false(shake_again(&policy, "a.example", context));
        assert_true(shake_again(&policy, "a.example", context));
        assert_true(shake_again(&policy, "a.example", context));
        /* Another name or another policy: nothing was checked for it yet. */
        assert_false(shake_again(&policy, "b.example", context));
        assert_false(shake_again(&other, "a.example", context));
        assert_true(shake_again(&policy, "a.example", context));
        /* Many names: the oldest go. */
        for (int i = 0; i < 70; i++) {
            char name[32];
            (void)snprintf(name, sizeof(name), "n%d.example", i);
            assert_false(shake_again(&policy, name, context));
        }
        assert_false(shake_again(&policy, "a.example", context));
        assert_true(shake_again(&policy, "n69.example", context));
        tls_client_context_unref(held);
        tls_context_unref(context);
    }
}

/* Stands before the C library's, for BoringSSL's X.509 code too. */
static int64_t clock_ahead_s;

time_t time(time_t *out)
{
    struct timespec now;

    assert_int_equal(clock_gettime(CLOCK_REALTIME, &now), 0);
    if (out != NULL) {
        *out = now.tv_sec + clock_ahead_s;
    }
    return now.tv_sec + clock_ahead_s;
}

/* A session is no way round the check: what it once passed may have run out. */
static void test_resumption_of_what_has_expired(void **state)
{
    struct pair pair;

    (void)state;
    for (int max = TLS_VERSION_1_2; max <= TLS_VERSION_1_3; max++) {
        struct make_certificate_request request = { .common_name = "leaf",
                                                    .alt_names = "DNS:a.example",
                                                    .not_after = (int64_t)time(NULL) + 600,
                                                    .issuer = &root };
        struct tls_context *context =
            server_context(&request, (enum tls_version)max, TLS_ALPN_HTTP);
        struct tls_client_policy policy = { .ca = root_ca, .verifies_server_name = true };
        struct tls_client_context *held = tls_client_context_cache_get(client_contexts, &policy);

        assert_false(shake_again(&policy, "a.example", context));
        assert_true(shake_again(&policy, "a.example", context));
        clock_ahead_s = 1200;
        pair_open(&pair, &policy, "a.example", context);
        clock_ahead_s = 0;
        assert_false(pair.client.is_shaken);
        assert_string_equal(pair.client.reason, "verify_failed");
        assert_non_null(strstr(pair.client.detail, "certificate has expired"));
        pair_close(&pair);
        tls_client_context_unref(held);
        tls_context_unref(context);
    }
}

/* --- Bytes and ends --------------------------------------------------------------------------- */

static void test_written_before_the_handshake(void **state)
{
    struct tls_context *context = usual_server();
    struct tls_client_policy policy = { .ca = root_ca };
    struct pair pair;
    int fds[2];

    (void)state;
    socket_pair(fds);
    start_client(&pair.client, fds[0], &policy, "shop.example");
    transport_write(pair.client.transport, "early ", 6);
    turn_around(2);
    transport_write(pair.client.transport, "bird", 4);
    start_server(&pair.server, fds[1], context);
    turn_around(10);
    assert_true(str_equals(text_view(&pair.server.received), STR("early bird")));
    pair_close(&pair);
    tls_context_unref(context);
}

/* What is behind the handshake waits for the owner who comes then, as a pool hands a transport on. */
static void test_an_owner_who_comes_later(void **state)
{
    struct tls_context *context = usual_server();
    struct tls_client_policy policy = { .ca = root_ca };
    struct pair pair;
    struct end late = { 0 };

    (void)state;
    pair_open(&pair, &policy, "shop.example", context);
    transport_set_handler(pair.client.transport, NULL, NULL);
    transport_tls_set_events(pair.client.transport, NULL, NULL);
    transport_write(pair.server.transport, "hello", 5);
    turn_around(3);
    assert_int_equal(pair.client.received.len, 0);
    late.transport = pair.client.transport;
    transport_set_handler(pair.client.transport, &handler, &late);
    turn_around(3);
    assert_true(str_equals(text_view(&late.received), STR("hello")));
    assert_true(transport_tls_facts(pair.client.transport, &(struct tls_session_facts){ 0 }));
    text_cleanup(&late.received);
    pair_close(&pair);
    tls_context_unref(context);
}

static void test_nobody_listens(void **state)
{
    struct tls_client_policy policy = { .ca = root_ca };
    struct end client;
    int fds[2];

    (void)state;
    socket_pair(fds);
    start_client(&client, fds[0], &policy, "shop.example");
    transport_tls_set_events(client.transport, NULL, NULL);
    assert_int_equal(write(fds[1], "nonsense", 8), 8);
    turn_around(3);
    assert_string_equal(client.reason, "");
    assert_true(client.is_dead); /* so it is the transport that fails */
    assert_true(str_starts_with(str_from_cstr(client.error), STR("TLS_error:|")));
    end_cleanup(&client);
    assert_int_equal(close(fds[1]), 0);
}

/* One direction ends with close_notify and FIN; the other goes on for a megabyte. */
static void test_half_close(void **state)
{
    enum { BULK = 1024 * 1024 };
    struct tls_context *context = usual_server();
    struct tls_client_policy policy = { .ca = root_ca };
    char *bulk = malloc(BULK);

    (void)state;
    memset(bulk, 'b', BULK);
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        pair_open(&pair, &policy, "shop.example", context);
        struct end *first = i == 0 ? &pair.client : &pair.server;
        struct end *second = i == 0 ? &pair.server : &pair.client;

        transport_write(first->transport, "request", 7);
        transport_end_write(first->transport);
        transport_write(first->transport, "too late", 8);
        turn_around(5);
        assert_true(str_equals(text_view(&second->received), STR("request")));
        assert_true(second->is_ended && second->is_clean);
        assert_false(first->is_ended);

        transport_write(second->transport, bulk, BULK);
        for (int turn = 0; turn < 2000 && first->received.len < BULK; turn++) {
            loop_run_once(loop, 0);
        }
        assert_int_equal(first->received.len, BULK);
        assert_false(first->is_ended || first->is_dead || second->is_dead);
        transport_end_write(second->transport);
        turn_around(5);
        assert_true(first->is_ended && first->is_clean);
        assert_false(first->is_dead || second->is_dead);
        pair_close(&pair);
    }
    free(bulk);
    tls_context_unref(context);
}

/* A cut is not an end: what came may not be all (either side). */
static void test_a_cut_is_told(void **state)
{
    struct tls_context *context = usual_server();
    struct tls_client_policy policy = { .ca = root_ca };

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct pair pair;
        pair_open(&pair, &policy, "shop.example", context);
        struct end *cut = i == 0 ? &pair.client : &pair.server;
        struct end *other = i == 0 ? &pair.server : &pair.client;
        assert_int_equal(shutdown(transport_fd(cut->transport), SHUT_WR), 0);
        turn_around(3);
        assert_true(other->is_ended && !other->is_clean);
        pair_close(&pair);
    }
    tls_context_unref(context);
}

static int set_up(void **state)
{
    struct made_certificate client;
    struct err err = { 0 };

    (void)state;
    make_certificate(&(struct make_certificate_request){ .common_name = "a root", .is_ca = true },
                     &root);
    make_certificate(
        &(struct make_certificate_request){ .common_name = "another root", .is_ca = true },
        &other_root);
    make_certificate(&(struct make_certificate_request){ .common_name = "client",
                                                         .issuer = &root,
                                                         .is_client_only = true },
                     &client);
    root_ca = parse(NULL, NULL, root.certificate_pem);
    client_pair = parse(client.certificate_pem, client.key_pem, NULL);
    made_certificate_cleanup(&client);
    keys = ticket_keys_new();
    server_contexts = tls_context_cache_new(keys);
    client_contexts = tls_client_context_cache_new();
    loop = loop_new(&err);
    return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    tls_client_context_cache_free(client_contexts);
    tls_context_cache_free(server_contexts);
    ticket_keys_free(keys);
    secret_unref(root_ca);
    secret_unref(client_pair);
    made_certificate_cleanup(&root);
    made_certificate_cleanup(&other_root);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_certificates),
        cmocka_unit_test(test_accepted_certificates),
        cmocka_unit_test(test_alpn),
        cmocka_unit_test(test_client_certificates),
        cmocka_unit_test(test_what_is_no_server),
        cmocka_unit_test(test_the_hello_leaves),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_resumption_of_what_has_expired),
        cmocka_unit_test(test_written_before_the_handshake),
        cmocka_unit_test(test_an_owner_who_comes_later),
        cmocka_unit_test(test_nobody_listens),
        cmocka_unit_test(test_half_close),
        cmocka_unit_test(test_a_cut_is_told),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
