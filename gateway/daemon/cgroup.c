/* cgroup: the hierarchy walked from our group to its root. Control thread, at start. */
#include "gateway/daemon/cgroup.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

enum { CGROUP_PATH_BYTES = 1024 };

static bool cgroup_lists_controller(struct str list, struct str controller)
{
    struct str part;

    while (str_split_next(&list, ',', &part)) {
        if (str_equals(part, controller)) {
            return true;
        }
    }
    return false;
}

struct str cgroup_path(struct str proc_self_cgroup, struct str controller)
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
                                             : cgroup_lists_controller(controllers, controller);
        if (is_wanted) {
            return line;
        }
    }
    return (struct str){ 0 };
}

struct str cgroup_read(const char *directory, const char *file, char buffer[CGROUP_FILE_BYTES])
{
    char path[CGROUP_PATH_BYTES];

    if (snprintf(path, sizeof(path), "%s/%s", directory, file) >= (int)sizeof(path)) {
        return (struct str){ 0 };
    }
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd == -1) {
        return (struct str){ 0 };
    }
    ssize_t len = read(fd, buffer, CGROUP_FILE_BYTES);
    (void)close(fd); /* only read from */
    struct str text = len > 0 ? str_from(buffer, (size_t)len) : (struct str){ 0 };
    while (text.len != 0 && text.ptr[text.len - 1] == '\n') {
        text.len--;
    }
    return str_trim(text);
}

static uint64_t cgroup_limit_of_group(const char *root, struct str group, cgroup_limit_fn limit_in)
{
    char directory[CGROUP_PATH_BYTES];

    if (snprintf(directory, sizeof(directory), "%s%.*s", root, STR_ARG(group)) >=
        (int)sizeof(directory)) {
        return 0;
    }
    return limit_in(directory);
}

uint64_t cgroup_limit(const char *root, struct str controller, cgroup_limit_fn limit_in)
{
    char groups[CGROUP_FILE_BYTES];
    struct str group = cgroup_path(cgroup_read("/proc/self", "cgroup", groups), controller);
    uint64_t smallest = cgroup_limit_of_group(root, STR(""), limit_in);

    while (group.len > 1) {
        uint64_t limit = cgroup_limit_of_group(root, group, limit_in);
        if (limit != 0 && (smallest == 0 || limit < smallest)) {
            smallest = limit;
        }
        size_t slash = str_find_last_char(group, '/');
        group = str_slice(group, 0, slash == SIZE_MAX ? 0 : slash);
    }
    return smallest;
}
