/* Tests of gateway/proxy/client_tls.c: the label of a handshake is a configured name. The rest of the
 * file is tested end to end. */
#include "gateway/proxy/client_tls.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct tls_server servers[3];

static struct snapshot_listener listener_with(const char *first, const char *second)
{
    struct snapshot_listener listener = { .is_tls = true };

    assert_true(host_table_add(&listener.sni, str_from_cstr(first), &servers[0], NULL));
    if (second != NULL) {
        assert_true(host_table_add(&listener.sni, str_from_cstr(second), &servers[1], NULL));
    }
    return listener;
}

static void assert_name(const struct snapshot_listener *listener, const char *server_name,
                        const char *expected)
{
    char out[256];
    struct str name = client_tls_configured_name(listener, str_from_cstr(server_name), out);

    if (!str_equals(name, str_from_cstr(expected))) {
        fail_msg("%s: %.*s, not %s", server_name, STR_ARG(name), expected);
    }
}

static void test_nothing_configured_is_other(void **state)
{
    struct snapshot_listener listener = listener_with("a.com", NULL);

    (void)state;
    assert_name(NULL, "a.com", "other");
    assert_name(&listener, "b.com", "other");
    assert_name(&listener, "", "other");
    host_table_cleanup(&listener.sni);
}

static void test_exact_wildcard_any_SN_1(void **state)
{
    struct snapshot_listener listener = listener_with("a.example.com", "*.example.com");

    (void)state;
    assert_name(&listener, "a.example.com", "a.example.com");
    assert_name(&listener, "b.example.com", "*.example.com");
    assert_name(&listener, "x.y.example.com", "*.example.com"); /* SN-2 */
    assert_name(&listener, "example.com", "other");
    assert_true(host_table_add(&listener.sni, STR("*"), &servers[2], NULL));
    assert_name(&listener, "example.com", "*");
    assert_name(&listener, "", "*"); /* SN-5 */
    host_table_cleanup(&listener.sni);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nothing_configured_is_other),
        cmocka_unit_test(test_exact_wildcard_any_SN_1),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
