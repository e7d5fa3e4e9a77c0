/* h2_origin: nghttp2 as a server on a plain transport; prior knowledge only. */
#include "tests/unit/support/h2_origin.h"

#include "gateway/base/check.h"

#include <nghttp2/nghttp2.h>
#include <string.h>

/* --- Sending ---------------------------------------------------------------------------------- */

static void h2_origin_send(struct h2_origin_connection *connection)
{
    const uint8_t *bytes;
    ssize_t len;

    while ((len = nghttp2_session_mem_send(connection->session, &bytes)) > 0) {
        transport_write(connection->transport, bytes, (size_t)len);
    }
    CHECK(len == 0);
    transport_flush(connection->transport);
}

static void h2_origin_submit_settings(struct h2_origin_connection *connection)
{
    const struct h2_origin *origin = connection->origin;
    nghttp2_settings_entry entries[2];
    size_t count = 0;

    if (origin->max_streams != 0) {
        entries[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
                                                     origin->max_streams };
    }
    if (origin->takes_tunnels) {
        entries[count++] = (nghttp2_settings_entry){ NGHTTP2_SETTINGS_ENABLE_CONNECT_PROTOCOL, 1 };
    }
    CHECK(nghttp2_submit_settings(connection->session, NGHTTP2_FLAG_NONE, entries, count) == 0);
}

static void h2_origin_submit_answer(struct h2_origin_connection *connection, int32_t stream)
{
    uint8_t name[] = ":status";
    uint8_t value[] = "200";
    nghttp2_nv field = { name, value, sizeof(name) - 1, sizeof(value) - 1, NGHTTP2_NV_FLAG_NONE };

    /* A stream that was reset meanwhile is an error that matters to nobody. */
    (void)nghttp2_submit_response(connection->session, stream, &field, 1, NULL);
}

/* --- Receiving -------------------------------------------------------------------------------- */

static int h2_origin_on_header(nghttp2_session *session, const nghttp2_frame *frame,
                               const uint8_t *name, size_t name_len, const uint8_t *value,
                               size_t value_len, uint8_t flags, void *arg)
{
    struct h2_origin_connection *connection = arg;

    (void)session;
    (void)frame;
    (void)value;
    (void)value_len;
    (void)flags;
    if (name_len == 9 && memcmp(name, ":protocol", 9) == 0) {
        connection->origin->tunnel_count++;
    }
    return 0;
}

static int h2_origin_on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    struct h2_origin_connection *connection = arg;
    struct h2_origin *origin = connection->origin;
    int32_t stream = frame->hd.stream_id;

    (void)session;
    bool is_whole = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type != NGHTTP2_HEADERS && !(frame->hd.type == NGHTTP2_DATA && is_whole)) {
        return 0;
    }
    origin->request_count++;
    connection->request_count++;
    if (origin->is_holding_answers) {
        CHECK(connection->waiting_count < H2_ORIGIN_STREAMS_MAX);
        connection->waiting[connection->waiting_count++] = stream;
    } else {
        h2_origin_submit_answer(connection, stream);
    }
    return 0;
}

static void h2_origin_close(struct h2_origin_connection *connection)
{
    transport_close(connection->transport);
    nghttp2_session_del(connection->session);
    connection->transport = NULL;
    connection->session = NULL;
    connection->waiting_count = 0;
    connection->origin->open_count--;
}

static size_t h2_origin_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct h2_origin_connection *connection = owner;

    if (nghttp2_session_mem_recv(connection->session, bytes, len) < 0) {
        h2_origin_close(connection);
        return len;
    }
    h2_origin_send(connection);
    return len;
}

static void h2_origin_on_end(void *owner, bool is_clean)
{
    (void)is_clean;
    h2_origin_close(owner);
}

static void h2_origin_on_drained(void *owner)
{
    (void)owner;
}

static void h2_origin_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    h2_origin_close(owner);
}

static const struct transport_handler h2_origin_handler = {
    .on_data = h2_origin_on_data,
    .on_end = h2_origin_on_end,
    .on_drained = h2_origin_on_drained,
    .on_dead = h2_origin_on_dead,
};

/* --- Life ------------------------------------------------------------------------------------- */

static void h2_origin_on_accept(void *owner, int fd, const struct address *peer)
{
    struct h2_origin *origin = owner;
    struct h2_origin_connection *connection = origin->connections;
    nghttp2_session_callbacks *callbacks;

    while (connection->transport != NULL) {
        connection++;
        CHECK(connection < origin->connections + H2_ORIGIN_CONNECTIONS_MAX);
    }
    *connection = (struct h2_origin_connection){ .origin = origin };
    connection->transport = transport_new(origin->loop, fd, peer);
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, h2_origin_on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, h2_origin_on_frame);
    CHECK(nghttp2_session_server_new(&connection->session, callbacks, connection) == 0);
    nghttp2_session_callbacks_del(callbacks);
    origin->connection_count++;
    origin->open_count++;
    transport_set_handler(connection->transport, &h2_origin_handler, connection);
    if (origin->is_holding_settings) {
        /* What is read would be answered, before SETTINGS. */
        transport_pause_read(connection->transport, TRANSPORT_PAUSE_LEG);
    } else {
        h2_origin_submit_settings(connection);
        h2_origin_send(connection);
    }
}

void h2_origin_start(struct h2_origin *origin, struct loop *loop)
{
    int fd;
    struct err err = { 0 };

    *origin = (struct h2_origin){ .loop = loop };
    CHECK(address_parse(STR("127.0.0.1"), 0, &origin->address));
    CHECK(listener_bind(&origin->address, &fd, 1, &err));
    origin->listener = listener_start(loop, fd, h2_origin_on_accept, origin);
}

void h2_origin_stop(struct h2_origin *origin)
{
    listener_close(origin->listener);
    for (int i = 0; i < 100 && origin->open_count > 0; i++) {
        loop_run_once(origin->loop, 10);
    }
    CHECK(origin->open_count == 0);
}

/* --- What a test asks ------------------------------------------------------------------------- */

static void h2_origin_each(struct h2_origin *origin,
                           void (*action)(struct h2_origin_connection *connection))
{
    for (size_t i = 0; i < H2_ORIGIN_CONNECTIONS_MAX; i++) {
        if (origin->connections[i].transport != NULL) {
            action(&origin->connections[i]);
            h2_origin_send(&origin->connections[i]);
        }
    }
}

static void h2_origin_begin(struct h2_origin_connection *connection)
{
    h2_origin_submit_settings(connection);
    transport_resume_read(connection->transport, TRANSPORT_PAUSE_LEG);
}

void h2_origin_send_settings(struct h2_origin *origin)
{
    origin->is_holding_settings = false;
    h2_origin_each(origin, h2_origin_begin);
}

static void h2_origin_answer_waiting(struct h2_origin_connection *connection)
{
    for (size_t i = 0; i < connection->waiting_count; i++) {
        h2_origin_submit_answer(connection, connection->waiting[i]);
    }
    connection->waiting_count = 0;
}

void h2_origin_answer(struct h2_origin *origin)
{
    origin->is_holding_answers = false;
    h2_origin_each(origin, h2_origin_answer_waiting);
}

static void h2_origin_submit_goaway(struct h2_origin_connection *connection)
{
    int32_t last = nghttp2_session_get_last_proc_stream_id(connection->session);

    CHECK(nghttp2_submit_goaway(connection->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
                                NULL, 0) == 0);
}

void h2_origin_go_away(struct h2_origin *origin)
{
    h2_origin_each(origin, h2_origin_submit_goaway);
}

size_t h2_origin_busiest(const struct h2_origin *origin)
{
    size_t most = 0;

    for (size_t i = 0; i < H2_ORIGIN_CONNECTIONS_MAX; i++) {
        if (origin->connections[i].request_count > most) {
            most = origin->connections[i].request_count;
        }
    }
    return most;
}
