/* load_dir: the configuration files below a path, and their bytes. Control thread. */
#ifndef CONFIG_LOAD_DIR_H
#define CONFIG_LOAD_DIR_H

#include "config/report.h"
#include "gateway/base/arena.h"
#include "gateway/base/err.h"
#include "gateway/base/text.h"
#include "gateway/base/vec.h"

/* Adds to `files` every *.yaml, *.yml and *.json below `path`, in byte order of the path, or `path`
 * itself when it is a file. Hidden names are skipped, so also the `..data` of a mounted volume,
 * whose visible links are followed. What cannot be looked into is a finding, and its path is added
 * to `unreadable`. Paths are in `arena`. */
void load_dir_find(struct arena *arena, struct str path, struct str_vec *files,
                   struct str_vec *unreadable, struct report *report);
/* Replaces `bytes` by the content of a file that did not change while it was read. */
bool load_dir_read(struct str path, struct text *bytes, struct err *err);

#endif
