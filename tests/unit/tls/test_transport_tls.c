/* Tests of tls/transport_tls.c with a real client of the library on the other end of a socket pair, in
 * the same loop. TL-31, TL-40, TL-56, TL-58b, TL-70, TL-71, HR-2: versions, suites, ALPN, resumption
 * over renewal and key rotation; cut, foreign and hostile bytes; closing. */
#include "tls/transport_tls.h"

#include "gateway/base/limits.h"
#include "gateway/base/now.h"
#include "tests/unit/support/make_certificate.h"
#include "tls/ticket_keys.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static struct made_certificate ec_pair;
static struct made_certificate rsa_pair;
static struct made_certificate renewed_pair;
static struct ticket_keys *keys;
static struct tls_context_cache *cache;
static struct loop *loop;

/* --- Both ends -------------------------------------------------------------------------------- */

struct server_end {
    struct transport *transport;
    struct text received;
    bool is_shaken;
    bool is_ended;
    bool is_clean;
    bool is_dead;
    bool is_echoing;
    bool pauses; /* after each delivery */
    char reason[64];
    char detail[160];
    struct tls_session_facts facts;
};

static size_t on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct server_end *end = owner;

    text_add(&end->received, str_from((const char *)bytes, len));
    if (end->is_echoing) {
        transport_write(end->transport, bytes, len);
    }
    if (end->pauses) {
        transport_pause_read(end->transport, TRANSPORT_PAUSE_LEG);
    }
    return len;
}

static void on_end(void *owner, bool is_clean)
{
    struct server_end *end = owner;

    end->is_ended = true;
    end->is_clean = is_clean;
}

static void on_drained(void *owner)
{
    (void)owner;
}

static void on_dead(void *owner, enum transport_end why)
{
    struct server_end *end = owner;

    (void)why;
    end->is_dead = true;
    transport_close(end->transport);
    end->transport = NULL;
}

static const struct transport_handler handler = { on_data, on_end, on_drained, on_dead, NULL };

static void on_handshake(void *owner, const struct tls_session_facts *facts)
{
    struct server_end *end = owner;

    end->is_shaken = true;
    end->facts = *facts;
}

static void on_handshake_failure(void *owner, const char *reason, const char *detail)
{
    struct server_end *end = owner;

    (void)snprintf(end->reason, sizeof(end->reason), "%s", reason);
    (void)snprintf(end->detail, sizeof(end->detail), "%s", detail);
    transport_linger_close(end->transport);
    end->transport = NULL;
}

static const struct transport_tls_events events = { on_handshake, on_handshake_failure };

struct pair {
    struct server_end server;
    int client_fd;
    SSL *client;
    SSL_CTX *client_ctx;
};

static void pair_open(struct pair *pair, struct tls_context *context)
{
    int fds[2];
    struct err err = { 0 };

    memset(pair, 0, sizeof(*pair));
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair->client_fd = fds[1];
    pair->server.transport = transport_new(loop, fds[0], NULL);
    transport_set_handler(pair->server.transport, &handler, &pair->server);
    assert_false(transport_tls_facts(pair->server.transport, &(struct tls_session_facts){ 0 }));
    if (transport_tls_accept(pair->server.transport, context, &events, &pair->server, &err) ==
        NULL) {
        fail_msg("%s", err.text);
    }
}

static void pair_close(struct pair *pair)
{
    SSL_free(pair->client);
    SSL_CTX_free(pair->client_ctx);
    if (pair->client_fd != -1) {
        assert_int_equal(close(pair->client_fd), 0);
    }
    transport_close(pair->server.transport);
    loop_run_once(loop, 0);
    text_cleanup(&pair->server.received);
}

static void pair_start_client(struct pair *pair)
{
    pair->client_ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_verify(pair->client_ctx, SSL_VERIFY_NONE, NULL);
    assert_int_equal(SSL_CTX_set_min_proto_version(pair->client_ctx, TLS1_VERSION), 1);
    pair->client = SSL_new(pair->client_ctx);
    SSL_set_connect_state(pair->client);
    assert_int_equal(SSL_set_fd(pair->client, pair->client_fd), 1);
    assert_int_equal(SSL_set_tlsext_host_name(pair->client, "shop.example"), 1);
}

/* Turns until the client is done (1) or failed (-1), or nothing can happen any more (0). */
static int pair_shake(struct pair *pair)
{
    for (int turn = 0; turn < 200; turn++) {
        ERR_clear_error();
        int result = SSL_do_handshake(pair->client);
        loop_run_once(loop, 0);
        if (result == 1) {
            loop_run_once(loop, 0);
            return 1;
        }
        if (SSL_get_error(pair->client, result) != SSL_ERROR_WANT_READ) {
            loop_run_once(loop, 0);
            return -1;
        }
    }
    return 0;
}

/* What the client gets of `wanted` bytes. */
static size_t client_read(struct pair *pair, char *out, size_t wanted)
{
    size_t len = 0;

    for (int turn = 0; turn < 2000 && len < wanted; turn++) {
        ERR_clear_error();
        int count = SSL_read(pair->client, out + len, (int)(wanted - len));
        if (count > 0) {
            len += (size_t)count;
        } else if (SSL_get_error(pair->client, count) != SSL_ERROR_WANT_READ) {
            break;
        } else {
            loop_run_once(loop, 0);
        }
    }
    return len;
}

static struct secret *secret_of(const struct made_certificate *made, const char *name)
{
    struct secret_source source = {
        .name = str_from_cstr(name),
        .origin = STR("test"),
        .certificate_pem = str_from_cstr(made->certificate_pem),
        .key_pem = str_from_cstr(made->key_pem),
    };
    struct str_vec warnings = { 0 };
    struct arena *arena = arena_new(512);
    struct err err = { 0 };
    struct secret *secret =
        secret_parse(&source, (int64_t)(now_wall_us() / 1000000), &warnings, arena, &err);

    if (secret == NULL) {
        fail_msg("%s", err.text);
    }
    arena_free(arena);
    return secret;
}

static struct tls_context *context_of(struct secret *secret, enum tls_version min,
                                      enum tls_version max, const char *suite)
{
    struct arena *arena = arena_new(1024);
    struct str name = str_from_cstr(suite);
    struct tls_policy_request request = { .min_version = min,
                                          .max_version = max,
                                          .cipher_suites = &name,
                                          .cipher_suite_count = suite != NULL ? 1 : 0 };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;

    assert_true(tls_policy_compile(arena, &request, &policy, &notes));
    struct tls_context *context = tls_context_cache_get(cache, &policy, secret);
    arena_free(arena);
    return context;
}

static struct tls_context *usual_context(const struct made_certificate *made)
{
    struct secret *secret = secret_of(made, "usual");
    struct tls_context *context = context_of(secret, TLS_VERSION_1_0, TLS_VERSION_1_3, "ALL");

    secret_unref(secret);
    return context;
}

/* --- What a hostile or foreign peer does ------------------------------------------------------ */

static void test_what_is_no_handshake(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *reason;
    } rows[] = {
        { "GET / HTTP/1.1\r\nHost: a\r\n\r\n", 27, "http_request" },
        { "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10, "unexpected_message" },
        { "\x16\x03\x01\x00\x08\x01\x00\x00\x04\x03\x03\x00\x00", 13, "decode_error" },
        { "\x16\x03\x01\xff\xff\x01\x00\x00\x04\x03\x03\x00\x00", 13, "bad_record" },
        { "\x99\x99\x99\x99\x99\x99\x99", 7, "wrong_version_number" },
        { "\x15\x03\x01\x00\x02\x02\x2a", 7, "bad_certificate" },
        { "\x15\x03\x01\x00\x02\x02\x30", 7, "unknown_ca" },
        { "\x15\x03\x01\x00\x02\x02\x2e", 7, "certificate_unknown" },
        { "\x15\x03\x01\x00\x02\x02\x0a", 7, "alert_other" },
        { "\x15\x03\x01\x00\x02\x01\x00", 7, "peer_closed" },
    };
    struct tls_context *context = usual_context(&ec_pair);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct pair pair;
        pair_open(&pair, context);
        assert_int_equal(write(pair.client_fd, rows[i].bytes, rows[i].len), rows[i].len);
        for (int turn = 0; turn < 5; turn++) {
            loop_run_once(loop, 0);
        }
        if (strcmp(pair.server.reason, rows[i].reason) != 0) {
            fail_msg("row %zu: '%s' (%s)", i, pair.server.reason, pair.server.detail);
        }
        assert_false(pair.server.is_shaken);
        assert_int_equal(pair.server.received.len, 0);
        pair_close(&pair);
    }
    tls_context_unref(context);
}

/* The alert is out before the close, and the peer's unread bytes do not reset it away. */
static void test_an_alert_is_readable(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;
    unsigned char alert[32];

    (void)state;
    pair_open(&pair, context);
    assert_int_equal(write(pair.client_fd, "\x16\x03\x01\x00\x05\x02\x00\x00\x01\x00", 10), 10);
    for (int turn = 0; turn < 3; turn++) {
        loop_run_once(loop, 0);
        ssize_t more = write(pair.client_fd, "more", 4); /* may find it closed */
        assert_true(more == 4 || more == -1);
    }
    assert_int_equal(read(pair.client_fd, alert, sizeof(alert)), 7);
    assert_int_equal(alert[0], 21);
    assert_int_equal(alert[5], 2);
    assert_int_equal(alert[6], 10); /* unexpected_message */
    pair_close(&pair);
    tls_context_unref(context);

    assert_int_equal(transport_tls_plain_alert(alert, TLS_ALERT_UNRECOGNIZED_NAME), 7);
    assert_memory_equal(alert, "\x15\x03\x01\x00\x02\x02\x70", 7);
}

static void test_the_peer_leaves_during_the_handshake(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;

    (void)state;
    pair_open(&pair, context);
    pair_start_client(&pair);
    ERR_clear_error();
    assert_int_equal(SSL_do_handshake(pair.client), -1); /* the hello is out */
    loop_run_once(loop, 0);
    assert_int_equal(shutdown(pair.client_fd, SHUT_WR), 0);
    for (int turn = 0; turn < 5; turn++) {
        loop_run_once(loop, 0);
    }
    assert_string_equal(pair.server.reason, "peer_closed");
    pair_close(&pair);
    tls_context_unref(context);
}

static void test_nothing_in_common(void **state)
{
    static const struct {
        enum tls_version min;
        enum tls_version max;
        const char *suite;
        uint16_t client_max;
        const char *client_suites;
        const char *curves;
        const char *reason;
    } rows[] = {
        { TLS_VERSION_1_3, TLS_VERSION_1_3, NULL, TLS1_2_VERSION, NULL, NULL,
          "unsupported_protocol" },
        { TLS_VERSION_1_2, TLS_VERSION_1_2, "ECDHE-ECDSA-AES256-GCM-SHA384", TLS1_2_VERSION,
          "ECDHE-ECDSA-AES128-GCM-SHA256", NULL, "no_shared_cipher" },
        /* TL-58c: an ECDSA certificate cannot serve RSA suites */
        { TLS_VERSION_1_2, TLS_VERSION_1_2, "ECDHE-RSA-AES128-GCM-SHA256", TLS1_2_VERSION, NULL,
          NULL, "no_shared_cipher" },
        { TLS_VERSION_1_3, TLS_VERSION_1_3, NULL, TLS1_3_VERSION, NULL, "P-521",
          "no_shared_group" },
    };
    struct secret *secret = secret_of(&ec_pair, "usual");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_context *context = context_of(secret, rows[i].min, rows[i].max, rows[i].suite);
        struct pair pair;
        pair_open(&pair, context);
        pair_start_client(&pair);
        assert_int_equal(SSL_set_max_proto_version(pair.client, rows[i].client_max), 1);
        if (rows[i].client_suites != NULL) {
            assert_int_equal(SSL_set_strict_cipher_list(pair.client, rows[i].client_suites), 1);
        }
        if (rows[i].curves != NULL) {
            assert_int_equal(SSL_set1_curves_list(pair.client, rows[i].curves), 1);
        }
        assert_int_equal(pair_shake(&pair), -1);
        if (strcmp(pair.server.reason, rows[i].reason) != 0) {
            fail_msg("row %zu: '%s' (%s)", i, pair.server.reason, pair.server.detail);
        }
        pair_close(&pair);
        tls_context_unref(context);
    }
    secret_unref(secret);
}

/* --- What works ------------------------------------------------------------------------------- */

static void test_each_version_and_suite(void **state) /* TL-40, TL-58b, TL-58c, TL-70 */
{
    static const struct {
        const struct made_certificate *made;
        uint16_t version;
        const char *suite; /* of the client; NULL: its own list */
        const char *version_name;
        const char *group;
        const char *alpn;
    } rows[] = {
        { &ec_pair, TLS1_3_VERSION, NULL, "TLSv1.3", "X25519", "h2" },
        { &rsa_pair, TLS1_3_VERSION, NULL, "TLSv1.3", "X25519", "h2" },
        { &ec_pair, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2", "X25519", "h2" },
        { &ec_pair, TLS1_2_VERSION, "ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2", "X25519", "h2" },
        { &rsa_pair, TLS1_2_VERSION, "ECDHE-RSA-AES256-GCM-SHA384", "TLSv1.2", "X25519", "h2" },
        /* RFC 9113 appendix A: these are no suites for HTTP/2. */
        { &ec_pair, TLS1_2_VERSION, "ECDHE-ECDSA-AES128-SHA", "TLSv1.2", "X25519", "http/1.1" },
        { &rsa_pair, TLS1_2_VERSION, "AES128-GCM-SHA256", "TLSv1.2", "", "http/1.1" },
        { &rsa_pair, TLS1_1_VERSION, "ECDHE-RSA-AES128-SHA", "TLSv1.1", "X25519", "http/1.1" },
        { &ec_pair, TLS1_VERSION, "ECDHE-ECDSA-AES256-SHA", "TLSv1", "X25519", "http/1.1" },
        { &rsa_pair, TLS1_VERSION, "AES256-SHA", "TLSv1", "", "http/1.1" },
    };
    /* Our order counts, not the client's (TL-70). */
    static const uint8_t alpn[] = "\x08http/1.1\x02h2";

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_context *context = usual_context(rows[i].made);
        struct pair pair;
        char answer[8] = "";
        pair_open(&pair, context);
        pair_start_client(&pair);
        assert_int_equal(SSL_set_min_proto_version(pair.client, rows[i].version), 1);
        assert_int_equal(SSL_set_max_proto_version(pair.client, rows[i].version), 1);
        assert_int_equal(SSL_set_alpn_protos(pair.client, alpn, sizeof(alpn) - 1), 0);
        if (rows[i].suite != NULL) {
            assert_int_equal(SSL_set_strict_cipher_list(pair.client, rows[i].suite), 1);
        }
        pair.server.is_echoing = true;
        if (pair_shake(&pair) != 1 || !pair.server.is_shaken) {
            fail_msg("row %zu: %s %s", i, pair.server.reason, pair.server.detail);
        }
        assert_string_equal(pair.server.facts.version, rows[i].version_name);
        assert_string_equal(pair.server.facts.group, rows[i].group);
        if (rows[i].suite != NULL) {
            assert_string_equal(pair.server.facts.cipher, rows[i].suite);
        }
        assert_true(str_equals(pair.server.facts.alpn, str_from_cstr(rows[i].alpn)));
        assert_true(str_equals(pair.server.facts.server_name, STR("shop.example")));
        assert_false(pair.server.facts.is_resumed);
        assert_ptr_equal(transport_tls_context(pair.server.transport), context);
        assert_true(transport_tls_facts(pair.server.transport, &(struct tls_session_facts){ 0 }));
        assert_int_equal(SSL_write(pair.client, "ping", 4), 4);
        assert_int_equal(client_read(&pair, answer, 4), 4);
        assert_string_equal(answer, "ping");
        pair_close(&pair);
        tls_context_unref(context);
    }
}

/* TL-71: no ALPN, or none in common: the handshake goes on without. */
static void test_no_common_alpn(void **state)
{
    static const uint8_t foreign[] = "\x02h3";
    struct tls_context *context = usual_context(&ec_pair);

    (void)state;
    for (int has_alpn = 0; has_alpn < 2; has_alpn++) {
        struct pair pair;
        pair_open(&pair, context);
        pair_start_client(&pair);
        if (has_alpn) {
            assert_int_equal(SSL_set_alpn_protos(pair.client, foreign, 3), 0);
        }
        assert_int_equal(pair_shake(&pair), 1);
        assert_int_equal(pair.server.facts.alpn.len, 0);
        pair_close(&pair);
    }
    tls_context_unref(context);
}

/* TL-72: where TLS ends and bytes go on, nothing is chosen for the backend. */
static void test_a_server_of_bytes_has_no_alpn(void **state)
{
    static const uint8_t alpn[] = "\x02h2\x08http/1.1";
    struct tls_policy_request request = { .alpn = TLS_ALPN_NONE };
    struct tls_policy_notes notes = { 0 };
    struct secret *secret = secret_of(&ec_pair, "usual");
    struct arena *arena = arena_new(512);
    struct tls_policy policy;
    struct pair pair;

    (void)state;
    assert_true(tls_policy_compile(arena, &request, &policy, &notes));
    struct tls_context *context = tls_context_cache_get(cache, &policy, secret);
    struct tls_context *http = context_of(secret, TLS_VERSION_AUTO, TLS_VERSION_AUTO, NULL);
    assert_ptr_not_equal(context, http);
    assert_false(tls_context_same(context, http));
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(SSL_set_alpn_protos(pair.client, alpn, sizeof(alpn) - 1), 0);
    assert_int_equal(pair_shake(&pair), 1);
    assert_int_equal(pair.server.facts.alpn.len, 0);
    pair_close(&pair);
    tls_context_unref(http);
    tls_context_unref(context);
    secret_unref(secret);
    arena_free(arena);
}

/* TL-56: ours decides between groups, the client's inside one. */
static void test_who_decides_the_suite(void **state)
{
    static const struct {
        const char *list[2];
        const char *client;
        const char *chosen;
    } rows[] = {
        { { "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-ECDSA-AES128-GCM-SHA256" },
          "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
          "ECDHE-ECDSA-AES256-GCM-SHA384" },
        { { "[ECDHE-ECDSA-AES256-GCM-SHA384|ECDHE-ECDSA-AES128-GCM-SHA256]", "AES128-SHA" },
          "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384",
          "ECDHE-ECDSA-AES128-GCM-SHA256" },
    };
    struct secret *secret = secret_of(&ec_pair, "usual");

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(512);
        struct str names[] = { str_from_cstr(rows[i].list[0]), str_from_cstr(rows[i].list[1]) };
        struct tls_policy_request request = { .max_version = TLS_VERSION_1_2,
                                              .cipher_suites = names,
                                              .cipher_suite_count = 2 };
        struct tls_policy_notes notes = { 0 };
        struct tls_policy policy;
        struct pair pair;
        assert_true(tls_policy_compile(arena, &request, &policy, &notes));
        struct tls_context *context = tls_context_cache_get(cache, &policy, secret);
        pair_open(&pair, context);
        pair_start_client(&pair);
        assert_int_equal(SSL_set_max_proto_version(pair.client, TLS1_2_VERSION), 1);
        assert_int_equal(SSL_set_strict_cipher_list(pair.client, rows[i].client), 1);
        assert_int_equal(pair_shake(&pair), 1);
        assert_string_equal(pair.server.facts.cipher, rows[i].chosen);
        pair_close(&pair);
        tls_context_unref(context);
        arena_free(arena);
    }
    secret_unref(secret);
}

/* --- Resumption ------------------------------------------------------------------------------- */

static SSL_SESSION *kept_session;
static int session_count;

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    (void)ssl;
    SSL_SESSION_free(kept_session);
    kept_session = session;
    session_count++;
    return 1;
}

/* A handshake with `context`, offering what was kept; the new session is kept instead. */
static bool shake_and_resume(struct tls_context *context, uint16_t version)
{
    struct pair pair;
    char answer[4];

    pair_open(&pair, context);
    pair.server.is_echoing = true;
    pair_start_client(&pair);
    SSL_CTX_set_session_cache_mode(pair.client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(pair.client_ctx, on_session);
    assert_int_equal(SSL_set_max_proto_version(pair.client, version), 1);
    if (kept_session != NULL) {
        assert_int_equal(SSL_set_session(pair.client, kept_session), 1);
    }
    session_count = 0;
    assert_int_equal(pair_shake(&pair), 1);
    bool is_resumed = pair.server.facts.is_resumed;
    assert_int_equal(SSL_write(pair.client, "ping", 4), 4);
    assert_int_equal(client_read(&pair, answer, 4), 4); /* the tickets come before it */
    pair_close(&pair);
    return is_resumed;
}

static void forget_session(void)
{
    SSL_SESSION_free(kept_session);
    kept_session = NULL;
}

static void test_resumption(void **state) /* HR-2 */
{
    static const uint16_t versions[] = { TLS1_2_VERSION, TLS1_3_VERSION };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct secret *secret = secret_of(&ec_pair, "shop");
        struct secret *renewed = secret_of(&renewed_pair, "shop");
        struct secret *other = secret_of(&ec_pair, "other");
        struct tls_context *a = context_of(secret, TLS_VERSION_AUTO, TLS_VERSION_AUTO, NULL);
        struct tls_context *b = context_of(renewed, TLS_VERSION_AUTO, TLS_VERSION_AUTO, NULL);
        struct tls_context *c = context_of(other, TLS_VERSION_AUTO, TLS_VERSION_AUTO, NULL);
        struct tls_context *d = context_of(secret, TLS_VERSION_AUTO, TLS_VERSION_AUTO, "ALL");
        assert_ptr_not_equal(a, b);

        assert_false(shake_and_resume(a, versions[i]));
        assert_int_equal(session_count, 1); /* one ticket is enough */
        assert_true(shake_and_resume(a, versions[i]));
        /* The secret was renewed: another context, the same name. */
        assert_true(shake_and_resume(b, versions[i]));
        /* A key of the hour before is taken, one of two hours before is not. */
        ticket_keys_rotate(keys);
        assert_true(shake_and_resume(a, versions[i]));
        ticket_keys_rotate(keys);
        ticket_keys_rotate(keys);
        assert_false(shake_and_resume(a, versions[i]));
        /* Another secret or another policy is another door. */
        SSL_SESSION *session = kept_session;
        SSL_SESSION_up_ref(session);
        assert_false(shake_and_resume(c, versions[i]));
        forget_session();
        kept_session = session;
        assert_false(shake_and_resume(d, versions[i]));
        forget_session();

        tls_context_unref(a);
        tls_context_unref(b);
        tls_context_unref(c);
        tls_context_unref(d);
        secret_unref(secret);
        secret_unref(renewed);
        secret_unref(other);
    }
}

/* --- Bytes ------------------------------------------------------------------------------------ */

/* A client whose bytes arrive one at a time. */
static void pump_bytewise(SSL *client, BIO *to_wire, BIO *from_wire, int fd)
{
    char byte;
    char many[512];
    ssize_t count;

    (void)client;
    while (BIO_read(to_wire, &byte, 1) == 1) {
        assert_int_equal(write(fd, &byte, 1), 1);
        loop_run_once(loop, 0);
    }
    while ((count = read(fd, many, sizeof(many))) > 0) {
        assert_int_equal(BIO_write(from_wire, many, (int)count), count);
    }
}

static void test_one_byte_at_a_time(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);

    (void)state;
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        struct pair pair;
        char answer[8] = "";
        pair_open(&pair, context);
        pair.server.is_echoing = true;
        pair_start_client(&pair);
        BIO *in = BIO_new(BIO_s_mem());
        BIO *out = BIO_new(BIO_s_mem());
        SSL_set_bio(pair.client, in, out);
        BIO_set_mem_eof_return(in, -1);
        assert_int_equal(SSL_set_max_proto_version(pair.client, (uint16_t)version), 1);
        int result = 0;
        for (int turn = 0; turn < 10 && result != 1; turn++) {
            ERR_clear_error();
            result = SSL_do_handshake(pair.client);
            pump_bytewise(pair.client, out, in, pair.client_fd);
        }
        assert_int_equal(result, 1);
        assert_true(pair.server.is_shaken);
        assert_int_equal(SSL_write(pair.client, "hello", 5), 5);
        pump_bytewise(pair.client, out, in, pair.client_fd);
        assert_int_equal(SSL_read(pair.client, answer, 8), 5);
        assert_string_equal(answer, "hello");
        pair_close(&pair);
    }
    tls_context_unref(context);
}

/* The hello was collected before TLS was started: it is offered through the filter. */
static size_t leave_lying(void *owner, const unsigned char *bytes, size_t len)
{
    (void)owner;
    (void)bytes;
    (void)len;
    return 0;
}

static void test_bytes_collected_before(void **state)
{
    static const struct transport_handler collector = { leave_lying, on_end, on_drained, on_dead,
                                                        NULL };
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair = { .server = { .is_echoing = true } };
    struct err err = { 0 };
    char answer[4];
    int fds[2];

    (void)state;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    pair.client_fd = fds[1];
    pair.server.transport = transport_new(loop, fds[0], NULL);
    transport_set_handler(pair.server.transport, &collector, &pair.server);
    pair_start_client(&pair);
    ERR_clear_error();
    assert_int_equal(SSL_do_handshake(pair.client), -1);
    loop_run_once(loop, 0);
    assert_true(transport_unread_bytes(pair.server.transport) > 100);
    transport_set_handler(pair.server.transport, &handler, &pair.server);
    assert_non_null(
        transport_tls_accept(pair.server.transport, context, &events, &pair.server, &err));
    assert_int_equal(pair_shake(&pair), 1);
    assert_int_equal(SSL_write(pair.client, "ping", 4), 4);
    assert_int_equal(client_read(&pair, answer, 4), 4);
    pair_close(&pair);
    tls_context_unref(context);
}

/* What is written before the handshake is done waits, and arrives whole and in order. */
static void test_written_before_the_handshake(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;
    char answer[16] = "";

    (void)state;
    pair_open(&pair, context);
    transport_write(pair.server.transport, "one ", 4);
    loop_run_once(loop, 0);
    transport_write(pair.server.transport, "two ", 4);
    pair_start_client(&pair);
    assert_int_equal(pair_shake(&pair), 1);
    transport_write(pair.server.transport, "three", 5);
    assert_int_equal(client_read(&pair, answer, 13), 13);
    assert_string_equal(answer, "one two three");
    pair_close(&pair);
    tls_context_unref(context);
}

/* A megabyte each way, in whatever pieces the socket gives; the owner pauses after each delivery. */
static void test_bulk_with_pauses(void **state)
{
    enum { BULK = 1024 * 1024 };
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;
    char *sent = malloc(BULK);
    char *got = malloc(BULK);
    size_t written = 0;

    (void)state;
    for (size_t i = 0; i < BULK; i++) {
        sent[i] = (char)(i * 7 + i / 251);
    }
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(pair_shake(&pair), 1);
    pair.server.pauses = true;
    for (int turn = 0; turn < 20000 && pair.server.received.len < BULK; turn++) {
        ERR_clear_error();
        size_t part = BULK - written < 16384 ? BULK - written : 16384;
        int count = part > 0 ? SSL_write(pair.client, sent + written, (int)part) : 0;
        written += count > 0 ? (size_t)count : 0;
        loop_run_once(loop, 0);
        transport_resume_read(pair.server.transport, TRANSPORT_PAUSE_LEG);
    }
    assert_int_equal(pair.server.received.len, BULK);
    assert_memory_equal(pair.server.received.ptr, sent, BULK);
    transport_write(pair.server.transport, sent, BULK / 2);
    transport_write(pair.server.transport, sent + BULK / 2, BULK / 2);
    assert_int_equal(client_read(&pair, got, BULK), BULK);
    assert_memory_equal(got, sent, BULK);
    free(sent);
    free(got);
    pair_close(&pair);
    tls_context_unref(context);
}

/* Small records first, large ones in bulk. */
static void test_record_sizes_grow(void **state)
{
    enum { BULK = 128 * 1024 };
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;
    unsigned char *wire = malloc(4 * BULK);
    char *sent = calloc(1, BULK);
    size_t len = 0;
    size_t records = 0;
    size_t largest = 0;
    size_t first = 0;

    (void)state;
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(SSL_set_max_proto_version(pair.client, TLS1_2_VERSION), 1);
    assert_int_equal(pair_shake(&pair), 1);
    transport_write(pair.server.transport, sent, BULK);
    for (int turn = 0; turn < 100; turn++) {
        ssize_t count = read(pair.client_fd, wire + len, 4 * BULK - len);
        len += count > 0 ? (size_t)count : 0;
        loop_run_once(loop, 0);
    }
    for (size_t at = 0; at + 5 <= len; records++) {
        size_t size = (size_t)wire[at + 3] << 8 | wire[at + 4];
        first = records == 0 ? size : first;
        largest = size > largest ? size : largest;
        at += 5 + size;
    }
    assert_true(first < 1460 - 5 && first > 1300);
    assert_true(largest > 16384);
    assert_in_range(records, 15, 30);
    free(wire);
    free(sent);
    pair_close(&pair);
    tls_context_unref(context);
}

/* --- Closing ---------------------------------------------------------------------------------- */

static void test_close_notify(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;
    char byte;

    (void)state;
    /* Theirs is a clean end, and we can still write. */
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(pair_shake(&pair), 1);
    assert_int_equal(SSL_write(pair.client, "last", 4), 4);
    assert_int_equal(SSL_shutdown(pair.client), 0);
    for (int turn = 0; turn < 5; turn++) {
        loop_run_once(loop, 0);
    }
    assert_int_equal(pair.server.received.len, 4);
    assert_true(pair.server.is_ended && pair.server.is_clean);
    assert_int_equal(write(pair.client_fd, "garbage behind it", 17), 17);
    loop_run_once(loop, 0);
    assert_false(pair.server.is_dead);
    /* Ours comes behind all that was written. */
    transport_write(pair.server.transport, "x", 1);
    transport_end_write(pair.server.transport);
    assert_int_equal(client_read(&pair, &byte, 1), 1);
    ERR_clear_error();
    int result = SSL_read(pair.client, &byte, 1);
    assert_int_equal(SSL_get_error(pair.client, result), SSL_ERROR_ZERO_RETURN);
    pair_close(&pair);

    /* A cut is not a clean end (truncation). */
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(pair_shake(&pair), 1);
    assert_int_equal(close(pair.client_fd), 0);
    pair.client_fd = -1;
    for (int turn = 0; turn < 5; turn++) {
        loop_run_once(loop, 0);
    }
    assert_true(pair.server.is_ended && !pair.server.is_clean);
    pair_close(&pair);
    tls_context_unref(context);
}

static void test_a_bad_record_kills(void **state)
{
    struct tls_context *context = usual_context(&ec_pair);
    struct pair pair;

    (void)state;
    pair_open(&pair, context);
    pair_start_client(&pair);
    assert_int_equal(pair_shake(&pair), 1);
    assert_int_equal(SSL_write(pair.client, "fine", 4), 4);
    assert_int_equal(write(pair.client_fd,
                           "\x17\x03\x03\x00\x15"
                           "012345678901234567890",
                           26),
                     26);
    for (int turn = 0; turn < 5; turn++) {
        loop_run_once(loop, 0);
    }
    /* What came before is delivered, what comes after is not read. */
    assert_int_equal(pair.server.received.len, 4);
    assert_true(pair.server.is_dead);
    assert_string_equal(pair.server.reason, ""); /* not a failed handshake */
    ERR_clear_error();
    char byte;
    assert_int_equal(SSL_read(pair.client, &byte, 1), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_BAD_RECORD_MAC);
    pair_close(&pair);
    tls_context_unref(context);
}

static int set_up(void **state)
{
    struct err err = { 0 };

    (void)state;
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:shop.example" },
                     &ec_pair);
    make_certificate(
        &(struct make_certificate_request){ .alt_names = "DNS:shop.example", .key = MAKE_RSA_2048 },
        &rsa_pair);
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:shop.example" },
                     &renewed_pair);
    keys = ticket_keys_new();
    cache = tls_context_cache_new(keys);
    loop = loop_new(&err);
    return loop != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    loop_free(loop);
    tls_context_cache_free(cache);
    ticket_keys_free(keys);
    made_certificate_cleanup(&ec_pair);
    made_certificate_cleanup(&rsa_pair);
    made_certificate_cleanup(&renewed_pair);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_no_handshake),
        cmocka_unit_test(test_an_alert_is_readable),
        cmocka_unit_test(test_the_peer_leaves_during_the_handshake),
        cmocka_unit_test(test_nothing_in_common),
        cmocka_unit_test(test_each_version_and_suite),
        cmocka_unit_test(test_no_common_alpn),
        cmocka_unit_test(test_a_server_of_bytes_has_no_alpn),
        cmocka_unit_test(test_who_decides_the_suite),
        cmocka_unit_test(test_resumption),
        cmocka_unit_test(test_one_byte_at_a_time),
        cmocka_unit_test(test_bytes_collected_before),
        cmocka_unit_test(test_written_before_the_handshake),
        cmocka_unit_test(test_bulk_with_pauses),
        cmocka_unit_test(test_record_sizes_grow),
        cmocka_unit_test(test_close_notify),
        cmocka_unit_test(test_a_bad_record_kills),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
