/* Tests of tls/client_hello.c. SNI and what decides beside it: spec SN-1 (case), SN-5 (none), SN-6 with
 * section 15 (trailing dot), SN-7 (no TLS), TL-70 (ALPN), TL-80 (kinds of keys). */
#include "tls/client_hello.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* A hello under construction. */
struct hello {
    unsigned char bytes[70000];
    size_t len;
};

static void add(struct hello *hello, const void *bytes, size_t len)
{
    assert_true(hello->len + len <= sizeof(hello->bytes));
    memcpy(hello->bytes + hello->len, bytes, len);
    hello->len += len;
}

static void add_number(struct hello *hello, size_t number, size_t width)
{
    for (size_t i = width; i > 0; i--) {
        unsigned char byte = (unsigned char)(number >> (8 * (i - 1)));
        add(hello, &byte, 1);
    }
}

static void add_extension(struct hello *hello, size_t type, const void *body, size_t len)
{
    add_number(hello, type, 2);
    add_number(hello, len, 2);
    add(hello, body, len);
}

#define SUITES "\xc0\x2b\xc0\x2f\x13\x01"

struct shape {
    const char *suites;
    size_t suites_len;
    size_t session_id_len;
    size_t legacy_version;
    size_t compression_len;
    bool has_no_extensions;
};

static const struct shape usual = { SUITES, sizeof(SUITES) - 1, 32, 0x0303, 1, false };

/* Body of a hello around `extensions`. */
static void make_body(struct hello *body, const struct shape *shape, const struct hello *extensions)
{
    unsigned char zero[64] = { 0 };

    body->len = 0;
    add_number(body, shape->legacy_version, 2);
    add(body, zero, 32);
    add_number(body, shape->session_id_len, 1);
    add(body, zero, shape->session_id_len);
    add_number(body, shape->suites_len, 2);
    add(body, shape->suites, shape->suites_len);
    add_number(body, shape->compression_len, 1);
    add(body, zero, shape->compression_len);
    if (!shape->has_no_extensions) {
        add_number(body, extensions->len, 2);
        add(body, extensions->bytes, extensions->len);
    }
}

/* The message in records of at most `part` bytes. */
static void make_wire(struct hello *wire, const struct hello *body, size_t part)
{
    static struct hello message;

    message.len = 0;
    add_number(&message, 1, 1);
    add_number(&message, body->len, 3);
    add(&message, body->bytes, body->len);
    wire->len = 0;
    for (size_t at = 0; at < message.len; at += part) {
        size_t len = message.len - at < part ? message.len - at : part;
        add(wire, "\x16\x03\x01", 3);
        add_number(wire, len, 2);
        add(wire, message.bytes + at, len);
    }
}

static void add_server_name(struct hello *extensions, const char *name, size_t len)
{
    static struct hello body;

    body.len = 0;
    add_number(&body, len + 3, 2);
    add_number(&body, 0, 1);
    add_number(&body, len, 2);
    add(&body, name, len);
    add_extension(extensions, 0, body.bytes, body.len);
}

static enum client_hello_result parse_extensions(const struct hello *extensions,
                                                 const struct shape *shape,
                                                 struct client_hello *parsed)
{
    static struct hello body;
    static struct hello wire;

    make_body(&body, shape, extensions);
    make_wire(&wire, &body, 16384);
    return client_hello_parse(wire.bytes, wire.len, parsed);
}

static void test_no_tls_is_told_by_the_first_bytes(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        enum client_hello_result result;
    } rows[] = {
        { "", 0, CLIENT_HELLO_MORE },
        { "\x16", 1, CLIENT_HELLO_MORE },
        { "\x16\x03", 2, CLIENT_HELLO_MORE },
        { "\x16\x03\x01\x00", 4, CLIENT_HELLO_MORE },
        { "G", 1, CLIENT_HELLO_NOT_TLS },
        { "GET / HTTP/1.1\r\n", 16, CLIENT_HELLO_NOT_TLS },
        { "\x80\x2e\x01\x03\x01", 5, CLIENT_HELLO_NOT_TLS },         /* SSLv2 */
        { "\x15\x03\x01\x00\x02\x02\x28", 7, CLIENT_HELLO_NOT_TLS }, /* an alert */
        { "\x17\x03\x03\x00\x01\x00", 6, CLIENT_HELLO_NOT_TLS },
        { "\x16\x02\x00\x00\x05", 5, CLIENT_HELLO_NOT_TLS },
        { "\x16\x03\x01\x00\x00", 5, CLIENT_HELLO_MALFORMED },                 /* empty record */
        { "\x16\x03\x01\x40\x01", 5, CLIENT_HELLO_MALFORMED },                 /* more than 2^14 */
        { "\x16\x03\x01\x00\x04\x02", 6, CLIENT_HELLO_MALFORMED },             /* ServerHello */
        { "\x16\x03\x01\x00\x04\x01\x00\xff\xff", 9, CLIENT_HELLO_MALFORMED }, /* beyond our cap */
        { "\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9, CLIENT_HELLO_MALFORMED }, /* empty hello */
        { "\x16\x03\x01\x00\x01\x01\x15\x03\x01\x00\x02\x01\x00", 13,
          CLIENT_HELLO_MALFORMED }, /* an alert in the middle */
    };
    struct client_hello parsed;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(
            client_hello_parse((const unsigned char *)rows[i].bytes, rows[i].len, &parsed),
            rows[i].result);
    }
}

static void test_malformed_bodies(void **state)
{
    static const struct shape shapes[] = {
        { SUITES, 0, 32, 0x0303, 1, false }, /* no suites */
        { SUITES, 3, 32, 0x0303, 1, false }, /* half a suite */
        { SUITES, 6, 33, 0x0303, 1, false }, /* session id too long */
        { SUITES, 6, 32, 0x0303, 0, false }, /* no compression method */
        { SUITES, 6, 32, 0x0203, 1, false }, /* not a version */
    };
    struct client_hello parsed;
    struct hello *extensions = calloc(1, sizeof(*extensions));

    (void)state;
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        assert_int_equal(parse_extensions(extensions, &shapes[i], &parsed), CLIENT_HELLO_MALFORMED);
    }
    free(extensions);
}

static void test_malformed_extensions(void **state)
{
    static const struct {
        size_t type;
        const char *body;
        size_t len;
    } rows[] = {
        { 0, "", 0 },                      /* server_name without a list */
        { 0, "\x00\x00", 2 },              /* empty list */
        { 0, "\x00\x03\x00\x00\x00", 5 },  /* empty name */
        { 0, "\x00\x04\x00\x00\x01.", 6 }, /* nothing but a dot */
        { 0,
          "\x00\x04\x01\x00\x01"
          "a",
          6 }, /* not a host name */
        { 0,
          "\x00\x04\x00\x00\x02"
          "a",
          6 }, /* name longer than its list */
        { 0,
          "\x00\x05\x00\x00\x01"
          "ab",
          7 }, /* list longer than its name */
        { 0,
          "\x00\x08\x00\x00\x01"
          "a\x00\x00\x01"
          "b",
          10 }, /* two names */
        { 0,
          "\x00\x06\x00\x00\x03"
          "a\x00"
          "b",
          8 }, /* NUL */
        { 0,
          "\x00\x06\x00\x00\x03"
          "a\nb",
          8 },
        { 0,
          "\x00\x06\x00\x00\x03"
          "a b",
          8 },
        { 0,
          "\x00\x06\x00\x00\x03"
          "a\xc3\xa4",
          8 },         /* not ASCII: punycode it must be */
        { 16, "", 0 }, /* ALPN */
        { 16, "\x00\x00", 2 },
        { 16, "\x00\x01\x00", 3 }, /* empty protocol */
        { 16, "\x00\x03\x03h2", 5 },
        { 16, "\x00\x03\x02h2x", 6 },
        { 43, "", 0 }, /* supported_versions */
        { 43, "\x00", 1 },
        { 43, "\x01\x03", 2 },
        { 43, "\x02\x03\x04\x00", 4 },
        { 13, "\x00\x00", 2 }, /* signature_algorithms */
        { 13, "\x00\x01\x04", 3 },
        { 13, "\x00\x04\x04\x03", 4 },
    };
    struct client_hello parsed;
    struct hello *extensions = calloc(1, sizeof(*extensions));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        extensions->len = 0;
        add_extension(extensions, rows[i].type, rows[i].body, rows[i].len);
        if (parse_extensions(extensions, &usual, &parsed) != CLIENT_HELLO_MALFORMED) {
            fail_msg("row %zu was accepted", i);
        }
    }
    /* Twice the same type; a length that leads out; bytes behind the list. */
    extensions->len = 0;
    add_server_name(extensions, "a", 1);
    add_server_name(extensions, "b", 1);
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_MALFORMED);
    extensions->len = 0;
    add_extension(extensions, 0x7777, "", 0);
    add_extension(extensions, 0x7777, "", 0);
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_MALFORMED);
    extensions->len = 0;
    add(extensions, "\x00\x17\x00\x01", 4);
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_MALFORMED);
    extensions->len = 0;
    add(extensions, "\x00\x17\x00", 3);
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_MALFORMED);
    char long_name[256];
    memset(long_name, 'a', sizeof(long_name));
    extensions->len = 0;
    add_server_name(extensions, long_name, sizeof(long_name));
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_MALFORMED);
    free(extensions);
}

static void test_server_name_is_folded(void **state) /* SN-1, SN-6, SN-10 */
{
    static const struct {
        const char *sent;
        const char *read;
    } rows[] = {
        { "a.example.com", "a.example.com" },
        { "A.EXAMPLE.Com", "a.example.com" },
        { "a.example.com.", "a.example.com" },
        { "127.0.0.1", "127.0.0.1" },
        { "xn--bcher-kva.de", "xn--bcher-kva.de" },
        { "under_score.example", "under_score.example" },
    };
    struct client_hello parsed;
    struct hello *extensions = calloc(1, sizeof(*extensions));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        extensions->len = 0;
        add_server_name(extensions, rows[i].sent, strlen(rows[i].sent));
        assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_OK);
        assert_true(str_equals(client_hello_server_name(&parsed), str_from_cstr(rows[i].read)));
    }
    extensions->len = 0;
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_OK);
    assert_int_equal(parsed.server_name_len, 0); /* SN-5 */
    char long_name[255];
    memset(long_name, 'a', sizeof(long_name));
    add_server_name(extensions, long_name, sizeof(long_name));
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_OK);
    assert_int_equal(parsed.server_name_len, 255);
    free(extensions);
}

static void test_alpn_versions_and_ech(void **state) /* TL-70 */
{
    struct client_hello parsed;
    struct hello *extensions = calloc(1, sizeof(*extensions));
    static const struct shape old = { "\x00\x2f", 2, 0, 0x0301, 1, true };
    static const struct shape strange = { SUITES, 6, 0, 0x0399, 1, false };

    (void)state;
    add_extension(extensions, 0x0a0a, "", 0); /* GREASE */
    add_extension(extensions, 16, "\x00\x0c\x02h2\x08http/1.1", 14);
    add_extension(extensions, 43, "\x06\x4a\x4a\x03\x04\x03\x03", 7);
    add_extension(extensions, 0xfe0d, "\x01", 1);
    add_extension(extensions, 0x1a1a, "\x00", 1);
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_OK);
    assert_true(parsed.has_alpn && parsed.offers_h2 && parsed.offers_http11 && parsed.has_ech);
    assert_int_equal(parsed.max_version, 0x0304);
    assert_int_equal(parsed.min_version, 0x0303);

    extensions->len = 0;
    add_extension(extensions, 16, "\x00\x09\x08http/1.0", 11);
    add_extension(extensions, 43, "\x02\x4a\x4a", 3); /* nothing but GREASE */
    assert_int_equal(parse_extensions(extensions, &usual, &parsed), CLIENT_HELLO_OK);
    assert_true(parsed.has_alpn && !parsed.offers_h2 && !parsed.offers_http11 && !parsed.has_ech);
    assert_int_equal(parsed.max_version, 0x0303);
    assert_int_equal(parsed.min_version, 0);

    assert_int_equal(parse_extensions(extensions, &old, &parsed), CLIENT_HELLO_OK);
    assert_int_equal(parsed.max_version, 0x0301);
    assert_false(parsed.offers_ecdsa);
    assert_true(parsed.offers_rsa);
    /* TLS 1.3 and later only by extension. */
    extensions->len = 0;
    assert_int_equal(parse_extensions(extensions, &strange, &parsed), CLIENT_HELLO_OK);
    assert_int_equal(parsed.max_version, 0x0303);
    free(extensions);
}

static void test_kinds_of_keys(void **state) /* TL-80, TL-58c */
{
    static const struct {
        const char *suites;
        size_t suites_len;
        const char *schemes;
        size_t schemes_len;
        bool is_tls13;
        bool ecdsa;
        bool rsa;
    } rows[] = {
        { "\xc0\x2b", 2, NULL, 0, false, true, false },
        { "\xc0\x2f", 2, NULL, 0, false, false, true },
        { "\xc0\x2b\xc0\x2f", 4, "\x00\x02\x04\x01", 4, false, false, true },
        { "\xc0\x2b", 2, "\x00\x02\x04\x01", 4, false, false, false },
        { "\x13\x01", 2, "\x00\x04\x04\x03\x08\x04", 6, true, true, true },
        { "\x13\x01", 2, "\x00\x02\x04\x03", 4, true, true, false },
        { "\x13\x01", 2, "\x00\x02\x08\x07", 4, true, false, false },
        { "\x00\x00", 2, NULL, 0, false, false, false },
    };
    struct client_hello parsed;
    struct hello *extensions = calloc(1, sizeof(*extensions));

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct shape shape = { rows[i].suites, rows[i].suites_len, 0, 0x0303, 1, false };
        extensions->len = 0;
        if (rows[i].schemes != NULL) {
            add_extension(extensions, 13, rows[i].schemes, rows[i].schemes_len);
        }
        if (rows[i].is_tls13) {
            add_extension(extensions, 43, "\x02\x03\x04", 3);
        }
        assert_int_equal(parse_extensions(extensions, &shape, &parsed), CLIENT_HELLO_OK);
        if (parsed.offers_ecdsa != rows[i].ecdsa || parsed.offers_rsa != rows[i].rsa) {
            fail_msg("row %zu", i);
        }
    }
    free(extensions);
}

/* However it is cut into records and into reads, the answer is the same, and never early. */
static void test_cut_at_every_byte(void **state)
{
    static const size_t parts[] = { 1, 2, 3, 4, 5, 7, 64, 16384 };
    struct hello *extensions = calloc(1, sizeof(*extensions));
    struct hello *body = calloc(1, sizeof(*body));
    struct hello *wire = calloc(1, sizeof(*wire));
    struct client_hello parsed;

    (void)state;
    add_server_name(extensions, "shop.example", 12);
    add_extension(extensions, 16, "\x00\x0c\x02h2\x08http/1.1", 14);
    make_body(body, &usual, extensions);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        make_wire(wire, body, parts[i]);
        for (size_t len = 0; len < wire->len; len++) {
            /* A copy of just that size, so that the sanitizer sees a read beyond it. */
            unsigned char *copy = malloc(len > 0 ? len : 1);
            memcpy(copy, wire->bytes, len);
            assert_int_equal(client_hello_parse(copy, len, &parsed), CLIENT_HELLO_MORE);
            free(copy);
        }
        assert_int_equal(client_hello_parse(wire->bytes, wire->len, &parsed), CLIENT_HELLO_OK);
        assert_true(str_equals(client_hello_server_name(&parsed), STR("shop.example")));
        /* What follows is not ours. */
        add(wire, "\x14\x03\x03\x00\x01\x01", 6);
        assert_int_equal(client_hello_parse(wire->bytes, wire->len, &parsed), CLIENT_HELLO_OK);
    }
    /* And shortened by its own words: every truncated body is malformed, none is read beyond. */
    for (size_t len = 0; len < body->len; len++) {
        struct hello *shorter = calloc(1, sizeof(*shorter));
        add(shorter, body->bytes, len);
        make_wire(wire, shorter, 16384);
        enum client_hello_result result = client_hello_parse(wire->bytes, wire->len, &parsed);
        /* Without any extensions it is a fine hello of old. */
        size_t plain_len = body->len - extensions->len - 2;
        assert_int_equal(result, len == plain_len ? CLIENT_HELLO_OK : CLIENT_HELLO_MALFORMED);
        free(shorter);
    }
    free(extensions);
    free(body);
    free(wire);
}

static void test_a_hello_has_a_cap(void **state)
{
    struct hello *wire = calloc(1, sizeof(*wire));
    struct client_hello parsed;

    (void)state;
    /* One-byte records of a message that is never complete. */
    for (size_t i = 0; wire->len + 6 < LIMIT_CLIENT_HELLO_BYTES; i++) {
        add(wire, "\x16\x03\x01\x00\x01", 5);
        add(wire, i == 0 ? "\x01" : i == 2 ? "\x40" : "\x00", 1);
        assert_int_equal(client_hello_parse(wire->bytes, wire->len, &parsed), CLIENT_HELLO_MORE);
    }
    add(wire, "\x16\x03\x01\x00\x01\x00\x16\x03\x01\x00\x01\x00", 12);
    assert_int_equal(client_hello_parse(wire->bytes, wire->len, &parsed), CLIENT_HELLO_MALFORMED);
    free(wire);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_tls_is_told_by_the_first_bytes),
        cmocka_unit_test(test_malformed_bodies),
        cmocka_unit_test(test_malformed_extensions),
        cmocka_unit_test(test_server_name_is_folded),
        cmocka_unit_test(test_alpn_versions_and_ech),
        cmocka_unit_test(test_kinds_of_keys),
        cmocka_unit_test(test_cut_at_every_byte),
        cmocka_unit_test(test_a_hello_has_a_cap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
