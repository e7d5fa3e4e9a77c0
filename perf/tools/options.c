#include "perf/tools/options.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool options_read_number(const char *word, uint64_t *number)
{
    char *end = NULL;

    errno = 0;
    *number = strtoull(word, &end, 10);
    return word[0] >= '0' && word[0] <= '9' && *end == '\0' && errno == 0;
}

static bool options_read_value(const struct option_row *row, const char *word)
{
    if (row->text != NULL) {
        *row->text = word;
        return true;
    }
    if (!options_read_number(word, row->number)) {
        fprintf(stderr, "%s: %s is no number\n", row->name, word);
        return false;
    }
    return true;
}

static const struct option_row *options_find(const struct option_row *rows, size_t row_count,
                                             const char *name)
{
    for (size_t i = 0; i < row_count; i++) {
        if (strcmp(rows[i].name, name) == 0) {
            return &rows[i];
        }
    }
    return NULL;
}

bool options_read(const struct option_row *rows, size_t row_count, int argument_count,
                  char **arguments)
{
    for (int i = 0; i < argument_count; i++) {
        const struct option_row *row = options_find(rows, row_count, arguments[i]);
        if (row == NULL) {
            fprintf(stderr, "%s is not known\n", arguments[i]);
            return false;
        }
        if (row->flag != NULL) {
            *row->flag = true;
            continue;
        }
        if (i + 1 == argument_count) {
            fprintf(stderr, "%s needs a value\n", row->name);
            return false;
        }
        i++;
        if (!options_read_value(row, arguments[i])) {
            return false;
        }
    }
    return true;
}
