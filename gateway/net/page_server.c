/* page_server: evhttp behind one callback. Owned by the admin side; control thread only.
 *
 * evhttp keeps a connection as long as bytes come within its timeout, and as many as come. So that a
 * trickle cannot hold these ports, each connection is watched here as well, by a reference of our own
 * to its bufferevent: it has one deadline for a whole request, another for taking the answer, and
 * beyond a number of them new ones are closed. evhttp does not say when it is done with a connection;
 * that shows when ours is the last reference. */
#include "gateway/net/page_server.h"

#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/net/event_memory.h"
#include "gateway/net/listener.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    PAGE_SERVER_IDLE_S = 10,
    PAGE_SERVER_REQUEST_MS = 10 * 1000, /* from accepting, or the last answer, to a whole request */
    PAGE_SERVER_ANSWER_MS = 60 * 1000,  /* a large page over a slow line */
    PAGE_SERVER_LOOK_MS = 1000,
    PAGE_SERVER_BODY_BYTES = 64 * 1024,
    PAGE_SERVER_HEADER_BYTES = 16 * 1024,
};

struct page_server {
    struct loop *loop;
    struct evhttp *http;
    page_fn on_page;
    void *owner;
    struct list connections;
    size_t connection_count;
    uint64_t reviewed_turn;
    struct timer look;
    struct deferred review;
};

/* One that evhttp has, or had until the next look. */
struct page_connection {
    struct list link;
    struct bufferevent *stream; /* counted */
    uint64_t due_ms;
};

/* --- Connections ------------------------------------------------------------------------------ */

static void page_connection_forget(struct page_server *server, struct page_connection *connection)
{
    list_remove(&connection->link);
    server->connection_count--;
    mem_free(connection);
}

/* Lets go of what evhttp is done with, and ends what is late: evhttp then finds the end of the
 * connection and does the rest. */
static void page_server_review(void *arg)
{
    struct page_server *server = arg;
    uint64_t now_ms = now_mono_ms();

    LIST_EACH (&server->connections, link) {
        struct page_connection *connection = list_object(link, struct page_connection, link);
        struct bufferevent *stream = connection->stream;

        if (bufferevent_decref(stream) != 0) { /* ours was the last */
            page_connection_forget(server, connection);
            continue;
        }
        bufferevent_incref(stream);
        if (now_ms >= connection->due_ms) {
            (void)shutdown(bufferevent_getfd(stream), SHUT_RDWR); /* may be closed already */
        }
    }
}

static void page_server_on_look(void *arg)
{
    struct page_server *server = arg;

    page_server_review(server);
    if (server->connection_count > 0) {
        timer_arm(server->loop, &server->look, PAGE_SERVER_LOOK_MS);
    }
}

/* evhttp accepted a connection and asks for its bufferevent; it cannot be told no. */
static struct bufferevent *page_server_on_accept(struct event_base *base, void *arg)
{
    struct page_server *server = arg;
    /* The descriptor goes with the last reference, ours: were it evhttp's to close, its number would be
     * another connection's by the time the events of this one are taken out of epoll. */
    struct bufferevent *stream = bufferevent_socket_new(base, -1, BEV_OPT_CLOSE_ON_FREE);

    if (stream == NULL) {
        return NULL; /* evhttp tries by itself, and fails */
    }
    loop_enter(server->loop);
    if (server->connection_count >= PAGE_SERVER_CONNECTIONS &&
        server->reviewed_turn != loop_turn_count(server->loop)) {
        server->reviewed_turn = loop_turn_count(server->loop); /* a storm is reviewed once a turn */
        page_server_review(server); /* some may be gone since the last look */
    }
    struct page_connection *connection = mem_new(struct page_connection);
    connection->stream = stream;
    bufferevent_incref(stream);
    connection->due_ms = now_mono_ms() + PAGE_SERVER_REQUEST_MS;
    if (server->connection_count >= PAGE_SERVER_CONNECTIONS) {
        connection->due_ms = 0;
        loop_defer(server->loop, &server->review, page_server_review, server);
    }
    list_push_back(&server->connections, &connection->link);
    server->connection_count++;
    if (!timer_is_armed(&server->look)) {
        timer_arm(server->loop, &server->look, PAGE_SERVER_LOOK_MS);
    }
    return stream;
}

static void page_server_grant(struct page_server *server, struct evhttp_request *request,
                              uint64_t time_ms)
{
    struct evhttp_connection *http = evhttp_request_get_connection(request);
    const struct bufferevent *stream =
        http == NULL ? NULL : evhttp_connection_get_bufferevent(http);

    LIST_EACH (&server->connections, link) {
        struct page_connection *connection = list_object(link, struct page_connection, link);
        if (connection->stream == stream && connection->due_ms != 0) {
            connection->due_ms = now_mono_ms() + time_ms;
        }
    }
}

static void page_server_on_answered(struct evhttp_request *request, void *arg)
{
    struct page_server *server = arg;

    loop_enter(server->loop);
    page_server_grant(server, request, PAGE_SERVER_REQUEST_MS);
}

/* --- Requests --------------------------------------------------------------------------------- */

static const struct {
    enum evhttp_cmd_type type;
    const char *name;
} page_methods[] = {
    { EVHTTP_REQ_GET, "GET" },       { EVHTTP_REQ_POST, "POST" },
    { EVHTTP_REQ_HEAD, "HEAD" },     { EVHTTP_REQ_PUT, "PUT" },
    { EVHTTP_REQ_DELETE, "DELETE" }, { EVHTTP_REQ_OPTIONS, "OPTIONS" },
    { EVHTTP_REQ_PATCH, "PATCH" },
};

static const char *page_method_name(enum evhttp_cmd_type type)
{
    for (size_t i = 0; i < sizeof(page_methods) / sizeof(page_methods[0]); i++) {
        if (page_methods[i].type == type) {
            return page_methods[i].name;
        }
    }
    return "";
}

static struct str page_header(struct evhttp_request *request, const char *name)
{
    return str_from_cstr(evhttp_find_header(evhttp_request_get_input_headers(request), name));
}

static void page_read_request(struct evhttp_request *request, const char *path, size_t path_len,
                              struct page_request *page)
{
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    struct evbuffer *body = evhttp_request_get_input_buffer(request);
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    const struct sockaddr *peer =
        connection == NULL ? NULL : evhttp_connection_get_addr(connection);

    *page = (struct page_request){
        .method = str_from_cstr(page_method_name(evhttp_request_get_command(request))),
        .path = str_from(path, path_len),
        .query = str_from_cstr(evhttp_uri_get_query(uri)),
        .host = page_header(request, "Host"),
        .origin = page_header(request, "Origin"),
        .body = str_from((const char *)evbuffer_pullup(body, -1), evbuffer_get_length(body)),
    };
    if (peer != NULL && peer->sa_family == AF_INET) {
        (void)address_from_sockaddr(&page->peer, peer,
                                    sizeof(struct sockaddr_in)); /* long enough */
    } else if (peer != NULL && peer->sa_family == AF_INET6) {
        (void)address_from_sockaddr(&page->peer, peer, sizeof(struct sockaddr_in6)); /* the same */
    }
}

static const char *page_reason(int status)
{
    switch (status) {
    case 200:
        return "OK";
    case 400:
        return "Bad Request";
    case 403:
        return "Forbidden";
    case 404:
        return "Not Found";
    case 405:
        return "Method Not Allowed";
    case 503:
        return "Service Unavailable";
    default:
        return status < 400 ? "OK" : "Error";
    }
}

static void page_send_reply(struct evhttp_request *request, const struct page_reply *reply)
{
    struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
    const char *type =
        reply->content_type != NULL ? reply->content_type : "text/plain; charset=UTF-8";
    struct evbuffer *body = evhttp_request_get_output_buffer(request);

    /* These fail only for values with line breaks, and ours have none. */
    (void)evhttp_add_header(headers, "Content-Type", type);
    (void)evhttp_add_header(headers, "Cache-Control", "no-cache, max-age=0");
    (void)evhttp_add_header(headers, "X-Content-Type-Options", "nosniff");
    if (evhttp_request_get_command(request) == EVHTTP_REQ_HEAD) {
        /* The length of what GET would send, and nothing of it (RFC 9110 9.3.2). */
        char length[24];
        (void)snprintf(length, sizeof(length), "%zu", reply->body.len); /* fits */
        (void)evhttp_add_header(headers, "Content-Length", length);
    } else if (reply->body.len > 0) {
        (void)evbuffer_add(body, reply->body.ptr, reply->body.len); /* no memory ends the process */
    }
    evhttp_send_reply(request, reply->status, page_reason(reply->status), NULL);
}

static void page_server_on_request(struct evhttp_request *request, void *arg)
{
    struct page_server *server = arg;
    struct page_reply reply = { .status = 200 };
    struct page_request page;
    size_t path_len = 0;

    loop_enter(server->loop);
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
    const char *raw_path = uri == NULL ? NULL : evhttp_uri_get_path(uri);
    char *path =
        evhttp_uridecode(raw_path != NULL && raw_path[0] != '\0' ? raw_path : "/", 0, &path_len);
    if (uri == NULL || path == NULL) {
        reply.status = 400;
        text_add_cstr(&reply.body, "cannot read the path\n");
    } else {
        page_read_request(request, path, path_len, &page);
        server->on_page(server->owner, &page, &reply);
    }
    page_server_grant(server, request, PAGE_SERVER_ANSWER_MS);
    evhttp_request_set_on_complete_cb(request, page_server_on_answered, server);
    page_send_reply(request, &reply);
    text_cleanup(&reply.body);
    event_memory_free(path); /* libevent's allocation */
}

/* --- Life ------------------------------------------------------------------------------------- */

struct page_server *page_server_start(struct loop *loop, struct address *address, page_fn on_page,
                                      void *owner, struct err *err)
{
    int fd;

    if (!listener_bind_alone(address, &fd, err)) {
        return NULL;
    }
    struct page_server *server = mem_new(struct page_server);
    server->loop = loop;
    server->on_page = on_page;
    server->owner = owner;
    list_init(&server->connections);
    timer_init(&server->look, page_server_on_look, server);
    server->http = evhttp_new(loop_event_base(loop));
    if (server->http == NULL) {
        err_set(err, ERR_SYSTEM, "cannot start an HTTP server");
        goto fail;
    }
    evhttp_set_timeout(server->http, PAGE_SERVER_IDLE_S);
    evhttp_set_max_headers_size(server->http, PAGE_SERVER_HEADER_BYTES);
    evhttp_set_max_body_size(server->http, PAGE_SERVER_BODY_BYTES);
    evhttp_set_default_content_type(server->http, NULL); /* each reply names its own */
    ev_uint16_t methods = 0;
    for (size_t i = 0; i < sizeof(page_methods) / sizeof(page_methods[0]); i++) {
        methods |= (ev_uint16_t)page_methods[i].type;
    }
    evhttp_set_allowed_methods(server->http, methods);
    evhttp_set_bevcb(server->http, page_server_on_accept, server);
    evhttp_set_gencb(server->http, page_server_on_request, server);
    if (evhttp_accept_socket(server->http, fd) != 0) {
        err_set(err, ERR_SYSTEM, "cannot watch a listening socket");
        goto fail;
    }
    return server;

fail:
    if (server->http != NULL) {
        evhttp_free(server->http);
    }
    (void)close(fd); /* the first error is the one worth telling */
    mem_free(server);
    return NULL;
}

void page_server_stop(struct page_server *server)
{
    struct list *link;

    if (server == NULL) {
        return;
    }
    evhttp_free(server->http); /* closes the listening socket and the connections */
    while ((link = list_first(&server->connections)) != NULL) {
        struct page_connection *connection = list_object(link, struct page_connection, link);
        (void)bufferevent_decref(connection->stream); /* the last */
        page_connection_forget(server, connection);
    }
    timer_cancel(&server->look);
    loop_defer_cancel(&server->review);
    mem_free(server);
}

/* --- Queries ---------------------------------------------------------------------------------- */

static int page_hex_value(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = str_lower_char(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Form encoding: '+' is a space; a broken escape stays as it is. */
static void page_decode(struct str raw, struct text *out)
{
    for (size_t i = 0; i < raw.len; i++) {
        int high = raw.ptr[i] == '%' && i + 2 < raw.len ? page_hex_value(raw.ptr[i + 1]) : -1;
        int low = high >= 0 ? page_hex_value(raw.ptr[i + 2]) : -1;
        if (low >= 0) {
            text_add_char(out, (char)(high * 16 + low));
            i += 2;
        } else {
            text_add_char(out, raw.ptr[i] == '+' ? ' ' : raw.ptr[i]);
        }
    }
}

bool page_query_get(struct str query, const char *name, struct text *out)
{
    struct str part;

    while (str_split_next(&query, '&', &part)) {
        size_t equals = str_find_char(part, '=');
        struct str key = equals == SIZE_MAX ? part : str_slice(part, 0, equals);
        if (str_equals(key, str_from_cstr(name))) {
            text_clear(out);
            if (equals != SIZE_MAX) {
                page_decode(str_skip(part, equals + 1), out);
            }
            return true;
        }
    }
    return false;
}
