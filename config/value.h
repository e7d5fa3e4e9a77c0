/* value: the common validators of spec section 1.4. Each is exact: what Istio accepts is accepted,
 * what it refuses is refused. Functions that return text return NULL for a good value and else the
 * message for it. Pure. */
#ifndef CONFIG_VALUE_H
#define CONFIG_VALUE_H

#include "config/resources.h"
#include "gateway/base/str.h"

#include <stdbool.h>

bool value_is_dns_label(struct str text);       /* RL-40 */
bool value_is_fqdn(struct str text);            /* RL-41 */
bool value_is_wildcard_domain(struct str text); /* RL-42 */
/* A `*` that is neither the whole name nor its first label. */
bool value_is_partial_wildcard(struct str text); /* RL-43 */
bool value_is_port(uint32_t number);             /* RL-44 */
bool value_is_ip(struct str text);
/* An address with a prefix length. */
bool value_is_cidr(struct str text);
/* `unix:///path` or `unix://@name`. */
bool value_is_unix_address(struct str text);
const char *value_duration_problem(const struct optional_duration *duration); /* RL-45 */
bool value_is_label_key(struct str text);                                     /* RL-47 */
bool value_is_label_value(struct str text);                                   /* RL-47 */
/* Characters of a header name (RFC 9110 5.1). */
bool value_is_header_name(struct str text);
/* A header name, a pseudo header or a claim of a token. */
bool value_is_header_match_name(struct str text); /* RL-49 */
bool value_is_claim_name(struct str text);
const char *value_header_value_problem(struct str text); /* RL-50 */
/* `a` contains `b` as a set of names: equal, or a wildcard above it (SN-52). */
bool value_host_contains(struct str a, struct str b);

#endif
