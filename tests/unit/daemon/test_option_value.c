/* Durations, sizes, labels and port maps of the command line; bad input first. */
#include "gateway/daemon/option_value.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void test_durations(void **state)
{
    static const char *const BAD[] = { "",        "5",  "-5s",  "s",   "5 s",   "1m 30s",
                                       "0.0001s", "5S", "five", "30d", "1e3ms", "600h0m1s" };
    static const struct {
        const char *text;
        uint32_t ms;
    } GOOD[] = {
        { "0", 0 },         { "0s", 0 },      { "5s", 5000 },    { "100ms", 100 },
        { "1m30s", 90000 }, { "0.25s", 250 }, { "1h", 3600000 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct err err = { 0 };
        uint32_t ms = 7;
        if (option_value_duration(str_from_cstr(BAD[i]), &ms, &err)) {
            fail_msg("\"%s\" was taken for %u ms", BAD[i], ms);
        }
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(ms, 7);
    }
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        struct err err = { 0 };
        uint32_t ms = 7;
        if (!option_value_duration(str_from_cstr(GOOD[i].text), &ms, &err)) {
            fail_msg("\"%s\": %s", GOOD[i].text, err.text);
        }
        assert_int_equal(ms, GOOD[i].ms);
    }
}

static void test_bytes(void **state)
{
    static const char *const BAD[] = { "",   "KiB",    "60 KiB", "60kb",
                                       "-1", "1.5MiB", "4GiB",   "99999999999999999999" };
    static const struct {
        const char *text;
        uint32_t bytes;
    } GOOD[] = {
        { "0", 0 }, { "4096", 4096 }, { "10B", 10 }, { "60KiB", 61440 }, { "1MiB", 1048576 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct err err = { 0 };
        uint32_t bytes = 7;
        assert_false(option_value_bytes(str_from_cstr(BAD[i]), &bytes, &err));
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(bytes, 7);
    }
    for (size_t i = 0; i < sizeof(GOOD) / sizeof(GOOD[0]); i++) {
        uint32_t bytes = 7;
        assert_true(option_value_bytes(str_from_cstr(GOOD[i].text), &bytes, NULL));
        assert_int_equal(bytes, GOOD[i].bytes);
    }
}

static void test_sizes(void **state)
{
    uint64_t bytes = 7;

    (void)state;
    assert_false(option_value_size(STR(""), &bytes, NULL));
    assert_false(option_value_size(STR("max"), &bytes, NULL));
    assert_false(option_value_size(STR("99999999999GiB"), &bytes, NULL));
    assert_int_equal(bytes, 7);
    assert_true(option_value_size(STR("16GiB"), &bytes, NULL));
    assert_true(bytes == UINT64_C(16) << 30);
}

static void test_endpoints(void **state)
{
    static const char *const BAD[] = {
        "", "127.0.0.1", "localhost:80", "1.2.3.4:65536", "unix:///run/x", "::1:80", "OFF"
    };
    struct options_endpoint endpoint = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct err err = { 0 };
        assert_false(option_value_endpoint(str_from_cstr(BAD[i]), &endpoint, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_true(option_value_endpoint(STR("off"), &endpoint, NULL));
    assert_true(endpoint.is_off);
    assert_true(option_value_endpoint(STR("[::1]:15000"), &endpoint, NULL));
    assert_false(endpoint.is_off);
    assert_int_equal(address_port(&endpoint.address), 15000);
}

static void test_labels(void **state)
{
    static const char *const BAD[] = { "", "app", "=x", "a b=c", "app=a b", "app=x,", "/x=y" };
    struct arena *arena = arena_new(512);
    struct str_pair_vec labels = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct str_pair_vec none = { 0 };
        struct err err = { 0 };
        if (option_value_labels(arena, str_from_cstr(BAD[i]), &none, &err)) {
            fail_msg("\"%s\" was taken", BAD[i]);
        }
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_true(option_value_labels(arena, STR("app=gw,istio=ingressgateway"), &labels, NULL));
    assert_true(option_value_labels(arena, STR("app=other,empty="), &labels, NULL));
    assert_int_equal(labels.count, 3);
    assert_true(str_equals(labels.items[0].value, STR("other")));
    assert_true(str_equals(labels.items[1].value, STR("ingressgateway")));
    assert_true(str_equals(labels.items[2].value, STR("")));
    arena_free(arena);
}

static void test_port_map(void **state)
{
    static const char *const BAD[] = { "",     "443",      "443=",      "=8443",  "443=65536",
                                       "0=80", "443:8443", "443=8443,", "65536=1" };
    struct arena *arena = arena_new(512);
    struct port_map_vec port_map = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct port_map_vec none = { 0 };
        struct err err = { 0 };
        if (option_value_port_map(arena, str_from_cstr(BAD[i]), &none, &err)) {
            fail_msg("\"%s\" was taken", BAD[i]);
        }
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_true(option_value_port_map(arena, STR("443=8443, 80=0"), &port_map, NULL));
    assert_true(option_value_port_map(arena, STR("443=9443"), &port_map, NULL));
    assert_int_equal(port_map.count, 2);
    assert_int_equal(port_map.items[0].gateway_port, 443);
    assert_int_equal(port_map.items[0].bind_port, 9443);
    assert_int_equal(port_map.items[1].bind_port, 0);
    arena_free(arena);
}

static void test_flags(void **state)
{
    bool flag = false;

    (void)state;
    assert_false(option_value_flag(STR("maybe"), &flag, NULL));
    assert_true(option_value_flag(STR("Yes"), &flag, NULL));
    assert_true(flag);
    assert_true(option_value_flag(STR("0"), &flag, NULL));
    assert_false(flag);
}

static void test_ranges_of_addresses(void **state)
{
    static const char *const BAD[] = { "",           "a",     "10.0.0.0/8,", "10.0.0.0/8;::1",
                                       "10.0.0.1/8", "::/129" };
    struct arena *arena = arena_new(512);
    struct cidr_vec ranges = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(BAD) / sizeof(BAD[0]); i++) {
        struct err err = { 0 };
        struct cidr_vec none = { 0 };
        if (option_value_cidrs(arena, str_from_cstr(BAD[i]), &none, &err)) {
            fail_msg("\"%s\" was taken", BAD[i]);
        }
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_true(option_value_cidrs(arena, STR("10.0.0.0/8, 192.168.1.7"), &ranges, NULL));
    assert_true(option_value_cidrs(arena, STR("fd00::/8"), &ranges, NULL));
    assert_int_equal(ranges.count, 3);
    assert_int_equal(ranges.items[1].prefix_bits, 32);
    arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ranges_of_addresses),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_endpoints),
        cmocka_unit_test(test_labels),
        cmocka_unit_test(test_port_map),
        cmocka_unit_test(test_flags),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
