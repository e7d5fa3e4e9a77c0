/* check: an assertion that stays on in release builds.
 * For bugs of ours only. Nothing a peer, a file or the system can cause may end here. */
#ifndef GATEWAY_BASE_CHECK_H
#define GATEWAY_BASE_CHECK_H

/* Prints the broken condition with its place on standard error and aborts. */
_Noreturn void check_failed(const char *file, int line, const char *condition);

#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))

#endif
