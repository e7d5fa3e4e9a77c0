/* options: the command line and the environment. One table names every option, its kind, where its
 * value goes and its range; help texts are written by hand so that each fits a screen, and a unit test
 * holds them to the table. */
#include "gateway/daemon/options.h"

#include "gateway/base/limits.h"
#include "gateway/daemon/option_value.h"

enum option_kind {
    OPTION_PATHS, /* repeatable */
    OPTION_TEXT,
    OPTION_ADDRESS, /* an IP literal without port */
    OPTION_FLAG,
    OPTION_COUNT,
    OPTION_BYTES,
    OPTION_MEMORY, /* a size without a range */
    OPTION_DURATION,
    OPTION_ENDPOINT,
    OPTION_LABELS,
    OPTION_PORT_MAP,
    OPTION_CIDRS,
    OPTION_LOG_LEVEL,
    OPTION_LOG_FORMAT,
    OPTION_PATH_NORMALIZATION,
    OPTION_MISDIRECTED,
    OPTION_ACCEPT_PROXY,
    OPTION_OUTPUT,
    OPTION_HELP,
    OPTION_VERSION,
};

enum {
    FOR_RUN = 1 << VERB_RUN,
    FOR_VALIDATE = 1 << VERB_VALIDATE,
    FOR_VERSION = 1 << VERB_VERSION,
    FOR_HELP = 1 << VERB_HELP,
    FOR_ALL = FOR_RUN | FOR_VALIDATE | FOR_VERSION | FOR_HELP,
};

struct option {
    const char *name;
    char letter;
    enum option_kind kind;
    size_t offset; /* in struct options */
    unsigned verbs;
    uint32_t min; /* of counts, sizes and durations in ms */
    uint32_t max;
};

#define AT(field) offsetof(struct options, field)
#define BOTH (FOR_RUN | FOR_VALIDATE)

static const struct option OPTIONS[] = {
    { "config", 'c', OPTION_PATHS, AT(config_paths), BOTH, 0, 0 },
    { "secrets", 's', OPTION_PATHS, AT(secret_paths), BOTH, 0, 0 },
    { "namespace", 'n', OPTION_TEXT, AT(own_namespace), BOTH, 0, 0 },
    { "labels", 'l', OPTION_LABELS, AT(labels), BOTH, 0, 0 },
    { "port-map", 0, OPTION_PORT_MAP, AT(port_map), BOTH, 0, 0 },
    { "bind", 0, OPTION_ADDRESS, AT(bind), BOTH, 0, 0 },
    { "workers", 0, OPTION_COUNT, AT(workers), FOR_RUN, 1, LIMIT_WORKERS },
    { "admin", 0, OPTION_ENDPOINT, AT(admin), FOR_RUN, 0, 0 },
    { "health", 0, OPTION_ENDPOINT, AT(health), FOR_RUN, 0, 0 },
    { "metrics", 0, OPTION_ENDPOINT, AT(metrics), FOR_RUN, 0, 0 },
    { "access-log", 0, OPTION_TEXT, AT(access_log), FOR_RUN, 0, 0 },
    { "access-log-format", 0, OPTION_TEXT, AT(access_log_format), FOR_RUN, 0, 0 },
    { "log-level", 0, OPTION_LOG_LEVEL, AT(log_level), BOTH, 0, 0 },
    { "log-format", 0, OPTION_LOG_FORMAT, AT(log_format), FOR_RUN, 0, 0 },
    { "drain-time", 0, OPTION_DURATION, AT(drain_time_ms), FOR_RUN, 0, INT32_MAX },
    { "handshake-timeout", 0, OPTION_DURATION, AT(handshake_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "header-timeout", 0, OPTION_DURATION, AT(header_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "body-timeout", 0, OPTION_DURATION, AT(body_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "request-timeout", 0, OPTION_DURATION, AT(request_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "write-timeout", 0, OPTION_DURATION, AT(write_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "idle-timeout", 0, OPTION_DURATION, AT(idle_timeout_ms), FOR_RUN, 0, INT32_MAX },
    { "connect-timeout", 0, OPTION_DURATION, AT(connect_timeout_ms), FOR_RUN, 1, INT32_MAX },
    { "tunnel-idle-timeout", 0, OPTION_DURATION, AT(tunnel_idle_timeout_ms), FOR_RUN, 0,
      INT32_MAX },
    { "max-header-bytes", 0, OPTION_BYTES, AT(max_header_bytes), FOR_RUN, 1024,
      LIMIT_MAX_HEADER_BYTES },
    { "max-headers", 0, OPTION_COUNT, AT(max_headers), FOR_RUN, 1, LIMIT_MAX_HEADERS },
    { "max-connections", 0, OPTION_COUNT, AT(max_connections), FOR_RUN, 1, INT32_MAX },
    { "max-streams", 0, OPTION_COUNT, AT(max_streams), FOR_RUN, 1, LIMIT_MAX_STREAMS },
    { "stream-window", 0, OPTION_BYTES, AT(stream_window_bytes), FOR_RUN,
      LIMIT_STREAM_WINDOW_MIN_BYTES, LIMIT_STREAM_WINDOW_MAX_BYTES },
    { "max-memory", 0, OPTION_MEMORY, AT(max_memory), FOR_RUN, 0, 0 },
    { "path-normalization", 0, OPTION_PATH_NORMALIZATION, AT(path_normalization), FOR_RUN, 0, 0 },
    { "trusted-hops", 0, OPTION_COUNT, AT(trusted_hops), FOR_RUN, 0, 100 },
    { "misdirected", 0, OPTION_MISDIRECTED, AT(misdirected), FOR_RUN, 0, 0 },
    { "proxy-protocol", 0, OPTION_ACCEPT_PROXY, AT(accept_proxy), FOR_RUN, 0, 0 },
    { "proxy-protocol-from", 0, OPTION_CIDRS, AT(proxy_ranges), FOR_RUN, 0, 0 },
    { "server-header", 0, OPTION_TEXT, AT(server_header), FOR_RUN, 0, 0 },
    { "resolver", 0, OPTION_TEXT, AT(resolver), FOR_RUN, 0, 0 },
    { "ready-file", 0, OPTION_TEXT, AT(ready_file), FOR_RUN, 0, 0 },
    { "strict", 0, OPTION_FLAG, AT(is_strict), BOTH, 0, 0 },
    { "output", 'o', OPTION_OUTPUT, AT(is_json_output), FOR_VALIDATE | FOR_VERSION, 0, 0 },
    { "help", 'h', OPTION_HELP, 0, FOR_ALL, 0, 0 },
    { "version", 'V', OPTION_VERSION, 0, FOR_ALL, 0, 0 },
};
enum { OPTION_TOTAL = sizeof(OPTIONS) / sizeof(OPTIONS[0]) };

static const char *const VERB_NAMES[VERB_COUNT] = { "run", "validate", "version", "help" };

/* Words of the command line to come; saying so is kinder than "unknown". */
static const char *const PLANNED_VERBS[] = {
    "analyze", "explain", "test",   "tls",    "certs", "routes",
    "dump",    "stats",   "export", "reload", "drain", "completion",
};

static const char HELP_OVERVIEW[] =
    "gatehouse: an HTTPS gateway that serves Istio's Gateway and VirtualService files\n"
    "\n"
    "Usage: gatehouse [VERB] [OPTIONS] [PATH...]\n"
    "  run        serve (the default)\n"
    "  validate   load and compile only; print what is wrong\n"
    "  version    versions of gatehouse and its libraries\n"
    "  help       this text; `gatehouse VERB --help` for one verb\n"
    "\n"
    "Exit: 0 fine, 1 failed, 64 wrong usage, 65 unreadable input,\n"
    "      71 the system refused, 77 no permission, 78 configuration invalid\n";

static const char HELP_RUN[] =
    "Usage: gatehouse run [OPTIONS] [PATH...]     (each also from GATEHOUSE_<OPTION>)\n"
    "  -c, --config PATH        YAML file or tree, repeatable; PATH means the same\n"
    "  -s, --secrets DIR        DIR/NAME/tls.crt or DIR/NAMESPACE/NAME/tls.crt, ...\n"
    "  -n, --namespace NS       the gateway's own namespace            [istio-system]\n"
    "  -l, --labels K=V,...     the gateway's labels, for selectors   [every Gateway]\n"
    "      --port-map P=Q,...   bind Q where a Gateway says P; 0: the kernel picks\n"
    "      --bind ADDRESS       for servers without `bind`                  [0.0.0.0]\n"
    "      --workers N [CPUs of the cgroup]   --strict: any error ends the start\n"
    "      --admin ADDR:PORT    pages [127.0.0.1:15000]   (`off` closes any of these)\n"
    "      --health ADDR:PORT [0.0.0.0:15021]    --metrics ADDR:PORT [0.0.0.0:15090]\n"
    "      --access-log -|FILE|off [-]           --misdirected auto|421|404 [auto]\n"
    "      --access-log-format text|json|'%...%' [text]    --log-format text|json\n"
    "      --log-level debug|info|warn|error|off [info]    --ready-file FILE\n"
    "      --drain-time DUR [5s]              --handshake-timeout DUR [15s]\n"
    "      --header-timeout DUR [60s]         --body-timeout DUR [60s]\n"
    "      --request-timeout DUR [1h]         --write-timeout DUR [60s]\n"
    "      --idle-timeout DUR [1h]            --connect-timeout DUR [10s]\n"
    "      --max-header-bytes SIZE [60KiB]    --max-headers N [100]\n"
    "      --max-connections N [file limit]   --max-memory SIZE [90% of the cgroup's]\n"
    "      --max-streams N [1024]             --stream-window SIZE [256KiB]\n"
    "      --proxy-protocol off|optional|required [off]   --proxy-protocol-from CIDRS\n"
    "      --path-normalization base|none|merge-slashes|decode-and-merge-slashes\n"
    "      --tunnel-idle-timeout DUR [1h]     --trusted-hops N (x-forwarded-*) [0]\n"
    "      --resolver ADDR:PORT,... [resolv.conf]    --server-header TEXT\n";

static const char HELP_VALIDATE[] =
    "Usage: gatehouse validate [OPTIONS] PATH...\n"
    "Loads, checks and compiles; prints findings as FILE:LINE:COL: ..., and ends\n"
    "\n"
    "  -c, --config PATH        YAML file or tree, repeatable; PATH means the same\n"
    "  -s, --secrets DIR        mounted secrets to check against, repeatable\n"
    "  -n, --namespace NS       the gateway's own namespace            [istio-system]\n"
    "  -l, --labels K=V,...     the gateway's labels, for selectors   [every Gateway]\n"
    "      --port-map P=Q,...   as for run\n"
    "      --bind ADDRESS       as for run\n"
    "  -o, --output text|json   form of the findings on standard output        [text]\n"
    "      --log-level LEVEL    messages on standard error                    [error]\n"
    "      --strict             unknown fields are errors\n"
    "\n"
    "Exit: 0 no error, 65 a file cannot be read as YAML, 78 an object is not valid\n";

static const char HELP_VERSION[] =
    "Usage: gatehouse version [-o text|json]\n"
    "Prints the version, each library with its version, and the features probed.\n"
    "\n"
    "  -o, --output text|json   form of the output                             [text]\n";

const char *options_help(enum verb verb)
{
    switch (verb) {
    case VERB_RUN:
        return HELP_RUN;
    case VERB_VALIDATE:
        return HELP_VALIDATE;
    case VERB_VERSION:
        return HELP_VERSION;
    case VERB_HELP:
    case VERB_COUNT:
        break;
    }
    return HELP_OVERVIEW;
}

/* --- Defaults --------------------------------------------------------------------------------- */

static struct options_endpoint options_default_endpoint(const char *text)
{
    struct options_endpoint endpoint = { 0 };

    (void)address_parse_with_port(str_from_cstr(text), &endpoint.address, NULL); /* a literal */
    return endpoint;
}

static void options_set_defaults(struct options *options)
{
    memset(options, 0, sizeof(*options));
    options->arena = arena_new(4096);
    options->own_namespace = STR("istio-system");
    options->bind = STR("0.0.0.0");
    options->admin = options_default_endpoint("127.0.0.1:15000");
    options->health = options_default_endpoint("0.0.0.0:15021");
    options->metrics = options_default_endpoint("0.0.0.0:15090");
    options->access_log = STR("-");
    options->access_log_format = STR("text");
    options->log_level = LOG_LEVEL_INFO;
    options->log_format = LOG_FORMAT_TEXT;
    options->drain_time_ms = DEFAULT_DRAIN_TIME_MS;
    options->handshake_timeout_ms = DEFAULT_HANDSHAKE_TIMEOUT_MS;
    options->header_timeout_ms = DEFAULT_HEADER_TIMEOUT_MS;
    options->body_timeout_ms = DEFAULT_BODY_TIMEOUT_MS;
    options->request_timeout_ms = DEFAULT_REQUEST_TIMEOUT_MS;
    options->write_timeout_ms = DEFAULT_WRITE_TIMEOUT_MS;
    options->idle_timeout_ms = DEFAULT_IDLE_TIMEOUT_MS;
    options->connect_timeout_ms = DEFAULT_CONNECT_TIMEOUT_MS;
    options->max_header_bytes = DEFAULT_MAX_HEADER_BYTES;
    options->max_headers = DEFAULT_MAX_HEADERS;
    options->path_normalization = PATH_NORMALIZATION_BASE;
    options->misdirected = MISDIRECTED_AUTO;
    options->accept_proxy = ACCEPT_PROXY_OFF;
    options->max_streams = DEFAULT_MAX_STREAMS;
    options->stream_window_bytes = DEFAULT_STREAM_WINDOW_BYTES;
    options->tunnel_idle_timeout_ms = DEFAULT_TUNNEL_IDLE_TIMEOUT_MS;
}

/* --- One value -------------------------------------------------------------------------------- */

static bool options_check_range(const struct option *option, uint32_t value, struct err *err)
{
    if (value >= option->min && value <= option->max) {
        return true;
    }
    const char *unit = option->kind == OPTION_DURATION ? " ms"
                       : option->kind == OPTION_BYTES  ? " bytes"
                                                       : "";
    err_set(err, ERR_USAGE, "%u%s is out of range; from %u to %u are allowed", value, unit,
            option->min, option->max);
    return false;
}

static bool options_set_number(const struct option *option, uint32_t *field, struct str text,
                               struct err *err)
{
    uint32_t value = 0;
    bool is_good = option->kind == OPTION_DURATION ? option_value_duration(text, &value, err)
                   : option->kind == OPTION_BYTES  ? option_value_bytes(text, &value, err)
                                                   : option_value_count(text, &value, err);

    if (!is_good || !options_check_range(option, value, err)) {
        return false;
    }
    *field = value;
    return true;
}

static bool options_refuse_word(struct str text, const char *words, struct err *err)
{
    err_set(err, ERR_USAGE, "\"%.*s\" is none of %s", STR_ARG(text), words);
    return false;
}

static bool options_set_misdirected(enum misdirected *field, struct str text, struct err *err)
{
    if (str_equals(text, STR("auto"))) {
        *field = MISDIRECTED_AUTO;
    } else if (str_equals(text, STR("421"))) {
        *field = MISDIRECTED_421;
    } else if (str_equals(text, STR("404"))) {
        *field = MISDIRECTED_404;
    } else {
        return options_refuse_word(text, "auto, 421, 404", err);
    }
    return true;
}

static bool options_set_accept_proxy(enum accept_proxy *field, struct str text, struct err *err)
{
    if (str_equals(text, STR("off"))) {
        *field = ACCEPT_PROXY_OFF;
    } else if (str_equals(text, STR("optional"))) {
        *field = ACCEPT_PROXY_OPTIONAL;
    } else if (str_equals(text, STR("required"))) {
        *field = ACCEPT_PROXY_REQUIRED;
    } else {
        return options_refuse_word(text, "off, optional, required", err);
    }
    return true;
}

static bool options_set_word(const struct option *option, void *field, struct str text,
                             struct err *err)
{
    if (option->kind == OPTION_MISDIRECTED) {
        return options_set_misdirected(field, text, err);
    }
    if (option->kind == OPTION_ACCEPT_PROXY) {
        return options_set_accept_proxy(field, text, err);
    }
    if (option->kind == OPTION_LOG_LEVEL) {
        return log_parse_level(text, field) ||
               options_refuse_word(text, "debug, info, warn, error, off", err);
    }
    if (option->kind == OPTION_PATH_NORMALIZATION) {
        return path_normalization_from(text, field) ||
               options_refuse_word(text, "none, base, merge-slashes, decode-and-merge-slashes",
                                   err);
    }
    bool is_json = str_equals(text, STR("json"));
    if (!is_json && !str_equals(text, STR("text"))) {
        return options_refuse_word(text, "text, json", err);
    }
    if (option->kind == OPTION_OUTPUT) {
        *(bool *)field = is_json;
    } else {
        *(enum log_format *)field = is_json ? LOG_FORMAT_JSON : LOG_FORMAT_TEXT;
    }
    return true;
}

static bool options_set_text(struct options *options, const struct option *option, void *field,
                             struct str text, struct err *err)
{
    if (text.len == 0) {
        err_set(err, ERR_USAGE, "the value is empty");
        return false;
    }
    if (option->kind == OPTION_ADDRESS && !address_is_ip_literal(text)) {
        err_set(err, ERR_USAGE, "\"%.*s\" is no IP address", STR_ARG(text));
        return false;
    }
    struct str copy = arena_copy_str(options->arena, text);
    if (option->kind == OPTION_PATHS) {
        struct str_vec *paths = field;
        vec_push_in_arena(options->arena, paths, copy);
    } else {
        *(struct str *)field = copy;
    }
    return true;
}

static bool options_set(struct options *options, const struct option *option, struct str text,
                        struct err *err)
{
    void *field = (char *)options + option->offset;

    switch (option->kind) {
    case OPTION_PATHS:
    case OPTION_TEXT:
    case OPTION_ADDRESS:
        return options_set_text(options, option, field, text, err);
    case OPTION_FLAG:
        return option_value_flag(text, field, err);
    case OPTION_COUNT:
    case OPTION_BYTES:
    case OPTION_DURATION:
        return options_set_number(option, field, text, err);
    case OPTION_MEMORY:
        options->has_max_memory = true;
        return option_value_size(text, field, err);
    case OPTION_ENDPOINT:
        return option_value_endpoint(text, field, err);
    case OPTION_LABELS:
        options->has_labels = true;
        return option_value_labels(options->arena, text, field, err);
    case OPTION_PORT_MAP:
        return option_value_port_map(options->arena, text, field, err);
    case OPTION_CIDRS:
        return option_value_cidrs(options->arena, text, field, err);
    case OPTION_LOG_LEVEL:
    case OPTION_LOG_FORMAT:
    case OPTION_PATH_NORMALIZATION:
    case OPTION_MISDIRECTED:
    case OPTION_ACCEPT_PROXY:
    case OPTION_OUTPUT:
        return options_set_word(option, field, text, err);
    case OPTION_HELP:
        options->wants_help = true;
        return true;
    case OPTION_VERSION:
        options->verb = VERB_VERSION;
        return true;
    }
    return false;
}

static bool options_takes_value(const struct option *option)
{
    return option->kind != OPTION_FLAG && option->kind != OPTION_HELP &&
           option->kind != OPTION_VERSION;
}

/* --- The command line ------------------------------------------------------------------------- */

static const struct option *options_find_long(struct str name, enum verb verb)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if ((OPTIONS[i].verbs & (1u << verb)) != 0 &&
            str_equals(name, str_from_cstr(OPTIONS[i].name))) {
            return &OPTIONS[i];
        }
    }
    return NULL;
}

static const struct option *options_find_letter(char letter, enum verb verb)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        if ((OPTIONS[i].verbs & (1u << verb)) != 0 && OPTIONS[i].letter == letter) {
            return &OPTIONS[i];
        }
    }
    return NULL;
}

static bool options_refuse_unknown(struct str name, enum verb verb, struct err *err)
{
    const char *nearest = NULL;
    size_t best = 4; /* further away is another word */

    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        struct str known = str_from_cstr(OPTIONS[i].name);
        if ((OPTIONS[i].verbs & (1u << verb)) == 0) {
            continue;
        }
        size_t distance = str_distance(name, known, best);
        if (name.len >= 4 && str_starts_with(known, name)) {
            distance = 1;
        }
        if (distance < best && distance < known.len) {
            best = distance;
            nearest = OPTIONS[i].name;
        }
    }
    if (nearest != NULL) {
        err_set(err, ERR_USAGE, "unknown option --%.*s; did you mean --%s?", STR_ARG(name),
                nearest);
    } else {
        err_set(err, ERR_USAGE, "unknown option --%.*s; see gatehouse %s --help", STR_ARG(name),
                VERB_NAMES[verb]);
    }
    return false;
}

/* Where parsing stands. */
struct options_words {
    int argc;
    char **argv;
    int next;
    bool is_set[OPTION_TOTAL];
};

static bool options_take(struct options *options, struct options_words *words,
                         const struct option *option, const char *attached, struct err *err)
{
    struct str value = str_from_cstr(attached);

    if (!options_takes_value(option)) {
        if (attached != NULL) {
            err_set(err, ERR_USAGE, "--%s takes no value", option->name);
            return false;
        }
        value = STR("true");
    } else if (attached == NULL) {
        if (words->next >= words->argc) {
            err_set(err, ERR_USAGE, "--%s needs a value", option->name);
            return false;
        }
        value = str_from_cstr(words->argv[words->next++]);
    }
    words->is_set[option - OPTIONS] = true;
    if (!options_set(options, option, value, err)) {
        err_prefix(err, "--%s", option->name);
        return false;
    }
    vec_push_in_arena(
        options->arena, &options->given,
        (struct str_pair){ str_from_cstr(option->name), arena_copy_str(options->arena, value) });
    return true;
}

static bool options_take_long(struct options *options, struct options_words *words,
                              const char *word, struct err *err)
{
    const char *equals = strchr(word, '=');
    struct str name = str_from(word, equals != NULL ? (size_t)(equals - word) : strlen(word));
    const struct option *option = options_find_long(name, options->verb);

    if (option == NULL) {
        return options_refuse_unknown(name, options->verb, err);
    }
    return options_take(options, words, option, equals != NULL ? equals + 1 : NULL, err);
}

static bool options_take_short(struct options *options, struct options_words *words,
                               const char *letters, struct err *err)
{
    for (const char *letter = letters; *letter != '\0'; letter++) {
        const struct option *option = options_find_letter(*letter, options->verb);
        if (option == NULL) {
            err_set(err, ERR_USAGE, "unknown option -%c; see gatehouse %s --help", *letter,
                    VERB_NAMES[options->verb]);
            return false;
        }
        if (options_takes_value(option)) {
            const char *attached = letter[1] != '\0' ? letter + 1 : NULL;
            return options_take(options, words, option, attached, err);
        }
        if (!options_take(options, words, option, NULL, err)) {
            return false;
        }
    }
    return true;
}

static bool options_take_word(struct options *options, const char *word, struct err *err)
{
    if (options->verb == VERB_HELP) {
        for (size_t i = 0; i < VERB_COUNT; i++) {
            if (strcmp(word, VERB_NAMES[i]) == 0) {
                options->help_verb = (enum verb)i;
                return true;
            }
        }
    }
    if (options->verb == VERB_RUN || options->verb == VERB_VALIDATE) {
        if (word[0] == '\0') {
            err_set(err, ERR_USAGE, "an empty path");
            return false;
        }
        vec_push_in_arena(options->arena, &options->config_paths,
                          str_from_cstr(arena_copy_cstr(options->arena, word)));
        return true;
    }
    err_set(err, ERR_USAGE, "\"%s\" is one word too many", word);
    return false;
}

/* The first word is a verb, unless it is an option or looks like a path: then it is `run`. */
static bool options_read_verb(struct options *options, struct options_words *words, struct err *err)
{
    options->verb = VERB_RUN;
    if (words->argc < 2 || words->argv[1][0] == '-') {
        return true;
    }
    const char *word = words->argv[1];
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (strcmp(word, VERB_NAMES[i]) == 0) {
            options->verb = (enum verb)i;
            words->next = 2;
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(PLANNED_VERBS) / sizeof(PLANNED_VERBS[0]); i++) {
        if (strcmp(word, PLANNED_VERBS[i]) == 0) {
            err_set(err, ERR_USAGE, "gatehouse %s is not built yet; see gatehouse help", word);
            return false;
        }
    }
    if (strpbrk(word, "/.") != NULL) {
        return true;
    }
    for (size_t i = 0; i < VERB_COUNT; i++) {
        if (str_distance(str_from_cstr(word), str_from_cstr(VERB_NAMES[i]), 3) < 3) {
            err_set(err, ERR_USAGE, "unknown verb \"%s\"; did you mean %s?", word, VERB_NAMES[i]);
            return false;
        }
    }
    err_set(err, ERR_USAGE, "unknown verb \"%s\"; see gatehouse help", word);
    return false;
}

static bool options_read_words(struct options *options, struct options_words *words,
                               struct err *err)
{
    bool is_options_end = false;

    while (words->next < words->argc) {
        const char *word = words->argv[words->next++];
        bool is_good;
        if (is_options_end || word[0] != '-' || word[1] == '\0') {
            is_good = options_take_word(options, word, err);
        } else if (strcmp(word, "--") == 0) {
            is_options_end = true;
            is_good = true;
        } else if (word[1] == '-') {
            is_good = options_take_long(options, words, word + 2, err);
        } else {
            is_good = options_take_short(options, words, word + 1, err);
        }
        if (!is_good) {
            return false;
        }
    }
    return true;
}

/* --- The environment -------------------------------------------------------------------------- */

static void options_variable_name(const struct option *option, char *out, size_t size)
{
    static const char PREFIX[] = "GATEHOUSE_";
    size_t len = sizeof(PREFIX) - 1;

    memcpy(out, PREFIX, len);
    for (const char *c = option->name; *c != '\0' && len + 1 < size; c++) {
        bool is_letter = *c >= 'a' && *c <= 'z';
        out[len++] = *c == '-' ? '_' : is_letter ? (char)(*c - 'a' + 'A') : *c;
    }
    out[len] = '\0';
}

static bool options_take_variable(struct options *options, const struct option *option,
                                  struct str value, struct err *err)
{
    struct str rest = value;
    struct str part;

    if (option->kind != OPTION_PATHS) {
        return options_set(options, option, value, err);
    }
    /* A list of paths, as PATH is one. */
    while (str_split_next(&rest, ':', &part)) {
        if (part.len != 0 && !options_set(options, option, part, err)) {
            return false;
        }
    }
    return true;
}

static bool options_read_environment(struct options *options, const struct options_words *words,
                                     const char *(*environment)(const char *name), struct err *err)
{
    for (size_t i = 0; i < OPTION_TOTAL; i++) {
        const struct option *option = &OPTIONS[i];
        char name[64];
        bool is_given =
            words->is_set[i] || (option->kind == OPTION_PATHS && option->letter == 'c' &&
                                 options->config_paths.count != 0);
        if (is_given || (option->verbs & (1u << options->verb)) == 0 ||
            option->kind == OPTION_HELP || option->kind == OPTION_VERSION) {
            continue;
        }
        options_variable_name(option, name, sizeof(name));
        struct str value = str_from_cstr(environment(name));
        if (value.len != 0 && !options_take_variable(options, option, value, err)) {
            err_prefix(err, "%s", name);
            return false;
        }
    }
    return true;
}

/* --- The whole -------------------------------------------------------------------------------- */

/* What only several options together say. */
static bool options_check_whole(const struct options *options, struct err *err)
{
    if (options->config_paths.count == 0) {
        err_set(err, ERR_USAGE, "no configuration: name files or directories with --config PATH");
        return false;
    }
    bool is_proxy_on = options->accept_proxy != ACCEPT_PROXY_OFF;
    if (is_proxy_on && options->proxy_ranges.count == 0) {
        err_set(err, ERR_USAGE,
                "--proxy-protocol: whose word on addresses is believed must be said with "
                "--proxy-protocol-from CIDR,...");
        return false;
    }
    if (!is_proxy_on && options->proxy_ranges.count != 0) {
        err_set(err, ERR_USAGE,
                "--proxy-protocol-from does nothing without --proxy-protocol optional or required");
        return false;
    }
    return true;
}

bool options_parse(struct options *options, int argc, char **argv,
                   const char *(*environment)(const char *name), struct err *err)
{
    struct options_words words = { .argc = argc, .argv = argv, .next = 1 };

    options_set_defaults(options);
    options->help_verb = VERB_HELP;
    if (!options_read_verb(options, &words, err)) {
        return false;
    }
    enum verb verb = options->verb;
    if (verb == VERB_VALIDATE) {
        options->log_level = LOG_LEVEL_ERROR;
    }
    if (!options_read_words(options, &words, err)) {
        return false;
    }
    if (options->wants_help) {
        /* `gatehouse --help` without a verb is the overview. */
        bool has_verb = argc > 1 && argv[1][0] != '-';
        options->help_verb = has_verb ? verb : VERB_HELP;
        options->verb = VERB_HELP;
        return true;
    }
    if (options->verb != VERB_RUN && options->verb != VERB_VALIDATE) {
        return true;
    }
    if (!options_read_environment(options, &words, environment, err)) {
        return false;
    }
    return options_check_whole(options, err);
}

void options_cleanup(struct options *options)
{
    arena_free(options->arena);
    memset(options, 0, sizeof(*options));
}
