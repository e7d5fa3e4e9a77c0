/* options: the command line and the GATEHOUSE_* environment, checked and turned into values. The
 * command line wins. Control thread, once. */
#ifndef GATEWAY_DAEMON_OPTIONS_H
#define GATEWAY_DAEMON_OPTIONS_H

#include "config/compile.h"
#include "gateway/base/arena.h"
#include "gateway/http/target.h"
#include "gateway/net/address.h"
#include "gateway/observe/log.h"
#include "gateway/proxy/worker.h"

enum verb { VERB_RUN, VERB_VALIDATE, VERB_VERSION, VERB_HELP, VERB_COUNT };

/* An address of our own pages; `off` closes it. */
struct options_endpoint {
    bool is_off;
    struct address address;
};

VEC_STRUCT(port_map_vec, struct port_map_entry);
VEC_STRUCT(cidr_vec, struct cidr);

struct options {
    struct arena *arena; /* owns all texts */
    enum verb verb;
    bool wants_help;
    enum verb help_verb; /* for VERB_HELP and wants_help; VERB_HELP itself: the overview */

    struct str_vec config_paths;
    struct str_vec secret_paths;
    struct str own_namespace;
    bool has_labels;
    struct str_pair_vec labels;
    struct port_map_vec port_map;
    struct str bind;
    uint32_t workers; /* 0: the CPUs the cgroup allows */
    struct options_endpoint admin;
    struct options_endpoint health;
    struct options_endpoint metrics;
    struct str access_log; /* "-", a file, "off" */
    struct str access_log_format;
    enum log_level log_level;
    enum log_format log_format;
    uint32_t drain_time_ms;
    uint32_t handshake_timeout_ms; /* here and below 0: no deadline */
    uint32_t header_timeout_ms;
    uint32_t body_timeout_ms;
    uint32_t request_timeout_ms; /* of a whole request */
    uint32_t write_timeout_ms;
    uint32_t idle_timeout_ms;
    uint32_t connect_timeout_ms;
    uint32_t max_header_bytes;
    uint32_t max_headers;
    uint32_t max_connections; /* 0: by the file limit */
    bool has_max_memory;      /* else by the cgroup */
    uint64_t max_memory;      /* bytes; 0: no mark */
    enum path_normalization path_normalization;
    uint32_t trusted_hops;
    enum misdirected misdirected;
    enum accept_proxy accept_proxy;
    struct cidr_vec proxy_ranges; /* not empty unless accept_proxy is off */
    uint32_t max_streams;         /* of one HTTP/2 connection */
    uint32_t stream_window_bytes;
    uint32_t tunnel_idle_timeout_ms;
    struct str server_header; /* empty: the default of spec HD-30 */
    struct str resolver;      /* empty: resolv.conf */
    struct str ready_file;    /* empty: none */
    bool is_strict;
    bool is_json_output;
    struct str_pair_vec given; /* long name and value of each option of the command line */
};

/* `environment` looks a variable up (getenv). False with ERR_USAGE: the text says what is wrong and
 * what comes near it. */
bool options_parse(struct options *options, int argc, char **argv,
                   const char *(*environment)(const char *name), struct err *err);
void options_cleanup(struct options *options);
/* The help text of a verb; VERB_HELP: the overview. Fits 80 columns and 24 lines. */
const char *options_help(enum verb verb);

#endif
