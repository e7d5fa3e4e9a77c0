/* options: the command lines of the bench tools: a table of names and places. */
#ifndef PERF_TOOLS_OPTIONS_H
#define PERF_TOOLS_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct option_row {
    const char *name; /* "--count" */
    /* One of them: a flag, a number that is not negative, a word. */
    bool *flag;
    uint64_t *number;
    const char **text;
};

/* Reads `arguments` into the table's places; false with a message on standard error. */
bool options_read(const struct option_row *rows, size_t row_count, int argument_count,
                  char **arguments);

#endif
