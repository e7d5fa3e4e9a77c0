/* page_server: pages over a real socket; bad and oversize requests first. */
#include "gateway/net/page_server.h"

#include "tests/unit/support/run_until.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;
static struct page_server *server;
static struct address address;
static int calls;
static char seen[512];

static void on_page(void *owner, const struct page_request *request, struct page_reply *reply)
{
    char peer[ADDRESS_TEXT_BYTES];

    assert_ptr_equal(owner, &calls);
    calls++;
    (void)snprintf(seen, sizeof(seen), "%.*s|%.*s|%.*s|%.*s|%.*s|%.*s|%.*s",
                   STR_ARG(request->method), STR_ARG(request->path), STR_ARG(request->query),
                   STR_ARG(request->host), STR_ARG(request->origin),
                   request->body.len < 100 ? (int)request->body.len : 100,
                   request->body.ptr == NULL ? "" : request->body.ptr,
                   STR_ARG(address_print_host(&request->peer, peer)));
    if (str_equals(request->path, STR("/json"))) {
        reply->status = 503;
        reply->content_type = "application/json";
    }
    text_printf(&reply->body, "hello %.*s\n", STR_ARG(request->path));
}

static int set_up(void **state)
{
    (void)state;
    calls = 0;
    seen[0] = '\0';
    loop = loop_new(NULL);
    (void)address_parse(STR("127.0.0.1"), 0, &address);
    server = page_server_start(loop, &address, on_page, &calls, NULL);
    return server == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    page_server_stop(server);
    loop_free(loop);
    return 0;
}

/* The whole answer until the server closes or nothing more is wanted. */
static const char *ask(const char *request, size_t len, const char *until)
{
    static char answer[20000];
    size_t got = 0;
    size_t sent = 0;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_over = false;

    assert_int_equal(connect(fd, &address.sockaddr, address.len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    answer[0] = '\0';
    uint64_t deadline = now_mono_fresh_us() + RUN_UNTIL_DEADLINE_US;
    while (!is_over && strstr(answer, until) == NULL) {
        assert_true(now_mono_fresh_us() < deadline);
        if (sent < len) {
            ssize_t count = send(fd, request + sent, len - sent, MSG_NOSIGNAL);
            sent += count > 0 ? (size_t)count : 0;
        }
        loop_run_once(loop, 5);
        ssize_t count = recv(fd, answer + got, sizeof(answer) - 1 - got, 0);
        is_over = count == 0 || (count == -1 && errno != EAGAIN);
        got += count > 0 ? (size_t)count : 0;
        answer[got] = '\0';
    }
    (void)close(fd);
    loop_run_once(loop, 5);
    return answer;
}

static void bad_requests_never_reach_the_page(void **state)
{
    static const char *const bad[] = {
        "\r\n\r\n",
        "GET\r\n\r\n",
        "BREW / HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: x\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 70000\r\n\r\n",
    };
    static char large[20000];

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *answer = ask(bad[i], strlen(bad[i]), "\r\n\r\n");
        assert_true(strstr(answer, " 200 ") == NULL);
    }
    memset(large, 'a', sizeof(large));
    memcpy(large, "GET / HTTP/1.1\r\nX: ", 19);
    assert_true(strstr(ask(large, sizeof(large), "\r\n\r\n"), " 200 ") == NULL);
    assert_int_equal(calls, 0);
}

static void a_page_is_asked_and_answered(void **state)
{
    static const char get[] = "GET /a%20b?x=1&y HTTP/1.1\r\nHost: localhost:15000\r\n"
                              "Origin: http://evil.example\r\n\r\n";
    static const char post[] = "POST /json HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\nbody";
    static const char head[] = "HEAD / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n";

    (void)state;
    const char *answer = ask(get, sizeof(get) - 1, "hello /a b\n");
    assert_true(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    assert_true(strstr(answer, "Content-Type: text/plain; charset=UTF-8\r\n") != NULL);
    assert_string_equal(seen, "GET|/a b|x=1&y|localhost:15000|http://evil.example||127.0.0.1");
    answer = ask(post, sizeof(post) - 1, "hello");
    assert_true(strncmp(answer, "HTTP/1.1 503 ", 13) == 0);
    assert_true(strstr(answer, "Content-Type: application/json\r\n") != NULL);
    assert_string_equal(seen, "POST|/json||h||body|127.0.0.1");
    answer = ask(head, sizeof(head) - 1, "never");
    assert_true(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17) == 0);
    assert_true(strstr(answer, "hello") == NULL);
}

static void its_port_is_its_own(void **state)
{
    struct err err = { 0 };
    struct address same = address;

    (void)state;
    assert_null(page_server_start(loop, &same, on_page, &calls, &err));
    assert_true(err.text[0] != '\0');
    page_server_stop(NULL);
}

static int connect_to_it(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(connect(fd, &address.sockaddr, address.len), 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static bool is_ended(int fd)
{
    char byte;
    ssize_t count = recv(fd, &byte, 1, 0);

    return count == 0 || (count == -1 && errno != EAGAIN);
}

static void the_number_of_connections_is_capped(void **state)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
    int fds[PAGE_SERVER_CONNECTIONS];

    (void)state;
    for (size_t i = 0; i < PAGE_SERVER_CONNECTIONS; i++) {
        fds[i] = connect_to_it();
        loop_run_once(loop, 5);
    }
    for (int i = 0; i < 3; i++) {
        int further = connect_to_it();
        RUN_UNTIL(loop, is_ended(further));
        (void)close(further);
    }
    for (size_t i = 0; i < PAGE_SERVER_CONNECTIONS; i++) {
        assert_false(is_ended(fds[i]));
    }
    (void)close(fds[0]); /* one gone, one may come */
    loop_run_once(loop, 5);
    loop_run_once(loop, 5);
    assert_true(strstr(ask(get, sizeof(get) - 1, "hello"), " 200 ") != NULL);
    for (size_t i = 1; i < PAGE_SERVER_CONNECTIONS; i++) {
        (void)close(fds[i]);
    }
}

static void query_values_are_decoded(void **state)
{
    static const struct {
        const char *query;
        const char *value; /* NULL: absent */
    } rows[] = {
        { "", NULL },           { "b=1", NULL },    { "aa=1", NULL },     { "a", "" },
        { "a=", "" },           { "a=1", "1" },     { "b&a=x+y", "x y" }, { "a=%2Fp%3f", "/p?" },
        { "a=%zz%4", "%zz%4" }, { "a=1&a=2", "1" }, { "a=b=c", "b=c" },
    };
    struct text out = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        text_clear(&out);
        bool is_there = page_query_get(str_from_cstr(rows[i].query), "a", &out);
        assert_int_equal(is_there, rows[i].value != NULL);
        if (is_there) {
            assert_true(str_equals(text_view(&out), str_from_cstr(rows[i].value)));
        }
    }
    text_cleanup(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(bad_requests_never_reach_the_page),
        TEST(a_page_is_asked_and_answered),
        TEST(its_port_is_its_own),
        TEST(the_number_of_connections_is_capped),
        TEST(query_values_are_decoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
