/* test_compile_tls: policy and secret of a server (spec section 3, TL-20 to TL-22, TL-25, TL-28,
 * TL-42, TL-52, TL-53, TL-58c, TL-83), and what compile_want_secrets() asks for. */
#include "tests/unit/support/make_certificate.h"
#include "tests/unit/support/snapshot_from_yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct made_certificate ecdsa; /* a.com, *.b.com */
static struct made_certificate rsa;   /* a.com */

struct tls_case {
    struct snapshot_case base;
    struct ticket_keys *keys;
};

/* A Secret of the gateway's namespace in YAML, with the PEM texts as they are. */
static void add_secret(struct text *yaml, const char *name, const char *certificate_key,
                       const char *certificate, const char *key_key, const char *key)
{
    const char *texts[] = { certificate, key };
    const char *names[] = { certificate_key, key_key };

    text_printf(yaml,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: "
                "istio-system}\nstringData:\n  other: x\n",
                name);
    for (size_t i = 0; i < 2; i++) {
        struct str rest = str_from_cstr(texts[i]);
        struct str line;

        text_printf(yaml, "  %s: |\n", names[i]);
        while (str_split_next(&rest, '\n', &line)) {
            text_printf(yaml, "    %.*s\n", STR_ARG(line));
        }
    }
}

static void open_case(struct tls_case *test, const char *server)
{
    struct text yaml = { 0 };
    struct snapshot_case *base = &test->base;

    add_secret(&yaml, "c", "tls.crt", ecdsa.certificate_pem, "tls.key", ecdsa.key_pem);
    add_secret(&yaml, "r", "cert", rsa.certificate_pem, "key", rsa.key_pem);
    add_secret(&yaml, "crossed", "tls.crt", ecdsa.certificate_pem, "tls.key", rsa.key_pem);
    add_secret(&yaml, "half", "tls.crt", ecdsa.certificate_pem, "tls.kez", ecdsa.key_pem);
    add_secret(&yaml, "ca-only", "ca.crt", ecdsa.certificate_pem, "tls.kez", ecdsa.key_pem);
    text_printf(&yaml, GATEWAY("gw", "{port: {number: 443, name: p, protocol: HTTPS}, %s}"),
                server);
    if (strstr(server, "protocol: TLS") != NULL) {
        text_printf(&yaml, VIRTUAL_SERVICE("app", "bytes",
                                           "{hosts: [x.b.com], gateways: [istio-system/gw], tcp: "
                                           "[{route: [{destination: {host: b.x}}]}]}"));
    }

    snapshot_case_init(base);
    report_init(&base->report);
    base->set =
        resource_set_load_text(STR("test.yaml"), text_view(&yaml), NULL, NULL, &base->report);
    base->store = secret_store_new(base->options.own_namespace);
    test->keys = ticket_keys_new();
    base->contexts = tls_context_cache_new(test->keys);
    compile_want_secrets(&base->options, base->set, base->store, &base->report);
    (void)secret_store_load(base->store, time(NULL)); /* what changed is not asked here */
    base->snapshot = compile_snapshot(&base->options, base->set, base->store, base->contexts, NULL,
                                      &base->report);
    text_cleanup(&yaml);
}

static void close_case(struct tls_case *test)
{
    struct tls_context_cache *contexts = test->base.contexts;
    struct secret_store *store = test->base.store;

    snapshot_case_close(&test->base);
    tls_context_cache_free(contexts);
    secret_store_free(store);
    ticket_keys_free(test->keys);
}

static struct tls_context *context_of(const struct tls_case *test)
{
    return test->base.snapshot->listener_count == 1 &&
                   test->base.snapshot->listeners[0].server_count == 1
               ? test->base.snapshot->listeners[0].servers[0]->context
               : NULL;
}

struct row {
    const char *rule;
    const char *server;
    enum finding_code code; /* FINDING_CODE_COUNT: none at all */
    const char *field;      /* NULL: not looked at */
    bool has_context;
};

static bool has_finding(const struct tls_case *test, const struct row *row)
{
    for (size_t i = 0; i < test->base.report.findings.count; i++) {
        const struct finding *finding = &test->base.report.findings.items[i];

        if (finding->code == row->code &&
            (row->field == NULL || str_equals(finding->field, str_from_cstr(row->field)))) {
            return true;
        }
    }
    return false;
}

#define TLS "spec.servers[0].tls."

static void test_servers(void **state)
{
    static const struct row rows[] = {
        { "TL-28: missing", "hosts: [a.com], tls: {mode: SIMPLE, credentialName: none}",
          FINDING_SECRET_MISSING, TLS "credentialName", false },
        { "TL-22: half of a pair", "hosts: [a.com], tls: {mode: SIMPLE, credentialName: half}",
          FINDING_SECRET_MISSING, NULL, false },
        { "TL-24: CA certificates only",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: ca-only}", FINDING_SECRET_UNUSABLE,
          TLS "credentialName", false },
        { "TL-30: key of another", "hosts: [a.com], tls: {mode: SIMPLE, credentialName: crossed}",
          FINDING_SECRET_UNUSABLE, NULL, false },
        { "TL-21: another namespace",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: 'kubernetes://other/c'}",
          FINDING_SECRET_DENIED, NULL, false },
        { "TL-20: elsewhere", "hosts: [a.com], tls: {mode: SIMPLE, credentialName: 'sds://c'}",
          FINDING_SECRET_DENIED, NULL, false },
        { "TL-53: nothing is left",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c, cipherSuites: [NOPE]}",
          FINDING_TLS_NO_CIPHER, NULL, false },
        { "TL-32: no such files",
          "hosts: [a.com], tls: {mode: SIMPLE, serverCertificate: /none/a.pem, privateKey: "
          "/none/a.key}",
          FINDING_SECRET_UNUSABLE, TLS "serverCertificate", false },
        { "TL-83", "hosts: [other.com], tls: {mode: SIMPLE, credentialName: c}",
          FINDING_SECRET_HOST_UNCOVERED, TLS "credentialName", true },
        { "TL-83: deeper than one label",
          "hosts: [x.y.b.com], tls: {mode: SIMPLE, credentialName: c}",
          FINDING_SECRET_HOST_UNCOVERED, NULL, true },
        { "TL-58c",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: r, cipherSuites: "
          "[ECDHE-ECDSA-AES128-GCM-SHA256]}",
          FINDING_SECRET_KEY_UNFIT, TLS "cipherSuites", true },
        { "TL-58c: the other way",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c, cipherSuites: "
          "[ECDHE-RSA-AES128-GCM-SHA256, AES128-SHA]}",
          FINDING_SECRET_KEY_UNFIT, NULL, true },
        { "TL-52",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c, cipherSuites: "
          "[ECDHE-ECDSA-AES128-GCM-SHA256, NOPE]}",
          FINDING_TLS_CIPHER, TLS "cipherSuites[1]", true },
        { "TL-25", "hosts: [a.com], tls: {mode: SIMPLE, credentialNames: [c, r]}",
          FINDING_SECOND_CERTIFICATE_NOT_HONOURED, TLS "credentialNames", true },
        { "TL-20: plain",
          "hosts: [a.com, x.b.com, '*.b.com'], tls: {mode: SIMPLE, credentialName: c}",
          FINDING_CODE_COUNT, NULL, true },
        { "TL-20: kubernetes",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: 'kubernetes://c'}",
          FINDING_CODE_COUNT, NULL, true },
        { "TL-20: own namespace",
          "hosts: [a.com], tls: {mode: SIMPLE, credentialName: 'kubernetes://istio-system/c'}",
          FINDING_CODE_COUNT, NULL, true },
        { "TL-22: cert and key", "hosts: [a.com], tls: {mode: SIMPLE, credentialName: r}",
          FINDING_CODE_COUNT, NULL, true },
        { "TL-83: any host", "hosts: ['*'], tls: {mode: SIMPLE, credentialName: r}",
          FINDING_CODE_COUNT, NULL, true },
        { "one of a list", "hosts: [a.com], tls: {mode: SIMPLE, credentialNames: [r]}",
          FINDING_CODE_COUNT, NULL, true },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct tls_case test;
        bool is_good;

        open_case(&test, rows[i].server);
        is_good = rows[i].code == FINDING_CODE_COUNT ? test.base.report.findings.count == 0
                                                     : has_finding(&test, &rows[i]);
        if (!is_good || (context_of(&test) != NULL) != rows[i].has_context) {
            struct text text = { 0 };

            report_print(&test.base.report, &text);
            print_error("%s\n%s", rows[i].rule, text.len > 0 ? text.ptr : "");
            text_cleanup(&text);
            fail();
        }
        close_case(&test);
    }
}

/* TL-42, TL-40 */
static void test_versions(void **state)
{
    struct tls_case test;
    (void)state;

    open_case(&test, "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: "
                     "TLSV1_3, maxProtocolVersion: TLSV1_2}");
    assert_int_equal(test.base.snapshot->listener_count, 0);
    assert_true(test.base.report.counts[SEVERITY_ERROR] > 0);
    close_case(&test);

    open_case(&test, "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c, minProtocolVersion: "
                     "TLSV1_3}");
    assert_int_equal(tls_context_policy(context_of(&test))->min_version, TLS_VERSION_1_3);
    close_case(&test);
}

/* Same policy, same secret: one context for all servers. */
static void test_shared_context(void **state)
{
    struct tls_case test;
    struct tls_server *const *servers;
    (void)state;

    open_case(&test,
              "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}, {port: {number: 443, "
              "name: q, protocol: HTTPS}, hosts: [x.b.com], tls: {mode: SIMPLE, "
              "credentialName: c}");
    assert_int_equal(test.base.snapshot->listeners[0].server_count, 2);
    servers = test.base.snapshot->listeners[0].servers;
    assert_non_null(servers[0]->context);
    assert_ptr_equal(servers[0]->context, servers[1]->context);
    close_case(&test);
}

/* TL-70, TL-72: where bytes go on to somebody, nobody knows what he speaks; another context. */
static void test_alpn(void **state)
{
    struct tls_case test;
    struct tls_server *const *servers;
    (void)state;

    open_case(&test,
              "hosts: [a.com], tls: {mode: SIMPLE, credentialName: c}}, {port: {number: 443, "
              "name: q, protocol: TLS}, hosts: [x.b.com], tls: {mode: SIMPLE, "
              "credentialName: c}");
    assert_int_equal(test.base.snapshot->listeners[0].server_count, 2);
    servers = test.base.snapshot->listeners[0].servers;
    assert_int_equal(servers[0]->kind, TLS_SERVER_HTTP);
    assert_int_equal(tls_context_policy(servers[0]->context)->alpn, TLS_ALPN_HTTP);
    assert_int_equal(servers[1]->kind, TLS_SERVER_TCP);
    assert_int_equal(tls_context_policy(servers[1]->context)->alpn, TLS_ALPN_NONE);
    assert_non_null(servers[1]->tcp);
    assert_ptr_not_equal(servers[0]->context, servers[1]->context);
    close_case(&test);
}

static int make_certificates(void **state)
{
    struct make_certificate_request request = { .alt_names = "DNS:a.com,DNS:*.b.com" };
    (void)state;

    make_certificate(&request, &ecdsa);
    request = (struct make_certificate_request){ .alt_names = "DNS:a.com", .key = MAKE_RSA_2048 };
    make_certificate(&request, &rsa);
    return 0;
}

static int drop_certificates(void **state)
{
    (void)state;
    made_certificate_cleanup(&ecdsa);
    made_certificate_cleanup(&rsa);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_shared_context),
        cmocka_unit_test(test_alpn),
    };

    return cmocka_run_group_tests(tests, make_certificates, drop_certificates);
}
