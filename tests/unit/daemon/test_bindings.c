/* Which sockets a snapshot opens, keeps and closes (HR-3, HR-4): unchanged listeners are never rebound,
 * and a failure leaves nothing open. */
#include "gateway/daemon/bindings.h"

#include "gateway/net/listener.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <unistd.h>

#include <cmocka.h>

enum { WORKERS = 3 };

static size_t open_descriptors(void)
{
    DIR *dir = opendir("/proc/self/fd");
    size_t count = 0;

    assert_non_null(dir);
    while (readdir(dir) != NULL) {
        count++;
    }
    (void)closedir(dir);
    return count;
}

static struct snapshot *make_snapshot(const char *const *keys, const struct address *addresses,
                                      size_t count)
{
    struct snapshot *snapshot = snapshot_new();

    snapshot->listeners = arena_new_array(snapshot->arena, struct snapshot_listener, count);
    snapshot->listener_count = count;
    for (size_t i = 0; i < count; i++) {
        snapshot->listeners[i] = (struct snapshot_listener){
            .key = arena_copy_str(snapshot->arena, str_from_cstr(keys[i])),
            .name = STR("0.0.0.0_443"),
            .protocol = STR("HTTPS"),
            .gateway_port = 443,
            .address = addresses[i],
        };
    }
    return snapshot;
}

static void drop(struct snapshot *snapshot)
{
    assert_true(snapshot_unref(snapshot));
    snapshot_free(snapshot);
}

/* The workers would own them. */
static void close_sockets(const struct bindings_change *change)
{
    struct worker_socket sockets[4];

    for (size_t w = 0; w < WORKERS; w++) {
        bindings_sockets_of(change, w, sockets);
        for (size_t i = 0; i < change->opened.count; i++) {
            assert_int_equal(close(sockets[i].fd), 0);
        }
    }
}

static void test_open_keep_close(void **state)
{
    const char *const first[] = { "a", "b" };
    const char *const second[] = { "b", "c" };
    struct address any[2] = { { 0 } };
    struct bound_listeners bindings = { 0 };
    struct bindings_change change;

    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), 0, &any[0]));
    any[1] = any[0];
    struct snapshot *snapshot = make_snapshot(first, any, 2);
    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    assert_int_equal(change.opened.count, 2);
    assert_int_equal(change.closed.count, 0);
    assert_int_not_equal(address_port(&change.opened.items[0].bound), 0);
    close_sockets(&change);
    assert_true(bindings_commit(&bindings, &change));
    drop(snapshot);

    /* The texts outlive the snapshot. */
    assert_int_equal(bindings.count, 2);
    assert_true(str_equals(bindings.items[0].key, STR("a")));
    uint16_t kept_port = address_port(&bindings.items[1].bound);

    snapshot = make_snapshot(second, any, 2);
    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    assert_int_equal(change.opened.count, 1);
    assert_true(str_equals(change.opened.items[0].key, STR("c")));
    assert_int_equal(change.closed.count, 1);
    assert_true(str_equals(change.closed.items[0], STR("a")));
    close_sockets(&change);
    assert_true(bindings_commit(&bindings, &change));
    assert_int_equal(bindings.count, 2);
    assert_int_equal(address_port(&bindings.items[0].bound), kept_port);

    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    assert_false(bindings_commit(&bindings, &change));
    drop(snapshot);
    bindings_cleanup(&bindings);
}

/* A port that turns from HTTPS to TCP keeps its sockets; what is told of it follows. */
static void test_another_protocol(void **state)
{
    const char *const keys[] = { "a" };
    struct address any = { 0 };
    struct bound_listeners bindings = { 0 };
    struct bindings_change change;

    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), 0, &any));
    struct snapshot *snapshot = make_snapshot(keys, &any, 1);
    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    close_sockets(&change);
    assert_true(bindings_commit(&bindings, &change));
    drop(snapshot);
    uint16_t port = address_port(&bindings.items[0].bound);

    snapshot = make_snapshot(keys, &any, 1);
    snapshot->listeners[0].protocol = arena_copy_str(snapshot->arena, STR("TCP"));
    snapshot->listeners[0].gateway_port = 9000;
    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    assert_int_equal(change.opened.count, 0);
    assert_int_equal(change.closed.count, 0);
    assert_true(bindings_commit(&bindings, &change));
    drop(snapshot);
    assert_int_equal(bindings.count, 1);
    assert_true(str_equals(bindings.items[0].key, STR("a")));
    assert_true(str_equals(bindings.items[0].protocol, STR("TCP")));
    assert_int_equal(bindings.items[0].gateway_port, 9000);
    assert_int_equal(address_port(&bindings.items[0].bound), port);
    bindings_cleanup(&bindings);
}

static void test_taken_address(void **state)
{
    const char *const keys[] = { "free", "taken" };
    struct address addresses[2] = { { 0 } };
    struct bound_listeners bindings = { 0 };
    struct bindings_change change;
    struct err err = { 0 };
    int fd = -1;

    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), 0, &addresses[0]));
    addresses[1] = addresses[0];
    assert_true(listener_bind_alone(&addresses[1], &fd, NULL));
    struct snapshot *snapshot = make_snapshot(keys, addresses, 2);
    size_t before = open_descriptors();
    assert_false(bindings_prepare(&bindings, snapshot, WORKERS, &change, &err));
    assert_int_equal(open_descriptors(), before);
    assert_int_equal(err.code, ERR_SYSTEM);
    assert_non_null(strstr(err.text, "Gateway port 443"));
    drop(snapshot);
    (void)close(fd);
}

static void test_cancel(void **state)
{
    const char *const keys[] = { "a" };
    struct address any = { 0 };
    struct bound_listeners bindings = { 0 };
    struct bindings_change change;

    (void)state;
    assert_true(address_parse(STR("127.0.0.1"), 0, &any));
    struct snapshot *snapshot = make_snapshot(keys, &any, 1);
    size_t before = open_descriptors();
    assert_true(bindings_prepare(&bindings, snapshot, WORKERS, &change, NULL));
    assert_int_equal(open_descriptors(), before + WORKERS);
    bindings_cancel(&change);
    assert_int_equal(open_descriptors(), before);
    drop(snapshot);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_keep_close),
        cmocka_unit_test(test_another_protocol),
        cmocka_unit_test(test_taken_address),
        cmocka_unit_test(test_cancel),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
