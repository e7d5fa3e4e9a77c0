/* Tests of tls/context.c: one context for each policy and secret, built once whoever asks. HR-12, SN-23,
 * TL-24. What an SSL_CTX does is tested with transport_tls. */
#include "tls/context_ssl.h"

#include "tests/unit/support/make_certificate.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct made_certificate made;
static struct made_certificate other;
static struct ticket_keys *keys;
static struct tls_context_cache *cache;

static struct secret *secret_of(const struct made_certificate *pair, const char *name)
{
    struct arena *arena = arena_new(512);
    struct str_vec warnings = { 0 };
    struct secret_source source = { .name = str_from_cstr(name),
                                    .certificate_pem = str_from_cstr(pair->certificate_pem),
                                    .key_pem = str_from_cstr(pair->key_pem) };
    struct secret *secret = secret_parse(&source, (int64_t)time(NULL), &warnings, arena, NULL);

    assert_non_null(secret);
    arena_free(arena);
    return secret;
}

static struct tls_context *context_of(struct secret *secret, enum tls_version max)
{
    struct arena *arena = arena_new(512);
    struct tls_policy_request request = { .max_version = max };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;

    assert_true(tls_policy_compile(arena, &request, &policy, &notes));
    struct tls_context *context = tls_context_cache_get(cache, &policy, secret);
    arena_free(arena); /* the context has copies */
    return context;
}

static void test_one_for_each_pair(void **state)
{
    struct secret *secret = secret_of(&made, "shop");
    struct secret *second = secret_of(&other, "bank");
    struct tls_context *a = context_of(secret, TLS_VERSION_1_3);
    struct tls_context *again = context_of(secret, TLS_VERSION_1_3);
    struct tls_context *stricter = context_of(secret, TLS_VERSION_1_2);
    struct tls_context *b = context_of(second, TLS_VERSION_1_3);

    (void)state;
    assert_ptr_equal(a, again);
    assert_ptr_not_equal(a, stricter);
    assert_ptr_not_equal(a, b);
    assert_ptr_equal(tls_context_secret(a), secret);
    assert_int_equal(tls_context_policy(stricter)->max_version, TLS_VERSION_1_2);
    assert_string_equal(tls_context_policy(a)->curve_list.ptr, "X25519:P-256");
    tls_context_unref(again);
    tls_context_unref(tls_context_ref(a));
    tls_context_unref(a);
    tls_context_unref(stricter);
    tls_context_unref(b);
    tls_context_unref(NULL);
    secret_unref(secret);
    secret_unref(second);
}

static void test_same_for_sharing(void **state) /* SN-23 */
{
    struct secret *secret = secret_of(&made, "shop");
    struct secret *renewed = secret_of(&other, "shop");
    struct secret *copy = secret_of(&made, "copy");
    struct secret *foreign = secret_of(&other, "bank");
    struct tls_context *a = context_of(secret, TLS_VERSION_1_3);
    struct tls_context *b = context_of(renewed, TLS_VERSION_1_3);
    struct tls_context *c = context_of(copy, TLS_VERSION_1_3);
    struct tls_context *d = context_of(foreign, TLS_VERSION_1_3);
    struct tls_context *stricter = context_of(secret, TLS_VERSION_1_2);

    (void)state;
    assert_true(tls_context_same(a, a));
    assert_true(tls_context_same(a, b)); /* by name: a renewal is no other door */
    assert_true(tls_context_same(a, c)); /* by content */
    assert_false(tls_context_same(a, d));
    assert_false(tls_context_same(a, stricter));
    assert_false(tls_context_same(a, NULL));
    assert_true(tls_context_same(NULL, NULL));
    tls_context_unref(a);
    tls_context_unref(b);
    tls_context_unref(c);
    tls_context_unref(d);
    tls_context_unref(stricter);
    secret_unref(secret);
    secret_unref(renewed);
    secret_unref(copy);
    secret_unref(foreign);
}

static void test_a_ca_alone_has_no_context(void **state) /* TL-24 */
{
    struct arena *arena = arena_new(512);
    struct str_vec warnings = { 0 };
    struct secret_source source = { .name = STR("ca"),
                                    .ca_pem = str_from_cstr(made.certificate_pem) };
    struct secret *secret = secret_parse(&source, (int64_t)time(NULL), &warnings, arena, NULL);
    struct tls_context *context = context_of(secret, TLS_VERSION_1_3);
    struct err err = { 0 };

    (void)state;
    assert_null(tls_context_ssl_ctx(context, &err));
    assert_non_null(strstr(err.text, "CA only"));
    tls_context_unref(context);
    secret_unref(secret);
    arena_free(arena);
}

/* --- Threads (for TSan) ----------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 200 };

struct worker_case {
    struct tls_context *context;
    SSL_CTX *seen;
};

static void *use_context(void *arg)
{
    struct worker_case *worker = arg;
    struct err err = { 0 };

    for (int round = 0; round < ROUNDS; round++) {
        struct tls_context *held = tls_context_ref(worker->context);
        worker->seen = tls_context_ssl_ctx(held, &err);
        tls_context_unref(held);
    }
    tls_context_unref(worker->context);
    return NULL;
}

static void test_workers_build_it_once(void **state)
{
    struct secret *secret = secret_of(&made, "shop");
    struct tls_context *context = context_of(secret, TLS_VERSION_1_3);
    struct worker_case workers[THREADS];
    pthread_t threads[THREADS];

    (void)state;
    for (size_t i = 0; i < THREADS; i++) {
        workers[i].context = tls_context_ref(context);
        assert_int_equal(pthread_create(&threads[i], NULL, use_context, &workers[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_non_null(workers[i].seen);
        assert_ptr_equal(workers[i].seen, workers[0].seen);
    }
    tls_context_unref(context);
    secret_unref(secret);
}

static void *drop_context(void *arg)
{
    tls_context_unref(arg);
    return NULL;
}

/* The last holder lets go while the control thread looks the same pair up. */
static void test_dropped_while_looked_up(void **state)
{
    struct secret *secret = secret_of(&made, "shop");

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct tls_context *first = context_of(secret, TLS_VERSION_1_3);
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, drop_context, first), 0);
        struct tls_context *second = context_of(secret, TLS_VERSION_1_3);
        assert_ptr_equal(tls_context_secret(second), secret);
        assert_int_equal(pthread_join(thread, NULL), 0);
        tls_context_unref(second);
    }
    secret_unref(secret);
}

static void test_contexts_outlive_the_cache(void **state)
{
    struct secret *secret = secret_of(&made, "shop");
    struct tls_context *context = context_of(secret, TLS_VERSION_1_3);
    struct err err = { 0 };

    (void)state;
    tls_context_cache_free(cache);
    assert_non_null(tls_context_ssl_ctx(context, &err));
    tls_context_unref(context);
    secret_unref(secret);
    cache = tls_context_cache_new(keys);
    assert_string_equal(tls_library_name(), "BoringSSL");
    assert_non_null(strstr(tls_library_version(), "API"));
    assert_non_null(strstr(tls_library_features(), "ECH"));
}

static int set_up(void **state)
{
    (void)state;
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:a.example" }, &made);
    make_certificate(&(struct make_certificate_request){ .alt_names = "DNS:b.example" }, &other);
    keys = ticket_keys_new();
    cache = tls_context_cache_new(keys);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    tls_context_cache_free(cache);
    ticket_keys_free(keys);
    made_certificate_cleanup(&made);
    made_certificate_cleanup(&other);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_for_each_pair),
        cmocka_unit_test(test_same_for_sharing),
        cmocka_unit_test(test_a_ca_alone_has_no_context),
        cmocka_unit_test(test_workers_build_it_once),
        cmocka_unit_test(test_dropped_while_looked_up),
        cmocka_unit_test(test_contexts_outlive_the_cache),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
