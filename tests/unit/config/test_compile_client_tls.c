/* test_compile_client_tls: TLS towards a destination (spec 7.7), and the files that
 * compile_want_secrets() asks for. */
#include "tests/unit/support/make_certificate.h"
#include "tests/unit/support/snapshot_from_yaml.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include <cmocka.h>

static struct made_certificate authority;
static struct made_certificate leaf;
static struct temp_dir directory;

struct client_case {
    struct snapshot_case base;
    struct secret_store *store;
    struct tls_client_context_cache *contexts;
};

static void add_pem(struct text *yaml, const char *key, const char *pem)
{
    struct str rest = str_from_cstr(pem);
    struct str line;

    text_printf(yaml, "  %s: |\n", key);
    while (str_split_next(&rest, '\n', &line)) {
        text_printf(yaml, "    %.*s\n", STR_ARG(line));
    }
}

static void add_secret(struct text *yaml, const char *name, const char *ca_key, bool has_pair)
{
    text_printf(yaml,
                "---\napiVersion: v1\nkind: Secret\nmetadata: {name: %s, namespace: "
                "istio-system}\nstringData:\n  other: x\n",
                name);
    if (has_pair) {
        add_pem(yaml, "tls.crt", leaf.certificate_pem);
        add_pem(yaml, "tls.key", leaf.key_pem);
    }
    if (ca_key != NULL) {
        add_pem(yaml, ca_key, authority.certificate_pem);
    }
}

/* One destination, b.x of port 443; `rule` is the spec of its DestinationRule behind the host. */
static void open_rule(struct client_case *test, const char *host, const char *rule,
                      const char *entry)
{
    struct text yaml = { 0 };
    struct snapshot_case *base = &test->base;

    add_secret(&yaml, "pair", NULL, true);
    add_secret(&yaml, "both", "ca.crt", true);
    add_secret(&yaml, "split", NULL, true);
    add_secret(&yaml, "split-cacert", "cacert", false);
    add_secret(&yaml, "ca-only", "ca.crt", false);
    text_printf(&yaml,
                OBJECT("ServiceEntry", "app", "b",
                       "{hosts: [b.x], resolution: STATIC, ports: [{number: 443, name: tcp, "
                       "protocol: TCP}], endpoints: [{address: 10.0.0.1}] %s}")
                    OBJECT("DestinationRule", "app", "r", "{host: %s, trafficPolicy: {%s}}")
                        GATEWAY("gw", HTTP_SERVER("'*'")) VIRTUAL_SERVICE(
                            "app", "v",
                            "{hosts: [a.com], gateways: [istio-system/gw], http: [{route: "
                            "[{destination: {host: b.x}}]}]}"),
                entry, host, rule);
    snapshot_case_init(base);
    report_init(&base->report);
    base->set =
        resource_set_load_text(STR("test.yaml"), text_view(&yaml), NULL, NULL, &base->report);
    if (base->report.counts[SEVERITY_ERROR] != 0) {
        print_error("%s\n", rule);
        fail();
    }
    test->store = secret_store_new(base->options.own_namespace);
    test->contexts = tls_client_context_cache_new();
    compile_want_secrets(&base->options, base->set, test->store, &base->report);
    (void)secret_store_load(test->store, time(NULL)); /* what changed is not asked here */
    base->snapshot = compile_snapshot(&base->options, base->set, test->store, NULL, test->contexts,
                                      &base->report);
    text_cleanup(&yaml);
}

static void close_rule(struct client_case *test)
{
    snapshot_case_close(&test->base);
    tls_client_context_cache_free(test->contexts);
    secret_store_free(test->store);
}

static const struct cluster_config *cluster_of(const struct client_case *test)
{
    return snapshot_case_cluster(&test->base, "outbound|443||b.x");
}

static bool has_finding(const struct client_case *test, enum finding_code code, const char *field)
{
    for (size_t i = 0; i < test->base.report.findings.count; i++) {
        const struct finding *finding = &test->base.report.findings.items[i];

        if (finding->code == code && str_equals(finding->field, str_from_cstr(field)) &&
            finding->place.line != 0) {
            return true;
        }
    }
    return false;
}

#define TLS "spec.trafficPolicy.tls."

/* Never plaintext, never unchecked: no cluster, and a finding that names the field. */
static void test_refused(void **state)
{
    const struct {
        const char *rule;
        const char *policy; /* %s: the directory */
        enum finding_code code;
        const char *field;
    } rows[] = {
        { "DR-70", "tls: {mode: ISTIO_MUTUAL}", FINDING_DESTINATION_TLS_NOT_HONOURED, TLS "mode" },
        { "a CRL that is not looked at", "tls: {mode: SIMPLE, caCrl: %s/crl.pem}",
          FINDING_DESTINATION_TLS_NOT_HONOURED, TLS "caCrl" },
        { "DR-64: no such file", "tls: {mode: SIMPLE, caCertificates: %s/none.pem}",
          FINDING_DESTINATION_CA, TLS "caCertificates" },
        { "DR-64: a file without a certificate", "tls: {mode: SIMPLE, caCertificates: %s/bad.pem}",
          FINDING_DESTINATION_CA, TLS "caCertificates" },
        { "DR-64: no such secret", "tls: {mode: SIMPLE, credentialName: none}",
          FINDING_DESTINATION_CA, TLS "credentialName" },
        { "TL-23: a secret without a CA", "tls: {mode: SIMPLE, credentialName: pair}",
          FINDING_DESTINATION_CA, TLS "credentialName" },
        { "TL-21", "tls: {mode: SIMPLE, credentialName: 'kubernetes://other/both'}",
          FINDING_SECRET_DENIED, TLS "credentialName" },
        { "DR-68: no such files",
          "tls: {mode: MUTUAL, clientCertificate: %s/none.pem, privateKey: /none.key}",
          FINDING_DESTINATION_CERTIFICATE, TLS "clientCertificate" },
        { "DR-61: a CA, no pair", "tls: {mode: MUTUAL, credentialName: ca-only}",
          FINDING_DESTINATION_CERTIFICATE, TLS "credentialName" },
        { "DR-61: a pair, no CA", "tls: {mode: MUTUAL, credentialName: pair}",
          FINDING_DESTINATION_CA, TLS "credentialName" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client_case test;
        struct text policy = { 0 };
        const char *hole = strstr(rows[i].policy, "%s");

        text_printf(&policy, "%.*s%s%s",
                    (int)(hole != NULL ? hole - rows[i].policy : (long)strlen(rows[i].policy)),
                    rows[i].policy, hole != NULL ? directory.path : "",
                    hole != NULL ? hole + 2 : "");
        open_rule(&test, "b.x", policy.ptr, "");
        if (cluster_of(&test) != NULL || !has_finding(&test, rows[i].code, rows[i].field)) {
            print_error("%s\n", rows[i].rule);
            fail();
        }
        close_rule(&test);
        text_cleanup(&policy);
    }
}

/* DR-61, DR-64, DR-67, TL-20, TL-23 */
static void test_served(void **state)
{
    const struct {
        const char *rule;
        const char *policy;
    } rows[] = {
        { "DR-64: the system's trust store", "tls: {mode: SIMPLE}" },
        { "DR-64: a file", "tls: {mode: SIMPLE, caCertificates: %s/ca.pem}" },
        { "TL-23: a secret", "tls: {mode: SIMPLE, credentialName: both}" },
        { "TL-23: of CA certificates only", "tls: {mode: SIMPLE, credentialName: ca-only}" },
        { "TL-23: NAME-cacert", "tls: {mode: MUTUAL, credentialName: split}" },
        { "DR-61", "tls: {mode: MUTUAL, credentialName: 'kubernetes://both'}" },
        { "DR-61: files",
          "tls: {mode: MUTUAL, clientCertificate: %s/leaf.pem, privateKey: %s/leaf.key}" },
        { "DR-67: without any CA", "tls: {mode: SIMPLE, insecureSkipVerify: true}" },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client_case test;
        struct text policy = { 0 };
        struct str rest = str_from_cstr(rows[i].policy);
        size_t hole;

        while ((hole = str_find(rest, STR("%s"))) != SIZE_MAX) {
            text_printf(&policy, "%.*s%s", (int)hole, rest.ptr, directory.path);
            rest = str_skip(rest, hole + 2);
        }
        text_add(&policy, rest);
        open_rule(&test, "b.x", policy.ptr, "");
        if (cluster_of(&test) == NULL || cluster_of(&test)->tls == NULL) {
            print_error("%s\n", rows[i].rule);
            fail();
        }
        assert_null(cluster_of(&test)->tls_h2);
        assert_false(tls_client_context_offers_h2(cluster_of(&test)->tls));
        close_rule(&test);
        text_cleanup(&policy);
    }
}

/* DR-60 */
static void test_plaintext(void **state)
{
    static const char *const rules[] = { "tls: {mode: DISABLE}", "tls: {}",
                                         "connectionPool: {http: {maxRetries: 1}}" };
    (void)state;

    for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
        struct client_case test;

        open_rule(&test, "b.x", rules[i], "");
        assert_non_null(cluster_of(&test));
        assert_null(cluster_of(&test)->tls);
        close_rule(&test);
    }
}

/* DR-62, DR-63 */
static void test_alpn_and_sni(void **state)
{
    struct client_case test;
    (void)state;

    open_rule(&test, "b.x",
              "tls: {mode: SIMPLE, sni: s.x}, connectionPool: {http: {h2UpgradePolicy: UPGRADE}}",
              "");
    assert_string_equal(cluster_of(&test)->sni.ptr, "s.x");
    assert_true(tls_client_context_offers_h2(cluster_of(&test)->tls));
    assert_null(cluster_of(&test)->tls_h2);
    close_rule(&test);

    open_rule(&test, "b.x",
              "tls: {mode: SIMPLE}, connectionPool: {http: {useClientProtocol: true}}", "");
    assert_true(str_is_empty(cluster_of(&test)->sni));
    assert_false(tls_client_context_offers_h2(cluster_of(&test)->tls));
    assert_true(tls_client_context_offers_h2(cluster_of(&test)->tls_h2));
    close_rule(&test);
}

/* DR-65 to DR-67: whatever is checked differently is another context, and another cluster. */
static void test_checks_differ(void **state)
{
    static const struct {
        const char *policy;
        const char *entry;
        size_t same_as; /* an earlier row */
    } rows[] = {
        { "tls: {mode: SIMPLE}", "", 0 },
        { "tls: {mode: SIMPLE, insecureSkipVerify: true}", "", 1 },
        { "tls: {mode: SIMPLE, subjectAltNames: [b.x]}", "", 2 },
        { "tls: {mode: SIMPLE}", ", subjectAltNames: [b.x]", 2 }, /* SV-42 */
        { "tls: {mode: SIMPLE}", ", subjectAltNames: ['spiffe://b']", 4 },
        { "tls: {mode: SIMPLE, subjectAltNames: [b.x]}", ", subjectAltNames: ['spiffe://b']", 2 },
        { "tls: {mode: SIMPLE, insecureSkipVerify: true}", ", subjectAltNames: [b.x]", 1 },
        { "tls: {mode: SIMPLE, credentialName: both}", "", 7 },
    };
    enum { COUNT = sizeof(rows) / sizeof(rows[0]) };
    uint64_t contexts[COUNT];
    uint64_t clusters[COUNT];
    (void)state;

    for (size_t i = 0; i < COUNT; i++) {
        struct client_case test;

        open_rule(&test, "b.x", rows[i].policy, rows[i].entry);
        assert_non_null(cluster_of(&test));
        contexts[i] = tls_client_context_fingerprint(cluster_of(&test)->tls);
        clusters[i] = cluster_of(&test)->fingerprint;
        close_rule(&test);
        for (size_t k = 0; k < i; k++) {
            assert_int_equal(contexts[k] == contexts[i], rows[k].same_as == rows[i].same_as);
            assert_int_equal(clusters[k] == clusters[i], rows[k].same_as == rows[i].same_as);
        }
    }
}

/* Files are asked for where a gateway leads to the rule's host, or might. */
static void test_wanted_files(void **state)
{
    static const struct {
        const char *host;
        size_t count;
    } rows[] = { { "b.x", 1 }, { "'*.x'", 1 }, { "other.x", 0 } };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct client_case test;
        size_t count = 0;

        open_rule(&test, rows[i].host, "tls: {mode: SIMPLE, caCertificates: /none/ca.pem}", "");
        for (size_t k = 0; k < secret_store_count(test.store); k++) {
            count += str_equals(secret_store_at(test.store, k)->name, STR("ca-file:/none/ca.pem"));
        }
        assert_int_equal(count, rows[i].count);
        close_rule(&test);
    }
}

/* DR-11: a subset's block goes before the rule's. */
static void test_subset(void **state)
{
    struct snapshot_case test;
    struct tls_client_context_cache *contexts = tls_client_context_cache_new();
    struct secret_store *store = secret_store_new(STR("istio-system"));
    (void)state;

    snapshot_case_init(&test);
    test.client_contexts = contexts;
    test.store = store;
    snapshot_case_open(
        &test,
        OBJECT("ServiceEntry", "app", "b",
               "{hosts: [b.x], resolution: STATIC, ports: [{number: 443, name: tcp, protocol: "
               "TCP}], endpoints: [{address: 10.0.0.1}]}")
            OBJECT("DestinationRule", "app", "r",
                   "{host: b.x, trafficPolicy: {tls: {mode: SIMPLE}}, subsets: [{name: plain, "
                   "trafficPolicy: {tls: {mode: DISABLE}}}]}") GATEWAY("gw", HTTP_SERVER("'*'"))
                VIRTUAL_SERVICE("app", "v",
                                "{hosts: [a.com], gateways: [istio-system/gw], http: [{route: "
                                "[{destination: {host: b.x}, weight: 1}, {destination: "
                                "{host: b.x, subset: plain}, weight: 1}]}]}"));
    assert_non_null(snapshot_case_cluster(&test, "outbound|443||b.x")->tls);
    assert_null(snapshot_case_cluster(&test, "outbound|443|plain|b.x")->tls);
    snapshot_case_close(&test);
    tls_client_context_cache_free(contexts);
    secret_store_free(store);
}

/* DR-63, DR-65: of bytes nobody names a host; said where no name is configured either. */
static void test_bytes_without_name(void **state)
{
    static const struct {
        const char *tls;
        const char *rules;
        size_t count;
    } rows[] = {
        { "mode: SIMPLE", "tcp", 1 },
        { "mode: SIMPLE, sni: s.x", "tcp", 0 },
        { "mode: SIMPLE, subjectAltNames: [s.x]", "tcp", 0 },
        { "mode: SIMPLE, insecureSkipVerify: true", "tcp", 0 },
        { "mode: SIMPLE", "http", 0 },
    };
    (void)state;

    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct snapshot_case test;
        struct tls_client_context_cache *contexts = tls_client_context_cache_new();
        struct secret_store *store = secret_store_new(STR("istio-system"));
        char yaml[2048];

        snapshot_case_init(&test);
        test.client_contexts = contexts;
        test.store = store;
        (void)snprintf(
            yaml, sizeof(yaml),
            OBJECT("ServiceEntry", "app", "b",
                   "{hosts: [b.x], resolution: STATIC, ports: [{number: 443, name: tcp, protocol: "
                   "TCP}], endpoints: [{address: 10.0.0.1}]}")
                OBJECT("DestinationRule", "app", "r", "{host: b.x, trafficPolicy: {tls: {%s}}}")
                    GATEWAY("gw", HTTP_SERVER("'*'") ", {port: {number: 9000, name: t, protocol: "
                                                     "TCP}, hosts: ['*']}")
                        VIRTUAL_SERVICE("app", "v",
                                        "{hosts: [a.com], gateways: [istio-system/gw], %s: "
                                        "[{route: [{destination: {host: b.x}}]}]}"),
            rows[i].tls, rows[i].rules);
        snapshot_case_open(&test, yaml);
        assert_int_equal(snapshot_case_finding_count(&test, FINDING_DESTINATION_NAME_UNCHECKED),
                         rows[i].count);
        snapshot_case_close(&test);
        tls_client_context_cache_free(contexts);
        secret_store_free(store);
    }
}

static void write_file(const char *name, const char *content)
{
    char *path = temp_dir_path(&directory, name);
    FILE *file = fopen(path, "w");

    assert_non_null(file);
    assert_true(fputs(content, file) >= 0);
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static int set_up(void **state)
{
    const struct made_certificate *issuer = &authority;
    (void)state;

    make_certificate(&(struct make_certificate_request){ .common_name = "ca", .is_ca = true },
                     &authority);
    make_certificate(&(struct make_certificate_request){ .issuer = issuer, .is_client_only = true },
                     &leaf);
    temp_dir_init(&directory);
    write_file("ca.pem", authority.certificate_pem);
    write_file("bad.pem", "nothing\n");
    write_file("leaf.pem", leaf.certificate_pem);
    write_file("leaf.key", leaf.key_pem);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    temp_dir_cleanup(&directory);
    made_certificate_cleanup(&leaf);
    made_certificate_cleanup(&authority);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused),       cmocka_unit_test(test_served),
        cmocka_unit_test(test_plaintext),     cmocka_unit_test(test_alpn_and_sni),
        cmocka_unit_test(test_checks_differ), cmocka_unit_test(test_wanted_files),
        cmocka_unit_test(test_subset),        cmocka_unit_test(test_bytes_without_name),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
