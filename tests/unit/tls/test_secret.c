/* Tests of tls/secret.c, with certificate.c and pem.c under it: the checks before use. TL-22, TL-23,
 * TL-24, TL-26, TL-30, TL-80, TL-82. */
#include "tls/secret.h"

#include "tests/unit/support/make_certificate.h"
#include "tls/secret_ssl.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static int64_t now_s;
static struct made_certificate root;
static struct made_certificate middle;
static struct made_certificate leaf;
static struct made_certificate stranger;
static struct arena *arena;
static struct str_vec warnings;
static bool
    is_deferred; /* every test holds with the check of the key put off, but for that check */

static struct secret *parse(const char *certificate, const char *key, const char *ca,
                            struct err *err)
{
    struct secret_source source = {
        .name = STR("shop"),
        .origin = STR("test"),
        .certificate_pem = str_from_cstr(certificate),
        .key_pem = str_from_cstr(key),
        .ca_pem = str_from_cstr(ca),
    };

    memset(&warnings, 0, sizeof(warnings));
    memset(err, 0, sizeof(*err));
    return is_deferred ? secret_parse_deferred(&source, now_s, &warnings, arena, err)
                       : secret_parse(&source, now_s, &warnings, arena, err);
}

static bool is_warned(const char *words)
{
    for (size_t i = 0; i < warnings.count; i++) {
        if (str_find(warnings.items[i], str_from_cstr(words)) != SIZE_MAX) {
            return true;
        }
    }
    return false;
}

static void test_what_cannot_serve(void **state) /* TL-30 */
{
    static const char damaged[] = "-----BEGIN CERTIFICATE-----\n!!!\n-----END CERTIFICATE-----\n";
    static const char no_der[] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    static const char no_key[] = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    static const char ssh_key[] =
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n";
    struct made_certificate weak;
    struct made_certificate unsigning;
    make_certificate(&(struct make_certificate_request){ .key = MAKE_RSA_512 }, &weak);
    make_certificate(&(struct make_certificate_request){ .cannot_sign = true }, &unsigning);
    char *encrypted = make_encrypted_key(&leaf);
    struct text many = { 0 };
    for (int i = 0; i < 33; i++) {
        text_add_cstr(&many, stranger.certificate_pem);
    }
    const struct {
        const char *certificate;
        const char *key;
        const char *ca;
        const char *words;
    } rows[] = {
        { "", "", "", "holds no certificate" },
        { "", leaf.key_pem, "", "no certificate" },
        { leaf.certificate_pem, "", "", "no private key" },
        { "hello", leaf.key_pem, "", "no PEM certificate" },
        { damaged, leaf.key_pem, "", "damaged" },
        { no_der, leaf.key_pem, "", "cannot be read" },
        { leaf.certificate_pem, "hello", "", "no private key" },
        { leaf.certificate_pem, no_key, "", "cannot be read" },
        { leaf.certificate_pem, ssh_key, "", "OPENSSH PRIVATE KEY" },
        { leaf.certificate_pem, encrypted, "", "encrypted" },
        { leaf.certificate_pem, leaf.certificate_pem, "", "no private key" },
        { leaf.certificate_pem, stranger.key_pem, "", "does not fit" },
        { weak.certificate_pem, weak.key_pem, "", "512 bits" },
        { unsigning.certificate_pem, unsigning.key_pem, "", "BoringSSL refuses" },
        { many.ptr, stranger.key_pem, "", "more than" },
        { "", "", "hello", "ca.crt" },
        { "", "", damaged, "ca.crt" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        struct secret *secret = parse(rows[i].certificate, rows[i].key, rows[i].ca, &err);
        if (secret != NULL || strstr(err.text, rows[i].words) == NULL) {
            fail_msg("row %zu: %s", i, secret != NULL ? "accepted" : err.text);
        }
        /* Never a byte of a key in a message. */
        assert_null(strstr(err.text, "BEGIN"));
    }
    text_cleanup(&many);
    mem_free(encrypted);
    made_certificate_cleanup(&weak);
    made_certificate_cleanup(&unsigning);
}

static void test_what_is_doubtful(void **state) /* TL-26 */
{
    static const struct {
        struct make_certificate_request request;
        const char *words;
        enum secret_validity validity;
    } rows[] = {
        { { .alt_names = "DNS:a.example", .not_before = 1000000000, .not_after = 1500000000 },
          "expired on 2017-07-14",
          SECRET_IS_EXPIRED },
        { { .alt_names = "DNS:a.example", .not_before = 4000000000, .not_after = 4100000000 },
          "not valid before 2096",
          SECRET_IS_NOT_YET },
        { { .alt_names = "DNS:a.example", .is_client_only = true }, "serverAuth", SECRET_VALID },
        { { .alt_names = "DNS:a.example", .must_staple = true }, "must-staple", SECRET_VALID },
        { { .alt_names = "DNS:a.example", .is_sha1 = true }, "SHA-1", SECRET_VALID },
        { { .alt_names = "DNS:a.example", .key = MAKE_RSA_1024 }, "1024 bits", SECRET_VALID },
        { { .alt_names = "DNS:a.example", .key = MAKE_EC_P224 }, "TLS 1.3", SECRET_VALID },
        { { .alt_names = "DNS:a.example", .key = MAKE_ED25519 }, "Ed25519", SECRET_VALID },
        { { .common_name = "a.example" }, "alternative names", SECRET_VALID },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct made_certificate made;
        struct err err;
        make_certificate(&rows[i].request, &made);
        struct secret *secret = parse(made.certificate_pem, made.key_pem, "", &err);
        if (secret == NULL && rows[i].request.key == MAKE_EC_P224 &&
            strstr(err.text, "UNSUPPORTED_ALGORITHM") != NULL) {
            made_certificate_cleanup(&made);
            continue; /* newer BoringSSL has no P-224, and says so */
        }
        if (secret == NULL || !is_warned(rows[i].words)) {
            fail_msg("row %zu: %s", i, err.text);
        }
        assert_int_equal(warnings.count, 1);
        assert_int_equal(secret_validity_at(secret, now_s), rows[i].validity);
        secret_unref(secret);
        made_certificate_cleanup(&made);
    }
}

static void test_a_good_pair(void **state)
{
    struct err err;
    char *chain = make_joined(leaf.certificate_pem, middle.certificate_pem, NULL);
    struct secret *secret = parse(chain, leaf.key_pem, root.certificate_pem, &err);

    (void)state;
    assert_non_null(secret);
    assert_int_equal(warnings.count, 0);
    assert_true(secret_has_pair(secret));
    assert_int_equal(secret_key_kind(secret), SECRET_KEY_ECDSA);
    assert_true(str_equals(secret_name(secret), STR("shop")));
    assert_true(str_equals(secret_origin(secret), STR("test")));
    assert_int_equal(secret_namespace(secret).len, 0);
    const struct secret_certificates *facts = secret_chain(secret);
    assert_int_equal(facts->count, 2);
    assert_true(str_equals(facts->items[0].subject, STR("CN=leaf")));
    assert_true(str_equals(facts->items[0].issuer, STR("CN=middle")));
    assert_int_equal(facts->items[0].fingerprint.len, 64);
    assert_int_equal(facts->items[0].serial_hex.len, 4);
    assert_int_equal(facts->items[0].dns_names.count, 2);
    assert_int_equal(facts->items[0].ip_names.count, 2);
    assert_true(str_equals(facts->items[0].ip_names.items[1], STR("2001:db8::1")));
    assert_int_equal(facts->items[0].uri_names.count, 1);
    assert_true(facts->items[0].not_before < now_s && facts->items[0].not_after > now_s);
    assert_int_equal(secret_ca(secret)->count, 1);
    assert_int_equal(secret_identity(secret).len, 64);

    /* Any other content is another identity; the same is the same. */
    struct secret *again = parse(chain, leaf.key_pem, root.certificate_pem, &err);
    struct secret *without = parse(chain, leaf.key_pem, "", &err);
    assert_true(str_equals(secret_identity(secret), secret_identity(again)));
    assert_false(str_equals(secret_identity(secret), secret_identity(without)));
    secret_unref(again);
    secret_unref(without);
    assert_ptr_equal(secret_ref(secret), secret);
    secret_unref(secret);
    secret_unref(secret);
    secret_unref(NULL);
    mem_free(chain);
}

static void test_the_order_of_the_chain_is_mended(void **state)
{
    const struct {
        const char *parts[4];
        const char *words; /* NULL: nothing to say */
        const char *order; /* first letters of the subjects */
    } rows[] = {
        { { leaf.certificate_pem, middle.certificate_pem, root.certificate_pem }, NULL, "lmr" },
        { { middle.certificate_pem, leaf.certificate_pem }, "not the first", "lm" },
        { { leaf.certificate_pem, root.certificate_pem, middle.certificate_pem },
          "not in order",
          "lmr" },
        { { root.certificate_pem, middle.certificate_pem, leaf.certificate_pem },
          "not the first",
          "lmr" },
        { { leaf.certificate_pem, stranger.certificate_pem, middle.certificate_pem },
          "belong to no issuer",
          "lms" },
        /* The key stands in the same text: a combined file. */
        { { leaf.key_pem, leaf.certificate_pem, middle.certificate_pem }, NULL, "lm" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct err err;
        char *chain = make_joined(rows[i].parts[0], rows[i].parts[1], rows[i].parts[2], NULL);
        bool is_combined = rows[i].parts[0] == leaf.key_pem;
        struct secret *secret = parse(chain, is_combined ? "" : leaf.key_pem, "", &err);
        if (secret == NULL || (rows[i].words != NULL && !is_warned(rows[i].words)) ||
            (rows[i].words == NULL && warnings.count > 0)) {
            fail_msg("row %zu: %s", i, err.text);
        }
        assert_int_equal(secret_chain(secret)->count, strlen(rows[i].order));
        for (size_t at = 0; at < strlen(rows[i].order); at++) {
            assert_int_equal(secret_chain(secret)->items[at].subject.ptr[3], rows[i].order[at]);
        }
        secret_unref(secret);
        mem_free(chain);
    }
}

static void test_a_ca_alone(void **state) /* TL-23, TL-24 */
{
    struct err err;
    char *bundle = make_joined(root.certificate_pem, stranger.certificate_pem, NULL);
    struct secret *secret = parse("", "", bundle, &err);

    (void)state;
    assert_non_null(secret);
    assert_false(secret_has_pair(secret));
    assert_int_equal(secret_ca(secret)->count, 2);
    assert_int_equal(secret_validity_at(secret, now_s), SECRET_VALID);
    assert_false(secret_covers_host(secret, STR("a.example")));
    secret_unref(secret);
    mem_free(bundle);
    /* A pair serves although its CA is broken. */
    secret = parse(leaf.certificate_pem, leaf.key_pem, "hello", &err);
    assert_non_null(secret);
    assert_true(is_warned("ca.crt"));
    secret_unref(secret);
}

static void test_staple_and_crl(void **state) /* TL-82 */
{
    static const struct {
        const char *der;
        size_t len;
        bool is_used;
    } rows[] = {
        { "hello", 5, false },
        { "\x30\x03\x0a\x01\x06", 5, false },  /* unauthorized */
        { "\x30\x03\x0a\x01\x00x", 6, false }, /* something behind it */
        { "\x30\x03\x0a\x01\x00", 5, true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret_source source = {
            .certificate_pem = str_from_cstr(leaf.certificate_pem),
            .key_pem = str_from_cstr(leaf.key_pem),
            .ocsp_staple_der = str_from(rows[i].der, rows[i].len),
            .crl_pem = STR("-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----\n"),
        };
        memset(&warnings, 0, sizeof(warnings));
        struct secret *secret = secret_parse(&source, now_s, &warnings, arena, NULL);
        assert_non_null(secret);
        assert_true(is_warned("ca.crl"));
        assert_int_equal(is_warned("ocsp"), !rows[i].is_used);
        assert_int_equal(secret_ocsp_staple(secret).len, rows[i].is_used ? rows[i].len : 0);
        secret_unref(secret);
    }
}

static void test_covers_host(void **state) /* TL-80 */
{
    static const struct {
        const char *host;
        bool by_leaf; /* leaf.example, *.wild.example, 127.0.0.1, 2001:db8::1 */
        bool by_name; /* common name only: *.cn.example */
    } rows[] = {
        { "", false, false },
        { "leaf", false, false },
        { "leaf.example", true, false },
        { "LEAF.example", true, false },
        { "x.leaf.example", false, false },
        { "a.wild.example", true, false },
        { "*.wild.example", true, false },
        { "a.b.wild.example", false, false },
        { "wild.example", false, false },
        { ".wild.example", false, false },
        { "127.0.0.1", true, false },
        { "2001:db8::1", true, false },
        { "a.cn.example", false, true },
    };
    struct made_certificate named;
    struct err err;
    make_certificate(&(struct make_certificate_request){ .common_name = "*.cn.example" }, &named);
    struct secret *by_leaf = parse(leaf.certificate_pem, leaf.key_pem, "", &err);
    struct secret *by_name = parse(named.certificate_pem, named.key_pem, "", &err);

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct str host = str_from_cstr(rows[i].host);
        if (secret_covers_host(by_leaf, host) != rows[i].by_leaf ||
            secret_covers_host(by_name, host) != rows[i].by_name) {
            fail_msg("%s", rows[i].host);
        }
    }
    secret_unref(by_leaf);
    secret_unref(by_name);
    made_certificate_cleanup(&named);
}

static void test_which_keys_are_taken(void **state) /* TL-22, TL-23 */
{
    static const struct {
        const char *keys; /* present, apart by blanks; each holds its own name */
        const char *certificate;
        const char *key;
        const char *ca;
        const char *crl;
    } rows[] = {
        { "", "", "", "", "" },
        { "tls.key", "", "tls.key", "", "" },
        { "tls.crt", "tls.crt", "", "", "" },
        { "cert", "cert", "", "", "" },
        { "tls.crt tls.key ca.crt ca.crl", "tls.crt", "tls.key", "ca.crt", "ca.crl" },
        { "tls.crt tls.key cert key cacert crl ca.crt ca.crl", "cert", "key", "cacert", "crl" },
        { "tls.crt tls.key cert", "tls.crt", "tls.key", "", "" },
        { "cacert", "", "", "cacert", "" },
        { "tls-combined.pem", "tls-combined.pem", "", "", "" },
        { "other", "", "", "", "" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct secret_part parts[10];
        struct secret_source source = { 0 };
        struct str rest = str_from_cstr(rows[i].keys);
        struct str key;
        size_t count = 0;
        while (str_split_next(&rest, ' ', &key)) {
            parts[count++] = (struct secret_part){ key, key };
        }
        secret_source_from_parts(&source, parts, count);
        assert_true(str_equals(source.certificate_pem, str_from_cstr(rows[i].certificate)));
        assert_true(str_equals(source.key_pem, str_from_cstr(rows[i].key)));
        assert_true(str_equals(source.ca_pem, str_from_cstr(rows[i].ca)));
        assert_true(str_equals(source.crl_pem, str_from_cstr(rows[i].crl)));
    }
}

/* Nothing but arithmetic tells that the halves do not belong together. */
static void test_a_broken_key(void **state) /* TL-30 */
{
    char *broken = make_broken_key(&leaf);
    struct err err;
    struct secret *secret = parse(leaf.certificate_pem, broken, "", &err);

    (void)state;
    if (is_deferred) {
        assert_non_null(secret);
        assert_true(secret_is_key_unchecked(secret));
        SSL_CTX *ssl_ctx = SSL_CTX_new(TLS_method());
        assert_false(secret_apply_pair(secret, ssl_ctx)); /* never served */
        SSL_CTX_free(ssl_ctx);
        assert_false(secret_check_key(secret, &err));
        assert_true(secret_is_key_unchecked(secret));
        secret_unref(secret);
    } else {
        assert_null(secret);
    }
    assert_non_null(strstr(err.text, "cannot be read"));
    mem_free(broken);
}

static void test_a_key_is_checked_later(void **state)
{
    struct err err;
    struct secret *secret = parse(leaf.certificate_pem, leaf.key_pem, "", &err);

    (void)state;
    assert_non_null(secret);
    assert_int_equal(secret_is_key_unchecked(secret), is_deferred);
    assert_true(secret_check_key(secret, &err));
    assert_false(secret_is_key_unchecked(secret));
    secret_unref(secret);
}

static int set_up(void **state)
{
    (void)state;
    now_s = (int64_t)time(NULL);
    arena = arena_new(4096);
    make_certificate(&(struct make_certificate_request){ .common_name = "root", .is_ca = true },
                     &root);
    make_certificate(&(struct make_certificate_request){ .common_name = "middle",
                                                         .is_ca = true,
                                                         .issuer = &root },
                     &middle);
    make_certificate(
        &(struct make_certificate_request){
            .common_name = "leaf",
            .alt_names = "DNS:Leaf.example,DNS:*.wild.example,IP:127.0.0.1,IP:2001:db8::1,"
                         "URI:spiffe://cluster.local/ns/a/sa/b",
            .issuer = &middle },
        &leaf);
    make_certificate(&(struct make_certificate_request){ .common_name = "stranger" }, &stranger);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_free(arena);
    made_certificate_cleanup(&root);
    made_certificate_cleanup(&middle);
    made_certificate_cleanup(&leaf);
    made_certificate_cleanup(&stranger);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_cannot_serve),
        cmocka_unit_test(test_what_is_doubtful),
        cmocka_unit_test(test_a_good_pair),
        cmocka_unit_test(test_the_order_of_the_chain_is_mended),
        cmocka_unit_test(test_a_ca_alone),
        cmocka_unit_test(test_staple_and_crl),
        cmocka_unit_test(test_covers_host),
        cmocka_unit_test(test_which_keys_are_taken),
        cmocka_unit_test(test_a_broken_key),
        cmocka_unit_test(test_a_key_is_checked_later),
    };
    int failed = cmocka_run_group_tests(tests, set_up, tear_down);

    is_deferred = true;
    return failed + cmocka_run_group_tests(tests, set_up, tear_down);
}
