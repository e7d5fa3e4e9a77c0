/* cpu_count: CPUs this process may use. A pod with a limit of two CPUs on a host of 64 gets two
 * workers: 64 would only be throttled together. Control thread, once. */
#include "gateway/daemon/cpu_count.h"

#include "gateway/base/limits.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

enum { CPU_COUNT_FILE_BYTES = 4096, CPU_COUNT_PATH_BYTES = 1024 };

static unsigned cpu_count_divide(uint64_t quota, uint64_t period)
{
    if (quota == 0 || period == 0) {
        return 0;
    }
    uint64_t count = quota / period + (quota % period != 0 ? 1 : 0);
    return count > LIMIT_WORKERS ? LIMIT_WORKERS : (unsigned)count;
}

static struct str cpu_count_trim(struct str text)
{
    while (text.len != 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    return str_trim(text);
}

unsigned cpu_count_of_quota_v2(struct str cpu_max)
{
    struct str rest = cpu_count_trim(cpu_max);
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

    if (!str_parse_u64(cpu_count_trim(quota_us), &quota) ||
        !str_parse_u64(cpu_count_trim(period_us), &period)) {
        return 0;
    }
    return cpu_count_divide(quota, period);
}

static bool cpu_count_lists_controller(struct str list, struct str controller)
{
    struct str part;

    while (str_split_next(&list, ',', &part)) {
        if (str_equals(part, controller)) {
            return true;
        }
    }
    return false;
}

struct str cpu_count_cgroup_path(struct str proc_self_cgroup, struct str controller)
{
    struct str line;

    /* ID:CONTROLLERS:PATH, one hierarchy a line; version 2 has no controllers. */
    while (str_split_next(&proc_self_cgroup, '\n', &line)) {
        struct str id;
        struct str controllers;
        if (!str_split_next(&line, ':', &id) || !str_split_next(&line, ':', &controllers) ||
            line.ptr == NULL) {
            continue;
        }
        bool is_wanted = controller.len == 0 ? str_equals(id, STR("0")) && controllers.len == 0
                                             : cpu_count_lists_controller(controllers, controller);
        if (is_wanted) {
            return line;
        }
    }
    return (struct str){ 0 };
}

static struct str cpu_count_read(const char *path, char buffer[CPU_COUNT_FILE_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd == -1) {
        return (struct str){ 0 };
    }
    ssize_t len = read(fd, buffer, CPU_COUNT_FILE_BYTES);
    (void)close(fd); /* only read from */
    return len > 0 ? str_from(buffer, (size_t)len) : (struct str){ 0 };
}

static unsigned cpu_count_smaller(unsigned a, unsigned b)
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The quota in one directory of the hierarchy. */
static unsigned cpu_count_in(const char *root, struct str group, bool is_v2)
{
    char path[CPU_COUNT_PATH_BYTES];
    char first[CPU_COUNT_FILE_BYTES];
    char second[CPU_COUNT_FILE_BYTES];
    const char *file = is_v2 ? "cpu.max" : "cpu.cfs_quota_us";

    if (snprintf(path, sizeof(path), "%s%.*s/%s", root, STR_ARG(group), file) >=
        (int)sizeof(path)) {
        return 0;
    }
    struct str quota = cpu_count_read(path, first);
    if (is_v2 || quota.len == 0) {
        return cpu_count_of_quota_v2(quota);
    }
    (void)snprintf(path, sizeof(path), "%s%.*s/cpu.cfs_period_us", root, STR_ARG(group));
    return cpu_count_of_quota_v1(quota, cpu_count_read(path, second));
}

/* The smallest quota from our group up to the root: a parent's binds as well. */
static unsigned cpu_count_of_hierarchy(const char *root, struct str group, bool is_v2)
{
    unsigned count = cpu_count_in(root, STR(""), is_v2);

    while (group.len > 1) {
        count = cpu_count_smaller(count, cpu_count_in(root, group, is_v2));
        size_t slash = str_find_last_char(group, '/');
        group = str_slice(group, 0, slash == SIZE_MAX ? 0 : slash);
    }
    return count;
}

unsigned cpu_count(void)
{
    static const char *const ROOTS_V1[] = { "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct" };
    char groups[CPU_COUNT_FILE_BYTES];
    cpu_set_t set;
    unsigned count = 0;

    if (sched_getaffinity(0, sizeof(set), &set) == 0) {
        count = (unsigned)CPU_COUNT(&set);
    } else {
        long online = sysconf(_SC_NPROCESSORS_ONLN); /* more CPUs than the set holds */
        count = online > 0 ? (unsigned)online : 1;
    }
    struct str text = cpu_count_read("/proc/self/cgroup", groups);
    struct str group = cpu_count_cgroup_path(text, STR(""));
    count = cpu_count_smaller(count, cpu_count_of_hierarchy("/sys/fs/cgroup", group, true));
    group = cpu_count_cgroup_path(text, STR("cpu"));
    for (size_t i = 0; i < sizeof(ROOTS_V1) / sizeof(ROOTS_V1[0]); i++) {
        count = cpu_count_smaller(count, cpu_count_of_hierarchy(ROOTS_V1[i], group, false));
    }
    return count == 0 ? 1 : count > LIMIT_WORKERS ? LIMIT_WORKERS : count;
}
