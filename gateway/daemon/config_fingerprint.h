/* config_fingerprint: one number for all configuration files: names, bytes, and which cannot be read.
 * Equal numbers mean that loading again would give the same. */
#ifndef GATEWAY_DAEMON_CONFIG_FINGERPRINT_H
#define GATEWAY_DAEMON_CONFIG_FINGERPRINT_H

#include "gateway/base/vec.h"

/* Never 0, which stands for "never loaded". Control thread. */
uint64_t config_fingerprint(const struct str_vec *paths);

#endif
