/* validate_command: the pure part of a reload, once, with the findings as the result. Uses the code
 * that serves, so what passes here is what serves. One thread. */
#include "gateway/daemon/validate_command.h"

#include "config/compile.h"
#include "config/validate.h"
#include "gateway/admin/admin_page.h"
#include "gateway/base/now.h"

#include <stdio.h>

static void validate_command_load(const struct options *options, struct report *report,
                                  struct text *summary)
{
    const struct resource_load_options load_options = { .is_strict = options->is_strict };
    struct compile_options compile_options = {
        .own_namespace = options->own_namespace,
        .domain = STR("cluster.local"),
        .has_labels = options->has_labels,
        .labels = options->labels,
        .bind = options->bind,
        .connect_timeout_ms = options->connect_timeout_ms,
    };
    compile_options.port_map.items = options->port_map.items;
    compile_options.port_map.count = options->port_map.count;

    struct secret_store *secrets = secret_store_new(options->own_namespace);
    for (size_t i = 0; i < options->secret_paths.count; i++) {
        secret_store_add_directory(secrets, options->secret_paths.items[i].ptr);
    }
    struct ticket_keys *keys = ticket_keys_new();
    struct tls_context_cache *contexts = tls_context_cache_new(keys);
    struct tls_client_context_cache *client_contexts = tls_client_context_cache_new();
    struct resource_set *set = resource_set_load(
        options->config_paths.items, options->config_paths.count, &load_options, NULL, report);
    validate_resources(&compile_options, set, report);
    compile_want_secrets(&compile_options, set, secrets, report);
    (void)secret_store_load(secrets, (int64_t)(now_wall_us() / 1000000)); /* all are new */
    struct snapshot *snapshot =
        compile_snapshot(&compile_options, set, secrets, contexts, client_contexts, report);
    size_t objects = 0;
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        objects += set->objects[kind].count;
    }
    text_printf(summary,
                "%zu files, %zu documents: %zu objects in force, %zu refused, %zu of other kinds "
                "skipped; %zu listeners, %zu secrets",
                set->file_count, set->document_count, objects, set->refused_count,
                set->skipped_count, snapshot->listener_count, secret_store_count(secrets));
    if (snapshot_unref(snapshot)) {
        snapshot_free(snapshot);
    }
    resource_set_free(set);
    tls_context_cache_free(contexts);
    tls_client_context_cache_free(client_contexts);
    ticket_keys_free(keys);
    secret_store_free(secrets);
}

int validate_command_status(const struct report *report)
{
    for (size_t i = 0; i < report->findings.count; i++) {
        switch ((int)report->findings.items[i].code) {
        case FINDING_FILE_UNREADABLE:
        case FINDING_YAML_SYNTAX:
        case FINDING_YAML_LIMIT:
            return 65;
        default:
            break;
        }
    }
    return report->counts[SEVERITY_ERROR] != 0 ? 78 : 0;
}

static void validate_command_write_json(const struct report *report, struct text *out)
{
    struct json json;

    json_init(&json, out, true);
    json_open_object(&json);
    json_put_u64(&json, "errors", report->counts[SEVERITY_ERROR]);
    json_put_u64(&json, "warnings", report->counts[SEVERITY_WARNING]);
    json_put_u64(&json, "notes", report->counts[SEVERITY_INFO]);
    json_key(&json, "findings");
    json_open_array(&json);
    for (size_t i = 0; i < report->findings.count; i++) {
        admin_page_put_finding(&json, &report->findings.items[i]);
    }
    json_close_array(&json);
    json_close_object(&json);
    text_add_char(out, '\n');
}

int validate_command_run(const struct options *options)
{
    struct report report;
    struct text out = { 0 };
    struct text summary = { 0 };

    log_set_level(STR(""), options->log_level);
    report_init(&report);
    validate_command_load(options, &report, &summary);
    report_sort(&report);
    if (options->is_json_output) {
        validate_command_write_json(&report, &out);
    } else {
        report_print(&report, &out);
    }
    size_t written = out.len != 0 ? fwrite(out.ptr, 1, out.len, stdout) : 0;
    bool is_written = written == out.len && fflush(stdout) == 0;
    (void)fprintf(stderr, "%s; %zu errors, %zu warnings, %zu notes\n", summary.ptr,
                  report.counts[SEVERITY_ERROR], report.counts[SEVERITY_WARNING],
                  report.counts[SEVERITY_INFO]); /* nowhere to tell that this failed */
    int status = is_written ? validate_command_status(&report) : 1;
    text_cleanup(&out);
    text_cleanup(&summary);
    report_cleanup(&report);
    return status;
}
