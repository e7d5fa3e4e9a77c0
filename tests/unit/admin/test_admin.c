/* Who may ask the admin port for what: methods, Host, Origin. No page's own work but the plain ones. */
#include "gateway/admin/admin.h"
#include "gateway/observe/log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

struct calls {
    unsigned reload;
    unsigned drain;
    unsigned quit;
    unsigned health;
    bool is_health_failed;
};

static bool on_reload(void *owner, struct text *outcome)
{
    struct calls *calls = owner;

    calls->reload++;
    text_add_cstr(outcome, "done");
    return true;
}

static void on_drain(void *owner, bool is_graceful)
{
    struct calls *calls = owner;

    (void)is_graceful;
    calls->drain++;
}

static void on_quit(void *owner)
{
    struct calls *calls = owner;

    calls->quit++;
}

static void on_health(void *owner, bool is_failed)
{
    struct calls *calls = owner;

    calls->health++;
    calls->is_health_failed = is_failed;
}

static void on_refresh(void *owner)
{
    (void)owner;
}

static struct calls calls;
static const struct admin_actions ACTIONS = {
    .reload = on_reload,
    .drain_listeners = on_drain,
    .quit = on_quit,
    .set_health = on_health,
    .refresh_worker_reports = on_refresh,
    .owner = &calls,
};
static struct reload_status reload_status = { .result = "success", .revision = 3 };
static struct bound_listeners listeners;
static struct admin_view view = {
    .state = SERVER_LIVE,
    .version = "0.1",
    .commit = "abc",
    .reload = &reload_status,
    .listeners = &listeners,
};

struct ask {
    const char *method;
    const char *path;
    const char *query;
    const char *host;
    const char *origin;
};

static int ask_with(page_fn page, const struct ask *ask, struct text *body)
{
    struct admin *admin = admin_new(&view, &ACTIONS);
    const struct page_request request = {
        .method = str_from_cstr(ask->method),
        .path = str_from_cstr(ask->path),
        .query = str_from_cstr(ask->query),
        .host = str_from_cstr(ask->host),
        .origin = str_from_cstr(ask->origin),
    };
    struct page_reply reply = { .status = 200 };

    page(admin, &request, &reply);
    if (body != NULL) {
        text_clear(body);
        text_add(body, text_view(&reply.body));
    }
    text_cleanup(&reply.body);
    admin_free(admin);
    return reply.status;
}

static void test_refusals(void **state)
{
    static const struct {
        struct ask ask;
        int status;
    } CASES[] = {
        { { "GET", "/nothing", "", "localhost", "" }, 404 },
        { { "GET", "/Ready", "", "localhost", "" }, 404 },
        { { "DELETE", "/ready", "", "localhost", "" }, 405 },
        { { "GET", "/quitquitquit", "", "localhost", "" }, 400 },
        { { "HEAD", "/quitquitquit", "", "localhost", "" }, 400 },
        { { "PUT", "/drain_listeners", "", "localhost", "" }, 400 },
        { { "GET", "/logging", "level=debug", "localhost", "" }, 400 },
        { { "GET", "/healthcheck/fail", "", "localhost", "" }, 400 },
        { { "GET", "/api/v1/reload", "", "localhost", "" }, 400 },
        { { "POST", "/quitquitquit", "", "", "" }, 403 },
        { { "POST", "/quitquitquit", "", "gw.example.com", "" }, 403 },
        { { "POST", "/quitquitquit", "", "localhost.example.com", "" }, 403 },
        { { "POST", "/quitquitquit", "", "10.0.0.1:15000", "" }, 403 },
        { { "POST", "/quitquitquit", "", "localhost:15000", "http://evil.example" }, 403 },
        { { "POST", "/quitquitquit", "", "localhost:15000", "null" }, 403 },
        { { "POST", "/quitquitquit", "", "localhost:15000", "http://localhost.evil" }, 403 },
        { { "POST", "/quitquitquit", "", "localhost:15000", "file://localhost" }, 403 },
        /* A name that a foreign page made point here. */
        { { "GET", "/config_dump", "", "rebound.example", "" }, 403 },
    };

    (void)state;
    memset(&calls, 0, sizeof(calls));
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        int status = ask_with(admin_on_page, &CASES[i].ask, NULL);
        if (status != CASES[i].status) {
            fail_msg("%s %s by %s from %s: %d", CASES[i].ask.method, CASES[i].ask.path,
                     CASES[i].ask.host, CASES[i].ask.origin, status);
        }
    }
    assert_int_equal(calls.quit + calls.drain + calls.reload + calls.health, 0);
}

static void test_changes(void **state)
{
    static const struct ask ASKS[] = {
        { "POST", "/quitquitquit", "", "localhost:15000", "" },
        { "POST", "/quitquitquit", "", "127.0.0.1:15000", "http://127.0.0.1:15000" },
        { "POST", "/quitquitquit", "", "[::1]:15000", "http://[::1]:15000" },
        { "POST", "/quitquitquit", "", "LOCALHOST", "https://localhost" },
    };
    const struct ask fail = { "POST", "/healthcheck/fail", "", "localhost", "" };
    const struct ask ok = { "POST", "/healthcheck/ok", "", "localhost", "" };
    const struct ask drain = { "POST", "/drain_listeners", "graceful", "localhost", "" };
    const struct ask reload = { "POST", "/api/v1/reload", "", "localhost", "" };
    struct text body = { 0 };

    (void)state;
    memset(&calls, 0, sizeof(calls));
    for (size_t i = 0; i < sizeof(ASKS) / sizeof(ASKS[0]); i++) {
        assert_int_equal(ask_with(admin_on_page, &ASKS[i], NULL), 200);
        assert_int_equal(calls.quit, i + 1);
    }
    assert_int_equal(ask_with(admin_on_page, &fail, NULL), 200);
    assert_true(calls.is_health_failed);
    assert_int_equal(ask_with(admin_on_page, &ok, NULL), 200);
    assert_false(calls.is_health_failed);
    assert_int_equal(ask_with(admin_on_page, &drain, NULL), 200);
    assert_int_equal(calls.drain, 1);
    assert_int_equal(ask_with(admin_on_page, &reload, &body), 200);
    assert_int_equal(calls.reload, 1);
    assert_non_null(strstr(body.ptr, "\"revision\": 3"));
    text_cleanup(&body);
}

static void test_readiness(void **state)
{
    static const struct {
        enum server_state state;
        bool is_failed;
        int status;
        const char *body;
    } CASES[] = {
        { SERVER_PRE_INITIALIZING, false, 503, "PRE_INITIALIZING\n" },
        { SERVER_INITIALIZING, false, 503, "INITIALIZING\n" },
        { SERVER_DRAINING, false, 503, "DRAINING\n" },
        { SERVER_LIVE, true, 503, "HEALTH CHECK FAILED\n" },
        { SERVER_LIVE, false, 200, "LIVE\n" },
    };
    const struct ask ready = { "GET", "/ready", "", "localhost", "" };
    const struct ask health = { "GET", "/healthz/ready", "", "10.1.2.3:15021", "" };
    const struct ask other = { "GET", "/ready", "", "10.1.2.3:15021", "" };
    const struct ask post = { "POST", "/healthz/ready", "", "localhost", "" };
    struct text body = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        view.state = CASES[i].state;
        view.is_health_failed = CASES[i].is_failed;
        assert_int_equal(ask_with(admin_on_page, &ready, &body), CASES[i].status);
        assert_string_equal(body.ptr, CASES[i].body);
        assert_int_equal(ask_with(admin_on_health_page, &health, &body), CASES[i].status);
    }
    assert_int_equal(ask_with(admin_on_health_page, &other, NULL), 404);
    assert_int_equal(ask_with(admin_on_health_page, &post, NULL), 405);
    assert_int_equal(ask_with(admin_on_metrics_page, &other, NULL), 404);
    text_cleanup(&body);
}

static void test_help_lists_pages(void **state)
{
    static const char *const PATHS[] = {
        "/ready",
        "/server_info",
        "/stats",
        "/stats/prometheus",
        "/config_dump",
        "/clusters",
        "/listeners",
        "/certs",
        "/memory",
        "/logging",
        "/drain_listeners",
        "/quitquitquit",
        "/healthcheck/fail",
        "/healthcheck/ok",
        "/api/v1/findings",
        "/api/v1/reload",
    };
    const struct ask ask = { "GET", "/", "", "localhost", "" };
    struct text body = { 0 };

    (void)state;
    assert_int_equal(ask_with(admin_on_page, &ask, &body), 200);
    for (size_t i = 0; i < sizeof(PATHS) / sizeof(PATHS[0]); i++) {
        if (strstr(body.ptr, PATHS[i]) == NULL) {
            fail_msg("%s is missing", PATHS[i]);
        }
    }
    text_cleanup(&body);
}

static void test_logging(void **state)
{
    static const struct {
        const char *query;
        int status;
    } CASES[] = {
        { "level=loud", 400 },
        { "nonsense", 400 },
        { "paths=admin", 400 },
        { "paths=:debug", 400 },
        { "=debug", 400 },
        { "admin=verbose", 400 },
        { "", 200 },
        { "level=warning", 200 },
        { "admin=debug", 200 },
        { "paths=admin:trace,reload:info", 200 },
    };
    struct text body = { 0 };

    (void)state;
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        const struct ask ask = { "POST", "/logging", CASES[i].query, "localhost", "" };
        int status = ask_with(admin_on_page, &ask, &body);
        if (status != CASES[i].status) {
            fail_msg("\"%s\": %d %s", CASES[i].query, status, body.ptr);
        }
    }
    text_cleanup(&body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refusals),  cmocka_unit_test(test_changes),
        cmocka_unit_test(test_readiness), cmocka_unit_test(test_help_lists_pages),
        cmocka_unit_test(test_logging),
    };
    struct report empty;

    log_set_level(STR(""), LOG_LEVEL_OFF);
    report_init(&empty);
    view.load_report = &empty;
    view.compile_report = &empty;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    report_cleanup(&empty);
    return failed;
}
