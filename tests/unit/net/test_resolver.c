/* resolver: against a name server of the test's own, on the same loop. Spec SV-35: the TTL reaches
 * the caller. */
#include "gateway/net/resolver.h"

#include "gateway/base/limits.h"
#include "tests/unit/support/run_until.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static struct loop *loop;
static struct loop_watch *server_watch;
static struct resolver *resolver;
static int server_fd;
static char server_text[64];
static int questions;

static int calls;
static size_t got_count;
static uint32_t got_ttl;
static char got_text[512];
static char got_error[128];

static void on_done(void *owner, const struct address *addresses, size_t count, uint32_t ttl_s,
                    const char *error)
{
    char out[ADDRESS_TEXT_BYTES];

    assert_ptr_equal(owner, &calls);
    calls++;
    got_count = count;
    got_ttl = ttl_s;
    got_text[0] = '\0';
    for (size_t i = 0; i < count && i < 4; i++) {
        (void)strcat(got_text, address_print(&addresses[i], out).ptr);
        (void)strcat(got_text, " ");
    }
    (void)snprintf(got_error, sizeof(got_error), "%s", error == NULL ? "" : error);
}

/* What the server says, by the first letter of the name and the type. */
static void on_question(int fd, void *arg)
{
    unsigned char packet[4096];
    struct sockaddr_storage from;
    socklen_t from_len = sizeof(from);
    ssize_t len = recvfrom(fd, packet, 512, MSG_DONTWAIT, (struct sockaddr *)&from, &from_len);

    (void)arg;
    if (len < 17) {
        return;
    }
    size_t end = 12;
    while (packet[end] != 0) {
        end += packet[end] + 1u;
    }
    int type = packet[end + 2];
    char what = (char)(packet[13] | 0x20);
    size_t at = end + 5;
    unsigned answers = 0;
    questions++;
    if (what == 's') {
        return; /* silence */
    }
    if (type == 1 && (what == 'a' || what == 'b')) {
        answers = what == 'a' ? 2 : 25;
    } else if (type == 28 && (what == 'a' || what == 'v')) {
        answers = 1;
    }
    for (unsigned i = 0; i < answers; i++) {
        unsigned char size = type == 1 ? 4 : 16;
        unsigned char record[12] = { 0xc0, 12, 0, (unsigned char)type,     0, 1,
                                     0,    0,  0, (unsigned char)(30 + i), 0, size };
        memcpy(packet + at, record, 12);
        memset(packet + at + 12, 0, size);
        packet[at + 12] = 10;
        packet[at + 12 + size - 1] = (unsigned char)(i + 1);
        at += 12u + size;
    }
    packet[2] |= 0x80;
    packet[3] = what == 'n' ? 3 : 0;
    packet[6] = 0;
    packet[7] = (unsigned char)answers;
    packet[10] = 0;
    packet[11] = 0; /* no additional records */
    (void)sendto(fd, packet, at, 0, (struct sockaddr *)&from, from_len);
}

static int set_up(void **state)
{
    struct sockaddr_in in4 = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    socklen_t len = sizeof(in4);

    (void)state;
    calls = 0;
    questions = 0;
    loop = loop_new(NULL);
    server_fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (bind(server_fd, (struct sockaddr *)&in4, sizeof(in4)) != 0 ||
        getsockname(server_fd, (struct sockaddr *)&in4, &len) != 0) {
        return -1;
    }
    server_watch = loop_watch_readable(loop, server_fd, on_question, NULL, NULL);
    (void)snprintf(server_text, sizeof(server_text), "127.0.0.1:%u", ntohs(in4.sin_port));
    resolver = resolver_new(loop, server_text, NULL);
    return resolver == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    resolver_free(resolver);
    loop_unwatch(server_watch);
    (void)close(server_fd);
    loop_free(loop);
    return 0;
}

static void look_up(const char *name)
{
    int before = calls;

    assert_non_null(resolver_lookup(resolver, str_from_cstr(name), on_done, &calls));
    assert_int_equal(calls, before); /* never from inside */
    RUN_UNTIL(loop, calls == before + 1);
}

static void what_is_no_name_fails_without_a_question(void **state)
{
    static char long_name[300];

    (void)state;
    static const char *const bad[] = { "", ".", "a..b", ".a", "a b", "a/b", "a:80", "\xc3\xa4.de" };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        look_up(bad[i]);
        assert_string_equal(got_error, "not a host name");
    }
    memset(long_name, 'x', sizeof(long_name) - 1);
    look_up(long_name);
    assert_int_equal(got_count, 0);
    long_name[64] = '\0'; /* one label of 64 */
    look_up(long_name);
    assert_int_equal(got_count, 0);
    assert_int_equal(questions, 0);
}

static void failures_say_why(void **state)
{
    (void)state;
    look_up("none.example.com");
    assert_int_equal(got_count, 0);
    assert_string_equal(got_error, "no such name");
    look_up("empty.example.com");
    assert_string_equal(got_error, "no address for this name");
}

static void a_silent_server_times_out(void **state)
{
    (void)state;
    look_up("silent.example.com");
    assert_string_equal(got_error, "timed out");
    assert_true(questions >= 2); /* asked again */
}

static void addresses_and_the_smallest_ttl_are_told(void **state)
{
    (void)state;
    look_up("a.example.com");
    assert_true(got_count == 2 || got_count == 3); /* with or without a route to IPv6 */
    assert_true(strncmp(got_text, "10.0.0.1:0 10.0.0.2:0 ", 22) == 0);
    assert_int_equal(got_ttl, 30);
    assert_string_equal(got_error, "");
    look_up("big.example.com");
    assert_int_equal(got_count, 25);
}

static void numbers_and_localhost_need_no_server(void **state)
{
    (void)state;
    look_up("192.0.2.7");
    assert_string_equal(got_text, "192.0.2.7:0 ");
    look_up("::1");
    assert_string_equal(got_text, "[::1]:0 ");
    look_up("localhost");
    assert_true(strstr(got_text, "127.0.0.1:0 ") != NULL);
    assert_true(got_ttl > 0);
    assert_int_equal(questions, 0);
}

static void cancelled_questions_stay_unanswered(void **state)
{
    (void)state;
    resolver_cancel(resolver_lookup(resolver, STR("a.example.com"), on_done, &calls));
    resolver_cancel(resolver_lookup(resolver, STR("192.0.2.7"), on_done, &calls));
    resolver_cancel(NULL);
    struct resolver_query *query = resolver_lookup(resolver, STR("a.example.com"), on_done, &calls);
    RUN_UNTIL(loop, questions > 0);
    resolver_cancel(query);
    for (int i = 0; i < 5; i++) {
        loop_run_once(loop, 5);
    }
    assert_int_equal(calls, 0);
    /* One is under way when the resolver goes. */
    assert_non_null(resolver_lookup(resolver, STR("silent.example.com"), on_done, &calls));
    assert_non_null(resolver_lookup(resolver, STR("192.0.2.7"), on_done, &calls));
}

static void without_servers_a_lookup_fails_at_once(void **state)
{
    (void)state;
    resolver_free(resolver);
    resolver = resolver_new(loop, "", NULL);
    assert_non_null(resolver);
    look_up("a.example.com");
    assert_string_equal(got_error, "no name server is configured");
    look_up("10.0.0.1");
    assert_int_equal(got_count, 1);
}

static void a_bad_server_is_refused(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_null(resolver_new(loop, "127.0.0.1,name", &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_true(strstr(err.text, "\"name\"") != NULL);
    resolver_free(NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_is_no_name_fails_without_a_question),
        TEST(failures_say_why),
        TEST(a_silent_server_times_out),
        TEST(addresses_and_the_smallest_ttl_are_told),
        TEST(numbers_and_localhost_need_no_server),
        TEST(cancelled_questions_stay_unanswered),
        TEST(without_servers_a_lookup_fails_at_once),
        TEST(a_bad_server_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
