/* now: the time, read once a loop turn. Each thread has its own reading. */
#ifndef GATEWAY_BASE_NOW_H
#define GATEWAY_BASE_NOW_H

#include <stddef.h>
#include <stdint.h>

/* Reads both clocks; called by the loop at the start of a turn. */
void now_update(void);
/* The thread's last reading; the first call in a thread reads. Monotonic, never goes back. */
uint64_t now_mono_us(void);
static inline uint64_t now_mono_ms(void)
{
    return now_mono_us() / 1000;
}
/* Unix time. */
uint64_t now_wall_us(void);
/* Fresh readings of the clocks, for control-path work and measurements. */
uint64_t now_mono_fresh_us(void);
uint64_t now_wall_fresh_us(void);
/* "2026-01-02T03:04:05.678Z" for digits = 3, 6 for microseconds, 0 for none. Returns the length.
 * `size` at least 32. */
size_t now_format_utc(uint64_t wall_us, int digits, char *out, size_t size);
/* "Fri, 02 Jan 2026 03:04:05 GMT" (RFC 9110 5.6.7), 29 bytes, cached per thread and second. */
const char *now_http_date(void);

#endif
