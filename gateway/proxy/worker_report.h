/* worker_report: what a worker tells the admin pages, as one copy that may change threads. */
#ifndef GATEWAY_PROXY_WORKER_REPORT_H
#define GATEWAY_PROXY_WORKER_REPORT_H

#include "gateway/proxy/worker_state.h"

/* In the worker's thread. */
struct worker_report *worker_report_make(const struct worker *worker);

#endif
