/* cpu_count: how many CPUs this process may use: by its affinity mask and by the quota of its cgroup
 * (version 2 or 1), not by what the host has. */
#ifndef GATEWAY_DAEMON_CPU_COUNT_H
#define GATEWAY_DAEMON_CPU_COUNT_H

#include "gateway/base/str.h"

/* At least 1, at most LIMIT_WORKERS. */
unsigned cpu_count(void);
/* Pure parts, for tests. CPUs of a quota, rounded up; 0: no quota. */
unsigned cpu_count_of_quota_v2(struct str cpu_max); /* "150000 100000", "max 100000" */
unsigned cpu_count_of_quota_v1(struct str quota_us, struct str period_us); /* "-1": none */

#endif
