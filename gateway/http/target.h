/* target: the request target: its forms, its path and its query. Pure.
 *
 * The parser (h1_parse.c) takes a target apart with target_parse(); the exchange normalises the
 * path once with target_normalize_path(), before any match, and forwards what was matched (spec
 * CN-22). A refusal here is answered with 400 `path_normalization_failed` (LR-15). */
#ifndef GATEWAY_HTTP_TARGET_H
#define GATEWAY_HTTP_TARGET_H

#include "gateway/http/head.h"

/* Option --path-normalization (spec CN-20). */
enum path_normalization {
    PATH_NORMALIZATION_NONE,
    PATH_NORMALIZATION_BASE,
    PATH_NORMALIZATION_MERGE_SLASHES,
    PATH_NORMALIZATION_DECODE_AND_MERGE_SLASHES,
};

/* "none", "base", "merge-slashes", "decode-and-merge-slashes". */
bool path_normalization_from(struct str text, enum path_normalization *mode);
struct str path_normalization_name(enum path_normalization mode);

/* Takes head->target apart (RFC 9112 3.2), by head->method: fills path, query, has_query, and for
 * the absolute and authority forms scheme and authority. A fragment is cut off (CN-23). Views of
 * the target. False when the target has none of the four forms, or one its method does not allow.
 */
bool target_parse(struct head *head);

/* *normal is `path` itself when nothing changes, else built in `arena`. False when the path must be
 * refused, in every mode: a raw control byte, space, non-ASCII byte or backslash, a broken escape,
 * an escaped NUL, no leading slash (but for "*"). But in mode none also: a dot segment that only
 * shows once %2f or %5c is decoded. Dot segments that climb above the root stop there (CN-22). */
bool target_normalize_path(struct str path, enum path_normalization mode, struct arena *arena,
                           struct str *normal);

/* Path and query of a request that leaves. A rewrite may bring what no target can carry (spaces,
 * control and non-ASCII bytes, '#'): such bytes are percent-encoded. `out` has room for
 * target_written_bytes_max(). Returns the length. */
size_t target_write(const struct head *head, char *out);
size_t target_written_bytes_max(const struct head *head);

/* The first value of a query parameter, raw: not decoded, '+' kept; empty without '=' (spec HT-31).
 * False when there is none of that name. */
bool target_query_get(struct str query, struct str name, struct str *value);

/* "example.com" of "example.com:8443", "[::1]" of "[::1]:80". */
struct str target_authority_host(struct str authority);
/* The port's digits; empty when there is none. */
struct str target_authority_port(struct str authority);

#endif
