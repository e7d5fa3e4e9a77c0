/* address: what is refused, what is read, and how it prints; CIDR ranges. */
#include "gateway/net/address.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static void bad_addresses_are_refused(void **state)
{
    static const char *const bad[] = {
        "",          " ",          "1.2.3",       "1.2.3.4.5", "256.1.1.1", "1.2.3.4 ",
        "01.2.3.4x", "localhost",  "example.com", "[1.2.3.4]", "[::1",      "::1]",
        "[]",        ":::",        "fe80::1%lo",  "unix://",   "unix://@",  "unix://relative",
        "1.2.3.4/8", "0x7f000001", "::1/128",
    };
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (address_parse(str_from_cstr(bad[i]), 1, &address)) {
            fail_msg("%s", bad[i]);
        }
        assert_false(address_is_ip_literal(str_from_cstr(bad[i])));
    }
    assert_false(address_parse(str_from("1.2.3.4\0", 8), 1, &address));
    char long_path[200];
    memset(long_path, 'a', sizeof(long_path));
    memcpy(long_path, "unix:///", 8);
    assert_false(address_parse(str_from(long_path, sizeof(long_path)), 0, &address));
}

static void bad_ports_are_refused_with_a_reason(void **state)
{
    static const char *const bad[] = {
        "",      "1.2.3.4", "1.2.3.4:", "1.2.3.4:65536", "1.2.3.4:-1",  "1.2.3.4:http", "::1:80",
        "[::1]", "[::1]80", "host:80",  "1.2.3.4:+1",    "1.2.3.4: 80", "[::1]:0x1",    "unix://x",
    };
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct err err = { 0 };
        if (address_parse_with_port(str_from_cstr(bad[i]), &address, &err)) {
            fail_msg("%s", bad[i]);
        }
        assert_int_equal(err.code, ERR_INPUT);
        assert_true(err.text[0] != '\0');
    }
}

static void addresses_print_as_they_are_written(void **state)
{
    static const struct {
        const char *text;
        const char *printed;
        const char *host;
        int family;
        uint16_t port;
    } rows[] = {
        { "10.0.0.1:80", "10.0.0.1:80", "10.0.0.1", AF_INET, 80 },
        { ":8080", "0.0.0.0:8080", "0.0.0.0", AF_INET, 8080 },
        { "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1", AF_INET, 0 },
        { "[::1]:443", "[::1]:443", "::1", AF_INET6, 443 },
        { "[2001:DB8:0:0::1]:65535", "[2001:db8::1]:65535", "2001:db8::1", AF_INET6, 65535 },
        { "unix:///run/a.sock", "unix:///run/a.sock", "/run/a.sock", AF_UNIX, 0 },
        { "unix://@name", "unix://@name", "@name", AF_UNIX, 0 },
    };
    char out[ADDRESS_TEXT_BYTES];
    struct address_kept kept = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct address address;
        struct address copy;
        assert_true(address_parse_with_port(str_from_cstr(rows[i].text), &address, NULL));
        assert_string_equal(address_print(&address, out).ptr, rows[i].printed);
        assert_string_equal(address_print_host(&address, out).ptr, rows[i].host);
        assert_int_equal(address_family(&address), rows[i].family);
        assert_int_equal(address_port(&address), rows[i].port);
        assert_true(address_from_sockaddr(&copy, &address.sockaddr, address.len));
        assert_true(address_equals(&address, &copy));
        address_keep(&kept, &address);
        copy = address_recall(&kept);
        assert_true(address_equals(&address, &copy));
        assert_string_equal(address_print(&copy, out).ptr, rows[i].printed);
    }
    address_kept_cleanup(&kept);
    assert_int_equal(address_recall(&kept).len, 0);
}

static void addresses_differ_by_port_family_and_bytes(void **state)
{
    struct address a;
    struct address b;

    (void)state;
    assert_true(address_parse(STR("10.0.0.1"), 80, &a));
    b = a;
    address_set_port(&b, 81);
    assert_int_equal(address_port(&b), 81);
    assert_false(address_equals(&a, &b));
    assert_true(address_parse(STR("10.0.0.2"), 80, &b));
    assert_false(address_equals(&a, &b));
    assert_true(address_parse(STR("::ffff:10.0.0.1"), 80, &b));
    assert_false(address_equals(&a, &b));
    assert_true(address_parse(STR("[::1]"), 80, &a));
    assert_true(address_is_loopback(&a));
    assert_true(address_parse(STR("127.8.9.1"), 80, &a));
    assert_true(address_is_loopback(&a));
    assert_true(address_parse(STR("128.0.0.1"), 80, &a));
    assert_false(address_is_loopback(&a));
    memset(&a, 0, sizeof(a));
    assert_int_equal(address_family(&a), AF_UNSPEC);
    assert_false(address_from_sockaddr(&a, NULL, 0));
    struct sockaddr_in cut = { .sin_family = AF_INET };
    assert_false(address_from_sockaddr(&a, (struct sockaddr *)&cut, 4));
}

static void bad_ranges_are_refused(void **state)
{
    static const char *const bad[] = {
        "",           "/8",           "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1",
        "10.0.0.1/8", "10.0.0.0/a",   "::1/129",   "::1/127",     "10.0.0.0//8",
        "unix:///a",  "10.0.0.0/8/8", "0.0.0.1/0", "128.0.0.0/0", "::ffff:0.0.0.0/90",
    };
    struct cidr cidr;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        if (cidr_parse(str_from_cstr(bad[i]), &cidr)) {
            fail_msg("%s", bad[i]);
        }
    }
}

static void ranges_contain_what_they_say(void **state)
{
    static const struct {
        const char *range;
        const char *address;
        bool is_inside;
    } rows[] = {
        { "10.0.0.0/8", "10.255.255.255", true },
        { "10.0.0.0/8", "11.0.0.0", false },
        { "10.0.0.0/9", "10.127.0.1", true },
        { "10.0.0.0/9", "10.128.0.1", false },
        { "0.0.0.0/0", "255.1.2.3", true },
        { "0.0.0.0/0", "::1", false },
        { "192.0.2.7", "192.0.2.7", true },
        { "192.0.2.7", "192.0.2.6", false },
        { "2001:db8::/32", "2001:db8:ff::1", true },
        { "2001:db8::/32", "2001:db9::1", false },
        { "::/0", "2001:db8::1", true },
        { "::1", "::1", true },
        { "10.0.0.0/8", "::ffff:10.1.1.1", true },
        { "::ffff:10.0.0.0/104", "10.2.3.4", true },
        { "::ffff:10.0.0.1", "10.0.0.1", true },
        { "::/0", "::ffff:10.1.1.1", false },
    };
    struct cidr cidr;
    struct address address;

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_true(cidr_parse(str_from_cstr(rows[i].range), &cidr));
        assert_true(address_parse(str_from_cstr(rows[i].address), 1, &address));
        if (cidr_contains(&cidr, &address) != rows[i].is_inside) {
            fail_msg("%s in %s", rows[i].address, rows[i].range);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_addresses_are_refused),
        cmocka_unit_test(bad_ports_are_refused_with_a_reason),
        cmocka_unit_test(addresses_print_as_they_are_written),
        cmocka_unit_test(addresses_differ_by_port_family_and_bytes),
        cmocka_unit_test(bad_ranges_are_refused),
        cmocka_unit_test(ranges_contain_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
