/* port_protocol: words and Service ports (spec GW-10, SV-15). */
#include "config/port_protocol.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void words_in_any_case(void **state)
{
    enum port_protocol protocol = PROTOCOL_UNSUPPORTED;

    (void)state; /* GW-10 */
    assert_false(port_protocol_parse(STR(""), &protocol));
    assert_false(port_protocol_parse(STR("HTTP/2"), &protocol));
    assert_false(port_protocol_parse(STR("quic"), &protocol));
    assert_int_equal(protocol, PROTOCOL_UNSUPPORTED);
    assert_true(port_protocol_parse(STR("Https"), &protocol));
    assert_int_equal(protocol, PROTOCOL_HTTPS);
    assert_true(port_protocol_is_tls(protocol));
    assert_true(port_protocol_parse(STR("GRPC-Web"), &protocol));
    assert_true(port_protocol_is_http(protocol));
    assert_true(port_protocol_parse(STR("HTTP_PROXY"), &protocol));
    assert_true(port_protocol_is_http(protocol));
    assert_true(port_protocol_parse(STR("udp"), &protocol));
    assert_false(port_protocol_is_http(protocol) || port_protocol_is_tls(protocol));
}

static void service_ports_by_app_protocol_name_and_number(void **state)
{
    static const struct {
        const char *name;
        const char *app_protocol;
        const char *l4;
        uint32_t port;
        enum port_protocol wanted;
    } rows[] = {
        { NULL, NULL, "TCP", 8080, PROTOCOL_UNSUPPORTED },
        { "web", NULL, "TCP", 80, PROTOCOL_UNSUPPORTED },
        { "httpx", NULL, "TCP", 80, PROTOCOL_UNSUPPORTED },
        { "http", NULL, "TCP", 80, PROTOCOL_HTTP },
        { "HTTP2-x", NULL, "TCP", 80, PROTOCOL_HTTP2 },
        { "grpc-web", NULL, "TCP", 80, PROTOCOL_GRPC_WEB },
        { "grpc-web-a", NULL, "TCP", 80, PROTOCOL_GRPC_WEB },
        { "grpc-webby", NULL, "TCP", 80, PROTOCOL_GRPC },
        { "tcp-db", NULL, "TCP", 80, PROTOCOL_TCP },
        { "http", "grpc", "TCP", 80, PROTOCOL_GRPC },
        { "http", "kubernetes.io/h2c", "TCP", 80, PROTOCOL_HTTP2 },
        { "x", "kubernetes.io/ws", "TCP", 80, PROTOCOL_HTTP },
        { "x", "kubernetes.io/wss", "TCP", 80, PROTOCOL_HTTPS },
        { "http", "unknown", "TCP", 80, PROTOCOL_UNSUPPORTED },
        { "db", NULL, "TCP", 3306, PROTOCOL_TCP },
        { NULL, NULL, "TCP", 25, PROTOCOL_TCP },
        { "http", NULL, "UDP", 80, PROTOCOL_UDP },
    };

    (void)state; /* SV-15 */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct service_port port = { .name = str_from_cstr(rows[i].name),
                                     .app_protocol = str_from_cstr(rows[i].app_protocol),
                                     .protocol = str_from_cstr(rows[i].l4),
                                     .port = rows[i].port };

        assert_int_equal(port_protocol_of_service(&port), rows[i].wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_in_any_case),
        cmocka_unit_test(service_ports_by_app_protocol_name_and_number),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
