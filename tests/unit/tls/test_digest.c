/* Tests of tls/digest.c: the examples of the RFCs. */
#include "tls/digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static void test_sha1(void **state)
{
    unsigned char digest[DIGEST_SHA1_BYTES];

    (void)state;
    digest_sha1("", 0, digest);
    assert_memory_equal(digest,
                        "\xda\x39\xa3\xee\x5e\x6b\x4b\x0d\x32\x55"
                        "\xbf\xef\x95\x60\x18\x90\xaf\xd8\x07\x09",
                        sizeof(digest));
    digest_sha1("abc", 3, digest);
    assert_memory_equal(digest,
                        "\xa9\x99\x3e\x36\x47\x06\x81\x6a\xba\x3e"
                        "\x25\x71\x78\x50\xc2\x6c\x9c\xd0\xd8\x9d",
                        sizeof(digest));
}

static void test_base64(void **state) /* RFC 4648 10 */
{
    static const struct {
        const char *bytes;
        const char *text;
    } rows[] = {
        { "", "" },
        { "f", "Zg==" },
        { "fo", "Zm8=" },
        { "foo", "Zm9v" },
        { "foob", "Zm9vYg==" },
        { "fooba", "Zm9vYmE=" },
        { "foobar", "Zm9vYmFy" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char out[DIGEST_BASE64_LEN(6) + 1];
        size_t len = strlen(rows[i].bytes);
        memset(out, 'x', sizeof(out));
        struct str text = digest_base64(rows[i].bytes, len, out);
        assert_string_equal(out, rows[i].text);
        assert_int_equal(text.len, DIGEST_BASE64_LEN(len));
        assert_ptr_equal(text.ptr, out);
    }
}

/* RFC 6455 1.3: the key of the example and what accepts it. */
static void test_websocket_accept(void **state)
{
    static const char joined[] = "dGhlIHNhbXBsZSBub25jZQ==258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
    unsigned char digest[DIGEST_SHA1_BYTES];
    char out[DIGEST_BASE64_LEN(DIGEST_SHA1_BYTES) + 1];

    (void)state;
    digest_sha1(joined, strlen(joined), digest);
    (void)digest_base64(digest, sizeof(digest), out);
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void test_random(void **state)
{
    unsigned char a[16] = { 0 };
    unsigned char b[16] = { 0 };

    (void)state;
    digest_random(a, sizeof(a));
    digest_random(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    digest_random(a, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sha1),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_websocket_accept),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
