/* header_ops: the header operations of routes and destinations (spec 5.7), both directions. Pure.
 */
#ifndef GATEWAY_PROXY_HEADER_OPS_H
#define GATEWAY_PROXY_HEADER_OPS_H

#include "gateway/route/route.h"

bool header_ops_is_empty(const struct route_header_ops *ops);
/* `count` lists (at most HEADER_OPS_LISTS_MAX) taken as one: every value is evaluated over *record
 * first, then all removes, then sets and adds list by list (HT-80, HT-85). Names and values live
 * in `arena`.
 */
enum { HEADER_OPS_LISTS_MAX = 2 };
void header_ops_apply(const struct route_header_ops *const *lists, size_t count,
                      struct headers *headers, const struct format_record *record,
                      struct arena *arena);
/* The value of a format, in `arena`: empty when it evaluates to nothing. */
struct str header_ops_value(const struct format *format, const struct format_record *record,
                            struct arena *arena);

#endif
