/* dir_watch: says that something below a set of directories changed, once things have settled.
 * inotify on each directory and its sub-directories (a mounted volume is swapped by renaming a
 * link), and a slow rescan by timer for file systems that do not tell. Control thread. */
#ifndef GATEWAY_NET_DIR_WATCH_H
#define GATEWAY_NET_DIR_WATCH_H

#include "gateway/base/err.h"
#include "gateway/base/vec.h"
#include "gateway/net/loop.h"

struct dir_watch;

enum { DIR_WATCH_SETTLE_MS = 100, DIR_WATCH_SETTLE_MAX_MS = 500, DIR_WATCH_RESCAN_MS = 30000 };

/* `changed`: the directories in which something changed, sub-directories told apart, without a slash at
 * the end of what was added; views for the time of the call. NULL: anything may have changed. */
typedef void (*dir_watch_fn)(void *owner, const struct str_vec *changed, bool is_rescan);

/* `on_change` runs DIR_WATCH_SETTLE_MS after the last event, at the latest
 * DIR_WATCH_SETTLE_MAX_MS after the first, and every DIR_WATCH_RESCAN_MS (`is_rescan` true). */
struct dir_watch *dir_watch_new(struct loop *loop, dir_watch_fn on_change, void *owner,
                                struct err *err);
/* A file is watched through its directory. A path that does not exist yet is watched through the
 * nearest parent that does. */
bool dir_watch_add(struct dir_watch *watch, const char *path, struct err *err);
/* Calls `on_change` with NULL after DIR_WATCH_SETTLE_MS, together with what changes until then: for whoever
 * read the files before they were watched. `is_rescan` is true when no event came. */
void dir_watch_look(struct dir_watch *watch);
void dir_watch_free(struct dir_watch *watch);

#endif
