/* place: line and column in a file, both counted from 1. Line 0 means unknown. */
#ifndef CONFIG_PLACE_H
#define CONFIG_PLACE_H

#include <stdint.h>

struct place {
    uint32_t line;
    uint32_t column;
};

#endif
