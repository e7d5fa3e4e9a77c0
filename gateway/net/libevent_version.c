/* libevent_version: the version of the library in use, not of the headers. */
#include "gateway/net/libevent_version.h"

#include <event2/event.h>

const char *libevent_version(void)
{
    return event_get_version();
}
