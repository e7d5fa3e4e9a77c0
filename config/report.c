/* report: collects findings and prints them. Texts live in the report's arena. Control thread. */
#include "config/report.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"

#include <stdlib.h>

#define ARENA_BLOCK_BYTES (16u * 1024u)

static const struct finding_type finding_types[] = {
#define FINDING(name, code, severity, istio, advice)                                               \
    [FINDING_##name] = { code, SEVERITY_##severity, istio, advice },
#include "config/findings.def"
#undef FINDING
};

const struct finding_type *report_finding_type(enum finding_code code)
{
    CHECK((size_t)code < FINDING_CODE_COUNT);
    return &finding_types[code];
}

const char *report_severity_name(enum severity severity)
{
    switch (severity) {
    case SEVERITY_INFO:
        return "info";
    case SEVERITY_WARNING:
        return "warning";
    case SEVERITY_ERROR:
        return "error";
    case SEVERITY_COUNT:
        break;
    }
    return "unknown";
}

void report_init(struct report *report)
{
    memset(report, 0, sizeof(*report));
    report->arena = arena_new(ARENA_BLOCK_BYTES);
}

void report_cleanup(struct report *report)
{
    vec_cleanup(&report->findings);
    arena_free(report->arena);
    memset(report, 0, sizeof(*report));
}

void report_add_va(struct report *report, enum finding_code code, enum severity severity,
                   const struct finding_at *at, const char *format, va_list args)
{
    static const struct finding_at nowhere;

    report->counts[severity]++;
    if (report->findings.count >= LIMIT_FINDINGS) {
        report->dropped_count++;
        return;
    }
    at = at != NULL ? at : &nowhere;
    struct finding finding = { .code = code, .severity = severity, .place = at->place };
    const char *advice = at->advice != NULL ? at->advice : report_finding_type(code)->advice;

    if (at->object != NULL) {
        finding.object = arena_copy_str(report->arena, at->object->key);
        finding.file = arena_copy_str(report->arena, at->object->file);
        finding.place = at->place.line != 0 ? at->place : at->object->place;
    } else {
        finding.file = arena_copy_str(report->arena, at->file);
    }
    finding.field = arena_copy_str(report->arena, str_from_cstr(at->field));
    finding.advice = arena_copy_str(report->arena, str_from_cstr(advice));
    finding.message = arena_vprintf(report->arena, format, args);
    vec_push(&report->findings, finding);
}

void report_add_severity(struct report *report, enum finding_code code, enum severity severity,
                         const struct finding_at *at, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add_va(report, code, severity, at, format, args);
    va_end(args);
}

void report_add(struct report *report, enum finding_code code, const struct finding_at *at,
                const char *format, ...)
{
    va_list args;

    va_start(args, format);
    report_add_va(report, code, report_finding_type(code)->severity, at, format, args);
    va_end(args);
}

/* --- order ------------------------------------------------------------------------------------ */

struct sort_entry {
    const struct finding *finding;
    size_t index; /* makes qsort() stable */
};

static int compare_entries(const void *left, const void *right)
{
    const struct sort_entry *a = left;
    const struct sort_entry *b = right;
    int order = str_compare(a->finding->file, b->finding->file);

    if (order != 0) {
        return order;
    }
    if (a->finding->place.line != b->finding->place.line) {
        return a->finding->place.line < b->finding->place.line ? -1 : 1;
    }
    if (a->finding->place.column != b->finding->place.column) {
        return a->finding->place.column < b->finding->place.column ? -1 : 1;
    }
    return a->index < b->index ? -1 : 1;
}

void report_sort(struct report *report)
{
    size_t count = report->findings.count;

    if (count < 2) {
        return;
    }
    struct sort_entry *entries = mem_alloc_array(count, sizeof(*entries));
    struct finding *sorted = mem_alloc_array(count, sizeof(*sorted));

    for (size_t i = 0; i < count; i++) {
        entries[i] = (struct sort_entry){ &report->findings.items[i], i };
    }
    qsort(entries, count, sizeof(*entries), compare_entries);
    for (size_t i = 0; i < count; i++) {
        sorted[i] = *entries[i].finding;
    }
    memcpy(report->findings.items, sorted, count * sizeof(*sorted));
    mem_free(entries);
    mem_free(sorted);
}

/* --- print ------------------------------------------------------------------------------------ */

/* Names and values come from files: control bytes would reach the operator's terminal. */
static void add_printable(struct text *text, struct str view)
{
    for (size_t i = 0; i < view.len; i++) {
        unsigned char c = (unsigned char)view.ptr[i];

        if (c < 0x20 || c == 0x7f) {
            text_printf(text, "\\x%02x", c);
        } else {
            text_add_char(text, (char)c);
        }
    }
}

void report_print_finding(const struct finding *finding, struct text *text)
{
    const struct finding_type *type = report_finding_type(finding->code);

    if (finding->file.len > 0) {
        add_printable(text, finding->file);
        if (finding->place.line != 0) {
            text_printf(text, ":%u:%u", finding->place.line, finding->place.column);
        }
        text_add_cstr(text, ": ");
    }
    text_printf(text, "%s: %s", report_severity_name(finding->severity), type->code);
    if (type->istio[0] != '\0') {
        text_printf(text, " [%s]", type->istio);
    }
    if (finding->object.len > 0) {
        text_add_char(text, ' ');
        add_printable(text, finding->object);
    }
    text_add_cstr(text, ": ");
    if (finding->field.len > 0) {
        add_printable(text, finding->field);
        text_add_cstr(text, ": ");
    }
    add_printable(text, finding->message);
    if (finding->advice.len > 0) {
        text_add_cstr(text, " (");
        add_printable(text, finding->advice);
        text_add_char(text, ')');
    }
}

void report_print(const struct report *report, struct text *text)
{
    for (size_t i = 0; i < report->findings.count; i++) {
        report_print_finding(&report->findings.items[i], text);
        text_add_char(text, '\n');
    }
    if (report->dropped_count > 0) {
        text_printf(text, "%zu more findings are not shown\n", report->dropped_count);
    }
}
