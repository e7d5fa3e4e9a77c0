/* Tests of gateway/upstream/connect.c against a server on loopback. DR-61, DR-63, DR-69, DR-80. */
#include "gateway/upstream/connect.h"

#include "gateway/net/listener.h"
#include "gateway/upstream/cluster_set.h"
#include "tests/unit/support/make_certificate.h"
#include "tls/transport_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <unistd.h>

enum server_kind {
    SERVER_PLAIN,      /* keeps what it gets, says nothing */
    SERVER_CLOSES,     /* at the first byte */
    SERVER_RESETS,     /* likewise */
    SERVER_IS_FOREIGN, /* answers the first byte with something that is not TLS */
    SERVER_TLS,        /* echoes; behind a line of PROXY protocol where one comes first */
};

struct server {
    enum server_kind kind;
    struct loop *loop;
    struct listener *listener;
    struct address address;
    struct transport *transport;
    struct tls_context *context;
    struct text received; /* before TLS, or of TLS that is not answered */
    struct text plain;    /* through TLS */
    char server_name[64];
    bool is_tls;
    bool is_over;
};

struct fixture {
    struct cluster_set set;
    struct cluster_config config;
    struct cluster_config *configs[1];
    struct endpoint_config endpoint_config;
    struct endpoint *endpoint;
    struct server server;
    struct connect *connect;
    struct transport *transport; /* what on_done gave */
    struct text received;
    int done_count;
    int error_number;
    char tls_failure[256];
};

static struct made_certificate authority;
static struct made_certificate other_authority;
static struct made_certificate pair;
static struct ticket_keys *keys;
static struct tls_context_cache *contexts;
static struct tls_client_context_cache *client_contexts;

/* --- The server ------------------------------------------------------------------------------- */

static void server_close(struct server *server)
{
    transport_close(server->transport);
    server->transport = NULL;
    server->is_over = true;
}

static void server_on_handshake(void *owner, const struct tls_session_facts *facts)
{
    struct server *server = owner;

    assert_true(facts->server_name.len < sizeof(server->server_name));
    memcpy(server->server_name, facts->server_name.ptr, facts->server_name.len);
}

static void server_on_handshake_failure(void *owner, const char *reason, const char *detail)
{
    (void)reason;
    (void)detail;
    server_close(owner);
}

static const struct transport_tls_events server_tls_events = {
    .on_handshake = server_on_handshake,
    .on_handshake_failure = server_on_handshake_failure,
};

static size_t server_begin_tls(struct server *server, struct str bytes)
{
    size_t line = 0;
    struct err err = { 0 };

    if (str_starts_with(bytes, STR("PROXY "))) {
        line = str_find(bytes, STR("\r\n")) + 2;
        text_add(&server->received, str_slice(bytes, 0, line));
    }
    server->is_tls = true;
    assert_non_null(
        transport_tls_accept(server->transport, server->context, &server_tls_events, server, &err));
    return line;
}

static size_t server_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct server *server = owner;
    struct str text = str_from((const char *)bytes, len);

    if (server->is_tls) {
        text_add(&server->plain, text);
        transport_write(server->transport, bytes, len);
        return len;
    }
    switch (server->kind) {
    case SERVER_TLS:
        return server_begin_tls(server, text);
    case SERVER_CLOSES:
        server_close(server);
        return len;
    case SERVER_RESETS:
        transport_reset(server->transport);
        server->transport = NULL;
        server->is_over = true;
        return len;
    case SERVER_IS_FOREIGN:
        transport_write(server->transport, "220 mail.example\r\n", 18);
        break;
    case SERVER_PLAIN:
        break;
    }
    text_add(&server->received, text);
    return len;
}

static void server_on_end(void *owner, bool is_clean)
{
    (void)is_clean;
    server_close(owner);
}

static void server_on_drained(void *owner)
{
    (void)owner;
}

static void server_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    server_close(owner);
}

static const struct transport_handler server_handler = {
    .on_data = server_on_data,
    .on_end = server_on_end,
    .on_drained = server_on_drained,
    .on_dead = server_on_dead,
};

static void server_on_accept(void *owner, int fd, const struct address *peer)
{
    struct server *server = owner;

    assert_null(server->transport);
    server->transport = transport_new(server->loop, fd, peer);
    transport_set_handler(server->transport, &server_handler, server);
}

/* --- Secrets and contexts --------------------------------------------------------------------- */

static struct secret *parse_secret(const struct secret_source *source)
{
    struct str_vec warnings = { 0 };
    struct arena *arena = arena_new(512);
    struct err err = { 0 };
    struct secret *secret =
        secret_parse(source, (int64_t)(now_wall_us() / 1000000), &warnings, arena, &err);

    if (secret == NULL) {
        fail_msg("%s", err.text);
    }
    arena_free(arena);
    return secret;
}

static struct tls_context *server_context(void)
{
    struct secret_source source = {
        .name = STR("server"),
        .origin = STR("test"),
        .certificate_pem = str_from_cstr(pair.certificate_pem),
        .key_pem = str_from_cstr(pair.key_pem),
    };
    struct arena *arena = arena_new(1024);
    struct secret *secret = parse_secret(&source);
    struct tls_policy_request request = { .min_version = TLS_VERSION_1_2,
                                          .max_version = TLS_VERSION_1_3 };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;

    assert_true(tls_policy_compile(arena, &request, &policy, &notes));
    struct tls_context *context = tls_context_cache_get(contexts, &policy, secret);
    secret_unref(secret);
    arena_free(arena);
    return context;
}

static struct tls_client_context *client_context(const struct made_certificate *trusted)
{
    struct secret_source source = {
        .name = STR("ca"),
        .origin = STR("test"),
        .ca_pem = str_from_cstr(trusted->certificate_pem),
    };
    struct secret *secret = parse_secret(&source);
    struct tls_client_policy policy = { .ca = secret, .verifies_server_name = true };
    struct tls_client_context *context = tls_client_context_cache_get(client_contexts, &policy);

    secret_unref(secret);
    return context;
}

static int group_setup(void **state)
{
    struct make_certificate_request request = { .common_name = "ca", .is_ca = true };

    (void)state;
    make_certificate(&request, &authority);
    make_certificate(&request, &other_authority);
    request =
        (struct make_certificate_request){ .alt_names = "DNS:shop.example", .issuer = &authority };
    make_certificate(&request, &pair);
    keys = ticket_keys_new();
    contexts = tls_context_cache_new(keys);
    client_contexts = tls_client_context_cache_new();
    return 0;
}

static int group_teardown(void **state)
{
    (void)state;
    tls_client_context_cache_free(client_contexts);
    tls_context_cache_free(contexts);
    ticket_keys_free(keys);
    made_certificate_cleanup(&pair);
    made_certificate_cleanup(&other_authority);
    made_certificate_cleanup(&authority);
    return 0;
}

/* --- The fixture ------------------------------------------------------------------------------ */

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    struct server *server = &fixture->server;
    struct err err = { 0 };
    int fd;

    fixture->set.loop = loop_new(&err);
    fixture->set.resolver = resolver_new(fixture->set.loop, NULL, &err);
    fixture->set.metrics = metrics_shard_new();
    fixture->set.connect_timeout_ms = 10000;
    cluster_set_init(&fixture->set);
    server->loop = fixture->set.loop;
    server->context = server_context();
    assert_true(address_parse(STR("127.0.0.1"), 0, &server->address));
    assert_true(listener_bind(&server->address, &fd, 1, &err));
    server->listener = listener_start(server->loop, fd, server_on_accept, server);
    fixture->endpoint_config =
        (struct endpoint_config){ .address = server->address, .weight = 1, .is_healthy = true };
    fixture->config.name = STR("c");
    fixture->config.endpoints = &fixture->endpoint_config;
    fixture->config.endpoint_count = 1;
    fixture->configs[0] = &fixture->config;
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    struct server *server = &fixture->server;

    transport_close(fixture->transport);
    transport_close(server->transport);
    listener_close(server->listener);
    cluster_set_cleanup(&fixture->set); /* nobody holds an endpoint any more */
    resolver_free(fixture->set.resolver);
    loop_free(fixture->set.loop);
    tls_context_unref(server->context);
    tls_client_context_unref(fixture->config.tls);
    tls_client_context_unref(fixture->config.tls_h2);
    text_cleanup(&fixture->received);
    text_cleanup(&server->received);
    text_cleanup(&server->plain);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

static void on_done(void *owner, struct transport *transport, int error_number,
                    struct str tls_failure)
{
    struct fixture *fixture = owner;

    fixture->connect = NULL;
    fixture->transport = transport;
    fixture->error_number = error_number;
    fixture->done_count++;
    assert_true(tls_failure.len < sizeof(fixture->tls_failure));
    memcpy(fixture->tls_failure, tls_failure.ptr, tls_failure.len);
}

static void start_with(struct fixture *fixture, const struct connect_options *options)
{
    cluster_set_update(&fixture->set, fixture->configs, 1);
    fixture->endpoint = cluster_pick_endpoint(cluster_set_find(&fixture->set, STR("c")), NULL, 0);
    fixture->connect = connect_start(fixture->endpoint, options, on_done, fixture);
    assert_int_equal(fixture->done_count, 0);
}

static void start(struct fixture *fixture)
{
    struct connect_options options = { .server_name = STR("shop.example") };

    start_with(fixture, &options);
}

static void assert_failure(struct fixture *fixture, int error_number)
{
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_int_equal(fixture->done_count, 1);
    assert_null(fixture->transport);
    assert_int_equal(fixture->error_number, error_number);
    assert_int_equal(fixture->endpoint->connect_failure_count, 1);
    assert_true(metrics_total(METRIC_UPSTREAM_CONNECT_FAILURES) > 0);
}

static size_t client_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct fixture *fixture = owner;

    text_add(&fixture->received, str_from((const char *)bytes, len));
    return len;
}

static void client_on_end(void *owner, bool is_clean)
{
    (void)owner;
    (void)is_clean;
}

static void client_on_drained(void *owner)
{
    (void)owner;
}

static void client_on_dead(void *owner, enum transport_end end)
{
    (void)owner;
    (void)end;
}

static const struct transport_handler client_handler = {
    .on_data = client_on_data,
    .on_end = client_on_end,
    .on_drained = client_on_drained,
    .on_dead = client_on_dead,
};

static void assert_echo(struct fixture *fixture)
{
    transport_set_handler(fixture->transport, &client_handler, fixture);
    transport_write(fixture->transport, "hello", 5);
    transport_flush(fixture->transport);
    RUN_UNTIL(fixture->set.loop, fixture->received.len == 5);
    assert_memory_equal(fixture->received.ptr, "hello", 5);
}

/* --- What goes wrong -------------------------------------------------------------------------- */

static void test_refused(void **state)
{
    struct fixture *fixture = *state;
    struct err err = { 0 };
    int fd;

    assert_true(address_parse(STR("127.0.0.1"), 0, &fixture->endpoint_config.address));
    assert_true(listener_bind(&fixture->endpoint_config.address, &fd, 1, &err));
    assert_int_equal(close(fd), 0);
    start(fixture);
    assert_failure(fixture, ECONNREFUSED);
    assert_string_equal(fixture->tls_failure, "");
}

static void test_an_unknown_authority_DR_69(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&other_authority);
    start(fixture);
    assert_failure(fixture, ECONNABORTED);
    assert_true(str_starts_with(str_from_cstr(fixture->tls_failure), STR("TLS_error:|")));
    RUN_UNTIL(fixture->set.loop, fixture->server.is_over);
}

static void test_another_name_DR_65(void **state)
{
    struct fixture *fixture = *state;
    struct connect_options options = { .server_name = STR("bank.example") };

    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&authority);
    start_with(fixture, &options);
    assert_failure(fixture, ECONNABORTED);
    assert_true(str_starts_with(str_from_cstr(fixture->tls_failure), STR("TLS_error:|")));
}

static void test_a_peer_that_speaks_no_TLS(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_IS_FOREIGN;
    fixture->config.tls = client_context(&authority);
    start(fixture);
    assert_failure(fixture, ECONNABORTED);
    assert_true(str_starts_with(str_from_cstr(fixture->tls_failure), STR("TLS_error:|")));
}

static void test_a_peer_that_goes_away_during_the_handshake(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_CLOSES;
    fixture->config.tls = client_context(&authority);
    start(fixture);
    assert_failure(fixture, ECONNRESET);
    assert_string_equal(fixture->tls_failure, "");
}

static void test_a_peer_that_resets_during_the_handshake(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_RESETS;
    fixture->config.tls = client_context(&authority);
    start(fixture);
    assert_failure(fixture, ECONNRESET);
    assert_string_equal(fixture->tls_failure, "");
}

static void test_a_silent_peer_has_the_connect_timeout(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.tls = client_context(&authority);
    fixture->config.connect_timeout_ms = 40;
    start(fixture);
    assert_failure(fixture, ETIMEDOUT);
    RUN_UNTIL(fixture->set.loop, fixture->server.is_over);
}

static void test_cancelled_while_it_dials(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    connect_cancel(fixture->connect);
    for (int i = 0; i < 4; i++) {
        loop_run_once(fixture->set.loop, 10);
    }
    assert_int_equal(fixture->done_count, 0);
}

static void test_cancelled_during_the_handshake(void **state)
{
    struct fixture *fixture = *state;

    fixture->config.tls = client_context(&authority);
    start(fixture);
    RUN_UNTIL(fixture->set.loop, fixture->server.received.len > 0);
    connect_cancel(fixture->connect);
    RUN_UNTIL(fixture->set.loop, fixture->server.is_over);
    assert_int_equal(fixture->done_count, 0);
    connect_cancel(NULL);
}

/* The cluster is gone from the configuration while the handshake goes on. */
static void test_outlives_its_endpoint(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&authority);
    start(fixture);
    cluster_set_update(&fixture->set, fixture->configs, 0);
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_non_null(fixture->transport);
    assert_true(list_is_empty(&fixture->set.endpoints));
}

/* --- What goes well --------------------------------------------------------------------------- */

static void test_plain(void **state)
{
    struct fixture *fixture = *state;

    start(fixture);
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_non_null(fixture->transport);
    assert_int_equal(fixture->error_number, 0);
    transport_write(fixture->transport, "first", 5);
    transport_flush(fixture->transport);
    RUN_UNTIL(fixture->set.loop, fixture->server.received.len > 0);
    assert_string_equal(fixture->server.received.ptr, "first");
}

static void test_the_PROXY_header_comes_first_DR_80(void **state)
{
    static const char *const rows[] = { "PROXY TCP4 192.0.2.7 192.0.2.1 1234 443\r\n",
                                        "PROXY UNKNOWN\r\n" };
    struct fixture *fixture = *state;
    struct address client;
    struct address local;

    assert_true(address_parse(STR("192.0.2.7"), 1234, &client));
    assert_true(address_parse(STR("192.0.2.1"), 443, &local));
    fixture->config.proxy_protocol = PROXY_PROTOCOL_V1;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct connect_options options = { .client = i == 0 ? &client : NULL,
                                           .client_local = i == 0 ? &local : NULL };
        size_t len = strlen(rows[i]) + 5;

        start_with(fixture, &options);
        RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
        transport_write(fixture->transport, "first", 5);
        transport_flush(fixture->transport);
        RUN_UNTIL(fixture->set.loop, fixture->server.received.len == len);
        assert_memory_equal(fixture->server.received.ptr, rows[i], len - 5);
        assert_memory_equal(fixture->server.received.ptr + len - 5, "first", 5);
        transport_close(fixture->transport);
        RUN_UNTIL(fixture->set.loop, fixture->server.transport == NULL);
        text_cleanup(&fixture->server.received);
        fixture->transport = NULL;
        fixture->done_count = 0;
    }
}

static void test_TLS_DR_61_DR_63(void **state)
{
    struct fixture *fixture = *state;

    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&authority);
    start(fixture);
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_string_equal(fixture->tls_failure, "");
    assert_non_null(fixture->transport);
    assert_echo(fixture);
    assert_string_equal(fixture->server.server_name, "shop.example");
    assert_int_equal(fixture->endpoint->connect_failure_count, 0);
}

static void test_TLS_of_HTTP2_DR_62(void **state)
{
    struct fixture *fixture = *state;
    struct connect_options options = { .version = HTTP_VERSION_2,
                                       .server_name = STR("shop.example") };

    /* That of the other connections would fail. */
    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&other_authority);
    fixture->config.tls_h2 = client_context(&authority);
    start_with(fixture, &options);
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_non_null(fixture->transport);
}

static void test_the_PROXY_header_comes_before_TLS_DR_80(void **state)
{
    struct fixture *fixture = *state;
    struct connect_options options = { .server_name = STR("shop.example") };

    fixture->server.kind = SERVER_TLS;
    fixture->config.tls = client_context(&authority);
    fixture->config.proxy_protocol = PROXY_PROTOCOL_V1;
    start_with(fixture, &options);
    RUN_UNTIL(fixture->set.loop, fixture->done_count > 0);
    assert_non_null(fixture->transport);
    assert_echo(fixture);
    assert_string_equal(fixture->server.received.ptr, "PROXY UNKNOWN\r\n");
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_refused),
        CASE(test_an_unknown_authority_DR_69),
        CASE(test_another_name_DR_65),
        CASE(test_a_peer_that_speaks_no_TLS),
        CASE(test_a_peer_that_goes_away_during_the_handshake),
        CASE(test_a_peer_that_resets_during_the_handshake),
        CASE(test_a_silent_peer_has_the_connect_timeout),
        CASE(test_cancelled_while_it_dials),
        CASE(test_cancelled_during_the_handshake),
        CASE(test_outlives_its_endpoint),
        CASE(test_plain),
        CASE(test_the_PROXY_header_comes_first_DR_80),
        CASE(test_TLS_DR_61_DR_63),
        CASE(test_TLS_of_HTTP2_DR_62),
        CASE(test_the_PROXY_header_comes_before_TLS_DR_80),
    };

    return cmocka_run_group_tests(tests, group_setup, group_teardown);
}
