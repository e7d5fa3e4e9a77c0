/* temp_dir: a directory of the test's own. */
#include "tests/unit/support/temp_dir.h"

#include "gateway/base/check.h"
#include "gateway/base/mem.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

void temp_dir_init(struct temp_dir *dir)
{
    (void)snprintf(dir->path, sizeof(dir->path), "/tmp/gatehouse-unit-XXXXXX"); /* fits */
    CHECK(mkdtemp(dir->path) != NULL);
}

static int remove_entry(const char *path, const struct stat *status, int kind, struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

void temp_dir_cleanup(struct temp_dir *dir)
{
    (void)nftw(dir->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS); /* a leftover harms nobody */
}

char *temp_dir_path(const struct temp_dir *dir, const char *name)
{
    struct text path = { 0 };

    text_printf(&path, "%s/%s", dir->path, name);
    return path.ptr;
}

bool temp_dir_read(const struct temp_dir *dir, const char *name, struct text *out)
{
    char *path = temp_dir_path(dir, name);
    FILE *file = fopen(path, "re");
    char bytes[4096];
    size_t len;

    mem_free(path);
    if (file == NULL) {
        return false;
    }
    text_clear(out);
    text_add_cstr(out, "");
    while ((len = fread(bytes, 1, sizeof(bytes), file)) != 0) {
        text_add(out, str_from(bytes, len));
    }
    return fclose(file) == 0;
}
