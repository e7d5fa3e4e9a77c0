/* finding_log: errors and warnings of a load go to the process log once, not again at each reload that
 * still finds them. Control thread. */
#ifndef GATEWAY_DAEMON_FINDING_LOG_H
#define GATEWAY_DAEMON_FINDING_LOG_H

#include "config/report.h"
#include "gateway/base/map.h"

/* Zeroed memory is one that has told nothing. */
struct finding_log {
    struct map told; /* the finding without its line, which moves; value: the same text */
};

/* Logs what is new since the last call and forgets what is no longer found. */
void finding_log_write(struct finding_log *log, const struct report *const *reports,
                       size_t report_count);
/* How many of these findings the log has not told yet. For tests. */
size_t finding_log_new_count(const struct finding_log *log, const struct report *report);
void finding_log_cleanup(struct finding_log *log);

#endif
