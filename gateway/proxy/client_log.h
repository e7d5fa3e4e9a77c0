/* client_log: what a record for the log says of a connection, whatever went over it. */
#ifndef GATEWAY_PROXY_CLIENT_LOG_H
#define GATEWAY_PROXY_CLIENT_LOG_H

#include "gateway/observe/format.h"
#include "gateway/proxy/client.h"

/* Everything else is absent: the caller fills what it knows. Views live as long as the client. */
void client_log_fill(struct client *client, struct format_record *record);

#endif
