/* finding_log: each finding once. Control thread. */
#include "gateway/daemon/finding_log.h"

#include "gateway/observe/log.h"

/* What makes a finding the same one: not its line, which moves with every edit above it. */
static void finding_log_identity(const struct finding *finding, struct text *out)
{
    const struct str parts[] = { finding->object, finding->file, finding->field, finding->message };

    text_clear(out);
    text_add_cstr(out, report_finding_type(finding->code)->code);
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        text_add_char(out, '\n');
        text_add(out, parts[i]);
    }
}

static void finding_log_tell(const struct finding *finding)
{
    struct text line = { 0 };

    report_print_finding(finding, &line);
    if (finding->severity == SEVERITY_ERROR) {
        LOG_ERROR("reload", "%s", line.ptr);
    } else {
        LOG_WARN("reload", "%s", line.ptr);
    }
    text_cleanup(&line);
}

static void finding_log_remember(struct map *told, struct str identity)
{
    char *copy = mem_copy_string(identity.ptr, identity.len);

    mem_free(map_set(told, str_from(copy, identity.len), copy));
}

static void finding_log_free_map(struct map *told)
{
    size_t position = 0;
    struct str key;
    void *value;

    while (map_next(told, &position, &key, &value)) {
        mem_free(value);
    }
    map_cleanup(told);
}

void finding_log_write(struct finding_log *log, const struct report *const *reports,
                       size_t report_count)
{
    struct map told = { 0 };
    struct text identity = { 0 };

    for (size_t r = 0; r < report_count; r++) {
        for (size_t i = 0; i < reports[r]->findings.count; i++) {
            const struct finding *finding = &reports[r]->findings.items[i];
            if (finding->severity == SEVERITY_INFO) {
                continue;
            }
            finding_log_identity(finding, &identity);
            if (map_get(&log->told, text_view(&identity)) == NULL &&
                map_get(&told, text_view(&identity)) == NULL) {
                finding_log_tell(finding);
            }
            finding_log_remember(&told, text_view(&identity));
        }
    }
    finding_log_free_map(&log->told);
    log->told = told;
    text_cleanup(&identity);
}

size_t finding_log_new_count(const struct finding_log *log, const struct report *report)
{
    struct text identity = { 0 };
    size_t count = 0;

    for (size_t i = 0; i < report->findings.count; i++) {
        finding_log_identity(&report->findings.items[i], &identity);
        if (report->findings.items[i].severity != SEVERITY_INFO &&
            map_get(&log->told, text_view(&identity)) == NULL) {
            count++;
        }
    }
    text_cleanup(&identity);
    return count;
}

void finding_log_cleanup(struct finding_log *log)
{
    finding_log_free_map(&log->told);
    log->told = (struct map){ 0 };
}
