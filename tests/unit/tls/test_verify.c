/* Tests of tls/verify.c: DR-64 to DR-67, DR-69, TL-90: which chains and which names an upstream may show,
 * and the words when it may not. */
#include "tls/verify.h"

#include "gateway/base/now.h"
#include "tests/unit/support/make_certificate.h"
#include "tests/unit/support/temp_dir.h"

#include <openssl/pool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static struct made_certificate root;
static struct made_certificate other_root;
static struct made_certificate middle;
static struct made_certificate no_issuer; /* signed by `root`, and not to sign others */

static struct secret *ca_secret(const char *ca_pem, const char *crl_pem)
{
    struct secret_source source = { .name = STR("roots"),
                                    .origin = STR("test"),
                                    .ca_pem = str_from_cstr(ca_pem),
                                    .crl_pem = str_from_cstr(crl_pem) };
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

static X509_STORE *trust_of(const char *ca_pem, const char *crl_pem)
{
    struct secret *secret = ca_secret(ca_pem, crl_pem);
    struct err err = { 0 };
    X509_STORE *store = verify_open_trust(secret, &err);

    if (store == NULL) {
        fail_msg("%s", err.text);
    }
    secret_unref(secret);
    return store;
}

static STACK_OF(CRYPTO_BUFFER) *
    chain_of(const struct made_certificate *leaf, const struct made_certificate *issuer)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    const struct made_certificate *both[] = { leaf, issuer };

    for (size_t i = 0; i < 2 && both[i] != NULL; i++) {
        uint8_t *der = NULL;
        int len = i2d_X509(both[i]->certificate, &der);
        assert_true(len > 0);
        assert_true(sk_CRYPTO_BUFFER_push(chain, CRYPTO_BUFFER_new(der, (size_t)len, NULL)) > 0);
        OPENSSL_free(der);
    }
    return chain;
}

static bool check(const struct made_certificate *leaf, const struct made_certificate *issuer,
                  const struct verify_demand *demand, struct verify_failure *failure)
{
    STACK_OF(CRYPTO_BUFFER) *chain = chain_of(leaf, issuer);

    memset(failure, 0, sizeof(*failure));
    bool is_good = verify_chain(chain, demand, failure);
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    return is_good;
}

static const struct str_vec no_names;

static void test_chains(void **state) /* DR-64, DR-69 */
{
    const int64_t now_s = (int64_t)time(NULL);
    const struct {
        const char *what;
        struct make_certificate_request request;
        const struct made_certificate *sent_issuer;
        const struct made_certificate *trusted;
        const char *error; /* NULL: good */
        uint8_t alert;
    } rows[] = {
        { "unknown CA",
          { .common_name = "leaf", .issuer = &other_root },
          NULL,
          &root,
          "at depth 0: unable to get local issuer certificate",
          SSL_AD_UNKNOWN_CA },
        { "self-signed",
          { .common_name = "leaf" },
          NULL,
          &root,
          "at depth 0: self",
          SSL_AD_UNKNOWN_CA },
        { "expired",
          { .common_name = "leaf", .issuer = &root, .not_before = 1, .not_after = now_s - 60 },
          NULL,
          &root,
          "at depth 0: certificate has expired",
          SSL_AD_CERTIFICATE_EXPIRED },
        { "not yet valid",
          { .common_name = "leaf", .issuer = &root, .not_before = now_s + 3600 },
          NULL,
          &root,
          "at depth 0: certificate is not yet valid",
          SSL_AD_CERTIFICATE_EXPIRED },
        { "for clients only",
          { .common_name = "leaf", .issuer = &root, .is_client_only = true },
          NULL,
          &root,
          "certificate purpose",
          SSL_AD_UNSUPPORTED_CERTIFICATE },
        { "the intermediate is missing",
          { .common_name = "leaf", .issuer = &middle },
          NULL,
          &root,
          "at depth 0: unable to get local issuer certificate",
          SSL_AD_UNKNOWN_CA },
        { "issued by who may not",
          { .common_name = "leaf", .issuer = &no_issuer },
          &no_issuer,
          &root,
          "at depth 1: invalid CA certificate",
          SSL_AD_UNKNOWN_CA },
        { "the intermediate comes along",
          { .common_name = "leaf", .issuer = &middle },
          &middle,
          &root,
          NULL,
          0 },
        { "the intermediate is what is trusted",
          { .common_name = "leaf", .issuer = &middle },
          NULL,
          &middle,
          NULL,
          0 },
        { "signed by the root", { .common_name = "leaf", .issuer = &root }, NULL, &root, NULL, 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct made_certificate leaf;
        struct verify_failure failure;
        make_certificate(&rows[i].request, &leaf);
        struct verify_demand demand = { .trust = trust_of(rows[i].trusted->certificate_pem, NULL),
                                        .subject_alt_names = &no_names };
        bool is_good = check(&leaf, rows[i].sent_issuer, &demand, &failure);
        if (is_good != (rows[i].error == NULL)) {
            fail_msg("%s: %s", rows[i].what, failure.words);
        }
        if (!is_good) {
            assert_true(str_starts_with(
                str_from_cstr(failure.words),
                STR("verify cert failed: X509_verify_cert: certificate verification error ")));
            if (strstr(failure.words, rows[i].error) == NULL || failure.alert != rows[i].alert) {
                fail_msg("%s: %s (alert %u)", rows[i].what, failure.words, failure.alert);
            }
        }
        X509_STORE_free(demand.trust);
        made_certificate_cleanup(&leaf);
    }
}

static void test_what_is_no_certificate(void **state)
{
    STACK_OF(CRYPTO_BUFFER) *chain = sk_CRYPTO_BUFFER_new_null();
    struct verify_demand demand = { .trust = trust_of(root.certificate_pem, NULL),
                                    .subject_alt_names = &no_names };
    struct verify_failure failure = { 0 };

    (void)state;
    assert_false(verify_chain(chain, &demand, &failure));
    for (int i = 0; i < 40; i++) {
        assert_true(sk_CRYPTO_BUFFER_push(
                        chain, CRYPTO_BUFFER_new((const uint8_t *)"\x30\x03xyz", 5, NULL)) > 0);
        if (i == 0) {
            assert_false(verify_chain(chain, &demand, &failure));
            assert_string_equal(failure.words, "verify cert failed: a certificate cannot be read");
        }
    }
    assert_false(verify_chain(chain, &demand, &failure)); /* more than anybody needs */
    sk_CRYPTO_BUFFER_pop_free(chain, CRYPTO_BUFFER_free);
    X509_STORE_free(demand.trust);
}

static void test_names(void **state) /* DR-65, DR-66 */
{
    static const char all_kinds[] =
        "DNS:shop.example,DNS:*.wild.example,IP:192.0.2.1,IP:2001:db8::1,"
        "URI:spiffe://cluster.local/ns/a/sa/b,email:ops@shop.example";
    static const struct {
        const char *alt_names; /* of the certificate */
        const char *listed;    /* subjectAltNames, or NULL: the server name decides */
        const char *server_name;
        bool is_good;
    } rows[] = {
        /* By the server name. */
        { all_kinds, NULL, "other.example", false },
        { all_kinds, NULL, "a.shop.example", false },
        { all_kinds, NULL, "hop.example", false },
        { all_kinds, NULL, "wild.example", false },
        { all_kinds, NULL, "a.b.wild.example", false },
        { all_kinds, NULL, ".wild.example", false },
        { all_kinds, NULL, "192.0.2.2", false },
        { all_kinds, NULL, "2001:db8::2", false },
        { all_kinds, NULL, "ops@shop.example", false },
        { all_kinds, NULL, "spiffe://cluster.local/ns/a/sa/b", false },
        { "DNS:192.0.2.1", NULL, "192.0.2.1", false }, /* RFC 9110 4.3.5: an address is no name */
        { "DNS:*", NULL, "shop.example", false },
        { "DNS:s*.example", NULL, "shop.example", false },
        { "DNS:*.*.example", NULL, "a.b.example", false },
        { "email:shop.example", NULL, "shop.example", false },
        { NULL, NULL, "leaf", false }, /* the common name is not looked at */
        { all_kinds, NULL, "shop.example", true },
        { all_kinds, NULL, "SHOP.example", true },
        { "DNS:SHOP.example", NULL, "shop.example", true },
        { all_kinds, NULL, "a.wild.example", true },
        { all_kinds, NULL, "192.0.2.1", true },
        { all_kinds, NULL, "2001:0db8:0::1", true },
        { all_kinds, NULL, "", true }, /* no name is asked for: the chain decides */
        /* By the list: any of it, of any kind; the server name does not count then. */
        { all_kinds, "other.example", "shop.example", false },
        { all_kinds, "shop", "shop.example", false },
        { all_kinds, "spiffe://cluster.local/ns/a/sa", "", false },
        { all_kinds, "SPIFFE://cluster.local/ns/a/sa/b", "", false },
        { all_kinds, "*.shop.example", "", false },
        { NULL, "leaf", "leaf", false },
        { all_kinds, "other.example|shop.example", "third.example", true },
        { all_kinds, "spiffe://cluster.local/ns/a/sa/b", "third.example", true },
        { all_kinds, "ops@shop.example", "", true },
        { all_kinds, "2001:db8::1", "", true },
        { all_kinds, "*.wild.example", "", true },
        { all_kinds, "a.wild.example", "", true },
    };
    struct verify_demand demand = { .trust = trust_of(root.certificate_pem, NULL) };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct made_certificate leaf;
        struct verify_failure failure;
        struct str_vec listed = { 0 };
        struct str rest = str_from_cstr(rows[i].listed);
        struct str name;
        while (rows[i].listed != NULL && str_split_next(&rest, '|', &name)) {
            vec_push(&listed, name);
        }
        make_certificate(&(struct make_certificate_request){ .common_name = "leaf",
                                                             .alt_names = rows[i].alt_names,
                                                             .issuer = &root },
                         &leaf);
        demand.subject_alt_names = &listed;
        demand.server_name = str_from_cstr(rows[i].server_name);
        if (check(&leaf, NULL, &demand, &failure) != rows[i].is_good) {
            fail_msg("row %zu: %s", i, failure.words);
        }
        if (!rows[i].is_good) {
            assert_non_null(strstr(failure.words, "verify cert failed: verify SAN list"));
            assert_int_equal(failure.alert, SSL_AD_BAD_CERTIFICATE);
        }
        vec_cleanup(&listed);
        made_certificate_cleanup(&leaf);
    }
    X509_STORE_free(demand.trust);
}

/* CVE-2009-2408: a name that ends for C where it does not for the CA. */
static void test_a_name_with_a_nul(void **state)
{
    struct made_certificate leaf;
    struct verify_failure failure;
    struct verify_demand demand = { .trust = trust_of(root.certificate_pem, NULL),
                                    .subject_alt_names = &no_names,
                                    .server_name = STR("shop.example") };

    (void)state;
    make_certificate(&(struct make_certificate_request){ .common_name = "leaf",
                                                         .issuer = &root,
                                                         .raw_dns = "shop.example\0.evil.example",
                                                         .raw_dns_len = 26 },
                     &leaf);
    assert_false(check(&leaf, NULL, &demand, &failure));
    made_certificate_cleanup(&leaf);
    X509_STORE_free(demand.trust);
}

static void test_revocation(void **state) /* TL-90 */
{
    struct made_certificate leaf;
    struct made_certificate revoked;
    struct made_certificate below;
    struct verify_failure failure;

    (void)state;
    make_certificate(&(struct make_certificate_request){ .common_name = "leaf", .issuer = &root },
                     &leaf);
    make_certificate(
        &(struct make_certificate_request){ .common_name = "revoked", .issuer = &root }, &revoked);
    make_certificate(&(struct make_certificate_request){ .common_name = "leaf", .issuer = &middle },
                     &below);
    char *crl = make_crl(&root, &revoked);
    struct verify_demand demand = { .trust = trust_of(root.certificate_pem, crl),
                                    .subject_alt_names = &no_names };
    assert_false(check(&revoked, NULL, &demand, &failure));
    assert_non_null(strstr(failure.words, "certificate revoked"));
    assert_int_equal(failure.alert, SSL_AD_CERTIFICATE_REVOKED);
    /* A CA of the chain without a list is not good enough. */
    assert_false(check(&below, &middle, &demand, &failure));
    assert_non_null(strstr(failure.words, "unable to get certificate CRL"));
    assert_true(check(&leaf, NULL, &demand, &failure));
    X509_STORE_free(demand.trust);
    mem_free(crl);

    /* A list that cannot be read is no list of nothing. */
    struct secret *secret =
        ca_secret(root.certificate_pem, "-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n");
    struct err err = { 0 };
    assert_null(verify_open_trust(secret, &err));
    assert_non_null(strstr(err.text, "revocation list"));
    secret_unref(secret);
    made_certificate_cleanup(&leaf);
    made_certificate_cleanup(&revoked);
    made_certificate_cleanup(&below);
}

static void test_a_secret_without_a_ca(void **state)
{
    struct secret_source source = { .name = STR("pair"),
                                    .origin = STR("test"),
                                    .certificate_pem = str_from_cstr(root.certificate_pem),
                                    .key_pem = str_from_cstr(root.key_pem) };
    struct arena *arena = arena_new(512);
    struct str_vec warnings = { 0 };
    struct err err = { 0 };
    struct secret *secret = secret_parse(&source, (int64_t)time(NULL), &warnings, arena, &err);

    (void)state;
    assert_non_null(secret);
    assert_null(verify_open_trust(secret, &err));
    assert_string_equal(err.text, "secret pair holds no CA certificate");
    secret_unref(secret);
    arena_free(arena);
}

/* The file the environment names goes first; what is read once stays. */
static void test_the_systems_store(void **state)
{
    struct temp_dir dir;
    struct made_certificate leaf;
    struct verify_failure failure;
    struct err err = { 0 };

    (void)state;
    temp_dir_init(&dir);
    char *path = temp_dir_path(&dir, "roots.pem");
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    assert_true(fputs(root.certificate_pem, file) >= 0);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(setenv("SSL_CERT_FILE", path, 1), 0);
    struct verify_demand demand = { .trust = verify_open_trust(NULL, &err),
                                    .subject_alt_names = &no_names };
    assert_non_null(demand.trust);
    make_certificate(&(struct make_certificate_request){ .common_name = "leaf", .issuer = &root },
                     &leaf);
    assert_true(check(&leaf, NULL, &demand, &failure));
    assert_int_equal(unsetenv("SSL_CERT_FILE"), 0);
    X509_STORE *again = verify_open_trust(NULL, &err);
    assert_ptr_equal(again, demand.trust);
    X509_STORE_free(again);
    X509_STORE_free(demand.trust);
    made_certificate_cleanup(&leaf);
    mem_free(path);
    temp_dir_cleanup(&dir);
}

static int set_up(void **state)
{
    (void)state;
    make_certificate(&(struct make_certificate_request){ .common_name = "a root", .is_ca = true },
                     &root);
    make_certificate(
        &(struct make_certificate_request){ .common_name = "another root", .is_ca = true },
        &other_root);
    make_certificate(&(struct make_certificate_request){ .common_name = "an intermediate",
                                                         .is_ca = true,
                                                         .issuer = &root },
                     &middle);
    make_certificate(
        &(struct make_certificate_request){ .common_name = "a neighbour", .issuer = &root },
        &no_issuer);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    made_certificate_cleanup(&root);
    made_certificate_cleanup(&other_root);
    made_certificate_cleanup(&middle);
    made_certificate_cleanup(&no_issuer);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chains),
        cmocka_unit_test(test_what_is_no_certificate),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_a_name_with_a_nul),
        cmocka_unit_test(test_revocation),
        cmocka_unit_test(test_a_secret_without_a_ca),
        cmocka_unit_test(test_the_systems_store),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
