/* redirect: the Location of a redirect (spec 5.4, GW-52). Pure; used by the exchange and by
 * `explain`.
 */
#ifndef GATEWAY_PROXY_REDIRECT_H
#define GATEWAY_PROXY_REDIRECT_H

#include "gateway/http/head.h"
#include "gateway/route/route.h"

/* The request as routed: path normalised, authority as received. `scheme` by HD-6. */
struct str redirect_location(const struct route *route, const struct head *request,
                             struct str scheme, struct arena *arena);
/* httpsRedirect: the same URL with https, host verbatim with its port (GW-52). */
struct str redirect_to_https(const struct head *request, struct arena *arena);

#endif
