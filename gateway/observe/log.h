/* log: the process log. Any thread; a line is formatted in the caller and written by log_writer's
 * thread. error = act now; warn = look today; info = what changed; debug = one line per event.
 * Never a cookie, token, body or key. Text form: TIME<TAB>level<TAB>module<TAB>message. */
#ifndef GATEWAY_OBSERVE_LOG_H
#define GATEWAY_OBSERVE_LOG_H

#include "gateway/base/err.h"
#include "gateway/base/str.h"
#include "gateway/base/text.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR, LOG_LEVEL_OFF };

enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

/* Names of modules are string literals: the name of the file that logs ("reload", "listener"). */
#define LOG_DEBUG(module, ...) LOG_AT(LOG_LEVEL_DEBUG, module, __VA_ARGS__)
#define LOG_INFO(module, ...) LOG_AT(LOG_LEVEL_INFO, module, __VA_ARGS__)
#define LOG_WARN(module, ...) LOG_AT(LOG_LEVEL_WARN, module, __VA_ARGS__)
#define LOG_ERROR(module, ...) LOG_AT(LOG_LEVEL_ERROR, module, __VA_ARGS__)
#define LOG_AT(level, module, ...)                                                                 \
    (log_is_enabled((level), (module)) ? log_line((level), (module), __VA_ARGS__) : (void)0)

/* Until log_start() lines go straight to standard error, and again after log_writer_stop(). Call it
 * when the writer runs. */
void log_start(enum log_format format);
bool log_is_enabled(enum log_level level, const char *module);
/* Control bytes and other non-printing bytes of the message are escaped, so a peer's bytes cannot
 * forge a line. Of one module and format, twenty lines a second pass; the rest is counted and told
 * with the next one as "(and N more like it)". Debug lines always pass. */
void log_line(enum log_level level, const char *module, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Empty module: all. False for a level name that is not known. Accepts our names and Envoy's
 * (trace, warning, critical, off). */
bool log_parse_level(struct str name, enum log_level *level);
const char *log_level_name(enum log_level level);
void log_set_level(struct str module, enum log_level level);
/* "module: level" lines, for the admin page /logging. */
void log_describe_levels(struct text *out);

#endif
