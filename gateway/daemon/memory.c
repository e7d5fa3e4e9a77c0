/* memory: from /proc and the cgroup's files. Control thread. */
#include "gateway/daemon/memory.h"

#include "gateway/daemon/cgroup.h"

#include <unistd.h>

/* Version 1 says "none" by the largest number of pages it can count; no machine has as much. */
static const uint64_t MEMORY_NONE = UINT64_C(1) << 62;

uint64_t memory_limit_of(struct str text)
{
    uint64_t bytes = 0;

    return str_parse_u64(text, &bytes) && bytes < MEMORY_NONE ? bytes : 0;
}

static uint64_t memory_limit_in_v2(const char *directory)
{
    char text[CGROUP_FILE_BYTES];

    return memory_limit_of(cgroup_read(directory, "memory.max", text));
}

static uint64_t memory_limit_in_v1(const char *directory)
{
    char text[CGROUP_FILE_BYTES];

    return memory_limit_of(cgroup_read(directory, "memory.limit_in_bytes", text));
}

uint64_t memory_limit(void)
{
    uint64_t v2 = cgroup_limit("/sys/fs/cgroup", STR(""), memory_limit_in_v2);
    uint64_t v1 = cgroup_limit("/sys/fs/cgroup/memory", STR("memory"), memory_limit_in_v1);

    return v2 == 0 || (v1 != 0 && v1 < v2) ? v1 : v2;
}

/* proc(5): size, resident, shared, ...; in pages. */
uint64_t memory_resident_of(struct str statm, uint64_t page_bytes)
{
    struct str size;
    struct str resident;
    uint64_t pages = 0;

    if (!str_split_next(&statm, ' ', &size) || !str_split_next(&statm, ' ', &resident) ||
        !str_parse_u64(resident, &pages)) {
        return 0;
    }
    return pages * page_bytes;
}

uint64_t memory_resident(void)
{
    char statm[CGROUP_FILE_BYTES];

    return memory_resident_of(cgroup_read("/proc/self", "statm", statm),
                              (uint64_t)sysconf(_SC_PAGESIZE)); /* known on every Linux */
}
