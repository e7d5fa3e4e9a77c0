/* report: what loading and compiling found: errors, warnings and notes, each with its place.
 * Findings and their texts live in the report's arena. Control thread only.
 * The codes, with severity and advice, are the rows of findings.def. */
#ifndef CONFIG_REPORT_H
#define CONFIG_REPORT_H

#include "config/resources.h"
#include "gateway/base/str.h"
#include "gateway/base/text.h"
#include "gateway/base/vec.h"

enum severity {
    SEVERITY_INFO,
    SEVERITY_WARNING,
    SEVERITY_ERROR,
    SEVERITY_COUNT,
};

enum finding_code {
#define FINDING(name, code, severity, istio, advice) FINDING_##name,
#include "config/findings.def"
#undef FINDING
    FINDING_CODE_COUNT,
};

/* One row of findings.def. */
struct finding_type {
    const char *code; /* "GH0201" */
    enum severity severity;
    const char *istio;  /* "IST0106", or "" */
    const char *advice; /* "" when the message says all */
};

struct finding {
    enum finding_code code;
    enum severity severity;
    struct str object; /* "Gateway istio-system/shop"; empty: none */
    struct str file;   /* empty: not about a file */
    struct place place;
    struct str field; /* "spec.servers[0].tls"; empty: the object as a whole */
    struct str message;
    struct str advice;
};

struct report {
    struct arena *arena;
    struct {
        VEC_FIELDS(struct finding);
    } findings;
    size_t counts[SEVERITY_COUNT]; /* all, also those beyond the cap */
    size_t dropped_count;          /* found beyond LIMIT_FINDINGS, not kept */
};

/* Where a finding belongs. Leave out what is not known. */
struct finding_at {
    const struct object_meta *object; /* gives object and file; place too when `place` is unknown */
    struct str file;                  /* used when object is NULL */
    struct place place;
    const char *field;
    const char *advice; /* instead of the row's */
};

void report_init(struct report *report);
void report_cleanup(struct report *report);
/* Adds a finding with its row's severity. `at` may be NULL. All texts are copied. */
void report_add(struct report *report, enum finding_code code, const struct finding_at *at,
                const char *format, ...) __attribute__((format(printf, 4, 5)));
/* The same with a severity of the caller's. */
void report_add_severity(struct report *report, enum finding_code code, enum severity severity,
                         const struct finding_at *at, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
void report_add_va(struct report *report, enum finding_code code, enum severity severity,
                   const struct finding_at *at, const char *format, va_list args)
    __attribute__((format(printf, 5, 0)));
/* By file, line, column; findings of one place keep the order in which they were added. */
void report_sort(struct report *report);
/* `FILE:LINE:COL: severity: GHnnnn [IST0106] Gateway ns/name: field: message (advice)`, no newline.
 * Bytes that are not printable are escaped: names come from files. */
void report_print_finding(const struct finding *finding, struct text *text);
/* All findings, a line each; then one line that counts what was dropped, when something was. */
void report_print(const struct report *report, struct text *text);

const struct finding_type *report_finding_type(enum finding_code code);
const char *report_severity_name(enum severity severity);

#endif
