/* client: the load generator of the measurements. `client MODE --port P ...` runs one mode against
 * 127.0.0.1:P and prints one line of JSON; the exit status is 1 when anything failed.
 *   connect    a new connection for each request         --count --connections [--resume]
 *   keepalive  requests over connections that stay       --count --connections
 *   rate       requests at fixed times (an open loop)    --rate --seconds --connections
 *   download   the same as keepalive, for large bodies   --count --connections --path
 *   upload     POST of --size bytes                      --count --connections --size
 *   websocket  echoes of --size bytes                    --count --connections --size
 *   idle       connections held until stdin ends         --connections
 * All: --tls, --name SNI-and-host, --path, --warm operations-not-counted, --timeout seconds. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "perf/tools/load.h"
#include "perf/tools/options.h"

static const char *const failure_names[LOAD_FAILURES] = {
    [LOAD_CONNECT] = "connect",     [LOAD_HANDSHAKE] = "handshake", [LOAD_CLOSED] = "closed",
    [LOAD_TRUNCATED] = "truncated", [LOAD_MALFORMED] = "malformed", [LOAD_STATUS] = "status",
    [LOAD_TIMEOUT] = "timeout",
};

static bool client_read_options(int argument_count, char **arguments)
{
    struct load_options *options = &load.options;
    const struct option_row rows[] = {
        { .name = "--port", .number = &options->port },
        { .name = "--count", .number = &options->count },
        { .name = "--connections", .number = &options->connections },
        { .name = "--warm", .number = &options->warm },
        { .name = "--rate", .number = &options->rate },
        { .name = "--seconds", .number = &options->seconds },
        { .name = "--size", .number = &options->size },
        { .name = "--timeout", .number = &options->timeout },
        { .name = "--name", .text = &options->name },
        { .name = "--path", .text = &options->path },
        { .name = "--tls", .flag = &options->tls },
        { .name = "--resume", .flag = &options->resume },
    };

    if (argument_count < 2 || load_find_mode(arguments[1]) == NULL) {
        fprintf(stderr, "usage: client connect|keepalive|rate|download|upload|websocket|idle "
                        "--port PORT [OPTION...]\n");
        return false;
    }
    *options = (struct load_options){
        .mode = arguments[1],
        .name = "localhost",
        .path = "/bytes/1000",
        .count = 1000,
        .connections = 1,
        .size = strcmp(arguments[1], "websocket") == 0 ? 64 : 10 * 1024 * 1024,
        .timeout = 10,
    };
    if (!options_read(rows, sizeof(rows) / sizeof(rows[0]), argument_count - 2, arguments + 2)) {
        return false;
    }
    if (options->port == 0 || options->port > 65535 || options->connections == 0 ||
        options->count == 0 || options->size == 0) {
        fprintf(stderr, "client: --port, --connections, --count and --size cannot be 0\n");
        return false;
    }
    return true;
}

static double client_us(double share)
{
    return (double)histogram_quantile(&load.latencies, share) / 1000;
}

static void client_print_failures(void)
{
    const char *comma = "";

    printf(",\"failed\":%" PRIu64 ",\"failures\":{", load_failed());
    for (int i = 0; i < LOAD_FAILURES; i++) {
        if (load.totals.failed[i] > 0) {
            printf("%s\"%s\":%" PRIu64, comma, failure_names[i], load.totals.failed[i]);
            comma = ",";
        }
    }
    if (load.totals.warm_failed > 0) {
        printf("%s\"warm\":%" PRIu64, comma, load.totals.warm_failed);
    }
    printf("}");
}

static void client_print(void)
{
    const struct load_totals *totals = &load.totals;

    printf("{\"mode\":\"%s\",\"done\":%" PRIu64, load.mode->name, totals->done);
    client_print_failures();
    printf(",\"seconds\":%.6f,\"cpu_seconds\":%.6f,\"bytes\":%" PRIu64 ",\"opened\":%" PRIu64
           ",\"reconnects\":%" PRIu64,
           (double)(totals->ended_ns - totals->started_ns) / 1e9,
           (double)(totals->cpu_ended_us - totals->cpu_started_us) / 1e6, totals->bytes,
           totals->opened, totals->reconnects);
    if (load.mode->closes && load.options.tls) {
        printf(",\"offered\":%" PRIu64 ",\"resumed\":%" PRIu64, totals->offered, totals->resumed);
    }
    if (load.mode->rated) {
        printf(",\"max_late_us\":%.1f", (double)totals->max_late_ns / 1000);
    }
    printf(",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"p999_us\":%.1f,\"max_us\":%.1f",
           client_us(0.5), client_us(0.9), client_us(0.99), client_us(0.999),
           (double)load.latencies.max / 1000);
    printf(",\"library\":\"%s\"}\n", tls_peer_library());
}

int main(int argument_count, char **arguments)
{
    if (!client_read_options(argument_count, arguments) || !load_run()) {
        return 2;
    }
    client_print();
    return load_failed() > 0 || load.totals.resumed < load.totals.offered ? 1 : 0;
}
