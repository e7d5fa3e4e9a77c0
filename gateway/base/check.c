/* check: the end of a process that found a bug of its own. Any thread. */
#include "gateway/base/check.h"

#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    /* Nothing is left to do about a failing standard error. */
    (void)fprintf(stderr, "gatehouse: %s:%d: broken condition: %s\n", file, line, condition);
    abort();
}
