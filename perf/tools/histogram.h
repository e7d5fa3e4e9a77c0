/* histogram: latencies in buckets no wider than 1 % of what they hold (below 128 ns: 1 ns).
 * Recording costs a few instructions; nothing is allocated. */
#ifndef PERF_TOOLS_HISTOGRAM_H
#define PERF_TOOLS_HISTOGRAM_H

#include <stdint.h>

/* 128 buckets an octave are 1/128 wide at its start; 42 octaves above reach beyond 100 hours. */
#define HISTOGRAM_SUB_BITS 7
#define HISTOGRAM_BUCKETS ((42 + 1) << HISTOGRAM_SUB_BITS)

struct histogram {
    uint64_t count;
    uint64_t max;
    uint64_t buckets[HISTOGRAM_BUCKETS];
};

void histogram_clear(struct histogram *histogram);
/* What is beyond the last bucket counts there; max stays exact. */
void histogram_add(struct histogram *histogram, uint64_t ns);
/* The least value that `share` (0 to 1) of all are at or below, rounded up to the end of its bucket
 * but never above the maximum; 0 when empty. */
uint64_t histogram_quantile(const struct histogram *histogram, double share);

#endif
