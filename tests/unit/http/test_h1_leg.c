/* h1_leg: what an exchange sends, and that a message which is not whole never looks whole; tunnels, both
 * roles. Spec HD-13, HD-25, CN-30, CN-32, CN-41, LR-23, LR-26. Hardening: 101 only where it was asked
 * for. */
#include "tests/unit/support/fake_exchange.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fake_exchange self;

static int setup_client(void **state)
{
    (void)state;
    fake_exchange_start(&self, true);
    self.leg = self.conn->ops->open_leg(self.conn, &fake_exchange_leg_handler, &self);
    return 0;
}

static void begin(const char *method)
{
    struct text request = { 0 };

    fake_exchange_start(&self, false);
    text_printf(&request, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", method);
    fake_receive(self.transport, text_view(&request));
    text_cleanup(&request);
    text_clear(&self.log);
}

static int setup_server(void **state)
{
    (void)state;
    begin("GET");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_exchange_stop(&self);
    return 0;
}

static void send_response(unsigned status, enum body_framing framing, uint64_t length, bool is_end)
{
    struct head head;

    head_init(&head, self.arena);
    head.status = status;
    head.framing = framing;
    head.content_length = length;
    head.has_content_length = framing == BODY_LENGTH;
    self.leg->ops->send_head(self.leg, &head, is_end);
}

static void send_request(const char *method, enum body_framing framing, uint64_t length,
                         bool is_end)
{
    struct head head;

    head_init(&head, self.arena);
    head.method_text = str_from_cstr(method);
    head.method = http_method_from(head.method_text);
    head.path = STR("/p");
    head.authority = STR("a");
    head.framing = framing;
    head.content_length = length;
    headers_add(&head.headers, STR("expect"), STR("100-continue"));
    self.leg->ops->send_head(self.leg, &head, is_end);
}

static void send_body(const char *bytes)
{
    self.leg->ops->send_body(self.leg, (const unsigned char *)bytes, strlen(bytes));
}

/* --- What is not whole ------------------------------------------------------------------------ */

static void too_few_bytes_are_a_reset(void **state)
{
    (void)state;
    send_response(200, BODY_LENGTH, 5, false);
    send_body("abc");
    self.leg->ops->send_end(self.leg, NULL);
    assert_int_equal(self.transport->state, FAKE_RESET);
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "closed;");
}

static void too_many_bytes_are_a_reset(void **state)
{
    (void)state;
    send_response(200, BODY_LENGTH, 5, false);
    send_body("abcdef");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n");
    assert_int_equal(self.transport->state, FAKE_RESET);
    send_body("after that nothing");
    self.leg->ops->send_end(self.leg, NULL);
}

static void a_length_without_a_body_is_a_reset(void **state)
{
    (void)state;
    send_response(200, BODY_LENGTH, 5, true);
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void lr_23_an_aborted_body_has_no_end(void **state)
{
    (void)state;
    send_response(200, BODY_UNTIL_CLOSE, 0, false);
    send_body("abc");
    self.leg->ops->abort(self.leg, LEG_ABORT_CANCEL);
    self.leg->ops->abort(self.leg, LEG_ABORT_CANCEL);
    assert_sent(&self, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_int_equal(self.transport->state, FAKE_RESET);
    fake_turn(self.transport);
    assert_log(&self, "closed;"); /* before the release, and the leg is still there */
    assert_int_equal(fake.freed_count, 0);
    assert_false(self.leg->ops->is_above_high(self.leg));
}

static void a_body_that_is_let_go_has_no_end(void **state)
{
    (void)state;
    send_response(200, BODY_CHUNKED, 0, false);
    fake_exchange_release(&self);
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void a_request_that_is_let_go_has_no_end(void **state)
{
    (void)state;
    send_request("POST", BODY_CHUNKED, 0, false);
    send_body("abc");
    fake_exchange_release(&self);
    assert_sent(&self, "POST /p HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n"
                       "transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n");
    assert_int_equal(self.transport->state, FAKE_RESET);
}

/* --- Responses -------------------------------------------------------------------------------- */

static void responses_are_framed(void **state)
{
    struct headers trailers;

    (void)state;
    send_response(200, BODY_CHUNKED, 0, false);
    send_body("abc");
    send_body(""); /* would be the last chunk */
    send_body("0123456789abcdef");
    headers_init(&trailers, self.arena);
    headers_add(&trailers, STR("x-sum"), STR("1"));
    self.leg->ops->send_end(self.leg, &trailers);
    self.leg->ops->send_end(self.leg, &trailers);
    assert_sent(&self, "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n"
                       "10\r\n0123456789abcdef\r\n0\r\nx-sum: 1\r\n\r\n"); /* CN-41 */
    self.leg->ops->abort(self.leg, LEG_ABORT_CANCEL); /* complete: no more to do */
    assert_int_equal(self.transport->state, FAKE_OPEN);
    fake_exchange_release(&self);
    assert_log(&self, "idle;");
}

static void lr_26_bodies_that_may_not_be_are_not_sent(void **state)
{
    static const struct {
        const char *method;
        unsigned status;
        const char *sent;
    } cases[] = {
        { "HEAD", 200, "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\n" },
        { "GET", 204, "HTTP/1.1 204 No Content\r\n\r\n" },
        { "GET", 304, "HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        begin(cases[i].method);
        send_response(cases[i].status, BODY_LENGTH, 3, false);
        send_body("abc");
        self.leg->ops->send_end(self.leg, NULL);
        assert_sent(&self, cases[i].sent);
        fake_exchange_release(&self);
        assert_log(&self, "idle;");
        fake_exchange_stop(&self);
    }
}

static void one_final_head_and_interim_ones_before(void **state)
{
    (void)state;
    assert_false(self.leg->is_response_started);
    send_response(100, BODY_NONE, 0, false);
    send_response(103, BODY_NONE, 0, false);
    assert_false(self.leg->is_response_started);
    send_response(404, BODY_NONE, 0, true);
    assert_true(self.leg->is_response_started);
    send_response(103, BODY_NONE, 0, false);
    send_response(200, BODY_NONE, 0, true);
    assert_int_equal(self.leg->wire_sent_bytes, self.transport->sent.len);
    assert_int_equal(self.leg->wire_received_bytes,
                     sizeof("GET / HTTP/1.1\r\nHost: a\r\n\r\n") - 1);
    assert_sent(&self, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n"
                       "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
}

static void flow_is_passed_on(void **state)
{
    (void)state;
    assert_false(self.leg->ops->is_above_high(self.leg));
    self.transport->is_above_high = true;
    assert_true(self.leg->ops->is_above_high(self.leg));
    self.transport->is_above_high = false;
    self.transport->handler->on_drained(self.transport->owner);
    assert_log(&self, "drained;");
    self.leg->ops->pause(self.leg);
    self.leg->ops->pause(self.leg);
    assert_int_equal(self.transport->pause_reasons, TRANSPORT_PAUSE_LEG);
    self.leg->ops->resume(self.leg);
    assert_int_equal(self.transport->pause_reasons, 0);
    assert_int_equal(self.transport->write_timeout_ms, 700);
    /* A pause does not outlive its leg. */
    self.leg->ops->pause(self.leg);
    send_response(200, BODY_NONE, 0, true);
    fake_exchange_release(&self);
    assert_int_equal(self.transport->pause_reasons, 0);
    self.transport->handler->on_drained(self.transport->owner); /* nobody to tell */
    assert_log(&self, "idle;");
}

/* --- Requests --------------------------------------------------------------------------------- */

static void hd_25_requests_are_framed(void **state)
{
    (void)state;
    send_request("POST", BODY_LENGTH, 3, false);
    send_body("ab");
    send_body("c");
    self.leg->ops->send_end(self.leg, NULL);
    assert_int_equal(self.leg->wire_sent_bytes, self.transport->sent.len);
    assert_sent(&self, "POST /p HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\n" /* HD-13 */
                       "content-length: 3\r\n\r\nabc");
    fake_receive(self.transport, STR("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"));
    assert_int_equal(self.leg->wire_received_bytes, 39);
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "head 200;body x;complete;idle;");
}

/* --- Tunnels ---------------------------------------------------------------------------------- */

#define UPGRADE_REQUEST                                                                            \
    "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: Upgrade\r\n\r\n"
#define SWITCHING                                                                                  \
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n"

static void receive(const char *bytes)
{
    fake_receive(self.transport, str_from_cstr(bytes));
}

static void send_switching(void)
{
    struct head head;

    head_init(&head, self.arena);
    head.status = 101;
    head.framing = BODY_TUNNEL;
    head.upgrade = STR("websocket");
    self.leg->ops->send_head(self.leg, &head, false);
}

static void send_upgrade_request(void)
{
    struct head head;

    head_init(&head, self.arena);
    head.method_text = STR("GET");
    head.method = METHOD_GET;
    head.path = STR("/chat");
    head.authority = STR("a");
    head.framing = BODY_TUNNEL;
    head.upgrade = STR("websocket");
    headers_add(&head.headers, STR("sec-websocket-version"), STR("13"));
    self.leg->ops->send_head(self.leg, &head, false);
}

static int setup_tunnel_server(void **state)
{
    (void)state;
    fake_exchange_start(&self, false);
    receive(UPGRADE_REQUEST);
    assert_log(&self, "GET /chat;");
    return 0;
}

static int setup_tunnel_client(void **state)
{
    (void)setup_client(state);
    send_upgrade_request();
    assert_sent(&self, "GET /chat HTTP/1.1\r\nhost: a\r\nsec-websocket-version: 13\r\n"
                       "upgrade: websocket\r\nconnection: upgrade\r\n\r\n");
    return 0;
}

/* Bytes behind a 101 that nobody asked for, or to something else, would pass for the next answer. */
static void a_101_is_believed_only_where_it_was_asked_for(void **state)
{
    static const char *const answers[] = {
        "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket, x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.0 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n",
        "HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\nContent-Length: 3\r\n\r\n",
        ("HTTP/1.1 101 S\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Transfer-Encoding: chunked\r\n\r\n"),
    };

    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        (void)setup_tunnel_client(state);
        receive(answers[i]);
        assert_log(&self, "end protocol;closed;");
        fake_exchange_stop(&self);
    }
    (void)setup_client(state);
    send_request("GET", BODY_NONE, 0, true);
    receive(SWITCHING "HTTP/1.1 200 OK\r\n\r\n");
    assert_log(&self, "end protocol;closed;");
    fake_exchange_stop(&self);
}

static void a_101_is_sent_only_where_it_was_asked_for(void **state)
{
    (void)state;
    send_switching();
    assert_sent(&self, "");
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void nothing_of_a_tunnel_is_sent_before_its_answer(void **state)
{
    (void)state;
    self.leg->ops->send_end(self.leg, NULL);
    assert_false(self.transport->is_write_ended);
    send_body("GET /smuggled HTTP/1.1\r\n");
    assert_sent(&self, "");
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void cn_30_a_clients_tunnel(void **state)
{
    (void)state;
    assert_int_equal(self.head->framing, BODY_TUNNEL);
    assert_true(str_equals(self.head->upgrade, STR("websocket")));
    receive("early");
    receive(" bytes");
    assert_log(&self, "");
    assert_int_equal(self.transport->pause_reasons, TRANSPORT_PAUSE_PIPELINE);
    send_switching();
    assert_sent(&self, SWITCHING);
    assert_true(self.leg->is_response_started);
    assert_log(&self, ""); /* no callback from inside an operation */
    fake_turn(self.transport);
    assert_log(&self, "body early bytes;");
    send_body("GET / HTTP/1.1\r\n\r\n"); /* no chunks, no more heads */
    assert_sent(&self, "GET / HTTP/1.1\r\n\r\n");
    receive("GET / HTTP/1.1\r\n\r\n");
    assert_log(&self, "body GET / HTTP/1.1\r\n\r\n;");
    fake_advance(self.transport, 3600000); /* CN-32: quiet is not stalled */
    assert_log(&self, "");
    fake_end(self.transport, true);
    assert_log(&self, "complete;");
    send_body("after that");
    assert_sent(&self, "after that");
    self.leg->ops->send_end(self.leg, NULL);
    assert_true(self.transport->is_write_ended);
    assert_int_equal(self.transport->state, FAKE_OPEN);
    fake_exchange_release(&self);
    assert_int_equal(self.transport->state, FAKE_LINGERING);
    fake_turn(self.transport);
    assert_log(&self, "closed;");
}

static void our_half_of_a_tunnel_may_end_first(void **state)
{
    (void)state;
    send_switching();
    self.leg->ops->send_end(self.leg, NULL);
    assert_true(self.transport->is_write_ended);
    receive("still here");
    fake_end(self.transport, true);
    assert_log(&self, "body still here;complete;");
    fake_exchange_release(&self);
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_client_that_ended_before_the_answer_has_ended(void **state)
{
    (void)state;
    fake_end(self.transport, true);
    assert_log(&self, "");
    send_switching();
    fake_turn(self.transport);
    assert_log(&self, "complete;");
    send_body("farewell");
    self.leg->ops->send_end(self.leg, NULL);
    fake_exchange_release(&self);
    assert_sent(&self, SWITCHING "farewell");
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_client_that_leaves_before_the_answer(void **state)
{
    (void)state;
    fake_end(self.transport, false);
    assert_log(&self, "end closed;closed;");
}

static void a_refused_upgrade_keeps_the_connection(void **state)
{
    (void)state;
    receive("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "");
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_log(&self, "idle;GET /2 end;");
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_log(&self, "idle;");
    receive(UPGRADE_REQUEST); /* and it may be asked for again */
    assert_log(&self, "GET /chat;");
    send_switching();
    receive("x");
    assert_log(&self, "body x;");
}

static void a_paused_tunnel_waits(void **state)
{
    (void)state;
    send_switching();
    fake_turn(self.transport);
    self.on_body = PLAN_PAUSE;
    receive("one");
    receive("two");
    fake_end(self.transport, true);
    fake_advance(self.transport, 3600000);
    assert_log(&self, "body one;");
    self.on_body = PLAN_NOTHING;
    self.leg->ops->resume(self.leg);
    fake_turn(self.transport);
    assert_log(&self, "body two;complete;");
}

/* Whoever gives up: a peer that was not told our end must not take it for one; one that was gets all that
 * came before it, and is not listened to any longer. */
static void half_a_tunnel_is_a_reset_unless_our_half_is_whole(void **state)
{
    for (unsigned i = 0; i < 8; i++) {
        bool is_client = (i & 1) != 0;
        bool is_sent_ended = (i & 2) != 0;

        (void)(is_client ? setup_tunnel_client : setup_tunnel_server)(state);
        if (is_client) {
            receive(SWITCHING);
        } else {
            send_switching();
        }
        if (is_sent_ended) {
            self.leg->ops->send_end(self.leg, NULL);
        } else {
            fake_end(self.transport, true);
        }
        if ((i & 4) != 0) {
            self.leg->ops->abort(self.leg, LEG_ABORT_CONNECT);
        }
        fake_exchange_release(&self);
        assert_int_equal(self.transport->state, is_sent_ended ? FAKE_LINGERING : FAKE_RESET);
        fake_exchange_stop(&self);
    }
}

static void a_tunnel_cut_without_close_notify_ends_its_side(void **state)
{
    (void)state;
    send_switching();
    receive("bye");
    fake_end(self.transport, false);
    assert_log(&self, "body bye;complete;");
}

static void cn_30_an_origins_tunnel(void **state)
{
    (void)state;
    receive("HTTP/1.1 103 Early Hints\r\n\r\n");
    receive("HTTP/1.1 101 Ok then\r\nUPGRADE: WebSocket\r\nConnection: Upgrade\r\n\r\nglued");
    assert_log(&self, "head 103;head 101;body glued;");
    send_body("HTTP/1.1 200 OK\r\n\r\n");
    assert_sent(&self, "HTTP/1.1 200 OK\r\n\r\n");
    receive("HTTP/1.1 200 OK\r\n\r\n");
    fake_advance(self.transport, 3600000);
    assert_log(&self, "body HTTP/1.1 200 OK\r\n\r\n;");
    fake_end(self.transport, true);
    assert_log(&self, "complete;");
    send_body("after that");
    self.leg->ops->send_end(self.leg, NULL);
    assert_true(self.transport->is_write_ended);
    fake_exchange_release(&self);
    assert_int_equal(self.transport->state, FAKE_LINGERING); /* the last bytes still leave */
    fake_turn(self.transport);
    assert_log(&self, "closed;"); /* and nobody is told that it is idle */
}

static void a_glued_byte_may_pause_the_tunnel(void **state)
{
    (void)state;
    self.on_head = PLAN_PAUSE;
    receive(SWITCHING "glued");
    assert_log(&self, "head 101;");
    self.leg->ops->resume(self.leg);
    fake_turn(self.transport);
    assert_log(&self, "body glued;");
}

static void an_origin_that_refuses_the_upgrade_is_used_again(void **state)
{
    (void)state;
    receive("HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno");
    assert_log(&self, "head 403;body no;complete;");
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "idle;");
    self.leg = self.conn->ops->open_leg(self.conn, &fake_exchange_leg_handler, &self);
    assert_non_null(self.leg);
    send_request("GET", BODY_NONE, 0, true);
    receive("HTTP/1.1 204 No Content\r\n\r\n");
    assert_log(&self, "head 204 end;");
}

#define SERVER(test) cmocka_unit_test_setup_teardown(test, setup_server, teardown)
#define CLIENT(test) cmocka_unit_test_setup_teardown(test, setup_client, teardown)
#define TUNNEL_SERVER(test) cmocka_unit_test_setup_teardown(test, setup_tunnel_server, teardown)
#define TUNNEL_CLIENT(test) cmocka_unit_test_setup_teardown(test, setup_tunnel_client, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER(too_few_bytes_are_a_reset),
        SERVER(too_many_bytes_are_a_reset),
        SERVER(a_length_without_a_body_is_a_reset),
        SERVER(lr_23_an_aborted_body_has_no_end),
        SERVER(a_body_that_is_let_go_has_no_end),
        CLIENT(a_request_that_is_let_go_has_no_end),
        SERVER(responses_are_framed),
        cmocka_unit_test(lr_26_bodies_that_may_not_be_are_not_sent),
        SERVER(one_final_head_and_interim_ones_before),
        SERVER(flow_is_passed_on),
        CLIENT(hd_25_requests_are_framed),
        cmocka_unit_test(a_101_is_believed_only_where_it_was_asked_for),
        SERVER(a_101_is_sent_only_where_it_was_asked_for),
        TUNNEL_CLIENT(nothing_of_a_tunnel_is_sent_before_its_answer),
        TUNNEL_SERVER(cn_30_a_clients_tunnel),
        TUNNEL_SERVER(our_half_of_a_tunnel_may_end_first),
        TUNNEL_SERVER(a_client_that_ended_before_the_answer_has_ended),
        TUNNEL_SERVER(a_client_that_leaves_before_the_answer),
        TUNNEL_SERVER(a_refused_upgrade_keeps_the_connection),
        TUNNEL_SERVER(a_paused_tunnel_waits),
        cmocka_unit_test(half_a_tunnel_is_a_reset_unless_our_half_is_whole),
        TUNNEL_SERVER(a_tunnel_cut_without_close_notify_ends_its_side),
        TUNNEL_CLIENT(cn_30_an_origins_tunnel),
        TUNNEL_CLIENT(a_glued_byte_may_pause_the_tunnel),
        TUNNEL_CLIENT(an_origin_that_refuses_the_upgrade_is_used_again),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
