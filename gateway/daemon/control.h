/* control: the control thread: starts everything, turns the loop for signals, files and pages, ends
 * everything. */
#ifndef GATEWAY_DAEMON_CONTROL_H
#define GATEWAY_DAEMON_CONTROL_H

#include "gateway/daemon/options.h"

/* Serves until a signal or a page ends it. Returns the exit status. */
int control_run(const struct options *options);

#endif
