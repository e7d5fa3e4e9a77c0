/* Tests of tls/ticket_keys.c: real handshakes in memory on several threads, each with a context of its
 * own, while the keys rotate (for TSan as well). HR-2. */
#include "tls/ticket_keys_ssl.h"

#include "tests/unit/support/make_certificate.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct made_certificate made;

/* One end that serves and one that asks, and what the latter was given. */
struct ends {
    SSL_CTX *server_ctx;
    SSL_CTX *client_ctx;
    SSL_SESSION *session;
};

static int on_session(SSL *ssl, SSL_SESSION *session)
{
    struct ends *ends = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));

    SSL_SESSION_free(ends->session);
    ends->session = session;
    return 1;
}

static void ends_open(struct ends *ends, struct ticket_keys *keys)
{
    memset(ends, 0, sizeof(*ends));
    ends->server_ctx = SSL_CTX_new(TLS_method());
    (void)SSL_CTX_use_certificate(ends->server_ctx, made.certificate);
    (void)SSL_CTX_use_PrivateKey(ends->server_ctx, made.key);
    ticket_keys_install(keys, ends->server_ctx);
    ends->client_ctx = SSL_CTX_new(TLS_method());
    SSL_CTX_set_app_data(ends->client_ctx, ends);
    SSL_CTX_set_session_cache_mode(ends->client_ctx, SSL_SESS_CACHE_CLIENT);
    SSL_CTX_sess_set_new_cb(ends->client_ctx, on_session);
}

static void ends_close(struct ends *ends)
{
    SSL_SESSION_free(ends->session);
    SSL_CTX_free(ends->client_ctx);
    SSL_CTX_free(ends->server_ctx);
}

/* 1: resumed, 0: a full handshake, -1: neither. */
static int ends_shake(struct ends *ends)
{
    SSL *server = SSL_new(ends->server_ctx);
    SSL *client = SSL_new(ends->client_ctx);
    BIO *server_bio = NULL;
    BIO *client_bio = NULL;
    int result = -1;
    char byte = 'x';

    if (BIO_new_bio_pair(&server_bio, 65536, &client_bio, 65536)) {
        SSL_set_bio(server, server_bio, server_bio);
        SSL_set_bio(client, client_bio, client_bio);
        SSL_set_accept_state(server);
        SSL_set_connect_state(client);
        if (ends->session != NULL) {
            (void)SSL_set_session(client, ends->session);
        }
        for (int turn = 0; turn < 10 && (SSL_in_init(client) || SSL_in_init(server)); turn++) {
            (void)SSL_do_handshake(client);
            (void)SSL_do_handshake(server);
        }
        if (SSL_write(server, &byte, 1) == 1 && SSL_read(client, &byte, 1) == 1) {
            result = SSL_session_reused(server);
        }
    }
    SSL_free(client);
    SSL_free(server);
    return result;
}

static void test_a_ticket_lives_for_one_rotation(void **state)
{
    struct ticket_keys *keys = ticket_keys_new();
    struct ticket_keys *foreign = ticket_keys_new();
    struct ends ends;
    struct ends other_worker;
    struct ends other_process;

    (void)state;
    ends_open(&ends, keys);
    ends_open(&other_worker, keys);
    ends_open(&other_process, foreign);
    assert_int_equal(ends_shake(&ends), 0);
    assert_int_equal(ends_shake(&ends), 1);
    /* What one context gave another one takes, of the same process only. */
    other_worker.session = ends.session;
    SSL_SESSION_up_ref(ends.session);
    assert_int_equal(ends_shake(&other_worker), 1);
    other_process.session = ends.session;
    SSL_SESSION_up_ref(ends.session);
    assert_int_equal(ends_shake(&other_process), 0);
    ticket_keys_rotate(keys);
    assert_int_equal(ends_shake(&ends), 1); /* and got a new ticket */
    ticket_keys_rotate(keys);
    assert_int_equal(ends_shake(&ends), 1);
    ticket_keys_rotate(keys);
    ticket_keys_rotate(keys);
    assert_int_equal(ends_shake(&ends), 0);
    ends_close(&ends);
    ends_close(&other_worker);
    ends_close(&other_process);
    ticket_keys_free(keys);
    ticket_keys_free(foreign);
    ticket_keys_free(NULL);
}

enum { WORKERS = 3, HANDSHAKES = 20 };

static atomic_int broken_count;
static atomic_int working_count;

static void *shake_many(void *keys)
{
    struct ends ends;

    ends_open(&ends, keys);
    for (int i = 0; i < HANDSHAKES; i++) {
        if (ends_shake(&ends) < 0) {
            atomic_fetch_add(&broken_count, 1);
        }
    }
    ends_close(&ends);
    atomic_fetch_sub(&working_count, 1);
    return NULL;
}

static void test_rotation_under_handshakes(void **state)
{
    struct ticket_keys *keys = ticket_keys_new();
    pthread_t threads[WORKERS];

    (void)state;
    atomic_store(&working_count, WORKERS);
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, shake_many, keys), 0);
    }
    while (atomic_load(&working_count) > 0) {
        ticket_keys_rotate(keys);
    }
    for (size_t i = 0; i < WORKERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(atomic_load(&broken_count), 0);
    ticket_keys_free(keys);
}

static int set_up(void **state)
{
    (void)state;
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:a.example" }, &made);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    made_certificate_cleanup(&made);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_ticket_lives_for_one_rotation),
        cmocka_unit_test(test_rotation_under_handshakes),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
