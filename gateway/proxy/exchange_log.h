/* exchange_log: what is told of requests: metrics and the access log. */
#ifndef GATEWAY_PROXY_EXCHANGE_LOG_H
#define GATEWAY_PROXY_EXCHANGE_LOG_H

#include "gateway/proxy/exchange.h"

/* What is known by now, for header formats and the access log. Views live as long as the exchange.
 */
void exchange_log_fill(const struct exchange *exchange, struct format_record *record);
/* Once for each exchange, before its legs are released. */
void exchange_log_finished(struct exchange *exchange);
/* A head the conn refused: there never was an exchange. */
void exchange_log_refused(struct client *client, unsigned status, const char *detail,
                          const struct head *partial_head);
/* A TLS name without a server (SN-8, SN-9). */
void exchange_log_no_server(struct client *client);
/* `side` is "client" or "upstream"; `detail` a stable word. */
void exchange_log_protocol_error(struct worker *worker, struct str side, const char *detail);

#endif
