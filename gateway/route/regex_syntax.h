/* regex_syntax: RE2's syntax, checked and spelled so that pcre2 means the same by it. Istio's regexes
 * are RE2 (spec RL-48, HT-23); what pcre2 has beyond it (back-references, look-around, possessive
 * and atomic groups, recursion, verbs) is refused by name: it is not portable, and it is what makes
 * a match expensive. Pure. */
#ifndef GATEWAY_ROUTE_REGEX_SYNTAX_H
#define GATEWAY_ROUTE_REGEX_SYNTAX_H

#include "gateway/base/arena.h"
#include "gateway/base/err.h"

struct regex_syntax {
    struct str translated;    /* for pcre2 */
    struct str literal_start; /* what every match begins with when anchored; may be empty */
    bool ignores_case;        /* of literal_start: begins with (?i) */
};

bool regex_syntax_translate(struct arena *arena, struct str regex, struct regex_syntax *syntax,
                            struct err *err);

#endif
