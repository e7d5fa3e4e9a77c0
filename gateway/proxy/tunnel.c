/* tunnel: a destination, one attempt to connect (TT-28), then bytes both ways. Each direction ends by
 * itself (TT-27); a side that breaks before its end takes the other with it, so that nobody takes a
 * piece for the whole. All in the worker's thread. */
#include "gateway/proxy/tunnel.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/transport_splice.h"
#include "gateway/proxy/client_log.h"
#include "gateway/proxy/outcome.h"
#include "gateway/route/split.h"
#include "gateway/upstream/connect.h"

#include <stdio.h>

/* Reads that fill the loop's buffer, one after the other, before bytes go by splice: what is short
 * stays with the cheaper call. */
enum { TUNNEL_BULK_READS = 8 };

/* One direction. */
struct tunnel_way {
    struct transport *from;
    struct transport *to;
    uint64_t copied_bytes; /* through our memory; what was spliced, the transport counts */
    uint64_t told_bytes;   /* to the metrics */
    unsigned full_reads;   /* in a row */
    bool is_ended;         /* `from` sends no more, and `to` was told */
};

struct tunnel {
    struct list link; /* worker->tunnels */
    struct worker *worker;
    struct client *client;
    enum tunnel_kind kind;
    struct cluster *cluster;   /* counted; NULL: there is none of that name */
    struct endpoint *endpoint; /* in use; NULL: none was picked */
    struct cluster_waiter resolve_waiter;
    struct connect *connect; /* under way */
    struct transport *upstream;
    struct tunnel_way up;   /* client to upstream */
    struct tunnel_way down; /* upstream to client */
    struct timer idle;      /* TT-26 */
    struct timer lifetime;
    struct timer report;
    uint64_t active_ms; /* when bytes last came through our memory, or an end did */
    uint32_t idle_ms;
    struct metric_series *gauge;
    /* What is told when it is over. */
    struct str cluster_name;
    struct address upstream_local;
    char failure[160]; /* %UPSTREAM_TRANSPORT_FAILURE_REASON%; empty: none */
};

/* How the two sides are let go. */
enum tunnel_parting {
    TUNNEL_PART_ORDERLY, /* what was written is sent */
    TUNNEL_PART_BROKEN,  /* with a reset: what was written must not be taken for complete */
};

/* Of who broke off: what it had said to its end is complete, and still arrives. */
static enum tunnel_parting tunnel_parting_of(const struct tunnel_way *way)
{
    return way->is_ended ? TUNNEL_PART_ORDERLY : TUNNEL_PART_BROKEN;
}

/* --- What is told ----------------------------------------------------------------------------- */

static struct str tunnel_kind_name(enum tunnel_kind kind)
{
    switch (kind) {
    case TUNNEL_TLS:
        return STR("tls");
    case TUNNEL_PASSTHROUGH:
        return STR("passthrough");
    case TUNNEL_TCP:
        break;
    }
    return STR("tcp");
}

static uint64_t tunnel_way_bytes(const struct tunnel_way *way)
{
    return way->copied_bytes + (way->from != NULL ? transport_spliced_bytes(way->from) : 0);
}

/* OB-40. */
static void tunnel_tell_bytes(struct tunnel *tunnel, uint64_t flags)
{
    uint64_t received = tunnel_way_bytes(&tunnel->up);
    uint64_t sent = tunnel_way_bytes(&tunnel->down);

    tcp_metrics_bytes(&tunnel->worker->tcp_metrics, tunnel->cluster, flags,
                      received - tunnel->up.told_bytes, sent - tunnel->down.told_bytes);
    tunnel->up.told_bytes = received;
    tunnel->down.told_bytes = sent;
}

static void tunnel_on_report(void *arg)
{
    struct tunnel *tunnel = arg;

    tunnel_tell_bytes(tunnel, 0);
    timer_arm(tunnel->worker->loop, &tunnel->report, TCP_METRICS_REPORT_MS);
}

/* OB-5, OB-12. */
static void tunnel_log(struct tunnel *tunnel, uint64_t flags, const char *termination)
{
    struct worker *worker = tunnel->worker;
    struct client *client = tunnel->client;
    struct tls_session_facts upstream_tls;
    struct format_record record;
    char local[ADDRESS_TEXT_BYTES];

    if (worker->options.access_log == NULL) {
        return;
    }
    client_log_fill(client, &record);
    record.duration_us = now_mono_us() - client->accepted_us;
    record.start_wall_us = now_wall_us() - record.duration_us;
    record.response_flags = flags;
    record.connection_termination_details = str_from_cstr(termination);
    if (tunnel->failure[0] != '\0') {
        record.upstream_transport_failure_reason = str_from_cstr(tunnel->failure);
    }
    record.bytes_received = tunnel_way_bytes(&tunnel->up);
    record.bytes_sent = tunnel_way_bytes(&tunnel->down);
    record.upstream_cluster = tunnel->cluster_name;
    if (tunnel->endpoint != NULL) {
        record.upstream_host = tunnel->endpoint->text;
        record.upstream_attempt_count = 1;
    }
    if (tunnel->upstream != NULL && transport_tls_facts(tunnel->upstream, &upstream_tls)) {
        record.upstream_tls_version = str_from_cstr(upstream_tls.version);
        record.upstream_tls_cipher = str_from_cstr(upstream_tls.cipher);
    }
    if (tunnel->upstream_local.len != 0) {
        record.upstream_local_address = address_print(&tunnel->upstream_local, local);
    }
    access_log_write(worker->options.access_log, &record);
}

/* --- The end ---------------------------------------------------------------------------------- */

static void tunnel_part(struct transport *transport, enum tunnel_parting parting)
{
    if (parting == TUNNEL_PART_BROKEN) {
        transport_reset(transport);
    } else {
        transport_linger_close(transport);
        /* Now: a neighbour that writes would send the last words without their end. */
        transport_flush(transport);
    }
}

static void tunnel_let_go_upstream(struct tunnel *tunnel, enum tunnel_parting parting)
{
    cluster_wait_cancel(&tunnel->resolve_waiter);
    connect_cancel(tunnel->connect);
    tunnel->connect = NULL;
    if (tunnel->upstream != NULL) {
        tunnel_part(tunnel->upstream, parting);
        tunnel->upstream = NULL;
        cluster_count_connection(tunnel->cluster, -1);
    }
    if (tunnel->endpoint != NULL) {
        endpoint_end_use(tunnel->endpoint);
        tunnel->endpoint = NULL;
    }
    if (tunnel->cluster != NULL) {
        cluster_unref(tunnel->cluster);
        tunnel->cluster = NULL;
    }
}

/* Over, whatever it was. `termination` is a stable word, or NULL: it ended as it should. */
static void tunnel_finish(struct tunnel *tunnel, enum tunnel_parting parting, uint64_t flags,
                          const char *termination)
{
    struct worker *worker = tunnel->worker;
    struct client *client = tunnel->client;

    timer_cancel(&tunnel->idle);
    timer_cancel(&tunnel->lifetime);
    timer_cancel(&tunnel->report);
    list_remove(&tunnel->link);
    metric_series_sub(tunnel->gauge, 1);
    tunnel_tell_bytes(tunnel, flags);
    tcp_metrics_closed(&worker->tcp_metrics, tunnel->cluster, flags);
    tunnel_log(tunnel, flags, termination);
    tunnel_let_go_upstream(tunnel, parting);
    tunnel_part(client->transport, parting);
    client->transport = NULL;
    client->tunnel = NULL;
    loop_reap(worker->loop, tunnel, mem_free);
    client_close(client);
}

void tunnel_close(struct tunnel *tunnel)
{
    tunnel_finish(tunnel, TUNNEL_PART_ORDERLY, FLAG_BIT(LR), "connection_closed_by_drain");
}

/* TT-28: before a byte of the upstream came. */
static void tunnel_fail(struct tunnel *tunnel, enum outcome_id id, uint64_t more_flags)
{
    tunnel_finish(tunnel, TUNNEL_PART_ORDERLY, outcome_get(id)->flags | more_flags, NULL);
}

/* --- Deadlines (TT-26) ------------------------------------------------------------------------ */

/* When bytes last came or left: who reads slowly what waits here is not silent. */
static uint64_t tunnel_active_ms(const struct tunnel *tunnel)
{
    uint64_t active_ms = tunnel->active_ms;
    const struct transport *sides[] = { tunnel->up.from, tunnel->down.from };

    for (size_t i = 0; i < 2; i++) {
        uint64_t came_ms = sides[i] != NULL ? transport_spliced_at_ms(sides[i]) : 0;
        uint64_t left_ms = sides[i] != NULL ? transport_sent_at_ms(sides[i]) : 0;
        active_ms = came_ms > active_ms ? came_ms : active_ms;
        active_ms = left_ms > active_ms ? left_ms : active_ms;
    }
    return active_ms;
}

static void tunnel_on_idle(void *arg)
{
    struct tunnel *tunnel = arg;
    uint64_t silent_ms = now_mono_ms() - tunnel_active_ms(tunnel);

    if (silent_ms < tunnel->idle_ms) {
        timer_arm(tunnel->worker->loop, &tunnel->idle, tunnel->idle_ms - silent_ms);
    } else {
        tunnel_finish(tunnel, TUNNEL_PART_ORDERLY, 0, "idle_timeout");
    }
}

static void tunnel_on_lifetime(void *arg)
{
    tunnel_finish(arg, TUNNEL_PART_ORDERLY, FLAG_BIT(DT), "max_connection_duration");
}

static void tunnel_arm_deadlines(struct tunnel *tunnel)
{
    const struct cluster *cluster = tunnel->cluster;
    struct loop *loop = tunnel->worker->loop;

    tunnel->idle_ms = cluster->tcp_idle_timeout_ms == CLUSTER_IDLE_UNSET
                          ? tunnel->worker->options.tunnel_idle_timeout_ms
                          : cluster->tcp_idle_timeout_ms;
    if (tunnel->idle_ms != 0) {
        timer_arm(loop, &tunnel->idle, tunnel->idle_ms);
    }
    if (cluster->max_connection_duration_ms != 0) {
        timer_arm(loop, &tunnel->lifetime, cluster->max_connection_duration_ms);
    }
}

/* --- Bytes ------------------------------------------------------------------------------------ */

/* Bulk between plain sockets leaves our memory alone. */
static void tunnel_note_read(struct tunnel_way *way, size_t len)
{
    way->full_reads = len >= LOOP_READ_BYTES ? way->full_reads + 1 : 0;
    if (way->full_reads >= TUNNEL_BULK_READS) {
        way->full_reads = 0;
        (void)transport_splice_start(way->from, way->to); /* else it goes on as before */
    }
}

static size_t tunnel_forward(struct tunnel *tunnel, struct tunnel_way *way,
                             const unsigned char *bytes, size_t len)
{
    tunnel->active_ms = now_mono_ms();
    way->copied_bytes += len;
    transport_write(way->to, bytes, len);
    if (transport_is_above_high(way->to)) {
        transport_pause_read(way->from, TRANSPORT_PAUSE_TUNNEL);
    } else {
        tunnel_note_read(way, len);
    }
    return len;
}

/* A TLS stream that was cut off ends its direction as well: many peers never say close_notify, and
 * what the bytes mean is not ours to know. */
static void tunnel_end_way(struct tunnel *tunnel, struct tunnel_way *way)
{
    tunnel->active_ms = now_mono_ms();
    way->is_ended = true;
    if (way->to != NULL) {
        transport_end_write(way->to);
    }
    if (tunnel->up.is_ended && tunnel->down.is_ended) {
        tunnel_finish(tunnel, TUNNEL_PART_ORDERLY, 0, NULL);
    } else if (way->to != NULL) {
        transport_flush(way->to);
    }
}

/* --- The client's side ------------------------------------------------------------------------ */

static size_t tunnel_on_client_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct tunnel *tunnel = owner;

    if (tunnel->upstream == NULL) {
        /* They wait where they are; TCP holds back the rest. */
        transport_pause_read(tunnel->client->transport, TRANSPORT_PAUSE_TUNNEL);
        return 0;
    }
    return tunnel_forward(tunnel, &tunnel->up, bytes, len);
}

static void tunnel_on_client_end(void *owner, bool is_clean)
{
    struct tunnel *tunnel = owner;

    (void)is_clean;
    tunnel_end_way(tunnel, &tunnel->up);
}

static void tunnel_on_client_drained(void *owner)
{
    struct tunnel *tunnel = owner;

    if (tunnel->upstream != NULL) {
        transport_resume_read(tunnel->upstream, TRANSPORT_PAUSE_TUNNEL);
    }
}

static void tunnel_on_client_dead(void *owner, enum transport_end end)
{
    struct tunnel *tunnel = owner;

    (void)end;
    tunnel_finish(tunnel, tunnel_parting_of(&tunnel->up), FLAG_BIT(DC), "downstream_remote_reset");
}

static const struct transport_handler tunnel_client_handler = {
    .on_data = tunnel_on_client_data,
    .on_end = tunnel_on_client_end,
    .on_drained = tunnel_on_client_drained,
    .on_dead = tunnel_on_client_dead,
};

/* --- The upstream's side ---------------------------------------------------------------------- */

static size_t tunnel_on_upstream_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct tunnel *tunnel = owner;

    return tunnel_forward(tunnel, &tunnel->down, bytes, len);
}

static void tunnel_on_upstream_end(void *owner, bool is_clean)
{
    struct tunnel *tunnel = owner;

    (void)is_clean;
    tunnel_end_way(tunnel, &tunnel->down);
}

static void tunnel_on_upstream_drained(void *owner)
{
    struct tunnel *tunnel = owner;

    transport_resume_read(tunnel->client->transport, TRANSPORT_PAUSE_TUNNEL);
}

static void tunnel_on_upstream_dead(void *owner, enum transport_end end)
{
    struct tunnel *tunnel = owner;

    (void)end;
    (void)snprintf(tunnel->failure, sizeof(tunnel->failure), "%s",
                   transport_error(tunnel->upstream)); /* cut is fine */
    tunnel_finish(tunnel, tunnel_parting_of(&tunnel->down), FLAG_BIT(UC), "upstream_remote_reset");
}

static const struct transport_handler tunnel_upstream_handler = {
    .on_data = tunnel_on_upstream_data,
    .on_end = tunnel_on_upstream_end,
    .on_drained = tunnel_on_upstream_drained,
    .on_dead = tunnel_on_upstream_dead,
};

/* --- Connecting ------------------------------------------------------------------------------- */

static void tunnel_join(struct tunnel *tunnel, struct transport *upstream)
{
    struct transport *client = tunnel->client->transport;

    tunnel->upstream = upstream;
    tunnel->up.to = upstream;
    tunnel->down.from = upstream;
    tunnel->active_ms = now_mono_ms();
    cluster_count_connection(tunnel->cluster, 1);
    tunnel->endpoint->request_count++;
    if (tunnel->worker->options.access_log != NULL) {
        tunnel->upstream_local = transport_local(upstream);
    }
    /* Who takes nothing is silent: the idle timeout's affair. */
    transport_set_write_timeout(upstream, 0);
    transport_set_handler(upstream, &tunnel_upstream_handler, tunnel);
    if (tunnel->up.is_ended) {
        transport_end_write(upstream);
    }
    transport_resume_read(client, TRANSPORT_PAUSE_TUNNEL);
}

static void tunnel_on_connected(void *owner, struct transport *transport, int error_number,
                                struct str tls_failure)
{
    struct tunnel *tunnel = owner;
    enum outcome_id id = outcome_of_connect_error(error_number);

    tunnel->connect = NULL;
    if (transport != NULL) {
        tunnel_join(tunnel, transport);
        return;
    }
    if (tls_failure.len > 0) {
        (void)snprintf(tunnel->failure, sizeof(tunnel->failure), "%.*s", STR_ARG(tls_failure));
    } else if (id != OUTCOME_CONNECT_TIMEOUT) {
        (void)snprintf(tunnel->failure, sizeof(tunnel->failure), "delayed connect error: %d",
                       error_number); /* fits */
    }
    tunnel_fail(tunnel, id, FLAG_BIT(URX));
}

static void tunnel_connect(struct tunnel *tunnel)
{
    struct cluster *cluster = tunnel->cluster;
    struct transport *client = tunnel->client->transport;
    struct endpoint *endpoint = cluster_pick_endpoint(cluster, NULL, 0);
    struct address peer;
    struct address local;
    struct connect_options options = {
        .version = HTTP_VERSION_1_1,
        .server_name = cluster_server_name(cluster, str_from(NULL, 0)),
    };

    if (endpoint == NULL) {
        tunnel_fail(tunnel, OUTCOME_NO_HEALTHY_UPSTREAM, 0);
        return;
    }
    endpoint_begin_use(endpoint);
    tunnel->endpoint = endpoint;
    if (cluster->proxy_protocol != PROXY_PROTOCOL_NONE) {
        peer = transport_peer(client);
        local = transport_local(client);
        options.client = &peer; /* copied by connect_start() */
        options.client_local = &local;
    }
    tunnel->connect = connect_start(endpoint, &options, tunnel_on_connected, tunnel);
}

static void tunnel_on_resolved(void *owner)
{
    tunnel_connect(owner);
}

static struct tunnel *tunnel_new(struct client *client, enum tunnel_kind kind)
{
    struct tunnel *tunnel = mem_new(struct tunnel);
    struct worker *worker = client->worker;
    struct str kind_name = tunnel_kind_name(kind);

    tunnel->worker = worker;
    tunnel->client = client;
    tunnel->kind = kind;
    tunnel->up.from = client->transport;
    tunnel->down.to = client->transport;
    tunnel->active_ms = now_mono_ms();
    timer_init(&tunnel->idle, tunnel_on_idle, tunnel);
    timer_init(&tunnel->lifetime, tunnel_on_lifetime, tunnel);
    timer_init(&tunnel->report, tunnel_on_report, tunnel);
    timer_arm(worker->loop, &tunnel->report, TCP_METRICS_REPORT_MS);
    tunnel->gauge = metrics_series(worker->metrics, METRIC_TUNNELS, &kind_name, 1);
    metric_series_add(tunnel->gauge, 1);
    list_push_back(&worker->tunnels, &tunnel->link);
    client->tunnel = tunnel;
    client->stage = CLIENT_TUNNEL;
    timer_cancel(&client->deadline);
    return tunnel;
}

void tunnel_start(struct client *client, const struct tcp_route *route, enum tunnel_kind kind)
{
    struct worker *worker = client->worker;
    struct tunnel *tunnel = tunnel_new(client, kind);
    const struct route_destination *destination =
        split_pick_among(route->destinations, route->destination_count, route->total_weight,
                         random_next(&worker->clusters.random)); /* TT-25 */
    struct cluster *cluster = cluster_set_find(&worker->clusters, destination->cluster_name);

    tcp_metrics_opened(&worker->tcp_metrics, cluster);
    transport_set_write_timeout(client->transport, 0);
    transport_set_handler(client->transport, &tunnel_client_handler, tunnel);
    if (cluster == NULL) {
        tunnel->cluster_name = destination->cluster_name; /* told before this returns */
        tunnel_fail(tunnel, OUTCOME_CLUSTER_NOT_FOUND, 0);
        return;
    }
    tunnel->cluster = cluster_ref(cluster);
    tunnel->cluster_name = cluster->name;
    if (worker->is_overloaded) {
        metrics_add(worker->metrics, METRIC_OVERLOAD_REFUSED, 1);
        tunnel_fail(tunnel, OUTCOME_OVERLOADED, 0);
        return;
    }
    tunnel_arm_deadlines(tunnel);
    if (cluster_is_resolved(cluster)) {
        tunnel_connect(tunnel);
    } else {
        tunnel->resolve_waiter.on_resolved = tunnel_on_resolved;
        tunnel->resolve_waiter.owner = tunnel;
        cluster_wait(cluster, &tunnel->resolve_waiter);
    }
}
