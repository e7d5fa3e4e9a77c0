/* Tests of gateway/proxy/misdirected.c: SN-20 to SN-23. The vectors are those of the Gateway API. */
#include "gateway/proxy/misdirected.h"

#include "gateway/base/mem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Each server with a route table for its own host. */
static const char *const HOSTS[] = { "example.org", "second-example.org", "*.wildcard.org",
                                     "fourth-example.wildcard.org", "*" };
enum { SERVERS = sizeof(HOSTS) / sizeof(HOSTS[0]) };

struct fixture {
    struct snapshot_listener listener;
    struct tls_server servers[SERVERS];
    struct route_table tables[SERVERS];
    struct virtual_host hosts[SERVERS];
};

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);

    fixture->listener.is_tls = true;
    for (size_t i = 0; i < SERVERS; i++) {
        struct str host = str_from_cstr(HOSTS[i]);
        struct tls_server *server = &fixture->servers[i];
        server->kind = TLS_SERVER_HTTP;
        server->routes = &fixture->tables[i];
        assert_true(host_table_add(&fixture->listener.sni, host, server, NULL));
        if (!str_equals(host, STR("*"))) { /* the catch-all has no route for anybody */
            assert_true(host_table_add(&fixture->tables[i].hosts, host, &fixture->hosts[i], NULL));
        }
    }
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    host_table_cleanup(&fixture->listener.sni);
    for (size_t i = 0; i < SERVERS; i++) {
        host_table_cleanup(&fixture->tables[i].hosts);
    }
    mem_free(fixture);
    return 0;
}

static struct misdirected_choice choose(struct fixture *fixture, enum misdirected mode,
                                        const char *server_name, const char *authority)
{
    struct misdirected_choice choice;

    misdirected_choose(mode, &fixture->listener,
                       snapshot_find_tls_server(&fixture->listener, str_from_cstr(server_name)),
                       str_from_cstr(authority), &choice);
    return choice;
}

/* What the client sees: 200 where a virtual host is found. */
static unsigned status_of(const struct misdirected_choice *choice, const char *authority)
{
    if (choice->routes == NULL) {
        return choice->is_refused_421 ? 421 : 404;
    }
    struct str host = str_from_cstr(authority);
    host = str_slice(host, 0, str_find_char(host, ':'));
    return host_table_find(&choice->routes->hosts, host) != NULL ? 200 : 404;
}

static void test_vectors_SN_22(void **state)
{
    static const struct {
        const char *server_name;
        const char *authority;
        unsigned status;     /* auto without a common context, and 421 */
        unsigned as_istio;   /* SN-20 */
        const char *counted; /* in the mode 421; NULL: not misdirected */
    } CASES[] = {
        { "example.org", "second-example.org", 421, 404, "421" },
        { "example.org", "second-example.org:443", 421, 404, "421" },
        { "third-example.wildcard.org", "fourth-example.wildcard.org", 421, 200, "421" },
        { "third-example.wildcard.org", "fith-example.wildcard.org", 200, 200, NULL },
        { "fourth-example.wildcard.org", "fith-example.wildcard.org", 421, 404, "421" },
        { "unknown-example.org", "unknown-example.org", 404, 404, NULL },
        { "example.org", "example.org", 200, 200, NULL },
        { "example.org", "EXAMPLE.org", 200, 200, NULL },
        /* The catch-all has it: another server, and no wish to reconnect would find a route. */
        { "example.org", "unknown-example.org", 421, 404, "421" },
        { "", "example.org", 421, 404, "421" }, /* no SNI: the catch-all's connection (SN-5) */
    };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        static const enum misdirected MODES[] = { MISDIRECTED_AUTO, MISDIRECTED_421,
                                                  MISDIRECTED_404 };
        for (size_t mode = 0; mode < 3; mode++) {
            struct misdirected_choice choice =
                choose(fixture, MODES[mode], CASES[i].server_name, CASES[i].authority);
            unsigned expected =
                MODES[mode] == MISDIRECTED_404 ? CASES[i].as_istio : CASES[i].status;
            unsigned status = status_of(&choice, CASES[i].authority);
            if (status != expected) {
                fail_msg("%s, %s, mode %zu: %u", CASES[i].server_name, CASES[i].authority, mode,
                         status);
            }
            if (MODES[mode] == MISDIRECTED_421) {
                assert_int_equal(choice.answer == NULL, CASES[i].counted == NULL);
                assert_true(choice.answer == NULL || strcmp(choice.answer, CASES[i].counted) == 0);
            }
        }
    }
}

static void test_bytes_are_never_served_as_HTTP(void **state)
{
    static const enum tls_server_kind KINDS[] = { TLS_SERVER_TCP, TLS_SERVER_PASSTHROUGH };
    struct fixture *fixture = *state;

    for (size_t i = 0; i < 2; i++) {
        fixture->servers[1].kind = KINDS[i];
        fixture->servers[1].routes = NULL;
        struct misdirected_choice choice =
            choose(fixture, MISDIRECTED_AUTO, "example.org", "second-example.org");
        assert_null(choice.routes);
        assert_true(choice.is_refused_421);
        choice = choose(fixture, MISDIRECTED_404, "example.org", "second-example.org");
        assert_null(choice.routes);
        assert_false(choice.is_refused_421);
        /* A reload made it so under the connection. */
        choice = choose(fixture, MISDIRECTED_AUTO, "second-example.org", "second-example.org");
        assert_null(choice.routes);
        assert_true(choice.is_refused_421);
    }
}

static void test_a_server_that_is_gone(void **state)
{
    struct fixture *fixture = *state;
    struct misdirected_choice choice;

    misdirected_choose(MISDIRECTED_AUTO, &fixture->listener, NULL, STR("example.org"), &choice);
    assert_null(choice.routes);
    assert_false(choice.is_refused_421);
    assert_null(choice.answer);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_vectors_SN_22),
        CASE(test_bytes_are_never_served_as_HTTP),
        CASE(test_a_server_that_is_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
