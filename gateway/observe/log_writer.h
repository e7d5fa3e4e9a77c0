/* log_writer: the one thread that writes lines. Each producing thread has a ring of its own per
 * sink; when the writer is behind, lines are dropped and counted, the producer never waits. */
#ifndef GATEWAY_OBSERVE_LOG_WRITER_H
#define GATEWAY_OBSERVE_LOG_WRITER_H

#include "gateway/base/err.h"
#include "gateway/base/str.h"

struct log_sink;

bool log_writer_start(struct err *err);
/* Writes what is queued, then ends the thread. Other producers are gone or silent by then. A reader
 * that takes nothing holds it up for two seconds at most. */
void log_writer_stop(void);
bool log_writer_is_running(void);
/* Control thread, before others write to it. "-" is standard output, "2" standard error (also by
 * their /dev names), else a file opened for appending (0640). Opening one twice gives the same. The
 * sink lives until log_writer_stop(). */
struct log_sink *log_sink_open(const char *destination, struct err *err);
/* `line` includes its newline. False: dropped and counted. */
bool log_sink_write(struct log_sink *sink, struct str line);
/* The calling thread's rings that are empty give their memory back; it comes again with the lines. */
void log_writer_give_back(void);
/* Reopens files by name (SIGUSR1); done by the writer thread before its next write. */
void log_writer_reopen(void);
uint64_t log_writer_dropped_lines(void);

#endif
