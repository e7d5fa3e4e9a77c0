/* Tests of gateway/proxy/request_rules.c: HD-1 to HD-11, HD-20, HD-22, HD-23 and table 14.7. */
#include "gateway/proxy/request_rules.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct arena *arena;
    struct head request;
    struct address peer;
    struct request_source source;
    struct request_facts facts;
};

static int setup(void **state)
{
    static struct fixture fixture;

    memset(&fixture, 0, sizeof(fixture));
    fixture.arena = arena_new(4096);
    head_init(&fixture.request, fixture.arena);
    fixture.source = (struct request_source){
        .peer = &fixture.peer,
        .local_host = STR("10.9.9.9"),
        .request_id = STR("00000000-0000-4000-8000-000000000000"),
    };
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    arena_free(fixture->arena);
    return 0;
}

static void add(struct fixture *fixture, const char *name, const char *value)
{
    headers_add(&fixture->request.headers, str_from_cstr(name), str_from_cstr(value));
}

static void apply(struct fixture *fixture, const char *peer, unsigned trusted_hops)
{
    fixture->source.trusted_hops = trusted_hops;
    fixture->source.peer_host = str_from_cstr(peer);
    assert_true(address_parse(str_from_cstr(peer), 4242, &fixture->peer));
    request_rules_apply_on_entry(&fixture->request, &fixture->source, &fixture->facts,
                                 fixture->arena);
}

static void assert_header(struct fixture *fixture, const char *name, const char *expected)
{
    struct str value = { 0 };
    bool has = headers_join(&fixture->request.headers, str_from_cstr(name), &value);

    if (has != (expected != NULL) || (has && !str_equals(value, str_from_cstr(expected)))) {
        fail_msg("%s is %.*s, not %s", name, STR_ARG(value),
                 expected != NULL ? expected : "absent");
    }
}

static void test_what_a_client_may_not_say_HD_1_HD_8_HD_11_HD_23(void **state)
{
    static const char *const gone[] = {
        "keep-alive",
        "proxy-connection",
        "upgrade",
        "x-named",
        "x-envoy-internal",
        "x-envoy-retry-on",
        "x-envoy-upstream-rq-timeout-ms",
        "x-envoy-expected-rq-timeout-ms",
        "x-envoy-original-path",
        "x-envoy-attempt-count",
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
        "x-envoy-decorator-operation",
        "x-envoy-of-tomorrow",
        "x-forwarded-client-cert",
        "connection",
        "te",
    };

    (void)state;
    struct fixture *fixture = *state;
    add(fixture, "connection", "close, X-Named");
    add(fixture, "te", "gzip");
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]) - 2; i++) {
        add(fixture, gone[i], "1");
    }
    add(fixture, "x-mine", "stays");
    apply(fixture, "1.2.3.4", 0);
    for (size_t i = 0; i < sizeof(gone) / sizeof(gone[0]); i++) {
        assert_header(fixture, gone[i], NULL);
    }
    assert_header(fixture, "x-mine", "stays");
}

/* What Connection names is gone before ours is written. */
static void test_connection_cannot_take_ours_away_HD_1(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "connection", "x-forwarded-for, x-forwarded-proto, x-request-id");
    apply(fixture, "1.2.3.4", 0);
    assert_header(fixture, "x-forwarded-for", "1.2.3.4");
    assert_header(fixture, "x-forwarded-proto", "http");
    assert_header(fixture, "x-request-id", "00000000-0000-4000-8000-000000000000");
}

static void test_client_addresses_HD_3_HD_9(void **state)
{
    static const struct {
        const char *peer;
        unsigned hops;
        const char *received;
        const char *forwarded_for;
        const char *external;
        bool is_client_peer;
    } rows[] = {
        { "1.2.3.4", 0, NULL, "1.2.3.4", "1.2.3.4", true },
        { "1.2.3.4", 0, "9.9.9.9", "9.9.9.9,1.2.3.4", "1.2.3.4", true },
        { "10.0.0.1", 1, "9.9.9.9", "9.9.9.9,10.0.0.1", "9.9.9.9", false },
        { "10.0.0.1", 2, "8.8.8.8,9.9.9.9", "8.8.8.8,9.9.9.9,10.0.0.1", "8.8.8.8", false },
        { "10.0.0.1", 1, "8.8.8.8, 9.9.9.9", "8.8.8.8, 9.9.9.9,10.0.0.1", "9.9.9.9", false },
        /* Fewer than N, or no address: the peer. */
        { "10.0.0.1", 2, "9.9.9.9", "9.9.9.9,10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", 1, "unknown", "unknown,10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", 1, "unix:///x", "unix:///x,10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", 1, "", "10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", 1, NULL, "10.0.0.1", "10.0.0.1", true },
        { "10.0.0.1", 1, "2001:db8::1", "2001:db8::1,10.0.0.1", "2001:db8::1", false },
        { "2001:db8::7", 0, NULL, "2001:db8::7", "2001:db8::7", true },
        /* A loopback peer: our own address. */
        { "127.0.0.1", 0, NULL, "10.9.9.9", "127.0.0.1", true },
        { "::1", 0, "9.9.9.9", "9.9.9.9,10.9.9.9", "::1", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(setup(state), 0);
        struct fixture *fixture = *state;
        add(fixture, "x-envoy-external-address", "6.6.6.6");
        if (rows[i].received != NULL) {
            add(fixture, "x-forwarded-for", rows[i].received);
        }
        apply(fixture, rows[i].peer, rows[i].hops);
        assert_header(fixture, "x-forwarded-for", rows[i].forwarded_for);
        assert_header(fixture, "x-envoy-external-address", rows[i].external);
        assert_int_equal(fixture->facts.is_client_peer, rows[i].is_client_peer);
        (void)teardown(state);
    }
    assert_int_equal(setup(state), 0);
}

static void test_several_lines_are_one_list_HD_3(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "x-forwarded-for", "8.8.8.8");
    add(fixture, "x-forwarded-for", "9.9.9.9");
    apply(fixture, "10.0.0.1", 1);
    assert_header(fixture, "x-forwarded-for", "8.8.8.8,9.9.9.9,10.0.0.1");
    assert_header(fixture, "x-envoy-external-address", "9.9.9.9");
}

static void test_proto_and_scheme_HD_4_HD_6(void **state)
{
    static const struct {
        bool is_tls;
        unsigned hops;
        const char *received;
        const char *proto;
        const char *scheme;
    } rows[] = {
        { false, 0, NULL, "http", "http" },      { true, 0, NULL, "https", "https" },
        { false, 0, "https", "http", "http" },   { true, 0, "http", "https", "https" },
        { false, 1, "https", "https", "https" }, { false, 1, NULL, "http", "http" },
        { false, 1, "", "http", "http" },        { true, 1, "wss", "wss", "https" },
        { false, 1, "HTTPS", "HTTPS", "http" },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(setup(state), 0);
        struct fixture *fixture = *state;
        fixture->source.is_tls = rows[i].is_tls;
        if (rows[i].received != NULL) {
            add(fixture, "x-forwarded-proto", rows[i].received);
        }
        apply(fixture, "1.2.3.4", rows[i].hops);
        assert_header(fixture, "x-forwarded-proto", rows[i].proto);
        assert_true(str_equals(fixture->facts.scheme, str_from_cstr(rows[i].scheme)));
        assert_true(str_equals(fixture->request.scheme, str_from_cstr(rows[i].scheme)));
        (void)teardown(state);
    }
    assert_int_equal(setup(state), 0);
}

static void test_request_id_is_ours_HD_10(void **state)
{
    struct fixture *fixture = *state;

    add(fixture, "x-request-id", "abc");
    add(fixture, "x-request-id", "def");
    apply(fixture, "1.2.3.4", 1);
    assert_header(fixture, "x-request-id", "00000000-0000-4000-8000-000000000000");
}

static void test_referers_HD_2(void **state)
{
    static const struct {
        const char *value;
        bool stays;
    } rows[] = {
        { "", false },
        { "/x", false },
        { "ftp://a.com/", false },
        { "http://", false },
        { "https:///x", false },
        { "https://a.com/x#part", false },
        { "https://user@a.com/x", false },
        { "https://user:secret@a.com", false },
        { "http://a.com", true },
        { "https://a.com/x?mail=a@b.com", true },
        { "HTTPS://a.com:8443/x", true },
    };

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(setup(state), 0);
        struct fixture *fixture = *state;
        add(fixture, "referer", rows[i].value);
        apply(fixture, "1.2.3.4", 0);
        assert_header(fixture, "referer", rows[i].stays ? rows[i].value : NULL);
        (void)teardown(state);
    }
    assert_int_equal(setup(state), 0);
    struct fixture *fixture = *state;
    add(fixture, "referer", "http://a.com");
    add(fixture, "referer", "http://b.com");
    apply(fixture, "1.2.3.4", 0);
    assert_header(fixture, "referer", NULL);
}

static void test_a_peer_without_address_appends_nothing_HD_3(void **state)
{
    struct fixture *fixture = *state;

    request_rules_apply_on_entry(&fixture->request, &fixture->source, &fixture->facts,
                                 fixture->arena);
    assert_header(fixture, "x-forwarded-for", NULL);
    assert_header(fixture, "x-envoy-external-address", NULL);
}

static void test_departure_HD_20_HD_22(void **state)
{
    struct fixture *fixture = *state;
    struct request_departure departure = { .attempt = 1 };

    request_rules_apply_on_departure(&fixture->request, &departure, fixture->arena);
    assert_header(fixture, "x-envoy-attempt-count", "1");
    assert_header(fixture, "x-envoy-expected-rq-timeout-ms", NULL);
    assert_header(fixture, "x-envoy-original-path", NULL);
    departure = (struct request_departure){ 3, 1500, STR("/old?x") };
    request_rules_apply_on_departure(&fixture->request, &departure, fixture->arena);
    assert_header(fixture, "x-envoy-attempt-count", "3");             /* HT-107 */
    assert_header(fixture, "x-envoy-expected-rq-timeout-ms", "1500"); /* HT-94 */
    assert_header(fixture, "x-envoy-original-path", "/old?x");        /* HT-75 */
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_what_a_client_may_not_say_HD_1_HD_8_HD_11_HD_23),
        CASE(test_connection_cannot_take_ours_away_HD_1),
        CASE(test_several_lines_are_one_list_HD_3),
        CASE(test_request_id_is_ours_HD_10),
        CASE(test_a_peer_without_address_appends_nothing_HD_3),
        CASE(test_departure_HD_20_HD_22),
        cmocka_unit_test_teardown(test_client_addresses_HD_3_HD_9, teardown),
        cmocka_unit_test_teardown(test_proto_and_scheme_HD_4_HD_6, teardown),
        cmocka_unit_test_teardown(test_referers_HD_2, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
