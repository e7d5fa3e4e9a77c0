/* response_rules: what happens to a response's head between upstream and client (spec 9.3), and to
 * answers of our own. Pure but for the date. */
#ifndef GATEWAY_PROXY_RESPONSE_RULES_H
#define GATEWAY_PROXY_RESPONSE_RULES_H

#include "gateway/http/head.h"

/* Before the route's operations: takes away what was meant for us (HD-32, HD-33). */
void response_rules_clean(struct head *response);
/* HD-31: milliseconds from the request sent to the first byte of the response. */
void response_rules_set_service_time(struct head *response, uint64_t service_us,
                                     struct arena *arena);
/* After them: `server` is ours whatever anybody said (HD-30), `date` is there (HD-31). */
void response_rules_finish(struct head *response, struct str server_name, struct arena *arena);

#endif
