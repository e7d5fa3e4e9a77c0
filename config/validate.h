/* validate: what only shows across objects, and what is not honoured yet. Findings only; nothing is
 * changed. */
#ifndef CONFIG_VALIDATE_H
#define CONFIG_VALIDATE_H

#include "config/compile.h"

/* References to what is not there (gateways, subsets, delegates, hosts not in the Gateway), two
 * objects that fight, and fields that parse but are not honoured yet, each by name. */
void validate_resources(const struct compile_options *options, const struct resource_set *resources,
                        struct report *report);

#endif
