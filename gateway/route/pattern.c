/* pattern: exact, prefix and regex matches. The door to pcre2.
 *
 * A regex is first rewritten by regex_syntax.c, which lets through only what RE2 has and spells it
 * so that pcre2 means the same. Patterns are immutable and shared by all threads; match data, match
 * context and JIT stack are each thread's own, made at its first match and freed with the thread. */
#include "gateway/route/pattern.h"

#include "gateway/base/check.h"
#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/route/regex_syntax.h"

#include <pthread.h>
#include <stdatomic.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { PATTERN_GROUPS = 10, JIT_STACK_FIRST_BYTES = 32 * 1024, JIT_STACK_BYTES = 512 * 1024 };

struct pattern {
    enum pattern_kind kind;
    bool ignore_case;
    bool is_search;
    struct str value;
    struct str literal_start; /* of a regex */
    bool is_start_case_sensitive;
    unsigned group_count;
    pcre2_code *code;
};

/* What a thread needs to match. */
struct matcher {
    pcre2_match_data *match_data;
    pcre2_match_context *context;
    pcre2_jit_stack *jit_stack;
};

static atomic_uint_fast64_t limit_count;
static pthread_once_t matcher_once = PTHREAD_ONCE_INIT;
static pthread_key_t matcher_key;

static void free_matcher(void *memory)
{
    struct matcher *matcher = memory;

    pcre2_match_data_free(matcher->match_data);
    pcre2_match_context_free(matcher->context);
    pcre2_jit_stack_free(matcher->jit_stack);
    mem_free(matcher);
}

static void make_matcher_key(void)
{
    CHECK(pthread_key_create(&matcher_key, free_matcher) == 0);
}

static void *allocate(size_t size, void *unused)
{
    (void)unused; /* pcre2's context argument */
    return mem_alloc(size);
}

static void release(void *memory, void *unused)
{
    (void)unused; /* the same */
    mem_free(memory);
}

static struct matcher *matcher_of_thread(void)
{
    struct matcher *matcher;
    pcre2_general_context *general;

    (void)pthread_once(&matcher_once, make_matcher_key); /* cannot fail with these arguments */
    matcher = pthread_getspecific(matcher_key);
    if (matcher != NULL) {
        return matcher;
    }
    matcher = mem_new(struct matcher);
    general = pcre2_general_context_create(allocate, release, NULL);
    matcher->match_data = pcre2_match_data_create(PATTERN_GROUPS, general);
    matcher->context = pcre2_match_context_create(general);
    (void)pcre2_set_match_limit(matcher->context, LIMIT_REGEX_MATCH_STEPS);
    (void)pcre2_set_depth_limit(matcher->context, LIMIT_REGEX_DEPTH);
    (void)pcre2_set_heap_limit(matcher->context, LIMIT_REGEX_HEAP_KIB);
    /* NULL where there is no JIT for the machine: the interpreter then works on the heap. */
    matcher->jit_stack = pcre2_jit_stack_create(JIT_STACK_FIRST_BYTES, JIT_STACK_BYTES, general);
    if (matcher->jit_stack != NULL) {
        pcre2_jit_stack_assign(matcher->context, NULL, matcher->jit_stack);
    }
    pcre2_general_context_free(general);
    CHECK(pthread_setspecific(matcher_key, matcher) == 0);
    return matcher;
}

/* `\s` and friends mean ASCII in RE2, as in pcre2 without UCP. Text is UTF-8; bytes that are not
 * never match, as in RE2. */
static pcre2_code *compile_code(struct str source, uint32_t options, struct err *err)
{
    int code_error;
    PCRE2_SIZE offset;
    PCRE2_UCHAR message[160];
    pcre2_general_context *general = pcre2_general_context_create(allocate, release, NULL);
    pcre2_compile_context *context = pcre2_compile_context_create(general);
    pcre2_code *code;

    /* RE2's "." stops at "\n" only, whatever the library was built for. */
    (void)pcre2_set_newline(context, PCRE2_NEWLINE_LF);
    code = pcre2_compile((PCRE2_SPTR)source.ptr, source.len,
                         options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_DOLLAR_ENDONLY |
                             PCRE2_NEVER_BACKSLASH_C,
                         &code_error, &offset, context);
    pcre2_compile_context_free(context);
    pcre2_general_context_free(general);
    if (code == NULL) {
        (void)pcre2_get_error_message(code_error, message, sizeof(message));
        err_set(err, ERR_CONFIG, "not a valid regular expression: %s", (const char *)message);
    }
    return code;
}

static bool compile_regex(struct arena *arena, struct pattern *pattern, struct err *err)
{
    struct regex_syntax syntax;
    size_t code_bytes = 0;
    uint32_t group_count = 0;
    uint32_t options =
        pattern->is_search ? 0 : PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_NO_AUTO_CAPTURE;

    if (!regex_syntax_translate(arena, pattern->value, &syntax, err)) {
        return false;
    }
    pattern->code = compile_code(syntax.translated, options, err);
    if (pattern->code == NULL) {
        return false;
    }
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_SIZE, &code_bytes);
    if (code_bytes > LIMIT_REGEX_CODE_BYTES) {
        err_set(err, ERR_LIMIT, "the regular expression becomes too large (%zu bytes, at most %u)",
                code_bytes, LIMIT_REGEX_CODE_BYTES);
        return false;
    }
    (void)pcre2_pattern_info(pattern->code, PCRE2_INFO_CAPTURECOUNT, &group_count);
    pattern->group_count = group_count;
    pattern->literal_start = syntax.literal_start;
    pattern->is_start_case_sensitive = !syntax.ignores_case;
    /* An error means no JIT for this machine or this pattern: it is then interpreted, under the same
     * limits. */
    (void)pcre2_jit_compile(pattern->code, PCRE2_JIT_COMPLETE);
    return true;
}

static struct pattern *make_pattern(struct arena *arena, const struct pattern *model,
                                    struct err *err)
{
    struct pattern *pattern = arena_new_object(arena, struct pattern);

    *pattern = *model;
    pattern->value = arena_copy_str(arena, model->value);
    if (pattern->kind == PATTERN_REGEX && !compile_regex(arena, pattern, err)) {
        pattern_free(pattern);
        return NULL;
    }
    return pattern;
}

struct pattern *pattern_new(struct arena *arena, enum pattern_kind kind, struct str value,
                            bool ignore_case, struct err *err)
{
    struct pattern model = { .kind = kind, .value = value, .ignore_case = ignore_case };

    return make_pattern(arena, &model, err);
}

struct pattern *pattern_new_search(struct arena *arena, struct str regex, struct err *err)
{
    struct pattern model = { .kind = PATTERN_REGEX, .value = regex, .is_search = true };

    return make_pattern(arena, &model, err);
}

void pattern_free(struct pattern *pattern)
{
    if (pattern != NULL) {
        pcre2_code_free(pattern->code);
        pattern->code = NULL; /* the rest is the arena's */
    }
}

enum pattern_kind pattern_kind(const struct pattern *pattern)
{
    return pattern->kind;
}

struct str pattern_value(const struct pattern *pattern)
{
    return pattern->value;
}

bool pattern_ignores_case(const struct pattern *pattern)
{
    return pattern->ignore_case;
}

struct str pattern_literal_start(const struct pattern *pattern)
{
    switch (pattern->kind) {
    case PATTERN_EXACT:
    case PATTERN_PREFIX:
        return pattern->value;
    case PATTERN_REGEX:
        return pattern->literal_start;
    case PATTERN_PRESENT:
        break;
    }
    return STR("");
}

/* From `start` on; the offsets of the match are in the matcher's data. A match that hits a limit is
 * none: no input may make one request expensive. */
static bool run_regex(const struct pattern *pattern, struct matcher *matcher, struct str subject,
                      size_t start, bool *hit_limit)
{
    static const char nothing[1] = "";
    const char *bytes = subject.ptr != NULL ? subject.ptr : nothing;
    int outcome = pcre2_match(pattern->code, (PCRE2_SPTR)bytes, subject.len, start, 0,
                              matcher->match_data, matcher->context);

    /* 0: it matched, with more groups than we keep. */
    *hit_limit = outcome < 0 && outcome != PCRE2_ERROR_NOMATCH;
    if (*hit_limit) {
        atomic_fetch_add_explicit(&limit_count, 1, memory_order_relaxed);
    }
    return outcome >= 0;
}

static bool matches_regex(const struct pattern *pattern, struct str subject)
{
    bool hit_limit;

    if (pattern->is_start_case_sensitive && !str_starts_with(subject, pattern->literal_start)) {
        return false;
    }
    return run_regex(pattern, matcher_of_thread(), subject, 0, &hit_limit);
}

bool pattern_matches(const struct pattern *pattern, struct str subject)
{
    switch (pattern->kind) {
    case PATTERN_PRESENT:
        return true;
    case PATTERN_EXACT:
        return pattern->ignore_case ? str_equals_nocase(subject, pattern->value)
                                    : str_equals(subject, pattern->value);
    case PATTERN_PREFIX:
        return pattern->ignore_case ? str_starts_with_nocase(subject, pattern->value)
                                    : str_starts_with(subject, pattern->value);
    case PATTERN_REGEX:
        return matches_regex(pattern, subject);
    }
    return false;
}

/* \0 to \9 and \\; checked by pattern_check_rewrite() when loaded. */
static void add_rewrite(const struct pattern *pattern, const PCRE2_SIZE *offsets,
                        struct str subject, struct str rewrite, struct text *out)
{
    for (size_t i = 0; i < rewrite.len; i++) {
        char c = rewrite.ptr[i];

        if (c != '\\' || i + 1 == rewrite.len) {
            text_add_char(out, c);
            continue;
        }
        c = rewrite.ptr[++i];
        if (c < '0' || c > '9') {
            text_add_char(out, c);
            continue;
        }
        unsigned group = (unsigned)(c - '0');
        /* A group that took no part is empty. */
        if (group <= pattern->group_count && offsets[2 * group] != PCRE2_UNSET) {
            text_add(out, str_slice(subject, offsets[2 * group],
                                    offsets[2 * group + 1] - offsets[2 * group]));
        }
    }
}

static void take_back(struct text *out, size_t len, struct str subject)
{
    out->len = len;
    text_add(out, subject);
}

/* One character after an empty match, so that UTF-8 is never torn apart. */
static size_t step_over(struct str subject, size_t at)
{
    size_t len = str_utf8_length(str_skip(subject, at));

    return at + (len != 0 ? len : 1);
}

bool pattern_replace_all(const struct pattern *pattern, struct str subject, struct str rewrite,
                         struct text *out)
{
    struct matcher *matcher = matcher_of_thread();
    const PCRE2_SIZE *offsets = pcre2_get_ovector_pointer(matcher->match_data);
    size_t former_len = out->len;
    size_t at = 0;
    size_t last_end = SIZE_MAX;
    size_t count = 0;
    bool hit_limit = false;

    CHECK(pattern->is_search);
    CHECK(subject.ptr != NULL || subject.len == 0);
    /* The walk of RE2's GlobalReplace: no empty match right behind the match before it. */
    while (at <= subject.len && run_regex(pattern, matcher, subject, at, &hit_limit)) {
        size_t start = offsets[0];
        size_t end = offsets[1];

        text_add(out, str_slice(subject, at, start - at));
        if (start == end && start == last_end) {
            at = start < subject.len ? step_over(subject, start) : start + 1;
            text_add(out, str_slice(subject, start, at - start));
            continue;
        }
        add_rewrite(pattern, offsets, subject, rewrite, out);
        at = end;
        last_end = end;
        count++;
        if (count > LIMIT_REGEX_REPLACEMENTS ||
            out->len - former_len > LIMIT_REWRITTEN_PATH_BYTES) {
            atomic_fetch_add_explicit(&limit_count, 1, memory_order_relaxed);
            hit_limit = true;
            break;
        }
    }
    if (hit_limit || count == 0) {
        take_back(out, former_len, subject);
        return false;
    }
    text_add(out, str_skip(subject, at));
    return true;
}

bool pattern_check_rewrite(const struct pattern *pattern, struct str rewrite, struct err *err)
{
    for (size_t i = 0; i < rewrite.len; i++) {
        if (rewrite.ptr[i] != '\\') {
            continue;
        }
        char c = ++i < rewrite.len ? rewrite.ptr[i] : '\0';

        if (c == '\\') {
            continue;
        }
        if (c < '0' || c > '9') {
            err_set(err, ERR_CONFIG,
                    "a backslash in the rewrite must be followed by a digit or a "
                    "backslash");
            return false;
        }
        if ((unsigned)(c - '0') > pattern->group_count) {
            err_set(err, ERR_CONFIG, "the rewrite uses \\%c, but the expression has %u groups", c,
                    pattern->group_count);
            return false;
        }
    }
    return true;
}

uint64_t pattern_limit_count(void)
{
    return atomic_load_explicit(&limit_count, memory_order_relaxed);
}

static char library_version[64];
static pthread_once_t library_version_once = PTHREAD_ONCE_INIT;

static void ask_library_version(void)
{
    CHECK(pcre2_config(PCRE2_CONFIG_VERSION, NULL) <= (int)sizeof(library_version));
    (void)pcre2_config(PCRE2_CONFIG_VERSION, library_version); /* asked for its length above */
}

const char *pattern_library_version(void)
{
    (void)pthread_once(&library_version_once, ask_library_version); /* cannot fail */
    return library_version;
}
