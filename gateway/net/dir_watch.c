/* dir_watch: inotify over directory trees. Owned by the control thread.
 *
 * There is no bookkeeping of single events: each one only says "look again". Before the owner is
 * told, the set of watched directories is walked anew (a watch that exists is found again by the
 * kernel), so whatever changes after the walk raises another event, and nothing is missed however
 * directories come, go and swap meanwhile. */
#include "gateway/net/dir_watch.h"

#include "gateway/base/limits.h"
#include "gateway/base/mem.h"
#include "gateway/base/now.h"
#include "gateway/base/vec.h"
#include "gateway/observe/log.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    DIR_WATCH_EVENT_BYTES = 16 * 1024,
    DIR_WATCH_READS_PER_TURN = 16,
    /* Beyond this the slow rescan must do. */
    DIR_WATCH_MAX_DIRECTORIES = 100000,
};

/* What says that content, names or access changed. No opening, reading or closing without writing:
 * our own look would raise those. Half-written files are told when they are closed. */
static const uint32_t DIR_WATCH_EVENTS = IN_CREATE | IN_DELETE | IN_CLOSE_WRITE | IN_MOVED_FROM |
                                         IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF;

struct dir_watch_place {
    int wd;
    unsigned generation;
    bool is_whole;        /* any event counts; else those of `names` only */
    bool is_walked;       /* whole, and so are the directories in it */
    bool has_changed;     /* since the owner was told */
    struct str_vec names; /* owned copies */
    char *path;           /* of a whole one; owned */
    unsigned depth;
};

struct dir_watch_path {
    char *path;
    unsigned depth;
};
VEC_STRUCT(dir_watch_path_vec, struct dir_watch_path);

struct dir_watch {
    struct loop *loop;
    dir_watch_fn on_change;
    void *owner;
    int fd;
    struct loop_watch *readable;
    struct timer settle;
    struct timer rescan;
    uint64_t changed_ms; /* of the first event not yet told; 0: none */
    bool is_look_due;    /* tell the owner at the end of the settling, event or none */
    bool needs_walk;     /* something changed that only a walk over everything can follow */
    bool has_found;   /* a directory that was not watched and is no volume's present generation */
    bool has_aliases; /* a directory is reached by two names, and a change has but one of them */
    struct str_vec changed; /* views of paths of places, while the owner is told */
    unsigned generation;
    bool has_complained;
    struct str_vec roots; /* owned copies, NUL-terminated */
    struct {
        VEC_FIELDS(struct dir_watch_place);
    } places;
};

/* --- Places ----------------------------------------------------------------------------------- */

static void dir_watch_clear_names(struct dir_watch_place *place)
{
    for (size_t i = 0; i < place->names.count; i++) {
        mem_free((void *)(uintptr_t)place->names.items[i].ptr); /* our own copy */
    }
    vec_cleanup(&place->names);
}

static void dir_watch_clear_place(struct dir_watch_place *place)
{
    dir_watch_clear_names(place);
    mem_free(place->path);
}

static struct dir_watch_place *dir_watch_find(struct dir_watch *watch, int wd)
{
    /* Descriptors only grow, and so does the array: newest last, sorted. */
    size_t low = 0;
    size_t high = watch->places.count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (watch->places.items[middle].wd < wd) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low < watch->places.count && watch->places.items[low].wd == wd) {
        return &watch->places.items[low];
    }
    return NULL;
}

/* The place of a directory, for this generation; NULL when it cannot be watched. */
static struct dir_watch_place *dir_watch_place(struct dir_watch *watch, const char *path)
{
    struct dir_watch_place place = { 0 };
    struct dir_watch_place *known;

    place.wd = inotify_add_watch(watch->fd, path, DIR_WATCH_EVENTS | IN_ONLYDIR);
    if (place.wd == -1) {
        return NULL;
    }
    known = dir_watch_find(watch, place.wd);
    if (known == NULL && watch->places.count >= DIR_WATCH_MAX_DIRECTORIES) {
        (void)inotify_rm_watch(watch->fd, place.wd); /* just made */
        errno = ENOSPC;
        return NULL;
    }
    if (known == NULL) {
        vec_push(&watch->places, place);
        known = &watch->places.items[watch->places.count - 1];
        known->generation = watch->generation - 1;
    }
    if (known->generation != watch->generation) {
        known->generation = watch->generation;
        known->is_whole = false;
        known->is_walked = false;
        dir_watch_clear_names(known);
    }
    return known;
}

static void dir_watch_place_name(struct dir_watch *watch, const char *directory, struct str name)
{
    struct dir_watch_place *place = dir_watch_place(watch, directory);

    if (place != NULL && name.len > 0) {
        vec_push(&place->names, str_from(mem_copy_string(name.ptr, name.len), name.len));
    }
}

static void dir_watch_complain(struct dir_watch *watch, const char *path)
{
    if (!watch->has_complained) {
        watch->has_complained = true;
        LOG_WARN("dir_watch", "cannot watch %s: %s; changes there are seen within %d s", path,
                 strerror(errno), (int)DIR_WATCH_RESCAN_MS / 1000);
    }
}

/* --- The walk --------------------------------------------------------------------------------- */

static void dir_watch_push_children(const char *path, unsigned depth,
                                    struct dir_watch_path_vec *pending)
{
    struct dirent *entry;
    struct stat status;
    char child[PATH_MAX];
    DIR *dir = opendir(path);

    if (dir == NULL) {
        return; /* gone meanwhile, or closed to us: the reader of the files says so */
    }
    while ((entry = readdir(dir)) != NULL) {
        /* No reader looks behind a hidden name but the one of a volume's present generation. */
        if ((entry->d_name[0] == '.' && strcmp(entry->d_name, "..data") != 0) ||
            entry->d_type == DT_REG) {
            continue;
        }
        /* Links are followed: a volume's files live behind "..data". */
        bool is_directory =
            entry->d_type == DT_DIR ||
            (fstatat(dirfd(dir), entry->d_name, &status, 0) == 0 && S_ISDIR(status.st_mode));
        int len = is_directory ? snprintf(child, sizeof(child), "%s/%s", path, entry->d_name) : 0;
        if (len > 0 && (size_t)len < sizeof(child)) {
            struct dir_watch_path item = { mem_copy_string(child, (size_t)len), depth + 1 };
            vec_push(pending, item);
        }
    }
    (void)closedir(dir); /* only read */
}

/* Frees what is pending. */
static void dir_watch_visit(struct dir_watch *watch, struct dir_watch_path_vec *pending)
{
    while (pending->count > 0) {
        struct dir_watch_path item = pending->items[--pending->count];
        struct dir_watch_place *place = dir_watch_place(watch, item.path);
        if (place == NULL && errno != ENOENT && errno != ENOTDIR) {
            dir_watch_complain(watch, item.path);
        }
        /* One inode has one watch, so a directory seen before, by another name or in a circle of
         * links, ends here. */
        if (place != NULL && !place->is_walked) {
            place->is_whole = true;
            place->is_walked = true;
            watch->has_found = watch->has_found || strstr(item.path, "/..data") == NULL;
            place->depth = item.depth;
            mem_free(place->path);
            place->path = mem_copy_string(item.path, strlen(item.path));
            if (item.depth < LIMIT_CONFIG_DIR_DEPTH) {
                dir_watch_push_children(item.path, item.depth, pending);
            }
        } else if (place != NULL && (place->path == NULL || strcmp(place->path, item.path) != 0)) {
            watch->has_aliases = true;
        }
        mem_free(item.path);
    }
    vec_cleanup(pending);
}

static void dir_watch_walk(struct dir_watch *watch, const char *root)
{
    struct dir_watch_path_vec pending = { 0 };
    struct dir_watch_path first = { mem_copy_string(root, strlen(root)), 0 };

    vec_push(&pending, first);
    dir_watch_visit(watch, &pending);
}

/* The directory that `path` is in, and its last name. False: there is nothing above. */
static bool dir_watch_split(const char *path, char *parent, size_t size, struct str *name)
{
    struct str view = str_from_cstr(path);

    while (view.len > 1 && view.ptr[view.len - 1] == '/') {
        view.len--;
    }
    size_t slash = str_find_last_char(view, '/');
    if (view.len == 0 || str_equals(view, STR("/")) || str_equals(view, STR("."))) {
        return false;
    }
    if (slash == SIZE_MAX) {
        *name = view;
        return snprintf(parent, size, ".") == 1;
    }
    *name = str_skip(view, slash + 1);
    int len = snprintf(parent, size, "%.*s", slash == 0 ? 1 : (int)slash, view.ptr);
    return len > 0 && (size_t)len < size;
}

static void dir_watch_root(struct dir_watch *watch, const char *root)
{
    char path[PATH_MAX];
    char parent[PATH_MAX];
    struct stat status;
    struct str name;

    (void)snprintf(path, sizeof(path), "%s", root); /* dir_watch_add() checked the length */
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) {
        dir_watch_walk(watch, path);
    } else if (exists && dir_watch_split(path, parent, sizeof(parent), &name)) {
        /* A file of a mounted volume changes by a swap of "..data" beside it: any event counts. */
        struct dir_watch_place *place = dir_watch_place(watch, parent);
        if (place != NULL) {
            place->is_whole = true;
        } else {
            dir_watch_complain(watch, parent);
        }
        (void)snprintf(path, sizeof(path), "%s", parent); /* the same size */
    }
    /* And the way to it: the name in the directory above, or in the nearest that exists. */
    while (dir_watch_split(path, parent, sizeof(parent), &name)) {
        if (stat(parent, &status) == 0) {
            dir_watch_place_name(watch, parent, name);
            break;
        }
        (void)snprintf(path, sizeof(path), "%s", parent); /* the same size */
    }
}

static void dir_watch_sync(struct dir_watch *watch)
{
    size_t kept = 0;

    watch->generation++;
    watch->has_aliases = false;
    watch->has_complained = false;
    for (size_t i = 0; i < watch->roots.count; i++) {
        dir_watch_root(watch, watch->roots.items[i].ptr);
    }
    for (size_t i = 0; i < watch->places.count; i++) {
        struct dir_watch_place *place = &watch->places.items[i];
        if (place->generation == watch->generation) {
            watch->places.items[kept++] = *place;
        } else {
            /* EINVAL: the directory is gone and took its watch along. */
            (void)inotify_rm_watch(watch->fd, place->wd);
            dir_watch_clear_place(place);
        }
    }
    watch->places.count = kept;
}

/* Only below the places that changed; false when that is not enough. Gathers their paths. */
static bool dir_watch_sync_changed(struct dir_watch *watch)
{
    struct dir_watch_path_vec pending = { 0 };
    bool is_known = !watch->needs_walk && !watch->has_aliases;

    watch->changed.count = 0;
    for (size_t i = 0; i < watch->places.count; i++) {
        struct dir_watch_place *place = &watch->places.items[i];
        if (!place->has_changed) {
            continue;
        }
        place->has_changed = false;
        is_known = is_known && place->path != NULL && place->depth < LIMIT_CONFIG_DIR_DEPTH;
        if (is_known) {
            vec_push(&watch->changed, str_from_cstr(place->path));
            dir_watch_push_children(place->path, place->depth, &pending);
        }
    }
    watch->needs_walk = false;
    watch->has_found = false;
    dir_watch_visit(watch, &pending); /* a walk that follows finds them known */
    /* A link that leads elsewhere now: only a walk tells what it led to before. */
    return is_known && !watch->has_found && !watch->has_aliases;
}

/* --- Events ----------------------------------------------------------------------------------- */

static void dir_watch_on_settled(void *arg)
{
    struct dir_watch *watch = arg;

    bool has_changed = watch->changed_ms != 0;
    bool is_known = !has_changed || dir_watch_sync_changed(watch);
    bool is_everything = watch->is_look_due || !is_known;

    watch->changed_ms = 0;
    watch->is_look_due = false;
    if (!is_known) {
        dir_watch_sync(watch);
    }
    watch->on_change(watch->owner, is_everything ? NULL : &watch->changed, !has_changed);
}

static void dir_watch_on_rescan(void *arg)
{
    struct dir_watch *watch = arg;

    timer_arm(watch->loop, &watch->rescan, DIR_WATCH_RESCAN_MS);
    dir_watch_sync(watch);
    watch->on_change(watch->owner, NULL, true);
}

static void dir_watch_note_change(struct dir_watch *watch)
{
    uint64_t now_ms = now_mono_ms();
    uint64_t delay_ms = DIR_WATCH_SETTLE_MS;

    if (watch->changed_ms == 0) {
        watch->changed_ms = now_ms;
    }
    /* Settled, but not put off for ever by a directory that never rests. */
    uint64_t latest_ms = watch->changed_ms + DIR_WATCH_SETTLE_MAX_MS;
    if (now_ms + delay_ms > latest_ms) {
        delay_ms = latest_ms > now_ms ? latest_ms - now_ms : 0;
    }
    timer_arm(watch->loop, &watch->settle, delay_ms);
}

/* A volume's former generation, which goes after "..data" leads elsewhere. */
static bool dir_watch_is_generation(const struct dir_watch_place *place)
{
    return place->path != NULL && str_ends_with(str_from_cstr(place->path), STR("/..data"));
}

/* Its watch went with it; the descriptor is never used again. */
static void dir_watch_drop(struct dir_watch *watch, struct dir_watch_place *place)
{
    size_t index = (size_t)(place - watch->places.items);

    dir_watch_clear_place(place);
    watch->places.count--;
    memmove(place, place + 1, (watch->places.count - index) * sizeof(*place));
}

/* Sub-directories that come, go or move, visible ones, change what there is to watch in ways that are
 * seen best from the top. */
static bool dir_watch_is_structural(const struct inotify_event *event)
{
    return (event->mask & IN_ISDIR) != 0 && event->len > 0 && event->name[0] != '.' &&
           (event->mask & (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO)) != 0;
}

static bool dir_watch_counts(struct dir_watch *watch, const struct inotify_event *event)
{
    if ((event->mask & IN_Q_OVERFLOW) != 0) {
        watch->needs_walk = true; /* events were lost; the walk needs none */
        return true;
    }
    struct dir_watch_place *place = dir_watch_find(watch, event->wd);
    if (place == NULL) {
        return false; /* the last words of a watch that was taken away */
    }
    if ((event->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED)) != 0) {
        if (!dir_watch_is_generation(place)) {
            watch->needs_walk = true;
        } else if ((event->mask & IN_IGNORED) != 0) {
            dir_watch_drop(watch, place);
        }
        return true;
    }
    if (place->is_whole) {
        place->has_changed = true;
        watch->needs_walk = watch->needs_walk || dir_watch_is_structural(event);
        return true;
    }
    struct str name = str_from_cstr(event->len > 0 ? event->name : NULL);
    for (size_t i = 0; i < place->names.count; i++) {
        if (str_equals(place->names.items[i], name)) {
            watch->needs_walk = true; /* a root itself */
            return true;
        }
    }
    return false;
}

static void dir_watch_on_readable(int fd, void *arg)
{
    struct dir_watch *watch = arg;
    _Alignas(struct inotify_event) char buffer[DIR_WATCH_EVENT_BYTES];
    bool has_changed = false;

    for (int round = 0; round < DIR_WATCH_READS_PER_TURN; round++) {
        ssize_t count = read(fd, buffer, sizeof(buffer));
        if (count <= 0) {
            break; /* EAGAIN: all was read */
        }
        for (char *at = buffer; at < buffer + count;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)at;
            has_changed = dir_watch_counts(watch, event) || has_changed;
            at += sizeof(*event) + event->len;
        }
    }
    if (has_changed) {
        dir_watch_note_change(watch);
    }
}

/* --- Life ------------------------------------------------------------------------------------- */

struct dir_watch *dir_watch_new(struct loop *loop, dir_watch_fn on_change, void *owner,
                                struct err *err)
{
    struct dir_watch *watch = mem_new(struct dir_watch);

    watch->loop = loop;
    watch->on_change = on_change;
    watch->owner = owner;
    timer_init(&watch->settle, dir_watch_on_settled, watch);
    timer_init(&watch->rescan, dir_watch_on_rescan, watch);
    watch->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (watch->fd == -1) {
        err_errno(err, "cannot use inotify");
        mem_free(watch);
        return NULL;
    }
    watch->readable = loop_watch_readable(loop, watch->fd, dir_watch_on_readable, watch, err);
    if (watch->readable == NULL) {
        (void)close(watch->fd); /* the first error is the one worth telling */
        mem_free(watch);
        return NULL;
    }
    timer_arm(loop, &watch->rescan, DIR_WATCH_RESCAN_MS);
    return watch;
}

bool dir_watch_add(struct dir_watch *watch, const char *path, struct err *err)
{
    size_t len = strlen(path);

    if (len == 0 || len >= PATH_MAX - NAME_MAX - 1) {
        err_set(err, ERR_INPUT, "cannot watch \"%s\": the path is %s", path,
                len == 0 ? "empty" : "too long");
        return false;
    }
    while (len > 1 && path[len - 1] == '/') {
        len--; /* paths are told as their owner writes them: without */
    }
    vec_push(&watch->roots, str_from(mem_copy_string(path, len), len));
    dir_watch_sync(watch);
    return true;
}

void dir_watch_look(struct dir_watch *watch)
{
    watch->is_look_due = true;
    if (!timer_is_armed(&watch->settle)) {
        timer_arm(watch->loop, &watch->settle, DIR_WATCH_SETTLE_MS);
    }
}

void dir_watch_free(struct dir_watch *watch)
{
    if (watch == NULL) {
        return;
    }
    timer_cancel(&watch->settle);
    timer_cancel(&watch->rescan);
    loop_unwatch(watch->readable);
    (void)close(watch->fd);
    for (size_t i = 0; i < watch->roots.count; i++) {
        mem_free((void *)(uintptr_t)watch->roots.items[i].ptr); /* our own copy */
    }
    for (size_t i = 0; i < watch->places.count; i++) {
        dir_watch_clear_place(&watch->places.items[i]);
    }
    vec_cleanup(&watch->changed);
    vec_cleanup(&watch->roots);
    vec_cleanup(&watch->places);
    mem_free(watch);
}
