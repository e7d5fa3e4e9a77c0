/* pattern: does a string fit: present, exact, prefix or regex (spec HT-22 to HT-24). The door to
 * pcre2: compiled with JIT and a size cap, matched whole-string with step, depth and heap limits, so
 * no input can make one match expensive. Compiled patterns are shared by threads; match data is each
 * thread's own. Istio's patterns are RE2: what RE2 would refuse is refused here too. */
#ifndef GATEWAY_ROUTE_PATTERN_H
#define GATEWAY_ROUTE_PATTERN_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/base/text.h"

enum pattern_kind { PATTERN_PRESENT, PATTERN_EXACT, PATTERN_PREFIX, PATTERN_REGEX };

struct pattern;

/* What is allocated outside the arena (the compiled regex) is freed by pattern_free(); a snapshot
 * keeps a list of its patterns. NULL with err: not a valid RE2 pattern, too large, or a construct
 * that RE2 has not (back-reference, look-around, ...), named in the text. */
struct pattern *pattern_new(struct arena *arena, enum pattern_kind kind, struct str value,
                            bool ignore_case, struct err *err);
void pattern_free(struct pattern *pattern);
enum pattern_kind pattern_kind(const struct pattern *pattern);
struct str pattern_value(const struct pattern *pattern);
/* exact and prefix only: was ignoreUriCase asked for. */
bool pattern_ignores_case(const struct pattern *pattern);
/* What every matching subject starts with, up to ASCII case: the value of exact and prefix, the
 * literal start of a regex. Empty: nothing can be said. */
struct str pattern_literal_start(const struct pattern *pattern);
/* A match that hits a limit is no match, and is counted. */
bool pattern_matches(const struct pattern *pattern, struct str subject);
/* RE2 GlobalReplace (HT-74): `rewrite` has \0 to \9. Appends the outcome; false: nothing matched (then
 * the subject is appended unchanged). Only for PATTERN_REGEX, made with pattern_new_search(). */
struct pattern *pattern_new_search(struct arena *arena, struct str regex, struct err *err);
bool pattern_replace_all(const struct pattern *pattern, struct str subject, struct str rewrite,
                         struct text *out);
/* A rewrite text: \0 to \9 below the group count of `pattern`, and \\ only (spec HT-74). */
bool pattern_check_rewrite(const struct pattern *pattern, struct str rewrite, struct err *err);
/* Matches given up at a limit since start, over all threads. */
uint64_t pattern_limit_count(void);
const char *pattern_library_version(void);

#endif
