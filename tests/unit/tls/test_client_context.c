/* Tests of tls/client_context.c: which policies share a context (DR-61 to DR-67), and what cannot be
 * built. What its contexts do in a handshake is test_transport_tls_connect.c. */
#include "tls/client_context.h"

#include "gateway/base/text.h"
#include "tests/unit/support/make_certificate.h"
#include "tls/client_context_ssl.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct made_certificate a;
static struct made_certificate b;
static struct tls_client_context_cache *cache;

static struct secret *parse(const char *name, const struct made_certificate *pair,
                            const struct made_certificate *ca)
{
    struct secret_source source = {
        .name = str_from_cstr(name),
        .origin = STR("test"),
        .certificate_pem = str_from_cstr(pair != NULL ? pair->certificate_pem : NULL),
        .key_pem = str_from_cstr(pair != NULL ? pair->key_pem : NULL),
        .ca_pem = str_from_cstr(ca != NULL ? ca->certificate_pem : NULL),
    };
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

/* Whatever decides makes another context; the rest does not. */
static void test_equal_policies_share(void **state)
{
    struct secret *ca_a = parse("ca-a", NULL, &a);
    struct secret *ca_a_again = parse("the-same-elsewhere", NULL, &a);
    struct secret *ca_b = parse("ca-b", NULL, &b);
    struct secret *pair = parse("pair", &a, NULL);
    struct str one[] = { STR("a.example") };
    struct str two[] = { STR("a.example"), STR("b.example") };
    struct str joined[] = { STR("a.example|9:b.example") };
    const struct tls_client_policy policies[] = {
        { .skips_verification = true },
        { .verifies_server_name = true },
        { .verifies_server_name = true, .offers_h2 = true },
        { .ca = ca_a, .verifies_server_name = true },
        { .ca = ca_b, .verifies_server_name = true },
        { .ca = ca_a, .pair = pair, .verifies_server_name = true },
        { .pair = pair, .verifies_server_name = true },
        { .ca = ca_a },
        { .ca = ca_a, .subject_alt_names = { one, 1, 1 } },
        { .ca = ca_a, .subject_alt_names = { two, 2, 2 } },
        { .ca = ca_a, .subject_alt_names = { joined, 1, 1 } },
    };
    enum { POLICY_COUNT = sizeof(policies) / sizeof(policies[0]) };
    struct tls_client_context *contexts[POLICY_COUNT];

    (void)state;
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        contexts[i] = tls_client_context_cache_get(cache, &policies[i]);
        for (size_t j = 0; j < i; j++) {
            assert_ptr_not_equal(contexts[i], contexts[j]);
            assert_true(tls_client_context_fingerprint(contexts[i]) !=
                        tls_client_context_fingerprint(contexts[j]));
        }
        assert_int_equal(tls_client_context_offers_h2(contexts[i]), policies[i].offers_h2);
    }
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        struct tls_client_policy again = policies[i];
        again.ca = again.ca == ca_a ? ca_a_again : again.ca; /* by content */
        struct tls_client_context *same = tls_client_context_cache_get(cache, &again);
        assert_ptr_equal(same, contexts[i]);
        tls_client_context_unref(same);
    }
    uint64_t fingerprint = tls_client_context_fingerprint(contexts[0]);
    for (size_t i = 0; i < POLICY_COUNT; i++) {
        tls_client_context_unref(contexts[i]);
    }
    /* The cache held none of them, and a new one of the same policy has the same fingerprint. */
    struct tls_client_context *later = tls_client_context_cache_get(cache, &policies[0]);
    assert_true(tls_client_context_fingerprint(later) == fingerprint);
    tls_client_context_unref(later);
    tls_client_context_unref(NULL);
    secret_unref(ca_a);
    secret_unref(ca_a_again);
    secret_unref(ca_b);
    secret_unref(pair);
}

/* Texts and secrets are the context's own, and it outlives its cache. */
static void test_a_context_stands_alone(void **state)
{
    struct tls_client_context_cache *own = tls_client_context_cache_new();
    struct secret *ca = parse("ca", NULL, &a);
    char text[] = "a.example";
    struct str names[] = { { text, 9 } };
    struct tls_client_policy policy = { .ca = ca, .subject_alt_names = { names, 1, 1 } };
    struct tls_client_peer peer = { 0 };
    struct err err = { 0 };

    (void)state;
    struct tls_client_context *context = tls_client_context_cache_get(own, &policy);
    tls_client_context_cache_free(own);
    tls_client_context_cache_free(NULL);
    secret_unref(ca);
    memset(text, 'x', sizeof(text));
    SSL *ssl = tls_client_context_new_ssl(context, STR("a.example"), &peer, &err);
    assert_non_null(ssl);
    tls_client_context_unref(context); /* the peer holds it */
    SSL_free(ssl);
    tls_client_peer_cleanup(&peer);
    tls_client_peer_cleanup(&peer);
}

static void test_what_cannot_be_built(void **state)
{
    struct secret *pair = parse("pair", &a, NULL);
    struct secret *ca = parse("ca", NULL, &a);
    const struct {
        struct tls_client_policy policy;
        const char *words;
    } rows[] = {
        { { .ca = pair }, "secret pair holds no CA certificate" },
        { { .ca = ca, .pair = ca }, "secret ca holds a CA only" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_client_context *context = tls_client_context_cache_get(cache, &rows[i].policy);
        for (int attempt = 0; attempt < 2; attempt++) {
            struct tls_client_peer peer = { 0 };
            struct err err = { 0 };
            assert_null(tls_client_context_new_ssl(context, STR("a"), &peer, &err));
            assert_string_equal(err.text, rows[i].words);
            assert_null(peer.context);
        }
        tls_client_context_unref(context);
    }
    /* DR-67: nothing is verified, so nothing to verify with is needed. */
    struct tls_client_policy lax = { .ca = pair, .skips_verification = true };
    struct tls_client_context *context = tls_client_context_cache_get(cache, &lax);
    struct tls_client_peer peer = { 0 };
    struct err err = { 0 };
    SSL *ssl = tls_client_context_new_ssl(context, STR(""), &peer, &err);
    assert_non_null(ssl);
    SSL_free(ssl);
    tls_client_peer_cleanup(&peer);
    tls_client_context_unref(context);
    secret_unref(pair);
    secret_unref(ca);
}

static void test_server_names(void **state) /* DR-63 */
{
    static const struct {
        const char *given;
        const char *checked;
        const char *sni; /* NULL: none */
    } rows[] = {
        { "", "", NULL },
        { "192.0.2.1", "192.0.2.1", NULL },
        { "[2001:db8::1]", "2001:db8::1", NULL },
        { "2001:db8::1", "2001:db8::1", NULL },
        { "shop.example", "shop.example", "shop.example" },
        { "shop.example.", "shop.example", "shop.example" },
        { "outbound_.80_._.shop.example", "outbound_.80_._.shop.example",
          "outbound_.80_._.shop.example" },
    };
    struct tls_client_policy policy = { .skips_verification = true };
    struct tls_client_context *context = tls_client_context_cache_get(cache, &policy);
    struct tls_client_peer peer = { 0 };
    struct err err = { 0 };
    struct text longest = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        SSL *ssl = tls_client_context_new_ssl(context, str_from_cstr(rows[i].given), &peer, &err);
        assert_non_null(ssl);
        assert_string_equal(peer.server_name, rows[i].checked);
        const char *sni = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
        if (rows[i].sni == NULL) {
            assert_null(sni);
        } else {
            assert_string_equal(sni, rows[i].sni);
        }
        SSL_free(ssl);
        tls_client_peer_cleanup(&peer);
    }
    for (int i = 0; i < 300; i++) {
        text_add_char(&longest, 'x');
    }
    assert_null(tls_client_context_new_ssl(context, text_view(&longest), &peer, &err));
    assert_non_null(strstr(err.text, "cannot start TLS"));
    text_cleanup(&longest);
    tls_client_context_unref(context);
}

/* Workers come at the same time: one builds, all get it. */
static void *connect_often(void *arg)
{
    struct tls_client_context *context = arg;

    for (int i = 0; i < 50; i++) {
        struct tls_client_peer peer = { 0 };
        struct err err = { 0 };
        SSL *ssl = tls_client_context_new_ssl(context, STR("a.example"), &peer, &err);
        if (ssl == NULL) {
            return context;
        }
        SSL_free(ssl);
        tls_client_peer_cleanup(&peer);
    }
    return NULL;
}

static void test_many_threads(void **state)
{
    struct secret *ca = parse("ca", NULL, &a);
    struct tls_client_policy policy = { .ca = ca, .verifies_server_name = true };
    struct tls_client_context *context = tls_client_context_cache_get(cache, &policy);
    pthread_t threads[4];

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, connect_often, context), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed = NULL;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
    tls_client_context_unref(context);
    secret_unref(ca);
}

static int set_up(void **state)
{
    (void)state;
    make_certificate(&(struct make_certificate_request){ .common_name = "a", .is_ca = true }, &a);
    make_certificate(&(struct make_certificate_request){ .common_name = "b", .is_ca = true }, &b);
    cache = tls_client_context_cache_new();
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_client_context_cache_free(cache);
    made_certificate_cleanup(&a);
    made_certificate_cleanup(&b);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal_policies_share), cmocka_unit_test(test_a_context_stands_alone),
        cmocka_unit_test(test_what_cannot_be_built), cmocka_unit_test(test_server_names),
        cmocka_unit_test(test_many_threads),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
