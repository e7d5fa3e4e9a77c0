/* cpu_count: CPUs this process may use. A pod with a limit of two CPUs on a host of 64 gets two
 * workers: 64 would only be throttled together. Control thread, once. */
#include "gateway/daemon/cpu_count.h"

#include "gateway/base/limits.h"
#include "gateway/daemon/cgroup.h"

#include <sched.h>
#include <unistd.h>

static unsigned cpu_count_divide(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0) {
        return 0;
    }
    uint64_t count = quota / period + (quota % period != 0 ? 1 : 0);
    return count > LIMIT_WORKERS ? LIMIT_WORKERS : (unsigned)count;
}

unsigned cpu_count_of_quota_v2(struct str cpu_max)
{
    struct str rest = cpu_max;
    struct str quota_text;
    uint64_t quota = 0;
    uint64_t period = 0;

    if (!str_split_next(&rest, ' ', &quota_text) || !str_parse_u64(quota_text, &quota) ||
        !str_parse_u64(rest, &period)) {
        return 0;
    }
    return cpu_count_divide(quota, period);
}

unsigned cpu_count_of_quota_v1(struct str quota_us, struct str period_us)
{
    uint64_t quota = 0;
    uint64_t period = 0;

    if (!str_parse_u64(quota_us, &quota) || !str_parse_u64(period_us, &period)) {
        return 0;
    }
    return cpu_count_divide(quota, period);
}

static uint64_t cpu_count_in_v2(const char *directory)
{
    char text[CGROUP_FILE_BYTES];

    return cpu_count_of_quota_v2(cgroup_read(directory, "cpu.max", text));
}

static uint64_t cpu_count_in_v1(const char *directory)
{
    char quota[CGROUP_FILE_BYTES];
    char period[CGROUP_FILE_BYTES];

    return cpu_count_of_quota_v1(cgroup_read(directory, "cpu.cfs_quota_us", quota),
                                 cgroup_read(directory, "cpu.cfs_period_us", period));
}

unsigned cpu_count(void)
{
    const uint64_t limits[] = {
        cgroup_limit("/sys/fs/cgroup", STR(""), cpu_count_in_v2),
        cgroup_limit("/sys/fs/cgroup/cpu", STR("cpu"), cpu_count_in_v1),
        cgroup_limit("/sys/fs/cgroup/cpu,cpuacct", STR("cpu"), cpu_count_in_v1),
    };
    cpu_set_t set;
    uint64_t count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        count = (uint64_t)CPU_COUNT(&set);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set holds */
        count = online > 0 ? (uint64_t)online : 1;
    }
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        if (limits[i] != 0 && limits[i] < count) {
            count = limits[i];
        }
    }
    return count == 0 ? 1 : count > LIMIT_WORKERS ? LIMIT_WORKERS : (unsigned)count;
}
