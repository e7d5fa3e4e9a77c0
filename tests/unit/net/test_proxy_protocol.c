/* Tests of gateway/net/proxy_protocol.c: what is exactly a header, and everything that is not. */
#include "gateway/net/proxy_protocol.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define BYTES(literal) (const unsigned char *)(literal), sizeof(literal) - 1

static const char *result_name(enum proxy_protocol_result result)
{
    static const char *const names[] = { "ok", "more", "absent", "malformed" };

    return names[result];
}

struct text_case {
    const char *bytes;
    size_t len;
    enum proxy_protocol_result result;
};
#define CASE(literal, result)                                                                      \
    {                                                                                              \
        literal, sizeof(literal) - 1, PROXY_PROTOCOL_##result                                      \
    }

static void check_cases(const struct text_case *cases, size_t count)
{
    struct proxy_protocol_header header;

    for (size_t i = 0; i < count; i++) {
        enum proxy_protocol_result result =
            proxy_protocol_parse((const unsigned char *)cases[i].bytes, cases[i].len, &header);
        if (result != cases[i].result) {
            fail_msg("case %zu (%s): %s, not %s", i, cases[i].bytes, result_name(result),
                     result_name(cases[i].result));
        }
    }
}

static void test_v1_bad_lines(void **state)
{
    static const struct text_case cases[] = {
        CASE("PROXY \r\n", MALFORMED),
        CASE("PROXY TCP4\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n", MALFORMED),
        CASE("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY TCP5 1.2.3.4 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 ::1 ::2 1 2\r\n", MALFORMED),
        CASE("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY TCP6 [::1] [::2] 1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 unix:///a unix:///b 1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 65536 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 +1 2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8  2\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\rX", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4\n5.6.7.8 1 2\r\n", MALFORMED),
        CASE("PROXY UNKNOWNX\r\n", MALFORMED),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2", MORE),
        CASE("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r", MORE),
        CASE("", MORE),
        CASE("P", MORE),
        CASE("PROXY", MORE),
        CASE("PROXY ", MORE),
        CASE("PROXYX", ABSENT),
        CASE("POST / HTTP/1.1\r\n", ABSENT),
        CASE("GET / HTTP/1.1\r\n", ABSENT),
        CASE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", ABSENT),
        CASE("\x16\x03\x01\x02\x00", ABSENT),
        CASE("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n", ABSENT),
    };

    (void)state;
    check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void assert_address(const struct address *address, const char *expected)
{
    char text[ADDRESS_TEXT_BYTES];
    struct str printed = address_print(address, text);

    if (!str_equals(printed, str_from_cstr(expected))) {
        fail_msg("%.*s, not %s", STR_ARG(printed), expected);
    }
}

static void test_v1_addresses(void **state)
{
    struct proxy_protocol_header header;
    static const char longest[] = "PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
                                  "ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe 65535 65535\r\n";

    (void)state;
    assert_int_equal(
        proxy_protocol_parse(BYTES("PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\nGET /"), &header),
        PROXY_PROTOCOL_OK);
    assert_int_equal(header.len, sizeof("PROXY TCP4 192.0.2.7 198.51.100.1 5000 443\r\n") - 1);
    assert_int_equal(header.version, PROXY_PROTOCOL_V1);
    assert_true(header.has_addresses);
    assert_address(&header.source, "192.0.2.7:5000");
    assert_address(&header.destination, "198.51.100.1:443");
    assert_int_equal(proxy_protocol_parse(BYTES(longest), &header), PROXY_PROTOCOL_OK);
    assert_address(&header.destination, "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535");
}

static void test_v1_unknown_has_no_addresses(void **state)
{
    struct proxy_protocol_header header;
    char line[200];

    (void)state;
    assert_int_equal(proxy_protocol_parse(BYTES("PROXY UNKNOWN\r\n"), &header), PROXY_PROTOCOL_OK);
    assert_false(header.has_addresses);
    assert_int_equal(header.len, 15);
    assert_int_equal(proxy_protocol_parse(BYTES("PROXY UNKNOWN ffff::1 a b\r\n"), &header),
                     PROXY_PROTOCOL_OK);
    assert_false(header.has_addresses);
    /* 107 bytes with CRLF and no more. */
    memset(line, 'x', sizeof(line));
    memcpy(line, "PROXY UNKNOWN ", 14);
    memcpy(line + 105, "\r\n", 2);
    assert_int_equal(proxy_protocol_parse((unsigned char *)line, 107, &header), PROXY_PROTOCOL_OK);
    memcpy(line + 105, "x\r\n", 3);
    assert_int_equal(proxy_protocol_parse((unsigned char *)line, 108, &header),
                     PROXY_PROTOCOL_MALFORMED);
    assert_int_equal(proxy_protocol_parse((unsigned char *)line, 106, &header),
                     PROXY_PROTOCOL_MORE);
}

static void test_v2_bad_headers(void **state)
{
    static const struct text_case cases[] = {
        CASE("\r\n\r", MORE),
        CASE("\r\n\r\nX", ABSENT),
        CASE(SIGNATURE, MORE),
        CASE(SIGNATURE "\x21\x11\0\x0c\1\2\3\4\5\6\7\10\0\1\0", MORE),
        CASE(SIGNATURE "\x11", MALFORMED),                                    /* version */
        CASE(SIGNATURE "\x22\x11\0\x0c\1\2\3\4\5\6\7\10\0\1\0\2", MALFORMED), /* command */
        CASE(SIGNATURE "\x21\x13\0\x0c\1\2\3\4\5\6\7\10\0\1\0\2", MALFORMED), /* transport */
        CASE(SIGNATURE "\x21\x41\0\x0c\1\2\3\4\5\6\7\10\0\1\0\2", MALFORMED), /* family */
        CASE(SIGNATURE "\x21\x11\0\x0b\1\2\3\4\5\6\7\10\0\1\0", MALFORMED),   /* too short */
        CASE(SIGNATURE "\x21\x21\0\x0c\1\2\3\4\5\6\7\10\0\1\0\2", MALFORMED), /* too short */
        CASE(SIGNATURE "\x21\x11\x0f\xf1", MALFORMED),                        /* above the limit */
        CASE(SIGNATURE "\x21\x11\0\x0e\1\2\3\4\5\6\7\10\0\1\0\2\4\0",
             MALFORMED), /* TLV: no length */
        CASE(SIGNATURE "\x21\x11\0\x0f\1\2\3\4\5\6\7\10\0\1\0\2\4\0\1",
             MALFORMED), /* TLV: no value */
        CASE(SIGNATURE "\x21\x11\0\x13\1\2\3\4\5\6\7\10\0\1\0\2\3\0\4\0\0\0\0",
             MALFORMED), /* CRC */
        CASE(SIGNATURE "\x21\x11\0\x12\1\2\3\4\5\6\7\10\0\1\0\2\3\0\3\0\0\0", MALFORMED),
    };

    (void)state;
    check_cases(cases, sizeof(cases) / sizeof(cases[0]));
}

static void test_v2_addresses_and_tlvs(void **state)
{
    struct proxy_protocol_header header;
    static const char with_noop[] =
        SIGNATURE "\x21\x11\0\x11\xc0\0\2\7\xc6\x33\x64\1\x13\x88\1\xbb\4\0\2zz";

    (void)state;
    assert_int_equal(proxy_protocol_parse(BYTES(with_noop), &header), PROXY_PROTOCOL_OK);
    assert_int_equal(header.len, sizeof(with_noop) - 1);
    assert_int_equal(header.version, PROXY_PROTOCOL_V2);
    assert_address(&header.source, "192.0.2.7:5000");
    assert_address(&header.destination, "198.51.100.1:443");
}

static void test_v2_without_addresses(void **state)
{
    static const struct text_case cases[] = {
        CASE(SIGNATURE "\x20\0\0\0", OK),      /* LOCAL */
        CASE(SIGNATURE "\x20\xff\0\3abc", OK), /* LOCAL: its block is ignored */
        CASE(SIGNATURE "\x21\0\0\0", OK),      /* AF_UNSPEC */
        CASE(SIGNATURE "\x21\x12\0\x0c\1\2\3\4\5\6\7\10\0\1\0\2", OK), /* datagrams */
    };
    struct proxy_protocol_header header;

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(
            proxy_protocol_parse((const unsigned char *)cases[i].bytes, cases[i].len, &header),
            PROXY_PROTOCOL_OK);
        assert_false(header.has_addresses);
        assert_int_equal(header.len, cases[i].len);
    }
}

/* Figures of another implementation of CRC-32C. */
static void test_v2_checksum(void **state)
{
    unsigned char bytes[] =
        SIGNATURE "\x21\x11\0\x13\xc0\0\2\7\xc6\x33\x64\1\x13\x88\1\xbb\3\0\4\0\0\0\0";
    struct proxy_protocol_header header;
    const size_t len = sizeof(bytes) - 1;
    static const unsigned char crc[] = { 0x99, 0x8a, 0x61, 0x35 };

    (void)state;
    memcpy(bytes + len - 4, crc, 4);
    assert_int_equal(proxy_protocol_parse(bytes, len, &header), PROXY_PROTOCOL_OK);
    assert_address(&header.source, "192.0.2.7:5000");
    for (size_t i = 16; i < len; i++) {
        if (i == 28) {
            continue; /* the TLV's type: without it there is no checksum */
        }
        bytes[i] ^= 0x20;
        assert_int_not_equal(proxy_protocol_parse(bytes, len, &header), PROXY_PROTOCOL_OK);
        bytes[i] ^= 0x20;
    }
}

static void address_of(const char *text, struct address *address)
{
    struct err err = { 0 };

    assert_true(address_parse_with_port(str_from_cstr(text), address, &err));
}

static void check_written(enum proxy_protocol_version version, const char *from, const char *to)
{
    unsigned char out[PROXY_PROTOCOL_WRITE_BYTES];
    struct proxy_protocol_header header;
    struct address source;
    struct address destination;

    address_of(from, &source);
    address_of(to, &destination);
    size_t len = proxy_protocol_write(out, version, &source, &destination);
    assert_true(len > 0 && len <= sizeof(out));
    /* No prefix of it is whole. */
    for (size_t i = 0; i < len; i++) {
        assert_int_equal(proxy_protocol_parse(out, i, &header), PROXY_PROTOCOL_MORE);
    }
    assert_int_equal(proxy_protocol_parse(out, len, &header), PROXY_PROTOCOL_OK);
    assert_int_equal(header.version, version);
    assert_int_equal(header.len, len);
    bool is_one_family = address_family(&source) == address_family(&destination);
    assert_int_equal(header.has_addresses, is_one_family);
    if (is_one_family) {
        assert_address(&header.source, from);
        assert_address(&header.destination, to);
    }
}

static void test_written_is_read_DR_80(void **state)
{
    static const enum proxy_protocol_version versions[] = { PROXY_PROTOCOL_V1, PROXY_PROTOCOL_V2 };

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        check_written(versions[i], "192.0.2.7:5000", "198.51.100.1:443");
        check_written(versions[i], "[2001:db8::7]:65535", "[2001:db8::1]:1");
        check_written(versions[i], "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff]:65535",
                      "[ffff:ffff:ffff:ffff:ffff:ffff:ffff:fffe]:65535");
        check_written(versions[i], "[2001:db8::7]:5000", "198.51.100.1:443");
    }
}

static void test_no_address_is_unknown(void **state)
{
    unsigned char out[PROXY_PROTOCOL_WRITE_BYTES];
    struct address none = { 0 };

    (void)state;
    assert_int_equal(proxy_protocol_write(out, PROXY_PROTOCOL_V1, &none, &none), 15);
    assert_memory_equal(out, "PROXY UNKNOWN\r\n", 15);
    assert_int_equal(proxy_protocol_write(out, PROXY_PROTOCOL_V2, &none, &none), 16);
    assert_memory_equal(out, SIGNATURE "\x21\0\0\0", 16);
    assert_int_equal(proxy_protocol_write(out, PROXY_PROTOCOL_NONE, &none, &none), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_v1_bad_lines),
        cmocka_unit_test(test_v1_addresses),
        cmocka_unit_test(test_v1_unknown_has_no_addresses),
        cmocka_unit_test(test_v2_bad_headers),
        cmocka_unit_test(test_v2_addresses_and_tlvs),
        cmocka_unit_test(test_v2_without_addresses),
        cmocka_unit_test(test_v2_checksum),
        cmocka_unit_test(test_written_is_read_DR_80),
        cmocka_unit_test(test_no_address_is_unknown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
