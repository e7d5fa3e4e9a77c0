/* not_honoured: fields that parse but have no effect yet, each by its path: a user must not believe
 * in a policy that is not in force. A field leaves this list with the feature that honours it. */
#ifndef CONFIG_NOT_HONOURED_H
#define CONFIG_NOT_HONOURED_H

#include "config/report.h"

void not_honoured_virtual_service(struct report *report, const struct virtual_service *service);
void not_honoured_destination_rule(struct report *report, const struct destination_rule *rule);
void not_honoured_service(struct report *report, const struct service *service);

#endif
