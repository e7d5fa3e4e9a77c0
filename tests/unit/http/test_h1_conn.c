/* h1_conn: connections of both roles on a fake transport: refusals, deadlines, pipelining, ends, reuse;
 * and callbacks that pull the rug. Spec CN-33 to CN-35, LR-10 to LR-14, LR-18, LR-24, HD-36. Hardening
 * rules 1, 2, 4 and 6. */
#include "tests/unit/support/fake_exchange.h"

#include "gateway/base/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static struct fake_exchange self;

static int setup_server(void **state)
{
    (void)state;
    fake_exchange_start(&self, false);
    return 0;
}

static int setup_client(void **state)
{
    (void)state;
    fake_exchange_start(&self, true);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fake_exchange_stop(&self);
    return 0;
}

static void receive(const char *bytes)
{
    fake_receive(self.transport, str_from_cstr(bytes));
}

/* Client role: a request on its way. */
static void send_request(const char *method, bool is_end)
{
    struct head head;

    self.leg = self.conn->ops->open_leg(self.conn, &fake_exchange_leg_handler, &self);
    assert_non_null(self.leg);
    head_init(&head, self.arena);
    head.method_text = str_from_cstr(method);
    head.method = http_method_from(head.method_text);
    head.path = STR("/");
    head.authority = STR("a");
    head.framing = is_end ? BODY_NONE : BODY_CHUNKED;
    self.leg->ops->send_head(self.leg, &head, is_end);
    text_clear(&self.transport->sent);
}

/* --- Server: refusals ------------------------------------------------------------------------- */

static void malformed_requests_are_answered_and_nothing_else(void **state)
{
    static const struct {
        const char *bytes;
        const char *log;
        const char *status_line;
        const char *body;
    } cases[] = {
        { "GET /x\r\n", "refused 400 http1.codec_error;", "HTTP/1.1 400 Bad Request\r\n",
          "Bad Request" },
        { "GET / HTTP/1.1\r\nA : b\r\n\r\n", "refused 400 http1.codec_error /;",
          "HTTP/1.1 400 Bad Request\r\n", "Bad Request" },
        { "GET /p HTTP/1.1\r\n\r\n", "refused 400 missing_host_header /p;",
          "HTTP/1.1 400 Bad Request\r\n", "" },
        { "GET /p HTTP/1.0\r\nHost: a\r\n\r\n", "refused 426 low_version /p;",
          "HTTP/1.1 426 Upgrade Required\r\n", "" },
        { "GET /p HTTP/2.0\r\n", "refused 505 http1.unsupported_version /p;",
          "HTTP/1.1 505 HTTP Version Not Supported\r\n", "HTTP Version Not Supported" },
        { "GET /p HTTP/1.1\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n",
          "refused 431 http1.too_many_headers /p;",
          "HTTP/1.1 431 Request Header Fields Too Large\r\n", "Request Header Fields Too Large" },
        { "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: x, chunked\r\n\r\n",
          "refused 501 http1.invalid_transfer_encoding /;", "HTTP/1.1 501 Not Implemented\r\n",
          "Not Implemented" },
        { "POST / HTTP/1.1\r\nHost: a\r\nExpect: x\r\n\r\n",
          "refused 417 http1.expectation_failed /;", "HTTP/1.1 417 Expectation Failed\r\n",
          "Expectation Failed" },
        { "GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n",
          "refused 403 upgrade_failed /;", "HTTP/1.1 403 Forbidden\r\n", "" },
        { "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", "refused 403 upgrade_failed ;",
          "HTTP/1.1 403 Forbidden\r\n", "" },
        { "HEAD / HTTP/1.1\r\nHost: a, b\r\n\r\n", "refused 400 http1.invalid_host /;",
          "HTTP/1.1 400 Bad Request\r\n", "" },
        { "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
          "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
          "refused 400 http1.content_length_and_chunked_not_allowed /;",
          "HTTP/1.1 400 Bad Request\r\n", "Bad Request" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_exchange_start(&self, false);
        receive(cases[i].bytes);

        struct text expected = { 0 };
        struct str sent = text_view(&self.transport->sent);

        text_printf(&expected, "%sclosed;", cases[i].log);
        assert_log(&self, expected.ptr);
        text_cleanup(&expected);
        assert_int_equal(self.transport->state, FAKE_LINGERING);
        assert_true(str_starts_with(sent, str_from_cstr(cases[i].status_line)));
        assert_true(str_find(sent, STR("\r\nserver: istio-envoy\r\n")) != SIZE_MAX);
        assert_true(str_find(sent, STR("\r\ndate: ")) != SIZE_MAX);
        assert_true(str_find(sent, STR("\r\nconnection: close")) != SIZE_MAX);
        assert_true(str_ends_with(sent, str_from_cstr(cases[i].body)));
        assert_int_equal(sent.len - str_find(sent, STR("\r\n\r\n")) - 4, strlen(cases[i].body));
        fake_exchange_stop(&self);
    }
}

static void cn_35_a_head_that_does_not_end_is_refused(void **state)
{
    (void)state;
    receive("GET / HTTP/1.1\r\nx: ");
    for (unsigned i = 0; i < 1100 && !self.is_closed; i++) {
        receive("a");
    }
    assert_log(&self, "refused 431 http1.headers_too_large /;closed;");
}

static void the_owner_may_close_inside_a_refusal(void **state)
{
    (void)state;
    self.on_refused = PLAN_CLOSE;
    receive("nonsense\r\n");
    assert_log(&self, "refused 400 http1.codec_error;");
    assert_int_equal(self.transport->state, FAKE_CLOSED);
}

/* --- Server: deadlines ------------------------------------------------------------------------ */

static void lr_18_a_slow_head_is_answered_408(void **state)
{
    (void)state;
    receive("GET /slow HT");
    fake_advance(self.transport, 900);
    receive("TP/1.1\r\n"); /* does not start the clock again */
    fake_advance(self.transport, 99);
    assert_log(&self, "");
    fake_advance(self.transport, 1);
    assert_log(&self, "refused 408 request_header_timeout /slow;closed;");
    assert_true(str_ends_with(text_view(&self.transport->sent), STR("request header timeout")));
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void an_idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    receive("\r\n"); /* no byte of a request */
    fake_advance(self.transport, 59999);
    assert_log(&self, "");
    fake_advance(self.transport, 1);
    assert_log(&self, "closed;");
    assert_sent(&self, "");
    /* In order: with close_notify through TLS, and a request that crosses it meets no reset. */
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void idle_time_counts_from_the_last_answer(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_advance(self.transport, 60000 - 1);
    assert_log(&self, "GET / end;idle;");
    receive("GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_advance(self.transport, 1);
    assert_log(&self, "GET /2 end;idle;");
    fake_advance(self.transport, 60000);
    assert_log(&self, "closed;");
}

static void a_stalled_body_is_answered_408(void **state)
{
    (void)state;
    receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    assert_log(&self, "POST /;body abc;");
    fake_advance(self.transport, 499);
    receive("d");
    fake_advance(self.transport, 499);
    assert_log(&self, "body d;");
    fake_advance(self.transport, 1);
    assert_log(&self, "end stalled 408;closed;");
    assert_true(str_starts_with(text_view(&self.transport->sent), STR("HTTP/1.1 408 ")));
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_paused_body_is_not_called_stalled(void **state)
{
    (void)state;
    self.on_body = PLAN_PAUSE;
    receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    receive("def");
    fake_advance(self.transport, 5000);
    assert_log(&self, "POST /;body abc;");
    self.on_body = PLAN_NOTHING;
    self.leg->ops->resume(self.leg);
    fake_turn(self.transport);
    assert_log(&self, "body def;");
    fake_advance(self.transport, 500);
    assert_log(&self, "end stalled 408;closed;");
}

static void hd_13_who_waits_for_100_is_not_stalled(void **state)
{
    struct head interim;

    (void)state;
    receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n");
    fake_advance(self.transport, 5000);
    assert_log(&self, "POST /;");
    head_init(&interim, self.arena);
    interim.status = 100;
    self.leg->ops->send_head(self.leg, &interim, false);
    assert_sent(&self, "HTTP/1.1 100 Continue\r\n\r\n");
    fake_advance(self.transport, 499);
    receive("abc");
    assert_log(&self, "body abc;complete;");
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_log(&self, "idle;");
}

/* --- Server: requests one after the other ----------------------------------------------------- */

static void pipelined_requests_wait_their_turn(void **state)
{
    (void)state;
    receive("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\nGET /3 HT");
    assert_log(&self, "GET /1 end;");
    assert_int_equal(self.transport->pause_reasons, TRANSPORT_PAUSE_PIPELINE);
    receive("TP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "");
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_log(&self, "idle;GET /2 end;");
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_log(&self, "idle;GET /3 end;idle;");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
                       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
                       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_int_equal(self.transport->pause_reasons, 0);
}

static void many_pipelined_requests_are_answered_at_once(void **state)
{
    struct text requests = { 0 };

    (void)state;
    self.on_request = PLAN_ANSWER;
    for (unsigned i = 0; i < 1000; i++) {
        text_add_cstr(&requests, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    fake_receive(self.transport, text_view(&requests));
    text_cleanup(&requests);
    assert_int_equal(self.transport->sent.len, 1000 * (sizeof("HTTP/1.1 200 OK\r\n"
                                                              "content-length: 2\r\n\r\nok") -
                                                       1));
}

/* Answers of our own come as fast as requests are read: without a stop those a client does not read
 * would pile up to the limit that cuts the connection. */
static void pipelined_requests_wait_for_the_answers_to_leave(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    self.transport->is_above_high = true;
    receive("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    receive("GET /3 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "GET /1 end;idle;");
    self.transport->is_above_high = false;
    self.transport->handler->on_drained(self.transport->owner);
    fake_turn(self.transport);
    assert_log(&self, "GET /2 end;idle;GET /3 end;idle;");
}

static void bodies_and_requests_are_told_apart(void **state)
{
    static const char text[] = "POST /1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "3\r\nabc\r\n0\r\nX-T: 1\r\nHost2: x\r\n\r\n\r\n"
                               "PUT /2 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nde"
                               "GET /3 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    const char *expected = "POST /1;body abc;complete x-t=1 host2=x;idle;PUT /2;body de;complete;"
                           "idle;GET /3 end;";

    (void)state;
    self.on_complete = PLAN_ANSWER;
    receive(text);
    assert_log(&self, expected);
    fake_exchange_stop(&self);
    /* Byte by byte: the same, bodies in smaller pieces. */
    fake_exchange_start(&self, false);
    self.on_complete = PLAN_ANSWER;
    for (size_t i = 0; i < sizeof(text) - 1; i++) {
        fake_receive(self.transport, str_from(text + i, 1));
    }
    assert_log(&self,
               "POST /1;body a;body b;body c;complete x-t=1 host2=x;idle;PUT /2;body d;body e;"
               "complete;idle;GET /3 end;");
}

static void connection_close_is_obeyed(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    receive("GET /1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
            "GET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "GET /1 end;closed;");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void hd_36_draining_finishes_what_is_under_way(void **state)
{
    (void)state;
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    self.conn->ops->drain(self.conn);
    assert_int_equal(self.transport->state, FAKE_OPEN);
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    assert_log(&self, "GET / end;closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    self.conn->ops->drain(self.conn); /* idle */
    self.conn->ops->drain(self.conn);
    assert_log(&self, "");
    fake_turn(self.transport);
    assert_log(&self, "closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    self.on_request = PLAN_ANSWER;
    receive("GET / HTTP/1.1\r\n");
    self.conn->ops->drain(self.conn); /* half a head: it may finish */
    receive("Host: a\r\n\r\n");
    assert_log(&self, "GET / end;closed;");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
}

/* --- Server: bodies that break ---------------------------------------------------------------- */

static void cn_34_a_broken_chunk_is_answered_400(void **state)
{
    (void)state;
    receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nx");
    assert_log(&self, "POST /;body abc;end protocol 400;closed;");
    assert_true(str_starts_with(text_view(&self.transport->sent), STR("HTTP/1.1 400 ")));
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_broken_chunk_after_the_answer_began_is_a_reset(void **state)
{
    struct head head;

    (void)state;
    receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    head_init(&head, self.arena);
    head.status = 200;
    head.framing = BODY_CHUNKED;
    self.leg->ops->send_head(self.leg, &head, false);
    /* Who knows whether the rest comes: the answer says that it is the last. */
    assert_sent(&self,
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n");
    receive("3 \r\n");
    assert_log(&self, "POST /;end protocol;closed;");
    assert_sent(&self, "");
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void a_client_that_leaves_in_the_middle(void **state)
{
    (void)state;
    receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nabc");
    fake_end(self.transport, true);
    assert_log(&self, "POST /;body abc;end cut;closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    receive("GET / HT");
    fake_end(self.transport, true);
    assert_log(&self, "closed;");
    assert_sent(&self, "");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_dead(self.transport, TRANSPORT_END_RESET);
    assert_log(&self, "GET / end;end transport;closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    self.keeps_leg_at_end = true; /* the leg may be kept for a while: its head is still there */
    receive("GET /kept HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_dead(self.transport, TRANSPORT_END_WRITE_TIMEOUT);
    fake_turn(self.transport);
    assert_log(&self, "GET /kept end;end write timeout;closed;");
    assert_true(str_equals(self.head->path, STR("/kept")));
    assert_int_equal(fake.freed_count, 0);
}

static void a_half_closed_client_gets_its_answer(void **state)
{
    (void)state;
    receive("GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_end(self.transport, true);
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_log(&self, "GET /1 end;idle;GET /2 end;");
    fake_advance(self.transport, LIMIT_HALF_CLOSED_MS - 1);
    fake_exchange_answer(&self);
    fake_turn(self.transport);
    assert_log(&self, "closed;");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
                       "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_client_that_half_closes_behind_its_answer_gets_all_of_it(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "GET / end;idle;");
    self.transport->queued_bytes = 1; /* of the answer */
    fake_end(self.transport, true);
    assert_log(&self, "closed;");
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void a_half_closed_client_that_gets_nothing_is_gone(void **state)
{
    struct head interim;

    (void)state;
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_end(self.transport, true);
    fake_advance(self.transport, LIMIT_HALF_CLOSED_MS - 1);
    head_init(&interim, self.arena);
    interim.status = 103;
    self.leg->ops->send_head(self.leg, &interim, false);
    fake_advance(self.transport, 1); /* progress */
    assert_log(&self, "GET / end;");
    fake_advance(self.transport, LIMIT_HALF_CLOSED_MS);
    assert_log(&self, "end closed;closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, false);
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_end(self.transport, false); /* cut off inside TLS: nobody is there */
    assert_log(&self, "GET / end;end closed;closed;");
}

/* --- Server: the exchange does as it likes ---------------------------------------------------- */

static void an_early_answer_drains_a_small_body(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    receive("POST /1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    assert_log(&self, "POST /1;");
    receive("cdeGET /2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_log(&self, "idle;GET /2 end;idle;");
    assert_int_equal(self.transport->state, FAKE_OPEN);
}

static void an_early_answer_does_not_wait_for_a_large_body(void **state)
{
    static const char *const requests[] = {
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999\r\n\r\nab",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        fake_exchange_start(&self, false);
        self.on_request = PLAN_ANSWER;
        receive(requests[i]);
        assert_log(&self, "POST /;closed;");
        assert_sent(&self, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok");
        assert_int_equal(self.transport->state, FAKE_LINGERING);
        fake_exchange_stop(&self);
    }
}

static void a_body_that_is_drained_has_a_deadline_too(void **state)
{
    (void)state;
    self.on_request = PLAN_ANSWER;
    receive("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    fake_advance(self.transport, 400);
    receive("c"); /* one for all of it: a byte now and then is no progress */
    fake_advance(self.transport, 100);
    assert_log(&self, "POST /;closed;");
    assert_int_equal(self.transport->state, FAKE_LINGERING);
}

static void callbacks_may_end_it_all(void **state)
{
    static const struct {
        enum fake_plan on_request;
        enum fake_plan on_body;
        enum fake_plan on_complete;
        const char *log;
        enum fake_state ends;
    } cases[] = {
        { PLAN_CLOSE, 0, 0, "POST /;end drain;", FAKE_CLOSED },
        { PLAN_ABORT, 0, 0, "POST /;closed;", FAKE_RESET },
        { PLAN_RELEASE, 0, 0, "POST /;closed;", FAKE_RESET },
        { 0, PLAN_CLOSE, 0, "POST /;body abc;end drain;", FAKE_CLOSED },
        { 0, PLAN_ABORT, 0, "POST /;body abc;closed;", FAKE_RESET },
        { 0, PLAN_RELEASE, 0, "POST /;body abc;closed;", FAKE_RESET },
        { 0, PLAN_ANSWER, 0, "POST /;body abc;closed;", FAKE_LINGERING },
        { 0, 0, PLAN_CLOSE, "POST /;body abc;body de;complete;end drain;", FAKE_CLOSED },
        { 0, 0, PLAN_ABORT, "POST /;body abc;body de;complete;closed;", FAKE_RESET },
        { 0, 0, PLAN_RELEASE, "POST /;body abc;body de;complete;closed;", FAKE_RESET },
        { 0, 0, PLAN_ANSWER, "POST /;body abc;body de;complete;idle;", FAKE_OPEN },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_exchange_start(&self, false);
        self.on_request = cases[i].on_request;
        self.on_body = cases[i].on_body;
        self.on_complete = cases[i].on_complete;
        receive("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
        assert_log(&self, cases[i].log);
        assert_int_equal(self.transport->state, cases[i].ends);
        fake_exchange_stop(&self);
    }
}

static void closing_with_half_an_answer_out_resets(void **state)
{
    struct head head;

    (void)state;
    receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    head_init(&head, self.arena);
    head.status = 200;
    head.framing = BODY_LENGTH;
    head.content_length = 5;
    self.leg->ops->send_head(self.leg, &head, false);
    self.is_closed = true;
    self.conn->ops->close(self.conn);
    self.conn->ops->close(self.conn); /* once is enough */
    assert_log(&self, "GET / end;end drain;");
    assert_int_equal(self.transport->state, FAKE_RESET);
}

static void no_allocation_when_warm(void **state)
{
    struct str text = STR("GET /a/b?c HTTP/1.1\r\nHost: example.com\r\nUser-Agent: test\r\n"
                          "Accept: */*\r\nX-One: 1\r\nX-Two: 2\r\n\r\n");
    uint64_t before = 0;

    (void)state;
    self.on_request = PLAN_ANSWER;
    for (unsigned i = 0; i < 20; i++) {
        if (i == 10) {
            before = mem_allocation_count();
        }
        fake_receive(self.transport, text);
        text_clear(&self.transport->sent);
        text_clear(&self.log);
        arena_reset(self.arena);
    }
    /* The fake transport makes one copy of what it offers. */
    assert_int_equal(mem_allocation_count() - before, 10);
}

/* --- Client ----------------------------------------------------------------------------------- */

static void responses_come_through(void **state)
{
    static const struct {
        const char *method;
        const char *bytes;
        const char *log;
    } cases[] = {
        { "GET", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "head 200;body abc;complete;" },
        { "GET", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "head 200 end;" },
        { "GET", "HTTP/1.1 204 No Content\r\n\r\n", "head 204 end;" },
        { "GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "head 304 end;" },
        { "HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", "head 200 end;" },
        { "GET",
          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-S: 1\r\n\r\n",
          "head 200;body abc;complete x-s=1;" },
        { "GET",
          "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
          "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
          "head 100;head 103;head 200 end;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        send_request(cases[i].method, true);
        receive(cases[i].bytes);
        assert_log(&self, cases[i].log);
        fake_exchange_release(&self);
        assert_log(&self, ""); /* not inside the call */
        fake_turn(self.transport);
        assert_log(&self, "idle;");
        /* Byte by byte, on the same connection. */
        send_request(cases[i].method, true);
        for (size_t at = 0; cases[i].bytes[at] != '\0'; at++) {
            fake_receive(self.transport, str_from(cases[i].bytes + at, 1));
        }
        text_clear(&self.log);
        fake_exchange_release(&self);
        fake_turn(self.transport);
        assert_log(&self, "idle;");
    }
}

static void what_is_no_answer_ends_the_leg(void **state)
{
    static const struct {
        const char *bytes;
        const char *log;
    } cases[] = {
        { "hello", "end protocol;closed;" },
        { "<html>", "end protocol;closed;" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\n",
          "end protocol;closed;" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
          "end protocol;closed;" },
        { "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "end protocol;closed;" },
        { "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
          "end protocol;closed;" },
        { "HTTP/1.1 200 OK\r\nA : b\r\n\r\n", "end protocol;closed;" },
        { "HTTP/1.1 200 OK\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\na:\r\n",
          "end many;closed;" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabcd",
          "head 200;body abc;end protocol;closed;" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nContent-Length: 1\r\n\r\n",
          "head 200;end protocol;closed;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_exchange_start(&self, true);
        send_request("GET", true);
        receive(cases[i].bytes);
        assert_log(&self, cases[i].log);
        fake_exchange_stop(&self);
    }
}

static void interim_responses_are_counted(void **state)
{
    (void)state;
    send_request("GET", true);
    for (unsigned i = 0; i < LIMIT_INTERIM_RESPONSES; i++) {
        receive("HTTP/1.1 102 Processing\r\n\r\n");
    }
    text_clear(&self.log);
    receive("HTTP/1.1 102 Processing\r\n\r\n");
    assert_log(&self, "end protocol;closed;");
}

static void a_large_response_head_is_named(void **state)
{
    (void)state;
    send_request("GET", true);
    receive("HTTP/1.1 200 OK\r\nx: ");
    for (unsigned i = 0; i < 1100 && !self.is_closed; i++) {
        receive("a");
    }
    assert_log(&self, "end large;closed;");
}

static void an_origin_that_leaves(void **state)
{
    static const struct {
        const char *bytes;
        bool is_clean;
        const char *log;
    } cases[] = {
        { "", true, "end closed;closed;" },
        { "HTTP/1.1 20", true, "end closed;closed;" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", true,
          "head 200;body abc;end cut;closed;" },
        { "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n", true,
          "head 200;body abc;end cut;closed;" },
        { "HTTP/1.1 200 OK\r\n\r\nabc", true, "head 200;body abc;complete;" },
        { "HTTP/1.0 200 OK\r\n\r\nabc", true, "head 200;body abc;complete;" },
        { "HTTP/1.1 200 OK\r\n\r\nabc", false, "head 200;body abc;end cut;closed;" },
        { "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", true, "head 200;body abc;complete;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_exchange_start(&self, true);
        send_request("GET", true);
        if (cases[i].bytes[0] != '\0') {
            receive(cases[i].bytes);
        }
        fake_end(self.transport, cases[i].is_clean);
        assert_log(&self, cases[i].log);
        if (self.leg != NULL) {
            fake_exchange_release(&self);
            fake_turn(self.transport);
            assert_log(&self, "closed;");
        }
        fake_exchange_stop(&self);
    }
}

static void half_a_head_counts_as_bytes_received(void **state)
{
    (void)state;
    self.keeps_leg_at_end = true;
    send_request("GET", true);
    receive("HTTP/1.1 2");
    fake_end(self.transport, true);
    assert_int_equal(self.leg->wire_received_bytes, 10);
    fake_exchange_stop(&self);
    fake_exchange_start(&self, true);
    self.keeps_leg_at_end = true;
    send_request("GET", true);
    fake_end(self.transport, true);
    assert_int_equal(self.leg->wire_received_bytes, 0); /* may be tried again elsewhere */
}

static void a_connection_in_doubt_is_not_used_again(void **state)
{
    static const char *const responses[] = {
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
        "HTTP/1.0 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n",
        /* An answer too many: the next request would get it. */
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nx",
        "HTTP/1.1 204 No Content\r\n\r\n\r\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof(responses) / sizeof(responses[0]); i++) {
        for (unsigned plan = PLAN_NOTHING; plan <= PLAN_RELEASE; plan += PLAN_RELEASE) {
            fake_exchange_start(&self, true);
            self.on_head = (enum fake_plan)plan; /* released inside the callback, or later */
            send_request("GET", true);
            receive(responses[i]);
            text_clear(&self.log);
            if (self.leg != NULL) {
                fake_exchange_release(&self);
                fake_turn(self.transport);
            }
            assert_true(self.is_closed);
            fake_exchange_stop(&self);
        }
    }
}

static void bytes_that_follow_in_the_same_turn_spoil_the_connection(void **state)
{
    (void)state;
    self.on_head = PLAN_RELEASE;
    send_request("GET", true);
    /* The second record of one read: no request can have been put on the connection between. */
    fake_new_turn();
    fake_deliver(self.transport, STR("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
    fake_deliver(self.transport, STR("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwrong"));
    fake_turn(self.transport);
    assert_log(&self, "head 200 end;closed;");
}

static void what_lay_on_an_idle_connection_is_no_answer(void **state)
{
    (void)state;
    self.keeps_leg_at_end = true;
    send_request("GET", true);
    /* In the very turn of the request: it had not left yet. */
    fake_deliver(self.transport, STR("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n"));
    fake_turn(self.transport);
    assert_log(&self, "end closed;closed;");
    assert_int_equal(self.leg->wire_received_bytes, 0); /* so that it is tried again elsewhere */
    assert_int_equal(self.transport->state, FAKE_RESET);
}

/* Through TLS a socket may be readable for a ticket, and be read when the request was on its way already: what
 * comes then may be its answer, however early. */
static void an_answer_in_the_turn_of_its_request(void **state)
{
    static char filter;
    static const struct {
        bool is_tls;
        size_t queued_bytes; /* of the request */
        const char *log;
    } cases[] = {
        { false, 0, "end closed;closed;" },
        { true, 1, "end closed;closed;" },
        { true, 0, "head 204 end;" },
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        (void)teardown(state);
        (void)setup_client(state);
        send_request("GET", true);
        self.transport->filter = cases[i].is_tls ? &filter : NULL;
        self.transport->queued_bytes = cases[i].queued_bytes;
        fake_deliver(self.transport, STR("HTTP/1.1 204 No Content\r\n\r\n"));
        fake_turn(self.transport);
        assert_log(&self, cases[i].log);
    }
}

static void an_idle_connection_that_speaks_or_ends_is_closed(void **state)
{
    (void)state;
    receive("HTTP/1.1 408 Request Timeout\r\n\r\n");
    assert_log(&self, "closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, true);
    fake_end(self.transport, true);
    assert_log(&self, "closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, true);
    fake_dead(self.transport, TRANSPORT_END_RESET);
    assert_log(&self, "closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, true);
    fake_advance(self.transport, 60000);
    assert_log(&self, "closed;");
}

static void only_one_request_at_a_time(void **state)
{
    (void)state;
    send_request("GET", true);
    assert_null(self.conn->ops->open_leg(self.conn, &fake_exchange_leg_handler, &self));
    receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_null(self.conn->ops->open_leg(self.conn, &fake_exchange_leg_handler, &self));
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "head 200 end;idle;");
}

static void an_answer_before_the_request_was_sent_whole(void **state)
{
    (void)state;
    send_request("POST", false);
    receive("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n");
    assert_log(&self, "head 413 end;");
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "closed;");
    assert_int_equal(self.transport->state, FAKE_RESET); /* half a request must not look whole */
}

static void a_response_that_stalls(void **state)
{
    (void)state;
    send_request("GET", true);
    fake_advance(self.transport, 100000); /* waiting for the head is the exchange's to limit */
    assert_log(&self, "");
    receive("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc");
    fake_advance(self.transport, 500);
    assert_log(&self, "head 200;body abc;end stalled;closed;");
    fake_exchange_stop(&self);
    fake_exchange_start(&self, true);
    send_request("GET", true);
    receive("HTTP/1.1 200");
    fake_advance(self.transport, 999);
    receive(" ");
    fake_advance(self.transport, 1);
    assert_log(&self, "end stalled;closed;");
}

static void a_paused_response_waits(void **state)
{
    (void)state;
    self.on_head = PLAN_PAUSE;
    send_request("GET", true);
    receive("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
    fake_advance(self.transport, 5000);
    assert_log(&self, "head 200;");
    self.leg->ops->resume(self.leg);
    fake_turn(self.transport);
    assert_log(&self, "body abc;complete;");
}

static void client_callbacks_may_end_it_all(void **state)
{
    static const struct {
        enum fake_plan on_head;
        enum fake_plan on_body;
        enum fake_plan on_complete;
        const char *log;
    } cases[] = {
        { PLAN_CLOSE, 0, 0, "head 200;end drain;" },
        { PLAN_ABORT, 0, 0, "head 200;closed;" },
        { PLAN_RELEASE, 0, 0, "head 200;closed;" },
        { 0, PLAN_CLOSE, 0, "head 200;body abc;end drain;" },
        { 0, PLAN_ABORT, 0, "head 200;body abc;closed;" },
        { 0, PLAN_RELEASE, 0, "head 200;body abc;closed;" },
        { 0, 0, PLAN_CLOSE, "head 200;body abc;complete;end drain;" },
        { 0, 0, PLAN_ABORT, "head 200;body abc;complete;idle;" }, /* complete: only lets go */
        { 0, 0, PLAN_RELEASE, "head 200;body abc;complete;idle;" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        fake_exchange_start(&self, true);
        self.on_head = cases[i].on_head;
        self.on_body = cases[i].on_body;
        self.on_complete = cases[i].on_complete;
        send_request("GET", true);
        receive("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
        assert_log(&self, cases[i].log);
        fake_exchange_stop(&self);
    }
}

static void draining_a_client_connection(void **state)
{
    (void)state;
    send_request("GET", true);
    self.conn->ops->drain(self.conn);
    receive("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    fake_exchange_release(&self);
    fake_turn(self.transport);
    assert_log(&self, "head 200 end;closed;");
}

#define SERVER(test) cmocka_unit_test_setup_teardown(test, setup_server, teardown)
#define CLIENT(test) cmocka_unit_test_setup_teardown(test, setup_client, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests_are_answered_and_nothing_else),
        SERVER(cn_35_a_head_that_does_not_end_is_refused),
        SERVER(the_owner_may_close_inside_a_refusal),
        SERVER(lr_18_a_slow_head_is_answered_408),
        SERVER(an_idle_connection_is_closed_without_a_word),
        SERVER(idle_time_counts_from_the_last_answer),
        SERVER(a_stalled_body_is_answered_408),
        SERVER(a_paused_body_is_not_called_stalled),
        SERVER(hd_13_who_waits_for_100_is_not_stalled),
        SERVER(pipelined_requests_wait_their_turn),
        SERVER(many_pipelined_requests_are_answered_at_once),
        SERVER(pipelined_requests_wait_for_the_answers_to_leave),
        SERVER(bodies_and_requests_are_told_apart),
        SERVER(connection_close_is_obeyed),
        SERVER(hd_36_draining_finishes_what_is_under_way),
        SERVER(cn_34_a_broken_chunk_is_answered_400),
        SERVER(a_broken_chunk_after_the_answer_began_is_a_reset),
        SERVER(a_client_that_leaves_in_the_middle),
        SERVER(a_half_closed_client_gets_its_answer),
        SERVER(a_half_closed_client_that_gets_nothing_is_gone),
        SERVER(a_client_that_half_closes_behind_its_answer_gets_all_of_it),
        SERVER(an_early_answer_drains_a_small_body),
        cmocka_unit_test(an_early_answer_does_not_wait_for_a_large_body),
        SERVER(a_body_that_is_drained_has_a_deadline_too),
        cmocka_unit_test(callbacks_may_end_it_all),
        SERVER(closing_with_half_an_answer_out_resets),
        SERVER(no_allocation_when_warm),
        CLIENT(responses_come_through),
        cmocka_unit_test(what_is_no_answer_ends_the_leg),
        CLIENT(interim_responses_are_counted),
        CLIENT(a_large_response_head_is_named),
        cmocka_unit_test(an_origin_that_leaves),
        CLIENT(half_a_head_counts_as_bytes_received),
        cmocka_unit_test(a_connection_in_doubt_is_not_used_again),
        CLIENT(an_answer_in_the_turn_of_its_request),
        CLIENT(bytes_that_follow_in_the_same_turn_spoil_the_connection),
        CLIENT(what_lay_on_an_idle_connection_is_no_answer),
        CLIENT(an_idle_connection_that_speaks_or_ends_is_closed),
        CLIENT(only_one_request_at_a_time),
        CLIENT(an_answer_before_the_request_was_sent_whole),
        CLIENT(a_response_that_stalls),
        CLIENT(a_paused_response_waits),
        cmocka_unit_test(client_callbacks_may_end_it_all),
        CLIENT(draining_a_client_connection),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
