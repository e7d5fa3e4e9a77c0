/* validate_command: `gatehouse validate`: load, check and compile, tell the findings, serve nothing. */
#ifndef GATEWAY_DAEMON_VALIDATE_COMMAND_H
#define GATEWAY_DAEMON_VALIDATE_COMMAND_H

#include "gateway/daemon/options.h"

/* Findings on standard output, a summary on standard error. Returns the exit status: 0, 65 when a file
 * cannot be read as YAML, 78 when an object is not valid. */
int validate_command_run(const struct options *options);
/* The status of a report. */
int validate_command_status(const struct report *report);

#endif
