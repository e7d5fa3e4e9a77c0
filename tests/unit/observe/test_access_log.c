/* access_log: Istio's line, the JSON keys, and formats that are refused (spec OB-1 to OB-5). */
#include "gateway/observe/access_log.h"

#include "gateway/base/mem.h"
#include "gateway/observe/log_writer.h"
#include "tests/unit/support/temp_dir.h"

#include <stdio.h>

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <setjmp.h>

#include <cmocka.h>

static int start(void **state)
{
    struct temp_dir *dir = mem_new(struct temp_dir);

    temp_dir_init(dir);
    *state = dir;
    return log_writer_start(NULL) ? 0 : 1;
}

static int stop(void **state)
{
    log_writer_stop();
    temp_dir_cleanup(*state);
    mem_free(*state);
    return 0;
}

static struct str find_header(const void *source, enum format_headers which, struct str name,
                              struct text *scratch)
{
    (void)source;
    (void)scratch;
    if (which == FORMAT_REQUEST_HEADERS && str_equals_nocase(name, STR("user-agent"))) {
        return STR("evil\"\nagent");
    }
    if (which == FORMAT_REQUEST_HEADERS && str_equals_nocase(name, STR("x-forwarded-for"))) {
        return STR("10.0.0.9");
    }
    return str_from(NULL, 0);
}

static struct format_record sample(void)
{
    return (struct format_record){
        .start_wall_us = UINT64_C(1767323045678901),
        .duration_us = 12999,
        .request_duration_us = UINT64_MAX,
        .response_duration_us = UINT64_MAX,
        .upstream_service_us = 5000,
        .method = STR("GET"),
        .original_path = STR("/old"),
        .path = STR("/new"),
        .authority = STR("a.example.com"),
        .protocol = STR("HTTP/1.1"),
        .response_code = 200,
        .response_code_details = STR("via_upstream"),
        .bytes_received = 1,
        .bytes_sent = 2,
        .upstream_host = STR("10.0.0.2:80"),
        .upstream_cluster = STR("outbound|80||a.ns.svc.cluster.local"),
        .upstream_local_address = STR("10.0.0.1:5000"),
        .downstream_local_address = STR("10.0.0.1:443"),
        .downstream_remote_address = STR("10.0.0.9:4711"),
        .requested_server_name = STR("a.example.com"),
        .find_header = find_header,
    };
}

static struct text written(struct temp_dir *dir, const char *format,
                           const struct format_record *record)
{
    char *path = temp_dir_path(dir, "access");
    struct access_log *log = NULL;
    struct err err = { 0 };
    struct text content = { 0 };

    if (!access_log_open(&log, path, format, &err)) {
        fail_msg("%s", err.text);
    }
    access_log_write(log, record);
    access_log_close(log);
    log_writer_stop();
    assert_true(temp_dir_read(dir, "access", &content));
    mem_free(path);
    return content;
}

static void what_cannot_be_opened_is_told(void **state)
{
    struct access_log *log = NULL;
    struct err err = { 0 };

    (void)state;
    assert_false(access_log_open(&log, "-", "%NO_SUCH%", &err));
    assert_non_null(strstr(err.text, "%NO_SUCH%"));
    assert_null(log);
    assert_false(access_log_open(&log, "/no/such/directory/log", "text", &err));
    assert_null(log);
}

/* OB-1 */
static void off_is_no_log(void **state)
{
    struct access_log *log = NULL;
    struct err err = { 0 };
    struct format_record record = sample();

    (void)state;
    assert_true(access_log_open(&log, "off", "text", &err));
    assert_null(log);
    access_log_write(log, &record);
    access_log_close(log);
}

/* OB-2, OB-4, OB-14 */
static void istios_line(void **state)
{
    struct format_record record = sample();
    struct text content = written(*state, "text", &record);

    assert_string_equal(
        content.ptr,
        "[2026-01-02T03:04:05.678Z] \"GET /old HTTP/1.1\" 200 - via_upstream - \"-\" 1 2 12 5 "
        "\"10.0.0.9\" \"evil\\\"\\nagent\" \"-\" \"a.example.com\" \"10.0.0.2:80\" "
        "outbound|80||a.ns.svc.cluster.local 10.0.0.1:5000 10.0.0.1:443 10.0.0.9:4711 "
        "a.example.com -\n");
    text_cleanup(&content);
}

/* OB-4, OB-5: a connection that never brought a request. */
static void an_empty_record_is_a_line_of_dashes(void **state)
{
    struct format_record record = { .duration_us = UINT64_MAX,
                                    .upstream_service_us = UINT64_MAX,
                                    .response_flags = FLAG_BIT(NR) };
    struct text content = written(*state, "text", &record);

    assert_string_equal(content.ptr,
                        "[1970-01-01T00:00:00.000Z] \"- - -\" 0 NR - - \"-\" 0 0 - - \"-\" "
                        "\"-\" \"-\" \"-\" \"-\" - - - - - -\n");
    text_cleanup(&content);
}

/* OB-3 */
static void json_has_its_keys(void **state)
{
    struct format_record record = sample();
    struct text content = written(*state, "json", &record);

    assert_string_equal(
        content.ptr,
        "{\"start_time\":\"2026-01-02T03:04:05.678Z\",\"route_name\":null,\"method\":\"GET\","
        "\"path\":\"/old\",\"protocol\":\"HTTP/1.1\",\"response_code\":200,"
        "\"response_flags\":\"-\",\"response_code_details\":\"via_upstream\","
        "\"connection_termination_details\":null,\"bytes_received\":1,\"bytes_sent\":2,"
        "\"duration\":12,\"upstream_service_time\":5,\"x_forwarded_for\":\"10.0.0.9\","
        "\"user_agent\":\"evil\\\"\\nagent\",\"request_id\":null,"
        "\"authority\":\"a.example.com\",\"upstream_host\":\"10.0.0.2:80\","
        "\"upstream_cluster\":\"outbound|80||a.ns.svc.cluster.local\","
        "\"upstream_local_address\":\"10.0.0.1:5000\","
        "\"downstream_local_address\":\"10.0.0.1:443\","
        "\"downstream_remote_address\":\"10.0.0.9:4711\","
        "\"requested_server_name\":\"a.example.com\","
        "\"upstream_transport_failure_reason\":null}\n");
    text_cleanup(&content);
}

static void a_format_of_the_operators(void **state)
{
    struct format_record record = sample();
    struct text content = written(*state, "%REQ(:METHOD)% %RESPONSE_CODE%\n", &record);

    assert_string_equal(content.ptr, "GET 200\n");
    text_cleanup(&content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_cannot_be_opened_is_told, start, stop),
        cmocka_unit_test_setup_teardown(off_is_no_log, start, stop),
        cmocka_unit_test_setup_teardown(istios_line, start, stop),
        cmocka_unit_test_setup_teardown(an_empty_record_is_a_line_of_dashes, start, stop),
        cmocka_unit_test_setup_teardown(json_has_its_keys, start, stop),
        cmocka_unit_test_setup_teardown(a_format_of_the_operators, start, stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
