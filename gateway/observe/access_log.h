/* access_log: one line for each finished exchange or tunnel, in Istio's text form, as JSON, or by a
 * format of the operator's. Formatted by the worker, written by log_writer. */
#ifndef GATEWAY_OBSERVE_ACCESS_LOG_H
#define GATEWAY_OBSERVE_ACCESS_LOG_H

#include "gateway/observe/format.h"

struct access_log;

/* `destination` is "-", a file, or "off" (then NULL without an error is returned through *log).
 * `format` is "text", "json" or a string with operators. The log lives until access_log_close(). */
bool access_log_open(struct access_log **log, const char *destination, const char *format,
                     struct err *err);
void access_log_close(struct access_log *log);
/* Any thread. NULL log: no-op. */
void access_log_write(struct access_log *log, const struct format_record *record);

#endif
