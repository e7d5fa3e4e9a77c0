/* temp_dir: a directory of the test's own, removed with all in it. */
#ifndef TESTS_UNIT_SUPPORT_TEMP_DIR_H
#define TESTS_UNIT_SUPPORT_TEMP_DIR_H

#include "gateway/base/text.h"

struct temp_dir {
    char path[64];
};

/* Below /tmp; ends the test when it cannot be made. */
void temp_dir_init(struct temp_dir *dir);
void temp_dir_cleanup(struct temp_dir *dir);
/* "DIR/NAME"; freed by mem_free(). */
char *temp_dir_path(const struct temp_dir *dir, const char *name);
/* Replaces the text by the file's content; false when it cannot be read. */
bool temp_dir_read(const struct temp_dir *dir, const char *name, struct text *out);

#endif
