/* Tests of gateway/proxy/redirect.c: spec 5.4 and table 14.5, GW-52. */
#include "gateway/proxy/redirect.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct arena *arena;

static int setup(void **state)
{
    (void)state;
    arena = arena_new(4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_free(arena);
    return 0;
}

static struct head request(const char *authority, const char *path, const char *query)
{
    struct head head;

    head_init(&head, arena);
    head.authority = str_from_cstr(authority);
    head.path = str_from_cstr(path);
    head.has_query = query != NULL;
    head.query = str_from_cstr(query);
    return head;
}

struct row {
    const char *name;
    const char *uri;
    const char *prefix; /* of the match */
    const char *prefix_rewrite;
    const char *to_authority;
    const char *to_scheme;
    uint16_t port;
    bool is_server_tls;
    const char *scheme;
    const char *authority;
    const char *path;
    const char *query;
    const char *location;
};

static const struct row rows[] = {
    { .name = "HT-52 authority",
      .to_authority = "b.com",
      .scheme = "http",
      .authority = "a.com:8080",
      .path = "/x",
      .query = "y",
      .location = "http://b.com/x?y" },
    { .name = "HT-53 scheme",
      .to_scheme = "https",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .location = "https://a.com/x" },
    { .name = "HT-54 other port stays",
      .to_scheme = "https",
      .scheme = "http",
      .authority = "a.com:8080",
      .path = "/x",
      .location = "https://a.com:8080/x" },
    { .name = "HT-54 default port goes",
      .to_scheme = "https",
      .scheme = "http",
      .authority = "a.com:80",
      .path = "/x",
      .location = "https://a.com/x" },
    { .name = "HT-54 default port stays without a change",
      .to_scheme = "http",
      .scheme = "http",
      .authority = "a.com:80",
      .path = "/x",
      .location = "http://a.com:80/x" },
    { .name = "HT-54 IPv6",
      .to_scheme = "https",
      .scheme = "http",
      .authority = "[::1]:80",
      .path = "/x",
      .location = "https://[::1]/x" },
    { .name = "HT-55 port",
      .to_scheme = "https",
      .port = 8443,
      .scheme = "http",
      .authority = "a.com:80",
      .path = "/x",
      .location = "https://a.com:8443/x" },
    { .name = "HT-55 443",
      .to_scheme = "https",
      .port = 443,
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .location = "https://a.com/x" },
    { .name = "HT-55 scheme of the server",
      .port = 443,
      .is_server_tls = true,
      .scheme = "https",
      .authority = "a.com:8443",
      .path = "/x",
      .location = "https://a.com/x" },
    { .name = "HT-55 plain server",
      .port = 443,
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .location = "http://a.com:443/x" },
    { .name = "HT-56 uri",
      .uri = "/n",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .query = "y=1",
      .location = "http://a.com/n?y=1" },
    { .name = "HT-56 uri with query",
      .uri = "/n?z",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .query = "y=1",
      .location = "http://a.com/n?z" },
    { .name = "HT-56 uri without slash",
      .uri = "n",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .location = "http://a.com/n" },
    { .name = "HT-56 empty query",
      .uri = "/n",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .query = "",
      .location = "http://a.com/n?" },
    { .name = "HT-57 prefix",
      .prefix = "/old",
      .prefix_rewrite = "/new",
      .scheme = "http",
      .authority = "a.com",
      .path = "/old/x",
      .query = "y",
      .location = "http://a.com/new/x?y" },
    { .name = "HT-57 no match",
      .prefix_rewrite = "/new/",
      .scheme = "http",
      .authority = "a.com",
      .path = "/x",
      .location = "http://a.com/new/x" },
};

static void test_locations(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct row *row = &rows[i];
        struct err err = { 0 };
        struct route route = { .redirect = {
                                   .uri = str_from_cstr(row->uri),
                                   .prefix_rewrite = str_from_cstr(row->prefix_rewrite),
                                   .authority = str_from_cstr(row->to_authority),
                                   .scheme = str_from_cstr(row->to_scheme),
                                   .port = row->port,
                                   .is_server_tls = row->is_server_tls,
                               } };
        if (row->prefix != NULL) {
            route.conditions.uri =
                pattern_new(arena, PATTERN_PREFIX, str_from_cstr(row->prefix), false, &err);
            assert_non_null(route.conditions.uri);
        }
        struct head head = request(row->authority, row->path, row->query);
        struct str location = redirect_location(&route, &head, str_from_cstr(row->scheme), arena);
        if (!str_equals(location, str_from_cstr(row->location))) {
            fail_msg("%s: %.*s, not %s", row->name, STR_ARG(location), row->location);
        }
    }
}

static void test_to_https_keeps_host_verbatim_GW_52(void **state)
{
    static const struct {
        const char *authority;
        const char *path;
        const char *query;
        const char *location;
    } cases[] = {
        { "a.com", "/x", NULL, "https://a.com/x" },
        { "a.com:80", "/x", "y=1", "https://a.com:80/x?y=1" },
        { "A.com", "/", "", "https://A.com/?" },
        { "a.com", "//b.com/x", NULL, "https://a.com//b.com/x" },
        /* OPTIONS *: what is no path must not grow the host. */
        { "a.com", "*", NULL, "https://a.com/*" },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct head head = request(cases[i].authority, cases[i].path, cases[i].query);
        struct str location = redirect_to_https(&head, arena);
        assert_true(str_equals(location, str_from_cstr(cases[i].location)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_locations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_to_https_keeps_host_verbatim_GW_52, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
