/* load_dir: walks directories with a work list, not by recursion, and reads whole files. Control
 * thread. */
#include "config/load_dir.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file that changes each time it is read is being written: the watcher will call again. */
#define READ_TRIES 4u
#define READ_CHUNK_BYTES (64u * 1024u)

/* A directory still to be looked into. Those above it are known, so a link that leads back up is
 * seen. */
struct dir {
    struct str path;
    dev_t device;
    ino_t inode;
    size_t parent; /* index in the list, or SIZE_MAX */
    unsigned depth;
};

struct walk {
    struct arena *arena;
    struct str_vec *files;
    struct str_vec *unreadable;
    struct report *report;
    size_t file_count;
    struct {
        VEC_FIELDS(struct dir);
    } dirs;
};

static void fail(struct walk *walk, struct str path, const char *text)
{
    struct finding_at at = { .file = path };

    report_add(walk->report, FINDING_FILE_UNREADABLE, &at, "%s", text);
    vec_push_in_arena(walk->arena, walk->unreadable, arena_copy_str(walk->arena, path));
}

static bool is_config_name(struct str name)
{
    return str_ends_with(name, STR(".yaml")) || str_ends_with(name, STR(".yml")) ||
           str_ends_with(name, STR(".json"));
}

static bool leads_back_up(const struct walk *walk, size_t parent, const struct stat *status)
{
    for (size_t at = parent; at != SIZE_MAX; at = walk->dirs.items[at].parent) {
        if (walk->dirs.items[at].device == status->st_dev &&
            walk->dirs.items[at].inode == status->st_ino) {
            return true;
        }
    }
    return false;
}

static void add_dir(struct walk *walk, struct str path, size_t parent, const struct stat *status)
{
    unsigned depth = parent == SIZE_MAX ? 0 : walk->dirs.items[parent].depth + 1;

    if (depth > LIMIT_CONFIG_DIR_DEPTH) {
        fail(walk, path, "nested too deep");
        return;
    }
    if (leads_back_up(walk, parent, status)) {
        return;
    }
    vec_push(&walk->dirs, (struct dir){ path, status->st_dev, status->st_ino, parent, depth });
}

static void add_file(struct walk *walk, struct str path)
{
    if (++walk->file_count == LIMIT_CONFIG_FILES + 1) {
        fail(walk, path, "too many files: this one and those after it are not read");
    }
    if (walk->file_count <= LIMIT_CONFIG_FILES) {
        vec_push_in_arena(walk->arena, walk->files, path);
    }
}

static void look_at_entry(struct walk *walk, size_t parent, const char *name)
{
    struct str view = str_from_cstr(name);
    struct stat status;

    if (name[0] == '.') {
        return;
    }
    struct str path =
        arena_printf(walk->arena, "%.*s/%s", STR_ARG(walk->dirs.items[parent].path), name);

    if (stat(path.ptr, &status) == -1) { /* follows links: that is how volumes are mounted */
        if (is_config_name(view)) {
            struct err err = { 0 };

            err_errno(&err, "cannot be read");
            fail(walk, path, err.text);
        }
        return;
    }
    if (S_ISDIR(status.st_mode)) {
        add_dir(walk, path, parent, &status);
    } else if (S_ISREG(status.st_mode) && is_config_name(view)) {
        add_file(walk, path);
    }
}

static void look_into(struct walk *walk, size_t index)
{
    struct str path = walk->dirs.items[index].path;
    DIR *stream = opendir(path.ptr);
    struct err err = { 0 };

    if (stream == NULL) {
        err_errno(&err, "cannot list the directory");
        fail(walk, path, err.text);
        return;
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(stream);

        if (entry == NULL) {
            break;
        }
        look_at_entry(walk, index, entry->d_name);
    }
    if (errno != 0) {
        err_errno(&err, "cannot list the directory");
        fail(walk, path, err.text);
    }
    (void)closedir(stream); /* nothing was written */
}

static int compare_paths(const void *left, const void *right)
{
    const struct str *a = left;
    const struct str *b = right;

    return str_compare(*a, *b);
}

void load_dir_find(struct arena *arena, struct str path, struct str_vec *files,
                   struct str_vec *unreadable, struct report *report)
{
    struct walk walk = {
        .arena = arena, .files = files, .unreadable = unreadable, .report = report
    };
    size_t first = files->count;
    struct stat status;

    while (path.len > 1 && path.ptr[path.len - 1] == '/') {
        path.len--;
    }
    path = arena_copy_str(arena, path);
    if (stat(path.ptr, &status) == -1) {
        struct err err = { 0 };

        err_errno(&err, "cannot be read");
        fail(&walk, path, err.text);
        return;
    }
    if (!S_ISDIR(status.st_mode)) {
        add_file(&walk, path);
        return;
    }
    add_dir(&walk, path, SIZE_MAX, &status);
    for (size_t i = 0; i < walk.dirs.count; i++) {
        look_into(&walk, i);
    }
    vec_cleanup(&walk.dirs);
    if (files->count > first) {
        qsort(files->items + first, files->count - first, sizeof(*files->items), compare_paths);
    }
}

/* --- reading ---------------------------------------------------------------------------------- */

static bool is_same_content(const struct stat *a, const struct stat *b)
{
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Reads to the end. */
static bool read_all(int fd, struct text *bytes, struct err *err)
{
    char *chunk = mem_alloc(READ_CHUNK_BYTES);
    bool is_good = false;

    text_clear(bytes);
    for (;;) {
        ssize_t count = read(fd, chunk, READ_CHUNK_BYTES);

        if (count == -1 && errno == EINTR) {
            continue;
        }
        if (count == -1) {
            err_errno(err, "cannot be read");
            break;
        }
        if (count == 0) {
            is_good = true;
            break;
        }
        text_add(bytes, str_from(chunk, (size_t)count));
        if (bytes->len > LIMIT_YAML_FILE_BYTES) {
            err_set(err, ERR_LIMIT, "larger than %u bytes", LIMIT_YAML_FILE_BYTES);
            break;
        }
    }
    mem_wipe(chunk, READ_CHUNK_BYTES); /* a Secret document may have passed through */
    mem_free(chunk);
    return is_good;
}

/* False with err, or with *has_changed when it is worth another try. */
static bool read_once(const char *path, struct text *bytes, bool *has_changed, struct err *err)
{
    struct stat before;
    struct stat after;
    bool is_good = false;
    /* Not blocking: a pipe put in the place of a file must not stop the control thread. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    *has_changed = false;
    if (fd == -1) {
        err_errno(err, "cannot be opened");
        return false;
    }
    if (fstat(fd, &before) == -1) {
        err_errno(err, "cannot be read");
    } else if (!S_ISREG(before.st_mode)) {
        err_set(err, ERR_INPUT, "is no regular file");
    } else if (before.st_size > (off_t)LIMIT_YAML_FILE_BYTES) {
        err_set(err, ERR_LIMIT, "larger than %u bytes", LIMIT_YAML_FILE_BYTES);
    } else if (read_all(fd, bytes, err)) {
        is_good = fstat(fd, &after) == 0 && is_same_content(&before, &after) &&
                  bytes->len == (size_t)after.st_size;
        *has_changed = !is_good;
    }
    (void)close(fd); /* nothing was written */
    return is_good;
}

bool load_dir_read(struct str path, struct text *bytes, struct err *err)
{
    char *name = mem_copy_string(path.ptr, path.len);
    bool has_changed = true;
    bool is_good = false;

    for (unsigned i = 0; i < READ_TRIES && has_changed && !is_good; i++) {
        is_good = read_once(name, bytes, &has_changed, err);
    }
    if (!is_good && has_changed) {
        err_set(err, ERR_INPUT, "changes while it is read");
    }
    mem_free(name);
    return is_good;
}
