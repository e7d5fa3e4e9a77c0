/* Tests of tls/written_key.c: which forms are read without arithmetic, which are left to the library. */
#include "tls/written_key.h"

#include "gateway/base/mem.h"
#include "tests/unit/support/make_certificate.h"

#include <openssl/bytestring.h>
#include <openssl/ec_key.h>
#include <openssl/mem.h>
#include <openssl/rsa.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum form { FORM_PKCS8, FORM_OWN }; /* own: RFC 5915 or RFC 8017 A.1.2 */

static uint8_t *encode(const struct made_certificate *made, enum form form, size_t *len)
{
    uint8_t *der = NULL;
    CBB bytes;

    assert_true(CBB_init(&bytes, 256));
    if (form == FORM_PKCS8) {
        assert_true(EVP_marshal_private_key(&bytes, made->key));
    } else if (EVP_PKEY_id(made->key) == EVP_PKEY_RSA) {
        assert_true(RSA_marshal_private_key(&bytes, EVP_PKEY_get0_RSA(made->key)));
    } else {
        assert_true(EC_KEY_marshal_private_key(&bytes, EVP_PKEY_get0_EC_KEY(made->key), 0));
    }
    assert_true(CBB_finish(&bytes, &der, len));
    return der;
}

static void test_forms(void **state)
{
    static const struct {
        enum make_key kind;
        enum form form;
        bool is_read;
        enum secret_key_kind key_kind;
        unsigned bits;
    } rows[] = {
        { MAKE_ED25519, FORM_PKCS8, false, 0, 0 },
        { MAKE_EC_P224, FORM_PKCS8, false, 0, 0 },
        { MAKE_EC_P224, FORM_OWN, false, 0, 0 },
        { MAKE_EC_P256, FORM_PKCS8, true, SECRET_KEY_ECDSA, 0 },
        { MAKE_EC_P256, FORM_OWN, true, SECRET_KEY_ECDSA, 0 },
        { MAKE_RSA_1024, FORM_PKCS8, true, SECRET_KEY_RSA, 1024 },
        { MAKE_RSA_2048, FORM_OWN, true, SECRET_KEY_RSA, 2048 },
    };
    struct made_certificate stranger;

    (void)state;
    make_certificate(&(struct make_certificate_request){ .key = MAKE_EC_P256 }, &stranger);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct made_certificate made;
        struct written_key key;
        size_t len = 0;
        make_certificate(&(struct make_certificate_request){ .key = rows[i].kind }, &made);
        uint8_t *der = encode(&made, rows[i].form, &len);
        assert_int_equal(written_key_read(der, len, &key), rows[i].is_read);
        if (rows[i].is_read) {
            assert_int_equal(key.kind, rows[i].key_kind);
            assert_int_equal(key.bits, rows[i].bits);
            assert_true(written_key_fits(&key, made.certificate));
            assert_false(written_key_fits(&key, stranger.certificate));
        }
        OPENSSL_free(der);
        made_certificate_cleanup(&made);
    }
    made_certificate_cleanup(&stranger);
}

/* In memory of exactly that size, so that a sanitizer sees a read beyond it. */
static void test_every_cut_is_refused(void **state)
{
    static const enum make_key kinds[] = { MAKE_EC_P256, MAKE_RSA_1024 };
    struct written_key key;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        struct made_certificate made;
        size_t len = 0;
        make_certificate(&(struct make_certificate_request){ .key = kinds[i / 2] }, &made);
        uint8_t *der = encode(&made, i % 2 == 0 ? FORM_PKCS8 : FORM_OWN, &len);
        for (size_t cut = 0; cut < len; cut++) {
            uint8_t *part = mem_alloc(cut + 1);
            memcpy(part + 1, der, cut);
            assert_false(written_key_read(part + 1, cut, &key));
            mem_free(part);
        }
        uint8_t *longer = mem_alloc(len + 1);
        memcpy(longer, der, len);
        longer[len] = 0;
        assert_false(written_key_read(longer, len + 1, &key));
        mem_free(longer);
        OPENSSL_free(der);
        made_certificate_cleanup(&made);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_every_cut_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
