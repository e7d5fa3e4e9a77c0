/* version_command: `gatehouse version`: ourselves, each library by name and version, and what was probed
 * of it. */
#ifndef GATEWAY_DAEMON_VERSION_COMMAND_H
#define GATEWAY_DAEMON_VERSION_COMMAND_H

#include <stdbool.h>

/* Returns the exit status. */
int version_command_run(bool is_json);
const char *version_command_version(void); /* "0.1.0" */
const char *version_command_commit(void);

#endif
