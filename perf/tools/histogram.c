#include "perf/tools/histogram.h"

#include <string.h>

#define SUB_COUNT (UINT64_C(1) << HISTOGRAM_SUB_BITS)

static unsigned histogram_index(uint64_t ns)
{
    if (ns < SUB_COUNT) {
        return (unsigned)ns;
    }
    unsigned octave = 63 - (unsigned)__builtin_clzll(ns) - HISTOGRAM_SUB_BITS;
    unsigned index =
        ((octave + 1) << HISTOGRAM_SUB_BITS) + (unsigned)((ns >> octave) & (SUB_COUNT - 1));
    return index < HISTOGRAM_BUCKETS ? index : HISTOGRAM_BUCKETS - 1;
}

/* The largest value of a bucket. */
static uint64_t histogram_end(unsigned index)
{
    if (index < SUB_COUNT) {
        return index;
    }
    unsigned octave = (index >> HISTOGRAM_SUB_BITS) - 1;
    uint64_t base = SUB_COUNT + (index & (SUB_COUNT - 1));
    return ((base + 1) << octave) - 1;
}

void histogram_clear(struct histogram *histogram)
{
    memset(histogram, 0, sizeof(*histogram));
}

void histogram_add(struct histogram *histogram, uint64_t ns)
{
    histogram->buckets[histogram_index(ns)]++;
    histogram->count++;
    if (ns > histogram->max) {
        histogram->max = ns;
    }
}

uint64_t histogram_quantile(const struct histogram *histogram, double share)
{
    double wanted = share * (double)histogram->count;
    uint64_t seen = 0;

    if (histogram->count == 0) {
        return 0;
    }
    for (unsigned i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted) {
            uint64_t end = histogram_end(i);
            return end < histogram->max ? end : histogram->max;
        }
    }
    return histogram->max;
}
