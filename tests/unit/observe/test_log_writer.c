/* log_writer: every line arrives once, in order, whole; what does not fit is counted. */
#include "gateway/observe/log_writer.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "tests/unit/support/temp_dir.h"

#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

enum { PRODUCERS = 3, LINES = 2000 };

static int make_dir(void **state)
{
    struct temp_dir *dir = mem_new(struct temp_dir);

    temp_dir_init(dir);
    *state = dir;
    return 0;
}

static int remove_dir(void **state)
{
    temp_dir_cleanup(*state);
    mem_free(*state);
    return 0;
}

static struct log_sink *open_sink(struct temp_dir *dir, const char *name)
{
    char *path = temp_dir_path(dir, name);
    struct err err = { 0 };
    struct log_sink *sink = log_sink_open(path, &err);

    mem_free(path);
    return sink;
}

static void a_file_that_cannot_be_opened_is_told(void **state)
{
    struct err err = { 0 };

    (void)state;
    assert_null(log_sink_open("/no/such/directory/log", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/no/such/directory/log"));
}

static void too_many_sinks_are_refused(void **state)
{
    struct err err = { 0 };
    struct log_sink *last = NULL;
    char name[16];

    assert_true(log_writer_start(&err));
    for (int i = 0; i < 100; i++) {
        (void)snprintf(name, sizeof(name), "log%d", i);
        last = open_sink(*state, name);
    }
    assert_null(last);
    assert_non_null(open_sink(*state, "log0"));
    log_writer_stop();
}

static void without_a_writer_a_line_is_dropped(void **state)
{
    struct err err = { 0 };
    struct log_sink *sink;
    uint64_t before = log_writer_dropped_lines();

    assert_true(log_writer_start(&err));
    sink = open_sink(*state, "log");
    log_writer_stop();
    assert_false(log_sink_write(sink, STR("late\n")));
    assert_int_equal(log_writer_dropped_lines() - before, 1);
    log_writer_stop();
}

static void a_line_larger_than_the_ring_is_dropped(void **state)
{
    static char line[LOG_RING_BYTES + 1];
    struct err err = { 0 };
    struct log_sink *sink;
    uint64_t before = log_writer_dropped_lines();

    assert_true(log_writer_start(&err));
    sink = open_sink(*state, "log");
    assert_false(log_sink_write(sink, str_from(line, sizeof(line))));
    assert_int_equal(log_writer_dropped_lines() - before, 1);
    assert_true(log_sink_write(sink, STR("short\n")));
    log_writer_stop();
}

static void one_file_is_one_sink(void **state)
{
    struct err err = { 0 };

    assert_true(log_writer_start(&err));
    assert_ptr_equal(open_sink(*state, "log"), open_sink(*state, "log"));
    assert_ptr_not_equal(open_sink(*state, "log"), open_sink(*state, "other"));
    assert_ptr_equal(log_sink_open("-", &err), log_sink_open("/dev/stdout", &err));
    assert_ptr_not_equal(log_sink_open("-", &err), log_sink_open("2", &err));
    log_writer_stop();
}

static void *run_producer(void *sink)
{
    for (unsigned i = 0; i < LINES; i++) {
        char line[64];
        int len = snprintf(line, sizeof(line), "%u\n", i);

        while (!log_sink_write(sink, str_from(line, (size_t)len))) {
            (void)sched_yield();
        }
    }
    return NULL;
}

/* Run under ThreadSanitizer too. Each producer has a file, so that order can be checked. */
static void lines_arrive_once_and_in_order(void **state)
{
    pthread_t threads[PRODUCERS];
    struct err err = { 0 };
    struct text content = { 0 };
    char name[16];

    assert_true(log_writer_start(&err));
    for (int i = 0; i < PRODUCERS; i++) {
        (void)snprintf(name, sizeof(name), "log%d", i);
        assert_int_equal(pthread_create(&threads[i], NULL, run_producer, open_sink(*state, name)),
                         0);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    log_writer_stop();
    for (int i = 0; i < PRODUCERS; i++) {
        struct str rest;
        struct str line = { 0 };
        uint64_t number = LINES;

        (void)snprintf(name, sizeof(name), "log%d", i);
        assert_true(temp_dir_read(*state, name, &content));
        rest = text_view(&content);
        for (unsigned expected = 0; expected < LINES; expected++) {
            assert_true(str_split_next(&rest, '\n', &line));
            assert_true(str_parse_u64(line, &number));
            assert_int_equal(number, expected);
        }
        assert_true(str_is_empty(rest));
    }
    text_cleanup(&content);
}

static void the_ring_wraps_round(void **state)
{
    static char line[5001];
    struct err err = { 0 };
    struct log_sink *sink;
    struct text content = { 0 };

    memset(line, 'x', sizeof(line) - 1);
    line[sizeof(line) - 1] = '\n';
    assert_true(log_writer_start(&err));
    sink = open_sink(*state, "log");
    log_writer_give_back(); /* there is no ring yet */
    for (int i = 0; i < 1000; i++) {
        while (!log_sink_write(sink, str_from(line, sizeof(line)))) {
            (void)sched_yield();
        }
        if (i % 10 == 0) {
            log_writer_give_back(); /* with lines on their way, or without: none is lost */
        }
    }
    log_writer_stop();
    log_writer_give_back();
    assert_true(temp_dir_read(*state, "log", &content));
    assert_int_equal(content.len, 1000 * sizeof(line));
    for (size_t i = 0; i < 1000; i++) {
        assert_memory_equal(content.ptr + i * sizeof(line), line, sizeof(line));
    }
    text_cleanup(&content);
}

/* As logrotate does: rename, signal, and the next line is in a new file. */
static void a_renamed_file_is_opened_anew(void **state)
{
    struct temp_dir *dir = *state;
    struct err err = { 0 };
    struct log_sink *sink;
    struct text content = { 0 };
    char *from = temp_dir_path(dir, "log");
    char *to = temp_dir_path(dir, "log.1");

    assert_true(log_writer_start(&err));
    sink = open_sink(dir, "log");
    assert_true(log_sink_write(sink, STR("old\n")));
    do {
        (void)poll(NULL, 0, 1);
        assert_true(temp_dir_read(dir, "log", &content));
    } while (content.len == 0);
    assert_int_equal(rename(from, to), 0);
    log_writer_reopen();
    assert_true(log_sink_write(sink, STR("new\n")));
    log_writer_stop();
    assert_true(temp_dir_read(dir, "log.1", &content));
    assert_string_equal(content.ptr, "old\n");
    assert_true(temp_dir_read(dir, "log", &content));
    assert_string_equal(content.ptr, "new\n");
    text_cleanup(&content);
    mem_free(from);
    mem_free(to);
}

/* A reader that takes nothing costs its lines, not the end of the process. */
static void a_stuck_reader_does_not_hold_the_end(void **state)
{
    struct err err = { 0 };
    uint64_t before = log_writer_dropped_lines();
    int ends[2];
    int output = dup(STDOUT_FILENO);
    struct log_sink *sink;

    (void)state;
    assert_int_equal(pipe(ends), 0);
    (void)fflush(stdout);
    assert_true(dup2(ends[1], STDOUT_FILENO) >= 0);
    assert_true(log_writer_start(&err));
    sink = log_sink_open("-", &err);
    for (int i = 0; i < 4000; i++) {
        (void)log_sink_write(sink, STR("0123456789012345678901234567890123456789012345678\n"));
    }
    log_writer_stop();
    (void)dup2(output, STDOUT_FILENO);
    (void)close(output);
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_true(log_writer_dropped_lines() > before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_cannot_be_opened_is_told),
        cmocka_unit_test_setup_teardown(too_many_sinks_are_refused, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(without_a_writer_a_line_is_dropped, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_line_larger_than_the_ring_is_dropped, make_dir,
                                        remove_dir),
        cmocka_unit_test_setup_teardown(one_file_is_one_sink, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(lines_arrive_once_and_in_order, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(the_ring_wraps_round, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_renamed_file_is_opened_anew, make_dir, remove_dir),
        cmocka_unit_test(a_stuck_reader_does_not_hold_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
