/* replay: runs a fuzz target over files, without a fuzzer and with any compiler. Each finding of a
 * fuzzer joins the corpus, so what was once broken is run in every `make test`.
 *   replay_TARGET DIRECTORY-OR-FILE... */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "re");
    uint8_t *bytes = NULL;
    struct stat status;
    bool is_done = false;

    if (file == NULL || fstat(fileno(file), &status) != 0) {
        goto done;
    }
    /* Of the very size, so that a sanitizer sees a read past the end. */
    bytes = malloc((size_t)status.st_size);
    if ((bytes == NULL && status.st_size != 0) ||
        fread(bytes, 1, (size_t)status.st_size, file) != (size_t)status.st_size) {
        goto done;
    }
    (void)LLVMFuzzerTestOneInput(bytes, (size_t)status.st_size); /* always 0 */
    is_done = true;

done:
    if (!is_done) {
        (void)fprintf(stderr, "replay: %s: %s\n", path, strerror(errno));
    }
    free(bytes);
    if (file != NULL) {
        (void)fclose(file); /* was only read */
    }
    return is_done;
}

/* Returns the number of inputs, or -1. */
static int run_directory(const char *directory)
{
    struct dirent **entries = NULL;
    int count = scandir(directory, &entries, NULL, alphasort);
    int inputs = 0;

    for (int i = 0; i < count; i++) {
        char path[4096];

        if (entries[i]->d_name[0] != '.' && inputs >= 0) {
            (void)snprintf(path, sizeof(path), "%s/%s", directory, entries[i]->d_name);
            inputs = run_file(path) ? inputs + 1 : -1;
        }
        free(entries[i]);
    }
    free(entries);
    return count < 0 ? -1 : inputs;
}

int main(int argc, char **argv)
{
    int total = 0;

    for (int i = 1; i < argc; i++) {
        struct stat status;
        int inputs;

        if (stat(argv[i], &status) == 0 && !S_ISDIR(status.st_mode)) {
            inputs = run_file(argv[i]) ? 1 : -1;
        } else {
            inputs = run_directory(argv[i]);
        }
        if (inputs < 0) {
            (void)fprintf(stderr, "replay: cannot run %s\n", argv[i]);
            return 1;
        }
        total += inputs;
    }
    (void)printf("replay: %s: %d inputs\n", argc > 1 ? argv[1] : "", total);
    return 0;
}
