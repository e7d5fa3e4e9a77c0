/* value: the common validators (spec RL-40 to RL-51). */
#include "config/value.h"

#include "gateway/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define LABEL_63 "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijk"

struct row {
    const char *rule;
    bool (*is_good)(struct str text);
    const char *text;
    bool wanted;
};

static bool is_port_text(struct str text)
{
    uint32_t number = 0;

    return str_parse_u32(text, &number) && value_is_port(number);
}

static bool is_header_value(struct str text)
{
    return value_header_value_problem(text) == NULL;
}

static void names_and_values(void **state)
{
    static const struct row rows[] = {
        { "RL-40", value_is_dns_label, "", false },
        { "RL-40", value_is_dns_label, "-a", false },
        { "RL-40", value_is_dns_label, "a-", false },
        { "RL-40", value_is_dns_label, "a.b", false },
        { "RL-40", value_is_dns_label, "a_b", false },
        { "RL-40", value_is_dns_label, LABEL_63 "x", false },
        { "RL-40", value_is_dns_label, LABEL_63, true },
        { "RL-40", value_is_dns_label, "A", true },
        { "RL-40", value_is_dns_label, "a-1", true },
        { "RL-41", value_is_fqdn, "", false },
        { "RL-41", value_is_fqdn, ".", false },
        { "RL-41", value_is_fqdn, "a..b", false },
        { "RL-41", value_is_fqdn, ".a", false },
        { "RL-41", value_is_fqdn, "a..", false },
        { "RL-41", value_is_fqdn, "a.123", false },
        { "RL-41", value_is_fqdn, "*.a.com", false },
        { "RL-41", value_is_fqdn, "a.b.c1", true },
        { "RL-41", value_is_fqdn, "a.com.", true },
        { "RL-41", value_is_fqdn, "localhost", true },
        { "RL-42", value_is_wildcard_domain, "", false },
        { "RL-42", value_is_wildcard_domain, "foo.*.com", false },
        { "RL-42", value_is_wildcard_domain, "*.*.com", false },
        { "RL-42", value_is_wildcard_domain, "f*.com", false },
        { "RL-42", value_is_wildcard_domain, "*.", false },
        { "RL-42", value_is_wildcard_domain, "*-.com", false },
        { "RL-42", value_is_wildcard_domain, "**.com", false },
        { "RL-42", value_is_wildcard_domain, "*", true },
        { "RL-42", value_is_wildcard_domain, "*.com", true },
        { "RL-42", value_is_wildcard_domain, "*abc.com", true },
        { "RL-42", value_is_wildcard_domain, "*-abc.com", true },
        { "RL-42", value_is_wildcard_domain, "a.com", true },
        { "RL-43", value_is_partial_wildcard, "*a.com", true },
        { "RL-43", value_is_partial_wildcard, "a*.com", true },
        { "RL-43", value_is_partial_wildcard, "*", false },
        { "RL-43", value_is_partial_wildcard, "*.com", false },
        { "RL-43", value_is_partial_wildcard, "a.com", false },
        { "RL-44", is_port_text, "0", false },
        { "RL-44", is_port_text, "65536", false },
        { "RL-44", is_port_text, "1", true },
        { "RL-44", is_port_text, "65535", true },
        { "RL-47", value_is_label_key, "", false },
        { "RL-47", value_is_label_key, "-a", false },
        { "RL-47", value_is_label_key, "/a", false },
        { "RL-47", value_is_label_key, "a/", false },
        { "RL-47", value_is_label_key, "a/b/c", false },
        { "RL-47", value_is_label_key, "istio.io/rev", true },
        { "RL-47", value_is_label_key, "app_1.x", true },
        { "RL-47", value_is_label_value, "-", false },
        { "RL-47", value_is_label_value, "a b", false },
        { "RL-47", value_is_label_value, "", true },
        { "RL-47", value_is_label_value, "v1.2_3-x", true },
        { "RL-49", value_is_header_match_name, "", false },
        { "RL-49", value_is_header_match_name, "a b", false },
        { "RL-49", value_is_header_match_name, ":host", false },
        { "RL-49", value_is_header_match_name, "a:", false },
        { "RL-49", value_is_header_match_name, ":authority", true },
        { "RL-49", value_is_header_match_name, "x-a_b!#$%&'*+.^`|~", true },
        { "RL-49", value_is_header_match_name, "@request.auth.claims.sub", true },
        { "RL-49", value_is_claim_name, "@request.auth.claims[a][b]", true },
        { "RL-49", value_is_claim_name, "@request.auth.claims.", false },
        { "RL-50", is_header_value, "a\rb", false },
        { "RL-50", is_header_value, "a\x7f", false },
        { "RL-50", is_header_value, "100%", false },
        { "RL-50", is_header_value, "%REQ(", false },
        { "RL-50", is_header_value, "%REQ(x)", false },
        { "RL-50", is_header_value, "%%%", false },
        { "RL-50", is_header_value, "%REQ(x):%", false },
        { "RL-50", is_header_value, "% %", false },
        { "RL-50", is_header_value, "", true },
        { "RL-50", is_header_value, "a\tb", true },
        { "RL-50", is_header_value, "100%%", true },
        { "RL-50", is_header_value, "%PROTOCOL%", true },
        { "RL-50", is_header_value, "%REQ(X-A?:PATH):12%", true },
        { "RL-50", is_header_value, "%DYNAMIC_METADATA([\"a\", \"b\"])%", true },
        { "GW-22", value_is_ip, "10.0.0.1", true },
        { "GW-22", value_is_ip, "2001:db8::1", true },
        { "GW-22", value_is_ip, "10.0.0", false },
        { "GW-22", value_is_ip, "10.0.0.256", false },
        { "GW-22", value_is_ip, "", false },
        { "SV-31", value_is_cidr, "10.0.0.0/8", true },
        { "SV-31", value_is_cidr, "2001:db8::/129", false },
        { "SV-31", value_is_cidr, "2001:db8::/64", true },
        { "SV-31", value_is_cidr, "10.0.0.0/33", false },
        { "SV-31", value_is_cidr, "10.0.0.0/", false },
        { "GW", value_is_unix_address, "unix:///run/x", true },
        { "GW", value_is_unix_address, "unix://@x", true },
        { "GW", value_is_unix_address, "unix://x", false },
        { "GW", value_is_unix_address, "unix:///", false },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (rows[i].is_good(str_from_cstr(rows[i].text)) != rows[i].wanted) {
            fail_msg("%s: row %zu: %s", rows[i].rule, i, rows[i].text);
        }
    }
}

static void long_names_are_refused(void **state)
{
    struct text name = { 0 };

    (void)state; /* RL-41 */
    for (unsigned i = 0; i < 64; i++) {
        text_add_cstr(&name, "abc.");
    }
    assert_false(value_is_fqdn(text_view(&name)));
    assert_false(value_is_wildcard_domain(text_view(&name)));
    assert_true(value_is_fqdn(str_skip(text_view(&name), 1)));
    assert_false(value_is_ip(str_from("10.0.0.1\0", 9)));
    text_cleanup(&name);
}

static void durations_have_whole_milliseconds(void **state)
{
    (void)state; /* RL-45 */
    assert_null(value_duration_problem(&(struct optional_duration){ false, 0, 0 }));
    assert_null(value_duration_problem(&(struct optional_duration){ true, 0, 1 }));
    assert_string_equal(value_duration_problem(&(struct optional_duration){ true, 0, 0 }),
                        "duration must be greater than 1ms");
    assert_string_equal(value_duration_problem(&(struct optional_duration){ true, 0, -5 }),
                        "duration must be greater than 1ms");
    assert_string_equal(value_duration_problem(&(struct optional_duration){ true, 1, 5 }),
                        "only durations to ms precision are supported");
}

static void wildcards_contain_what_is_below(void **state)
{
    static const struct {
        const char *a;
        const char *b;
        bool wanted;
    } rows[] = {
        { "*.foo.com", "foo.com", false },
        { "*.foo.com", ".foo.com", false },
        { "a.foo.com", "*.foo.com", false },
        { "*.bar.foo.com", "*.foo.com", false },
        { "*.foo.com", "a.foo.com", true },
        { "*.foo.com", "a.b.foo.com", true },
        { "*.foo.com", "*.bar.foo.com", true },
        { "*", "*", true },
        { "*", "a.com", true },
        { "a.com", "a.com", true },
        { "*-x.foo.com", "a-x.foo.com", true },
        { "", "a", false },
    };

    (void)state; /* SN-32, SN-52 */
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (value_host_contains(str_from_cstr(rows[i].a), str_from_cstr(rows[i].b)) !=
            rows[i].wanted) {
            fail_msg("%s and %s", rows[i].a, rows[i].b);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_values),
        cmocka_unit_test(long_names_are_refused),
        cmocka_unit_test(durations_have_whole_milliseconds),
        cmocka_unit_test(wildcards_contain_what_is_below),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
