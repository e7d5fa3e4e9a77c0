/* Tests of tls/policy.c. Spec 3.4 to 3.6: TL-40, TL-41, TL-42, TL-50, TL-51, TL-52, TL-53, TL-54,
 * TL-54a, TL-55, TL-57, TL-58, TL-58a, TL-58b, TL-58c, TL-60, TL-61. */
#include "tls/policy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define AUTO TLS_VERSION_AUTO
#define DEFAULT_LIST                                                                               \
    "[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]:"                               \
    "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

/* Names of a list apart by blanks. */
static size_t split(struct arena *arena, const char *text, struct str **names)
{
    struct str_vec list = { 0 };
    struct str rest = str_from_cstr(text);
    struct str name;

    while (text[0] != '\0' && str_split_next(&rest, ' ', &name)) {
        vec_push_in_arena(arena, &list, name);
    }
    *names = list.items;
    return list.count;
}

struct row {
    const char *suites;
    enum tls_version min;
    enum tls_version max;
    const char *expected; /* NULL: an error */
    size_t warnings;
};

static void check_row(const struct row *row)
{
    struct arena *arena = arena_new(1024);
    struct tls_policy_request request = { .min_version = row->min, .max_version = row->max };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;
    struct str *names;
    size_t warnings = 0;

    request.cipher_suite_count = split(arena, row->suites, &names);
    request.cipher_suites = names;
    bool is_good = tls_policy_compile(arena, &request, &policy, &notes);
    for (size_t i = 0; i < notes.count; i++) {
        warnings += notes.items[i].is_error ? 0 : 1;
        assert_true(notes.items[i].text.len > 10);
        assert_non_null(notes.items[i].field);
    }
    if (is_good != (row->expected != NULL) || warnings != row->warnings) {
        for (size_t i = 0; i < notes.count; i++) {
            print_error("%s: %.*s\n", notes.items[i].field, STR_ARG(notes.items[i].text));
        }
        fail_msg("'%s': %s, %zu warnings", row->suites, is_good ? "accepted" : "refused", warnings);
    }
    if (is_good) {
        assert_string_equal(policy.cipher_list.ptr, row->expected);
    }
    arena_free(arena);
}

static void test_cipher_suites(void **state)
{
    static const struct row rows[] = {
        /* Bad input first: unknown, foreign, dangerous. */
        { "NOPE", AUTO, AUTO, NULL, 1 },                              /* TL-53 */
        { "DHE-RSA-AES128-GCM-SHA256 RC4-SHA", AUTO, AUTO, NULL, 2 }, /* TL-58a */
        { "TLS_AES_128_GCM_SHA256", AUTO, AUTO, NULL, 1 },            /* TL-52, TL-57 */
        { "NULL-SHA AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },
        { "PSK-AES128-CBC-SHA AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },
        { "HIGH AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },       /* TL-54a: an alias */
        { "aes128-sha AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 }, /* TL-50: exact case */
        { "AES128-SHA:AES256-SHA AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },
        { "AES128-SHA,AES256-SHA AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },
        { "AES128-SHA AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 }, /* TL-52: twice */
        { "[NOPE|AES128-SHA]", AUTO, AUTO, "AES128-SHA", 1 },
        { "[NOPE|NADA]", AUTO, AUTO, NULL, 2 },
        { "[AES128-SHA", AUTO, AUTO, NULL, 1 },
        { "!NOPE AES128-SHA", AUTO, AUTO, "AES128-SHA", 1 },
        { "ALL !ALL", AUTO, AUTO, NULL, 0 },
        { "[AES128-SHA|AES256-SHA] !AES256", AUTO, AUTO, NULL, 0 }, /* TL-54: not together */
        /* Good */
        { "", AUTO, AUTO, DEFAULT_LIST, 0 }, /* TL-55 */
        { "AES128-SHA AES256-SHA", AUTO, AUTO, "AES128-SHA:AES256-SHA", 0 },
        { "ALL", AUTO, AUTO, "ALL", 0 }, /* TL-51 */
        { "ALL !AES256 -3DES +AES128-SHA", AUTO, AUTO, "ALL:!AES256:-3DES:+AES128-SHA", 0 },
        { "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305] AES128-SHA", AUTO, AUTO,
          "[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]:AES128-SHA", 0 },
        /* TL-54a: IANA's spelling is the same suite */
        { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", AUTO, AUTO, "ECDHE-RSA-AES128-GCM-SHA256", 0 },
        { "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 ECDHE-RSA-AES128-GCM-SHA256", AUTO, AUTO,
          "ECDHE-RSA-AES128-GCM-SHA256", 1 },
        { "DES-CBC3-SHA", AUTO, AUTO, "DES-CBC3-SHA", 0 }, /* TL-58 */
        /* TLS 1.3 only: the list means nothing */
        { "NOPE AES128-SHA", TLS_VERSION_1_3, AUTO, DEFAULT_LIST, 1 },
        /* TL-41, TL-58b */
        { "", TLS_VERSION_1_0, AUTO, DEFAULT_LIST, 1 },
        { "", TLS_VERSION_1_1, TLS_VERSION_1_2, DEFAULT_LIST, 1 },
        { "", TLS_VERSION_1_0, TLS_VERSION_1_1, NULL, 0 },
        { "ECDHE-RSA-AES128-GCM-SHA256", TLS_VERSION_1_0, AUTO, "ECDHE-RSA-AES128-GCM-SHA256", 1 },
        { "ECDHE-RSA-AES128-SHA", TLS_VERSION_1_0, AUTO, "ECDHE-RSA-AES128-SHA", 0 },
        { "DES-CBC3-SHA", TLS_VERSION_1_0, TLS_VERSION_1_0, "DES-CBC3-SHA", 0 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        check_row(&rows[i]);
    }
}

/* TL-50: each name of Istio's table is a suite of the library. */
static void test_the_table_of_istio_is_accepted(void **state)
{
    static const char *const names[] = {
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
        "ECDHE-ECDSA-AES128-SHA",
        "ECDHE-RSA-AES128-SHA",
        "ECDHE-ECDSA-AES256-SHA",
        "ECDHE-RSA-AES256-SHA",
        "AES128-GCM-SHA256",
        "AES256-GCM-SHA384",
        "AES128-SHA",
        "AES256-SHA",
        "DES-CBC3-SHA",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        struct row row = { names[i], TLS_VERSION_AUTO, TLS_VERSION_AUTO, names[i], 0 };
        check_row(&row);
    }
}

static void test_the_list_of_the_customer(void **state)
{
    static const struct row row = {
        "CHACHA20-POLY1305-SHA256 ECDHE-ECDSA-AES256-GCM-SHA384 ECDHE-ECDSA-AES128-GCM-SHA256 "
        "ECDHE-RSA-AES128-GCM-SHA256 ECDHE-ECDSA-AES256-SHA384 ECDHE-ECDSA-AES256-SHA256 "
        "ECDHE-RSA-AES256-SHA256 ECDHE-ECDSA-AES256-SHA ECDHE-RSA-AES256-SHA "
        "ECDHE-RSA-AES256-GCM-SHA384 AES256-GCM-SHA384 AES128-GCM-SHA256",
        TLS_VERSION_AUTO,
        TLS_VERSION_AUTO,
        "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-ECDSA-AES128-GCM-SHA256:"
        "ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-SHA:ECDHE-RSA-AES256-SHA:"
        "ECDHE-RSA-AES256-GCM-SHA384:AES256-GCM-SHA384:AES128-GCM-SHA256",
        4,
    };

    (void)state;
    check_row(&row);
}

static void test_a_note_names_place_and_remedy(void **state)
{
    struct arena *arena = arena_new(1024);
    const struct str names[] = { STR_INIT("AES128-SHA"), STR_INIT("NOPE") };
    struct tls_policy_request request = { .cipher_suites = names, .cipher_suite_count = 2 };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy policy;

    (void)state;
    assert_true(tls_policy_compile(arena, &request, &policy, &notes));
    assert_int_equal(notes.count, 1);
    assert_string_equal(notes.items[0].field, "cipherSuites");
    assert_int_equal(notes.items[0].index, 1);
    assert_true(str_find(notes.items[0].text, STR("NOPE")) != SIZE_MAX);
    assert_true(str_find(notes.items[0].text, STR("ECDHE-RSA-CHACHA20-POLY1305")) != SIZE_MAX);
    arena_free(arena);
}

static void test_versions(void **state)
{
    static const struct {
        enum tls_version min;
        enum tls_version max;
        bool is_good;
        enum tls_version read_min;
        enum tls_version read_max;
    } rows[] = {
        { TLS_VERSION_1_3, TLS_VERSION_1_2, false, 0, 0 }, /* TL-42 */
        { TLS_VERSION_AUTO, TLS_VERSION_1_1, false, 0, 0 },
        { TLS_VERSION_AUTO, TLS_VERSION_AUTO, true, TLS_VERSION_1_2, TLS_VERSION_1_3 }, /* TL-40 */
        { TLS_VERSION_1_0, TLS_VERSION_AUTO, true, TLS_VERSION_1_0, TLS_VERSION_1_3 },
        { TLS_VERSION_AUTO, TLS_VERSION_1_2, true, TLS_VERSION_1_2, TLS_VERSION_1_2 },
        { TLS_VERSION_1_3, TLS_VERSION_1_3, true, TLS_VERSION_1_3, TLS_VERSION_1_3 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct tls_policy_request request = { .min_version = rows[i].min,
                                              .max_version = rows[i].max };
        struct tls_policy_notes notes = { 0 };
        struct tls_policy policy;
        assert_int_equal(tls_policy_compile(arena, &request, &policy, &notes), rows[i].is_good);
        if (rows[i].is_good) {
            assert_int_equal(policy.min_version, rows[i].read_min);
            assert_int_equal(policy.max_version, rows[i].read_max);
        }
        arena_free(arena);
    }
    assert_string_equal(tls_version_name(TLS_VERSION_1_2), "TLSv1.2");
    assert_string_equal(tls_version_name(TLS_VERSION_AUTO), "auto");
}

static void test_curves(void **state) /* TL-60, TL-61 */
{
    static const struct {
        const char *curves;
        const char *expected;
        size_t warnings;
    } rows[] = {
        { "P-999", NULL, 1 },
        { "p-256", NULL, 1 },
        { "P-256 P-256", "P-256", 1 },
        { "", "X25519:P-256", 0 },
        { "P-384 X25519 nope P-521", "P-384:X25519:P-521", 1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct arena *arena = arena_new(1024);
        struct tls_policy_request request = { 0 };
        struct tls_policy_notes notes = { 0 };
        struct tls_policy policy;
        struct str *names;
        request.ecdh_curve_count = split(arena, rows[i].curves, &names);
        request.ecdh_curves = names;
        bool is_good = tls_policy_compile(arena, &request, &policy, &notes);
        assert_int_equal(is_good, rows[i].expected != NULL);
        assert_int_equal(notes.count, rows[i].warnings + (is_good ? 0 : 1));
        if (is_good) {
            assert_string_equal(policy.curve_list.ptr, rows[i].expected);
        }
        arena_free(arena);
    }
}

static void test_equal_policies_have_equal_keys(void **state)
{
    struct arena *arena = arena_new(1024);
    const struct str iana = STR("TLS_RSA_WITH_AES_128_CBC_SHA");
    const struct str openssl = STR("AES128-SHA");
    struct tls_policy_request request = { .cipher_suites = &iana, .cipher_suite_count = 1 };
    struct tls_policy_notes notes = { 0 };
    struct tls_policy a;
    struct tls_policy b;

    (void)state;
    assert_true(tls_policy_compile(arena, &request, &a, &notes));
    request.cipher_suites = &openssl;
    assert_true(tls_policy_compile(arena, &request, &b, &notes));
    assert_true(str_equals(a.key, b.key));
    request.max_version = TLS_VERSION_1_2;
    assert_true(tls_policy_compile(arena, &request, &b, &notes));
    assert_false(str_equals(a.key, b.key));
    /* TL-58c: an ECDSA key and nothing but RSA suites. */
    assert_true(tls_policy_fits_key(&a, SECRET_KEY_ECDSA)); /* TLS 1.3 is left */
    assert_false(tls_policy_fits_key(&b, SECRET_KEY_ECDSA));
    assert_false(tls_policy_fits_key(&b, SECRET_KEY_ED25519));
    assert_true(tls_policy_fits_key(&b, SECRET_KEY_RSA));
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cipher_suites),
        cmocka_unit_test(test_the_table_of_istio_is_accepted),
        cmocka_unit_test(test_the_list_of_the_customer),
        cmocka_unit_test(test_a_note_names_place_and_remedy),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_equal_policies_have_equal_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
