/* What is in force while workers take up a new snapshot, with workers that answer when told to. */
#include "gateway/daemon/reload.h"

#include "gateway/base/mem.h"
#include "gateway/observe/metrics.h"
#include "tests/unit/support/temp_dir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

/* In place of proxy/worker.c: one worker that has not answered yet. */
static struct worker_publication pending;
static size_t published;

void worker_publish(struct worker *worker, const struct worker_publication *publication)
{
    (void)worker;
    pending = *publication;
    published++;
    for (size_t i = 0; i < publication->opened_count; i++) {
        (void)close(publication->opened[i].fd); /* nobody accepts here */
    }
}

static void answer(void)
{
    pending.on_done(pending.owner, NULL);
}

static struct worker *const WORKERS[] = { NULL };
static size_t begun;
static size_t live;

static void on_begin(void *owner)
{
    (void)owner;
    begun++;
}

static void on_live(void *owner, bool is_first, bool is_bound_changed)
{
    (void)owner;
    (void)is_first;
    (void)is_bound_changed;
    live++;
}

static void on_kept(void *owner, enum reload_result result)
{
    (void)owner;
    (void)result;
}

static const struct reload_owner OWNER = {
    .on_begin = on_begin,
    .on_live = on_live,
    .on_kept = on_kept,
};

struct fixture {
    struct temp_dir dir;
    struct loop *loop;
    struct options options;
    struct reload *reload;
    char *path;
};

static void write_gateway(struct fixture *fixture, const char *name)
{
    char *path = temp_dir_path(&fixture->dir, "gateway.yaml");
    FILE *file = fopen(path, "we");

    assert_non_null(file);
    assert_true(fprintf(file,
                        "{apiVersion: networking.istio.io/v1, kind: Gateway, metadata: {name: %s, "
                        "namespace: istio-system}, spec: {servers: [{port: {number: 80, name: "
                        "http, protocol: HTTP}, hosts: ['*']}]}}\n",
                        name) > 0);
    assert_int_equal(fclose(file), 0);
    mem_free(path);
}

static int setup(void **state)
{
    struct fixture *fixture = mem_new(struct fixture);
    struct port_map_entry port = { .gateway_port = 80, .bind_port = 0 };
    struct err err = { 0 };

    published = 0;
    begun = 0;
    live = 0;
    temp_dir_init(&fixture->dir);
    fixture->loop = loop_new(&err);
    fixture->path = temp_dir_path(&fixture->dir, "gateway.yaml");
    vec_push(&fixture->options.config_paths, str_from_cstr(fixture->path));
    vec_push(&fixture->options.port_map, port);
    fixture->options.own_namespace = STR("istio-system");
    fixture->options.bind = STR("127.0.0.1");
    write_gateway(fixture, "first");
    fixture->reload =
        reload_new(fixture->loop, &fixture->options, metrics_shard_new(), &OWNER, fixture);
    *state = fixture;
    return reload_start(fixture->reload, WORKERS, 1, &err) ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    reload_stop(fixture->reload);
    reload_free(fixture->reload);
    loop_free(fixture->loop);
    vec_cleanup(&fixture->options.config_paths);
    vec_cleanup(&fixture->options.port_map);
    mem_free(fixture->path);
    temp_dir_cleanup(&fixture->dir);
    metrics_cleanup();
    mem_free(fixture);
    return 0;
}

/* Pages are asked for while a slow worker has not answered yet: what they show is still there. */
static void test_what_pages_show_outlives_the_publication(void **state)
{
    struct fixture *fixture = *state;
    struct admin_view view = { 0 };

    answer();
    assert_int_equal(live, 1);
    reload_show(fixture->reload, &view);
    write_gateway(fixture, "another");
    assert_int_equal(reload_trigger(fixture->reload, "change"), RELOAD_SUCCESS);
    assert_int_equal(published, 2);
    assert_int_equal(view.snapshot->revision, 1);
    assert_non_null(
        resource_set_find(view.resources, KIND_GATEWAY, STR("istio-system"), STR("first")));
    answer();
    assert_int_equal(live, 2);
    reload_show(fixture->reload, &view);
    assert_int_equal(view.snapshot->revision, 2);
    assert_non_null(
        resource_set_find(view.resources, KIND_GATEWAY, STR("istio-system"), STR("another")));
}

/* Who sent SIGHUP is told what came of it, whatever else asked meanwhile. */
static void test_a_rescan_does_not_take_the_place_of_a_queued_reload(void **state)
{
    struct fixture *fixture = *state;

    assert_int_equal(reload_trigger(fixture->reload, "SIGHUP"), RELOAD_QUEUED);
    assert_int_equal(reload_trigger(fixture->reload, "rescan"), RELOAD_QUEUED);
    assert_int_equal(begun, 0);
    answer();
    loop_run_once(fixture->loop, 0);
    assert_int_equal(begun, 1);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_what_pages_show_outlives_the_publication),
        CASE(test_a_rescan_does_not_take_the_place_of_a_queued_reload),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
