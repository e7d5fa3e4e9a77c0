/* Tests of gateway/proxy/upgrade.c: RFC 6455 4.2, RFC 8441 5, spec CN-30. */
#include "gateway/proxy/upgrade.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* RFC 6455 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="

static const struct str key_name = STR_INIT("sec-websocket-key");
static const struct str accept_name = STR_INIT("sec-websocket-accept");

struct fixture {
    struct arena *arena;
    struct head request;
    struct head response;
    struct upgrade upgrade;
};

static struct fixture fixture;

static void start(enum http_version client)
{
    struct head *request = &fixture.request;

    arena_reset(fixture.arena);
    fixture.upgrade = (struct upgrade){ 0 };
    head_init(request, fixture.arena);
    request->version = client;
    request->method = METHOD_GET;
    request->framing = BODY_TUNNEL;
    request->upgrade = STR("websocket");
    headers_add(&request->headers, STR("sec-websocket-version"), STR("13"));
    head_init(&fixture.response, fixture.arena);
    fixture.response.status = 101;
}

static void add_key(const char *value)
{
    headers_add(&fixture.request.headers, key_name, str_from_cstr(value));
}

static void send_to(enum http_version upstream)
{
    upgrade_prepare_request(&fixture.upgrade, &fixture.request, upstream, fixture.arena);
    assert_non_null(headers_find(&fixture.request.headers, STR("sec-websocket-version")));
}

static bool answer(const char *accept)
{
    if (accept != NULL) {
        headers_add(&fixture.response.headers, accept_name, str_from_cstr(accept));
    }
    return upgrade_accept_response(&fixture.upgrade, &fixture.response, &fixture.request,
                                   fixture.arena);
}

static void assert_field(const struct head *head, struct str name, const char *value)
{
    const struct header *field = headers_find(&head->headers, name);

    if (value == NULL) {
        assert_null(field);
        return;
    }
    assert_non_null(field);
    assert_int_equal(field->value.len, strlen(value));
    assert_memory_equal(field->value.ptr, value, field->value.len);
}

static int setup(void **state)
{
    (void)state;
    fixture.arena = arena_new(4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(fixture.arena);
    return 0;
}

static void test_keys(void **state)
{
    static const struct {
        const char *key;
        bool is_good;
    } CASES[] = {
        { "", false },
        { "dGhlIHNhbXBsZSBub25jZQ=", false },
        { "dGhlIHNhbXBsZSBub25jZQ===", false },
        { "dGhlIHNhbXBsZSBub25jZQAA", false },
        { "dGhlIHNhbXBsZSBub25j ZQ=", false },
        { "dGhlIHNhbXBsZSBub25j-Q==", false },
        { KEY, true },
        { "////////////++++++++++==", true },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        start(HTTP_VERSION_1_1);
        add_key(CASES[i].key);
        if (upgrade_has_good_key(&fixture.request) != CASES[i].is_good) {
            fail_msg("\"%s\"", CASES[i].key);
        }
    }
    start(HTTP_VERSION_1_1);
    assert_false(upgrade_has_good_key(&fixture.request));
    add_key(KEY);
    add_key(KEY);
    assert_false(upgrade_has_good_key(&fixture.request)); /* which one is answered? */
}

static void test_same_version_passes(void **state)
{
    (void)state;
    start(HTTP_VERSION_1_1);
    add_key(KEY);
    send_to(HTTP_VERSION_1_1);
    assert_field(&fixture.request, key_name, KEY);
    assert_true(answer(ACCEPT));
    assert_field(&fixture.response, accept_name, ACCEPT);
    assert_int_equal(fixture.response.framing, BODY_TUNNEL);
    assert_true(str_equals(fixture.response.upgrade, STR("websocket")));

    start(HTTP_VERSION_2);
    add_key(KEY); /* RFC 8441 5: not used */
    send_to(HTTP_VERSION_2);
    assert_field(&fixture.request, key_name, NULL);
    assert_true(answer(NULL));
    assert_field(&fixture.response, accept_name, NULL);
}

static void test_http1_client_is_answered_for_an_http2_upstream(void **state)
{
    (void)state;
    start(HTTP_VERSION_1_1);
    add_key(KEY);
    send_to(HTTP_VERSION_2);
    assert_field(&fixture.request, key_name, NULL);
    send_to(HTTP_VERSION_2); /* a second attempt knows it still */
    assert_true(answer("whatever"));
    assert_field(&fixture.response, accept_name, ACCEPT);
}

static void test_an_attempt_of_the_other_version_has_the_key_again(void **state)
{
    (void)state;
    start(HTTP_VERSION_1_1);
    add_key(KEY);
    send_to(HTTP_VERSION_2);
    send_to(HTTP_VERSION_1_1);
    assert_field(&fixture.request, key_name, KEY);
}

static void test_http1_upstream_proves_itself_to_us(void **state)
{
    static const char *const WRONG[] = { NULL, "", ACCEPT, "x" };
    struct str first;

    (void)state;
    for (size_t i = 0; i < sizeof(WRONG) / sizeof(WRONG[0]); i++) {
        start(HTTP_VERSION_2);
        send_to(HTTP_VERSION_1_1);
        assert_true(upgrade_has_good_key(&fixture.request));
        assert_false(answer(WRONG[i]));
    }
    start(HTTP_VERSION_2);
    add_key(KEY);
    send_to(HTTP_VERSION_1_1);
    first = headers_find(&fixture.request.headers, key_name)->value;
    assert_false(str_equals(first, STR(KEY))); /* nobody else's */
    send_to(HTTP_VERSION_1_1);
    assert_false(str_equals(headers_find(&fixture.request.headers, key_name)->value, first));
    /* The right answer, by way of the other direction. */
    struct upgrade honest = { .client_version = HTTP_VERSION_1_1,
                              .upstream_version = HTTP_VERSION_2,
                              .key = fixture.upgrade.key };
    struct head proof;
    head_init(&proof, fixture.arena);
    assert_true(upgrade_accept_response(&honest, &proof, &fixture.request, fixture.arena));
    struct str accept = headers_find(&proof.headers, accept_name)->value;
    headers_add(&fixture.response.headers, accept_name, accept);
    assert_true(upgrade_accept_response(&fixture.upgrade, &fixture.response, &fixture.request,
                                        fixture.arena));
    assert_field(&fixture.response, accept_name, NULL);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_keys),
        CASE(test_same_version_passes),
        CASE(test_http1_client_is_answered_for_an_http2_upstream),
        CASE(test_an_attempt_of_the_other_version_has_the_key_again),
        CASE(test_http1_upstream_proves_itself_to_us),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
