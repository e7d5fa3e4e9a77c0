/* log: levels, the shape of lines, repeats. Lines are caught from standard error. */
#include "gateway/observe/log.h"

#include "gateway/observe/log_writer.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static FILE *caught;
static int former_error = -1;

static void catch_lines(void)
{
    caught = tmpfile();
    assert_non_null(caught);
    former_error = dup(STDERR_FILENO);
    assert_true(dup2(fileno(caught), STDERR_FILENO) >= 0);
}

/* What was written since catch_lines(). */
static struct text release_lines(void)
{
    struct text lines = { 0 };
    char bytes[4096];
    size_t len;

    assert_true(dup2(former_error, STDERR_FILENO) >= 0);
    (void)close(former_error);
    rewind(caught);
    text_add_cstr(&lines, "");
    while ((len = fread(bytes, 1, sizeof(bytes), caught)) != 0) {
        text_add(&lines, str_from(bytes, len));
    }
    (void)fclose(caught);
    return lines;
}

static int reset_log(void **state)
{
    (void)state;
    log_set_level(STR(""), LOG_LEVEL_INFO);
    log_start(LOG_FORMAT_TEXT);
    return 0;
}

static void unknown_levels_are_refused(void **state)
{
    enum log_level level = LOG_LEVEL_WARN;

    (void)state;
    assert_false(log_parse_level(STR("loud"), &level));
    assert_false(log_parse_level(STR(""), &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_true(log_parse_level(STR("trace"), &level));
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_true(log_parse_level(STR("Warning"), &level));
    assert_int_equal(level, LOG_LEVEL_WARN);
    assert_true(log_parse_level(STR("critical"), &level));
    assert_int_equal(level, LOG_LEVEL_ERROR);
    assert_true(log_parse_level(STR("off"), &level));
    assert_string_equal(log_level_name(level), "off");
}

static void levels_per_module(void **state)
{
    struct text levels = { 0 };

    (void)state;
    assert_true(log_is_enabled(LOG_LEVEL_INFO, "reload"));
    assert_false(log_is_enabled(LOG_LEVEL_DEBUG, "reload"));
    log_set_level(STR("reload"), LOG_LEVEL_DEBUG);
    assert_true(log_is_enabled(LOG_LEVEL_DEBUG, "reload"));
    assert_false(log_is_enabled(LOG_LEVEL_DEBUG, "listener"));
    log_set_level(STR("listener"), LOG_LEVEL_OFF);
    assert_false(log_is_enabled(LOG_LEVEL_ERROR, "listener"));
    log_describe_levels(&levels);
    assert_string_equal(levels.ptr, "default: info\nreload: debug\nlistener: off\n");
    log_set_level(STR(""), LOG_LEVEL_WARN);
    assert_false(log_is_enabled(LOG_LEVEL_INFO, "reload"));
    assert_true(log_is_enabled(LOG_LEVEL_WARN, "listener"));
    text_cleanup(&levels);
}

static void a_message_cannot_forge_a_line(void **state)
{
    struct text lines;
    struct str rest;
    struct str part;

    (void)state;
    catch_lines();
    LOG_WARN("client", "peer says \"%s\"", "a\n2026\terror\x1b[2J");
    LOG_DEBUG("client", "not shown");
    lines = release_lines();
    rest = text_view(&lines);
    assert_true(str_split_next(&rest, '\t', &part));
    assert_int_equal(part.len, 27); /* 2026-01-02T03:04:05.678901Z */
    assert_true(str_equals(rest, STR("warn\tclient\tpeer says \"a\\n2026\\terror\\x1b[2J\"\n")));
    text_cleanup(&lines);
}

static void json_lines(void **state)
{
    struct text lines;

    (void)state;
    log_start(LOG_FORMAT_JSON);
    catch_lines();
    LOG_ERROR("reload", "a \"b\"\n");
    lines = release_lines();
    assert_int_equal(strncmp(lines.ptr, "{\"time\":\"2", 10), 0);
    assert_non_null(strstr(
        lines.ptr, "Z\",\"level\":\"error\",\"scope\":\"reload\",\"msg\":\"a \\\"b\\\"\\n\"}\n"));
    text_cleanup(&lines);
}

static size_t count_char(struct str view, char c)
{
    size_t count = 0;

    for (size_t i = 0; i < view.len; i++) {
        count += view.ptr[i] == c ? 1 : 0;
    }
    return count;
}

static void repeats_are_braked(void **state)
{
    struct text lines;
    size_t count;

    (void)state;
    catch_lines();
    for (int i = 0; i < 1000; i++) {
        LOG_INFO("listener", "repeat %d", i);
    }
    LOG_INFO("listener", "another kind");
    lines = release_lines();
    count = count_char(text_view(&lines), '\n');
    /* Twenty a second; the loop may meet the turn of a second or two. */
    assert_in_range(count, 21, 100);
    assert_non_null(strstr(lines.ptr, "another kind"));
    text_cleanup(&lines);
}

static void a_long_message_is_cut(void **state)
{
    struct text lines;

    (void)state;
    catch_lines();
    LOG_INFO("client", "%0100000d", 1);
    lines = release_lines();
    assert_true(lines.len < 20000);
    assert_non_null(strstr(lines.ptr, "000...\n"));
    text_cleanup(&lines);
}

static void through_the_writer(void **state)
{
    struct err err = { 0 };
    struct text lines;

    (void)state;
    catch_lines();
    assert_true(log_writer_start(&err));
    log_start(LOG_FORMAT_TEXT);
    LOG_INFO("control", "first");
    log_writer_stop();
    LOG_INFO("control", "second");
    lines = release_lines();
    assert_non_null(strstr(lines.ptr, "\tinfo\tcontrol\tfirst\n"));
    assert_non_null(strstr(lines.ptr, "\tinfo\tcontrol\tsecond\n"));
    assert_int_equal(count_char(text_view(&lines), '\n'), 2);
    text_cleanup(&lines);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(unknown_levels_are_refused),
        cmocka_unit_test_teardown(levels_per_module, reset_log),
        cmocka_unit_test(a_message_cannot_forge_a_line),
        cmocka_unit_test_teardown(json_lines, reset_log),
        cmocka_unit_test(repeats_are_braked),
        cmocka_unit_test(a_long_message_is_cut),
        cmocka_unit_test(through_the_writer),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
