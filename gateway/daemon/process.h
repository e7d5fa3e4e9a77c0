/* process: what the process sets for itself before anything else: limits, signals, no dumps. */
#ifndef GATEWAY_DAEMON_PROCESS_H
#define GATEWAY_DAEMON_PROCESS_H

#include "gateway/base/err.h"

#include <stddef.h>

/* Descriptor limit up to the hard one, no core and no ptrace by others (private keys are in memory),
 * files of ours not for others, SIGPIPE ignored. */
bool process_prepare(struct err *err);
/* Descriptors this process may have. */
size_t process_descriptor_limit(void);
/* Client connections that fit into them: each may need one to an upstream as well. */
size_t process_connection_limit(size_t descriptors, size_t workers);

#endif
