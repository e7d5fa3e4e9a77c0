/* option_value: texts of options to values: durations, sizes, lists. Pure. False with ERR_USAGE
 * leaves the output alone. */
#ifndef GATEWAY_DAEMON_OPTION_VALUE_H
#define GATEWAY_DAEMON_OPTION_VALUE_H

#include "gateway/daemon/options.h"

/* "5s", "1m30s", "100ms", and "0". Whole milliseconds, at most 24 days. */
bool option_value_duration(struct str text, uint32_t *milliseconds, struct err *err);
/* "4096", "60KiB", "1MiB", "2GiB"; `_bytes` takes less than 4 GiB. */
bool option_value_size(struct str text, uint64_t *bytes, struct err *err);
bool option_value_bytes(struct str text, uint32_t *bytes, struct err *err);
bool option_value_count(struct str text, uint32_t *count, struct err *err);
/* "true", "yes", "1", "on" and their opposites: for flags that come from the environment. */
bool option_value_flag(struct str text, bool *flag, struct err *err);
/* "ADDR:PORT" or "off". */
bool option_value_endpoint(struct str text, struct options_endpoint *endpoint, struct err *err);
/* "app=gw,istio=ingressgateway"; appended, a later value of a key wins. */
bool option_value_labels(struct arena *arena, struct str text, struct str_pair_vec *labels,
                         struct err *err);
/* "443=8443,80=8080"; appended, a later entry of a port wins. */
bool option_value_port_map(struct arena *arena, struct str text, struct port_map_vec *port_map,
                           struct err *err);

/* "10.0.0.0/8,192.168.1.7"; appended. */
bool option_value_cidrs(struct arena *arena, struct str text, struct cidr_vec *ranges,
                        struct err *err);

#endif
