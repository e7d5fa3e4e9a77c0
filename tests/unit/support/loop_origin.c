/* loop_origin: a scripted origin. A request is complete with its empty line and as many bytes more
 * as its content-length says; that is all it understands. */
#include "tests/unit/support/loop_origin.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <stdlib.h>

static void loop_origin_forget(struct loop_origin *origin, struct transport *transport)
{
    for (size_t i = 0; i < LOOP_ORIGIN_CONNECTIONS_MAX; i++) {
        if (origin->transports[i] == transport) {
            origin->transports[i] = NULL;
            origin->open_count--;
        }
    }
}

struct loop_origin_connection {
    struct loop_origin *origin;
    struct transport *transport;
};

static void loop_origin_close(struct loop_origin_connection *connection, bool is_reset)
{
    struct transport *transport = connection->transport;

    loop_origin_forget(connection->origin, transport);
    loop_reap(connection->origin->loop, connection, mem_free);
    if (is_reset) {
        transport_reset(transport);
    } else {
        transport_close(transport);
    }
}

/* True: the connection is open still. */
static bool loop_origin_answer(struct loop_origin_connection *connection)
{
    struct loop_origin *origin = connection->origin;
    const char *answer = origin->script[origin->script_at];

    if (origin->script[origin->script_at + 1] != NULL) {
        origin->script_at++;
    }
    origin->request_count++;
    switch (answer[0]) {
    case '\1': /* LOOP_ORIGIN_CLOSE */
        loop_origin_close(connection, false);
        return false;
    case '\2': /* LOOP_ORIGIN_RESET */
        loop_origin_close(connection, true);
        return false;
    case '\3': /* LOOP_ORIGIN_SILENT */
        return true;
    case '\4': /* LOOP_ORIGIN_LAST */
        transport_write(connection->transport, answer + 1, strlen(answer + 1));
        loop_origin_close(connection, false);
        return false;
    default:
        transport_write(connection->transport, answer, strlen(answer));
        return true;
    }
}

static size_t loop_origin_on_data(void *owner, const unsigned char *bytes, size_t len)
{
    struct loop_origin_connection *connection = owner;
    struct str text = str_from((const char *)bytes, len);
    size_t head_end = str_find(text, STR("\r\n\r\n"));

    if (head_end == SIZE_MAX) {
        return 0;
    }
    size_t field = str_find(text, STR("content-length: "));
    size_t body_len = field < head_end ? (size_t)strtoul(text.ptr + field + 16, NULL, 10) : 0;
    size_t total = head_end + 4 + body_len;
    if (len < total) {
        return 0;
    }
    text_add(&connection->origin->received, str_slice(text, 0, total));
    (void)loop_origin_answer(connection); /* what follows comes with the next event */
    return total;
}

static void loop_origin_on_end(void *owner, bool is_clean)
{
    (void)is_clean;
    loop_origin_close(owner, false);
}

static void loop_origin_on_drained(void *owner)
{
    (void)owner;
}

static void loop_origin_on_dead(void *owner, enum transport_end end)
{
    (void)end;
    loop_origin_close(owner, false);
}

static const struct transport_handler loop_origin_handler = {
    .on_data = loop_origin_on_data,
    .on_end = loop_origin_on_end,
    .on_drained = loop_origin_on_drained,
    .on_dead = loop_origin_on_dead,
};

static void loop_origin_on_accept(void *owner, int fd, const struct address *peer)
{
    struct loop_origin *origin = owner;
    struct loop_origin_connection *connection = mem_new(struct loop_origin_connection);
    size_t at = 0;

    connection->origin = origin;
    connection->transport = transport_new(origin->loop, fd, peer);
    while (origin->transports[at] != NULL) {
        at++;
        CHECK(at < LOOP_ORIGIN_CONNECTIONS_MAX);
    }
    origin->transports[at] = connection->transport;
    origin->connection_count++;
    origin->open_count++;
    transport_set_handler(connection->transport, &loop_origin_handler, connection);
}

void loop_origin_start(struct loop_origin *origin, struct loop *loop, const char *const *script)
{
    int fd;
    struct err err = { 0 };

    *origin = (struct loop_origin){ .loop = loop, .script = script };
    CHECK(address_parse(STR("127.0.0.1"), 0, &origin->address));
    CHECK(listener_bind(&origin->address, &fd, 1, &err));
    origin->listener = listener_start(loop, fd, loop_origin_on_accept, origin);
}

void loop_origin_close_connections(struct loop_origin *origin)
{
    for (size_t i = 0; i < LOOP_ORIGIN_CONNECTIONS_MAX; i++) {
        if (origin->transports[i] != NULL) {
            transport_end_write(origin->transports[i]);
        }
    }
}

void loop_origin_say(struct loop_origin *origin, const char *text)
{
    for (size_t i = 0; i < LOOP_ORIGIN_CONNECTIONS_MAX; i++) {
        if (origin->transports[i] != NULL) {
            transport_write(origin->transports[i], text, strlen(text));
            transport_flush(origin->transports[i]);
        }
    }
}

bool loop_origin_saw(const struct loop_origin *origin, const char *text)
{
    return origin->received.ptr != NULL && strstr(origin->received.ptr, text) != NULL;
}

void loop_origin_stop(struct loop_origin *origin)
{
    listener_close(origin->listener);
    /* The gateway's side is closed by now: the ends arrive within a few turns. */
    for (int i = 0; i < 100 && origin->open_count > 0; i++) {
        loop_run_once(origin->loop, 10);
    }
    CHECK(origin->open_count == 0);
    text_cleanup(&origin->received);
}
