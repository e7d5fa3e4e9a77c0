/* The command line and the environment: wrong words first, then what each option sets; and help that
 * fits a screen and leaves no option out. */
#include "gateway/daemon/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { WORDS_MAX = 32 };

static const char *const *variables; /* NAME, value, ..., NULL */

static const char *look_up(const char *name)
{
    for (size_t i = 0; variables != NULL && variables[i] != NULL; i += 2) {
        if (strcmp(variables[i], name) == 0) {
            return variables[i + 1];
        }
    }
    return NULL;
}

/* Splits at single spaces. */
static bool parse(struct options *options, const char *line, struct err *err)
{
    static char copy[1024];
    static char *argv[WORDS_MAX + 1];
    int argc = 0;

    (void)snprintf(copy, sizeof(copy), "gatehouse%s%s", line[0] != '\0' ? " " : "", line);
    for (char *word = strtok(copy, " "); word != NULL && argc < WORDS_MAX;
         word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return options_parse(options, argc, argv, look_up, err);
}

static void test_wrong_words(void **state)
{
    static const struct {
        const char *line;
        const char *text; /* in the message */
    } CASES[] = {
        { "", "no configuration" },
        { "run", "no configuration" },
        { "run -c x --log-levle debug", "did you mean --log-level?" },
        { "run -c x --secret y", "did you mean --secrets?" },
        { "run -c x --path-norm base", "did you mean --path-normalization?" },
        { "run -c x --frobnicate", "see gatehouse run --help" },
        { "run -c x -q", "unknown option -q" },
        { "run -c", "--config needs a value" },
        { "run --config=", "--config: the value is empty" },
        { "run -c x --strict=yes", "--strict takes no value" },
        { "run -c x --workers 0", "--workers: 0 is out of range" },
        { "run -c x --workers many", "--workers: \"many\" is no whole number" },
        { "run -c x --workers 257", "from 1 to 256" },
        { "run -c x --max-header-bytes 2MiB", "out of range" },
        { "run -c x --misdirected 200", "\"200\" is none of auto, 421, 404" },
        { "run -c x --proxy-protocol v2", "\"v2\" is none of off, optional, required" },
        { "run -c x --proxy-protocol required", "--proxy-protocol-from CIDR" },
        { "run -c x --proxy-protocol-from ::/0", "does nothing without --proxy-protocol" },
        { "run -c x --proxy-protocol-from 10.0.0.0/33", "no range of addresses" },
        { "run -c x --proxy-protocol-from 10.0.0.1/8", "no range of addresses" },
        { "run -c x --max-streams 0", "--max-streams: 0 is out of range" },
        { "run -c x --stream-window 1KiB", "--stream-window: 1024 bytes is out of range" },
        { "run -c x --stream-window 1GiB", "out of range" },
        { "run -c x --connect-timeout 0", "out of range" },
        { "run -c x --drain-time soon", "is no duration" },
        { "run -c x --bind localhost", "is no IP address" },
        { "run -c x --admin 15000", "has no port" },
        { "run -c x --log-level loud", "is none of debug, info, warn, error, off" },
        { "run -c x --log-format xml", "is none of text, json" },
        { "run -c x --path-normalization all", "is none of none, base" },
        { "run -c x --port-map 443", "maps no port" },
        { "run -c x --labels app", "is no label" },
        { "run -c x -o json", "unknown option -o" },
        { "validate x --workers 2", "unknown option --workers" },
        { "version extra", "one word too many" },
        { "rum -c x", "did you mean run?" },
        { "frobnicate", "unknown verb" },
        { "analyze x", "gatehouse analyze is not built yet" },
        { "explain x", "gatehouse explain is not built yet" },
        { "completion bash", "is not built yet" },
    };

    (void)state;
    variables = NULL;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct options options;
        struct err err = { 0 };
        if (parse(&options, CASES[i].line, &err)) {
            fail_msg("\"%s\" was taken", CASES[i].line);
        }
        assert_int_equal(err.code, ERR_USAGE);
        assert_int_equal(err_exit_status(&err), 64);
        if (strstr(err.text, CASES[i].text) == NULL) {
            fail_msg("\"%s\": %s", CASES[i].line, err.text);
        }
        options_cleanup(&options);
    }
}

static void test_defaults(void **state)
{
    struct options options;

    (void)state;
    variables = NULL;
    assert_true(parse(&options, "dir/file.yaml", NULL));
    assert_int_equal(options.verb, VERB_RUN);
    assert_int_equal(options.config_paths.count, 1);
    assert_true(str_equals(options.own_namespace, STR("istio-system")));
    assert_false(options.has_labels);
    assert_true(str_equals(options.bind, STR("0.0.0.0")));
    assert_int_equal(options.workers, 0);
    assert_int_equal(address_port(&options.admin.address), 15000);
    assert_true(address_is_loopback(&options.admin.address));
    assert_int_equal(address_port(&options.health.address), 15021);
    assert_false(address_is_loopback(&options.health.address));
    assert_int_equal(address_port(&options.metrics.address), 15090);
    assert_true(str_equals(options.access_log, STR("-")));
    assert_int_equal(options.drain_time_ms, 5000);
    assert_int_equal(options.handshake_timeout_ms, 15000);
    assert_int_equal(options.header_timeout_ms, 60000);
    assert_int_equal(options.request_timeout_ms, 3600000);
    assert_int_equal(options.idle_timeout_ms, 3600000);
    assert_int_equal(options.connect_timeout_ms, 10000);
    assert_int_equal(options.max_header_bytes, 60 * 1024);
    assert_int_equal(options.max_headers, 100);
    assert_false(options.has_max_memory);
    assert_int_equal(options.path_normalization, PATH_NORMALIZATION_BASE);
    assert_int_equal(options.trusted_hops, 0);
    assert_int_equal(options.misdirected, MISDIRECTED_AUTO); /* SN-23 */
    assert_int_equal(options.accept_proxy, ACCEPT_PROXY_OFF);
    assert_int_equal(options.proxy_ranges.count, 0);
    assert_int_equal(options.max_streams, 1024); /* CN-38 */
    assert_int_equal(options.stream_window_bytes, 256 * 1024);
    assert_int_equal(options.tunnel_idle_timeout_ms, 3600000); /* TT-26 */
    assert_false(options.is_strict);
    options_cleanup(&options);
}

static void test_values(void **state)
{
    struct options options;
    struct err err = { 0 };

    (void)state;
    variables = NULL;
    assert_true(parse(&options,
                      "run -c a --config=b -sone -s two -n mesh -l app=gw --port-map 443=0 c -- -d",
                      &err));
    assert_int_equal(options.config_paths.count, 4);
    assert_true(str_equals(options.config_paths.items[1], STR("b")));
    assert_true(str_equals(options.config_paths.items[3], STR("-d")));
    assert_int_equal(options.secret_paths.count, 2);
    assert_true(str_equals(options.secret_paths.items[0], STR("one")));
    assert_true(str_equals(options.own_namespace, STR("mesh")));
    assert_true(options.has_labels);
    assert_int_equal(options.port_map.items[0].bind_port, 0);
    assert_int_equal(options.given.count, 7);
    options_cleanup(&options);

    assert_true(parse(&options, "-c a --admin off --workers 3 --drain-time 1m30s --strict", &err));
    assert_true(options.admin.is_off);
    assert_int_equal(options.workers, 3);
    assert_int_equal(options.drain_time_ms, 90000);
    assert_true(options.is_strict);
    options_cleanup(&options);

    assert_true(parse(&options,
                      "-c a --log-format json --log-level warning --header-timeout 0 "
                      "--path-normalization merge-slashes --max-header-bytes 8KiB",
                      &err));
    assert_int_equal(options.log_format, LOG_FORMAT_JSON);
    assert_int_equal(options.log_level, LOG_LEVEL_WARN);
    assert_int_equal(options.header_timeout_ms, 0);
    assert_int_equal(options.path_normalization, PATH_NORMALIZATION_MERGE_SLASHES);
    assert_int_equal(options.max_header_bytes, 8192);
    options_cleanup(&options);
}

static void test_values_of_the_protocols(void **state)
{
    struct options options;
    struct err err = { 0 };
    struct address inside;

    (void)state;
    variables = NULL;
    assert_true(parse(&options,
                      "-c a --misdirected 404 --proxy-protocol required --proxy-protocol-from "
                      "10.0.0.0/8,::1 --proxy-protocol-from=192.168.0.0/16 --max-streams 100 "
                      "--stream-window 64KiB --tunnel-idle-timeout 0",
                      &err));
    assert_int_equal(options.misdirected, MISDIRECTED_404);
    assert_int_equal(options.accept_proxy, ACCEPT_PROXY_REQUIRED);
    assert_int_equal(options.proxy_ranges.count, 3);
    assert_true(address_parse(STR("192.168.1.2"), 80, &inside));
    assert_true(cidr_contains(&options.proxy_ranges.items[2], &inside));
    assert_false(cidr_contains(&options.proxy_ranges.items[0], &inside));
    assert_int_equal(options.max_streams, 100);
    assert_int_equal(options.stream_window_bytes, 65536);
    assert_int_equal(options.tunnel_idle_timeout_ms, 0);
    options_cleanup(&options);

    assert_true(parse(&options,
                      "-c a --misdirected=421 --proxy-protocol optional --proxy-protocol-from ::/0",
                      &err));
    assert_int_equal(options.misdirected, MISDIRECTED_421);
    assert_int_equal(options.accept_proxy, ACCEPT_PROXY_OPTIONAL);
    options_cleanup(&options);
}

static void test_environment(void **state)
{
    static const char *const GOOD[] = {
        "GATEHOUSE_CONFIG",
        "one:two:",
        "GATEHOUSE_LOG_LEVEL",
        "debug",
        "GATEHOUSE_STRICT",
        "true",
        "GATEHOUSE_LABELS",
        "app=gw",
        "GATEHOUSE_NAMESPACE",
        "",
        "GATEHOUSE_WORKERS",
        "4",
        "GATEHOUSE_PORT",
        "tcp://1.2.3.4",
        NULL,
    };
    static const char *const BAD[] = { "GATEHOUSE_CONFIG", "x", "GATEHOUSE_DRAIN_TIME", "x", NULL };
    struct options options;
    struct err err = { 0 };

    (void)state;
    variables = GOOD;
    assert_true(parse(&options, "run --workers 2", &err));
    assert_int_equal(options.config_paths.count, 2);
    assert_true(str_equals(options.config_paths.items[1], STR("two")));
    assert_int_equal(options.log_level, LOG_LEVEL_DEBUG);
    assert_true(options.is_strict);
    assert_true(options.has_labels);
    /* An empty variable is an unset one; the command line wins. */
    assert_true(str_equals(options.own_namespace, STR("istio-system")));
    assert_int_equal(options.workers, 2);
    options_cleanup(&options);

    /* A PATH argument is --config, and wins over the environment as that does. */
    assert_true(parse(&options, "run ./mine", &err));
    assert_int_equal(options.config_paths.count, 1);
    options_cleanup(&options);

    variables = BAD;
    assert_false(parse(&options, "run", &err));
    assert_non_null(strstr(err.text, "GATEHOUSE_DRAIN_TIME"));
    options_cleanup(&options);
    variables = NULL;
}

static void test_verbs(void **state)
{
    static const struct {
        const char *line;
        enum verb verb;
        enum verb help_verb;
    } CASES[] = {
        { "--help", VERB_HELP, VERB_HELP },     { "-h", VERB_HELP, VERB_HELP },
        { "help", VERB_HELP, VERB_HELP },       { "help validate", VERB_HELP, VERB_VALIDATE },
        { "run --help", VERB_HELP, VERB_RUN },  { "validate -h", VERB_HELP, VERB_VALIDATE },
        { "version", VERB_VERSION, VERB_HELP }, { "--version", VERB_VERSION, VERB_HELP },
        { "-V", VERB_VERSION, VERB_HELP },      { "validate some", VERB_VALIDATE, VERB_HELP },
        { "run some", VERB_RUN, VERB_HELP },
    };

    (void)state;
    variables = NULL;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct options options;
        struct err err = { 0 };
        if (!parse(&options, CASES[i].line, &err)) {
            fail_msg("\"%s\": %s", CASES[i].line, err.text);
        }
        assert_int_equal(options.verb, CASES[i].verb);
        if (options.verb == VERB_HELP) {
            assert_int_equal(options.help_verb, CASES[i].help_verb);
        }
        options_cleanup(&options);
    }
}

static void test_help_fits_a_screen(void **state)
{
    (void)state;
    for (int verb = 0; verb < VERB_COUNT; verb++) {
        struct str rest = str_from_cstr(options_help((enum verb)verb));
        struct str line;
        size_t lines = 0;
        while (str_split_next(&rest, '\n', &line)) {
            lines++;
            if (line.len > 80) {
                fail_msg("%zu columns: %.*s", line.len, STR_ARG(line));
            }
        }
        assert_true(lines - 1 <= 24); /* the text ends with a newline */
    }
}

/* Each option that is understood is in the help of its verb. */
static void test_help_is_whole(void **state)
{
    static const char *const RUN[] = {
        "--config",
        "--secrets",
        "--namespace",
        "--labels",
        "--port-map",
        "--bind",
        "--workers",
        "--admin",
        "--health",
        "--metrics",
        "--access-log",
        "--access-log-format",
        "--log-level",
        "--log-format",
        "--drain-time",
        "--handshake-timeout",
        "--header-timeout",
        "--body-timeout",
        "--request-timeout",
        "--write-timeout",
        "--idle-timeout",
        "--connect-timeout",
        "--max-header-bytes",
        "--max-headers",
        "--max-connections",
        "--max-memory",
        "--path-normalization",
        "--trusted-hops",
        "--misdirected",
        "--proxy-protocol",
        "--proxy-protocol-from",
        "--max-streams",
        "--stream-window",
        "--tunnel-idle-timeout",
        "--ready-file",
        "--strict",
        "--server-header",
        "--resolver",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(RUN) / sizeof(RUN[0]); i++) {
        if (strstr(options_help(VERB_RUN), RUN[i]) == NULL) {
            fail_msg("%s is missing", RUN[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrong_words),   cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_values),        cmocka_unit_test(test_environment),
        cmocka_unit_test(test_verbs),         cmocka_unit_test(test_help_fits_a_screen),
        cmocka_unit_test(test_help_is_whole), cmocka_unit_test(test_values_of_the_protocols),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
