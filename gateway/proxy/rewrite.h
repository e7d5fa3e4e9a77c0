/* rewrite: the path as it goes upstream (spec 5.6). Pure; used by the exchange and by `explain`. */
#ifndef GATEWAY_PROXY_REWRITE_H
#define GATEWAY_PROXY_REWRITE_H

#include "gateway/route/route.h"

/* *rewritten is the new path, without query. False: the path stays as it is. */
bool rewrite_path(const struct route *route, struct str path, struct str *rewritten,
                  struct arena *arena);
/* The matched prefix of `path` replaced (HT-57, HT-71); a route without a URI match has the prefix
 * "/". */
struct str rewrite_replace_prefix(const struct route *route, struct str path,
                                  struct str replacement, struct arena *arena);

#endif
